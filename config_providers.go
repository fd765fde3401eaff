package main

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	providerIDPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	claimPattern      = regexp.MustCompile(`\{[a-zA-Z0-9_.:/-]+\}`)
	clientAuths       = []string{"private_key_jwt", "client_secret_basic", "client_secret_post", "none"}
	signingAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// providers checks the login providers one by one, and that none takes another's path.
func (l *loader) providers(c *Config) {
	seen := map[string]bool{}
	for i, p := range c.LoginProviders {
		key := func(name string) string { return join(join("login_providers", strconv.Itoa(i)), name) }
		l.expect(providerIDPattern.MatchString(p.ID), key("id"), "expected lower-case letters, digits and hyphens")
		l.expect(!seen[p.ID], key("id"), "expected an id that no other login provider has")
		seen[p.ID] = true
		l.expect(p.Name["en"] != "", key("name.en"), "expected the provider's name in English")
		l.expect(p.Audience == audienceBeneficiary || p.Audience == audienceStaff, key("audience"), "expected %s or %s", audienceBeneficiary, audienceStaff)
		l.expect(isIssuer(p.Issuer), key("issuer"), "expected an https URL (http only on a loopback address)")
		l.expect(p.IDTokenIssuer == "" || isIssuer(p.IDTokenIssuer), key("id_token_issuer"), "expected an https URL (http only on a loopback address), or nothing")
		l.expect(p.ClientID != "", key("client_id"), "expected the id the provider knows this service by")
		l.expect(slices.Contains([]string{"signed", "plain", "none"}, p.Userinfo), key("userinfo"), "expected signed, plain or none")
		l.expect(slices.Contains(p.Scopes, "openid"), key("scopes"), "expected openid among them")
		for j, algorithm := range p.SigningAlgorithms {
			l.expect(slices.Contains(signingAlgorithms, algorithm), join(key("signing_algorithms"), strconv.Itoa(j)), "expected one of %s", strings.Join(signingAlgorithms, ", "))
		}
		l.clientAuth(p, key)
		l.audience(p, key)
	}
}

// clientAuth checks that the one credential the method uses is there, and no other: a second one would be forgotten there.
func (l *loader) clientAuth(p LoginProvider, key func(string) string) {
	if !slices.Contains(clientAuths, p.ClientAuth) {
		l.expect(false, key("client_auth"), "expected one of %s", strings.Join(clientAuths, ", "))
		return
	}
	usesKey := p.ClientAuth == "private_key_jwt"
	usesSecret := strings.HasPrefix(p.ClientAuth, "client_secret_")
	switch {
	case usesKey && !l.serving:
		l.expect(p.ClientKey != "", key("client_key"), "expected the path of a PEM private key, because client_auth is private_key_jwt")
	case usesKey:
		err := readKey(p.ClientKey)
		l.expect(err == nil, key("client_key"), "expected the path of a PEM private key, because client_auth is private_key_jwt: %v", err)
	default:
		l.expect(p.ClientKey == "", key("client_key"), "expected nothing, because client_auth is not private_key_jwt")
	}
	l.expect(usesKey || p.ClientAssertionAudience == "", key("client_assertion_audience"), "expected nothing, because client_auth is not private_key_jwt")
	l.expect(!usesSecret || p.ClientSecret != "", key("client_secret"), "expected the client's secret, because client_auth is %s", p.ClientAuth)
	l.expect(usesSecret || p.ClientSecret == "", key("client_secret"), "expected nothing, because client_auth does not use it")
}

// audience checks what makes a person of a token: beneficiaries get an ID, staff get roles, and never the other way round.
func (l *loader) audience(p LoginProvider, key func(string) string) {
	switch p.Audience {
	case audienceBeneficiary:
		l.expect(claimPattern.MatchString(p.IDTemplate), key("id_template"), `expected a template with a claim, such as "token:{individual_id}@nationalid"`)
		l.expect(p.RolesClaim == "", key("roles_claim"), "expected nothing, because beneficiaries have no roles")
		l.expect(p.RolesFrom == "", key("roles_from"), "expected nothing, because beneficiaries have no roles")
		l.expect(len(p.Roles) == 0, key("roles"), "expected nothing, because beneficiaries have no roles")
	case audienceStaff:
		l.expect(p.IDTemplate == "", key("id_template"), "expected nothing, because staff have no mapping")
		l.expect(p.RolesClaim != "", key("roles_claim"), "expected the claim that lists roles, such as realm_access.roles")
		l.expect(slices.Contains([]string{"", "id_token", "userinfo", "access_token"}, p.RolesFrom), key("roles_from"), "expected id_token, userinfo or access_token, or nothing for the first that has the claim")
		l.expect(p.RolesFrom != "userinfo" || p.Userinfo != "none", key("roles_from"), "expected something else, because userinfo is none")
		l.expect(len(p.Roles) > 0, key("roles"), "expected the provider's roles and what they are here")
		for _, name := range slices.Sorted(maps.Keys(p.Roles)) {
			l.expect(p.Roles[name] == "admin" || p.Roles[name] == "auditor", join(key("roles"), name), "expected admin or auditor")
			l.expect(!everybodysRole(name), join(key("roles"), name), "expected a role of your own: this one belongs to every account there is")
		}
	}
}

// everybodysRole tells the roles that Keycloak gives to every account.
func everybodysRole(name string) bool {
	return name == "offline_access" || name == "uma_authorization" || strings.HasPrefix(name, "default-roles-")
}

// isIssuer accepts what an OpenID provider may be named by.
func isIssuer(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}
