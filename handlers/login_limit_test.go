package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"spar/handlers"
)

func TestLoginLimit(t *testing.T) {
	a, _ := newLogin(t, nil)
	get := func(path, from string) *http.Response {
		t.Helper()
		r, err := http.NewRequest("GET", a.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", from)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	paths := []string{"/auth/login/national-id", "/oauth2/callback?state=x&code=y"}
	for i := range loginRequests {
		if resp := get(paths[i%2], "192.0.2.1"); resp.StatusCode == http.StatusTooManyRequests {
			t.Fatalf("request %d: limited", i)
		}
	}
	for _, path := range paths {
		resp := get(path, "192.0.2.1")
		text := readAll(t, resp)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "300" || !strings.Contains(text, "Too many sign-ins") {
			t.Errorf("%s: got %s, Retry-After %q", path, resp.Status, resp.Header.Get("Retry-After"))
		}
		// What a client says of itself in front of what the proxy says makes it nobody else.
		if resp := get(path, "198.51.100.7, 192.0.2.1"); resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: a client with an invented address: got %s", path, resp.Status)
		}
		if resp := get(path, "192.0.2.2"); resp.StatusCode == http.StatusTooManyRequests {
			t.Errorf("%s: another client is limited", path)
		}
	}
	if resp := get("/auth/profile", "192.0.2.1"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("another page: got %s", resp.Status)
	}
	a.clock.Advance(handlers.LoginWindow)
	if resp := get(paths[0], "192.0.2.1"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("afterwards: got %s", resp.Status)
	}
}
