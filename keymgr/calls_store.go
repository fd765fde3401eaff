package keymgr

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// store adds to the tables in one transaction. A sender that is no partner is counted as [UnknownPartner]: signatures
// are refused before anything is known about who sent them, and rows for names somebody made up would fill the table.
func (c *Calls) store(ctx context.Context, counters map[callKey]counter, refusals []refusedCall) error {
	tx, err := c.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	partners, err := c.partners(ctx, tx)
	if err != nil {
		return err
	}
	owner := func(partner string) string {
		if partners[partner] {
			return partner
		}
		return UnknownPartner
	}
	sums := &Calls{counters: map[callKey]counter{}}
	for key, sum := range counters {
		key.partner = owner(key.partner)
		sums.add(key, sum)
	}
	if err := c.storeCounters(ctx, tx, sums.counters); err != nil {
		return err
	}
	lists := map[string][]refusedCall{}
	for _, r := range refusals {
		r.Partner = owner(r.Partner)
		lists[r.Partner] = append(lists[r.Partner], r)
	}
	for partner, list := range lists {
		if err := c.storeRefusals(ctx, tx, partner, list); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (c *Calls) partners(ctx context.Context, tx *sqlx.Tx) (map[string]bool, error) {
	var list []string
	if err := tx.SelectContext(ctx, &list, tx.Rebind(`
		SELECT reference_id
		FROM partners
		WHERE application = ?`), c.application); err != nil {
		return nil, fmt.Errorf("list partners: %w", err)
	}
	known := make(map[string]bool, len(list))
	for _, reference := range list {
		known[reference] = true
	}
	return known, nil
}

// storeCounters adds to what is there, which other replicas have added to as well. The order is fixed, so that two of
// them that add to the same rows do not wait for each other in a circle.
func (c *Calls) storeCounters(ctx context.Context, tx *sqlx.Tx, counters map[callKey]counter) error {
	keys := make([]callKey, 0, len(counters))
	for key := range counters {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, callKey.compare)
	for _, key := range keys {
		if _, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO partner_calls (application, reference_id, hour, action, outcome, count, last_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (application, reference_id, hour, action, outcome) DO UPDATE
			SET count = partner_calls.count + excluded.count,
			    last_at = CASE WHEN excluded.last_at > partner_calls.last_at THEN excluded.last_at ELSE partner_calls.last_at END`),
			c.application, key.partner, key.hour, key.action, key.outcome, counters[key].count, counters[key].lastAt); err != nil {
			return fmt.Errorf("count calls: %w", err)
		}
	}
	return nil
}

func (k callKey) compare(other callKey) int {
	if k.hour != other.hour {
		return int(k.hour/time.Hour.Milliseconds() - other.hour/time.Hour.Milliseconds())
	}
	return slices.Compare([]string{k.partner, k.action, k.outcome}, []string{other.partner, other.action, other.outcome})
}

// storeRefusals adds a partner's refusals and forgets all but its last.
func (c *Calls) storeRefusals(ctx context.Context, tx *sqlx.Tx, partner string, list []refusedCall) error {
	list = list[max(0, len(list)-refusalsKept):]
	query := `
		INSERT INTO partner_refusals (id, application, reference_id, at, action, outcome, detail, request_id)
		VALUES ` + strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?), ", len(list)), ", ")
	args := make([]any, 0, 8*len(list))
	for _, r := range list {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		args = append(args, id.String(), c.application, partner, r.at.UnixMilli(), r.Action, r.Outcome, r.Detail, r.RequestID)
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(query), args...); err != nil {
		return fmt.Errorf("keep refused calls: %w", err)
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(`
		DELETE FROM partner_refusals
		WHERE application = ? AND reference_id = ? AND id NOT IN (
			SELECT id
			FROM partner_refusals
			WHERE application = ? AND reference_id = ?
			ORDER BY at DESC, id DESC
			LIMIT ?)`), c.application, partner, c.application, partner, refusalsKept); err != nil {
		return fmt.Errorf("forget refused calls: %w", err)
	}
	return nil
}

// CallCount is how often a partner's calls of an action came to an outcome.
type CallCount struct {
	Partner string
	Action  string
	Outcome string
	Count   int64
	LastAt  time.Time
}

// Counts sums the calls since a time, to the hour, by partner, action and outcome.
func (c *Calls) Counts(ctx context.Context, since time.Time) ([]CallCount, error) {
	return c.counts(ctx, since, "", nil)
}

// CountsOf is [Calls.Counts] of one partner.
func (c *Calls) CountsOf(ctx context.Context, partner string, since time.Time) ([]CallCount, error) {
	return c.counts(ctx, since, " AND reference_id = ?", []any{partner})
}

func (c *Calls) counts(ctx context.Context, since time.Time, more string, args []any) ([]CallCount, error) {
	var rows []struct {
		Partner string `db:"reference_id"`
		Action  string `db:"action"`
		Outcome string `db:"outcome"`
		Count   int64  `db:"calls"`
		LastAt  int64  `db:"latest"`
	}
	query := `
		SELECT reference_id, action, outcome, CAST(SUM(count) AS BIGINT) AS calls, MAX(last_at) AS latest
		FROM partner_calls
		WHERE application = ? AND hour >= ?` + more + `
		GROUP BY reference_id, action, outcome
		ORDER BY reference_id, action, outcome`
	args = append([]any{c.application, since.Truncate(time.Hour).UnixMilli()}, args...)
	if err := c.db.SelectContext(ctx, &rows, c.db.Rebind(query), args...); err != nil {
		return nil, fmt.Errorf("sum partners' calls: %w", err)
	}
	counts := make([]CallCount, len(rows))
	for i, row := range rows {
		counts[i] = CallCount{row.Partner, row.Action, row.Outcome, row.Count, time.UnixMilli(row.LastAt).UTC()}
	}
	return counts, nil
}

// RefusedCall is a call that was refused.
type RefusedCall struct {
	Call
	At time.Time
}

// Refusals lists a partner's last refused calls, the newest first.
func (c *Calls) Refusals(ctx context.Context, partner string, limit int) ([]RefusedCall, error) {
	var rows []struct {
		At        int64  `db:"at"`
		Action    string `db:"action"`
		Outcome   string `db:"outcome"`
		Detail    string `db:"detail"`
		RequestID string `db:"request_id"`
	}
	if err := c.db.SelectContext(ctx, &rows, c.db.Rebind(`
		SELECT at, action, outcome, detail, request_id
		FROM partner_refusals
		WHERE application = ? AND reference_id = ?
		ORDER BY at DESC, id DESC
		LIMIT ?`), c.application, partner, limit); err != nil {
		return nil, fmt.Errorf("list refused calls: %w", err)
	}
	list := make([]RefusedCall, len(rows))
	for i, row := range rows {
		list[i] = RefusedCall{
			Call: Call{Partner: partner, Action: row.Action, Outcome: row.Outcome, Refused: true, Detail: row.Detail, RequestID: row.RequestID},
			At:   time.UnixMilli(row.At).UTC(),
		}
	}
	return list, nil
}

// Purge forgets what is older than 30 days.
func (c *Calls) Purge(ctx context.Context) error {
	before := c.now().Add(-callsKept).UnixMilli()
	for _, statement := range []string{`DELETE FROM partner_calls WHERE hour < ?`, `DELETE FROM partner_refusals WHERE at < ?`} {
		if _, err := c.db.ExecContext(ctx, c.db.Rebind(statement), before); err != nil {
			return fmt.Errorf("purge partners' calls: %w", err)
		}
	}
	return nil
}
