package notices

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/migrations"
)

// The states of a notice.
const (
	Queued    = "queued"
	Delivered = "delivered"
	GivenUp   = "given_up"
)

// giveUpAfter is how long delivery is tried.
const giveUpAfter = 24 * time.Hour

// newRow is a notice about to be queued.
type newRow struct {
	id      uuid.UUID
	channel string
	sealed  []byte
}

// insert queues notices in one statement, within the transaction of the changes they are about.
func (o *Outbox) insert(ctx context.Context, tx *sqlx.Tx, rows []newRow) error {
	from, args, err := o.rowset(rows)
	if err != nil {
		return err
	}
	now := o.c.Now()
	args = append([]any{now.UnixMilli(), now.UnixMilli(), now.Add(giveUpAfter).UnixMilli()}, args...)
	_, err = tx.ExecContext(ctx, o.c.DB.Rebind(`
		INSERT INTO notices (notice_id, channel, state, sealed, queued_at, due_at, give_up_at, attempts, last_error, ended_at)
		SELECT r.notice_id, r.channel, 'queued', r.sealed, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), 0, '', 0
		FROM `+from), args...)
	if err != nil {
		return fmt.Errorf("insert %d notices: %w", len(rows), err)
	}
	return nil
}

// rowset hands all rows to one statement as a table: arrays on PostgreSQL, one document on SQLite.
func (o *Outbox) rowset(rows []newRow) (from string, args []any, err error) {
	if migrations.Postgres(o.c.DB) {
		ids, channels, sealed := make([][]byte, len(rows)), make([]string, len(rows)), make([][]byte, len(rows))
		for i, r := range rows {
			ids[i], channels[i], sealed[i] = r.id[:], r.channel, r.sealed
		}
		return `unnest(?::bytea[], ?::text[], ?::bytea[]) AS r(notice_id, channel, sealed)`, []any{ids, channels, sealed}, nil
	}
	list := make([][3]string, len(rows))
	for i, r := range rows {
		list[i] = [3]string{hex.EncodeToString(r.id[:]), r.channel, hex.EncodeToString(r.sealed)}
	}
	document, err := json.Marshal(list)
	if err != nil {
		return "", nil, fmt.Errorf("encode notices: %w", err)
	}
	return `(SELECT unhex(value ->> 0) AS notice_id, value ->> 1 AS channel, unhex(value ->> 2) AS sealed FROM json_each(?)) AS r`,
		[]any{string(document)}, nil
}

// claimed is a notice that this process tries to deliver, until the lease ends.
type claimed struct {
	ID       uuid.UUID
	Sealed   []byte
	Attempts int
	GiveUpAt time.Time
	lease    int64 // due_at as the claim set it: names the claim
}

// claim takes notices that are due, so that nobody else tries them before the lease ends. Should this process die, they
// are due again then.
func (o *Outbox) claim(ctx context.Context, channel string, limit int) ([]claimed, error) {
	now := o.c.Now()
	until := now.Add(lease).UnixMilli()
	var rows []struct {
		ID       []byte `db:"notice_id"`
		Sealed   []byte `db:"sealed"`
		Attempts int    `db:"attempts"`
		GiveUpAt int64  `db:"give_up_at"`
	}
	err := o.c.DB.SelectContext(ctx, &rows, o.c.DB.Rebind(`
		WITH due AS MATERIALIZED (
		    SELECT notice_id
		    FROM notices
		    WHERE state = 'queued' AND channel = ? AND due_at <= ?
		    ORDER BY due_at
		    LIMIT ?`+o.skipLocked()+`
		)
		UPDATE notices
		SET due_at = ?
		WHERE notice_id IN (SELECT notice_id FROM due)
		RETURNING notice_id, sealed, attempts, give_up_at`), channel, now.UnixMilli(), limit, until)
	if err != nil {
		return nil, fmt.Errorf("claim notices: %w", err)
	}
	list := make([]claimed, 0, len(rows))
	for _, r := range rows {
		id, err := uuid.FromBytes(r.ID)
		if err != nil {
			return nil, fmt.Errorf("claim notices: %w", err)
		}
		list = append(list, claimed{ID: id, Sealed: r.Sealed, Attempts: r.Attempts, GiveUpAt: time.UnixMilli(r.GiveUpAt), lease: until})
	}
	return list, nil
}

// skipLocked lets replicas claim side by side. SQLite has one writer at a time and needs nothing.
func (o *Outbox) skipLocked() string {
	if migrations.Postgres(o.c.DB) {
		return ` FOR UPDATE SKIP LOCKED`
	}
	return ""
}

// delivered ends a notice and erases what it said.
func (o *Outbox) delivered(ctx context.Context, n claimed) error {
	return o.settle(ctx, o.c.DB, n, `state = 'delivered', sealed = NULL, last_error = '', ended_at = ?`, o.c.Now().UnixMilli())
}

// retry makes a notice due again.
func (o *Outbox) retry(ctx context.Context, n claimed, class string, at time.Time) error {
	return o.settle(ctx, o.c.DB, n, `attempts = attempts + 1, last_error = ?, due_at = ?`, class, at.UnixMilli())
}

// release gives back a notice that was not tried.
func (o *Outbox) release(ctx context.Context, n claimed) error {
	return o.settle(ctx, o.c.DB, n, `due_at = ?`, o.c.Now().UnixMilli())
}

// settle ends a claim, if it still is this process's.
func (o *Outbox) settle(ctx context.Context, q sqlx.ExtContext, n claimed, set string, args ...any) error {
	_, err := q.ExecContext(ctx, o.c.DB.Rebind(`
		UPDATE notices
		SET `+set+`
		WHERE notice_id = ? AND state = 'queued' AND due_at = ?`), append(args, n.ID[:], n.lease)...)
	if err != nil {
		return fmt.Errorf("settle a notice: %w", err)
	}
	return nil
}

// giveUp ends notices that were not delivered, and records how many. What they said stays sealed, so that they can be
// sent again once what was wrong is mended.
func (o *Outbox) giveUp(ctx context.Context, channel, class string, list []claimed) error {
	return o.transact(ctx, func(tx *sqlx.Tx) error {
		for _, n := range list {
			err := o.settle(ctx, tx, n, `state = 'given_up', attempts = attempts + 1, last_error = ?, ended_at = ?`, class, o.c.Now().UnixMilli())
			if err != nil {
				return err
			}
		}
		return o.c.Trail.Write(ctx, tx, audit.Event{
			Actor: audit.Actor{Kind: audit.System}, Action: audit.NoticeGiveUp, Target: channel,
			Detail: map[string]string{"count": strconv.Itoa(len(list)), "reason": class},
		})
	})
}

// Resend queues what was given up on a channel once more, and returns how many that were.
func (o *Outbox) Resend(ctx context.Context, by audit.Actor, channel string) (n int64, err error) {
	now := o.c.Now()
	err = o.transact(ctx, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind(`
			UPDATE notices
			SET state = 'queued', due_at = ?, give_up_at = ?, attempts = 0, last_error = '', ended_at = 0
			WHERE state = 'given_up' AND channel = ?`), now.UnixMilli(), now.Add(giveUpAfter).UnixMilli(), channel)
		if err != nil {
			return err
		}
		if n, err = result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return o.c.Trail.Write(ctx, tx, audit.Event{
			Actor: by, Action: audit.NoticeResend, Target: channel, Detail: map[string]string{"count": strconv.FormatInt(n, 10)},
		})
	})
	if err != nil {
		return 0, fmt.Errorf("send notices again: %w", err)
	}
	return n, nil
}

func (o *Outbox) transact(ctx context.Context, do func(tx *sqlx.Tx) error) error {
	tx, err := o.c.DB.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// Purge forgets notices that ended long enough ago, and those that nobody has tried to deliver since, for their channel is
// not configured any more.
func (o *Outbox) Purge(ctx context.Context) error {
	before := o.c.Now().Add(-o.c.Keep).UnixMilli()
	_, err := o.c.DB.ExecContext(ctx, o.c.DB.Rebind(`
		DELETE FROM notices
		WHERE state <> 'queued' AND ended_at < ? OR state = 'queued' AND give_up_at < ?`), before, before)
	if err != nil {
		return fmt.Errorf("purge notices: %w", err)
	}
	return nil
}

// Count is how many notices of a channel are in a state, by the class of their last failure.
type Count struct {
	Channel string `db:"channel"`
	State   string `db:"state"`
	Failure string `db:"last_error"` // empty if there was none
	Count   int64  `db:"count"`
	Oldest  int64  `db:"oldest"` // when the first of them was queued, in unix milliseconds
}

// Counts returns what is in the outbox.
func (o *Outbox) Counts(ctx context.Context) ([]Count, error) {
	return o.counts(ctx, "")
}

// Waiting returns what is in the outbox and not delivered yet. It is asked often and touches nothing else.
func (o *Outbox) Waiting(ctx context.Context) ([]Count, error) {
	return o.counts(ctx, ` WHERE state = 'queued'`)
}

func (o *Outbox) counts(ctx context.Context, where string) (list []Count, err error) {
	err = o.c.DB.SelectContext(ctx, &list, `
		SELECT channel, state, last_error, COUNT(*) AS count, MIN(queued_at) AS oldest
		FROM notices`+where+`
		GROUP BY channel, state, last_error
		ORDER BY channel, state, last_error`)
	if err != nil {
		return nil, fmt.Errorf("count notices: %w", err)
	}
	return list, nil
}
