package mosiptest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Twist is one way to misbehave. The honest handler may be called or not.
type Twist func(w http.ResponseWriter, r *http.Request, honest http.HandlerFunc)

type twist struct {
	do    Twist
	times int // 0: for ever
}

// Misbehave makes a call ("jwtVerify", "token", …) misbehave from now on.
func (s *Server) Misbehave(call string, do Twist) { s.set(call, &twist{do: do}) }

// MisbehaveOnce makes only the next call of this name misbehave.
func (s *Server) MisbehaveOnce(call string, do Twist) { s.set(call, &twist{do: do, times: 1}) }

// Behave ends all misbehaviour.
func (s *Server) Behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.twists)
}

func (s *Server) set(call string, t *twist) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twists[call] = t
}

// Slow answers honestly, after a while or when the client is gone.
func Slow(d time.Duration) Twist {
	return func(w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
		select {
		case <-time.After(d):
			honest(w, r)
		case <-r.Context().Done():
		}
	}
}

// Hang never answers.
func Hang() Twist {
	return func(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { <-r.Context().Done() }
}

// HangAfterHeaders says 200 and begins an answer that never ends.
func HangAfterHeaders() Twist {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":null,"response":{"signatureValid":true,`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// CutOff breaks the connection in the middle of an answer.
func CutOff() Twist {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"response":{"signatureValid":true},"errors":null}`)
	}
}

// Answer says something with a status and a content type.
func Answer(status int, contentType, body string) Twist {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// JSON says something with status 200.
func JSON(body string) Twist { return Answer(http.StatusOK, "application/json", body) }

// Fails answers with an error of the key manager's, with status 200 as it does.
func Fails(code string) Twist {
	return JSON(`{"id":null,"version":null,"responsetime":"2026-01-02T03:04:05.678Z","metadata":null,"response":null,` +
		`"errors":[{"errorCode":"` + code + `","message":"MESSAGEMARKER"}]}`)
}

// Unauthorized answers as if the token had been withdrawn.
func Unauthorized() Twist {
	return Answer(http.StatusUnauthorized, "application/json", `{"response":null,"errors":[{"errorCode":"KER-ATH-401","message":"Authentication Failed"}]}`)
}

// Forbidden answers as if the client lacked the role.
func Forbidden() Twist {
	return Answer(http.StatusForbidden, "application/json", `{"response":null,"errors":[{"errorCode":"KER-ATH-403","message":"Forbidden"}]}`)
}

// Redirect sends the client elsewhere.
func Redirect(to string) Twist {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}
}

// Huge answers well, but with more than a client should read.
func Huge() Twist {
	return JSON(`{"response":{"signatureValid":true,"message":"` + strings.Repeat("a", 1<<20) + `"},"errors":null}`)
}
