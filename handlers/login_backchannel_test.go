package handlers_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/migrations/dbtest"
	"spar/web"
	"spar/web/oidctest"
)

// sendLogout posts a form to the back channel as a login provider does: without cookies, Origin or form token.
func (a *loginApp) sendLogout(contentType, form string) (status int, header http.Header) {
	a.t.Helper()
	resp, err := http.Post(a.server.URL+handlers.BackchannelLogoutPath, contentType, strings.NewReader(form))
	if err != nil {
		a.t.Fatal(err)
	}
	readAll(a.t, resp)
	return resp.StatusCode, resp.Header
}

const formType = "application/x-www-form-urlencoded"

func (a *loginApp) logoutToken(token string) (status int) {
	a.t.Helper()
	status, header := a.sendLogout(formType, url.Values{"logout_token": {token}}.Encode())
	if header.Get("Cache-Control") != "no-store" {
		a.t.Errorf("Cache-Control: %q", header.Get("Cache-Control"))
	}
	if len(header["Set-Cookie"]) > 0 {
		a.t.Errorf("a cookie for the login provider: %s", header.Get("Set-Cookie"))
	}
	return status
}

// signedIn makes a browser that the person of these claims is signed in with, and returns the provider's session.
func (a *loginApp) signedIn(p *oidctest.Provider, person object) (browser *http.Client, sid string) {
	a.t.Helper()
	p.Person(person)
	browser = newBrowser(a.t)
	a.page(browser, "/auth/login/national-id")
	if a.user(browser) == "" {
		a.t.Fatalf("not signed in: %s", a.log)
	}
	_, claims := p.Logout()
	return browser, claims["sid"].(string)
}

var (
	personAna = object{"sub": "sub-ana", "individual_id": "4711081547", "name": "Ana Marker"}
	personBen = object{"sub": "sub-ben", "individual_id": "4712081547", "name": "Ben Other"}
)

// onReplicas runs a test with two portals on each database. The provider is one of both.
func onReplicas(t *testing.T, test func(t *testing.T, a, b *loginApp, p *oidctest.Provider)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := &testClock{now: time.Now()}
		p := oidctest.New(t, "client_secret_basic", nil, clock.Now)
		apps := newReplicas(t, db, clock, 2, func(string) []web.LoginProvider { return []web.LoginProvider{config(p)} })
		test(t, apps[0], apps[1], p)
	})
}

// oidcc-client-test-rp-backchannel-rpinitlogout: what is good ends exactly the sessions it names, on every replica.
func TestBackchannelLogout(t *testing.T) {
	for _, test := range []struct {
		name                         string
		change                       func(claims object, firstSID string)
		first, second, other, noSIDs bool // still signed in afterwards
	}{
		{name: "all sessions of a subject", change: func(c object, _ string) { delete(c, "sid") }, other: true},
		{name: "one session", change: func(c object, first string) { delete(c, "sub"); c["sid"] = first }, second: true, other: true, noSIDs: true},
		{name: "one session of a subject", change: func(c object, first string) { c["sid"] = first }, second: true, other: true},
		{name: "session of another subject", change: func(c object, first string) { c["sub"], c["sid"] = "sub-ben", first }, first: true, second: true, other: true, noSIDs: true},
		{name: "nobody's session", change: func(c object, _ string) { c["sub"], c["sid"] = "sub-nobody", "nothing" }, first: true, second: true, other: true, noSIDs: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			onReplicas(t, func(t *testing.T, a, b *loginApp, p *oidctest.Provider) {
				first, sid := a.signedIn(p, personAna)
				second, _ := a.signedIn(p, personAna)
				other, _ := a.signedIn(p, personBen)
				p.Twist(oidctest.Twist{IDToken: func(_, claims object) { delete(claims, "sid") }})
				noSID, _ := a.signedIn(p, personAna)
				header, claims := p.Logout()
				test.change(claims, sid)
				if status := b.logoutToken(p.Sign(header, claims)); status != http.StatusOK {
					t.Fatalf("got %d: %s", status, b.log)
				}
				for _, session := range []struct {
					name    string
					browser *http.Client
					want    bool
				}{{"first", first, test.first}, {"second", second, test.second}, {"other", other, test.other}, {"without sid", noSID, test.noSIDs}} {
					if got := a.user(session.browser) != ""; got != session.want {
						t.Errorf("%s: signed in: %v, want %v", session.name, got, session.want)
					}
				}
				if strings.Contains(b.log.String(), "sub-ana") || strings.Contains(b.log.String(), sid) {
					t.Errorf("the log names the person: %s", b.log)
				}
			})
		})
	}
}

func TestBackchannelLogoutIsRecorded(t *testing.T) {
	a, p := newLogin(t, nil)
	a.signedIn(p, personAna)
	header, claims := p.Logout()
	a.logoutToken(p.Sign(header, claims))
	var got []string
	if err := a.db.Select(&got, `SELECT actor_kind || ' ' || actor_id || action || ' ' || target || ' ' || detail FROM audit_events WHERE action = 'logout'`); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != `system logout national-id {"by":"login provider","sessions":"1"}` {
		t.Errorf("recorded %q", got)
	}
}

func TestBackchannelLogoutRefuses(t *testing.T) {
	foreign := oidctest.NewKey(t, "key-1", "sig", 2048)
	change := func(do func(header, claims object)) func(*oidctest.Provider, object, object) string {
		return func(p *oidctest.Provider, header, claims object) string {
			do(header, claims)
			return p.Sign(header, claims)
		}
	}
	event := func(value any) func(*oidctest.Provider, object, object) string {
		return change(func(_, claims object) { claims["events"] = value })
	}
	set := func(name string, value any) func(*oidctest.Provider, object, object) string {
		return change(func(_, claims object) { claims[name] = value })
	}
	without := func(names ...string) func(*oidctest.Provider, object, object) string {
		return change(func(_, claims object) {
			for _, name := range names {
				delete(claims, name)
			}
		})
	}
	at := func(name string, d time.Duration) func(*oidctest.Provider, object, object) string {
		return func(p *oidctest.Provider, header, claims object) string {
			claims[name] = p.Now().Add(d).Unix()
			return p.Sign(header, claims)
		}
	}
	tests := []struct {
		name string
		make func(p *oidctest.Provider, header, claims object) string
	}{
		{"oidcc-client-test-rp-backchannel-rpinitlogout-alg-none", (*oidctest.Provider).Unsigned},
		{"alg none with a signature", change(func(header, _ object) { header["alg"] = "none" })},
		{"-no-event", without("events")},
		{"-no-event: empty", event(object{})},
		{"-wrong-event", event(object{"http://schemas.openid.net/event/other": object{}})},
		{"-wrong-event: not an object", event(object{oidctest.LogoutEvent: "yes"})},
		{"-wrong-event: null", event(object{oidctest.LogoutEvent: nil})},
		{"-wrong-event: a list", event([]string{oidctest.LogoutEvent})},
		{"-with-nonce", set("nonce", "n")},
		{"-with-nonce: null", set("nonce", nil)},
		{"-wrong-alg: HS256 with the client secret", func(_ *oidctest.Provider, header, claims object) string {
			return oidctest.SignHMAC([]byte(oidctest.ClientSecret), header, claims)
		}},
		{"-wrong-alg: ES256", (*oidctest.Provider).SignES256},
		{"-wrong-aud", set("aud", "another")},
		{"aud missing", without("aud")},
		{"aud also somebody else", set("aud", []string{oidctest.ClientID, "another"})},
		{"-wrong-iss", set("iss", "https://evil.test")},
		{"iss missing", without("iss")},
		{"another's key", func(_ *oidctest.Provider, header, claims object) string {
			return oidctest.SignWith(foreign, header, claims)
		}},
		{"neither sub nor sid", without("sub", "sid")},
		{"empty sub", set("sub", "")},
		{"sub is a number", set("sub", 7)},
		{"sid is null", set("sid", nil)},
		{"jti missing", without("jti")},
		{"empty jti", set("jti", "")},
		{"iat missing", without("iat")},
		{"iat too old", at("iat", -6*time.Minute)},
		{"iat in the future", at("iat", 2*time.Minute)},
		{"exp missing", without("exp")},
		{"expired", at("exp", -2*time.Minute)},
		{"not yet valid", at("nbf", 2*time.Minute)},
		{"typ of an ID token", change(func(header, _ object) { header["typ"] = "JWT" })},
		{"an ID token", change(func(header, claims object) { header["typ"] = "JWT"; delete(claims, "events"); claims["nonce"] = "n" })},
		{"claims are a list", func(p *oidctest.Provider, header, _ object) string { return p.SignText(header, "[]") }},
		{"claims are no JSON", func(p *oidctest.Provider, header, _ object) string { return p.SignText(header, "{") }},
		{"not a JWS", func(*oidctest.Provider, object, object) string { return "logout" }},
	}
	a, p := newLogin(t, nil)
	browser, _ := a.signedIn(p, personAna)
	for _, test := range tests {
		a.clock.Advance(11 * time.Second) // so that the provider's keys may be read again
		header, claims := p.Logout()
		if status := a.logoutToken(test.make(p, header, claims)); status != http.StatusBadRequest {
			t.Errorf("%s: got %d", test.name, status)
		}
		if a.user(browser) == "" {
			t.Fatalf("%s: the session ended", test.name)
		}
	}
	header, claims := p.Logout()
	delete(header, "typ") // is recommended, not required
	claims["aud"] = []string{oidctest.ClientID}
	claims["events"].(object)["revoke_offline_access"] = true // Keycloak
	if status := a.logoutToken(p.Sign(header, claims)); status != http.StatusOK || a.user(browser) != "" {
		t.Errorf("a good token after all that: got %d", status)
	}
}

// A token counts once, on whichever replica, and for as long as it could be accepted.
func TestBackchannelLogoutRepeated(t *testing.T) {
	onReplicas(t, func(t *testing.T, a, b *loginApp, p *oidctest.Provider) {
		a.signedIn(p, personAna)
		header, claims := p.Logout()
		claims["exp"] = a.clock.Now().Add(time.Hour).Unix()
		delete(claims, "sid")
		token := p.Sign(header, claims)
		if status := a.logoutToken(token); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
		browser, _ := a.signedIn(p, personAna)
		for range 7 {
			for _, app := range []*loginApp{a, b} {
				if _, err := app.sessions.Purge(t.Context()); err != nil {
					t.Fatal(err)
				}
				if status := app.logoutToken(token); status != http.StatusBadRequest || a.user(browser) == "" {
					t.Fatalf("repeated: got %d", status)
				}
			}
			a.clock.Advance(time.Minute)
		}
		if _, err := a.sessions.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := a.db.Get(&left, `SELECT count(*) FROM logout_tokens`); err != nil || left != 0 {
			t.Errorf("%d tokens are remembered, %v", left, err)
		}
	})
}

// What cannot be answered now must not be used up: the provider sends the token again.
func TestBackchannelLogoutCanBeSentAgain(t *testing.T) {
	a, p := newLogin(t, nil)
	browser, _ := a.signedIn(p, personAna)
	if _, err := a.db.Exec(`ALTER TABLE sessions RENAME TO sessions_away`); err != nil {
		t.Fatal(err)
	}
	header, claims := p.Logout()
	token := p.Sign(header, claims)
	if status := a.logoutToken(token); status != http.StatusBadRequest || !strings.Contains(a.log.String(), "logout at the provider failed") {
		t.Errorf("without the table: got %d", status)
	}
	if _, err := a.db.Exec(`ALTER TABLE sessions_away RENAME TO sessions`); err != nil {
		t.Fatal(err)
	}
	if status := a.logoutToken(token); status != http.StatusOK || a.user(browser) != "" {
		t.Errorf("again: got %d", status)
	}
}

func TestBackchannelLogoutOfAProviderWithoutIt(t *testing.T) {
	a, p := newLogin(t, nil)
	p.Twist(oidctest.Twist{Discovery: func(document object) { delete(document, "backchannel_logout_supported") }})
	browser, _ := a.signedIn(p, personAna)
	header, claims := p.Logout()
	if status := a.logoutToken(p.Sign(header, claims)); status != http.StatusBadRequest || a.user(browser) == "" {
		t.Errorf("got %d", status)
	}
}

// Two entries may share a provider: one by another client, one by the same.
func TestBackchannelLogoutOfASharedProvider(t *testing.T) {
	clock := &testClock{now: time.Now()}
	p := oidctest.New(t, "client_secret_basic", nil, clock.Now)
	a := newLoginApp(t, clock, func(string) []web.LoginProvider {
		one, same, foreign := config(p), config(p), config(p)
		same.ID, foreign.ID, foreign.ClientID = "same", "foreign", "another-client"
		return []web.LoginProvider{foreign, one, same}
	})
	first, _ := a.signedIn(p, personAna)
	second := newBrowser(t)
	a.page(second, "/auth/login/same")
	header, claims := p.Logout()
	delete(claims, "sid")
	if status := a.logoutToken(p.Sign(header, claims)); status != http.StatusOK || a.user(first) != "" || a.user(second) != "" {
		t.Errorf("got %d, signed in: %q, %q", status, a.user(first), a.user(second))
	}
}

func TestBackchannelLogoutRequest(t *testing.T) {
	a, p := newLogin(t, nil)
	browser, _ := a.signedIn(p, personAna)
	header, claims := p.Logout()
	token := p.Sign(header, claims)
	for _, test := range []struct{ name, contentType, form string }{
		{"nothing", formType, ""},
		{"no content type", "", "logout_token=" + token},
		{"JSON", "application/json", `{"logout_token":"` + token + `"}`},
		{"multipart", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"logout_token\"\r\n\r\n" + token + "\r\n--x--\r\n"},
		{"empty token", formType, "logout_token="},
		{"two tokens", formType, "logout_token=" + token + "&logout_token=" + token},
		{"too large", formType, "logout_token=" + token + "&x=" + strings.Repeat("x", 16<<10)},
		{"not a form", formType, "logout_token=%zz"},
	} {
		if status, _ := a.sendLogout(test.contentType, test.form); status != http.StatusBadRequest || a.user(browser) == "" {
			t.Errorf("%s: got %d", test.name, status)
		}
	}
	resp, err := http.Post(a.server.URL+handlers.BackchannelLogoutPath+"?logout_token="+token, formType, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || a.user(browser) == "" {
		t.Errorf("token in the address: got %s", resp.Status)
	}
	if resp, err = http.Get(a.server.URL + handlers.BackchannelLogoutPath + "?logout_token=" + token); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: got %s", resp.Status)
	}
	if strings.Contains(a.log.String(), token) {
		t.Error("the log holds the token")
	}
	if status := a.logoutToken(token); status != http.StatusOK || a.user(browser) != "" {
		t.Errorf("the good request: got %d", status)
	}
}

// Whoever sends junk is not heard for a while; the provider may send as much as it has to.
func TestBackchannelLogoutLimit(t *testing.T) {
	a, p := newLogin(t, nil)
	a.signedIn(p, personAna)
	send := func(from, token string) (int, string) {
		r, err := http.NewRequest("POST", a.server.URL+handlers.BackchannelLogoutPath, strings.NewReader("logout_token="+token))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", formType)
		r.Header.Set("X-Forwarded-For", from)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	good := func() string { return p.Sign(p.Logout()) }
	for i := range loginRequests {
		if status, _ := send("192.0.2.1", "junk"); status != http.StatusBadRequest {
			t.Fatalf("junk %d: got %d", i, status)
		}
		if status, _ := send("192.0.2.2", good()); status != http.StatusOK {
			t.Fatalf("good %d: got %d", i, status)
		}
	}
	if status, wait := send("192.0.2.1", good()); status != http.StatusTooManyRequests || wait != "300" {
		t.Errorf("got %d, Retry-After %q", status, wait)
	}
	if status, _ := send("192.0.2.2", good()); status != http.StatusOK {
		t.Errorf("the provider: got %d", status)
	}
	a.clock.Advance(handlers.LoginWindow)
	if status, _ := send("192.0.2.1", good()); status != http.StatusOK {
		t.Errorf("afterwards: got %d", status)
	}
}

// Junk tokens make us read the provider's keys, but leave enough readings for a login after a change of keys.
func TestBackchannelLogoutLeavesKeysToLogins(t *testing.T) {
	a, p := newLogin(t, nil)
	a.signedIn(p, personAna)
	foreign := oidctest.NewKey(t, "key-2", "sig", 2048)
	before := len(p.Requests(oidctest.Keys))
	for range 20 {
		header, claims := p.Logout()
		a.logoutToken(oidctest.SignWith(foreign, header, claims))
	}
	if n := len(p.Requests(oidctest.Keys)) - before; n > 3 {
		t.Errorf("the keys were read %d times", n)
	}
	p.Rotate(oidctest.NewKey(t, "key-3", "sig", 2048))
	a.signedIn(p, personBen)
}
