package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
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

// limit gives PARTNER-A limits of its own.
func (api *partnerAPI) limit(t *testing.T, l keymgr.Limits) {
	t.Helper()
	p, err := api.register.Get(t.Context(), "PARTNER-A")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Settings()
	s.Limits = l
	if err := api.register.Configure(t.Context(), audittest.By, "PARTNER-A", s, p.ChangedAt); err != nil {
		t.Fatal(err)
	}
}

// A partner's own limit counts if it is lower than the general one, and nobody else's changes.
func TestAPartnersOwnMaxBatch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db)
		other := keytest.RSA(t, 2)
		other.Onboard(t, api.register, "PARTNER-B", keymgr.Resolve)
		for _, test := range []struct{ own, largest int }{{0, maxBatch}, {3, 3}, {maxBatch + 10, maxBatch}, {1, 1}} {
			api.limit(t, keymgr.Limits{MaxBatch: test.own})
			if got := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", people(test.largest)...)); strings.Contains(got.body, "limit_exceeded") || got.status != http.StatusOK {
				t.Errorf("own limit %d: %d items are answered %d %s", test.own, test.largest, got.status, got.body)
			}
			if got := api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", people(test.largest+1)...)); !strings.Contains(got.body, "rjct.total_count.limit_exceeded") {
				t.Errorf("own limit %d: %d items are answered %d %s", test.own, test.largest+1, got.status, got.body)
			}
		}
		body := message("resolve", "PARTNER-B", people(maxBatch)...)
		if got := api.post(t, "/mapper/sync/resolve", body, header("Signature", other.Detached(t, body))); strings.Contains(got.body, "limit_exceeded") || got.status != http.StatusOK {
			t.Errorf("another partner: %d %s", got.status, got.body)
		}
	})
}

// The general budget for single calls holds 10 items, at 2 a second; that for lists of 20 or more 100, at 10 a second.
func TestAPartnersOwnRate(t *testing.T) {
	api := frugal(t)
	body := func(n int) []byte { return message("resolve", "PARTNER-A", people(n)...) }
	api.limit(t, keymgr.Limits{ItemsPerSecond: 1, BulkItemsPerSecond: 2})
	if got := api.post(t, "/mapper/sync/resolve", body(5)); got.status != http.StatusOK { // misses: 15 more
		t.Fatalf("the budget does not pay: %d %s", got.status, got.body)
	}
	if got := api.post(t, "/mapper/sync/resolve", body(1)); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "16" {
		t.Errorf("a budget in debt of 15 at 1 a second: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	if got := api.post(t, "/mapper/sync/resolve", body(20)); got.status != http.StatusOK { // a list: 20 of 20, and 60 for misses
		t.Fatalf("the budget of lists does not pay: %d %s", got.status, got.body)
	}
	api.limit(t, keymgr.Limits{ItemsPerSecond: 5})
	// The debts of 15 of 5 items and of 60 of 20 are as many seconds long as before.
	if got := api.post(t, "/mapper/sync/resolve", body(5)); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "16" {
		t.Errorf("the same debt at 5 a second: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	if got := api.post(t, "/mapper/sync/resolve", body(20)); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "32" {
		t.Errorf("lists at the general rate: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
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
	api.limit(t, keymgr.Limits{MaxBatch: 30, ItemsPerSecond: 1, BulkItemsPerSecond: 20})
	got = api.limits(t, api.key.Full(t, ask("limits", "PARTNER-A", time.Now())))
	const own = `"max_batch":30,"bulk_from":20,"miss_cost":4,"budgets":[{"budget":"single","available":4,"capacity":5,"items_per_second":1},{"budget":"bulk","available":200,"capacity":200,"items_per_second":20}]}`
	if got.status != http.StatusOK || !strings.HasSuffix(got.body, own) {
		t.Errorf("with limits of its own: %d %s", got.status, got.body)
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
