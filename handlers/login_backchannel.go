package handlers

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	"spar/internal/audit"
	"spar/web"
)

// BackchannelLogoutPath is where login providers say that somebody logged out there.
const BackchannelLogoutPath = "/auth/backchannel-logout"

const maxLogoutForm = 16 << 10 // bytes

// BackchannelLogout ends the sessions that a login provider names in a logout token (OpenID Connect Back-Channel Logout
// 1.0). The provider itself calls it, so there is neither cookie nor form token, and the token is all the proof there is.
// Only callers whose tokens are refused run into the limit: a provider may have thousands to log out at once.
func (l *Login) BackchannelLogout(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	client := web.ClientIP(ctx)
	if wait, ok := l.RefusedLogouts.Left(client); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	ended, err := l.endRemote(w, r)
	switch _, wasRefused := errors.AsType[*web.LoginRefusal](err); {
	case err == nil:
		l.Log.InfoContext(ctx, "logout at the provider", "request_id", web.RequestID(ctx), "sessions", ended)
		w.WriteHeader(http.StatusOK)
		return
	case wasRefused || errors.Is(err, errNoLogoutToken) || errors.Is(err, web.ErrLogoutRepeated):
		l.RefusedLogouts.Count(client)
		l.Log.WarnContext(ctx, "logout at the provider refused", "request_id", web.RequestID(ctx), "cause", err.Error())
	default:
		l.Log.ErrorContext(ctx, "logout at the provider failed", "request_id", web.RequestID(ctx), "error", err)
	}
	// The one status for everything (section 2.8).
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"error":"invalid_request"}`)) // the reader went away: nothing to do
}

func (l *Login) endRemote(w http.ResponseWriter, r *http.Request) (ended int64, err error) {
	ctx := r.Context()
	token, err := logoutToken(w, r)
	if err != nil {
		return 0, err
	}
	logout, err := l.Providers.LogoutToken(ctx, token)
	if err != nil {
		return 0, err
	}
	if ended, err = l.Sessions.EndRemote(ctx, logout); err != nil || ended == 0 {
		return ended, err
	}
	// Recorded or not, whoever logged out is out.
	if err := l.Trail.Record(ctx, audit.Event{
		Actor: audit.Actor{Kind: audit.System, RequestID: web.RequestID(ctx)}, Action: audit.Logout, Target: logout.Providers[0],
		Detail: map[string]string{"by": "login provider", "sessions": strconv.FormatInt(ended, 10)},
	}); err != nil {
		l.Log.ErrorContext(ctx, "record logout", "request_id", web.RequestID(ctx), "error", err)
	}
	return ended, nil
}

var errNoLogoutToken = errors.New("not a form with one logout_token")

// logoutToken takes the token out of the form in the body, the one place it may be in.
func logoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return "", errNoLogoutToken
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutForm)
	if err := r.ParseForm(); err != nil {
		return "", errNoLogoutToken
	}
	tokens := r.PostForm["logout_token"]
	if len(tokens) != 1 || tokens[0] == "" {
		return "", errNoLogoutToken
	}
	return tokens[0], nil
}
