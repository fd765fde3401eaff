// Package dbtest gives tests a fresh, migrated database: a SQLite file, and a schema of a real PostgreSQL.
package dbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// PostgresVariable names the environment variable with the URL of a PostgreSQL database to test on.
const PostgresVariable = "TEST_POSTGRES_URL"

// RequireVariable, when set, makes leaving out PostgreSQL a failure: `make test` sets it.
const RequireVariable = "TEST_REQUIRE_ALL"

// Each runs a test on SQLite and on PostgreSQL. `make test` starts PostgreSQL and sets the variable; a plain `go test`
// without it runs on SQLite alone, and says so.
func Each(t *testing.T, test func(t *testing.T, db *sqlx.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	if HasPostgreSQL(t) {
		t.Run("postgres", func(t *testing.T) { test(t, PostgreSQL(t)) })
	}
}

// HasPostgreSQL reports whether there is a PostgreSQL to test on, says so if not, and fails if there has to be one.
func HasPostgreSQL(tb testing.TB) bool {
	tb.Helper()
	if os.Getenv(PostgresVariable) != "" {
		return true
	}
	if os.Getenv(RequireVariable) != "" {
		tb.Fatalf("%s is not set, but %s is", PostgresVariable, RequireVariable)
	}
	tb.Logf("%s is not set: not run on PostgreSQL", PostgresVariable)
	return false
}

// SQLite opens a migrated database in a temporary file.
func SQLite(tb testing.TB) *sqlx.DB {
	tb.Helper()
	return open(tb, SQLiteURL(tb))
}

// SQLiteURL names a database file that does not exist yet.
func SQLiteURL(tb testing.TB) string {
	tb.Helper()
	return "sqlite://" + filepath.Join(tb.TempDir(), "spar.db")
}

// PostgreSQL opens a migrated database in a schema of its own.
func PostgreSQL(tb testing.TB) *sqlx.DB {
	tb.Helper()
	return open(tb, PostgreSQLURL(tb))
}

// PostgreSQLURL names an empty schema of the test database, dropped when the test ends.
func PostgreSQLURL(tb testing.TB) string {
	tb.Helper()
	base := os.Getenv(PostgresVariable)
	if base == "" {
		tb.Fatalf("%s is not set", PostgresVariable)
	}
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatalf("%s is not a URL", PostgresVariable)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	admin, err := migrations.Open(tb.Context(), base)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := admin.ExecContext(tb.Context(), "CREATE SCHEMA "+schema); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The test's own context has ended by now.
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			tb.Error(err)
		}
		admin.Close()
	})
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func open(tb testing.TB, databaseURL string) *sqlx.DB {
	tb.Helper()
	db, err := migrations.Open(tb.Context(), databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	if _, err := migrations.Up(tb.Context(), db); err != nil {
		tb.Fatal(err)
	}
	return db
}
