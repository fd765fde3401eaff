package mapper

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// History returns the latest changes of an ID's link, newest first, at most limit of them. It answers the person the ID
// belongs to: the caller vouches for that.
func (s *Service) History(ctx context.Context, id ID, limit int) ([]Change, error) {
	hash, err := s.sealer.hash(idDomain, string(id))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return s.historyOf(ctx, hash, "", limit)
}

// historyOf reads the latest changes. Those that a case is about come first, however old they are.
func (s *Service) historyOf(ctx context.Context, hash key, number string, limit int) ([]Change, error) {
	providers, err := s.directory.providers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	var rows []struct {
		ChangeID        []byte  `db:"change_id"`
		Action          string  `db:"action"`
		Version         int64   `db:"version"`
		ChangedAt       int64   `db:"changed_at"`
		Partner         string  `db:"partner"`
		ByBeneficiary   bool    `db:"by_beneficiary"`
		Sealed          []byte  `db:"sealed"`
		AskedAt         int64   `db:"asked_at"`
		DueAt           int64   `db:"due_at"`
		ConsentText     *string `db:"consent_text"`
		ConsentVersion  *string `db:"consent_version"`
		ConsentLanguage *string `db:"consent_language"`
	}
	first, args := "", []any{hash[:], limit}
	if number != "" {
		first, args = `CASE WHEN h.change_id IN (SELECT change_id FROM link_case_reports WHERE case_id = ?) THEN 0 ELSE 1 END, `, []any{hash[:], number, limit}
	}
	err = s.db.SelectContext(ctx, &rows, s.db.Rebind(`
		SELECT h.change_id, h.action, h.version, h.changed_at, h.partner, h.by_beneficiary, h.sealed, h.asked_at, h.due_at,
		       c.text AS consent_text, c.version AS consent_version, c.language AS consent_language
		FROM link_history h
		LEFT JOIN consent_texts c ON c.consent_hash = h.consent_hash
		WHERE h.id_hash = ?
		ORDER BY `+first+`h.changed_at DESC, h.change_id DESC
		LIMIT ?`), args...)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	changes := make([]Change, 0, len(rows))
	for _, row := range rows {
		changeID, err := uuid.FromBytes(row.ChangeID)
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		var r record
		if action := Action(row.Action); action == Hold || action == Cancel {
			r, err = s.sealer.openHeld(row.Sealed, hash, changeID, row.DueAt)
		} else {
			r, err = s.sealer.open(row.Sealed, hash, row.Version)
		}
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		change := Change{
			ID: changeID.String(), Action: Action(row.Action), At: time.UnixMilli(row.ChangedAt).UTC(),
			Partner: row.Partner, ByBeneficiary: row.ByBeneficiary, FA: r.fa, Provider: *r.provider(providers),
		}
		if row.ConsentText != nil {
			change.Consent = &Consent{Text: *row.ConsentText, Version: *row.ConsentVersion, Language: *row.ConsentLanguage}
		}
		if row.AskedAt > 0 {
			change.AskedAt, change.EffectiveAt = time.UnixMilli(row.AskedAt).UTC(), time.UnixMilli(row.DueAt).UTC()
		}
		changes = append(changes, change)
	}
	return changes, nil
}
