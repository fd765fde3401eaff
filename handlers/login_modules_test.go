package handlers_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/web"
	"spar/web/oidctest"
)

type object = oidctest.Object

func set(name string, value any) func(header, claims object) {
	return func(_, claims object) { claims[name] = value }
}

// shift puts a time of the ID token a while from when it is issued.
func shift(name string, by time.Duration) func(header, claims object) {
	return func(_, claims object) { claims[name] = claims["iat"].(int64) + int64(by.Seconds()) }
}

func without(name string) func(header, claims object) {
	return func(_, claims object) { delete(claims, name) }
}

func headerOf(name string, value any) func(header, claims object) {
	return func(header, _ object) {
		header[name] = value
		if value == nil {
			delete(header, name)
		}
	}
}

func broken(p *oidctest.Provider, header, claims object) string {
	token := p.Sign(header, claims)
	dot := strings.LastIndex(token, ".") + 1
	signature := []byte(token[dot:])
	if signature[10]++; signature[10] > 'y' || signature[10] < 'a' {
		signature[10] = 'a'
	}
	return token[:dot] + string(signature)
}

// modules replays the relying party tests of the OpenID Foundation's conformance suite (by their names there) and more of
// the kind. Each lets the provider do one thing.
var modules = []struct {
	name   string
	config func(*web.LoginProvider)
	twist  oidctest.Twist
	cause  string // why the login is refused, in the log; empty: it is accepted
	asked  bool   // userinfo is asked for although the login is refused
}{
	// Basic
	{name: "oidcc-client-test"},
	{name: "oidcc-client-test-invalid-iss", twist: oidctest.Twist{IDToken: set("iss", "https://evil.test")}, cause: "iss"},
	{name: "oidcc-client-test-missing-sub", twist: oidctest.Twist{IDToken: without("sub")}, cause: "sub"},
	{name: "oidcc-client-test-invalid-aud", twist: oidctest.Twist{IDToken: set("aud", "another")}, cause: "aud"},
	{name: "oidcc-client-test-missing-iat", twist: oidctest.Twist{IDToken: without("iat")}, cause: "iat"},
	{name: "oidcc-client-test-kid-absent-single-jwks", twist: oidctest.Twist{IDToken: headerOf("kid", nil), Userinfo: headerOf("kid", nil)}},
	{name: "oidcc-client-test-idtoken-sig-none", twist: oidctest.Twist{Sign: (*oidctest.Provider).Unsigned}, cause: "form of the token"},
	{name: "oidcc-client-test-invalid-sig-rs256", twist: oidctest.Twist{Sign: broken}, cause: "signature"},
	{name: "oidcc-client-test-userinfo-invalid-sub", twist: oidctest.Twist{Userinfo: set("sub", "somebody-else")}, cause: "sub of userinfo", asked: true},
	{name: "oidcc-client-test-nonce-invalid", twist: oidctest.Twist{IDToken: set("nonce", "another")}, cause: "nonce"},
	// Worth adding
	{name: "oidcc-client-test-missing-aud", twist: oidctest.Twist{IDToken: without("aud")}, cause: "aud"},
	{name: "oidcc-client-test-invalid-sig-hs256", cause: "signature", twist: oidctest.Twist{Sign: func(_ *oidctest.Provider, header, claims object) string {
		return oidctest.SignHMAC([]byte(oidctest.ClientSecret), header, claims)
	}}},
	{name: "oidcc-client-test-invalid-sig-es256", twist: oidctest.Twist{Sign: (*oidctest.Provider).SignES256}, cause: "signature"},
	{name: "oidcc-client-test-invalid-athash", twist: oidctest.Twist{IDToken: set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")}, cause: "at_hash"},
	{name: "oidcc-client-test-aggregated-claims", twist: oidctest.Twist{IDToken: func(_, claims object) {
		claims["_claim_names"] = object{"address": "src1"}
		claims["_claim_sources"] = object{"src1": object{"JWT": "e30.e30.e30"}}
	}}},
	{name: "oidcc-client-test-distributed-claims", twist: oidctest.Twist{IDToken: func(_, claims object) {
		claims["_claim_names"] = object{"individual_id": "src1"}
		claims["_claim_sources"] = object{"src1": object{"endpoint": "http://127.0.0.1:1/", "access_token": "x"}}
	}}},
	// FAPI 2
	{name: "fapi2-invalid-authorization-response-iss", twist: oidctest.Twist{Answer: func(q url.Values) { q.Set("iss", "https://evil.test") }}, cause: "iss parameter"},
	{name: "fapi2-remove-authorization-response-iss", twist: oidctest.Twist{Answer: func(q url.Values) { q.Del("iss") }}, cause: "iss parameter"},
	{name: "fapi2-invalid-secondary-aud", twist: oidctest.Twist{IDToken: set("aud", []string{oidctest.ClientID, "another"})}, cause: "aud"},
	{name: "fapi2-valid-aud-as-array", twist: oidctest.Twist{IDToken: set("aud", []string{oidctest.ClientID})}},
	{name: "fapi2-missing-nonce", twist: oidctest.Twist{IDToken: without("nonce")}, cause: "nonce"},
	{name: "fapi2-missing-iss", twist: oidctest.Twist{IDToken: without("iss")}, cause: "iss"},
	{name: "fapi2-missing-exp", twist: oidctest.Twist{IDToken: without("exp")}, cause: "exp"},
	{name: "fapi2-invalid-expired-exp", twist: oidctest.Twist{IDToken: shift("exp", -5*time.Minute)}, cause: "exp"},
	{name: "fapi2-token-type-case-insensitivity", twist: oidctest.Twist{Token: func(answer object) { answer["token_type"] = "bEARER" }}},
	{name: "fapi2-no-expires-in", twist: oidctest.Twist{Token: func(answer object) { delete(answer, "expires_in") }}},
	// The authorization answer
	{name: "iss not announced and absent", twist: oidctest.Twist{Discovery: noIssuer, Answer: func(q url.Values) { q.Del("iss") }}},
	{name: "iss not announced but wrong", twist: oidctest.Twist{Discovery: noIssuer, Answer: func(q url.Values) { q.Set("iss", "https://evil.test") }}, cause: "iss parameter"},
	// The token answer
	{name: "no id_token", twist: oidctest.Twist{Token: func(answer object) { delete(answer, "id_token") }}, cause: "id_token missing"},
	{name: "id_token is a number", twist: oidctest.Twist{Token: func(answer object) { answer["id_token"] = 7 }}, cause: "id_token missing"},
	{name: "token_type mac", twist: oidctest.Twist{Token: func(answer object) { answer["token_type"] = "mac" }}, cause: "token_type"},
	{name: "no token_type", twist: oidctest.Twist{Token: func(answer object) { delete(answer, "token_type") }}, cause: "token_type"},
	{name: "token endpoint down", twist: oidctest.Twist{TokenStatus: 500}, cause: "token endpoint"},
	// The ID token
	{name: "PS256", twist: oidctest.Twist{IDToken: headerOf("alg", "PS256")}},
	{name: "RS384 in the header", twist: oidctest.Twist{IDToken: headerOf("alg", "RS384")}, cause: "signature"},
	{name: "PS256 not allowed", config: func(c *web.LoginProvider) { c.SigningAlgorithms = []string{"RS256"} }, twist: oidctest.Twist{IDToken: headerOf("alg", "PS256")}, cause: "signature"},
	{name: "unknown kid", twist: oidctest.Twist{IDToken: headerOf("kid", "nobody's")}, cause: "signature"},
	{name: "crit", twist: oidctest.Twist{IDToken: headerOf("crit", []string{"exp"})}, cause: "signature"},
	{name: "typ of an access token", twist: oidctest.Twist{IDToken: headerOf("typ", "at+jwt")}, cause: "typ"},
	{name: "typ of a logout token", twist: oidctest.Twist{IDToken: headerOf("typ", "logout+jwt")}, cause: "typ"},
	{name: "no typ", twist: oidctest.Twist{IDToken: headerOf("typ", nil)}},
	{name: "iat too old", twist: oidctest.Twist{IDToken: shift("iat", -11*time.Minute)}, cause: "iat"},
	{name: "iat in the future", twist: oidctest.Twist{IDToken: shift("iat", time.Hour)}, cause: "iat"},
	{name: "iat half a minute ahead", twist: oidctest.Twist{IDToken: shift("iat", 30*time.Second)}},
	{name: "iat is text", twist: oidctest.Twist{IDToken: set("iat", "yesterday")}, cause: "ID token"},
	{name: "nbf in the future", twist: oidctest.Twist{IDToken: shift("nbf", time.Hour)}, cause: "nbf"},
	{name: "exp is text", twist: oidctest.Twist{IDToken: set("exp", "tomorrow")}, cause: "ID token"},
	{name: "sub empty", twist: oidctest.Twist{IDToken: set("sub", "")}, cause: "sub"},
	{name: "sub too long", twist: oidctest.Twist{IDToken: set("sub", strings.Repeat("s", 256))}, cause: "sub"},
	{name: "sub not ASCII", twist: oidctest.Twist{IDToken: set("sub", "zoë")}, cause: "sub"},
	{name: "sub a number", twist: oidctest.Twist{IDToken: set("sub", 4711)}, cause: "ID token"},
	{name: "Sub for sub", twist: oidctest.Twist{IDToken: func(_, claims object) { claims["Sub"] = claims["sub"]; delete(claims, "sub") }}, cause: "sub"},
	{name: "Nonce for nonce", twist: oidctest.Twist{IDToken: func(_, claims object) { claims["Nonce"] = claims["nonce"]; delete(claims, "nonce") }}, cause: "nonce"},
	{name: "azp ours", twist: oidctest.Twist{IDToken: set("azp", oidctest.ClientID)}},
	{name: "azp another", twist: oidctest.Twist{IDToken: set("azp", "another")}, cause: "azp"},
	{name: "azp null", twist: oidctest.Twist{IDToken: set("azp", nil)}, cause: "azp"},
	{name: "no at_hash", twist: oidctest.Twist{IDToken: without("at_hash")}},
	{name: "at_hash a number", twist: oidctest.Twist{IDToken: set("at_hash", 1)}, cause: "ID token"},
	{name: "auth_time in the future", twist: oidctest.Twist{IDToken: shift("auth_time", time.Hour)}, cause: "auth_time"},
	{name: "auth_time is text", twist: oidctest.Twist{IDToken: set("auth_time", "now")}, cause: "auth_time"},
	{name: "iss with a slash more", twist: oidctest.Twist{IDToken: func(_, claims object) { claims["iss"] = claims["iss"].(string) + "/" }}, cause: "iss"},
	{name: "id_token_issuer", config: func(c *web.LoginProvider) { c.IDTokenIssuer = "https://esignet.test/v1/esignet" },
		twist: oidctest.Twist{IDToken: set("iss", "https://esignet.test/v1/esignet")}},
	{name: "id_token_issuer not used", config: func(c *web.LoginProvider) { c.IDTokenIssuer = "https://esignet.test/v1/esignet" }, cause: "iss"},
	{name: "JSON serialization", cause: "form of the token", twist: oidctest.Twist{Sign: func(p *oidctest.Provider, header, claims object) string {
		part := strings.Split(p.Sign(header, claims), ".")
		return `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`
	}}},
	{name: "padding", cause: "form of the token", twist: oidctest.Twist{Sign: func(p *oidctest.Provider, header, claims object) string {
		return p.Sign(header, claims) + "=="
	}}},
	{name: "huge", cause: "form of the token", twist: oidctest.Twist{IDToken: set("x", strings.Repeat("x", 100_000))}},
	{name: "payload is a list", cause: "ID token", twist: oidctest.Twist{Sign: func(p *oidctest.Provider, header, claims object) string {
		return p.SignText(header, `["sub"]`)
	}}},
	// How the person authenticated
	{name: "acr as asked", config: acr, twist: oidctest.Twist{IDToken: set("acr", "gold")}},
	{name: "acr weaker", config: acr, twist: oidctest.Twist{IDToken: set("acr", "tin")}, cause: "acr"},
	{name: "acr not stated", config: acr},
	{name: "acr essential and not stated", config: essential, cause: "acr"},
	{name: "acr essential and stated", config: essential, twist: oidctest.Twist{IDToken: set("acr", "gold")}},
	// Userinfo
	{name: "oidcc-client-test-userinfo-signed", twist: oidctest.Twist{Userinfo: func(_, claims object) { claims["aud"] = oidctest.ClientID }}},
	{name: "userinfo iss another", twist: oidctest.Twist{Userinfo: set("iss", "https://evil.test")}, cause: "iss of userinfo", asked: true},
	{name: "userinfo aud another", twist: oidctest.Twist{Userinfo: set("aud", "another")}, cause: "aud of userinfo", asked: true},
	{name: "userinfo expired", twist: oidctest.Twist{Userinfo: set("exp", time.Now().Add(-time.Hour).Unix())}, cause: "exp of userinfo", asked: true},
	{name: "userinfo is an ID token", twist: oidctest.Twist{Userinfo: set("nonce", "n")}, cause: "userinfo is an ID token", asked: true},
	{name: "userinfo alg none", twist: oidctest.Twist{SignUserinfo: (*oidctest.Provider).Unsigned}, cause: "form of the token", asked: true},
	{name: "userinfo bad signature", twist: oidctest.Twist{SignUserinfo: broken}, cause: "signature", asked: true},
	{name: "userinfo HS256", twist: oidctest.Twist{SignUserinfo: func(_ *oidctest.Provider, header, claims object) string {
		return oidctest.SignHMAC([]byte(oidctest.ClientSecret), header, claims)
	}}, cause: "signature", asked: true},
	{name: "userinfo says it is JSON", twist: oidctest.Twist{UserinfoType: "application/json"}, cause: "userinfo is not signed", asked: true},
	{name: "userinfo without a type", twist: oidctest.Twist{UserinfoType: "/"}, cause: "content type of userinfo", asked: true},
	{name: "userinfo without sub", twist: oidctest.Twist{Userinfo: without("sub")}, cause: "sub of userinfo", asked: true},
	{name: "userinfo down", twist: oidctest.Twist{Handle: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == oidctest.Userinfo {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}}, cause: "userinfo: answered 502", asked: true},
	{name: "userinfo endless", twist: oidctest.Twist{Userinfo: set("x", strings.Repeat("x", 2<<20))}, cause: "too large", asked: true},
	// The mapping's ID
	{name: "claim missing", twist: oidctest.Twist{Userinfo: without("individual_id")}, cause: "claim individual_id missing", asked: true},
	{name: "claim a number", twist: oidctest.Twist{Userinfo: set("individual_id", 4711)}, cause: "claim individual_id", asked: true},
	{name: "claim null", twist: oidctest.Twist{Userinfo: set("individual_id", nil)}, cause: "claim individual_id", asked: true},
	{name: "claim empty", twist: oidctest.Twist{Userinfo: set("individual_id", "")}, cause: "claim individual_id", asked: true},
	{name: "claim with @", twist: oidctest.Twist{Userinfo: set("individual_id", "1@nationalid")}, cause: "claim individual_id", asked: true},
	{name: "claim with :", twist: oidctest.Twist{Userinfo: set("individual_id", "a:1")}, cause: "claim individual_id", asked: true},
	{name: "claim with a space", twist: oidctest.Twist{Userinfo: set("individual_id", "4711 ")}, cause: "claim individual_id", asked: true},
	{name: "claim with a line feed", twist: oidctest.Twist{Userinfo: set("individual_id", "4711\n")}, cause: "claim individual_id", asked: true},
	{name: "claim not ASCII", twist: oidctest.Twist{Userinfo: set("individual_id", "٤٧١١")}, cause: "claim individual_id", asked: true},
	{name: "claim in braces", twist: oidctest.Twist{Userinfo: set("individual_id", "{sub}")}, cause: "claim individual_id", asked: true},
	{name: "claim differs between the tokens", twist: oidctest.Twist{IDToken: set("individual_id", "4712")}, cause: "claim individual_id", asked: true},
	{name: "claim from the ID token", config: func(c *web.LoginProvider) { c.Userinfo = "none" }, twist: oidctest.Twist{IDToken: set("individual_id", "4711081547")}},
}

func noIssuer(document object) { delete(document, "authorization_response_iss_parameter_supported") }

func acr(c *web.LoginProvider) { c.ACRValues = "gold silver" }

func essential(c *web.LoginProvider) {
	acr(c)
	c.Claims = map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": true}}}
}

func TestModules(t *testing.T) {
	for _, module := range modules {
		t.Run(module.name, func(t *testing.T) {
			a, p := newLogin(t, module.config)
			p.Twist(module.twist)
			browser := newBrowser(t)
			status, text, at := a.page(browser, "/auth/login/national-id")
			user := a.user(browser)
			if module.cause == "" {
				if user != "token:4711081547@nationalid" || at != "/account" || status != http.StatusOK {
					t.Errorf("got %d at %s, signed in as %q\n%s", status, at, user, a.log)
				}
				return
			}
			if user != "" {
				t.Errorf("signed in as %s", user)
			}
			if status != http.StatusForbidden && status != http.StatusServiceUnavailable || !strings.HasPrefix(at, "/auth/failed/") {
				t.Errorf("got %d at %s", status, at)
			}
			if !strings.Contains(text, `href="/auth/login/national-id"`) || strings.Contains(text, "Ana Marker") {
				t.Errorf("page: %s", text)
			}
			if log := a.log.String(); !strings.Contains(log, module.cause) {
				t.Errorf("the log does not say %q: %s", module.cause, log)
			}
			if asked := len(p.Requests(oidctest.Userinfo)) > 0; asked != module.asked {
				t.Errorf("userinfo asked for: %v, want %v", asked, module.asked)
			}
		})
	}
}

// The log and the pages' addresses hold no code, token, nonce or personal data, whether a login worked or not.
func TestLoginLeavesNoTrace(t *testing.T) {
	for _, twist := range []oidctest.Twist{{}, {IDToken: set("iss", "https://evil.test")}, {Userinfo: set("individual_id", "4711081547@x")}, {Sign: broken}} {
		a, p := newLogin(t, nil)
		p.Twist(twist)
		browser := newBrowser(t)
		callback := a.callbackURL(browser, "/auth/login/national-id")
		resp := step(t, browser, callback.String())
		if resp.StatusCode != http.StatusSeeOther {
			t.Errorf("callback: got %s", resp.Status)
		}
		q := callback.Query()
		for _, secret := range []string{q.Get("code"), q.Get("state"), "4711081547", "Ana Marker", "Psut_aB-1", oidctest.ClientSecret, "eyJ"} {
			for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(a.log.String(), form) {
					t.Errorf("the log holds %q: %s", form, a.log)
				}
				if strings.Contains(resp.Header.Get("Location"), form) {
					t.Errorf("the address holds %q: %s", form, resp.Header.Get("Location"))
				}
				if strings.Contains(strings.Join(resp.Header["Set-Cookie"], "\n"), form) {
					t.Errorf("a cookie holds %q", form)
				}
			}
		}
	}
}
