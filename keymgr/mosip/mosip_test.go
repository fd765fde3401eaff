package mosip_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
	"spar/migrations/dbtest"
)

// body is spaced as Python prints it, canonicalBody is what Python signs.
const (
	body          = `{"signature": "", "header": {"sender_id": "PARTNER-A"}, "message": {}}`
	canonicalBody = `{"header":{"sender_id":"PARTNER-A"},"message":{},"signature":""}`
)

// world is a key manager and our register, with PARTNER-A active under key 0 in both.
type world struct {
	*mosip.KeyManager
	double   *mosiptest.Server
	register *keymgr.Register
	key      keytest.Key
	clock    *clock
	observed *observed
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// observed counts what the client says it did.
type observed struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *observed) note(call, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[call+" "+outcome]++
}

func (o *observed) count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[what]
}

func newWorld(t testing.TB, change ...func(*mosip.Config)) *world {
	t.Helper()
	return worldOn(t, dbtest.SQLite(t), change...)
}

func worldOn(t testing.TB, db *sqlx.DB, change ...func(*mosip.Config)) *world {
	t.Helper()
	w := &world{double: mosiptest.Start(t), key: keytest.RSA(t, 0), clock: &clock{t: time.Now()}, observed: &observed{counts: map[string]int{}}}
	w.double.Now = w.clock.now
	w.register = keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), w.clock.now)
	w.onboard(t, "PARTNER-A", w.key)
	config := w.double.Config()
	config.Now, config.Observe = w.clock.now, w.observed.note
	for _, f := range change {
		f(&config)
	}
	client, err := mosip.NewClient(config)
	must(t, err)
	w.KeyManager = mosip.New(client, w.register, keymgr.NewLocal(w.register))
	_, err = w.Upload(t.Context(), audittest.By, "PARTNER-A", "")
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certificate makes one that a key manager, which stops 30 days before the end, still uses.
func (w *world) certificate(t testing.TB, key keytest.Key) []byte {
	t.Helper()
	return key.CertificateFor(t, w.clock.now().Add(-time.Hour), w.clock.now().AddDate(1, 0, 0))
}

func (w *world) onboard(t testing.TB, reference string, key keytest.Key) {
	t.Helper()
	_, err := w.register.Add(t.Context(), audittest.By, keymgr.Partner{
		ReferenceID: reference, Status: keymgr.Active, Permissions: []keymgr.Permission{keymgr.Resolve},
	}, w.certificate(t, key))
	must(t, err)
}

func (w *world) verify(ctx context.Context, sender, body, signature string) (keymgr.Partner, error) {
	return w.Verify(ctx, keymgr.Signed{Sender: sender, Signature: []string{signature}, Body: []byte(body)})
}

func (w *world) accepts(t *testing.T, body, signature string) {
	t.Helper()
	p, err := w.verify(t.Context(), "PARTNER-A", body, signature)
	if err != nil || p.ReferenceID != "PARTNER-A" {
		t.Errorf("got %q, %v; want PARTNER-A", p.ReferenceID, err)
	}
}

func (w *world) refuses(t *testing.T, want keymgr.Reason, sender, body, signature string) *keymgr.Refusal {
	t.Helper()
	p, err := w.verify(t.Context(), sender, body, signature)
	refusal, ok := errors.AsType[*keymgr.Refusal](err)
	if !ok || refusal.Reason != want || p.ReferenceID != "" {
		t.Fatalf("got %q, %v; want refusal %s", p.ReferenceID, err, want)
	}
	return refusal
}

// signed is PARTNER-A's good signature.
func (w *world) signed(t *testing.T) string { return w.key.Detached(t, []byte(body)) }

func TestBothMustVerify(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		w := worldOn(t, db)
		for name, test := range map[string]struct{ signature, asked string }{
			"detached":            {w.key.Detached(t, []byte(body)), body},
			"detached, canonical": {w.key.Detached(t, []byte(canonicalBody)), canonicalBody},
			"full":                {w.key.Full(t, []byte(body)), body},
			"full, canonical":     {w.key.Full(t, []byte(canonicalBody)), canonicalBody},
		} {
			before := len(w.double.Calls("jwtVerify"))
			w.accepts(t, body, test.signature)
			calls := w.double.Calls("jwtVerify")
			if len(calls) != before+1 {
				t.Fatalf("%s: %d calls, want one", name, len(calls)-before)
			}
			asked := calls[before].Request
			payload, err := base64.RawURLEncoding.DecodeString(asked["actualData"].(string))
			if err != nil || string(payload) != test.asked || asked["jwtSignatureData"] != test.signature ||
				asked["applicationId"] != mosiptest.Application || asked["referenceId"] != "PARTNER-A" {
				t.Errorf("%s: asked %v", name, asked)
			}
		}
		if made := w.double.Generated(); len(made) != 0 {
			t.Errorf("made the key manager generate keys for %v", made)
		}
	})
}

// TestTheTokenTravelsInTheCookie, and in the header only where that is wanted.
func TestTheTokenTravelsInTheCookie(t *testing.T) {
	for name, bearer := range map[string]bool{"cookie": false, "cookie and header": true} {
		w := newWorld(t, func(c *mosip.Config) { c.SendBearer = bearer })
		w.accepts(t, body, w.signed(t))
		w.accepts(t, body, w.signed(t))
		token := w.double.Tokens()[0]
		for _, call := range w.double.Calls("") {
			if call.Header.Get("Cookie") != "Authorization="+token {
				t.Errorf("%s: %s with cookie %q", name, call.Name, call.Header.Get("Cookie"))
			}
			want := ""
			if bearer {
				want = "Bearer " + token
			}
			if call.Header.Get("Authorization") != want {
				t.Errorf("%s: %s with Authorization %q", name, call.Name, call.Header.Get("Authorization"))
			}
		}
		if n := len(w.double.Calls("token")); n != 1 {
			t.Errorf("%s: %d tokens asked for, want one for all", name, n)
		}
	}
}

// TestWhoCausesNoCall: our register and our rules stand first, so that nobody without a partner's key reaches the key
// manager, and nothing of its own rules (x5c, blank ids, keys made on demand) is ever set off.
func TestWhoCausesNoCall(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stranger, suspended, draft, revoked, bare, two := keytest.RSA(t, 1), keytest.RSA(t, 2), keytest.RSA(t, 3), keytest.RSA(t, 4), keytest.RSA(t, 5), keytest.RSA(t, 6)
	w.onboard(t, "SUSPENDED", suspended)
	must(t, w.register.SetStatus(ctx, audittest.By, "SUSPENDED", keymgr.Suspended))
	_, err := w.register.Add(ctx, audittest.By, keymgr.Partner{ReferenceID: "DRAFT"}, w.certificate(t, draft))
	must(t, err)
	w.onboard(t, "REVOKED", revoked)
	p, err := w.register.Get(ctx, "REVOKED")
	must(t, err)
	_, err = w.Upload(ctx, audittest.By, "REVOKED", "")
	must(t, err)
	must(t, w.register.RevokeCertificate(ctx, audittest.By, "REVOKED", p.Certificates[0].Fingerprint))
	w.onboard(t, "NEVER-UPLOADED", bare)
	_, err = w.register.AddCertificate(ctx, audittest.By, "PARTNER-A", w.certificate(t, two))
	must(t, err)

	before := len(w.double.Calls(""))
	header := func(members string) string {
		good := w.signed(t)
		return base64.RawURLEncoding.EncodeToString([]byte(members)) + good[bytes.IndexByte([]byte(good), '.'):]
	}
	for name, test := range map[string]struct {
		sender, signature string
		want              keymgr.Reason
	}{
		"unknown":              {"NOBODY", stranger.Detached(t, []byte(body)), keymgr.UnknownSender},
		"blank":                {"", stranger.Detached(t, []byte(body)), keymgr.UnknownSender},
		"spaces":               {"  ", stranger.Detached(t, []byte(body)), keymgr.UnknownSender},
		"the manager's own":    {"SIGN", stranger.Detached(t, []byte(body)), keymgr.UnknownSender},
		"other case":           {"partner-a", w.signed(t), keymgr.UnknownSender},
		"suspended":            {"SUSPENDED", suspended.Detached(t, []byte(body)), keymgr.SenderSuspended},
		"draft":                {"DRAFT", draft.Detached(t, []byte(body)), keymgr.SenderDraft},
		"revoked":              {"REVOKED", revoked.Detached(t, []byte(body)), keymgr.Revoked},
		"never uploaded":       {"NEVER-UPLOADED", bare.Detached(t, []byte(body)), keymgr.NotInKeyManager},
		"another of its own":   {"PARTNER-A", two.Detached(t, []byte(body)), keymgr.NotInKeyManager},
		"another's key":        {"PARTNER-A", stranger.Detached(t, []byte(body)), keymgr.Tampered},
		"another body":         {"PARTNER-A", w.key.Detached(t, []byte(`{}`)), keymgr.Tampered},
		"x5c":                  {"PARTNER-A", header(`{"alg":"RS256","x5c":["AAAA"]}`), keymgr.Malformed},
		"x5t#S256":             {"PARTNER-A", header(`{"alg":"RS256","x5t#S256":"AAAA"}`), keymgr.Malformed},
		"jku":                  {"PARTNER-A", header(`{"alg":"RS256","jku":"https://example.org"}`), keymgr.Malformed},
		"none":                 {"PARTNER-A", header(`{"alg":"none"}`), keymgr.BadAlgorithm},
		"full with other body": {"PARTNER-A", w.key.Full(t, []byte(`{}`)), keymgr.OtherPayload},
	} {
		t.Run(name, func(t *testing.T) { w.refuses(t, test.want, test.sender, body, test.signature) })
	}
	if _, err := w.Verify(ctx, keymgr.Signed{Sender: "PARTNER-A", Body: []byte(body)}); !errors.Is(err, keymgr.ErrSignatureMissing) {
		t.Errorf("without a signature: %v", err)
	}
	if after := w.double.Calls(""); len(after) != before {
		t.Errorf("caused %d calls, the last %s", len(after)-before, after[len(after)-1].Name)
	}
	if made := w.double.Generated(); len(made) != 0 {
		t.Errorf("made the key manager generate keys for %v", made)
	}
}

// TestTheDoubleIsAsDangerousAsTheRealOne: what our gate keeps out is accepted, and keys are made, when nobody stands
// before the key manager. Otherwise the test above would prove nothing.
func TestTheDoubleIsAsDangerousAsTheRealOne(t *testing.T) {
	w := newWorld(t)
	attacker := keytest.RSA(t, 1)
	der, err := keymgr.SelfSigned(attacker.Signer, "attacker", w.clock.now().Add(-time.Hour), w.clock.now().Add(time.Hour))
	must(t, err)
	token := attackerToken(t, attacker, der)
	if got := w.direct(t, token, "PARTNER-A"); got != true {
		t.Errorf("a token with the attacker's certificate in x5c: %v", got)
	}
	if got := w.direct(t, w.key.Full(t, []byte(body)), "NOBODY"); got != false {
		t.Errorf("an unknown reference id: %v", got)
	}
	if made := w.double.Generated(); len(made) != 1 || made[0][1] != "NOBODY" {
		t.Errorf("keys were made for %v, want NOBODY", made)
	}
	w.onboard(t, "NOBODY", keytest.RSA(t, 2))
	if _, err := w.Upload(t.Context(), audittest.By, "NOBODY", ""); err == nil || !bytes.Contains([]byte(err.Error()), []byte("KER-KMS-034")) {
		t.Errorf("upload over a generated key: %v", err)
	}
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return text
}
