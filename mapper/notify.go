package mapper

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// Notifier has the people told whose links are changed. Queue is called within the transaction that makes the changes:
// what it writes there lasts exactly if they do.
type Notifier interface {
	Queue(ctx context.Context, tx *sqlx.Tx, notices []Notice) error
}

// Notice is a change as the people are told of it whom it concerns: those who were reached by the record before it, and
// those who are by the one after it.
type Notice struct {
	ChangeID      string // reference number shown to the person
	Action        Action
	At            time.Time
	Partner       string
	ByBeneficiary bool
	AskedAt       time.Time // of a change that is or was held: when the person asked for it; otherwise zero
	EffectiveAt   time.Time // of the same: when its hold ends
	Old, New      *Party    // nil where there was or is no link; for hold and cancel, New is what the link would become
}

// Party is what a record says about an account and about how to reach whom it belongs to.
type Party struct {
	Phone    string
	Email    string
	Locale   string
	Account  Account // zero if the address fits no strategy any more
	Provider AccountProvider
}

// herald makes notices of changes. A nil one makes none, and costs nothing.
type herald struct {
	service    *Service
	strategies []*compiled
	providers  map[string]DFSP
}

// herald gathers what notices are made of. It reads, so it is called before a transaction begins: one that waited for a
// second connection could wait for itself.
func (s *Service) herald(ctx context.Context) (*herald, error) {
	if s.notifier == nil {
		return nil, nil
	}
	strategies, err := s.strategies.active(ctx)
	if err != nil {
		return nil, err
	}
	providers, err := s.directory.providers(ctx)
	if err != nil {
		return nil, err
	}
	return &herald{service: s, strategies: strategies, providers: providers}, nil
}

// announce queues the notices of changes, in the transaction that makes them. Every change that is written to the history
// is announced here, whatever its action; only of an import by the registry's operator nobody is told.
func (h *herald) announce(ctx context.Context, tx *sqlx.Tx, by Actor, at time.Time, changes []change) error {
	if h == nil || len(changes) == 0 {
		return nil
	}
	notices := make([]Notice, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		n := Notice{ChangeID: c.changeID.String(), Action: c.action, At: at, Partner: by.Partner, ByBeneficiary: by.ByBeneficiary}
		if c.dueAt > 0 {
			n.AskedAt, n.EffectiveAt = time.UnixMilli(c.askedAt).UTC(), time.UnixMilli(c.dueAt).UTC()
		}
		party, err := h.after(c)
		if err != nil {
			return err
		}
		if c.action == Unlink {
			n.Old = party
		} else {
			n.New = party
		}
		if c.before != nil {
			if n.Old, err = h.party(*c.before); err != nil {
				return err
			}
		}
		notices = append(notices, n)
	}
	if err := h.service.notifier.Queue(ctx, tx, notices); err != nil {
		return fmt.Errorf("queue notices of %d changes: %w", len(changes), err)
	}
	return nil
}

// after is what the change leads to, or would have.
func (h *herald) after(c *change) (*Party, error) {
	if c.action != Hold && c.action != Cancel {
		return h.party(c.row)
	}
	r, err := h.service.sealer.openHeld(c.row.sealed, c.row.id, c.changeID, c.dueAt)
	if err != nil {
		return nil, err
	}
	return h.described(r), nil
}

func (h *herald) party(row linkRow) (*Party, error) {
	r, err := h.service.sealer.open(row.sealed, row.id, row.version)
	if err != nil {
		return nil, err
	}
	return h.described(r), nil
}

func (h *herald) described(r record) *Party {
	p := &Party{Phone: r.phone, Email: r.email, Locale: r.locale, Provider: *r.provider(h.providers)}
	if _, known := h.providers[fold(r.dfsp)]; !known {
		p.Provider.Name = unknownName(r.dfsp)
	}
	if account, err := deconstruct(h.strategies, r.fa); err == nil {
		p.Account = account
	}
	return p
}

// longestUnknown is how much of a code is shown that is not in the directory.
const longestUnknown = 24

// unknownName is what people are told of a provider that is not in the directory: its code, if it looks like one. Both its
// name and its code are words of whoever linked the address. In a message of the registry, to a number that they named too,
// they could say anything.
func unknownName(code string) string {
	if len(code) > longestUnknown || !isCode(code) || strings.Contains(code, ".") {
		return ""
	}
	return code
}
