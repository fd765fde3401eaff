package web

import (
	"net/http"
	"strings"
)

// SecureHeaders sets the security headers of every answer, errors included. Handlers may replace Cache-Control where an
// answer holds nothing about anybody. origins names the places besides ourselves where a form may end up, asked for
// each answer because discovery may find them later; https says whether the public URL is https.
func SecureHeaders(https bool, origins func() []string) func(http.Handler) http.Handler {
	fixed := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()",
		"X-Frame-Options":              "DENY", // for browsers that do not know frame-ancestors
		"Cache-Control":                "no-store",
	}
	if https {
		fixed["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			for name, value := range fixed {
				h.Set(name, value)
			}
			h.Set("Content-Security-Policy", contentPolicy(origins()))
			next.ServeHTTP(w, r)
		})
	}
}

// contentPolicy allows our own files and nothing else: no inline code or styles, no other hosts, no frames.
func contentPolicy(origins []string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'", "connect-src 'self'",
		strings.Join(append([]string{"form-action 'self'"}, origins...), " "),
		"frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'",
	}, "; ")
}
