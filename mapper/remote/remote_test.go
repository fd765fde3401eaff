package remote_test

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit/audittest"
	"spar/internal/quota"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/mapper/remote"
	"spar/migrations"
	"spar/migrations/dbtest"
)

// registry is a registry on a server of its own.
type registry struct {
	*httptest.Server
	service  *mapper.Service
	register *keymgr.Register
	keysDir  string
	ahead    atomic.Int64                                 // of the real time, for the keys' clock
	now      func() time.Time                             // of calls and changes
	spoil    func(header http.Header, body []byte) []byte // changes answers on their way
}

func newRegistry(t *testing.T, db *sqlx.DB) *registry { return newHoldingRegistry(t, db, 0, time.Now) }

// newHoldingRegistry is one that holds changes by people.
func newHoldingRegistry(t *testing.T, db *sqlx.DB, hold time.Duration, now func() time.Time) *registry {
	t.Helper()
	r := &registry{now: now, register: keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), time.Now), keysDir: t.TempDir()}
	ownKeys, _, err := keymgr.OpenOwnKeys(r.keysDir, func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) })
	if err != nil {
		t.Fatal(err)
	}
	const plenty = 1 << 40
	quotas, err := quota.New(db, quota.Config{
		Single: quota.Rate{PerSecond: plenty, Burst: plenty}, Bulk: quota.Rate{PerSecond: plenty, Burst: plenty}, BulkFrom: 100, MissCost: 1,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	service := mappertest.Service(t, db, func(c *mapper.Config) { c.Hold, c.Now = hold, now })
	r.service = service
	calls := &handlers.PartnerAPI{
		Mapper: service, History: service, Lookups: service, Holds: service, Reports: service, Partners: r.register, Signer: ownKeys, Quotas: quotas, Verifier: keymgr.NewLocal(r.register), Metrics: handlers.NewMetrics("test", db.DB),
		Log: slog.New(slog.DiscardHandler), SenderID: "openg2p-spar-mapper", MessageWindow: 5 * time.Minute, MaxBatch: 10000, Now: now,
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	calls.Routes(engine)
	engine.GET(handlers.JWKSPath, gin.WrapF(calls.JWKS))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.spoil == nil || req.URL.Path == handlers.JWKSPath {
			engine.ServeHTTP(w, req)
			return
		}
		answer := httptest.NewRecorder()
		engine.ServeHTTP(answer, req)
		body := r.spoil(answer.Header(), answer.Body.Bytes())
		answer.Header().Del("Content-Length")
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		w.Write(body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) client(t *testing.T, key crypto.Signer, sender string) *remote.Client {
	t.Helper()
	client, err := remote.New(remote.Options{
		URL: r.URL, SenderID: sender, Now: r.now, ErrUnknown: keymgr.ErrUnknownKey,
		Sign:      func(body []byte) (string, error) { return keymgr.Sign(key, body, true) },
		ParseKeys: func(jwks []byte) (remote.Published, error) { return keymgr.ParseJWKS(jwks) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// perPartner calls the registry as whatever partner the contract's tests speak for.
type perPartner struct {
	t        *testing.T
	registry *registry
	mu       sync.Mutex
	clients  map[string]*remote.Client
}

var numbers = []string{"A", "B", "ANY", "ALPHA", "ALPHA alpha", handlers.SelfService}

func (p *perPartner) as(by mapper.Actor) *remote.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimSpace(by.Partner + " " + strings.Join(by.FAProviders, ","))
	if p.clients[name] == nil {
		number := slices.Index(numbers, name)
		if number < 0 {
			p.t.Fatalf("no key for partner %q", name)
		}
		key := keytest.RSA(p.t, number)
		_, err := p.registry.register.Add(p.t.Context(), audittest.By, keymgr.Partner{
			ReferenceID: by.Partner, Status: keymgr.Active, FAProviders: upper(by.FAProviders), Permissions: keymgr.AllPermissions(),
		}, key.Certificate(p.t))
		if err != nil {
			p.t.Fatal(err)
		}
		p.clients[name] = p.registry.client(p.t, key, by.Partner)
	}
	return p.clients[name]
}

func upper(codes []string) (list []string) {
	for _, code := range codes {
		list = append(list, strings.ToUpper(code))
	}
	return list
}

func (p *perPartner) Link(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return p.as(by).Link(ctx, by, items)
}

func (p *perPartner) Update(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return p.as(by).Update(ctx, by, items)
}

func (p *perPartner) Unlink(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return p.as(by).Unlink(ctx, by, items)
}

func (p *perPartner) Resolve(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return p.as(by).Resolve(ctx, by, items)
}

func (p *perPartner) CancelHeld(ctx context.Context, by mapper.Actor, id mapper.ID, changeID string) (mapper.Change, error) {
	return p.as(by).CancelHeld(ctx, by, id, changeID)
}

func (p *perPartner) History(ctx context.Context, id mapper.ID, limit int) ([]mapper.Change, error) {
	return p.as(mappertest.Person()).History(ctx, id, limit)
}

func (p *perPartner) Report(ctx context.Context, by mapper.Actor, item mapper.Item) (mapper.Result, error) {
	return p.as(mappertest.Person()).Report(ctx, by, item)
}

func TestClientKeepsTheContract(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.Run(t, func(t *testing.T) mappertest.Registry {
			fresh := dbtest.SQLite
			if migrations.Postgres(db) {
				fresh = dbtest.PostgreSQL
			}
			return &perPartner{t: t, registry: newRegistry(t, fresh(t)), clients: map[string]*remote.Client{}}
		})
	})
}

// portal onboards the portal and gives it a client.
func portal(t *testing.T, r *registry) *remote.Client {
	t.Helper()
	key := keytest.RSA(t, 5)
	key.Onboard(t, r.register, handlers.SelfService, keymgr.AllPermissions()...)
	return r.client(t, key, handlers.SelfService)
}

const (
	anID      = "token:424242@nationalid"
	anAccount = "account:11223344@001.ALPHA.bank_acc"
)

func TestThePortalLearnsWhatItsPagesShow(t *testing.T) {
	r := newRegistry(t, dbtest.SQLite(t))
	client := portal(t, r)
	item := mappertest.Item("r1", anID, anAccount)
	item.Name = mapper.String("Zenobia Quartermain")
	made, err := client.Link(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	found, err := client.Resolve(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{mappertest.Details("q", anID, "")})
	if err != nil {
		t.Fatal(err)
	}
	if got := found[0]; got.Name != "Zenobia Quartermain" || got.ChangedAt.IsZero() || !got.ChangedAt.Equal(made[0].ChangedAt) || got.Provider.Kind != mapper.Bank {
		t.Errorf("resolved %+v", got)
	}
	changes, err := client.History(t.Context(), anID, 10)
	if err != nil || len(changes) != 1 {
		t.Fatalf("History = %v, %v", changes, err)
	}
	if got := changes[0]; got.ID != made[0].ChangeID || got.FA != anAccount || !got.ByBeneficiary || got.Provider.Code != "ALPHA" || got.Provider.Kind != mapper.Bank {
		t.Errorf("history %+v", got)
	}
}

func TestThePortalTellsLookups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.RunLookups(t, func(t *testing.T) (mapper.Mapper, mappertest.Portal, func(context.Context) error) {
			r := newRegistry(t, db)
			return &perPartner{t: t, registry: r, clients: map[string]*remote.Client{}}, portal(t, r), r.service.ExpandLookups
		})
	})
}

// A portal that runs apart does not know the partners: the registry tells their names.
func TestLookupsNameThePartner(t *testing.T) {
	r := newRegistry(t, dbtest.SQLite(t))
	client := portal(t, r)
	key := keytest.RSA(t, 6)
	_, err := r.register.Add(t.Context(), audittest.By, keymgr.Partner{
		ReferenceID: "MINISTRY", Name: "Ministry of Health Payments", Status: keymgr.Active, Permissions: keymgr.AllPermissions(),
	}, key.Certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	ministry := r.client(t, key, "MINISTRY")
	if _, err := ministry.Link(t.Context(), mappertest.By(""), []mapper.Item{mappertest.Item("1", anID, anAccount)}); err != nil {
		t.Fatal(err)
	}
	if _, err := ministry.Resolve(t.Context(), mappertest.By(""), []mapper.Item{mappertest.Details("1", anID, "")}); err != nil {
		t.Fatal(err)
	}
	if err := r.service.ExpandLookups(t.Context()); err != nil {
		t.Fatal(err)
	}
	lookups, err := client.Lookups(t.Context(), anID, 10)
	if err != nil || len(lookups) != 1 || lookups[0].PartnerName != "Ministry of Health Payments" {
		t.Errorf("Lookups = %+v, %v", lookups, err)
	}
	if lookups, err := ministry.Lookups(t.Context(), anID, 10); err == nil {
		t.Errorf("a partner read who looked up whom: %+v", lookups)
	}
}

func TestClientHoldsChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.RunHolds(t, func(t *testing.T) mappertest.Held {
			fresh := dbtest.SQLite
			if migrations.Postgres(db) {
				fresh = dbtest.PostgreSQL
			}
			var ahead atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			const hold = 48 * time.Hour
			r := newHoldingRegistry(t, fresh(t), hold, now)
			return mappertest.Held{
				HoldingPortal: &perPartner{t: t, registry: r, clients: map[string]*remote.Client{}},
				Hold:          hold, Now: now, Later: func(d time.Duration) { ahead.Add(int64(d)) }, ApplyDue: r.service.ApplyDue,
			}
		})
	})
}

// Only the portal stops what waits, and only its answers say what that is.
func TestNoOtherPartnerStopsWhatWaits(t *testing.T) {
	r := newHoldingRegistry(t, dbtest.SQLite(t), 48*time.Hour, time.Now)
	client := portal(t, r)
	key := keytest.RSA(t, 6)
	key.Onboard(t, r.register, "BANK", keymgr.AllPermissions()...)
	bank := r.client(t, key, "BANK")
	if _, err := bank.Link(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("1", anID, anAccount)}); err != nil {
		t.Fatal(err)
	}
	asked, err := client.Update(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{mappertest.Item("1", anID, "mobile:+15550100123@GAMMA.mobile_wallet")})
	if err != nil || asked[0].EffectiveAt.IsZero() {
		t.Fatalf("update: %v %+v", err, asked)
	}
	if _, err := bank.CancelHeld(t.Context(), mappertest.By("BANK"), anID, asked[0].ChangeID); err == nil || errors.Is(err, mapper.ErrNotHeld) {
		t.Errorf("a bank stops a change: %v", err)
	}
	told, err := bank.Resolve(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Details("1", anID, "")})
	if err != nil || told[0].Held != nil || told[0].FA != anAccount || len(told[0].AdditionalInfo) != 1 {
		t.Errorf("a bank is told %+v, %v", told, err)
	}
	if _, err := client.CancelHeld(t.Context(), mappertest.By(handlers.SelfService), anID, asked[0].ChangeID); err != nil {
		t.Errorf("the portal does not stop it: %v", err)
	}
}

func TestNoOtherPartnerReadsHistory(t *testing.T) {
	r := newRegistry(t, dbtest.SQLite(t))
	key := keytest.RSA(t, 6)
	key.Onboard(t, r.register, "BANK", keymgr.AllPermissions()...)
	if changes, err := r.client(t, key, "BANK").History(t.Context(), anID, 10); err == nil {
		t.Errorf("a bank read the history: %v", changes)
	}
}

// TestClientBelievesOnlyTheRegistry: an answer that was changed on its way, or is another's, is no answer.
func TestClientBelievesOnlyTheRegistry(t *testing.T) {
	r := newRegistry(t, dbtest.SQLite(t))
	client := portal(t, r)
	ask := func() error {
		_, err := client.Resolve(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{mappertest.Details("q", anID, "")})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	var earlier []byte
	var earlierSignature []string
	for name, spoil := range map[string]func(http.Header, []byte) []byte{
		"a changed byte": func(_ http.Header, body []byte) []byte { body[len(body)/2] ^= 1; return body },
		"no signature":   func(h http.Header, body []byte) []byte { h.Del("Signature"); return body },
		"two signatures": func(h http.Header, body []byte) []byte { h.Add("Signature", h.Get("Signature")); return body },
		"a cut body":     func(_ http.Header, body []byte) []byte { return body[:len(body)-1] },
		"another's keys": func(h http.Header, body []byte) []byte {
			h.Set("Signature", keytest.RSA(t, 7).Detached(t, body))
			return body
		},
	} {
		r.spoil = spoil
		if err := ask(); err == nil {
			t.Errorf("%s: the answer was believed", name)
		}
	}
	r.spoil = func(h http.Header, body []byte) []byte {
		earlier, earlierSignature = body, h.Values("Signature")
		return body
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	r.spoil = func(h http.Header, _ []byte) []byte { h["Signature"] = earlierSignature; return earlier }
	if err := ask(); err == nil {
		t.Error("the answer to an earlier call was believed")
	}
}

func TestClientFollowsARotation(t *testing.T) {
	r := newRegistry(t, dbtest.SQLite(t))
	client := portal(t, r)
	if _, err := client.Resolve(t.Context(), mappertest.By(""), []mapper.Item{mappertest.Item("q", anID, "")}); err != nil {
		t.Fatal(err)
	}
	if _, err := keymgr.RotateOwnKeys(r.keysDir, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.ahead.Store(int64(10 * time.Second))
	if _, err := client.Resolve(t.Context(), mappertest.By(""), []mapper.Item{mappertest.Item("q", anID, "")}); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}
