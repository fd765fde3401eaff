package mappertest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spar/mapper"
)

// state is the state of id1's link, as the portal learns it.
func state(t *testing.T, m mapper.Mapper) string {
	t.Helper()
	results, err := m.Resolve(t.Context(), Person(), []mapper.Item{Item("q", id1, "")})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State == "" {
		t.Fatalf("no state in %+v", results[0])
	}
	return results[0].State
}

func based(state string, item mapper.Item) mapper.Item {
	item.Base = mapper.String(state)
	return item
}

// compareAndSet: a change that was made for another state of the link than it is in does nothing.
func compareAndSet(t *testing.T, m Registry) {
	const text = "the link is not in the state that this change was made for"
	none := state(t, m)
	stale := func(reference, fa string) answer { return answer{reference, id1, fa, "rjct", mapper.StateStale, text} }

	want(t, do(t, m, mapper.Update, Person(), based("1-1", Item("r1", id1, fa1))), stale("r1", fa1))
	want(t, do(t, m, mapper.Unlink, Person(), based("1-1", Item("r1", id1, ""))), stale("r1", ""))
	want(t, do(t, m, mapper.Link, Person(), based("1-1", Item("r1", id1, fa1))), stale("r1", fa1))
	want(t, do(t, m, mapper.Link, Person(), based(none, Item("r1", id1, fa1)), based(none, Item("r2", id1, fa2))),
		answer{"r1", id1, fa1, "succ", "", ""}, stale("r2", fa2))
	want(t, do(t, m, mapper.Link, Person(), based(none, Item("r1", id1, fa2))), stale("r1", fa2))

	linked := state(t, m)
	want(t, do(t, m, mapper.Update, By("A"), Item("r1", id1, fa2)), answer{"r1", id1, fa2, "succ", "", ""})
	want(t, do(t, m, mapper.Update, Person(), based(linked, Item("r1", id1, fa3))), stale("r1", fa3))
	want(t, do(t, m, mapper.Unlink, Person(), based(linked, Item("r1", id1, ""))), stale("r1", ""))
	updated := state(t, m)
	if updated == linked {
		t.Errorf("the state is %q before and after an update", linked)
	}
	want(t, do(t, m, mapper.Update, Person(), based(updated, Item("r1", id1, fa3)), based(updated, Item("r2", id1, fa1))),
		answer{"r1", id1, fa3, "succ", "", ""}, stale("r2", fa1))
	want(t, do(t, m, mapper.Resolve, By("A"), Details("q", id1, "")), answer{"q", id1, fa3, "succ", mapper.IDActive, ""})
	want(t, do(t, m, mapper.Unlink, Person(), based(state(t, m), Item("r1", id1, ""))), answer{"r1", id1, "", "succ", "", ""})
	if got := state(t, m); got != none {
		t.Errorf("the state without a link is %q and %q", none, got)
	}
}

// portalAloneIsHeard: what only the portal may say counts for nothing from a partner.
func portalAloneIsHeard(t *testing.T, m Registry) {
	said := based("nonsense", Item("r1", id1, fa1))
	said.Email = mapper.String("no address")
	said.Consent = &mapper.Consent{Text: "made up", Version: "1", Language: "en"}
	want(t, do(t, m, mapper.Link, By("A"), said), answer{"r1", id1, fa1, "succ", "", ""})
	want(t, do(t, m, mapper.Update, By("A"), said), answer{"r1", id1, fa1, "succ", "", ""})
	for _, change := range history(t, m) {
		if change.Consent != nil {
			t.Errorf("a partner's consent was kept: %+v", change.Consent)
		}
	}
	results, err := m.Resolve(t.Context(), By("A"), []mapper.Item{Details("q", id1, "")})
	if err != nil || results[0].Status != mapper.Succeeded {
		t.Errorf("resolve: %v %+v", err, results)
	}
}

func history(t *testing.T, m Registry) []mapper.Change {
	t.Helper()
	changes, err := m.History(t.Context(), id1, 10)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// consentKept: the history says which text came with which change, to the letter.
func consentKept(t *testing.T, m Registry) {
	english := mapper.Consent{Text: "I agree \u2019\n<b> & \"this\"", Version: "1", Language: "en"}
	again := english
	arabic := mapper.Consent{Text: "\u0623\u0648\u0627\u0641\u0642", Version: "1", Language: "ar"}
	newer := mapper.Consent{Text: english.Text, Version: "2", Language: "en"}
	for i, consent := range []*mapper.Consent{&english, &again, &arabic, &newer, nil} {
		item := Item("r1", id1, fa1)
		item.Consent = consent
		action := mapper.Update
		if i == 0 {
			action = mapper.Link
		}
		do(t, m, action, Person(), item)
	}
	removal := Item("r1", id1, "")
	removal.Consent = &arabic
	do(t, m, mapper.Unlink, Person(), removal)
	var got []*mapper.Consent
	for _, change := range history(t, m) {
		got = append(got, change.Consent)
	}
	if diff := cmp.Diff([]*mapper.Consent{&arabic, nil, &newer, &arabic, &again, &english}, got); diff != "" {
		t.Errorf("consents (-want +got):\n%s", diff)
	}
}

// portalAmiss: what cannot be kept is refused, and changes nothing.
func portalAmiss(t *testing.T, m Registry) {
	change := func(f func(i *mapper.Item)) mapper.Item {
		item := Item("r", id1, fa1)
		f(&item)
		return item
	}
	consent := func(text, version, language string) mapper.Item {
		return change(func(i *mapper.Item) { i.Consent = &mapper.Consent{Text: text, Version: version, Language: language} })
	}
	email := func(value mapper.Text) mapper.Item { return change(func(i *mapper.Item) { i.Email = value }) }
	for name, item := range map[string]mapper.Item{
		"no address":           email(mapper.String("nobody")),
		"control in address":   email(mapper.String("a@b\u0007")),
		"two addresses":        email(mapper.String("a@b, c@d")),
		"long address":         email(mapper.String(strings.Repeat("a", 250) + "@b.org")),
		"address no text":      email(mapper.Text{Present: true, Invalid: true}),
		"consent without text": consent("", "1", "en"),
		"without version":      consent("text", "", "en"),
		"without language":     consent("text", "1", ""),
		"long text":            consent(strings.Repeat("x", 5000), "1", "en"),
	} {
		got := do(t, m, mapper.Link, Person(), item)[0]
		if got.Status != mapper.Rejected || got.Code != mapper.OtherError {
			t.Errorf("%s: %+v", name, got)
		}
	}
	good := email(mapper.String("amina@example.org"))
	good.Phone = mapper.String("+15550100123")
	want(t, do(t, m, mapper.Link, Person(), good), answer{"r", id1, fa1, "succ", "", ""})
	// The base that is no text at all is no state either.
	odd := change(func(i *mapper.Item) { i.Base = mapper.Text{Present: true, Invalid: true} })
	if got := do(t, m, mapper.Update, Person(), odd)[0]; got.Code != mapper.StateStale {
		t.Errorf("a base that is no text: %+v", got)
	}
}
