package mapper

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// linkRow is a row of the link table. Sealed is empty where the reader did not ask for it.
type linkRow struct {
	id        key
	fa        key
	dfsp      string
	kind      Kind
	active    bool
	version   int64
	sealed    []byte
	linkedAt  int64
	changedAt int64
	heldUntil int64 // of a change that waits; 0: none does. Written by [markHeld] alone
}

// state names the state that a link is in, or that there is none, and which change of it waits. It changes with every change.
func (r linkRow) state(linked bool) string {
	state := "none"
	if linked {
		state = fmt.Sprintf("%d-%d", r.version, r.changedAt)
		if !r.active {
			state += "-inactive"
		}
	}
	if r.heldUntil > 0 {
		state += fmt.Sprintf("-held-%d", r.heldUntil)
	}
	return state
}

const (
	statusActive   = "active"
	statusInactive = "inactive"
)

// readByID returns the links of the given IDs by their keyed hash, in one statement. With lock, the rows stay as they
// are until the transaction ends; they are locked in the order of their keys, so that batches cannot deadlock.
func readByID(ctx context.Context, q sqlx.ExtContext, db *sqlx.DB, ids []key, sealed bool, lock bool) (map[key]linkRow, error) {
	condition, arg := keysIn(db, "id_hash", slices2D(ids))
	query := selectLinks(sealed) + ` WHERE ` + condition
	if lock {
		query += forUpdate(db)
	}
	found, err := readLinks(ctx, q, db.Rebind(query), arg)
	if err != nil {
		return nil, fmt.Errorf("read links of %d IDs: %w", len(ids), err)
	}
	byID := make(map[key]linkRow, len(found))
	for _, row := range found {
		byID[row.id] = row
	}
	return byID, nil
}

// readByFA returns one link for each of the given addresses, in one statement. Several people may share an account: an
// active link comes before an inactive one, then the oldest.
func readByFA(ctx context.Context, db *sqlx.DB, fas []key, sealed bool) (map[key]linkRow, error) {
	condition, arg := keysIn(db, "fa_hash", slices2D(fas))
	query := `
		SELECT id_hash, fa_hash, dfsp_code, kind, status, version, sealed, linked_at, changed_at, held_until
		FROM (
		    SELECT id_hash, fa_hash, dfsp_code, kind, status, version, ` + sealedColumn(sealed) + `, linked_at, changed_at, held_until,
		           ROW_NUMBER() OVER (PARTITION BY fa_hash ORDER BY status, linked_at, id_hash) AS place
		    FROM links
		    WHERE ` + condition + `
		) AS candidates
		WHERE place = 1`
	found, err := readLinks(ctx, db, db.Rebind(query), arg)
	if err != nil {
		return nil, fmt.Errorf("read links of %d addresses: %w", len(fas), err)
	}
	byFA := make(map[key]linkRow, len(found))
	for _, row := range found {
		byFA[row.fa] = row
	}
	return byFA, nil
}

// selectLinks is the beginning of a statement that [readLinks] reads.
func selectLinks(sealed bool) string {
	return `SELECT id_hash, fa_hash, dfsp_code, kind, status, version, ` + sealedColumn(sealed) + `, linked_at, changed_at, held_until FROM links`
}

func sealedColumn(wanted bool) string {
	if wanted {
		return "sealed"
	}
	return "NULL AS sealed"
}

func readLinks(ctx context.Context, q sqlx.ExtContext, query string, args ...any) ([]linkRow, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []linkRow
	var id, fa []byte
	for rows.Next() {
		var row linkRow
		var kind, status string
		if err := rows.Scan(&id, &fa, &row.dfsp, &kind, &status, &row.version, &row.sealed, &row.linkedAt, &row.changedAt, &row.heldUntil); err != nil {
			return nil, err
		}
		row.kind, row.active = Kind(kind), status == statusActive
		if len(id) != keySize || len(fa) != keySize {
			return nil, fmt.Errorf("keyed hash of %d and %d bytes", len(id), len(fa))
		}
		row.id, row.fa = key(id), key(fa)
		list = append(list, row)
	}
	return list, rows.Err()
}

func slices2D(keys []key) [][]byte {
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = keys[i][:]
	}
	return list
}

// linkRows turns rows into the columns of a rowset.
func linkRows(rows []linkRow) rowset {
	n := len(rows)
	ids, fas, sealed := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	dfsps, kinds, statuses := make([]string, n), make([]string, n), make([]string, n)
	versions, linked, changed := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range rows {
		r := &rows[i]
		ids[i], fas[i], sealed[i] = r.id[:], r.fa[:], r.sealed
		dfsps[i], kinds[i], statuses[i] = r.dfsp, string(r.kind), statusInactive
		if r.active {
			statuses[i] = statusActive
		}
		versions[i], linked[i], changed[i] = r.version, r.linkedAt, r.changedAt
	}
	return rowset{[]column{
		bytesColumn("id_hash", ids), bytesColumn("fa_hash", fas), textColumn("dfsp_code", dfsps), textColumn("kind", kinds),
		textColumn("status", statuses), intColumn("version", versions), bytesColumn("sealed", sealed),
		intColumn("linked_at", linked), intColumn("changed_at", changed),
	}}
}

// insertLinks adds the rows whose ID is not linked yet and returns the keys of those it added.
func insertLinks(ctx context.Context, tx *sqlx.Tx, db *sqlx.DB, rows []linkRow) (map[key]bool, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	// In the order of their keys, so that two batches with the same IDs wait for each other instead of deadlocking.
	rows = slices.Clone(rows)
	sortByKey(rows)
	from, args, err := linkRows(rows).from(db, "r")
	if err != nil {
		return nil, err
	}
	var added [][]byte
	err = tx.SelectContext(ctx, &added, db.Rebind(`
		INSERT INTO links (id_hash, fa_hash, dfsp_code, kind, status, version, sealed, linked_at, changed_at)
		SELECT r.id_hash, r.fa_hash, r.dfsp_code, r.kind, r.status, r.version, r.sealed, r.linked_at, r.changed_at
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (id_hash) DO NOTHING
		RETURNING id_hash`), args...)
	if err != nil {
		return nil, fmt.Errorf("insert %d links: %w", len(rows), err)
	}
	keys := make(map[key]bool, len(added))
	for _, k := range added {
		keys[key(k)] = true
	}
	return keys, stopReported(ctx, tx, db, added)
}

// updateLinks replaces rows that the transaction has locked. What was held of them is no more.
func updateLinks(ctx context.Context, tx *sqlx.Tx, db *sqlx.DB, rows []linkRow) error {
	from, args, err := linkRows(rows).from(db, "r")
	if err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, db.Rebind(`
		UPDATE links
		SET fa_hash = r.fa_hash, dfsp_code = r.dfsp_code, kind = r.kind, status = r.status, version = r.version,
		    sealed = r.sealed, changed_at = r.changed_at, held_until = 0
		FROM `+from+`
		WHERE links.id_hash = r.id_hash`), args...)
	return exactly(len(rows), "update", result, err)
}

// deleteLinks removes rows that the transaction has locked.
func deleteLinks(ctx context.Context, tx *sqlx.Tx, db *sqlx.DB, ids []key) error {
	condition, arg := keysIn(db, "id_hash", slices2D(ids))
	result, err := tx.ExecContext(ctx, db.Rebind(`DELETE FROM links WHERE `+condition), arg)
	return exactly(len(ids), "delete", result, err)
}

func exactly(want int, verb string, result interface{ RowsAffected() (int64, error) }, err error) error {
	if err != nil {
		return fmt.Errorf("%s %d links: %w", verb, want, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != int64(want) {
		return fmt.Errorf("%s %d links: %d rows changed (%w)", verb, want, n, err)
	}
	return nil
}

// change is a row of the history that is about to be written.
type change struct {
	changeID    uuid.UUID
	action      Action
	referenceID string
	askedAt     int64 // of a change that is or was held; 0: it was not
	dueAt       int64
	row         linkRow
	before      *linkRow // the row that this one replaces, with its sealed record; only where somebody is told of it
	consent     *Consent
}

// insertHistory writes the changes of a batch, and counts them, in the transaction that makes them.
func insertHistory(ctx context.Context, tx *sqlx.Tx, db *sqlx.DB, by Actor, at time.Time, changes []change) error {
	n := len(changes)
	changeIDs, ids, sealed, consents := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	actions, references, dfsps, kinds := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	versions, asked, due := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range changes {
		c := &changes[i]
		changeIDs[i], ids[i], sealed[i] = c.changeID[:], c.row.id[:], c.row.sealed
		actions[i], references[i], dfsps[i], kinds[i] = string(c.action), c.referenceID, c.row.dfsp, string(c.row.kind)
		versions[i], asked[i], due[i] = c.row.version, c.askedAt, c.dueAt
		if consents[i] = []byte{}; c.consent != nil {
			consents[i] = c.consent.hash()
		}
	}
	from, args, err := rowset{[]column{
		bytesColumn("change_id", changeIDs), bytesColumn("id_hash", ids), textColumn("action", actions), intColumn("version", versions),
		textColumn("reference_id", references), textColumn("dfsp_code", dfsps), textColumn("kind", kinds), bytesColumn("sealed", sealed), bytesColumn("consent_hash", consents),
		intColumn("asked_at", asked), intColumn("due_at", due),
	}}.from(db, "r")
	if err != nil {
		return err
	}
	args = append([]any{at.UnixMilli(), by.Partner, by.ByBeneficiary, by.MessageID, by.TransactionID}, args...)
	_, err = tx.ExecContext(ctx, db.Rebind(`
		INSERT INTO link_history (change_id, id_hash, action, version, changed_at, partner, by_beneficiary, message_id,
		    transaction_id, reference_id, dfsp_code, kind, sealed, asked_at, due_at, consent_hash)
		SELECT r.change_id, r.id_hash, r.action, r.version, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BOOLEAN), CAST(? AS TEXT),
		    CAST(? AS TEXT), r.reference_id, r.dfsp_code, r.kind, r.sealed, r.asked_at, r.due_at,
		    CASE WHEN LENGTH(r.consent_hash) = 0 THEN NULL ELSE r.consent_hash END
		FROM `+from), args...)
	if err != nil {
		return fmt.Errorf("insert %d history rows: %w", n, err)
	}
	return countChanges(ctx, tx, at, changes)
}
