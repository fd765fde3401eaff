package main

import (
	"hash/maphash"
	"slices"
	"strings"
)

// repeats finds IDs that are in a file more than once, at eight bytes for each ID. It works with hashes: what it finds has
// to be compared.
type repeats struct {
	seed   maphash.Seed
	hashes []uint64
	twice  map[uint64]bool
}

func newRepeats() *repeats { return &repeats{seed: maphash.MakeSeed()} }

// folded is the form in which the registry compares IDs, which are ASCII.
func folded(id string) string { return strings.ToLower(id) }

func (r *repeats) hash(id string) uint64 { return maphash.String(r.seed, folded(id)) }

func (r *repeats) add(id string) { r.hashes = append(r.hashes, r.hash(id)) }

// any ends the adding and reports whether there may be any.
func (r *repeats) any() bool {
	slices.Sort(r.hashes)
	r.twice = map[uint64]bool{}
	for i := 1; i < len(r.hashes); i++ {
		if r.hashes[i] == r.hashes[i-1] {
			r.twice[r.hashes[i]] = true
		}
	}
	r.hashes = nil
	return len(r.twice) > 0
}

func (r *repeats) repeated(id string) bool { return r.twice[r.hash(id)] }
