package keymgr_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

// addPartners registers drafts, which need no certificate.
func addPartners(t *testing.T, db *sqlx.DB, references ...string) {
	t.Helper()
	register := keymgr.NewRegister(db, application, audittest.New(t, db), time.Now)
	for _, reference := range references {
		if _, err := register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: reference}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t *testing.T, calls *keymgr.Calls) {
	t.Helper()
	if err := calls.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sums shows counts without their times.
func sums(t *testing.T, calls *keymgr.Calls, since time.Time) []string {
	t.Helper()
	counts, err := calls.Counts(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range counts {
		list = append(list, fmt.Sprintf("%s %s %s %d", c.Partner, c.Action, c.Outcome, c.Count))
	}
	return list
}

// Two replicas add up, and senders that are no partners share one row however many names they make up.
func TestCallsAddUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		addPartners(t, db, "BANK-A", "BANK-B")
		now := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		here, there := keymgr.NewCalls(db, application, clock), keymgr.NewCalls(db, application, clock)
		for range 3 {
			here.Record(keymgr.Call{Partner: "BANK-A", Action: "resolve", Outcome: keymgr.CallOK})
		}
		there.Record(keymgr.Call{Partner: "BANK-A", Action: "resolve", Outcome: keymgr.CallOK})
		there.Record(keymgr.Call{Partner: "BANK-B", Action: "link", Outcome: "tampered", Refused: true})
		for i := range 5 {
			here.Record(keymgr.Call{Partner: fmt.Sprintf("NOBODY-%d", i), Action: "link", Outcome: "unknown_sender", Refused: true})
		}
		here.Record(keymgr.Call{Partner: "no reference\nid", Action: "link", Outcome: "unknown_sender", Refused: true})
		flush(t, here)
		now = now.Add(time.Hour)
		there.Record(keymgr.Call{Partner: "BANK-A", Action: "resolve", Outcome: keymgr.CallOK})
		flush(t, there)
		flush(t, there)
		want := []string{" link unknown_sender 6", "BANK-A resolve ok 5", "BANK-B link tampered 1"}
		if diff := cmp.Diff(want, sums(t, here, now.Add(-24*time.Hour))); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"BANK-A resolve ok 1"}, sums(t, here, now)); diff != "" {
			t.Errorf("of the last hour (-want +got):\n%s", diff)
		}
		counts, err := here.CountsOf(t.Context(), "BANK-A", now.Add(-24*time.Hour))
		if err != nil || len(counts) != 1 || !counts[0].LastAt.Equal(now) {
			t.Errorf("BANK-A: %+v, %v", counts, err)
		}
		unknown, err := here.Refusals(t.Context(), keymgr.UnknownPartner, 10)
		if err != nil || len(unknown) != 6 {
			t.Errorf("%d refusals of unknown senders, %v", len(unknown), err)
		}
	})
}

// Only the last refusals of a partner are kept, whatever others do, and after 30 days nothing.
func TestRefusalsKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		addPartners(t, db, "BANK-A", "BANK-B")
		now := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
		calls := keymgr.NewCalls(db, application, func() time.Time { return now })
		calls.Record(keymgr.Call{Partner: "BANK-B", Action: "link", Outcome: "expired", Refused: true, Detail: "certificate\x00 \xff ended " + strings.Repeat("ü", 200), RequestID: "B"})
		for i := range 2500 {
			now = now.Add(time.Millisecond)
			calls.Record(keymgr.Call{Partner: "BANK-A", Action: "resolve", Outcome: "tampered", Refused: true, RequestID: fmt.Sprint(i)})
			if i == 1200 {
				flush(t, calls)
			}
		}
		flush(t, calls)
		list, err := calls.Refusals(t.Context(), "BANK-A", 1000)
		if err != nil || len(list) != 100 || list[0].RequestID != "2499" || list[99].RequestID != "2400" {
			t.Errorf("%d refusals, %v", len(list), err)
		}
		list, err = calls.Refusals(t.Context(), "BANK-B", 1000)
		if err != nil || len(list) != 1 || list[0].RequestID != "B" || !strings.HasPrefix(list[0].Detail, "certificate? ? ended ü") || len(list[0].Detail) > 200 {
			t.Errorf("%+v, %v", list, err)
		}
		if diff := cmp.Diff([]string{"BANK-A resolve tampered 2500", "BANK-B link expired 1"}, sums(t, calls, now.Add(-time.Hour))); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		now = now.Add(31 * 24 * time.Hour)
		if err := calls.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err = calls.Refusals(t.Context(), "BANK-A", 1000)
		if got := sums(t, calls, time.UnixMilli(0)); len(got) != 0 || len(list) != 0 || err != nil {
			t.Errorf("left after a month: %v, %d refusals, %v", got, len(list), err)
		}
	})
}

// What cannot be stored is stored later, once.
func TestCallsSurviveAFailure(t *testing.T) {
	db := dbtest.SQLite(t)
	addPartners(t, db, "BANK-A")
	calls := keymgr.NewCalls(db, application, time.Now)
	calls.Record(keymgr.Call{Partner: "BANK-A", Action: "link", Outcome: "tampered", Refused: true})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := calls.Flush(ended); err == nil {
		t.Fatal("stored in a context that has ended")
	}
	calls.Record(keymgr.Call{Partner: "BANK-A", Action: "link", Outcome: "tampered", Refused: true})
	flush(t, calls)
	flush(t, calls)
	list, err := calls.Refusals(t.Context(), "BANK-A", 10)
	if got := sums(t, calls, time.Now().Add(-time.Hour)); len(got) != 1 || got[0] != "BANK-A link tampered 2" || len(list) != 2 || err != nil {
		t.Errorf("got %v, %d refusals, %v", got, len(list), err)
	}
}

// Made-up senders and a database that is away must not fill the memory.
func TestCallsHaveALimit(t *testing.T) {
	db := dbtest.SQLite(t)
	addPartners(t, db, "BANK-A")
	calls := keymgr.NewCalls(db, application, time.Now)
	for i := range 20000 {
		calls.Record(keymgr.Call{Partner: fmt.Sprintf("MADE-UP-%d", i), Action: "link", Outcome: "tampered", Refused: i%10 == 0})
	}
	calls.Record(keymgr.Call{Partner: "BANK-A", Action: "link", Outcome: "tampered", Refused: true})
	if got := calls.Pending(); got > 10001 {
		t.Errorf("%d counters in memory", got)
	}
	flush(t, calls)
	var total int64
	counts, err := calls.Counts(t.Context(), time.Now().Add(-time.Hour))
	for _, c := range counts {
		total += c.Count
	}
	if err != nil || total != 20001 || len(counts) > 2 {
		t.Errorf("%d calls counted in %d rows, %v", total, len(counts), err)
	}
	if list, err := calls.Refusals(t.Context(), keymgr.UnknownPartner, 1000); err != nil || len(list) != 100 {
		t.Errorf("%d refusals kept, %v", len(list), err)
	}
}
