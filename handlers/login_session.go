package handlers

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// frame fills what all pages share. It takes the flash message, so it belongs to a page that is about to be shown.
func (l *Login) frame(r *http.Request, title string) templates.Page {
	ctx := r.Context()
	user, signedIn := l.Sessions.User(ctx)
	page := templates.Page{
		Title: title, SignedIn: signedIn, Staff: user.Audience == web.Staff, MayLook: user.Has(web.Admin, web.Auditor),
		FormToken: l.Sessions.FormToken(ctx), Path: r.URL.Path,
	}
	if r.Method == http.MethodGet {
		page.Path = r.URL.RequestURI()
	}
	if key := l.Sessions.TakeFlash(ctx); key != "" {
		page.Flash = i18n.T(ctx, key)
	}
	page.Brand = l.brandOf(ctx, page.Staff)
	if end, ok := l.Sessions.Ends(ctx); ok {
		page.Session = l.sessionNotice(r, user, end)
	}
	return page
}

// sessionNotice is what a page says about the end of its session.
func (l *Login) sessionNotice(r *http.Request, user web.User, end web.SessionEnd) *templates.SessionNotice {
	ctx := r.Context()
	back := homeOf(user.Audience)
	if r.Method == http.MethodGet {
		back = r.URL.Path
	}
	notice := &templates.SessionNotice{
		Left: strconv.Itoa(l.left(end.Idle)), Last: strconv.Itoa(l.left(end.Last)), Warn: strconv.Itoa(int(end.Warn.Seconds())), IsLast: end.IsLast(),
		Ask: web.SessionPath, EndedHref: endedAddress(back), LoginHref: loginAgain(user.Provider, back),
	}
	if user.Audience == web.Staff && !isAdminPath(back) {
		notice.EndedHref = endedAddress(adminPath) // shows the way in for staff
	}
	at := i18n.Time(ctx, end.Idle.In(l.location()))
	if notice.IsLast {
		notice.Note = i18n.T(ctx, "session.note_last", "time", at)
	} else {
		notice.Note = i18n.T(ctx, "session.note", "time", at)
	}
	return notice
}

// left is how long it is until then, in whole seconds. It is zero only when the time is over: a page that left a moment too
// early would find its session alive, and prolong it.
func (l *Login) left(until time.Time) int {
	return int(math.Ceil(max(0, until.Sub(l.now()).Seconds())))
}

func (l *Login) location() *time.Location {
	if l.Location != nil {
		return l.Location
	}
	return time.Local
}

// sentParameter tells the page about an ended session that something was sent, which was not done.
const sentParameter = "sent"

// endedAddress is the page that says that the session has ended, and leads back from there.
func endedAddress(back string) string {
	return endedPath + "?return=" + url.QueryEscape(web.LocalPath(back, accountPath))
}

func loginAgain(provider, back string) string {
	return loginPath + url.PathEscape(provider) + "?return=" + url.QueryEscape(web.LocalPath(back, accountPath))
}

// sessionLeft tells a page's script how many seconds its session still lasts: zero if it has ended.
func (l *Login) sessionLeft(c *gin.Context) {
	end, ok := l.Sessions.Ends(c.Request.Context())
	if !ok {
		c.JSON(http.StatusOK, gin.H{"left": 0, "last": 0})
		return
	}
	c.JSON(http.StatusOK, gin.H{"left": l.left(end.Idle), "last": l.left(end.Last)})
}

// prolongSession answers "stay signed in". That the request was made is what prolongs the session.
func (l *Login) prolongSession(c *gin.Context) {
	if strings.Contains(c.GetHeader("Accept"), "application/json") {
		l.sessionLeft(c)
		return
	}
	web.Redirect(c, web.LocalPath(c.PostForm("return_to"), accountPath))
}

// showEnded says that the session has ended, and how to go on.
func (l *Login) showEnded(c *gin.Context) {
	back := web.LocalPath(c.Query("return"), accountPath)
	if _, ok := l.Sessions.User(c.Request.Context()); ok { // in another tab, meanwhile
		web.Redirect(c, back)
		return
	}
	text := "session_ended.text"
	if c.Query(sentParameter) != "" {
		text = "session_ended.not_done"
	}
	web.Render(c, http.StatusOK, templates.EndedPage(l.endedView(c.Request, back, text)))
}

// endedView leads back to where the session ended, after a login.
func (l *Login) endedView(r *http.Request, back, text string) templates.EndedView {
	ctx := r.Context()
	v := templates.EndedView{
		Page: l.frame(r, i18n.T(ctx, "session_ended.title")), Heading: i18n.T(ctx, "session_ended.title"),
		Paragraphs: []string{i18n.T(ctx, "session_ended.why"), i18n.T(ctx, text)},
	}
	v.Path = endedAddress(back)
	audience := web.Beneficiary
	if isAdminPath(strings.SplitN(back, "?", 2)[0]) {
		audience, v.Staff, v.Brand = web.Staff, true, l.brandOf(ctx, true)
	}
	for _, p := range l.Providers.For(audience) {
		v.Logins = append(v.Logins, templates.LoginButton{
			Label: i18n.T(ctx, "home.continue", "provider", p.Label(i18n.Language(ctx))), Href: loginAgain(p.ID, back),
		})
	}
	return v
}

// backAfter is the page to return to after a request that was not answered: every form has its page at its own address,
// and a choice of language belongs to the page it was made on.
func backAfter(r *http.Request) string {
	if r.URL.Path == "/language" {
		return web.LocalPath(r.PostForm.Get("return_to"), accountPath)
	}
	return web.LocalPath(r.URL.Path, accountPath)
}
