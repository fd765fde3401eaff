package mapper

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// burning is a message id that is to be recorded as used, and in the same row whose details the answer shows.
type burning struct {
	partner string
	message string
	expires time.Time
	shown   packed
	at      time.Time

	fresh bool // the outcome: it was not used before
}

// maxBurnings bounds the message ids of one statement: with the largest batches it carries some megabytes.
const maxBurnings = 64

// burn records that the actor's message id is used, or fails with ErrDuplicateMessage, inside the transaction of a change:
// it lasts exactly if the change does, so that a batch that failed may be sent again.
func (s *Service) burn(ctx context.Context, tx *sqlx.Tx, by Actor, at time.Time) error {
	b := &burning{partner: by.Partner, message: by.MessageID, expires: at.Add(s.remember), at: at}
	if err := burnAll(ctx, tx, s.db, []*burning{b}); err != nil {
		return err
	}
	return b.outcome()
}

// burnShown does the same for a resolve, together with those that others answer at the same moment. When it returns, it is on the
// disk.
func (s *Service) burnShown(ctx context.Context, by Actor, shown packed) error {
	at := s.now()
	b := &burning{partner: by.Partner, message: by.MessageID, expires: at.Add(s.remember), shown: shown, at: at}
	if err := s.burnings.do(ctx, b); err != nil {
		return err
	}
	return b.outcome()
}

func (b *burning) outcome() error {
	if !b.fresh {
		return ErrDuplicateMessage
	}
	return nil
}

// burnAll records message ids in one statement. Of equal ones, which only an attack or a mistake sends at the same moment,
// the first counts.
func burnAll(ctx context.Context, q sqlx.ExtContext, db *sqlx.DB, burnings []*burning) error {
	type name struct{ partner, message string }
	first := make(map[name]*burning, len(burnings))
	var partners, messages []string
	var expires, at []int64
	var shown [][]byte
	for _, b := range burnings {
		n := name{b.partner, b.message}
		if first[n] != nil {
			continue
		}
		first[n] = b
		partners, messages = append(partners, b.partner), append(messages, b.message)
		expires, at, shown = append(expires, b.expires.UnixMilli()), append(at, b.at.UnixMilli()), append(shown, b.shown)
	}
	from, args, err := rowset{[]column{
		textColumn("sender_id", partners), textColumn("message_id", messages), intColumn("expires_at", expires),
		bytesColumn("revealed", shown), intColumn("revealed_at", at),
	}}.from(db, "r")
	if err != nil {
		return err
	}
	rows, err := q.QueryxContext(ctx, db.Rebind(`
		INSERT INTO seen_messages (sender_id, message_id, expires_at, revealed, revealed_at)
		SELECT r.sender_id, r.message_id, r.expires_at, CASE WHEN LENGTH(r.revealed) > 0 THEN r.revealed END, r.revealed_at
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (sender_id, message_id) DO NOTHING
		RETURNING sender_id, message_id`), args...)
	if err != nil {
		return fmt.Errorf("record %d message ids: %w", len(partners), err)
	}
	defer rows.Close()
	for rows.Next() {
		var n name
		if err := rows.Scan(&n.partner, &n.message); err != nil {
			return fmt.Errorf("record %d message ids: %w", len(partners), err)
		}
		first[n].fresh = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("record %d message ids: %w", len(partners), err)
	}
	return nil
}
