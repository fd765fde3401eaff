package keymgr

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// Pending returns the changes that wait for another person, the oldest first: of one partner, or all if reference is
// empty.
func (r *Register) Pending(ctx context.Context, reference string) ([]Prepared, error) {
	var rows []preparedRow
	if err := r.db.SelectContext(ctx, &rows, r.db.Rebind(`
		SELECT id, reference_id, action, content, partner_state, prepared_by_kind, prepared_by, prepared_at
		FROM prepared_changes
		WHERE application = ? AND outcome = 'pending' AND (reference_id = ? OR ? = '')
		ORDER BY prepared_at, id`), r.application, reference, reference); err != nil {
		return nil, fmt.Errorf("read prepared changes: %w", err)
	}
	list := make([]Prepared, len(rows))
	for i, row := range rows {
		change, err := row.change()
		if err != nil {
			return nil, err
		}
		list[i] = change
	}
	return list, nil
}

type preparedRow struct {
	ID             string     `db:"id"`
	ReferenceID    string     `db:"reference_id"`
	Action         ChangeKind `db:"action"`
	Content        []byte     `db:"content"`
	PartnerState   string     `db:"partner_state"`
	PreparedByKind string     `db:"prepared_by_kind"`
	PreparedBy     string     `db:"prepared_by"`
	PreparedAt     int64      `db:"prepared_at"`
}

func (row preparedRow) change() (Prepared, error) {
	p := Prepared{
		ID: row.ID, PreparedBy: audit.Actor{Kind: row.PreparedByKind, ID: row.PreparedBy}, PreparedAt: time.UnixMilli(row.PreparedAt).UTC(),
		state: row.PartnerState,
	}
	if err := json.Unmarshal(row.Content, &p.Change); err != nil {
		return Prepared{}, fmt.Errorf("decode prepared change: %w", err)
	}
	p.Reference, p.Kind = row.ReferenceID, row.Action
	return p, nil
}

// preparedFor returns the partner that a change, pending or decided, was prepared for.
func (r *Register) preparedFor(ctx context.Context, tx *sqlx.Tx, id string) (string, error) {
	var reference string
	err := tx.GetContext(ctx, &reference, tx.Rebind(`
		SELECT reference_id
		FROM prepared_changes
		WHERE id = ? AND application = ?`), id, r.application)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("find prepared change: %w", err)
	}
	return reference, nil
}

// decide ends a pending change. The update is what keeps two persons from deciding it at once.
func (r *Register) decide(ctx context.Context, tx *sqlx.Tx, by audit.Actor, id, outcome string) (Prepared, error) {
	var row preparedRow
	err := tx.GetContext(ctx, &row, tx.Rebind(`
		UPDATE prepared_changes
		SET outcome = ?, decided_by_kind = ?, decided_by = ?, decided_at = ?
		WHERE id = ? AND application = ? AND outcome = 'pending'
		RETURNING id, reference_id, action, content, partner_state, prepared_by_kind, prepared_by, prepared_at`),
		outcome, by.Kind, by.ID, r.now().UnixMilli(), id, r.application)
	if errors.Is(err, sql.ErrNoRows) {
		return Prepared{}, ErrDecided
	}
	if err != nil {
		return Prepared{}, fmt.Errorf("decide prepared change: %w", err)
	}
	return row.change()
}
