package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/web/oidctest"
)

// signedInLongAgo is a person who logged in six minutes ago and has an unfinished change.
func signedInLongAgo(t *testing.T) (*loginApp, *oidctest.Provider, *http.Client) {
	t.Helper()
	a, p := newLogin(t, nil)
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	a.page(browser, "/draft")
	if status, text, _ := a.page(browser, "/account/check"); status != http.StatusOK || text != "check 123456" {
		t.Fatalf("right after the login: got %d %s", status, text)
	}
	a.clock.Advance(6 * time.Minute)
	return a, p, browser
}

func TestFreshLoginForAPage(t *testing.T) {
	a, p, browser := signedInLongAgo(t)
	status, text, at := a.page(browser, "/account/check?a=b")
	if status != http.StatusOK || text != "check 123456" || at != "/account/check?a=b" {
		t.Errorf("got %d %q at %s", status, text, at)
	}
	requests := p.Requests(oidctest.Authorize)
	if q := requests[len(requests)-1].Query; q.Get("prompt") != "login" || q.Get("max_age") != "300" {
		t.Errorf("authorization request: %v", q)
	}
	// The next login in this session is an ordinary one again.
	if resp := step(t, browser, a.server.URL+"/auth/login/national-id"); strings.Contains(resp.Header.Get("Location"), "prompt=") {
		t.Errorf("leads to %s", resp.Header.Get("Location"))
	}
}

func TestFreshLoginForAForm(t *testing.T) {
	a, _, browser := signedInLongAgo(t)
	resp := a.post(browser, "/account", url.Values{})
	if resp.StatusCode != http.StatusSeeOther || a.changes != 0 {
		t.Fatalf("got %s, %d changes", resp.Status, a.changes)
	}
	if status, text, at := a.page(browser, resp.Header.Get("Location")); status != http.StatusOK || text != "check 123456" || at != "/account/check" {
		t.Errorf("got %d %q at %s", status, text, at)
	}
	if resp := a.post(browser, "/account", url.Values{}); resp.StatusCode != http.StatusOK || a.changes != 1 {
		t.Errorf("after the fresh login: got %s, %d changes", resp.Status, a.changes)
	}
}

func TestFreshLoginIsNotWhatTheBrowserSays(t *testing.T) {
	a, p, browser := signedInLongAgo(t)
	p.Twist(oidctest.Twist{IDToken: set("auth_time", a.clock.Now().Add(-time.Hour).Unix())})
	for _, path := range []string{"/auth/login/national-id?fresh=1", "/account/check?fresh=1"} {
		a.page(browser, path)
		if resp := a.post(browser, "/account?fresh=1", url.Values{"fresh": {"1"}}); resp.StatusCode != http.StatusSeeOther || a.changes != 0 {
			t.Errorf("%s: got %s, %d changes", path, resp.Status, a.changes)
		}
	}
}

func TestFreshLoginThatIsNot(t *testing.T) {
	for name, twist := range map[string]oidctest.Twist{
		"old":         {IDToken: func(_, claims object) { claims["auth_time"] = claims["iat"].(int64) - 360 }},
		"not stated":  {IDToken: without("auth_time")},
		"prompt lost": {Authorize: func(q url.Values) { q.Del("prompt"); q.Del("max_age") }, IDToken: without("auth_time")},
	} {
		a, p, browser := signedInLongAgo(t)
		p.Twist(twist)
		if status, _, at := a.page(browser, "/account/check"); status != http.StatusForbidden || !strings.HasPrefix(at, "/auth/failed/refused") {
			t.Errorf("%s: got %d at %s", name, status, at)
		}
		if resp := a.post(browser, "/account", url.Values{}); a.changes != 0 {
			t.Errorf("%s: changed: %s", name, resp.Status)
		}
	}
}

func TestFreshLoginOfSomebodyElse(t *testing.T) {
	a, p, browser := signedInLongAgo(t)
	p.Person(object{"sub": "somebody-else", "individual_id": "4712", "name": "Ben"})
	if status, _, at := a.page(browser, "/account/check"); status != http.StatusOK || at != "/account" {
		t.Errorf("got %d at %s", status, at)
	}
	if got := a.user(browser); got != "token:4712@nationalid" {
		t.Errorf("signed in as %s", got)
	}
	if _, text, _ := a.page(browser, "/account/check"); text != "check " {
		t.Errorf("the first person's change is still there: %s", text)
	}
}

func TestProviderSessionThatIsOld(t *testing.T) {
	a, p := newLogin(t, nil)
	p.Twist(oidctest.Twist{IDToken: set("auth_time", a.clock.Now().Add(-time.Hour).Unix())})
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	if a.user(browser) == "" {
		t.Fatal("not signed in")
	}
	if resp := a.post(browser, "/account", url.Values{}); resp.StatusCode != http.StatusSeeOther || a.changes != 0 {
		t.Errorf("an hour after the person authenticated: got %s, %d changes", resp.Status, a.changes)
	}
}
