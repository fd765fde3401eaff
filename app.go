package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit"
	"spar/internal/brand"
	"spar/internal/keyring"
	"spar/internal/notices"
	"spar/internal/quota"
	"spar/keymgr"
	"spar/mapper"
	"spar/migrations"
	"spar/web"
)

const (
	purgeInterval    = time.Minute
	callsInterval    = time.Second
	lastCallsTimeout = 10 * time.Second
	quotaInterval    = 500 * time.Millisecond
	lookupsInterval  = 10 * time.Second
	holdsInterval    = 5 * time.Second
	searchInterval   = 2 * time.Second
)

// app is one running registry. The end-to-end tests build the same one as serve does.
type app struct {
	cfg       Config
	log       *slog.Logger
	db        *sqlx.DB
	trail     *audit.Log
	refusals  *audit.Refusals
	notedHead int64 // number of the event that the log was last told of
	register  *keymgr.Register
	ownKeys   *keymgr.OwnKeys
	look      *brand.Brand
	directory *mapper.Directory
	editor    *mapper.DirectoryAdmin
	service   *mapper.Service
	notices   *notices.Outbox // nil: people are not told of changes
	health    *handlers.Health
	quotas    *quota.Quotas
	calls     *keymgr.Calls
	purges    []func(context.Context) error

	providers *web.Providers
	listeners listeners
	public    *web.Server
	ops       *web.Server
}

// newApp builds everything that the configuration describes: after it, only requests are missing. Pending migrations are
// applied, and missing keys of an empty database created. The app closes the listeners, also when it cannot be built.
func newApp(ctx context.Context, cfg Config, l listeners, log *slog.Logger) (_ *app, err error) {
	a := &app{cfg: cfg, log: log, listeners: l}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.db, err = openDatabase(ctx, cfg.Database.URL); err != nil {
		return nil, err
	}
	applied, err := migrations.Up(ctx, a.db)
	if err != nil {
		return nil, err
	}
	if applied > 0 {
		log.Info("database schema brought up to date", "migrations", applied)
	}
	ring, err := a.openKeys(ctx)
	if err != nil {
		return nil, err
	}
	return a, a.build(ring)
}

// openKeys opens SPAR's own keys, and says so when it had to make them: without a backup, losing them loses every link.
func (a *app) openKeys(ctx context.Context) (*keyring.Ring, error) {
	ring, err := keyring.Open(ctx, a.db, a.cfg.Keys.Dir, time.Now())
	if err != nil {
		return nil, err
	}
	if err := a.openAudit(ctx, ring); err != nil {
		return nil, err
	}
	if a.register, err = a.cfg.register(a.db, a.trail); err != nil {
		return nil, err
	}
	created := ring.Created
	path := filepath.Join(a.cfg.Keys.Dir, portalKeyFile)
	isNew, err := openPortalKey(ctx, a.register, path, time.Now())
	if err != nil {
		return nil, err
	}
	if isNew {
		created = append(created, path)
	}
	signing, err := a.openSigningKey(len(ring.Created) > 0)
	if err != nil {
		return nil, err
	}
	if signing != "" {
		created = append(created, signing)
	}
	if len(created) > 0 {
		a.log.Warn("created new keys: back them up now, without them the database cannot be read", "files", created)
	}
	return ring, a.recordStart(ctx, created)
}

// openSigningKey opens the key that answers are signed with. Only the first start makes it: a new one in place of a lost
// one would surprise partners who know the old one.
func (a *app) openSigningKey(firstStart bool) (created string, err error) {
	found, err := keymgr.HasOwnKeys(a.cfg.Keys.Dir)
	if err != nil {
		return "", err
	}
	if !found && !firstStart {
		return "", fmt.Errorf("the signing key (signing-….pem) is missing in %s: restore it from the backup, or make a new one with spar keys rotate", a.cfg.Keys.Dir)
	}
	a.ownKeys, created, err = keymgr.OpenOwnKeys(a.cfg.Keys.Dir, time.Now)
	return created, err
}

// build puts the services and handlers together.
func (a *app) build(ring *keyring.Ring) (err error) {
	a.directory = mapper.NewDirectory(a.db, time.Now)
	strategies := mapper.NewStrategies(a.db, time.Now)
	a.editor = mapper.NewDirectoryAdmin(a.directory, strategies, a.trail)
	metrics := handlers.NewMetrics(version, a.db.DB)
	if a.look, err = brand.New(a.cfg.Brand.options()); err != nil {
		return err
	}
	if err := a.openNotices(ring, metrics); err != nil {
		return err
	}
	a.service, err = mapper.NewService(mapper.Config{
		DB: a.db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup},
		Strategies: strategies, Directory: a.directory, Trail: a.trail, Notifier: a.notifier(), Hold: a.cfg.Changes.Hold,
		MessageWindow: a.cfg.Mapper.MessageWindow, KnownDFSPOnly: a.cfg.Mapper.KnownDFSPOnly,
		KeepLookups: a.cfg.Lookups.Keep, Location: time.Local, Now: time.Now,
	})
	if err != nil {
		return err
	}
	sessions, err := web.NewSessions(a.db, ring.Sessions, web.SessionOptions{
		BaseURL: a.cfg.BaseURL, Idle: a.cfg.Session.Idle, Lifetime: a.cfg.Session.Lifetime, Lookup: ring.Lookup, Now: time.Now, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.calls = keymgr.NewCalls(a.db, a.cfg.Application, time.Now)
	a.purges = append(a.purges, a.service.Purge, a.editor.Purge, a.calls.Purge, func(ctx context.Context) error {
		_, err := sessions.Purge(ctx)
		return err
	})
	metrics.WatchCertificates(a.register.List, time.Now)
	if a.cfg.Mapper.URL == "" { // otherwise the cases are elsewhere
		metrics.WatchCases(a.service.OpenCases)
	}
	a.health = handlers.NewHealth(a.db, metrics, a.log)
	a.ops = &web.Server{Handler: a.health.Handler(), Log: a.log}
	return a.buildPublic(sessions, strategies, metrics)
}

// buildPublic makes what the public listener serves.
func (a *app) buildPublic(sessions *web.Sessions, strategies *mapper.Strategies, metrics *handlers.Metrics) (err error) {
	var providers []web.LoginProvider
	for _, p := range a.cfg.LoginProviders {
		providers = append(providers, web.LoginProvider(p))
	}
	if a.providers, err = web.NewProviders(providers, a.cfg.BaseURL, time.Now); err != nil {
		return err
	}
	login := &handlers.Login{
		Brand:    a.look,
		Sessions: sessions, Providers: a.providers, BaseURL: strings.TrimSuffix(a.cfg.BaseURL, "/"),
		Trail: a.trail, Refusals: a.refusals, Log: a.log, Now: time.Now,
		Limit:          web.NewClientLimit(a.cfg.Limits.LoginRequests, handlers.LoginWindow, time.Now),
		RefusedLogouts: web.NewClientLimit(a.cfg.Limits.LoginRequests, handlers.LoginWindow, time.Now),
	}
	links, err := a.mapperOfThePortal()
	if err != nil {
		return err
	}
	portal := &handlers.Portal{
		Mapper: links, History: links, Lookups: links, Reports: links, Holds: links, LookupsKept: a.cfg.Lookups.Keep, Directory: a.directory, Strategies: strategies, Partners: a.register,
		Sessions: sessions, Login: login, Region: a.cfg.Mapper.DefaultRegion, Location: time.Local, Now: time.Now, Log: a.log,
	}
	quotas, err := quota.New(a.db, quota.Config{
		Single:   quota.Rate{PerSecond: a.cfg.Limits.ItemsPerSecond, Burst: a.cfg.Limits.Capacity},
		Bulk:     quota.Rate{PerSecond: a.cfg.Limits.BulkItemsPerSecond, Burst: a.cfg.Limits.BulkCapacity},
		BulkFrom: a.cfg.Limits.BulkFrom, MissCost: a.cfg.Limits.MissCost,
	}, time.Now)
	if err != nil {
		return err
	}
	a.quotas = quotas
	checks, err := a.newChecks(metrics)
	if err != nil {
		return err
	}
	routes := handlers.Routes{
		Portal: portal, Login: login, Sessions: sessions,
	}
	if a.cfg.Mapper.URL == "" { // otherwise the registry is elsewhere, and partners call it there
		routes.Partner = &handlers.PartnerAPI{
			Mapper: a.service, History: a.service, Lookups: a.service, Holds: a.service, Reports: a.service, Partners: a.register, Verifier: checks.partners, Signer: a.ownKeys, Quotas: quotas,
			Calls: a.calls, Refusals: a.refusals, Metrics: metrics, Log: a.log, SenderID: a.cfg.Application,
			ReceiverIDs: a.cfg.Mapper.ReceiverIDs, MessageWindow: a.cfg.Mapper.MessageWindow, MaxBatch: a.cfg.Mapper.MaxBatch, Now: time.Now,
		}
		routes.Admin = a.adminPages(checks, sessions, login)
		routes.Admin.Strategies = strategies
		routes.KeyManager = a.onboardingAPI(checks)
	}
	proxies, err := web.ParseProxies(a.cfg.TrustedProxies)
	if err != nil {
		return err
	}
	front, err := web.Front(web.FrontOptions{
		BaseURL: a.cfg.BaseURL, Proxies: proxies, Origins: a.providers.Origins, Log: a.log, Observe: metrics.Served,
		Panicked: routes.Panicked(), Now: time.Now,
	}, routes.Handler())
	if err != nil {
		return err
	}
	a.public = &web.Server{Handler: front, Log: a.log}
	if a.cfg.TLS.Certificate != "" {
		a.public.TLS, err = web.LoadCertificate(a.cfg.TLS.Certificate, a.cfg.TLS.Key, a.log, time.Now)
	}
	return err
}

// run serves until ctx ends, then answers the requests under way, and closes everything. The ops listener ends last: it
// tells that the process is draining.
func (a *app) run(ctx context.Context) error {
	defer a.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() {
		a.log.Info("shutting down: answering the requests under way")
		a.health.Drain()
	})
	var background sync.WaitGroup
	background.Go(func() { a.every(ctx, purgeInterval, "purge", a.purges...) })
	background.Go(func() { a.every(ctx, quotaInterval, "share budgets", a.quotas.Sync) })
	background.Go(func() { a.every(ctx, callsInterval, "count calls", a.calls.Flush) })
	background.Go(func() { a.every(ctx, holdsInterval, "changes that waited", a.service.ApplyDue) })
	background.Go(func() { a.every(ctx, lookupsInterval, "look-ups", a.service.ExpandLookups) })
	background.Go(func() { a.every(ctx, headInterval, "audit log", a.noteHead) })
	background.Go(func() {
		if err := a.directory.Refresh(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("directory", "error", err)
		}
		a.every(ctx, searchInterval, "directory", a.directory.Refresh)
	})
	background.Go(func() { a.refusals.Run(ctx) })
	if a.notices != nil {
		background.Go(func() { a.notices.Run(ctx) })
	}
	background.Go(func() { a.providers.Warm(ctx, a.log) })

	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOps()
	opsEnded := make(chan error, 1)
	go func() {
		defer stop()
		opsEnded <- a.ops.Run(opsCtx, a.listeners.ops)
	}()
	a.log.Info("serving", "address", a.listeners.public.Addr().String(), "ops_address", a.listeners.ops.Addr().String(),
		"base_url", a.cfg.BaseURL, "version", version)

	err := a.public.Run(ctx, a.listeners.public)
	stop()
	background.Wait()
	a.countLastCalls(ctx)
	a.recordLastRefusals(ctx)
	stopOps()
	err = errors.Join(err, <-opsEnded)
	a.log.Info("stopped")
	return err
}

// countLastCalls stores the counts of the calls that were answered last.
func (a *app) countLastCalls(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCallsTimeout)
	defer cancel()
	if err := a.calls.Flush(ctx); err != nil {
		a.log.Error("the last calls are not counted", "error", err)
	}
}

// every repeats tasks until ctx ends. A failure is only logged: what has expired is not believed anyway, and what could
// not be told now is told the next time.
func (a *app) every(ctx context.Context, interval time.Duration, what string, tasks ...func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, task := range tasks {
			if err := task(ctx); err != nil && ctx.Err() == nil {
				a.log.Error(what, "error", err)
			}
		}
	}
}

func (a *app) close() {
	a.listeners.close()
	if a.db != nil {
		a.db.Close()
	}
}
