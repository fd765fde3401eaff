package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// purgeGrace keeps a dead row a while longer than it could be used. It must exceed the longest request: a row that ends
// a session has to be there still when a slow request of that session finishes and tries to save it.
const purgeGrace = time.Hour

// store keeps sessions and login attempts in the table sessions: found by a hash of a token that only the browser has,
// sealed with that hash as associated data, so that rows can be neither read nor exchanged for one another.
// It is scs's CtxStore.
type store struct {
	db     *sqlx.DB
	seal   tink.AEAD
	lookup *prf.Set
	idle   time.Duration
	now    func() time.Time
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// FindCtx returns a live session's data. What does not open counts as absent: its owner can only log in again.
func (s *store) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	const query = `
		SELECT sealed, expires_at
		  FROM sessions
		 WHERE token_hash = ? AND NOT revoked AND expires_at > ?`
	hash := hashToken(token)
	var row struct {
		Sealed    []byte `db:"sealed"`
		ExpiresAt int64  `db:"expires_at"`
	}
	err := s.db.GetContext(ctx, &row, s.db.Rebind(query), hash, s.now().UnixMilli())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	data, err := s.seal.Decrypt(row.Sealed, hash)
	if err != nil {
		return nil, false, nil
	}
	if st := stateOf(ctx); st != nil {
		st.expiresAt = time.UnixMilli(row.ExpiresAt)
	}
	return data, true, nil
}

// CommitCtx saves a session until its absolute end or its idle time, whichever is sooner. A session that was ended
// meanwhile stays ended.
func (s *store) CommitCtx(ctx context.Context, token string, data []byte, end time.Time) error {
	const query = `
		INSERT INTO sessions (token_hash, sealed, expires_at, revoked, subject_hash, sid_hash)
		VALUES (?, ?, ?, FALSE, ?, ?)
		    ON CONFLICT (token_hash) DO UPDATE
		   SET sealed = excluded.sealed, expires_at = excluded.expires_at,
		       subject_hash = excluded.subject_hash, sid_hash = excluded.sid_hash
		 WHERE NOT sessions.revoked`
	hash := hashToken(token)
	var o owner
	if st := stateOf(ctx); st != nil {
		o = st.owner
	}
	sealed, err := s.seal.Encrypt(data, hash)
	if err != nil {
		return fmt.Errorf("seal session: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, s.db.Rebind(query), hash, sealed, s.until(end).UnixMilli(), o.subject, o.session); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// DeleteCtx ends a session. The row stays behind, emptied, until it is purged: see [store.CommitCtx].
func (s *store) DeleteCtx(ctx context.Context, token string) error {
	const query = `
		UPDATE sessions
		   SET revoked = TRUE, sealed = ?
		 WHERE token_hash = ?`
	if _, err := s.db.ExecContext(ctx, s.db.Rebind(query), []byte{0}, hashToken(token)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// touch moves the idle end of a session without rewriting its data, which another request may just be changing.
func (s *store) touch(ctx context.Context, token string, end time.Time) error {
	const query = `
		UPDATE sessions
		   SET expires_at = ?
		 WHERE token_hash = ? AND NOT revoked`
	if _, err := s.db.ExecContext(ctx, s.db.Rebind(query), s.until(end).UnixMilli(), hashToken(token)); err != nil {
		return fmt.Errorf("prolong session: %w", err)
	}
	return nil
}

func (s *store) until(end time.Time) time.Time {
	if idle := s.now().Add(s.idle); idle.Before(end) {
		return idle
	}
	return end
}

// purge deletes rows that ended more than purgeGrace ago and returns how many.
func (s *store) purge(ctx context.Context) (int64, error) {
	const query = `
		DELETE FROM sessions
		 WHERE expires_at < ?`
	result, err := s.db.ExecContext(ctx, s.db.Rebind(query), s.now().Add(-purgeGrace).UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("purge sessions: %w", err)
	}
	return result.RowsAffected()
}

// Find, Commit and Delete complete scs.Store; scs calls the forms with a context instead.
func (s *store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is [store.CommitCtx] without a context.
func (s *store) Commit(token string, data []byte, end time.Time) error {
	return s.CommitCtx(context.Background(), token, data, end)
}

// Delete is [store.DeleteCtx] without a context.
func (s *store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// attemptKey is where a browser's n-th login attempt is kept: a place that only that browser can name.
func attemptKey(browser string, slot int) []byte {
	return hashToken("login attempt\x00" + browser + "\x00" + strconv.Itoa(slot))
}

// putAttempt keeps a login attempt in one of a browser's slots, in place of whatever was there.
func (s *store) putAttempt(ctx context.Context, key, data []byte, end time.Time) error {
	const query = `
		INSERT INTO sessions (token_hash, sealed, expires_at, revoked)
		VALUES (?, ?, ?, FALSE)
		    ON CONFLICT (token_hash) DO UPDATE
		   SET sealed = excluded.sealed, expires_at = excluded.expires_at, revoked = FALSE`
	sealed, err := s.seal.Encrypt(data, key)
	if err != nil {
		return fmt.Errorf("seal login attempt: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, s.db.Rebind(query), key, sealed, end.UnixMilli()); err != nil {
		return fmt.Errorf("save login attempt: %w", err)
	}
	return nil
}

// takeAttempt finds the attempt that match accepts among those under the keys, and uses it up. Of several requests that
// take the same attempt at once, on any replica, one gets it.
func (s *store) takeAttempt(ctx context.Context, keys [][]byte, match func(data []byte) bool) ([]byte, error) {
	query, args, err := sqlx.In(`
		SELECT token_hash, sealed
		  FROM sessions
		 WHERE token_hash IN (?) AND NOT revoked AND expires_at > ?`, keys, s.now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("find login attempt: %w", err)
	}
	var rows []struct {
		Key    []byte `db:"token_hash"`
		Sealed []byte `db:"sealed"`
	}
	if err := s.db.SelectContext(ctx, &rows, s.db.Rebind(query), args...); err != nil {
		return nil, fmt.Errorf("find login attempt: %w", err)
	}
	for _, row := range rows {
		data, err := s.seal.Decrypt(row.Sealed, row.Key)
		if err != nil || !match(data) {
			continue
		}
		return data, s.useUp(ctx, row.Key, row.Sealed)
	}
	return nil, ErrNoLogin
}

func (s *store) useUp(ctx context.Context, key, sealed []byte) error {
	const query = `
		UPDATE sessions
		   SET revoked = TRUE, sealed = ?
		 WHERE token_hash = ? AND sealed = ? AND NOT revoked`
	result, err := s.db.ExecContext(ctx, s.db.Rebind(query), []byte{0}, key, bytes.Clone(sealed))
	if err != nil {
		return fmt.Errorf("use up login attempt: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrNoLogin, err)
	}
	return nil
}
