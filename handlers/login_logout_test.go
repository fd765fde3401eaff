package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"spar/web/oidctest"
)

func TestLogout(t *testing.T) {
	a, _ := newLogin(t, nil)
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	cookies := sessionCookies(t, a, browser)
	resp := a.post(browser, "/auth/logout", url.Values{})
	to, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther || to.Path != oidctest.EndSession {
		t.Fatalf("got %s to %v, %v", resp.Status, to, err)
	}
	q := to.Query()
	if q.Get("client_id") != oidctest.ClientID || q.Get("post_logout_redirect_uri") != a.server.URL+"/" || q.Get("state") == "" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
		t.Errorf("logout request: %v", q)
	}
	if got := resp.Header.Get("Clear-Site-Data"); got != `"cache", "cookies", "storage"` {
		t.Errorf("Clear-Site-Data: %s", got)
	}
	if a.user(browser) != "" {
		t.Error("still signed in")
	}
	u, _ := url.Parse(a.server.URL)
	thief := newBrowser(t)
	thief.Jar.SetCookies(u, cookies)
	if a.user(thief) != "" {
		t.Error("the old cookie still works")
	}
}

// The provider's answer to the logout changes nothing here, whatever it says: rp-init-logout, -other-state, -no-state.
func TestAfterLogoutAtTheProvider(t *testing.T) {
	a, _ := newLogin(t, nil)
	for _, query := range []string{"", "?state=another", "?state=a&state=b"} {
		browser := newBrowser(t)
		if status, text, _ := a.page(browser, "/"+query); status != http.StatusOK || text != "home" || a.user(browser) != "" {
			t.Errorf("%q: got %d %q", query, status, text)
		}
	}
}

func TestLogoutWithoutPlaceAtTheProvider(t *testing.T) {
	a, p := newLogin(t, nil)
	p.Twist(oidctest.Twist{Discovery: func(document object) { delete(document, "end_session_endpoint") }})
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	resp := a.post(browser, "/auth/logout", url.Values{})
	location := resp.Header.Get("Location")
	if !strings.HasPrefix(location, "/auth/signed-out?") || a.user(browser) != "" {
		t.Errorf("got %s to %s", resp.Status, location)
	}
	if status, text, _ := a.page(browser, location); status != http.StatusOK || !strings.Contains(text, "still be signed in at National ID") {
		t.Errorf("got %d: %s", status, text)
	}
}

func TestLogoutNeedsTheForm(t *testing.T) {
	a, _ := newLogin(t, nil)
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	resp, err := browser.PostForm(a.server.URL+"/auth/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || a.user(browser) == "" {
		t.Errorf("a foreign form logs out: %s", resp.Status)
	}
	if status, _, _ := a.page(browser, "/auth/logout"); status != http.StatusNotFound || a.user(browser) == "" {
		t.Errorf("a link logs out: %d", status)
	}
	if resp := a.post(newBrowser(t), "/auth/logout", url.Values{}); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "/auth/signed-out") {
		t.Errorf("logout of a visitor: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
}
