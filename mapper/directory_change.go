package mapper

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// DirectoryAdmin changes the directory and the strategies. Every change is an event of the audit log, written in the
// transaction that makes it, and is refused if somebody else made another one since the state that it starts from was shown.
type DirectoryAdmin struct {
	directory  *Directory
	strategies *Strategies
	trail      *audit.Log
	db         *sqlx.DB
	now        func() time.Time
}

// NewDirectoryAdmin changes what directory and strategies read.
func NewDirectoryAdmin(directory *Directory, strategies *Strategies, trail *audit.Log) *DirectoryAdmin {
	return &DirectoryAdmin{directory, strategies, trail, directory.db, directory.now}
}

// ErrDirectoryStale says that somebody else changed it since it was shown.
var ErrDirectoryStale = errors.New("changed since it was shown")

// errNothingToDo ends a transaction that would change nothing.
var errNothingToDo = errors.New("nothing to do")

// State names what a provider is like, for a form to say which state it starts from.
func (p DFSP) State() string { return stateOf(p) }

// State names what a branch is like; see [DFSP.State].
func (b Branch) State() string {
	b.DFSPName = ""
	return stateOf(b)
}

// State names what a strategy is like; see [DFSP.State].
func (s Strategy) State() string { return stateOf(s) }

func stateOf(v any) string {
	text, _ := json.Marshal(v) // these types always encode
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// SaveProvider adds a provider, if seen is empty, or changes the one that is in the state seen. Its kind stays as it is.
// What is wrong with it is a [Problem].
func (a *DirectoryAdmin) SaveProvider(ctx context.Context, by audit.Actor, seen string, p DFSP) error {
	p.Code = strings.ToUpper(p.Code)
	if err := p.check(); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqlx.Tx) error {
		var before DFSP
		found, err := a.read(ctx, tx, &before, `SELECT code, name, kind, strategy, active FROM dfsps WHERE code = ?`, p.Code)
		if err != nil {
			return err
		}
		if err := mayReplace(found, seen, before.State(), "code", p.Code); err != nil {
			return err
		}
		if found && before.Kind != p.Kind {
			return Problem{Field: "kind", Code: KindFixed, Value: string(before.Kind)}
		}
		if err := a.knowsStrategy(ctx, tx, p); err != nil && (!found || before.Strategy != p.Strategy) {
			return err
		}
		event := a.event(by, p.Kind.noun()+" "+p.Code, found, before.Active, p.Active, fieldsOf(before), fieldsOf(p))
		if event == nil {
			return errNothingToDo
		}
		if err := a.directory.loadProviders(ctx, tx, []DFSP{p}); err != nil {
			return err
		}
		return a.trail.Write(ctx, tx, *event)
	})
}

func (k Kind) noun() string {
	if k == Bank {
		return "bank"
	}
	return "wallet"
}

func (a *DirectoryAdmin) knowsStrategy(ctx context.Context, tx *sqlx.Tx, p DFSP) error {
	if p.Strategy == "" {
		return nil
	}
	var known int
	err := tx.GetContext(ctx, &known, tx.Rebind(`SELECT COUNT(*) FROM strategies WHERE name = ? AND kind = ? AND active`), p.Strategy, p.Kind)
	if err != nil {
		return fmt.Errorf("look for strategy: %w", err)
	}
	if known == 0 {
		return Problem{Field: "strategy", Code: StrategyUnknown, Value: shortValue(p.Strategy)}
	}
	return nil
}

// SaveBranch adds a branch, if seen is empty, or changes the one that is in the state seen.
func (a *DirectoryAdmin) SaveBranch(ctx context.Context, by audit.Actor, seen string, b Branch) error {
	b.DFSP, b.Code = strings.ToUpper(b.DFSP), strings.ToUpper(b.Code)
	if err := b.check(); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqlx.Tx) error {
		var bank DFSP
		if found, err := a.read(ctx, tx, &bank, `SELECT code, name, kind, strategy, active FROM dfsps WHERE code = ?`, b.DFSP); err != nil {
			return err
		} else if !found {
			return ErrNotFound
		}
		if bank.Kind != Bank {
			return Problem{Field: "bank_code", Code: NotABank, Value: bank.Code}
		}
		var before Branch
		found, err := a.read(ctx, tx, &before, selectBranches+` WHERE b.dfsp_code = ? AND b.code = ?`, b.DFSP, b.Code)
		if err != nil {
			return err
		}
		if err := mayReplace(found, seen, before.State(), "branch_code", b.Code); err != nil {
			return err
		}
		event := a.event(by, "branch "+b.DFSP+"/"+b.Code, found, before.Active, b.Active, fieldsOf(before), fieldsOf(b))
		if event == nil {
			return errNothingToDo
		}
		if err := a.directory.loadBranches(ctx, tx, []Branch{b}); err != nil {
			return err
		}
		return a.trail.Write(ctx, tx, *event)
	})
}

// mayReplace compares what is there with what a form started from.
func mayReplace(found bool, seen, now, field, code string) error {
	switch {
	case seen == "" && found:
		return Problem{Field: field, Code: Taken, Value: code}
	case seen != "" && !found:
		return ErrNotFound
	case seen != "" && seen != now:
		return ErrDirectoryStale
	}
	return nil
}

// change runs a change in a transaction that every replica notices.
func (a *DirectoryAdmin) change(ctx context.Context, do func(tx *sqlx.Tx) error) error {
	err := transact(ctx, a.db, func(tx *sqlx.Tx) error {
		if err := changing(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("change directory: %w", err)
	}
	a.forgetCached()
	return nil
}

// forgetCached makes this process see the change at once.
func (a *DirectoryAdmin) forgetCached() {
	a.directory.notice()
	a.strategies.cached.Store(nil)
}

func (a *DirectoryAdmin) read(ctx context.Context, tx *sqlx.Tx, row any, query string, args ...any) (found bool, err error) {
	if err := tx.GetContext(ctx, row, tx.Rebind(query), args...); errors.Is(err, sql.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("read what is to be changed: %w", err)
	}
	return true, nil
}

// field is one of those that an event tells of.
type field struct{ name, value string }

func fieldsOf(v any) []field {
	switch v := v.(type) {
	case DFSP:
		return []field{{"name", v.Name}, {"kind", string(v.Kind)}, {"strategy", v.Strategy}, {"active", strconv.FormatBool(v.Active)}}
	case Branch:
		return []field{
			{"name", v.Name}, {"town", v.Town}, {"area", v.Area}, {"address", v.Address}, {"active", strconv.FormatBool(v.Active)},
		}
	case Strategy:
		return []field{
			{"kind", string(v.Kind)}, {"construct", v.Construct}, {"deconstruct", v.Deconstruct}, {"default", strconv.FormatBool(v.Default)},
			{"number_min", strconv.Itoa(v.MinLength)}, {"number_max", strconv.Itoa(v.MaxLength)}, {"number_chars", v.Chars},
			{"number_check", v.Check}, {"number_country", v.Country}, {"number_groups", v.Groups}, {"number_example", v.Example},
			{"active", strconv.FormatBool(v.Active)},
		}
	}
	return nil
}

// event is what a change is recorded as: the fields that differ, before and after. nil: none differs.
func (a *DirectoryAdmin) event(by audit.Actor, target string, found, wasActive, isActive bool, before, after []field) *audit.Event {
	event := audit.Event{Actor: by, Action: audit.DirectoryAdd, Target: target}
	var was, is []string
	for i := range after {
		if found && before[i] == after[i] || !found && after[i].value == "" {
			continue
		}
		if found {
			was = append(was, before[i].name+"="+before[i].value)
		}
		is = append(is, after[i].name+"="+after[i].value)
	}
	if len(is) == 0 {
		return nil
	}
	event.Before, event.After = strings.Join(was, "; "), strings.Join(is, "; ")
	if found {
		event.Action = audit.DirectoryChange
	}
	if found && len(is) == 1 && wasActive != isActive {
		event.Action = audit.DirectoryDeactivate
		if isActive {
			event.Action = audit.DirectoryActivate
		}
	}
	return &event
}

// SaveStrategy adds a strategy, if seen is empty, or changes the one that is in the state seen. Taking an address apart must
// be the inverse of making it: otherwise it is a [Problem].
func (a *DirectoryAdmin) SaveStrategy(ctx context.Context, by audit.Actor, seen string, s Strategy) error {
	if err := s.check(); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sqlx.Tx) error {
		var before Strategy
		found, err := a.read(ctx, tx, &before, selectStrategies+` WHERE name = ?`, s.Name)
		if err != nil {
			return err
		}
		if err := mayReplace(found, seen, before.State(), "name", s.Name); err != nil {
			return err
		}
		if found && before.Kind != s.Kind {
			return Problem{Field: "kind", Code: KindFixed, Value: string(before.Kind)}
		}
		event := a.event(by, "strategy "+s.Name, found, before.Active, s.Active, fieldsOf(before), fieldsOf(s))
		if event == nil {
			return errNothingToDo
		}
		if s.Default && !before.Default {
			if _, err := tx.ExecContext(ctx, tx.Rebind(`UPDATE strategies SET is_default = FALSE WHERE kind = ? AND is_default`), s.Kind); err != nil {
				return fmt.Errorf("replace the usual strategy: %w", err)
			}
		}
		_, err = tx.NamedExecContext(ctx, `
			INSERT INTO strategies (name, kind, construct, deconstruct, active, is_default, number_min, number_max, number_chars,
			                        number_check, number_country, number_groups, number_example)
			VALUES (:name, :kind, :construct, :deconstruct, :active, :is_default, :number_min, :number_max, :number_chars,
			        :number_check, :number_country, :number_groups, :number_example)
			ON CONFLICT (name) DO UPDATE SET
			    construct = excluded.construct, deconstruct = excluded.deconstruct, active = excluded.active,
			    is_default = excluded.is_default, number_min = excluded.number_min, number_max = excluded.number_max,
			    number_chars = excluded.number_chars, number_check = excluded.number_check,
			    number_country = excluded.number_country, number_groups = excluded.number_groups, number_example = excluded.number_example`, s)
		if err != nil {
			return fmt.Errorf("store strategy: %w", err)
		}
		return a.trail.Write(ctx, tx, *event)
	})
}
