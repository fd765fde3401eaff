package audit

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WriteCSV writes all events that a filter lets through as RFC 4180, the newest first, in pages, so that the size of the
// log does not matter. Limit is ignored.
func (l *Log) WriteCSV(ctx context.Context, w io.Writer, f Filter) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"number", "time", "actor kind", "actor", "request id", "action", "target", "before", "after", "detail", "hash",
	}); err != nil {
		return fmt.Errorf("write audit events: %w", err)
	}
	for f.Limit = maxLimit; ; {
		entries, err := l.List(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := out.Write(e.cells()); err != nil {
				return fmt.Errorf("write audit events: %w", err)
			}
		}
		out.Flush()
		if err := out.Error(); err != nil {
			return fmt.Errorf("write audit events: %w", err)
		}
		if len(entries) < f.Limit {
			return nil
		}
		f.Before = entries[len(entries)-1].Seq
	}
}

func (e Entry) cells() []string {
	cells := []string{
		strconv.FormatInt(e.Seq, 10), e.At.Format(time.RFC3339Nano), e.Actor.Kind, e.Actor.ID, e.Actor.RequestID, e.Action,
		e.Target, e.Before, e.After, e.DetailText(), e.Hash,
	}
	for i, cell := range cells {
		cells[i] = plainCell(cell)
	}
	return cells
}

// DetailText is the detail in one line: name=value, sorted by name, without the empty ones.
func (e Entry) DetailText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		if e.Detail[name] != "" {
			parts = append(parts, name+"="+e.Detail[name])
		}
	}
	return strings.Join(parts, "; ")
}

// plainCell keeps spreadsheets from taking a text for a formula: some of the texts were chosen by partners.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(text[0])) {
		return "'" + text
	}
	return text
}
