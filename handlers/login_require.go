package handlers

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"spar/web"
)

// RequireUser lets only people pass who are logged in, of either audience.
func (l *Login) RequireUser() gin.HandlerFunc {
	return func(c *gin.Context) {
		if _, ok := l.Sessions.User(c.Request.Context()); !ok {
			l.toLogin(c)
			c.Abort()
		}
	}
}

// RequireBeneficiary lets only beneficiaries pass. Staff are refused: their sessions are for other pages.
func (l *Login) RequireBeneficiary() gin.HandlerFunc {
	return func(c *gin.Context) {
		user, ok := l.Sessions.User(c.Request.Context())
		switch {
		case !ok:
			l.toLogin(c)
			c.Abort()
		case user.Audience != web.Beneficiary || user.ID == "":
			l.forbidden(c)
			c.Abort()
		}
	}
}

// RequireFresh lets only people pass who authenticated within maxAge, and sends the others to do so. Afterwards they are
// back on the same page or, where the request sent a form, on the page with that form. Use it after
// [Login.RequireBeneficiary].
func (l *Login) RequireFresh(maxAge time.Duration, formPath string) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		user, ok := l.Sessions.User(ctx)
		if ok && l.now().Sub(user.AuthTime) <= maxAge {
			return
		}
		c.Abort()
		if !ok {
			l.toLogin(c)
			return
		}
		back := formPath
		if c.Request.Method == http.MethodGet && !web.IsFragment(c) {
			back = c.Request.URL.RequestURI()
		}
		l.Sessions.AskStepUp(ctx, web.LocalPath(back, accountPath))
		l.leave(c, loginPath+url.PathEscape(user.Provider))
	}
}

// toLogin sends somebody who is not logged in to log in: straight to the provider if there is only one, and then back to
// the page they asked for.
func (l *Login) toLogin(c *gin.Context) {
	back := accountPath
	if c.Request.Method == http.MethodGet && !web.IsFragment(c) {
		back = c.Request.URL.Path
	}
	if l.Sessions.Expired(c.Request.Context()) {
		l.leave(c, endedAddress(back))
		return
	}
	providers := l.Providers.For(web.Beneficiary)
	if len(providers) != 1 {
		l.leave(c, "/")
		return
	}
	l.leave(c, loginPath+url.PathEscape(providers[0].ID)+"?return="+url.QueryEscape(web.LocalPath(back, accountPath)))
}

// leave is a redirect because of who asks: to htmx it is also said with the status.
func (l *Login) leave(c *gin.Context, path string) {
	if web.IsFragment(c) {
		c.Header("HX-Redirect", path)
		c.Status(http.StatusUnauthorized)
		c.Writer.WriteHeaderNow()
		return
	}
	web.Redirect(c, path)
}

func (l *Login) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
