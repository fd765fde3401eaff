package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// refused records refusals with a clock that stands still, where two partners are known.
type refused struct {
	*audit.Refusals
	log     *audit.Log
	now     time.Time
	failing bool
}

func newRefused(t *testing.T, db *sqlx.DB) *refused {
	t.Helper()
	r := &refused{log: audittest.New(t, db), now: clock()}
	r.Refusals = audit.NewRefusals(r.log, func(context.Context) ([]string, error) {
		if r.failing {
			return nil, errors.New("no database")
		}
		return []string{"BANK-A", "BANK-B"}, nil
	}, slog.New(slog.DiscardHandler), func() time.Time { return r.now })
	return r
}

func (r *refused) flush(t *testing.T, all bool) {
	t.Helper()
	if err := r.Flush(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

// events lists what was written so far, sorted.
func (r *refused) events(t *testing.T) []string {
	t.Helper()
	entries, err := r.log.List(t.Context(), audit.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if e.Action != audit.LogBegun {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Action, e.Target, e.Detail["reason"], e.Detail["count"], e.Actor.RequestID)))
		}
	}
	slices.Sort(list)
	return list
}

func (r *refused) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.events(t)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRefusalsAreCountedAfterTheFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		r := newRefused(t, db)
		r.Call("BANK-A", "tampered", "R1")
		r.flush(t, false)
		first := "call.refused BANK-A tampered 1 R1"
		r.want(t, "the first at once", first)

		for range 40 {
			r.Call("BANK-A", "tampered", "R2")
		}
		r.Call("BANK-A", "expired", "R3")
		r.Call("BANK-B", "tampered", "R4")
		r.flush(t, false)
		others := []string{"call.refused BANK-A expired 1 R3", first, "call.refused BANK-B tampered 1 R4"}
		r.want(t, "other reasons and senders at once", others...)

		r.now = r.now.Add(5 * time.Minute)
		r.flush(t, false)
		counted := append(slices.Clone(others), "call.refused.further BANK-A tampered 40")
		r.want(t, "the count after five minutes", counted...)

		r.Call("BANK-A", "tampered", "R5")
		r.Call("BANK-A", "tampered", "R6")
		r.flush(t, true)
		r.want(t, "a new time, and the end of the process", slices.Sorted(slices.Values(append(counted,
			"call.refused BANK-A tampered 1 R5", "call.refused.further BANK-A tampered 1")))...)
		r.flush(t, true)
		if report := verify(t, r.log); report.Finding != nil || report.Events != 7 {
			t.Errorf("%+v", report)
		}
	})
}

// Whoever invents senders does not fill the log.
func TestRefusalsOfUnknownSendersAreOne(t *testing.T) {
	r := newRefused(t, dbtest.SQLite(t))
	for i := range 5000 {
		r.Call(fmt.Sprintf("INVENTED-%d", i), "malformed", "R")
	}
	r.Call("", "signature_missing", "R")
	r.flush(t, true)
	r.want(t, "unknown senders", "call.refused (unknown) malformed 1 R", "call.refused (unknown) signature_missing 1 R", "call.refused.further (unknown) malformed 4999")
}

func TestRefusalsOutliveAFault(t *testing.T) {
	r := newRefused(t, dbtest.SQLite(t))
	r.failing = true
	for range 3 {
		r.Call("BANK-A", "tampered", "R1")
		if err := r.Flush(t.Context(), false); err == nil {
			t.Fatal("no error")
		}
	}
	r.failing = false
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Flush(ended, false); err == nil {
		t.Fatal("no error")
	}
	r.flush(t, true)
	r.want(t, "after faults", "call.refused BANK-A tampered 1 R1", "call.refused.further BANK-A tampered 2")
}

func TestRefusalsOfLoginsAndPages(t *testing.T) {
	r := newRefused(t, dbtest.SQLite(t))
	r.Login("national-id", "nonce", "R1")
	r.Access(audit.Actor{Kind: audit.Staff, ID: "staff:17", RequestID: "R2"}, "/account")
	r.Access(audit.Actor{Kind: audit.Beneficiary, RequestID: "R3"}, "/admin")
	r.flush(t, false)
	r.want(t, "logins and pages", "access.denied /account  1 R2", "access.denied /admin  1 R3", "login.refused national-id nonce 1 R1")
}

func TestRunWritesAtOnce(t *testing.T) {
	r := newRefused(t, dbtest.SQLite(t))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	r.Call("BANK-A", "tampered", "R1")
	for deadline := time.Now().Add(10 * time.Second); len(r.events(t)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing was written")
		}
	}
	stop()
	<-ended
}
