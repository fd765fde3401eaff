package keymgr

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// maxCertificates is how many certificates that are neither revoked nor expired a partner may hold: the old one, the new
// one, and one more for an emergency.
const maxCertificates = 3

// AddCertificate gives a partner one more certificate (PEM or DER), with which its signatures verify at once. A public key
// is one partner's for ever, and a revoked one never comes back. The errors are [ErrNotFound], [ErrExists],
// [ErrTooManyCertificates], [ErrKeyInUse], [ErrKeyRevoked] and those of [ParseCertificate].
func (r *Register) AddCertificate(ctx context.Context, by audit.Actor, reference string, certificate []byte) (Certificate, error) {
	now := r.now()
	c, err := ParseCertificate(certificate, now)
	if err != nil {
		return Certificate{}, err
	}
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		if _, err := r.touch(ctx, tx, reference, now); err != nil {
			return err
		}
		if err := r.insertCertificate(ctx, tx, reference, c, now); err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, certificateEvent(by, reference, c))
	})
	if err != nil {
		return Certificate{}, fmt.Errorf("add certificate: %w", err)
	}
	c.AddedAt = time.UnixMilli(now.UnixMilli()).UTC()
	return c, nil
}

// insertCertificate stores a certificate of a partner whose row this transaction has locked.
func (r *Register) insertCertificate(ctx context.Context, tx *sqlx.Tx, reference string, c Certificate, now time.Time) error {
	keyHash, err := publicKeyHash(c.DER)
	if err != nil {
		return err
	}
	if err := r.claimKey(ctx, tx, reference, keyHash, now); err != nil {
		return err
	}
	usable, err := r.countUsable(ctx, tx, reference, now)
	if err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO certificates
			(fingerprint, application, reference_id, key_hash, algorithm, der, not_before, not_after, added_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`),
		c.Fingerprint, r.application, reference, keyHash, c.Algorithm, c.DER,
		c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(), now.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert certificate: %w", err)
	}
	switch inserted, err := result.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("insert certificate: %w", err)
	case inserted == 0:
		return fmt.Errorf("certificate %w", ErrExists)
	case usable >= maxCertificates:
		return ErrTooManyCertificates
	}
	return nil
}

// claimKey makes a public key this partner's, or finds that it is another's or was revoked. The row's insertion is what
// decides between two partners that offer the same key at the same time.
func (r *Register) claimKey(ctx context.Context, tx *sqlx.Tx, reference, keyHash string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO public_keys (key_hash, application, reference_id, claimed_at)
		VALUES (?, ?, ?, ?)
		ON CONFLICT DO NOTHING`), keyHash, r.application, reference, now.UnixMilli()); err != nil {
		return fmt.Errorf("claim public key: %w", err)
	}
	var owner struct {
		Application string        `db:"application"`
		ReferenceID string        `db:"reference_id"`
		RevokedAt   sql.NullInt64 `db:"revoked_at"`
	}
	if err := tx.GetContext(ctx, &owner, tx.Rebind(`
		SELECT application, reference_id, revoked_at
		FROM public_keys
		WHERE key_hash = ?`), keyHash); err != nil {
		return fmt.Errorf("find owner of public key: %w", err)
	}
	switch {
	case owner.Application != r.application || owner.ReferenceID != reference:
		return ErrKeyInUse
	case owner.RevokedAt.Valid:
		return ErrKeyRevoked
	}
	return nil
}

// RevokeCertificate revokes a certificate by its SHA-256 fingerprint: hex in any case, colons allowed. It is final, and
// it revokes the key: every certificate of the same key goes with it. Revoking again changes nothing. The errors are
// [ErrNotFound], also for another partner's certificate, and [ErrInvalid].
func (r *Register) RevokeCertificate(ctx context.Context, by audit.Actor, reference, fingerprint string) error {
	fingerprint, ok := normalFingerprint(fingerprint)
	if !ok {
		return fmt.Errorf("%w fingerprint: expected a SHA-256 in hex, 64 digits, colons allowed", ErrInvalid)
	}
	now := r.now()
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		if _, err := r.touch(ctx, tx, reference, now); err != nil {
			return err
		}
		var held struct {
			KeyHash   string        `db:"key_hash"`
			RevokedAt sql.NullInt64 `db:"revoked_at"`
		}
		err := tx.GetContext(ctx, &held, tx.Rebind(`
			SELECT key_hash, revoked_at
			FROM certificates
			WHERE fingerprint = ? AND application = ? AND reference_id = ?`), fingerprint, r.application, reference)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("find certificate: %w", err)
		}
		if held.RevokedAt.Valid {
			return nil
		}
		for _, statement := range []string{
			`UPDATE public_keys SET revoked_at = ? WHERE key_hash = ? AND revoked_at IS NULL`,
			`UPDATE certificates SET revoked_at = ? WHERE key_hash = ? AND revoked_at IS NULL`,
		} {
			if _, err := tx.ExecContext(ctx, tx.Rebind(statement), now.UnixMilli(), held.KeyHash); err != nil {
				return fmt.Errorf("mark as revoked: %w", err)
			}
		}
		return r.trail.Write(ctx, tx, audit.Event{
			Actor: by, Action: audit.CertificateRevoke, Target: reference, Before: fingerprint,
			Detail: map[string]string{"public_key": held.KeyHash},
		})
	})
	if err != nil {
		return fmt.Errorf("revoke certificate: %w", err)
	}
	return nil
}

// countUsable counts the certificates that are neither revoked nor expired.
func (r *Register) countUsable(ctx context.Context, tx *sqlx.Tx, reference string, now time.Time) (int, error) {
	var usable int
	err := tx.GetContext(ctx, &usable, tx.Rebind(`
		SELECT COUNT(*)
		FROM certificates
		WHERE application = ? AND reference_id = ? AND revoked_at IS NULL AND not_after >= ?`),
		r.application, reference, now.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("count certificates: %w", err)
	}
	return usable, nil
}

func (r *Register) requireCertificate(ctx context.Context, tx *sqlx.Tx, reference string, now time.Time) error {
	usable, err := r.countUsable(ctx, tx, reference, now)
	if err != nil {
		return err
	}
	if usable == 0 {
		return ErrNoCertificate
	}
	return nil
}
