package mapper

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
)

// A person can report a change as not their doing. That stops payments and opens a case, which staff settle:
//
//   - While a case of an ID is open, the ID's link is not active, whoever links or updates it. The case stands in a table of
//     its own, so that removing and linking is no way round it: whatever adds links looks there, in the same transaction.
//   - A report and a link of the same ID cannot miss each other: see claim.
//   - A frozen or restored link is a new version of its record, so that nothing that was made for the version before it
//     happens to it.
//   - A report of a change of an ID that has an open case is added to that case.

// Staff is the reference id that stands in the history for what the registry's staff did when they settled a case. No
// partner can have it, for it does not have the form of a reference id.
const Staff = "(staff)"

// Case is what became of a person's report.
type Case struct {
	Number    string // told to the person and to staff
	OpenedAt  time.Time
	SettledAt time.Time // zero: it is open
	Outcome   CaseOutcome
	Reported  []string // ids of the changes that it is about, in the order of the reports
}

// Open reports whether staff have not settled the case yet.
func (c Case) Open() bool { return c.SettledAt.IsZero() }

// CaseOutcome is how a case was settled; empty while it is open.
type CaseOutcome string

// The outcomes of cases.
const (
	PaymentsResumed CaseOutcome = "resumed" // the link is active again
	AccountRemoved  CaseOutcome = "removed"
	CaseClosed      CaseOutcome = "closed" // nothing was linked any more
)

// CaseDetails is a case as staff see it. It does not say whose it is.
type CaseDetails struct {
	Case
	Note    string   // of the staff who settled it
	Changes []Change // of the link, newest first, with those that are reported
	Linked  *Linked  // the account that is linked now; nil if there is none
	Active  bool     // whether payments go there
	State   string   // names the state of the link, for [Service.Settle]
}

// Linked is an account that an ID is linked to.
type Linked struct {
	FA       string
	Provider AccountProvider
}

// ErrSettled says that a case is not open any more.
var ErrSettled = errors.New("the case is settled")

// ErrStale says that a link is not in the state that a change was made for.
var ErrStale = errors.New(textStale)

// caseNumbers are the letters and digits of case numbers: none that are mistaken for another when read out or written down,
// and no vowels to make words of.
const caseNumbers = "23456789BCDFGHJKMNPQRSTVWXZ"

// newCaseNumber is short enough to be read out on the telephone. It opens nothing: it only has to be no other's.
func newCaseNumber() string {
	b := make([]byte, 8)
	for i := range b {
		for {
			if _, err := rand.Read(b[i : i+1]); err != nil {
				panic(err) // never returned by crypto/rand
			}
			if limit := byte(256 / len(caseNumbers) * len(caseNumbers)); b[i] < limit {
				b[i] = caseNumbers[int(b[i])%len(caseNumbers)]
				break
			}
		}
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// maxNote is the length of a note of staff, in characters.
const maxNote = 500

// stopReported makes links inactive whose IDs have an open case: those that were just added. One statement for the batch.
func stopReported(ctx context.Context, q sqlx.ExecerContext, db *sqlx.DB, ids [][]byte) error {
	if len(ids) == 0 {
		return nil
	}
	condition, arg := keysIn(db, "id_hash", ids)
	_, err := q.ExecContext(ctx, db.Rebind(`
		UPDATE links SET status = '`+statusInactive+`'
		WHERE id_hash IN (SELECT id_hash FROM link_cases WHERE settled_at IS NULL AND `+condition+`)`), arg)
	if err != nil {
		return fmt.Errorf("look for open cases of %d links: %w", len(ids), err)
	}
	return nil
}

// claim locks the link of an ID, or the place where it would be: until the transaction ends, nobody else links, updates or
// unlinks the ID. A row that is inserted and deleted again does what a lock on a row that does not exist cannot: a link of
// the ID that is under way is waited for, and one that comes later waits.
func (s *Service) claim(ctx context.Context, tx *sqlx.Tx, id key) (linkRow, bool, error) {
	const attempts = 10
	for range attempts {
		result, err := tx.ExecContext(ctx, s.db.Rebind(`
			INSERT INTO links (id_hash, fa_hash, dfsp_code, kind, status, version, sealed, linked_at, changed_at)
			VALUES (?, ?, '', '', '`+statusInactive+`', 0, ?, 0, 0)
			ON CONFLICT (id_hash) DO NOTHING`), id[:], []byte{}, []byte{})
		if err != nil {
			return linkRow{}, false, fmt.Errorf("claim link: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return linkRow{}, false, fmt.Errorf("claim link: %w", err)
		}
		if n == 1 {
			return linkRow{}, false, deleteLinks(ctx, tx, s.db, []key{id})
		}
		found, err := readByID(ctx, tx, s.db, []key{id}, true, true)
		if err != nil {
			return linkRow{}, false, err
		}
		if row, ok := found[id]; ok {
			return row, true, nil
		}
		// It was unlinked in this moment.
	}
	return linkRow{}, false, errors.New("claim link: it was linked and unlinked over and over")
}

// Report takes a person's word that a change of their link was not their doing. It freezes the link and opens a case, or
// adds the change to the case that is open; Item.Change names the change, and Result.Case the case. What is reported
// already is answered in the same way, and changes nothing.
func (s *Service) Report(ctx context.Context, by Actor, item Item) (Result, error) {
	result, err := s.report(ctx, by, item)
	if err != nil {
		return Result{}, fmt.Errorf("report a change: %w", err)
	}
	return result, nil
}

func (s *Service) report(ctx context.Context, by Actor, item Item) (Result, error) {
	if by.Partner == "" || by.MessageID == "" || !by.ByBeneficiary {
		return Result{}, ErrNoActor
	}
	for _, refused := range []*refusal{item.checkReference(map[string]bool{}), item.checkID(), item.checkTimestamp()} {
		if refused != nil {
			return item.result(*refused), nil
		}
	}
	id, err := s.sealer.hash(idDomain, item.ID.Value)
	if err != nil {
		return Result{}, err
	}
	tell, err := s.herald(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{ReferenceID: item.ReferenceID.Value, ID: item.ID.Value, Status: Succeeded}
	err = transact(ctx, s.db, func(tx *sqlx.Tx) error {
		now := s.now().UTC().Truncate(time.Millisecond)
		if err := s.burn(ctx, tx, by, now); err != nil {
			return err
		}
		reported, known, err := s.reported(ctx, tx, id, item.Change.Value)
		if err != nil {
			return err
		}
		if !known {
			result = item.result(refusal{ChangeUnknown, textChangeUnknown})
			return nil
		}
		b := newBatch(by, now)
		b.items = make([]Item, 1)
		if err := s.claimBatch(ctx, tx, b, id); err != nil {
			return err
		}
		number, opened, err := s.openCase(ctx, tx, id, now)
		if err != nil {
			return err
		}
		added, err := s.addReport(ctx, tx, number, reported, now)
		if err != nil {
			return err
		}
		if opened { // what waits of an open case was asked for by the person since, and changes no payment
			if err := s.cancel(b, id); err != nil {
				return err
			}
		}
		if row, linked := b.current[id]; linked && row.active { // the link of an open case is not
			frozen, err := s.restate(b, row, Freeze, number)
			if err != nil {
				return err
			}
			result.ChangeID, result.ChangedAt = frozen.changeID.String(), now
		}
		if err := s.record(ctx, tx, tell, b, Freeze); err != nil {
			return err
		}
		if opened || added {
			if err := s.trail.Write(ctx, tx, reportEvent(by, number, reported, opened, b.changes)); err != nil {
				return err
			}
		}
		cases, err := readCases(ctx, tx, s.db, []key{id})
		result.Case = cases[id]
		return err
	})
	return result, err
}

// reported finds a change of the ID's link.
func (s *Service) reported(ctx context.Context, tx *sqlx.Tx, id key, change string) (uuid.UUID, bool, error) {
	reported, err := uuid.Parse(change)
	if err != nil {
		return reported, false, nil
	}
	var n int
	err = tx.GetContext(ctx, &n, s.db.Rebind(`SELECT COUNT(*) FROM link_history WHERE change_id = ? AND id_hash = ?`), reported[:], id[:])
	if err != nil {
		return reported, false, fmt.Errorf("find the change: %w", err)
	}
	return reported, n == 1, nil
}

// openCase opens a case of the ID that the transaction has claimed, or finds the one that is open.
func (s *Service) openCase(ctx context.Context, tx *sqlx.Tx, id key, at time.Time) (number string, opened bool, err error) {
	err = tx.GetContext(ctx, &number, s.db.Rebind(`SELECT case_id FROM link_cases WHERE id_hash = ? AND settled_at IS NULL`), id[:])
	if err == nil {
		return number, false, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", false, fmt.Errorf("look for an open case: %w", err)
	}
	for range 5 {
		number = newCaseNumber()
		result, err := tx.ExecContext(ctx, s.db.Rebind(`
			INSERT INTO link_cases (case_id, id_hash, opened_at)
			VALUES (?, ?, ?)
			ON CONFLICT (case_id) DO NOTHING`), number, id[:], at.UnixMilli())
		if err != nil {
			return "", false, fmt.Errorf("open case: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return number, true, err
		}
	}
	return "", false, errors.New("open case: no number is free")
}

func (s *Service) addReport(ctx context.Context, tx *sqlx.Tx, number string, reported uuid.UUID, at time.Time) (added bool, err error) {
	result, err := tx.ExecContext(ctx, s.db.Rebind(`
		INSERT INTO link_case_reports (case_id, change_id, reported_at)
		VALUES (?, ?, ?)
		ON CONFLICT (case_id, change_id) DO NOTHING`), number, reported[:], at.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("add report: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// claimBatch claims the link of one ID for a batch that changes it, with what is held of it.
func (s *Service) claimBatch(ctx context.Context, tx *sqlx.Tx, b *batch, id key) error {
	row, linked, err := s.claim(ctx, tx, id)
	if err != nil {
		return err
	}
	b.current = map[key]linkRow{}
	if linked {
		b.current[id] = row
	}
	if b.held, err = s.lockHeld(ctx, tx, []key{id}); err != nil {
		return err
	}
	return s.settle(b)
}

// restate makes a claimed link active or not, as a version of its own.
func (s *Service) restate(b *batch, row linkRow, action Action, number string) (change, error) {
	r, err := s.sealer.open(row.sealed, row.id, row.version)
	if err != nil {
		return change{}, err
	}
	after := row
	after.version++
	after.active, after.heldUntil = action == Restore, 0
	if after.sealed, err = s.sealer.seal(r, row.id, after.version); err != nil {
		return change{}, err
	}
	b.current[row.id], b.touched[row.id] = after, true
	return s.addCaseChange(b, action, after, row, number)
}

func (s *Service) addCaseChange(b *batch, action Action, after, before linkRow, number string) (change, error) {
	changeID, err := uuid.NewV7()
	if err != nil {
		return change{}, fmt.Errorf("make change id: %w", err)
	}
	done := change{changeID: changeID, action: action, referenceID: number, row: after, before: s.toTell(before)}
	b.changes = append(b.changes, done)
	return done, nil
}

func reportEvent(by Actor, number string, reported uuid.UUID, opened bool, changes []change) audit.Event {
	action := audit.CaseReport
	if opened {
		action = audit.CaseOpen
	}
	frozen := slices.ContainsFunc(changes, func(c change) bool { return c.action == Freeze })
	return audit.Event{
		Actor: audit.Actor{Kind: audit.Beneficiary, RequestID: by.RequestID}, Action: action, Target: number,
		Detail: map[string]string{"partner": by.Partner, "message_id": by.MessageID, "change": reported.String(), "frozen": strconv.FormatBool(frozen)},
	}
}

// caseRow is a row of the cases.
type caseRow struct {
	Number    string         `db:"case_id"`
	ID        []byte         `db:"id_hash"`
	OpenedAt  int64          `db:"opened_at"`
	SettledAt sql.NullInt64  `db:"settled_at"`
	Outcome   sql.NullString `db:"outcome"`
	Note      []byte         `db:"note"`
}

const caseColumns = `case_id, id_hash, opened_at, settled_at, outcome, note`

func (r caseRow) describe() Case {
	c := Case{Number: r.Number, OpenedAt: time.UnixMilli(r.OpenedAt).UTC(), Outcome: CaseOutcome(r.Outcome.String)}
	if r.SettledAt.Valid {
		c.SettledAt = time.UnixMilli(r.SettledAt.Int64).UTC()
	}
	return c
}

// readCases returns the last case of each of the IDs.
func readCases(ctx context.Context, q sqlx.QueryerContext, db *sqlx.DB, ids []key) (map[key]*Case, error) {
	condition, arg := keysIn(db, "id_hash", slices2D(ids))
	var rows []caseRow
	err := sqlx.SelectContext(ctx, q, &rows, db.Rebind(`SELECT `+caseColumns+` FROM link_cases WHERE `+condition+` ORDER BY opened_at, case_id`), arg)
	if err != nil {
		return nil, fmt.Errorf("read cases of %d IDs: %w", len(ids), err)
	}
	last := map[key]*Case{}
	for _, row := range rows {
		c := row.describe()
		last[key(row.ID)] = &c
	}
	for _, c := range last { // of one person, as the portal asks
		if c.Reported, err = readReports(ctx, q, db, c.Number); err != nil {
			return nil, err
		}
	}
	return last, nil
}

func readReports(ctx context.Context, q sqlx.QueryerContext, db *sqlx.DB, number string) ([]string, error) {
	var ids [][]byte
	err := sqlx.SelectContext(ctx, q, &ids, db.Rebind(`
		SELECT change_id
		FROM link_case_reports
		WHERE case_id = ?
		ORDER BY reported_at, change_id`), number)
	if err != nil {
		return nil, fmt.Errorf("read the reports of a case: %w", err)
	}
	reported := make([]string, len(ids))
	for i, id := range ids {
		parsed, err := uuid.FromBytes(id)
		if err != nil {
			return nil, fmt.Errorf("read the reports of a case: %w", err)
		}
		reported[i] = parsed.String()
	}
	return reported, nil
}

// addCases completes what the portal is told about its person: their last case.
func (s *Service) addCases(ctx context.Context, questions []question, results []Result) error {
	var ids []key
	for _, q := range questions {
		if q.hasID && q.details {
			ids = append(ids, q.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	cases, err := readCases(ctx, s.db, s.db, distinct(ids))
	if err != nil || len(cases) == 0 {
		return err
	}
	for _, q := range questions {
		if q.hasID && q.details {
			results[q.place].Case = cases[q.id]
		}
	}
	return nil
}

// OpenCases counts the cases that wait for staff.
func (s *Service) OpenCases(ctx context.Context) (n int, _ error) {
	if err := s.db.GetContext(ctx, &n, `SELECT COUNT(*) FROM link_cases WHERE settled_at IS NULL`); err != nil {
		return 0, fmt.Errorf("count open cases: %w", err)
	}
	return n, nil
}

// Cases lists open cases, the longest waiting first, or settled ones, the last settled first; at most limit of them, after
// the first so many.
func (s *Service) Cases(ctx context.Context, open bool, limit, skip int) ([]Case, error) {
	query := `SELECT ` + caseColumns + ` FROM link_cases WHERE settled_at IS NOT NULL ORDER BY settled_at DESC, case_id LIMIT ? OFFSET ?`
	if open {
		query = `SELECT ` + caseColumns + ` FROM link_cases WHERE settled_at IS NULL ORDER BY opened_at, case_id LIMIT ? OFFSET ?`
	}
	var rows []caseRow
	if err := s.db.SelectContext(ctx, &rows, s.db.Rebind(query), limit, skip); err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	list := make([]Case, len(rows))
	for i, row := range rows {
		list[i] = row.describe()
	}
	return list, nil
}

// caseHistory is how many changes staff see with a case.
const caseHistory = 50

// Case returns a case, or [ErrNotFound].
func (s *Service) Case(ctx context.Context, number string) (CaseDetails, error) {
	d, err := s.caseDetails(ctx, number)
	if err != nil {
		return CaseDetails{}, fmt.Errorf("read case: %w", err)
	}
	return d, nil
}

func (s *Service) caseDetails(ctx context.Context, number string) (d CaseDetails, err error) {
	row, err := readCase(ctx, s.db, s.db.Rebind(`SELECT `+caseColumns+` FROM link_cases WHERE case_id = ?`), number)
	if err != nil {
		return d, err
	}
	id := key(row.ID)
	d.Case = row.describe()
	if d.Note, err = s.sealer.openNote(row.Note, number); err != nil {
		return d, err
	}
	if d.Reported, err = readReports(ctx, s.db, s.db, number); err != nil {
		return d, err
	}
	if d.Changes, err = s.historyOf(ctx, id, number, caseHistory); err != nil {
		return d, err
	}
	slices.SortStableFunc(d.Changes, func(a, b Change) int { return b.At.Compare(a.At) })
	links, err := readByID(ctx, s.db, s.db, []key{id}, true, false)
	if err != nil {
		return d, err
	}
	link, linked := links[id]
	if !linked { // what waits is noted at a link, if there is one
		condition, arg := keysIn(s.db, "id_hash", slices2D([]key{id}))
		held, err := readHeld(ctx, s.db, s.db.Rebind(`SELECT `+heldColumns+` FROM held_changes WHERE `+condition), arg)
		d.State = linkRow{heldUntil: held[id].dueAt}.state(false)
		return d, err
	}
	d.State = link.state(linked)
	r, err := s.sealer.open(link.sealed, id, link.version)
	if err != nil {
		return d, err
	}
	providers, err := s.directory.providers(ctx)
	if err != nil {
		return d, err
	}
	d.Linked, d.Active = &Linked{FA: r.fa, Provider: *r.provider(providers)}, link.active
	return d, nil
}

func readCase(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) (row caseRow, err error) {
	err = sqlx.GetContext(ctx, q, &row, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return row, ErrNotFound
	}
	if err == nil && len(row.ID) != keySize {
		err = fmt.Errorf("keyed hash of %d bytes", len(row.ID))
	}
	return row, err
}

// Settle ends a case as staff decided, if the link is still in the state that they saw: otherwise it fails with [ErrStale],
// and with [ErrSettled] if somebody was faster. The note says why; it is for staff.
func (s *Service) Settle(ctx context.Context, by audit.Actor, number string, outcome CaseOutcome, note, state string) error {
	if err := s.settleCase(ctx, by, number, outcome, note, state); err != nil {
		return fmt.Errorf("settle case: %w", err)
	}
	return nil
}

func (s *Service) settleCase(ctx context.Context, by audit.Actor, number string, outcome CaseOutcome, note, state string) error {
	note = strings.TrimSpace(note)
	if by.ID == "" || note == "" || !utf8.ValidString(note) || utf8.RuneCountInString(note) > maxNote || outcome != PaymentsResumed && outcome != AccountRemoved {
		return errors.New("the actor, the outcome or the note is missing or cannot be")
	}
	sealed, err := s.sealer.sealNote(note, number)
	if err != nil {
		return err
	}
	tell, err := s.herald(ctx)
	if err != nil {
		return err
	}
	return transact(ctx, s.db, func(tx *sqlx.Tx) error {
		now := s.now().UTC().Truncate(time.Millisecond)
		found, err := readCase(ctx, tx, s.db.Rebind(`SELECT `+caseColumns+` FROM link_cases WHERE case_id = ?`), number)
		if err != nil {
			return err
		}
		who := Actor{Partner: Staff, MessageID: "case-" + number, TransactionID: "case-" + number, RequestID: by.RequestID}
		b := newBatch(who, now)
		b.items, b.staff = make([]Item, 1), by
		id := key(found.ID)
		// The link first, as all who change it do.
		if err := s.claimBatch(ctx, tx, b, id); err != nil {
			return err
		}
		if found, err = readCase(ctx, tx, s.db.Rebind(`SELECT `+caseColumns+` FROM link_cases WHERE case_id = ?`), number); err != nil {
			return err
		}
		row, linked := b.current[id]
		if !linked {
			row.heldUntil = b.held[id].dueAt
		}
		switch {
		case found.SettledAt.Valid:
			return ErrSettled
		case state != row.state(linked):
			return ErrStale
		}
		became, action, err := s.decide(ctx, tx, b, id, outcome, number)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.db.Rebind(`
			UPDATE link_cases
			SET settled_at = ?, outcome = ?, note = ?
			WHERE case_id = ?`), now.UnixMilli(), string(became), sealed, number)
		if err != nil {
			return err
		}
		if err := s.record(ctx, tx, tell, b, action); err != nil {
			return err
		}
		return s.trail.Write(ctx, tx, audit.Event{Actor: by, Action: audit.CaseSettle, Target: number, Detail: map[string]string{"outcome": string(became)}})
	})
}

// decide does to a claimed link what staff decided.
func (s *Service) decide(ctx context.Context, tx *sqlx.Tx, b *batch, id key, outcome CaseOutcome, number string) (CaseOutcome, Action, error) {
	row, linked := b.current[id]
	if !linked {
		return CaseClosed, Restore, nil
	}
	if err := s.cancel(b, id); err != nil {
		return "", "", err
	}
	if outcome == PaymentsResumed {
		_, err := s.restate(b, row, Restore, number)
		return outcome, Restore, err
	}
	if _, err := s.addCaseChange(b, Unlink, row, linkRow{}, number); err != nil {
		return "", "", err
	}
	delete(b.current, id)
	return outcome, Unlink, deleteLinks(ctx, tx, s.db, []key{id})
}

// noteContext binds a note to its case.
func noteContext(number string) []byte { return append([]byte("spar case note "), number...) }

// sealNote keeps what staff write from the database: it may say more about a person than it should.
func (s Sealer) sealNote(note, number string) ([]byte, error) {
	sealed, err := s.Records.Encrypt([]byte(note), noteContext(number))
	if err != nil {
		return nil, fmt.Errorf("seal note: %w", err)
	}
	return sealed, nil
}

func (s Sealer) openNote(sealed []byte, number string) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	note, err := s.Records.Decrypt(sealed, noteContext(number))
	if err != nil {
		return "", fmt.Errorf("open note: %w", err)
	}
	return string(note), nil
}
