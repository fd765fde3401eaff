package quota_test

import (
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/quota"
	"spar/migrations/dbtest"
)

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func quotas(t *testing.T, db *sqlx.DB, c *clock) *quota.Quotas {
	t.Helper()
	q, err := quota.New(db, quota.Config{
		Single: quota.Rate{PerSecond: 10, Burst: 100}, Bulk: quota.Rate{PerSecond: 100, Burst: 1000}, BulkFrom: 50, MissCost: 5,
	}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func available(q *quota.Quotas, partner string) (single, bulk int) {
	states, _, _ := q.States(quota.Account{Partner: partner})
	return states[0].Available, states[1].Available
}

func TestABudgetIsSpentAndFillsAgain(t *testing.T) {
	c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	q := quotas(t, dbtest.SQLite(t), c)
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Single, 90); !ok {
		t.Fatal("a full budget does not pay for 90 of 100 items")
	}
	wait, ok := q.Take(quota.Account{Partner: "A"}, quota.Single, 20)
	if ok || wait != time.Second {
		t.Errorf("Take of 20 with 10 left: %v, wait %v; want refusal, 1s", ok, wait)
	}
	if _, ok := q.Take(quota.Account{Partner: "B"}, quota.Single, 100); !ok {
		t.Error("one partner's calls are paid by another")
	}
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Bulk, 1000); !ok {
		t.Error("single calls are paid from the budget of lists")
	}
	c.now = c.now.Add(time.Second)
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Single, 20); !ok {
		t.Error("after a second the budget does not pay for 20")
	}
	c.now = c.now.Add(time.Hour)
	if single, bulk := available(q, "A"); single != 100 || bulk != 1000 {
		t.Errorf("after an hour there are %d and %d, want full budgets", single, bulk)
	}
}

func TestMissesCostMore(t *testing.T) {
	c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	q := quotas(t, dbtest.SQLite(t), c)
	q.Take(quota.Account{Partner: "A"}, quota.Single, 30)
	q.Missed(quota.Account{Partner: "A"}, quota.Single, 30)
	if single, _ := available(q, "A"); single != 0 {
		t.Errorf("after 30 misses %d are left, want 0", single)
	}
	if wait, ok := q.Take(quota.Account{Partner: "A"}, quota.Single, 1); ok || wait < 5*time.Second {
		t.Errorf("in debt: %v, wait %v", ok, wait)
	}
}

func TestACallLargerThanTheBucketIsPaidOffAfterwards(t *testing.T) {
	c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	q := quotas(t, dbtest.SQLite(t), c)
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Bulk, 5000); !ok {
		t.Fatal("a full budget refuses a large list")
	}
	c.now = c.now.Add(40 * time.Second)
	if _, ok := q.Take(quota.Account{Partner: "A"}, quota.Bulk, 50); ok {
		t.Error("the large list was not paid off")
	}
}

func TestKindOf(t *testing.T) {
	q := quotas(t, dbtest.SQLite(t), &clock{time.Now()})
	for _, test := range []struct {
		resolve bool
		n       int
		want    quota.Kind
	}{{true, 49, quota.Single}, {true, 50, quota.Bulk}, {false, 5000, quota.Single}} {
		if got := q.KindOf(test.resolve, test.n); got != test.want {
			t.Errorf("KindOf(%v, %d) = %s, want %s", test.resolve, test.n, got, test.want)
		}
	}
}

func TestReplicasShareABudget(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := &clock{time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
		here, there := quotas(t, db, c), quotas(t, db, c)
		sync := func() {
			t.Helper()
			for _, q := range []*quota.Quotas{here, there, here} {
				if err := q.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		available(here, "A")
		available(there, "A")
		sync()
		here.Take(quota.Account{Partner: "A"}, quota.Single, 40)
		there.Take(quota.Account{Partner: "A"}, quota.Single, 30)
		sync()
		a, _ := available(here, "A")
		b, _ := available(there, "A")
		if a != 30 || b != 30 {
			t.Errorf("%d are left here and %d there, want 30 on both", a, b)
		}
		sync()
		if again, _ := available(here, "A"); again != 30 {
			t.Errorf("after another exchange %d are left, want 30", again)
		}
	})
}
