package mapper_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

func batchEvents(t *testing.T, l *audit.Log) []audit.Entry {
	t.Helper()
	entries, err := l.List(t.Context(), audit.Filter{Target: "links"})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(entries)
	return entries
}

func TestChangingBatchesAreAudited(t *testing.T) {
	const id, fa = "token:marker4711@nationalid", "account:99887766@001.MARKER.bank_acc"
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l, s := audittest.New(t, db), mappertest.Service(t, db)
		by := mappertest.By("BANK-A")
		by.RequestID = "REQUEST"
		person := mappertest.Item("r1", id, fa)
		person.Name, person.Phone = mapper.String("Marker Name"), mapper.String("+12025550199")
		results, err := s.Link(t.Context(), by, []mapper.Item{person, mappertest.Item("r2", "token:marker4712@nationalid", fa), mappertest.Item("r3", id, fa)})
		if err != nil {
			t.Fatal(err)
		}
		self := mappertest.By("SPAR-SELF-SERVICE")
		self.ByBeneficiary = true
		if _, err := s.Update(t.Context(), self, []mapper.Item{mappertest.Item("r1", id, fa)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Unlink(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("r1", id, "")}); err != nil {
			t.Fatal(err)
		}
		// These change nothing.
		for _, do := range []func(context.Context, mapper.Actor, []mapper.Item) ([]mapper.Result, error){s.Unlink, s.Update, s.Resolve} {
			if _, err := do(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("r1", id, fa)}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		events := batchEvents(t, l)
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s: %s %s of %s", e.Actor, e.Action, e.Detail["changed"], e.Detail["items"]))
		}
		want := []string{"partner BANK-A: link 2 of 3", "beneficiary: update 1 of 1", "partner BANK-A: unlink 1 of 1"}
		if !slices.Equal(got, want) {
			t.Fatalf("events %q, want %q", got, want)
		}
		if first := events[0]; first.Actor.RequestID != "REQUEST" || first.Detail["message_id"] != by.MessageID || first.Detail["partner"] != "BANK-A" {
			t.Errorf("%+v", first)
		}
		if want := fingerprint(t, results[0].ChangeID, results[1].ChangeID); events[0].After != want {
			t.Errorf("fingerprint %s, want %s", events[0].After, want)
		}
		noMarkers(t, db, "marker4711", "marker4712", "99887766", "MARKER", "Marker", "2025550199")
	})
}

func fingerprint(t *testing.T, changeIDs ...string) string {
	t.Helper()
	slices.Sort(changeIDs)
	h := sha256.New()
	for _, text := range changeIDs {
		id, err := uuid.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(id[:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// noMarkers searches every column of the audit log.
func noMarkers(t *testing.T, db *sqlx.DB, markers ...string) {
	t.Helper()
	rows, err := db.QueryxContext(t.Context(), `SELECT * FROM audit_events`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		columns, err := rows.SliceScan()
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, column := range columns[:len(columns)-3] { // the rest is hashes
			if bytes, ok := column.([]byte); ok {
				column = string(bytes)
			}
			text += fmt.Sprint(column) + " "
		}
		for _, marker := range markers {
			if strings.Contains(text, marker) {
				t.Errorf("%s is in %s", marker, text)
			}
		}
	}
}

// If the event cannot be written, nothing is changed; if the change cannot be made, there is no event.
func TestChangeAndAuditEventAreOneTransaction(t *testing.T) {
	const id, fa = "token:1@nationalid", "account:1234@001.BANK.bank_acc"
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l, s := audittest.New(t, db), mappertest.Service(t, db)
		exec := func(statement string) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		exec(`ALTER TABLE audit_head RENAME TO hidden`)
		if _, err := s.Link(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("r1", id, fa)}); err == nil {
			t.Error("linked without an audit event")
		}
		exec(`ALTER TABLE hidden RENAME TO audit_head`)
		for _, table := range []string{"links", "link_history", "seen_messages"} {
			var n int
			if err := db.GetContext(t.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil || n != 0 {
				t.Errorf("%d rows in %s, error %v", n, table, err)
			}
		}
		exec(`ALTER TABLE link_history RENAME TO hidden`)
		if _, err := s.Link(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("r1", id, fa)}); err == nil {
			t.Error("linked without history")
		}
		exec(`ALTER TABLE hidden RENAME TO link_history`)
		if events := batchEvents(t, l); len(events) != 0 {
			t.Errorf("%+v", events)
		}
		if _, err := s.Link(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("r1", id, fa)}); err != nil {
			t.Error(err)
		}
		if report, err := l.Verify(t.Context()); err != nil || report.Finding != nil || report.Events != 2 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// Batches that touch the same people in any order, and the audit log at their end, neither deadlock nor break the chain.
func TestConcurrentBatchesKeepOneChain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l, s := audittest.New(t, db), mappertest.Service(t, db)
		items := func(backwards bool) []mapper.Item {
			var list []mapper.Item
			for i := range 50 {
				list = append(list, mappertest.Item(fmt.Sprint(i), fmt.Sprintf("token:%d@nationalid", i), "account:1234@001.BANK.bank_acc"))
			}
			if backwards {
				slices.Reverse(list)
			}
			return list
		}
		if _, err := s.Link(t.Context(), mappertest.By("BANK-A"), items(false)); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for w := range 6 {
			all.Go(func() {
				for range 5 {
					if _, err := s.Update(t.Context(), mappertest.By("BANK-A"), items(w%2 == 0)); err != nil {
						t.Error(err)
					}
					if err := l.Record(t.Context(), audit.Event{Actor: audittest.By, Action: audit.Logout}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if report, err := l.Verify(t.Context()); err != nil || report.Finding != nil || report.Events != 2+60 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
