package demo_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/demo"
)

func loginPage(t *testing.T, rp *relyingParty, id string) (*http.Response, *goquery.Document) {
	t.Helper()
	response := rp.do(t, http.MethodGet, rp.Issuer()+"/login?id="+url.QueryEscape(id), nil)
	document, err := goquery.NewDocumentFromReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, document
}

func TestLoginPageListsEverybody(t *testing.T) {
	for _, staff := range []bool{false, true} {
		rp := newRelyingParty(t, staff)
		_, document := loginPage(t, rp, rp.loginID(t))
		for _, p := range demo.People() {
			button := document.Find("button[name=person][value=" + p.Key + "]")
			if button.Length() != 1 || !strings.Contains(button.Text(), p.Name) || !strings.Contains(button.Text(), demo.GroupedID(p.NationalID)) {
				t.Errorf("%s: got %q", p.Key, button.Text())
			}
		}
		want := "People"
		if staff {
			want = "Staff"
		}
		if got := document.Find("h2").First().Text(); got != want {
			t.Errorf("first section: got %q, want %q", got, want)
		}
		if document.Find("script, [style], [onclick]").Length() > 0 {
			t.Error("the page has script or inline style, which its policy forbids")
		}
	}
}

func TestLoginPagePolicyAllowsTheWayBack(t *testing.T) {
	rp := newRelyingParty(t, false)
	response, _ := loginPage(t, rp, rp.loginID(t))
	policy := response.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
		"form-action 'self' http://127.0.0.1:8080"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q", got)
	}
	style := rp.do(t, http.MethodGet, rp.Issuer()+"/login.css", nil)
	if style.StatusCode != http.StatusOK || !strings.HasPrefix(style.Header.Get("Content-Type"), "text/css") {
		t.Errorf("stylesheet: %s %s", style.Status, style.Header.Get("Content-Type"))
	}
}

func TestCancelGoesBackWithAccessDenied(t *testing.T) {
	rp := newRelyingParty(t, false)
	id := rp.loginID(t)
	response := rp.do(t, http.MethodPost, rp.Issuer()+"/login", url.Values{"id": {id}, "cancel": {"yes"}})
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	if q := to.Query(); q.Get("error") != "access_denied" || q.Get("state") != rp.state || q.Get("iss") != rp.Issuer() ||
		!strings.HasPrefix(to.String(), redirectURI+"?") {
		t.Errorf("got %s", to)
	}
	if after, _ := loginPage(t, rp, id); after.StatusCode != http.StatusBadRequest {
		t.Errorf("the cancelled login still answers %s", after.Status)
	}
}

func TestLoginIsTakenOnce(t *testing.T) {
	rp := newRelyingParty(t, false)
	form := url.Values{"id": {rp.loginID(t)}, "person": {"amina-diallo"}}
	first := rp.do(t, http.MethodPost, rp.Issuer()+"/login", form)
	form.Set("person", "kwame-mensah")
	if second := rp.do(t, http.MethodPost, rp.Issuer()+"/login", form); second.StatusCode != http.StatusBadRequest {
		t.Errorf("second choice: got %s", second.Status)
	}
	to, err := first.Location()
	if err != nil {
		t.Fatal(err)
	}
	rp.do(t, http.MethodGet, to.String(), nil)
	if again := rp.do(t, http.MethodGet, to.String(), nil); again.StatusCode != http.StatusBadRequest || again.Header.Get("Location") != "" {
		t.Errorf("second code: got %s, Location %q", again.Status, again.Header.Get("Location"))
	}
}

func TestLoginRefusals(t *testing.T) {
	rp := newRelyingParty(t, false)
	for name, form := range map[string]url.Values{
		"unknown login":  {"id": {"nobody"}, "person": {"amina-diallo"}},
		"unknown person": {"id": {rp.loginID(t)}, "person": {"nobody"}},
		"no person":      {"id": {rp.loginID(t)}},
		"cancel nothing": {"id": {"nobody"}, "cancel": {"yes"}},
	} {
		if response := rp.do(t, http.MethodPost, rp.Issuer()+"/login", form); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s", name, response.Status)
		}
	}
}

func TestLoginFormOfAnotherSiteIsRefused(t *testing.T) {
	rp := newRelyingParty(t, false)
	form := url.Values{"id": {rp.loginID(t)}, "person": {"amina-diallo"}}
	r := httptest.NewRequest(http.MethodPost, rp.Issuer()+"/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	rp.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("got %d", w.Code)
	}
}

func TestPeopleAreDistinct(t *testing.T) {
	seen := map[string]string{}
	staff := 0
	for _, p := range demo.People() {
		for _, value := range []string{p.Key, p.NationalID, p.Name, p.Phone, p.Email} {
			if other, ok := seen[value]; ok {
				t.Errorf("%s and %s share %q", other, p.Key, value)
			}
			seen[value] = p.Key
		}
		if p.Staff() {
			staff++
		}
		if len(p.NationalID) != 10 || !strings.HasPrefix(p.NationalID, "99") {
			t.Errorf("%s: National ID %q", p.Key, p.NationalID)
		}
	}
	if got := len(demo.People()); got != 14 || staff != 2 {
		t.Errorf("got %d people, %d of them staff", got, staff)
	}
}
