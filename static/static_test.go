package static_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"spar/static"
)

func get(t *testing.T, method, url, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestFilesAreServedForEver(t *testing.T) {
	for name, contentType := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "favicon.svg": "image/svg+xml",
	} {
		url := static.URL(name)
		if !regexp.MustCompile(`^/static/[a-z]+\.[0-9a-f]{12}\.[a-z]+$`).MatchString(url) {
			t.Errorf("%s is at %s, want its content's hash in the URL", name, url)
		}
		answer := get(t, http.MethodGet, url, "")
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK || string(body) != string(want) {
			t.Errorf("%s: status %d, or another content", name, answer.StatusCode)
		}
		if got := answer.Header.Get("Content-Type"); got != contentType {
			t.Errorf("%s: Content-Type %q, want %q", name, got, contentType)
		}
		if got := answer.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
	}
}

func TestCompression(t *testing.T) {
	for encoding, want := range map[string]string{
		"": "", "gzip": "gzip", "gzip, deflate, br": "br", "br;q=0, GZIP;q=0.5": "gzip", "gzip;q=0": "", "gzip; q=0.0": "", "br": "br",
		"xgzip": "", "xbr": "",
	} {
		answer := get(t, http.MethodGet, static.URL("app.css"), encoding)
		if got := answer.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: compressed as %q, want %q", encoding, got, want)
		}
		if answer.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary", encoding)
		}
		var reader io.Reader = answer.Body
		switch want {
		case "br":
			reader = brotli.NewReader(answer.Body)
		case "gzip":
			zip, err := gzip.NewReader(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			reader = zip
		}
		if length := answer.Header.Get("Content-Length"); length == "" {
			t.Errorf("Accept-Encoding %q: no length", encoding)
		}
		if body, err := io.ReadAll(reader); err != nil || !strings.Contains(string(body), "--accent") {
			t.Errorf("Accept-Encoding %q: not the stylesheet (%v)", encoding, err)
		}
	}
}

// A picture that is opened by itself is a document: nothing in it may run.
func TestPicturesCannotRun(t *testing.T) {
	if policy := get(t, http.MethodGet, static.URL("favicon.svg"), "").Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") {
		t.Errorf("a picture is sent with the policy %q", policy)
	}
}

func TestOthersAreNotFound(t *testing.T) {
	for _, url := range []string{"/static/", "/static/app.css", "/static/vendor/README.md", "/static/../static.go", "/static/static.go", static.URL("unknown.js")} {
		if answer := get(t, http.MethodGet, url, ""); answer.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", url, answer.StatusCode)
		}
	}
	if answer := get(t, http.MethodPost, static.URL("app.css"), ""); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", answer.StatusCode)
	}
}

// Icons go into pages as they are: nothing in them may run or be refused by the content security policy.
func TestIconsAreSafeToInline(t *testing.T) {
	entries, err := os.ReadDir("icons")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		icon := static.Icon(strings.TrimSuffix(entry.Name(), ".svg"))
		if !strings.HasPrefix(icon, "<svg ") || !strings.Contains(icon, `aria-hidden="true"`) {
			t.Errorf("%s is not an icon hidden from screen readers", entry.Name())
		}
		for _, forbidden := range []string{"<script", "style=", " on", "href", " id="} {
			if strings.Contains(icon, forbidden) {
				t.Errorf("%s contains %q", entry.Name(), forbidden)
			}
		}
	}
	if static.Icon("unknown") != "" {
		t.Error("an unknown icon has markup")
	}
}

func TestScriptsKeepToThePolicy(t *testing.T) {
	script, err := os.ReadFile("app.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"eval(", "innerHTML", "Function(", "localStorage", "sessionStorage", ".style"} {
		if strings.Contains(string(script), forbidden) {
			t.Errorf("app.js contains %q", forbidden)
		}
	}
}
