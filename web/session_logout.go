package web

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// RemoteLogout says which sessions a login provider wants ended, as a checked logout token does.
type RemoteLogout struct {
	Providers []string  // ids of the login providers that the token is from: more than one if they share issuer and client
	Subject   string    // the provider's name for the user; may be empty if SessionID is not
	SessionID string    // the provider's name for the user's session there (sid); empty: all sessions of the subject
	TokenID   string    // jti
	Until     time.Time // a token of this TokenID is too old to be accepted afterwards
}

// ErrLogoutRepeated says that a logout token was used before.
var ErrLogoutRepeated = errors.New("logout token used before")

// EndRemote ends the sessions that a login provider wants ended, on all replicas, before it returns. It returns how many
// that were; none is fine. Each token counts once: for a second one of the same name the error is ErrLogoutRepeated. If
// anything fails, nothing was done, and the token can be sent again.
func (s *Sessions) EndRemote(ctx context.Context, l RemoteLogout) (ended int64, err error) {
	if len(l.Providers) == 0 || l.TokenID == "" || l.Subject == "" && l.SessionID == "" {
		return 0, errors.New("end sessions: the logout names no session")
	}
	token, err := s.store.hash("logout token", l.Providers[0], l.TokenID)
	if err != nil {
		return 0, err
	}
	var owners []owner
	for _, provider := range l.Providers {
		o, err := s.store.owner(User{Provider: provider, Subject: l.Subject, SessionID: l.SessionID})
		if err != nil {
			return 0, err
		}
		owners = append(owners, o)
	}
	tx, err := s.store.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if err := s.store.burn(ctx, tx, token, l.Until); err != nil {
		return 0, err
	}
	for _, o := range owners {
		n, err := s.store.endOf(ctx, tx, o)
		if err != nil {
			return 0, err
		}
		ended += n
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// hashSize is the length of the keyed hashes in bytes.
const hashSize = 16

// owner is whose session it is, in keyed hashes: nobody who reads the table learns who was logged in.
type owner struct {
	subject []byte // nil: nobody's, or not known
	session []byte // the provider's session; nil: not known
}

func (s *store) owner(user User) (o owner, err error) {
	if o.subject, err = s.hash("session subject", user.Provider, user.Subject); err != nil {
		return owner{}, err
	}
	o.session, err = s.hash("session sid", user.Provider, user.SessionID)
	return o, err
}

// hash is nil for an empty value.
func (s *store) hash(domain, provider, value string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	sum, err := s.lookup.ComputePrimaryPRF([]byte(domain+"\x00"+provider+"\x00"+value), hashSize)
	if err != nil {
		return nil, fmt.Errorf("hash for look-up: %w", err)
	}
	return sum, nil
}

// burn remembers a logout token for as long as it could be accepted.
func (s *store) burn(ctx context.Context, tx *sqlx.Tx, token []byte, until time.Time) error {
	const query = `
		INSERT INTO logout_tokens (token_hash, expires_at)
		VALUES (?, ?)
		    ON CONFLICT (token_hash) DO NOTHING`
	result, err := tx.ExecContext(ctx, tx.Rebind(query), token, until.UnixMilli())
	if err != nil {
		return fmt.Errorf("remember logout token: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrLogoutRepeated, err)
	}
	return nil
}

// endOf ends an owner's sessions: all of the subject or, where the provider names one of its own sessions, those that
// belong to it. A session of the subject for which the provider named none cannot be told apart and ends as well.
func (s *store) endOf(ctx context.Context, tx *sqlx.Tx, o owner) (int64, error) {
	const end = `
		UPDATE sessions
		   SET revoked = TRUE, sealed = ?
		 WHERE NOT revoked AND expires_at > ? AND `
	condition, args := "subject_hash = ?", []any{o.subject}
	switch {
	case o.subject == nil:
		condition, args = "sid_hash = ?", []any{o.session}
	case o.session != nil:
		condition, args = "subject_hash = ? AND (sid_hash = ? OR sid_hash IS NULL)", []any{o.subject, o.session}
	}
	args = append([]any{[]byte{0}, s.now().UnixMilli()}, args...)
	result, err := tx.ExecContext(ctx, tx.Rebind(end+condition), args...)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return result.RowsAffected()
}

// purgeLogouts forgets logout tokens that are too old to be accepted.
func (s *store) purgeLogouts(ctx context.Context) (int64, error) {
	const query = `
		DELETE FROM logout_tokens
		 WHERE expires_at < ?`
	result, err := s.db.ExecContext(ctx, s.db.Rebind(query), s.now().UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("purge logout tokens: %w", err)
	}
	return result.RowsAffected()
}
