package keymgr

import (
	"fmt"
	"math"
)

// Limits are how much a partner may ask for. In those of a partner, 0 stands for what holds for everybody.
type Limits struct {
	MaxBatch           int // items in one message; the general one holds beside it
	ItemsPerSecond     int // of single calls, small lists and changes, on average
	BulkItemsPerSecond int // of payment lists, on average
}

// The largest limits of a partner: those that can be configured for everybody.
const (
	LargestBatch = 10_000 // beyond it PostgreSQL's plans and a request's memory change character
	LargestRate  = 1_000_000_000
)

// WithGeneralLimits tells the register what holds for partners that have no limits of their own: only so can it tell
// whether a change lets one do more.
func WithGeneralLimits(general Limits) Option { return func(r *Register) { r.general = general } }

// GeneralLimits are those of [WithGeneralLimits].
func (r *Register) GeneralLimits() Limits { return r.general }

// Within returns what holds for a partner with these limits, where general holds for everybody.
func (l Limits) Within(general Limits) Limits {
	if l.MaxBatch == 0 || general.MaxBatch != 0 && general.MaxBatch < l.MaxBatch {
		l.MaxBatch = general.MaxBatch
	}
	if l.ItemsPerSecond == 0 {
		l.ItemsPerSecond = general.ItemsPerSecond
	}
	if l.BulkItemsPerSecond == 0 {
		l.BulkItemsPerSecond = general.BulkItemsPerSecond
	}
	return l
}

// lift reports whether a partner may ask for more with these limits than with others.
func (l Limits) lift(before, general Limits) bool {
	is, was := l.Within(general), before.Within(general)
	return bound(is.MaxBatch) > bound(was.MaxBatch) || bound(is.ItemsPerSecond) > bound(was.ItemsPerSecond) ||
		bound(is.BulkItemsPerSecond) > bound(was.BulkItemsPerSecond)
}

// bound is a limit to compare: one that nobody set ends nothing.
func bound(n int) int {
	if n == 0 {
		return math.MaxInt
	}
	return n
}

func (l Limits) check() error {
	for _, limit := range []struct {
		name       string
		n, largest int
	}{
		{"max_batch", l.MaxBatch, LargestBatch},
		{"items_per_second", l.ItemsPerSecond, LargestRate},
		{"bulk_items_per_second", l.BulkItemsPerSecond, LargestRate},
	} {
		if limit.n < 0 || limit.n > limit.largest {
			return fmt.Errorf("%w limit %s: expected a number from 1 to %d, or 0 for the general limit", ErrInvalid, limit.name, limit.largest)
		}
	}
	return nil
}

// String is how the audit log has them.
func (l Limits) String() string {
	return fmt.Sprintf("max_batch=%d items_per_second=%d bulk_items_per_second=%d", l.MaxBatch, l.ItemsPerSecond, l.BulkItemsPerSecond)
}
