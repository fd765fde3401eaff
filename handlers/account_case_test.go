package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/internal/audit"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/web"
)

func notMe(change string) string { return "/account/history/" + change + "/not-me" }

// settle ends a case as staff would.
func (p *portal) settle(t *testing.T, number string, outcome mapper.CaseOutcome) {
	t.Helper()
	d, err := p.service.Case(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.service.Settle(t.Context(), audit.Actor{Kind: audit.Staff, ID: "staff s-3"}, number, outcome, "note", d.State); err != nil {
		t.Fatal(err)
	}
}

// The rare but frightening one, from the history to the end, with and without htmx.
func TestThisWasNotMe(t *testing.T) {
	for name, htmx := range map[string]bool{"plain": false, "htmx": true} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t)
			b := p.signedIn(t, amina)
			b.linkBank("GREENVAL:001", "123456789012")
			p.later(time.Second)
			results, err := p.service.Update(t.Context(), mappertest.By("STRANGER"), []mapper.Item{mappertest.Item("1", amina.ID, "account:55556666@001.GREENVAL.bank_acc")})
			if err != nil || results[0].Status != mapper.Succeeded {
				t.Fatal(err, results)
			}
			change := results[0].ChangeID
			s := b.get("/account/history")
			if got := s.Find(".changes li:first-child .not-me a").AttrOr("href", ""); got != notMe(change) {
				t.Fatalf("the latest change is reported at %q", got)
			}
			s = b.get(notMe(change)).shows(http.StatusOK, "Was this change not made by you?").lacks("55556666", "123456789012")
			s.has("main form button", "This was not me. Stop payments").has(".changes .number", "•••• 6666")
			if got := p.stored(t, amina.ID).Code; got != mapper.IDActive {
				t.Errorf("the page alone made the link %s", got)
			}
			if htmx {
				if answer := b.htmx().submit(s, "main form", nil); answer.header.Get("HX-Redirect") != "/account/case" {
					t.Fatalf("status %d, %v", answer.status, answer.header)
				}
				s = b.get("/account/case")
			} else {
				s = b.leadsTo(b.submit(s, "main form", nil), "/account/case")
			}
			s.shows(http.StatusOK, "Payments are stopped").lacks("55556666")
			number := s.text(".reference")
			if len(number) != 9 || p.stored(t, amina.ID).Code != mapper.IDInactive {
				t.Fatalf("case %q, stored %+v", number, p.stored(t, amina.ID))
			}

			s = b.get("/account").has("main .notice strong", "Payments are stopped"+number).has(".account-number .number", "•••• 6666")
			if strings.Contains(s.text("main"), "Your benefits are paid") {
				t.Errorf("account page: %s", s.text("main"))
			}
			s = b.get("/account/history").has(".changes li:first-child h2", "Payments stopped")
			if text := s.text(".changes li:nth-child(2)"); !strings.Contains(text, "You told us that this was not you. Case "+number) || strings.Contains(text, "This was not me") {
				t.Errorf("the change reported: %s", text)
			}
			// Again, and about another change.
			s = b.get(notMe(change))
			if !strings.Contains(s.text("main"), number) || s.Find("main form").Length() != 0 {
				t.Errorf("reported again: %s", s.text("main"))
			}
			b.leadsTo(b.send(http.MethodPost, notMe(change), url.Values{web.FormTokenField: {b.pageToken()}}), "/account/case").has(".reference", number)
			first := p.history(t, amina.ID)[2]
			s = b.get(notMe(first.ID)).has("main form button", "This was not me. Tell staff")
			b.leadsTo(b.submit(s, "main form", nil), "/account/case").has(".reference", number)
			if d, err := p.service.Case(t.Context(), number); err != nil || len(d.Reported) != 2 {
				t.Errorf("case %+v, %v", d, err)
			}

			// The account may be changed; payments stay stopped, and every page says so.
			s = b.toCheck("GREENVAL:002", "77778888")
			const stopped = "Payments stay stopped until staff have settled your case."
			if !strings.Contains(s.text("main"), stopped) {
				t.Errorf("last look: %s", s.text("main"))
			}
			s = b.leadsTo(b.submit(s, "main form", nil), "/account/done")
			if text := s.text("main"); !strings.Contains(text, stopped) || strings.Contains(text, "paid into it") {
				t.Errorf("done: %s", text)
			}
			if got := p.stored(t, amina.ID); got.Code != mapper.IDInactive || !strings.Contains(got.FA, "77778888") {
				t.Errorf("stored %+v", got)
			}
			b.leadsTo(b.submit(b.get("/account/remove"), "main form", nil), "/account/done")
			if text := b.get("/account").text("main"); !strings.Contains(text, number) || !strings.Contains(text, "Payments to it stay stopped") {
				t.Errorf("nothing linked: %s", text)
			}
			b.get("/account/case").shows(http.StatusOK, "Payments are stopped")
			b.linkBank("GREENVAL:002", "77778888")
			if got := p.stored(t, amina.ID).Code; got != mapper.IDInactive {
				t.Errorf("removed and linked again: %s", got)
			}

			p.settle(t, number, mapper.PaymentsResumed)
			s = b.get("/account")
			if text := s.text("main .notice"); !strings.Contains(text, "Payments go to the account again.") || !strings.Contains(s.text("main"), "Your benefits are paid") {
				t.Errorf("settled: %s", s.text("main"))
			}
			b.get("/account/case").shows(http.StatusOK, "Your case is settled").has(".reference", number)
			b.get("/account/history").has(".changes li:first-child h2", "Payments go on")
			if text := b.get("/account/history").text(".changes li:first-child"); !strings.Contains(text, "by staff") {
				t.Errorf("history: %s", text)
			}
			p.later(31 * 24 * time.Hour)
			b.logIn(amina)
			if s := b.get("/account"); s.Find("main [role=note]").Length() != 0 {
				t.Errorf("a month later: %s", s.text("main"))
			}
		})
	}
}

// What staff decided is told to the person.
func TestOutcomesOfACase(t *testing.T) {
	for outcome, want := range map[mapper.CaseOutcome]string{
		mapper.PaymentsResumed: "Payments go to the account again.", mapper.AccountRemoved: "removed the account", mapper.CaseClosed: "No account was linked.",
	} {
		p := newPortal(t)
		b := p.signedIn(t, amina)
		b.linkBank("GREENVAL:001", "123456789012")
		change := p.history(t, amina.ID)[0].ID
		if outcome == mapper.CaseClosed {
			b.submit(b.get("/account/remove"), "main form", nil)
		}
		s := b.get(notMe(change))
		s = b.leadsTo(b.submit(s, "main form", nil), "/account/case").shows(http.StatusOK, "Payments are stopped")
		decided := outcome
		if outcome == mapper.CaseClosed {
			decided = mapper.PaymentsResumed
			if n := len(p.history(t, amina.ID)); n != 2 {
				t.Errorf("nothing was linked, and the history has %d entries", n)
			}
		}
		p.settle(t, s.text(".reference"), decided)
		if text := b.get("/account/case").text("main"); !strings.Contains(text, want) {
			t.Errorf("%s: %s", outcome, text)
		}
		if text := b.get("/account").text("main .notice"); !strings.Contains(text, want) {
			t.Errorf("%s on the account page: %s", outcome, text)
		}
	}
}

// Nobody reports for somebody else, or without a login of a moment ago, or from another site.
func TestReportsAreThePersonsOwn(t *testing.T) {
	p := newPortal(t)
	p.signedIn(t, josé).linkBank("GREENVAL:002", "99998888")
	his := p.history(t, josé.ID)[0].ID
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	hers := p.history(t, amina.ID)[0].ID
	token := url.Values{web.FormTokenField: {b.pageToken()}}
	for _, change := range []string{his, "nonsense", strings.ToUpper(his), "0198c0de-0000-7000-8000-000000000000"} {
		b.get(notMe(change)).shows(http.StatusNotFound, "We cannot find this page")
		b.send(http.MethodPost, notMe(change), token).shows(http.StatusNotFound, "We cannot find this page")
	}
	b.leadsTo(b.get("/account/case"), "/account")
	if s := b.send(http.MethodPost, notMe(hers), nil); s.status != http.StatusForbidden {
		t.Errorf("without the form token: status %d", s.status)
	}
	form := b.get(notMe(hers))
	p.later(web.FreshAge + time.Second)
	for name, s := range map[string]*screen{"begin": b.get(notMe(hers)), "confirm": b.submit(form, "main form", nil)} {
		if s.status != http.StatusSeeOther || s.header.Get("Location") != "/auth/login/national-id" {
			t.Errorf("%s with an old login: status %d to %q", name, s.status, s.header.Get("Location"))
		}
	}
	if s := p.browser(t).get(notMe(hers)); s.status != http.StatusSeeOther || !strings.HasPrefix(s.header.Get("Location"), "/auth/login/national-id?return=") {
		t.Errorf("not signed in: status %d to %q", s.status, s.header.Get("Location"))
	}
	for _, id := range []string{amina.ID, josé.ID} {
		if got := p.stored(t, id).Code; got != mapper.IDActive {
			t.Errorf("%s is %s", id, got)
		}
	}
}

// Whoever used up the changes of an hour cannot keep the person from stopping the payments; and reporting many times at once
// opens one case.
func TestReportsHaveTheirOwnLimit(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	for i := range 10 {
		do := p.service.Update
		if i == 0 {
			do = p.service.Link
		}
		p.asPerson(t, do, fmt.Sprintf("account:1111%04d@001.GREENVAL.bank_acc", i))
	}
	s := b.get("/account/remove")
	b.submit(s, "main form", nil).shows(http.StatusTooManyRequests, "You have changed your account many times")
	s = b.get(notMe(p.history(t, amina.ID)[0].ID))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { b.submit(s, "main form", nil) })
	}
	wait.Wait()
	if n, err := p.service.OpenCases(t.Context()); err != nil || n != 1 {
		t.Errorf("%d cases, %v", n, err)
	}
	for range 9 {
		p.settle(t, b.get("/account/case").text(".reference"), mapper.PaymentsResumed)
		b.submit(b.get(notMe(p.history(t, amina.ID)[0].ID)), "main form", nil)
	}
	p.settle(t, b.get("/account/case").text(".reference"), mapper.PaymentsResumed)
	s = b.submit(b.get(notMe(p.history(t, amina.ID)[0].ID)), "main form", nil)
	if s.status != http.StatusTooManyRequests || p.stored(t, amina.ID).Code != mapper.IDActive {
		t.Errorf("the eleventh time within an hour: status %d", s.status)
	}
}

// pageToken is the form token of the pages that the browser has.
func (b *browser) pageToken() string {
	b.t.Helper()
	token, ok := b.get("/account").Find("input[name=" + web.FormTokenField + "]").Attr("value")
	if !ok {
		b.t.Fatal("no page has a form token")
	}
	return token
}

// asPerson changes amina's link past the pages.
func (p *portal) asPerson(t *testing.T, do func(context.Context, mapper.Actor, []mapper.Item) ([]mapper.Result, error), fa string) {
	t.Helper()
	results, err := do(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("1", amina.ID, fa)})
	if err != nil || results[0].Status != mapper.Succeeded {
		t.Fatal(err, results)
	}
}
