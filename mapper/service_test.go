package mapper_test

import (
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations"
	"spar/migrations/dbtest"
)

func TestServiceKeepsTheContract(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.Run(t, func(t *testing.T) mapper.Mapper {
			fresh := dbtest.SQLite
			if migrations.Postgres(db) {
				fresh = func(tb testing.TB) *sqlx.DB { return dbtest.PostgreSQL(tb) }
			}
			return mappertest.Service(t, fresh(t))
		})
	})
}
