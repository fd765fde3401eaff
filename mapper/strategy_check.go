package mapper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a strategy: the longest pattern is far below what the regular expressions could take long for.
const (
	maxPattern = 1000
	maxNumber  = 64
	maxExample = 60
)

const selectStrategies = `
		SELECT name, kind, construct, deconstruct, active, is_default,
		       number_min, number_max, number_chars, number_check, number_country, number_groups, number_example
		FROM strategies`

// check returns what is wrong with a strategy as a [Problem].
func (s Strategy) check() error {
	err := firstProblem(checkStrategyName(s.Name), checkKind(s.Kind), checkText("construct", s.Construct, maxPattern),
		checkText("deconstruct", s.Deconstruct, maxPattern))
	if err != nil {
		return err
	}
	if err := Compile(s); err != nil {
		field := "construct"
		if strings.Contains(err.Error(), ": deconstruct: ") {
			field = "deconstruct"
		}
		if shape, ok := errors.AsType[*shapeError](err); ok {
			return Problem{Field: field, Code: shape.code, Value: shape.value}
		}
		return Problem{Field: field, Code: ShapeRegexp, Value: shortValue(errors.Unwrap(err).Error())}
	}
	return firstProblem(s.checkRule())
}

func checkStrategyName(name string) *Problem {
	if strings.TrimSpace(name) != name {
		return &Problem{Field: "name", Code: Unreadable}
	}
	if p := checkText("name", name, maxCode); p != nil {
		return p
	}
	return checkName("name", name)
}

// NumberChecks are the checks that numbers of a kind of account can have.
func NumberChecks(kind Kind) []string {
	switch kind {
	case Bank:
		return []string{"", CheckIBAN, CheckLuhn, CheckMod11, CheckMod97, CheckVerhoeff}
	case MobileWallet:
		return []string{"", CheckMobile}
	}
	return []string{""}
}

// checkRule finds rules that no number could keep.
func (s Strategy) checkRule() *Problem {
	r := s.NumberRule
	invalid := func(field, value string) *Problem {
		return &Problem{Field: field, Code: RuleInvalid, Value: shortValue(value)}
	}
	switch {
	case r.MinLength < 0 || r.MinLength > maxNumber:
		return invalid("number_min", fmt.Sprint(r.MinLength))
	case r.MaxLength < 0 || r.MaxLength > maxNumber || r.MaxLength > 0 && r.MaxLength < r.MinLength:
		return invalid("number_max", fmt.Sprint(r.MaxLength))
	case r.Chars != "" && r.Chars != Digits:
		return invalid("number_chars", r.Chars)
	case !slices.Contains(NumberChecks(s.Kind), r.Check):
		return invalid("number_check", r.Check)
	case r.Country != "" && (r.Check != CheckIBAN || len(r.Country) != 2 || strings.Trim(r.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != ""):
		return invalid("number_country", r.Country)
	case len(r.Groups) > maxExample || strings.Trim(r.Groups, "0123456789 ") != "":
		return invalid("number_groups", r.Groups)
	}
	if p := checkText("number_example", r.Example, maxExample); p != nil || r.Example == "" || s.Kind != Bank {
		return p
	}
	if r.Verify(r.Plain(r.Example)) != "" {
		return &Problem{Field: "number_example", Code: ExampleWrong}
	}
	return nil
}
