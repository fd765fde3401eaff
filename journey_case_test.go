package main

import (
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
	"spar/internal/demo"
)

// Somebody finds an account that a bank linked and they did not, says so, and payments stop. Staff settle the case. Once with
// scripts, and once without on a small screen.
func TestThisWasNotMe(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		thisWasNotMe(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts, on a small screen", func(t *testing.T) {
		thisWasNotMe(t, browsertest.Options{WithoutScripts: true, Width: 320})
	})
}

func thisWasNotMe(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	person, _ := demo.PersonByKey("siobhan-okeefe")
	if code, _ := resolve(t, d, person.MapperID()); code != "succ.id.active" {
		t.Fatalf("before the journey: %s", code)
	}
	tab := browsertest.Open(t, options)
	logIn(tab, d, person)
	tab.Sees("Where your money goes")
	tab.Press("See the history of changes")
	tab.Sees("History of changes")
	seen(tab, "history")
	tab.Click(".changes .not-me a")
	tab.Sees("Was this change not made by you?")
	seen(tab, "not-me")
	tab.Press("Go back, stop nothing")
	tab.Sees("History of changes")
	tab.Click(".changes .not-me a")
	tab.Press("This was not me. Stop payments")
	tab.Sees("Payments are stopped")
	seen(tab, "case")
	number := tab.Text(".reference")
	if code, _ := resolve(t, d, person.MapperID()); code != "succ.id.inactive" {
		t.Errorf("reported: %s", code)
	}
	tab.Press("Go to your account")
	tab.Sees("Where your money goes")
	seen(tab, "account-stopped")
	if got := tab.Text(".notice[role=note]"); !strings.Contains(got, number) {
		t.Errorf("the account page says %q", got)
	}
	tab.Press("History")
	tab.Sees("History of changes")
	seen(tab, "history-stopped")

	staff := browsertest.Open(t, options)
	staff.Visit(d.banner.BaseURL + "/admin")
	staff.Sees("Who are you today?")
	staff.Click("button[value=ines-carvalho]")
	staff.Sees("Overview")
	seen(staff, "overview")
	staff.Press("Changes people reported")
	staff.Sees("Changes people reported")
	seen(staff, "cases")
	staff.Press(number)
	staff.Sees("Case " + number)
	seen(staff, "admin-case")
	staff.Press("Settle this case")
	staff.Sees("Settle case " + number)
	staff.Press("Settle the case")
	staff.Shows(".error-summary")
	seen(staff, "settle-wrong")
	staff.Click("label[for=outcome-1]")
	staff.Type("#note", "Spoke to the person: it is their account.")
	staff.Press("Settle the case")
	staff.Sees("Case " + number)
	seen(staff, "admin-case-settled")
	staff.Clean()

	if code, _ := resolve(t, d, person.MapperID()); code != "succ.id.active" {
		t.Errorf("settled: %s", code)
	}
	tab.Press("Your account")
	tab.Sees("Where your money goes")
	seen(tab, "account-settled")
	tab.Press("See your case")
	tab.Sees("Your case is settled")
	seen(tab, "case-settled")
	tab.Clean()
}
