package mapper_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

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
