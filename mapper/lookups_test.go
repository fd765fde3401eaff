package mapper_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations"
	"spar/migrations/dbtest"
)

func TestServiceTellsLookups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.RunLookups(t, func(t *testing.T) (mapper.Mapper, mappertest.Portal, func(context.Context) error) {
			service := mappertest.Service(t, db)
			return service, service, service.ExpandLookups
		})
	})
}

func resolveDetails(t *testing.T, m mapper.Mapper, partner string, ids ...string) {
	t.Helper()
	items := make([]mapper.Item, len(ids))
	for i, id := range ids {
		items[i] = mappertest.Details(fmt.Sprint(i), id, "")
	}
	results, err := m.Resolve(t.Context(), mappertest.By(partner), items)
	if err != nil || results[0].FA == "" {
		t.Fatalf("Resolve: %v, %v", results, err)
	}
}

func expand(t *testing.T, services ...*mapper.Service) {
	t.Helper()
	for _, s := range services {
		if err := s.ExpandLookups(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// seen lists an ID's look-ups as day, partner, count, first and last time.
func seen(t *testing.T, s *mapper.Service, id mapper.ID) (list []string) {
	t.Helper()
	lookups, err := s.Lookups(t.Context(), id, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lookups {
		list = append(list, fmt.Sprintf("%s %s %d %s–%s", l.Day.Format(time.DateOnly), l.Partner, l.Count, l.FirstAt.Format(time.TimeOnly), l.LastAt.Format(time.TimeOnly)))
	}
	return list
}

// Days are those of the country, and what one day came to adds up over messages and runs of the background task.
func TestLookupsByDay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := time.Date(2026, 11, 12, 15, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) {
			c.Now = func() time.Time { return clock }
			c.Location = time.FixedZone("Manila", 8*3600)
		})
		link(t, service, mappertest.By("A"), mappertest.Item("1", anID, anAccount))
		for _, step := range []struct {
			after   time.Duration
			partner string
		}{{0, "A"}, {30 * time.Minute, "A"}, {20 * time.Minute, "B"}, {15 * time.Minute, "A"}, {time.Minute, "A"}} {
			clock = clock.Add(step.after)
			resolveDetails(t, service, step.partner, anID)
			if step.partner == "B" {
				expand(t, service)
			}
		}
		expand(t, service)
		want := []string{"2026-11-13 A 2 16:05:00–16:06:00", "2026-11-12 B 1 15:50:00–15:50:00", "2026-11-12 A 2 15:00:00–15:30:00"}
		if diff := cmp.Diff(want, seen(t, service, anID)); diff != "" {
			t.Errorf("look-ups (-want +got):\n%s", diff)
		}
	})
}

// Whatever the number of replicas that work on it, and however large the messages, each message counts once.
func TestLookupsCountOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		const people, messages = 3000, 25
		link(t, service, mappertest.By("A"), benchLinks(0, people)...)
		ids := make([]string, people)
		for i := range ids {
			ids[i] = benchID(i)
		}
		var replicas sync.WaitGroup
		for range messages {
			resolveDetails(t, service, "A", append([]string{ids[0], ids[0]}, ids...)...)
		}
		for range 4 {
			replicas.Go(func() {
				for {
					if err := service.ExpandLookups(t.Context()); err != nil {
						t.Error(err)
						return
					}
					var left int
					if err := db.Get(&left, `SELECT COUNT(*) FROM seen_messages WHERE revealed IS NOT NULL`); err != nil || left == 0 {
						return
					}
				}
			})
		}
		replicas.Wait()
		var rows, total int
		if err := db.QueryRow(`SELECT COUNT(*), SUM(count) FROM lookups`).Scan(&rows, &total); err != nil || rows != people && rows != 2*people || total != people*messages {
			t.Errorf("%d rows with %d look-ups, %v; want %d", rows, total, err, people*messages)
		}
	})
}

// What one process answered before it was killed, another one tells.
func TestLookupsSurviveTheProcess(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		link(t, service, mappertest.By("A"), mappertest.Item("1", anID, anAccount))
		resolveDetails(t, service, "A", anID)
		var unexpanded int
		if err := db.Get(&unexpanded, `SELECT COUNT(*) FROM seen_messages WHERE LENGTH(revealed) = 16`); err != nil || unexpanded != 1 {
			t.Errorf("%d messages recorded with the answer, %v", unexpanded, err)
		}
	})
}

// Nothing is answered that could not be recorded.
func TestNoAnswerWithoutRecord(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		link(t, service, mappertest.By("A"), mappertest.Item("1", anID, anAccount))
		by := mappertest.By("A")
		ask := []mapper.Item{mappertest.Details("1", anID, "")}
		if _, err := service.Resolve(t.Context(), by, ask); err != nil {
			t.Fatal(err)
		}
		if results, err := service.Resolve(t.Context(), by, ask); err == nil || results != nil {
			t.Errorf("a message sent twice got %+v, %v", results, err)
		}
		if _, err := db.Exec(`ALTER TABLE seen_messages RENAME TO gone`); err != nil {
			t.Fatal(err)
		}
		if results, err := service.Resolve(t.Context(), mappertest.By("A"), ask); err == nil || results != nil {
			t.Errorf("without a record: %+v, %v", results, err)
		}
	})
}

func TestLookupsAreForgotten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) {
			c.Now = func() time.Time { return clock }
			c.KeepLookups = 48 * time.Hour
		})
		link(t, service, mappertest.By("A"), benchLinks(0, 6000)...)
		ids := make([]string, 6000) // more than a step of the purge
		for i := range ids {
			ids[i] = benchID(i)
		}
		purge := func() {
			t.Helper()
			if err := service.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		resolveDetails(t, service, "A", ids...)
		clock = clock.Add(24 * time.Hour)
		purge() // the message id has expired, but its people were not told yet
		resolveDetails(t, service, "B", ids[0])
		expand(t, service)
		purge()
		if got := seen(t, service, mapper.ID(ids[0])); len(got) != 2 {
			t.Errorf("within the time: %v", got)
		}
		clock = clock.Add(48 * time.Hour)
		if got := seen(t, service, mapper.ID(ids[0])); len(got) != 1 {
			t.Errorf("before the purge: %v", got)
		}
		purge()
		var left, messages int
		if err := db.QueryRow(`SELECT (SELECT COUNT(*) FROM lookups), (SELECT COUNT(*) FROM seen_messages)`).Scan(&left, &messages); err != nil || left != 1 || messages != 0 {
			t.Errorf("%d look-ups and %d messages left, %v; want 1 and 0", left, messages, err)
		}
	})
}

// The keys of a whole payment list are stored as they are, outside the row.
func TestPackedKeysAreNotCompressed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		if !migrations.Postgres(db) {
			t.Skip("only PostgreSQL compresses")
		}
		var storage string
		if err := db.Get(&storage, `SELECT attstorage FROM pg_attribute WHERE attrelid = 'seen_messages'::regclass AND attname = 'revealed'`); err != nil || storage != "e" {
			t.Errorf("storage %q, %v", storage, err)
		}
	})
}
