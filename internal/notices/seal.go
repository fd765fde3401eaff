package notices

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"spar/mapper"
)

// facts are what is sealed of a notice. The text is made of them when it is sent. They hold no account number in full.
type facts struct {
	To            string        `json:"to"`
	Locale        string        `json:"locale,omitempty"`
	Role          string        `json:"role"`
	Action        mapper.Action `json:"action"`
	At            time.Time     `json:"at"` // when somebody did it
	EffectiveAt   time.Time     `json:"effective,omitzero"`
	ChangeID      string        `json:"change"`
	Partner       string        `json:"partner"`
	ByBeneficiary bool          `json:"self,omitempty"`
	Old           *account      `json:"old,omitempty"`
	New           *account      `json:"new,omitempty"`
}

// account is an account as a message may show it.
type account struct {
	Kind     mapper.Kind `json:"kind"`
	Provider string      `json:"provider"`
	Shown    string      `json:"shown,omitempty"` // the end of the number, or the masked e-mail address
}

// factsOf leaves out what is not for the recipient.
func factsOf(n mapper.Notice, r recipient) facts {
	f := facts{
		To: r.contact, Locale: r.locale, Role: r.role, Action: n.Action, At: n.At, ChangeID: n.ChangeID,
		Partner: n.Partner, ByBeneficiary: n.ByBeneficiary, EffectiveAt: n.EffectiveAt,
	}
	if n.Action != mapper.Cancel && !n.AskedAt.IsZero() {
		f.At = n.AskedAt // whoever asked for it did so then, not when its hold ended
	}
	if r.role != roleNew {
		f.Old = shown(n.Old)
	}
	if r.role != roleOld {
		f.New = shown(n.New)
	}
	return f
}

func shown(p *mapper.Party) *account {
	if p == nil {
		return nil
	}
	a := &account{Kind: p.Provider.Kind, Provider: p.Provider.Name}
	if p.Account.Number != "" {
		a.Shown = end(p.Account.Kind, p.Account.Number)
	}
	return a
}

// end is what a message shows of a number: its last characters. E-mail addresses end alike, so of one the domain is shown.
func end(kind mapper.Kind, number string) string {
	if local, domain, ok := strings.Cut(number, "@"); ok && kind == mapper.EmailWallet {
		if letters := []rune(local); len(letters) > 2 {
			return string(letters[0]) + "***@" + domain
		}
		return "***@" + domain
	}
	return strings.TrimLeft(mapper.Mask(number), "•")
}

// sealContext binds a sealed notice to its row, and keeps it apart from everything else that is sealed with the same key.
func sealContext(id uuid.UUID) []byte { return append([]byte("spar notice "), id[:]...) }

func (o *Outbox) seal(id uuid.UUID, f facts) ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode notice: %w", err)
	}
	sealed, err := o.c.Seal.Encrypt(text, sealContext(id))
	if err != nil {
		return nil, fmt.Errorf("seal notice: %w", err)
	}
	return sealed, nil
}

func (o *Outbox) open(id uuid.UUID, sealed []byte) (f facts, err error) {
	text, err := o.c.Seal.Decrypt(sealed, sealContext(id))
	if err != nil {
		return f, fmt.Errorf("open notice: %w", err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("decode notice: %w", err)
	}
	return f, nil
}
