package audit_test

import (
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/migrations/dbtest"
)

func TestRestartKeepsTheOldLog(t *testing.T) {
	for name, broken := range map[string][]string{
		"an edited log":      {`UPDATE audit_events SET target = 'X' WHERE seq = 5`},
		"an emptied log":     {`DELETE FROM audit_events`},
		"a log without head": {`DELETE FROM audit_head`},
		"a log in order":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
				written(t, db)
				if db.DriverName() == "pgx" { // there, tampering leaves the triggers in place
					tamper(t, db, broken...)
				} else if broken != nil {
					guarded(t, db, broken...)
				}
				var kept int
				if err := db.GetContext(t.Context(), &kept, `SELECT COUNT(*) FROM audit_events`); err != nil {
					t.Fatal(err)
				}
				events, heads, err := audit.Restart(t.Context(), db, audittest.Key(t), audittest.By, "a test", clock)
				if err != nil {
					t.Fatal(err)
				}
				var n int
				if err := db.GetContext(t.Context(), &n, `SELECT COUNT(*) FROM `+events); err != nil || n != kept {
					t.Errorf("%d events kept of %d, %v", n, kept, err)
				}
				if err := db.GetContext(t.Context(), &n, `SELECT COUNT(*) FROM `+heads); err != nil {
					t.Error(err)
				}
				l := audittest.New(t, db)
				record(t, l, audit.Event{Actor: audittest.By, Action: audit.Logout})
				if report := verify(t, l); report.Finding != nil || report.Events != 2 {
					t.Errorf("the new log: %+v", report)
				}
				first, found, err := l.Last(t.Context(), audit.LogBegun)
				if err != nil || !found || first.Target != events || first.Actor.ID != audittest.By.ID || first.Detail["reason"] != "a test" {
					t.Errorf("it begins with %+v, %v", first, err)
				}
				if _, err := db.ExecContext(t.Context(), `DELETE FROM audit_events`); err == nil || !strings.Contains(err.Error(), "audit") {
					t.Errorf("the new log can be emptied: %v", err)
				}
			})
		})
	}
}

// guarded tampers with SQLite and puts the triggers back.
func guarded(t *testing.T, db *sqlx.DB, statements ...string) {
	t.Helper()
	var triggers []string
	if err := db.SelectContext(t.Context(), &triggers, `SELECT sql FROM sqlite_master WHERE type = 'trigger'`); err != nil {
		t.Fatal(err)
	}
	tamper(t, db, append(statements, triggers...)...)
}

// SQLite keeps the columns of an index twice; a byte changed in the other copy is found too.
func TestVerifyFindsADamagedIndex(t *testing.T) {
	db := dbtest.SQLite(t)
	l := written(t, db)
	tamper(t, db, `PRAGMA writable_schema = ON`,
		`UPDATE sqlite_master SET sql = replace(sql, 'ON audit_events (target, seq)', 'ON audit_events (action, seq)') WHERE name = 'audit_events_target'`,
		`PRAGMA writable_schema = RESET`)
	wantFinding(t, verify(t, l), 0, audit.Edited)
}
