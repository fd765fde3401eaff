package handlers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

// Administrators see what became of every call, whoever it came from, and nothing of what was in it.
func TestCallsAreCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db)
		log := keymgr.NewCalls(db, "openg2p-spar-mapper", time.Now)
		api.calls.Calls = log
		weak := keytest.RSA(t, 2)
		weak.Onboard(t, api.register, "PARTNER-W", keymgr.Resolve)
		const id, fa = "token:marker-id@nationalid", "account:99887766@001.MARKER.bank_acc"
		item := fmt.Sprintf(`{"id":%q,"fa":%q}`, id, fa)
		by := func(key keytest.Key, body []byte) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Signature", key.Detached(t, body)) }
		}
		api.post(t, "/mapper/sync/link", message("link", "PARTNER-A", item))
		repeated := message("resolve", "PARTNER-A", fmt.Sprintf(`{"id":%q}`, id))
		api.post(t, "/mapper/sync/resolve", repeated)
		api.post(t, "/mapper/sync/resolve", repeated)
		api.post(t, "/mapper/sync/update", bytes.Replace(message("update", "PARTNER-A", item), []byte(`"action":"update"`), []byte(`"action":"link"`), 1))
		body := message("link", "PARTNER-W", item)
		api.post(t, "/mapper/sync/link", body, by(weak, body))
		body = message("resolve", "PARTNER-W", fmt.Sprintf(`{"id":%q,"scope":"details"}`, id))
		api.post(t, "/mapper/sync/resolve", body, by(weak, body))
		body = message("resolve", "PARTNER-A", fmt.Sprintf(`{"id":%q}`, id))
		api.post(t, "/mapper/sync/resolve", body, by(weak, body))
		api.post(t, "/mapper/sync/resolve", message("resolve", "marker-sender", fmt.Sprintf(`{"id":%q}`, id)))
		api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A"), func(r *http.Request) { r.Header.Del("Signature") })
		api.post(t, "/mapper/sync/resolve", []byte(`{"marker":`))

		if err := log.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		counts, err := log.Counts(t.Context(), time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range counts {
			got = append(got, fmt.Sprintf("%s %s %s %d", c.Partner, c.Action, c.Outcome, c.Count))
		}
		want := []string{
			" resolve bad_request 1", " resolve signature_missing 1", " resolve unknown_sender 1",
			"PARTNER-A link ok 1", "PARTNER-A resolve ok 1", "PARTNER-A resolve rjct.message_id.duplicate 1",
			"PARTNER-A resolve tampered 1", "PARTNER-A update rjct.action.not_supported 1",
			"PARTNER-W link forbidden 1", "PARTNER-W resolve forbidden 1",
		}
		slices.Sort(got) // the databases' collations differ
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		checkRefusals(t, log)
	})
}

func checkRefusals(t *testing.T, log *keymgr.Calls) {
	t.Helper()
	for partner, want := range map[string][]string{
		"PARTNER-W": {
			"resolve forbidden the partner lacks the permission details", "link forbidden the partner lacks the permission link",
		},
		"PARTNER-A": {
			"resolve tampered no certificate of the sender verifies the body; there is no kid",
			"update rjct.action.not_supported action must be update on this path",
			"resolve rjct.message_id.duplicate message_id was used before",
		},
	} {
		list, err := log.Refusals(t.Context(), partner, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range list {
			got = append(got, r.Action+" "+r.Outcome+" "+r.Detail)
			if r.At.IsZero() {
				t.Errorf("%s: no time", partner)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("refusals of %s (-want +got):\n%s", partner, diff)
		}
	}
	for _, partner := range []string{keymgr.UnknownPartner, "PARTNER-A", "PARTNER-W"} {
		list, err := log.Refusals(t.Context(), partner, 100)
		if text := fmt.Sprint(list); err != nil || strings.Contains(strings.ToLower(text), "marker") {
			t.Errorf("kept of what was sent by %q: %s, %v", partner, text, err)
		}
	}
}
