package web

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

const (
	// maxLogoutAge is how old a logout token may be: the provider sends it at once, and may try again a few times.
	maxLogoutAge = 5 * time.Minute
	logoutEvent  = "http://schemas.openid.net/event/backchannel-logout"
)

// LogoutToken checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6) and returns which sessions its
// provider wants ended. Whether the token was used before is [Sessions.EndRemote]'s to check. The error is a
// [*LoginRefusal] or wraps [ErrProviderUnavailable].
func (ps *Providers) LogoutToken(ctx context.Context, token string) (RemoteLogout, error) {
	// By its type it is nothing else that the provider signs for us, an ID token above all.
	if err := checkForm(token, "logout+jwt", "application/logout+jwt"); err != nil {
		return RemoteLogout{}, err
	}
	senders, err := ps.sendersOf(token)
	if err != nil {
		return RemoteLogout{}, err
	}
	l, err := senders[0].logoutToken(ctx, token)
	if err != nil {
		return RemoteLogout{}, err
	}
	for _, p := range senders {
		l.Providers = append(l.Providers, p.ID)
	}
	return l, nil
}

// sendersOf finds the providers whose token it would be. What it says about itself is only believed once one of them is
// found to have signed it.
func (ps *Providers) sendersOf(token string) ([]*Provider, error) {
	_, rest, _ := strings.Cut(token, ".")
	encoded, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, refuse("claims of the logout token")
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse("claims of the logout token")
	}
	var known bool
	var senders []*Provider
	for _, p := range ps.list {
		if claims.text("iss") != p.IDTokenIssuer {
			continue
		}
		known = true
		if slices.Contains(claims.audience(), p.ClientID) {
			senders = append(senders, p)
		}
	}
	switch {
	case !known:
		return nil, refuse("iss of the logout token")
	case len(senders) == 0:
		return nil, refuse("aud of the logout token")
	}
	return senders, nil
}

func (p *Provider) logoutToken(ctx context.Context, token string) (RemoteLogout, error) {
	m, err := p.discovery.get(ctx)
	if err != nil {
		return RemoteLogout{}, err
	}
	if !m.BackchannelLogout {
		return RemoteLogout{}, refuse("the provider does not say that it sends logout tokens")
	}
	payload, err := m.keys.verifyUnasked(ctx, token)
	if err != nil {
		return RemoteLogout{}, err
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return RemoteLogout{}, refuse("claims of the logout token")
	}
	if err := p.checkLogoutParties(claims); err != nil {
		return RemoteLogout{}, err
	}
	until, err := p.checkLogoutTimes(claims)
	if err != nil {
		return RemoteLogout{}, err
	}
	if err := checkLogoutEvent(claims); err != nil {
		return RemoteLogout{}, err
	}
	return RemoteLogout{Subject: claims.text("sub"), SessionID: claims.text("sid"), TokenID: claims.text("jti"), Until: until}, nil
}

// checkLogoutParties checks who the token is by and for, and that it says whose sessions shall end.
func (p *Provider) checkLogoutParties(claims claimSet) error {
	audience := claims.audience()
	switch {
	case claims.text("iss") != p.IDTokenIssuer:
		return refuse("iss of the logout token")
	case len(audience) == 0 || slices.ContainsFunc(audience, func(a string) bool { return a != p.ClientID }):
		return refuse("aud of the logout token")
	}
	named := false
	for _, name := range []string{"sub", "sid"} {
		if _, present := claims[name]; !present {
			continue
		}
		if !validSubject(claims.text(name)) {
			return refuse(name + " of the logout token")
		}
		named = true
	}
	if !named {
		return refuse("neither sub nor sid in the logout token")
	}
	if !validSubject(claims.text("jti")) {
		return refuse("jti of the logout token")
	}
	return nil
}

// checkLogoutTimes returns until when the token could be accepted, clocks that differ included.
func (p *Provider) checkLogoutTimes(claims claimSet) (until time.Time, err error) {
	now := p.now()
	issued, ok := claims.time("iat")
	if !ok || issued.After(now.Add(leeway)) || issued.Before(now.Add(-maxLogoutAge)) {
		return until, refuse("iat of the logout token")
	}
	if end, ok := claims.time("exp"); !ok || end.Before(now.Add(-leeway)) {
		return until, refuse("exp of the logout token")
	}
	if _, present := claims["nbf"]; present {
		if begin, ok := claims.time("nbf"); !ok || begin.After(now.Add(leeway)) {
			return until, refuse("nbf of the logout token")
		}
	}
	return issued.Add(maxLogoutAge + leeway), nil
}

// checkLogoutEvent checks that the token is about a logout. A nonce makes it an ID token.
func checkLogoutEvent(claims claimSet) error {
	if _, present := claims["nonce"]; present {
		return refuse("nonce in the logout token")
	}
	events, _ := claims["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return refuse("events of the logout token")
	}
	return nil
}
