package handlers

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// Admin is the pages for staff. Every one of them stands behind a role: whoever holds one may look, administrators may
// change, and to change they must have logged in a short while ago.
type Admin struct {
	Register       *keymgr.Register
	Calls          *keymgr.Calls
	Links          LinkDays
	Trail          *audit.Log
	Directory      Directory
	Strategies     Strategies
	Cases          Cases
	Editor         *mapper.DirectoryAdmin
	MaxImport      int64 // of a list that is uploaded, in MB
	Explainer      Explainer
	KeyManager     KeyManager // one elsewhere; nil if there is none
	Notices        Notices    // nil if people get no messages
	Sessions       *web.Sessions
	Login          *Login
	Reauthenticate time.Duration  // how old the login behind a change may be
	Location       *time.Location // the time zone of the times shown
	Now            func() time.Time
	Log            *slog.Logger
}

const (
	staffSignInPath = "/admin/sign-in"
	partnersPath    = "/admin/partners"
	auditPath       = "/admin/audit"
)

// recentDays is how far back the pages look at calls.
const recentDays = 7

// Routes adds the pages to a router whose requests are within [web.Sessions.Protect] and [web.Sessions.Localize].
func (a *Admin) Routes(r gin.IRouter) {
	r.GET(staffSignInPath, a.Login.showStaffSignIn)

	look := r.Group("", a.Login.RequireRole(web.Admin, web.Auditor))
	look.GET(adminPath, a.page(a.showOverview))
	look.GET(partnersPath, a.page(a.listPartners))
	look.GET(partnersPath+"/:ref", a.page(a.showPartner))
	look.GET(partnersPath+"/:ref/try", a.page(a.askTry))
	look.POST(partnersPath+"/:ref/try", a.page(a.try))
	look.GET(anchorsPath, a.page(a.listAnchors))
	look.GET(casesPath, a.page(a.listCases))
	look.GET(casesPath+"/:case", a.page(a.showCase))
	look.GET(auditPath, a.page(a.showAudit))
	look.GET(auditPath+".csv", a.page(a.downloadAudit))

	// Every form has its page at the same path, for a login that is too old leads back there.
	change := r.Group("", a.Login.RequireRole(web.Admin), a.requireFresh)
	form := func(path string, show, take func(c *gin.Context) error) {
		change.GET(path, a.page(show))
		change.POST(path, a.page(take))
	}
	form(casesPath+"/:case"+settleStep, a.askSettle, a.settle)
	look.GET(noticesPath, a.page(a.showNotices))
	form(noticesPath+"/:channel/resend", a.askResend, a.resend)
	form(anchorsPath+"/new", a.askAnchor, a.checkAnchor)
	form(anchorsPath+"/add", a.toAnchors, a.addAnchor)
	form(anchorsPath+"/:fingerprint/remove", a.askRemoveAnchor, a.removeAnchor)
	form(partnersPath+"/"+newPartner, a.askPartner, a.addPartner)
	form(partnersPath+"/:ref/certificate", a.askCertificate, a.checkCertificate)
	form(partnersPath+"/:ref/certificate/add", a.toCertificate, a.addCertificate)
	form(partnersPath+"/:ref/settings", a.askSettings, a.saveSettings)
	for _, what := range confirmations() {
		form(partnersPath+"/:ref/"+what.key, a.ask(what), a.do(what))
	}
	form(partnersPath+"/:ref/certificates/:fingerprint/revoke", a.askRevoke, a.revoke)
	form(partnersPath+"/:ref/certificates/:fingerprint/upload", a.askUpload, a.upload)
	a.directoryRoutes(look, change)
	look.GET(partnersPath+"/:ref/changes/:change", a.page(a.showPending))
	change.POST(partnersPath+"/:ref/changes/:change", a.page(a.approve))
	look.GET(partnersPath+"/:ref/changes/:change/withdraw", a.page(a.showPending))
	change.POST(partnersPath+"/:ref/changes/:change/withdraw", a.page(a.withdraw))
}

// requireFresh lets only those change something who logged in a short while ago.
func (a *Admin) requireFresh(c *gin.Context) {
	a.Login.RequireFresh(a.Reauthenticate, c.Request.URL.Path)(c)
}

// page makes a gin handler of ours: what it returns as an error becomes a page.
func (a *Admin) page(handle func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			a.fail(c, err)
		}
	}
}

// frame fills what all pages share. It takes the flash message, so it belongs to a page that is about to be shown.
func (a *Admin) frame(r *http.Request, section templates.Section, title string) templates.Page {
	page := a.Login.frame(r, title)
	page.Section, page.SignedIn, page.Staff, page.MayLook = section, true, true, true
	page.Brand = a.Login.brandOf(r.Context(), true)
	return page
}

// mayChange reports whether the page may offer changes. Whether one is made is decided by the route's middleware.
func (a *Admin) mayChange(r *http.Request) bool {
	user, ok := a.Sessions.User(r.Context())
	return ok && user.Has(web.Admin)
}

var (
	adminNotFound = &explanation{status: http.StatusNotFound, title: "error.not_found.title",
		texts: []string{"error.not_found.text"}, label: "admin.to_overview", href: adminPath}
	adminStale = &explanation{status: http.StatusConflict, title: "admin.stale.title",
		texts: []string{"admin.stale.text"}, label: "admin.to_partners", href: partnersPath}
	adminDecided = &explanation{status: http.StatusConflict, title: "admin.decided.title",
		texts: []string{"admin.decided.text"}, label: "admin.to_partners", href: partnersPath}
	adminInternal = &explanation{status: http.StatusInternalServerError, title: "error.internal.title",
		texts: []string{"error.internal.text"}, label: "admin.to_overview", href: adminPath}
)

// fail shows an error. What is not an explanation is our fault: it is logged, and the page tells nothing but a number.
func (a *Admin) fail(c *gin.Context, err error) {
	ctx := c.Request.Context()
	e, explained := errors.AsType[*explanation](err)
	if errors.Is(err, keymgr.ErrNotFound) {
		e, explained = adminNotFound, true
	}
	if !explained {
		e = adminInternal
		a.Log.ErrorContext(ctx, "page failed", "route", c.FullPath(), "request_id", web.RequestID(ctx), "error", err)
	}
	view := templates.ErrorView{
		Page: a.frame(c.Request, templates.Elsewhere, i18n.T(ctx, e.title)), Heading: i18n.T(ctx, e.title),
		ActionLabel: i18n.T(ctx, e.label), ActionHref: e.href, Icon: "alert",
	}
	for _, key := range e.texts {
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, key))
	}
	if !explained {
		view.Support = web.RequestID(ctx)
	}
	web.Render(c, e.status, templates.ErrorPage(view))
}

// NotFound answers an address under /admin that there is no page at. Who may not look learns nothing about which these
// are.
func (a *Admin) NotFound(c *gin.Context) {
	if a.Login.RequireRole(web.Admin, web.Auditor)(c); !c.IsAborted() {
		a.fail(c, adminNotFound)
	}
}

// isAdminPath reports whether an address belongs to the pages for staff.
func isAdminPath(path string) bool {
	return path == adminPath || strings.HasPrefix(path, adminPath+"/")
}

// partnerPath is where a partner's pages are.
func partnerPath(reference string, steps ...string) string {
	return strings.Join(append([]string{partnersPath, url.PathEscape(reference)}, steps...), "/")
}
