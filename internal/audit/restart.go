package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/migrations"
)

// Restart begins a new log in place of one that was tampered with, damaged, or whose key was lost, for nothing can be
// changed until there is a log again. The old one is not thrown away: its two tables are kept under the names that are
// returned, and the first event of the new log says who did this, why, and where the old one ended. Running servers keep
// to the log they know, so they must be stopped before.
func Restart(ctx context.Context, db *sqlx.DB, mac tink.MAC, by Actor, reason string, now func() time.Time) (events, heads string, err error) {
	l := &Log{db: db, mac: mac, now: now}
	suffix := "_until_" + now().UTC().Format("20060102_150405")
	events, heads = "audit_events"+suffix, "audit_head"+suffix
	err = l.transact(ctx, func(tx *sqlx.Tx) error {
		old, err := l.describe(ctx, tx)
		if err != nil {
			return err
		}
		restore, err := l.dropGuards(ctx, tx)
		if err != nil {
			return err
		}
		statements := []string{
			`CREATE TABLE ` + events + ` AS SELECT * FROM audit_events`,
			`CREATE TABLE ` + heads + ` AS SELECT * FROM audit_head`,
			`DELETE FROM audit_events`,
			`DELETE FROM audit_head`,
			`INSERT INTO audit_head (one, seq, hash, mac) VALUES (1, 0, '', '')`,
		}
		for _, statement := range append(statements, restore...) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("keep the old log: %w", err)
			}
		}
		old["reason"] = reason
		return l.appendTo(ctx, tx, head{Hash: origin()}, Event{Actor: by, Action: LogBegun, Target: events, Detail: old})
	})
	if err != nil {
		return "", "", fmt.Errorf("restart audit log: %w", err)
	}
	return events, heads, nil
}

// describe says how long a log is and where it ends, whatever its state.
func (l *Log) describe(ctx context.Context, tx *sqlx.Tx) (map[string]string, error) {
	var count int
	if err := tx.GetContext(ctx, &count, `SELECT COUNT(*) FROM audit_events`); err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	var heads []head
	if err := tx.SelectContext(ctx, &heads, `SELECT seq, hash, mac FROM audit_head`); err != nil {
		return nil, fmt.Errorf("read end of audit log: %w", err)
	}
	old := map[string]string{"old_events": strconv.Itoa(count)}
	for _, at := range heads {
		old["old_head"] = fmt.Sprintf("%d:%x", at.Seq, at.Hash)
	}
	return old, nil
}

// dropGuards switches the triggers off that make the log append-only, and returns what switches them on again in the
// same transaction.
func (l *Log) dropGuards(ctx context.Context, tx *sqlx.Tx) (restore []string, err error) {
	if migrations.Postgres(l.db) {
		for _, table := range []string{"audit_events", "audit_head"} {
			if _, err := tx.ExecContext(ctx, `ALTER TABLE `+table+` DISABLE TRIGGER USER`); err != nil {
				return nil, fmt.Errorf("switch off triggers: %w", err)
			}
			restore = append(restore, `ALTER TABLE `+table+` ENABLE TRIGGER USER`)
		}
		return restore, nil
	}
	var triggers []struct {
		Name string `db:"name"`
		SQL  string `db:"sql"`
	}
	if err := tx.SelectContext(ctx, &triggers, `
		SELECT name, sql
		FROM sqlite_master
		WHERE type = 'trigger' AND tbl_name IN ('audit_events', 'audit_head')`); err != nil {
		return nil, fmt.Errorf("list triggers: %w", err)
	}
	for _, t := range triggers {
		if _, err := tx.ExecContext(ctx, `DROP TRIGGER "`+t.Name+`"`); err != nil {
			return nil, fmt.Errorf("switch off triggers: %w", err)
		}
		restore = append(restore, t.SQL)
	}
	return restore, nil
}
