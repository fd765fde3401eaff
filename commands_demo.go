package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"spar/internal/demo"
	"spar/internal/notices"
)

type demoCommand struct {
	Dir       string        `help:"Where everything is kept: database, keys, log." default:".run/demo" placeholder:"DIR"`
	Listen    string        `help:"Address of the portal and the partner API; loopback only." default:"127.0.0.1:8080" placeholder:"ADDRESS"`
	OpsListen string        `name:"ops-listen" help:"Address of health and metrics; loopback only." default:"127.0.0.1:9090" placeholder:"ADDRESS"`
	Hold      time.Duration `help:"How long a change of account waits; none, if not given." placeholder:"2m"`
	Provider  string        `name:"provider-listen" help:"Address of the demonstration's login provider; loopback only." default:"${demo_provider}" placeholder:"ADDRESS"`
}

func (demoCommand) Help() string { return "Example: spar demo --dir /tmp/spar-demo" }

// Validate keeps the demonstration off the network: everybody who reaches it can be anybody.
func (d demoCommand) Validate() error {
	for flag, address := range map[string]string{"--listen": d.Listen, "--ops-listen": d.OpsListen, "--provider-listen": d.Provider} {
		if host, ok := hostOf(address); !ok || !isLoopback(host) {
			return fmt.Errorf("%s: expected a loopback address with a port, such as 127.0.0.1:8080", flag)
		}
	}
	if d.Hold < 0 || d.Hold > longestHold {
		return errors.New("--hold: expected a duration up to 720h, such as 2m")
	}
	return nil
}

func (d demoCommand) Run(c *console) error {
	dir, err := filepath.Abs(d.Dir)
	if err != nil {
		return fmt.Errorf("find the demonstration's folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the demonstration's folder: %w", err)
	}
	logPath := filepath.Join(dir, "spar.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer logFile.Close()
	server, err := d.start(c.ctx, dir, newLogger(logFile, "info"))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s\nKept in %s, with the log in spar.log. Health and metrics: http://%s. Stop with Ctrl-C.\n",
		server.banner, dir, server.app.listeners.ops.Addr())
	return server.run(c.ctx)
}

// demonstration is a whole registry with the login provider it needs.
type demonstration struct {
	app      *app
	provider *demo.Server
	banner   demo.Banner
}

func (d demoCommand) start(ctx context.Context, dir string, log *slog.Logger) (*demonstration, error) {
	return d.startWith(ctx, dir, d.config(dir), log)
}

// config is what the demonstration is run with. Addresses that are known only once it listens are missing.
func (d demoCommand) config(dir string) Config {
	cfg := defaultConfig()
	cfg.Listen, cfg.OpsListen = d.Listen, d.OpsListen
	cfg.Database.URL = sqlitePrefix + filepath.Join(dir, "spar.db")
	cfg.Keys.Dir = filepath.Join(dir, "keys")
	cfg.Changes.Hold = d.Hold
	cfg.Mapper.DefaultRegion = "US" // of the numbers kept for fiction that the demonstration's people have
	return cfg
}

func (d demoCommand) startWith(ctx context.Context, dir string, cfg Config, log *slog.Logger) (*demonstration, error) {
	l, err := listen(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w (spar demo --help lists the flags)", err)
	}
	cfg.BaseURL = localURL(l.public.Addr())
	provider, err := demo.Listen(dir, d.Provider, cfg.BaseURL)
	if err != nil {
		l.close()
		return nil, err
	}
	for _, p := range provider.LoginProviders() {
		cfg.LoginProviders = append(cfg.LoginProviders, LoginProvider{
			ID: p.ID, Name: p.Name, Audience: p.Audience, Issuer: p.Issuer, ClientID: p.ClientID, ClientAuth: p.ClientAuth,
			ClientKey: p.ClientKey, Scopes: p.Scopes, Userinfo: p.Userinfo, IDTemplate: p.IDTemplate,
			RolesClaim: p.RolesClaim, Roles: p.Roles,
		})
	}
	cfg.fillProviderDefaults()
	cfg.Notices.Email.URL, cfg.Notices.Email.StartTLS = provider.Inbox.MailURL(), false
	cfg.Notices.Email.From = "Social Payments Account Registry <no-reply@spar.example.org>"
	cfg.Notices.SMS.URL, cfg.Notices.SMS.Secret = provider.SMSURL(), provider.Inbox.Token()
	cfg.Notices.SMS.Fields = map[string]any{"to": notices.NumberPlaceholder, "text": notices.TextPlaceholder}
	a, err := newApp(ctx, cfg, l, log)
	if err != nil {
		return nil, errors.Join(err, provider.Close())
	}
	banner, err := demo.Prepare(ctx, demo.Deps{
		Dir: dir, BaseURL: cfg.BaseURL, Register: a.register, Directory: a.directory, Editor: a.editor, Mapper: a.service, Now: time.Now,
	})
	if err != nil {
		a.close()
		return nil, errors.Join(err, provider.Close())
	}
	banner.Inbox = provider.InboxURL()
	return &demonstration{app: a, provider: provider, banner: banner}, nil
}

// run serves until ctx ends or one of the two fails.
func (d *demonstration) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	provided := make(chan error, 1)
	go func() {
		defer stop()
		provided <- d.provider.Run(ctx)
	}()
	err := d.app.run(ctx)
	stop()
	return errors.Join(err, <-provided)
}

// localURL is how a browser on this machine reaches a listener.
func localURL(address net.Addr) string { return "http://" + address.String() }
