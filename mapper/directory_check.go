package mapper

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem says what is wrong with one field of a provider, a branch, a strategy, or a line of a list.
type Problem struct {
	Field string // as in a list's first line
	Code  ProblemCode
	Value string // what is there, or in its way
}

// ProblemCode is what can be wrong.
type ProblemCode string

// The problems that a provider, branch or strategy can have.
const (
	Missing         ProblemCode = "missing"
	TooLong         ProblemCode = "too_long"
	Unreadable      ProblemCode = "unreadable" // has characters that cannot be seen
	CodeForm        ProblemCode = "code_form"
	KindUnknown     ProblemCode = "kind_unknown"
	KindFixed       ProblemCode = "kind_fixed"
	StrategyUnknown ProblemCode = "strategy_unknown"
	Taken           ProblemCode = "taken"
	NotABank        ProblemCode = "not_a_bank"
	BankUnknown     ProblemCode = "bank_unknown"
	RuleInvalid     ProblemCode = "rule_invalid"
	ExampleWrong    ProblemCode = "example_wrong" // it does not keep the rule
)

// The problems of a strategy's form.
const (
	NotInverse     ProblemCode = "not_inverse"     // construct and deconstruct are not about the same text and names
	ShapeRegexp    ProblemCode = "shape_regexp"    // no regular expression; Value says why, in the words of the library
	ShapePattern   ProblemCode = "shape_pattern"   // not ^, text and groups, $
	ShapeBraces    ProblemCode = "shape_braces"    // not in pairs
	ShapeBegin     ProblemCode = "shape_begin"     // does not begin with fixed text
	ShapeBetween   ProblemCode = "shape_between"   // no text between two names
	ShapeTwice     ProblemCode = "shape_twice"     // Value is the name that is there twice
	ShapeNeeded    ProblemCode = "shape_needed"    // Value lists the names of which one is needed
	ShapeAmbiguous ProblemCode = "shape_ambiguous" // Value is the two names that cannot be told apart
)

// The problems that only a line of a list can have.
const (
	BadQuotes     ProblemCode = "quotes"
	BadCells      ProblemCode = "cells"
	BadEncoding   ProblemCode = "encoding"
	ActiveUnknown ProblemCode = "active_unknown"
	IFSCForm      ProblemCode = "ifsc_form"
	Twice         ProblemCode = "twice" // Value is the line it is on for the first time
)

// Error implements error.
func (p Problem) Error() string {
	if p.Value == "" {
		return fmt.Sprintf("%s: %s", p.Field, p.Code)
	}
	return fmt.Sprintf("%s: %s: %.80q", p.Field, p.Code, p.Value)
}

// Limits in characters.
const (
	maxCode    = 40
	maxName    = 200
	maxPlace   = 200
	maxAddress = 500
)

func checkText(field, text string, limit int) *Problem {
	switch {
	case !utf8.ValidString(text), strings.ContainsFunc(text, isUnseen):
		return &Problem{Field: field, Code: Unreadable}
	case utf8.RuneCountInString(text) > limit:
		return &Problem{Field: field, Code: TooLong, Value: fmt.Sprint(limit)}
	}
	return nil
}

// isUnseen reports whether a character cannot be seen, or turns the direction of others. Some scripts need joiners.
func isUnseen(r rune) bool { return !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d' }

func checkName(field, text string) *Problem {
	if text == "" {
		return &Problem{Field: field, Code: Missing}
	}
	return checkText(field, text, maxName)
}

// checkCode: codes are part of financial addresses, so they have the characters that every usual strategy allows.
func checkCode(field, code string) *Problem {
	if code == "" {
		return &Problem{Field: field, Code: Missing}
	}
	for i := range len(code) {
		c := code[i]
		if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') || i >= maxCode {
			return &Problem{Field: field, Code: CodeForm, Value: shortValue(code)}
		}
	}
	return nil
}

// shortValue is the beginning of something that may be anything, to be shown.
func shortValue(text string) string {
	text = strings.Map(func(r rune) rune {
		if isUnseen(r) {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if letters := []rune(text); len(letters) > 60 {
		return string(letters[:60]) + "…"
	}
	return text
}

func firstProblem(list ...*Problem) error {
	for _, p := range list {
		if p != nil {
			return *p
		}
	}
	return nil
}

func (p DFSP) check() error {
	kind := checkKind(p.Kind)
	return firstProblem(checkCode("code", p.Code), checkName("name", p.Name), kind)
}

func checkKind(kind Kind) *Problem {
	if kind != Bank && kind != MobileWallet && kind != EmailWallet {
		return &Problem{Field: "kind", Code: KindUnknown, Value: shortValue(string(kind))}
	}
	return nil
}

func (b Branch) check() error {
	return firstProblem(checkCode("bank_code", b.DFSP), checkCode("branch_code", b.Code), checkName("name", b.Name),
		checkText("town", b.Town, maxPlace), checkText("area", b.Area, maxPlace), checkText("address", b.Address, maxAddress))
}
