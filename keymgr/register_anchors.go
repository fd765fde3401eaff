package keymgr

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// AddTrustAnchor makes an authority one whose certificates partners may have, PEM or DER. The name is for people; without
// one it is the certificate's subject. The errors are [ErrInvalid], [ErrExists] and those of [Policy.ParseTrustAnchor].
func (r *Register) AddTrustAnchor(ctx context.Context, by audit.Actor, name string, certificate []byte) (TrustAnchor, error) {
	now := r.now()
	anchor, err := r.policy.ParseTrustAnchor(certificate, now)
	if err != nil {
		return TrustAnchor{}, err
	}
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return TrustAnchor{}, fmt.Errorf("%w name: expected at most %d bytes of text without control characters", ErrInvalid, maxName)
	}
	if name != "" {
		anchor.Name = name
	}
	anchor.AddedAt = time.UnixMilli(now.UnixMilli()).UTC()
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO trust_anchors (application, fingerprint, name, der, not_before, not_after, added_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`),
			r.application, anchor.Fingerprint, anchor.Name, anchor.DER, anchor.NotBefore.UnixMilli(), anchor.NotAfter.UnixMilli(),
			anchor.AddedAt.UnixMilli())
		if err != nil {
			return err
		}
		if inserted, err := result.RowsAffected(); err != nil || inserted == 0 {
			return errors.Join(err, ErrExists)
		}
		return r.trail.Write(ctx, tx, audit.Event{Actor: by, Action: audit.TrustAnchorAdd, Target: anchor.Fingerprint, After: anchor.Fingerprint})
	})
	if err != nil {
		return TrustAnchor{}, fmt.Errorf("add trust anchor: %w", err)
	}
	return anchor, nil
}

// InspectTrustAnchor judges a certificate as [Register.AddTrustAnchor] would, and stores nothing.
func (r *Register) InspectTrustAnchor(certificate []byte) (TrustAnchor, error) {
	return r.policy.ParseTrustAnchor(certificate, r.now())
}

// RemoveTrustAnchor takes the trust from an authority, by the SHA-256 fingerprint of its certificate. Every partner's
// certificate that chains to it and to no other anchor stops verifying, here at once and elsewhere within the cache time.
// The errors are [ErrNotFound] and [ErrInvalid].
func (r *Register) RemoveTrustAnchor(ctx context.Context, by audit.Actor, fingerprint string) error {
	fingerprint, ok := normalFingerprint(fingerprint)
	if !ok {
		return fmt.Errorf("%w fingerprint: expected a SHA-256 in hex, 64 digits, colons allowed", ErrInvalid)
	}
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		var removed string
		err := tx.GetContext(ctx, &removed, tx.Rebind(`
			DELETE FROM trust_anchors
			WHERE application = ? AND fingerprint = ?
			RETURNING fingerprint`), r.application, fingerprint)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, audit.Event{Actor: by, Action: audit.TrustAnchorRemove, Target: fingerprint, Before: fingerprint})
	})
	if err != nil {
		return fmt.Errorf("remove trust anchor: %w", err)
	}
	return nil
}

// TrustAnchors returns the authorities whose certificates partners may have, in the order they were added.
func (r *Register) TrustAnchors(ctx context.Context) ([]TrustAnchor, error) {
	return r.trustAnchors(ctx, r.db)
}

func (r *Register) trustAnchors(ctx context.Context, in sqlx.QueryerContext) ([]TrustAnchor, error) {
	var rows []struct {
		Fingerprint string `db:"fingerprint"`
		Name        string `db:"name"`
		DER         []byte `db:"der"`
		NotBefore   int64  `db:"not_before"`
		NotAfter    int64  `db:"not_after"`
		AddedAt     int64  `db:"added_at"`
	}
	if err := sqlx.SelectContext(ctx, in, &rows, r.db.Rebind(`
		SELECT fingerprint, name, der, not_before, not_after, added_at
		FROM trust_anchors
		WHERE application = ?
		ORDER BY added_at, fingerprint`), r.application); err != nil {
		return nil, fmt.Errorf("read trust anchors: %w", err)
	}
	anchors := make([]TrustAnchor, len(rows))
	for i, row := range rows {
		anchors[i] = TrustAnchor{
			Fingerprint: row.Fingerprint, Name: row.Name, DER: row.DER, NotBefore: time.UnixMilli(row.NotBefore).UTC(),
			NotAfter: time.UnixMilli(row.NotAfter).UTC(), AddedAt: time.UnixMilli(row.AddedAt).UTC(),
		}
	}
	return anchors, nil
}
