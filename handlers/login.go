package handlers

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/internal/brand"
	"spar/web"
	"spar/web/i18n"
)

// Login leads people to their login provider and back, and out again. It decides who gets a session; the checks of what
// the provider says are web.Provider's.
type Login struct {
	Sessions  *web.Sessions
	Providers *web.Providers
	BaseURL   string // public URL, without a slash at the end
	Trail     *audit.Log
	Refusals  *audit.Refusals // may be nil
	Log       *slog.Logger
	Now       func() time.Time

	Brand          *brand.Brand     // nil: the portal's own look
	Location       *time.Location   // the time zone of the times shown; the machine's if nil
	Limit          *web.ClientLimit // of requests that begin or finish a login; nil: none
	RefusedLogouts *web.ClientLimit // of logout tokens that are refused; nil: none
}

// Where a login leads when nothing else was asked for, and where people are asked for a login again.
const (
	accountPath   = "/account"
	adminPath     = "/admin"
	profilePath   = "/auth/profile"
	loginPath     = "/auth/login/"
	failedPath    = "/auth/failed/"
	signedOutPath = "/auth/signed-out"
	endedPath     = "/auth/session-ended"
)

// Register adds the paths of login and logout that browsers use.
func (l *Login) Register(r gin.IRoutes) {
	r.GET(loginPath+":provider", l.limited, l.begin)
	r.GET(web.CallbackPath, l.limited, l.callback)
	r.GET(failedPath+":reason", l.showFailure)
	r.POST("/auth/logout", l.logout)
	r.GET(signedOutPath, l.showSignedOut)
	r.GET(profilePath, l.RequireUser(), l.showProfile)
	r.GET(web.SessionPath, l.sessionLeft)
	r.POST(web.SessionPath, l.prolongSession)
	r.GET(endedPath, l.showEnded)
}

// begin sends the browser to the login provider. A GET may do that: it changes nothing but that an attempt is now open in
// this browser, and an attempt that somebody else began cannot be finished here.
func (l *Login) begin(c *gin.Context) {
	ctx := c.Request.Context()
	p, ok := l.Providers.Get(c.Param("provider"))
	if !ok {
		l.notFound(c)
		return
	}
	back, fresh := l.destination(c, p)
	login, err := l.Sessions.StartLogin(ctx, p.ID, back, fresh)
	if err != nil {
		l.fail(c, p.ID, err)
		return
	}
	address, err := p.AuthURL(ctx, login, i18n.Tag(ctx))
	if err != nil {
		l.fail(c, p.ID, err)
		return
	}
	c.Redirect(http.StatusSeeOther, address)
}

// destination is where the login leads. Whether it must be a fresh one is decided by us and kept in the session; the
// browser only ever names a local path.
func (l *Login) destination(c *gin.Context, p *web.Provider) (back string, fresh bool) {
	ctx := c.Request.Context()
	if user, ok := l.Sessions.User(ctx); ok && user.Provider == p.ID {
		if path, asked := l.Sessions.TakeStepUp(ctx); asked {
			return path, true
		}
	}
	back = web.LocalPath(c.Query("return"), homeOf(p.Audience))
	if p.Audience == web.Staff && back != adminPath && back != profilePath && !strings.HasPrefix(back, adminPath+"/") && !strings.HasPrefix(back, adminPath+"?") {
		back = adminPath // the other pages are not for staff
	}
	return back, false
}

// homeOf is where people of an audience begin.
func homeOf(audience string) string {
	if audience == web.Staff {
		return adminPath
	}
	return accountPath
}

// callback takes the provider's answer. The attempt it belongs to is used up before anything else is done with it, and
// everything that follows goes by what that attempt says, not by the request.
func (l *Login) callback(c *gin.Context) {
	ctx := c.Request.Context()
	answer, ok := parseLoginAnswer(c.Request.URL.RawQuery)
	if !ok {
		l.showFailureNow(c, loginExpired, "")
		return
	}
	login, err := l.Sessions.TakeLogin(ctx, answer.state)
	if errors.Is(err, web.ErrNoLogin) {
		l.Log.InfoContext(ctx, "login failed", "request_id", web.RequestID(ctx), "reason", "no such attempt")
		l.showFailureNow(c, loginExpired, "")
		return
	}
	if err != nil {
		l.fail(c, "", err)
		return
	}
	p, ok := l.Providers.Get(login.Provider)
	if !ok {
		l.showFailureNow(c, loginExpired, "")
		return
	}
	if err := p.CheckIssuer(ctx, answer.issuers); err != nil {
		l.fail(c, p.ID, err)
		return
	}
	if answer.failure != "" {
		l.Refusals.Login(p.ID, "the provider answered: "+loginReason(answer.failure), web.RequestID(ctx))
		l.failAs(c, p.ID, loginReason(answer.failure), "the provider answered with an error")
		return
	}
	user, err := p.Exchange(ctx, answer.code, login)
	if err != nil {
		l.fail(c, p.ID, err)
		return
	}
	l.signIn(c, user, login)
}

func (l *Login) signIn(c *gin.Context, user web.User, login web.Login) {
	ctx := c.Request.Context()
	before, had := l.Sessions.User(ctx)
	// First, for nobody gets a session that was not recorded.
	if err := l.Trail.Record(ctx, audit.Event{
		Actor: actorOf(ctx, user), Action: audit.Login, Target: user.Provider,
		Detail: map[string]string{"audience": user.Audience, "roles": strings.Join(user.Roles, ",")},
	}); err != nil {
		l.fail(c, user.Provider, err)
		return
	}
	if err := l.Sessions.SignIn(ctx, user); err != nil {
		l.fail(c, user.Provider, err)
		return
	}
	if login.Fresh && (!had || before.Provider != user.Provider || before.Subject != user.Subject) {
		// Somebody else logged in: what the first person had begun is gone with their session.
		l.Sessions.Flash(ctx, "login.other_person")
		login.Return = homeOf(user.Audience)
	}
	l.Log.InfoContext(ctx, "login", "request_id", web.RequestID(ctx), "provider", user.Provider, "audience", user.Audience, "fresh", login.Fresh)
	// 303 to a clean address: the code must not stay in the address bar or the history.
	web.Redirect(c, login.Return)
}

// loginAnswer is what a provider sends back through the browser.
type loginAnswer struct {
	state, code, failure string
	issuers              []string
}

// parseLoginAnswer accepts one state and either one code or one error (RFC 6749, section 3.1: no parameter twice).
func parseLoginAnswer(query string) (loginAnswer, bool) {
	const maxValue = 4096
	q, err := url.ParseQuery(query)
	if err != nil {
		return loginAnswer{}, false
	}
	states, codes, failures := q["state"], q["code"], q["error"]
	if len(states) != 1 || len(codes)+len(failures) != 1 || len(q["iss"]) > 1 {
		return loginAnswer{}, false
	}
	a := loginAnswer{state: states[0], code: q.Get("code"), failure: q.Get("error"), issuers: q["iss"]}
	if a.code == "" && a.failure == "" || len(a.state) > maxValue || len(a.code) > maxValue {
		return loginAnswer{}, false
	}
	return a, true
}

// logout ends the session here, and at the provider if it has a place for that.
func (l *Login) logout(c *gin.Context) {
	ctx := c.Request.Context()
	to := l.afterLogout(c)
	user, known := l.Sessions.User(ctx)
	if err := l.Sessions.SignOut(ctx); err != nil {
		l.Log.ErrorContext(ctx, "logout failed", "request_id", web.RequestID(ctx), "error", err)
		web.WriteFailure(c.Writer, c.Request, http.StatusInternalServerError)
		return
	}
	l.Log.InfoContext(ctx, "logout", "request_id", web.RequestID(ctx))
	if known {
		// Recorded or not, whoever logs out is out.
		if err := l.Trail.Record(ctx, audit.Event{Actor: actorOf(ctx, user), Action: audit.Logout, Target: user.Provider}); err != nil {
			l.Log.ErrorContext(ctx, "record logout", "request_id", web.RequestID(ctx), "error", err)
		}
	}
	c.Header("Clear-Site-Data", `"cache", "cookies", "storage"`)
	c.Redirect(http.StatusSeeOther, to)
}

// afterLogout is the provider's logout (OpenID Connect RP-Initiated Logout 1.0), or our own page if it has none or is
// down. That page is told the language, for the cookie with it is cleared too.
func (l *Login) afterLogout(c *gin.Context) string {
	ctx := c.Request.Context()
	own := signedOutPath + "?lang=" + url.QueryEscape(i18n.Language(ctx))
	user, ok := l.Sessions.User(ctx)
	if !ok {
		return own
	}
	p, ok := l.Providers.Get(user.Provider)
	if !ok {
		return own
	}
	address, err := p.LogoutURL(ctx, user.IDToken, strings.TrimSuffix(l.BaseURL, "/")+"/", rand.Text())
	if err != nil {
		l.Log.WarnContext(ctx, "no logout at the provider", "request_id", web.RequestID(ctx), "provider", p.ID, "error", err)
	}
	if err != nil || address == "" {
		return own + "&provider=" + url.QueryEscape(p.ID)
	}
	return address
}
