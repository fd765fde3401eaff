package main

import (
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
	"spar/internal/demo"
	"spar/mapper/mappertest"
)

// A person who uses no mouse finds their bank, their town and their branch, and enters the account number: in a large
// directory, by the keys for tab, typing and enter alone. The focus stays where they type, and what was found is said.
func TestSearchByKeyboard(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		searchByKeyboard(t, browsertest.Options{Width: 320, Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts", func(t *testing.T) { searchByKeyboard(t, browsertest.Options{WithoutScripts: true}) })
}

func searchByKeyboard(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	providers, branches := mappertest.IFSC(4000)
	if err := d.app.directory.Load(t.Context(), providers, branches); err != nil {
		t.Fatal(err)
	}
	person, _ := demo.PersonByKey("amina-diallo")
	tab := browsertest.Open(t, options)
	logIn(tab, d, person)
	enter := func(selector string) {
		t.Helper()
		tab.TabTo(selector)
		tab.Keys("\r")
	}
	tab.Sees("Where your money goes")
	enter(`main a[href="/account/change"]`)
	tab.Sees("Where do you want your money to go?")
	tab.TabTo("[name=kind]")
	tab.Keys(" ")
	enter("main form button.button")

	tab.Sees("Which bank branch holds your account?")
	tab.Accessible()
	tab.Picture("banks")
	tab.TabTo("#q")
	tab.Keys("state bnak of india")
	if options.WithoutScripts {
		tab.Keys("\r")
	}
	tab.Shows(`#results:not(:has(a[href*="HDFC"])) a[href*="SBIN"]`) // HDFC is among the banks that are offered at first
	if !options.WithoutScripts {
		tab.HasFocus("#q")
		if got := tab.Path(); got != "/account/change/bank?q=state+bnak+of+india" {
			t.Errorf("the address is %s", got)
		}
	}
	tab.Accessible()
	enter(`#results a[href*="SBIN"]`)
	tab.Shows(".chosen")
	tab.Accessible()
	tab.Picture("towns")
	tab.TabTo("#q")
	tab.Keys("mumbai andhri")
	if options.WithoutScripts {
		tab.Keys("\r")
	}
	tab.Shows("#results button")
	if !options.WithoutScripts {
		tab.HasFocus("#q")
	}
	tab.Accessible()
	tab.Picture("branches")
	if got := tab.Text("#results button"); !strings.HasPrefix(got, "ANDHERI") {
		t.Errorf("the first branch is %q", got)
	}
	enter("#results button")

	tab.Sees("What is your account number?")
	tab.TabTo("#account_number")
	tab.Keys("12\r")
	tab.Shows(".error-summary")
	tab.Picture("details")
	if !options.WithoutScripts {
		tab.HasFocus(".error-summary")
	}
	tab.TabTo("#account_number")
	tab.Keys("3456\r")
	tab.Sees("Check before you confirm")
	tab.Clean()
}
