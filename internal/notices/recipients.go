package notices

import (
	"net/mail"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"spar/mapper"
)

// Roles of a recipient: whether they are reached by what was known before a change, after it, or both. Each is told what
// concerns them: whoever lost the account does not learn where the money goes now.
const (
	roleOld  = "old"
	roleNew  = "new"
	roleBoth = "both"
)

// recipient is somebody to tell.
type recipient struct {
	channel string
	contact string // normalised
	role    string
	locale  string
}

// recipients lists whom a change concerns, each once: the contacts of the record before and after it, and the wallets
// themselves, whose numbers are phone numbers and e-mail addresses.
func recipients(n mapper.Notice, region string) []recipient {
	var list []recipient
	add := func(channel, contact, role, locale string) {
		if contact == "" {
			return
		}
		for i := range list {
			if r := &list[i]; r.channel == channel && r.contact == contact {
				if r.role != role {
					r.role = roleBoth
				}
				if locale != "" {
					r.locale = locale
				}
				return
			}
		}
		list = append(list, recipient{channel, contact, role, locale})
	}
	for _, side := range []struct {
		role  string
		party *mapper.Party
	}{{roleOld, n.Old}, {roleNew, n.New}} {
		p := side.party
		if p == nil {
			continue
		}
		add(SMS, phone(p.Phone, region), side.role, p.Locale)
		add(Email, address(p.Email), side.role, p.Locale)
		switch p.Account.Kind {
		case mapper.MobileWallet:
			add(SMS, phone(p.Account.Number, region), side.role, p.Locale)
		case mapper.EmailWallet:
			add(Email, address(p.Account.Number), side.role, p.Locale)
		}
	}
	return list
}

// phone is a number in E.164; empty if it is none that a message could be sent to.
func phone(text, region string) string {
	if text == "" {
		return ""
	}
	number, err := phonenumbers.Parse(text, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE || number.GetExtension() != "" {
		return ""
	}
	return phonenumbers.Format(number, phonenumbers.E164)
}

// address is a bare e-mail address in the form in which it is compared; empty if it is none. Only the domain has no case,
// but mailboxes that differ in nothing else are the same one wherever people have them.
func address(text string) string {
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || parsed.Name != "" {
		return ""
	}
	return strings.ToLower(text)
}
