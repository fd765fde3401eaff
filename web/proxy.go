package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwardedHeaders are what proxies say about a request. From anybody but a trusted proxy they are lies, and removed.
var forwardedHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url"}

// peer is where a request really came from.
type peer struct {
	ip    netip.Addr
	plain bool // over plain http, to us or, as it says, to the trusted proxy
	near  bool // nobody in between: the connection comes from this machine or from a trusted proxy that had TLS
}

type peerKey struct{}

// ClientIP is the address of the client: the connection's, or what trusted proxies say. It is personal data and belongs
// in no log of ours. Invalid outside a request.
func ClientIP(ctx context.Context) netip.Addr {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p.ip
}

// ParseProxies reads the CIDRs of proxies whose forwarded headers are believed. A plain address counts as itself.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			ip, ipErr := netip.ParseAddr(text)
			if ipErr != nil {
				return nil, fmt.Errorf("trusted proxy %q is neither an address range nor an address", text)
			}
			prefix = netip.PrefixFrom(ip, ip.BitLen())
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

// behindProxies notes where each request came from and removes what only a trusted proxy may say.
func behindProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := findPeer(trusted, r)
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, p))
		r.Header = r.Header.Clone()
		for _, name := range forwardedHeaders {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r)
	})
}

func findPeer(trusted []netip.Prefix, r *http.Request) peer {
	ip := addressOf(r.RemoteAddr)
	p := peer{ip: ip, plain: r.TLS == nil, near: isLoopbackPeer(r.RemoteAddr)}
	if !contains(trusted, ip) {
		return p
	}
	p.near = true
	if proto := lastOf(r.Header["X-Forwarded-Proto"]); proto != "" && !strings.EqualFold(proto, "https") {
		p.plain, p.near = true, false
	}
	// Each proxy appends whom it saw. The first from the right that is not a trusted proxy is the client; whatever stands
	// to the left of it the client may have made up.
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return p
		}
		p.ip = hop.Unmap()
		if !contains(trusted, p.ip) {
			return p
		}
	}
	return p
}

func lastOf(values []string) string {
	parts := strings.Split(strings.Join(values, ","), ",")
	return strings.TrimSpace(parts[len(parts)-1])
}

func addressOf(remoteAddr string) netip.Addr {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}
