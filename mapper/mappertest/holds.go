package mappertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"spar/mapper"
)

// HoldingPortal is what the portal asks of a mapper with a hold, in its own process or over the network.
type HoldingPortal interface {
	Registry
	CancelHeld(ctx context.Context, by mapper.Actor, id mapper.ID, changeID string) (mapper.Change, error)
}

// Held is a mapper that holds changes by people.
type Held struct {
	HoldingPortal
	Hold     time.Duration
	Now      func() time.Time
	Later    func(d time.Duration)           // lets time pass
	ApplyDue func(ctx context.Context) error // as the registry does in the background
}

// RunHolds proves that a mapper holds changes as it should. Each part gets one with an empty registry.
func RunHolds(t *testing.T, newHeld func(t *testing.T) Held) {
	for name, part := range map[string]func(t *testing.T, m Held){
		"an update waits":                      updateWaits,
		"a newer change takes its place":       newerReplaces,
		"a partner's change ends it":           partnersEnd,
		"stopped by the person":                stopped,
		"removing and linking is no way round": noWayRound,
		"what is not held":                     notHeld,
		"due, but not made yet":                dueBeforeOthers,
		"nobody else can say so":               reservedName,
		"made for what the person saw":         heldCompareAndSet,
	} {
		t.Run(name, func(t *testing.T) { part(t, newHeld(t)) })
	}
}

// do sends one item and returns its result.
func (m Held) do(t *testing.T, action mapper.Action, by mapper.Actor, item mapper.Item) mapper.Result {
	t.Helper()
	results, err := run(t, m, action, by, []mapper.Item{item})
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	return results[0]
}

func (m Held) succeeds(t *testing.T, action mapper.Action, by mapper.Actor, id, fa string) mapper.Result {
	t.Helper()
	r := m.do(t, action, by, Item("r", id, fa))
	if r.Status != mapper.Succeeded || r.ChangeID == "" && by.ByBeneficiary {
		t.Fatalf("%s: %+v", action, r)
	}
	return r
}

// leads checks where the person's money goes, as a partner is told; wantPending is zero if no change is said to wait.
func (m Held) leads(t *testing.T, id, wantFA string, wantPending time.Time) {
	t.Helper()
	for _, question := range []mapper.Item{Details("q", id, ""), Details("q", "", wantFA)} {
		if question.FA.Value == "" && question.ID.Value == "" {
			continue
		}
		r := m.do(t, mapper.Resolve, By("A"), question)
		var said string
		for _, a := range r.AdditionalInfo {
			if a.Name == mapper.PendingChange {
				said += string(a.Value)
			}
		}
		want := ""
		if !wantPending.IsZero() {
			want = `"` + wantPending.UTC().Format("2006-01-02T15:04:05.000Z07:00") + `"`
		}
		if r.FA != wantFA || said != want || r.Held != nil || !r.EffectiveAt.IsZero() {
			t.Errorf("a partner is told %s %q, pending %s; want %q, pending %s", r.Code, r.FA, said, wantFA, want)
		}
	}
	if r := m.do(t, mapper.Resolve, By("A"), Item("q", id, "")); r.AdditionalInfo != nil || r.Held != nil {
		t.Errorf("a yes/no answer reveals %+v", r)
	}
}

// waiting checks what the person is told that waits.
func (m Held) waiting(t *testing.T, id, wantFA string, wantAt time.Time) mapper.Result {
	t.Helper()
	r := m.do(t, mapper.Resolve, Person(), Details("q", id, ""))
	switch {
	case wantFA == "" && r.Held != nil:
		t.Errorf("waiting: %+v, want nothing", *r.Held)
	case wantFA != "" && r.Held == nil:
		t.Fatalf("nothing waits, want %s", wantFA)
	case wantFA != "" && (r.Held.FA != wantFA || !r.Held.EffectiveAt.Equal(wantAt) || r.Held.Provider.Code == "" || r.Held.Provider.Kind == ""):
		t.Errorf("waiting: %+v, want %s at %s", *r.Held, wantFA, wantAt)
	}
	return r
}

// history checks what was done, the newest first.
func (m Held) history(t *testing.T, id string, want ...string) []mapper.Change {
	t.Helper()
	changes, err := m.History(t.Context(), mapper.ID(id), 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		who := c.Partner
		if c.ByBeneficiary {
			who = "person"
		}
		got = append(got, fmt.Sprintf("%s %s %s", who, c.Action, c.FA))
		if waited := c.Action == mapper.Hold || c.Action == mapper.Cancel; waited && (c.AskedAt.IsZero() || c.EffectiveAt.IsZero()) || c.ID == "" || c.Provider.Code == "" {
			t.Errorf("history: %+v", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("history:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return changes
}

// pass lets time go by, and the registry do its work.
func (m Held) pass(t *testing.T, d time.Duration) {
	t.Helper()
	m.Later(d)
	if err := m.ApplyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func updateWaits(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	before := m.waiting(t, id1, "", time.Time{})
	if wait := before.EffectiveAt.Sub(m.Now()); wait < m.Hold-time.Minute || wait > m.Hold {
		t.Errorf("a change asked for now would count in %s, want %s", wait, m.Hold)
	}
	asked := m.succeeds(t, mapper.Update, Person(), id1, fa2)
	if wait := asked.EffectiveAt.Sub(m.Now()); wait < m.Hold-time.Minute || wait > m.Hold || !asked.ChangedAt.Equal(before.ChangedAt) {
		t.Errorf("asked: %+v", asked)
	}
	m.leads(t, id1, fa1, asked.EffectiveAt)
	if r := m.waiting(t, id1, fa2, asked.EffectiveAt); r.FA != fa1 || r.Held.ChangeID != asked.ChangeID {
		t.Errorf("the person is told %+v, held %+v", r, *r.Held)
	}
	changes := m.history(t, id1, "person hold "+fa2, "A link "+fa1)
	if c := changes[0]; c.ID != asked.ChangeID || !c.AskedAt.Equal(c.At) || !c.EffectiveAt.Equal(asked.EffectiveAt) {
		t.Errorf("history: %+v", c)
	}

	m.pass(t, m.Hold-time.Minute)
	m.leads(t, id1, fa1, asked.EffectiveAt)
	m.pass(t, 2*time.Minute)
	m.leads(t, id1, fa2, time.Time{})
	m.waiting(t, id1, "", time.Time{})
	after := m.history(t, id1, "person update "+fa2, "person hold "+fa2, "A link "+fa1)
	if c := after[0]; !c.AskedAt.Equal(changes[0].At) || !c.EffectiveAt.Equal(asked.EffectiveAt) || c.At.Before(c.EffectiveAt) || c.Partner != "SPAR-SELF-SERVICE" {
		t.Errorf("history: %+v", c)
	}
	if c := after[2]; !c.AskedAt.IsZero() || !c.EffectiveAt.IsZero() {
		t.Errorf("history of what was not held: %+v", c)
	}
	m.pass(t, m.Hold)
	m.history(t, id1, "person update "+fa2, "person hold "+fa2, "A link "+fa1)
}

func newerReplaces(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	m.succeeds(t, mapper.Update, Person(), id1, fa2)
	m.pass(t, m.Hold-time.Minute)
	newer := m.succeeds(t, mapper.Update, Person(), id1, fa3)
	m.pass(t, 2*time.Minute)
	m.leads(t, id1, fa1, newer.EffectiveAt)
	m.waiting(t, id1, fa3, newer.EffectiveAt)
	m.pass(t, m.Hold)
	m.leads(t, id1, fa3, time.Time{})
	m.history(t, id1, "person update "+fa3, "person hold "+fa3, "person cancel "+fa2, "person hold "+fa2, "A link "+fa1)
}

func partnersEnd(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	m.succeeds(t, mapper.Link, By("A"), id2, fa1)
	m.succeeds(t, mapper.Update, Person(), id1, fa2)
	m.succeeds(t, mapper.Update, Person(), id2, fa2)
	m.succeeds(t, mapper.Update, By("A"), id1, fa3)
	m.leads(t, id1, fa3, time.Time{})
	m.succeeds(t, mapper.Unlink, By("A"), id2, "")
	m.waiting(t, id1, "", time.Time{})
	m.waiting(t, id2, "", time.Time{})
	m.pass(t, 2*m.Hold)
	m.leads(t, id1, fa3, time.Time{})
	m.history(t, id1, "A update "+fa3, "A cancel "+fa2, "person hold "+fa2, "A link "+fa1)
	m.history(t, id2, "A unlink "+fa1, "A cancel "+fa2, "person hold "+fa2, "A link "+fa1)
	// A refused item ends nothing.
	m.succeeds(t, mapper.Update, Person(), id1, fa1)
	if r := m.do(t, mapper.Unlink, By("A"), Item("r", id1, fa2)); r.Status != mapper.Rejected {
		t.Errorf("%+v", r)
	}
	m.pass(t, m.Hold+time.Second)
	m.leads(t, id1, fa1, time.Time{})
}

func stopped(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	m.succeeds(t, mapper.Link, By("A"), id2, fa1)
	asked := m.succeeds(t, mapper.Update, Person(), id1, fa2)
	other := m.succeeds(t, mapper.Update, Person(), id2, fa2)
	for _, changeID := range []string{"", "x", other.ChangeID} {
		if _, err := m.CancelHeld(t.Context(), Person(), id1, changeID); !errors.Is(err, mapper.ErrNotHeld) {
			t.Errorf("stopping change %q: %v, want ErrNotHeld", changeID, err)
		}
	}
	m.leads(t, id1, fa1, asked.EffectiveAt)
	by := Person()
	done, err := m.CancelHeld(t.Context(), by, id1, asked.ChangeID)
	if err != nil {
		t.Fatal(err)
	}
	m.leads(t, id1, fa1, time.Time{})
	changes := m.history(t, id1, "person cancel "+fa2, "person hold "+fa2, "A link "+fa1)
	if changes[0].ID != done.ID || !changes[0].EffectiveAt.Equal(asked.EffectiveAt) {
		t.Errorf("stopped %+v, history %+v", done, changes[0])
	}
	if _, err := m.CancelHeld(t.Context(), by, id1, asked.ChangeID); !errors.Is(err, mapper.ErrDuplicateMessage) {
		t.Errorf("the same message again: %v, want ErrDuplicateMessage", err)
	}
	if _, err := m.CancelHeld(t.Context(), Person(), id1, asked.ChangeID); !errors.Is(err, mapper.ErrNotHeld) {
		t.Errorf("stopping it again: %v, want ErrNotHeld", err)
	}
	m.pass(t, m.Hold+time.Second)
	m.leads(t, id1, fa1, time.Time{})
	m.leads(t, id2, fa2, time.Time{})
	if _, err := m.CancelHeld(t.Context(), Person(), id2, other.ChangeID); !errors.Is(err, mapper.ErrNotHeld) {
		t.Errorf("stopping what was made: %v, want ErrNotHeld", err)
	}
}

// noWayRound: whatever the person, or who got into their session, does in the portal, from the first thing that they could
// notice to money at another account it takes a whole hold.
func noWayRound(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, Person(), id1, fa1)
	m.leads(t, id1, fa1, time.Time{})
	m.succeeds(t, mapper.Update, Person(), id1, fa2)
	m.pass(t, m.Hold-time.Hour)
	m.succeeds(t, mapper.Unlink, Person(), id1, fa1)
	removed := m.Now()
	linked := m.succeeds(t, mapper.Link, Person(), id1, fa3)
	if wait := linked.EffectiveAt.Sub(removed); wait < m.Hold-time.Minute || wait > m.Hold+time.Minute {
		t.Errorf("a link after a removal counts after %s", wait)
	}
	m.leads(t, id1, "", time.Time{})
	m.waiting(t, id1, fa3, linked.EffectiveAt)
	m.pass(t, 2*time.Hour)
	m.leads(t, id1, "", time.Time{})

	// Another link in its place waits a whole hold, and so does one after it was stopped.
	m.pass(t, m.Hold-3*time.Hour)
	again := m.succeeds(t, mapper.Link, Person(), id1, fa2)
	if wait := again.EffectiveAt.Sub(m.Now()); wait < m.Hold-time.Minute {
		t.Errorf("a link in place of another counts after %s", wait)
	}
	if _, err := m.CancelHeld(t.Context(), Person(), id1, again.ChangeID); err != nil {
		t.Fatal(err)
	}
	if r := m.waiting(t, id1, "", time.Time{}); r.EffectiveAt.Sub(m.Now()) < m.Hold-time.Minute {
		t.Errorf("after a stopped link the next counts at %s", r.EffectiveAt)
	}
	last := m.succeeds(t, mapper.Link, Person(), id1, fa2)
	if wait := last.EffectiveAt.Sub(m.Now()); wait < m.Hold-time.Minute {
		t.Errorf("a link after a stopped one counts after %s", wait)
	}
	m.pass(t, m.Hold-time.Minute)
	m.leads(t, id1, "", time.Time{})
	m.pass(t, 2*time.Minute)
	m.leads(t, id1, fa2, time.Time{})
	m.history(t, id1, "person link "+fa2, "person hold "+fa2, "person cancel "+fa2, "person hold "+fa2, "person cancel "+fa3, "person hold "+fa3,
		"person unlink "+fa1, "person cancel "+fa2, "person hold "+fa2, "person link "+fa1)
}

func notHeld(t *testing.T, m Held) {
	// The first link ever, and an update to the address that is linked, which stops what waits.
	first := m.succeeds(t, mapper.Link, Person(), id1, fa1)
	m.succeeds(t, mapper.Update, Person(), id1, fa2)
	same := m.succeeds(t, mapper.Update, Person(), id1, strings.ToUpper(fa1[:8])+fa1[8:])
	if !first.EffectiveAt.IsZero() || !same.EffectiveAt.IsZero() {
		t.Errorf("held: %+v, %+v", first, same)
	}
	m.waiting(t, id1, "", time.Time{})
	// Partners.
	m.succeeds(t, mapper.Update, By("A"), id1, fa3)
	m.leads(t, id1, fa3, time.Time{})
	// A link that follows a removal by a partner, or one by the person a hold ago, or that a partner makes.
	m.succeeds(t, mapper.Unlink, By("A"), id1, "")
	m.pass(t, m.Hold)
	m.succeeds(t, mapper.Link, Person(), id1, fa1)
	m.leads(t, id1, fa1, time.Time{})
	m.succeeds(t, mapper.Unlink, Person(), id1, "")
	m.succeeds(t, mapper.Link, Person(), id1, fa2)
	m.succeeds(t, mapper.Link, By("A"), id1, fa3)
	m.leads(t, id1, fa3, time.Time{})
	m.waiting(t, id1, "", time.Time{})
	m.succeeds(t, mapper.Unlink, Person(), id1, "")
	m.pass(t, m.Hold+time.Second)
	if r := m.waiting(t, id1, "", time.Time{}); !r.EffectiveAt.IsZero() {
		t.Errorf("a link asked for now would count at %s", r.EffectiveAt)
	}
	m.succeeds(t, mapper.Link, Person(), id1, fa1)
	m.leads(t, id1, fa1, time.Time{})
	// Nobody links what is linked, held or not.
	m.succeeds(t, mapper.Unlink, Person(), id1, "")
	m.succeeds(t, mapper.Link, By("A"), id1, fa2)
	if r := m.do(t, mapper.Link, Person(), Item("r", id1, fa3)); r.Code != mapper.ReferenceIDDuplicate {
		t.Errorf("link of what is linked: %+v", r)
	}
	m.leads(t, id1, fa2, time.Time{})
}

// dueBeforeOthers: what was due is made before what came later, also when the registry had no time for it yet.
func dueBeforeOthers(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	m.succeeds(t, mapper.Link, Person(), id2, fa1)
	m.succeeds(t, mapper.Link, Person(), id3, fa1)
	m.succeeds(t, mapper.Update, Person(), id1, fa2)
	m.succeeds(t, mapper.Unlink, Person(), id2, "")
	m.succeeds(t, mapper.Link, Person(), id2, fa2)
	m.succeeds(t, mapper.Update, Person(), id3, fa2)
	m.Later(m.Hold + time.Second)
	m.succeeds(t, mapper.Update, By("A"), id1, fa3)
	if r := m.do(t, mapper.Link, By("A"), Item("r", id2, fa3)); r.Code != mapper.ReferenceIDDuplicate {
		t.Errorf("link of what is linked by now: %+v", r)
	}
	if r := m.do(t, mapper.Unlink, By("A"), Item("r", id3, fa1)); r.Code != mapper.IDInvalid {
		t.Errorf("unlink of the address that is no more: %+v", r)
	}
	m.leads(t, id1, fa3, time.Time{})
	for range 2 {
		m.history(t, id1, "A update "+fa3, "person update "+fa2, "person hold "+fa2, "A link "+fa1)
		m.history(t, id2, "person link "+fa2, "person hold "+fa2, "person unlink "+fa1, "person link "+fa1)
		m.history(t, id3, "person update "+fa2, "person hold "+fa2, "person link "+fa1)
		m.pass(t, m.Hold)
	}
	m.leads(t, id2, fa2, time.Time{})
	m.leads(t, id3, fa2, time.Time{})
	// Linked a moment ago, if one looks closely, and removed.
	m.succeeds(t, mapper.Unlink, Person(), id2, "")
	m.succeeds(t, mapper.Link, Person(), id2, fa3)
	m.Later(m.Hold + time.Second)
	m.succeeds(t, mapper.Unlink, By("A"), id3, fa2)
	m.pass(t, time.Second)
	m.leads(t, id2, fa3, time.Time{})
}

func reservedName(t *testing.T, m Held) {
	item := Item("r", id1, fa1)
	item.AdditionalInfo = []mapper.Attribute{{Name: mapper.PendingChange, Value: []byte(`"2030-01-01T00:00:00Z"`)}}
	if r := m.do(t, mapper.Link, By("A"), item); r.Code != mapper.OtherError {
		t.Errorf("a partner links %s: %+v", mapper.PendingChange, r)
	}
}

// heldCompareAndSet: that a change began or ceased to wait since the person looked is another state.
func heldCompareAndSet(t *testing.T, m Held) {
	m.succeeds(t, mapper.Link, By("A"), id1, fa1)
	refused := func(action mapper.Action, base, fa string) {
		t.Helper()
		if r := m.do(t, action, Person(), based(base, Item("r", id1, fa))); r.Code != mapper.StateStale {
			t.Errorf("%s: %+v, want %s", action, r, mapper.StateStale)
		}
	}
	before := state(t, m)
	first := m.do(t, mapper.Update, Person(), based(before, Item("r", id1, fa2)))
	refused(mapper.Update, before, fa3)
	refused(mapper.Unlink, before, "")
	m.waiting(t, id1, fa2, first.EffectiveAt)
	during := state(t, m)
	m.Later(time.Second)
	second := m.do(t, mapper.Update, Person(), based(during, Item("r", id1, fa3)))
	m.waiting(t, id1, fa3, second.EffectiveAt)
	refused(mapper.Update, during, fa2)
	if _, err := m.CancelHeld(t.Context(), Person(), id1, second.ChangeID); err != nil {
		t.Fatal(err)
	}
	if got := state(t, m); got != before {
		t.Errorf("the state before and after is %q and %q", before, got)
	}
	m.do(t, mapper.Update, Person(), based(before, Item("r", id1, fa2)))
	during = state(t, m)
	m.Later(m.Hold + time.Second)
	refused(mapper.Update, during, fa3) // it was made by now
	m.leads(t, id1, fa2, time.Time{})

	m.do(t, mapper.Unlink, Person(), based(state(t, m), Item("r", id1, "")))
	none := state(t, m)
	m.do(t, mapper.Link, Person(), based(none, Item("r", id1, fa1)))
	refused(mapper.Link, none, fa3)
	m.Later(time.Second)
	third := m.do(t, mapper.Link, Person(), based(state(t, m), Item("r", id1, fa3)))
	m.waiting(t, id1, fa3, third.EffectiveAt)
}
