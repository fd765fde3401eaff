package quota_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spar/internal/quota"
	"spar/migrations/dbtest"
)

func TestAPartnersOwnRate(t *testing.T) {
	c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	q := quotas(t, dbtest.SQLite(t), c)
	slow := quota.Account{Partner: "SLOW", PerSecond: 2, BulkPerSecond: 300}
	states, _, _ := q.States(slow)
	if diff := cmp.Diff([]quota.State{
		{Kind: quota.Single, Available: 20, Capacity: 20, ItemsPerSecond: 2},
		{Kind: quota.Bulk, Available: 3000, Capacity: 3000, ItemsPerSecond: 300},
	}, states); diff != "" {
		t.Errorf("a partner with a lower and a higher rate (-want +got):\n%s", diff)
	}
	if _, ok := q.Take(slow, quota.Single, 20); !ok {
		t.Error("its full budget does not pay for 20 items")
	}
	if wait, ok := q.Take(slow, quota.Single, 1); ok || wait != time.Second/2 {
		t.Errorf("one item more: %v, wait %v; want refusal, 500ms", ok, wait)
	}
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Single, 100); !ok {
		t.Error("its limit is another partner's, too")
	}
	c.now = c.now.Add(5 * time.Second)
	if states, _, _ := q.States(slow); states[0].Available != 10 {
		t.Errorf("after 5 seconds %d are available, want 10", states[0].Available)
	}
	if states, _, _ := q.States(quota.Account{Partner: "TINY", PerSecond: 1}); states[0].Capacity != 10 {
		t.Errorf("capacity %d, want 10", states[0].Capacity)
	}
}

// A setting takes effect for a bucket in use, which stays as full as it is.
func TestABudgetAdaptsToAnotherRate(t *testing.T) {
	c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	q := quotas(t, dbtest.SQLite(t), c)
	at := func(perSecond int) quota.Account { return quota.Account{Partner: "A", PerSecond: perSecond} }
	left := func(what string, a quota.Account, want int) {
		t.Helper()
		if states, _, _ := q.States(a); states[0].Available != want {
			t.Errorf("%s: %d are left of %d, want %d", what, states[0].Available, states[0].Capacity, want)
		}
	}
	q.Take(at(0), quota.Single, 60)
	left("the general rate", at(0), 40)
	left("a tenth of it", at(1), 4)
	left("twice the rate", at(20), 80)
	c.now = c.now.Add(3 * time.Second)
	left("what came at twice the rate, at half of it", at(5), 35)
	left("the general rate again", at(0), 70)

	q.Take(at(0), quota.Single, 70)
	q.Missed(at(0), quota.Single, 10) // a debt of 40 items: 4 seconds
	if wait, ok := q.Take(at(1), quota.Single, 1); ok || wait != 5*time.Second {
		t.Errorf("a debt at a lower rate: %v, wait %v; want refusal, 5s", ok, wait)
	}
	c.now = c.now.Add(5 * time.Second)
	if _, ok := q.Take(at(1), quota.Single, 1); !ok {
		t.Error("the debt is not paid off in time")
	}
}

func TestTheSmallestBudgetHoldsOneItem(t *testing.T) {
	q, err := quota.New(dbtest.SQLite(t), quota.Config{
		Single: quota.Rate{PerSecond: 1000, Burst: 10}, Bulk: quota.Rate{PerSecond: 1, Burst: 1}, BulkFrom: 1, MissCost: 1,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if states, _, _ := q.States(quota.Account{Partner: "A", PerSecond: 1}); states[0].Capacity != 1 {
		t.Errorf("capacity %d, want 1", states[0].Capacity)
	}
}
