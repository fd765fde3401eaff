package mapper

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// KeepLookups is how long people can see who looked up their details, where nothing else is configured.
const KeepLookups = 400 * 24 * time.Hour

// Bounds of one step in the background. Each is one transaction, short enough for others not to wait for it.
const (
	expandMessages = 1000
	expandPeople   = 10000
	purgeRows      = 5000
	purgeSteps     = 20 // in one call of Purge
)

// Lookup is that a partner saw the details of a person's account on a day.
type Lookup struct {
	Partner     string
	PartnerName string    // only from a registry elsewhere, which knows its partners' names
	Day         time.Time // midnight UTC of the day in the registry's own calendar
	Count       int64     // messages
	FirstAt     time.Time
	LastAt      time.Time
}

// packed is the keys of the people whose details an answer shows, one behind the other: what a batch of thousands of
// people costs one short write for, while a row for each of them would cost more than answering. [Service.ExpandLookups]
// makes these rows later.
type packed []byte

// people are the keys, each once: who is asked about twice in a message was looked up once.
func (p packed) people() []key {
	keys := make([]key, 0, len(p)/keySize)
	for each := range slices.Chunk(p, keySize) {
		if len(each) == keySize {
			keys = append(keys, key(each))
		}
	}
	return distinct(keys)
}

// lookupKey is the primary key of a row of look-ups.
type lookupKey struct {
	id      key
	day     int64
	partner string
}

func (k lookupKey) compare(other lookupKey) int {
	return cmp.Or(bytes.Compare(k.id[:], other.id[:]), cmp.Compare(k.day, other.day), cmp.Compare(k.partner, other.partner))
}

type lookupSum struct{ count, first, last int64 }

// message is one whose answer showed people's details.
type message struct {
	Sender   string `db:"sender_id"`
	ID       string `db:"message_id"`
	At       int64  `db:"revealed_at"`
	Revealed []byte `db:"revealed"`
}

// ExpandLookups makes the rows that people see of what was recorded with the messages. Any number of replicas may do so at
// the same time. Between its steps it rests for as long as the last one took: nobody who is paid or asked about waits for
// it, though after a payment run it may be some minutes behind.
func (s *Service) ExpandLookups(ctx context.Context) error {
	for {
		began := time.Now()
		more, err := s.expandSome(ctx)
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Since(began)):
		}
	}
}

// expandSome does so for the oldest messages, each exactly once: a message is claimed by the lock on its row, and marked
// as done by the transaction that writes what it came to.
func (s *Service) expandSome(ctx context.Context) (more bool, err error) {
	err = transact(ctx, s.db, func(tx *sqlx.Tx) error {
		if migrations.Postgres(s.db) {
			// Should the last transactions be lost in a crash, then both halves of them, and it is done again.
			if _, err := tx.ExecContext(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
				return fmt.Errorf("expand look-ups: %w", err)
			}
		}
		messages, err := s.claimMessages(ctx, tx)
		if more = len(messages) > 0; err != nil || !more {
			return err
		}
		if err := s.addLookups(ctx, tx, messages); err != nil {
			return err
		}
		return s.markExpanded(ctx, tx, messages)
	})
	return more && err == nil, err
}

// claimMessages reads the oldest messages that have people to tell, up to a number of people. Those that another replica
// works on are left to it.
func (s *Service) claimMessages(ctx context.Context, tx *sqlx.Tx) (messages []message, _ error) {
	query := `
		SELECT sender_id, message_id, revealed_at, revealed
		FROM seen_messages
		WHERE revealed IS NOT NULL AND (sender_id, message_id) IN (
		    SELECT sender_id, message_id
		    FROM (
		        SELECT sender_id, message_id, size,
		               SUM(size) OVER (ORDER BY revealed_at, sender_id, message_id ROWS UNBOUNDED PRECEDING) AS total
		        FROM (
		            SELECT sender_id, message_id, revealed_at, LENGTH(revealed) AS size
		            FROM seen_messages
		            WHERE revealed IS NOT NULL
		            ORDER BY revealed_at, sender_id, message_id
		            LIMIT ?
		        ) AS oldest
		    ) AS sized
		    WHERE total - size < ?
		)`
	if migrations.Postgres(s.db) {
		query += ` FOR UPDATE SKIP LOCKED`
	}
	if err := tx.SelectContext(ctx, &messages, s.db.Rebind(query), expandMessages, expandPeople*keySize); err != nil {
		return nil, fmt.Errorf("claim look-ups: %w", err)
	}
	return messages, nil
}

// addLookups adds messages to the days of the people they showed, in one statement, in the order of the keys.
func (s *Service) addLookups(ctx context.Context, tx *sqlx.Tx, messages []message) error {
	sums := map[lookupKey]lookupSum{}
	for _, m := range messages {
		day := dayOf(time.UnixMilli(m.At), s.location)
		for _, id := range packed(m.Revealed).people() {
			k := lookupKey{id, day, m.Sender}
			sum, again := sums[k]
			if !again {
				sum.first = m.At
			}
			sums[k] = lookupSum{sum.count + 1, min(sum.first, m.At), max(sum.last, m.At)}
		}
	}
	keys := make([]lookupKey, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, lookupKey.compare)
	n := len(keys)
	ids, partners := make([][]byte, n), make([]string, n)
	days, counts, firsts, lasts := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, k := range keys {
		ids[i], days[i], partners[i] = keys[i].id[:], k.day, k.partner
		counts[i], firsts[i], lasts[i] = sums[k].count, sums[k].first, sums[k].last
	}
	from, args, err := rowset{[]column{
		bytesColumn("id_hash", ids), intColumn("day", days), textColumn("partner", partners), intColumn("count", counts),
		intColumn("first_at", firsts), intColumn("last_at", lasts),
	}}.from(s.db, "r")
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.db.Rebind(`
		INSERT INTO lookups (id_hash, day, partner, count, first_at, last_at)
		SELECT r.id_hash, r.day, r.partner, r.count, r.first_at, r.last_at
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (id_hash, day, partner) DO UPDATE
		SET count = lookups.count + excluded.count,
		    first_at = CASE WHEN excluded.first_at < lookups.first_at THEN excluded.first_at ELSE lookups.first_at END,
		    last_at = CASE WHEN excluded.last_at > lookups.last_at THEN excluded.last_at ELSE lookups.last_at END`), args...)
	if err != nil {
		return fmt.Errorf("add look-ups of %d people: %w", n, err)
	}
	return nil
}

// markExpanded leaves the message ids, which are still needed against replay, without the people.
func (s *Service) markExpanded(ctx context.Context, tx *sqlx.Tx, messages []message) error {
	senders, ids := make([]string, len(messages)), make([]string, len(messages))
	for i, m := range messages {
		senders[i], ids[i] = m.Sender, m.ID
	}
	from, args, err := rowset{[]column{textColumn("sender_id", senders), textColumn("message_id", ids)}}.from(s.db, "r")
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.db.Rebind(`
		UPDATE seen_messages
		SET revealed = NULL
		FROM `+from+`
		WHERE seen_messages.sender_id = r.sender_id AND seen_messages.message_id = r.message_id`), args...)
	if err != nil {
		return fmt.Errorf("mark %d messages: %w", len(messages), err)
	}
	return nil
}

// Lookups returns which partners saw the details of an ID's account on which days, the latest first, at most limit of
// them. It answers the person the ID belongs to: the caller vouches for that.
func (s *Service) Lookups(ctx context.Context, id ID, limit int) ([]Lookup, error) {
	hash, err := s.sealer.hash(idDomain, string(id))
	if err != nil {
		return nil, fmt.Errorf("read look-ups: %w", err)
	}
	var rows []struct {
		Partner string `db:"partner"`
		Day     int64  `db:"day"`
		Count   int64  `db:"count"`
		FirstAt int64  `db:"first_at"`
		LastAt  int64  `db:"last_at"`
	}
	err = s.db.SelectContext(ctx, &rows, s.db.Rebind(`
		SELECT partner, day, count, first_at, last_at
		FROM lookups
		WHERE id_hash = ? AND day >= ?
		ORDER BY day DESC, last_at DESC, partner
		LIMIT ?`), hash[:], s.firstDayKept(), limit)
	if err != nil {
		return nil, fmt.Errorf("read look-ups: %w", err)
	}
	list := make([]Lookup, len(rows))
	for i, row := range rows {
		list[i] = Lookup{
			Partner: row.Partner, Day: dateOf(row.Day), Count: row.Count,
			FirstAt: time.UnixMilli(row.FirstAt).UTC(), LastAt: time.UnixMilli(row.LastAt).UTC(),
		}
	}
	return list, nil
}

// firstDayKept is the oldest day whose look-ups are shown.
func (s *Service) firstDayKept() int64 { return dayOf(s.now().Add(-s.keep), s.location) }

// purgeLookups forgets look-ups in steps, so that no transaction is long. What is left after the last step is for the
// next time; it is not shown any more.
func (s *Service) purgeLookups(ctx context.Context) error {
	first := s.firstDayKept()
	for range purgeSteps {
		result, err := s.db.ExecContext(ctx, s.db.Rebind(`
			DELETE FROM lookups
			WHERE (id_hash, day, partner) IN (
			    SELECT id_hash, day, partner
			    FROM lookups
			    WHERE day < ?
			    ORDER BY day
			    LIMIT ?
			)`), first, purgeRows)
		if err != nil {
			return fmt.Errorf("purge look-ups: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < purgeRows {
			return err
		}
	}
	return nil
}

// dayOf is the day of a moment in a place's calendar, counted from 1970-01-01.
func dayOf(at time.Time, place *time.Location) int64 {
	year, month, day := at.In(place).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

// dateOf is midnight UTC of a day that was counted so.
func dateOf(day int64) time.Time { return time.Unix(day*86400, 0).UTC() }
