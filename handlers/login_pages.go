package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// The ways in which a login fails, as people are told. They are part of paths and of keys of the message catalogue.
const (
	loginCancelled   = "cancelled"   // by the person
	loginExpired     = "expired"     // too late, twice, or in another browser
	loginUnavailable = "unavailable" // the provider does not work
	loginRefused     = "refused"     // what the provider said did not pass a check
)

var failureStatus = map[string]int{
	loginCancelled: http.StatusOK, loginExpired: http.StatusBadRequest, loginUnavailable: http.StatusServiceUnavailable, loginRefused: http.StatusForbidden,
}

var failureIcon = map[string]string{
	loginCancelled: "info", loginExpired: "clock", loginUnavailable: "clock", loginRefused: "alert",
}

// loginReason sorts a provider's error code. The text that comes with it is anybody's and is neither shown nor logged.
func loginReason(code string) string {
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return loginCancelled
	case "server_error", "temporarily_unavailable":
		return loginUnavailable
	}
	return loginRefused
}

// fail ends a login because of an error.
func (l *Login) fail(c *gin.Context, provider string, err error) {
	switch refusal, wasRefused := errors.AsType[*web.LoginRefusal](err); {
	case wasRefused:
		l.Refusals.Login(provider, refusal.Check, web.RequestID(c.Request.Context()))
		l.failAs(c, provider, loginRefused, err.Error())
	case errors.Is(err, web.ErrProviderUnavailable):
		l.failAs(c, provider, loginUnavailable, err.Error())
	default:
		ctx := c.Request.Context()
		l.Log.ErrorContext(ctx, "login failed", "request_id", web.RequestID(ctx), "provider", provider, "error", err)
		web.WriteFailure(c.Writer, c.Request, http.StatusInternalServerError)
	}
}

// failAs leads to the page that explains the failure: by a redirect, so that neither code nor state stays in the address.
func (l *Login) failAs(c *gin.Context, provider, reason, cause string) {
	ctx := c.Request.Context()
	l.Log.WarnContext(ctx, "login failed", "request_id", web.RequestID(ctx), "provider", provider, "reason", reason, "cause", cause)
	q := url.Values{"provider": {provider}, "ref": {web.RequestID(ctx)}}
	web.Redirect(c, failedPath+reason+"?"+q.Encode())
}

func (l *Login) showFailure(c *gin.Context) {
	reason := c.Param("reason")
	if _, ok := failureStatus[reason]; !ok {
		l.notFound(c)
		return
	}
	provider := ""
	if p, ok := l.Providers.Get(c.Query("provider")); ok {
		provider = p.ID
	}
	l.drawFailure(c, reason, provider, supportNumber(c.Query("ref")))
}

// showFailureNow explains a failure where a redirect would only delay it: nothing in the address is worth anything.
func (l *Login) showFailureNow(c *gin.Context, reason, provider string) {
	l.drawFailure(c, reason, provider, web.RequestID(c.Request.Context()))
}

// supportNumber lets through what looks like one of our request ids, and nothing else that a link could carry.
func supportNumber(text string) string {
	if len(text) != 26 {
		return ""
	}
	for _, r := range text {
		if (r < 'A' || r > 'Z') && (r < '2' || r > '7') {
			return ""
		}
	}
	return text
}

func (l *Login) drawFailure(c *gin.Context, reason, provider, support string) {
	ctx := c.Request.Context()
	v := templates.ErrorView{
		Page: l.frame(c.Request, i18n.T(ctx, "login."+reason+".title")), Heading: i18n.T(ctx, "login."+reason+".title"),
		Paragraphs:  []string{i18n.T(ctx, "login."+reason+".text"), i18n.T(ctx, "login."+reason+".advice")},
		ActionLabel: i18n.T(ctx, "login.again"), ActionHref: "/", Icon: failureIcon[reason],
	}
	if reason != loginCancelled {
		v.Ask = l.askOffice(ctx, v.Page)
	}
	if provider != "" {
		v.ActionHref = loginPath + url.PathEscape(provider)
	}
	if reason != loginCancelled {
		v.Support = support
	}
	web.Render(c, failureStatus[reason], templates.ErrorPage(v))
}

func (l *Login) notFound(c *gin.Context) {
	l.showError(c, http.StatusNotFound, "error.not_found")
}

func (l *Login) forbidden(c *gin.Context) {
	ctx := c.Request.Context()
	if user, ok := l.Sessions.User(ctx); ok {
		l.Refusals.Access(actorOf(ctx, user), deniedPage(c))
	}
	l.showError(c, http.StatusForbidden, "login.wrong_audience")
}

func (l *Login) showError(c *gin.Context, status int, key string) {
	ctx := c.Request.Context()
	web.Render(c, status, templates.ErrorPage(templates.ErrorView{
		Page: l.frame(c.Request, i18n.T(ctx, key+".title")), Heading: i18n.T(ctx, key+".title"), Paragraphs: []string{i18n.T(ctx, key+".text")},
		ActionLabel: i18n.T(ctx, "error.to_home"), ActionHref: "/", Icon: "alert",
	}))
}

// showSignedOut confirms a logout that ended here, and says so if the provider was not told.
func (l *Login) showSignedOut(c *gin.Context) {
	ctx := c.Request.Context()
	if language := c.Query("lang"); i18n.Has(language) && l.Sessions.Language(ctx) == "" {
		ctx = i18n.With(ctx, language)
		c.Header("Content-Language", i18n.Tag(ctx))
		c.Request = c.Request.WithContext(ctx)
		l.Sessions.SetLanguage(ctx, language) // the choice went with the other cookies, and is nothing to be kept from anybody
	}
	v := templates.ErrorView{
		Page: l.frame(c.Request, i18n.T(ctx, "signed_out.title")), Heading: i18n.T(ctx, "signed_out.title"),
		Paragraphs:  []string{i18n.T(ctx, "signed_out.text")},
		ActionLabel: i18n.T(ctx, "error.to_home"), ActionHref: "/", Icon: "check",
	}
	if p, ok := l.Providers.Get(c.Query("provider")); ok {
		v.Paragraphs = append(v.Paragraphs, i18n.T(ctx, "signed_out.provider", "provider", p.Label(i18n.Language(ctx))))
	}
	web.Render(c, http.StatusOK, templates.ErrorPage(v))
}

func (l *Login) showProfile(c *gin.Context) {
	ctx := c.Request.Context()
	user, _ := l.Sessions.User(ctx)
	v := templates.ProfileView{Page: l.frame(c.Request, i18n.T(ctx, "profile.title"))}
	v.Section = templates.Profile
	add := func(key, value string) {
		if value != "" {
			v.Rows = append(v.Rows, templates.Row{Key: i18n.T(ctx, key), Value: value})
		}
	}
	add("profile.name", user.Name)
	add("profile.id", maskedID(user.ID))
	if p, ok := l.Providers.Get(user.Provider); ok {
		add("profile.provider", p.Label(i18n.Language(ctx)))
	}
	for _, role := range user.Roles {
		add("profile.role", i18n.T(ctx, "admin.role."+role))
	}
	add("profile.since", i18n.DateTime(ctx, user.AuthTime.Local()))
	web.Render(c, http.StatusOK, templates.ProfilePage(v))
}

// maskedID shows the end of the value in type:value@provider: enough for its owner to recognise it.
func maskedID(id string) string {
	if at := strings.LastIndex(id, "@"); at >= 0 {
		id = id[:at]
	}
	if _, value, ok := strings.Cut(id, ":"); ok {
		id = value
	}
	return mapper.Mask(id)
}
