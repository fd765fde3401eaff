package web

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	leeway    = time.Minute      // how far the provider's clock may be off
	maxIDAge  = 10 * time.Minute // how old an ID token may be when we get it
	maxSubLen = 255
)

// verified is an ID token whose checks all passed.
type verified struct {
	raw      string
	subject  string
	authTime time.Time
	claims   claimSet
}

// claimSet is the JSON object of a token. Unlike a Go struct it tells names of different case apart, as the providers do.
type claimSet map[string]any

func parseClaims(payload []byte) (claimSet, error) {
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.UseNumber()
	var claims claimSet
	if err := decoder.Decode(&claims); err != nil || claims == nil || decoder.More() {
		return nil, errors.New("not a JSON object")
	}
	return claims, nil
}

func (c claimSet) text(name string) string {
	text, _ := c[name].(string)
	return text
}

func (c claimSet) time(name string) (time.Time, bool) {
	number, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds <= 0 || seconds > math.MaxInt32*100 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// audience returns the aud claim, which is a string or a list of strings.
func (c claimSet) audience() []string {
	switch aud := c["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var list []string
		for _, entry := range aud {
			text, _ := entry.(string)
			list = append(list, text)
		}
		return list
	}
	return nil
}

var compactJWS = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// checkForm refuses what is not a plain compact JWS of a JWT, before any library reads it. A token that says it is of
// another type than those expected (an access token, a logout token) is not the one we asked for (RFC 8725, section 3.11).
func checkForm(token string, types ...string) error {
	if len(token) > maxTokenSize || !compactJWS.MatchString(token) {
		return refuse("form of the token")
	}
	encoded, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return refuse("header of the token")
	}
	members, err := parseClaims(header)
	if err != nil {
		return refuse("header of the token")
	}
	if typ, ok := members["typ"]; ok {
		text, _ := typ.(string)
		if !slices.ContainsFunc(types, func(expected string) bool { return strings.EqualFold(expected, text) }) {
			return refuse("typ")
		}
	}
	return nil
}

// idToken checks the ID token of a token answer: OpenID Connect Core 3.1.3.7. go-oidc checks the signature, iss, exp and
// nbf; what follows it here is what it leaves to its caller.
func (p *Provider) idToken(ctx context.Context, m *metadata, token *oauth2.Token, login Login) (*verified, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, refuse("id_token missing")
	}
	if err := checkForm(raw, "JWT"); err != nil {
		return nil, err
	}
	now := p.now()
	verifier := oidc.NewVerifier(p.IDTokenIssuer, m.keys, &oidc.Config{
		ClientID: p.ClientID, SupportedSigningAlgs: p.SigningAlgorithms,
		Now: func() time.Time { return now.Add(-leeway) },
	})
	parsed, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, verifyError(err)
	}
	var payload json.RawMessage
	if err := parsed.Claims(&payload); err != nil {
		return nil, refuse("claims of the ID token")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse("claims of the ID token")
	}
	v := &verified{raw: raw, subject: claims.text("sub"), claims: claims}
	if claims["at_hash"] != nil && parsed.VerifyAccessToken(token.AccessToken) != nil {
		return nil, refuse("at_hash")
	}
	for _, check := range []error{
		p.checkParties(claims), p.checkTimes(claims, now), checkNonce(claims, login), p.checkACR(claims), p.checkAuthTime(v, login, now),
	} {
		if check != nil {
			return nil, check
		}
	}
	return v, nil
}

// verifyError keeps our key set's own errors, which go-oidc flattens into text, and names go-oidc's without their values.
func verifyError(err error) error {
	text := err.Error()
	if strings.Contains(text, ErrProviderUnavailable.Error()) {
		return unavailable("keys", errors.New("not to be had"))
	}
	if _, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return refuse("exp")
	}
	for _, known := range [][2]string{
		{"malformed jwt", "signature algorithm or form"}, {"verify signature", "signature"}, {"different provider", "iss"},
		{"expected audience", "aud"}, {"(not before)", "nbf"}, {"source", "claim sources"},
	} {
		if strings.Contains(text, known[0]) {
			return refuse(known[1])
		}
	}
	return refuse("ID token")
}

// checkParties checks who the token is by, for and about. go-oidc is content if we are among the audiences; we do not
// trust a token that was also meant for somebody else.
func (p *Provider) checkParties(claims claimSet) error {
	if claims.text("iss") != p.IDTokenIssuer {
		return refuse("iss")
	}
	audience := claims.audience()
	if len(audience) == 0 || slices.ContainsFunc(audience, func(a string) bool { return a != p.ClientID }) {
		return refuse("aud")
	}
	if azp, ok := claims["azp"]; ok && azp != p.ClientID {
		return refuse("azp")
	}
	if !validSubject(claims.text("sub")) {
		return refuse("sub")
	}
	return nil
}

func validSubject(sub string) bool {
	return sub != "" && len(sub) <= maxSubLen && !strings.ContainsFunc(sub, func(r rune) bool { return r < ' ' || r > '~' })
}

func (p *Provider) checkTimes(claims claimSet, now time.Time) error {
	if _, ok := claims.time("exp"); !ok {
		return refuse("exp")
	}
	issued, ok := claims.time("iat")
	if !ok || issued.After(now.Add(leeway)) || issued.Before(now.Add(-maxIDAge)) {
		return refuse("iat")
	}
	return nil
}

func checkNonce(claims claimSet, login Login) error {
	if login.Nonce == "" || subtle.ConstantTimeCompare([]byte(claims.text("nonce")), []byte(login.Nonce)) != 1 {
		return refuse("nonce")
	}
	return nil
}

// checkACR checks how the person authenticated. The request goes through the browser, where the wish for a strong method
// can be taken out; so a method that the provider states must be one we asked for. Where the claims parameter makes acr
// essential, the provider must state one.
func (p *Provider) checkACR(claims claimSet) error {
	wanted := strings.Fields(p.ACRValues)
	essential := false
	if request, ok := p.acrRequest(); ok {
		essential, _ = request["essential"].(bool)
		if value, ok := request["value"].(string); ok {
			wanted = append(wanted, value)
		}
		values, _ := request["values"].([]any)
		for _, value := range values {
			if text, ok := value.(string); ok {
				wanted = append(wanted, text)
			}
		}
	}
	acr, present := claims["acr"]
	if !present && !essential {
		return nil
	}
	text, _ := acr.(string)
	if essential && text == "" || len(wanted) > 0 && text != "" && !slices.Contains(wanted, text) {
		return refuse("acr")
	}
	return nil
}

// acrRequest is the member claims.id_token.acr of the configuration.
func (p *Provider) acrRequest() (map[string]any, bool) {
	idToken, _ := p.Claims["id_token"].(map[string]any)
	request, ok := idToken["acr"].(map[string]any)
	return request, ok
}

// checkAuthTime notes when the person authenticated. After a request for a fresh login the provider must say so, and it
// must have been within max_age when we asked: a provider that ignores the request would otherwise let an unattended
// phone pass.
func (p *Provider) checkAuthTime(v *verified, login Login, now time.Time) error {
	at, ok := v.claims.time("auth_time")
	_, present := v.claims["auth_time"]
	if present && !ok || at.After(now.Add(leeway)) {
		return refuse("auth_time")
	}
	if login.Fresh && (!ok || at.Before(login.StartedAt.Add(-FreshAge))) {
		return refuse("auth_time")
	}
	if !ok || at.After(now) {
		at = now
	}
	v.authTime = at
	return nil
}
