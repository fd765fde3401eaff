package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/migrations"
)

// ErrTampered is what writing fails with once the end of the log is not as SPAR left it. Appending to it would cover up
// what was done, so everything that has to be audited stops until somebody has looked.
var ErrTampered = errors.New("the audit log was tampered with: run spar audit verify")

var errNoLog = errors.New("write audit event: no audit log is open")

// Log is the audit log of a database. It is safe for concurrent use, also by several processes.
type Log struct {
	db     *sqlx.DB
	mac    tink.MAC
	now    func() time.Time
	newest atomic.Int64 // highest number that was committed, as far as this process knows: the log never ends before it
}

// Open opens the log of a database and begins it if it is new. keyIsNew says that the key was made just now; with an
// older key and partners in the database an empty log means that somebody emptied it: [ErrTampered].
func Open(ctx context.Context, db *sqlx.DB, mac tink.MAC, keyIsNew bool, now func() time.Time) (*Log, error) {
	l := &Log{db: db, mac: mac, now: now}
	at, err := l.readHead(ctx, db, "")
	if err != nil {
		return nil, err
	}
	if at.Seq > 0 || len(at.MAC) > 0 {
		l.committed(at.Seq)
		return l, l.checkHead(at)
	}
	var partners int
	if err := db.GetContext(ctx, &partners, `SELECT COUNT(*) FROM partners`); err != nil {
		return nil, fmt.Errorf("look for partners: %w", err)
	}
	if partners > 0 && !keyIsNew {
		return nil, fmt.Errorf("the log is empty, but its key and the database are in use: %w", ErrTampered)
	}
	return l, l.begin(ctx)
}

// Inspect opens the log of a database to look at it, in whatever state it is. Nothing is written.
func Inspect(db *sqlx.DB, mac tink.MAC, now func() time.Time) *Log {
	return &Log{db: db, mac: mac, now: now}
}

// begin writes the first event, unless another process just did.
func (l *Log) begin(ctx context.Context) error {
	return l.transact(ctx, func(tx *sqlx.Tx) error {
		at, err := l.lockHead(ctx, tx)
		if err != nil || at.Seq > 0 {
			return err
		}
		at.Hash = origin()
		return l.appendTo(ctx, tx, at, Event{Actor: Actor{Kind: System}, Action: LogBegun})
	})
}

// Write appends events within the transaction that does what they say. It must be the transaction's last statement: it
// locks the end of the log until the transaction ends, and all other writers wait there.
func (l *Log) Write(ctx context.Context, tx *sqlx.Tx, events ...Event) error {
	if l == nil {
		return errNoLog
	}
	if len(events) == 0 {
		return nil
	}
	at, err := l.lockHead(ctx, tx)
	if err != nil {
		return err
	}
	if err := l.checkHead(at); err != nil {
		return fmt.Errorf("write audit event: %w", err)
	}
	return l.appendTo(ctx, tx, at, events...)
}

// Record appends events of something that changes no table, such as a refused login.
func (l *Log) Record(ctx context.Context, events ...Event) error {
	if l == nil {
		return errNoLog
	}
	return l.transact(ctx, func(tx *sqlx.Tx) error { return l.Write(ctx, tx, events...) })
}

func (l *Log) transact(ctx context.Context, do func(tx *sqlx.Tx) error) error {
	tx, err := l.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin audit transaction: %w", err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit audit event: %w", err)
	}
	return nil
}

func (l *Log) lockHead(ctx context.Context, tx *sqlx.Tx) (head, error) {
	if migrations.Postgres(l.db) {
		return l.readHead(ctx, tx, " FOR UPDATE")
	}
	return l.readHead(ctx, tx, "") // SQLite's transactions begin as the only writer
}

func (l *Log) readHead(ctx context.Context, q sqlx.QueryerContext, lock string) (head, error) {
	var at head
	if err := sqlx.GetContext(ctx, q, &at, `SELECT seq, hash, mac FROM audit_head WHERE one = 1`+lock); err != nil {
		return head{}, fmt.Errorf("read end of audit log: %w", err)
	}
	return at, nil
}

// checkHead finds an end that SPAR did not write, or that lies before one already seen.
func (l *Log) checkHead(at head) error {
	if at.Seq < 1 || l.mac.VerifyMAC(at.MAC, at.sealed()) != nil {
		return fmt.Errorf("its head is not genuine: %w", ErrTampered)
	}
	if newest := l.newest.Load(); at.Seq < newest {
		return fmt.Errorf("it ends at event %d, but had reached %d: %w", at.Seq, newest, ErrTampered)
	}
	return nil
}

// committed notes how far the log has reached. What a transaction sees of itself does not count: it may yet be undone.
func (l *Log) committed(seq int64) {
	for {
		newest := l.newest.Load()
		if seq <= newest || l.newest.CompareAndSwap(newest, seq) {
			return
		}
	}
}

// appendTo chains events to the end that this transaction has locked.
func (l *Log) appendTo(ctx context.Context, tx *sqlx.Tx, at head, events ...Event) error {
	now := l.now().UnixMilli()
	for _, e := range events {
		e, err := e.checked()
		if err != nil {
			return err
		}
		next, err := l.chain(e, at, now)
		if err != nil {
			return err
		}
		if err := l.insert(ctx, tx, next); err != nil {
			return err
		}
		at.Seq, at.Hash = next.Seq, next.Hash
	}
	var err error
	if at.MAC, err = l.mac.ComputeMAC(at.sealed()); err != nil {
		return fmt.Errorf("seal end of audit log: %w", err)
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(`
		UPDATE audit_head
		SET seq = ?, hash = ?, mac = ?
		WHERE one = 1`), at.Seq, at.Hash, at.MAC); err != nil {
		return fmt.Errorf("move end of audit log: %w", err)
	}
	return nil
}

// chain makes the row that follows an end of the log.
func (l *Log) chain(e Event, after head, now int64) (row, error) {
	detail, err := json.Marshal(e.Detail) // sorted by name
	if err != nil {
		return row{}, fmt.Errorf("encode audit details: %w", err)
	}
	r := row{
		Seq: after.Seq + 1, At: now, ActorKind: e.Actor.Kind, ActorID: e.Actor.ID, RequestID: e.Actor.RequestID,
		Action: e.Action, Target: e.Target, Before: e.Before, After: e.After, Detail: string(detail), Previous: after.Hash,
	}
	r.Hash = r.digest()
	if r.MAC, err = l.mac.ComputeMAC(r.sealed()); err != nil {
		return row{}, fmt.Errorf("seal audit event: %w", err)
	}
	return r, nil
}

func (l *Log) insert(ctx context.Context, tx *sqlx.Tx, r row) error {
	_, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO audit_events
			(seq, at, actor_kind, actor_id, request_id, action, target, before_value, after_value, detail, previous, hash, mac)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		r.Seq, r.At, r.ActorKind, r.ActorID, r.RequestID, r.Action, r.Target, r.Before, r.After, r.Detail, r.Previous, r.Hash, r.MAC)
	if err != nil {
		return fmt.Errorf("insert audit event: %w", err)
	}
	return nil
}
