package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// cookies knows how cookies of this installation look. Over HTTPS every name carries the prefix __Host-, which makes the
// browser insist on Secure, Path=/ and no Domain, so that no neighbouring host can plant one. Browsers refuse that
// prefix over plain HTTP; there, and only on a loopback address, the names are plain.
type cookies struct{ secure bool }

func newCookies(baseURL string) (cookies, error) {
	u, err := url.Parse(baseURL)
	switch {
	case err != nil || u.Host == "":
		return cookies{}, fmt.Errorf("base_url must be an absolute URL")
	case u.Scheme == "https":
		return cookies{secure: true}, nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return cookies{}, nil
	}
	return cookies{}, fmt.Errorf("base_url must be https, or http on a loopback address")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isLoopbackPeer is isLoopback for the address of a connection.
func isLoopbackPeer(remoteAddr string) bool {
	host, _, err := net.SplitHostPort(remoteAddr)
	return err == nil && isLoopback(host)
}

func (c cookies) name(short string) string {
	if c.secure {
		return "__Host-" + short
	}
	return short
}

// make builds a cookie. A maxAge of 0 lets it live until the browser closes, below 0 removes it. SameSite is Lax, not
// Strict: the first request after the login provider's redirect comes from another site and must carry the cookies.
func (c cookies) make(short, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: c.name(short), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	}
}

func (c cookies) read(r *http.Request, short string) string {
	cookie, err := r.Cookie(c.name(short))
	if err != nil {
		return ""
	}
	return cookie.Value
}
