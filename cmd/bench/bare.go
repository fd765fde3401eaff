package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"spar/internal/keyring"
	"spar/migrations"
)

// bareLookup reads the rows of people by their keys with nothing around it: what PostgreSQL and its driver alone can do.
type bareLookup struct {
	pool       *pgxpool.Pool
	hash       func(n int) ([]byte, error)
	postmaster int // process id
}

func newBareLookup(ctx context.Context, databaseURL, keysDir string) (*bareLookup, error) {
	db, err := migrations.Open(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ring, err := keyring.Open(ctx, db, keysDir, time.Now())
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, `VACUUM ANALYZE links`); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(max(4, 2*runtime.NumCPU())) // as many as the server
	b := &bareLookup{hash: func(n int) ([]byte, error) {
		// As the registry hashes IDs; were it another way, nothing would be found, which run notices.
		return ring.Lookup.ComputePrimaryPRF([]byte("id\x00"+strings.ToLower(personID(n))), 16)
	}}
	if b.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	var backend int
	if err := b.pool.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return nil, err
	}
	fields, err := statFields(backend)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL must run on this machine: %w", err)
	}
	_, err = fmt.Sscan(fields[1], &b.postmaster)
	return b, err
}

func (b *bareLookup) close() { b.pool.Close() }

// run looks up the same people in the same batches with as many callers.
func (b *bareLookup) run(ctx context.Context, callers int, people [][]int) (time.Duration, error) {
	keys := make([][][]byte, len(people))
	for i, batch := range people {
		keys[i] = make([][]byte, len(batch))
		for j, n := range batch {
			var err error
			if keys[i][j], err = b.hash(n); err != nil {
				return 0, err
			}
		}
	}
	return closedLoop(callers, len(keys), func(i int) error {
		rows, err := b.pool.Query(ctx, `SELECT id_hash, sealed FROM links WHERE id_hash = ANY($1)`, keys[i])
		if err != nil {
			return err
		}
		defer rows.Close()
		var id, sealed []byte
		found := 0
		for rows.Next() {
			if err := rows.Scan(&id, &sealed); err != nil {
				return err
			}
			found++
		}
		if rows.Err() == nil && found == 0 {
			return fmt.Errorf("no row was found")
		}
		return rows.Err()
	})
}

// copyRows copies so many sealed rows of the registry into an empty table with the same indexes, and returns rows per second.
func (b *bareLookup) copyRows(ctx context.Context, n int) (float64, error) {
	columns := []string{"id_hash", "fa_hash", "dfsp_code", "kind", "status", "version", "sealed", "linked_at", "changed_at"}
	rows, err := b.pool.Query(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM links ORDER BY sealed LIMIT $1`, n)
	if err != nil {
		return 0, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		return 0, err
	}
	if _, err := b.pool.Exec(ctx, `DROP TABLE IF EXISTS bare_links; CREATE TABLE bare_links (LIKE links INCLUDING ALL)`); err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := b.pool.CopyFrom(ctx, pgx.Identifier{"bare_links"}, columns, pgx.CopyFromRows(all)); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	_, err = b.pool.Exec(ctx, `DROP TABLE bare_links`)
	return float64(len(all)) / took.Seconds(), err
}
