package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"spar/mapper"
)

// linksColumns are the columns of a file of links. Only the ID and the address must be there, as columns or by a template.
var linksColumns = []string{"id", "fa", "name", "phone"}

// linksFile reads a CSV file of links, one line after the other. Lines are numbered as an editor numbers them.
type linksFile struct {
	file   *os.File
	csv    *csv.Reader
	digest hash.Hash // of all that was read
	values [4]func(record []string) string
}

const maxLinkValue = 1024 // bytes of one value; longer ones are wrong anyway

// openLinks opens a file and reads its first line, which names the columns, in any order and case. A template makes a value
// out of columns: token:{national_id}@nationalid.
func openLinks(path, idTemplate, faTemplate string) (_ *linksFile, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &linksFile{file: file, digest: sha256.New()}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	text := bufio.NewReaderSize(io.TeeReader(file, f.digest), 1<<20)
	if mark, _ := text.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = text.Discard(3)
	}
	f.csv = csv.NewReader(text)
	f.csv.ReuseRecord = true
	header, err := f.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the first line, which names the columns: %w", path, err)
	}
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(columns[:i], columns[i]) {
			return nil, fmt.Errorf("%s: the column %q is there twice", path, columns[i])
		}
	}
	for i, name := range linksColumns {
		template := "{" + name + "}"
		switch {
		case i == 0 && idTemplate != "":
			template = idTemplate
		case i == 1 && faTemplate != "":
			template = faTemplate
		case i > 1 && !slices.Contains(columns, name):
			template = "" // names and phones may be missing
		}
		if f.values[i], err = valueOf(template, columns); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	return f, nil
}

// valueOf compiles a template over columns.
func valueOf(template string, columns []string) (func(record []string) string, error) {
	type piece struct {
		literal string
		column  int
	}
	var pieces []piece
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if literal != "" {
			pieces = append(pieces, piece{literal, -1})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("the template %q has a { without }", template)
		}
		column := slices.Index(columns, strings.ToLower(name))
		if column < 0 {
			return nil, fmt.Errorf("there is no column %q; there are %s", name, strings.Join(columns, ", "))
		}
		pieces = append(pieces, piece{"", column})
		rest = after
	}
	return func(record []string) string {
		if len(pieces) == 1 && pieces[0].column >= 0 {
			return plainValue(record[pieces[0].column])
		}
		var b strings.Builder
		for _, p := range pieces {
			if p.column < 0 {
				b.WriteString(p.literal)
				continue
			}
			value := plainValue(record[p.column])
			if value == "" {
				return "" // said to be missing, instead of an address with a hole
			}
			b.WriteString(value)
		}
		return b.String()
	}, nil
}

// Spreadsheets take a text that begins with one of these for a formula. An export puts an apostrophe before it, and an
// import takes that off again.
const formulaSigns = "=+-@'\t\r"

func guardedValue(text string) string {
	if text != "" && strings.IndexByte(formulaSigns, text[0]) >= 0 {
		return "'" + text
	}
	return text
}

func plainValue(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 1 && text[0] == '\'' && strings.IndexByte(formulaSigns, text[1]) >= 0 {
		return text[1:]
	}
	return text
}

// next reads one line. io.EOF says that there are no more; any other error means that the file cannot be read on.
// The item is refused by the registry if its values are wrong in themselves; problem says what is wrong with the line.
func (f *linksFile) next() (item mapper.Item, line int, problem string, err error) {
	record, err := f.csv.Read()
	if errors.Is(err, csv.ErrFieldCount) {
		line, _ = f.csv.FieldPos(0)
		return item, line, fmt.Sprintf("the line has %d values, the first line %d", len(record), f.csv.FieldsPerRecord), nil
	}
	if err != nil {
		return item, 0, "", err
	}
	line, _ = f.csv.FieldPos(0)
	var values [4]string
	for i, value := range f.values {
		values[i] = value(record)
		if !utf8.ValidString(values[i]) {
			return item, line, linksColumns[i] + " is not valid UTF-8", nil
		}
		if len(values[i]) > maxLinkValue {
			return item, line, fmt.Sprintf("%s has more than %d bytes", linksColumns[i], maxLinkValue), nil
		}
	}
	item.ID, item.FA = mapper.String(values[0]), mapper.String(values[1])
	if values[2] != "" {
		item.Name = mapper.String(values[2])
	}
	if values[3] != "" {
		item.Phone = mapper.String(values[3])
	}
	return item, line, "", nil
}

// sum names what was read so far, together with how it was read.
func (f *linksFile) sum(settings ...string) string {
	h := sha256.New()
	h.Write(f.digest.Sum(nil))
	for _, s := range settings {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (f *linksFile) Close() error { return f.file.Close() }
