package mapper

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/jmoiron/sqlx"
)

// Strategy says how a financial address of one kind is constructed from its attributes and deconstructed into them.
type Strategy struct {
	Name        string `db:"name"`
	Kind        Kind   `db:"kind"`
	Construct   string `db:"construct"`   // template with {attribute}
	Deconstruct string `db:"deconstruct"` // RE2 with named groups, anchored at both ends
	Active      bool   `db:"active"`
	Default     bool   `db:"is_default"` // of its kind: for providers that name no strategy; one of a kind at most
	NumberRule
}

// NumberRule says what the account numbers of a strategy look like, without the spaces and dashes they are printed with.
// The zero value asks for 4 to 34 letters and digits.
type NumberRule struct {
	MinLength int    `db:"number_min"`
	MaxLength int    `db:"number_max"`
	Chars     string `db:"number_chars"`   // [Digits], or empty: letters and digits
	Check     string `db:"number_check"`   // one of the checks below; empty: none
	Country   string `db:"number_country"` // of an IBAN: ISO 3166 code in upper case; empty: any
	Groups    string `db:"number_groups"`  // how it is printed, such as "4 4 3"
	Example   string `db:"number_example"` // shown as a hint
}

// What a [NumberRule] can ask for.
const (
	Digits = "digits"

	CheckLuhn     = "luhn"     // of payment cards: a digit at the end
	CheckVerhoeff = "verhoeff" // a digit at the end that notices every exchange of two
	CheckMod11    = "mod11"    // a digit at the end, or X: weights 2, 3, 4 and so on from the right
	CheckMod97    = "mod97"    // ISO 7064 MOD 97-10: two digits at the end
	CheckIBAN     = "iban"     // ISO 13616: two digits after the country's letters, and the country's length
	CheckMobile   = "mobile"   // of a phone number: it must be a mobile phone's
)

// Account is a financial address taken apart.
type Account struct {
	Kind         Kind
	DFSP         string // code of the bank or wallet provider, as written in the address
	DFSPName     string // only where the address itself carries it
	Branch       string
	Number       string // account number, phone number or e-mail address
	StrategyName string
}

// Attribute names that strategies use, by what they mean for an [Account].
var (
	dfspAttributes     = []string{"bank_code", "provider_code", "wallet_provider_code"}
	dfspNameAttributes = []string{"bank_name", "wallet_provider_name"}
	branchAttributes   = []string{"branch_code"}
	numberAttributes   = []string{"account_number", "mobile_number", "email_address"}
)

var errNoStrategy = errors.New("FA does not have the form of any active strategy, such as account:{account_number}@{branch_code}.{bank_code}.bank_acc")

// ErrValues says that a strategy makes no address of the values given.
var ErrValues = errors.New("the strategy does not allow these values")

// compiled is a strategy ready for use.
type compiled struct {
	Strategy
	pattern *regexp.Regexp
	parts   []part // of the template, literals and attributes in turn
	prefix  string // folded literal that every address begins with: refuses most candidates without the pattern
}

type part struct {
	literal   string
	attribute string
}

// Compile checks that a strategy's template and pattern are each other's inverse for every value the pattern allows:
//   - the pattern is anchored and, between its groups, has exactly the template's literal text;
//   - each attribute is one named group of one character class, repeated;
//   - the literal between two groups cannot be found at another place: seen from the left, the class of the group before
//     it lacks a character of it, or, seen from the right, that of the group behind it does. At most one group can be
//     undecided from both sides, and it is what remains.
func Compile(s Strategy) error {
	_, err := compile(s)
	return err
}

func compile(s Strategy) (*compiled, error) {
	if s.Kind != Bank && s.Kind != MobileWallet && s.Kind != EmailWallet {
		return nil, fmt.Errorf("strategy %q: kind %q is not bank, mobile_wallet or email_wallet", s.Name, s.Kind)
	}
	parts, err := parseTemplate(s.Construct)
	if err != nil {
		return nil, fmt.Errorf("strategy %q: construct: %w", s.Name, err)
	}
	// Addresses compare without regard to case, so their fixed text is recognised in any.
	pattern, err := regexp.Compile("(?i)" + s.Deconstruct)
	if err != nil {
		return nil, fmt.Errorf("strategy %q: deconstruct: %w", s.Name, err)
	}
	groups, err := parsePattern(s.Deconstruct)
	if err != nil {
		return nil, fmt.Errorf("strategy %q: deconstruct: %w", s.Name, err)
	}
	if err := sameShape(parts, groups); err != nil {
		return nil, fmt.Errorf("strategy %q: %w", s.Name, err)
	}
	if err := decidable(groups); err != nil {
		return nil, fmt.Errorf("strategy %q: %w", s.Name, err)
	}
	for _, needed := range [][]string{dfspAttributes, numberAttributes} {
		if !slices.ContainsFunc(parts, func(p part) bool { return slices.Contains(needed, p.attribute) }) {
			names := strings.Join(needed, ", ")
			return nil, fmt.Errorf("strategy %q: %w", s.Name, &shapeError{ShapeNeeded, names, "one of the attributes " + names + " is needed"})
		}
	}
	return &compiled{Strategy: s, pattern: pattern, parts: parts, prefix: fold(parts[0].literal)}, nil
}

// shapeError is what is wrong with the form of a strategy: in English, and as the code of a [Problem].
type shapeError struct {
	code  ProblemCode
	value string
	text  string
}

func (e *shapeError) Error() string { return e.text }

func parseTemplate(template string) ([]part, error) {
	var parts []part
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, &shapeError{ShapeBraces, "", "} without {"}
		}
		if literal != "" {
			parts = append(parts, part{literal: literal})
		} else if len(parts) > 0 && found {
			return nil, &shapeError{ShapeBetween, "", "two attributes need text between them"}
		}
		if !found {
			break
		}
		attribute, after, closed := strings.Cut(after, "}")
		if !closed || attribute == "" || strings.Contains(attribute, "{") {
			return nil, &shapeError{ShapeBraces, "", "{attribute} is not closed"}
		}
		if slices.ContainsFunc(parts, func(p part) bool { return p.attribute == attribute }) {
			return nil, &shapeError{ShapeTwice, attribute, "attribute " + attribute + " is there twice"}
		}
		parts = append(parts, part{attribute: attribute})
		rest = after
	}
	if len(parts) == 0 || parts[0].literal == "" {
		return nil, &shapeError{ShapeBegin, "", "must begin with fixed text"}
	}
	return parts, nil
}

// group is a piece of a pattern: fixed text, or a named group with the characters it may hold.
type group struct {
	literal string
	name    string
	chars   func(r rune) bool
}

var errPatternShape = &shapeError{ShapePattern, "", "must be ^, then fixed text and groups (?P<name>[class]+) in turn, then $"}

func parsePattern(pattern string) ([]group, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 3 {
		return nil, errPatternShape
	}
	last := len(tree.Sub) - 1
	if tree.Sub[0].Op != syntax.OpBeginText || tree.Sub[last].Op != syntax.OpEndText {
		return nil, errPatternShape
	}
	var groups []group
	for _, sub := range tree.Sub[1:last] {
		switch sub.Op {
		case syntax.OpLiteral:
			groups = append(groups, group{literal: string(sub.Rune)})
		case syntax.OpCapture:
			if sub.Name == "" {
				return nil, errPatternShape
			}
			groups = append(groups, group{name: sub.Name, chars: charsOf(sub.Sub[0])})
		default:
			return nil, errPatternShape
		}
	}
	return groups, nil
}

// charsOf returns a test that is true at least for every character that an expression can contain.
func charsOf(e *syntax.Regexp) func(r rune) bool {
	switch e.Op {
	case syntax.OpLiteral:
		return func(r rune) bool { return slices.Contains(e.Rune, r) || slices.Contains(e.Rune, unicode.SimpleFold(r)) }
	case syntax.OpCharClass:
		return func(r rune) bool {
			for i := 0; i < len(e.Rune); i += 2 {
				if e.Rune[i] <= r && r <= e.Rune[i+1] {
					return true
				}
			}
			return false
		}
	case syntax.OpPlus, syntax.OpStar, syntax.OpQuest, syntax.OpRepeat, syntax.OpConcat, syntax.OpAlternate, syntax.OpCapture:
		tests := make([]func(rune) bool, 0, len(e.Sub))
		for _, sub := range e.Sub {
			tests = append(tests, charsOf(sub))
		}
		return func(r rune) bool {
			return slices.ContainsFunc(tests, func(test func(rune) bool) bool { return test(r) })
		}
	case syntax.OpEmptyMatch:
		return func(rune) bool { return false }
	default:
		return func(rune) bool { return true }
	}
}

func sameShape(parts []part, groups []group) error {
	same := slices.EqualFunc(parts, groups, func(p part, g group) bool {
		return p.literal == g.literal && p.attribute == g.name
	})
	if !same {
		return &shapeError{NotInverse, "", "construct and deconstruct must have the same fixed text and attributes in the same order"}
	}
	return nil
}

func decidable(groups []group) error {
	lacksOneOf := func(g group, literal string) bool {
		// Case is ignored in the literal, so a class must lack a character in both cases.
		return strings.ContainsFunc(literal, func(r rune) bool { return !g.chars(unicode.ToLower(r)) && !g.chars(unicode.ToUpper(r)) })
	}
	left := 1
	for left+1 < len(groups) && lacksOneOf(groups[left], groups[left+1].literal) {
		left += 2
	}
	right := len(groups) - 1
	if groups[right].name == "" {
		right--
	}
	for right > left && lacksOneOf(groups[right], groups[right-1].literal) {
		right -= 2
	}
	if right > left {
		names := groups[left].name + ", " + groups[right].name
		return &shapeError{ShapeAmbiguous, names, "taking the address apart would be ambiguous between " + names + ": one of them must exclude a character of the text between them"}
	}
	return nil
}

// construct fills the template and proves that taking the result apart gives the same values.
func (c *compiled) construct(attributes map[string]string) (string, error) {
	var b strings.Builder
	for _, p := range c.parts {
		if p.attribute == "" {
			b.WriteString(p.literal)
			continue
		}
		b.WriteString(attributes[p.attribute])
	}
	fa := b.String()
	if checkFAText(fa) != nil {
		return "", fmt.Errorf("strategy %q: %w", c.Name, ErrValues)
	}
	match := c.pattern.FindStringSubmatch(fa)
	for i, name := range c.pattern.SubexpNames() {
		if match == nil || name != "" && match[i] != attributes[name] {
			return "", fmt.Errorf("strategy %q: %w", c.Name, ErrValues)
		}
	}
	return fa, nil
}

func (c *compiled) deconstruct(fa string) (Account, bool) {
	if len(fa) < len(c.prefix) || fold(fa[:len(c.prefix)]) != c.prefix {
		return Account{}, false
	}
	match := c.pattern.FindStringSubmatch(fa)
	if match == nil {
		return Account{}, false
	}
	account := Account{Kind: c.Kind, StrategyName: c.Name}
	for i, name := range c.pattern.SubexpNames() {
		switch {
		case slices.Contains(dfspAttributes, name):
			account.DFSP = match[i]
		case slices.Contains(dfspNameAttributes, name):
			account.DFSPName = match[i]
		case slices.Contains(branchAttributes, name):
			account.Branch = match[i]
		case slices.Contains(numberAttributes, name):
			account.Number = match[i]
		}
	}
	return account, true
}

// Strategies gives the strategies of the database, read again when they are older than a few seconds.
type Strategies struct {
	db     *sqlx.DB
	now    func() time.Time
	cached atomic.Pointer[strategySet]
}

type strategySet struct {
	at   time.Time
	list []*compiled
}

// directoryMaxAge bounds how long another replica's change of a strategy or provider goes unnoticed.
const directoryMaxAge = 5 * time.Second

// NewStrategies reads from db when first used.
func NewStrategies(db *sqlx.DB, now func() time.Time) *Strategies {
	return &Strategies{db: db, now: now}
}

func (s *Strategies) active(ctx context.Context) ([]*compiled, error) {
	if set := s.cached.Load(); set != nil && s.now().Sub(set.at) < directoryMaxAge {
		return set.list, nil
	}
	var rows []Strategy
	err := s.db.SelectContext(ctx, &rows, `
		SELECT name, kind, construct, deconstruct, active, is_default,
		       number_min, number_max, number_chars, number_check, number_country, number_groups, number_example
		FROM strategies
		WHERE active
		ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read strategies: %w", err)
	}
	set := &strategySet{at: s.now(), list: make([]*compiled, 0, len(rows))}
	for _, row := range rows {
		c, err := compile(row)
		if err != nil {
			return nil, err
		}
		set.list = append(set.list, c)
	}
	s.cached.Store(set)
	return set.list, nil
}

// Of returns the strategy by which addresses of a provider are made: the one it names, or else the default of its kind.
// A strategy that is named and not active counts as not named.
func (s *Strategies) Of(ctx context.Context, provider DFSP) (Strategy, error) {
	c, err := s.of(ctx, provider)
	if err != nil {
		return Strategy{}, err
	}
	return c.Strategy, nil
}

func (s *Strategies) of(ctx context.Context, provider DFSP) (*compiled, error) {
	list, err := s.active(ctx)
	if err != nil {
		return nil, err
	}
	var found *compiled
	for _, c := range list {
		switch {
		case c.Kind != provider.Kind:
		case c.Name == provider.Strategy:
			return c, nil
		case c.Default || found == nil:
			found = c
		}
	}
	if found == nil {
		return nil, fmt.Errorf("construct FA: there is no active %s strategy", provider.Kind)
	}
	return found, nil
}

// Construct makes the financial address of an account at a provider, by the provider's strategy, which takes of the
// attributes those it has a place for.
func (s *Strategies) Construct(ctx context.Context, provider DFSP, attributes map[string]string) (string, error) {
	c, err := s.of(ctx, provider)
	if err != nil {
		return "", err
	}
	return c.construct(attributes)
}

// Deconstruct takes a financial address apart by the first active strategy that it fits.
func (s *Strategies) Deconstruct(ctx context.Context, fa string) (Account, error) {
	list, err := s.active(ctx)
	if err != nil {
		return Account{}, err
	}
	return deconstruct(list, fa)
}

func deconstruct(list []*compiled, fa string) (Account, error) {
	if err := checkFAText(fa); err != nil {
		return Account{}, err
	}
	for _, c := range list {
		if account, ok := c.deconstruct(fa); ok {
			return account, nil
		}
	}
	return Account{}, errNoStrategy
}
