package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"spar/static"
)

// People pay for every kilobyte: the first page with everything it loads, and each page after it, have a budget in bytes.
func TestWeight(t *testing.T) {
	const firstLoad, nextPage = 50_000, 15_000
	p := newPortal(t)
	first := p.browser(t).get("/")
	total := len(first.body)
	first.Find("link[href^='/static/'], script[src]").Each(func(_ int, s *goquery.Selection) {
		address := s.AttrOr("href", s.AttrOr("src", ""))
		request := httptest.NewRequest(http.MethodGet, address, nil)
		request.Header.Set("Accept-Encoding", "gzip")
		answer := httptest.NewRecorder()
		static.Handler().ServeHTTP(answer, request)
		if answer.Code != http.StatusOK || !strings.HasPrefix(address, static.Prefix) {
			t.Errorf("%s: status %d", address, answer.Code)
		}
		total += answer.Body.Len()
	})
	if total > firstLoad {
		t.Errorf("the first load weighs %d bytes, want at most %d", total, firstLoad)
	}
	b := p.signedIn(t, amina)
	for _, s := range []*screen{b.toCheck("GREENVAL:001", "12345678"), b.get("/account"), b.get("/account/history"), b.get("/account/change")} {
		if len(s.body) > nextPage {
			t.Errorf("%s weighs %d bytes, want at most %d", s.path, len(s.body), nextPage)
		}
	}
	t.Logf("first load: %d bytes", total)
}
