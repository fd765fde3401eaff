package web

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// What userinfo a provider has, as in the configuration.
const (
	userinfoSigned = "signed" // application/jwt, verified; anything less is refused
	userinfoPlain  = "plain"  // application/json
	userinfoNone   = "none"   // not asked for
)

// userinfo fetches and checks the userinfo answer for the person of the ID token (OpenID Connect Core 5.3).
func (p *Provider) userinfo(ctx context.Context, m *metadata, accessToken, subject string) (claimSet, error) {
	if p.Userinfo == userinfoNone {
		return nil, nil
	}
	if m.UserinfoEndpoint == "" {
		return nil, unavailable("userinfo", fmt.Errorf("the provider has no userinfo_endpoint"))
	}
	mediaType, body, err := p.fetchUserinfo(ctx, m.UserinfoEndpoint, accessToken)
	if err != nil {
		return nil, err
	}
	payload := body
	if p.Userinfo == userinfoSigned {
		if mediaType != "application/jwt" {
			return nil, refuse("userinfo is not signed")
		}
		if payload, err = p.openUserinfo(ctx, m, strings.TrimSpace(string(body))); err != nil {
			return nil, err
		}
	} else if mediaType != "application/json" {
		return nil, refuse("userinfo is not application/json")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse("claims of userinfo")
	}
	if claims.text("sub") != subject {
		return nil, refuse("sub of userinfo")
	}
	if p.Userinfo == userinfoSigned {
		return claims, p.checkUserinfo(claims)
	}
	return claims, nil
}

// fetchUserinfo sends the access token in the header, its only place (RFC 6750, section 2.1).
func (p *Provider) fetchUserinfo(ctx context.Context, endpoint, accessToken string) (mediaType string, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return "", nil, unavailable("userinfo", err)
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	r.Header.Set("Accept", "application/jwt, application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		return "", nil, unavailable("userinfo", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", nil, unavailable("userinfo", fmt.Errorf("answered %d", resp.StatusCode))
	}
	mediaType, _, err = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return "", nil, refuse("content type of userinfo")
	}
	if body, err = io.ReadAll(resp.Body); err != nil {
		return "", nil, unavailable("userinfo", err)
	}
	return mediaType, body, nil
}

func (p *Provider) openUserinfo(ctx context.Context, m *metadata, token string) ([]byte, error) {
	if err := checkForm(token, "JWT"); err != nil {
		return nil, err
	}
	return m.keys.VerifySignature(ctx, token)
}

// checkUserinfo checks what a signed userinfo answer may say about itself. Providers often leave iss and aud out. What
// looks like an ID token is refused: the two must not be exchangeable (RFC 8725, section 3.12).
func (p *Provider) checkUserinfo(claims claimSet) error {
	for _, name := range []string{"nonce", "at_hash", "c_hash"} {
		if _, ok := claims[name]; ok {
			return refuse("userinfo is an ID token")
		}
	}
	if iss, ok := claims["iss"]; ok && iss != p.IDTokenIssuer && iss != p.Issuer {
		return refuse("iss of userinfo")
	}
	if _, ok := claims["aud"]; ok && !slices.Contains(claims.audience(), p.ClientID) {
		return refuse("aud of userinfo")
	}
	if _, ok := claims["exp"]; ok {
		if end, ok := claims.time("exp"); !ok || end.Before(p.now().Add(-leeway)) {
			return refuse("exp of userinfo")
		}
	}
	return nil
}
