package mappertest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spar/mapper"
)

// report reports a change of id1's link, or of another.
func report(t *testing.T, m Registry, id, change string) mapper.Result {
	t.Helper()
	item := Item("r1", id, "")
	item.Change = mapper.String(change)
	result, err := m.Report(t.Context(), Person(), item)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// about is what the portal learns about a person.
func about(t *testing.T, m Registry, id string) mapper.Result {
	t.Helper()
	results, err := m.Resolve(t.Context(), Person(), []mapper.Item{Details("q", id, "")})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// code is what a partner learns about a person.
func code(t *testing.T, m Registry, id string) mapper.Code {
	t.Helper()
	return do(t, m, mapper.Resolve, By("B"), Item("q", id, ""))[0].Code
}

// reportRules: a report freezes the link and opens a case, once, and is for nobody but the person.
func reportRules(t *testing.T, m Registry) {
	do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1), Item("r2", id2, fa1))
	made := history(t, m)[0]
	for name, change := range map[string]string{
		"no change": "", "nonsense": "x'; DROP TABLE links", "another's": changeOf(t, m, id2), "nobody's": "0198c0de-0000-7000-8000-000000000000",
	} {
		if got := report(t, m, id1, change); got.Status != mapper.Rejected || got.Code != mapper.ChangeUnknown || got.Case != nil {
			t.Errorf("report of %s: %+v", name, got)
		}
	}
	if got := report(t, m, "nonsense", made.ID); got.Code != mapper.IDInvalid {
		t.Errorf("report for no ID: %+v", got)
	}
	if got := about(t, m, id1); got.Code != mapper.IDActive || got.Case != nil {
		t.Errorf("refused reports did something: %+v", got)
	}

	first := report(t, m, id1, made.ID)
	if first.Status != mapper.Succeeded || first.Case == nil || !first.Case.Open() || len(first.Case.Number) != 9 || first.ChangeID == "" {
		t.Fatalf("report: %+v", first)
	}
	if diff := cmp.Diff([]string{made.ID}, first.Case.Reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if got := code(t, m, id1); got != mapper.IDInactive {
		t.Errorf("a partner is answered %s", got)
	}
	if got := code(t, m, id2); got != mapper.IDActive {
		t.Errorf("another with the same account is answered %s", got)
	}
	if got := do(t, m, mapper.Resolve, By("B"), Item("q", "", fa1))[0].Code; got != mapper.FAActive {
		t.Errorf("the account of the other is answered %s", got)
	}
	if got := about(t, m, id1); got.Code != mapper.IDInactive || got.FA != fa1 || cmp.Diff(first.Case, got.Case) != "" {
		t.Errorf("the portal is told %+v, case %+v", got, got.Case)
	}
	if got := about(t, m, id2); got.Case != nil {
		t.Errorf("another's portal is told of %+v", got.Case)
	}
	changes := history(t, m)
	if len(changes) != 2 || changes[0].Action != mapper.Freeze || !changes[0].ByBeneficiary || changes[0].FA != fa1 || changes[0].ID != first.ChangeID {
		t.Errorf("history %+v", changes)
	}

	again := report(t, m, id1, made.ID)
	if again.ChangeID != "" || cmp.Diff(first.Case, again.Case) != "" {
		t.Errorf("reported again: %+v, case %+v", again, again.Case)
	}
	more := report(t, m, id1, changes[0].ID)
	if more.Case.Number != first.Case.Number || cmp.Diff([]string{made.ID, changes[0].ID}, more.Case.Reported) != "" || len(history(t, m)) != 2 {
		t.Errorf("another change reported: %+v", more.Case)
	}

	by, item := Person(), Item("r1", id1, "")
	item.Change = mapper.String(made.ID)
	if _, err := m.Report(t.Context(), by, item); err != nil {
		t.Error(err)
	}
	if _, err := m.Report(t.Context(), by, item); !errors.Is(err, mapper.ErrDuplicateMessage) {
		t.Errorf("a message sent twice: %v", err)
	}
}

func changeOf(t *testing.T, m Registry, id string) string {
	t.Helper()
	changes, err := m.History(t.Context(), mapper.ID(id), 1)
	if err != nil || len(changes) == 0 {
		t.Fatalf("history of %s: %v, %v", id, changes, err)
	}
	return changes[0].ID
}

// openCase: whoever changes the link of an ID that has an open case, it stays as it is: not active.
func openCase(t *testing.T, m Registry) {
	do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1))
	report(t, m, id1, changeOf(t, m, id1))
	for _, step := range []struct {
		action mapper.Action
		by     mapper.Actor
		fa     string
		want   mapper.Code
	}{
		{mapper.Update, By("A"), fa2, mapper.IDInactive},
		{mapper.Update, Person(), fa3, mapper.IDInactive},
		{mapper.Unlink, Person(), "", mapper.IDNotFound},
		{mapper.Link, By("B"), fa1, mapper.IDInactive},
		{mapper.Unlink, By("A"), "", mapper.IDNotFound},
		{mapper.Link, Person(), fa2, mapper.IDInactive},
	} {
		// In a batch with somebody whom no case is about.
		got := do(t, m, step.action, step.by, Item("r1", id1, step.fa), Item("r2", id2, fa2))
		if got[0].Status != mapper.Succeeded {
			t.Errorf("%s by %s: %+v", step.action, step.by.Partner, got[0])
		}
		if got := code(t, m, id1); got != step.want {
			t.Errorf("after %s by %s: %s, want %s", step.action, step.by.Partner, got, step.want)
		}
		if got := code(t, m, id2); got == mapper.IDInactive {
			t.Errorf("after %s by %s: somebody else is %s", step.action, step.by.Partner, got)
		}
	}
	do(t, m, mapper.Unlink, By("A"), Item("r1", id1, ""))
	// Nothing is linked: there is nothing to freeze, and the case goes on.
	do(t, m, mapper.Link, By("A"), Item("r1", id3, fa1))
	do(t, m, mapper.Unlink, By("A"), Item("r1", id3, ""))
	reported := report(t, m, id3, changeOf(t, m, id3))
	if reported.Case == nil || !reported.Case.Open() || reported.ChangeID != "" {
		t.Errorf("report while nothing is linked: %+v", reported)
	}
	if got := about(t, m, id3); got.Code != mapper.IDNotFound || got.Case == nil {
		t.Errorf("the portal is told %+v", got)
	}
	do(t, m, mapper.Link, By("A"), Item("r1", id3, fa2))
	if got := code(t, m, id3); got != mapper.IDInactive {
		t.Errorf("linked with an open case: %s", got)
	}
}
