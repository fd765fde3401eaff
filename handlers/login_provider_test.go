package handlers_test

import (
	"crypto"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/web"
	"spar/web/oidctest"
)

func TestClientAuthentication(t *testing.T) {
	for _, test := range []struct{ auth, key string }{
		{"client_secret_basic", ""}, {"client_secret_post", ""}, {"none", ""}, {"private_key_jwt", "RSA"}, {"private_key_jwt", "EC"},
	} {
		var file string
		var public crypto.PublicKey
		if test.key != "" {
			file, public = clientKey(t, test.key)
		}
		clock := &testClock{now: time.Now()}
		p := oidctest.New(t, test.auth, public, clock.Now)
		a := newLoginApp(t, clock, func(string) []web.LoginProvider {
			c := config(p)
			c.ClientAuth, c.ClientKey = test.auth, file
			if !strings.HasPrefix(test.auth, "client_secret") {
				c.ClientSecret = ""
			}
			return []web.LoginProvider{c}
		})
		for range 2 { // the second assertion must not repeat the first one's jti
			browser := newBrowser(t)
			a.page(browser, "/auth/login/national-id")
			if a.user(browser) == "" {
				t.Errorf("%s %s: not signed in: %s", test.auth, test.key, a.log)
			}
		}
	}
}

func TestDiscovery(t *testing.T) {
	set := func(name string, value any) oidctest.Twist {
		return oidctest.Twist{Discovery: func(document object) { document[name] = value }}
	}
	takeOver := func(handle func(w http.ResponseWriter)) oidctest.Twist {
		return oidctest.Twist{Handle: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == oidctest.Discovery {
				handle(w)
				return true
			}
			return false
		}}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect to another host was followed") }))
	defer elsewhere.Close()
	for _, test := range []struct {
		name  string
		twist oidctest.Twist
	}{
		{"oidcc-client-test-discovery-issuer-mismatch", set("issuer", "https://evil.test")},
		{"issuer with a slash more", oidctest.Twist{Discovery: func(d object) { d["issuer"] = d["issuer"].(string) + "/" }}},
		{"token endpoint without TLS", set("token_endpoint", "http://provider.test/token")},
		{"authorization endpoint is script", set("authorization_endpoint", "javascript:alert(1)")},
		{"no jwks_uri", set("jwks_uri", "")},
		{"logout without TLS", set("end_session_endpoint", "http://provider.test/")},
		{"down", takeOver(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })},
		{"HTML", takeOver(func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) })},
		{"endless", takeOver(func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 2<<20) + `"}`)) })},
		{"redirect to another host", takeOver(func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		})},
	} {
		a, p := newLogin(t, nil)
		p.Twist(test.twist)
		browser := newBrowser(t)
		status, text, at := a.page(browser, "/auth/login/national-id")
		if status != http.StatusServiceUnavailable || !strings.HasPrefix(at, "/auth/failed/unavailable") || !strings.Contains(text, "does not work right now") {
			t.Errorf("%s: got %d at %s", test.name, status, at)
		}
		if len(p.Requests(oidctest.Authorize)) > 0 {
			t.Errorf("%s: the browser was sent to the provider", test.name)
		}
		// Once the provider is well again, so is the login: nothing needs a restart.
		p.Twist(oidctest.Twist{})
		a.clock.Advance(5 * time.Second)
		if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
			t.Errorf("%s: not signed in when the provider is well again", test.name)
		}
	}
}

func TestDiscoveryIsKept(t *testing.T) {
	a, p := newLogin(t, nil)
	for range 3 {
		a.page(newBrowser(t), "/auth/login/national-id")
	}
	if n := len(p.Requests(oidctest.Discovery)); n != 1 {
		t.Errorf("read %d times", n)
	}
	p.Twist(oidctest.Twist{Handle: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == oidctest.Discovery {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}})
	a.clock.Advance(2 * time.Hour)
	browser := newBrowser(t)
	if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
		t.Error("a document that cannot be read anew is not used any more")
	}
	if n := len(p.Requests(oidctest.Discovery)); n != 2 {
		t.Errorf("read %d times", n)
	}
}

func TestProviderThatIsOff(t *testing.T) {
	a, p := newLogin(t, nil)
	p.CloseClientConnections()
	p.Close()
	if status, _, at := a.page(newBrowser(t), "/auth/login/national-id"); status != http.StatusServiceUnavailable || !strings.HasPrefix(at, "/auth/failed/unavailable") {
		t.Errorf("got %d at %s", status, at)
	}
}

func TestKeys(t *testing.T) {
	a, p := newLogin(t, nil)
	works := func(what string) {
		t.Helper()
		browser := newBrowser(t)
		if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
			t.Errorf("%s: not signed in: %s", what, a.log)
		}
	}
	first, second := p.Key(), oidctest.NewKey(t, "key-2", "sig", 2048)
	works("first key")
	p.Rotate(first, second)
	works("oidcc-client-test-signing-key-rotation")
	third := oidctest.NewKey(t, "key-3", "sig", 2048)
	p.Twist(oidctest.Twist{IDToken: func(header, _ object) {
		// The keys were read for an earlier login; this one changes right before signing.
		header["kid"] = third.ID
	}, Sign: func(p *oidctest.Provider, header, claims object) string {
		return oidctest.SignWith(third, header, claims)
	}})
	p.Rotate(first, second, third)
	works("oidcc-client-test-signing-key-rotation-just-before-signing")

	p.Twist(oidctest.Twist{IDToken: headerOf("kid", nil), Userinfo: headerOf("kid", nil)})
	works("oidcc-client-test-kid-absent-multiple-jwks")

	p.Rotate(second)
	p.Twist(oidctest.Twist{IDToken: headerOf("kid", first.ID), Sign: func(_ *oidctest.Provider, header, claims object) string {
		return oidctest.SignWith(first, header, claims)
	}})
	a.clock.Advance(10 * time.Minute)
	browser := newBrowser(t)
	if a.page(browser, "/auth/login/national-id"); a.user(browser) != "" {
		t.Error("a key that was withdrawn ten minutes ago still counts")
	}
}

func TestKeysThatDoNotCount(t *testing.T) {
	for name, key := range map[string]oidctest.Key{
		"for encryption": oidctest.NewKey(t, "key-2", "enc", 2048),
		"too small":      oidctest.NewKey(t, "key-2", "sig", 1024),
	} {
		a, p := newLogin(t, nil)
		p.Rotate(p.Key(), key)
		browser := newBrowser(t)
		if a.page(browser, "/auth/login/national-id"); a.user(browser) != "" {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTokenEndpointThatRedirects(t *testing.T) {
	a, p := newLogin(t, nil)
	p.Twist(oidctest.Twist{Handle: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == oidctest.Token {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}})
	if status, _, _ := a.page(newBrowser(t), "/auth/login/national-id"); status != http.StatusServiceUnavailable {
		t.Errorf("got %d", status)
	}
	if len(p.Requests("/elsewhere")) > 0 {
		t.Error("the code and the client's secret were sent on")
	}
}

func TestKeysAreNotReadTooOften(t *testing.T) {
	a, p := newLogin(t, nil)
	p.Twist(oidctest.Twist{IDToken: headerOf("kid", "nobody's")})
	for range 12 {
		a.page(newBrowser(t), "/auth/login/national-id")
	}
	if n := len(p.Requests(oidctest.Keys)); n > 6 {
		t.Errorf("twelve bad tokens had the keys read %d times", n)
	}
	p.Twist(oidctest.Twist{})
	browser := newBrowser(t)
	if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
		t.Error("a good token is refused after bad ones")
	}
}

func TestPlainUserinfo(t *testing.T) {
	a, p := newLogin(t, func(c *web.LoginProvider) { c.Userinfo = "plain" })
	browser := newBrowser(t)
	if a.page(browser, "/auth/login/national-id"); a.user(browser) != "" {
		t.Error("application/jwt is taken for plain userinfo")
	}
	p.PlainUserinfo()
	if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
		t.Errorf("not signed in: %s", a.log)
	}
	p.Twist(oidctest.Twist{UserinfoType: "text/html"})
	page := newBrowser(t)
	if a.page(page, "/auth/login/national-id"); a.user(page) != "" {
		t.Error("a page is taken for userinfo")
	}
	p.Twist(oidctest.Twist{Userinfo: set("sub", "somebody-else")})
	stranger := newBrowser(t)
	if a.page(stranger, "/auth/login/national-id"); a.user(stranger) != "" {
		t.Error("somebody else's userinfo is accepted")
	}
}

// How a person can be reached is believed as far as the provider vouches for it.
func TestContact(t *testing.T) {
	a, p := newLogin(t, nil)
	for name, test := range map[string]struct {
		claims, token object
		want          string
	}{
		"none":          {want: "|"},
		"both":          {claims: object{"phone_number": "+15550100123", "email": " ana@example.org "}, want: "+15550100123|ana@example.org"},
		"verified":      {claims: object{"phone_number": "1", "phone_number_verified": true, "email": "a@b", "email_verified": "true"}, want: "1|a@b"},
		"not verified":  {claims: object{"phone_number": "1", "phone_number_verified": false, "email": "a@b", "email_verified": "no"}, want: "|"},
		"no texts":      {claims: object{"phone_number": 15550100123, "email": []string{"a@b"}}, want: "|"},
		"control":       {claims: object{"phone_number": "1\n2", "email": "a@b\u202e"}, want: "|"},
		"long":          {claims: object{"email": strings.Repeat("a", 300) + "@b"}, want: "|"},
		"in the token":  {token: object{"email": "a@b"}, want: "|a@b"},
		"agreement":     {claims: object{"email": "a@b"}, token: object{"email": "a@b"}, want: "|a@b"},
		"contradiction": {claims: object{"email": "a@b"}, token: object{"email": "c@d"}, want: "|"},
		"half verified": {claims: object{"email": "a@b"}, token: object{"email": "a@b", "email_verified": false}, want: "|"},
	} {
		p.Twist(oidctest.Twist{Userinfo: add(test.claims), IDToken: add(test.token)})
		browser := newBrowser(t)
		if a.page(browser, "/auth/login/national-id"); a.user(browser) == "" {
			t.Fatalf("%s: not signed in: %s", name, a.log)
		}
		if _, got, _ := a.page(browser, "/contact"); got != test.want {
			t.Errorf("%s: contact %q, want %q", name, got, test.want)
		}
	}
	if strings.Contains(a.log.String(), "example.org") {
		t.Error("the log has an e-mail address")
	}
}

func add(claims object) func(_, all object) {
	return func(_, all object) { maps.Copy(all, claims) }
}

func TestPlainUserinfoIsNoSignedOne(t *testing.T) {
	a, p := newLogin(t, nil)
	p.PlainUserinfo()
	browser := newBrowser(t)
	if a.page(browser, "/auth/login/national-id"); a.user(browser) != "" || !strings.Contains(a.log.String(), "userinfo is not signed") {
		t.Error("plain userinfo is accepted where signed userinfo is configured")
	}
}

// Two providers: what one of them answers never reaches the other (RFC 9700, section 4.4).
func TestMixUp(t *testing.T) {
	clock := &testClock{now: time.Now()}
	good, evil := oidctest.New(t, "client_secret_basic", nil, clock.Now), oidctest.New(t, "client_secret_basic", nil, clock.Now)
	a := newLoginApp(t, clock, func(string) []web.LoginProvider {
		c, d := config(good), config(evil)
		d.ID = "evil"
		return []web.LoginProvider{c, d}
	})
	browser := newBrowser(t)
	begun := step(t, browser, a.server.URL+"/auth/login/national-id")
	to, err := begun.Location()
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	answer := q.Get("redirect_uri") + "?code=stolen&state=" + q.Get("state") + "&iss=" + evil.URL
	resp := step(t, browser, answer)
	if !strings.HasPrefix(resp.Header.Get("Location"), "/auth/failed/refused") || a.user(browser) != "" {
		t.Errorf("got %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if len(good.Requests(oidctest.Token))+len(evil.Requests(oidctest.Token)) > 0 {
		t.Error("the code was sent on")
	}
	if resp := step(t, newBrowser(t), a.server.URL+"/account"); resp.Header.Get("Location") != "/" {
		t.Errorf("with two providers to choose from, the account leads to %s", resp.Header.Get("Location"))
	}
}

// staffApp knows a provider for beneficiaries and one for staff.
func staffApp(t *testing.T) (a *loginApp, people, staff *oidctest.Provider) {
	t.Helper()
	clock := &testClock{now: time.Now()}
	people, staff = oidctest.New(t, "client_secret_basic", nil, clock.Now), oidctest.New(t, "client_secret_basic", nil, clock.Now)
	staff.Person(object{"sub": "officer", "name": "Olga Officer", "individual_id": "4713", "realm_access": object{"roles": []string{"spar-admin", "offline_access"}}})
	a = newLoginApp(t, clock, func(string) []web.LoginProvider {
		c, d := config(people), config(staff)
		d.ID, d.Name, d.Audience, d.IDTemplate = "staff", map[string]string{"en": "Staff"}, web.Staff, ""
		d.RolesClaim, d.Roles = "realm_access.roles", map[string]string{"spar-admin": "admin"}
		return []web.LoginProvider{c, d}
	})
	return a, people, staff
}

func TestStaff(t *testing.T) {
	a, _, _ := staffApp(t)
	browser := newBrowser(t)
	if _, _, at := a.page(browser, "/auth/login/staff?return=/account"); at != "/admin" {
		t.Errorf("a login for staff leads to %s", at)
	}
	if status, text, at := a.page(browser, "/auth/login/staff?return=/auth/profile"); status != http.StatusOK || at != "/auth/profile" || !strings.Contains(text, "Olga Officer") || strings.Contains(text, "4713") {
		t.Errorf("got %d at %s: %s", status, at, text)
	}
	for _, path := range []string{"/account", "/account/check"} {
		if status, text, _ := a.page(browser, path); status != http.StatusForbidden || strings.Contains(text, "account of") {
			t.Errorf("%s: got %d", path, status)
		}
	}
	if resp := a.post(browser, "/account", url.Values{}); resp.StatusCode != http.StatusForbidden || a.changes != 0 {
		t.Errorf("POST: got %s", resp.Status)
	}
}

// A beneficiary whose token carries staff roles is a beneficiary all the same; the session keeps no roles.
func TestRolesOfBeneficiariesDoNotCount(t *testing.T) {
	a, people, _ := staffApp(t)
	people.Person(object{"sub": "x", "individual_id": "4714", "realm_access": object{"roles": []string{"spar-admin"}}})
	browser := newBrowser(t)
	a.page(browser, "/auth/login/national-id")
	if got := a.user(browser); got != "token:4714@nationalid" {
		t.Errorf("signed in as %q", got)
	}
	if _, text, _ := a.page(browser, "/roles"); text != "beneficiary []" {
		t.Errorf("got %s", text)
	}
	officer := newBrowser(t)
	a.page(officer, "/auth/login/staff")
	if _, text, _ := a.page(officer, "/roles"); text != "staff [admin]" {
		t.Errorf("got %s", text)
	}
}
