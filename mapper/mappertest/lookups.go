package mappertest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spar/mapper"
)

// Portal is what the pages of the person themself use.
type Portal interface {
	mapper.Mapper
	Lookups(ctx context.Context, id mapper.ID, limit int) ([]mapper.Lookup, error)
}

// RunLookups proves that people learn who saw the details of their account. A part gets the mapper as partners A and B and
// as the portal see it, with an empty registry, and how to have the background task do its work.
func RunLookups(t *testing.T, newRegistry func(t *testing.T) (partners mapper.Mapper, portal Portal, expand func(context.Context) error)) {
	t.Run("look-ups", func(t *testing.T) {
		partners, portal, expand := newRegistry(t)
		do(t, partners, mapper.Link, By("A"), Item("1", id1, fa1), Item("2", id2, fa2), Item("3", id3, fa2))
		person := By("SPAR-SELF-SERVICE")
		person.ByBeneficiary = true

		nothing := Details("7", id1, fa2) // a pair that does not match shows nothing
		do(t, partners, mapper.Resolve, By("A"), Details("1", id1, ""), Details("2", id2, ""), Details("3", "", fa1), Item("4", id3, ""))
		do(t, partners, mapper.Resolve, By("A"), Details("1", id1, fa1))
		do(t, partners, mapper.Resolve, By("B"), Details("1", "", fa1), nothing, Details("8", "token:1@nationalid", ""), Item("9", id2, fa2))
		do(t, partners, mapper.Resolve, By("B"), Item("1", id1, ""), Item("2", "", fa1), nothing)
		do(t, portal, mapper.Resolve, person, Details("1", id1, ""), Details("2", id3, ""))
		for range 2 { // what is told already is not told again
			if err := expand(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for id, want := range map[string][]string{id1: {"A 2", "B 1"}, id2: {"A 1"}, id3: nil, "token:1@nationalid": nil} {
			if diff := cmp.Diff(want, lookups(t, portal, id, 10)); diff != "" {
				t.Errorf("look-ups of %s (-want +got):\n%s", id, diff)
			}
		}
		if got := lookups(t, portal, id1, 1); len(got) != 1 {
			t.Errorf("one look-up alone: %v", got)
		}
		list, err := portal.Lookups(t.Context(), id1, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			if day := l.LastAt.Truncate(24 * 3600e9); l.FirstAt.After(l.LastAt) || !l.Day.Equal(day) || l.LastAt.IsZero() {
				t.Errorf("look-up %+v, want the day %v", l, day)
			}
		}
	})
}

// lookups are written as partner and count, in the order of the partners: those of one day may be of one millisecond.
func lookups(t *testing.T, portal Portal, id string, limit int) (list []string) {
	t.Helper()
	found, err := portal.Lookups(t.Context(), mapper.ID(id), limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range found {
		list = append(list, fmt.Sprint(l.Partner, " ", l.Count))
	}
	slices.Sort(list)
	return list
}
