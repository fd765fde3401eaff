package browsertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
)

// The checks of pages are only worth something if they can fail.
func TestComplaintsAreNoticed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/policy":
			w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:")
			fmt.Fprint(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><h1 style="color:red">Policy</h1>`)
		case "/exception":
			fmt.Fprint(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><h1>Exception</h1><script>throw new Error("no")</script>`)
		case "/inaccessible":
			fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>x</title><style>@media (prefers-color-scheme: dark) { body { background: #222 } }</style><h1>Inaccessible</h1><p style="color:black">Black</p><div style="width:500px"><input></div>`)
		default:
			fmt.Fprint(w, `<!doctype html><html lang="en"><title>Good</title><link rel="icon" href="data:,"><main><h1>Good</h1></main></html>`)
		}
	}))
	t.Cleanup(server.Close)
	tab := browsertest.Open(t, browsertest.Options{Axe: filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js")})

	tab.Visit(server.URL)
	tab.Sees("Good")
	if violations := tab.Violations(); len(violations) != 0 {
		t.Errorf("a good page has %q", violations)
	}
	tab.Clean()
	for path, want := range map[string]string{"/policy": "Content Security Policy", "/exception": "exception"} {
		tab.Visit(server.URL + path)
		if got := strings.Join(tab.Complaints(), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: complaints %q, want %q among them", path, got, want)
		}
	}
	tab.Visit(server.URL + "/inaccessible")
	got := strings.Join(tab.Violations(), "\n")
	for _, want := range []string{"light colours: html-has-lang", "light colours: label", "dark colours: color-contrast", "pixels wide on a screen of 320"} {
		if !strings.Contains(got, want) {
			t.Errorf("violations %q, want %q among them", got, want)
		}
	}
}
