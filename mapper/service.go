package mapper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/migrations"
)

// Service is the Mapper on a database. Each batch is one transaction: after a crash it is all there or not there, and
// its history and audit event with it.
type Service struct {
	db         *sqlx.DB
	sealer     Sealer
	strategies *Strategies
	directory  *Directory
	trail      *audit.Log
	notifier   Notifier
	remember   time.Duration
	knownOnly  bool
	keep       time.Duration // look-ups
	location   *time.Location
	holdFor    time.Duration
	now        func() time.Time

	readings gather[*reading]
	burnings gather[*burning]
}

var _ Mapper = (*Service)(nil)

// Config is what a Service needs.
type Config struct {
	DB            *sqlx.DB
	Sealer        Sealer
	Strategies    *Strategies
	Directory     *Directory
	Trail         *audit.Log
	Notifier      Notifier       // nil: nobody is told of changes
	MessageWindow time.Duration  // how old a message may be; its id is remembered for longer than that
	KnownDFSPOnly bool           // accept only addresses whose codes are in the directory
	Hold          time.Duration  // how long changes by people in the portal wait; 0: not at all
	KeepLookups   time.Duration  // how long people can see who looked up their details; 0: [KeepLookups]
	Location      *time.Location // whose calendar days things are counted by; nil: UTC
	Now           func() time.Time
}

// maxClockSkew is how far ahead of ours a partner's clock may be.
const maxClockSkew = time.Minute

// NewService checks that nothing is missing in the configuration.
func NewService(c Config) (*Service, error) {
	if c.DB == nil || c.Sealer.Records == nil || c.Sealer.Lookup == nil || c.Strategies == nil || c.Directory == nil || c.Trail == nil || c.Now == nil || c.MessageWindow <= 0 || c.Hold < 0 {
		return nil, errors.New("mapper service: configuration is incomplete")
	}
	if c.KeepLookups == 0 {
		c.KeepLookups = KeepLookups
	}
	if c.Location == nil {
		c.Location = time.UTC
	}
	s := &Service{
		db: c.DB, sealer: c.Sealer, strategies: c.Strategies, directory: c.Directory, trail: c.Trail, notifier: c.Notifier,
		remember: 2 * (c.MessageWindow + maxClockSkew), knownOnly: c.KnownDFSPOnly, holdFor: c.Hold, keep: c.KeepLookups, location: c.Location, now: c.Now,
	}
	s.readings = gather[*reading]{run: s.readAll, limit: maxReadings}
	s.burnings = gather[*burning]{limit: maxBurnings, run: func(ctx context.Context, burnings []*burning) error {
		return burnAll(ctx, s.db, s.db, burnings)
	}}
	return s, nil
}

// candidate is an item of a changing batch that passed every check which needs no look at the links.
type candidate struct {
	place  int // in the batch
	id     key
	fa     key
	hasFA  bool
	record record

	hasBase bool
	base    string // the state of the link that the change was made for
	consent *Consent
}

// stale reports whether the change was made for another state of the link than it is in.
func (c candidate) stale(row linkRow, linked bool) bool {
	return c.hasBase && c.base != row.state(linked)
}

// prepare answers what can be answered without the links and returns the rest as candidates.
func (s *Service) prepare(ctx context.Context, by Actor, action Action, items []Item, results []Result) ([]candidate, error) {
	if by.Partner == "" || by.MessageID == "" {
		return nil, ErrNoActor
	}
	strategies, err := s.strategies.active(ctx)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(items))
	candidates := make([]candidate, 0, len(items))
	for place, item := range items {
		item = item.heard(by)
		c, refused, err := s.examine(action, item, seen, strategies, by)
		if err != nil {
			return nil, err
		}
		if refused != nil {
			results[place] = item.result(*refused)
			continue
		}
		c.place = place
		candidates = append(candidates, c)
	}
	return candidates, nil
}

// examine applies the rules of one item in the order in which clients expect their answers.
func (s *Service) examine(action Action, item Item, seen map[string]bool, strategies []*compiled, by Actor) (c candidate, _ *refusal, _ error) {
	if r := item.checkReference(seen); r != nil {
		return c, r, nil
	}
	if r := item.checkID(); r != nil {
		return c, r, nil
	}
	account, r := item.checkFA(action, strategies)
	if r != nil {
		return c, r, nil
	}
	if r := item.checkTimestamp(); r != nil {
		return c, r, nil
	}
	if r := item.checkPerson(action); r != nil {
		return c, r, nil
	}
	if action != Unlink && !mayActFor(by, account.DFSP) {
		return c, &refusal{FAInvalid, "FA is not of a provider that this partner may act for"}, nil
	}
	var err error
	if c.id, err = s.sealer.hash(idDomain, item.ID.Value); err != nil {
		return c, nil, err
	}
	if item.FA.Value != "" {
		if c.fa, err = s.sealer.hash(faDomain, item.FA.Value); err != nil {
			return c, nil, err
		}
		c.hasFA = true
	}
	c.record = record{
		id: item.ID.Value, fa: item.FA.Value, dfsp: account.DFSP, dfspName: account.DFSPName, branch: account.Branch,
		kind: account.Kind, name: item.Name.Value, phone: item.Phone.Value, locale: item.Locale.Value, info: item.AdditionalInfo,
		email: item.Email.Value,
	}
	c.hasBase, c.base, c.consent = item.Base.Present, item.Base.Value, item.Consent
	return c, nil, nil
}

// checkFA: link and update need an address that fits a strategy; unlink may name one, which is only compared.
func (i Item) checkFA(action Action, strategies []*compiled) (Account, *refusal) {
	if i.FA.Value == "" && !i.FA.Invalid && (action != Unlink || i.FA.Present) {
		return Account{}, &refusal{FAInvalid, textFANull}
	}
	if i.FA.Invalid {
		return Account{}, &refusal{FAInvalid, errFAForm.Error()}
	}
	if action == Unlink {
		return Account{}, nil
	}
	account, err := deconstruct(strategies, i.FA.Value)
	if err != nil {
		return Account{}, &refusal{FAInvalid, err.Error()}
	}
	return account, nil
}

func mayActFor(by Actor, dfsp string) bool {
	return len(by.FAProviders) == 0 || slices.ContainsFunc(by.FAProviders, func(code string) bool { return fold(code) == fold(dfsp) })
}

// upper is how codes stand in the directory and in the columns beside a sealed record.
func upper(code string) string { return strings.ToUpper(code) }

// Link implements [Mapper].
func (s *Service) Link(ctx context.Context, by Actor, items []Item) ([]Result, error) {
	return s.change(ctx, by, Link, items, s.link)
}

// Update implements [Mapper].
func (s *Service) Update(ctx context.Context, by Actor, items []Item) ([]Result, error) {
	return s.change(ctx, by, Update, items, s.update)
}

// Unlink implements [Mapper].
func (s *Service) Unlink(ctx context.Context, by Actor, items []Item) ([]Result, error) {
	return s.change(ctx, by, Unlink, items, s.unlink)
}

// A changer answers the candidates of a batch inside its transaction.
type changer func(ctx context.Context, tx *sqlx.Tx, b *batch) error

// batch is what a changer works on. It is made anew for each attempt of the transaction.
type batch struct {
	by         Actor
	at         time.Time
	items      []Item
	candidates []candidate
	results    []Result

	current map[key]linkRow // the links that are locked, as the batch leaves them
	touched map[key]bool    // those of them to be written at the end
	added   map[key]bool    // those of the touched that are new
	changes []change        // the history of what the actor did

	held    map[key]heldRow // the held changes that are locked, as the batch leaves them
	ended   []key           // those that are no more
	begun   map[key]heldRow // those that are new
	settled []settledChange // the history of those whose hold has ended

	staff audit.Actor // who settles a case; nobody otherwise
}

func newBatch(by Actor, at time.Time) *batch {
	return &batch{by: by, at: at, touched: map[key]bool{}, added: map[key]bool{}, begun: map[key]heldRow{}}
}

// drop forgets what is held of an ID.
func (b *batch) drop(id key) {
	delete(b.held, id)
	if _, ok := b.begun[id]; ok {
		delete(b.begun, id)
		return
	}
	b.ended = append(b.ended, id)
}

func (b *batch) refuse(c candidate, code Code, message string) {
	b.results[c.place] = b.items[c.place].result(refusal{code, message})
}

// refuseLinked refuses to link an ID that is linked.
func (b *batch) refuseLinked(c candidate) {
	if c.hasBase { // the person saw none
		b.refuse(c, StateStale, textStale)
		return
	}
	b.refuse(c, ReferenceIDDuplicate, textAlreadyMapped)
}

func (b *batch) succeed(c candidate, action Action, row linkRow) (change, error) {
	changeID, err := uuid.NewV7()
	if err != nil {
		return change{}, fmt.Errorf("make change id: %w", err)
	}
	item := b.items[c.place]
	b.results[c.place] = Result{
		ReferenceID: item.ReferenceID.Value, ID: item.ID.Value, FA: c.record.fa, Status: Succeeded,
		ChangedAt: b.at, ChangeID: changeID.String(),
	}
	return change{changeID: changeID, action: action, referenceID: item.ReferenceID.Value, row: row, consent: c.consent}, nil
}

func (s *Service) change(ctx context.Context, by Actor, action Action, items []Item, apply changer) ([]Result, error) {
	checked := make([]Result, len(items))
	candidates, err := s.prepare(ctx, by, action, items, checked)
	if err != nil {
		return nil, fmt.Errorf("%s %d items: %w", action, len(items), err)
	}
	if s.knownOnly && action != Unlink {
		if candidates, err = s.refuseUnknown(ctx, items, candidates, checked); err != nil {
			return nil, fmt.Errorf("%s %d items: %w", action, len(items), err)
		}
	}
	tell, err := s.herald(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s %d items: %w", action, len(items), err)
	}
	var results []Result
	err = transact(ctx, s.db, func(tx *sqlx.Tx) error {
		// Whole milliseconds, as stored: what a caller is told now equals what it reads later.
		now := s.now().UTC().Truncate(time.Millisecond)
		results = slices.Clone(checked)
		if err := s.burn(ctx, tx, by, now); err != nil {
			return err
		}
		if len(candidates) == 0 {
			return nil
		}
		b := newBatch(by, now)
		b.items, b.candidates, b.results = items, candidates, results
		if err := apply(ctx, tx, b); err != nil {
			return err
		}
		return s.record(ctx, tx, tell, b, action)
	})
	if err != nil {
		return nil, fmt.Errorf("%s %d items: %w", action, len(items), err)
	}
	if action == Unlink { // the definition's answer to it names no address
		for i := range results {
			results[i].FA = ""
		}
	}
	return results, nil
}

// record writes what a changer did: the links and held changes, their history, and the audit events.
func (s *Service) record(ctx context.Context, tx *sqlx.Tx, tell *herald, b *batch, action Action) error {
	if len(b.changes)+len(b.settled) == 0 {
		return nil
	}
	if err := s.store(ctx, tx, b); err != nil {
		return err
	}
	var events []audit.Event
	if len(b.settled) > 0 {
		if err := s.recordSettled(ctx, tx, tell, b); err != nil {
			return err
		}
		events = append(events, settledEvent(b.settled))
	}
	if len(b.changes) > 0 {
		if err := insertConsents(ctx, tx, s.db, b.at, b.changes); err != nil {
			return err
		}
		if err := insertHistory(ctx, tx, s.db, b.by, b.at, b.changes); err != nil {
			return err
		}
		if err := tell.announce(ctx, tx, b.by, b.at, b.changes); err != nil {
			return err
		}
		event := batchEvent(b.by, action, len(b.items), b.changes)
		if b.staff.Kind != "" {
			event.Actor = b.staff
		}
		events = append(events, event)
	}
	return s.trail.Write(ctx, tx, events...)
}

func (s *Service) link(ctx context.Context, tx *sqlx.Tx, b *batch) error {
	waits, err := s.lockForHeldLinks(ctx, tx, b)
	if err != nil {
		return err
	}
	first := make(map[key]bool, len(b.candidates))
	var fresh []candidate
	var rows []linkRow
	for _, c := range b.candidates {
		_, linked := b.current[c.id]
		if c.stale(linkRow{heldUntil: b.held[c.id].dueAt}, false) {
			b.refuse(c, StateStale, textStale)
			continue
		}
		if linked || first[c.id] {
			b.refuseLinked(c)
			continue
		}
		first[c.id] = true
		if until, wait := waits[c.id]; wait {
			if err := s.hold(b, c, linkRow{}, until); err != nil {
				return err
			}
			continue
		}
		row, err := s.newRow(c, linkRow{linkedAt: b.at.UnixMilli()}, b.at)
		if err != nil {
			return err
		}
		fresh, rows = append(fresh, c), append(rows, row)
	}
	if len(fresh) == 0 {
		return nil
	}
	added, err := insertLinks(ctx, tx, s.db, rows)
	if err != nil {
		return err
	}
	for i, c := range fresh {
		if !added[c.id] {
			b.refuseLinked(c)
			continue
		}
		if err := s.cancel(b, c.id); err != nil {
			return err
		}
		done, err := b.succeed(c, Link, rows[i])
		if err != nil {
			return err
		}
		b.changes = append(b.changes, done)
	}
	return nil
}

// newRow seals a candidate as the version after an earlier row.
func (s *Service) newRow(c candidate, before linkRow, at time.Time) (linkRow, error) {
	row := linkRow{
		id: c.id, fa: c.fa, dfsp: upper(c.record.dfsp), kind: c.record.kind, active: true,
		version: before.version + 1, linkedAt: before.linkedAt, changedAt: at.UnixMilli(),
	}
	var err error
	row.sealed, err = s.sealer.seal(c.record, c.id, row.version)
	return row, err
}

// lockCandidates locks the links of the candidates and what is held of them. What was held until now is made first.
func (s *Service) lockCandidates(ctx context.Context, tx *sqlx.Tx, b *batch, sealed bool) (err error) {
	ids := make([]key, 0, len(b.candidates))
	for _, c := range b.candidates {
		ids = append(ids, c.id)
	}
	ids = distinct(ids)
	if b.current, err = readByID(ctx, tx, s.db, ids, sealed, true); err != nil {
		return err
	}
	if b.held, err = s.lockHeld(ctx, tx, ids); err != nil {
		return err
	}
	return s.settle(b)
}

func (s *Service) update(ctx context.Context, tx *sqlx.Tx, b *batch) error {
	if err := s.lockCandidates(ctx, tx, b, s.notifier != nil); err != nil { // who is told needs the record before
		return err
	}
	for _, c := range b.candidates {
		before, linked := b.current[c.id]
		if c.stale(before, linked) {
			b.refuse(c, StateStale, textStale)
			continue
		}
		if !linked {
			b.refuse(c, IDInvalid, textNotLinked)
			continue
		}
		// A stopped link pays nobody: what becomes of it, staff look at before it does.
		if b.by.ByBeneficiary && s.holdFor > 0 && c.fa != before.fa && before.active {
			if err := s.hold(b, c, before, b.at.Add(s.holdFor)); err != nil {
				return err
			}
			continue
		}
		if err := s.cancel(b, c.id); err != nil {
			return err
		}
		after, err := s.newRow(c, before, b.at)
		if err != nil {
			return err
		}
		after.active = before.active
		done, err := b.succeed(c, Update, after)
		if err != nil {
			return err
		}
		if s.notifier != nil {
			old := before
			done.before = &old
		}
		b.changes = append(b.changes, done)
		b.current[c.id], b.touched[c.id] = after, true
	}
	return nil
}

func (s *Service) unlink(ctx context.Context, tx *sqlx.Tx, b *batch) error {
	if err := s.lockCandidates(ctx, tx, b, true); err != nil {
		return err
	}
	var removed []key
	for _, c := range b.candidates {
		row, linked := b.current[c.id]
		if c.stale(row, linked) {
			b.refuse(c, StateStale, textStale)
			continue
		}
		if !linked || c.hasFA && c.fa != row.fa {
			b.refuse(c, IDInvalid, textNotLinked)
			continue
		}
		if !mayActFor(b.by, row.dfsp) {
			b.refuse(c, FAInvalid, "FA is not of a provider that this partner may act for")
			continue
		}
		if err := s.cancel(b, c.id); err != nil {
			return err
		}
		done, err := b.succeed(c, Unlink, row)
		if err != nil {
			return err
		}
		b.changes = append(b.changes, done)
		if !b.added[c.id] { // otherwise it was never written
			removed = append(removed, c.id)
		}
		delete(b.current, c.id)
	}
	if len(removed) == 0 {
		return nil
	}
	return deleteLinks(ctx, tx, s.db, removed)
}

func distinct(keys []key) []key {
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, compareKeys)
	return slices.Compact(sorted)
}

func compareKeys(a, b key) int { return bytes.Compare(a[:], b[:]) }

func sortByKey(rows []linkRow) {
	slices.SortFunc(rows, func(a, b linkRow) int { return compareKeys(a.id, b.id) })
}

// forUpdate locks what a statement reads, in the order of the keys. SQLite needs none: its transactions begin as writers.
func forUpdate(db *sqlx.DB) string {
	if migrations.Postgres(db) {
		return ` ORDER BY id_hash FOR UPDATE`
	}
	return ""
}

// Purge forgets message ids that can no longer be replayed, once it is in the lists of the people concerned whom their
// answers showed, and look-ups that were kept long enough; and it sums up what was counted. Call it about once a minute.
func (s *Service) Purge(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, s.db.Rebind(`DELETE FROM seen_messages WHERE expires_at < ? AND revealed IS NULL`), s.now().UnixMilli())
	if err != nil {
		return fmt.Errorf("purge message ids: %w", err)
	}
	return errors.Join(s.purgeLookups(ctx), s.sumCounts(ctx))
}
