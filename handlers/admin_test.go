package handlers_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/internal/keyring"
	"spar/keymgr"
	"spar/mapper"
	"spar/migrations/dbtest"
	"spar/web"
)

var (
	inês   = web.User{Provider: "staff", Audience: web.Staff, Subject: "s-3", Name: "Inês Carvalho", Roles: []string{web.Admin}}
	olga   = web.User{Provider: "staff", Audience: web.Staff, Subject: "s-4", Name: "Olga Officer", Roles: []string{web.Admin}}
	tomás  = web.User{Provider: "staff", Audience: web.Staff, Subject: "s-5", Name: "Tomás Okafor", Roles: []string{web.Auditor}}
	noRole = web.User{Provider: "staff", Audience: web.Staff, Subject: "s-6", Name: "New Colleague"}
	// a session that no login makes: what a beneficiary's token says about roles never gets this far
	forged = web.User{Provider: "national-id", Audience: web.Beneficiary, Subject: "s-7", ID: "token:9907@nationalid", Roles: []string{web.Admin}}
)

// house is the administration with everything real behind it, mounted as the program mounts it. Its browsers are the
// portal's.
type house struct {
	config mapper.Config // of the service
	*portal
	admin *handlers.Admin
	calls *keymgr.Calls
	trail *audit.Log
	db    *sqlx.DB
}

func newHouse(t *testing.T, options ...keymgr.Option) *house {
	t.Helper()
	db := dbtest.SQLite(t)
	h := &house{portal: &portal{}, db: db}
	log := slog.New(slog.NewJSONHandler(&h.log, nil))
	h.trail = audittest.New(t, db)
	h.register = keymgr.NewRegister(db, "openg2p-spar-mapper", h.trail, h.now, options...)
	h.calls = keymgr.NewCalls(db, "openg2p-spar-mapper", h.now)
	ring, err := keyring.Open(t.Context(), db, t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := web.NewSessions(db, ring.Sessions, web.SessionOptions{
		BaseURL: "http://127.0.0.1", Idle: 30 * time.Minute, Lifetime: 8 * time.Hour, Lookup: ring.Lookup, Now: h.now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	providers, err := web.NewProviders([]web.LoginProvider{{
		ID: "national-id", Name: map[string]string{"en": "National ID"}, Audience: web.Beneficiary,
		Issuer: "https://id.example.org", ClientID: "spar", ClientAuth: "none", Userinfo: "none", IDTemplate: "token:{individual_id}@nationalid",
	}, {
		ID: "staff", Name: map[string]string{"en": "Staff"}, Audience: web.Staff, Issuer: "https://staff.example.org", ClientID: "spar-admin",
		ClientAuth: "none", RolesClaim: "realm_access.roles", Roles: map[string]string{"spar-admin": "admin", "spar-auditor": "auditor"},
	}}, "http://127.0.0.1", h.now)
	if err != nil {
		t.Fatal(err)
	}
	directory := mapper.NewDirectory(db, h.now)
	if err := directory.Load(t.Context(), testProviders, testBranches); err != nil {
		t.Fatal(err)
	}
	strategies := mapper.NewStrategies(db, h.now)
	h.config = mapper.Config{
		DB: db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup}, Strategies: strategies,
		Directory: directory, Trail: h.trail, MessageWindow: 5 * time.Minute, Now: h.now,
	}
	if h.service, err = mapper.NewService(h.config); err != nil {
		t.Fatal(err)
	}
	login := &handlers.Login{Sessions: sessions, Providers: providers, BaseURL: "http://127.0.0.1", Log: log, Now: h.now}
	h.admin = &handlers.Admin{
		Register: h.register, Calls: h.calls, Links: h.service, Trail: h.trail, Directory: directory, Explainer: keymgr.NewLocal(h.register),
		Editor: mapper.NewDirectoryAdmin(directory, strategies, h.trail), MaxImport: 1,
		Strategies: strategies, Cases: h.service,
		Sessions: sessions, Login: login, Reauthenticate: 15 * time.Minute, Location: time.UTC, Now: h.now, Log: log,
	}
	routes := handlers.Routes{
		Portal: &handlers.Portal{Sessions: sessions, Login: login, Location: time.UTC, Now: h.now, Log: log}, Admin: h.admin,
		Login: login, Sessions: sessions,
	}
	mux := http.NewServeMux()
	mux.Handle("/", routes.Handler())
	mux.Handle("POST /test/sign-in", sessions.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user := h.signIn
		user.AuthTime = h.now()
		if err := sessions.SignIn(r.Context(), user); err != nil {
			t.Error(err)
		}
	})))
	mux.Handle("GET /test/form-token", sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, sessions.FormToken(r.Context()))
	})))
	h.server = httptest.NewServer(mux)
	t.Cleanup(h.server.Close)
	return h
}

// adminRoutes are the paths of the administration, with a partner's reference id and a fingerprint filled in.
func adminRoutes(t *testing.T) []gin.RouteInfo {
	t.Helper()
	gin.SetMode(gin.TestMode)
	engine := gin.New()
	(&handlers.Admin{Login: &handlers.Login{}}).Routes(engine)
	var list []gin.RouteInfo
	for _, route := range engine.Routes() {
		route.Path = strings.NewReplacer(":ref", "PARTNER-A", ":case", "BCDF-2345", ":fingerprint", strings.Repeat("0", 64), ":change", strings.Repeat("A", 26),
			":code", "GREENVAL", ":branch", "001", ":strategy", "bank", ":channel", "sms", ":import", strings.Repeat("A", 26)).Replace(route.Path)
		if route.Path != "/admin/sign-in" {
			list = append(list, route)
		}
	}
	return list
}

// formToken is the session's, as any form has it.
func (b *browser) formToken() string {
	b.t.Helper()
	return b.get("/test/form-token").body
}

// Nobody but staff with a role gets past the door, at any address, and an address that leads nowhere tells no more.
func TestAdminIsForStaff(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "PARTNER-A", "Marker Bank", 400)
	routes := append(adminRoutes(t), gin.RouteInfo{Method: http.MethodGet, Path: "/admin/nothing/here"})
	for _, test := range []struct {
		name    string
		user    *web.User
		status  int
		heading string
	}{
		{"nobody", nil, http.StatusSeeOther, ""},
		{"a beneficiary", &amina, http.StatusForbidden, "This page is for staff"},
		{"a beneficiary with roles", &forged, http.StatusForbidden, "This page is for staff"},
		{"staff without role", &noRole, http.StatusForbidden, "You have no role here"},
	} {
		b := h.browser(t)
		if test.user != nil {
			b.logIn(*test.user)
		}
		form := url.Values{web.FormTokenField: {b.formToken()}}
		for _, route := range routes {
			s := b.send(route.Method, route.Path, form)
			if got := s.text("h1"); s.status != test.status || got != test.heading {
				t.Errorf("%s %s by %s: status %d, %q", route.Method, route.Path, test.name, s.status, got)
			}
			if test.user == nil && !strings.HasPrefix(s.header.Get("Location"), "/auth/login/staff?return=%2Fadmin") {
				t.Errorf("%s %s by nobody leads to %s", route.Method, route.Path, s.header.Get("Location"))
			}
			s.lacks("Marker Bank")
			htmx := b.htmx().send(route.Method, route.Path, form)
			want := test.status
			if test.user == nil {
				want = http.StatusUnauthorized
			}
			if htmx.status != want {
				t.Errorf("%s %s by %s with htmx: status %d", route.Method, route.Path, test.name, htmx.status)
			}
		}
	}
	s := h.signedIn(t, noRole).get("/admin")
	if text := s.text("main"); !strings.Contains(text, "spar-admin, spar-auditor") || s.Find("nav").Length() != 0 {
		t.Errorf("somebody without a role is told: %s", text)
	}
	h.signedIn(t, inês).get("/admin/nothing/here").shows(http.StatusNotFound, "We cannot find this page")
	if !strings.Contains(h.log.String(), `"msg":"access denied"`) {
		t.Error("the log says nothing about who was turned away")
	}
}

// Pages of staff have the navigation of staff, and that of beneficiaries leads them nowhere.
func TestStaffNavigation(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, tomás)
	for _, path := range []string{"/admin", "/admin/partners", "/auth/profile"} {
		s := b.get(path)
		if s.status != http.StatusOK || s.Find("nav a[href='/admin/partners']").Length() != 1 || s.Find("nav a[href='/account']").Length() != 0 {
			t.Errorf("%s: status %d, or without the navigation of staff", path, s.status)
		}
	}
	b.get("/auth/profile").has(".answers > div:nth-child(3) dd", "Auditor")
	b.get("/account").shows(http.StatusForbidden, "This page is for beneficiaries")
}

// The door to the administration is shown to anybody; behind it are the login providers for staff alone.
func TestStaffSignIn(t *testing.T) {
	h := newHouse(t)
	s := h.browser(t).get("/admin/sign-in?return=/admin/partners").shows(http.StatusOK, "Administration")
	if links := s.Find("main a.button"); links.Length() != 1 || links.AttrOr("href", "") != "/auth/login/staff?return=%2Fadmin%2Fpartners" {
		t.Errorf("it offers %s", s.text("main"))
	}
	s = h.browser(t).get("/admin/sign-in?return=//evil.example").lacks("evil")
	if s.status != http.StatusOK {
		t.Errorf("status %d", s.status)
	}
}
