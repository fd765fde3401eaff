package handlers_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/internal/keyring"
	"spar/migrations/dbtest"
	"spar/web"
	"spar/web/oidctest"
)

// testClock is a time that the test moves.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer is a log that requests write to while the test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// loginRequests is the limit of the tests.
const loginRequests = 300

// loginApp is the login with everything real around it, and a few pages in the account's place.
type loginApp struct {
	t        testing.TB
	server   *httptest.Server
	sessions *web.Sessions
	clock    *testClock
	log      *logBuffer
	db       *sqlx.DB
	trail    *audit.Log
	refusals *audit.Refusals
	changes  int // how often POST /account came through
}

// newLoginApp starts the portal for the given login providers. It makes them once its own address is known.
func newLoginApp(t testing.TB, clock *testClock, configs func(baseURL string) []web.LoginProvider) *loginApp {
	t.Helper()
	return newReplicas(t, dbtest.SQLite(t), clock, 1, configs)[0]
}

// newReplicas starts as many portals on one database, with the same keys.
func newReplicas(t testing.TB, db *sqlx.DB, clock *testClock, n int, configs func(baseURL string) []web.LoginProvider) (apps []*loginApp) {
	t.Helper()
	ring, err := keyring.Open(t.Context(), db, t.TempDir(), clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		apps = append(apps, startLoginApp(t, db, ring, clock, configs))
	}
	return apps
}

func startLoginApp(t testing.TB, db *sqlx.DB, ring *keyring.Ring, clock *testClock, configs func(baseURL string) []web.LoginProvider) *loginApp {
	t.Helper()
	a := &loginApp{t: t, db: db, clock: clock, log: new(logBuffer)}
	var handler http.Handler
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	base := "http://" + a.server.Listener.Addr().String()
	log := slog.New(slog.NewJSONHandler(a.log, nil))
	a.trail = audittest.New(t, db)
	a.refusals = audit.NewRefusals(a.trail, nil, log, clock.Now)
	var err error
	a.sessions, err = web.NewSessions(db, ring.Sessions, web.SessionOptions{
		BaseURL: base, Idle: 15 * time.Minute, Lifetime: 8 * time.Hour, Lookup: ring.Lookup, Now: clock.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	providers, err := web.NewProviders(configs(base), base, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	login := &handlers.Login{Sessions: a.sessions, Providers: providers, BaseURL: base, Trail: a.trail, Refusals: a.refusals, Log: log, Now: clock.Now,
		Limit:          web.NewClientLimit(loginRequests, handlers.LoginWindow, clock.Now),
		RefusedLogouts: web.NewClientLimit(loginRequests, handlers.LoginWindow, clock.Now),
	}
	refused := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux := http.NewServeMux()
	mux.Handle("/", a.sessions.Protect(a.routes(login), refused))
	mux.HandleFunc(handlers.BackchannelLogoutPath, login.BackchannelLogout)
	proxies, err := web.ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	handler, err = web.Front(web.FrontOptions{BaseURL: base, Proxies: proxies, Origins: providers.Origins, Log: log}, mux)
	if err != nil {
		t.Fatal(err)
	}
	a.server.Start()
	t.Cleanup(a.server.Close)
	return a
}

func (a *loginApp) routes(login *handlers.Login) http.Handler {
	gin.SetMode(gin.TestMode)
	engine := gin.New()
	engine.Use(web.Route(), a.sessions.Localize())
	login.Register(engine)
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "home") })
	engine.GET("/form-token", func(c *gin.Context) { c.String(http.StatusOK, a.sessions.FormToken(c.Request.Context())) })
	engine.GET("/roles", func(c *gin.Context) {
		user, _ := a.sessions.User(c.Request.Context())
		c.String(http.StatusOK, "%s %v", user.Audience, user.Roles)
	})
	engine.GET("/contact", func(c *gin.Context) {
		user, _ := a.sessions.User(c.Request.Context())
		c.String(http.StatusOK, "%s|%s", user.Phone, user.Email)
	})
	engine.GET("/draft", func(c *gin.Context) {
		a.sessions.SetDraft(c.Request.Context(), web.Draft{Account: "123456"})
		c.String(http.StatusOK, "kept")
	})
	engine.GET("/admin/change", login.RequireRole(web.Admin), login.RequireFresh(15*time.Minute, "/admin/change"), func(c *gin.Context) {
		c.String(http.StatusOK, "change")
	})
	account := engine.Group("/account", login.RequireBeneficiary())
	account.GET("", func(c *gin.Context) {
		user, _ := a.sessions.User(c.Request.Context())
		c.String(http.StatusOK, "account of "+user.ID)
	})
	fresh := login.RequireFresh(web.FreshAge, "/account/check")
	account.GET("/check", fresh, func(c *gin.Context) {
		draft, _ := a.sessions.Draft(c.Request.Context())
		c.String(http.StatusOK, "check "+draft.Account)
	})
	account.POST("", fresh, func(c *gin.Context) {
		a.changes++
		c.String(http.StatusOK, "changed")
	})
	return engine
}

// newBrowser is a browser without script. It follows redirects; see walk for one that stops at each.
func newBrowser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// page fetches a page, redirects followed, and returns it with its status and where it was in the end.
func (a *loginApp) page(browser *http.Client, path string) (status int, text, at string) {
	a.t.Helper()
	resp, err := browser.Get(a.server.URL + path)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, readAll(a.t, resp), resp.Request.URL.RequestURI()
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// step fetches an address without following its redirect.
func step(t testing.TB, browser *http.Client, address string) *http.Response {
	t.Helper()
	still := *browser
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := still.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// callbackURL logs in as far as the provider's redirect back, which it returns instead of following it.
func (a *loginApp) callbackURL(browser *http.Client, path string) *url.URL {
	a.t.Helper()
	resp := step(a.t, browser, a.server.URL+path)
	resp = step(a.t, browser, resp.Header.Get("Location"))
	to, err := resp.Location()
	if err != nil {
		a.t.Fatalf("the provider did not send the browser back: %s", resp.Status)
	}
	return to
}

// user is the ID of whoever is signed in; empty for nobody.
func (a *loginApp) user(browser *http.Client) string {
	a.t.Helper()
	still := *browser
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := still.Get(a.server.URL + "/account")
	if err != nil {
		a.t.Fatal(err)
	}
	text := readAll(a.t, resp)
	if resp.StatusCode != http.StatusOK {
		return ""
	}
	return strings.TrimPrefix(text, "account of ")
}

func (a *loginApp) post(browser *http.Client, path string, form url.Values) *http.Response {
	a.t.Helper()
	_, token, _ := a.page(browser, "/form-token")
	form.Set(web.FormTokenField, token)
	still := *browser
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := still.PostForm(a.server.URL+path, form)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// config is a good configuration for a provider under test.
func config(p *oidctest.Provider) web.LoginProvider {
	return web.LoginProvider{
		ID: "national-id", Name: map[string]string{"en": "National ID"}, Audience: web.Beneficiary, Issuer: p.URL,
		ClientID: oidctest.ClientID, ClientAuth: "client_secret_basic", ClientSecret: oidctest.ClientSecret,
		Scopes: []string{"openid", "profile"}, Userinfo: "signed", IDTemplate: "token:{individual_id}@nationalid",
	}
}

// newLogin starts a provider and a portal that knows it.
func newLogin(t testing.TB, change func(*web.LoginProvider)) (*loginApp, *oidctest.Provider) {
	t.Helper()
	clock := &testClock{now: time.Now()}
	p := oidctest.New(t, "client_secret_basic", nil, clock.Now)
	a := newLoginApp(t, clock, func(string) []web.LoginProvider {
		c := config(p)
		if change != nil {
			change(&c)
		}
		return []web.LoginProvider{c}
	})
	return a, p
}

// clientKey makes a client's key and the PEM file with it.
func clientKey(t testing.TB, kind string) (file string, public crypto.PublicKey) {
	t.Helper()
	var private crypto.Signer
	var err error
	if kind == "EC" {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, private.Public()
}
