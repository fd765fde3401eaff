package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/migrations/dbtest"
)

func clock() time.Time { return time.Date(2026, 3, 6, 9, 32, 48, 0, time.UTC) }

func TestTheDatabaseRefusesToForget(t *testing.T) {
	statements := []string{
		`UPDATE audit_events SET action = 'login' WHERE seq = 2`,
		`UPDATE audit_events SET action = action`,
		`DELETE FROM audit_events WHERE seq = 2`,
		`DELETE FROM audit_events`,
		`DELETE FROM audit_head`,
		`UPDATE audit_head SET seq = 1`,
		`UPDATE audit_head SET mac = ''`,
	}
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := written(t, db)
		if db.DriverName() == "pgx" {
			statements = append(statements, `TRUNCATE audit_events`, `TRUNCATE audit_head`)
		}
		for _, statement := range statements {
			if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "audit") {
				t.Errorf("%s: error %v", statement, err)
			}
		}
		if report := verify(t, l); report.Finding != nil || report.Events != 10 {
			t.Errorf("afterwards: %+v", report)
		}
	})
}

func TestWriteRefusesWhatSaysNotWho(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := audittest.New(t, db)
		for _, by := range []audit.Actor{
			{}, {Kind: "somebody", ID: "x"}, {Kind: audit.Staff}, {Kind: audit.Partner}, {Kind: audit.Beneficiary, ID: "token:123@nationalid"},
		} {
			if err := l.Record(t.Context(), audit.Event{Actor: by, Action: audit.Link}); !errors.Is(err, audit.ErrNoActor) {
				t.Errorf("%+v: error %v", by, err)
			}
		}
		if err := l.Record(t.Context(), audit.Event{Actor: audittest.By}); err == nil {
			t.Error("an event without action was written")
		}
		if report := verify(t, l); report.Finding != nil || report.Events != 1 {
			t.Errorf("afterwards: %+v", report)
		}
	})
}

// What was refused or came from outside is recorded too, so any text must do.
func TestAnyTextCanBeWritten(t *testing.T) {
	texts := []string{"", "\x00", "a\r\nb\x1b[31m", "\xff\xfe", "\u202egnp", strings.Repeat("é", 5000), `"';--`, "🏦"}
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := audittest.New(t, db)
		for _, text := range texts {
			record(t, l, audit.Event{
				Actor: audit.Actor{Kind: audit.Partner, ID: "A" + text, RequestID: text}, Action: "x" + text, Target: text, Before: text, After: text,
				Detail: map[string]string{"value": text, text: "value"},
			})
		}
		entries, err := l.List(t.Context(), audit.Filter{})
		if err != nil || len(entries) != len(texts)+1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			all := e.Target + e.Before + e.Actor.ID + e.DetailText()
			if strings.ContainsAny(all, "\x00\r\n\x1b\u202e") || strings.ToValidUTF8(all, "") != all {
				t.Errorf("event %d: %q", e.Seq, all)
			}
		}
		if report := verify(t, l); report.Finding != nil {
			t.Errorf("%+v", report.Finding)
		}
	})
}

func TestChangeAndEventAreUndoneTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := audittest.New(t, db)
		tx, err := db.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.Write(t.Context(), tx, audit.Event{Actor: audittest.By, Action: audit.Logout}); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		record(t, l, audit.Event{Actor: audittest.By, Action: audit.Login})
		entries, err := l.List(t.Context(), audit.Filter{})
		if err != nil || len(entries) != 2 || entries[0].Action != audit.Login || entries[0].Seq != 2 {
			t.Errorf("%+v, %v", entries, err)
		}
		if report := verify(t, l); report.Finding != nil {
			t.Errorf("%+v", report.Finding)
		}
	})
}

func TestManyWritersKeepOneChain(t *testing.T) {
	const writers, each = 8, 25
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		logs := []*audit.Log{audittest.New(t, db), audittest.New(t, db)} // as of two replicas
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					if err := logs[w%2].Record(t.Context(), audit.Event{
						Actor: audittest.By, Action: audit.Logout, Target: fmt.Sprintf("%d.%d", w, i),
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if report := verify(t, logs[0]); report.Finding != nil || report.Events != 1+writers*each {
			t.Errorf("%+v", report)
		}
	})
}

func TestOnlyOneProcessBeginsTheLog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := audit.Open(t.Context(), db, audittest.Key(t), true, clock); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if report := verify(t, audittest.New(t, db)); report.Finding != nil || report.Events != 1 {
			t.Errorf("%+v", report)
		}
	})
}
