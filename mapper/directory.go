package mapper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/mapper/finder"
	"spar/migrations"
)

// DFSP is a digital financial service provider: a bank, or a mobile or e-mail wallet provider.
type DFSP struct {
	Code     string `db:"code"`
	Name     string `db:"name"`
	Kind     Kind   `db:"kind"`
	Strategy string `db:"strategy"` // name of the strategy by which the portal makes its addresses; empty: the default of its kind
	Active   bool   `db:"active"`
}

// Branch is a branch of a bank.
type Branch struct {
	DFSP     string `db:"dfsp_code"`
	DFSPName string `db:"dfsp_name"` // ignored by Load
	Code     string `db:"code"`
	Name     string `db:"name"`
	Town     string `db:"town"`
	Area     string `db:"area"`    // district and state: searched and shown
	Address  string `db:"address"` // street: searched, and shown in small type
	Active   bool   `db:"active"`
}

// ErrNotFound says that the directory has no such provider or branch, or not an active one.
var ErrNotFound = errors.New("not in the directory")

// Directory lists the banks, branches and wallet providers that the portal offers and that name an account's provider.
type Directory struct {
	db       *sqlx.DB
	now      func() time.Time
	names    atomic.Pointer[providerNames]
	searched atomic.Pointer[searchIndex]
	changed  atomic.Bool   // by this process, since searched was built
	building chan struct{} // has room for who builds
}

// providerNames are the providers by folded code: the only part of the directory that every details answer needs.
type providerNames struct {
	at     time.Time
	byCode map[string]DFSP
}

// NewDirectory reads and writes the directory of db.
func NewDirectory(db *sqlx.DB, now func() time.Time) *Directory {
	return &Directory{db: db, now: now, building: make(chan struct{}, 1)}
}

// Providers returns the active providers of a kind by name.
func (d *Directory) Providers(ctx context.Context, kind Kind) ([]DFSP, error) {
	list := []DFSP{}
	err := d.db.SelectContext(ctx, &list, d.db.Rebind(`
		SELECT code, name, kind, strategy, active
		FROM dfsps
		WHERE active AND kind = ?
		ORDER BY name`), kind)
	if err != nil {
		return nil, fmt.Errorf("list %s providers: %w", kind, err)
	}
	return list, nil
}

// Provider returns an active provider by its code, in any case.
func (d *Directory) Provider(ctx context.Context, code string) (DFSP, error) {
	byCode, err := d.providers(ctx)
	if err != nil {
		return DFSP{}, err
	}
	found, ok := byCode[fold(code)]
	if !ok || !found.Active {
		return DFSP{}, fmt.Errorf("provider: %w", ErrNotFound)
	}
	return found, nil
}

func (d *Directory) providers(ctx context.Context) (map[string]DFSP, error) {
	if names := d.names.Load(); names != nil && d.now().Sub(names.at) < directoryMaxAge {
		return names.byCode, nil
	}
	var list []DFSP
	if err := d.db.SelectContext(ctx, &list, `SELECT code, name, kind, strategy, active FROM dfsps`); err != nil {
		return nil, fmt.Errorf("read providers: %w", err)
	}
	names := &providerNames{at: d.now(), byCode: make(map[string]DFSP, len(list))}
	for _, p := range list {
		names.byCode[fold(p.Code)] = p
	}
	d.names.Store(names)
	return names.byCode, nil
}

const selectBranches = `
		SELECT b.dfsp_code, d.name AS dfsp_name, b.code, b.name, b.town, b.area, b.address, b.active
		FROM branches b
		JOIN dfsps d ON d.code = b.dfsp_code`

// Branch returns an active branch of an active bank.
func (d *Directory) Branch(ctx context.Context, dfsp, code string) (Branch, error) {
	var found Branch
	err := d.db.GetContext(ctx, &found, d.db.Rebind(selectBranches+`
		WHERE b.active AND d.active AND b.dfsp_code = ? AND b.code = ?`), strings.ToUpper(dfsp), strings.ToUpper(code))
	if errors.Is(err, sql.ErrNoRows) {
		return Branch{}, fmt.Errorf("branch: %w", ErrNotFound)
	}
	if err != nil {
		return Branch{}, fmt.Errorf("read branch: %w", err)
	}
	return found, nil
}

// every goes through all branches by their codes, closed ones too. No statement runs while one is used: a database gives a
// statement only so much time.
func (d *Directory) every(ctx context.Context) iter.Seq2[Branch, error] {
	query := d.db.Rebind(selectBranches + `
		WHERE (b.dfsp_code, b.code) > (?, ?)
		ORDER BY b.dfsp_code, b.code
		LIMIT ?`)
	return func(yield func(Branch, error) bool) {
		last := Branch{}
		for {
			var list []Branch
			if err := d.db.SelectContext(ctx, &list, query, last.DFSP, last.Code, branchesAtOnce); err != nil {
				yield(Branch{}, fmt.Errorf("read branches: %w", err))
				return
			}
			for _, b := range list {
				if !yield(b, nil) {
					return
				}
			}
			if len(list) < branchesAtOnce {
				return
			}
			last = list[len(list)-1]
		}
	}
}

// searchable folds texts for searching, as [finder.Words] does.
func searchable(texts ...string) string {
	return strings.Join(finder.Words(strings.Join(texts, " ")), " ")
}

// Load adds providers and branches, replacing those with the same code. Codes are kept in upper case. What is to be taken
// out of the directory is loaded as inactive: addresses that were linked still name it.
func (d *Directory) Load(ctx context.Context, providers []DFSP, branches []Branch) error {
	err := transact(ctx, d.db, func(tx *sqlx.Tx) error {
		if err := changing(ctx, tx); err != nil {
			return err
		}
		if err := d.loadProviders(ctx, tx, providers); err != nil {
			return err
		}
		return d.loadBranches(ctx, tx, branches)
	})
	d.notice()
	return err
}

// notice makes this process see a change of its own at once.
func (d *Directory) notice() {
	d.names.Store(nil)
	d.changed.Store(true)
}

// changing is called first in a transaction that changes providers or branches: such changes come one after another, and
// every replica notices them.
func changing(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `UPDATE directory_version SET version = version + 1`); err != nil {
		return fmt.Errorf("count the directory's change: %w", err)
	}
	return nil
}

// loadedAtOnce is how many rows one statement stores.
const loadedAtOnce = 2000

func (d *Directory) loadProviders(ctx context.Context, tx *sqlx.Tx, providers []DFSP) error {
	last := map[string]DFSP{} // one statement cannot store a row twice
	for _, p := range providers {
		p.Code = strings.ToUpper(p.Code)
		last[p.Code] = p
	}
	for chunk := range slices.Chunk(slices.Collect(maps.Values(last)), loadedAtOnce) {
		var codes, names, kinds, strategies []string
		var active []int64
		for _, p := range chunk {
			codes, names, kinds, strategies = append(codes, p.Code), append(names, p.Name), append(kinds, string(p.Kind)), append(strategies, p.Strategy)
			active = append(active, number(p.Active))
		}
		from, args, err := rowset{[]column{
			textColumn("code", codes), textColumn("name", names), textColumn("kind", kinds), textColumn("strategy", strategies),
			intColumn("active", active),
		}}.from(d.db, "r")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO dfsps (code, name, kind, strategy, active)
			SELECT r.code, r.name, r.kind, r.strategy, r.active <> 0
			FROM `+from+`
			WHERE TRUE
			ON CONFLICT (code) DO UPDATE SET
			    name = excluded.name, kind = excluded.kind, strategy = excluded.strategy, active = excluded.active`), args...)
		if err != nil {
			return fmt.Errorf("store %d providers: %w", len(chunk), err)
		}
	}
	return nil
}

func (d *Directory) loadBranches(ctx context.Context, tx *sqlx.Tx, branches []Branch) error {
	if len(branches) == 0 {
		return nil
	}
	var known []string
	if err := tx.SelectContext(ctx, &known, `SELECT code FROM dfsps`); err != nil {
		return fmt.Errorf("read providers: %w", err)
	}
	last := make(map[string]Branch, len(branches))
	for _, b := range branches {
		b.DFSP, b.Code = strings.ToUpper(b.DFSP), strings.ToUpper(b.Code)
		if !slices.Contains(known, b.DFSP) {
			return fmt.Errorf("store branch %s of %s: bank: %w", b.Code, b.DFSP, ErrNotFound)
		}
		last[branchKey(b.DFSP, b.Code)] = b
	}
	for chunk := range slices.Chunk(slices.Collect(maps.Values(last)), loadedAtOnce) {
		var dfsps, codes, names, towns, areas, addresses []string
		var active []int64
		for _, b := range chunk {
			dfsps, codes, names = append(dfsps, b.DFSP), append(codes, b.Code), append(names, b.Name)
			towns, areas, addresses = append(towns, b.Town), append(areas, b.Area), append(addresses, b.Address)
			active = append(active, number(b.Active))
		}
		from, args, err := rowset{[]column{
			textColumn("dfsp_code", dfsps), textColumn("code", codes), textColumn("name", names), textColumn("town", towns),
			textColumn("area", areas), textColumn("address", addresses), intColumn("active", active),
		}}.from(d.db, "r")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO branches (dfsp_code, code, name, town, area, address, active)
			SELECT r.dfsp_code, r.code, r.name, r.town, r.area, r.address, r.active <> 0
			FROM `+from+`
			WHERE TRUE
			ON CONFLICT (dfsp_code, code) DO UPDATE SET
			    name = excluded.name, town = excluded.town, area = excluded.area, address = excluded.address, active = excluded.active`), args...)
		if err != nil {
			return fmt.Errorf("store %d branches: %w", len(chunk), err)
		}
	}
	return nil
}

// number is how a rowset carries a truth value.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// transact runs f in one transaction, and again when the database resolved a deadlock against it or another was faster: f must not change
// anything outside the transaction that a second run would not set again.
func transact(ctx context.Context, db *sqlx.DB, f func(tx *sqlx.Tx) error) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := transactOnce(ctx, db, f)
		if err == nil || attempt == attempts || !migrations.IsRetryable(err) && !errors.Is(err, errRaced) {
			return err
		}
	}
}

func transactOnce(ctx context.Context, db *sqlx.DB, f func(tx *sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}
