package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

const (
	providerTimeout = 10 * time.Second // for one request, answer included
	maxProviderBody = 1 << 20          // bytes
)

// newProviderClient makes the client for everything asked of a login provider. A provider that is slow, endless or
// redirects to somebody else gets no further than one failed login.
func newProviderClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Timeout:   providerTimeout,
		Transport: limitedTransport{transport},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			first := via[0]
			if first.Method != http.MethodGet || len(via) > 3 || r.URL.Host != first.URL.Host || r.URL.Scheme != first.URL.Scheme {
				return errors.New("redirect not followed")
			}
			return nil
		},
	}
}

// limitedTransport cuts answers off at maxProviderBody. The libraries that read them have no limit of their own.
type limitedTransport struct{ http.RoundTripper }

func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxProviderBody)
	}
	return resp, err
}

// secureURL reports whether an address of a provider may be used: https, or http on a loopback address where that is
// allowed, which it is only for a provider that itself is there.
func secureURL(address string, loopback bool) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback && isLoopback(u.Hostname())
}

// originOf is the scheme, host and port of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
