package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	loginPath      = "/login"
	stylesheetPath = "/login.css"
	maxForm        = 64 << 10 // bytes
)

// ProviderOptions say who the provider is and whom it serves.
type ProviderOptions struct {
	Issuer  string          // its own address, such as http://127.0.0.1:8081; no path
	Key     *rsa.PrivateKey // signs tokens and userinfo; see [RSAKey]
	Clients []Client
	Inbox   *Inbox           // nil: no messages arrive here
	Now     func() time.Time // nil: time.Now
}

// Provider is a login provider for the demo and for tests: OpenID Connect Core with the code flow, PKCE, pairwise
// subjects, private_key_jwt with single-use assertions, signed userinfo, and RP-initiated logout.
type Provider struct {
	issuer  string
	op      *op.Provider
	storage *storage
	signer  jose.Signer
	inbox   *Inbox
	handler http.Handler
}

// NewProvider makes a provider; it serves nothing until its Handler is put behind the issuer's address.
func NewProvider(o ProviderOptions) (*Provider, error) {
	if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || strings.TrimPrefix(u.Path, "/") != "" {
		return nil, errors.New("demo provider: issuer must be a URL without a path")
	}
	if o.Key == nil || len(o.Clients) == 0 {
		return nil, errors.New("demo provider: needs a key and at least one client")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := newStorage(o.Key, o.Clients, o.Now)
	if err != nil {
		return nil, err
	}
	p := &Provider{issuer: strings.TrimSuffix(o.Issuer, "/"), storage: s, inbox: o.Inbox}
	if p.signer, err = op.SignerFromKey(s.key); err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	config := &op.Config{
		CodeMethodS256: true, AuthMethodPrivateKeyJWT: true, DefaultLogoutRedirectURI: p.issuer + "/",
		SupportedScopes: []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeEmail},
		SupportedClaims: []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "individual_id",
			"name", "phone_number", "email", "realm_access"},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	// Plain http is what a loopback address has.
	p.op, err = op.NewProvider(config, s, op.StaticIssuer(p.issuer), op.WithAllowInsecure(), op.WithCORSOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	p.handler = p.routes()
	return p, nil
}

// Issuer is the provider's identifier, and the address to serve it at.
func (p *Provider) Issuer() string { return p.issuer }

// Handler serves the provider.
func (p *Provider) Handler() http.Handler { return p.handler }

// routes lists every endpoint. The library's own router would also offer the implicit flow's company: introspection,
// revocation, device codes, cross-origin access. They are left out, and discovery says so.
func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+oidc.DiscoveryEndpoint, p.discovery)
	mux.HandleFunc("GET "+p.op.KeysEndpoint().Relative(), func(w http.ResponseWriter, r *http.Request) {
		op.Keys(w, r, p.storage)
	})
	authorize := p.op.AuthorizationEndpoint().Relative()
	for _, method := range []string{"GET ", "POST "} {
		mux.HandleFunc(method+authorize, func(w http.ResponseWriter, r *http.Request) {
			op.Authorize(answer{w, p.issuer}, r, p.op)
		})
		mux.HandleFunc(method+p.op.EndSessionEndpoint().Relative(), func(w http.ResponseWriter, r *http.Request) {
			op.EndSession(w, r, p.op)
		})
		mux.HandleFunc(method+p.op.UserinfoEndpoint().Relative(), p.userinfo)
	}
	mux.HandleFunc("GET "+authorize+"/callback", func(w http.ResponseWriter, r *http.Request) {
		op.AuthorizeCallback(answer{w, p.issuer}, r, p.op)
	})
	mux.HandleFunc("POST "+p.op.TokenEndpoint().Relative(), p.token)
	mux.HandleFunc("GET "+loginPath, p.showLogin)
	mux.HandleFunc("POST "+loginPath, p.takeLogin)
	mux.HandleFunc("GET "+stylesheetPath, serveStylesheet)
	mux.HandleFunc("GET /{$}", p.showHome)
	if p.inbox != nil {
		mux.HandleFunc("GET "+inboxPath, p.showInbox)
		mux.HandleFunc("POST "+smsPath, p.inbox.takeSMS)
	}

	var h http.Handler = op.NewIssuerInterceptor(p.op.IssuerFromRequest).Handler(mux)
	return headers(h)
}

// headers puts what every answer needs, and keeps anybody from sending a body that only fills memory.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", policy("'none'"))
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// policy is the content security policy of a page whose forms may lead to the given sources.
func policy(formAction string) string {
	return "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action " + formAction
}

// discovery announces what routes offer, and what the library does not know that we do.
func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	d := op.CreateDiscoveryConfig(r.Context(), p.op, p.storage)
	d.ResponseTypesSupported = []string{string(oidc.ResponseTypeCode)}
	d.ResponseModesSupported = []string{string(oidc.ResponseModeQuery)}
	d.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode}
	d.SubjectTypesSupported = []string{"pairwise"}
	d.TokenEndpointAuthMethodsSupported = []oidc.AuthMethod{oidc.AuthMethodPrivateKeyJWT}
	d.UserinfoSigningAlgValuesSupported = []string{string(jose.RS256)}
	d.IntrospectionEndpoint, d.RevocationEndpoint, d.DeviceAuthorizationEndpoint = "", "", ""
	d.IntrospectionEndpointAuthMethodsSupported, d.IntrospectionEndpointAuthSigningAlgValuesSupported = nil, nil
	d.RevocationEndpointAuthMethodsSupported, d.RevocationEndpointAuthSigningAlgValuesSupported = nil, nil
	writeJSON(w, http.StatusOK, struct {
		*oidc.DiscoveryConfiguration
		IssuerInResponse bool `json:"authorization_response_iss_parameter_supported"`
	}{d, true})
}

// answer adds the issuer to what is sent back to a client's redirect URI (RFC 9207), so that a client of several
// providers knows which one answered.
type answer struct {
	http.ResponseWriter
	issuer string
}

// WriteHeader completes the redirect, if it is one that leaves the provider.
func (a answer) WriteHeader(status int) {
	if to, err := url.Parse(a.Header().Get("Location")); err == nil && to.IsAbs() {
		a.Header().Set("Location", withQuery(to, url.Values{"iss": {a.issuer}}))
	}
	a.ResponseWriter.WriteHeader(status)
}

func withQuery(to *url.URL, more url.Values) string {
	q := to.Query()
	for name, values := range more {
		q[name] = values
	}
	u := *to
	u.RawQuery = q.Encode()
	return u.String()
}
