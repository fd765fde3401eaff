package keymgr

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// Holder is a key manager elsewhere that certificates were given to: its address and the application there.
type Holder struct {
	URL         string
	Application string
}

// HeldBy returns the fingerprint of the certificate that a holder was given last for a partner, empty if none.
func (r *Register) HeldBy(ctx context.Context, h Holder, reference string) (string, error) {
	return r.heldBy(ctx, r.db, h, reference)
}

func (r *Register) heldBy(ctx context.Context, in sqlx.QueryerContext, h Holder, reference string) (string, error) {
	var fingerprint string
	err := sqlx.GetContext(ctx, in, &fingerprint, r.db.Rebind(`
		SELECT fingerprint
		FROM key_manager_certificates
		WHERE application = ? AND reference_id = ? AND holder_url = ? AND holder_application = ?`),
		r.application, reference, h.URL, h.Application)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find certificate in key manager: %w", err)
	}
	return fingerprint, nil
}

// Hold notes that a holder now has a partner's certificate in the place of any other. The error is [ErrNotFound] if the
// certificate is not the partner's.
func (r *Register) Hold(ctx context.Context, by audit.Actor, h Holder, reference, fingerprint string) error {
	now := r.now()
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		if _, err := r.touch(ctx, tx, reference, now); err != nil {
			return err
		}
		before, err := r.heldBy(ctx, tx, h, reference)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO key_manager_certificates
				(application, reference_id, holder_url, holder_application, fingerprint, held_at)
			SELECT application, reference_id, ?, ?, fingerprint, ?
			FROM certificates
			WHERE application = ? AND reference_id = ? AND fingerprint = ?
			ON CONFLICT (application, reference_id, holder_url, holder_application)
			DO UPDATE SET fingerprint = excluded.fingerprint, held_at = excluded.held_at`),
			h.URL, h.Application, now.UnixMilli(), r.application, reference, fingerprint)
		if err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		if noted, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("insert: %w", err)
		} else if noted == 0 {
			return ErrNotFound
		}
		return r.trail.Write(ctx, tx, audit.Event{
			Actor: by, Action: audit.CertificateUpload, Target: reference, Before: before, After: fingerprint,
			Detail: map[string]string{"key_manager": h.URL, "key_manager_application": h.Application},
		})
	})
	if err != nil {
		return fmt.Errorf("note certificate in key manager: %w", err)
	}
	return nil
}

// Usable returns a certificate of a partner that is neither revoked, expired nor replaced, by its fingerprint, or the newest one if
// that is empty. The errors are [ErrNotFound], [ErrInvalid] for what is no fingerprint, [ErrNoCertificate] if there is
// none, and [ErrCertificate] for one that is not usable.
func (r *Register) Usable(ctx context.Context, reference, fingerprint string) (Certificate, error) {
	partner, err := r.Get(ctx, reference)
	if err != nil {
		return Certificate{}, err
	}
	now := r.now()
	if fingerprint == "" {
		for _, c := range slices.Backward(partner.Certificates) {
			if c.RevokedAt.IsZero() && !now.After(c.End()) {
				return c, nil
			}
		}
		return Certificate{}, ErrNoCertificate
	}
	normal, ok := normalFingerprint(fingerprint)
	if !ok {
		return Certificate{}, fmt.Errorf("%w fingerprint: expected a SHA-256 in hex, 64 digits, colons allowed", ErrInvalid)
	}
	i := slices.IndexFunc(partner.Certificates, func(c Certificate) bool { return c.Fingerprint == normal })
	if i < 0 {
		return Certificate{}, ErrNotFound
	}
	switch c := partner.Certificates[i]; {
	case !c.RevokedAt.IsZero():
		return Certificate{}, fmt.Errorf("%w: it is revoked", ErrCertificate)
	case now.After(c.End()):
		return Certificate{}, fmt.Errorf("%w: it has ended", ErrCertificate)
	case now.After(c.End()):
		return Certificate{}, fmt.Errorf("%w: it was replaced", ErrCertificate)
	default:
		return c, nil
	}
}

// FingerprintOf names a certificate, PEM or DER, without judging it; of several, the first.
func FingerprintOf(pemOrDER []byte) (string, error) {
	ders, err := uploadedDER(pemOrDER)
	if err != nil {
		return "", err
	}
	return fingerprint(ders[0]), nil
}

// SameKey reports whether two certificates are for one public key.
func SameKey(a, b Certificate) bool {
	if a.Fingerprint == b.Fingerprint {
		return true
	}
	one, err := publicKeyHash(a.DER)
	if err != nil {
		return false
	}
	other, err := publicKeyHash(b.DER)
	return err == nil && one == other
}
