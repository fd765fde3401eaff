package demo_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"spar/internal/demo"
)

const redirectURI = "http://127.0.0.1:8080/oauth2/callback"

// relyingParty is a client of the demo provider made of go-oidc and x/oauth2, and a browser without script.
type relyingParty struct {
	*demo.Provider
	ctx      context.Context
	key      *rsa.PrivateKey
	keyID    string
	config   oauth2.Config
	oidc     *oidc.Provider
	browser  *http.Client
	verifier string
	state    string
	nonce    string
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := demo.RSAKey(filepath.Join(t.TempDir(), "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRelyingParty(t *testing.T, staff bool) *relyingParty {
	t.Helper()
	rp := &relyingParty{ctx: t.Context(), key: newKey(t), verifier: oauth2.GenerateVerifier(), state: "state-1234567890", nonce: "nonce-1234567890"}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp.Handler().ServeHTTP(w, r)
	}))
	issuer := "http://" + server.Listener.Addr().String()
	var err error
	rp.Provider, err = demo.NewProvider(demo.ProviderOptions{Issuer: issuer, Key: newKey(t), Clients: []demo.Client{{
		ID: "spar", Name: "SPAR", RedirectURIs: []string{redirectURI}, PostLogoutRedirectURIs: []string{"http://127.0.0.1:8080/"},
		Key: rp.key.Public(), Staff: staff,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	if rp.keyID, err = demo.KeyID(rp.key.Public()); err != nil {
		t.Fatal(err)
	}
	if rp.oidc, err = oidc.NewProvider(rp.ctx, issuer); err != nil {
		t.Fatal(err)
	}
	endpoint := rp.oidc.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	rp.config = oauth2.Config{ClientID: "spar", RedirectURL: redirectURI, Endpoint: endpoint, Scopes: []string{"openid", "profile"}}
	rp.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return rp
}

// authorizeURL is a good authorization request, changed by the given parameters.
func (rp *relyingParty) authorizeURL(change url.Values) string {
	address := rp.config.AuthCodeURL(rp.state, oidc.Nonce(rp.nonce), oauth2.S256ChallengeOption(rp.verifier))
	u, _ := url.Parse(address)
	q := u.Query()
	for name, values := range change {
		q.Del(name)
		if values[0] != "" {
			q[name] = values
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (rp *relyingParty) do(t *testing.T, method, address string, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(rp.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := rp.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// loginID starts a login and returns the id on the login page.
func (rp *relyingParty) loginID(t *testing.T) string {
	t.Helper()
	response := rp.do(t, http.MethodGet, rp.authorizeURL(nil), nil)
	if response.StatusCode != http.StatusFound {
		t.Fatalf("authorize: got %s", response.Status)
	}
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	page := rp.do(t, http.MethodGet, to.String(), nil)
	document, err := goquery.NewDocumentFromReader(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	id, ok := document.Find("form input[name=id]").Attr("value")
	if !ok {
		t.Fatal("the login page has no login id")
	}
	return id
}

// code logs a person in and returns the answer to the client.
func (rp *relyingParty) code(t *testing.T, person string) url.Values {
	t.Helper()
	response := rp.do(t, http.MethodPost, rp.Issuer()+"/login", url.Values{"id": {rp.loginID(t)}, "person": {person}})
	if response.StatusCode != http.StatusSeeOther {
		t.Fatalf("log in: got %s", response.Status)
	}
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	answer := rp.do(t, http.MethodGet, to.String(), nil)
	back, err := answer.Location()
	if err != nil {
		t.Fatalf("callback: %s: %v", answer.Status, err)
	}
	if got := back.Scheme + "://" + back.Host + back.Path; got != redirectURI {
		t.Fatalf("got back to %s, want %s", got, redirectURI)
	}
	return back.Query()
}

// assertion is a good client assertion, changed by the given claims; nil removes one.
func (rp *relyingParty) assertion(t *testing.T, key *rsa.PrivateKey, change map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{"iss": "spar", "sub": "spar", "aud": rp.Issuer(), "iat": now.Unix(),
		"exp": now.Add(time.Minute).Unix(), "jti": oauth2.GenerateVerifier()}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: rp.keyID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// exchange trades a code for tokens with a given assertion and verifier.
func (rp *relyingParty) exchange(code, assertion, verifier string) (*oauth2.Token, error) {
	return rp.config.Exchange(rp.ctx, code, oauth2.VerifierOption(verifier),
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion))
}

func (rp *relyingParty) logIn(t *testing.T, person string) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	token, err := rp.exchange(rp.code(t, person).Get("code"), rp.assertion(t, rp.key, nil), rp.verifier)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := rp.oidc.Verifier(&oidc.Config{ClientID: "spar", SupportedSigningAlgs: []string{"RS256"}}).Verify(rp.ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

func (rp *relyingParty) userinfo(t *testing.T, accessToken string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(rp.ctx, http.MethodGet, rp.oidc.UserInfoEndpoint(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	response, err := rp.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestLoginFromDiscoveryToLogout(t *testing.T) {
	rp := newRelyingParty(t, false)
	before := time.Now().Truncate(time.Second)
	token, id := rp.logIn(t, "siobhan-okeefe")

	var claims struct {
		AuthTime int64  `json:"auth_time"`
		Name     string `json:"name"`
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if id.Nonce != rp.nonce || claims.AuthTime < before.Unix() || claims.AuthTime > time.Now().Unix() || claims.Name != "" {
		t.Errorf("ID token: nonce %q, auth_time %d, name %q", id.Nonce, claims.AuthTime, claims.Name)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}

	response := rp.userinfo(t, token.AccessToken)
	if got := response.Header.Get("Content-Type"); got != "application/jwt" {
		t.Fatalf("userinfo is %s", got)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := rp.oidc.Verifier(&oidc.Config{ClientID: "spar", SkipExpiryCheck: true}).Verify(rp.ctx, string(text))
	if err != nil {
		t.Fatalf("userinfo signature: %v", err)
	}
	var person struct {
		IndividualID string `json:"individual_id"`
		Name         string `json:"name"`
		Phone        string `json:"phone_number"`
		Email        string `json:"email"`
		RealmAccess  any    `json:"realm_access"`
	}
	if err := signed.Claims(&person); err != nil {
		t.Fatal(err)
	}
	if signed.Subject != id.Subject || person.IndividualID != "9903316482" || person.Name != "Siobhán O'Keeffe" ||
		person.Phone != "+12025550103" || person.Email != "siobhan.okeeffe@example.org" || person.RealmAccess != nil {
		t.Errorf("userinfo: got %+v for %s", person, signed.Subject)
	}

	out := rp.do(t, http.MethodGet, rp.Issuer()+"/end_session?"+url.Values{
		"id_token_hint": {token.Extra("id_token").(string)}, "client_id": {"spar"}, "state": {"bye"},
		"post_logout_redirect_uri": {"http://127.0.0.1:8080/"},
	}.Encode(), nil)
	if got := out.Header.Get("Location"); got != "http://127.0.0.1:8080/?state=bye" {
		t.Errorf("logout leads to %q (%s)", got, out.Status)
	}
	if got := rp.userinfo(t, token.AccessToken).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("userinfo after logout: got %d", got)
	}
}

func TestDiscoveryAnnouncesWhatIsServed(t *testing.T) {
	rp := newRelyingParty(t, false)
	var d map[string]any
	if err := rp.oidc.Claims(&d); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"userinfo_signing_alg_values_supported":          `["RS256"]`,
		"token_endpoint_auth_methods_supported":          `["private_key_jwt"]`,
		"response_types_supported":                       `["code"]`,
		"grant_types_supported":                          `["authorization_code"]`,
		"subject_types_supported":                        `["pairwise"]`,
		"code_challenge_methods_supported":               `["S256"]`,
		"authorization_response_iss_parameter_supported": `true`,
		"end_session_endpoint":                           `"` + rp.Issuer() + `/end_session"`,
		"introspection_endpoint":                         `null`,
		"device_authorization_endpoint":                  `null`,
	} {
		if got, _ := json.Marshal(d[name]); string(got) != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestAnswerNamesIssuerAndState(t *testing.T) {
	rp := newRelyingParty(t, false)
	answer := rp.code(t, "amina-diallo")
	if answer.Get("iss") != rp.Issuer() || answer.Get("state") != rp.state || answer.Get("code") == "" {
		t.Errorf("got %v", answer)
	}
}

func TestSubjectsArePairwiseAndLasting(t *testing.T) {
	key := newKey(t)
	subject := func(staff bool, clientID string) string {
		rp := newRelyingParty(t, staff)
		again, err := demo.NewProvider(demo.ProviderOptions{Issuer: rp.Issuer(), Key: key, Clients: []demo.Client{
			{ID: clientID, RedirectURIs: []string{redirectURI}, Key: rp.key.Public()}}})
		if err != nil {
			t.Fatal(err)
		}
		rp.Provider, rp.config.ClientID = again, clientID
		if rp.oidc, err = oidc.NewProvider(rp.ctx, rp.Issuer()); err != nil {
			t.Fatal(err)
		}
		token, err := rp.exchange(rp.code(t, "kwame-mensah").Get("code"),
			rp.assertion(t, rp.key, map[string]any{"iss": clientID, "sub": clientID}), rp.verifier)
		if err != nil {
			t.Fatal(err)
		}
		id, err := rp.oidc.Verifier(&oidc.Config{ClientID: clientID}).Verify(rp.ctx, token.Extra("id_token").(string))
		if err != nil {
			t.Fatal(err)
		}
		return id.Subject
	}
	first, second, other := subject(false, "spar"), subject(false, "spar"), subject(false, "other")
	if first != second {
		t.Error("a restart with the same key changed the subject")
	}
	if first == other {
		t.Error("two clients were told the same subject")
	}
}

func TestRolesOnlyForStaffAndTheirClient(t *testing.T) {
	for _, test := range []struct {
		name, person string
		staffClient  bool
		want         bool
	}{
		{"staff at the staff client", "ines-carvalho", true, true},
		{"staff at the people's client", "ines-carvalho", false, false},
		{"a person at the staff client", "amina-diallo", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, id := newRelyingParty(t, test.staffClient).logIn(t, test.person)
			var claims struct {
				RealmAccess struct {
					Roles []string `json:"roles"`
				} `json:"realm_access"`
			}
			if err := id.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			if got := len(claims.RealmAccess.Roles) > 0; got != test.want {
				t.Errorf("roles: got %v", claims.RealmAccess.Roles)
			}
		})
	}
}

func TestRefusesAuthorizationRequests(t *testing.T) {
	rp := newRelyingParty(t, false)
	for _, test := range []struct {
		name   string
		change url.Values
		want   string // error sent back to the client; empty: the browser goes nowhere
	}{
		{"foreign redirect URI", url.Values{"redirect_uri": {"https://evil.example/oauth2/callback"}}, ""},
		{"redirect URI with more path", url.Values{"redirect_uri": {redirectURI + "/more"}}, ""},
		{"unknown client", url.Values{"client_id": {"stranger"}}, ""},
		{"implicit flow", url.Values{"response_type": {"id_token"}}, ""},
		{"no PKCE", url.Values{"code_challenge": {""}}, "invalid_request"},
		{"plain PKCE", url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"no nonce", url.Values{"nonce": {""}}, "invalid_request"},
		{"no openid scope", url.Values{"scope": {"profile"}}, "invalid_scope"},
		{"form_post", url.Values{"response_mode": {"form_post"}}, "invalid_request"},
		{"silent login", url.Values{"prompt": {"none"}}, "login_required"},
	} {
		t.Run(test.name, func(t *testing.T) {
			response := rp.do(t, http.MethodGet, rp.authorizeURL(test.change), nil)
			if test.want == "" {
				if response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" {
					t.Errorf("got %s, Location %q", response.Status, response.Header.Get("Location"))
				}
				return
			}
			to, err := response.Location()
			if err != nil {
				body, _ := io.ReadAll(response.Body)
				t.Fatalf("got %s %s", response.Status, body)
			}
			if q := to.Query(); q.Get("error") != test.want || q.Get("iss") != rp.Issuer() || q.Get("code") != "" {
				t.Errorf("got %s", to)
			}
		})
	}
}

func TestRefusesTokenRequests(t *testing.T) {
	stranger := newKey(t)
	for _, test := range []struct {
		name     string
		key      *rsa.PrivateKey
		claims   map[string]any
		verifier string
		want     string
	}{
		{name: "wrong verifier", verifier: oauth2.GenerateVerifier(), want: "invalid_grant"},
		{name: "somebody else's key", key: stranger, want: "invalid_client"},
		{name: "other audience", claims: map[string]any{"aud": "https://other.example"}, want: "invalid_client"},
		{name: "other client", claims: map[string]any{"iss": "other", "sub": "other"}, want: "invalid_client"},
		{name: "subject is not issuer", claims: map[string]any{"sub": "other"}, want: "invalid_client"},
		{name: "expired", claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, want: "invalid_client"},
		{name: "expires in an hour", claims: map[string]any{"exp": time.Now().Add(time.Hour).Unix()}, want: "invalid_client"},
		{name: "no exp", claims: map[string]any{"exp": nil}, want: "invalid_client"},
		{name: "no iat", claims: map[string]any{"iat": nil}, want: "invalid_client"},
		{name: "no jti", claims: map[string]any{"jti": nil}, want: "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rp := newRelyingParty(t, false)
			key, verifier := rp.key, rp.verifier
			if test.key != nil {
				key = test.key
			}
			if test.verifier != "" {
				verifier = test.verifier
			}
			_, err := rp.exchange(rp.code(t, "amina-diallo").Get("code"), rp.assertion(t, key, test.claims), verifier)
			wantError(t, err, test.want)
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.ErrorCode != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAcceptsTokenEndpointAsAudience(t *testing.T) {
	rp := newRelyingParty(t, false)
	assertion := rp.assertion(t, rp.key, map[string]any{"aud": rp.config.Endpoint.TokenURL})
	if _, err := rp.exchange(rp.code(t, "amina-diallo").Get("code"), assertion, rp.verifier); err != nil {
		t.Error(err)
	}
}

func TestRefusesMissingAssertion(t *testing.T) {
	rp := newRelyingParty(t, false)
	_, err := rp.config.Exchange(rp.ctx, rp.code(t, "amina-diallo").Get("code"), oauth2.VerifierOption(rp.verifier))
	wantError(t, err, "invalid_client")
}

func TestRefusesReplayedAssertion(t *testing.T) {
	rp := newRelyingParty(t, false)
	assertion := rp.assertion(t, rp.key, nil)
	if _, err := rp.exchange(rp.code(t, "amina-diallo").Get("code"), assertion, rp.verifier); err != nil {
		t.Fatal(err)
	}
	fresh := rp.code(t, "amina-diallo").Get("code")
	_, err := rp.exchange(fresh, assertion, rp.verifier)
	wantError(t, err, "invalid_client")
	if _, err := rp.exchange(fresh, rp.assertion(t, rp.key, nil), rp.verifier); err != nil {
		t.Errorf("a refused client spent the code: %v", err)
	}
}

func TestReplayedCodeWithdrawsTheToken(t *testing.T) {
	rp := newRelyingParty(t, false)
	code := rp.code(t, "amina-diallo").Get("code")
	token, err := rp.exchange(code, rp.assertion(t, rp.key, nil), rp.verifier)
	if err != nil {
		t.Fatal(err)
	}
	if got := rp.userinfo(t, token.AccessToken).StatusCode; got != http.StatusOK {
		t.Fatalf("userinfo: got %d", got)
	}
	_, err = rp.exchange(code, rp.assertion(t, rp.key, nil), rp.verifier)
	wantError(t, err, "invalid_grant")
	if got := rp.userinfo(t, token.AccessToken).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("userinfo after the replay: got %d", got)
	}
}

func TestRefusesForeignLogoutAddress(t *testing.T) {
	rp := newRelyingParty(t, false)
	token, _ := rp.logIn(t, "amina-diallo")
	response := rp.do(t, http.MethodGet, rp.Issuer()+"/end_session?"+url.Values{
		"id_token_hint": {token.Extra("id_token").(string)}, "post_logout_redirect_uri": {"https://evil.example/"},
	}.Encode(), nil)
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" {
		t.Errorf("got %s, Location %q", response.Status, response.Header.Get("Location"))
	}
}
