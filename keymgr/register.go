package keymgr

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// Register keeps the partners of one application and their certificates. Every change is one transaction with its audit
// event, needs an actor, and is seen at once by a [Local] over the same Register and within its cache time by all others.
type Register struct {
	db          *sqlx.DB
	application string
	trail       *audit.Log
	now         func() time.Time
	policy      Policy
	twoPersons  bool         // who prepares what lets a partner do more is not who approves it
	general     Limits       // what holds for everybody
	changes     atomic.Int64 // how often this process may have changed the tables; lets a cache notice
}

// NewRegister opens the register of an application, the service that partners are onboarded for. Without an audit log it
// can only be read, without options it has the default policy.
func NewRegister(db *sqlx.DB, application string, trail *audit.Log, now func() time.Time, options ...Option) *Register {
	r := &Register{db: db, application: application, trail: trail, now: now, policy: DefaultPolicy()}
	for _, option := range options {
		option(r)
	}
	return r
}

// Option is something about a register that is configured.
type Option func(*Register)

// WithPolicy sets which certificates are accepted.
func WithPolicy(p Policy) Option { return func(r *Register) { r.policy = p } }

// Add registers a partner, optionally with its first certificate (PEM or DER); times and Certificates of p are ignored.
// The errors are [ErrInvalid], [ErrExists], also for an id that only differs in case or punctuation from a registered
// one, [ErrNoCertificate] for an active partner without certificate, [ErrNeedsApproval] for an active partner where two
// persons are wanted, and those of [Register.AddCertificate].
func (r *Register) Add(ctx context.Context, by audit.Actor, p Partner, certificate []byte, options ...CertificateOption) (Partner, error) {
	p, err := p.checked()
	if err != nil {
		return Partner{}, err
	}
	if p.Status == Active && r.wantsApproval(by) {
		return Partner{}, ErrNeedsApproval
	}
	now := r.now()
	p.CreatedAt, p.ChangedAt, p.Certificates = now, now, nil
	var first *Certificate
	if len(certificate) > 0 {
		c, err := r.judge(ctx, by, certificate, newOffer(options).algorithm, now)
		if err != nil {
			return Partner{}, err
		}
		first = &c
	}
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		if err := r.insertPartner(ctx, tx, p); err != nil {
			return err
		}
		if first != nil {
			if err := r.insertCertificate(ctx, tx, p.ReferenceID, *first, now); err != nil {
				return err
			}
		}
		if p.Status == Active {
			if err := r.requireCertificate(ctx, tx, p.ReferenceID, now); err != nil {
				return err
			}
		}
		return r.trail.Write(ctx, tx, addEvents(by, p, first)...)
	})
	if err != nil {
		return Partner{}, fmt.Errorf("add partner %s: %w", p.ReferenceID, err)
	}
	return r.Get(ctx, p.ReferenceID)
}

func (r *Register) insertPartner(ctx context.Context, tx *sqlx.Tx, p Partner) error {
	// Two ids that fold alike can be inserted at the same time by two processes: the database decides, not a look-up.
	result, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO partners
			(application, reference_id, folded_id, name, status, permissions, fa_providers, callback_url,
			max_batch, items_per_second, bulk_items_per_second, created_at, changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`),
		r.application, p.ReferenceID, fold(p.ReferenceID), p.Name, p.Status, join(p.Permissions, ","),
		join(p.FAProviders, ","), p.CallbackURL, p.Limits.MaxBatch, p.Limits.ItemsPerSecond, p.Limits.BulkItemsPerSecond,
		p.CreatedAt.UnixMilli(), p.ChangedAt.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert partner: %w", err)
	}
	if inserted, err := result.RowsAffected(); err != nil || inserted == 1 {
		return err
	}
	var taken string
	if err := tx.GetContext(ctx, &taken, tx.Rebind(`
		SELECT reference_id
		FROM partners
		WHERE application = ? AND folded_id = ?`), r.application, fold(p.ReferenceID)); err != nil {
		return fmt.Errorf("find partner of the same name: %w", err)
	}
	if taken != p.ReferenceID {
		return fmt.Errorf("%w: the reference id is too like that of partner %s", ErrExists, taken)
	}
	return ErrExists
}

// Get returns a partner with its certificates, or [ErrNotFound]. The reference id matches byte for byte.
func (r *Register) Get(ctx context.Context, reference string) (Partner, error) {
	if !referenceID.MatchString(reference) { // PostgreSQL takes no text that is not UTF-8
		return Partner{}, ErrNotFound
	}
	return r.get(ctx, r.db, reference)
}

func (r *Register) get(ctx context.Context, in sqlx.QueryerContext, reference string) (Partner, error) {
	partners, err := r.query(ctx, in, selectPartners+` AND p.reference_id = ?`+orderPartners, r.application, reference)
	if err != nil {
		return Partner{}, err
	}
	if len(partners) == 0 {
		return Partner{}, ErrNotFound
	}
	return partners[0], nil
}

// List returns all partners with their certificates, by reference id.
func (r *Register) List(ctx context.Context) ([]Partner, error) {
	return r.query(ctx, r.db, selectPartners+orderPartners, r.application)
}

// listAll returns all there is to verify with.
func (r *Register) listAll(ctx context.Context) ([]Partner, []TrustAnchor, error) {
	partners, err := r.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	anchors, err := r.TrustAnchors(ctx)
	return partners, anchors, err
}

// SetStatus activates or suspends a partner: [ErrNotFound], [ErrInvalid], [ErrNoCertificate] for one that cannot be
// active, or [ErrNeedsApproval] for one that another person must activate. A partner never becomes a draft again.
func (r *Register) SetStatus(ctx context.Context, by audit.Actor, reference string, status Status) error {
	switch {
	case status != Active && status != Suspended:
		return fmt.Errorf("%w status %.40q: expected active or suspended", ErrInvalid, status)
	case status == Active && r.wantsApproval(by):
		return ErrNeedsApproval
	}
	now := r.now()
	err := r.change(ctx, func(tx *sqlx.Tx) error {
		before, err := r.touch(ctx, tx, reference, now)
		if err != nil {
			return err
		}
		event, err := r.setStatus(ctx, tx, by, reference, before.Status, status, now)
		if err != nil {
			return err
		}
		return r.trail.Write(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("set status of partner: %w", err)
	}
	return nil
}

func (r *Register) setStatus(ctx context.Context, tx *sqlx.Tx, by audit.Actor, reference string, before, status Status, now time.Time) (audit.Event, error) {
	if status == Active {
		if err := r.requireCertificate(ctx, tx, reference, now); err != nil {
			return audit.Event{}, err
		}
	}
	if _, err := tx.ExecContext(ctx, tx.Rebind(`
		UPDATE partners
		SET status = ?
		WHERE application = ? AND reference_id = ?`), status, r.application, reference); err != nil {
		return audit.Event{}, fmt.Errorf("update status: %w", err)
	}
	return statusEvent(by, reference, before, status), nil
}

// Permit replaces what a partner may do; none is allowed. The errors are [ErrNotFound], [ErrInvalid] that names an
// unknown permission, and [ErrNeedsApproval] where two persons are wanted and an active partner would be able to do more.
func (r *Register) Permit(ctx context.Context, by audit.Actor, reference string, permissions []Permission) error {
	permissions, err := checkedPermissions(permissions)
	if err != nil {
		return err
	}
	err = r.change(ctx, func(tx *sqlx.Tx) error {
		before, err := r.lock(ctx, tx, reference)
		if err != nil {
			return err
		}
		s := before.Settings()
		s.Permissions = permissions
		if err := r.mayConfigure(by, before, s); err != nil {
			return err
		}
		events, err := r.configure(ctx, tx, by, before, s)
		if err != nil {
			return err
		}
		if len(events) == 0 { // somebody confirmed what was so already
			events = []audit.Event{permitEvent(by, reference, join(permissions, ","), join(permissions, ","))}
		}
		return r.trail.Write(ctx, tx, events...)
	})
	if err != nil {
		return fmt.Errorf("set permissions of partner: %w", err)
	}
	return nil
}

// change runs do in a transaction.
func (r *Register) change(ctx context.Context, do func(tx *sqlx.Tx) error) error {
	// Counted even if it fails: a commit whose answer was lost has changed the tables all the same.
	defer r.changes.Add(1)
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// state is what a partner's row held before a change, for the audit event.
type state struct {
	Status Status `db:"status"`
}

// touch marks a partner as changed and returns its state. It comes first in every change, for it also locks the row until
// the end of the transaction, so that counting certificates and adding one cannot interleave.
func (r *Register) touch(ctx context.Context, tx *sqlx.Tx, reference string, now time.Time) (state, error) {
	var before state
	err := tx.GetContext(ctx, &before, tx.Rebind(`
		UPDATE partners
		SET changed_at = ?
		WHERE application = ? AND reference_id = ?
		RETURNING status`), now.UnixMilli(), r.application, reference)
	if errors.Is(err, sql.ErrNoRows) {
		return state{}, ErrNotFound
	}
	if err != nil {
		return state{}, fmt.Errorf("lock partner: %w", err)
	}
	return before, nil
}

// One statement reads partners and certificates, so that both are of the same moment.
const (
	selectPartners = `
		SELECT p.reference_id, p.name, p.status, p.permissions, p.fa_providers, p.callback_url,
			p.max_batch, p.items_per_second, p.bulk_items_per_second, p.created_at, p.changed_at,
			c.fingerprint, c.algorithm, c.der, c.chain, c.not_before, c.not_after, c.added_at, c.valid_to, c.revoked_at
		FROM partners p
		LEFT JOIN certificates c ON c.application = p.application AND c.reference_id = p.reference_id
		WHERE p.application = ?`
	orderPartners = `
		ORDER BY p.reference_id, c.added_at, c.fingerprint`
)

type partnerRow struct {
	ReferenceID string         `db:"reference_id"`
	Name        string         `db:"name"`
	Status      Status         `db:"status"`
	Permissions string         `db:"permissions"`
	FAProviders string         `db:"fa_providers"`
	CallbackURL string         `db:"callback_url"`
	MaxBatch    int            `db:"max_batch"`
	Items       int            `db:"items_per_second"`
	BulkItems   int            `db:"bulk_items_per_second"`
	CreatedAt   int64          `db:"created_at"`
	ChangedAt   int64          `db:"changed_at"`
	Fingerprint sql.NullString `db:"fingerprint"` // this and the rest are null for a partner without certificates
	Algorithm   sql.NullString `db:"algorithm"`
	DER         []byte         `db:"der"`
	Chain       []byte         `db:"chain"`
	NotBefore   sql.NullInt64  `db:"not_before"`
	NotAfter    sql.NullInt64  `db:"not_after"`
	AddedAt     sql.NullInt64  `db:"added_at"`
	ValidTo     sql.NullInt64  `db:"valid_to"`
	RevokedAt   sql.NullInt64  `db:"revoked_at"`
}

func (r *Register) query(ctx context.Context, in sqlx.QueryerContext, query string, args ...any) ([]Partner, error) {
	var rows []partnerRow
	if err := sqlx.SelectContext(ctx, in, &rows, r.db.Rebind(query), args...); err != nil {
		return nil, fmt.Errorf("read partners: %w", err)
	}
	var partners []Partner
	for _, row := range rows {
		if len(partners) == 0 || partners[len(partners)-1].ReferenceID != row.ReferenceID {
			partners = append(partners, row.partner())
		}
		if row.Fingerprint.Valid {
			last := &partners[len(partners)-1]
			last.Certificates = append(last.Certificates, row.certificate())
		}
	}
	// The databases' collations differ.
	slices.SortFunc(partners, func(a, b Partner) int { return strings.Compare(a.ReferenceID, b.ReferenceID) })
	return partners, nil
}

func (row partnerRow) partner() Partner {
	return Partner{
		ReferenceID: row.ReferenceID,
		Name:        row.Name,
		Status:      row.Status,
		Permissions: split[Permission](row.Permissions),
		FAProviders: split[string](row.FAProviders),
		CallbackURL: row.CallbackURL,
		Limits:      Limits{MaxBatch: row.MaxBatch, ItemsPerSecond: row.Items, BulkItemsPerSecond: row.BulkItems},
		CreatedAt:   time.UnixMilli(row.CreatedAt).UTC(),
		ChangedAt:   time.UnixMilli(row.ChangedAt).UTC(),
	}
}

func (row partnerRow) certificate() Certificate {
	c := Certificate{
		Fingerprint: row.Fingerprint.String,
		Algorithm:   row.Algorithm.String,
		DER:         row.DER,
		Chain:       row.Chain,
		NotBefore:   time.UnixMilli(row.NotBefore.Int64).UTC(),
		NotAfter:    time.UnixMilli(row.NotAfter.Int64).UTC(),
		AddedAt:     time.UnixMilli(row.AddedAt.Int64).UTC(),
	}
	if row.ValidTo.Valid {
		c.ValidTo = time.UnixMilli(row.ValidTo.Int64).UTC()
	}
	if row.RevokedAt.Valid {
		c.RevokedAt = time.UnixMilli(row.RevokedAt.Int64).UTC()
	}
	return c
}

// IsRefusal reports whether err is one of the register's own answers, not a fault of the database.
func IsRefusal(err error) bool {
	for _, known := range []error{
		ErrNotFound, ErrExists, ErrInvalid, ErrNoCertificate, ErrTooManyCertificates, ErrKeyInUse, ErrKeyRevoked,
		ErrCertificate, ErrPrivateKey, ErrStale, ErrNeedsApproval, ErrSamePerson, ErrDecided,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
