package audit_test

import (
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/migrations/dbtest"
)

func TestTheDatabaseRefusesToForget(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		l := audittest.New(t, db)
		if err := l.Record(t.Context(), audit.Event{Actor: audittest.By, Action: audit.Logout}); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`UPDATE audit_events SET action = 'login' WHERE seq = 2`,
			`DELETE FROM audit_events WHERE seq = 2`,
			`DELETE FROM audit_head`,
			`UPDATE audit_head SET seq = 1`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("done: %s", statement)
			}
		}
	})
}
