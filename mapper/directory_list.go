package mapper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProviderFilter says which providers to list. Empty members do not matter.
type ProviderFilter struct {
	Text  string // words of the name or code
	Kind  Kind
	Place int // of the first one, for pages
	Limit int
}

// ProviderEntry is a provider as staff see it.
type ProviderEntry struct {
	DFSP
	Branches int // active ones
}

// Providers lists providers by name, closed ones too, and tells how many there are in all. They are some thousands at most.
func (a *DirectoryAdmin) Providers(ctx context.Context, f ProviderFilter) (page []ProviderEntry, found int, err error) {
	var list []DFSP
	if err := a.db.SelectContext(ctx, &list, `SELECT code, name, kind, strategy, active FROM dfsps ORDER BY name, code`); err != nil {
		return nil, 0, fmt.Errorf("list providers: %w", err)
	}
	words := strings.Fields(searchable(f.Text))
	list = slices.DeleteFunc(list, func(p DFSP) bool {
		return f.Kind != "" && p.Kind != f.Kind || !hasWords(words, p.Name, p.Code)
	})
	found = len(list)
	list = list[min(max(f.Place, 0), found):]
	if f.Limit > 0 {
		list = list[:min(f.Limit, len(list))]
	}
	counts, err := a.branchCounts(ctx, list)
	if err != nil {
		return nil, 0, err
	}
	page = make([]ProviderEntry, len(list))
	for i, p := range list {
		page[i] = ProviderEntry{p, counts[p.Code]}
	}
	return page, found, nil
}

func hasWords(words []string, texts ...string) bool {
	if len(words) == 0 {
		return true
	}
	text := searchable(texts...)
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

func (a *DirectoryAdmin) branchCounts(ctx context.Context, list []DFSP) (map[string]int, error) {
	codes := make([]string, len(list))
	for i, p := range list {
		codes[i] = p.Code
	}
	counts := make(map[string]int, len(list))
	if len(codes) == 0 {
		return counts, nil
	}
	from, args, err := rowset{[]column{textColumn("code", codes)}}.from(a.db, "r")
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Code     string `db:"code"`
		Branches int    `db:"branches"`
	}
	err = a.db.SelectContext(ctx, &rows, a.db.Rebind(`
		SELECT r.code, COUNT(*) AS branches
		FROM `+from+`
		JOIN branches b ON b.dfsp_code = r.code
		WHERE b.active
		GROUP BY r.code`), args...)
	if err != nil {
		return nil, fmt.Errorf("count branches: %w", err)
	}
	for _, row := range rows {
		counts[row.Code] = row.Branches
	}
	return counts, nil
}

// Provider returns a provider, whether it is active or not.
func (a *DirectoryAdmin) Provider(ctx context.Context, code string) (DFSP, error) {
	var p DFSP
	err := a.db.GetContext(ctx, &p, a.db.Rebind(`SELECT code, name, kind, strategy, active FROM dfsps WHERE code = ?`), strings.ToUpper(code))
	return p, notFound(err, "provider")
}

// Branch returns a branch, whether it is active or not.
func (a *DirectoryAdmin) Branch(ctx context.Context, dfsp, code string) (Branch, error) {
	var b Branch
	err := a.db.GetContext(ctx, &b, a.db.Rebind(selectBranches+` WHERE b.dfsp_code = ? AND b.code = ?`), strings.ToUpper(dfsp), strings.ToUpper(code))
	return b, notFound(err, "branch")
}

func notFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// branchesAtOnce is how many branches one statement reads.
const branchesAtOnce = 2000

// Branches lists up to limit branches of a bank whose name, code or place has the words of text, in the order of their
// codes, closed ones too: those behind the code after.
func (a *DirectoryAdmin) Branches(ctx context.Context, dfsp, text, after string, limit int) ([]Branch, error) {
	words := strings.Fields(searchable(text))
	list := []Branch{}
	for {
		chunk, err := a.branchesAfter(ctx, `b.dfsp_code = ? AND b.code > ?`, dfsp, after)
		if err != nil {
			return nil, err
		}
		for _, b := range chunk {
			if after = b.Code; hasWords(words, b.Name, b.Code, b.Town, b.Area, b.Address) {
				if list = append(list, b); len(list) == limit {
					return list, nil
				}
			}
		}
		if len(chunk) < branchesAtOnce {
			return list, nil
		}
	}
}

func (a *DirectoryAdmin) branchesAfter(ctx context.Context, condition string, args ...any) ([]Branch, error) {
	var chunk []Branch
	err := a.db.SelectContext(ctx, &chunk, a.db.Rebind(selectBranches+` WHERE `+condition+` ORDER BY b.dfsp_code, b.code LIMIT ?`), append(args, branchesAtOnce)...)
	if err != nil {
		return nil, fmt.Errorf("list branches: %w", err)
	}
	return chunk, nil
}

// AllBranches hands every branch to do, by bank and code. No statement runs while do does.
func (a *DirectoryAdmin) AllBranches(ctx context.Context, do func(Branch) error) error {
	dfsp, code := "", ""
	for {
		chunk, err := a.branchesAfter(ctx, `(b.dfsp_code, b.code) > (?, ?)`, dfsp, code)
		if err != nil {
			return err
		}
		for _, b := range chunk {
			if err := do(b); err != nil {
				return err
			}
			dfsp, code = b.DFSP, b.Code
		}
		if len(chunk) < branchesAtOnce {
			return nil
		}
	}
}

// Strategies lists all strategies by kind and name.
func (a *DirectoryAdmin) Strategies(ctx context.Context) ([]Strategy, error) {
	var list []Strategy
	if err := a.db.SelectContext(ctx, &list, selectStrategies+` ORDER BY kind, name`); err != nil {
		return nil, fmt.Errorf("list strategies: %w", err)
	}
	return list, nil
}

// Strategy returns a strategy, whether it is active or not.
func (a *DirectoryAdmin) Strategy(ctx context.Context, name string) (Strategy, error) {
	var s Strategy
	err := a.db.GetContext(ctx, &s, a.db.Rebind(selectStrategies+` WHERE name = ?`), name)
	return s, notFound(err, "strategy")
}

// Effect is what closing a provider or a strategy touches.
type Effect struct {
	Branches  int
	Links     int // accounts that are linked
	Counted   bool
	Providers int  // that name the strategy
	LastOne   bool // no other strategy of its kind is active
}

// countTime bounds how long counting links may take: the number only informs.
const countTime = 2 * time.Second

// EffectOnProvider tells what closing a provider touches.
func (a *DirectoryAdmin) EffectOnProvider(ctx context.Context, p DFSP) (e Effect, err error) {
	counts, err := a.branchCounts(ctx, []DFSP{p})
	if err != nil {
		return e, err
	}
	e.Branches = counts[p.Code]
	e.Links, e.Counted, err = a.countLinks(ctx, `dfsp_code = ?`, p.Code)
	return e, err
}

// EffectOnStrategy tells what closing a strategy touches. Which of the accounts of its kind have its form is sealed.
func (a *DirectoryAdmin) EffectOnStrategy(ctx context.Context, s Strategy) (e Effect, err error) {
	err = a.db.GetContext(ctx, &e.Providers, a.db.Rebind(`SELECT COUNT(*) FROM dfsps WHERE strategy = ? AND active`), s.Name)
	if err != nil {
		return e, fmt.Errorf("count providers of a strategy: %w", err)
	}
	var others int
	err = a.db.GetContext(ctx, &others, a.db.Rebind(`SELECT COUNT(*) FROM strategies WHERE kind = ? AND active AND name <> ?`), s.Kind, s.Name)
	if err != nil {
		return e, fmt.Errorf("count strategies: %w", err)
	}
	e.LastOne = others == 0
	e.Links, e.Counted, err = a.countLinks(ctx, `kind = ?`, s.Kind)
	return e, err
}

func (a *DirectoryAdmin) countLinks(ctx context.Context, condition string, arg any) (n int, counted bool, err error) {
	limited, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	err = a.db.GetContext(limited, &n, a.db.Rebind(`SELECT COUNT(*) FROM links WHERE `+condition), arg)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("count links: %w", err)
	}
	return n, true, nil
}

// Trial is an address made and taken apart by a strategy.
type Trial struct {
	FA         string
	Attributes []TrialAttribute
}

// TrialAttribute is one attribute of an address.
type TrialAttribute struct{ Name, Value string }

// Attributes are the names in a strategy's template, in their order.
func (s Strategy) Attributes() []string {
	parts, err := parseTemplate(s.Construct)
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range parts {
		if p.attribute != "" {
			names = append(names, p.attribute)
		}
	}
	return names
}

// TakeApart shows the attributes of an address; false if it does not have the strategy's form.
func (s Strategy) TakeApart(fa string) (Trial, bool) {
	c, err := compile(s)
	if err != nil || checkFAText(fa) != nil {
		return Trial{}, false
	}
	match := c.pattern.FindStringSubmatch(fa)
	if match == nil {
		return Trial{}, false
	}
	t := Trial{FA: fa}
	for i, name := range c.pattern.SubexpNames() {
		if name != "" {
			t.Attributes = append(t.Attributes, TrialAttribute{name, match[i]})
		}
	}
	return t, true
}

// Make makes an address of its attributes, and refuses those that taking it apart would not give back.
func (s Strategy) Make(attributes map[string]string) (Trial, error) {
	c, err := compile(s)
	if err != nil {
		return Trial{}, err
	}
	fa, err := c.construct(attributes)
	if err != nil {
		return Trial{}, err
	}
	t, _ := s.TakeApart(fa)
	return t, nil
}
