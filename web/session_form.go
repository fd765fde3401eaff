package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"slices"
)

// FormTokenField is the name of the hidden field with the form token.
const FormTokenField = "form_token"

// The largest forms, in bytes. Those of beneficiaries have a handful of short fields; staff send certificates as files, and
// whole messages of partners to look into.
const (
	maxForm      = 64 << 10
	maxStaffForm = 4 << 20
)

// FormToken returns what a form must send back in [FormTokenField]: proof that our page made it, for this session.
// It is derived from the session's secret token, so there is nothing to store, and it ends with the session. For a
// browser that is not signed in a random cookie takes the session's place.
func (s *Sessions) FormToken(ctx context.Context) string {
	st := stateOf(ctx)
	if st == nil {
		return ""
	}
	if _, ok := s.User(ctx); ok {
		return formToken(s.scs.Token(ctx))
	}
	if st.form == "" {
		st.form = s.cookies.read(st.request, formCookie)
	}
	if st.form == "" {
		st.form = rand.Text()
		s.setCookie(ctx, s.cookies.make(formCookie, st.form, 0))
	}
	return formToken(st.form)
}

// CheckFormToken reports whether token is this session's form token.
func (s *Sessions) CheckFormToken(ctx context.Context, token string) bool {
	st := stateOf(ctx)
	if st == nil {
		return false
	}
	secret := s.cookies.read(st.request, formCookie)
	if _, ok := s.User(ctx); ok {
		secret = s.scs.Token(ctx)
	}
	return secret != "" && hmac.Equal([]byte(token), []byte(formToken(secret)))
}

func formToken(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("form token"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Protect wraps everything that browsers call: it refuses what another site made the browser send, twice over. The
// browser itself must not say that the request came from another origin, and every request that could change something
// must carry the form token. refused answers the others; it runs with the session.
func (s *Sessions) Protect(next, refused http.Handler, uploads ...Upload) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(refused)
	return s.Wrap(origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			next.ServeHTTP(w, r)
			return
		}
		limit := int64(maxForm)
		if user, ok := s.User(r.Context()); ok && user.Audience == Staff {
			limit = maxStaffForm
			if at := slices.IndexFunc(uploads, func(u Upload) bool { return u.Path == r.URL.Path }); at >= 0 && isMultipart(r) {
				s.receive(uploads[at], next, refused, w, r)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if err := parseForm(r, limit); err != nil {
			status := http.StatusBadRequest
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status = http.StatusRequestEntityTooLarge
			}
			WriteFailure(w, r, status)
			return
		}
		if sent := r.PostForm[FormTokenField]; len(sent) != 1 || !s.CheckFormToken(r.Context(), sent[0]) {
			refused.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})))
}

// parseForm reads a form of either kind. All of it stays in memory, files too: there is a limit on the whole.
func parseForm(r *http.Request, limit int64) error {
	if isMultipart(r) {
		return r.ParseMultipartForm(limit)
	}
	return r.ParseForm()
}

func isMultipart(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data"
}
