package web

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// CallbackPath is where login providers send people back to; with the public URL before it, the registered redirect URI.
const CallbackPath = "/oauth2/callback"

// FreshAge is how long ago a person may have authenticated for a login to count as fresh.
const FreshAge = 5 * time.Minute

// LoginProvider is the configuration of one OpenID provider.
type LoginProvider struct {
	ID                      string            // in the login path
	Name                    map[string]string // by language
	Audience                string            // Beneficiary or Staff
	Issuer                  string            // as in the discovery document
	IDTokenIssuer           string            // as in ID tokens, where that differs from Issuer
	ClientID                string
	ClientAuth              string         // private_key_jwt, client_secret_basic, client_secret_post or none
	ClientKey               string         // PEM file, for private_key_jwt
	ClientSecret            string         // for client_secret_basic and client_secret_post
	ClientAssertionAudience string         // for private_key_jwt: Issuer if empty
	SigningAlgorithms       []string       // of ID tokens and signed userinfo: RS256 and PS256 if empty
	Scopes                  []string       // openid if empty
	ACRValues               string         // space-separated, the best first
	Claims                  map[string]any // the claims request parameter
	Userinfo                string         // signed, plain or none
	IDTemplate              string         // the mapping's ID from verified claims; beneficiaries only
	RolesClaim              string         // dotted path of the claim with the provider's roles; staff only
	RolesFrom               string         // id_token, userinfo or access_token; the first that has the claim if empty
	Roles                   map[string]string
}

// ErrProviderUnavailable says that a login cannot go on because the provider does not answer, or not as a provider
// should. Nothing is known about the person; trying again later may help.
var ErrProviderUnavailable = errors.New("login provider unavailable")

// LoginRefusal says that a login ended because a check of what the provider sent failed.
type LoginRefusal struct {
	Check string // names the check: a claim, or a part of the protocol. Never a value
	cause error
}

func (e *LoginRefusal) Error() string {
	if e.cause != nil {
		return "login refused: " + e.Check + ": " + brief(e.cause)
	}
	return "login refused: " + e.Check
}

func (e *LoginRefusal) Unwrap() error { return e.cause }

func refuse(check string) error { return &LoginRefusal{Check: check} }

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %s", ErrProviderUnavailable, what, brief(err))
}

// brief keeps a foreign error to a length that suits a log line: some repeat a whole response.
func brief(err error) string {
	const limit = 200
	text := strings.ToValidUTF8(err.Error(), "")
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return text
}

// Provider is the OpenID relying party for one login provider: authorization code flow with PKCE, and every check of
// OpenID Connect Core 3.1.3.7 and 5.3.4. It knows no cookies and no pages, and keeps no tokens.
type Provider struct {
	LoginProvider
	redirectURL string
	client      *http.Client
	key         crypto.Signer // for private_key_jwt
	template    idTemplate
	claims      string // the claims request parameter, encoded
	now         func() time.Time
	discovery   *discovery
}

// NewProvider prepares a relying party. It makes no request: the provider may be down while this program starts.
// baseURL is our public URL; now may be nil.
func NewProvider(config LoginProvider, baseURL string, now func() time.Time) (*Provider, error) {
	p := &Provider{LoginProvider: config, redirectURL: strings.TrimSuffix(baseURL, "/") + CallbackPath, client: newProviderClient(), now: now}
	if p.now == nil {
		p.now = time.Now
	}
	p.setDefaults()
	if err := p.configure(); err != nil {
		return nil, fmt.Errorf("login provider %s: %w", config.ID, err)
	}
	p.discovery = newDiscovery(p.Issuer, p.client, p.SigningAlgorithms, p.now)
	return p, nil
}

func (p *Provider) setDefaults() {
	if p.IDTokenIssuer == "" {
		p.IDTokenIssuer = p.Issuer
	}
	if p.ClientAssertionAudience == "" {
		p.ClientAssertionAudience = p.Issuer
	}
	if len(p.SigningAlgorithms) == 0 {
		p.SigningAlgorithms = []string{"RS256", "PS256"}
	}
	if !slices.Contains(p.Scopes, "openid") {
		p.Scopes = append([]string{"openid"}, p.Scopes...)
	}
	if p.Userinfo == "" {
		p.Userinfo = userinfoNone
	}
}

func (p *Provider) configure() (err error) {
	if !secureURL(p.Issuer, true) {
		return errors.New("issuer must be an https URL, or http on a loopback address")
	}
	for _, algorithm := range p.SigningAlgorithms {
		if algorithm == "none" || strings.HasPrefix(algorithm, "HS") {
			return fmt.Errorf("signing algorithm %s is not allowed: it proves nothing about the provider", algorithm)
		}
	}
	if !slices.Contains([]string{userinfoSigned, userinfoPlain, userinfoNone}, p.Userinfo) {
		return fmt.Errorf("userinfo must be signed, plain or none")
	}
	switch p.Audience {
	case Beneficiary:
		if p.template, err = parseIDTemplate(p.IDTemplate); err != nil {
			return err
		}
	case Staff:
		if !slices.Contains([]string{"", rolesFromIDToken, rolesFromUserinfo, rolesFromAccessToken}, p.RolesFrom) {
			return fmt.Errorf("roles_from must be id_token, userinfo or access_token")
		}
		if p.RolesFrom == rolesFromUserinfo && p.Userinfo == userinfoNone {
			return fmt.Errorf("roles_from is userinfo, so userinfo must be signed or plain")
		}
	default:
		return fmt.Errorf("audience must be beneficiary or staff")
	}
	if len(p.Claims) > 0 {
		text, err := json.Marshal(p.Claims)
		if err != nil {
			return fmt.Errorf("encode claims: %w", err)
		}
		p.claims = string(text)
	}
	return p.configureClientAuth()
}

func (p *Provider) configureClientAuth() (err error) {
	switch p.ClientAuth {
	case "private_key_jwt":
		p.key, err = readClientKey(p.ClientKey)
		return err
	case "client_secret_basic", "client_secret_post":
		if p.ClientSecret == "" {
			return fmt.Errorf("%s needs client_secret", p.ClientAuth)
		}
		return nil
	case "none":
		return nil
	}
	return fmt.Errorf("client_auth must be private_key_jwt, client_secret_basic, client_secret_post or none")
}

// oauth2 is the client as golang.org/x/oauth2 sees it. The secret goes where the configuration says and nowhere else.
func (p *Provider) oauth2(m *metadata) *oauth2.Config {
	c := &oauth2.Config{ClientID: p.ClientID, RedirectURL: p.redirectURL, Scopes: p.Scopes, Endpoint: m.endpoint}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	switch p.ClientAuth {
	case "client_secret_basic":
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
		c.ClientSecret = p.ClientSecret
	case "client_secret_post":
		c.ClientSecret = p.ClientSecret
	}
	return c
}

// AuthURL is where to send the browser for a login. language, a tag or empty, is a wish about the provider's pages.
func (p *Provider) AuthURL(ctx context.Context, login Login, language string) (string, error) {
	m, err := p.discovery.get(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", login.Nonce),
		oauth2.S256ChallengeOption(login.Verifier),
	}
	set := func(name, value string) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	set("acr_values", p.ACRValues)
	set("claims", p.claims)
	set("ui_locales", language)
	if login.Fresh {
		set("prompt", "login")
		set("max_age", strconv.Itoa(int(FreshAge.Seconds())))
	}
	return p.oauth2(m).AuthCodeURL(login.State, options...), nil
}

// CheckIssuer checks the iss parameter of a callback (RFC 9207): it must be there if the provider says it sends one, and
// where it is it must be right. Do it before anything is sent to the provider.
func (p *Provider) CheckIssuer(ctx context.Context, values []string) error {
	m, err := p.discovery.get(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(values) == 0 && !m.IssuerInResponse:
		return nil
	case len(values) == 1 && values[0] == p.Issuer:
		return nil
	}
	return refuse("iss parameter")
}

// LogoutURL is where to send the browser to log out at the provider too (RP-Initiated Logout), and back to returnURL.
// It is empty if the provider has no such place.
func (p *Provider) LogoutURL(ctx context.Context, idToken, returnURL, state string) (string, error) {
	m, err := p.discovery.get(ctx)
	if err != nil || m.EndSessionEndpoint == "" {
		return "", err
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return "", unavailable("end_session_endpoint", err)
	}
	q := u.Query()
	for name, value := range map[string]string{
		"id_token_hint": idToken, "client_id": p.ClientID, "post_logout_redirect_uri": returnURL, "state": state,
	} {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Label is the provider's name in a language, in English if it has none there.
func (p *Provider) Label(language string) string {
	if name := p.Name[language]; name != "" {
		return name
	}
	base, _, _ := strings.Cut(language, "-")
	if name := p.Name[base]; name != "" {
		return name
	}
	return p.Name["en"]
}
