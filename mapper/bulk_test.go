package mapper_test

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

var operator = audit.Actor{Kind: audit.Command, ID: "operator"}

func importItem(id, fa string) mapper.Item {
	return mapper.Item{ID: mapper.String(id), FA: mapper.String(fa), Name: mapper.String("Amara Okafor"), Phone: mapper.String("+12025550123")}
}

func benchImports(from, n int) []mapper.Item {
	items := make([]mapper.Item, n)
	for i := range items {
		items[i] = importItem(benchID(from+i), fmt.Sprintf("account:%010d@%03d.ALPHA.bank_acc", from+i, i%1000))
	}
	return items
}

// BenchmarkImport compares an import, with its history, with a bare COPY of the same sealed rows into an equal table.
// BENCH_IMPORT sets the number of rows of one run.
func BenchmarkImport(b *testing.B) {
	rows := 100000
	if text := os.Getenv("BENCH_IMPORT"); text != "" {
		fmt.Sscan(text, &rows)
	}
	const chunk = 10000
	load := func(b *testing.B, db *sqlx.DB, workers int) {
		service := mappertest.Service(b, db)
		job := mapper.Import{ID: fmt.Sprint("bench", b.N), ChunkSize: chunk}
		if _, _, err := service.BeginImport(b.Context(), &job); err != nil {
			b.Fatal(err)
		}
		var next atomic.Int64
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for n := int(next.Add(1)) - 1; n*chunk < rows; n = int(next.Add(1)) - 1 {
					if _, err := service.ImportChunk(b.Context(), job, n, operator, benchImports(n*chunk, chunk), 0); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	if os.Getenv(dbtest.PostgresVariable) != "" {
		b.Run("postgres", func(b *testing.B) {
			for range b.N {
				db := dbtest.PostgreSQL(b)
				b.ResetTimer()
				load(b, db, runtime.NumCPU()+1)
				imported := b.Elapsed().Seconds()
				b.StopTimer()
				copied := copySealed(b, db)
				b.ReportMetric(float64(rows)/imported, "lines/s")
				b.ReportMetric(float64(rows)/copied, "copied/s")
				b.ReportMetric(copied/imported, "share")
			}
		})
	}
	b.Run("sqlite", func(b *testing.B) {
		for range b.N {
			db := dbtest.SQLite(b)
			b.ResetTimer()
			load(b, db, 1)
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "lines/s")
		}
	})
}

// copySealed copies the links, in a random order, into an empty table with the same indexes, and returns the seconds.
func copySealed(b *testing.B, db *sqlx.DB) float64 {
	b.Helper()
	var all [][]any
	list, err := db.Queryx(`SELECT id_hash, fa_hash, dfsp_code, kind, status, version, sealed, linked_at, changed_at FROM links ORDER BY linked_at, sealed`)
	if err != nil {
		b.Fatal(err)
	}
	for list.Next() {
		row, err := list.SliceScan()
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, row)
	}
	if _, err := db.Exec(`CREATE TABLE bare (LIKE links INCLUDING ALL)`); err != nil {
		b.Fatal(err)
	}
	conn, err := db.Connx(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	b.ResetTimer()
	b.StartTimer()
	err = conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(b.Context(), pgx.Identifier{"bare"},
			[]string{"id_hash", "fa_hash", "dfsp_code", "kind", "status", "version", "sealed", "linked_at", "changed_at"}, pgx.CopyFromRows(all))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	seconds := b.Elapsed().Seconds()
	b.StopTimer()
	return seconds
}
