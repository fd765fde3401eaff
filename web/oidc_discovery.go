package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	discoveryAge   = time.Hour       // how long a provider's document is used before it is read again
	discoveryPause = 3 * time.Second // how long a failure is answered without asking again
)

// metadata is what a provider's discovery document says, checked.
type metadata struct {
	endpoint oauth2.Endpoint
	keys     *keySet

	UserinfoEndpoint   string `json:"userinfo_endpoint"`
	EndSessionEndpoint string `json:"end_session_endpoint"`
	JWKSURI            string `json:"jwks_uri"`
	IssuerInResponse   bool   `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogout  bool   `json:"backchannel_logout_supported"`
}

// discovery reads a provider's document when it is first needed, and keeps it. One request reads it for all that wait.
type discovery struct {
	issuer     string
	client     *http.Client
	algorithms []string
	now        func() time.Time
	current    atomic.Pointer[metadata]

	turn    chan struct{} // holds one token: the turn to read, and to touch the fields below
	readAt  time.Time
	failed  error
	retryAt time.Time
}

func newDiscovery(issuer string, client *http.Client, algorithms []string, now func() time.Time) *discovery {
	d := &discovery{issuer: issuer, client: client, algorithms: algorithms, now: now, turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

// get returns the document, reading it if there is none or it is old. An old one stays in use while the provider cannot
// be reached, but not if it answers with something wrong.
func (d *discovery) get(ctx context.Context) (*metadata, error) {
	select {
	case <-ctx.Done():
		return nil, unavailable("discovery", ctx.Err())
	case <-d.turn:
	}
	defer func() { d.turn <- struct{}{} }()
	now, current := d.now(), d.current.Load()
	if current != nil && now.Sub(d.readAt) < discoveryAge {
		return current, nil
	}
	if now.Before(d.retryAt) {
		return current, d.failed
	}
	fresh, err := d.read(ctx)
	if err != nil {
		d.retryAt, d.failed = now.Add(discoveryPause), unavailable("discovery", err)
		if _, wrong := errors.AsType[*oidc.IssuerMismatchError](err); current != nil && !wrong {
			d.failed = nil
		}
		return current, d.failed
	}
	if current != nil && current.JWKSURI == fresh.JWKSURI {
		fresh.keys = current.keys
	}
	d.current.Store(fresh)
	d.readAt, d.failed = now, nil
	return fresh, nil
}

// read fetches the document. It is a plain context's work, not the request's: others wait for the result as well.
func (d *discovery) read(ctx context.Context) (*metadata, error) {
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), d.client)
	provider, err := oidc.NewProvider(ctx, d.issuer)
	if err != nil {
		return nil, err
	}
	m := &metadata{endpoint: provider.Endpoint()}
	if err := provider.Claims(m); err != nil {
		return nil, err
	}
	loopback := strings.HasPrefix(d.issuer, "http://")
	for name, address := range map[string]string{
		"authorization_endpoint": m.endpoint.AuthURL, "token_endpoint": m.endpoint.TokenURL, "jwks_uri": m.JWKSURI,
		"userinfo_endpoint": m.UserinfoEndpoint, "end_session_endpoint": m.EndSessionEndpoint,
	} {
		optional := name == "userinfo_endpoint" || name == "end_session_endpoint"
		if !secureURL(address, loopback) && !(optional && address == "") {
			return nil, fmt.Errorf("%s is not a usable address", name)
		}
	}
	m.keys = newKeySet(m.JWKSURI, d.client, d.algorithms, d.now)
	return m, nil
}

// origins are the places of the provider that a form of ours may lead to, as far as they are known.
func (d *discovery) origins() []string {
	list := []string{originOf(d.issuer)}
	if m := d.current.Load(); m != nil {
		list = append(list, originOf(m.endpoint.AuthURL))
		if m.EndSessionEndpoint != "" {
			list = append(list, originOf(m.EndSessionEndpoint))
		}
	}
	return list
}
