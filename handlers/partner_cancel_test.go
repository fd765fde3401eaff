package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/mapper"
	"spar/migrations/dbtest"
)

// Partners with permission for details are told that a change waits, and from when it counts, but not where it leads; a
// portal elsewhere stops it. All answers are as openapi.yaml says, which post checks.
func TestPendingChangeOnTheWire(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db, func(c *mapper.Config) { c.Hold = 48 * time.Hour })
		key := keytest.RSA(t, 2)
		key.Onboard(t, api.register, handlers.SelfService, keymgr.AllPermissions()...)
		asPortal := func(action string, items ...string) response {
			body := message(action, handlers.SelfService, items...)
			signature, err := keymgr.Sign(key, body, true)
			if err != nil {
				t.Fatal(err)
			}
			return api.post(t, "/mapper/sync/"+action, body, func(r *http.Request) { r.Header.Set("Signature", signature) })
		}
		const otherAccount = `"fa":"account:55554444@003.BETA.bank_acc"`
		api.post(t, "/mapper/sync/link", message("link", "PARTNER-A", `{`+person+`,`+account+`,"additional_info":[{"name":"n","value":1}]}`))
		asked := asPortal("update", `{`+person+`,`+otherAccount+`}`)
		_, rest, _ := strings.Cut(asked.body, `"change_id":"`)
		changeID, _, _ := strings.Cut(rest, `"`)
		if asked.status != http.StatusOK || !strings.Contains(asked.body, `"effective_at":`) || changeID == "" {
			t.Fatalf("update: %d %s", asked.status, asked.body)
		}
		told := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", `{`+person+`,"scope":"details"}`, `{`+person+`}`))
		if strings.Count(told.body, `{"name":"pending_change","value":"`) != 1 || !strings.Contains(told.body, `"additional_info":[{"name":"n","value":1},{"name":"pending_change"`) ||
			strings.Contains(told.body, "55554444") || strings.Contains(told.body, `"held"`) {
			t.Errorf("a partner is told %s", told.body)
		}
		if shown := asPortal("resolve", `{`+person+`,"scope":"details"}`); !strings.Contains(shown.body, `"held":{"change_id":"`+changeID+`"`) {
			t.Errorf("the portal is told %s", shown.body)
		}
		stop := fmt.Sprintf(`{%s,"portal":{"change_id":%q}}`, person, changeID)
		if refused := api.post(t, "/mapper/sync/cancel", message("cancel", "PARTNER-A", stop)); refused.status != http.StatusForbidden {
			t.Errorf("a partner stops a change: %d %s", refused.status, refused.body)
		}
		if got := asPortal("cancel", stop); got.status != http.StatusOK || !strings.Contains(got.body, `"status":"succ","portal":`) {
			t.Errorf("cancel: %d %s", got.status, got.body)
		}
		if got := asPortal("cancel", stop); !strings.Contains(got.body, `"status_reason_code":"rjct.state.stale"`) {
			t.Errorf("cancel again: %d %s", got.status, got.body)
		}
		if got := asPortal("cancel", stop, stop); got.status != http.StatusOK && got.status != http.StatusBadRequest {
			t.Errorf("cancel two: %d %s", got.status, got.body)
		}
		if got := asPortal("history", `{`+person+`}`); strings.Count(got.body, `"action":"`) != 4 { // with the header's
			t.Errorf("history: %s", got.body)
		}
		if told := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", `{`+person+`,"scope":"details"}`)); strings.Contains(told.body, "pending_change") {
			t.Errorf("a partner is still told %s", told.body)
		}
	})
}
