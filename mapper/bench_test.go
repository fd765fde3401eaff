package mapper_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

const benchRows = 20000

func eachDatabase(b *testing.B, run func(b *testing.B, db *sqlx.DB)) {
	b.Run("sqlite", func(b *testing.B) { run(b, dbtest.SQLite(b)) })
	if os.Getenv(dbtest.PostgresVariable) != "" {
		b.Run("postgres", func(b *testing.B) { run(b, dbtest.PostgreSQL(b)) })
	}
}

// BenchmarkSearch finds branches of a directory of India's size, one search after another and several at the same time, and
// tells how long the slowest of a hundred took.
func BenchmarkSearch(b *testing.B) {
	eachDatabase(b, func(b *testing.B, db *sqlx.DB) {
		directory := mapper.NewDirectory(db, time.Now)
		providers, branches := mappertest.IFSC(180_000)
		start := time.Now()
		if err := directory.Load(b.Context(), providers, branches); err != nil {
			b.Fatal(err)
		}
		loaded := time.Now()
		if err := directory.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Logf("loaded in %v, indexed in %v", loaded.Sub(start), time.Since(loaded))
		for _, callers := range []int{1, 8} {
			b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
				took := make([]time.Duration, b.N)
				var next atomic.Int64
				var wait sync.WaitGroup
				for range callers {
					wait.Go(func() {
						for n := int(next.Add(1)) - 1; n < b.N; n = int(next.Add(1)) - 1 {
							start := time.Now()
							found, err := directory.Search(b.Context(), mapper.Search{Text: mappertest.Searches[n%len(mappertest.Searches)], Limit: 10})
							if err != nil || len(found.Branches) == 0 {
								b.Error(found, err)
							}
							took[n] = time.Since(start)
						}
					})
				}
				wait.Wait()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-half")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			})
		}
	})
}

func benchID(n int) string { return fmt.Sprintf("token:%010d@nationalid", n) }

func benchLinks(from, n int) []mapper.Item {
	items := make([]mapper.Item, n)
	for i := range items {
		items[i] = mappertest.Item(fmt.Sprint(i), benchID(from+i), fmt.Sprintf("account:%010d@%03d.ALPHA.bank_acc", from+i, i%1000))
		items[i].Name, items[i].Phone = mapper.String("Amara Okafor Lindqvist"), mapper.String("+12025550123")
	}
	return items
}

func BenchmarkResolve(b *testing.B) {
	eachDatabase(b, func(b *testing.B, db *sqlx.DB) {
		service := mappertest.Service(b, db)
		for from := 0; from < benchRows; from += 5000 {
			if _, err := service.Link(b.Context(), mappertest.By("A"), benchLinks(from, 5000)); err != nil {
				b.Fatal(err)
			}
		}
		for _, size := range []int{1, 100, 1000, 5000} {
			b.Run(fmt.Sprint(size), func(b *testing.B) {
				items := make([]mapper.Item, size)
				for i := range items {
					items[i] = mappertest.Details(fmt.Sprint(i), benchID(i*7919%benchRows), "")
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := service.Resolve(b.Context(), mappertest.By("A"), items); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "us/id")
			})
		}
	})
}

func BenchmarkLink1000(b *testing.B) {
	eachDatabase(b, func(b *testing.B, db *sqlx.DB) {
		service := mappertest.Service(b, db)
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if _, err := service.Link(b.Context(), mappertest.By("A"), benchLinks(n, 1000)); err != nil {
				b.Fatal(err)
			}
			n += 1000
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*1000), "us/id")
	})
}

// BenchmarkLinkOneByMany is many callers that link one person each: all of them meet at the end of the audit log.
func BenchmarkLinkOneByMany(b *testing.B) {
	eachDatabase(b, func(b *testing.B, db *sqlx.DB) {
		service := mappertest.Service(b, db)
		var next atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := service.Link(b.Context(), mappertest.By("A"), benchLinks(int(next.Add(1)), 1)); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "links/s")
	})
}

// BenchmarkExpandLookups1000 is what the background does after a resolve of 1000 IDs with details.
func BenchmarkExpandLookups1000(b *testing.B) {
	eachDatabase(b, func(b *testing.B, db *sqlx.DB) {
		service := mappertest.Service(b, db)
		for from := 0; from < benchRows; from += 5000 {
			if _, err := service.Link(b.Context(), mappertest.By("A"), benchLinks(from, 5000)); err != nil {
				b.Fatal(err)
			}
		}
		items := make([]mapper.Item, 1000)
		for n := range b.N {
			for i := range items {
				items[i] = mappertest.Details(fmt.Sprint(i), benchID((n*1000+i)%benchRows), "")
			}
			if _, err := service.Resolve(b.Context(), mappertest.By("A"), items); err != nil {
				b.Fatal(err)
			}
		}
		b.ResetTimer()
		if err := service.ExpandLookups(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*1000), "us/id") // half of it resting
	})
}
