package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"spar/web"
	"spar/web/oidctest"
)

func TestAuthorizationRequest(t *testing.T) {
	a, p := newLogin(t, func(c *web.LoginProvider) {
		c.ACRValues = "gold silver"
		c.Claims = map[string]any{"userinfo": map[string]any{"name": map[string]any{"essential": true}}}
	})
	resp := step(t, newBrowser(t), a.server.URL+"/auth/login/national-id")
	to, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("got %s, %v", resp.Status, err)
	}
	if got := to.Scheme + "://" + to.Host + to.Path; got != p.URL+oidctest.Authorize {
		t.Errorf("leads to %s", got)
	}
	q := to.Query()
	for name, want := range map[string]string{
		"response_type": "code", "response_mode": "", "client_id": oidctest.ClientID, "scope": "openid profile",
		"redirect_uri": a.server.URL + "/oauth2/callback", "code_challenge_method": "S256", "code_verifier": "", "client_secret": "",
		"acr_values": "gold silver", "claims": `{"userinfo":{"name":{"essential":true}}}`, "prompt": "", "max_age": "", "ui_locales": "en",
	} {
		if q.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("state")) < 22 || len(q.Get("state")) > 256 || len(q.Get("nonce")) < 22 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("state %q, nonce %q, code_challenge %q", q.Get("state"), q.Get("nonce"), q.Get("code_challenge"))
	}
	for _, cookie := range resp.Cookies() {
		if cookie.Name == "spar-login" && (!cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge > 600) {
			t.Errorf("cookie %s", cookie)
		}
	}
}

func TestHostHeaderDoesNotMoveTheRedirectURI(t *testing.T) {
	a, _ := newLogin(t, nil)
	for _, test := range []struct{ name, host, forwarded string }{{"Host", "evil.test", ""}, {"X-Forwarded-Host", "", "evil.test"}} {
		r, err := http.NewRequest("GET", a.server.URL+"/auth/login/national-id", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = test.host
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-Host", test.forwarded)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		switch to, _ := resp.Location(); {
		case test.host != "" && resp.StatusCode != http.StatusMisdirectedRequest:
			t.Errorf("%s: got %s", test.name, resp.Status)
		case test.forwarded != "" && (to == nil || to.Query().Get("redirect_uri") != a.server.URL+"/oauth2/callback"):
			t.Errorf("%s: leads to %v", test.name, to)
		}
	}
}

func TestLogin(t *testing.T) {
	a, p := newLogin(t, nil)
	browser := newBrowser(t)
	if status, _, at := a.page(browser, "/account"); status != http.StatusOK || at != "/account" {
		t.Errorf("got %d at %s", status, at)
	}
	if got := a.user(browser); got != "token:4711081547@nationalid" {
		t.Errorf("signed in as %q", got)
	}
	token := p.Requests(oidctest.Token)[0]
	if token.Method != "POST" || len(token.Query) > 0 || token.Form.Has("client_secret") || !strings.HasPrefix(token.Header.Get("Authorization"), "Basic ") {
		t.Errorf("token request: %+v", token)
	}
	info := p.Requests(oidctest.Userinfo)[0]
	if len(info.Query) > 0 || len(info.Form) > 0 || !strings.HasPrefix(info.Header.Get("Authorization"), "Bearer ") {
		t.Errorf("userinfo request: %+v", info)
	}
	_, profile, _ := a.page(browser, "/auth/profile")
	for _, want := range []string{"Ana Marker", "1547", "National ID"} {
		if !strings.Contains(profile, want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	if strings.Contains(profile, "eyJ") {
		t.Error("the profile holds a token")
	}
}

func TestCallbackRefuses(t *testing.T) {
	a, p := newLogin(t, nil)
	for _, test := range []struct {
		name   string
		change func(q url.Values)
	}{
		{"no state", func(q url.Values) { q.Del("state") }},
		{"empty state", func(q url.Values) { q.Set("state", "") }},
		{"unknown state", func(q url.Values) { q.Set("state", "ABCDEFGHIJKLMNOPQRSTUVWXYZ") }},
		{"two states", func(q url.Values) { q.Add("state", q.Get("state")) }},
		{"no code", func(q url.Values) { q.Del("code") }},
		{"empty code", func(q url.Values) { q.Set("code", "") }},
		{"two codes", func(q url.Values) { q.Add("code", "another") }},
		{"code and error", func(q url.Values) { q.Set("error", "access_denied") }},
		{"two errors", func(q url.Values) { q.Del("code"); q["error"] = []string{"access_denied", "server_error"} }},
		{"two iss", func(q url.Values) { q.Add("iss", "https://evil.test") }},
		{"nothing", func(q url.Values) { clear(q) }},
		{"huge code", func(q url.Values) { q.Set("code", strings.Repeat("c", 5000)) }},
	} {
		browser := newBrowser(t)
		to := a.callbackURL(browser, "/auth/login/national-id")
		q := to.Query()
		test.change(q)
		to.RawQuery = q.Encode()
		before := len(p.Requests(oidctest.Token))
		if resp := step(t, browser, to.String()); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s", test.name, resp.Status)
		}
		if len(p.Requests(oidctest.Token)) != before || a.user(browser) != "" {
			t.Errorf("%s: the login went on", test.name)
		}
	}
}

func TestCallbackOfAnotherBrowser(t *testing.T) {
	a, p := newLogin(t, nil)
	attacker, victim := newBrowser(t), newBrowser(t)
	to := a.callbackURL(attacker, "/auth/login/national-id")
	a.callbackURL(victim, "/auth/login/national-id")
	if resp := step(t, victim, to.String()); resp.StatusCode != http.StatusBadRequest || a.user(victim) != "" {
		t.Errorf("somebody else's answer: got %s, signed in as %q", resp.Status, a.user(victim))
	}
	if len(p.Requests(oidctest.Token)) > 0 {
		t.Error("the code was sent")
	}
}

func TestCallbackTwiceAndTooLate(t *testing.T) {
	a, p := newLogin(t, nil)
	browser := newBrowser(t)
	to := a.callbackURL(browser, "/auth/login/national-id")
	late := a.callbackURL(browser, "/auth/login/national-id")
	if resp := step(t, browser, to.String()); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/account" {
		t.Errorf("got %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp := step(t, browser, to.String()); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("twice: got %s", resp.Status)
	}
	a.clock.Advance(10*time.Minute + time.Second)
	if resp := step(t, browser, late.String()); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("too late: got %s", resp.Status)
	}
	if n := len(p.Requests(oidctest.Token)); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

func TestTwoTabs(t *testing.T) {
	a, _ := newLogin(t, nil)
	browser := newBrowser(t)
	first := a.callbackURL(browser, "/auth/login/national-id?return=/account/check")
	second := a.callbackURL(browser, "/auth/login/national-id")
	for _, tab := range []struct {
		to   *url.URL
		want string
	}{{second, "/account"}, {first, "/account/check"}} {
		if resp := step(t, browser, tab.to.String()); resp.Header.Get("Location") != tab.want {
			t.Errorf("got %s to %s, want %s", resp.Status, resp.Header.Get("Location"), tab.want)
		}
	}
}

func TestErrorAnswers(t *testing.T) {
	for code, want := range map[string]string{
		"access_denied": "cancelled", "consent_required": "cancelled", "server_error": "unavailable", "temporarily_unavailable": "unavailable",
		"invalid_request": "refused", `"><script>alert(1)</script>`: "refused",
	} {
		a, p := newLogin(t, nil)
		p.Twist(oidctest.Twist{Answer: func(q url.Values) {
			q.Del("code")
			q.Set("error", code)
			q.Set("error_description", "<b>described</b>\nline")
		}})
		browser := newBrowser(t)
		to := a.callbackURL(browser, "/auth/login/national-id")
		resp := step(t, browser, to.String())
		location := resp.Header.Get("Location")
		if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, "/auth/failed/"+want+"?") {
			t.Errorf("%s: got %s to %s", code, resp.Status, location)
		}
		_, page, _ := a.page(browser, location)
		if strings.Contains(page, "script>alert") || strings.Contains(page, "described") || strings.Contains(a.log.String(), "described") {
			t.Errorf("%s: the provider's text got through", code)
		}
		if again := step(t, browser, to.String()); again.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: the attempt can be used again: %s", code, again.Status)
		}
		if len(p.Requests(oidctest.Token)) > 0 || a.user(browser) != "" {
			t.Errorf("%s: the login went on", code)
		}
	}
}

func TestFailurePages(t *testing.T) {
	a, _ := newLogin(t, nil)
	texts := map[string]bool{}
	for path, want := range map[string]int{
		"/auth/failed/cancelled": 200, "/auth/failed/expired": 400, "/auth/failed/unavailable": 503, "/auth/failed/refused": 403,
		"/auth/failed/nothing": 404, "/auth/login/nobody": 404,
	} {
		status, text, _ := a.page(newBrowser(t), path+"?provider=%22%3E%3Cscript%3E&ref=%3Cscript%3E")
		if status != want || strings.Contains(text, "<script>") {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
		_, title, _ := strings.Cut(text, "<h1>")
		title, _, _ = strings.Cut(title, "</h1>")
		texts[title] = true
	}
	if len(texts) != 5 { // the last two are alike
		t.Errorf("pages are not told apart: %v", texts)
	}
	if _, text, _ := a.page(newBrowser(t), "/auth/failed/refused?ref=ABCDEFGHIJKLMNOPQRSTUVWXY2"); !strings.Contains(text, "ABCDEFGHIJKLMNOPQRSTUVWXY2") {
		t.Error("the page does not repeat the number for support")
	}
}

func TestReturnPath(t *testing.T) {
	a, _ := newLogin(t, nil)
	for path, want := range map[string]string{
		"": "/account", "/account/history?page=2": "/account/history?page=2", "//evil.test": "/account", `/\evil.test`: "/account",
		"https://evil.test": "/account", "https:evil.test": "/account", "/\tevil": "/account", "/%2f/evil.test": "/account", "evil": "/account",
	} {
		browser := newBrowser(t)
		to := a.callbackURL(browser, "/auth/login/national-id?return="+url.QueryEscape(path))
		if strings.Contains(to.String(), "history") {
			t.Errorf("the return path went through the provider: %s", to)
		}
		if resp := step(t, browser, to.String()); resp.Header.Get("Location") != want {
			t.Errorf("%q: leads to %q, want %q", path, resp.Header.Get("Location"), want)
		}
	}
}

func TestSessionIsRenewedAtLogin(t *testing.T) {
	a, _ := newLogin(t, nil)
	browser := newBrowser(t)
	a.page(browser, "/draft")
	before := sessionCookies(t, a, browser)
	a.page(browser, "/auth/login/national-id")
	after := sessionCookies(t, a, browser)
	if len(before) != 1 || len(after) != 1 || before[0].Value == after[0].Value {
		t.Fatalf("before %v, after %v", before, after)
	}
	u, _ := url.Parse(a.server.URL)
	planted := newBrowser(t)
	planted.Jar.SetCookies(u, before)
	if got := a.user(planted); got != "" {
		t.Errorf("the session from before the login is signed in as %s", got)
	}
}

func sessionCookies(t *testing.T, a *loginApp, browser *http.Client) []*http.Cookie {
	t.Helper()
	u, err := url.Parse(a.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(browser.Jar.Cookies(u), func(c *http.Cookie) bool { return c.Name != "spar" })
}

func TestTokensAreNoCredentialsHere(t *testing.T) {
	a, p := newLogin(t, nil)
	var idToken, access string
	p.Twist(oidctest.Twist{Token: func(answer object) {
		idToken, _ = answer["id_token"].(string)
		access, _ = answer["access_token"].(string)
	}})
	a.page(newBrowser(t), "/auth/login/national-id")
	for _, token := range []string{idToken, access} {
		r, err := http.NewRequest("GET", a.server.URL+"/account", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.AddCookie(&http.Cookie{Name: "spar", Value: token})
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if token == "" || resp.StatusCode != http.StatusSeeOther {
			t.Errorf("a provider's token opens the account: %s", resp.Status)
		}
	}
}

func TestPagesLeadToTheLogin(t *testing.T) {
	a, _ := newLogin(t, nil)
	for _, test := range []struct {
		name, path string
		fragment   bool
		status     int
		location   string
	}{
		{"page", "/account/check?x=secret", false, 303, "/auth/login/national-id?return=%2Faccount%2Fcheck"},
		{"fragment", "/account/check", true, 401, "/auth/login/national-id?return=%2Faccount"},
		{"profile", "/auth/profile", false, 303, "/auth/login/national-id?return=%2Fauth%2Fprofile"},
	} {
		r, err := http.NewRequest("GET", a.server.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.fragment {
			r.Header.Set("HX-Request", "true")
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Location") + resp.Header.Get("HX-Redirect"); resp.StatusCode != test.status || got != test.location {
			t.Errorf("%s: got %s to %s", test.name, resp.Status, got)
		}
	}
}
