package mapper

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// A rowset hands a whole batch to one statement as a table, so that no statement is ever sent per item: unnest over
// arrays on PostgreSQL, json_each over one document on SQLite.
type rowset struct {
	columns []column
}

type column struct {
	name   string
	kind   string // bytea, text or bigint
	values any    // [][]byte, []string or []int64
}

func bytesColumn(name string, values [][]byte) column { return column{name, "bytea", values} }
func textColumn(name string, values []string) column  { return column{name, "text", values} }
func intColumn(name string, values []int64) column    { return column{name, "bigint", values} }

// from returns the text of a FROM item named alias, with its arguments.
func (r rowset) from(db *sqlx.DB, alias string) (string, []any, error) {
	if migrations.Postgres(db) {
		return r.unnest(alias)
	}
	return r.jsonEach(alias)
}

func (r rowset) unnest(alias string) (string, []any, error) {
	var arrays, names []string
	var args []any
	for _, c := range r.columns {
		arrays = append(arrays, "?::"+c.kind+"[]")
		names = append(names, c.name)
		args = append(args, c.values)
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS " + alias + "(" + strings.Join(names, ", ") + ")", args, nil
}

func (r rowset) jsonEach(alias string) (string, []any, error) {
	var fields []string
	var arrays []any
	for i, c := range r.columns {
		// json_each walks the first array; the others are read at the same place. Bytes travel as hex.
		field := fmt.Sprintf("doc.item ->> %d", i)
		if c.kind == "bytea" {
			field = "unhex(" + field + ")"
		}
		fields = append(fields, field+" AS "+c.name)
		arrays = append(arrays, c.values)
	}
	document, err := transposed(arrays)
	if err != nil {
		return "", nil, err
	}
	return "(SELECT " + strings.Join(fields, ", ") + " FROM (SELECT value AS item FROM json_each(?)) AS doc) AS " + alias, []any{document}, nil
}

// transposed turns columns into a JSON array of rows.
func transposed(columns []any) (string, error) {
	var rows [][]any
	for _, c := range columns {
		add := func(i int, value any) {
			if i == len(rows) {
				rows = append(rows, make([]any, 0, len(columns)))
			}
			rows[i] = append(rows[i], value)
		}
		switch values := c.(type) {
		case [][]byte:
			for i, v := range values {
				add(i, hex.EncodeToString(v))
			}
		case []string:
			for i, v := range values {
				add(i, v)
			}
		case []int64:
			for i, v := range values {
				add(i, v)
			}
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("encode rows: %w", err)
	}
	return string(text), nil
}

// keysIn returns the text of a condition that column is one of the keys, with its argument.
func keysIn(db *sqlx.DB, column string, keys [][]byte) (string, any) {
	if migrations.Postgres(db) {
		return column + " = ANY(?)", keys
	}
	var document strings.Builder
	document.WriteByte('[')
	for i, key := range keys {
		if i > 0 {
			document.WriteByte(',')
		}
		document.WriteByte('"')
		document.WriteString(hex.EncodeToString(key))
		document.WriteByte('"')
	}
	document.WriteByte(']')
	return column + " IN (SELECT unhex(value) FROM json_each(?))", document.String()
}
