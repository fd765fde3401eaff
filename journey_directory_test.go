package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
)

// An administrator keeps the directory with nothing but a browser: looks a bank up, corrects a branch, tries a strategy, and
// imports a list after seeing what it changes. Once with scripts, and once without on the smallest screen.
func TestKeepingTheDirectory(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		keepDirectory(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts, on a small screen", func(t *testing.T) {
		keepDirectory(t, browsertest.Options{WithoutScripts: true, Width: 320})
	})
}

func keepDirectory(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	tab := browsertest.Open(t, options)
	tab.Visit(d.banner.BaseURL + "/admin/directory")
	tab.Sees("Who are you today?")
	tab.Click("button[value=ines-carvalho]")
	tab.Sees("Banks and wallets")
	seen(tab, "directory")
	tab.Type("#q", "solvenna")
	tab.Press("Search")
	tab.Press("National Bank of Solvenna")
	tab.Sees("National Bank of Solvenna")
	seen(tab, "directory-bank")
	tab.Press("Market Arcade")
	tab.Sees("Market Arcade")
	seen(tab, "directory-branch")
	tab.Press("Edit")
	tab.Sees("Edit 101001")
	tab.Type("#name", " ")
	tab.Press("Save")
	tab.Shows(".error-summary")
	seen(tab, "directory-branch-wrong")
	tab.Type("#name", "Market Arcade East")
	tab.Press("Save")
	tab.Sees("Market Arcade East")
	tab.Press("Close")
	tab.Sees("Close the branch Market Arcade East?")
	seen(tab, "directory-close")
	tab.Click("main form button")
	tab.Shows("#flash")
	importJourney(t, tab, d)
	strategyJourney(tab)
	tab.Clean()
}

// importJourney uploads a list: first one that is none, then one with a line to correct.
func importJourney(t *testing.T, tab *browsertest.Tab, d *demonstration) {
	t.Helper()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tab.Press("Directory")
	tab.Press("Import a list")
	tab.Sees("Import a list")
	seen(tab, "import")
	tab.Choose("#file", file("photo.csv", "\x89PNG\r\n\x1a\n"))
	tab.Press("Look at the changes")
	tab.Shows(".error-summary")
	seen(tab, "import-no-list")
	tab.Choose("#file", file("branches.csv", "bank_code;branch_code;name;town\nNBSOLV;101001;Market Arcade;Solvenna City\nNBSOLV;900;Lighthouse;Port Marisol\nNBSOLV;9 1;Typo;\n"))
	tab.Press("Look at the changes")
	tab.Sees("What this list would change")
	seen(tab, "import-preview")
	for _, want := range []string{"Lighthouse", "Market Arcade East", "Branch code can have letters"} {
		if text := tab.Text("main"); !strings.Contains(text, want) {
			t.Errorf("%q is not in the preview: %s", want, text)
		}
	}
	tab.Press("Make these 2 changes")
	tab.Sees("The list is in the directory")
	seen(tab, "import-done")
	if b, err := d.app.editor.Branch(t.Context(), "NBSOLV", "101001"); err != nil || b.Name != "Market Arcade" || !b.Active {
		t.Errorf("%+v, %v", b, err)
	}
}

func strategyJourney(tab *browsertest.Tab) {
	tab.Press("Directory")
	tab.Press("Forms of addresses")
	tab.Sees("Forms of addresses")
	seen(tab, "strategies")
	tab.Press("mobile wallet")
	tab.Sees("mobile wallet")
	seen(tab, "strategy")
	tab.Press("Edit")
	tab.Sees("Edit mobile wallet")
	seen(tab, "strategy-edit")
	tab.Press("Back")
	tab.Press("Try it")
	tab.Sees("Try mobile wallet")
	tab.Type("#address", "mobile:+15550100199@PESAGO.mobile_wallet")
	tab.Press("Take apart")
	tab.Shows("[role=status] .answers")
	seen(tab, "strategy-try")
}
