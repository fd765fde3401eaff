// Package migrations owns the schema and opens the database. The SQL files are numbered, append-only, and written in the
// SQL that SQLite and PostgreSQL share, but for marked statements; no other package creates tables or knows which engine is behind a *sqlx.DB
// beyond asking [Postgres].
package migrations

import (
	"context"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
)

//go:embed *.sql
var files embed.FS

const (
	postgresDriver = "pgx"
	sqliteDriver   = "sqlite"
)

func init() { sqlx.BindDriver(sqliteDriver, sqlx.QUESTION) }

// Open connects to the database named by a URL: sqlite:///absolute/path, sqlite://relative/path or postgres://….
// It does not change the schema; see [Up].
func Open(ctx context.Context, databaseURL string) (*sqlx.DB, error) {
	driver, dsn, err := dataSource(databaseURL)
	if err != nil {
		return nil, err
	}
	db, err := sqlx.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s database: %w", driver, redacted(err, databaseURL))
	}
	// A few busy connections beat many idle ones: beyond the database's cores they only queue there instead of here.
	db.SetMaxOpenConns(max(4, 2*runtime.NumCPU()))
	db.SetMaxIdleConns(max(4, 2*runtime.NumCPU()))
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect to %s database: %w", driver, redacted(err, databaseURL))
	}
	return db, nil
}

// dataSource turns the configured URL into a driver and what that driver expects.
func dataSource(databaseURL string) (driver, dsn string, err error) {
	if path, ok := strings.CutPrefix(databaseURL, "sqlite://"); ok {
		if path == "" {
			return "", "", errors.New("database url: sqlite:// needs a file path")
		}
		q := url.Values{"_txlock": {"immediate"}, "_pragma": {
			"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(FULL)", "cache_size(-65536)",
		}}
		return sqliteDriver, "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode(), nil
	}
	if strings.HasPrefix(databaseURL, "postgres://") || strings.HasPrefix(databaseURL, "postgresql://") {
		u, err := url.Parse(databaseURL)
		if err != nil {
			// url.Parse repeats the URL, and with it the password, in its error.
			return "", "", errors.New("database url: not a valid postgres:// URL")
		}
		q := u.Query()
		for name, value := range map[string]string{
			"timezone": "UTC", "jit": "off", "statement_timeout": "15000", "lock_timeout": "10000",
			"idle_in_transaction_session_timeout": "30000", "connect_timeout": "5",
		} {
			if !q.Has(name) {
				q.Set(name, value)
			}
		}
		u.RawQuery = q.Encode()
		return postgresDriver, u.String(), nil
	}
	return "", "", errors.New("database url: must begin with sqlite:// or postgres://")
}

// redacted keeps the password of a database URL out of an error that repeats the URL.
func redacted(err error, databaseURL string) error {
	u, parseErr := url.Parse(databaseURL)
	if parseErr != nil || u.User == nil {
		return err
	}
	password, ok := u.User.Password()
	if !ok || password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "xxxxx"))
}

// Postgres reports whether db is PostgreSQL; otherwise it is SQLite.
func Postgres(db *sqlx.DB) bool { return db.DriverName() == postgresDriver }

// IsDuplicate reports whether err is a violated unique constraint or primary key.
func IsDuplicate(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code() == 2067 || lite.Code() == 1555)
}

// IsRetryable reports whether the transaction behind err can simply be run again: a deadlock or serialization failure
// that PostgreSQL resolved against it, or SQLite's write lock held too long.
func IsRetryable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && lite.Code()&0xff == 5
}

// IsBusy reports whether the database could not answer now but may soon: it is starting, stopping, out of connections, cut
// off, or made the statement wait too long. Nothing was done.
func IsBusy(err error) bool {
	if IsRetryable(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Classes 08 connection, 53 resources, 57 operator intervention; 55P03 lock not available.
		return slices.Contains([]string{"08", "53", "57"}, pg.Code[:min(2, len(pg.Code))]) || pg.Code == "55P03"
	}
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return connect || network
}

func provider(db *sqlx.DB) (*goose.Provider, error) {
	if !Postgres(db) {
		// SQLite's immediate transactions let one process at a time apply a version.
		return goose.NewProvider(goose.DialectSQLite3, db.DB, engineFiles{files, "sqlite"})
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db.DB, engineFiles{files, "postgres"}, goose.WithSessionLocker(locker))
}

// Up applies the migrations that are missing, under a lock, and returns how many it applied.
func Up(ctx context.Context, db *sqlx.DB) (int, error) {
	p, err := provider(db)
	if err != nil {
		return 0, fmt.Errorf("prepare migrations: %w", err)
	}
	applied, err := p.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("apply migrations: %w", err)
	}
	return len(applied), nil
}

// Status is one migration and when it was applied; a zero time means it is pending.
type Status struct {
	Version   int64
	File      string
	AppliedAt time.Time
}

// List returns every migration in order.
func List(ctx context.Context, db *sqlx.DB) ([]Status, error) {
	p, err := provider(db)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	found, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("read migration status: %w", err)
	}
	list := make([]Status, 0, len(found))
	for _, m := range found {
		list = append(list, Status{Version: m.Source.Version, File: m.Source.Path, AppliedAt: m.AppliedAt})
	}
	return list, nil
}

// Pending reports whether the schema is older than this program.
func Pending(ctx context.Context, db *sqlx.DB) (bool, error) {
	p, err := provider(db)
	if err != nil {
		return false, fmt.Errorf("prepare migrations: %w", err)
	}
	return p.HasPending(ctx)
}
