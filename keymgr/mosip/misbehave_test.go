package mosip_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
)

// fresh is the same world with a client that has no history.
func (w *world) fresh(t *testing.T, change ...func(*mosip.Config)) *world {
	t.Helper()
	config := w.double.Config()
	config.Now, config.Observe, config.Timeout = w.clock.now, w.observed.note, 150*time.Millisecond
	for _, f := range change {
		f(&config)
	}
	client, err := mosip.NewClient(config)
	must(t, err)
	again := *w
	again.KeyManager = mosip.New(client, w.register, keymgr.NewLocal(w.register))
	return &again
}

// unknown checks that a question has no answer: nothing is accepted, it is the key manager's fault, and the error repeats
// nothing of what was sent or answered.
func (w *world) unknown(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, keymgr.ErrUnavailable) {
		t.Fatalf("got %v; want it unavailable", err)
	}
	if _, refused := errors.AsType[*keymgr.Refusal](err); refused {
		t.Errorf("an outage counts as a refusal: %v", err)
	}
	for _, secret := range append(w.double.Tokens(), mosiptest.ClientSecret, "MESSAGEMARKER", w.signed(t)) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats %.20s…: %v", secret, err)
		}
	}
}

// TestMisbehavingKeyManager: no answer but a clear yes is taken for one.
func TestMisbehavingKeyManager(t *testing.T) {
	w := newWorld(t)
	signature := w.signed(t)
	for name, misbehaviour := range mosiptest.Misbehaviours() {
		t.Run(name, func(t *testing.T) {
			w.double.Misbehave("yes", mosiptest.JSON(`{"response":{"signatureValid":true},"errors":null}`))
			w.double.Misbehave("jwtVerify", misbehaviour)
			p, err := w.fresh(t).verify(t.Context(), "PARTNER-A", body, signature)
			if p.ReferenceID != "" {
				t.Fatal("accepted")
			}
			w.unknown(t, err)
		})
	}
	if n := len(w.double.Calls("yes")); n != 0 {
		t.Errorf("followed %d redirects", n)
	}
	w.double.Behave()
	w.fresh(t).accepts(t, body, signature)
}

// TestTheKeyManagersNo: where it clearly speaks of this signature or certificate, the partner is refused for a reason of
// its own.
func TestTheKeyManagersNo(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		answer mosiptest.Twist
		detail string
	}{
		"false":                         {mosiptest.JSON(`{"response":{"signatureValid":false,"message":"Validation Failed"},"errors":null}`), "signatureValid is false"},
		"false, errors empty":           {mosiptest.JSON(`{"response":{"signatureValid":false},"errors":[]}`), "signatureValid is false"},
		"false, errors absent":          {mosiptest.JSON(`{"response":{"signatureValid":false}}`), "signatureValid is false"},
		"cannot be read":                {mosiptest.Fails("KER-JWS-105"), "KER-JWS-105"},
		"certificate not valid there":   {mosiptest.Fails("KER-JWS-107"), "KER-JWS-107"},
		"pre-expiry days":               {mosiptest.Fails("KER-KMS-016"), "KER-KMS-016 (the certificate there has expired"},
		"an error beside a yes":         {mosiptest.JSON(`{"response":{"signatureValid":true},"errors":[{"errorCode":"KER-JWS-105","message":"MESSAGEMARKER"}]}`), "KER-JWS-105"},
		"content type with a parameter": {mosiptest.Answer(http.StatusOK, "application/json;charset=UTF-8", `{"response":{"signatureValid":false},"errors":null}`), "signatureValid is false"},
	} {
		t.Run(name, func(t *testing.T) {
			w.double.Misbehave("jwtVerify", test.answer)
			refusal := w.fresh(t).refuses(t, keymgr.Disagreement, "PARTNER-A", body, w.signed(t))
			if refusal.Sender != "PARTNER-A" || !strings.Contains(refusal.Detail.Error(), test.detail) || strings.Contains(refusal.Error(), "MESSAGEMARKER") {
				t.Errorf("refusal %v", refusal)
			}
		})
	}
}

// TestAnotherCertificateThere: somebody replaced the certificate in the key manager behind our back.
func TestAnotherCertificateThere(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	w.double.Misbehave("jwtVerify", func(rw http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		// The other key manager has PARTNER-A's other certificate; it answers about that one.
		mosiptest.JSON(`{"response":{"signatureValid":false},"errors":null}`)(rw, r, nil)
	})
	w.refuses(t, keymgr.Disagreement, "PARTNER-A", body, w.signed(t))
	// A certificate given to one key manager was not given to another.
	elsewhere := mosip.New(other.Client, w.register, keymgr.NewLocal(w.register))
	_, err := elsewhere.Verify(t.Context(), keymgr.Signed{Sender: "PARTNER-A", Signature: []string{w.signed(t)}, Body: []byte(body)})
	if refusal, ok := errors.AsType[*keymgr.Refusal](err); !ok || refusal.Reason != keymgr.NotInKeyManager {
		t.Errorf("another key manager: %v", err)
	}
}

func TestAClientThatWentAway(t *testing.T) {
	w := newWorld(t)
	w.double.Misbehave("jwtVerify", mosiptest.Hang())
	for range 20 { // more than the breaker takes
		ctx, cancel := context.WithCancel(t.Context())
		context.AfterFunc(ctx, func() {})
		go cancel()
		if _, err := w.verify(ctx, "PARTNER-A", body, w.signed(t)); err == nil {
			t.Fatal("accepted")
		}
	}
	if w.State() != "closed" {
		t.Errorf("clients that went away opened the breaker: %s", w.State())
	}
	w.double.Behave()
	w.accepts(t, body, w.signed(t))
}
