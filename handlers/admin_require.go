package handlers

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// RequireRole lets only staff pass who hold one of the roles; without roles, nobody. It is about who logged in through a
// provider for staff: a beneficiary is refused whatever the session or a token says.
func (l *Login) RequireRole(roles ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, ok := l.Sessions.User(c.Request.Context())
		switch {
		case !ok:
			l.toStaffLogin(c)
		case user.Audience != web.Staff:
			l.deny(c, "admin.not_staff")
		case !user.Has(web.Admin, web.Auditor):
			l.deny(c, "admin.no_role", l.rolesOf(c.Request.Context(), user))
		case !user.Has(roles...):
			l.deny(c, "admin.not_allowed")
		default:
			return
		}
		c.Abort()
	}
}

// rolesOf says which of the login provider's roles would have opened a page.
func (l *Login) rolesOf(ctx context.Context, user web.User) string {
	p, ok := l.Providers.Get(user.Provider)
	if !ok {
		return ""
	}
	return i18n.List(ctx, slices.Sorted(maps.Keys(p.Roles)))
}

// deny is the one page for everything that somebody may not see: it does not say whether there is anything.
func (l *Login) deny(c *gin.Context, key string, roles ...string) {
	ctx := c.Request.Context()
	user, _ := l.Sessions.User(ctx)
	l.Log.WarnContext(ctx, "access denied", "request_id", web.RequestID(ctx), "route", c.FullPath(), "reason", key)
	l.Refusals.Access(actorOf(ctx, user), deniedPage(c))
	v := templates.ErrorView{
		Page: l.frame(c.Request, i18n.T(ctx, key+".title")), Heading: i18n.T(ctx, key+".title"), Paragraphs: []string{i18n.T(ctx, key+".text")},
		ActionLabel: i18n.T(ctx, "error.to_home"), ActionHref: "/", Icon: "lock",
	}
	if v.Staff {
		v.ActionLabel, v.ActionHref = i18n.T(ctx, "admin.to_overview"), adminPath
	}
	if len(roles) > 0 {
		v.ActionLabel, v.ActionHref = i18n.T(ctx, "layout.profile"), profilePath
		v.Paragraphs = append(v.Paragraphs, i18n.T(ctx, key+".advice", "roles", roles[0]))
	}
	web.Render(c, http.StatusForbidden, templates.ErrorPage(v))
}

// toStaffLogin sends somebody who is not logged in to log in as staff: straight to the provider if there is only one, and
// then back to the page they asked for.
func (l *Login) toStaffLogin(c *gin.Context) {
	back := adminPath
	if c.Request.Method == http.MethodGet && !web.IsFragment(c) {
		back = c.Request.URL.RequestURI()
	}
	if l.Sessions.Expired(c.Request.Context()) {
		l.leave(c, endedAddress(back))
		return
	}
	back = url.QueryEscape(web.LocalPath(back, adminPath))
	if providers := l.Providers.For(web.Staff); len(providers) == 1 {
		l.leave(c, loginPath+url.PathEscape(providers[0].ID)+"?return="+back)
		return
	}
	l.leave(c, staffSignInPath+"?return="+back)
}

// showStaffSignIn offers the login providers for staff.
func (l *Login) showStaffSignIn(c *gin.Context) {
	ctx := c.Request.Context()
	v := templates.StaffSignInView{Page: l.frame(c.Request, i18n.T(ctx, "admin.sign_in.title"))}
	back := url.QueryEscape(web.LocalPath(c.Query("return"), adminPath))
	v.Staff, v.Path, v.Brand = true, staffSignInPath+"?return="+back, l.brandOf(ctx, true)
	for _, p := range l.Providers.For(web.Staff) {
		v.Logins = append(v.Logins, templates.LoginButton{
			Label: i18n.T(ctx, "home.continue", "provider", p.Label(i18n.Language(ctx))),
			Href:  loginPath + url.PathEscape(p.ID) + "?return=" + back,
		})
	}
	web.Render(c, http.StatusOK, templates.StaffSignInPage(v))
}
