package web_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"spar/web"
)

// front is a few routes behind web.Front.
func front(t *testing.T, o web.FrontOptions) (http.Handler, *bytes.Buffer) {
	t.Helper()
	gin.SetMode(gin.TestMode)
	log := new(bytes.Buffer)
	o.Log = slog.New(slog.NewJSONHandler(log, nil))
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(web.Route())
	engine.GET("/person/:id", func(c *gin.Context) { c.String(http.StatusOK, "person") })
	engine.GET("/ip", func(c *gin.Context) { c.String(http.StatusOK, web.ClientIP(c.Request.Context()).String()) })
	engine.GET("/forwarded", func(c *gin.Context) {
		c.String(http.StatusOK, c.GetHeader("X-Forwarded-For")+c.GetHeader("X-Forwarded-Host")+c.ClientIP())
	})
	engine.GET("/panic", func(*gin.Context) { panic("account 00112233445566") })
	engine.GET("/nil", func(c *gin.Context) { _ = []int{}[len(c.Params)] })
	engine.GET("/late-panic", func(c *gin.Context) { c.String(http.StatusOK, "half"); panic("late") })
	engine.GET("/static", func(c *gin.Context) { c.Header("Cache-Control", "max-age=60"); c.String(http.StatusOK, "x") })
	h, err := web.Front(o, engine)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

func serve(h http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const base = "https://spar.example.org"

func TestSecurityHeadersOnEveryAnswer(t *testing.T) {
	h, _ := front(t, web.FrontOptions{BaseURL: base, Origins: func() []string { return []string{"https://esignet.example.org"} }})
	for path, status := range map[string]int{"/person/1": 200, "/nothing": 404, "/panic": 500} {
		w := serve(h, "GET", base+path, nil)
		if w.Code != status {
			t.Errorf("%s: got %d, want %d", path, w.Code, status)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
				"form-action 'self' https://esignet.example.org; frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
			"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
			"Access-Control-Allow-Origin":  "",
			"Server":                       "",
			"X-Powered-By":                 "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if !strings.Contains(w.Header().Get("Permissions-Policy"), "geolocation=()") || len(w.Header().Get("X-Request-Id")) != 26 {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	for _, other := range []struct {
		method, target string
		status         int
	}{{"POST", base + "/person/1", 405}, {"GET", "https://evil.test/person/1", 421}} {
		w := serve(h, other.method, other.target, nil)
		if w.Code != other.status || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: got %d, %v", other.method, other.target, w.Code, w.Header())
		}
	}
	if got := serve(h, "GET", base+"/static", nil).Header()["Cache-Control"]; len(got) != 1 || got[0] != "max-age=60" {
		t.Errorf("a handler's own Cache-Control: %v", got)
	}
	plain, _ := front(t, web.FrontOptions{BaseURL: "http://127.0.0.1:8080"})
	if got := serve(plain, "GET", "http://127.0.0.1:8080/person/1", nil).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over plain http: %s", got)
	}
}

func TestHost(t *testing.T) {
	h, _ := front(t, web.FrontOptions{BaseURL: base})
	for host, want := range map[string]int{
		"spar.example.org": 200, "SPAR.example.org": 200, "spar.example.org:443": 200, "spar.example.org:8443": 421, "evil.test": 421,
		"spar.example.org.evil.test": 421, "": 421, "spar.example.org@evil.test": 421,
	} {
		if w := serve(h, "GET", base+"/person/1", func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("%q: got %d, want %d", host, w.Code, want)
		}
	}
	if w := serve(h, "GET", base+"/person/1", func(r *http.Request) { r.TLS = nil }); w.Code != 308 {
		t.Errorf("plain http from afar: got %d", w.Code)
	}
	if w := serve(h, "GET", base+"/person/1", func(r *http.Request) { r.TLS = nil; r.RemoteAddr = "127.0.0.1:4711" }); w.Code != 200 {
		t.Errorf("plain http from this machine: got %d", w.Code)
	}
}

func TestOtherNamesOfTheSameMachine(t *testing.T) {
	h, _ := front(t, web.FrontOptions{BaseURL: "http://127.0.0.1:8080"})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 307, "LOCALHOST:8080": 307, "[::1]:8080": 307, "localhost:8081": 421, "localhost": 421,
		"127.0.0.2:8080": 421, "localhost.evil.test:8080": 421, "evil.test:8080": 421,
	} {
		browser := func(r *http.Request) { r.Host = host; r.Header.Set("Accept", "text/html,*/*") }
		w := serve(h, "GET", "http://127.0.0.1:8080/person/1?a=b", browser)
		if w.Code != want || want == 307 && w.Header().Get("Location") != "http://127.0.0.1:8080/person/1?a=b" {
			t.Errorf("%q: got %d to %q, want %d", host, w.Code, w.Header().Get("Location"), want)
		}
	}
	if w := serve(h, "GET", "http://127.0.0.1:8080/person/1", func(r *http.Request) { r.Host = "localhost:8080" }); w.Code != 200 {
		t.Errorf("a program at localhost: got %d, want 200", w.Code)
	}
	public, _ := front(t, web.FrontOptions{BaseURL: base})
	if w := serve(public, "GET", base+"/person/1", func(r *http.Request) { r.Host = "localhost" }); w.Code != 421 {
		t.Errorf("localhost on a public server: got %d, want 421", w.Code)
	}
}

func TestProxies(t *testing.T) {
	trusted, err := web.ParseProxies([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := front(t, web.FrontOptions{BaseURL: base, Proxies: trusted})
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "198.51.100.1:1", nil, "198.51.100.1"},
		{"direct, lying", "198.51.100.1:1", []string{"203.0.113.9"}, "198.51.100.1"},
		{"one proxy", "10.1.2.3:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"proxy, client lying", "10.1.2.3:1", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"proxy, two headers", "10.1.2.3:1", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.1.2.3:1", []string{"203.0.113.9, 192.0.2.7"}, "203.0.113.9"},
		{"proxy, garbage", "10.1.2.3:1", []string{"unknown"}, "10.1.2.3"},
		{"proxy without header", "10.1.2.3:1", nil, "10.1.2.3"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::9"}, "2001:db8::9"},
		{"IPv4 in IPv6", "[::ffff:10.1.2.3]:1", []string{"203.0.113.9"}, "203.0.113.9"},
	} {
		w := serve(h, "GET", base+"/ip", func(r *http.Request) {
			r.RemoteAddr = test.peer
			if test.forwarded != nil {
				r.Header["X-Forwarded-For"] = test.forwarded
			}
		})
		if got := w.Body.String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	for proto, want := range map[string]int{"https": 200, "HTTPS": 200, "http": 308, "": 200} {
		w := serve(h, "GET", base+"/ip", func(r *http.Request) {
			r.TLS, r.RemoteAddr = nil, "10.1.2.3:1"
			r.Header.Set("X-Forwarded-Proto", proto)
		})
		if w.Code != want {
			t.Errorf("X-Forwarded-Proto %q: got %d, want %d", proto, w.Code, want)
		}
	}
	for method, want := range map[string]int{"GET": 308, "POST": 421} {
		w := serve(h, method, base+"/person/1?a=b", func(r *http.Request) {
			r.TLS, r.RemoteAddr, r.Host = nil, "10.1.2.3:1", "spar.example.org:80"
			r.Header.Set("X-Forwarded-Proto", "http")
		})
		if to := w.Header().Get("Location"); w.Code != want || to != "" && to != base+"/person/1?a=b" {
			t.Errorf("%s over plain http at the proxy: got %d to %s", method, w.Code, to)
		}
	}
	w := serve(h, "GET", base+"/forwarded", func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("X-Forwarded-Host", "evil.test")
	})
	if got := w.Body.String(); strings.Contains(got, "203.0.113.9") || strings.Contains(got, "evil.test") {
		t.Errorf("forwarded headers got through: %s", got)
	}
	if _, err := web.ParseProxies([]string{"proxy.example.org"}); err == nil {
		t.Error("a name is taken for an address range")
	}
}

func TestLogAndPanics(t *testing.T) {
	var served []web.Served
	h, log := front(t, web.FrontOptions{BaseURL: base, Observe: func(s web.Served) { served = append(served, s) }})
	for _, target := range []string{"/person/4711081547?phone=0551234", "/nothing/4711081547"} {
		serve(h, "GET", base+target, func(r *http.Request) { r.Header.Set("User-Agent", "agent-marker"); r.RemoteAddr = "203.0.113.9:1" })
	}
	serve(h, "LINK", base+"/person/1", nil)
	w := serve(h, "GET", base+"/panic", nil)
	if w.Code != 500 || strings.Contains(w.Body.String(), "0011") || strings.Contains(w.Body.String(), ".go") || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	serve(h, "GET", base+"/nil", nil)
	for _, secret := range []string{"4711081547", "0551234", "agent-marker", "203.0.113.9", "00112233445566", "LINK"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	for _, want := range []string{`"route":"/person/:id"`, `"panic":"string"`, "index out of range", `"status":404`, `"method":"other"`, w.Header().Get("X-Request-Id")} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if len(served) != 5 || served[0].Route != "/person/:id" || served[0].Status != 200 || served[0].Bytes != 6 || served[1].Route != "" || served[3].Status != 500 {
		t.Errorf("observed %+v", served)
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("half an answer is not cut off")
			}
		}()
		serve(h, "GET", base+"/late-panic", nil)
	}()
}
