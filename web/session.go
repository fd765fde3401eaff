package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The short names of our cookies; see cookies.name.
const (
	sessionCookie  = "spar"
	loginCookie    = "spar-login"
	formCookie     = "spar-form"
	languageCookie = "spar-lang"
)

// SessionOptions say how sessions behave.
type SessionOptions struct {
	BaseURL  string           // the public URL; decides the cookies' names and whether they are Secure
	Idle     time.Duration    // a session ends when it was not used for this long
	Lifetime time.Duration    // a session ends this long after its login, used or not
	Lookup   *prf.Set         // hashes whose session it is, for logouts at the provider; the same on every replica
	Now      func() time.Time // time.Now if nil
	Log      *slog.Logger     // slog.Default() if nil
	Failed   http.Handler     // answers a request whose session could not be loaded or saved; a plain 500 if nil
}

// Sessions keeps who is logged in, on the server. The browser has nothing but random tokens in cookies; the rows are
// found by the tokens' hashes and sealed. Handlers use the typed methods with the request's context, inside
// [Sessions.Wrap], and before they write the answer: a later change is lost, which is logged as an error.
type Sessions struct {
	scs      *scs.SessionManager
	store    *store
	cookies  cookies
	lifetime time.Duration
	now      func() time.Time
	log      *slog.Logger
	failed   http.Handler
}

// NewSessions makes Sessions on a migrated database. seal encrypts the rows; it must be the same on every replica.
func NewSessions(db *sqlx.DB, seal tink.AEAD, o SessionOptions) (*Sessions, error) {
	cookies, err := newCookies(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Idle <= 0 || o.Lifetime < o.Idle {
		return nil, fmt.Errorf("session: idle must be positive and at most lifetime")
	}
	if o.Lookup == nil {
		return nil, fmt.Errorf("session: a key for look-ups is needed")
	}
	s := &Sessions{cookies: cookies, lifetime: o.Lifetime, now: o.Now, log: o.Log, failed: o.Failed}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.failed == nil {
		s.failed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			WriteFailure(w, r, http.StatusInternalServerError)
		})
	}
	s.store = &store{db: db, seal: seal, lookup: o.Lookup, idle: o.Idle, now: s.now}
	s.scs = scs.New()
	s.scs.Store = s.store
	s.scs.Lifetime = o.Lifetime
	// scs's own idle time would rewrite the whole session in every request. store.until and Sessions.touch do it.
	s.scs.IdleTimeout = 0
	return s, nil
}

// Purge deletes what ended long enough ago, and returns how many rows. Call it every few minutes.
func (s *Sessions) Purge(ctx context.Context) (int64, error) {
	sessions, err := s.store.purge(ctx)
	if err != nil {
		return 0, err
	}
	tokens, err := s.store.purgeLogouts(ctx)
	return sessions + tokens, err
}

// state is what one request has to do with sessions beyond scs's own data.
type state struct {
	request   *http.Request
	token     string         // the session token the request came with, if it is valid
	expiresAt time.Time      // of that session
	owner     owner          // whose session it is when it is saved
	changed   bool           // must be saved
	ended     bool           // SignOut was called
	begun     bool           // the answer has begun: too late for changes
	form      string         // the secret behind the form token of a browser that is not signed in
	cookies   []*http.Cookie // to be set
}

type stateKey struct{}

func stateOf(ctx context.Context) *state {
	st, _ := ctx.Value(stateKey{}).(*state)
	return st
}

// Wrap loads the session of each request and saves it when the answer begins. It must be outside the router, so that
// redirects and empty answers carry cookies too. An answer of 500 and above saves nothing.
func (s *Sessions) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		st := &state{request: r}
		ctx, err := s.load(context.WithValue(r.Context(), stateKey{}, st), s.cookies.read(r, sessionCookie))
		if err != nil {
			s.log.ErrorContext(r.Context(), "session not loaded", "error", err)
			s.failed.ServeHTTP(w, r)
			return
		}
		sw := &sessionWriter{ResponseWriter: w, sessions: s, request: r.WithContext(ctx)}
		next.ServeHTTP(sw, sw.request)
		sw.begin(http.StatusOK)
	})
}

// load puts the session into the context, a new and empty one if there is none.
func (s *Sessions) load(ctx context.Context, token string) (context.Context, error) {
	loaded, err := s.scs.Load(ctx, token)
	if err != nil && stateOf(ctx).expiresAt.IsZero() {
		return nil, err
	}
	if err != nil {
		// It opened but is not what this version of the program writes. Its owner can log in again.
		s.log.WarnContext(ctx, "session not readable", "error", err)
		return s.scs.Load(ctx, "")
	}
	st := stateOf(ctx)
	st.token = s.scs.Token(loaded)
	return loaded, s.touch(loaded, st)
}

// touch notes that the session is in use, at most a few times per idle time: a write per request would be a waste.
func (s *Sessions) touch(ctx context.Context, st *state) error {
	if st.token == "" || isQuestion(st.request) {
		return nil
	}
	end := s.scs.Deadline(ctx)
	until := s.store.until(end)
	if until.Sub(st.expiresAt) < s.store.idle/15 && !isWish(st.request) {
		return nil
	}
	st.expiresAt = until
	return s.store.touch(ctx, st.token, end)
}

// change notes that the session must be saved.
func (s *Sessions) change(ctx context.Context) {
	st := stateOf(ctx)
	if st == nil {
		panic("web: session changed outside Sessions.Wrap")
	}
	if st.begun {
		s.log.ErrorContext(ctx, "session changed after the answer began: the change is lost")
	}
	if !st.changed && s.scs.Token(ctx) == "" {
		s.scs.SetDeadline(ctx, s.now().Add(s.lifetime).UTC())
	}
	st.changed = true
}

// setCookie has a cookie set with the answer.
func (s *Sessions) setCookie(ctx context.Context, cookie *http.Cookie) {
	st := stateOf(ctx)
	if st.begun {
		s.log.ErrorContext(ctx, "cookie set after the answer began: it is lost", "cookie", cookie.Name)
	}
	st.cookies = append(st.cookies, cookie)
}

// save writes what changed to the database and the cookies that follow from it to the header.
func (s *Sessions) save(ctx context.Context, header http.Header) error {
	st := stateOf(ctx)
	if st.changed {
		user, _ := s.User(ctx)
		var err error
		if st.owner, err = s.store.owner(user); err != nil {
			return err
		}
		if _, _, err := s.scs.Commit(ctx); err != nil {
			return err
		}
	}
	// A cookie is set only for a new token. Repeating an old one could undo a login that happened in another tab.
	switch token := s.scs.Token(ctx); {
	case token != "" && token != st.token:
		st.cookies = append(st.cookies, s.cookies.make(sessionCookie, token, 0))
	case token == "" && st.ended:
		st.cookies = append(st.cookies, s.cookies.make(sessionCookie, "", -1))
	}
	for _, cookie := range st.cookies {
		header.Add("Set-Cookie", cookie.String())
	}
	return nil
}

// sessionWriter saves the session at the last moment at which cookies can be set.
type sessionWriter struct {
	http.ResponseWriter
	sessions *Sessions
	request  *http.Request
	failed   bool // the answer was replaced; what the handler still writes is dropped
}

func (w *sessionWriter) begin(status int) {
	st := stateOf(w.request.Context())
	if st.begun {
		return
	}
	st.begun = true
	if status >= http.StatusInternalServerError {
		return
	}
	if err := w.sessions.save(w.request.Context(), w.Header()); err != nil {
		w.failed = true
		w.sessions.log.ErrorContext(w.request.Context(), "session not saved", "error", err)
		for _, name := range []string{"Content-Type", "Content-Length", "Location", "Set-Cookie"} {
			w.Header().Del(name)
		}
		w.sessions.failed.ServeHTTP(w.ResponseWriter, w.request)
	}
}

// WriteHeader saves the session and passes the status on.
func (w *sessionWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin(status)
	}
	if !w.failed {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write saves the session if that was not done yet, and passes the bytes on.
func (w *sessionWriter) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	if w.failed {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is there because gin expects it of a ResponseWriter.
func (w *sessionWriter) Flush() {
	w.begin(http.StatusOK)
	if !w.failed {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
}
