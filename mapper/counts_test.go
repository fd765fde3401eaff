package mapper_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

// days are written as date, links made, changed and removed, and links there were.
func days(t *testing.T, s *mapper.Service, n int) (list []string) {
	t.Helper()
	counted, err := s.LinkDays(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range counted {
		list = append(list, fmt.Sprintf("%s +%d ~%d -%d =%d", d.Day.Format(time.DateOnly), d.Linked, d.Updated, d.Unlinked, d.Total))
	}
	return list
}

// Counts are exact to the last batch, before they are summed up and after, whatever day is begun where the registry runs.
func TestLinksAreCountedByDay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) {
			c.Now = func() time.Time { return clock }
			c.Location = time.FixedZone("Kathmandu", 5*3600+45*60)
		})
		do := func(results []mapper.Result, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		sum := func() {
			t.Helper()
			if err := service.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		do(service.Link(t.Context(), mappertest.By("A"), benchLinks(0, 5)))
		do(service.Link(t.Context(), mappertest.By("A"), benchLinks(4, 2))) // one of them is linked
		sum()
		clock = time.Date(2026, 11, 12, 18, 14, 0, 0, time.UTC) // a minute before midnight there
		do(service.Update(t.Context(), mappertest.By("A"), benchLinks(0, 3)))
		do(service.Update(t.Context(), mappertest.By("A"), benchLinks(90, 3))) // nobody
		clock = clock.Add(2 * time.Minute)
		do(service.Unlink(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Item("1", benchID(0), ""), mappertest.Item("2", benchID(1), "")}))
		do(service.Link(t.Context(), mappertest.By("A"), benchLinks(10, 1)))
		want := []string{"2026-11-11 +0 ~0 -0 =6", "2026-11-12 +0 ~3 -0 =6", "2026-11-13 +1 ~0 -2 =5"}
		for _, state := range []string{"as parts", "summed up", "summed up again"} {
			if diff := cmp.Diff(want, days(t, service, 3)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", state, diff)
			}
			sum()
		}
		do(service.Link(t.Context(), mappertest.By("A"), benchLinks(11, 1)))
		sum()
		if got := days(t, service, 1)[0]; got != "2026-11-13 +2 ~0 -2 =6" {
			t.Errorf("after another one: %s", got)
		}
		if got := days(t, service, 30)[26]; got != "2026-11-10 +6 ~0 -0 =6" {
			t.Errorf("three days before: %s", got)
		}
		clock = clock.AddDate(0, 0, -1) // another replica, whose clock is behind
		if got := days(t, service, 1)[0]; got != "2026-11-12 +2 ~3 -2 =6" {
			t.Errorf("seen from the day before: %s", got)
		}
	})
}

// What a list brings is counted as what calls bring.
func TestImportedLinksAreCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		list := mapper.Import{ID: "0123456789abcdef", ChunkSize: 100}
		if _, _, err := service.BeginImport(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		if _, err := service.ImportChunk(t.Context(), list, 0, audittest.By, benchLinks(0, 7), 0); err != nil {
			t.Fatal(err)
		}
		counted, err := service.LinkDays(t.Context(), 1)
		if err != nil || counted[0].Linked != 7 || counted[0].Total != 7 {
			t.Errorf("%+v, %v", counted, err)
		}
	})
}

// A change that is rolled back is not counted.
func TestFailedChangesAreNotCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		if _, err := db.Exec(`ALTER TABLE audit_head RENAME TO gone`); err != nil {
			t.Fatal(err)
		}
		if _, err := service.Link(t.Context(), mappertest.By("A"), benchLinks(0, 2)); err == nil {
			t.Fatal("linked without an audit event")
		}
		counted, err := service.LinkDays(t.Context(), 1)
		if err != nil || counted[0].Linked != 0 || counted[0].Total != 0 {
			t.Errorf("%+v, %v", counted, err)
		}
	})
}

// An older registry begins with what its history tells, and with the links that there are.
func TestCountsBeginWithWhatThereIs(t *testing.T) {
	file, err := os.ReadFile("../migrations/0017_link_counts.sql")
	if err != nil {
		t.Fatal(err)
	}
	inserts := regexp.MustCompile(`(?s)\nINSERT INTO link_counts .*?;`).FindAllString(string(file), -1)
	if len(inserts) != 2 {
		t.Fatalf("found %d statements, want 2", len(inserts))
	}
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) { c.Now = func() time.Time { return clock } })
		link(t, service, mappertest.By("A"), benchLinks(0, 5)...)
		if _, err := db.Exec(`DELETE FROM link_history`); err != nil { // it was lost
			t.Fatal(err)
		}
		clock = clock.AddDate(0, 0, 1)
		link(t, service, mappertest.By("A"), benchLinks(10, 4)...)
		if _, err := service.Unlink(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Item("1", benchID(0), "")}); err != nil {
			t.Fatal(err)
		}
		for _, statement := range append([]string{`DELETE FROM link_count_parts`, `DELETE FROM link_counts`}, inserts...) {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"2026-11-10 +0 ~0 -0 =5", "2026-11-11 +4 ~0 -1 =8"}
		if diff := cmp.Diff(want, days(t, service, 2)); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
}
