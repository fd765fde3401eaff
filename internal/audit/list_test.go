package audit_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/migrations/dbtest"
)

// ticking is a clock that moves on by an hour each time it is looked at.
func ticking() func() time.Time {
	now := clock()
	return func() time.Time {
		now = now.Add(time.Hour)
		return now
	}
}

func TestList(t *testing.T) {
	admin := audit.Actor{Kind: audit.Staff, ID: "staff:1"}
	bank := audit.Actor{Kind: audit.Partner, ID: "BANK-A"}
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l, err := audit.Open(t.Context(), db, audittest.Key(t), true, ticking()) // event 1 at 10:32
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []audit.Event{
			{Actor: admin, Action: audit.PartnerAdd, Target: "BANK-A"},         // 2
			{Actor: admin, Action: audit.PartnerPermit, Target: "BANK-A"},      // 3
			{Actor: bank, Action: audit.Link, Target: "links"},                 // 4
			{Actor: admin, Action: audit.PartnerAdd, Target: "BANK-B"},         // 5
			{Actor: admin, Action: "partnership.add", Target: "BANK-B"},        // 6
			{Actor: audit.Actor{Kind: audit.Beneficiary}, Action: audit.Login}, // 7, at 16:32
		} {
			record(t, l, e)
		}
		for _, test := range []struct {
			name   string
			filter audit.Filter
			want   []int64
		}{
			{"everything", audit.Filter{}, []int64{7, 6, 5, 4, 3, 2, 1}},
			{"a page", audit.Filter{Limit: 3}, []int64{7, 6, 5}},
			{"the next page", audit.Filter{Limit: 3, Before: 5}, []int64{4, 3, 2}},
			{"an action", audit.Filter{Action: audit.PartnerAdd}, []int64{5, 2}},
			{"a group of actions", audit.Filter{Action: "partner."}, []int64{5, 3, 2}},
			{"a target", audit.Filter{Target: "BANK-A"}, []int64{3, 2}},
			{"a partner as target and actor", audit.Filter{Partner: "BANK-A"}, []int64{4, 3, 2}},
			{"an actor", audit.Filter{ActorKind: audit.Staff, Actor: "staff:1", Target: "BANK-B"}, []int64{6, 5}},
			{"a kind of actor", audit.Filter{ActorKind: audit.Beneficiary}, []int64{7}},
			{"from", audit.Filter{From: clock().Add(6 * time.Hour)}, []int64{7, 6}},
			{"until", audit.Filter{Until: clock().Add(3 * time.Hour)}, []int64{2, 1}},
			{"nothing", audit.Filter{Target: "bank-a"}, nil},
		} {
			entries, err := l.List(t.Context(), test.filter)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			var got []int64
			for _, e := range entries {
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: events %v, want %v", test.name, got, test.want)
			}
		}
		if last, found, err := l.Last(t.Context(), audit.PartnerAdd); err != nil || !found || last.Target != "BANK-B" {
			t.Errorf("last partner.add: %+v, %v, %v", last, found, err)
		}
	})
}

func TestWriteCSV(t *testing.T) {
	db := dbtest.SQLite(t)
	l, err := audit.Open(t.Context(), db, audittest.Key(t), true, clock)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, audit.Event{
		Actor: audit.Actor{Kind: audit.Partner, ID: "=HYPERLINK(\"http://evil\")"}, Action: "+1", Target: "-1", Before: "@SUM(A1)", After: "|cmd",
		Detail: map[string]string{"b": "2, \"two\"", "a": "1", "empty": ""},
	})
	var events []audit.Event
	for range 1100 {
		events = append(events, audit.Event{Actor: audittest.By, Action: audit.Logout})
	}
	if err := l.Record(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := l.WriteCSV(t.Context(), &text, audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(records) != 1103 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	got := records[len(records)-2]
	want := []string{
		"2", "2026-03-06T09:32:48Z", "partner", "'=HYPERLINK(\"http://evil\")", "", "'+1", "'-1", "'@SUM(A1)", "'|cmd", `a=1; b=2, "two"`,
	}
	if diff := cmp.Diff(want, got[:10]); diff != "" || len(got[10]) != 64 {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(records[0][0], "number") {
		t.Errorf("heading %v", records[0])
	}
}
