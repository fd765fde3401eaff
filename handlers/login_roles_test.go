package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"spar/web"
	"spar/web/oidctest"
)

// newStaffLogin starts a provider for staff and an app that knows it, with the roles in realm_access.roles.
func newStaffLogin(t *testing.T, change func(*web.LoginProvider)) (*loginApp, *oidctest.Provider) {
	t.Helper()
	return newLogin(t, func(c *web.LoginProvider) {
		c.ID, c.Audience, c.IDTemplate = "staff", web.Staff, ""
		c.RolesClaim, c.Roles = "realm_access.roles", map[string]string{"spar-admin": "admin", "spar-auditor": "auditor"}
		if change != nil {
			change(c)
		}
	})
}

func realm(roles ...any) object { return object{"roles": append([]any{}, roles...)} }

// Where roles are read from, by roles_from and by where the provider put them.
func TestRolesFrom(t *testing.T) {
	idToken := func(_, claims object) { claims["realm_access"] = realm("spar-auditor") }
	userinfo := func(_, claims object) { claims["realm_access"] = realm("spar-admin") }
	access := func(p *oidctest.Provider, header, claims object) string {
		claims["realm_access"] = realm("spar-admin", "spar-auditor")
		return p.Sign(header, claims)
	}
	everywhere := oidctest.Twist{IDToken: idToken, Userinfo: userinfo, Access: access}
	for _, test := range []struct {
		name, from string
		twist      oidctest.Twist
		want       string
	}{
		{"first the ID token", "", everywhere, "staff [auditor]"},
		{"then userinfo", "", oidctest.Twist{Userinfo: userinfo, Access: access}, "staff [admin]"},
		{"then the access token", "", oidctest.Twist{Access: access}, "staff [admin auditor]"},
		{"an empty list is an answer", "", oidctest.Twist{IDToken: func(_, claims object) { claims["realm_access"] = realm() }, Access: access}, "staff []"},
		{"an opaque access token", "", oidctest.Twist{}, "staff []"},
		{"the ID token alone", "id_token", everywhere, "staff [auditor]"},
		{"only the ID token", "id_token", oidctest.Twist{Userinfo: userinfo, Access: access}, "staff []"},
		{"userinfo alone", "userinfo", everywhere, "staff [admin]"},
		{"only userinfo", "userinfo", oidctest.Twist{IDToken: idToken, Access: access}, "staff []"},
		{"the access token alone", "access_token", everywhere, "staff [admin auditor]"},
		{"only the access token", "access_token", oidctest.Twist{IDToken: idToken, Userinfo: userinfo, Access: func(p *oidctest.Provider, header, claims object) string {
			return p.Sign(header, claims)
		}}, "staff []"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, p := newStaffLogin(t, func(c *web.LoginProvider) { c.RolesFrom = test.from })
			p.Twist(test.twist)
			browser := newBrowser(t)
			a.page(browser, "/auth/login/staff")
			if _, text, _ := a.page(browser, "/roles"); text != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
}

// What a realm may put into the claim, and what becomes of it.
func TestRolesClaims(t *testing.T) {
	client := func(name string, roles ...any) object { return object{name: object{"roles": roles}} }
	for _, test := range []struct {
		name, claim string
		claims      object
		want        string
	}{
		{"realm roles", "realm_access.roles", object{"realm_access": realm("spar-admin", "offline_access")}, "[admin]"},
		{"what Keycloak gives everybody", "realm_access.roles", object{"realm_access": realm("offline_access", "uma_authorization", "default-roles-staff")}, "[]"},
		{"both", "realm_access.roles", object{"realm_access": realm("spar-auditor", "spar-admin", "spar-admin")}, "[admin auditor]"},
		{"other case", "realm_access.roles", object{"realm_access": realm("SPAR-ADMIN", " spar-admin")}, "[]"},
		{"our own role's name", "realm_access.roles", object{"realm_access": realm("admin", "auditor")}, "[]"},
		{"no strings", "realm_access.roles", object{"realm_access": realm(1, nil, object{"spar-admin": true}, []string{"spar-admin"})}, "[]"},
		{"client roles", "resource_access.spar.roles", object{"resource_access": client("spar", "spar-admin")}, "[admin]"},
		{"another client's", "resource_access.spar.roles", object{"resource_access": client("other", "spar-admin")}, "[]"},
		{"a client id with dots", "resource_access.spar.example.org.roles", object{"resource_access": client("spar.example.org", "spar-admin")}, "[admin]"},
		{"beside a shorter one", "resource_access.spar.example.org.roles", object{"resource_access": object{
			"spar": object{"x": 1}, "spar.example": realm("spar-auditor"), "spar.example.org": realm("spar-admin")}}, "[admin]"},
		{"a namespaced claim", "https://example.org/roles", object{"https://example.org/roles": []string{"spar-admin"}}, "[admin]"},
		{"one string", "role", object{"role": "spar-admin"}, "[admin]"},
		{"a path through a list", "groups.roles", object{"groups": []any{object{"roles": []string{"spar-admin"}}}}, "[]"},
		{"nothing", "realm_access.roles", object{}, "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, p := newStaffLogin(t, func(c *web.LoginProvider) { c.RolesClaim = test.claim })
			p.Twist(oidctest.Twist{IDToken: func(_, claims object) {
				for name, value := range test.claims {
					claims[name] = value
				}
			}})
			browser := newBrowser(t)
			a.page(browser, "/auth/login/staff")
			if _, text, _ := a.page(browser, "/roles"); text != "staff "+test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
}

// An access token gives no roles unless all of it is right: no login at all where the configuration relies on it, and a
// login without roles where it does not.
func TestAccessTokensThatAreNotGood(t *testing.T) {
	type make = func(p *oidctest.Provider, header, claims object) string
	change := func(change func(header, claims object)) make {
		return func(p *oidctest.Provider, header, claims object) string {
			change(header, claims)
			return p.Sign(header, claims)
		}
	}
	stranger := oidctest.NewKey(t, "key-1", "sig", 2048)
	for name, access := range map[string]make{
		"form":   func(*oidctest.Provider, object, object) string { return "opaque" },
		"header": change(func(header, _ object) { header["typ"] = "logout+jwt" }),
		"signature": func(_ *oidctest.Provider, header, claims object) string {
			return oidctest.SignWith(stranger, header, claims)
		},
		"none": func(p *oidctest.Provider, header, claims object) string { return p.Unsigned(header, claims) },
		"HMAC": func(_ *oidctest.Provider, header, claims object) string {
			return oidctest.SignHMAC([]byte(oidctest.ClientSecret), header, claims)
		},
		"iss":          change(set("iss", "https://other.example.org")),
		"expired":      change(set("exp", time.Now().Add(-2*time.Minute).Unix())),
		"no exp":       change(without("exp")),
		"nbf":          change(set("nbf", time.Now().Add(time.Hour).Unix())),
		"typ ID":       change(set("typ", "ID")),
		"typ Refresh":  change(set("typ", "Refresh")),
		"typ a number": change(set("typ", 1)),
		"azp":          change(set("azp", "another-client")),
		"no azp":       change(without("azp")),
		"client_id beside another azp": change(func(_, claims object) {
			claims["azp"], claims["client_id"] = "another-client", oidctest.ClientID
		}),
		"sub":    change(set("sub", "somebody-else")),
		"no sub": change(without("sub")),
	} {
		t.Run(name, func(t *testing.T) {
			twist := oidctest.Twist{Access: func(p *oidctest.Provider, header, claims object) string {
				claims["realm_access"] = realm("spar-admin")
				return access(p, header, claims)
			}}
			strict, p := newStaffLogin(t, func(c *web.LoginProvider) { c.RolesFrom = "access_token" })
			p.Twist(twist)
			browser := newBrowser(t)
			if status, _, at := strict.page(browser, "/auth/login/staff"); status != http.StatusForbidden || !strings.HasPrefix(at, "/auth/failed/refused") {
				t.Errorf("got %d at %s", status, at)
			}
			if _, text, _ := strict.page(browser, "/roles"); text != " []" {
				t.Errorf("signed in: %s", text)
			}
			if !strings.Contains(strict.log.String(), "of the access token") {
				t.Errorf("the log does not say what is wrong: %s", strict.log)
			}
			lenient, p := newStaffLogin(t, nil)
			p.Twist(twist)
			browser = newBrowser(t)
			lenient.page(browser, "/auth/login/staff")
			if _, text, _ := lenient.page(browser, "/roles"); text != "staff []" {
				t.Errorf("where nothing relies on it: %s", text)
			}
		})
	}
}

// An access token by RFC 9068 names the client otherwise.
func TestAccessTokenOfRFC9068(t *testing.T) {
	a, p := newStaffLogin(t, func(c *web.LoginProvider) { c.RolesFrom = "access_token" })
	p.Twist(oidctest.Twist{Access: func(p *oidctest.Provider, header, claims object) string {
		header["typ"] = "at+jwt"
		delete(claims, "azp")
		delete(claims, "typ")
		claims["client_id"], claims["realm_access"] = oidctest.ClientID, realm("spar-auditor")
		return p.Sign(header, claims)
	}})
	browser := newBrowser(t)
	a.page(browser, "/auth/login/staff")
	if _, text, _ := a.page(browser, "/roles"); text != "staff [auditor]" {
		t.Errorf("got %s", text)
	}
}

// A change asks for a login that is young enough, leads back to it, and takes no other person's login for it.
func TestStaffLogInAgain(t *testing.T) {
	a, p := newStaffLogin(t, nil)
	p.Twist(oidctest.Twist{IDToken: func(_, claims object) { claims["realm_access"] = realm("spar-admin") }})
	browser := newBrowser(t)
	if status, text, at := a.page(browser, "/admin/change?a=b"); status != http.StatusOK || text != "change" || at != "/admin/change?a=b" {
		t.Fatalf("first login: got %d %q at %s", status, text, at)
	}
	a.clock.Advance(14 * time.Minute)
	if _, text, _ := a.page(browser, "/admin/change"); text != "change" || len(p.Requests(oidctest.Authorize)) != 1 {
		t.Errorf("after 14 minutes: got %q, or had to log in", text)
	}
	a.clock.Advance(2 * time.Minute)
	if status, text, at := a.page(browser, "/admin/change?a=b"); status != http.StatusOK || text != "change" || at != "/admin/change?a=b" {
		t.Errorf("after 16 minutes: got %d %q at %s", status, text, at)
	}
	requests := p.Requests(oidctest.Authorize)
	if q := requests[len(requests)-1].Query; len(requests) != 2 || q.Get("prompt") != "login" || q.Get("max_age") == "" {
		t.Errorf("authorization request: %v", q)
	}
	a.clock.Advance(8 * time.Minute)
	a.page(browser, "/admin/change") // keeps the session
	a.clock.Advance(8 * time.Minute)
	p.Twist(oidctest.Twist{IDToken: func(_, claims object) {
		claims["realm_access"], claims["auth_time"] = realm("spar-admin"), a.clock.Now().Add(-time.Hour).Unix()
	}})
	if _, text, _ := a.page(browser, "/admin/change"); text == "change" {
		t.Error("a login an hour ago counts as a new one")
	}
	// Whoever has lost the role meanwhile loses it with the next login.
	p.Twist(oidctest.Twist{IDToken: func(_, claims object) { claims["realm_access"] = realm("offline_access") }})
	a.page(browser, "/admin/change")
	if status, _, _ := a.page(browser, "/admin/change"); status != http.StatusForbidden {
		t.Errorf("without the role: got %d", status)
	}
}
