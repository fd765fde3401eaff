package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"

	"spar/keymgr"
	"spar/mapper/wire"
	"spar/migrations"
	"spar/web"
)

// Failures of a whole call that only the HTTP side knows.
var (
	errMediaType  = errors.New("send application/json in UTF-8 without a content encoding")
	errTooLarge   = errors.New("the body is too large")
	errBodyBroken = errors.New("the body did not arrive whole")
	errReceiver   = errors.New("this message is for another receiver")
	errEncrypted  = errors.New("encrypted messages are not accepted: send the message in the clear over TLS")
)

// signatureMissing counts and logs calls without a signature beside the reasons of those with a bad one.
const signatureMissing keymgr.Reason = "signature_missing"

// problem is how a failure of a whole call leaves the registry.
type problem struct {
	status  int
	code    string // of the definition's Error
	message string
}

// problemOf is the one place where errors of the partner API become HTTP. Whatever it does not know is a fault of ours.
// All failures of authentication but a missing signature are one answer, which tells nothing of who exists.
func problemOf(err error) problem {
	if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return problem{http.StatusBadRequest, "err.request.bad", syntax.Expected}
	}
	if _, ok := errors.AsType[*keymgr.Refusal](err); ok {
		return problem{http.StatusUnauthorized, "err.signature.invalid", "the signature could not be verified"}
	}
	if _, ok := errors.AsType[*forbiddenError](err); ok {
		return problem{http.StatusForbidden, "err.request.forbidden", "this partner may not do this"}
	}
	if _, ok := errors.AsType[*limitedError](err); ok {
		return problem{http.StatusTooManyRequests, "err.request.too_many_requests", "this partner's budget is spent; nothing was done: wait, then try again"}
	}
	switch {
	case errors.Is(err, keymgr.ErrSignatureMissing):
		return problem{http.StatusUnauthorized, "err.signature.missing", "send the JWT of the body in the Signature header"}
	case errors.Is(err, errMediaType):
		return problem{http.StatusUnsupportedMediaType, "err.request.bad", err.Error()}
	case errors.Is(err, errTooLarge):
		return problem{http.StatusRequestEntityTooLarge, "err.request.bad", err.Error()}
	case errors.Is(err, errBodyBroken):
		return problem{http.StatusBadRequest, "err.request.bad", errBodyBroken.Error()}
	case errors.Is(err, errEncrypted):
		return problem{http.StatusBadRequest, "err.encryption.invalid", err.Error()}
	case errors.Is(err, errReceiver):
		return problem{http.StatusBadRequest, "err.receiver_id.invalid", err.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, keymgr.ErrUnavailable), migrations.IsBusy(err):
		return problem{http.StatusServiceUnavailable, "err.service.unavailable", "the registry is busy: try again with the same message_id, nothing is done twice"}
	default:
		return problem{http.StatusInternalServerError, "err.service.unavailable", "the registry could not answer: try again with the same message_id, nothing is done twice"}
	}
}

// fail answers a call that could not be handled, and logs why. Causes never contain anything of the body.
func (p *PartnerAPI) fail(c *gin.Context, err error) {
	ctx, out := c.Request.Context(), problemOf(err)
	attrs := []any{slog.String("request_id", web.RequestID(ctx)), slog.Int("status", out.status), slog.String("code", out.code)}
	refusal, refused := errors.AsType[*keymgr.Refusal](err)
	switch {
	case refused:
		p.Metrics.Refused(refusal.Reason)
		p.Log.WarnContext(ctx, "partner call refused", append(attrs, slog.String("reason", string(refusal.Reason)),
			slog.String("sender", refusal.Sender), slog.String("detail", refusal.Detail.Error()))...)
	case errors.Is(err, keymgr.ErrSignatureMissing):
		p.Metrics.Refused(signatureMissing)
		p.Log.WarnContext(ctx, "partner call refused", append(attrs, slog.String("reason", string(signatureMissing)))...)
	case out.status >= http.StatusInternalServerError:
		p.Log.ErrorContext(ctx, "partner call failed", append(attrs, slog.String("error", err.Error()))...)
	default:
		p.Log.InfoContext(ctx, "partner call rejected", append(attrs, slog.String("cause", out.message))...)
	}
	if limited, ok := errors.AsType[*limitedError](err); ok {
		c.Writer.Header().Set("Retry-After", limited.seconds())
	}
	p.writeProblem(c, out)
}

// NoRoute answers what is no call of the partner API, in its own form.
func (p *PartnerAPI) NoRoute(c *gin.Context) {
	p.writeProblem(c, problem{http.StatusNotFound, "err.request.not_found", "no such call"})
}

// NoMethod answers a call that was not POSTed.
func (p *PartnerAPI) NoMethod(c *gin.Context) {
	p.writeProblem(c, problem{http.StatusMethodNotAllowed, "err.request.bad", "calls are made with POST"})
}

// Fault answers a call whose handling broke.
func (p *PartnerAPI) Fault(c *gin.Context) { p.writeProblem(c, problemOf(errors.New("panic"))) }

func (p *PartnerAPI) writeProblem(c *gin.Context, out problem) {
	body := append([]byte(`{"errors":[{"code":"`), out.code...)
	body = append(body, `","message":`...)
	body, err := jsontext.AppendQuote(body, out.message)
	if err != nil {
		body = append(body, `""`...)
	}
	if out.status == http.StatusServiceUnavailable {
		c.Writer.Header().Set("Retry-After", "1")
	}
	p.write(c, out.status, append(body, `}]}`...))
}
