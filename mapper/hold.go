package mapper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

// A registry can hold changes that people make in the portal: the old account stays in effect until the hold ends, and
// until then the change can be stopped. Whoever got into a session cannot redirect a payment at once.
//
//   - Held is an update by the person that leads to another account, if payments go to the one before it, and a link by the
//     person that follows a removal, or a held change that was stopped, by the person or by staff: removing and linking is no
//     way round the hold. The first link ever is not held, nor is anything that partners do.
//   - A held change stands on one version of the link. Whatever else becomes of the link ends it: that is written to the
//     history as [Cancel], in the same transaction. Even if it were not, it would not be made on another version.
//   - So each [Hold] in the history is followed by one [Cancel], or by the link or update that it became.

// ErrNotHeld says that a change does not wait any more: it was made, stopped or replaced.
var ErrNotHeld = errors.New("no such change is held")

// errRaced says that another transaction held a change of the same ID in the same moment. Run again, one sees the other.
var errRaced = errors.New("another change was held meanwhile")

// dueBatch is how many held changes are made in one transaction.
const dueBatch = 100

// heldRow is a row of the held changes.
type heldRow struct {
	id          key
	version     int64 // of the link it was asked for; 0: none
	changeID    uuid.UUID
	askedAt     int64
	dueAt       int64
	partner     string
	referenceID string
	sealed      []byte
}

const heldColumns = `id_hash, version, change_id, asked_at, due_at, partner, reference_id, sealed`

// lockHeld locks and returns what is held of the given IDs.
func (s *Service) lockHeld(ctx context.Context, tx *sqlx.Tx, ids []key) (map[key]heldRow, error) {
	condition, arg := keysIn(s.db, "id_hash", slices2D(ids))
	return readHeld(ctx, tx, s.db.Rebind(`SELECT `+heldColumns+` FROM held_changes WHERE `+condition+forUpdate(s.db)), arg)
}

func readHeld(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) (map[key]heldRow, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read held changes: %w", err)
	}
	defer rows.Close()
	held := map[key]heldRow{}
	var id, changeID []byte
	for rows.Next() {
		var h heldRow
		if err := rows.Scan(&id, &h.version, &changeID, &h.askedAt, &h.dueAt, &h.partner, &h.referenceID, &h.sealed); err != nil {
			return nil, fmt.Errorf("read held changes: %w", err)
		}
		if len(id) != keySize {
			return nil, fmt.Errorf("read held changes: keyed hash of %d bytes", len(id))
		}
		if h.changeID, err = uuid.FromBytes(changeID); err != nil {
			return nil, fmt.Errorf("read held changes: %w", err)
		}
		h.id = key(id)
		held[h.id] = h
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read held changes: %w", err)
	}
	return held, nil
}

// hold takes a candidate that is not carried out now. What was held of the same ID before is replaced.
func (s *Service) hold(b *batch, c candidate, before linkRow, due time.Time) error {
	if err := s.cancel(b, c.id); err != nil {
		return err
	}
	done, err := b.succeed(c, Hold, linkRow{id: c.id, dfsp: upper(c.record.dfsp), kind: c.record.kind, version: before.version})
	if err != nil {
		return err
	}
	h := heldRow{
		id: c.id, version: before.version, changeID: done.changeID, askedAt: b.at.UnixMilli(), dueAt: due.UnixMilli(),
		partner: b.by.Partner, referenceID: done.referenceID,
	}
	if h.sealed, err = s.sealer.sealHeld(c.record, h.id, h.changeID, h.dueAt); err != nil {
		return err
	}
	result := &b.results[c.place]
	result.EffectiveAt, result.ChangedAt = due, time.Time{}
	if before.version > 0 {
		result.ChangedAt = time.UnixMilli(before.changedAt).UTC()
	}
	done.row.sealed, done.askedAt, done.dueAt, done.before = h.sealed, h.askedAt, h.dueAt, s.toTell(before)
	b.held[c.id], b.begun[c.id] = h, h
	if before.version > 0 {
		before.heldUntil = h.dueAt
		b.current[c.id] = before
	}
	b.changes = append(b.changes, done)
	return nil
}

// cancel ends what is held of an ID, if anything.
func (s *Service) cancel(b *batch, id key) error {
	h, ok := b.held[id]
	if !ok {
		return nil
	}
	done, err := s.cancelled(b, h)
	if err != nil {
		return err
	}
	b.drop(id)
	if row, linked := b.current[id]; linked {
		row.heldUntil = 0
		b.current[id] = row
	}
	b.changes = append(b.changes, done)
	return nil
}

// cancelled is the row of the history that says that a held change is not made.
func (s *Service) cancelled(b *batch, h heldRow) (change, error) {
	r, err := s.sealer.openHeld(h.sealed, h.id, h.changeID, h.dueAt)
	if err != nil {
		return change{}, err
	}
	done, err := h.becomes(Cancel, linkRow{id: h.id, dfsp: upper(r.dfsp), kind: r.kind, version: h.version})
	if err != nil {
		return change{}, err
	}
	done.before = s.toTell(b.current[h.id])
	done.row.sealed, err = s.sealer.sealHeld(r, h.id, done.changeID, h.dueAt)
	return done, err
}

// becomes is the row of the history that says what became of a held change.
func (h heldRow) becomes(action Action, row linkRow) (change, error) {
	changeID, err := uuid.NewV7()
	if err != nil {
		return change{}, fmt.Errorf("make change id: %w", err)
	}
	return change{changeID: changeID, action: action, referenceID: h.referenceID, askedAt: h.askedAt, dueAt: h.dueAt, row: row}, nil
}

// settle makes the held changes of a batch whose hold has ended, on the links as they are locked. It does so within
// whatever else happens to these IDs, so that the order in which changes count is the order of their times.
func (s *Service) settle(b *batch) (failed error) {
	for _, id := range distinct(keysOf(b.held)) {
		h := b.held[id]
		if h.dueAt > b.at.UnixMilli() {
			continue
		}
		done, err := s.settled(b, h)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		b.drop(id)
		b.settled = append(b.settled, settledChange{partner: h.partner, change: done})
	}
	return failed
}

func (s *Service) settled(b *batch, h heldRow) (change, error) {
	before, linked := b.current[h.id]
	if before.version != h.version || linked && !before.active {
		return s.cancelled(b, h)
	}
	r, err := s.sealer.openHeld(h.sealed, h.id, h.changeID, h.dueAt)
	if err != nil {
		return change{}, err
	}
	c := candidate{id: h.id, record: r}
	if c.fa, err = s.sealer.hash(faDomain, r.fa); err != nil {
		return change{}, err
	}
	action := Update
	if !linked {
		action, before.linkedAt = Link, b.at.UnixMilli()
		b.added[h.id] = true
	}
	after, err := s.newRow(c, before, b.at)
	if err != nil {
		return change{}, err
	}
	done, err := h.becomes(action, after)
	if linked {
		done.before = s.toTell(before)
	}
	b.current[h.id], b.touched[h.id] = after, true
	return done, err
}

// toTell is the link before a change, where there was one and people are told of changes.
func (s *Service) toTell(before linkRow) *linkRow {
	if s.notifier == nil || before.version == 0 {
		return nil
	}
	return &before
}

// lockForHeldLinks prepares link for what is held. It returns the IDs whose link by the person has to wait, and until when.
func (s *Service) lockForHeldLinks(ctx context.Context, tx *sqlx.Tx, b *batch) (waits map[key]time.Time, err error) {
	var ids []key
	for _, c := range b.candidates {
		ids = append(ids, c.id)
	}
	ids = distinct(ids)
	if b.held, err = s.lockHeld(ctx, tx, ids); err != nil {
		return nil, err
	}
	if b.by.ByBeneficiary && s.holdFor > 0 {
		if waits, err = s.linksWait(ctx, tx, ids, b.at); err != nil {
			return nil, err
		}
		for id, h := range b.held {
			if h.dueAt > b.at.UnixMilli() { // replacing it stops it
				waits[id] = b.at.Add(s.holdFor)
			}
		}
	}
	known := keysOf(b.held)
	for id := range waits {
		known = append(known, id)
	}
	if len(known) == 0 {
		return nil, nil
	}
	if b.current, err = readByID(ctx, tx, s.db, distinct(known), false, true); err != nil {
		return nil, err
	}
	return waits, s.settle(b)
}

// linksWait returns from when on a link by the person counts, for those who removed an account or stopped a change within
// the last hold, or whose account staff removed: whoever was in the session before may still be.
func (s *Service) linksWait(ctx context.Context, q sqlx.QueryerContext, ids []key, at time.Time) (map[key]time.Time, error) {
	condition, arg := keysIn(s.db, "id_hash", slices2D(ids))
	rows, err := q.QueryContext(ctx, s.db.Rebind(`
		SELECT id_hash, MAX(changed_at)
		FROM link_history
		WHERE `+condition+` AND changed_at > ? AND (by_beneficiary OR partner = ?) AND action IN ('`+string(Unlink)+`', '`+string(Cancel)+`')
		GROUP BY id_hash`), arg, at.Add(-s.holdFor).UnixMilli(), Staff)
	if err != nil {
		return nil, fmt.Errorf("look for removals: %w", err)
	}
	defer rows.Close()
	waits := map[key]time.Time{}
	var id []byte
	var last int64
	for rows.Next() {
		if err := rows.Scan(&id, &last); err != nil {
			return nil, fmt.Errorf("look for removals: %w", err)
		}
		waits[key(id)] = time.UnixMilli(last).UTC().Add(s.holdFor)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for removals: %w", err)
	}
	return waits, nil
}

// store writes what a batch made of its locked links and of what is held.
func (s *Service) store(ctx context.Context, tx *sqlx.Tx, b *batch) error {
	var updated, added []linkRow
	for id := range b.touched {
		row, linked := b.current[id]
		switch {
		case !linked: // and removed by the same batch
		case b.added[id]:
			added = append(added, row)
		default:
			updated = append(updated, row)
		}
	}
	if len(updated) > 0 {
		if err := updateLinks(ctx, tx, s.db, updated); err != nil {
			return err
		}
	}
	if len(added) > 0 {
		inserted, err := insertLinks(ctx, tx, s.db, added)
		if err != nil {
			return err
		}
		if len(inserted) < len(added) {
			return errRaced
		}
	}
	if len(b.ended) > 0 {
		condition, arg := keysIn(s.db, "id_hash", slices2D(b.ended))
		if _, err := tx.ExecContext(ctx, s.db.Rebind(`DELETE FROM held_changes WHERE `+condition), arg); err != nil {
			return fmt.Errorf("end %d held changes: %w", len(b.ended), err)
		}
	}
	if len(b.begun) > 0 {
		if err := s.insertHeld(ctx, tx, b.begun); err != nil {
			return err
		}
	}
	return s.markHeld(ctx, tx, b)
}

// markHeld notes at the links until when a change of them is held, where that has changed and was not written with them.
func (s *Service) markHeld(ctx context.Context, tx *sqlx.Tx, b *batch) error {
	until := make(map[key]int64, len(b.begun)+len(b.ended))
	for _, id := range b.ended {
		if !b.touched[id] {
			until[id] = 0
		}
	}
	for id, h := range b.begun {
		until[id] = h.dueAt
	}
	if len(until) == 0 {
		return nil
	}
	var ids [][]byte
	var times []int64
	for _, id := range distinct(keysOf(until)) {
		ids, times = append(ids, id[:]), append(times, until[id])
	}
	from, args, err := rowset{[]column{bytesColumn("id_hash", ids), intColumn("held_until", times)}}.from(s.db, "r")
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.db.Rebind(`UPDATE links SET held_until = r.held_until FROM `+from+` WHERE links.id_hash = r.id_hash`), args...); err != nil {
		return fmt.Errorf("mark %d links: %w", len(ids), err)
	}
	return nil
}

func (s *Service) insertHeld(ctx context.Context, tx *sqlx.Tx, begun map[key]heldRow) error {
	var ids, changeIDs, sealed [][]byte
	var partners, references []string
	var versions, asked, due []int64
	for _, id := range distinct(keysOf(begun)) {
		h := begun[id]
		ids, changeIDs, sealed = append(ids, h.id[:]), append(changeIDs, h.changeID[:]), append(sealed, h.sealed)
		partners, references = append(partners, h.partner), append(references, h.referenceID)
		versions, asked, due = append(versions, h.version), append(asked, h.askedAt), append(due, h.dueAt)
	}
	from, args, err := rowset{[]column{
		bytesColumn("id_hash", ids), intColumn("version", versions), bytesColumn("change_id", changeIDs), intColumn("asked_at", asked),
		intColumn("due_at", due), textColumn("partner", partners), textColumn("reference_id", references), bytesColumn("sealed", sealed),
	}}.from(s.db, "r")
	if err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, s.db.Rebind(`
		INSERT INTO held_changes (`+heldColumns+`)
		SELECT r.id_hash, r.version, r.change_id, r.asked_at, r.due_at, r.partner, r.reference_id, r.sealed
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (id_hash) DO NOTHING`), args...)
	if err != nil {
		return fmt.Errorf("hold %d changes: %w", len(begun), err)
	}
	if n, err := result.RowsAffected(); err != nil || n < int64(len(begun)) {
		return errors.Join(errRaced, err)
	}
	return nil
}

// settledChange is a change that was held until now, for the history: whose it is.
type settledChange struct {
	partner string
	change  change
}

// recordSettled writes the history and notices of changes whose hold has ended.
func (s *Service) recordSettled(ctx context.Context, tx *sqlx.Tx, tell *herald, b *batch) error {
	byPartner := map[string][]change{}
	for _, d := range b.settled {
		byPartner[d.partner] = append(byPartner[d.partner], d.change)
	}
	for partner, changes := range byPartner { // one: the portal
		by := Actor{Partner: partner, ByBeneficiary: true}
		if err := insertHistory(ctx, tx, s.db, by, b.at, changes); err != nil {
			return err
		}
		if err := tell.announce(ctx, tx, by, b.at, changes); err != nil {
			return err
		}
	}
	return nil
}

// ApplyDue makes the changes whose hold has ended. Several processes may do so at once: each takes what no other has.
func (s *Service) ApplyDue(ctx context.Context) error {
	var broken error // what could not be opened: it does not keep the others waiting
	for {
		// Most of the time there is nothing, which costs no transaction.
		var due int
		err := s.db.GetContext(ctx, &due, s.db.Rebind(`SELECT COUNT(*) FROM (SELECT 1 FROM held_changes WHERE due_at <= ? LIMIT 1) AS due`), s.now().UnixMilli())
		if err != nil {
			return fmt.Errorf("look for held changes: %w", err)
		}
		if due == 0 {
			return nil
		}
		tell, err := s.herald(ctx)
		if err != nil {
			return fmt.Errorf("make held changes: %w", err)
		}
		var done int
		err = transact(ctx, s.db, func(tx *sqlx.Tx) (err error) {
			done, broken, err = s.applyDue(ctx, tx, tell)
			return err
		})
		if err != nil {
			return fmt.Errorf("make held changes: %w", err)
		}
		if done == 0 { // all of them are in other hands, or broken
			if broken != nil {
				return fmt.Errorf("make held changes: %w", broken)
			}
			return nil
		}
	}
}

// applyDue makes a batch of due changes and returns how many. It holds the rows of held changes and never waits for a link:
// those that another transaction has locked, which may be waiting for these rows, are left for the next time.
func (s *Service) applyDue(ctx context.Context, tx *sqlx.Tx, tell *herald) (done int, broken, err error) {
	b := newBatch(Actor{}, s.now().UTC().Truncate(time.Millisecond))
	skip := ""
	if migrations.Postgres(s.db) {
		skip = ` FOR UPDATE SKIP LOCKED`
	}
	b.held, err = readHeld(ctx, tx, s.db.Rebind(`
		SELECT `+heldColumns+` FROM held_changes WHERE due_at <= ? ORDER BY due_at, id_hash LIMIT ?`+skip), b.at.UnixMilli(), dueBatch)
	if err != nil || len(b.held) == 0 {
		return 0, nil, err
	}
	ids := distinct(keysOf(b.held))
	if b.current, err = readByID(ctx, tx, s.db, ids, s.notifier != nil, false); err != nil {
		return 0, nil, err
	}
	if migrations.Postgres(s.db) {
		if err := s.keepLockable(ctx, tx, b, ids); err != nil {
			return 0, nil, err
		}
	}
	if broken = s.settle(b); len(b.settled) == 0 {
		return 0, broken, nil
	}
	return len(b.settled), broken, s.record(ctx, tx, tell, b, Update)
}

// keepLockable locks the links of a batch as they are now, and takes those out of it that are locked already.
func (s *Service) keepLockable(ctx context.Context, tx *sqlx.Tx, b *batch, ids []key) error {
	condition, arg := keysIn(s.db, "id_hash", slices2D(ids))
	locked, err := readLinks(ctx, tx, s.db.Rebind(selectLinks(s.notifier != nil)+` WHERE `+condition+forUpdate(s.db)+` SKIP LOCKED`), arg)
	if err != nil {
		return fmt.Errorf("lock links of %d held changes: %w", len(ids), err)
	}
	free := make(map[key]linkRow, len(locked))
	for _, row := range locked {
		free[row.id] = row
	}
	for id := range b.current {
		if _, ok := free[id]; !ok {
			delete(b.held, id)
		}
	}
	b.current = free
	return nil
}

// CancelHeld stops a change that waits, for the person who asked for it: the caller vouches for that. It answers with what
// the history then says of who did it and when, or with [ErrNotHeld].
func (s *Service) CancelHeld(ctx context.Context, by Actor, id ID, changeID string) (Change, error) {
	if by.Partner == "" || by.MessageID == "" {
		return Change{}, fmt.Errorf("stop held change: %w", ErrNoActor)
	}
	hash, err := s.sealer.hash(idDomain, string(id))
	if err != nil {
		return Change{}, fmt.Errorf("stop held change: %w", err)
	}
	tell, err := s.herald(ctx)
	if err != nil {
		return Change{}, fmt.Errorf("stop held change: %w", err)
	}
	var stopped Change
	err = transact(ctx, s.db, func(tx *sqlx.Tx) error {
		b := newBatch(by, s.now().UTC().Truncate(time.Millisecond))
		b.items = make([]Item, 1)
		if err := s.burn(ctx, tx, by, b.at); err != nil {
			return err
		}
		// The link first, as all who change it do.
		if b.current, err = readByID(ctx, tx, s.db, []key{hash}, s.notifier != nil, true); err != nil {
			return err
		}
		if b.held, err = s.lockHeld(ctx, tx, []key{hash}); err != nil {
			return err
		}
		if h, ok := b.held[hash]; !ok || h.changeID.String() != changeID {
			return ErrNotHeld
		}
		if err := s.cancel(b, hash); err != nil {
			return err
		}
		done := b.changes[0]
		stopped = Change{ID: done.changeID.String(), Action: Cancel, At: b.at, Partner: by.Partner, ByBeneficiary: by.ByBeneficiary}
		return s.record(ctx, tx, tell, b, Cancel)
	})
	if err != nil {
		return Change{}, fmt.Errorf("stop held change: %w", err)
	}
	return stopped, nil
}

// addHeld completes what the portal is told about its person: the change that waits, and when one asked for now would count.
func (s *Service) addHeld(ctx context.Context, questions []question, byID map[key]linkRow, results []Result, providers map[string]DFSP) error {
	var ids []key
	for _, q := range questions {
		if q.hasID {
			ids = append(ids, q.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ids = distinct(ids)
	now := s.now().UTC().Truncate(time.Millisecond)
	condition, arg := keysIn(s.db, "id_hash", slices2D(ids))
	held, err := readHeld(ctx, s.db, s.db.Rebind(`SELECT `+heldColumns+` FROM held_changes WHERE `+condition), arg)
	if err != nil {
		return err
	}
	var waits map[key]time.Time
	if s.holdFor > 0 && slices.ContainsFunc(ids, func(id key) bool { return byID[id].version == 0 }) {
		if waits, err = s.linksWait(ctx, s.db, ids, now); err != nil {
			return err
		}
	}
	for _, q := range questions {
		result := &results[q.place]
		h, ok := held[q.id]
		if ok = ok && h.version == byID[q.id].version; ok && h.version == 0 {
			result.State = linkRow{heldUntil: h.dueAt}.state(false)
		}
		if !q.details || !q.hasID || result.Code == FANotLinkedToID {
			continue
		}
		if ok {
			if result.Held, err = s.describe(h, providers); err != nil {
				return err
			}
		}
		switch {
		case s.holdFor == 0:
		case ok || byID[q.id].active:
			result.EffectiveAt = now.Add(s.holdFor)
		default:
			result.EffectiveAt = waits[q.id]
		}
	}
	return nil
}

func (s *Service) describe(h heldRow, providers map[string]DFSP) (*Held, error) {
	r, err := s.sealer.openHeld(h.sealed, h.id, h.changeID, h.dueAt)
	if err != nil {
		return nil, err
	}
	return &Held{
		ChangeID: h.changeID.String(), FA: r.fa, Provider: *r.provider(providers),
		AskedAt: time.UnixMilli(h.askedAt).UTC(), EffectiveAt: time.UnixMilli(h.dueAt).UTC(),
	}, nil
}

func keysOf[V any](m map[key]V) []key {
	keys := make([]key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}
