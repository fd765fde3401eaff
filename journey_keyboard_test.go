package main

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"spar/internal/browsertest"
	"spar/internal/demo"
)

// Somebody without a mouse, on the smallest screen, does all there is to do: links an account, changes it, says that this
// was not them, removes it, looks at the history, and chooses another language. Wherever the focus goes, it can be seen.
func TestKeyboardAlone(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) { keyboardAlone(t, browsertest.Options{Width: 320}) })
	t.Run("without scripts", func(t *testing.T) {
		keyboardAlone(t, browsertest.Options{WithoutScripts: true, Width: 320})
	})
}

// typist uses nothing but the keys.
type typist struct {
	*browsertest.Tab
	scripts bool
}

// enter goes to a link or button and presses the enter key there.
func (k typist) enter(selector string) {
	k.Walk(selector, false)
	k.Enter()
}

// told waits for an error, which has the focus where there are scripts, and goes back to the field.
func (k typist) told(field string) {
	k.Shows(".error-summary")
	if k.scripts {
		k.Shows(".error-summary:focus")
		k.FocusSeen()
	}
	k.enter(".error-summary a")
	k.Shows(field + ":focus")
	k.FocusSeen()
}

const goOn = "main form button[type=submit]"

func keyboardAlone(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	person, _ := demo.PersonByKey("amina-diallo")
	k := typist{browsertest.Open(t, options), !options.WithoutScripts}
	k.Visit(d.banner.BaseURL)
	k.Walk(".skip", false)
	k.Keys("\r")
	k.enter("main a[href^='/auth/login/']")
	k.Sees("Who are you today?")
	k.enter("button[value=" + person.Key + "]")
	k.Sees("Where your money goes")

	k.enter("main a[href='/account/change']")
	k.Sees("Where do you want your money to go?")
	k.enter(goOn)
	k.told("[name=kind]")
	k.Keys(" " + kb.ArrowDown + kb.ArrowUp)
	k.HasFocus("[value=bank]:checked")
	k.FocusSeen()
	k.enter(goOn)
	k.linkBank()
	k.Sees("Your account is linked")
	k.enter("main a[href='/account']")
	k.Sees("Where your money goes")

	k.enter("main a[href='/account/change']")
	k.Sees("Where do you want your money to go?")
	k.Walk("[name=kind]", false)
	k.Keys(" " + kb.ArrowDown)
	k.HasFocus("[value=mobile_wallet]:checked")
	k.enter(goOn)
	k.Shows(".wallet")
	k.enter(".wallet")
	k.Shows("#mobile_number")
	k.Walk("#mobile_number", false)
	k.Keys("12\r")
	k.told("#mobile_number")
	for range 2 {
		k.Keys(kb.End + kb.Backspace)
	}
	k.Keys("+12025550101\r")
	k.Sees("Check before you confirm")
	k.Walk("main .answers a", false)
	k.Walk(".skip", true)
	k.enter(goOn)
	k.Sees("Your account is changed")

	k.enter("nav a[href='/account/history']")
	k.Sees("History of changes")
	k.enter(".not-me a")
	k.Sees("Was this change not made by you?")
	k.enter("main form button")
	k.Shows(".reference")
	k.enter("main a[href='/account']")
	k.Sees("Where your money goes")

	k.enter("main a[href='/account/remove']")
	k.Sees("Do you want to remove your account?")
	k.enter("main form button")
	k.Sees("Your account is removed")
	k.enter("[name=language][value=ar]")
	k.Shows("html[dir=rtl] [name=language][value=ar][aria-current]")
	k.enter("nav a[href='/account/history']")
	k.Shows("html[dir=rtl] .changes")
	k.enter("form[action='/auth/logout'] button")
	k.Shows("main a[href^='/auth/login/'], main a[href='/']")
	k.Clean()
}

func (k typist) linkBank() {
	k.Shows("#q")
	k.Walk("#q", false)
	k.Keys("kitemba coop baobab")
	if k.scripts {
		k.Shows("#results form:not(:has(li + li)) .pick")
		k.HasFocus("#q")
		k.FocusSeen()
	} else {
		k.Keys("\r")
		k.Shows("#results form:not(:has(li + li)) .pick")
	}
	k.enter("#results button.pick")
	k.Sees("What is your account number?")
	k.Walk("#account_number", false)
	k.Keys("12\r")
	k.told("#account_number")
	for range 2 {
		k.Keys(kb.End + kb.Backspace)
	}
	k.Keys("00123456789\r")
	k.Sees("Check before you confirm")
	k.enter(goOn)
}
