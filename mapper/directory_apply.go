package mapper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// Import returns an import that has neither expired nor been forgotten.
func (a *DirectoryAdmin) Import(ctx context.Context, id string) (DirectoryImport, error) {
	var i DirectoryImport
	err := a.db.GetContext(ctx, &i, a.db.Rebind(selectImport+` AND state <> 'reading'`), id, a.now().UnixMilli())
	if errors.Is(err, sql.ErrNoRows) {
		return i, fmt.Errorf("import: %w", ErrNotFound)
	}
	if err != nil {
		return i, fmt.Errorf("read directory import: %w", err)
	}
	return i, nil
}

const selectImport = `
		SELECT id, branches, complete, columns, state, directory_version, digest, lines, problems, added, changed, removed, banks,
		       created_at, applied_at, expires_at
		FROM directory_imports
		WHERE id = ? AND expires_at > ?`

// ImportPreview is the beginning of everything that applying an import would do.
type ImportPreview struct {
	Stale    bool // the directory was changed since
	Banks    []DFSP
	Added    []ListRow
	Changed  []Difference
	Removed  []ListRow
	Problems []ListRow
}

// Difference is a provider or branch as it is and as it would be.
type Difference struct {
	Line   int
	DFSP   string
	Code   string
	Fields []FieldChange
}

// FieldChange is one field of a [Difference].
type FieldChange struct{ Field, Old, New string }

// Preview shows up to limit of each.
func (a *DirectoryAdmin) Preview(ctx context.Context, i DirectoryImport, limit int) (ImportPreview, error) {
	p, err := a.preview(ctx, i, limit)
	if err != nil {
		return p, fmt.Errorf("preview directory import: %w", err)
	}
	return p, nil
}

func (a *DirectoryAdmin) preview(ctx context.Context, i DirectoryImport, limit int) (p ImportPreview, err error) {
	db, c := a.db, i.comparison()
	var version int64
	if err := db.GetContext(ctx, &version, `SELECT version FROM directory_version`); err != nil {
		return p, err
	}
	p.Stale = version != i.Version
	if p.Problems, err = a.ImportProblems(ctx, i, limit); err != nil || p.Stale {
		return p, err
	}
	if i.Banks > 0 {
		if p.Banks, err = newBanks(ctx, db, i.ID, limit); err != nil {
			return p, err
		}
	}
	const columns = `r.line, r.dfsp_code, r.code, r.name, r.dfsp_name, r.kind, r.strategy, r.town, r.area, r.address, r.active`
	if i.Added > 0 {
		err = db.SelectContext(ctx, &p.Added, db.Rebind(`
			SELECT `+columns+`
			FROM directory_import_rows r
			`+c.joined+`
			WHERE r.import_id = ? AND c.code IS NULL
			ORDER BY r.dfsp_code, r.code
			LIMIT ?`), i.ID, limit)
		if err != nil {
			return p, err
		}
	}
	if i.Changed > 0 {
		if p.Changed, err = a.changes(ctx, i, limit); err != nil {
			return p, err
		}
	}
	if i.Removed > 0 {
		what := `c.code AS dfsp_code, c.name`
		if i.Branches {
			what = `c.dfsp_code, c.code, c.name, c.town`
		}
		err = db.SelectContext(ctx, &p.Removed, db.Rebind(`SELECT `+what+` FROM `+c.removed+` ORDER BY 1, 2 LIMIT ?`), i.ID, limit)
	}
	return p, err
}

// ImportProblems lists the first lines that cannot be used, up to [problemsKept].
func (a *DirectoryAdmin) ImportProblems(ctx context.Context, i DirectoryImport, limit int) ([]ListRow, error) {
	var found []struct {
		Line  int         `db:"line"`
		Field string      `db:"field"`
		Code  ProblemCode `db:"code"`
		Value string      `db:"value"`
	}
	err := a.db.SelectContext(ctx, &found, a.db.Rebind(`
		SELECT line, field, code, value
		FROM directory_import_problems
		WHERE import_id = ?
		ORDER BY line
		LIMIT ?`), i.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("read what is wrong with a list: %w", err)
	}
	list := make([]ListRow, len(found))
	for at, f := range found {
		list[at] = ListRow{Line: f.Line, Problem: &Problem{f.Field, f.Code, f.Value}}
	}
	return list, nil
}

// changes lists rows that say something else than the directory, field by field.
func (a *DirectoryAdmin) changes(ctx context.Context, i DirectoryImport, limit int) ([]Difference, error) {
	c, says := i.comparison(), i.says()
	columns := []string{"r.line", "r.dfsp_code", "r.code"}
	for _, name := range says {
		columns = append(columns, "c."+name, "r."+name)
	}
	rows, err := a.db.QueryxContext(ctx, a.db.Rebind(`
		SELECT `+strings.Join(columns, ", ")+`
		FROM directory_import_rows r
		`+c.joined+`
		WHERE r.import_id = ? AND c.code IS NOT NULL AND `+c.differs+`
		ORDER BY r.dfsp_code, r.code
		LIMIT ?`), i.ID, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Difference
	for rows.Next() {
		var d Difference
		texts := make([]string, 2*(len(says)-1))
		var active [2]bool
		targets := []any{&d.Line, &d.DFSP, &d.Code}
		for at := range texts {
			targets = append(targets, &texts[at])
		}
		if err := rows.Scan(append(targets, &active[0], &active[1])...); err != nil {
			return nil, err
		}
		texts = append(texts, strconv.FormatBool(active[0]), strconv.FormatBool(active[1]))
		for at, name := range says {
			if texts[2*at] != texts[2*at+1] {
				d.Fields = append(d.Fields, FieldChange{name, texts[2*at], texts[2*at+1]})
			}
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// newBanks are the banks that a list of branches adds, each by the name that most of its branches give it. limit 0: all.
func newBanks(ctx context.Context, q sqlx.QueryerContext, id string, limit int) ([]DFSP, error) {
	query := `
		SELECT r.dfsp_code AS code, r.dfsp_name AS name, COUNT(*) AS branches
		FROM directory_import_rows r
		WHERE r.import_id = ? AND NOT EXISTS (SELECT 1 FROM dfsps d WHERE d.code = r.dfsp_code)
		GROUP BY r.dfsp_code, r.dfsp_name
		ORDER BY r.dfsp_code, COUNT(*) DESC, r.dfsp_name`
	var named []struct {
		DFSP
		Branches int `db:"branches"`
	}
	if err := sqlx.SelectContext(ctx, q, &named, sqlx.Rebind(bindType(q), query), id); err != nil {
		return nil, fmt.Errorf("find the banks of a list: %w", err)
	}
	var banks []DFSP
	for _, n := range named {
		if len(banks) > 0 && banks[len(banks)-1].Code == n.Code {
			continue
		}
		if limit > 0 && len(banks) == limit {
			break
		}
		banks = append(banks, DFSP{Code: n.Code, Name: n.Name, Kind: Bank, Active: true})
	}
	return banks, nil
}

// bindType is how a database or transaction writes its parameters.
func bindType(q sqlx.QueryerContext) int {
	named, ok := q.(interface{ DriverName() string })
	if !ok {
		return sqlx.UNKNOWN
	}
	return sqlx.BindType(named.DriverName())
}

// Apply puts an import into the directory, exactly as it was shown: the digest is that of the rows shown, and the directory
// must be the one that they were compared with. One that is applied already is returned as it is.
func (a *DirectoryAdmin) Apply(ctx context.Context, by audit.Actor, id, digest string) (DirectoryImport, error) {
	var i DirectoryImport
	err := transact(ctx, a.db, func(tx *sqlx.Tx) error {
		if err := changing(ctx, tx); err != nil {
			return err
		}
		i = DirectoryImport{}
		if err := tx.GetContext(ctx, &i, tx.Rebind(selectImport), id, a.now().UnixMilli()); err != nil {
			return err
		}
		if i.Applied() {
			return errNothingToDo
		}
		if err := i.mayApply(ctx, tx, digest); err != nil {
			return err
		}
		return a.apply(ctx, tx, by, &i)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if errors.Is(err, errNothingToDo) {
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("apply directory import: %w", err)
	}
	a.forgetCached()
	return i, nil
}

// mayApply finds out whether the rows and the directory are still those that were shown. The transaction has counted the
// directory's change already.
func (i DirectoryImport) mayApply(ctx context.Context, tx *sqlx.Tx, digest string) error {
	var version int64
	if err := tx.GetContext(ctx, &version, `SELECT version FROM directory_version`); err != nil {
		return err
	}
	if version != i.Version+1 {
		return ErrImportStale
	}
	if i.Problems > 0 && i.Complete {
		return ErrImportProblems
	}
	if !i.Applicable() {
		return errNothingToDo
	}
	kept, err := digestRows(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	if kept != i.Digest || kept != digest {
		return ErrImportNotAsShown
	}
	return nil
}

func (a *DirectoryAdmin) apply(ctx context.Context, tx *sqlx.Tx, by audit.Actor, i *DirectoryImport) error {
	if i.Branches {
		banks, err := newBanks(ctx, tx, i.ID, 0)
		if err != nil {
			return err
		}
		if err := a.directory.loadProviders(ctx, tx, banks); err != nil {
			return err
		}
	}
	if err := storeList(ctx, tx, *i); err != nil {
		return err
	}
	if i.Complete {
		if err := removeRest(ctx, tx, *i); err != nil {
			return err
		}
	}
	i.State, i.AppliedAt = importApplied, sql.NullInt64{Int64: a.now().UnixMilli(), Valid: true}
	_, err := tx.ExecContext(ctx, tx.Rebind(`
		UPDATE directory_imports
		SET state = ?, applied_by_kind = ?, applied_by = ?, applied_at = ?
		WHERE id = ?`), i.State, by.Kind, by.ID, i.AppliedAt, i.ID)
	if err != nil {
		return err
	}
	return a.trail.Write(ctx, tx, i.event(by))
}

// storeList adds what is new and changes what differs, in one statement.
func storeList(ctx context.Context, tx *sqlx.Tx, i DirectoryImport) error {
	table, key, all := "dfsps", []string{"code"}, []string{"kind", "name", "strategy", "active"}
	from := []string{"r.dfsp_code"}
	if i.Branches {
		table, key, all = "branches", []string{"dfsp_code", "code"}, []string{"name", "town", "area", "address", "active"}
		from = []string{"r.dfsp_code", "r.code"}
	}
	var set, differ []string
	for _, name := range all {
		from = append(from, "r."+name)
		if slices.Contains(i.says(), name) {
			set = append(set, name+" = excluded."+name)
			differ = append(differ, table+"."+name+" <> excluded."+name)
		}
	}
	_, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO `+table+` (`+strings.Join(append(slices.Clone(key), all...), ", ")+`)
		SELECT `+strings.Join(from, ", ")+`
		FROM directory_import_rows r
		WHERE r.import_id = ?
		ON CONFLICT (`+strings.Join(key, ", ")+`) DO UPDATE SET `+strings.Join(set, ", ")+`
		WHERE `+strings.Join(differ, " OR ")), i.ID)
	if err != nil {
		return fmt.Errorf("store a list: %w", err)
	}
	return nil
}

// removeRest closes what a complete list leaves out. No row is deleted: addresses that were linked name it.
func removeRest(ctx context.Context, tx *sqlx.Tx, i DirectoryImport) error {
	update := `UPDATE `
	from, condition, _ := strings.Cut(i.comparison().removed, ` WHERE `)
	_, err := tx.ExecContext(ctx, tx.Rebind(update+from+` SET active = FALSE WHERE `+condition), i.ID)
	if err != nil {
		return fmt.Errorf("close what a complete list leaves out: %w", err)
	}
	return nil
}

func (i DirectoryImport) event(by audit.Actor) audit.Event {
	what := "providers"
	if i.Branches {
		what = "branches"
	}
	return audit.Event{
		Actor: by, Action: audit.DirectoryImport, Target: "directory", Before: "version " + strconv.FormatInt(i.Version, 10),
		After: "version " + strconv.FormatInt(i.Version+1, 10),
		Detail: map[string]string{
			"list": what, "lines": strconv.Itoa(i.Lines), "left_out": strconv.Itoa(i.Problems), "complete": strconv.FormatBool(i.Complete),
			"added": strconv.Itoa(i.Added), "changed": strconv.Itoa(i.Changed), "removed": strconv.Itoa(i.Removed), "banks": strconv.Itoa(i.Banks),
			"sha256": i.Digest,
		},
	}
}

// Forget gives up an import that is not applied.
func (a *DirectoryAdmin) Forget(ctx context.Context, id string) error {
	_, err := a.db.ExecContext(ctx, a.db.Rebind(`
		UPDATE directory_imports
		SET expires_at = ?
		WHERE id = ? AND state <> 'applied' AND expires_at > ?`), a.now().UnixMilli(), id, a.now().UnixMilli())
	if err != nil {
		return fmt.Errorf("forget directory import: %w", err)
	}
	return nil
}

// importPurgeAfter is how long the rows of an expired import stay: one may just be being applied.
const importPurgeAfter = 10 * time.Minute

// Purge drops the imports that have expired. What they did to the directory stays.
func (a *DirectoryAdmin) Purge(ctx context.Context) error {
	var ids []string
	err := a.db.SelectContext(ctx, &ids, a.db.Rebind(`SELECT id FROM directory_imports WHERE expires_at <= ?`), a.now().Add(-importPurgeAfter).UnixMilli())
	if err != nil {
		return fmt.Errorf("find directory imports: %w", err)
	}
	for _, id := range ids {
		for _, statement := range []string{
			`DELETE FROM directory_import_rows WHERE import_id = ?`, `DELETE FROM directory_import_problems WHERE import_id = ?`,
			`DELETE FROM directory_imports WHERE id = ?`,
		} {
			if _, err := a.db.ExecContext(ctx, a.db.Rebind(statement), id); err != nil {
				return fmt.Errorf("purge directory import: %w", err)
			}
		}
	}
	return nil
}
