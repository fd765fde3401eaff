package wire

import (
	"time"

	"github.com/go-json-experiment/json"

	"spar/mapper"
)

// The portal is a partner like any other, but the one whose pages also show when a link was changed and by whom. What
// only its answers carry is in a member of its own, and its one additional action is History.

// History is the action that asks for the changes of the link of the message's one item.
const History mapper.Action = "history"

// portalMember is added to the portal's items.
type portalMember struct {
	ChangedAt int64       `json:"changed_at,omitzero"` // unix milliseconds
	ChangeID  string      `json:"change_id,omitzero"`
	Name      string      `json:"name,omitzero"`
	Kind      mapper.Kind `json:"kind,omitzero"`
}

func appendPortal(b []byte, result *mapper.Result) []byte {
	member := portalMember{ChangeID: result.ChangeID, Name: result.Name}
	if !result.ChangedAt.IsZero() {
		member.ChangedAt = result.ChangedAt.UnixMilli()
	}
	if result.Provider != nil {
		member.Kind = result.Provider.Kind
	}
	return appendJSON(append(b, `,"portal":`...), member)
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
}

func appendChanges(b []byte, changes []mapper.Change) []byte {
	for i, c := range changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, answerChange{
			ID: c.ID, Action: c.Action, At: c.At.UnixMilli(), Partner: c.Partner, ByBeneficiary: c.ByBeneficiary, FA: c.FA,
			Provider: answerProvider{c.Provider.Name, c.Provider.Code, c.Provider.Subcode}, Kind: c.Provider.Kind,
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
		})
	}
	return changes
}
