package demo

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// login is one authorization request on its way from the client to the login page, the code and the tokens. It is a
// value: the storage hands out copies, so that nothing changes it outside the storage's lock.
type login struct {
	id       string
	request  oidc.AuthRequest
	expires  time.Time
	person   Person
	subject  string
	authTime time.Time // zero until somebody logged in
	code     string
	used     bool   // the code was exchanged; remembered until expiry so that a second use is recognised
	tokenID  string // the access token that came of it
}

func (l login) GetID() string          { return l.id }
func (l login) GetACR() string         { return "" }
func (l login) GetAMR() []string       { return nil }
func (l login) GetAudience() []string  { return []string{l.request.ClientID} }
func (l login) GetAuthTime() time.Time { return l.authTime }
func (l login) GetClientID() string    { return l.request.ClientID }
func (l login) GetNonce() string       { return l.request.Nonce }
func (l login) GetRedirectURI() string { return l.request.RedirectURI }
func (l login) GetScopes() []string    { return l.request.Scopes }
func (l login) GetState() string       { return l.request.State }
func (l login) GetSubject() string     { return l.subject }
func (l login) Done() bool             { return !l.authTime.IsZero() }

func (l login) GetResponseType() oidc.ResponseType { return l.request.ResponseType }
func (l login) GetResponseMode() oidc.ResponseMode { return oidc.ResponseModeQuery }

func (l login) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: l.request.CodeChallenge, Method: l.request.CodeChallengeMethod}
}

// checkRequest refuses what a strict national provider refuses. The library has checked the client, its redirect URI
// and the response type before. Nobody is ever logged in here without being asked, which honours prompt=login and every
// max_age, and leaves prompt=none only one answer.
func checkRequest(r *oidc.AuthRequest) error {
	switch {
	case slices.Contains(r.Prompt, oidc.PromptNone):
		return oidc.ErrLoginRequired()
	case !slices.Contains(r.Scopes, oidc.ScopeOpenID):
		return oidc.ErrInvalidScope().WithDescription("scope must contain openid")
	case r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 || len(r.CodeChallenge) != s256Length:
		return oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required")
	case r.State == "" || r.Nonce == "":
		return oidc.ErrInvalidRequest().WithDescription("state and nonce are required")
	case r.ResponseMode != "" && r.ResponseMode != oidc.ResponseModeQuery:
		return oidc.ErrInvalidRequest().WithDescription("only response_mode query is supported")
	}
	return nil
}

const s256Length = 43 // of a SHA-256 in base64url, RFC 7636 section 4.2
