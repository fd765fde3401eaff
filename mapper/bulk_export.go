package mapper

import (
	"context"
	"fmt"
	"iter"
	"time"

	"spar/internal/audit"
)

// Exported is a link as an export has it.
type Exported struct {
	ID       ID
	FA       string
	Name     string
	Phone    string
	Active   bool
	LinkedAt time.Time
}

// exportPage is how many links an export reads at once: its memory does not grow with the registry.
const exportPage = 5000

// Export goes through all links, in no order that means anything, page by page along the primary key. Each page is what
// the registry held when it was read: a link that is changed meanwhile is exported once, before or after. It is recorded
// who exports, before the first link is handed out. An error ends the sequence.
func (s *Service) Export(ctx context.Context, by audit.Actor) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		if err := s.trail.Record(ctx, audit.Event{Actor: by, Action: audit.LinksExport, Target: linksTarget}); err != nil {
			yield(Exported{}, fmt.Errorf("export links: %w", err))
			return
		}
		after := []byte{}
		for {
			page, err := readLinks(ctx, s.db, s.db.Rebind(`
				SELECT id_hash, fa_hash, dfsp_code, kind, status, version, sealed, linked_at, changed_at, held_until
				FROM links
				WHERE id_hash > ?
				ORDER BY id_hash
				LIMIT ?`), after, exportPage)
			if err != nil {
				yield(Exported{}, fmt.Errorf("export links: %w", err))
				return
			}
			for _, row := range page {
				r, err := s.sealer.open(row.sealed, row.id, row.version)
				if err != nil {
					yield(Exported{}, fmt.Errorf("export links: %w", err))
					return
				}
				if !yield(Exported{ID(r.id), r.fa, r.name, r.phone, row.active, time.UnixMilli(row.linkedAt).UTC()}, nil) {
					return
				}
			}
			if len(page) < exportPage {
				return
			}
			after = page[len(page)-1].id[:]
		}
	}
}

// CountLinks counts the links, for showing how far an export has come.
func (s *Service) CountLinks(ctx context.Context) (int, error) {
	var n int
	if err := s.db.GetContext(ctx, &n, `SELECT COUNT(*) FROM links`); err != nil {
		return 0, fmt.Errorf("count links: %w", err)
	}
	return n, nil
}
