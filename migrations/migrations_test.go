package migrations_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"

	"spar/migrations"
	"spar/migrations/dbtest"
)

func TestUpAppliesOnceOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		applied, err := migrations.Up(t.Context(), db)
		if err != nil || applied != 0 {
			t.Fatalf("second Up applied %d, error %v; want 0, nil", applied, err)
		}
		pending, err := migrations.Pending(t.Context(), db)
		if err != nil || pending {
			t.Fatalf("Pending = %v, %v; want false, nil", pending, err)
		}
		list, err := migrations.List(t.Context(), db)
		if err != nil || len(list) == 0 {
			t.Fatalf("List = %v, %v", list, err)
		}
		for _, m := range list {
			if m.AppliedAt.IsZero() {
				t.Errorf("migration %s is listed as pending", m.File)
			}
		}
	})
}

func TestUniqueViolationsAreRecognised(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		insert := db.Rebind(`INSERT INTO seen_messages (sender_id, message_id, expires_at) VALUES (?, ?, ?)`)
		if _, err := db.Exec(insert, "A", "1", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(insert, "A", "1", 2); !migrations.IsDuplicate(err) {
			t.Errorf("IsDuplicate(%v) = false", err)
		}
	})
}

func TestOpenRefusesOtherDatabasesWithoutRepeatingTheURL(t *testing.T) {
	for _, u := range []string{"", "mysql://root:hunter2@h/db", "sqlite://", "postgres://u:hunter2@[bad", "postgres://u:hunter2@127.0.0.1:1/db"} {
		db, err := migrations.Open(t.Context(), u)
		if err == nil {
			db.Close()
			t.Errorf("Open(%q) succeeded", u)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q): the error repeats the password: %v", u, err)
		}
	}
}

func TestBusyDatabases(t *testing.T) {
	_, refused := migrations.Open(t.Context(), "postgres://u@127.0.0.1:1/db")
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"connection refused": {refused, true},
		"shutting down":      {fmt.Errorf("x: %w", &pgconn.PgError{Code: "57P01"}), true},
		"lock timeout":       {&pgconn.PgError{Code: "55P03"}, true},
		"too many clients":   {&pgconn.PgError{Code: "53300"}, true},
		"deadlock":           {&pgconn.PgError{Code: "40P01"}, true},
		"syntax error":       {&pgconn.PgError{Code: "42601"}, false},
		"anything else":      {errors.New("x"), false},
	} {
		if got := migrations.IsBusy(test.err); got != test.want {
			t.Errorf("%s: IsBusy(%v) = %v, want %v", name, test.err, got, test.want)
		}
	}
}
