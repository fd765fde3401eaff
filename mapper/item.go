package mapper

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of what is stored with a link.
const (
	maxReferenceIDLength = 128
	maxNameLength        = 256
	maxInfoPairs         = 32
	maxInfoBytes         = 4096
	maxEmailLength       = 254
	maxConsentBytes      = 4096
	maxVersionLength     = 64
)

var (
	// phoneForm is E.164, with or without the plus sign, or RFC 3966 with its visual separators and extension.
	phoneForm  = regexp.MustCompile(`^(?:tel:)?\+?[0-9](?:[ ().-]*[0-9]){3,19}(?:;ext=[0-9]{1,10})?$`)
	emailForm  = regexp.MustCompile(`^[^@\s\pC]+@[^@\s\pC]+$`)
	localeForm = regexp.MustCompile(`^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}$`)
)

// timestampForms are RFC 3339, and the form without a zone that existing clients send, which means UTC.
var timestampForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"}

// ParseTimestamp reads a time stamp of a message or an item: RFC 3339, or 2024-03-06 09:32:48.724 in UTC.
func ParseTimestamp(value string) (time.Time, error) {
	if len(value) <= 64 {
		for _, form := range timestampForms {
			if t, err := time.Parse(form, value); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("timestamp must be RFC 3339, such as 2026-03-06T09:32:48Z")
}

// refusal is why an item was rejected.
type refusal struct {
	code    Code
	message string
}

func (i Item) result(r refusal) Result {
	return Result{ReferenceID: i.ReferenceID.Value, ID: i.ID.Value, FA: i.FA.Value, Status: Rejected, Code: r.code, Message: r.message}
}

// checkReference finds what is wrong with a reference id; seen holds those of the batch so far.
func (i Item) checkReference(seen map[string]bool) *refusal {
	ref := i.ReferenceID
	if ref.Invalid || strings.TrimSpace(ref.Value) == "" || len(ref.Value) > maxReferenceIDLength || hasControl(ref.Value) {
		return &refusal{ReferenceIDInvalid, fmt.Sprintf("reference_id must be a text of 1 to %d characters", maxReferenceIDLength)}
	}
	if seen[ref.Value] {
		return &refusal{ReferenceIDDuplicate, "reference_id is used twice in this request"}
	}
	seen[ref.Value] = true
	return nil
}

// checkID refuses a missing ID with the text that clients match on, and a malformed one with what is expected.
func (i Item) checkID() *refusal {
	if i.ID.Value == "" && !i.ID.Invalid {
		return &refusal{IDInvalid, textIDNull}
	}
	if _, err := ParseID(i.ID.Value); err != nil || i.ID.Invalid {
		return &refusal{IDInvalid, errIDForm.Error()}
	}
	return nil
}

func (i Item) checkTimestamp() *refusal {
	if _, err := ParseTimestamp(i.Timestamp.Value); err != nil || i.Timestamp.Invalid {
		return &refusal{TimestampInvalid, "timestamp must be RFC 3339, such as 2026-03-06T09:32:48Z"}
	}
	return nil
}

// checkPerson checks what is stored beside the address. The definition names codes for it only for link; for update and
// unlink its one code about the person stands for all.
func (i Item) checkPerson(action Action) *refusal {
	codes := [...]Code{NameInvalid, MobileNumberInvalid, OtherError}
	if action != Link {
		codes = [...]Code{BeneficiaryNameInvalid, BeneficiaryNameInvalid, BeneficiaryNameInvalid}
	}
	switch {
	case i.Name.Invalid || utf8.RuneCountInString(i.Name.Value) > maxNameLength || hasControl(i.Name.Value):
		return &refusal{codes[0], fmt.Sprintf("name must be a text of at most %d characters without control characters", maxNameLength)}
	case i.Phone.Invalid || i.Phone.Value != "" && !phoneForm.MatchString(i.Phone.Value):
		return &refusal{codes[1], "phone_number must be in E.164 or RFC 3966 form, such as +15550100123"}
	case i.InfoInvalid || !infoAllowed(i.AdditionalInfo):
		return &refusal{codes[2], fmt.Sprintf("additional_info must be a list of at most %d name/value pairs, of at most %d bytes in all, none of them named %s", maxInfoPairs, maxInfoBytes, PendingChange)}
	case i.Locale.Invalid || i.Locale.Value != "" && !localeForm.MatchString(i.Locale.Value):
		return &refusal{codes[2], "locale must be a language code, such as eng"}
	case i.Email.Invalid || i.Email.Value != "" && (len(i.Email.Value) > maxEmailLength || !emailForm.MatchString(i.Email.Value)):
		return &refusal{codes[2], fmt.Sprintf("email must be an e-mail address of at most %d characters", maxEmailLength)}
	case i.Consent != nil && !i.Consent.allowed():
		return &refusal{codes[2], fmt.Sprintf("consent must be a text of at most %d bytes with its version and language", maxConsentBytes)}
	}
	return nil
}

func (c Consent) allowed() bool {
	return c.Text != "" && len(c.Text) <= maxConsentBytes && c.Version != "" && len(c.Version) <= maxVersionLength && localeForm.MatchString(c.Language)
}

// heard is the item as the mapper takes it from an actor: what only the portal may say is left out for everybody else.
func (i Item) heard(by Actor) Item {
	if !by.ByBeneficiary {
		i.Email, i.Base, i.Consent, i.Change = Text{}, Text{}, nil, Text{}
	}
	return i
}

func infoAllowed(info []Attribute) bool {
	size := 0
	for _, a := range info {
		size += len(a.Name) + len(a.Value)
		if a.Name == "" || a.Name == PendingChange || hasControl(a.Name) || len(a.Value) == 0 || a.Value[0] == '[' || a.Value[0] == 'n' || !json.Valid(a.Value) {
			return false
		}
	}
	return len(info) <= maxInfoPairs && size <= maxInfoBytes
}

func hasControl(value string) bool {
	return strings.ContainsFunc(value, unicode.IsControl)
}

// wantsDetails reports whether a resolve item asks for more than yes or no.
func (i Item) wantsDetails() bool { return i.Scope.Value == scopeDetails && !i.Scope.Invalid }

// Scopes reports which scopes the resolve items of a batch ask for: each needs a permission of its own.
func Scopes(items []Item) (yesNo, details bool) {
	for _, i := range items {
		if i.wantsDetails() {
			details = true
		} else {
			yesNo = true
		}
	}
	return yesNo || !details, details
}

const (
	scopeYesNo   = "yes_no"
	scopeDetails = "details"
)

func (i Item) checkScope() *refusal {
	if i.Scope.Invalid || i.Scope.Present && i.Scope.Value != scopeYesNo && i.Scope.Value != scopeDetails {
		return &refusal{ResolveTypeNotSupported, "scope must be yes_no or details"}
	}
	return nil
}
