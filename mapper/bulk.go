package mapper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/migrations"
)

// Operator is the reference id that stands in the history for links that the registry's own operator imported. No partner
// can have it, for it does not have the form of a reference id.
const Operator = "(operator)"

// Import is a bulk load of links from a file, in chunks. It is begun once and goes on, after an interruption, with the
// chunks that are not in yet.
type Import struct {
	ID        string // names the file's content and how it is read: the same file is the same import
	ChunkSize int    // lines in a chunk; set by [Service.BeginImport] when the import was begun before
	Partner   string // whose list it is, for the history; empty: [Operator]
	Strategy  string // only addresses of this strategy are accepted; empty: of any active one
	Replace   bool   // a person who is linked to another account is moved to this one; otherwise the line is refused
	DryRun    bool   // nothing is stored: the outcomes say what would be
}

// Outcome is what became of one line of an import.
type Outcome struct {
	State   ImportState
	Message string // what to correct; only where the line was refused
}

// ImportState is what an import did with a line.
type ImportState string

// The states of a line.
const (
	Added     ImportState = "added"
	Replaced  ImportState = "replaced"
	Unchanged ImportState = "unchanged" // the person was linked to this account already
	Refused   ImportState = "refused"
)

// ImportCounts counts lines by what became of them.
type ImportCounts struct {
	Added     int `db:"added"`
	Replaced  int `db:"replaced"`
	Unchanged int `db:"unchanged"`
	Refused   int `db:"refused"`
}

// Lines is how many lines were counted.
func (c ImportCounts) Lines() int { return c.Added + c.Replaced + c.Unchanged + c.Refused }

// Add counts a line, or what another count has.
func (c *ImportCounts) Add(o ImportCounts) {
	c.Added += o.Added
	c.Replaced += o.Replaced
	c.Unchanged += o.Unchanged
	c.Refused += o.Refused
}

// CountOutcomes counts the lines of a chunk.
func CountOutcomes(outcomes []Outcome) (c ImportCounts) {
	for _, o := range outcomes {
		switch o.State {
		case Added:
			c.Added++
		case Replaced:
			c.Replaced++
		case Unchanged:
			c.Unchanged++
		default:
			c.Refused++
		}
	}
	return c
}

// BeginImport begins an import, or finds how far it had come: the counts of the chunks that are in.
func (s *Service) BeginImport(ctx context.Context, i *Import) (done map[int]ImportCounts, finished bool, err error) {
	_, err = s.db.ExecContext(ctx, s.db.Rebind(`
		INSERT INTO link_imports (id, chunk_size, started_at)
		VALUES (?, ?, ?)
		ON CONFLICT (id) DO NOTHING`), i.ID, i.ChunkSize, s.now().UnixMilli())
	if err != nil {
		return nil, false, fmt.Errorf("begin import: %w", err)
	}
	var begun struct {
		ChunkSize  int           `db:"chunk_size"`
		FinishedAt sql.NullInt64 `db:"finished_at"`
	}
	if err := s.db.GetContext(ctx, &begun, s.db.Rebind(`SELECT chunk_size, finished_at FROM link_imports WHERE id = ?`), i.ID); err != nil {
		return nil, false, fmt.Errorf("begin import: %w", err)
	}
	var chunks []struct {
		Chunk int `db:"chunk"`
		ImportCounts
	}
	err = s.db.SelectContext(ctx, &chunks, s.db.Rebind(`
		SELECT chunk, added, replaced, unchanged, refused
		FROM link_import_chunks
		WHERE import_id = ?`), i.ID)
	if err != nil {
		return nil, false, fmt.Errorf("read what an import has done: %w", err)
	}
	done = make(map[int]ImportCounts, len(chunks))
	for _, c := range chunks {
		done[c.Chunk] = c.ImportCounts
	}
	i.ChunkSize = begun.ChunkSize
	return done, begun.FinishedAt.Valid, nil
}

// FinishImport notes that every chunk of an import is in, with an audit event about the whole.
func (s *Service) FinishImport(ctx context.Context, i Import, by audit.Actor, total ImportCounts) error {
	err := transact(ctx, s.db, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind(`
			UPDATE link_imports
			SET finished_at = ?
			WHERE id = ? AND finished_at IS NULL`), s.now().UnixMilli(), i.ID)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.trail.Write(ctx, tx, audit.Event{Actor: by, Action: audit.LinksImport, Target: linksTarget, Detail: map[string]string{
			"import": i.ID, "added": strconv.Itoa(total.Added), "replaced": strconv.Itoa(total.Replaced),
			"unchanged": strconv.Itoa(total.Unchanged), "refused": strconv.Itoa(total.Refused),
		}})
	})
	if err != nil {
		return fmt.Errorf("finish import: %w", err)
	}
	return nil
}

// errChunkDone says that another process has stored the chunk meanwhile.
var errChunkDone = errors.New("the chunk is in already")

// ImportChecker returns a check of single lines: what is wrong with an item in itself, or nothing.
func (s *Service) ImportChecker(ctx context.Context, i Import) (func(Item) string, error) {
	strategies, err := s.importStrategies(ctx, i)
	if err != nil {
		return nil, err
	}
	return func(item Item) string {
		if _, refused := checkImported(item, strategies); refused != nil {
			return refused.message
		}
		return ""
	}, nil
}

// ImportChunk stores one chunk of an import: all of it or nothing, and never twice. Its items need only an ID and an
// address; one line each, in the order of the file. The outcomes are in that order too. Lines that were left out
// of it are only counted, as refused.
func (s *Service) ImportChunk(ctx context.Context, i Import, chunk int, by audit.Actor, items []Item, leftOut int) ([]Outcome, error) {
	wrap := func(err error) error { return fmt.Errorf("import chunk %d of %d lines: %w", chunk, len(items), err) }
	outcomes := make([]Outcome, len(items))
	candidates, err := s.importCandidates(ctx, i, items, outcomes)
	if err != nil {
		return nil, wrap(err)
	}
	checked := slices.Clone(outcomes)
	const attempts = 5
	for attempt := 1; ; attempt++ {
		copy(outcomes, checked)
		err := s.importOnce(ctx, i, chunk, by, candidates, outcomes, leftOut)
		switch {
		case err == nil:
			return outcomes, nil
		case errors.Is(err, errChunkDone):
			return nil, wrap(err)
		case attempt == attempts, !migrations.IsRetryable(err) && !migrations.IsDuplicate(err): // somebody was linked meanwhile
			return nil, wrap(err)
		}
	}
}

// importCandidates refuses the lines that are wrong in themselves and prepares the others.
func (s *Service) importCandidates(ctx context.Context, i Import, items []Item, outcomes []Outcome) ([]candidate, error) {
	strategies, err := s.importStrategies(ctx, i)
	if err != nil {
		return nil, err
	}
	checked := make([]Result, len(items))
	candidates := make([]candidate, 0, len(items))
	first := make(map[key]bool, len(items))
	for place, item := range items {
		c, refused, err := s.importCandidate(item, strategies)
		if err != nil {
			return nil, err
		}
		if refused == nil && first[c.id] {
			refused = &refusal{ReferenceIDDuplicate, "the ID is in this file twice"}
		}
		if refused != nil {
			outcomes[place] = Outcome{Refused, refused.message}
			continue
		}
		first[c.id] = true
		c.place = place
		candidates = append(candidates, c)
	}
	if s.knownOnly {
		if candidates, err = s.refuseUnknown(ctx, items, candidates, checked); err != nil {
			return nil, err
		}
		for place, r := range checked {
			if r.Status == Rejected {
				outcomes[place] = Outcome{Refused, r.Message}
			}
		}
	}
	return candidates, nil
}

func (s *Service) importStrategies(ctx context.Context, i Import) ([]*compiled, error) {
	strategies, err := s.strategies.active(ctx)
	if err != nil || i.Strategy == "" {
		return strategies, err
	}
	strategies = slices.DeleteFunc(slices.Clone(strategies), func(c *compiled) bool { return c.Name != i.Strategy })
	if len(strategies) == 0 {
		return nil, fmt.Errorf("there is no active strategy %q", i.Strategy)
	}
	return strategies, nil
}

// checkImported applies the rules of a link to a line.
func checkImported(item Item, strategies []*compiled) (Account, *refusal) {
	if r := item.checkID(); r != nil {
		return Account{}, r
	}
	account, r := item.checkFA(Link, strategies)
	if r != nil {
		return Account{}, r
	}
	return account, item.checkPerson(Link)
}

func (s *Service) importCandidate(item Item, strategies []*compiled) (c candidate, _ *refusal, err error) {
	account, r := checkImported(item, strategies)
	if r != nil {
		return c, r, nil
	}
	if c.id, err = s.sealer.hash(idDomain, item.ID.Value); err != nil {
		return c, nil, err
	}
	if c.fa, err = s.sealer.hash(faDomain, item.FA.Value); err != nil {
		return c, nil, err
	}
	c.hasFA = true
	c.record = record{
		id: item.ID.Value, fa: item.FA.Value, dfsp: account.DFSP, dfspName: account.DFSPName, branch: account.Branch,
		kind: account.Kind, name: item.Name.Value, phone: item.Phone.Value,
	}
	return c, nil, nil
}

// importOnce is one attempt at a chunk, in a transaction of its own.
func (s *Service) importOnce(ctx context.Context, i Import, chunk int, by audit.Actor, candidates []candidate, outcomes []Outcome, leftOut int) error {
	conn, err := s.db.Connx(ctx)
	if err != nil {
		return fmt.Errorf("take a connection: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	stopped := newBatch(i.actor(chunk), s.now().UTC())
	added, replaced, err := s.importRows(ctx, tx, i, stopped, candidates, outcomes)
	if err != nil || i.DryRun {
		return err
	}
	counts := CountOutcomes(outcomes)
	counts.Refused += leftOut
	if err := markChunk(ctx, tx, i.ID, chunk, counts); err != nil {
		return err
	}
	if err := s.store(ctx, tx, stopped); err != nil {
		return err
	}
	if err := storeLinks(ctx, conn, tx, s.db, added); err != nil {
		return err
	}
	if len(replaced) > 0 {
		if err := updateLinks(ctx, tx, s.db, rowsOf(replaced)); err != nil {
			return err
		}
	}
	changes := slices.Concat(stopped.changes, added, replaced)
	if err := storeHistory(ctx, conn, tx, s.db, stopped.by, s.now().UTC(), changes); err != nil {
		return err
	}
	if len(changes) > 0 {
		event := batchEvent(stopped.by, Link, len(outcomes), changes)
		event.Actor = by
		if err := s.trail.Write(ctx, tx, event); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// actor is who stands in the history. The message's id names the chunk, and the reference id the line.
func (i Import) actor(chunk int) Actor {
	partner := i.Partner
	if partner == "" {
		partner = Operator
	}
	return Actor{Partner: partner, MessageID: fmt.Sprintf("import-%.16s-%d", i.ID, chunk), TransactionID: "import-" + i.ID}
}

func (i Import) reference(chunkPlace int) string { return "row-" + strconv.Itoa(chunkPlace+1) }

// importRows compares the candidates with the links there are, and makes the rows to be added and replaced. The list is newer
// than what is held of them: that is stopped.
func (s *Service) importRows(ctx context.Context, tx *sqlx.Tx, i Import, stopped *batch, candidates []candidate, outcomes []Outcome) (added, replaced []change, err error) {
	ids := make([]key, len(candidates))
	for n, c := range candidates {
		ids[n] = c.id
	}
	current, err := readByID(ctx, tx, s.db, distinct(ids), false, i.Replace && !i.DryRun)
	if err != nil {
		return nil, nil, err
	}
	if !i.DryRun {
		if stopped.held, err = s.lockHeld(ctx, tx, distinct(ids)); err != nil {
			return nil, nil, err
		}
	}
	at := s.now().UTC().Truncate(time.Millisecond)
	for _, c := range candidates {
		before, linked := current[c.id]
		switch {
		case linked && before.fa == c.fa:
			outcomes[c.place] = Outcome{State: Unchanged}
			continue
		case linked && !i.Replace:
			outcomes[c.place] = Outcome{Refused, "the ID is linked to another account"}
			continue
		case linked:
			outcomes[c.place] = Outcome{State: Replaced}
		default:
			outcomes[c.place] = Outcome{State: Added}
		}
		if i.DryRun {
			continue
		}
		if err := s.cancel(stopped, c.id); err != nil {
			return nil, nil, err
		}
		if !linked {
			before.linkedAt = at.UnixMilli()
		}
		row, err := s.newRow(c, before, at)
		if err != nil {
			return nil, nil, err
		}
		changeID, err := uuid.NewV7()
		if err != nil {
			return nil, nil, fmt.Errorf("make change id: %w", err)
		}
		done := change{changeID: changeID, action: Link, referenceID: i.reference(c.place), row: row}
		if linked {
			done.row.active, done.action = before.active, Update
			replaced = append(replaced, done)
		} else {
			added = append(added, done)
		}
	}
	return added, replaced, nil
}

func markChunk(ctx context.Context, tx *sqlx.Tx, importID string, chunk int, counts ImportCounts) error {
	result, err := tx.ExecContext(ctx, tx.Rebind(`
		INSERT INTO link_import_chunks (import_id, chunk, added, replaced, unchanged, refused)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (import_id, chunk) DO NOTHING`), importID, chunk, counts.Added, counts.Replaced, counts.Unchanged, counts.Refused)
	if err != nil {
		return fmt.Errorf("mark the chunk: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errChunkDone, err)
	}
	return nil
}

func rowsOf(changes []change) []linkRow {
	rows := make([]linkRow, len(changes))
	for i := range changes {
		rows[i] = changes[i].row
	}
	return rows
}
