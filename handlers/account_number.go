package handlers

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"spar/mapper"
	"spar/web/i18n"
)

var emailForm = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=^_{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$`)

// readNumber checks what was typed by the rule of the bank or wallet. It returns the number as it is stored, or a message
// that says what to do.
func (p *Portal) readNumber(ctx context.Context, chosen choice, typed string) (number, problem string) {
	kind := chosen.provider.Kind
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", i18n.T(ctx, "details.missing."+string(kind))
	}
	switch kind {
	case mapper.Bank:
		return readAccount(ctx, chosen, typed)
	case mapper.MobileWallet:
		return p.readPhone(ctx, chosen, typed)
	default:
		return readEmail(ctx, typed)
	}
}

func readEmail(ctx context.Context, typed string) (address, problem string) {
	if len(typed) <= 254 && emailForm.MatchString(typed) {
		return typed, ""
	}
	return "", i18n.T(ctx, "details.invalid.email_wallet")
}

func readAccount(ctx context.Context, chosen choice, typed string) (number, problem string) {
	rule, bank := chosen.rule, chosen.provider.Name
	number = rule.Plain(typed)
	switch rule.Verify(number) {
	case "":
		return number, ""
	case mapper.NumberMissing:
		return "", i18n.T(ctx, "details.missing.bank")
	case mapper.NumberChars:
		wrong, _ := rule.Wrong(number)
		if !unicode.IsGraphic(wrong) {
			wrong = unicode.ReplacementChar
		}
		if rule.OnlyDigits() {
			return "", i18n.T(ctx, "details.wrong.digits_only", "bank", bank, "character", string(wrong))
		}
		return "", i18n.T(ctx, "details.wrong.letters_only", "bank", bank, "character", string(wrong))
	case mapper.NumberCountry:
		if rule.Country != "" {
			return "", i18n.T(ctx, "details.wrong.country", "bank", bank, "country", rule.Country, "typed", mapper.CountryOf(number))
		}
		return "", i18n.T(ctx, "details.wrong.no_country", "typed", mapper.CountryOf(number))
	case mapper.NumberLength:
		return "", ruleText(ctx, chosen, mapper.CountryOf(number)) + " " + i18n.T(ctx, "details.wrong.typed", "number", i18n.Number(ctx, len(number)))
	default:
		return "", i18n.T(ctx, "details.wrong.check")
	}
}

// ruleText says what an account number of a bank looks like. country is that of the IBAN at hand, if any.
func ruleText(ctx context.Context, chosen choice, country string) string {
	rule, bank := chosen.rule, chosen.provider.Name
	letters := "digits"
	if !rule.OnlyDigits() {
		letters = "letters"
	}
	shortest, longest := rule.Lengths(country)
	number, from, to := i18n.Number(ctx, longest), i18n.Number(ctx, shortest), i18n.Number(ctx, longest)
	switch {
	case rule.Check == mapper.CheckIBAN && shortest < longest:
		return i18n.T(ctx, "details.rule.iban", "bank", bank)
	case rule.Check == mapper.CheckIBAN:
		return i18n.T(ctx, "details.rule.iban_country", "bank", bank, "country", country, "count", longest, "number", number)
	case shortest < longest:
		return i18n.T(ctx, "details.rule."+letters+"_range", "bank", bank, "from", from, "to", to)
	default:
		return i18n.T(ctx, "details.rule."+letters, "bank", bank, "count", longest, "number", number)
	}
}

// numberHint says what is asked for, and where it is found.
func (p *Portal) numberHint(ctx context.Context, chosen choice) string {
	kind, rule := chosen.provider.Kind, chosen.rule
	switch {
	case kind == mapper.MobileWallet && p.Region == "":
		return i18n.T(ctx, "details.hint_abroad", "example", p.examplePhone())
	case kind != mapper.Bank:
		return i18n.T(ctx, "details.hint."+string(kind), "example", p.examplePhone())
	}
	hint := ruleText(ctx, chosen, rule.Country)
	if rule.Example != "" {
		hint += " " + i18n.T(ctx, "details.rule.example", "example", rule.Example)
	}
	return hint + " " + i18n.T(ctx, "details.rule.where")
}

func (p *Portal) readPhone(ctx context.Context, chosen choice, typed string) (number, problem string) {
	example := p.examplePhone()
	phone, err := phonenumbers.Parse(chosen.rule.Plain(typed), p.Region)
	length := phonenumbers.IS_POSSIBLE
	if err == nil {
		length = phonenumbers.IsPossibleNumberWithReason(phone)
	}
	switch {
	case errors.Is(err, phonenumbers.ErrTooShortNSN), errors.Is(err, phonenumbers.ErrTooShortAfterIDD), length == phonenumbers.TOO_SHORT:
		return "", i18n.T(ctx, "details.wrong.phone_short", "example", example)
	case errors.Is(err, phonenumbers.ErrNumTooLong), length == phonenumbers.TOO_LONG:
		return "", i18n.T(ctx, "details.wrong.phone_long", "example", example)
	case err != nil:
		return "", i18n.T(ctx, "details.invalid.mobile_wallet", "example", example)
	}
	if !phonenumbers.IsValidNumber(phone) {
		return "", i18n.T(ctx, "details.invalid.mobile_wallet", "example", example)
	}
	kind := phonenumbers.GetNumberType(phone)
	if chosen.rule.Check == mapper.CheckMobile && kind != phonenumbers.MOBILE && kind != phonenumbers.FIXED_LINE_OR_MOBILE {
		return "", i18n.T(ctx, "details.wrong.mobile_only", "wallet", chosen.provider.Name, "example", example)
	}
	return phonenumbers.Format(phone, phonenumbers.E164), ""
}

// examplePhone is a phone number as people of the region write it.
func (p *Portal) examplePhone() string {
	if example := phonenumbers.GetExampleNumberForType(p.Region, phonenumbers.MOBILE); example != nil {
		return phonenumbers.Format(example, phonenumbers.NATIONAL)
	}
	return phonenumbers.Format(phonenumbers.GetExampleNumberForType("GB", phonenumbers.MOBILE), phonenumbers.INTERNATIONAL)
}

// readablePhone writes a stored phone number in groups, for comparing.
func readablePhone(number string) string {
	phone, err := phonenumbers.Parse(number, "")
	if err != nil {
		return number
	}
	return phonenumbers.Format(phone, phonenumbers.INTERNATIONAL)
}
