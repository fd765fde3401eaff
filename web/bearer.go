package web

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// Bearer returns the member of staff behind an access token that came with a call, not with a login: a host that automates
// gets one from the login provider for staff. Only staff providers count, and of the token's claims only those of
// [Provider.accessClaims], and then:
//
//   - it says that it is an access token, by typ "Bearer" in its claims (Keycloak) or "at+jwt" in its header (RFC 9068):
//     an ID token must not pass for one (RFC 8725, section 3.12);
//   - it is ours: our client is the one it was given to (azp, client_id) or among those it is for (aud);
//   - its sub names somebody.
//
// Roles come from the roles claim of this very token. AuthTime is zero if the token has no auth_time, as the tokens of
// service accounts. The error is a [*LoginRefusal] or wraps [ErrProviderUnavailable].
func (ps *Providers) Bearer(ctx context.Context, token string) (User, error) {
	issuer, err := claimedIssuer(token)
	if err != nil {
		return User{}, err
	}
	err = refuse("iss of the access token")
	for _, p := range ps.For(Staff) {
		if p.IDTokenIssuer != issuer {
			continue
		}
		var user User
		if user, err = p.bearer(ctx, token); err == nil {
			return user, nil
		}
		if errors.Is(err, ErrProviderUnavailable) {
			return User{}, err
		}
	}
	return User{}, err
}

// claimedIssuer reads iss from a token before anything is checked, only to know whose keys to check it with.
func claimedIssuer(token string) (string, error) {
	if err := checkForm(token, "JWT", "at+jwt", "application/at+jwt"); err != nil {
		return "", refuse("form of the access token")
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return "", refuse("form of the access token")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return "", refuse("claims of the access token")
	}
	return claims.text("iss"), nil
}

func (p *Provider) bearer(ctx context.Context, token string) (User, error) {
	m, err := p.discovery.get(ctx)
	if err != nil {
		return User{}, err
	}
	claims, err := p.accessClaims(ctx, m, token)
	if err != nil {
		return User{}, err
	}
	_, saysSo := claims["typ"] // accessClaims let only Bearer pass
	switch {
	case !saysSo && checkForm(token, "at+jwt", "application/at+jwt") != nil, !saysSo && !hasType(token):
		return User{}, refuse("typ of the access token")
	case claims.party() != p.ClientID && !slices.Contains(claims.audience(), p.ClientID):
		return User{}, refuse("azp and aud of the access token")
	case !validSubject(claims.text("sub")):
		return User{}, refuse("sub of the access token")
	}
	user := User{
		Provider: p.ID, Audience: Staff, Subject: claims.text("sub"), Name: displayName(claims), Roles: p.ours(claims.list(p.RolesClaim)),
	}
	if _, present := claims["auth_time"]; present {
		at, ok := claims.time("auth_time")
		if !ok || at.After(p.now().Add(leeway)) {
			return User{}, refuse("auth_time of the access token")
		}
		user.AuthTime = at
	}
	return user, nil
}

// hasType reports whether the header of a token whose form was checked has a typ at all.
func hasType(token string) bool {
	encoded, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	members, err := parseClaims(header)
	return err == nil && members["typ"] != nil
}
