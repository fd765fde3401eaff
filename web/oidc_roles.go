package web

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Where a provider's roles are read from, as in the configuration.
const (
	rolesFromIDToken     = "id_token"
	rolesFromUserinfo    = "userinfo"
	rolesFromAccessToken = "access_token"
)

// roles maps the provider's roles to ours. Roles that the configuration does not name grant nothing, so that what every
// account of a realm has by default is worth nothing here.
//
// They come from the one place that RolesFrom names, or else from the first of ID token, userinfo and access token that
// has the claim: never from two together. Keycloak keeps roles in the access token unless it is told otherwise. That
// token is meant for others and often opaque, so one that does not pass its checks only has no roles, unless RolesFrom
// names it: then the login is refused and the log says which check failed.
func (p *Provider) roles(ctx context.Context, m *metadata, token *oauth2.Token, id *verified, info claimSet) ([]string, error) {
	switch p.RolesFrom {
	case rolesFromIDToken:
		return p.ours(id.claims.list(p.RolesClaim)), nil
	case rolesFromUserinfo:
		return p.ours(info.list(p.RolesClaim)), nil
	}
	if p.RolesFrom == "" {
		for _, claims := range []claimSet{id.claims, info} {
			if names := claims.list(p.RolesClaim); names != nil {
				return p.ours(names), nil
			}
		}
	}
	claims, err := p.accessToken(ctx, m, token.AccessToken, id.subject)
	switch {
	case err == nil:
		return p.ours(claims.list(p.RolesClaim)), nil
	case p.RolesFrom == "" && !errors.Is(err, ErrProviderUnavailable):
		return nil, nil
	}
	return nil, err
}

// ours are the roles that the configuration makes of the provider's, sorted, once each.
func (p *Provider) ours(names []string) []string {
	found := map[string]bool{}
	for _, name := range names {
		if role := p.Roles[name]; role != "" {
			found[role] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// accessToken checks the access token that came with a login, and returns its claims: those of [Provider.accessClaims], and
//
//   - it was given to us: azp, or client_id in tokens by RFC 9068, is our client. aud is not asked for: it names the
//     services that the token opens, and we are none;
//   - sub is who logged in.
func (p *Provider) accessToken(ctx context.Context, m *metadata, token, subject string) (claimSet, error) {
	claims, err := p.accessClaims(ctx, m, token)
	switch {
	case err != nil:
		return nil, err
	case claims.party() != p.ClientID:
		return nil, refuse("azp of the access token")
	case claims.text("sub") != subject:
		return nil, refuse("sub of the access token")
	}
	return claims, nil
}

// party is the client that a token was given to.
func (c claimSet) party() string {
	if _, ok := c["azp"]; ok {
		return c.text("azp")
	}
	return c.text("client_id")
}

// accessClaims returns the claims of an access token that is a JWT, if
//
//   - it is signed with a key of the provider, by an allowed algorithm;
//   - iss is the provider and exp is to come;
//   - it is for bearers: typ says so, where the token has one (an ID token is "ID" at Keycloak, which keeps it out here).
func (p *Provider) accessClaims(ctx context.Context, m *metadata, token string) (claimSet, error) {
	if err := checkForm(token, "JWT", "at+jwt", "application/at+jwt"); err != nil {
		return nil, refuse("form of the access token")
	}
	payload, err := m.keys.VerifySignature(ctx, token)
	if errors.Is(err, ErrProviderUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, refuse("signature of the access token")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse("claims of the access token")
	}
	for _, name := range []string{"nbf", "exp"} {
		at, ok := claims.time(name)
		_, present := claims[name]
		if name == "exp" && (!ok || at.Before(p.now().Add(-leeway))) || name == "nbf" && present && (!ok || at.After(p.now().Add(leeway))) {
			return nil, refuse(name + " of the access token")
		}
	}
	if typ, ok := claims["typ"]; ok {
		if text, _ := typ.(string); !strings.EqualFold(text, "Bearer") {
			return nil, refuse("typ of the access token")
		}
	}
	if claims.text("iss") != p.IDTokenIssuer {
		return nil, refuse("iss of the access token")
	}
	return claims, nil
}

// list finds the strings of a claim by the dotted path of nested objects, nil if there are none. Names may have dots
// themselves, as the client ids have under Keycloak's resource_access: every way to read the path is tried, those with
// the longest names first, and the first that leads to a list counts. A claim that is one string is a list of it.
func (c claimSet) list(path string) []string {
	switch value := c[path].(type) {
	case []any:
		names := make([]string, 0, len(value))
		for _, entry := range value {
			if name, ok := entry.(string); ok {
				names = append(names, name)
			}
		}
		return names
	case string:
		return []string{value}
	}
	for end := strings.LastIndexByte(path, '.'); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		inner, ok := c[path[:end]].(map[string]any)
		if !ok {
			continue
		}
		if names := claimSet(inner).list(path[end+1:]); names != nil {
			return names
		}
	}
	return nil
}
