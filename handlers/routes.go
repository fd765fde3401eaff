package handlers

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/internal/brand"
	"spar/static"
	"spar/web"
)

const partnerPrefix = "/mapper/"

// Routes is the whole public URL table: what is mounted where, and what stands before it. The paths themselves are in the
// Routes and Register methods of the parts.
//
//	/mapper/…      partner API: signed calls, no sessions, no cookies
//	/v1/keymanager/…  onboarding by staff's own programs: bearer tokens, no sessions, no cookies
//	/static/…      files that are the same for everybody
//	/brand/…       the host's logo and colours
//	/openapi.yaml  the partner API described
//	/.well-known/jwks.json  SPAR's public keys
//	/auth/backchannel-logout  login providers say that somebody logged out there: no sessions, no cookies
//	everything else: pages, within the browser's session and behind the check for forged forms
type Routes struct {
	Partner    *PartnerAPI    // nil where the registry is elsewhere: then nothing of the partner API is here
	KeyManager *KeyManagerAPI // nil in the same case
	Portal     *Portal
	Admin      *Admin // nil in the same case
	Login      *Login
	Sessions   *web.Sessions
}

// Handler builds the table.
func (r Routes) Handler() http.Handler {
	files := noteRoute(static.Prefix, static.Handler())
	looks := noteRoute(brand.Prefix, r.Login.Brand)
	var uploads []web.Upload
	if r.Admin != nil {
		uploads = append(uploads, r.Admin.ImportUpload())
	}
	pages := r.Sessions.Protect(r.pages(), http.HandlerFunc(r.Portal.Refused), uploads...)
	partner, onboarding, description, keys := pages, pages, pages, pages
	logout := noteRoute(BackchannelLogoutPath, http.HandlerFunc(r.Login.BackchannelLogout))
	if r.Partner != nil {
		partner, description = r.partner(), noteRoute(OpenAPIPath, OpenAPI())
		keys = noteRoute(JWKSPath, http.HandlerFunc(r.Partner.JWKS))
	}
	if r.KeyManager != nil {
		onboarding = r.onboarding()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasPrefix(req.URL.Path, partnerPrefix):
			partner.ServeHTTP(w, req)
		case strings.HasPrefix(req.URL.Path, keyManagerPrefix):
			onboarding.ServeHTTP(w, req)
		case strings.HasPrefix(req.URL.Path, static.Prefix):
			files.ServeHTTP(w, req)
		case strings.HasPrefix(req.URL.Path, brand.Prefix):
			looks.ServeHTTP(w, req)
		case req.URL.Path == OpenAPIPath:
			description.ServeHTTP(w, req)
		case req.URL.Path == BackchannelLogoutPath:
			logout.ServeHTTP(w, req)
		case req.URL.Path == JWKSPath:
			keys.ServeHTTP(w, req)
		default:
			pages.ServeHTTP(w, req)
		}
	})
}

func (r Routes) partner() http.Handler {
	engine := newEngine()
	engine.NoRoute(r.Partner.NoRoute)
	engine.NoMethod(r.Partner.NoMethod)
	r.Partner.Routes(engine)
	return engine
}

func (r Routes) onboarding() http.Handler {
	engine := newEngine()
	engine.NoRoute(r.KeyManager.NoRoute)
	engine.NoMethod(r.KeyManager.NoMethod)
	r.KeyManager.Routes(engine)
	return engine
}

func (r Routes) pages() http.Handler {
	engine := newEngine()
	engine.NoRoute(r.notFound)
	engine.NoMethod(r.Portal.MethodNotAllowed)
	engine.Use(r.Sessions.Localize())
	r.Portal.Routes(engine)
	if r.Admin != nil {
		r.Admin.Routes(engine)
	}
	r.Login.Register(engine)
	return engine
}

func (r Routes) notFound(c *gin.Context) {
	if r.Admin != nil && isAdminPath(c.Request.URL.Path) {
		r.Admin.NotFound(c)
		return
	}
	r.Portal.NotFound(c)
}

// newEngine makes a router without gin's own log, recovery and trust in proxies: web.Front has them.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true          // /mapper%2Fsync is not /mapper/sync to a proxy that lets paths through by their prefix
	_ = engine.SetTrustedProxies(nil) // only a malformed list is an error
	engine.Use(web.Route())
	return engine
}

func noteRoute(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.NoteRoute(r.Context(), route)
		next.ServeHTTP(w, r)
	})
}

// Panicked answers a request whose handling broke, in the form its caller can read.
func (r Routes) Panicked() http.HandlerFunc {
	partner, onboarding := newEngine(), newEngine()
	if r.Partner != nil {
		partner.NoRoute(r.Partner.Fault)
	}
	if r.KeyManager != nil {
		onboarding.NoRoute(r.KeyManager.Fault)
	}
	return func(w http.ResponseWriter, req *http.Request) {
		switch {
		case r.Partner != nil && strings.HasPrefix(req.URL.Path, partnerPrefix):
			partner.ServeHTTP(w, req)
			return
		case r.KeyManager != nil && strings.HasPrefix(req.URL.Path, keyManagerPrefix):
			onboarding.ServeHTTP(w, req)
			return
		}
		web.WriteFailure(w, req, http.StatusInternalServerError)
	}
}
