package web

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Providers are the configured login providers, in the order of the configuration.
type Providers struct{ list []*Provider }

// NewProviders prepares them all; see [NewProvider].
func NewProviders(configs []LoginProvider, baseURL string, now func() time.Time) (*Providers, error) {
	ps := &Providers{}
	for _, config := range configs {
		if _, ok := ps.Get(config.ID); ok {
			return nil, fmt.Errorf("login provider %s is configured twice", config.ID)
		}
		p, err := NewProvider(config, baseURL, now)
		if err != nil {
			return nil, err
		}
		ps.list = append(ps.list, p)
	}
	return ps, nil
}

// Get finds a provider by its id.
func (ps *Providers) Get(id string) (*Provider, bool) {
	i := slices.IndexFunc(ps.list, func(p *Provider) bool { return p.ID == id })
	if i < 0 {
		return nil, false
	}
	return ps.list[i], true
}

// For lists the providers of an audience.
func (ps *Providers) For(audience string) []*Provider {
	var list []*Provider
	for _, p := range ps.list {
		if p.Audience == audience {
			list = append(list, p)
		}
	}
	return list
}

// Origins lists where forms may lead to besides ourselves, for the content security policy: browsers apply form-action
// to the redirects that follow a form as well, and logging out and logging in anew both end at the provider.
func (ps *Providers) Origins() []string {
	var list []string
	for _, p := range ps.list {
		list = append(list, p.discovery.origins()...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Warm reads every provider's discovery document ahead of the first login, until that worked once or ctx ends. A
// provider that is down costs nothing but a line in the log.
func (ps *Providers) Warm(ctx context.Context, log *slog.Logger) {
	wait := 5 * time.Second
	for {
		down := false
		for _, p := range ps.list {
			if _, err := p.discovery.get(ctx); err != nil && ctx.Err() == nil {
				down = true
				log.WarnContext(ctx, "login provider not reachable", "provider", p.ID, "error", err)
			}
		}
		if !down {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait = min(2*wait, 5*time.Minute)
		}
	}
}
