package handlers_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
	"spar/web/oidctest"
)

// audited lists the events of a log, without the one that begins it and those of onboarding.
func audited(t *testing.T, trail *audit.Log) []string {
	t.Helper()
	entries, err := trail.List(t.Context(), audit.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(entries)
	var list []string
	for _, e := range entries {
		if e.Action == audit.LogBegun || e.Action == audit.PartnerAdd || e.Action == audit.CertificateAdd {
			continue
		}
		if e.Actor.RequestID == "" && !strings.HasSuffix(e.Action, ".further") {
			t.Errorf("%s has no request id", e.Action)
		}
		list = append(list, fmt.Sprintf("%s: %s %s; %s", e.Actor, e.Action, e.Target, e.DetailText()))
	}
	return list
}

func flush(t *testing.T, refusals *audit.Refusals) {
	t.Helper()
	if err := refusals.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

func TestLoginsOfBeneficiariesAreAuditedWithoutThem(t *testing.T) {
	a, p := newLogin(t, nil)
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	a.post(browser, "/auth/logout", url.Values{})
	p.Twist(oidctest.Twist{IDToken: func(_, claims object) { claims["nonce"] = "another" }})
	a.page(newBrowser(t), "/auth/login/national-id")
	flush(t, a.refusals)
	want := []string{
		"beneficiary: login national-id; audience=beneficiary", "beneficiary: logout national-id; ",
		"system: login.refused national-id; count=1; reason=nonce",
	}
	if diff := cmp.Diff(want, audited(t, a.trail)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	all, err := a.trail.List(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, marker := range []string{"4711081547", "Ana", "Marker"} {
		if strings.Contains(fmt.Sprint(all), marker) {
			t.Errorf("%q is in the audit log", marker)
		}
	}
}

func TestLoginsAndDenialsOfStaffAreAudited(t *testing.T) {
	a, p := newStaffLogin(t, nil)
	p.Twist(oidctest.Twist{IDToken: func(_, claims object) { claims["realm_access"] = realm("spar-auditor"); claims["sub"] = "staff-17" }, Userinfo: func(_, claims object) { claims["sub"] = "staff-17" }})
	browser := newBrowser(t)
	a.page(browser, "/auth/login/staff")
	for range 3 {
		if status, _, _ := a.page(browser, "/account"); status != http.StatusForbidden {
			t.Errorf("staff at /account: %d", status)
		}
	}
	flush(t, a.refusals)
	want := []string{
		"staff staff:staff-17: login staff; audience=staff; roles=auditor",
		"staff staff:staff-17: access.denied /account; count=1",
	}
	if diff := cmp.Diff(want, audited(t, a.trail)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestNobodyGetsASessionThatWasNotRecorded(t *testing.T) {
	a, _ := newLogin(t, nil)
	if _, err := a.db.ExecContext(t.Context(), `ALTER TABLE audit_head RENAME TO hidden`); err != nil {
		t.Fatal(err)
	}
	browser := newBrowser(t)
	if status, _, _ := a.page(browser, "/auth/login/national-id"); status != http.StatusInternalServerError {
		t.Errorf("status %d", status)
	}
	if user := a.user(browser); user != "" {
		t.Errorf("signed in as %s", user)
	}
}

func TestRefusedCallsAreAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db)
		trail := audittest.New(t, db)
		api.calls.Refusals = audit.NewRefusals(trail, func(context.Context) ([]string, error) { return []string{"PARTNER-A", "READER"}, nil },
			slog.New(slog.DiscardHandler), time.Now)
		reader := keytest.RSA(t, 2)
		reader.Onboard(t, api.register, "READER", keymgr.Resolve)
		const item = `{"id":"token:marker4711@nationalid","fa":"account:99887766@001.MARKER.bank_acc"}`
		by := func(key keytest.Key, body []byte) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Signature", key.Detached(t, body)) }
		}
		steps := []func(){
			func() {
				body := message("link", "READER", item)
				api.post(t, "/mapper/sync/link", body, by(reader, body))
			},
			func() {
				body := message("resolve", "PARTNER-A", item)
				api.post(t, "/mapper/sync/resolve", body, by(reader, body))
			},
			func() { api.post(t, "/mapper/sync/resolve", message("resolve", "NOBODY", item)) },
			func() {
				api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", item), func(r *http.Request) { r.Header.Del("Signature") })
			},
			func() {
				repeated := message("resolve", "PARTNER-A", item)
				api.post(t, "/mapper/sync/resolve", repeated)
				api.post(t, "/mapper/sync/resolve", repeated)
			},
			func() { api.post(t, "/mapper/sync/resolve", []byte(`{"marker":`)) }, // only malformed: no event
		}
		for _, do := range steps {
			do()
			flush(t, api.calls.Refusals)
		}
		want := []string{
			"system: call.refused READER; count=1; reason=forbidden",
			"system: call.refused PARTNER-A; count=1; reason=tampered",
			"system: call.refused (unknown); count=1; reason=unknown_sender",
			"system: call.refused (unknown); count=1; reason=signature_missing",
			"system: call.refused PARTNER-A; count=1; reason=rjct.message_id.duplicate",
		}
		entries, err := trail.List(t.Context(), audit.Filter{Action: audit.CallRefused})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(entries)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s: %s %s; %s", e.Actor, e.Action, e.Target, e.DetailText()))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
