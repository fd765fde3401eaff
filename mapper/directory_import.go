package mapper

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// DirectoryImport is a list of providers or branches that was read, compared with the directory and kept. Nothing of it is
// in the directory until it is applied.
type DirectoryImport struct {
	ID       string `db:"id"`
	Branches bool   `db:"branches"` // of branches; else of providers
	Complete bool   `db:"complete"` // what is not in it is taken out of the directory
	State    string `db:"state"`
	Version  int64  `db:"directory_version"`
	Digest   string `db:"digest"` // SHA-256 of its rows
	Lines    int    `db:"lines"`  // those that can be used
	Problems int    `db:"problems"`
	Added    int    `db:"added"`
	Changed  int    `db:"changed"`
	Removed  int    `db:"removed"`
	Banks    int    `db:"banks"` // added with their branches

	Columns   string        `db:"columns"`
	CreatedAt int64         `db:"created_at"`
	AppliedAt sql.NullInt64 `db:"applied_at"`
	ExpiresAt int64         `db:"expires_at"`
}

// The states of an import.
const (
	importReading = "reading"
	importReady   = "ready"
	importApplied = "applied"
)

// Applied reports whether it is in the directory.
func (i DirectoryImport) Applied() bool { return i.State == importApplied }

// Unchanged is the number of lines that say what the directory says.
func (i DirectoryImport) Unchanged() int { return i.Lines - i.Added - i.Changed }

// Applicable reports whether applying it is allowed, and would change anything. A list with lines that cannot be used is not
// complete: what stands there would be taken out.
func (i DirectoryImport) Applicable() bool {
	return i.State == importReady && i.Added+i.Changed+i.Removed > 0 && (i.Problems == 0 || !i.Complete)
}

// ListSource is a list, line by line.
type ListSource interface {
	Columns() ListColumns
	Next() (ListRow, error) // io.EOF at the end
}

// ListColumns says what kind of list it is, and which columns that a list can do without it has. What a list does not say
// stays as it is.
type ListColumns struct {
	Branches bool
	Strategy bool
	Town     bool
	Area     bool
	Address  bool
}

// ListRow is a line of a list.
type ListRow struct {
	Line     int    `db:"line"`
	DFSP     string `db:"dfsp_code"`
	Code     string `db:"code"` // of a branch
	Name     string `db:"name"`
	DFSPName string `db:"dfsp_name"` // of the bank, in a list of branches
	Kind     Kind   `db:"kind"`
	Strategy string `db:"strategy"`
	Town     string `db:"town"`
	Area     string `db:"area"`
	Address  string `db:"address"`
	Active   bool   `db:"active"`
	Problem  *Problem
}

// Imports that cannot be applied.
var (
	ErrImportStale      = errors.New("the directory was changed since the list was compared with it")
	ErrImportProblems   = errors.New("a complete list must not have lines that cannot be used")
	ErrImportNotAsShown = errors.New("the rows kept are not those that were shown")
)

const (
	importLifetime   = 4 * time.Hour
	importAtOnce     = 2000 // rows that one statement stores
	problemsKept     = 1000
	problemsKeptText = "1000"
)

// Prepare reads a list, keeps it and compares it with the directory. progress, which may be nil, is told the lines read.
func (a *DirectoryAdmin) Prepare(ctx context.Context, by audit.Actor, source ListSource, complete bool, progress func(lines int)) (DirectoryImport, error) {
	columns := source.Columns()
	i := &intake{admin: a, importOf: DirectoryImport{
		ID: rand.Text(), Branches: columns.Branches, Complete: complete, State: importReading, Columns: columns.String(),
		CreatedAt: a.now().UnixMilli(), ExpiresAt: a.now().Add(importLifetime).UnixMilli(),
	}}
	if err := i.begin(ctx, by); err != nil {
		return DirectoryImport{}, err
	}
	err := i.read(ctx, source, progress)
	if err == nil {
		err = a.compare(ctx, &i.importOf)
	}
	if err != nil {
		return DirectoryImport{}, errors.Join(err, a.Forget(context.WithoutCancel(ctx), i.importOf.ID))
	}
	return i.importOf, nil
}

// intake stores a list while it is read, in statements of their own: a slow upload holds no transaction.
type intake struct {
	admin    *DirectoryAdmin
	importOf DirectoryImport
	rows     []ListRow
	problems []ListRow
	kept     int // problems stored
}

func (i *intake) begin(ctx context.Context, by audit.Actor) error {
	m := i.importOf
	db := i.admin.db
	_, err := db.ExecContext(ctx, db.Rebind(`
		INSERT INTO directory_imports (id, branches, complete, columns, state, directory_version, digest, lines, problems,
		                               added, changed, removed, banks, prepared_by_kind, prepared_by, applied_by_kind, applied_by,
		                               created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, 0, '', 0, 0, 0, 0, 0, 0, ?, ?, '', '', ?, ?)`),
		m.ID, m.Branches, m.Complete, m.Columns, m.State, by.Kind, by.ID, m.CreatedAt, m.ExpiresAt)
	if err != nil {
		return fmt.Errorf("begin directory import: %w", err)
	}
	return nil
}

func (i *intake) read(ctx context.Context, source ListSource, progress func(lines int)) error {
	for {
		row, err := source.Next()
		if errors.Is(err, io.EOF) {
			return i.store(ctx)
		}
		if err != nil {
			return err
		}
		if row.Problem == nil {
			row.Problem = row.check(i.importOf.Branches)
		}
		if row.Problem != nil {
			i.problems = append(i.problems, row)
			i.importOf.Problems++
		} else {
			i.rows = append(i.rows, row)
		}
		if len(i.rows)+len(i.problems) == importAtOnce {
			if err := i.store(ctx); err != nil {
				return err
			}
			if progress != nil {
				progress(i.importOf.Lines)
			}
		}
	}
}

func (r ListRow) check(branches bool) *Problem {
	err := DFSP{Code: r.DFSP, Name: r.Name, Kind: r.Kind}.check()
	if branches {
		err = Branch{DFSP: r.DFSP, Code: r.Code, Name: r.Name, Town: r.Town, Area: r.Area, Address: r.Address}.check()
		if p := checkText("bank_name", r.DFSPName, maxName); err == nil && p != nil {
			return p
		}
	}
	if problem, ok := errors.AsType[Problem](err); ok {
		return &problem
	}
	return nil
}

// store writes what was read since the last time. A row that is there already is in the list twice.
func (i *intake) store(ctx context.Context) error {
	if len(i.rows) > 0 {
		stored, err := i.storeRows(ctx)
		if err != nil {
			return err
		}
		i.importOf.Lines += stored
		if stored < len(i.rows) {
			if err := i.findTwice(ctx); err != nil {
				return err
			}
		}
		i.rows = i.rows[:0]
	}
	return i.storeProblems(ctx)
}

func (i *intake) storeRows(ctx context.Context) (int, error) {
	n := len(i.rows)
	texts := map[string][]string{}
	names := []string{"dfsp_code", "code", "name", "dfsp_name", "kind", "strategy", "town", "area", "address"}
	for _, name := range names {
		texts[name] = make([]string, 0, n)
	}
	lines, active := make([]int64, n), make([]int64, n)
	for at, r := range i.rows {
		for place, value := range []string{r.DFSP, r.Code, r.Name, r.DFSPName, string(r.Kind), r.Strategy, r.Town, r.Area, r.Address} {
			texts[names[place]] = append(texts[names[place]], value)
		}
		lines[at], active[at] = int64(r.Line), number(r.Active)
	}
	set := rowset{[]column{intColumn("line", lines), intColumn("active", active)}}
	for _, name := range names {
		set.columns = append(set.columns, textColumn(name, texts[name]))
	}
	db := i.admin.db
	from, args, err := set.from(db, "r")
	if err != nil {
		return 0, err
	}
	result, err := db.ExecContext(ctx, db.Rebind(`
		INSERT INTO directory_import_rows (import_id, dfsp_code, code, line, name, dfsp_name, kind, strategy, town, area, address, active)
		SELECT CAST(? AS TEXT), r.dfsp_code, r.code, r.line, r.name, r.dfsp_name, r.kind, r.strategy, r.town, r.area, r.address, r.active <> 0
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (import_id, dfsp_code, code) DO NOTHING`), append([]any{i.importOf.ID}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("keep %d lines of a list: %w", n, err)
	}
	stored, err := result.RowsAffected()
	return int(stored), err
}

// findTwice finds which of the rows just read are not in, because an earlier line is about the same.
func (i *intake) findTwice(ctx context.Context) error {
	n := len(i.rows)
	dfsps, codes, lines := make([]string, n), make([]string, n), make([]int64, n)
	for at, r := range i.rows {
		dfsps[at], codes[at], lines[at] = r.DFSP, r.Code, int64(r.Line)
	}
	db := i.admin.db
	from, args, err := rowset{[]column{textColumn("dfsp_code", dfsps), textColumn("code", codes), intColumn("line", lines)}}.from(db, "r")
	if err != nil {
		return err
	}
	var twice []struct {
		Line  int `db:"line"`
		First int `db:"first"`
	}
	err = db.SelectContext(ctx, &twice, db.Rebind(`
		SELECT r.line AS line, k.line AS first
		FROM directory_import_rows k
		JOIN `+from+` ON k.dfsp_code = r.dfsp_code AND k.code = r.code
		WHERE k.import_id = ? AND k.line <> r.line
		ORDER BY r.line`), append(args, i.importOf.ID)...)
	if err != nil {
		return fmt.Errorf("find lines that are twice in a list: %w", err)
	}
	field := "code"
	if i.importOf.Branches {
		field = "branch_code"
	}
	for _, t := range twice {
		i.problems = append(i.problems, ListRow{Line: t.Line, Problem: &Problem{Field: field, Code: Twice, Value: strconv.Itoa(t.First)}})
	}
	i.importOf.Problems += len(twice)
	return nil
}

func (i *intake) storeProblems(ctx context.Context) error {
	kept := i.problems[:min(len(i.problems), problemsKept-i.kept)]
	i.problems = i.problems[:0]
	if len(kept) == 0 {
		return nil
	}
	i.kept += len(kept)
	lines := make([]int64, len(kept))
	fields, codes, values := make([]string, len(kept)), make([]string, len(kept)), make([]string, len(kept))
	for at, r := range kept {
		lines[at], fields[at], codes[at], values[at] = int64(r.Line), r.Problem.Field, string(r.Problem.Code), shortValue(r.Problem.Value)
	}
	db := i.admin.db
	from, args, err := rowset{[]column{
		intColumn("line", lines), textColumn("field", fields), textColumn("code", codes), textColumn("value", values),
	}}.from(db, "r")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, db.Rebind(`
		INSERT INTO directory_import_problems (import_id, line, field, code, value)
		SELECT CAST(? AS TEXT), r.line, r.field, r.code, r.value
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (import_id, line) DO NOTHING`), append([]any{i.importOf.ID}, args...)...)
	if err != nil {
		return fmt.Errorf("keep what is wrong with a list: %w", err)
	}
	return nil
}

// compare finds what applying a list would do to the directory as it is now.
func (a *DirectoryAdmin) compare(ctx context.Context, i *DirectoryImport) error {
	err := transact(ctx, a.db, func(tx *sqlx.Tx) (err error) {
		compared := *i
		if err := tx.GetContext(ctx, &compared.Version, `SELECT version FROM directory_version`); err != nil {
			return err
		}
		if err := refuseRows(ctx, tx, &compared); err != nil {
			return err
		}
		if err := count(ctx, tx, &compared); err != nil {
			return err
		}
		if compared.Digest, err = digestRows(ctx, tx, compared.ID); err != nil {
			return err
		}
		compared.State = importReady
		_, err = tx.NamedExecContext(ctx, `
			UPDATE directory_imports
			SET state = :state, directory_version = :directory_version, digest = :digest, lines = :lines, problems = :problems,
			    added = :added, changed = :changed, removed = :removed, banks = :banks
			WHERE id = :id`, compared)
		if err == nil {
			*i = compared
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("compare a list with the directory: %w", err)
	}
	return nil
}

// rowRule is something that only the directory can have against a row.
type rowRule struct {
	field, value string
	code         ProblemCode
	condition    string
}

var (
	branchRules = []rowRule{
		{"bank_code", "r.dfsp_code", NotABank, `EXISTS (SELECT 1 FROM dfsps d WHERE d.code = r.dfsp_code AND d.kind <> 'bank')`},
		{"bank_code", "r.dfsp_code", BankUnknown, `r.dfsp_name = '' AND NOT EXISTS (SELECT 1 FROM dfsps d WHERE d.code = r.dfsp_code)`},
	}
	providerRules = []rowRule{
		{"kind", "r.kind", KindFixed, `EXISTS (SELECT 1 FROM dfsps d WHERE d.code = r.dfsp_code AND d.kind <> r.kind)`},
		{"strategy", "r.strategy", StrategyUnknown, `r.strategy <> '' AND NOT EXISTS (SELECT 1 FROM strategies s WHERE s.name = r.strategy AND s.kind = r.kind)`},
	}
)

// refuseRows takes out the rows that do not go with the directory.
func refuseRows(ctx context.Context, tx *sqlx.Tx, i *DirectoryImport) error {
	rules := providerRules
	if i.Branches {
		rules = branchRules
	}
	for _, rule := range rules {
		_, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO directory_import_problems (import_id, line, field, code, value)
			SELECT r.import_id, r.line, CAST(? AS TEXT), CAST(? AS TEXT), `+rule.value+`
			FROM directory_import_rows r
			WHERE r.import_id = ? AND `+rule.condition+`
			ORDER BY r.line
			LIMIT `+problemsKeptText), rule.field, rule.code, i.ID)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM directory_import_rows AS r WHERE r.import_id = ? AND `+rule.condition), i.ID)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		i.Lines, i.Problems = i.Lines-int(n), i.Problems+int(n)
	}
	return nil
}

// comparison says how rows and directory are compared.
type comparison struct {
	joined  string // the directory's rows beside the list's
	differs string
	removed string // what a complete list leaves out
}

// String names the optional columns that a list has.
func (c ListColumns) String() string {
	var names []string
	for _, column := range []struct {
		name string
		has  bool
	}{{"strategy", c.Strategy}, {"town", c.Town}, {"area", c.Area}, {"address", c.Address}} {
		if column.has {
			names = append(names, column.name)
		}
	}
	return strings.Join(names, ",")
}

// says are the columns that a list has a value for, beside the code.
func (i DirectoryImport) says() []string {
	columns := []string{"name"}
	for _, name := range strings.Split(i.Columns, ",") {
		if name != "" {
			columns = append(columns, name)
		}
	}
	return append(columns, "active")
}

func (i DirectoryImport) comparison() comparison {
	var differ []string
	for _, column := range i.says() {
		differ = append(differ, "c."+column+" <> r."+column)
	}
	c := comparison{differs: "(" + strings.Join(differ, " OR ") + ")"}
	if i.Branches {
		c.joined = `LEFT JOIN branches c ON c.dfsp_code = r.dfsp_code AND c.code = r.code`
		c.removed = `branches AS c WHERE c.active AND NOT EXISTS (
			SELECT 1 FROM directory_import_rows r WHERE r.import_id = ? AND r.dfsp_code = c.dfsp_code AND r.code = c.code)`
	} else {
		c.joined = `LEFT JOIN dfsps c ON c.code = r.dfsp_code`
		c.removed = `dfsps AS c WHERE c.active AND NOT EXISTS (
			SELECT 1 FROM directory_import_rows r WHERE r.import_id = ? AND r.dfsp_code = c.code AND r.code = '')`
	}
	return c
}

func count(ctx context.Context, tx *sqlx.Tx, i *DirectoryImport) error {
	c := i.comparison()
	err := tx.GetContext(ctx, i, tx.Rebind(`
		SELECT COALESCE(SUM(CASE WHEN c.code IS NULL THEN 1 ELSE 0 END), 0) AS added,
		       COALESCE(SUM(CASE WHEN c.code IS NOT NULL AND `+c.differs+` THEN 1 ELSE 0 END), 0) AS changed
		FROM directory_import_rows r
		`+c.joined+`
		WHERE r.import_id = ?`), i.ID)
	if err != nil {
		return err
	}
	if i.Complete {
		if err := tx.GetContext(ctx, &i.Removed, tx.Rebind(`SELECT COUNT(*) FROM `+c.removed), i.ID); err != nil {
			return err
		}
	}
	if !i.Branches {
		return nil
	}
	return tx.GetContext(ctx, &i.Banks, tx.Rebind(`
		SELECT COUNT(DISTINCT r.dfsp_code)
		FROM directory_import_rows r
		WHERE r.import_id = ? AND NOT EXISTS (SELECT 1 FROM dfsps d WHERE d.code = r.dfsp_code)`), i.ID)
}

// digestRows is the SHA-256 of an import's rows, in their order.
func digestRows(ctx context.Context, tx *sqlx.Tx, id string) (string, error) {
	rows, err := tx.QueryxContext(ctx, tx.Rebind(`
		SELECT line, dfsp_code, code, name, dfsp_name, kind, strategy, town, area, address, active
		FROM directory_import_rows
		WHERE import_id = ?
		ORDER BY dfsp_code, code`), id)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	hash := sha256.New()
	var line []byte
	var r ListRow
	for rows.Next() {
		if err := rows.Scan(&r.Line, &r.DFSP, &r.Code, &r.Name, &r.DFSPName, &r.Kind, &r.Strategy, &r.Town, &r.Area, &r.Address, &r.Active); err != nil {
			return "", err
		}
		line = strconv.AppendInt(line[:0], int64(r.Line), 10)
		for _, text := range []string{r.DFSP, r.Code, r.Name, r.DFSPName, string(r.Kind), r.Strategy, r.Town, r.Area, r.Address} {
			line = append(append(line, 0), text...)
		}
		line = append(strconv.AppendBool(append(line, 0), r.Active), '\n')
		hash.Write(line)
	}
	return hex.EncodeToString(hash.Sum(nil)), rows.Err()
}
