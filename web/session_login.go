package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// attemptLife is how long a person may take at the login provider.
	attemptLife = 10 * time.Minute
	// attemptSlots is how many attempts one browser can have open, in as many tabs. One more replaces the oldest.
	attemptSlots = 8
)

// ErrNoLogin says that there is no login attempt with this state in this browser: it expired, was used, belongs to
// another browser, or never was.
var ErrNoLogin = errors.New("no such login attempt")

// Login is one attempt to log in, from the redirect to the provider until the callback.
type Login struct {
	Provider  string    `json:"provider"`
	State     string    `json:"state"`
	Nonce     string    `json:"nonce"`
	Verifier  string    `json:"verifier"` // PKCE
	Return    string    `json:"return"`   // local path to go to afterwards
	Fresh     bool      `json:"fresh"`    // the person must authenticate anew
	StartedAt time.Time `json:"started_at"`
}

// StartLogin begins an attempt to log in at a provider. It is kept on the server, bound to this browser by a cookie of
// its own, and can be taken once within ten minutes. returnPath must have passed [LocalPath].
func (s *Sessions) StartLogin(ctx context.Context, provider, returnPath string, fresh bool) (Login, error) {
	login := Login{
		Provider: provider, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Return: returnPath, Fresh: fresh, StartedAt: s.now().UTC(),
	}
	data, err := json.Marshal(login)
	if err != nil {
		return Login{}, fmt.Errorf("encode login attempt: %w", err)
	}
	browser, slot := s.browser(stateOf(ctx).request)
	if err := s.store.putAttempt(ctx, attemptKey(browser, slot), data, login.StartedAt.Add(attemptLife)); err != nil {
		return Login{}, err
	}
	next := browser + "." + strconv.Itoa((slot+1)%attemptSlots)
	s.setCookie(ctx, s.cookies.make(loginCookie, next, int(attemptLife.Seconds())))
	return login, nil
}

// TakeLogin returns this browser's attempt with the state and uses it up, or ErrNoLogin.
func (s *Sessions) TakeLogin(ctx context.Context, state string) (Login, error) {
	browser, _, ok := parseBrowser(s.cookies.read(stateOf(ctx).request, loginCookie))
	if !ok || state == "" {
		return Login{}, ErrNoLogin
	}
	keys := make([][]byte, attemptSlots)
	for slot := range keys {
		keys[slot] = attemptKey(browser, slot)
	}
	var login Login
	_, err := s.store.takeAttempt(ctx, keys, func(data []byte) bool {
		var kept Login
		if json.Unmarshal(data, &kept) != nil || subtle.ConstantTimeCompare([]byte(kept.State), []byte(state)) != 1 {
			return false
		}
		login = kept
		return true
	})
	if err != nil {
		return Login{}, err
	}
	return login, nil
}

// browser returns the secret that names this browser's attempts and the slot for its next one.
func (s *Sessions) browser(r *http.Request) (secret string, slot int) {
	if secret, slot, ok := parseBrowser(s.cookies.read(r, loginCookie)); ok {
		return secret, slot
	}
	return rand.Text(), 0
}

func parseBrowser(value string) (secret string, slot int, ok bool) {
	secret, number, _ := strings.Cut(value, ".")
	slot, err := strconv.Atoi(number)
	return secret, slot, err == nil && len(secret) == len(rand.Text()) && slot >= 0 && slot < attemptSlots
}
