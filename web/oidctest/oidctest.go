// Package oidctest is an OpenID provider for tests that does what a test tells it to, also what no provider may do. It
// logs everybody in at once as one person, checks the relying party's requests as strictly as a provider would, and
// records them. Only tests import it.
package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The client that the provider knows.
const (
	ClientID     = "spar"
	ClientSecret = "s3cret/with+signs:and spaces"
)

// Object is a JSON object that a test may change.
type Object map[string]any

// Twist is how the provider misbehaves. Every member may be nil.
type Twist struct {
	Discovery    func(document Object)
	Authorize    func(q url.Values)                                // the request, before it is answered
	Answer       func(q url.Values)                                // the answer through the browser
	TokenStatus  int                                               // instead of 200
	Token        func(answer Object)                               // the token answer
	Access       func(p *Provider, header, claims Object) string   // makes a JWT of the access token, which is opaque otherwise
	IDToken      func(header, claims Object)                       // before signing
	Sign         func(p *Provider, header, claims Object) string   // instead of signing the ID token
	Userinfo     func(header, claims Object)                       // before signing
	SignUserinfo func(p *Provider, header, claims Object) string   // instead of signing userinfo
	UserinfoType string                                            // instead of the right content type
	Handle       func(w http.ResponseWriter, r *http.Request) bool // takes a request over if it returns true
}

// Request is one request that the provider got.
type Request struct {
	Method, Path string
	Query, Form  url.Values
	Header       http.Header
}

// Provider is the provider.
type Provider struct {
	*httptest.Server
	Now func() time.Time

	mu         sync.Mutex
	twist      Twist
	person     Object // claims of whoever logs in
	signed     bool   // userinfo
	auth       string
	clientKey  crypto.PublicKey
	keys       []Key // published; the last one signs
	requests   []Request
	session    string                // sid of the last login
	granted    map[string]url.Values // by code
	assertions map[string]bool
}

// Key is a signing key of the provider.
type Key struct {
	ID      string
	Use     string // sig or enc
	Private *rsa.PrivateKey
}

// NewKey makes a key of so many bits.
func NewKey(t testing.TB, id, use string, bits int) Key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, Use: use, Private: private}
}

// firstKey is every provider's first key: making one takes longer than a whole login.
var firstKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// New starts a provider whose client authenticates with the given method; clientKey is for private_key_jwt.
func New(t testing.TB, auth string, clientKey crypto.PublicKey, now func() time.Time) *Provider {
	t.Helper()
	key, err := firstKey()
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{
		Now: now, auth: auth, clientKey: clientKey, keys: []Key{{ID: "key-1", Use: "sig", Private: key}}, signed: true,
		granted: map[string]url.Values{}, assertions: map[string]bool{},
	}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	p.Person(Object{"sub": "Psut_aB-1", "individual_id": "4711081547", "name": "Ana Marker"})
	return p
}

// Twist makes the provider misbehave from now on.
func (p *Provider) Twist(twist Twist) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.twist = twist
}

// Person says who logs in from now on, by the claims about them.
func (p *Provider) Person(claims Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person = claims
}

// PlainUserinfo lets the provider answer userinfo as JSON.
func (p *Provider) PlainUserinfo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signed = false
}

// Rotate publishes other keys; the last one signs.
func (p *Provider) Rotate(keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

// Key is the key that signs.
func (p *Provider) Key() Key { return p.keys[len(p.keys)-1] }

// Requests returns what the provider got under a path.
func (p *Provider) Requests(path string) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Request
	for _, r := range p.requests {
		if r.Path == path {
			list = append(list, r)
		}
	}
	return list
}

// Paths of the endpoints.
const (
	Discovery  = "/.well-known/openid-configuration"
	Authorize  = "/authorize"
	Token      = "/token"
	Keys       = "/keys"
	Userinfo   = "/userinfo"
	EndSession = "/end_session"
)

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "form", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, Request{r.Method, r.URL.Path, r.URL.Query(), r.PostForm, r.Header.Clone()})
	handle := p.twist.Handle
	p.mu.Unlock()
	if handle != nil && handle(w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case Discovery:
		p.discovery(w)
	case Authorize:
		p.authorize(w, r)
	case Token:
		p.token(w, r)
	case Keys:
		p.publish(w)
	case Userinfo:
		p.userinfo(w, r)
	case EndSession:
		http.Redirect(w, r, r.FormValue("post_logout_redirect_uri")+"?state="+url.QueryEscape(r.FormValue("state")), http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery(w http.ResponseWriter) {
	document := Object{
		"issuer": p.URL, "authorization_endpoint": p.URL + Authorize, "token_endpoint": p.URL + Token, "jwks_uri": p.URL + Keys,
		"userinfo_endpoint": p.URL + Userinfo, "end_session_endpoint": p.URL + EndSession,
		"id_token_signing_alg_values_supported":          []string{"RS256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true, "backchannel_logout_session_supported": true,
	}
	if p.twist.Discovery != nil {
		p.twist.Discovery(document)
	}
	writeJSON(w, http.StatusOK, document)
}

func (p *Provider) publish(w http.ResponseWriter) {
	var set jose.JSONWebKeySet
	for _, key := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Private.Public(), KeyID: key.ID, Use: key.Use, Algorithm: "RS256"})
	}
	writeJSON(w, http.StatusOK, set)
}

// authorize refuses what is missing and answers everything else with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || q.Get("state") == "" || !strings.Contains(" "+q.Get("scope")+" ", " openid ") {
		http.Error(w, "bad authorization request", http.StatusBadRequest)
		return
	}
	if p.twist.Authorize != nil {
		p.twist.Authorize(q)
	}
	code := rand.Text()
	p.granted[code] = q
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	if p.twist.Answer != nil {
		p.twist.Answer(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if problem := p.authenticate(r); problem != "" {
		writeJSON(w, http.StatusUnauthorized, Object{"error": "invalid_client", "error_description": problem})
		return
	}
	granted, ok := p.granted[r.PostForm.Get("code")]
	delete(p.granted, r.PostForm.Get("code"))
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || r.PostForm.Get("grant_type") != "authorization_code" || r.PostForm.Get("redirect_uri") != granted.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != granted.Get("code_challenge") {
		writeJSON(w, http.StatusBadRequest, Object{"error": "invalid_grant"})
		return
	}
	now := p.Now()
	access := rand.Text()
	if p.twist.Access != nil {
		access = p.twist.Access(p, Object{"alg": "RS256", "typ": "JWT", "kid": p.Key().ID}, Object{
			"iss": p.URL, "sub": p.person["sub"], "aud": "account", "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
			"typ": "Bearer", "azp": ClientID,
		})
	}
	hash := sha256.Sum256([]byte(access))
	p.session = rand.Text()
	header := Object{"alg": "RS256", "typ": "JWT", "kid": p.Key().ID}
	claims := Object{
		"iss": p.URL, "sub": p.person["sub"], "aud": ClientID, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
		"auth_time": now.Unix(), "nonce": granted.Get("nonce"), "sid": p.session, "at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]),
	}
	if p.twist.IDToken != nil {
		p.twist.IDToken(header, claims)
	}
	sign := (*Provider).Sign
	if p.twist.Sign != nil {
		sign = p.twist.Sign
	}
	answer := Object{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": sign(p, header, claims)}
	if p.twist.Token != nil {
		p.twist.Token(answer)
	}
	status := http.StatusOK
	if p.twist.TokenStatus != 0 {
		status = p.twist.TokenStatus
	}
	writeJSON(w, status, answer)
}

// LogoutEvent is the event of logout tokens.
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout makes a logout token for the person and their last session, as it should be and before it is signed.
func (p *Provider) Logout() (header, claims Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	return Object{"alg": "RS256", "typ": "logout+jwt", "kid": p.Key().ID}, Object{
		"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"sub": p.person["sub"], "sid": p.session, "events": Object{LogoutEvent: Object{}},
	}
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Form.Has("access_token") {
		http.Error(w, "no bearer token", http.StatusUnauthorized)
		return
	}
	header, claims := Object{"alg": "RS256", "typ": "JWT", "kid": p.Key().ID}, Object{}
	for name, value := range p.person {
		claims[name] = value
	}
	if p.twist.Userinfo != nil {
		p.twist.Userinfo(header, claims)
	}
	contentType := "application/json"
	var body []byte
	if p.signed {
		contentType = "application/jwt"
		sign := (*Provider).Sign
		if p.twist.SignUserinfo != nil {
			sign = p.twist.SignUserinfo
		}
		body = []byte(sign(p, header, claims))
	} else {
		body, _ = json.Marshal(claims)
	}
	if p.twist.UserinfoType != "" {
		contentType = p.twist.UserinfoType
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
