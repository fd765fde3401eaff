package keymgr_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

func TestLimitsWithin(t *testing.T) {
	general := keymgr.Limits{MaxBatch: 1000, ItemsPerSecond: 20, BulkItemsPerSecond: 300}
	for _, test := range []struct{ own, want keymgr.Limits }{
		{keymgr.Limits{}, general},
		{keymgr.Limits{MaxBatch: 50, ItemsPerSecond: 2, BulkItemsPerSecond: 30}, keymgr.Limits{MaxBatch: 50, ItemsPerSecond: 2, BulkItemsPerSecond: 30}},
		{keymgr.Limits{MaxBatch: 5000, ItemsPerSecond: 200}, keymgr.Limits{MaxBatch: 1000, ItemsPerSecond: 200, BulkItemsPerSecond: 300}},
	} {
		if got := test.own.Within(general); got != test.want {
			t.Errorf("%s: %s, want %s", test.own, got, test.want)
		}
	}
}

func TestLimitsOfAPartner(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		first := keymgr.Limits{MaxBatch: 50, ItemsPerSecond: 2, BulkItemsPerSecond: 30}
		added, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "BANK-A", Name: "Bank A", Limits: first}, nil)
		must(t, err)
		if added.Limits != first {
			t.Errorf("added with %s", added.Limits)
		}
		_, err = r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "BANK-B"}, nil)
		must(t, err)
		c.advance(time.Second)
		second := added.Settings()
		second.Limits = keymgr.Limits{MaxBatch: keymgr.LargestBatch, BulkItemsPerSecond: keymgr.LargestRate}
		must(t, r.Configure(t.Context(), audittest.By, "BANK-A", second, added.ChangedAt))
		partners, err := r.List(t.Context())
		must(t, err)
		if diff := cmp.Diff(second, partners[0].Settings()); diff != "" || partners[1].Limits != (keymgr.Limits{}) {
			t.Errorf("settings (-want +got):\n%s\nothers have %s", diff, partners[1].Limits)
		}
		for _, bad := range []keymgr.Limits{
			{MaxBatch: -1}, {MaxBatch: keymgr.LargestBatch + 1}, {ItemsPerSecond: -1}, {ItemsPerSecond: keymgr.LargestRate + 1},
			{BulkItemsPerSecond: -1}, {BulkItemsPerSecond: keymgr.LargestRate + 1},
		} {
			s := second
			s.Limits = bad
			wantErr(t, bad.String(), r.Configure(t.Context(), audittest.By, "BANK-A", s, partners[0].ChangedAt), keymgr.ErrInvalid)
			_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "BANK-C", Limits: bad}, nil)
			wantErr(t, bad.String(), err, keymgr.ErrInvalid)
		}
		must(t, r.Permit(t.Context(), audittest.By, "BANK-A", []keymgr.Permission{keymgr.Resolve}))
		if p, err := r.Get(t.Context(), "BANK-A"); err != nil || p.Limits != second.Limits {
			t.Errorf("after another change: %s, %v", p.Limits, err)
		}
		if diff := cmp.Diff([]string{
			"partner.permit  > resolve",
			"partner.limit max_batch=50 items_per_second=2 bulk_items_per_second=30 > max_batch=10000 items_per_second=0 bulk_items_per_second=1000000000",
			"partner.add  > draft limits=max_batch=50 items_per_second=2 bulk_items_per_second=30",
		}, events(t, r, "BANK-A")); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// Who raises a limit needs another person, who lowers one does not; what holds for everybody is what tells.
func TestTwoPersonsRaiseALimit(t *testing.T) {
	general := keymgr.Limits{MaxBatch: 1000, ItemsPerSecond: 20, BulkItemsPerSecond: 300}
	for name, test := range map[string]struct {
		general, before, after keymgr.Limits
		wants                  error
	}{
		"a smaller batch":               {general, keymgr.Limits{MaxBatch: 50}, keymgr.Limits{MaxBatch: 49}, nil},
		"a larger batch":                {general, keymgr.Limits{MaxBatch: 50}, keymgr.Limits{MaxBatch: 51}, keymgr.ErrNeedsApproval},
		"its first batch":               {general, keymgr.Limits{}, keymgr.Limits{MaxBatch: 50}, nil},
		"no batch of its own":           {general, keymgr.Limits{MaxBatch: 50}, keymgr.Limits{}, keymgr.ErrNeedsApproval},
		"a batch beyond the general":    {general, keymgr.Limits{}, keymgr.Limits{MaxBatch: 5000}, nil},
		"a lower rate":                  {general, keymgr.Limits{ItemsPerSecond: 50}, keymgr.Limits{ItemsPerSecond: 40}, nil},
		"a higher rate":                 {general, keymgr.Limits{ItemsPerSecond: 50}, keymgr.Limits{ItemsPerSecond: 60}, keymgr.ErrNeedsApproval},
		"a rate below the general":      {general, keymgr.Limits{}, keymgr.Limits{ItemsPerSecond: 2}, nil},
		"a rate above the general":      {general, keymgr.Limits{}, keymgr.Limits{ItemsPerSecond: 50}, keymgr.ErrNeedsApproval},
		"the general rate for a lower":  {general, keymgr.Limits{ItemsPerSecond: 2}, keymgr.Limits{}, keymgr.ErrNeedsApproval},
		"the general rate for a higher": {general, keymgr.Limits{ItemsPerSecond: 50}, keymgr.Limits{}, nil},
		"longer lists":                  {general, keymgr.Limits{}, keymgr.Limits{BulkItemsPerSecond: 301}, keymgr.ErrNeedsApproval},
		"shorter lists":                 {general, keymgr.Limits{}, keymgr.Limits{BulkItemsPerSecond: 299}, nil},
		"lower and higher":              {general, keymgr.Limits{}, keymgr.Limits{MaxBatch: 1, BulkItemsPerSecond: 301}, keymgr.ErrNeedsApproval},
		"a rate where nothing is known": {keymgr.Limits{}, keymgr.Limits{}, keymgr.Limits{ItemsPerSecond: 50}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			db, c := dbtest.SQLite(t), newClock()
			trail := audittest.New(t, db)
			key := keytest.RSA(t, 0)
			one := keymgr.NewRegister(db, application, trail, c.now)
			_, err := one.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "A", Status: keymgr.Active, Limits: test.before}, key.Certificate(t))
			must(t, err)
			r := keymgr.NewRegister(db, application, trail, c.now, keymgr.WithTwoPersons(true), keymgr.WithGeneralLimits(test.general))
			p, err := r.Get(t.Context(), "A")
			must(t, err)
			s := p.Settings()
			s.Limits = test.after
			err = r.Configure(t.Context(), staff("ann"), "A", s, p.ChangedAt)
			if test.wants == nil {
				must(t, err)
				return
			}
			wantErr(t, name, err, test.wants)
			if p, err := r.Get(t.Context(), "A"); err != nil || p.Limits != test.before {
				t.Errorf("without approval: %s, %v", p.Limits, err)
			}
		})
	}
}

func TestApprovedLimits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c, trail := newClock(), audittest.New(t, db)
		keytest.RSA(t, 0).Onboard(t, keymgr.NewRegister(db, application, trail, c.now), "A", keymgr.Resolve)
		r := keymgr.NewRegister(db, application, trail, c.now, keymgr.WithTwoPersons(true), keymgr.WithGeneralLimits(keymgr.Limits{ItemsPerSecond: 20}))
		p, err := r.Get(t.Context(), "A")
		must(t, err)
		s := p.Settings()
		s.Limits.ItemsPerSecond = 50
		prepared, err := r.Prepare(t.Context(), staff("ann"), keymgr.Change{Reference: "A", Kind: keymgr.ChangeConfigure, Settings: s})
		must(t, err)
		pending, err := r.Pending(t.Context(), "A")
		must(t, err)
		if len(pending) != 1 || pending[0].Settings.Limits != s.Limits {
			t.Errorf("pending: %+v", pending)
		}
		lower := p.Settings()
		lower.Limits.MaxBatch = 10
		must(t, r.Configure(t.Context(), staff("bob"), "A", lower, p.ChangedAt)) // it is another partner now
		_, err = r.Approve(t.Context(), staff("bob"), prepared.ID)
		wantErr(t, "after another change", err, keymgr.ErrStale)

		again, err := r.Prepare(t.Context(), staff("ann"), keymgr.Change{Reference: "A", Kind: keymgr.ChangeConfigure, Settings: s})
		must(t, err)
		_, err = r.Approve(t.Context(), staff("bob"), again.ID)
		must(t, err)
		if p, err = r.Get(t.Context(), "A"); err != nil || p.Limits != s.Limits {
			t.Errorf("approved: %s, %v", p.Limits, err)
		}
		entries, err := trail.List(t.Context(), audit.Filter{Target: "A"})
		must(t, err)
		i := slices.IndexFunc(entries, func(e audit.Entry) bool { return e.Action == audit.PartnerLimit })
		if i < 0 || entries[i].Actor.ID != staff("bob").ID || entries[i].Detail["prepared_by"] != staff("ann").String() {
			t.Errorf("audit: %+v", entries)
		}
	})
}
