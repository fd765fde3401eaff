package mapper

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// hash names a consent. The lengths keep its parts apart.
func (c Consent) hash() []byte {
	h := sha256.New()
	for _, part := range []string{c.Version, c.Language, c.Text} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// insertConsents keeps the texts that came with the changes of a batch, in its transaction. Each text is kept once; the
// history refers to it.
func insertConsents(ctx context.Context, tx *sqlx.Tx, db *sqlx.DB, at time.Time, changes []change) error {
	seen := map[Consent]bool{}
	var hashes [][]byte
	var versions, languages, texts []string
	for _, c := range changes {
		if c.consent == nil || seen[*c.consent] {
			continue
		}
		seen[*c.consent] = true
		hashes = append(hashes, c.consent.hash())
		versions, languages, texts = append(versions, c.consent.Version), append(languages, c.consent.Language), append(texts, c.consent.Text)
	}
	if len(hashes) == 0 {
		return nil
	}
	from, args, err := rowset{[]column{
		bytesColumn("consent_hash", hashes), textColumn("version", versions), textColumn("language", languages), textColumn("text", texts),
	}}.from(db, "r")
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, db.Rebind(`
		INSERT INTO consent_texts (consent_hash, version, language, text, first_at)
		SELECT r.consent_hash, r.version, r.language, r.text, CAST(? AS BIGINT)
		FROM `+from+`
		WHERE TRUE
		ON CONFLICT (consent_hash) DO NOTHING`), append([]any{at.UnixMilli()}, args...)...)
	if err != nil {
		return fmt.Errorf("insert %d consent texts: %w", len(hashes), err)
	}
	return nil
}
