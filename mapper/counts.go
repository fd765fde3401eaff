package mapper

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// LinkDay is what happened to links on a day.
type LinkDay struct {
	Day      time.Time // midnight UTC of the day in the registry's own calendar
	Linked   int64
	Updated  int64
	Unlinked int64
	Total    int64 // links there were at its end
}

// countChanges adds to the counts what a batch changed, in its transaction. It adds rows and changes none: otherwise all
// batches of a day would wait for each other here.
func countChanges(ctx context.Context, tx *sqlx.Tx, at time.Time, changes []change) error {
	counts := map[Action]int{}
	for _, c := range changes {
		counts[c.action]++
	}
	var args []any
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		args = append(args, changes[0].changeID[:], string(action), at.UnixMilli(), counts[action])
	}
	rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(counts)), ", ")
	_, err := tx.ExecContext(ctx, tx.Rebind(`INSERT INTO link_count_parts (part_id, action, at, changes) VALUES `+rows), args...)
	if err != nil {
		return fmt.Errorf("count %d changes: %w", len(changes), err)
	}
	return nil
}

// A part is summed by the quarter of an hour, for no calendar's day begins within one.
const quarterHour = 15 * 60 * 1000

// countKey is a row of the counts.
type countKey struct {
	day    int64
	action Action
}

// sumCounts adds the parts to their days. Replicas that do so at the same time wait for each other: a part that one of them
// has removed is not there for the other.
func (s *Service) sumCounts(ctx context.Context) error {
	err := transact(ctx, s.db, func(tx *sqlx.Tx) error {
		var parts []struct {
			Action  Action `db:"action"`
			At      int64  `db:"at"`
			Changes int64  `db:"changes"`
		}
		if err := tx.SelectContext(ctx, &parts, `DELETE FROM link_count_parts RETURNING action, at, changes`); err != nil {
			return err
		}
		sums := map[countKey]int64{}
		for _, p := range parts {
			sums[countKey{dayOf(time.UnixMilli(p.At), s.location), p.Action}] += p.Changes
		}
		keys := slices.SortedFunc(maps.Keys(sums), func(a, b countKey) int {
			if a.day != b.day {
				return int(a.day - b.day)
			}
			return strings.Compare(string(a.action), string(b.action))
		})
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, tx.Rebind(`
				INSERT INTO link_counts (day, action, changes)
				VALUES (?, ?, ?)
				ON CONFLICT (day, action) DO UPDATE
				SET changes = link_counts.changes + excluded.changes`), k.day, string(k.action), sums[k]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sum up the counts of changes: %w", err)
	}
	return nil
}

// LinkDays are the last days, today the last of them. They are exact to the last batch, and as cheap with millions of links
// as with none.
func (s *Service) LinkDays(ctx context.Context, days int) ([]LinkDay, error) {
	today := dayOf(s.now(), s.location)
	first := today - int64(days) + 1
	var rows []struct {
		Quarter int64  `db:"quarter"` // 0: of a whole day
		Day     int64  `db:"day"`
		Action  Action `db:"action"`
		Changes int64  `db:"changes"`
	}
	err := s.db.SelectContext(ctx, &rows, s.db.Rebind(`
		SELECT 0 AS quarter, CASE WHEN day < ? THEN 0 ELSE day END AS day, action, CAST(SUM(changes) AS BIGINT) AS changes
		FROM link_counts
		GROUP BY 2, action
		UNION ALL
		SELECT at / ?, 0, action, CAST(SUM(changes) AS BIGINT)
		FROM link_count_parts
		GROUP BY 1, action`), first, quarterHour)
	if err != nil {
		return nil, fmt.Errorf("count links by day: %w", err)
	}
	sums := map[countKey]int64{}
	for _, r := range rows {
		if r.Quarter > 0 {
			r.Day = dayOf(time.UnixMilli(r.Quarter*quarterHour), s.location)
		}
		// Another replica's clock may be ahead of ours.
		r.Day = min(max(r.Day, first-1), today)
		sums[countKey{r.Day, r.Action}] += r.Changes
	}
	list := make([]LinkDay, days)
	total := sums[countKey{first - 1, Link}] - sums[countKey{first - 1, Unlink}]
	for i := range list {
		day := first + int64(i)
		d := LinkDay{Day: dateOf(day), Linked: sums[countKey{day, Link}], Updated: sums[countKey{day, Update}], Unlinked: sums[countKey{day, Unlink}]}
		total += d.Linked - d.Unlinked
		d.Total = total
		list[i] = d
	}
	return list, nil
}
