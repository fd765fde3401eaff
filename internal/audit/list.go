package audit

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Entry is an event as it stands in the log.
type Entry struct {
	Event
	Seq  int64 // its place in the log, from 1
	At   time.Time
	Hash string // hex
}

// Filter says which events to list. Empty members do not matter; texts match exactly.
type Filter struct {
	From      time.Time // not before
	Until     time.Time // before
	ActorKind string
	Actor     string
	Action    string // one action, or a group of them with a dot at its end: "partner."
	Target    string
	Partner   string // events about a partner or by it
	Before    int64  // only events with a smaller number: the last one of the page before
	Limit     int    // of one page; 0: defaultLimit
}

const (
	defaultLimit = 50
	maxLimit     = 1000
)

const columns = `seq, at, actor_kind, actor_id, request_id, action, target, before_value, after_value, detail, previous, hash, mac`

// List returns a page of events, the newest first. The next page begins [Filter.Before] the last one's Seq. It shows what
// stands there: whether that is genuine, [Log.Verify] finds out.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	conditions, args := f.conditions()
	query := `SELECT ` + columns + ` FROM audit_events`
	if len(conditions) > 0 {
		query += ` WHERE ` + strings.Join(conditions, ` AND `)
	}
	query += ` ORDER BY seq DESC LIMIT ?`
	var rows []row
	if err := l.db.SelectContext(ctx, &rows, l.db.Rebind(query), append(args, min(f.Limit, maxLimit))...); err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	entries := make([]Entry, 0, len(rows))
	for _, r := range rows {
		entries = append(entries, r.entry())
	}
	return entries, nil
}

func (f Filter) conditions() (conditions []string, args []any) {
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if !f.From.IsZero() {
		add(`at >= ?`, f.From.UnixMilli())
	}
	if !f.Until.IsZero() {
		add(`at < ?`, f.Until.UnixMilli())
	}
	if group, isGroup := strings.CutSuffix(f.Action, "."); isGroup {
		add(`action > ? AND action < ?`, group+".", group+"/") // '/' follows '.'
	} else if f.Action != "" {
		add(`action = ?`, f.Action)
	}
	if f.Partner != "" {
		add(`(target = ? OR (actor_kind = ? AND actor_id = ?))`, f.Partner, Partner, f.Partner)
	}
	for _, equal := range []struct{ column, value string }{
		{"actor_kind", f.ActorKind}, {"actor_id", f.Actor}, {"target", f.Target},
	} {
		if equal.value != "" {
			add(equal.column+` = ?`, equal.value)
		}
	}
	if f.Before > 0 {
		add(`seq < ?`, f.Before)
	}
	return conditions, args
}

func (r row) entry() Entry {
	e := Entry{
		Seq: r.Seq, At: time.UnixMilli(r.At).UTC(), Hash: hex.EncodeToString(r.Hash),
		Event: Event{
			Actor:  Actor{Kind: r.ActorKind, ID: r.ActorID, RequestID: r.RequestID},
			Action: r.Action, Target: r.Target, Before: r.Before, After: r.After,
		},
	}
	if json.Unmarshal([]byte(r.Detail), &e.Detail) != nil {
		e.Detail = map[string]string{"unreadable": r.Detail} // somebody edited it: show what is there
	}
	return e
}

// Last returns the newest event of an action, and whether there is one.
func (l *Log) Last(ctx context.Context, action string) (Entry, bool, error) {
	entries, err := l.List(ctx, Filter{Action: action, Limit: 1})
	if err != nil || len(entries) == 0 {
		return Entry{}, false, err
	}
	return entries[0], true, nil
}

// Head is where the log ends. Noted outside the database, it later proves that nothing up to there was changed: no one
// with the database and the key can make another log that has the same hash at the same place.
type Head struct {
	Seq  int64
	Hash string // hex
}

// Head returns the end of the log, or [ErrTampered].
func (l *Log) Head(ctx context.Context) (Head, error) {
	at, err := l.readHead(ctx, l.db, "")
	if err != nil {
		return Head{}, err
	}
	if err := l.checkHead(at); err != nil {
		return Head{}, err
	}
	l.committed(at.Seq)
	return Head{Seq: at.Seq, Hash: hex.EncodeToString(at.Hash)}, nil
}
