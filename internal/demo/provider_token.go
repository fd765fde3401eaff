package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	assertionMaxAge = 5 * time.Minute
	assertionSkew   = time.Second
)

// exchanger is the library's provider for one token request: it expects the audience that the assertion may have, and
// knows no grant but the code.
type exchanger struct {
	*op.Provider
	audience string
}

// JWTProfileVerifier checks a client's assertion.
func (e exchanger) JWTProfileVerifier(context.Context) *op.JWTProfileVerifier {
	return op.NewJWTProfileVerifier(e.Storage(), e.audience, assertionMaxAge, assertionSkew)
}

// GrantTypeJWTAuthorizationSupported is false: an assertion authenticates a client, it is not worth a token itself.
func (e exchanger) GrantTypeJWTAuthorizationSupported() bool { return false }

// token exchanges a code. The client is authenticated before the code is touched, so that a stranger who saw a code can
// neither use it nor spend it.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("the form cannot be read"), nil)
		return
	}
	// From here on nothing comes from the URL, where secrets do not belong (RFC 6749, 2.3.1).
	r.Form = r.PostForm
	e := exchanger{Provider: p.op, audience: p.audience(r.PostForm.Get("client_assertion"))}
	if err := p.authenticate(r, e); err != nil {
		op.RequestError(w, r, err, nil)
		return
	}
	op.Exchange(w, r, e)
}

// audience is the one that the assertion must have: the issuer or, as older clients have it, the token endpoint
// (RFC 7523, section 3). The verifier compares it with the signed claim.
func (p *Provider) audience(assertion string) string {
	claims := new(oidc.JWTTokenRequest)
	endpoint := p.op.TokenEndpoint().Absolute(p.issuer)
	if _, err := oidc.ParseToken(assertion, claims); err == nil && len(claims.Audience) == 1 && claims.Audience[0] == endpoint {
		return endpoint
	}
	return p.issuer
}

// authenticate verifies the client's assertion and burns its jti, which the library does not.
func (p *Provider) authenticate(r *http.Request, e exchanger) error {
	form := r.PostForm
	if form.Get("client_assertion_type") != oidc.ClientAssertionTypeJWTAssertion || len(form["client_assertion"]) != 1 {
		return oidc.ErrInvalidClient().WithDescription("private_key_jwt is required")
	}
	claims, err := op.VerifyJWTAssertion(r.Context(), form.Get("client_assertion"), e.JWTProfileVerifier(r.Context()))
	if err != nil {
		return oidc.ErrInvalidClient().WithDescription("the client assertion is not valid").WithParent(err)
	}
	if id := form.Get("client_id"); id != "" && id != claims.Issuer {
		return oidc.ErrInvalidClient().WithDescription("client_id and the client assertion differ")
	}
	expires := claims.ExpiresAt.AsTime()
	if claims.JWTID == "" || expires.After(p.storage.now().Add(assertionMaxAge+assertionSkew)) {
		return oidc.ErrInvalidClient().WithDescription("the client assertion needs a jti and must expire within five minutes")
	}
	if !p.storage.useAssertion(claims.Issuer, claims.JWTID, expires) {
		return oidc.ErrInvalidClient().WithDescription("the client assertion was used before")
	}
	return nil
}

// userinfo answers application/jwt, signed: a client that accepts plain JSON would accept it from anybody.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	l, ok := p.bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	payload, err := json.Marshal(p.claims(l))
	if err != nil {
		op.RequestError(w, r, oidc.ErrServerError(), nil)
		return
	}
	signed, err := p.signer.Sign(payload)
	if err != nil {
		op.RequestError(w, r, oidc.ErrServerError(), nil)
		return
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		op.RequestError(w, r, oidc.ErrServerError(), nil)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(text)) // the client has gone: nothing is left to tell it
}

// bearer finds the login behind the access token of the Authorization header.
func (p *Provider) bearer(r *http.Request) (login, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, oidc.BearerToken) {
		return login{}, false
	}
	opened, err := p.op.Crypto().Decrypt(token)
	if err != nil {
		return login{}, false
	}
	id, subject, _ := strings.Cut(opened, ":")
	l, err := p.storage.grant(id, subject)
	return l, err == nil
}

// claims are what a client learns about a person, by the scopes it asked for.
func (p *Provider) claims(l login) *oidc.UserInfo {
	info := &oidc.UserInfo{Subject: l.subject}
	info.AppendClaims("iss", p.issuer)
	info.AppendClaims("aud", l.request.ClientID)
	info.AppendClaims("iat", p.storage.now().Unix())
	for _, scope := range l.request.Scopes {
		switch scope {
		case oidc.ScopeProfile:
			info.Name = l.person.Name
			info.AppendClaims("individual_id", l.person.NationalID)
			info.PhoneNumber, info.Email = l.person.Phone, l.person.Email
		case oidc.ScopePhone:
			info.PhoneNumber = l.person.Phone
		case oidc.ScopeEmail:
			info.Email = l.person.Email
		}
	}
	if c, ok := p.storage.clients[l.request.ClientID]; ok && c.Staff {
		addRoles(info, l.person)
	}
	return info
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client has gone: nothing is left to tell it
}
