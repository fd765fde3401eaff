package mapper_test

import (
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

// What one replica changes is found by the others: in a small directory by the next search a second later, in a large one
// when it was refreshed, and until then as it was.
func TestSearchAfterChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		now := time.Now()
		one, other := mapper.NewDirectory(db, time.Now), mapper.NewDirectory(db, func() time.Time { return now })
		total := func(d *mapper.Directory, text string) int {
			t.Helper()
			found, err := d.Search(t.Context(), mapper.Search{Text: text, Limit: 5})
			if err != nil || len(found.Branches) != min(found.Total, 5) {
				t.Fatalf("%q: %+v, %v", text, found, err)
			}
			return found.Total
		}
		providers, branches := mappertest.IFSC(12_000)
		added := mapper.Branch{DFSP: "SBIN", Code: "SBIN0999999", Name: "Zanzibarian", Town: "Pemba", Active: true}
		if err := one.Load(t.Context(), providers, branches[:100]); err != nil {
			t.Fatal(err)
		}
		if total(one, "zanzibarian") != 0 || total(other, "zanzibarian") != 0 {
			t.Fatal("found before it is there")
		}
		if err := one.Load(t.Context(), nil, []mapper.Branch{added}); err != nil {
			t.Fatal(err)
		}
		if total(one, "zanzibarian pemba") != 1 {
			t.Error("a replica does not find what it added itself")
		}
		now = now.Add(2 * time.Second)
		if total(other, "zanzibarian pemba") != 1 {
			t.Error("a replica does not find what another added")
		}

		if err := one.Load(t.Context(), nil, branches); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Second)
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		added.Active = false
		if err := one.Load(t.Context(), nil, []mapper.Branch{added}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		if found, err := other.Search(t.Context(), mapper.Search{Text: "zanzibarian", Limit: 5}); err != nil || len(found.Branches) != 0 {
			t.Errorf("a branch that was closed is offered until the index is new: %+v, %v", found, err)
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if total(other, "zanzibarian") != 0 || total(other, "sbi mumbai") == 0 {
			t.Error("a large directory is not searched as it is after a refresh")
		}
	})
}
