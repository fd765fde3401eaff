package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/web"
	"spar/web/i18n"
)

const hold = 48 * time.Hour

// holding is a portal of a registry that holds changes.
func holding(t *testing.T) *portal {
	return newPortal(t, func(c *mapper.Config) { c.Hold = hold })
}

// pass lets time go by, and the registry make what is due.
func (p *portal) pass(t *testing.T, d time.Duration) {
	t.Helper()
	p.later(d)
	if err := p.service.ApplyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// moment is a time in words, which pages show to the minute.
func moment(t *testing.T, at time.Time) string {
	t.Helper()
	return i18n.DateTime(i18n.With(t.Context(), "en"), at.UTC())
}

// says checks that a page has a text somewhere in its main part.
func (s *screen) says(texts ...string) *screen {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.text("main"), text) {
			s.t.Errorf("%s does not say %q: %s", s.path, text, s.text("main"))
		}
	}
	return s
}

// A changed account waits. Every page that it concerns says so, and it can be stopped.
func TestAChangeWaitsAndIsStopped(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222").shows(http.StatusOK, "Your account is linked")
	b.get("/account").lacks("waiting")
	b.leadsTo(b.get("/account/keep"), "/account")

	check := b.toCheck("GREENVAL:002", "33334444")
	check.says("this change waits. From "+moment(t, p.now().Add(hold)), "as soon as the change counts")
	done := b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your change is waiting")
	at := moment(t, p.now().Add(hold))
	done.says("From "+at+" your money goes to this account. Until then it goes to the account you have now").lacks("33334444", "11112222")
	if got := p.stored(t, amina.ID); got.FA != "account:11112222@001.GREENVAL.bank_acc" {
		t.Fatalf("stored %q", got.FA)
	}
	reference := done.text(".reference")
	if changes := p.history(t, amina.ID); changes[0].ID != reference || changes[0].Consent == nil || !strings.Contains(changes[0].Consent.Text, "as soon as the change counts") {
		t.Errorf("the reference is %q, the history %+v", reference, changes[0])
	}

	b.get("/account").has(".panel .number", "•••• 2222").has(".waiting .number", "•••• 4444").has(".waiting h2", "A change of your account is waiting").
		says("From "+at, "Until then your money goes to the account above").lacks("33334444")
	b.get("/account/history").has(".changes li:first-child h2", "Another account asked for").says("Waits until "+at).
		has(".changes .button", "Keep my current account")
	b.get("/account/change").says("This change is waiting until "+at).has(".inset:last-of-type .number", "•••• 4444")
	b.get("/account/remove").says("it is stopped as well", "an account that you link after this one was removed is used only from "+at)

	// A third account takes the place of the second, and waits anew.
	p.later(time.Hour)
	b.logIn(amina)
	check = b.toCheck("GREENVAL:001", "55556666").says("Your new choice takes the place of this one")
	b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your change is waiting")
	b.get("/account").has(".waiting .number", "•••• 6666").says("From " + moment(t, p.now().Add(hold)))

	// Much later, and without a fresh login, it is stopped.
	p.later(web.FreshAge + time.Minute)
	keep := b.get("/account/keep").shows(http.StatusOK, "Do you want to keep your current account?").
		has(".panel .number", "•••• 2222").has(".inset .number", "•••• 6666").has("main .button", "Keep my current account")
	done = b.leadsTo(b.submit(keep, "main form", nil), "/account/done").shows(http.StatusOK, "The change is stopped").
		says("Your money goes to this account, as before").has(".panel .number", "•••• 2222")
	b.leadsTo(b.submit(keep, "main form", nil), "/account/done").has(".reference", done.text(".reference"))
	b.get("/account").lacks("waiting")
	s := b.get("/account/history").says("Waiting change stopped", "Asked for by you on", "It had to wait until")
	if n := s.Find(".changes .button").Length(); n != 0 {
		t.Errorf("%d buttons to stop what does not wait", n)
	}
	p.pass(t, hold)
	b.logIn(amina)
	b.get("/account").has(".panel .number", "•••• 2222")
}

func TestAChangeCountsAfterItsHold(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	b.linkBank("GREENVAL:002", "33334444").shows(http.StatusOK, "Your change is waiting")
	asked := moment(t, p.now())
	keep := b.get("/account/keep")
	p.pass(t, hold+time.Second)
	b.logIn(amina)
	b.get("/account").has(".panel .number", "•••• 4444").lacks("waiting")
	b.get("/account/history").has(".changes li:first-child h2", "Account changed").says("Asked for by you on " + asked)
	b.leadsTo(b.get("/account/done"), "/account")
	fresh, _ := b.get("/account/remove").Find("main form [name=form_token]").Attr("value")
	change, _ := keep.Find("[name=change]").Attr("value")
	b.send(http.MethodPost, "/account/keep", url.Values{"form_token": {fresh}, "change": {change}}).shows(http.StatusConflict, "This change does not wait any more")
	if got := p.stored(t, amina.ID).FA; got != "account:33334444@002.GREENVAL.bank_acc" {
		t.Errorf("stored %q", got)
	}
}

// Removing an account and linking another is no way round the hold, and people are told before.
func TestALinkAfterARemovalWaits(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	b.leadsTo(b.submit(b.get("/account/remove"), "main form", nil), "/account/done").shows(http.StatusOK, "Your account is removed")
	at := moment(t, p.now().Add(hold))
	check := b.toCheck("GREENVAL:002", "33334444").says("because an account was removed", "It is used from "+at)
	b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is waiting").says("Until then you cannot be paid")
	if got := p.stored(t, amina.ID); got.Code != mapper.IDNotFound {
		t.Errorf("stored %+v", got)
	}
	b.get("/account").has(".waiting h2", "Your new account is waiting").has(".waiting .button", "Do not use this account")
	keep := b.get("/account/keep").shows(http.StatusOK, "Do you want to stop this account?")
	b.leadsTo(b.submit(keep, "main form", nil), "/account/done").shows(http.StatusOK, "The change is stopped").says("The account is not used")

	b.toCheck("GREENVAL:002", "33334444").says("It is used from " + at)
	check = b.get("/account/check")
	b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is waiting")
	p.pass(t, hold+time.Second)
	if got := p.stored(t, amina.ID).FA; got != "account:33334444@002.GREENVAL.bank_acc" {
		t.Errorf("stored %q", got)
	}
}

// Confirming the account that is linked moves no money, so nothing waits.
func TestConfirmingTheSameAccountDoesNotWait(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	b.linkBank("GREENVAL:002", "33334444").shows(http.StatusOK, "Your change is waiting")
	check := b.toCheck("GREENVAL:001", "11112222").lacks("this change waits")
	b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is changed")
	b.get("/account").has(".panel .number", "•••• 2222").lacks("waiting")
}

// What the person has not seen is not replaced or stopped.
func TestStaleWaitingChange(t *testing.T) {
	p := holding(t)
	here, there := p.signedIn(t, amina), p.signedIn(t, amina)
	here.linkBank("GREENVAL:001", "11112222")
	check := here.toCheck("GREENVAL:002", "33334444")
	removal := here.get("/account/remove")
	p.later(time.Second)
	there.linkBank("GREENVAL:002", "55556666").shows(http.StatusOK, "Your change is waiting")
	here.submit(check, "main form", nil).shows(http.StatusConflict, "Your account was changed in the meantime")
	here.submit(removal, "main form", nil).shows(http.StatusConflict, "Your account was changed in the meantime")
	keep := here.get("/account/keep")
	p.later(time.Second)
	there.linkBank("GREENVAL:002", "77778888").shows(http.StatusOK, "Your change is waiting")
	here.submit(keep, "main form", nil).shows(http.StatusConflict, "This change does not wait any more")
	here.get("/account").has(".waiting .number", "•••• 8888")
	// What a partner does ends it.
	keep = here.get("/account/keep")
	if _, err := p.service.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("1", amina.ID, "account:9@001.GREENVAL.bank_acc")}); err != nil {
		t.Fatal(err)
	}
	here.submit(keep, "main form", nil).shows(http.StatusConflict, "This change does not wait any more")
	here.get("/account/history").says("Waiting change stopped", "by BANK")
}

// Asking counts towards the limit of changes; stopping does not, and is never refused.
func TestStoppingIsNotLimited(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	for n := range 9 {
		if n > 0 {
			b.leadsTo(b.submit(b.get("/account/keep"), "main form", nil), "/account/done")
		}
		b.linkBank("GREENVAL:002", "3333444"+string(rune('0'+n))).shows(http.StatusOK, "Your change is waiting")
	}
	b.submit(b.get("/account/change"), "main form", url.Values{"kind": {"bank"}}).shows(http.StatusTooManyRequests, "You have changed your account many times")
	b.leadsTo(b.submit(b.get("/account/keep"), "main form", nil), "/account/done").shows(http.StatusOK, "The change is stopped")
}

// Whoever stopped one change, and is too late for the next, is not told that this one is stopped too.
func TestTooLateToStopTheNext(t *testing.T) {
	p := holding(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	b.linkBank("GREENVAL:002", "33334444")
	b.leadsTo(b.submit(b.get("/account/keep"), "main form", nil), "/account/done").shows(http.StatusOK, "The change is stopped")
	other := p.signedIn(t, amina)
	other.linkBank("GREENVAL:002", "55556666").shows(http.StatusOK, "Your change is waiting")
	keep := b.get("/account/keep")
	if _, err := p.service.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("1", amina.ID, "account:9@001.GREENVAL.bank_acc")}); err != nil {
		t.Fatal(err)
	}
	b.submit(keep, "main form", nil).shows(http.StatusConflict, "This change does not wait any more")
}
