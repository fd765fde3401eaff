package handlers

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	strict "github.com/go-json-experiment/json"

	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/web"
)

// keyManagerError is how a call to [KeyManagerAPI] fails in the key manager's way: most errors have status 200.
type keyManagerError struct {
	status  int
	code    string
	message string
}

func (e *keyManagerError) Error() string { return e.code + ": " + e.message }

func invalidRequest(message string) error {
	return &keyManagerError{http.StatusOK, "KER-KMS-005", "Invalid request: " + message}
}

// handOverError says that a certificate is registered here and not in the key manager elsewhere.
type handOverError struct{ cause error }

func (e *handOverError) Error() string {
	return "registered here, but it did not reach the key manager; send it again: " + e.cause.Error()
}

func (e *handOverError) Unwrap() error { return e.cause }

var (
	errNoStaff      = &keyManagerError{http.StatusUnauthorized, "KER-ATH-401", "Authentication Failed"}
	errRole         = &keyManagerError{http.StatusForbidden, "KER-ATH-403", "Forbidden"}
	errStaleLogin   = &keyManagerError{http.StatusForbidden, "KER-ATH-403", "Forbidden: the login is too old for a change; log in again"}
	errLoginOutage  = &keyManagerError{http.StatusServiceUnavailable, "KER-KMS-500", "the login provider does not answer: try again"}
	errKeyMgrFault  = &keyManagerError{http.StatusInternalServerError, "KER-KMS-500", "Internal server error"}
	errKeyMgrRoute  = &keyManagerError{http.StatusNotFound, "KER-KMS-005", "Invalid request: no such call"}
	errKeyMgrMethod = &keyManagerError{http.StatusMethodNotAllowed, "KER-KMS-005", "Invalid request: this call has another method"}
	errKeyMgrType   = &keyManagerError{http.StatusUnsupportedMediaType, "KER-KMS-005", "Invalid request: send application/json in UTF-8"}
	errKeyMgrLarge  = &keyManagerError{http.StatusRequestEntityTooLarge, "KER-KMS-005", "Invalid request: the body is too large"}
)

// keyManagerErrorOf is the one place where errors become answers of this API. What it does not know is a fault of ours.
func keyManagerErrorOf(err error) *keyManagerError {
	if e, ok := errors.AsType[*keyManagerError](err); ok {
		return e
	}
	answer := func(code string) *keyManagerError { return &keyManagerError{http.StatusOK, code, err.Error()} }
	if handOver, ok := errors.AsType[*handOverError](err); ok {
		if refused, ok := errors.AsType[*mosip.Refused](err); ok && !errors.Is(err, keymgr.ErrUnavailable) {
			return answer(refused.Codes[0])
		}
		return &keyManagerError{http.StatusServiceUnavailable, "KER-KMS-500", handOver.Error()}
	}
	switch {
	case errors.Is(err, keymgr.ErrNotFound), errors.Is(err, keymgr.ErrNoCertificate):
		return answer("KER-KMS-017")
	case errors.Is(err, keymgr.ErrExists):
		return answer("KER-KMS-035")
	case errors.Is(err, keymgr.ErrPrivateKey):
		return answer("KER-KMS-034")
	case errors.Is(err, keymgr.ErrKeyInUse), errors.Is(err, keymgr.ErrKeyRevoked), errors.Is(err, keymgr.ErrTooManyCertificates):
		return answer("KER-KMS-015")
	case errors.Is(err, keymgr.ErrCertificate):
		return answer("KER-KMS-013")
	case keymgr.IsRefusal(err):
		return answer("KER-KMS-005")
	}
	return errKeyMgrFault
}

// call makes a gin handler: it lets staff with one of the roles pass, and wraps what the call returns.
func (k *KeyManagerAPI) call(do func(*gin.Context, web.User) (any, error), roles ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, err := k.authenticate(c, roles)
		var response any
		if err == nil {
			response, err = do(c, user)
		}
		if err != nil {
			k.fail(c, err)
			return
		}
		k.Log.InfoContext(c.Request.Context(), "key manager call answered", slog.String("request_id", web.RequestID(c.Request.Context())), slog.String("route", c.FullPath()))
		k.write(c, http.StatusOK, keyManagerAnswer{Response: response})
	}
}

// authenticate reads who calls from the Authorization header, never from a cookie, and checks what they may do. A person
// must have logged in a short while ago to change something; the token of a service account, which says no such time,
// lives shortly itself.
func (k *KeyManagerAPI) authenticate(c *gin.Context, roles []string) (web.User, error) {
	ctx := c.Request.Context()
	values := c.Request.Header.Values("Authorization")
	if len(values) != 1 {
		return web.User{}, errNoStaff
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return web.User{}, errNoStaff
	}
	user, err := k.Staff(ctx, token)
	switch {
	case errors.Is(err, web.ErrProviderUnavailable):
		k.Log.ErrorContext(ctx, "access token could not be checked", slog.String("request_id", web.RequestID(ctx)), slog.String("error", err.Error()))
		return web.User{}, errLoginOutage
	case err != nil:
		k.Log.WarnContext(ctx, "access token refused", slog.String("request_id", web.RequestID(ctx)), slog.String("error", err.Error()))
		return web.User{}, errNoStaff
	case user.Audience != web.Staff || !user.Has(roles...):
		if k.Refusals != nil && user.Audience == web.Staff {
			k.Refusals.Access(actorOf(ctx, user), c.FullPath())
		}
		return web.User{}, errRole
	case !slices.Contains(roles, web.Auditor) && k.stale(user):
		return web.User{}, errStaleLogin
	}
	return user, nil
}

// stale reports whether a person's login is too old for a call that auditors may not make.
func (k *KeyManagerAPI) stale(user web.User) bool {
	return !user.AuthTime.IsZero() && k.Now().Sub(user.AuthTime) > k.Reauthenticate
}

// readEnvelope reads the member request of a call, strictly: exact names, no duplicates, valid UTF-8. Members that it does
// not know are ignored, as in the original.
func readEnvelope[T any](c *gin.Context, limit int64) (T, error) {
	var envelope struct {
		Request *T `json:"request"`
	}
	var none T
	kind, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") || c.Request.Header.Get("Content-Encoding") != "" {
		return none, errKeyMgrType
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return none, errKeyMgrLarge
	}
	if err != nil {
		return none, invalidRequest("the body did not arrive whole")
	}
	if err := strict.Unmarshal(text, &envelope); err != nil {
		return none, invalidRequest("expected the envelope in strict JSON, with texts where texts belong")
	}
	if envelope.Request == nil {
		return none, invalidRequest("the member request is missing")
	}
	return *envelope.Request, nil
}

// keyManagerAnswer is the envelope of every answer.
type keyManagerAnswer struct {
	ID           *string           `json:"id"`
	Version      *string           `json:"version"`
	ResponseTime string            `json:"responsetime"`
	Metadata     *string           `json:"metadata"`
	Response     any               `json:"response"`
	Errors       []keyManagerFault `json:"errors"`
}

type keyManagerFault struct {
	Code    string `json:"errorCode"`
	Message string `json:"message"`
}

// stamp writes a time as the original does.
func (k *KeyManagerAPI) stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (k *KeyManagerAPI) fail(c *gin.Context, err error) {
	ctx, e := c.Request.Context(), keyManagerErrorOf(err)
	attrs := []any{slog.String("request_id", web.RequestID(ctx)), slog.String("route", c.FullPath()), slog.String("code", e.code)}
	if e.status >= http.StatusInternalServerError {
		k.Log.ErrorContext(ctx, "key manager call failed", append(attrs, slog.String("error", err.Error()))...)
	} else {
		k.Log.InfoContext(ctx, "key manager call rejected", attrs...)
	}
	switch e.status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		c.Header("Retry-After", "5")
	}
	k.write(c, e.status, keyManagerAnswer{Errors: []keyManagerFault{{e.code, e.message}}})
}

func (k *KeyManagerAPI) write(c *gin.Context, status int, answer keyManagerAnswer) {
	answer.ResponseTime = k.stamp(k.Now())
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(c.Writer, "", http.StatusInternalServerError)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(status, "application/json", body)
}

// NoRoute, NoMethod and Fault answer what is no call, a call with another method, and a call whose handling broke.
func (k *KeyManagerAPI) NoRoute(c *gin.Context)  { k.fail(c, errKeyMgrRoute) }
func (k *KeyManagerAPI) NoMethod(c *gin.Context) { k.fail(c, errKeyMgrMethod) }
func (k *KeyManagerAPI) Fault(c *gin.Context)    { k.fail(c, errors.New("panic")) }
