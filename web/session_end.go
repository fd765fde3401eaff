package web

import (
	"context"
	"net/http"
	"time"
)

// SessionPath is where a page asks how long its session still lasts. A GET of it does not count as use of the session:
// otherwise a page that is only open would never be signed out.
const SessionPath = "/auth/session"

// SessionEnd is when a session ends.
type SessionEnd struct {
	Idle time.Time     // if nobody uses it from now on
	Last time.Time     // in any case
	Warn time.Duration // how long before the end people are told
}

// IsLast reports whether using the session does not put off its end any more.
func (e SessionEnd) IsLast() bool { return e.Last.Sub(e.Idle) < time.Second }

// longestWarning is how long before the end people are told: enough to finish reading and to find the button, with any
// aid. Sessions with a very short idle time get half of that.
const longestWarning = 2 * time.Minute

// Ends says when the session ends; false if nobody is logged in. Like every question about the session, ask it before the
// answer begins.
func (s *Sessions) Ends(ctx context.Context) (SessionEnd, bool) {
	st := stateOf(ctx)
	if st == nil {
		return SessionEnd{}, false
	}
	if _, ok := s.User(ctx); !ok {
		return SessionEnd{}, false
	}
	end := SessionEnd{Idle: st.expiresAt, Last: s.scs.Deadline(ctx), Warn: min(longestWarning, s.store.idle/2)}
	if st.changed {
		end.Idle = s.store.until(end.Last)
	}
	if end.Idle.After(end.Last) {
		end.Idle = end.Last
	}
	return end, true
}

// Expired reports whether the browser comes with a session that has ended without its doing: nothing was done for too
// long, or it was ended at the login provider or in another place. Whoever signs out has no such session any more.
func (s *Sessions) Expired(ctx context.Context) bool {
	st := stateOf(ctx)
	return st != nil && st.token == "" && !st.ended && s.cookies.read(st.request, sessionCookie) != ""
}

// isWish reports whether a request is there to prolong its session, and for nothing else.
func isWish(r *http.Request) bool { return r.URL.Path == SessionPath && r.Method == http.MethodPost }

// isQuestion reports whether a request only asks about its session.
func isQuestion(r *http.Request) bool {
	return r.URL.Path == SessionPath && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}
