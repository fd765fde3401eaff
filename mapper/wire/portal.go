package wire

import (
	"time"

	"github.com/go-json-experiment/json"

	"spar/mapper"
)

// The portal is a partner like any other, but the one whose pages also show when a link was changed and by whom. What
// only its calls and its answers carry is in a member of its own of each item, portal, and it has actions that nobody else
// has. Whose calls those are is for the mapper to say: it listens to that member from the portal only.

// What the portal alone may ask about the person of the message's one item.
const (
	History mapper.Action = "history" // the changes of their link
	Lookups mapper.Action = "lookups" // who saw the details of their account
)

// Cancel is what the portal alone may ask for: that a change of the person, which waits, is not made.
const Cancel = mapper.Cancel

// Report is the action that reports a change, named in the message's one item, as not the person's doing.
const Report mapper.Action = "report"

// portalMember is added to the portal's items.
type portalMember struct {
	ChangedAt int64       `json:"changed_at,omitzero"` // unix milliseconds
	ChangeID  string      `json:"change_id,omitzero"`
	Name      string      `json:"name,omitzero"`
	Kind      mapper.Kind `json:"kind,omitzero"`
	State     string      `json:"state,omitzero"`

	EffectiveAt int64       `json:"effective_at,omitzero"`
	Held        *portalHeld `json:"held,omitzero"`
	Case        *answerCase `json:"case,omitzero"`
}

type portalHeld struct {
	ChangeID    string         `json:"change_id"`
	FA          string         `json:"fa"`
	Provider    answerProvider `json:"account_provider_info"`
	Kind        mapper.Kind    `json:"kind"`
	AskedAt     int64          `json:"asked_at"`
	EffectiveAt int64          `json:"effective_at"`
}

// millis is 0 for no time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

type answerCase struct {
	Number    string             `json:"number"`
	OpenedAt  int64              `json:"opened_at"`
	SettledAt int64              `json:"settled_at,omitzero"`
	Outcome   mapper.CaseOutcome `json:"outcome,omitzero"`
	Reported  []string           `json:"reported"`
}

func newAnswerCase(c *mapper.Case) *answerCase {
	if c == nil {
		return nil
	}
	a := &answerCase{Number: c.Number, OpenedAt: c.OpenedAt.UnixMilli(), Outcome: c.Outcome, Reported: c.Reported}
	if !c.Open() {
		a.SettledAt = c.SettledAt.UnixMilli()
	}
	return a
}

func (a *answerCase) described() *mapper.Case {
	if a == nil {
		return nil
	}
	c := &mapper.Case{Number: a.Number, OpenedAt: time.UnixMilli(a.OpenedAt).UTC(), Outcome: a.Outcome, Reported: a.Reported}
	if a.SettledAt != 0 {
		c.SettledAt = time.UnixMilli(a.SettledAt).UTC()
	}
	return c
}

func appendPortal(b []byte, result *mapper.Result) []byte {
	member := portalMember{
		ChangedAt: millis(result.ChangedAt), ChangeID: result.ChangeID, Name: result.Name, State: result.State, EffectiveAt: millis(result.EffectiveAt),
		Case: newAnswerCase(result.Case),
	}
	if h := result.Held; h != nil {
		member.Held = &portalHeld{
			ChangeID: h.ChangeID, FA: h.FA, Provider: answerProvider{h.Provider.Name, h.Provider.Code, h.Provider.Subcode}, Kind: h.Provider.Kind,
			AskedAt: millis(h.AskedAt), EffectiveAt: millis(h.EffectiveAt),
		}
	}
	if result.Provider != nil {
		member.Kind = result.Provider.Kind
	}
	return appendJSON(append(b, `,"portal":`...), member)
}

// fill completes a result by what only the portal is told.
func (m *portalMember) fill(r *mapper.Result) {
	r.ChangeID, r.Name, r.State, r.Case = m.ChangeID, m.Name, m.State, m.Case.described()
	r.ChangedAt, r.EffectiveAt = timeOf(m.ChangedAt), timeOf(m.EffectiveAt)
	if r.Provider != nil {
		r.Provider.Kind = m.Kind
	}
	if h := m.Held; h != nil {
		r.Held = &mapper.Held{
			ChangeID: h.ChangeID, FA: h.FA, AskedAt: timeOf(h.AskedAt), EffectiveAt: timeOf(h.EffectiveAt),
			Provider: mapper.AccountProvider{Name: h.Provider.Name, Code: h.Provider.Code, Subcode: h.Provider.Subcode, Kind: h.Kind},
		}
	}
}

func appendJSON(b []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		return append(b, `null`...) // plain structs of our own always encode
	}
	return append(b, text...)
}

type answerChange struct {
	ID            string         `json:"change_id"`
	Action        mapper.Action  `json:"action"`
	At            int64          `json:"changed_at"`
	Partner       string         `json:"partner"`
	ByBeneficiary bool           `json:"by_beneficiary"`
	FA            string         `json:"fa"`
	Provider      answerProvider `json:"account_provider_info"`
	Kind          mapper.Kind    `json:"kind"`
	Consent       *answerConsent `json:"consent,omitzero"`
	AskedAt       int64          `json:"asked_at,omitzero"`
	EffectiveAt   int64          `json:"effective_at,omitzero"`
}

type answerConsent struct {
	Text     string `json:"text"`
	Version  string `json:"version"`
	Language string `json:"language"`
}

func appendChanges(b []byte, changes []mapper.Change) []byte {
	for i, c := range changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, answerChange{
			ID: c.ID, Action: c.Action, At: c.At.UnixMilli(), Partner: c.Partner, ByBeneficiary: c.ByBeneficiary, FA: c.FA,
			Provider: answerProvider{c.Provider.Name, c.Provider.Code, c.Provider.Subcode}, Kind: c.Provider.Kind,
			Consent: (*answerConsent)(c.Consent), AskedAt: millis(c.AskedAt), EffectiveAt: millis(c.EffectiveAt),
		})
	}
	return b
}

func changesOf(list []answerChange) []mapper.Change {
	changes := make([]mapper.Change, 0, len(list))
	for _, c := range list {
		changes = append(changes, mapper.Change{
			ID: c.ID, Action: c.Action, At: time.UnixMilli(c.At).UTC(), Partner: c.Partner, ByBeneficiary: c.ByBeneficiary, FA: c.FA,
			Provider: mapper.AccountProvider{Name: c.Provider.Name, Code: c.Provider.Code, Subcode: c.Provider.Subcode, Kind: c.Kind},
			Consent:  (*mapper.Consent)(c.Consent), AskedAt: timeOf(c.AskedAt), EffectiveAt: timeOf(c.EffectiveAt),
		})
	}
	return changes
}

// appendSaid writes what only the portal says with an item; nothing where it says nothing.
func appendSaid(b []byte, item *mapper.Item) []byte {
	if !item.Email.Present && !item.Base.Present && !item.Change.Present && item.Consent == nil {
		return b
	}
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = appendTexts(append(b, `"portal":{`...), member{"email", item.Email}, member{"base", item.Base}, member{"change_id", item.Change})
	if item.Consent != nil {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendJSON(append(b, `"consent":`...), answerConsent(*item.Consent))
	}
	return append(b, '}')
}

// said reads what only the portal says with an item.
func (p *parser) said(item *mapper.Item) error {
	_, err := p.object(func(name []byte) error {
		switch string(name) {
		case "email":
			return p.text(&item.Email)
		case "base":
			return p.text(&item.Base)
		case "change_id":
			return p.text(&item.Change)
		case "consent":
			return p.consent(item)
		default:
			return p.skip()
		}
	})
	return err
}

// consent reads an object of three texts. What is none of these stays empty, which the mapper refuses.
func (p *parser) consent(item *mapper.Item) error {
	if p.dec.PeekKind() == 'n' {
		return p.skip()
	}
	var text, version, language mapper.Text
	_, err := p.object(func(name []byte) error {
		switch string(name) {
		case "text":
			return p.text(&text)
		case "version":
			return p.text(&version)
		case "language":
			return p.text(&language)
		default:
			return p.skip()
		}
	})
	item.Consent = &mapper.Consent{Text: text.Value, Version: version.Value, Language: language.Value}
	return err
}
