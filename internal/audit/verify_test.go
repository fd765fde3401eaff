package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/migrations"
	"spar/migrations/dbtest"
)

// written opens a log with the event that begins it and nine more.
func written(t *testing.T, db *sqlx.DB) *audit.Log {
	t.Helper()
	l := audittest.New(t, db)
	for i := 2; i <= 10; i++ {
		record(t, l, audit.Event{
			Actor:  audit.Actor{Kind: audit.Staff, ID: "staff:17", RequestID: fmt.Sprintf("request-%d", i)},
			Action: audit.PartnerPermit, Target: fmt.Sprintf("PARTNER-%d", i), Before: "resolve", After: "resolve,link",
			Detail: map[string]string{"reason": "asked", "count": fmt.Sprint(i)},
		})
	}
	return l
}

func record(t *testing.T, l *audit.Log, e audit.Event) {
	t.Helper()
	if err := l.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, l *audit.Log, noted ...audit.Head) audit.Report {
	t.Helper()
	report, err := l.Verify(t.Context(), noted...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// tamper runs statements as somebody would who owns the database, and so can switch the triggers off.
func tamper(t *testing.T, db *sqlx.DB, statements ...string) {
	t.Helper()
	conn, err := db.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	off, on := []string{"SET session_replication_role = replica"}, []string{"SET session_replication_role = DEFAULT"}
	if !migrations.Postgres(db) {
		off, on = []string{
			"DROP TRIGGER IF EXISTS audit_events_no_update", "DROP TRIGGER IF EXISTS audit_events_no_delete",
			"DROP TRIGGER IF EXISTS audit_head_no_delete", "DROP TRIGGER IF EXISTS audit_head_forward",
		}, nil
	}
	for _, statement := range append(append(off, statements...), on...) {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func wantFinding(t *testing.T, report audit.Report, seq int64, fault audit.Fault) {
	t.Helper()
	if report.Finding == nil {
		t.Fatalf("nothing was found in %d events, want event %d %s", report.Events, seq, fault)
	}
	if report.Finding.Seq != seq || report.Finding.Fault != fault {
		t.Errorf("found event %d %s (%s), want event %d %s", report.Finding.Seq, report.Finding.Fault, report.Finding.Text, seq, fault)
	}
}

func TestVerifyAnUntouchedLog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := written(t, db)
		report := verify(t, l)
		head, err := l.Head(t.Context())
		if err != nil || report.Finding != nil || report.Events != 10 || report.Head != head {
			t.Errorf("report %+v, head %+v, error %v", report, head, err)
		}
		noted := report.Head
		record(t, l, audit.Event{Actor: audittest.By, Action: audit.Logout})
		if report := verify(t, l, noted); report.Finding != nil || report.Events != 11 {
			t.Errorf("after one more: %+v", report)
		}
	})
}

// change returns SQL for a value that differs from a column's in one byte.
func change(db *sqlx.DB, column string) string {
	switch {
	case column == "seq" || column == "at":
		return column + " + 256"
	case column == "previous" || column == "hash" || column == "mac":
		if migrations.Postgres(db) {
			return "set_byte(" + column + ", 7, get_byte(" + column + ", 7) # 1)"
		}
		return "CAST(substr(" + column + ", 1, 7) || CASE substr(" + column + ", 8, 1) WHEN x'41' THEN 'B' ELSE 'A' END || substr(" + column + ", 9) AS BLOB)"
	}
	return "'X' || substr(" + column + ", 2)"
}

func TestVerifyFindsOneEditedByte(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := written(t, db)
		var columns []string
		rows, err := db.QueryxContext(t.Context(), `SELECT * FROM audit_events LIMIT 1`)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ = rows.Columns()
		rows.Close()
		if len(columns) != 13 {
			t.Fatalf("columns %v: this test must know them all", columns)
		}
		keep(t, db)
		for _, column := range columns {
			for seq := int64(1); seq <= 10; seq++ {
				if column == "seq" && seq > 1 {
					continue // other numbers are a matter of removed and added rows
				}
				tamper(t, db, fmt.Sprintf(`UPDATE audit_events SET %s = %s WHERE seq = %d`, column, change(db, column), seq))
				report := verify(t, l)
				fault := audit.Edited
				if column == "seq" {
					fault = audit.Removed
				}
				wantFinding(t, report, seq, fault)
				if t.Failed() {
					t.Fatalf("column %s of event %d", column, seq)
				}
				restore(t, db)
			}
		}
		for _, column := range []string{"seq", "hash", "mac"} {
			tamper(t, db, fmt.Sprintf(`UPDATE audit_head SET %s = %s`, column, change(db, column)))
			if report := verify(t, l); report.Finding == nil {
				t.Errorf("column %s of the head: not found", column)
			}
			if err := l.Record(t.Context(), audit.Event{Actor: audittest.By, Action: audit.Logout}); err == nil {
				t.Errorf("column %s of the head: written on", column)
			}
			restore(t, db)
		}
		if report := verify(t, l); report.Finding != nil {
			t.Errorf("put back: %+v", report.Finding)
		}
	})
}

// keep makes copies of the tables that restore puts back.
func keep(t *testing.T, db *sqlx.DB) {
	t.Helper()
	tamper(t, db, `CREATE TABLE kept_events AS SELECT * FROM audit_events`, `CREATE TABLE kept_head AS SELECT * FROM audit_head`)
}

func restore(t *testing.T, db *sqlx.DB) {
	t.Helper()
	tamper(t, db, `DELETE FROM audit_events`, `INSERT INTO audit_events SELECT * FROM kept_events`,
		`DELETE FROM audit_head`, `INSERT INTO audit_head SELECT * FROM kept_head`)
}

func TestVerifyFindsRowsOutOfPlace(t *testing.T) {
	renumber := func(from, to int) string {
		return fmt.Sprintf(`UPDATE audit_events SET seq = %d WHERE seq = %d`, to, from)
	}
	headTo := func(seq int) string {
		return fmt.Sprintf(`UPDATE audit_head SET seq = %d, hash = (SELECT hash FROM audit_events WHERE seq = %d), mac = (SELECT mac FROM audit_events WHERE seq = %d)`, seq, seq, seq)
	}
	forge := func(seq int) string {
		return fmt.Sprintf(`INSERT INTO audit_events SELECT %d, at, actor_kind, actor_id, request_id, action, 'FORGED', before_value, after_value, detail, hash, hash, mac FROM audit_events WHERE seq = 10`, seq)
	}
	for _, test := range []struct {
		name       string
		statements []string
		seq        int64
		fault      audit.Fault
	}{
		{"first removed", []string{`DELETE FROM audit_events WHERE seq = 1`}, 1, audit.Removed},
		{"middle removed", []string{`DELETE FROM audit_events WHERE seq = 5`}, 5, audit.Removed},
		{"middle removed and the gap closed", []string{
			`DELETE FROM audit_events WHERE seq = 5`, renumber(6, 5), renumber(7, 6), renumber(8, 7), renumber(9, 8), renumber(10, 9),
		}, 5, audit.Reordered},
		{"last removed", []string{`DELETE FROM audit_events WHERE seq = 10`}, 10, audit.Truncated},
		{"tail removed", []string{`DELETE FROM audit_events WHERE seq > 6`}, 7, audit.Truncated},
		{"tail removed and the head moved back", []string{`DELETE FROM audit_events WHERE seq > 6`, headTo(6)}, 0, audit.Edited},
		{"everything removed", []string{`DELETE FROM audit_events`}, 1, audit.Truncated},
		{"everything removed and the head as if new", []string{
			`DELETE FROM audit_events`, `UPDATE audit_head SET seq = 0, hash = '', mac = ''`,
		}, 0, audit.Removed},
		{"head removed", []string{`DELETE FROM audit_head`}, 0, audit.Removed},
		{"neighbours swapped", []string{renumber(3, 99), renumber(4, 3), renumber(99, 4)}, 3, audit.Reordered},
		{"far ones swapped", []string{renumber(2, 99), renumber(9, 2), renumber(99, 9)}, 2, audit.Reordered},
		{"forged at the end", []string{forge(11)}, 11, audit.Added},
		{"forged at the end, with the head", []string{forge(11), headTo(11)}, 11, audit.Edited},
		{"forged before the first", []string{forge(0)}, 0, audit.Added},
		{"forged far before the first", []string{forge(-9223372036854775807)}, -9223372036854775807, audit.Added},
		{"forged in place of another", []string{`DELETE FROM audit_events WHERE seq = 4`, forge(4)}, 4, audit.Edited},
		{"one row copied over another", []string{
			`DELETE FROM audit_events WHERE seq = 4`,
			`INSERT INTO audit_events SELECT 4, at, actor_kind, actor_id, request_id, action, target, before_value, after_value, detail, previous, hash, mac FROM audit_events WHERE seq = 3`,
		}, 4, audit.Reordered},
	} {
		t.Run(test.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
				l := written(t, db)
				tamper(t, db, test.statements...)
				wantFinding(t, verify(t, l), test.seq, test.fault)
			})
		})
	}
}

// Whoever puts back the whole log with its head, as from a backup, is found by a head that was noted elsewhere, and by a
// server that was running.
func TestVerifyFindsALogPutBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := written(t, db)
		early := verify(t, l).Head
		keep(t, db)
		record(t, l, audit.Event{Actor: audittest.By, Action: audit.PartnerSuspend, Target: "A"})
		late, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		restore(t, db)
		wantFinding(t, verify(t, l, early, late), 11, audit.Truncated)
		if err := l.Record(t.Context(), audit.Event{Actor: audittest.By, Action: audit.Logout}); err == nil {
			t.Error("a running server wrote on after the log was put back")
		}
		other := audittest.New(t, db)
		record(t, other, audit.Event{Actor: audittest.By, Action: audit.PartnerActivate, Target: "A"})
		wantFinding(t, verify(t, other, early, late), 11, audit.Edited)
		if report := verify(t, other, early); report.Finding != nil {
			t.Errorf("up to the noted head: %+v", report.Finding)
		}
	})
}

func TestAnEmptiedLogIsNotBegunAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		written(t, db)
		tamper(t, db, `DELETE FROM audit_events`, `UPDATE audit_head SET seq = 0, hash = '', mac = ''`)
		if _, err := db.ExecContext(t.Context(), `
			INSERT INTO partners (application, reference_id, folded_id, name, status, permissions, fa_providers, callback_url, created_at, changed_at)
			VALUES ('a', 'P', 'P', 'P', 'draft', '', '', '', 0, 0)`); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Open(t.Context(), db, audittest.Key(t), false, clock); err == nil || !strings.Contains(err.Error(), "spar audit verify") {
			t.Errorf("opened an emptied log: %v", err)
		}
	})
}

func TestVerifyWhileOthersWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := written(t, db)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			for ctx.Err() == nil {
				if err := l.Record(ctx, audit.Event{Actor: audittest.By, Action: audit.Logout}); err != nil && ctx.Err() == nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		for range 30 {
			if report := verify(t, l); report.Finding != nil {
				t.Errorf("%+v", report.Finding)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
