package mapper

import (
	"context"
	"fmt"
	"slices"
	"time"

	"spar/mapper/finder"
)

// Search says which branches are looked for.
type Search struct {
	Text   string // parts of the bank's name, the branch, its code, its town or area, in any order
	Bank   string // code of the bank to look in; empty: in all. With a bank and no text: all its branches
	Town   string // to look in; empty: in all
	Closed bool   // also what is not active
	Offset int    // how many of the best to leave out
	Limit  int    // at most 100
}

// Found is what a search found, the best first.
type Found struct {
	Branches  []Branch
	Total     int         // also those left out by Offset and Limit
	Complete  bool        // the branches have every word that was typed; otherwise they have as many of them as any branch
	NamesBank bool        // everything typed is of names of banks
	Banks     []FoundBank // of the branches found, those that the text names first, then those with the most; a dozen
	Towns     []FoundTown // in a bank: those with the most of the branches found; a dozen
}

// FoundBank is a bank with the number of its branches found.
type FoundBank struct {
	Code, Name string
	Branches   int
}

// FoundTown is a town with the number of branches found in it.
type FoundTown struct {
	Name     string
	Branches int
}

// searchIndex is what branches are found by, in memory.
type searchIndex struct {
	*finder.Index
	version int64
	rows    int
	checked time.Time
}

// A small index is built anew before the first search after a change. A large one takes seconds: the old one serves until
// [Directory.Refresh] has made the new.
const (
	smallDirectory = 10_000
	searchMaxAge   = time.Second
)

// Search finds branches.
func (d *Directory) Search(ctx context.Context, q Search) (Found, error) {
	index, err := d.index(ctx)
	if err != nil {
		return Found{}, err
	}
	hits := index.Find(finder.Query(q))
	found := Found{Total: hits.Total, Complete: hits.Complete, NamesBank: hits.NamesBank}
	for i, b := range hits.Banks {
		found.Banks = append(found.Banks, FoundBank{b.Code, b.Name, hits.Counts[i]})
	}
	for _, town := range hits.Towns {
		found.Towns = append(found.Towns, FoundTown(town))
	}
	found.Branches, err = d.branchesAt(ctx, hits.Branches)
	if !q.Closed { // or closed since the index was built
		found.Branches = slices.DeleteFunc(found.Branches, func(b Branch) bool { return !b.Active })
	}
	return found, err
}

func (d *Directory) index(ctx context.Context) (*searchIndex, error) {
	index := d.searched.Load()
	if index != nil && (index.rows > smallDirectory || !d.changed.Load() && d.now().Sub(index.checked) < searchMaxAge) {
		return index, nil
	}
	if err := d.Refresh(ctx); err != nil {
		return nil, err
	}
	return d.searched.Load(), nil
}

// Refresh looks whether the directory has changed, by whichever process, and if so builds anew what is searched. Calling it
// at the start and then every second or two keeps searches fast and up to date.
func (d *Directory) Refresh(ctx context.Context) error {
	select {
	case d.building <- struct{}{}:
		defer func() { <-d.building }()
	case <-ctx.Done():
		return ctx.Err()
	}
	checked := d.now()
	d.changed.Store(false)
	err := d.refresh(ctx, checked)
	if err != nil {
		d.changed.Store(true)
	}
	return err
}

func (d *Directory) refresh(ctx context.Context, checked time.Time) error {
	var version int64
	if err := d.db.GetContext(ctx, &version, `SELECT version FROM directory_version`); err != nil {
		return fmt.Errorf("read the directory's version: %w", err)
	}
	if index := d.searched.Load(); index != nil && index.version == version {
		d.searched.Store(&searchIndex{index.Index, version, index.rows, checked})
		return nil
	}
	var banks []finder.Bank
	if err := d.db.SelectContext(ctx, &banks, `SELECT code, name, active FROM dfsps`); err != nil {
		return fmt.Errorf("read banks: %w", err)
	}
	rows := 0
	index, err := finder.Build(banks, func(yield func(finder.Branch, error) bool) {
		for b, err := range d.every(ctx) {
			rows++
			if !yield(finder.Branch{Bank: b.DFSP, Code: b.Code, Name: b.Name, Town: b.Town, Area: b.Area, Address: b.Address, Active: b.Active}, err) {
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("index the directory: %w", err)
	}
	d.searched.Store(&searchIndex{index, version, rows, checked})
	return nil
}

// branchesAt reads branches, in the order of their places. One that is gone since the index was built is left out.
func (d *Directory) branchesAt(ctx context.Context, places []finder.Place) ([]Branch, error) {
	if len(places) == 0 {
		return nil, nil
	}
	var dfsps, codes []string
	for _, p := range places {
		dfsps, codes = append(dfsps, p.Bank), append(codes, p.Code)
	}
	from, args, err := rowset{[]column{textColumn("dfsp_code", dfsps), textColumn("code", codes)}}.from(d.db, "r")
	if err != nil {
		return nil, err
	}
	var rows []Branch
	err = d.db.SelectContext(ctx, &rows, d.db.Rebind(selectBranches+`
		JOIN `+from+` ON b.dfsp_code = r.dfsp_code AND b.code = r.code`), args...)
	if err != nil {
		return nil, fmt.Errorf("read %d branches found: %w", len(places), err)
	}
	byPlace := make(map[finder.Place]Branch, len(rows))
	for _, b := range rows {
		byPlace[finder.Place{Bank: b.DFSP, Code: b.Code}] = b
	}
	list := make([]Branch, 0, len(rows))
	for _, p := range places {
		if b, ok := byPlace[p]; ok {
			list = append(list, b)
		}
	}
	return list, nil
}
