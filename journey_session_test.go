package main

import (
	"path/filepath"
	"testing"
	"time"

	"spar/internal/browsertest"
	"spar/internal/demo"
)

// A page that is left alone asks before its session ends. Whoever stays, stays; whoever does not come back finds a page
// that says so kindly, and gets back from there.
func TestSessionEnds(t *testing.T) {
	d := startDemoWith(t, func(cfg *Config) { cfg.Session.Idle = 12 * time.Second })
	person, _ := demo.PersonByKey("amina-diallo")
	tab := browsertest.Open(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	tab.Visit(d.banner.BaseURL + "/account/history")
	tab.Click("button[value=" + person.Key + "]")
	tab.Sees("History of changes")
	tab.Shows("dialog[open]")
	tab.HasFocus("[data-stay]")
	tab.Click("[data-stay]")
	tab.Shows("body:not(:has(dialog[open]))")
	tab.Sees("History of changes")

	tab.Shows("dialog[open]")
	tab.Sees("You were signed out")
	tab.Accessible()
	tab.Press("Continue with National ID")
	tab.Click("button[value=" + person.Key + "]")
	tab.Sees("History of changes")
	tab.Clean()
}
