package keymgr

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// Settings are what may change of a partner besides its status and its certificates.
type Settings struct {
	Name        string
	Permissions []Permission
	FAProviders []string // DFSP codes it may link, update and unlink; empty: any
	CallbackURL string
	Limits      Limits
}

// Settings of a partner.
func (p Partner) Settings() Settings {
	return Settings{Name: p.Name, Permissions: p.Permissions, FAProviders: p.FAProviders, CallbackURL: p.CallbackURL, Limits: p.Limits}
}

// With returns the partner as it will be with other settings.
func (p Partner) With(s Settings) Partner {
	p.Name, p.Permissions, p.FAProviders, p.CallbackURL, p.Limits = s.Name, s.Permissions, s.FAProviders, s.CallbackURL, s.Limits
	return p
}

// ErrStale says that somebody else changed the partner since it was read.
var ErrStale = errors.New("the partner was changed in the meantime")

// Configure replaces the settings of a partner, provided that it is still the one that was read: its ChangedAt is seen.
// The errors are [ErrNotFound], [ErrStale], [ErrInvalid] that names what is wrong, and [ErrNeedsApproval] where two persons
// are wanted and an active partner would be able to do more, or in another way.
func (r *Register) Configure(ctx context.Context, by audit.Actor, reference string, s Settings, seen time.Time) error {
	s, err := s.checked(reference)
	if err != nil {
		return err
	}
	now := r.now()
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		before, err := r.touchUnchanged(ctx, tx, reference, seen, now)
		if err != nil {
			return err
		}
		if err := r.mayConfigure(by, before, s); err != nil {
			return err
		}
		events, err := r.configure(ctx, tx, by, before, s)
		if err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, events...)
	})
	if err != nil {
		return fmt.Errorf("configure partner: %w", err)
	}
	return nil
}

func (s Settings) checked(reference string) (Settings, error) {
	p, err := Partner{ReferenceID: reference}.With(s).checked()
	return p.Settings(), err
}

// mayConfigure wants a second person, if the register does, unless an active partner only loses permissions or gets
// lower limits.
func (r *Register) mayConfigure(by audit.Actor, before Partner, s Settings) error {
	gained := slices.ContainsFunc(s.Permissions, func(p Permission) bool { return !slices.Contains(before.Permissions, p) })
	same := slices.Equal(before.FAProviders, s.FAProviders) && before.CallbackURL == s.CallbackURL && before.Name == s.Name
	if before.Status == Active && r.wantsApproval(by) && (gained || !same || s.Limits.lift(before.Limits, r.general)) {
		return ErrNeedsApproval
	}
	return nil
}

// configure replaces the settings of a partner that this transaction has locked.
func (r *Register) configure(ctx context.Context, tx *sqlx.Tx, by audit.Actor, before Partner, s Settings) ([]audit.Event, error) {
	if _, err := tx.ExecContext(ctx, tx.Rebind(`
		UPDATE partners
		SET name = ?, permissions = ?, fa_providers = ?, callback_url = ?,
			max_batch = ?, items_per_second = ?, bulk_items_per_second = ?
		WHERE application = ? AND reference_id = ?`),
		s.Name, join(s.Permissions, ","), join(s.FAProviders, ","), s.CallbackURL,
		s.Limits.MaxBatch, s.Limits.ItemsPerSecond, s.Limits.BulkItemsPerSecond, r.application, before.ReferenceID); err != nil {
		return nil, fmt.Errorf("update settings: %w", err)
	}
	return settingsEvents(by, before, before.With(s)), nil
}

// lock returns a partner with its certificates, which stays as it is until the end of the transaction, and marks it as
// changed.
func (r *Register) lock(ctx context.Context, tx *sqlx.Tx, reference string) (Partner, error) {
	if _, err := r.touch(ctx, tx, reference, r.now()); err != nil {
		return Partner{}, err
	}
	return r.get(ctx, tx, reference)
}

// touchUnchanged is [Register.touch] of a partner that nobody changed since it was seen.
func (r *Register) touchUnchanged(ctx context.Context, tx *sqlx.Tx, reference string, seen, now time.Time) (Partner, error) {
	var row partnerRow
	err := tx.GetContext(ctx, &row, tx.Rebind(`
		UPDATE partners
		SET changed_at = ?
		WHERE application = ? AND reference_id = ? AND changed_at = ?
		RETURNING reference_id, name, status, permissions, fa_providers, callback_url,
			max_batch, items_per_second, bulk_items_per_second, created_at, changed_at`),
		now.UnixMilli(), r.application, reference, seen.UnixMilli())
	if err == nil {
		return row.partner(), nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return Partner{}, fmt.Errorf("lock partner: %w", err)
	}
	var there int
	if err := tx.GetContext(ctx, &there, tx.Rebind(`
		SELECT COUNT(*)
		FROM partners
		WHERE application = ? AND reference_id = ?`), r.application, reference); err != nil {
		return Partner{}, fmt.Errorf("find partner: %w", err)
	}
	if there == 0 {
		return Partner{}, ErrNotFound
	}
	return Partner{}, ErrStale
}

// settingsEvents are the audit events of what differs. The name for people stays in the register, as everywhere.
func settingsEvents(by audit.Actor, before, after Partner) []audit.Event {
	var events []audit.Event
	if was, is := join(before.Permissions, ","), join(after.Permissions, ","); was != is {
		events = append(events, permitEvent(by, before.ReferenceID, was, is))
	}
	if before.Limits != after.Limits {
		events = append(events, audit.Event{
			Actor: by, Action: audit.PartnerLimit, Target: before.ReferenceID, Before: before.Limits.String(), After: after.Limits.String(),
		})
	}
	describe := func(p Partner) string {
		return "fa_providers=" + join(p.FAProviders, ",") + " callback_url=" + p.CallbackURL
	}
	if describe(before) != describe(after) || before.Name != after.Name {
		event := audit.Event{Actor: by, Action: audit.PartnerConfigure, Target: before.ReferenceID, Before: describe(before), After: describe(after)}
		if before.Name != after.Name {
			event.Detail = map[string]string{"name": "changed"}
		}
		events = append(events, event)
	}
	return events
}

// Discard removes a partner that was never activated, with its certificates: somebody mistyped its reference id, or it
// withdrew. Its keys are free again, for nothing was ever verified with them. The errors are [ErrNotFound], [ErrInvalid]
// for a partner that was active once, and [ErrKeyRevoked] for one with a revoked key, which must be remembered.
func (r *Register) Discard(ctx context.Context, by audit.Actor, reference string) error {
	now := r.now()
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		before, err := r.touch(ctx, tx, reference, now)
		if err != nil {
			return err
		}
		if before.Status != Draft {
			return fmt.Errorf("%w: only a partner that was never activated can be removed; suspend it", ErrInvalid)
		}
		var revoked int
		if err := tx.GetContext(ctx, &revoked, tx.Rebind(`
			SELECT COUNT(*)
			FROM public_keys
			WHERE application = ? AND reference_id = ? AND revoked_at IS NOT NULL`), r.application, reference); err != nil {
			return fmt.Errorf("look for revoked keys: %w", err)
		}
		if revoked > 0 {
			return ErrKeyRevoked
		}
		for _, statement := range []string{
			`DELETE FROM prepared_changes WHERE application = ? AND reference_id = ?`,
			`DELETE FROM key_manager_certificates WHERE application = ? AND reference_id = ?`,
			`DELETE FROM certificates WHERE application = ? AND reference_id = ?`,
			`DELETE FROM public_keys WHERE application = ? AND reference_id = ?`,
			`DELETE FROM partners WHERE application = ? AND reference_id = ?`,
		} {
			if _, err := tx.ExecContext(ctx, tx.Rebind(statement), r.application, reference); err != nil {
				return fmt.Errorf("remove: %w", err)
			}
		}
		return r.trail.Write(ctx, tx, audit.Event{Actor: by, Action: audit.PartnerDiscard, Target: reference, Before: string(Draft)})
	})
	if err != nil {
		return fmt.Errorf("discard partner: %w", err)
	}
	return nil
}
