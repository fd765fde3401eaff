package handlers

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"

	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// explanation is a page that says what happened: a status and the family of its texts in the catalogue.
type explanation struct {
	status int
	title  string
	texts  []string
	label  string
	href   string

	retryAfter time.Duration // 0: not said
}

func (e *explanation) Error() string { return e.title }

var (
	pageNotFound = &explanation{status: http.StatusNotFound, title: "error.not_found.title",
		texts: []string{"error.not_found.text"}, label: "error.to_home", href: "/"}
	wrongMethod = &explanation{status: http.StatusMethodNotAllowed, title: "error.method.title",
		texts: []string{"error.method.text"}, label: "error.to_home", href: "/"}
	forbidden = &explanation{status: http.StatusForbidden, title: "error.forbidden.title",
		texts: []string{"error.forbidden.text"}, label: "error.to_home", href: "/"}
	internal = &explanation{status: http.StatusInternalServerError, title: "error.internal.title",
		texts: []string{"error.internal.text"}, label: "error.to_home", href: "/"}

	// stale refuses a change that was begun on another state of the link than there is now.
	stale = &explanation{status: http.StatusConflict, title: "error.stale.title",
		texts: []string{"error.stale.text", "error.stale.advice"}, label: "error.to_account", href: accountPath}
	// notWaiting says that there was nothing to stop.
	notWaiting = &explanation{status: http.StatusConflict, title: "error.not_waiting.title",
		texts: []string{"error.not_waiting.text", "error.not_waiting.advice"}, label: "error.to_account", href: accountPath}
	// refused says that the mapper did not take the account.
	refused = &explanation{status: http.StatusUnprocessableEntity, title: "error.refused.title",
		texts: []string{"error.refused.text"}, label: "error.again", href: kindPath}
)

// fail shows an error. What is not an explanation is our fault: it is logged, and the person learns nothing but a number.
func (p *Portal) fail(c *gin.Context, err error) {
	if e, ok := errors.AsType[*explanation](err); ok {
		if e.retryAfter > 0 {
			c.Header("Retry-After", seconds(e.retryAfter))
		}
		web.Render(c, e.status, templates.ErrorPage(p.errorView(c.Request, e)))
		return
	}
	p.Log.ErrorContext(c.Request.Context(), "page failed", "route", c.FullPath(),
		"request_id", web.RequestID(c.Request.Context()), "error", err)
	view := p.errorView(c.Request, internal)
	view.Support = web.RequestID(c.Request.Context())
	web.Render(c, internal.status, templates.ErrorPage(view))
}

func (p *Portal) errorView(r *http.Request, e *explanation) templates.ErrorView {
	ctx := r.Context()
	view := templates.ErrorView{
		Page: p.frame(r, templates.Elsewhere, i18n.T(ctx, e.title)), Heading: i18n.T(ctx, e.title),
		ActionLabel: i18n.T(ctx, e.label), ActionHref: e.href, Icon: "alert",
	}
	view.Ask = p.Login.askOffice(ctx, view.Page)
	for _, key := range e.texts {
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, key))
	}
	return view
}

// NotFound answers an address that there is no page at.
func (p *Portal) NotFound(c *gin.Context) { p.fail(c, pageNotFound) }

// MethodNotAllowed answers a page that was called with a method it does not have.
func (p *Portal) MethodNotAllowed(c *gin.Context) { p.fail(c, wrongMethod) }

// Refused answers what another site made the browser send, and forms without a valid token; see [web.Sessions.Protect].
// The form of somebody whose session has ended is one of the latter: they learn that, and how to go on.
func (p *Portal) Refused(w http.ResponseWriter, r *http.Request) {
	// It is answered before the router, which would have chosen the language.
	lang := i18n.Negotiate(p.Sessions.Language(r.Context()), r.Header.Get("Accept-Language"))
	r = r.WithContext(i18n.With(r.Context(), lang))
	var component templ.Component
	if !p.Sessions.Expired(r.Context()) {
		component = templates.ErrorPage(p.errorView(r, forbidden))
	} else if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", endedAddress(backAfter(r))+"&"+url.Values{sentParameter: {"yes"}}.Encode())
		w.WriteHeader(http.StatusForbidden)
		return
	} else {
		component = templates.EndedPage(p.Login.endedView(r, backAfter(r), "session_ended.not_done"))
	}
	var page bytes.Buffer
	if err := component.Render(r.Context(), &page); err != nil {
		p.Log.ErrorContext(r.Context(), "page not rendered", "error", err)
		web.WriteFailure(w, r, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(forbidden.status)
	_, _ = w.Write(page.Bytes()) // the reader went away: nothing to do
}
