package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"spar/internal/quota"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

// frugal gives an API small budgets and a clock that stands still.
func frugal(t *testing.T) *partnerAPI {
	t.Helper()
	db := dbtest.SQLite(t)
	api := newPartnerAPI(t, db)
	now := time.Now()
	q, err := quota.New(db, quota.Config{
		Single: quota.Rate{PerSecond: 2, Burst: 10}, Bulk: quota.Rate{PerSecond: 10, Burst: 100}, BulkFrom: 20, MissCost: 4,
	}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	api.calls.Quotas = q
	return api
}

func people(n int) []string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":"token:%d@nationalid"}`, i)
	}
	return items
}

func TestACallBeyondTheBudgetIsToldToWait(t *testing.T) {
	api := frugal(t)
	api.post(t, "/mapper/sync/link", message("link", "PARTNER-A", `{`+person+`,`+account+`}`)) // 9 left
	api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", people(2)...))         // two misses: 1 left
	body := message("link", "PARTNER-A", `{"id":"token:8@n",`+account+`}`, `{"id":"token:9@n",`+account+`}`)
	got := api.post(t, "/mapper/sync/link", body)
	if got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "err.request.too_many_requests") || got.header.Get("Retry-After") != "1" {
		t.Errorf("answered %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	if n := api.links(t); n != 1 {
		t.Errorf("%d links, want 1", n)
	}
	if got := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", people(20)...)); got.status != http.StatusOK {
		t.Errorf("a payment list is starved by single calls: %d %s", got.status, got.body)
	}
	api.calls.Quotas = testQuotas(t, api.db)
	if got := api.post(t, "/mapper/sync/link", body); !strings.HasPrefix(got.items(t), "on-link succ\nr1 succ") {
		t.Errorf("the same message later: %s", got.body)
	}
}

func TestOnlyProvenCallsSpendABudget(t *testing.T) {
	api := frugal(t)
	stranger := keytest.RSA(t, 2)
	for range 20 {
		body := message("resolve", "PARTNER-A", people(5)...)
		if got := api.post(t, "/mapper/sync/resolve", body, header("Signature", stranger.Detached(t, body))); got.status != http.StatusUnauthorized {
			t.Fatalf("answered %d", got.status)
		}
	}
	if got := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", people(1)...)); got.status != http.StatusOK {
		t.Errorf("a stranger spent the partner's budget: %d", got.status)
	}
}

func (api *partnerAPI) limits(t *testing.T, signature ...string) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL+"/mapper/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signature {
		request.Header.Add("Signature", s)
	}
	answer, err := api.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := response{answer.StatusCode, answer.Header, string(text)}
	checkDescribed(t, request, nil, got)
	api.checkSigned(t, got)
	return got
}

func TestAPartnerReadsItsLimits(t *testing.T) {
	api := frugal(t)
	api.post(t, "/mapper/sync/link", message("link", "PARTNER-A", `{`+person+`,`+account+`}`))
	ask := func(action, sender string, at time.Time) []byte {
		return fmt.Appendf(nil, `{"header":{"version":"1.0.0","message_id":"l1","message_ts":"%s","action":"%s","sender_id":"%s"}}`, at.UTC().Format(time.RFC3339), action, sender)
	}
	got := api.limits(t, api.key.Full(t, ask("limits", "PARTNER-A", time.Now())))
	const want = `"max_batch":50,"bulk_from":20,"miss_cost":4,"budgets":[{"budget":"single","available":9,"capacity":10,"items_per_second":2},{"budget":"bulk","available":100,"capacity":100,"items_per_second":10}]}`
	if got.status != http.StatusOK || !strings.HasSuffix(got.body, want) {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	keytest.RSA(t, 2).Onboard(t, api.register, "PARTNER-B", keymgr.Resolve)
	for name, test := range map[string]struct {
		signature []string
		status    int
	}{
		"no signature":     {nil, 401},
		"detached":         {[]string{api.key.Detached(t, nil)}, 401},
		"another's key":    {[]string{keytest.RSA(t, 2).Full(t, ask("limits", "PARTNER-A", time.Now()))}, 401},
		"no JSON":          {[]string{api.key.Full(t, []byte("x"))}, 400},
		"old":              {[]string{api.key.Full(t, ask("limits", "PARTNER-A", time.Now().Add(-time.Hour)))}, 400},
		"another action":   {[]string{api.key.Full(t, ask("resolve", "PARTNER-A", time.Now()))}, 400},
		"a signed resolve": {[]string{api.key.Full(t, message("resolve", "PARTNER-A"))}, 400},
		"two signatures":   {[]string{api.key.Full(t, ask("limits", "PARTNER-A", time.Now())), "x"}, 401},
	} {
		if got := api.limits(t, test.signature...); got.status != test.status {
			t.Errorf("%s: answered %d %s, want %d", name, got.status, got.body, test.status)
		}
	}
}
