package mapper_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/migrations/dbtest"
)

func newDirectoryAdmin(t *testing.T, db *sqlx.DB) (*mapper.DirectoryAdmin, *mapper.Directory, *mapper.Strategies, *audit.Log) {
	t.Helper()
	directory, strategies, trail := mapper.NewDirectory(db, time.Now), mapper.NewStrategies(db, time.Now), audittest.New(t, db)
	return mapper.NewDirectoryAdmin(directory, strategies, trail), directory, strategies, trail
}

// lastEvent is the newest event in one line.
func lastEvent(t *testing.T, trail *audit.Log) string {
	t.Helper()
	events, err := trail.List(t.Context(), audit.Filter{Limit: 1})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	e := events[0]
	return fmt.Sprintf("%s %s: %s -> %s", e.Action, e.Target, e.Before, e.After)
}

func problemOf(err error) string {
	if p, ok := errors.AsType[mapper.Problem](err); ok {
		return p.Field + " " + string(p.Code)
	}
	return fmt.Sprint(err)
}

// Every change counts at once, starts from what was shown, and is told to the audit log with what it replaced.
func TestChangeDirectory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		admin, directory, strategies, trail := newDirectoryAdmin(t, db)
		by, ctx := audittest.By, t.Context()
		told := func(want string) {
			t.Helper()
			if got := lastEvent(t, trail); got != want {
				t.Errorf("the log says %s\nwant %s", got, want)
			}
		}
		alpha := mapper.DFSP{Code: "ALPHA", Name: "Alpha Bank", Kind: mapper.Bank, Active: true}
		if err := admin.SaveProvider(ctx, by, "", mapper.DFSP{Code: "alpha", Name: "Alpha Bank", Kind: mapper.Bank, Active: true}); err != nil {
			t.Fatal(err)
		}
		told("directory.add bank ALPHA:  -> name=Alpha Bank; kind=bank; active=true")
		if p, err := directory.Provider(ctx, "alpha"); err != nil || p != alpha {
			t.Errorf("%+v, %v", p, err)
		}
		renamed := alpha
		renamed.Name, renamed.Strategy = "Alpha", "OpenG2P bank"
		if err := admin.SaveProvider(ctx, by, alpha.State(), renamed); err != nil {
			t.Fatal(err)
		}
		told("directory.change bank ALPHA: name=Alpha Bank; strategy= -> name=Alpha; strategy=OpenG2P bank")
		if err := admin.SaveProvider(ctx, by, alpha.State(), alpha); !errors.Is(err, mapper.ErrDirectoryStale) {
			t.Errorf("from a state that is over: %v", err)
		}
		closed := renamed
		closed.Active = false
		if err := admin.SaveProvider(ctx, by, renamed.State(), closed); err != nil {
			t.Fatal(err)
		}
		told("directory.deactivate bank ALPHA: active=true -> active=false")
		if _, err := directory.Provider(ctx, "ALPHA"); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("a closed bank is offered: %v", err)
		}
		if err := admin.SaveProvider(ctx, by, closed.State(), closed); err != nil {
			t.Fatal(err)
		}
		told("directory.deactivate bank ALPHA: active=true -> active=false") // nothing new
		if err := admin.SaveProvider(ctx, by, closed.State(), renamed); err != nil {
			t.Fatal(err)
		}
		told("directory.activate bank ALPHA: active=false -> active=true")

		main := mapper.Branch{DFSP: "ALPHA", Code: "001", Name: "Main", Town: "Capital", Active: true}
		if err := admin.SaveBranch(ctx, by, "", main); err != nil {
			t.Fatal(err)
		}
		told("directory.add branch ALPHA/001:  -> name=Main; town=Capital; active=true")
		moved := main
		moved.Address = "1 High Street"
		if err := admin.SaveBranch(ctx, by, main.State(), moved); err != nil {
			t.Fatal(err)
		}
		told("directory.change branch ALPHA/001: address= -> address=1 High Street")
		shown, err := admin.Branch(ctx, "alpha", "001")
		if err != nil || shown.State() != moved.State() || shown.DFSPName != "Alpha" {
			t.Errorf("%+v, %v", shown, err)
		}

		own := mapper.Strategy{
			Name: "own", Kind: mapper.Bank, Construct: "own:{account_number}@{bank_code}.own", Active: true,
			Deconstruct: `^own:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z0-9]+)\.own$`,
			NumberRule:  mapper.NumberRule{MinLength: 8, MaxLength: 12, Chars: mapper.Digits},
		}
		if err := admin.SaveStrategy(ctx, by, "", own); err != nil {
			t.Fatal(err)
		}
		if got := lastEvent(t, trail); !strings.HasPrefix(got, "directory.add strategy own:  -> kind=bank; construct=own:{account_number}") {
			t.Error(got)
		}
		if a, err := strategies.Deconstruct(ctx, "own:12345678@ALPHA.own"); err != nil || a.Number != "12345678" {
			t.Errorf("%+v, %v", a, err)
		}
		usual := own
		usual.Default = true
		if err := admin.SaveStrategy(ctx, by, own.State(), usual); err != nil {
			t.Fatal(err)
		}
		if s, err := admin.Strategy(ctx, "bank"); err != nil || s.Default {
			t.Errorf("two are the usual one: %+v, %v", s, err)
		}
		closedStrategy := usual
		closedStrategy.Active = false
		if err := admin.SaveStrategy(ctx, by, usual.State(), closedStrategy); err != nil {
			t.Fatal(err)
		}
		told("directory.deactivate strategy own: active=true -> active=false")
		if _, err := strategies.Deconstruct(ctx, "own:12345678@ALPHA.own"); err == nil {
			t.Error("a closed strategy takes addresses")
		}
		if effect, err := admin.EffectOnStrategy(ctx, mapper.Strategy{Name: "OpenG2P bank", Kind: mapper.Bank}); err != nil || effect.Providers != 1 || effect.LastOne || !effect.Counted {
			t.Errorf("%+v, %v", effect, err)
		}
		if effect, err := admin.EffectOnProvider(ctx, alpha); err != nil || effect.Branches != 1 || effect.Links != 0 {
			t.Errorf("%+v, %v", effect, err)
		}
	})
}

func TestChangesRefused(t *testing.T) {
	db := dbtest.SQLite(t)
	admin, _, _, trail := newDirectoryAdmin(t, db)
	by, ctx := audittest.By, t.Context()
	bank := mapper.DFSP{Code: "ALPHA", Name: "Alpha", Kind: mapper.Bank, Active: true}
	wallet := mapper.DFSP{Code: "GAMMA", Name: "Gamma", Kind: mapper.MobileWallet, Active: true}
	for _, p := range []mapper.DFSP{bank, wallet} {
		if err := admin.SaveProvider(ctx, by, "", p); err != nil {
			t.Fatal(err)
		}
	}
	before := lastEvent(t, trail)
	provider := func(seen string, change func(*mapper.DFSP)) error {
		p := mapper.DFSP{Code: "NEW", Name: "New", Kind: mapper.Bank}
		change(&p)
		return admin.SaveProvider(ctx, by, seen, p)
	}
	branch := func(seen string, change func(*mapper.Branch)) error {
		b := mapper.Branch{DFSP: "ALPHA", Code: "001", Name: "Main"}
		change(&b)
		return admin.SaveBranch(ctx, by, seen, b)
	}
	strategy := func(change func(*mapper.Strategy)) error {
		s := mapper.Strategy{Name: "new", Kind: mapper.Bank, Construct: "x:{account_number}@{bank_code}", Deconstruct: `^x:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`}
		change(&s)
		return admin.SaveStrategy(ctx, by, "", s)
	}
	for want, err := range map[string]error{
		"code missing":                 provider("", func(p *mapper.DFSP) { p.Code = "" }),
		"code code_form":               provider("", func(p *mapper.DFSP) { p.Code = "A B" }),
		"code taken":                   provider("", func(p *mapper.DFSP) { p.Code = "alpha" }),
		"name missing":                 provider("", func(p *mapper.DFSP) { p.Name = "" }),
		"name unreadable":              provider("", func(p *mapper.DFSP) { p.Name = "a\nb" }),
		"kind kind_unknown":            provider("", func(p *mapper.DFSP) { p.Kind = "shop" }),
		"kind kind_fixed":              provider(wallet.State(), func(p *mapper.DFSP) { p.Code = "GAMMA" }),
		"strategy strategy_unknown":    provider("", func(p *mapper.DFSP) { p.Strategy = "mobile wallet" }),
		"branch_code code_form":        branch("", func(b *mapper.Branch) { b.Code = "0.1" }),
		"bank_code not_a_bank":         branch("", func(b *mapper.Branch) { b.DFSP = "GAMMA" }),
		"town too_long":                branch("", func(b *mapper.Branch) { b.Town = strings.Repeat("x", 201) }),
		"construct not_inverse":        strategy(func(s *mapper.Strategy) { s.Construct = "y:{account_number}@{bank_code}" }),
		"deconstruct shape_regexp":     strategy(func(s *mapper.Strategy) { s.Deconstruct = `(` }),
		"number_max rule_invalid":      strategy(func(s *mapper.Strategy) { s.MinLength, s.MaxLength = 9, 8 }),
		"number_example example_wrong": strategy(func(s *mapper.Strategy) { s.Check, s.Example = mapper.CheckLuhn, "4111 1111 1111 1112" }),
		"number_check rule_invalid":    strategy(func(s *mapper.Strategy) { s.Check = mapper.CheckMobile }),
		"number_country rule_invalid":  strategy(func(s *mapper.Strategy) { s.Country = "GB" }),
	} {
		if got := problemOf(err); got != want {
			t.Errorf("%s: %s", want, got)
		}
	}
	for name, err := range map[string]error{
		"provider": provider("0123", func(p *mapper.DFSP) {}), "branch": branch("0123", func(b *mapper.Branch) {}),
		"branch of nobody": branch("", func(b *mapper.Branch) { b.DFSP = "NOBODY" }),
	} {
		if !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := admin.SaveProvider(ctx, audit.Actor{}, "", mapper.DFSP{Code: "NEW", Name: "New", Kind: mapper.Bank}); !errors.Is(err, audit.ErrNoActor) {
		t.Errorf("without an actor: %v", err)
	}
	if got := lastEvent(t, trail); got != before {
		t.Errorf("a refused change is in the log: %s", got)
	}
}

// Two administrators at once: one of them is told.
func TestTwoChangeTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		admin, _, _, _ := newDirectoryAdmin(t, db)
		p := mapper.DFSP{Code: "ALPHA", Name: "Alpha", Kind: mapper.Bank, Active: true}
		if err := admin.SaveProvider(t.Context(), audittest.By, "", p); err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 8)
		for n := range cap(errs) {
			go func() {
				mine := p
				mine.Name = fmt.Sprint("Alpha ", n)
				errs <- admin.SaveProvider(t.Context(), audittest.By, p.State(), mine)
			}()
		}
		won := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				won++
			} else if !errors.Is(err, mapper.ErrDirectoryStale) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d of them were told that theirs is saved", won)
		}
	})
}

// Making an address and taking it apart are tried without saving anything.
func TestTryStrategy(t *testing.T) {
	s := mapper.Strategy{
		Name: "own", Kind: mapper.Bank, Construct: "own:{account_number}@{bank_code}.own", Deconstruct: `^own:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z0-9]+)\.own$`,
	}
	if got := fmt.Sprint(s.Attributes()); got != "[account_number bank_code]" {
		t.Error(got)
	}
	made, err := s.Make(map[string]string{"account_number": "123", "bank_code": "ALPHA"})
	if want := (mapper.TrialAttribute{Name: "account_number", Value: "123"}); err != nil || made.FA != "own:123@ALPHA.own" || made.Attributes[0] != want {
		t.Errorf("%+v, %v", made, err)
	}
	if _, err := s.Make(map[string]string{"account_number": "12x", "bank_code": "ALPHA"}); err == nil {
		t.Error("values that the pattern does not allow make an address")
	}
	if _, ok := s.TakeApart("own:123@ALPHA.other"); ok {
		t.Error("an address of another form is taken apart")
	}
}
