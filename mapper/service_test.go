package mapper_test

import (
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations"
	"spar/migrations/dbtest"
)

func TestServiceKeepsTheContract(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.Run(t, func(t *testing.T) mappertest.Registry {
			fresh := dbtest.SQLite
			if migrations.Postgres(db) {
				fresh = func(tb testing.TB) *sqlx.DB { return dbtest.PostgreSQL(tb) }
			}
			return mappertest.Service(t, fresh(t))
		})
	})
}

// A message that could not be answered is not used up: its sender is told to send it again.
func TestAFailedMessageMayBeSentAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		m := mappertest.Service(t, db)
		by := mapper.Actor{Partner: "PARTNER-A", MessageID: "m1", TransactionID: "t1"}
		items := []mapper.Item{mappertest.Item("r1", "token:1@nationalid", "account:1@001.ALPHA.bank_acc")}
		for name, call := range map[string]func() error{
			"link":    func() error { _, err := m.Link(t.Context(), by, items); return err },
			"resolve": func() error { _, err := m.Resolve(t.Context(), by, items); return err },
		} {
			by.MessageID = name
			db.MustExec(`ALTER TABLE links RENAME TO links_away`)
			if call() == nil {
				t.Errorf("%s succeeded without a table", name)
			}
			db.MustExec(`ALTER TABLE links_away RENAME TO links`)
			if err := call(); err != nil {
				t.Errorf("%s, sent again: %v", name, err)
			}
			if err := call(); !errors.Is(err, mapper.ErrDuplicateMessage) {
				t.Errorf("%s, replayed: %v, want ErrDuplicateMessage", name, err)
			}
		}
	})
}
