package keymgr

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// WithTwoPersons makes the register want two persons for everything that lets a partner do more: to activate it, and to
// change the settings or add a certificate of one that is active. One prepares it, another approves it; see [Change].
// What takes something away, to suspend and to revoke above all, is never delayed. SPAR itself needs no approval.
func WithTwoPersons(wanted bool) Option { return func(r *Register) { r.twoPersons = wanted } }

// WantsTwoPersons reports whether [WithTwoPersons] is set.
func (r *Register) WantsTwoPersons() bool { return r.twoPersons }

func (r *Register) wantsApproval(by audit.Actor) bool { return r.twoPersons && by.Kind != audit.System }

// samePerson compares actors. Whoever runs commands on the server could run them under any name, so all of them are one.
func samePerson(a, b audit.Actor) bool {
	return a.Kind == b.Kind && (a.Kind == audit.Command || a.ID == b.ID)
}

func checkPerson(by audit.Actor) error {
	if by.Kind != audit.Staff && by.Kind != audit.Command || by.Kind == audit.Staff && by.ID == "" {
		return fmt.Errorf("%w: only people prepare, approve and withdraw changes", ErrInvalid)
	}
	return nil
}

// ChangeKind says what a prepared change will do.
type ChangeKind string

// The kinds of changes that can be prepared.
const (
	ChangeActivate    ChangeKind = "activate"
	ChangeConfigure   ChangeKind = "configure"
	ChangeCertificate ChangeKind = "certificate.add"
)

// Change is something that one person prepares and another approves.
type Change struct {
	Reference   string        `json:"-"`
	Kind        ChangeKind    `json:"-"`
	Settings    Settings      // of [ChangeConfigure]
	Certificate []byte        // of [ChangeCertificate]; kept as PEM with its issuers behind it
	Algorithm   string        // see [As]
	Overlap     time.Duration // see [WithOverlap]; 0 ends the older ones when it is approved
	Beside      bool          // see [Beside]
	Fingerprint string        // of the certificate; filled in when it is prepared
}

// Prepared is a change that waits for another person, or had one.
type Prepared struct {
	ID string
	Change
	PreparedBy audit.Actor
	PreparedAt time.Time
	state      string // what of the partner it was prepared for; see [Change.about]
}

// Stale reports whether a partner is not what the change was prepared for. It must not be approved after a look at such a
// partner: whoever prepared it could show one partner and put another into force by changing it back and forth.
func (p Prepared) Stale(partner Partner) bool { return p.about(partner) != p.state }

// Prepare keeps a change of a partner for another person to approve; nothing happens until then. It is judged as if it
// were made now. An activation is of the partner just as it is, and new settings are in place of those that it has: if
// these change before the approval, it has to be prepared again. The errors are those of the change itself.
func (r *Register) Prepare(ctx context.Context, by audit.Actor, c Change) (Prepared, error) {
	if err := checkPerson(by); err != nil {
		return Prepared{}, err
	}
	c, err := r.checkedChange(ctx, by, c)
	if err != nil {
		return Prepared{}, err
	}
	content, err := json.Marshal(c)
	if err != nil {
		return Prepared{}, fmt.Errorf("encode change: %w", err)
	}
	now := r.now()
	prepared := Prepared{ID: rand.Text(), Change: c, PreparedBy: by, PreparedAt: time.UnixMilli(now.UnixMilli()).UTC()}
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		partner, err := r.get(ctx, tx, c.Reference)
		if err != nil {
			return err
		}
		prepared.state = c.about(partner)
		if c.Kind == ChangeActivate {
			if err := r.requireCertificate(ctx, tx, c.Reference, now); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, tx.Rebind(`
			INSERT INTO prepared_changes
				(id, application, reference_id, action, content, partner_state, prepared_by_kind, prepared_by, prepared_at,
				outcome, decided_by_kind, decided_by)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', '', '')`),
			prepared.ID, r.application, c.Reference, c.Kind, content, prepared.state, by.Kind, by.ID, now.UnixMilli()); err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, prepared.event(audit.ChangePrepare, by))
	})
	if err != nil {
		return Prepared{}, fmt.Errorf("prepare change: %w", err)
	}
	return prepared, nil
}

// checkedChange returns a change as it will be kept: only what its kind needs.
func (r *Register) checkedChange(ctx context.Context, by audit.Actor, c Change) (Change, error) {
	kept := Change{Reference: c.Reference, Kind: c.Kind}
	var err error
	switch c.Kind {
	case ChangeActivate:
	case ChangeConfigure:
		kept.Settings, err = c.Settings.checked(c.Reference)
	case ChangeCertificate:
		kept.Certificate, kept.Algorithm, kept.Overlap, kept.Beside = c.Certificate, c.Algorithm, c.Overlap, c.Beside
		if err := kept.offer().check(); err != nil {
			return kept, err
		}
		judged, err := r.judge(ctx, by, c.Certificate, c.Algorithm, r.now())
		if err != nil {
			return kept, err
		}
		kept.Fingerprint = judged.Fingerprint
		kept.Certificate, err = judged.withIssuers() // without what may have stood around it
		return kept, err
	default:
		err = fmt.Errorf("%w kind of change %.40q", ErrInvalid, c.Kind)
	}
	return kept, err
}

func (c Change) offer() offer {
	return offer{algorithm: c.Algorithm, overlap: c.Overlap, beside: c.Beside}
}

// about names what of a partner a change was prepared for: whoever approves it must not approve something else.
func (c Change) about(p Partner) string {
	settings := []string{p.Name, join(p.Permissions, ","), join(p.FAProviders, ","), p.CallbackURL, p.Limits.String()}
	switch c.Kind {
	case ChangeActivate:
		parts := append(settings, p.ReferenceID, string(p.Status))
		for _, c := range p.Certificates {
			parts = append(parts, c.Fingerprint, c.Algorithm, c.ValidTo.String(), c.RevokedAt.String())
		}
		return digest(parts)
	case ChangeConfigure:
		return digest(settings)
	}
	return ""
}

// digest tells lists of texts apart, wherever one ends.
func digest(parts []string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (p Prepared) event(action string, by audit.Actor) audit.Event {
	detail := map[string]string{"change": p.ID, "kind": string(p.Kind)}
	if p.Kind == ChangeConfigure {
		detail["permissions"], detail["fa_providers"] = join(p.Settings.Permissions, ","), join(p.Settings.FAProviders, ",")
		detail["callback_url"], detail["limits"] = p.Settings.CallbackURL, p.Settings.Limits.String()
	}
	return audit.Event{Actor: by, Action: action, Target: p.Reference, After: p.Fingerprint, Detail: detail}
}

// Approve makes a prepared change. The errors are [ErrNotFound], [ErrDecided], [ErrSamePerson], [ErrStale] if the partner
// is not any more what the change was prepared for, and those of the change itself; with all of them but the first two it
// stays pending.
func (r *Register) Approve(ctx context.Context, by audit.Actor, id string) (Prepared, error) {
	if err := checkPerson(by); err != nil {
		return Prepared{}, err
	}
	var prepared Prepared
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		reference, err := r.preparedFor(ctx, tx, id)
		if err != nil {
			return err
		}
		partner, err := r.lock(ctx, tx, reference) // before the change, as everywhere: partners are locked first
		if err != nil {
			return err
		}
		pending, err := r.decide(ctx, tx, by, id, "approved")
		if err != nil {
			return err
		}
		if prepared = pending; samePerson(by, prepared.PreparedBy) {
			return ErrSamePerson
		}
		if prepared.Stale(partner) {
			return ErrStale
		}
		events, err := r.apply(ctx, tx, by, prepared, partner)
		if err != nil {
			return err
		}
		for i := range events {
			if events[i].Detail == nil {
				events[i].Detail = map[string]string{}
			}
			events[i].Detail["change"], events[i].Detail["prepared_by"] = id, prepared.PreparedBy.String()
		}
		return r.trail.Write(ctx, tx, events...)
	})
	if err != nil {
		return Prepared{}, fmt.Errorf("approve change: %w", err)
	}
	return prepared, nil
}

// apply makes a change that was approved.
func (r *Register) apply(ctx context.Context, tx *sqlx.Tx, by audit.Actor, p Prepared, partner Partner) ([]audit.Event, error) {
	now := r.now()
	switch p.Kind {
	case ChangeActivate:
		event, err := r.setStatus(ctx, tx, by, p.Reference, partner.Status, Active, now)
		return []audit.Event{event}, err
	case ChangeConfigure:
		return r.configure(ctx, tx, by, partner, p.Settings)
	case ChangeCertificate:
		c, err := r.judgeIn(ctx, tx, by, p.Certificate, p.Algorithm, now) // once more: its time or its issuer's may be over
		if err != nil {
			return nil, err
		}
		event, err := r.addCertificate(ctx, tx, by, p.Reference, c, p.offer(), now)
		return []audit.Event{event}, err
	}
	return nil, fmt.Errorf("%w kind of change %.40q", ErrInvalid, p.Kind)
}

// Withdraw gives a prepared change up; everybody who could approve it may, and whoever prepared it. The errors are
// [ErrNotFound] and [ErrDecided].
func (r *Register) Withdraw(ctx context.Context, by audit.Actor, id string) error {
	if err := checkPerson(by); err != nil {
		return err
	}
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		if _, err := r.preparedFor(ctx, tx, id); err != nil {
			return err
		}
		pending, err := r.decide(ctx, tx, by, id, "withdrawn")
		if err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, pending.event(audit.ChangeWithdraw, by))
	})
	if err != nil {
		return fmt.Errorf("withdraw change: %w", err)
	}
	return nil
}
