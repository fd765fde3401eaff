package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/migrations/dbtest"
	"spar/web"
)

// visit runs f as one request of a browser that has the cookies, and returns the cookies it has then.
func visit(s *web.Sessions, have []*http.Cookie, f func(r *http.Request)) []*http.Cookie {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range have {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r) })).ServeHTTP(w, r)
	if set := w.Result().Cookies(); len(set) > 0 {
		return set
	}
	return have
}

func start(t *testing.T, s *web.Sessions, have []*http.Cookie) (web.Login, []*http.Cookie) {
	t.Helper()
	var login web.Login
	now := visit(s, have, func(r *http.Request) {
		var err error
		if login, err = s.StartLogin(r.Context(), "national-id", "/account", false); err != nil {
			t.Error(err)
		}
	})
	return login, now
}

func take(s *web.Sessions, have []*http.Cookie, state string) (login web.Login, err error) {
	visit(s, have, func(r *http.Request) { login, err = s.TakeLogin(r.Context(), state) })
	return login, err
}

func TestLoginAttempt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		s := newSessions(t, db, newSeal(t), c, t.Output())
		first, browser := start(t, s, nil)
		second, browser := start(t, s, browser)
		_, stranger := start(t, s, nil)
		for _, cookie := range browser {
			if cookie.Name != "spar-login" || cookie.MaxAge > 600 || cookie.MaxAge <= 0 || !cookie.HttpOnly || strings.Contains(cookie.Value, second.State) {
				t.Errorf("cookie %+v", cookie)
			}
		}
		if first.State == second.State || first.Nonce == second.Nonce || first.Verifier == second.Verifier {
			t.Error("two attempts share a secret")
		}
		refused := func(what string, have []*http.Cookie, state string) {
			t.Helper()
			if _, err := take(s, have, state); !errors.Is(err, web.ErrNoLogin) {
				t.Errorf("%s: got %v, want ErrNoLogin", what, err)
			}
		}
		refused("another browser", stranger, first.State)
		refused("no browser", nil, first.State)
		refused("no state", browser, "")
		refused("unknown state", browser, "A"+first.State[1:]+"B")
		got, err := take(s, browser, first.State) // the older tab returns first
		if err != nil || !got.StartedAt.Equal(first.StartedAt) || got.Nonce != first.Nonce || got.Verifier != first.Verifier || got.Return != "/account" {
			t.Errorf("got %+v, %v, want %+v", got, err, first)
		}
		refused("used", browser, first.State)
		c.Advance(10*time.Minute + time.Second)
		refused("expired", browser, second.State)
	})
}

func TestLoginAttemptsAreBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		s := newSessions(t, db, newSeal(t), newClock(), t.Output())
		oldest, browser := start(t, s, nil)
		var latest web.Login
		for range 20 {
			latest, browser = start(t, s, browser)
		}
		var rows int
		if err := db.Get(&rows, `SELECT COUNT(*) FROM sessions`); err != nil {
			t.Fatal(err)
		}
		if rows != 8 {
			t.Errorf("21 attempts of one browser take %d rows, want 8", rows)
		}
		if _, err := take(s, browser, oldest.State); !errors.Is(err, web.ErrNoLogin) {
			t.Errorf("oldest: %v", err)
		}
		if _, err := take(s, browser, latest.State); err != nil {
			t.Errorf("latest: %v", err)
		}
	})
}

func TestLoginAttemptIsTakenOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		s := newSessions(t, db, newSeal(t), newClock(), t.Output())
		login, browser := start(t, s, nil)
		var wg sync.WaitGroup
		results := make(chan error, 8)
		for range cap(results) {
			wg.Go(func() { _, err := take(s, browser, login.State); results <- err })
		}
		wg.Wait()
		close(results)
		taken := 0
		for err := range results {
			switch {
			case err == nil:
				taken++
			case !errors.Is(err, web.ErrNoLogin):
				t.Error(err)
			}
		}
		if taken != 1 {
			t.Errorf("taken %d times", taken)
		}
	})
}

func TestThousandAttemptsAreDistinct(t *testing.T) {
	s := newSessions(t, dbtest.SQLite(t), newSeal(t), newClock(), t.Output())
	seen := map[string]bool{}
	var browser []*http.Cookie
	for range 1000 {
		var login web.Login
		login, browser = start(t, s, browser)
		for _, secret := range []string{login.State, login.Nonce, login.Verifier} {
			if seen[secret] || len(secret) < 26 {
				t.Fatalf("secret %q repeated or short", secret)
			}
			seen[secret] = true
		}
	}
}
