package mapper

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// PostgreSQL takes rows by COPY about twice as fast as by the INSERT of a batch. It knows no ON CONFLICT: an ID that was
// linked since the rows were made fails the transaction, which is then tried again.

// storeLinks adds the links that the changes made.
func storeLinks(ctx context.Context, conn *sqlx.Conn, tx *sqlx.Tx, db *sqlx.DB, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	if !migrations.Postgres(db) {
		_, err := insertLinks(ctx, tx, db, rowsOf(changes))
		return err
	}
	// In the order of their keys, so that imports side by side wait for each other instead of deadlocking.
	sorted := slices.Clone(changes)
	slices.SortFunc(sorted, func(a, b change) int { return compareKeys(a.row.id, b.row.id) })
	columns := []string{"id_hash", "fa_hash", "dfsp_code", "kind", "status", "version", "sealed", "linked_at", "changed_at"}
	ids := make([][]byte, len(sorted))
	err := copyRows(ctx, conn, "links", columns, len(sorted), func(i int) []any {
		r := &sorted[i].row
		status := statusInactive
		if r.active {
			status = statusActive
		}
		ids[i] = r.id[:]
		return []any{r.id[:], r.fa[:], r.dfsp, string(r.kind), status, r.version, r.sealed, r.linkedAt, r.changedAt}
	})
	if err != nil {
		return err
	}
	return stopReported(ctx, tx, db, ids)
}

// storeHistory adds the changes to the history.
func storeHistory(ctx context.Context, conn *sqlx.Conn, tx *sqlx.Tx, db *sqlx.DB, by Actor, at time.Time, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	if !migrations.Postgres(db) {
		return insertHistory(ctx, tx, db, by, at, changes)
	}
	columns := []string{"change_id", "id_hash", "action", "version", "changed_at", "partner", "by_beneficiary", "message_id",
		"transaction_id", "reference_id", "dfsp_code", "kind", "sealed", "asked_at", "due_at"}
	err := copyRows(ctx, conn, "link_history", columns, len(changes), func(i int) []any {
		c := &changes[i]
		return []any{c.changeID[:], c.row.id[:], string(c.action), c.row.version, at.UnixMilli(), by.Partner, by.ByBeneficiary, by.MessageID,
			by.TransactionID, c.referenceID, c.row.dfsp, string(c.row.kind), c.row.sealed, c.askedAt, c.dueAt}
	})
	if err != nil {
		return err
	}
	return countChanges(ctx, tx, at, changes)
}

// copyRows sends rows within the transaction that is open on the connection.
func copyRows(ctx context.Context, conn *sqlx.Conn, table string, columns []string, n int, row func(i int) []any) error {
	err := conn.Raw(func(driver any) error {
		pg, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("no PostgreSQL connection but %T", driver)
		}
		_, err := pg.Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i), nil }))
		return err
	})
	if err != nil {
		return fmt.Errorf("copy %d rows to %s: %w", n, table, err)
	}
	return nil
}
