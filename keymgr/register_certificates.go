package keymgr

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// maxCertificates is how many certificates that are neither revoked, expired nor replaced a partner may hold: the old one,
// the new one, and one more for an emergency.
const maxCertificates = 3

// How long a partner's older certificates verify beside a new one.
const (
	DefaultOverlap = 7 * 24 * time.Hour
	MaxOverlap     = 30 * 24 * time.Hour
)

// CertificateOption is a choice that comes with a certificate.
type CertificateOption func(*offer)

// As chooses the JWS algorithm of a certificate where its key leaves a choice: PS256 for RSA, else it is RS256. Empty
// leaves it to the key.
func As(algorithm string) CertificateOption { return func(o *offer) { o.algorithm = algorithm } }

// WithOverlap sets how long the partner's older certificates verify beside the new one, from when that is valid: at most
// [MaxOverlap], and [DefaultOverlap] without this option. What is set to end earlier, ends earlier.
func WithOverlap(d time.Duration) CertificateOption { return func(o *offer) { o.overlap = d } }

// Beside leaves the partner's older certificates as they are: the new one is no successor.
func Beside() CertificateOption { return func(o *offer) { o.beside = true } }

type offer struct {
	algorithm string
	overlap   time.Duration
	beside    bool
}

func newOffer(options []CertificateOption) offer {
	o := offer{overlap: DefaultOverlap}
	for _, option := range options {
		option(&o)
	}
	return o
}

func (o offer) check() error {
	if o.overlap < 0 || o.overlap > MaxOverlap {
		return fmt.Errorf("%w overlap: expected at most %d days", ErrInvalid, days(MaxOverlap))
	}
	return nil
}

// AddCertificate gives a partner one more certificate, PEM with its issuers behind it or DER, with which its signatures
// verify at once. It is the successor of the older ones, which verify beside it for the overlap and are refused
// afterwards as [Replaced], unless options say otherwise. A public key is one partner's for ever, and a revoked one never
// comes back. The errors are [ErrNotFound], [ErrInvalid] for the options, [ErrExists], [ErrTooManyCertificates],
// [ErrKeyInUse], [ErrKeyRevoked], [ErrNeedsApproval] for an active partner where two persons are wanted, and those of
// [Register.Inspect].
func (r *Register) AddCertificate(ctx context.Context, by audit.Actor, reference string, certificate []byte, options ...CertificateOption) (Certificate, error) {
	now, o := r.now(), newOffer(options)
	if err := o.check(); err != nil {
		return Certificate{}, err
	}
	c, err := r.judge(ctx, by, certificate, o.algorithm, now)
	if err != nil {
		return Certificate{}, err
	}
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		before, err := r.touch(ctx, tx, reference, now)
		if err != nil {
			return err
		}
		if before.Status == Active && r.wantsApproval(by) {
			return ErrNeedsApproval
		}
		event, err := r.addCertificate(ctx, tx, by, reference, c, o, now)
		if err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, event)
	})
	if err != nil {
		return Certificate{}, fmt.Errorf("add certificate: %w", err)
	}
	c.AddedAt = time.UnixMilli(now.UnixMilli()).UTC()
	return c, nil
}

func (r *Register) addCertificate(ctx context.Context, tx *sqlx.Tx, by audit.Actor, reference string, c Certificate, o offer, now time.Time) (audit.Event, error) {
	if err := r.insertCertificate(ctx, tx, reference, c, now); err != nil {
		return audit.Event{}, err
	}
	event := certificateEvent(by, reference, c)
	if !o.beside {
		end := now
		if c.NotBefore.After(now) { // there must be no gap before the successor
			end = c.NotBefore
		}
		end = end.Add(o.overlap)
		if err := r.endOthers(ctx, tx, reference, c, end, now); err != nil {
			return audit.Event{}, err
		}
		event.Detail["others_valid_to"] = end.UTC().Format(time.RFC3339)
	}
	return event, nil
}

// endOthers sets when the partner's other certificates end, unless they end before.
func (r *Register) endOthers(ctx context.Context, tx *sqlx.Tx, reference string, successor Certificate, end, now time.Time) error {
	_, err := tx.ExecContext(ctx, tx.Rebind(`
		UPDATE certificates
		SET valid_to = ?
		WHERE application = ? AND reference_id = ? AND fingerprint <> ? AND revoked_at IS NULL AND not_after >= ?
			AND (valid_to IS NULL OR valid_to > ?)`),
		end.UnixMilli(), r.application, reference, successor.Fingerprint, now.UnixMilli(), end.UnixMilli())
	if err != nil {
		return fmt.Errorf("end older certificates: %w", err)
	}
	return nil
}

// Inspect judges a certificate as [Register.AddCertificate] would, and stores nothing: [Policy.Parse], and that it is
// self-signed or chains to a trust anchor. An empty algorithm is left to the key. The errors are [ErrCertificate] and
// [ErrPrivateKey].
func (r *Register) Inspect(ctx context.Context, upload []byte, algorithm string) (Certificate, error) {
	return r.judge(ctx, audit.Actor{}, upload, algorithm, r.now())
}

func (r *Register) judge(ctx context.Context, by audit.Actor, upload []byte, algorithm string, now time.Time) (Certificate, error) {
	return r.judgeIn(ctx, r.db, by, upload, algorithm, now)
}

// judgeIn is judge within a transaction, which must not wait for another connection.
func (r *Register) judgeIn(ctx context.Context, in sqlx.QueryerContext, by audit.Actor, upload []byte, algorithm string, now time.Time) (Certificate, error) {
	policy := r.policy
	if by.Kind == audit.System { // SPAR's own certificates, which it makes itself
		policy.SelfSigned, policy.MaxValidity = true, 10*366*24*time.Hour
	}
	c, err := policy.Parse(upload, algorithm, now)
	if err != nil {
		return Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(c.DER)
	if err != nil || isSelfIssued(leaf) {
		return c, err
	}
	anchors, err := r.trustAnchors(ctx, in)
	if err != nil {
		return Certificate{}, err
	}
	if _, err := policy.trust(anchors).chain(leaf, c.Chain, now); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

// insertCertificate stores a certificate of a partner whose row this transaction has locked.
func (r *Register) insertCertificate(ctx context.Context, tx *sqlx.Tx, reference string, c Certificate, now time.Time) error {
	keyHash, err := r.keyHash(ctx, tx, c.DER)
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
			(fingerprint, application, reference_id, key_hash, algorithm, der, chain, not_before, not_after, added_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`),
		c.Fingerprint, r.application, reference, keyHash, c.Algorithm, c.DER, c.Chain,
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

// keyHash is what a key is kept under: the hash of its own public key if that is there already, from before keys with the
// same private half had one name; else [keyIdentity].
func (r *Register) keyHash(ctx context.Context, tx *sqlx.Tx, der []byte) (string, error) {
	identity, err := keyIdentity(der)
	if err != nil {
		return "", err
	}
	own, err := publicKeyHash(der)
	if err != nil || own == identity {
		return identity, err
	}
	var there int
	if err := tx.GetContext(ctx, &there, tx.Rebind(`
		SELECT COUNT(*)
		FROM public_keys
		WHERE key_hash = ?`), own); err != nil {
		return "", fmt.Errorf("look for public key: %w", err)
	}
	if there > 0 {
		return own, nil
	}
	return identity, nil
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

// countUsable counts the certificates that are neither revoked, nor expired, nor replaced.
func (r *Register) countUsable(ctx context.Context, tx *sqlx.Tx, reference string, now time.Time) (int, error) {
	var usable int
	err := tx.GetContext(ctx, &usable, tx.Rebind(`
		SELECT COUNT(*)
		FROM certificates
		WHERE application = ? AND reference_id = ? AND revoked_at IS NULL AND not_after >= ?
			AND (valid_to IS NULL OR valid_to >= ?)`),
		r.application, reference, now.UnixMilli(), now.UnixMilli())
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
