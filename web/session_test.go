package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/migrations/dbtest"
	"spar/web"
)

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newSeal(t testing.TB) tink.AEAD {
	t.Helper()
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	seal, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

// lookup is a key that all sessions of the tests share.
var lookup = sync.OnceValues(func() (*prf.Set, error) {
	handle, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	return prf.NewPRFSet(handle)
})

func newLookup(t testing.TB) *prf.Set {
	t.Helper()
	set, err := lookup()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newSessions(t testing.TB, db *sqlx.DB, seal tink.AEAD, c *clock, log io.Writer) *web.Sessions {
	t.Helper()
	s, err := web.NewSessions(db, seal, web.SessionOptions{
		BaseURL: "http://127.0.0.1", Idle: 15 * time.Minute, Lifetime: 8 * time.Hour, Lookup: newLookup(t), Now: c.Now,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// app is a few pages around Sessions, with a browser in front.
type app struct {
	t        testing.TB
	sessions *web.Sessions
	clock    *clock
	server   *httptest.Server
	client   *http.Client
	log      *bytes.Buffer
	pause    chan struct{} // /slow says that it has loaded its session, and goes on when it hears back
}

var ana = web.User{
	Provider: "national-id", Audience: web.Beneficiary, Subject: "subject-ana", ID: "token:4711081547114711@nationalid",
	Name: "Ana Marker", IDToken: "eyJmarker.eyJtoken.sig",
}

func newApp(t testing.TB, db *sqlx.DB, seal tink.AEAD, c *clock) *app {
	t.Helper()
	a := &app{t: t, clock: c, log: new(bytes.Buffer), pause: make(chan struct{})}
	a.sessions = newSessions(t, db, seal, c, a.log)
	a.server = httptest.NewServer(a.sessions.Wrap(a.routes()))
	t.Cleanup(a.server.Close)
	a.client = newBrowser(t)
	return a
}

func newBrowser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, h func(ctx context.Context) string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, h(r.Context())) })
	}
	handle("/in", func(ctx context.Context) string { return status(a.sessions.SignIn(ctx, ana)) })
	handle("/in-ben", func(ctx context.Context) string {
		ben := ana
		ben.Subject = "subject-ben"
		return status(a.sessions.SignIn(ctx, ben))
	})
	handle("/out", func(ctx context.Context) string { return status(a.sessions.SignOut(ctx)) })
	handle("/who", a.who)
	handle("/slow", func(ctx context.Context) string {
		who := a.who(ctx)
		a.pause <- struct{}{}
		<-a.pause
		a.sessions.Flash(ctx, "late")
		return who
	})
	handle("/flash", func(ctx context.Context) string { a.sessions.Flash(ctx, "saved"); return "ok" })
	handle("/take-flash", func(ctx context.Context) string { return a.sessions.TakeFlash(ctx) })
	handle("/draft", func(ctx context.Context) string {
		a.sessions.SetDraft(ctx, web.Draft{Kind: "bank", DFSP: "BNP", Account: "00112233445566"})
		return "ok"
	})
	handle("/get-draft", func(ctx context.Context) string {
		draft, _ := a.sessions.Draft(ctx)
		return draft.Account
	})
	mux.HandleFunc("/after-body", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "body")
		a.sessions.Flash(r.Context(), "lost")
	})
	mux.HandleFunc("/fail", func(w http.ResponseWriter, r *http.Request) {
		a.sessions.Flash(r.Context(), "unsaved")
		w.WriteHeader(http.StatusInternalServerError)
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		a.sessions.Flash(r.Context(), "redirected")
		http.Redirect(w, r, "/who", http.StatusSeeOther)
	})
	mux.HandleFunc("/empty", func(_ http.ResponseWriter, r *http.Request) { a.sessions.Flash(r.Context(), "empty") })
	return mux
}

func (a *app) who(ctx context.Context) string {
	user, ok := a.sessions.User(ctx)
	if !ok {
		return "nobody"
	}
	return user.Subject
}

func status(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func (a *app) get(path string) string {
	a.t.Helper()
	return body(a.t, a.do(path))
}

func (a *app) do(path string) *http.Response {
	a.t.Helper()
	resp, err := a.client.Get(a.server.URL + path)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (a *app) want(path, want string) {
	a.t.Helper()
	if got := a.get(path); got != want {
		a.t.Errorf("%s: got %q, want %q", path, got, want)
	}
}

func (a *app) cookie() string {
	u, _ := url.Parse(a.server.URL)
	for _, c := range a.client.Jar.Cookies(u) {
		if c.Name == "spar" {
			return c.Value
		}
	}
	return ""
}

func TestSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		seal, c := newSeal(t), newClock()
		a := newApp(t, db, seal, c)
		a.want("/who", "nobody")
		if a.cookie() != "" {
			t.Error("a visitor who did nothing got a session")
		}
		a.want("/flash", "ok")
		before := a.cookie()
		a.want("/in", "ok")
		a.want("/who", "subject-ana")
		if a.cookie() == before || before == "" {
			t.Errorf("session token not renewed at login: %q", before)
		}
		a.want("/draft", "ok")

		// The program restarts, or another replica answers.
		b := newApp(t, db, seal, c)
		a.server.Close()
		a.server = b.server
		moveCookies(t, a, b)
		b.want("/who", "subject-ana")
		b.want("/get-draft", "00112233445566")

		old := b.cookie()
		b.want("/out", "ok")
		if b.cookie() != "" {
			t.Error("cookie still there after logout")
		}
		b.want("/who", "nobody")
		setCookie(t, b, old)
		b.want("/who", "nobody")
		setCookie(t, b, before)
		b.want("/who", "nobody")
	})
}

func moveCookies(t *testing.T, from, to *app) {
	t.Helper()
	to.client.Jar = from.client.Jar // cookies do not know ports
}

func setCookie(t *testing.T, a *app, token string) {
	t.Helper()
	u, err := url.Parse(a.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	a.client.Jar.SetCookies(u, []*http.Cookie{{Name: "spar", Value: token, Path: "/"}})
}

func TestSessionDoesNotAdoptForeignToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newApp(t, db, newSeal(t), newClock())
		setCookie(t, a, "chosen-by-an-attacker")
		a.want("/in", "ok")
		if a.cookie() == "chosen-by-an-attacker" {
			t.Error("the session was made under a token that came from outside")
		}
	})
}

func TestSlowRequestDoesNotReviveSession(t *testing.T) {
	for _, end := range []string{"/out", "/in"} { // logging out, or a new login with its new token
		dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
			a := newApp(t, db, newSeal(t), newClock())
			a.want("/in", "ok")
			old := a.cookie()
			slow := *a
			slow.client = newBrowser(t)
			setCookie(t, &slow, old)
			done := make(chan *http.Response)
			go func() { done <- slow.do("/slow") }()
			<-a.pause
			a.want(end, "ok")
			a.pause <- struct{}{}
			resp := <-done
			if got := body(t, resp); got != "subject-ana" {
				t.Errorf("slow request: got %q", got)
			}
			if set := resp.Header.Values("Set-Cookie"); len(set) > 0 {
				t.Errorf("slow request set cookies: %q", set)
			}
			slow.want("/who", "nobody")
		})
	}
}

func TestSessionEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		a := newApp(t, db, newSeal(t), c)
		a.want("/in", "ok")
		c.Advance(14 * time.Minute)
		a.want("/who", "subject-ana")
		c.Advance(14 * time.Minute)
		a.want("/who", "subject-ana")
		c.Advance(15*time.Minute + time.Second)
		a.want("/who", "nobody")

		a.want("/in", "ok")
		for range 8*6 - 1 {
			c.Advance(10 * time.Minute)
			a.want("/who", "subject-ana")
		}
		c.Advance(10*time.Minute + time.Second)
		a.want("/who", "nobody")
	})
}

func TestSessionPurge(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		a := newApp(t, db, newSeal(t), c)
		a.want("/in", "ok")
		a.want("/out", "ok")
		for _, step := range []struct {
			advance time.Duration
			want    int64
		}{{16 * time.Minute, 0}, {time.Hour, 1}} {
			c.Advance(step.advance)
			n, err := a.sessions.Purge(t.Context())
			if err != nil || n != step.want {
				t.Errorf("after %v more: purged %d, %v, want %d", step.advance, n, err, step.want)
			}
		}
	})
}

func TestSessionRowsHoldNothingInClear(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newApp(t, db, newSeal(t), newClock())
		a.want("/in", "ok")
		a.want("/draft", "ok")
		token := a.cookie()
		var rows []struct {
			Hash   []byte `db:"token_hash"`
			Sealed []byte `db:"sealed"`
		}
		if err := db.Select(&rows, `SELECT token_hash, sealed FROM sessions WHERE NOT revoked`); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 {
			t.Fatalf("%d live rows, want 1", len(rows))
		}
		dump := string(rows[0].Hash) + " " + string(rows[0].Sealed)
		for _, marker := range []string{"4711081547114711", "Ana Marker", "subject-ana", "eyJmarker", "00112233445566", token} {
			for form, text := range map[string]string{
				"plain": marker, "hex": hex.EncodeToString([]byte(marker)),
				"base64": base64.StdEncoding.EncodeToString([]byte(marker))[:8],
			} {
				if strings.Contains(dump, text) {
					t.Errorf("the table holds %q (%s)", marker, form)
				}
			}
		}
		if raw, _ := base64.RawURLEncoding.DecodeString(token); len(raw) > 0 && bytes.Contains([]byte(dump), raw) {
			t.Error("the table holds the decoded token")
		}
	})
}

func TestSessionRowsAreBoundToTheirToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newApp(t, db, newSeal(t), newClock())
		a.want("/in", "ok")
		b := *a
		b.client = newBrowser(t)
		b.want("/in-ben", "ok")
		// Someone with write access to the table gives every session the same content.
		if _, err := db.Exec(`UPDATE sessions SET sealed = (SELECT sealed FROM sessions LIMIT 1)`); err != nil {
			t.Fatal(err)
		}
		if got := a.get("/who") + " " + b.get("/who"); got != "subject-ana nobody" && got != "nobody subject-ben" {
			t.Errorf("a moved row opened: %q", got)
		}
	})
}

func TestSessionUnderAnotherKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		a := newApp(t, db, newSeal(t), c)
		a.want("/in", "ok")
		b := newApp(t, db, newSeal(t), c)
		moveCookies(t, a, b)
		b.want("/who", "nobody")
		b.want("/in", "ok")
		b.want("/who", "subject-ana")
	})
}

func TestDraftIsDroppedForAnotherPerson(t *testing.T) {
	a := newApp(t, dbtest.SQLite(t), newSeal(t), newClock())
	a.want("/in", "ok")
	a.want("/draft", "ok")
	a.want("/in", "ok")
	a.want("/get-draft", "00112233445566")
	a.want("/in-ben", "ok")
	a.want("/get-draft", "")
}

func TestSessionIsSavedWithEveryKindOfAnswer(t *testing.T) {
	a := newApp(t, dbtest.SQLite(t), newSeal(t), newClock())
	for _, test := range []struct{ path, want string }{
		{"/flash", "saved"}, {"/redirect", "redirected"}, {"/empty", "empty"}, {"/fail", ""}, {"/after-body", ""},
	} {
		a.get(test.path)
		if got := a.get("/take-flash"); got != test.want {
			t.Errorf("%s: flash %q, want %q", test.path, got, test.want)
		}
		a.want("/take-flash", "")
	}
	if !strings.Contains(a.log.String(), "session changed after the answer began") {
		t.Error("a change that came too late was not reported")
	}
}

func TestSessionCannotBeSaved(t *testing.T) {
	db := dbtest.SQLite(t)
	a := newApp(t, db, newSeal(t), newClock())
	if _, err := db.Exec(`CREATE TRIGGER full BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'disk full'); END`); err != nil {
		t.Fatal(err)
	}
	resp := a.do("/redirect")
	if got := body(t, resp); resp.StatusCode != 500 || strings.Contains(got, "See Other") || resp.Header.Get("Location") != "" {
		t.Errorf("got %d, Location %q, %q", resp.StatusCode, resp.Header.Get("Location"), got)
	}
	db.Close()
	setCookie(t, a, "any")
	if resp := a.do("/who"); resp.StatusCode != 500 || strings.Contains(body(t, resp), "nobody") {
		t.Errorf("without a database: got %d", resp.StatusCode)
	}
}

func TestSessionCookie(t *testing.T) {
	for base, want := range map[string]string{
		"https://spar.example.org": "__Host-spar=%; Path=/; HttpOnly; Secure; SameSite=Lax",
		"http://localhost:8080":    "spar=%; Path=/; HttpOnly; SameSite=Lax",
		"http://[::1]:8080":        "spar=%; Path=/; HttpOnly; SameSite=Lax",
	} {
		s, err := web.NewSessions(dbtest.SQLite(t), newSeal(t), web.SessionOptions{BaseURL: base, Idle: time.Minute, Lifetime: time.Hour, Lookup: newLookup(t)})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.Flash(r.Context(), "x") })).
			ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		name, rest, _ := strings.Cut(w.Header().Get("Set-Cookie"), "=")
		value, attributes, _ := strings.Cut(rest, ";")
		if got := name + "=%;" + attributes; got != want || len(value) != 43 {
			t.Errorf("%s: got %s, want %s", base, w.Header().Get("Set-Cookie"), want)
		}
	}
	for _, base := range []string{"http://spar.example.org", "spar.example.org", "ftp://localhost", ""} {
		if _, err := web.NewSessions(nil, nil, web.SessionOptions{BaseURL: base, Idle: time.Minute, Lifetime: time.Hour, Lookup: newLookup(t)}); err == nil {
			t.Errorf("%q: accepted", base)
		}
	}
}
