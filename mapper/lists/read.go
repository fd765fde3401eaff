package lists

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"spar/mapper"
)

// Reader reads a list line by line; it is a [mapper.ListSource].
type Reader struct {
	csv     *csv.Reader
	guard   *guard
	names   []string       // of the columns, as our own files and the IFSC list have them
	columns map[string]int // their places
	list    mapper.ListColumns
	isIFSC  bool
	lines   int
}

// guard reads no further than a record may be long.
type guard struct {
	from io.Reader
	read int64
	end  int64
}

// Read implements [io.Reader].
func (g *guard) Read(b []byte) (int, error) {
	if g.read >= g.end {
		return 0, ErrTooLong
	}
	n, err := g.from.Read(b[:min(int64(len(b)), g.end-g.read)])
	g.read += int64(n)
	return n, err
}

// other names that columns go by, once their case and spaces are put aside.
var aliases = map[string]string{
	"dfsp": "bank_code", "dfsp_code": "bank_code", "branch": "name", "branch_name": "name", "provider_code": "code", "provider_name": "name",
	"bank": "bank_name",
}

// NewReader reads the line with the columns' names, which says what kind of list it is.
func NewReader(from io.Reader) (*Reader, error) {
	text := bufio.NewReaderSize(from, maxRecord)
	beginning, err := text.Peek(maxRecord)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	switch {
	case bytes.HasPrefix(beginning, []byte("\xef\xbb\xbf")):
		_, _ = text.Discard(3)
		beginning = beginning[3:]
	case bytes.HasPrefix(beginning, []byte("\xff\xfe")), bytes.HasPrefix(beginning, []byte("\xfe\xff")):
		return nil, ErrEncoding
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(beginning, "\r\n"), []byte("\n"))
	if len(bytes.TrimSpace(first)) == 0 {
		return nil, ErrEmpty
	}
	r := &Reader{guard: &guard{from: text, end: maxRecord}}
	r.csv = csv.NewReader(r.guard)
	r.csv.Comma = separator(first)
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	names, err := r.csv.Read()
	if errors.Is(err, ErrTooLong) {
		return nil, ErrTooLong
	}
	if err != nil {
		return nil, ErrColumns
	}
	return r, r.readColumns(names)
}

// separator is the one of the usual three that the first line has most of.
func separator(line []byte) rune {
	best, most := ',', 0
	for _, r := range ",;\t" {
		if n := bytes.Count(line, []byte(string(r))); n > most {
			best, most = r, n
		}
	}
	return best
}

func (r *Reader) readColumns(names []string) error {
	r.columns = map[string]int{}
	for i, name := range names {
		if !utf8.ValidString(name) {
			return ErrEncoding
		}
		name = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(tidy(name)))
		if other, ok := aliases[name]; ok {
			name = other
		}
		if _, twice := r.columns[name]; twice && isOurs(name) {
			return fmt.Errorf("%w: %s is there twice", ErrColumns, name)
		}
		r.names, r.columns[name] = append(r.names, name), i
	}
	if at, ok := r.columns["code"]; ok && r.has("bank_code") && !r.has("branch_code") {
		r.columns["branch_code"] = at
	}
	switch {
	case r.has("bank_code", "branch_code", "name"):
		r.list = mapper.ListColumns{Branches: true, Town: r.has("town"), Area: r.has("area"), Address: r.has("address")}
	case r.has("ifsc", "name"):
		r.isIFSC = true
		r.list = mapper.ListColumns{Branches: true, Town: true, Area: true, Address: r.has("address")}
	case r.has("code", "name", "kind"):
		r.list = mapper.ListColumns{Strategy: r.has("strategy")}
	default:
		return ErrColumns
	}
	return nil
}

func isOurs(name string) bool {
	return name == "ifsc" || slices.Contains(branchColumns, name) || slices.Contains(providerColumns, name)
}

func (r *Reader) has(names ...string) bool {
	for _, name := range names {
		if _, ok := r.columns[name]; !ok {
			return false
		}
	}
	return true
}

// Columns implements [mapper.ListSource].
func (r *Reader) Columns() mapper.ListColumns { return r.list }

// Next implements [mapper.ListSource]. A line that cannot be used is a row with a problem; an error is about the rest of
// the file, io.EOF its end.
func (r *Reader) Next() (mapper.ListRow, error) {
	for {
		r.guard.end = r.csv.InputOffset() + 2*maxRecord // what is read ahead counts
		cells, err := r.csv.Read()
		syntax, wrong := errors.AsType[*csv.ParseError](err)
		switch {
		case errors.Is(err, io.EOF):
			return mapper.ListRow{}, io.EOF
		case errors.Is(err, ErrTooLong):
			return mapper.ListRow{}, ErrTooLong
		case wrong:
			return mapper.ListRow{Line: syntax.StartLine, Problem: &mapper.Problem{Code: mapper.BadQuotes}}, nil
		case err != nil:
			return mapper.ListRow{}, fmt.Errorf("read the file: %w", err)
		}
		line, _ := r.csv.FieldPos(0)
		if r.lines++; r.lines > maxLines {
			return mapper.ListRow{}, ErrTooMany
		}
		if slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			return r.row(line, cells), nil
		}
	}
}

// row makes a row of a line's cells.
func (r *Reader) row(line int, cells []string) mapper.ListRow {
	row := mapper.ListRow{Line: line, Active: true}
	if more := len(cells) - len(r.names); more < 0 || strings.Join(cells[len(r.names):], "") != "" {
		row.Problem = &mapper.Problem{Code: mapper.BadCells}
		return row
	}
	for i, name := range r.names {
		if !isUsed(name) {
			continue
		}
		if !utf8.ValidString(cells[i]) {
			row.Problem = &mapper.Problem{Code: mapper.BadEncoding, Field: name}
			return row
		}
	}
	cell := func(name string) string {
		if i, ok := r.columns[name]; ok {
			return tidy(cells[i])
		}
		return ""
	}
	row.Name = cell("name")
	active, known := answers[strings.ToLower(cell("active"))]
	row.Active = active
	if !known {
		row.Problem = &mapper.Problem{Code: mapper.ActiveUnknown, Field: "active", Value: cell("active")}
	}
	if r.list.Branches {
		r.branch(&row, cell)
	} else {
		row.DFSP, row.Strategy = upper(cell("code")), cell("strategy")
		kind, known := kinds[strings.ToLower(cell("kind"))]
		row.Kind = kind
		if !known {
			row.Problem = &mapper.Problem{Code: mapper.KindUnknown, Field: "kind", Value: cell("kind")}
		}
	}
	return row
}

// ifsc is an Indian Financial System Code: four letters for the bank, a zero, six letters or digits for the branch.
var ifsc = regexp.MustCompile(`^[A-Z]{4}0[A-Z0-9]{6}$`)

func (r *Reader) branch(row *mapper.ListRow, cell func(string) string) {
	row.DFSPName, row.Kind, row.Address = cell("bank_name"), mapper.Bank, cell("address")
	if !r.isIFSC {
		row.DFSP, row.Code, row.Town, row.Area = upper(cell("bank_code")), upper(cell("branch_code")), cell("town"), cell("area")
		return
	}
	row.Code = upper(cell("ifsc"))
	if !ifsc.MatchString(row.Code) {
		row.Problem = &mapper.Problem{Code: mapper.IFSCForm, Field: "ifsc", Value: row.Code}
		return
	}
	row.DFSP = row.Code[:4]
	if isNothing(row.Address) {
		row.Address = ""
	}
	row.Town, row.Area = place(cell("centre"), cell("city"), cell("district"), cell("state"))
}

// isUsed reports whether anything is taken from a column.
func isUsed(name string) bool {
	return isOurs(name) || slices.Contains([]string{"centre", "city", "district", "state"}, name)
}
