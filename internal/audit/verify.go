package audit

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"spar/migrations"
)

// Fault is what was done to the log.
type Fault string

// The faults that [Log.Verify] tells apart.
const (
	Edited    Fault = "edited"    // a column is not what was written
	Removed   Fault = "removed"   // an event is not there, although later ones are
	Reordered Fault = "reordered" // a genuine event stands in another one's place
	Added     Fault = "added"     // an event that was never written
	Truncated Fault = "truncated" // the newest events are not there
)

// Finding is the first event that is not as it was written. Seq is its number; 0 is the head.
type Finding struct {
	Seq   int64
	Fault Fault
	Text  string
}

// Report is the result of checking the whole log. Head is the last good event.
type Report struct {
	Events  int64 // that are as they were written, from the first on
	Head    Head
	Finding *Finding // nil: everything is in order
}

const verifyPage = 2000

// verifier walks along the chain.
type verifier struct {
	l     *Log
	end   head // as last read
	last  row  // last good one; its hash is what the next one must be chained to
	noted map[int64]string
}

// Verify checks every event against its hash, its seal and the one before it, and the last one against the head of the
// log. What was noted of earlier heads must still be there too: that alone finds a log that was put back to an earlier
// state as a whole, with its head. Events may be written meanwhile. The error is a fault of the database, not a finding.
func (l *Log) Verify(ctx context.Context, noted ...Head) (Report, error) {
	v := &verifier{l: l, last: row{Hash: origin()}, noted: make(map[int64]string, len(noted))}
	for _, n := range noted {
		v.noted[n.Seq] = n.Hash
	}
	finding, err := v.walk(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	return Report{Events: v.last.Seq, Head: Head{Seq: v.last.Seq, Hash: hex.EncodeToString(v.last.Hash)}, Finding: finding}, nil
}

// walk checks rows until none is left, and only then looks whether the log ends there: events that are appended meanwhile
// are in the database before the head says so.
func (v *verifier) walk(ctx context.Context) (*Finding, error) {
	for from := int64(math.MinInt64); ; from = v.last.Seq + 1 {
		before := v.last.Seq
		if finding, err := v.readHead(ctx); finding != nil || err != nil {
			return finding, err
		}
		if finding, err := v.rows(ctx, from); finding != nil || err != nil {
			return finding, err
		}
		switch {
		case v.last.Seq >= v.end.Seq:
			return v.close(ctx)
		case v.last.Seq == before:
			return &Finding{v.last.Seq + 1, Truncated, fmt.Sprintf("events %d to %d at the end of the log are missing", v.last.Seq+1, v.end.Seq)}, nil
		}
	}
}

func (v *verifier) readHead(ctx context.Context) (*Finding, error) {
	at, err := v.l.readHead(ctx, v.l.db, "")
	if errors.Is(err, sql.ErrNoRows) {
		return &Finding{0, Removed, "the head of the log is missing"}, nil
	}
	if err != nil {
		return nil, err
	}
	v.end = at
	return nil, nil
}

// rows checks all rows from a number on.
func (v *verifier) rows(ctx context.Context, from int64) (*Finding, error) {
	for {
		read, finding, err := v.page(ctx, from)
		if finding != nil || err != nil || read < verifyPage {
			return finding, err
		}
		from = v.last.Seq + 1
	}
}

func (v *verifier) page(ctx context.Context, from int64) (read int, _ *Finding, _ error) {
	rows, err := v.l.db.QueryxContext(ctx, v.l.db.Rebind(`
		SELECT `+columns+`
		FROM audit_events
		WHERE seq >= ?
		ORDER BY seq
		LIMIT ?`), from, verifyPage)
	if err != nil {
		return 0, nil, fmt.Errorf("read audit events: %w", err)
	}
	defer rows.Close()
	for ; rows.Next(); read++ {
		var r row
		if rows.StructScan(&r) != nil {
			// SQLite stores a text in a column of numbers if it is told to.
			return read, &Finding{v.last.Seq + 1, Edited, fmt.Sprintf("event %d cannot be read", v.last.Seq+1)}, nil
		}
		if finding := v.check(r); finding != nil {
			return read, finding, nil
		}
		v.last = r
	}
	if err := rows.Err(); err != nil {
		return read, nil, fmt.Errorf("read audit events: %w", err)
	}
	return read, nil, nil
}

// check finds what is wrong with the row that comes after the last good one.
func (v *verifier) check(r row) *Finding {
	switch expected := v.last.Seq + 1; {
	case r.Seq < expected:
		return &Finding{r.Seq, Added, fmt.Sprintf("event %d was never written: the log begins with 1", r.Seq)}
	case r.Seq > expected:
		return &Finding{expected, Removed, fmt.Sprintf("event %d is missing, and the next one is %d", expected, r.Seq)}
	}
	if !bytes.Equal(r.digest(), r.Hash) || v.l.mac.VerifyMAC(r.MAC, r.sealed()) != nil {
		return v.explain(r)
	}
	if !bytes.Equal(r.Previous, v.last.Hash) {
		return &Finding{r.Seq, Reordered, fmt.Sprintf("event %d does not follow the event before it: one of the two is of another log, or of a backup", r.Seq)}
	}
	if hash, ok := v.noted[r.Seq]; ok && hash != hex.EncodeToString(r.Hash) {
		return &Finding{r.Seq, Edited, fmt.Sprintf("event %d has another hash than was noted: the log was made anew since", r.Seq)}
	}
	return nil
}

// explain tells apart how a row can be wrong in itself.
func (v *verifier) explain(r row) *Finding {
	if v.l.mac.VerifyMAC(r.MAC, r.sealed()) == nil {
		// The hash is genuine, so it says which event this once was.
		for seq := int64(1); seq <= v.end.Seq; seq++ {
			moved := r
			moved.Seq = seq
			if bytes.Equal(moved.digest(), r.Hash) {
				return &Finding{r.Seq, Reordered, fmt.Sprintf("in the place of event %d stands event %d", r.Seq, seq)}
			}
		}
	}
	if r.Seq > v.end.Seq {
		return &Finding{r.Seq, Added, fmt.Sprintf("event %d was never written: the log ends at %d", r.Seq, v.end.Seq)}
	}
	return &Finding{r.Seq, Edited, fmt.Sprintf("event %d is not what was written", r.Seq)}
}

// close checks the end of the log against the rows.
func (v *verifier) close(ctx context.Context) (*Finding, error) {
	// Read again: rows that were appended since are no forgery.
	if finding, err := v.readHead(ctx); finding != nil || err != nil {
		return finding, err
	}
	switch {
	case v.end.Seq == 0 && len(v.end.MAC) == 0:
		return &Finding{0, Removed, "the log is empty"}, nil
	case v.l.mac.VerifyMAC(v.end.MAC, v.end.sealed()) != nil:
		return &Finding{0, Edited, "the head of the log is not what was written"}, nil
	case v.last.Seq > v.end.Seq:
		return &Finding{v.end.Seq + 1, Added, fmt.Sprintf("the log ends at event %d, but there are more: they were added, or the head was put back", v.end.Seq)}, nil
	case v.last.Seq == v.end.Seq && !bytes.Equal(v.last.Hash, v.end.Hash):
		return &Finding{v.last.Seq, Edited, fmt.Sprintf("event %d is not the one that the log ended with", v.last.Seq)}, nil
	}
	for seq := range v.noted {
		if seq > v.last.Seq {
			return &Finding{v.last.Seq + 1, Truncated, fmt.Sprintf("event %d was noted, but the log ends at %d", seq, v.last.Seq)}, nil
		}
	}
	return v.checkFile(ctx)
}

// checkFile finds bytes that were changed in SQLite's file where the rows above were not read from: it keeps the columns
// of an index twice.
func (v *verifier) checkFile(ctx context.Context) (*Finding, error) {
	if migrations.Postgres(v.l.db) {
		return nil, nil
	}
	var problems []string
	if err := v.l.db.SelectContext(ctx, &problems, `PRAGMA integrity_check(audit_events)`); err != nil {
		return nil, fmt.Errorf("check database file: %w", err)
	}
	if len(problems) == 1 && problems[0] == "ok" {
		return nil, nil
	}
	return &Finding{0, Edited, "the database file was changed: " + clean(strings.Join(problems, "; "), maxText)}, nil
}
