package web

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

const (
	exchangeTimeout  = 25 * time.Second // for all requests of one login together
	assertionLife    = 2 * time.Minute
	assertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Exchange finishes a login: it trades the code for tokens, checks them, and returns whom the provider vouches for.
// The error is a [*LoginRefusal] or wraps [ErrProviderUnavailable].
func (p *Provider) Exchange(ctx context.Context, code string, login Login) (User, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	m, err := p.discovery.get(ctx)
	if err != nil {
		return User{}, err
	}
	token, err := p.token(ctx, m, code, login)
	if err != nil {
		return User{}, err
	}
	idToken, err := p.idToken(ctx, m, token, login)
	if err != nil {
		return User{}, err
	}
	info, err := p.userinfo(ctx, m, token.AccessToken, idToken.subject)
	if err != nil {
		return User{}, err
	}
	user, err := p.user(idToken, info)
	if err == nil && p.Audience == Staff {
		user.Roles, err = p.roles(ctx, m, token, idToken, info)
	}
	return user, err
}

func (p *Provider) token(ctx context.Context, m *metadata, code string, login Login) (*oauth2.Token, error) {
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(login.Verifier)}
	if p.key != nil {
		assertion, err := p.assertion()
		if err != nil {
			return nil, fmt.Errorf("sign client assertion: %w", err)
		}
		options = append(options, oauth2.SetAuthURLParam("client_assertion_type", assertionTypeJWT),
			oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	token, err := p.oauth2(m).Exchange(oidc.ClientContext(ctx, p.client), code, options...)
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, tokenError(answer)
	}
	if err != nil {
		return nil, unavailable("token endpoint", err)
	}
	if !strings.EqualFold(token.TokenType, "Bearer") {
		return nil, refuse("token_type")
	}
	return token, nil
}

// tokenError tells a refused code from a provider in trouble. The answer's text stays out: it may repeat what we sent.
func tokenError(answer *oauth2.RetrieveError) error {
	status := 0
	if answer.Response != nil {
		status = answer.Response.StatusCode
	}
	known := strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, answer.ErrorCode)
	if known == "invalid_grant" {
		return refuse("code")
	}
	return unavailable("token endpoint", fmt.Errorf("answered %d %.40s", status, known))
}

// assertion is a client assertion (RFC 7523, section 3): for one request, for this provider, for two minutes. It names no
// key: the provider knows the one we registered, under whatever id it was registered.
func (p *Provider) assertion() (string, error) {
	algorithm := jose.RS256
	if _, ok := p.key.(*ecdsa.PrivateKey); ok {
		algorithm = jose.ES256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: p.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := p.now()
	claims, err := json.Marshal(map[string]any{
		"iss": p.ClientID, "sub": p.ClientID, "aud": p.ClientAssertionAudience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// readClientKey reads a private key for client assertions from a PEM file: RSA of 2048 bits or more, or P-256.
func readClientKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read client_key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("client_key is not a PEM file")
	}
	var key any
	if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			key, err = x509.ParseECPrivateKey(block.Bytes)
		}
	}
	if err != nil {
		return nil, errors.New("client_key holds no private key in PKCS #8, PKCS #1 or SEC 1 form")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() >= minRSABits {
			return key, nil
		}
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, errors.New("client_key must be RSA of at least 2048 bits, or EC on P-256")
}
