package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spar/internal/browsertest"
	"spar/internal/demo"
	"spar/mapper"
	"spar/mapper/mappertest"
)

// With a hold, a person's change waits: every page shows it, and keeping the current account is two presses, on a small
// screen, with scripts and without.
func TestHoldJourney(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		holdJourney(t, browsertest.Options{Width: 320, Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts", func(t *testing.T) {
		holdJourney(t, browsertest.Options{Width: 320, WithoutScripts: true})
	})
}

func holdJourney(t *testing.T, options browsertest.Options) {
	d := startDemoWith(t, func(c *Config) { c.Changes.Hold = time.Hour })
	person, _ := demo.PersonByKey("kwame-mensah")
	before, _ := resolve(t, d, person.MapperID())
	tab := browsertest.Open(t, options)
	logIn(tab, d, person)
	tab.Sees("Where your money goes")
	current := tab.Text(".account-number")

	asked := func(number string) {
		tab.Visit(d.banner.BaseURL + "/account/change")
		tab.Sees("Where do you want your money to go?")
		tab.Accessible()
		tab.Click("label[for=kind-2]")
		tab.Press("Continue")
		tab.Sees("Which mobile wallet do you use?")
		tab.Press("Kito Mobile Money")
		tab.Sees("What is the phone number of your wallet?")
		tab.Type("#mobile_number", number)
		tab.Press("Continue")
		tab.Sees("Check before you confirm")
		tab.Accessible()
		tab.Picture("check")
		tab.Press("Confirm")
		tab.Sees("Your change is waiting")
		tab.Accessible()
		tab.Picture("done")
	}
	asked("202 555 0187")
	if code, fa := resolve(t, d, person.MapperID()); code != before || strings.Contains(fa, "0187") {
		t.Errorf("the bank resolves %s to %q at once", code, fa)
	}
	tab.Press("Go to your account")
	tab.Sees("Where your money goes")
	if got := tab.Text(".panel .account-number"); got != current {
		t.Errorf("the money goes to %q, want %q", got, current)
	}
	if got := tab.Text(".waiting .account-number"); !strings.HasPrefix(got, "•••• 0187") {
		t.Errorf("%q waits", got)
	}
	tab.Accessible()
	tab.Picture("account")
	tab.Press("History")
	tab.Sees("History of changes")
	tab.Accessible()
	tab.Picture("history")
	tab.Press("Keep my current account")
	tab.Sees("Do you want to keep your current account?")
	tab.Accessible()
	tab.Picture("keep")
	tab.Press("Keep my current account")
	tab.Sees("The change is stopped")
	tab.Accessible()
	tab.Picture("kept")
	asked("202 555 0188")
	tab.Visit(d.banner.BaseURL + "/account/remove")
	tab.Sees("Do you want to remove your account?")
	tab.Accessible()
	tab.Picture("remove")
	tab.Clean()
}

// A server makes by itself what is due.
func TestHeldChangesAreMadeByThemselves(t *testing.T) {
	d := startDemoWith(t, func(c *Config) { c.Changes.Hold = time.Second })
	person, _ := demo.PersonByKey("kwame-mensah")
	const fa = "mobile:+12025550188@KITOPAY.mobile_wallet"
	asked, err := d.app.service.Update(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("1", person.MapperID(), fa)})
	if err != nil || asked[0].EffectiveAt.IsZero() {
		t.Fatalf("update: %v %+v", err, asked)
	}
	for tick := range time.Tick(100 * time.Millisecond) {
		found, err := d.app.service.Resolve(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Details("1", person.MapperID(), "")})
		if err != nil {
			t.Fatal(err)
		}
		if found[0].FA == fa {
			return
		}
		if tick.Sub(asked[0].EffectiveAt) > time.Minute {
			t.Fatalf("a minute after its time: %+v", found[0])
		}
	}
}
