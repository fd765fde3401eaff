package handlers_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"spar/handlers"
	"spar/internal/audit/audittest"
	"spar/internal/brand"
	"spar/internal/keyring"
	"spar/keymgr"
	"spar/mapper"
	"spar/migrations/dbtest"
	"spar/web"
)

var (
	amina = web.User{Provider: "national-id", Audience: web.Beneficiary, Subject: "s-1", ID: "token:9901@nationalid", Name: "Amina Diallo"}
	josé  = web.User{Provider: "national-id", Audience: web.Beneficiary, Subject: "s-2", ID: "token:9902@nationalid", Name: "José Núñez"}
	staff = web.User{Provider: "staff", Audience: web.Staff, Subject: "s-3", Name: "Inês Carvalho", Roles: []string{"admin"}}

	testProviders = []mapper.DFSP{
		{Code: "GREENVAL", Name: "Green Valley Bank", Kind: mapper.Bank, Active: true},
		{Code: "CLOSED", Name: "Closed Bank", Kind: mapper.Bank},
		{Code: "PESAGO", Name: "PesaGo", Kind: mapper.MobileWallet, Active: true},
		{Code: "MAILPAY", Name: "MailPay", Kind: mapper.EmailWallet, Active: true},
	}
	testBranches = []mapper.Branch{
		{DFSP: "GREENVAL", Code: "001", Name: "Market Square", Town: "Kitemba", Active: true},
		{DFSP: "GREENVAL", Code: "002", Name: "Harbour", Town: "Port Marisol", Active: true},
		{DFSP: "GREENVAL", Code: "003", Name: "Old Mill", Town: "Kitemba"},
		{DFSP: "CLOSED", Code: "001", Name: "Main", Town: "Kitemba", Active: true},
	}
)

// portal is the whole portal on a database of its own, behind a real HTTP server. Only the way through the login provider
// is cut short: POST /test/sign-in gives the browser's session a user.
type portal struct {
	service   *mapper.Service
	directory *mapper.Directory
	editor    *mapper.DirectoryAdmin
	register  *keymgr.Register
	server    *httptest.Server
	engine    *gin.Engine
	log       bytes.Buffer
	mu        sync.Mutex
	offset    time.Duration
	signIn    web.User
	login     *handlers.Login
}

func (p *portal) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.offset)
}

// later lets time pass.
func (p *portal) later(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset += d
}

func newPortal(t *testing.T, changes ...func(*mapper.Config)) *portal {
	t.Helper()
	db := dbtest.SQLite(t)
	p := &portal{register: keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), time.Now)}
	ring, err := keyring.Open(t.Context(), db, t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&p.log, nil))
	sessions, err := web.NewSessions(db, ring.Sessions, web.SessionOptions{
		BaseURL: "http://127.0.0.1", Idle: 15 * time.Minute, Lifetime: 8 * time.Hour, Lookup: ring.Lookup, Now: p.now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	directory, strategies := mapper.NewDirectory(db, p.now), mapper.NewStrategies(db, p.now)
	p.directory, p.editor = directory, mapper.NewDirectoryAdmin(directory, strategies, audittest.New(t, db))
	if err := directory.Load(t.Context(), testProviders, testBranches); err != nil {
		t.Fatal(err)
	}
	config := mapper.Config{
		DB: db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup},
		Strategies: strategies, Directory: directory, Trail: audittest.New(t, db), MessageWindow: 5 * time.Minute, Now: p.now,
	}
	for _, change := range changes {
		change(&config)
	}
	if p.service, err = mapper.NewService(config); err != nil {
		t.Fatal(err)
	}
	providers, err := web.NewProviders([]web.LoginProvider{{
		ID: "national-id", Name: map[string]string{"en": "National ID"}, Audience: web.Beneficiary,
		Issuer: "https://id.example.org", ClientID: "spar", ClientAuth: "none", Userinfo: "none", IDTemplate: "token:{individual_id}@nationalid",
	}}, "http://127.0.0.1", p.now)
	if err != nil {
		t.Fatal(err)
	}
	p.serve(t, &handlers.Portal{
		Mapper: p.service, History: p.service, Lookups: p.service, Reports: p.service, Holds: p.service, LookupsKept: mapper.KeepLookups, Directory: directory, Strategies: strategies, Partners: p.register, Sessions: sessions,
		Login:  &handlers.Login{Sessions: sessions, Providers: providers, BaseURL: "http://127.0.0.1", Trail: audittest.New(t, db), Log: log, Now: p.now, Location: time.UTC},
		Region: "PH", Location: time.UTC, Now: p.now, Log: log,
	})
	return p
}

func (p *portal) serve(t *testing.T, pages *handlers.Portal) {
	t.Helper()
	gin.SetMode(gin.TestMode)
	p.engine = gin.New()
	p.engine.HandleMethodNotAllowed = true
	p.engine.Use(pages.Sessions.Localize())
	p.engine.NoRoute(pages.NotFound)
	p.engine.NoMethod(pages.MethodNotAllowed)
	pages.Routes(p.engine)
	pages.Login.Register(p.engine)
	p.login = pages.Login
	mux := http.NewServeMux()
	mux.HandleFunc(brand.Prefix, func(w http.ResponseWriter, r *http.Request) { pages.Login.Brand.ServeHTTP(w, r) })
	mux.Handle("/", pages.Sessions.Protect(p.engine, http.HandlerFunc(pages.Refused)))
	mux.Handle("POST /test/sign-in", pages.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := p.signIn
		user.AuthTime = p.now()
		if err := pages.Sessions.SignIn(r.Context(), user); err != nil {
			t.Error(err)
		}
	})))
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
}
