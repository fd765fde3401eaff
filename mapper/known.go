package mapper

import (
	"context"
	"fmt"
	"strings"
)

// refuseUnknown rejects candidates whose provider or branch is not in the directory, with one look at the branches for
// the whole batch.
func (s *Service) refuseUnknown(ctx context.Context, items []Item, candidates []candidate, results []Result) ([]candidate, error) {
	providers, err := s.directory.providers(ctx)
	if err != nil {
		return nil, err
	}
	branches, err := s.knownBranches(ctx, candidates)
	if err != nil {
		return nil, err
	}
	known := candidates[:0]
	for _, c := range candidates {
		p, ok := providers[fold(c.record.dfsp)]
		if !ok || !p.Active || c.record.branch != "" && !branches[branchKey(c.record.dfsp, c.record.branch)] {
			results[c.place] = items[c.place].result(refusal{FAInvalid, "FA is of a provider or branch that is not in the directory"})
			continue
		}
		known = append(known, c)
	}
	return known, nil
}

func branchKey(dfsp, branch string) string { return strings.ToUpper(dfsp + "\x00" + branch) }

func (s *Service) knownBranches(ctx context.Context, candidates []candidate) (map[string]bool, error) {
	wanted := map[string]candidate{}
	for _, c := range candidates {
		if c.record.branch != "" {
			wanted[branchKey(c.record.dfsp, c.record.branch)] = c
		}
	}
	known := make(map[string]bool, len(wanted))
	if len(wanted) == 0 {
		return known, nil
	}
	var dfsps, codes []string
	for _, c := range wanted {
		dfsps, codes = append(dfsps, upper(c.record.dfsp)), append(codes, upper(c.record.branch))
	}
	from, args, err := rowset{[]column{textColumn("dfsp_code", dfsps), textColumn("code", codes)}}.from(s.db, "r")
	if err != nil {
		return nil, err
	}
	var found []Branch
	err = s.db.SelectContext(ctx, &found, s.db.Rebind(`
		SELECT b.dfsp_code, b.code
		FROM branches b
		JOIN `+from+` ON b.dfsp_code = r.dfsp_code AND b.code = r.code
		WHERE b.active`), args...)
	if err != nil {
		return nil, fmt.Errorf("look up %d branches: %w", len(wanted), err)
	}
	for _, b := range found {
		known[branchKey(b.DFSP, b.Code)] = true
	}
	return known, nil
}
