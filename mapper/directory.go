package mapper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/jmoiron/sqlx"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"spar/migrations"
)

// DFSP is a digital financial service provider: a bank, or a mobile or e-mail wallet provider.
type DFSP struct {
	Code   string `db:"code"`
	Name   string `db:"name"`
	Kind   Kind   `db:"kind"`
	Active bool   `db:"active"`
}

// Branch is a branch of a bank.
type Branch struct {
	DFSP     string `db:"dfsp_code"`
	DFSPName string `db:"dfsp_name"` // ignored by Load
	Code     string `db:"code"`
	Name     string `db:"name"`
	Town     string `db:"town"`
	Active   bool   `db:"active"`
}

// ErrNotFound says that the directory has no such provider or branch, or not an active one.
var ErrNotFound = errors.New("not in the directory")

// Directory lists the banks, branches and wallet providers that the portal offers and that name an account's provider.
type Directory struct {
	db    *sqlx.DB
	now   func() time.Time
	names atomic.Pointer[providerNames]
}

// providerNames are the providers by folded code: the only part of the directory that every details answer needs.
type providerNames struct {
	at     time.Time
	byCode map[string]DFSP
}

// NewDirectory reads and writes the directory of db.
func NewDirectory(db *sqlx.DB, now func() time.Time) *Directory { return &Directory{db: db, now: now} }

// Providers returns the active providers of a kind by name.
func (d *Directory) Providers(ctx context.Context, kind Kind) ([]DFSP, error) {
	list := []DFSP{}
	err := d.db.SelectContext(ctx, &list, d.db.Rebind(`
		SELECT code, name, kind, active
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
	if err := d.db.SelectContext(ctx, &list, `SELECT code, name, kind, active FROM dfsps`); err != nil {
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
		SELECT b.dfsp_code, d.name AS dfsp_name, b.code, b.name, b.town, b.active
		FROM branches b
		JOIN dfsps d ON d.code = b.dfsp_code
		WHERE b.active AND d.active`

// Branch returns an active branch of an active bank.
func (d *Directory) Branch(ctx context.Context, dfsp, code string) (Branch, error) {
	var found Branch
	err := d.db.GetContext(ctx, &found, d.db.Rebind(selectBranches+`
		  AND b.dfsp_code = ? AND b.code = ?`), strings.ToUpper(dfsp), strings.ToUpper(code))
	if errors.Is(err, sql.ErrNoRows) {
		return Branch{}, fmt.Errorf("branch: %w", ErrNotFound)
	}
	if err != nil {
		return Branch{}, fmt.Errorf("read branch: %w", err)
	}
	return found, nil
}

// SearchBranches finds active branches whose bank, name, code or town contain every word of text, whatever its case and
// accents. It returns at most limit of them, ordered by bank and branch; none for a text without a letter or digit.
func (d *Directory) SearchBranches(ctx context.Context, text string, limit int) ([]Branch, error) {
	list := []Branch{}
	words := strings.Fields(searchable(text))
	if len(words) == 0 {
		return list, nil
	}
	query, args := selectBranches, []any{}
	for _, word := range words[:min(len(words), 8)] {
		query += ` AND b.search_text LIKE ?`
		args = append(args, "%"+word+"%")
	}
	query += ` ORDER BY d.name, b.name, b.code LIMIT ?`
	if err := d.db.SelectContext(ctx, &list, d.db.Rebind(query), append(args, limit)...); err != nil {
		return nil, fmt.Errorf("search branches: %w", err)
	}
	return list, nil
}

// searchable folds a text for searching: lower case, no accents, and a space for whatever is not a letter or digit, which
// also leaves no wildcard of LIKE.
func searchable(texts ...string) string {
	noAccents := transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC)
	folded, _, err := transform.String(noAccents, strings.ToLower(strings.Join(texts, " ")))
	if err != nil {
		folded = strings.ToLower(strings.Join(texts, " "))
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return ' '
	}, folded)
}

// Load adds providers and branches, replacing those with the same code. Codes are kept in upper case.
func (d *Directory) Load(ctx context.Context, providers []DFSP, branches []Branch) error {
	err := transact(ctx, d.db, func(tx *sqlx.Tx) error {
		for _, p := range providers {
			code := strings.ToUpper(p.Code)
			_, err := tx.ExecContext(ctx, tx.Rebind(`
				INSERT INTO dfsps (code, name, kind, active, search_text)
				VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (code) DO UPDATE SET
				    name = excluded.name, kind = excluded.kind, active = excluded.active, search_text = excluded.search_text`),
				code, p.Name, p.Kind, p.Active, searchable(p.Name, code))
			if err != nil {
				return fmt.Errorf("store provider %s: %w", code, err)
			}
		}
		return loadBranches(ctx, tx, branches)
	})
	d.names.Store(nil)
	return err
}

func loadBranches(ctx context.Context, tx *sqlx.Tx, branches []Branch) error {
	var providers []DFSP
	if err := tx.SelectContext(ctx, &providers, `SELECT code, name, kind, active FROM dfsps`); err != nil {
		return fmt.Errorf("read providers: %w", err)
	}
	names := make(map[string]string, len(providers))
	for _, p := range providers {
		names[p.Code] = p.Name
	}
	for _, b := range branches {
		dfsp, code := strings.ToUpper(b.DFSP), strings.ToUpper(b.Code)
		if _, ok := names[dfsp]; !ok {
			return fmt.Errorf("store branch %s of %s: bank: %w", code, dfsp, ErrNotFound)
		}
		_, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO branches (dfsp_code, code, name, town, active, search_text)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (dfsp_code, code) DO UPDATE SET
			    name = excluded.name, town = excluded.town, active = excluded.active, search_text = excluded.search_text`),
			dfsp, code, b.Name, b.Town, b.Active, searchable(names[dfsp], b.Name, code, b.Town))
		if err != nil {
			return fmt.Errorf("store branch %s of %s: %w", code, dfsp, err)
		}
	}
	return nil
}

// transact runs f in one transaction, and again when the database resolved a deadlock against it: f must not change
// anything outside the transaction that a second run would not set again.
func transact(ctx context.Context, db *sqlx.DB, f func(tx *sqlx.Tx) error) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := transactOnce(ctx, db, f)
		if err == nil || attempt == attempts || !migrations.IsRetryable(err) {
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
