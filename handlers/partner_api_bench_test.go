package handlers_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

const (
	benchCallers = 8
	benchBatch   = 1000
)

// BenchmarkResolve8x1000 compares signed calls of 1000 IDs by eight callers, everything included, with the bare look-up
// of as many rows by their keys over the same connections. BENCH_ROWS sets the size of the registry. Compare the
// ids/s of one run only; the callers share the machine with the server.
func BenchmarkResolve8x1000(b *testing.B) {
	rows := 50000
	if text := os.Getenv("BENCH_ROWS"); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	if os.Getenv(dbtest.PostgresVariable) != "" {
		b.Run("postgres", func(b *testing.B) {
			db := dbtest.PostgreSQL(b)
			api := newBenchAPI(b, db, rows)
			b.Run("bare", func(b *testing.B) { benchBare(b, db) })
			b.Run("signed", func(b *testing.B) { benchSigned(b, api, rows, benchCallers, benchBatch) })
		})
	}
	b.Run("sqlite", func(b *testing.B) {
		benchSigned(b, newBenchAPI(b, dbtest.SQLite(b), rows), rows, benchCallers, benchBatch)
	})
}

// BenchmarkResolve64x1 is many callers that ask about one ID each.
func BenchmarkResolve64x1(b *testing.B) {
	const rows, callers = 20000, 64
	if os.Getenv(dbtest.PostgresVariable) != "" {
		b.Run("postgres", func(b *testing.B) { benchSigned(b, newBenchAPI(b, dbtest.PostgreSQL(b), rows), rows, callers, 1) })
	}
	b.Run("sqlite", func(b *testing.B) { benchSigned(b, newBenchAPI(b, dbtest.SQLite(b), rows), rows, callers, 1) })
}

func benchItem(n int) string { return fmt.Sprintf("token:%010d@nationalid", n) }

func newBenchAPI(b *testing.B, db *sqlx.DB, rows int) *httptest.Server {
	b.Helper()
	gin.SetMode(gin.ReleaseMode)
	service := mappertest.Service(b, db)
	for from := 0; from < rows; from += 5000 {
		items := make([]mapper.Item, min(5000, rows-from))
		for i := range items {
			items[i] = mappertest.Item(fmt.Sprint(i), benchItem(from+i), fmt.Sprintf("account:%010d@%03d.ALPHA.bank_acc", from+i, i%1000))
			items[i].Name, items[i].Phone = mapper.String("Amara Okafor Lindqvist"), mapper.String("+12025550123")
		}
		if _, err := service.Link(b.Context(), mappertest.By("LOADER"), items); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.Exec(`ANALYZE`); err != nil {
		b.Fatal(err)
	}
	register := keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(b, db), time.Now)
	if _, err := register.Get(b.Context(), "PAYER"); err != nil {
		if _, err := register.Add(b.Context(), audittest.By, keymgr.Partner{ReferenceID: "PAYER", Name: "Payer", Status: keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Details}}, keytest.RSA(b, 9).Certificate(b)); err != nil {
			b.Fatal(err)
		}
	}
	ownKeys, _, err := keymgr.OpenOwnKeys(b.TempDir(), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	engine := gin.New()
	(&handlers.PartnerAPI{
		Mapper: service, Signer: ownKeys, Quotas: testQuotas(b, db), Verifier: keymgr.NewLocal(register), Metrics: handlers.NewMetrics("bench", db.DB),
		Log: slog.New(slog.DiscardHandler), SenderID: "openg2p-spar-mapper", MessageWindow: time.Hour, MaxBatch: 10000, Now: time.Now,
	}).Routes(engine)
	server := httptest.NewServer(engine)
	b.Cleanup(server.Close)
	return server
}

// inParallel shares n calls among the callers and reports ids per second.
func inParallel(b *testing.B, parallel, batch int, call func(i int) error) {
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ResetTimer()
	for range parallel {
		callers.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := call(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "ids/s")
}

func benchBare(b *testing.B, db *sqlx.DB) {
	var keys [][]byte
	if err := db.Select(&keys, `SELECT id_hash FROM links`); err != nil {
		b.Fatal(err)
	}
	batches := make([][][]byte, 64)
	for i := range batches {
		for range benchBatch {
			batches[i] = append(batches[i], keys[rand.IntN(len(keys))])
		}
	}
	inParallel(b, benchCallers, benchBatch, func(i int) error {
		rows, err := db.Query(`SELECT id_hash, sealed FROM links WHERE id_hash = ANY($1)`, batches[i%len(batches)])
		if err != nil {
			return err
		}
		defer rows.Close()
		var id, sealed []byte
		for rows.Next() {
			if err := rows.Scan(&id, &sealed); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func benchSigned(b *testing.B, server *httptest.Server, rows, callers, batch int) {
	key := keytest.RSA(b, 9)
	bodies, signatures := make([][]byte, b.N), make([]string, b.N)
	for i := range bodies {
		items := make([]string, batch)
		for j := range items {
			items[j] = fmt.Sprintf(`{"id":"%s","scope":"details"}`, benchItem(rand.IntN(rows)))
		}
		bodies[i] = message("resolve", "PAYER", items...)
		signatures[i] = key.Detached(b, bodies[i])
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, DisableCompression: true}}
	defer client.CloseIdleConnections()
	inParallel(b, callers, batch, func(i int) error {
		request, err := http.NewRequest(http.MethodPost, server.URL+"/mapper/sync/resolve", bytes.NewReader(bodies[i]))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Signature", signatures[i])
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if i == 0 {
			text, err := io.ReadAll(answer.Body)
			if n := strings.Count(string(text), `"succ.id.active"`); err != nil || n != batch {
				return fmt.Errorf("answered %d with %d active IDs, %v", answer.StatusCode, n, err)
			}
			return nil
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %d", answer.StatusCode)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	})
}
