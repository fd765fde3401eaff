package migrations

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// engineFiles are the migrations as one engine gets them. A statement between goose's StatementBegin and StatementEnd
// whose first line is "-- only sqlite" or "-- only postgres" is left out for the other engine: the few things, such as
// triggers, that both have and write differently.
type engineFiles struct {
	embed.FS
	engine string
}

const (
	statementBegin = "-- +goose StatementBegin\n"
	statementEnd   = "-- +goose StatementEnd\n"
	onlyMark       = "-- only "
)

// Open implements [fs.FS].
func (f engineFiles) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return file, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	text, err = forEngine(text, f.engine)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return engineFile{File: file, text: bytes.NewReader(text)}, nil
}

type engineFile struct {
	fs.File
	text *bytes.Reader
}

func (f engineFile) Read(b []byte) (int, error) { return f.text.Read(b) }

// forEngine leaves out the statements of the other engine.
func forEngine(text []byte, engine string) ([]byte, error) {
	var kept []byte
	for {
		before, rest, found := bytes.Cut(text, []byte(statementBegin+onlyMark))
		kept = append(kept, before...)
		if !found {
			return kept, nil
		}
		mark, body, _ := bytes.Cut(rest, []byte("\n"))
		body, after, ended := bytes.Cut(body, []byte(statementEnd))
		if !ended || !slices.Contains([]string{"sqlite", "postgres"}, string(mark)) {
			return nil, fmt.Errorf("statement for only %q: expected sqlite or postgres, and StatementEnd", mark)
		}
		if string(mark) == engine {
			kept = slices.Concat(kept, []byte(statementBegin), body, []byte(statementEnd))
		}
		text = after
	}
}
