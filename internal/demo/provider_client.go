package demo

import (
	"crypto"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client is an application that people can log in to. It authenticates with private_key_jwt and nothing else.
type Client struct {
	ID                     string
	Name                   string // on the login page
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Key                    crypto.PublicKey // RSA
	KeyID                  string           // kid of its assertions; empty: the RFC 7638 thumbprint
	Staff                  bool             // its tokens carry realm_access.roles
}

// client is what the provider library wants to know about a [Client].
type client struct {
	Client
	key jose.JSONWebKey
}

func newClient(c Client) (*client, error) {
	if c.ID == "" || len(c.RedirectURIs) == 0 || c.Key == nil {
		return nil, errors.New("demo client needs an id, a redirect URI and a key")
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Host == "" {
			return nil, fmt.Errorf("demo client %s: redirect URI must be absolute", c.ID)
		}
	}
	if c.KeyID == "" {
		id, err := KeyID(c.Key)
		if err != nil {
			return nil, err
		}
		c.KeyID = id
	}
	key := jose.JSONWebKey{Key: c.Key, KeyID: c.KeyID, Algorithm: string(jose.RS256), Use: oidc.KeyUseSignature}
	return &client{Client: c, key: key}, nil
}

func (c *client) GetID() string                       { return c.ID }
func (c *client) RedirectURIs() []string              { return c.Client.RedirectURIs }
func (c *client) PostLogoutRedirectURIs() []string    { return c.Client.PostLogoutRedirectURIs }
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *client) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodPrivateKeyJWT }
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType        { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c *client) LoginURL(id string) string           { return loginPath + "?id=" + url.QueryEscape(id) }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration      { return idTokenLifetime }
func (c *client) DevMode() bool                       { return false }
func (c *client) IsScopeAllowed(string) bool          { return false }
func (c *client) IDTokenUserinfoClaimsAssertion() bool {
	return false // as in eSignet: the ID token says who, userinfo says the rest
}
func (c *client) ClockSkew() time.Duration { return 0 }

func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return sameScopes }
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return sameScopes }

func sameScopes(scopes []string) []string { return scopes }
