package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"spar/mapper"
	"spar/mapper/mappertest"
)

// byPartner has a partner change amina's link.
func byPartner(t *testing.T, do func(context.Context, mapper.Actor, []mapper.Item) ([]mapper.Result, error), fa string) {
	t.Helper()
	results, err := do(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("1", amina.ID, fa)})
	if err != nil || results[0].Status != mapper.Succeeded {
		t.Fatalf("change by a partner: %v, %+v", err, results)
	}
}

// Ten changes an hour, in however many sessions; partners' changes do not count.
func TestTooManyChanges(t *testing.T) {
	p := newPortal(t)
	b, other := p.signedIn(t, amina), p.signedIn(t, amina)
	remove := func() { b.leadsTo(b.submit(b.get("/account/remove"), "main form", nil), "/account/done") }
	for i := range 4 {
		b.linkBank("GREENVAL:001", fmt.Sprintf("1111222%d", i))
		p.later(time.Second)
		remove()
	}
	pending := other.toCheck("GREENVAL:002", "99998888") // nothing is linked, and will be so again
	b.linkBank("GREENVAL:001", "33334444")
	byPartner(t, p.service.Update, "account:5555444433@001.GREENVAL.bank_acc")
	remove()
	limited := func(what string, s *screen) {
		t.Helper()
		s.shows(http.StatusTooManyRequests, "You have changed your account many times")
		if wait, err := strconv.Atoi(s.header.Get("Retry-After")); err != nil || wait < 3500 || wait > 3600 {
			t.Errorf("%s: Retry-After %q", what, s.header.Get("Retry-After"))
		}
	}
	limited("confirm", other.submit(pending, "main form", nil))
	limited("begin", b.submit(b.get("/account/change"), "main form", url.Values{"kind": {"bank"}}))
	if got := p.stored(t, amina.ID); got.FA != "" {
		t.Errorf("linked to %s", got.FA)
	}
	byPartner(t, p.service.Link, "account:5555444433@001.GREENVAL.bank_acc")
	limited("remove", b.submit(b.get("/account/remove"), "main form", nil))
	if got := p.stored(t, amina.ID); got.FA == "" {
		t.Error("removed")
	}
	p.signedIn(t, josé).linkBank("GREENVAL:001", "77778888")

	p.later(time.Hour)
	p.signedIn(t, amina).linkBank("GREENVAL:002", "99998888")
}
