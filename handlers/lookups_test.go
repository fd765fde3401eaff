package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/mappertest"
)

// looksUp has partners look up people's details, and the background task tell it.
func (p *portal) looksUp(t *testing.T, id string, partners ...string) {
	t.Helper()
	for _, partner := range partners {
		results, err := p.service.Resolve(t.Context(), mappertest.By(partner), []mapper.Item{mappertest.Details("1", id, "")})
		if err != nil || results[0].FA == "" {
			t.Fatalf("resolve: %v, %v", results, err)
		}
	}
	if err := p.service.ExpandLookups(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhoLookedUpMyDetails(t *testing.T) {
	p := newPortal(t)
	if _, err := p.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "MINISTRY", Name: "Ministry of Health Payments"}, nil); err != nil {
		t.Fatal(err)
	}
	b := p.signedIn(t, amina)
	s := b.get("/account/lookups").shows(http.StatusOK, "Who looked up your details").has("main .empty h2", "Nobody is listed")
	if got := s.text("main"); !strings.Contains(got, "We keep each entry for 400 days.") {
		t.Errorf("the page does not say how long: %s", got)
	}
	b.linkBank("GREENVAL:001", "11112222")
	p.signedIn(t, josé).linkBank("GREENVAL:002", "99998888")
	for range 2 {
		b.get("/account") // the person's own visits
	}
	p.looksUp(t, amina.ID, "MINISTRY")
	p.later(31 * 24 * time.Hour)
	b = p.signedIn(t, amina)
	p.looksUp(t, amina.ID, "MINISTRY", "GONE", "MINISTRY", "MINISTRY")
	p.looksUp(t, josé.ID, "OTHER")

	today := p.now().UTC()
	date := func(at time.Time) string { return at.Format("2 January 2006") }
	s = b.get("/account").has("main a[href='/account/lookups']", "See who looked up your details")
	s = b.get(s.Find("main a[href='/account/lookups']").AttrOr("href", "")).shows(http.StatusOK, "Who looked up your details")
	s.has(".sections [aria-current=page]", "Who looked").lacks("11112222", amina.ID, "OTHER")
	whole := s.text("main")
	for _, want := range []string{
		"Ministry of Health Payments looked up your account 3 times on " + date(today),
		"GONE looked up your account once on " + date(today),
		"Ministry of Health Payments looked up your account once on " + date(today.AddDate(0, 0, -31)),
		"The last time: " + today.Format("15:"), "At this time: " + today.AddDate(0, 0, -31).Format("15:"),
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("the page lacks %q:\n%s", want, whole)
		}
	}
	if got := s.text("main h2:first-of-type"); !strings.HasPrefix(got, today.Format("January 2006")) {
		t.Errorf("the first heading is %q", got)
	}
	if n := s.Find(".lookups li").Length(); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
	b.get("/account/lookups?id=" + url.QueryEscape(josé.ID)).lacks("OTHER")
}

func TestLookupsHavePages(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "11112222")
	var partners []string
	for i := range 65 {
		partners = append(partners, fmt.Sprintf("PARTNER-%02d", i))
	}
	p.looksUp(t, amina.ID, partners...)
	seen := map[string]bool{}
	for path, page := "/account/lookups", 1; path != ""; page++ {
		s := b.get(path).shows(http.StatusOK, "Who looked up your details").has(".pager p", fmt.Sprintf("Page %d of 4", page))
		if len(s.body) > 15_000 {
			t.Errorf("%s weighs %d bytes", path, len(s.body))
		}
		for _, partner := range partners {
			if strings.Contains(s.text(".lookups"), partner) {
				if seen[partner] {
					t.Errorf("%s is listed twice", partner)
				}
				seen[partner] = true
			}
		}
		if back := s.Find(".pager a[rel=prev]").Length(); (page == 1) == (back == 1) {
			t.Errorf("page %d: %d links to newer ones", page, back)
		}
		path = s.Find(".pager a[rel=next]").AttrOr("href", "")
	}
	if len(seen) != len(partners) {
		t.Errorf("%d partners are listed, want %d", len(seen), len(partners))
	}
	for query, want := range map[string]string{"0": "Page 1 of 4", "99": "Page 4 of 4", "-5": "Page 1 of 4", "x": "Page 1 of 4"} {
		b.get("/account/lookups?page="+query).has(".pager p", want)
	}
}
