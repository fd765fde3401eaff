package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
	"spar/migrations/dbtest"
)

// withKeyManager lets a MOSIP Key Manager have its say on the calls, under a certificate that it still uses.
func (api *partnerAPI) withKeyManager(t *testing.T, double *mosiptest.Server) {
	t.Helper()
	config := double.Config()
	config.Timeout, config.Pause = 150*time.Millisecond, time.Nanosecond
	observe := api.calls.Metrics.KeyManager(mosip.Calls(), mosip.Outcomes())
	config.Observe = observe
	client, err := mosip.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	api.calls.Metrics.WatchBreaker(client.State)
	manager := mosip.New(client, api.register, keymgr.NewLocal(api.register))
	added, err := api.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", api.key.CertificateFor(t, time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := manager.Upload(t.Context(), audittest.By, "PARTNER-A", added.Fingerprint); err != nil {
		t.Fatal(err)
	}
	api.calls.Verifier = manager
}

// TestAMisbehavingKeyManagerChangesNothing: whatever it says or does not say, no link is made, the message is not used up,
// and the log holds none of the secrets.
func TestAMisbehavingKeyManagerChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api, double := newPartnerAPI(t, db), mosiptest.Start(t)
		api.withKeyManager(t, double)
		body := message("link", "PARTNER-A", `{`+person+`,`+account+`}`)
		for name, misbehaviour := range mosiptest.Misbehaviours() {
			double.Misbehave("jwtVerify", misbehaviour)
			if got := api.post(t, "/mapper/sync/link", body); got.status != 503 || !strings.Contains(got.body, "err.service.unavailable") || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: answered %d %s", name, got.status, got.body)
			}
		}
		double.Misbehave("jwtVerify", mosiptest.Fails("KER-KMS-016"))
		refused := api.post(t, "/mapper/sync/link", body)
		unknown := api.post(t, "/mapper/sync/link", []byte(strings.Replace(string(body), "PARTNER-A", "NOBODY", 1)))
		if refused.status != 401 || refused.body != unknown.body {
			t.Errorf("a no is answered %d %s, a stranger %d %s", refused.status, refused.body, unknown.status, unknown.body)
		}
		if n := api.links(t); n != 0 {
			t.Fatalf("%d links were made", n)
		}
		double.Behave()
		if got := api.post(t, "/mapper/sync/link", body); got.status != 200 || api.links(t) != 1 {
			t.Errorf("the same message, once it behaves: %d %s", got.status, got.body)
		}
		logs := api.logs.String()
		for _, secret := range append(double.Tokens(), mosiptest.ClientSecret, "MESSAGEMARKER", api.key.Detached(t, body), "44332211") {
			if strings.Contains(logs, secret) {
				t.Errorf("the log holds %.30s…", secret)
			}
		}
		for _, part := range []string{`"reason":"key_manager_disagrees"`, "KER-KMS-016", "key manager unavailable"} {
			if !strings.Contains(logs, part) {
				t.Errorf("the log does not say %s", part)
			}
		}
		_, metrics := get(t, api.calls.Metrics.Handler(), "/metrics")
		for _, line := range []string{
			`spar_key_manager_requests_total{call="jwtVerify",outcome="ok"} `, `spar_key_manager_requests_total{call="jwtVerify",outcome="refused"} `,
			`spar_key_manager_requests_total{call="token",outcome="unavailable"} 0`, `spar_key_manager_request_duration_seconds_count{call="jwtVerify"} `,
			`spar_key_manager_breaker{state="closed"} 1`, `spar_key_manager_breaker{state="open"} 0`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("no metric %s", line)
			}
		}
	})
}
