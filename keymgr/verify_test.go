package keymgr_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

// body is what a Python client sends: with spaces, in its own order. canonicalBody is what it signs.
const (
	body          = `{"signature": "", "header": {"version": "1.0.0", "sender_id": "PARTNER-A", "total_count": 1}, "message": {"rate": 1.0, "name": "\u00c4b\u20ac"}}`
	canonicalBody = `{"header":{"sender_id":"PARTNER-A","total_count":1,"version":"1.0.0"},"message":{"name":"Äb€","rate":1.0},"signature":""}`
)

// house is a register with PARTNER-A active under key 0.
type house struct {
	*keymgr.Local
	register *keymgr.Register
	clock    *clock
	key      keytest.Key
	partner  keymgr.Partner
	explains atomic.Int64
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return houseOn(t, dbtest.SQLite(t))
}

func houseOn(t testing.TB, db *sqlx.DB) *house {
	t.Helper()
	c := newClock()
	r := keymgr.NewRegister(db, application, audittest.New(t, db), c.now)
	h := &house{Local: keymgr.NewLocal(r), register: r, clock: c, key: keytest.RSA(t, 0)}
	h.partner = h.key.Onboard(t, r, "PARTNER-A", keymgr.Resolve)
	return h
}

func (h *house) verify(t testing.TB, sender, body string, signature ...string) (keymgr.Partner, error) {
	t.Helper()
	m := keymgr.Signed{Sender: sender, Signature: signature, Body: []byte(body)}
	p, err := h.Verify(t.Context(), m)
	if h.explains.Add(1)%8 == 1 {
		h.checkExplanation(t, m, err)
	}
	return p, err
}

// checkExplanation checks that what is shown to people is what was decided.
func (h *house) checkExplanation(t testing.TB, m keymgr.Signed, verdict error) {
	t.Helper()
	e := h.Explain(t.Context(), m)
	refusal, refused := errors.AsType[*keymgr.Refusal](verdict)
	switch {
	case errors.Is(verdict, keymgr.ErrSignatureMissing):
		refusal = &keymgr.Refusal{Reason: keymgr.SignatureMissing}
	case verdict != nil && !refused:
		if e.Fault == nil || e.Verified {
			t.Errorf("Verify has a fault, %v, and Explain %+v", verdict, e)
		}
		return
	case verdict == nil:
		refusal = &keymgr.Refusal{}
	}
	if e.Verified != (verdict == nil) || e.Reason != refusal.Reason || len(e.Steps) != 4 || e.Steps[3].Passed != e.Verified {
		t.Errorf("Verify says %v, and Explain %+v", verdict, e)
	}
	if passed := e.Steps[0].Passed && e.Steps[1].Passed && e.Steps[2].Passed; e.Verified && !passed {
		t.Errorf("verified, and yet not every step passed: %+v", e.Steps)
	}
}

// accepts checks that PARTNER-A is proven to have signed the body.
func (h *house) accepts(t testing.TB, body string, signature ...string) {
	t.Helper()
	p, err := h.verify(t, "PARTNER-A", body, signature...)
	if err != nil || p.ReferenceID != "PARTNER-A" || !p.Allows(keymgr.Resolve) || p.Allows(keymgr.Link) {
		t.Errorf("got %+v, %v; want PARTNER-A", p, err)
	}
}

// rejects checks that it is refused for a reason, and that the partner that comes with the error is useless.
func (h *house) rejects(t testing.TB, want keymgr.Reason, body string, signature ...string) {
	t.Helper()
	h.rejectsFrom(t, want, "PARTNER-A", body, signature...)
}

func (h *house) rejectsFrom(t testing.TB, want keymgr.Reason, sender, body string, signature ...string) {
	t.Helper()
	p, err := h.verify(t, sender, body, signature...)
	refusal, ok := errors.AsType[*keymgr.Refusal](err)
	if !ok || refusal.Reason != want || p.ReferenceID != "" {
		t.Errorf("got %+v, %v; want refusal %s", p, err, want)
	}
}

func TestAcceptsBothForms(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h := houseOn(t, db)
		h.accepts(t, body, h.key.Detached(t, []byte(body)))
		h.accepts(t, body, h.key.Detached(t, []byte(canonicalBody)))
		h.accepts(t, body, h.key.Full(t, []byte(body)))
		h.accepts(t, body, h.key.Full(t, []byte(canonicalBody)))
		h.accepts(t, canonicalBody, h.key.Detached(t, []byte(canonicalBody)))
		h.accepts(t, canonicalBody, h.key.Full(t, []byte(body)))
	})
}

func TestRejectsWithoutSignature(t *testing.T) {
	h := newHouse(t)
	for _, signature := range [][]string{nil, {}, {""}} {
		if _, err := h.verify(t, "PARTNER-A", body, signature...); !errors.Is(err, keymgr.ErrSignatureMissing) {
			t.Errorf("%q: got %v, want ErrSignatureMissing", signature, err)
		}
	}
}

func TestRejectsUnknownSender(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	for _, sender := range []string{"", "PARTNER-B", "partner-a", "PARTNER_A", "PARTNER-A ", "PARTNER-A\n", strings.Repeat("a", 1000)} {
		h.rejectsFrom(t, keymgr.UnknownSender, sender, body, signature)
	}
}

// A signed body for one sender is worth nothing in the name of another.
func TestRejectsAnotherPartnersKey(t *testing.T) {
	h := newHouse(t)
	other := keytest.RSA(t, 1)
	other.Onboard(t, h.register, "PARTNER-B", keymgr.Resolve)
	h.rejects(t, keymgr.Tampered, body, other.Detached(t, []byte(body)))
	h.rejects(t, keymgr.Tampered, body, other.Full(t, []byte(body)))
	h.rejectsFrom(t, keymgr.Tampered, "PARTNER-B", body, h.key.Detached(t, []byte(body)))
	h.rejects(t, keymgr.Tampered, body, keytest.RSA(t, 2).Detached(t, []byte(body)))
	if p, err := h.verify(t, "PARTNER-B", body, other.Detached(t, []byte(body))); err != nil || p.ReferenceID != "PARTNER-B" {
		t.Errorf("got %+v, %v; want PARTNER-B", p, err)
	}
}

func TestRejectsPartnerOfAnotherApplication(t *testing.T) {
	h := newHouse(t)
	other := keymgr.NewLocal(keymgr.NewRegister(h.register.Database(), "another-application", audittest.New(t, h.register.Database()), h.clock.now))
	h = &house{Local: other, register: h.register, clock: h.clock, key: h.key}
	h.rejects(t, keymgr.UnknownSender, body, h.key.Detached(t, []byte(body)))
}

func TestRejectsChangedBody(t *testing.T) {
	h := newHouse(t)
	detached, full := h.key.Detached(t, []byte(canonicalBody)), h.key.Full(t, []byte(canonicalBody))
	for i := range len(canonicalBody) {
		changed := []byte(canonicalBody)
		changed[i] ^= 1
		h.rejects(t, keymgr.Tampered, string(changed), detached)
		h.rejects(t, keymgr.OtherPayload, string(changed), full)
	}
	for _, changed := range []string{"", canonicalBody[1:], canonicalBody + "x", canonicalBody + canonicalBody, "null", "[]"} {
		h.rejects(t, keymgr.Tampered, changed, detached)
		h.rejects(t, keymgr.OtherPayload, changed, full)
	}
}

// Spaces mean nothing in JSON, but what was signed is bytes, or the canonical form, and nothing in between.
func TestRejectsReformattedBody(t *testing.T) {
	h := newHouse(t)
	h.rejects(t, keymgr.Tampered, canonicalBody, h.key.Detached(t, []byte(body)))
	h.rejects(t, keymgr.Tampered, body+" ", h.key.Detached(t, []byte(body)))
	h.accepts(t, body+" ", h.key.Detached(t, []byte(canonicalBody)))
}

// What Go and Python would read differently has no canonical form.
func TestRejectsAmbiguousBodyInCanonicalForm(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(`{"a":1}`))
	for _, ambiguous := range []string{`{"a":2,"a":1}`, `{"a":1,"a":1}`, `{"a":1}{}`, "\xef\xbb\xbf{\"a\":1}"} {
		h.rejects(t, keymgr.Tampered, ambiguous, signature)
	}
	h.accepts(t, ` { "a" : 1 } `, signature)
}

func TestRejectsChangedToken(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	decoded, err := base64.RawURLEncoding.DecodeString(signature)
	must(t, err)
	for i := range decoded {
		changed := bytes.Clone(decoded)
		changed[i] ^= 1
		h.rejects(t, keymgr.Tampered, body, header+".."+b64(changed))
	}
	for _, changed := range [][]byte{decoded[1:], decoded[:255], append(bytes.Clone(decoded), 0), append([]byte{0}, decoded...), {0}, make([]byte, 256)} {
		h.rejects(t, keymgr.Tampered, body, header+".."+b64(changed))
	}
	h.rejects(t, keymgr.Tampered, body, b64([]byte(`{"alg":"RS256"}`))+".."+signature)
	h.rejects(t, keymgr.Tampered, body, b64([]byte(`{"alg":"RS256","typ":"JWT" }`))+".."+signature)
}

func TestRejectsOtherPayload(t *testing.T) {
	h := newHouse(t)
	const other = `{"message":{"name":"someone else"}}`
	h.rejects(t, keymgr.OtherPayload, body, h.key.Full(t, []byte(other)))
	h.rejects(t, keymgr.OtherPayload, body, h.key.Full(t, []byte("not JSON")))
	header, signature := parts(h.key.Detached(t, []byte(body)))
	h.rejects(t, keymgr.OtherPayload, body, header+"."+b64([]byte(other))+"."+signature)
	h.rejects(t, keymgr.OtherPayload, other, header+"."+b64([]byte(body))+"."+signature)
	// The payload is the body's value, but it is not what was signed.
	h.rejects(t, keymgr.Tampered, body, header+"."+b64([]byte(canonicalBody))+"."+signature)
	h.accepts(t, body, header+"."+b64([]byte(body))+"."+signature)
}

// A body that Canonical refuses can still be signed as it is.
func TestAcceptsBytesThatAreNotJSON(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{"", "\x00\xff", "not JSON", `{"a":1,"a":2}`} {
		h.accepts(t, body, h.key.Detached(t, []byte(body)))
	}
}

// orjson writes 1e16 up to version 3.11.6 and 1e+16 from 3.11.7 on.
func TestAcceptsExponentsOfBothKinds(t *testing.T) {
	h := newHouse(t)
	const sent = `{"b": 10000000000000000.0, "a": 1e-7}`
	for _, signed := range []string{`{"a":1e-7,"b":1e16}`, `{"a":1e-7,"b":1e+16}`} {
		h.accepts(t, sent, h.key.Detached(t, []byte(signed)))
		h.accepts(t, sent, h.key.Full(t, []byte(signed)))
	}
	h.rejects(t, keymgr.Tampered, sent, h.key.Detached(t, []byte(`{"a":1e-07,"b":1e+16}`)))
}

func TestRejectsExpired(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	end := h.partner.Certificates[0].NotAfter
	h.clock.advance(end.Sub(h.clock.now()))
	h.accepts(t, body, signature)
	h.clock.advance(time.Millisecond)
	h.rejects(t, keymgr.Expired, body, signature)
}

func TestRejectsNotYetValid(t *testing.T) {
	h := newHouse(t)
	key := keytest.RSA(t, 1)
	begin := h.clock.now().Add(time.Hour).Truncate(time.Second)
	_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", key.CertificateFor(t, begin, begin.Add(time.Hour)))
	must(t, err)
	signature := key.Detached(t, []byte(body))
	h.clock.advance(begin.Sub(h.clock.now()) - time.Minute - time.Millisecond)
	h.rejects(t, keymgr.NotYetValid, body, signature)
	h.clock.advance(time.Millisecond)
	h.accepts(t, body, signature)
}

func TestRejectsRevoked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h := houseOn(t, db)
		signature := h.key.Detached(t, []byte(body))
		h.accepts(t, body, signature)
		must(t, h.register.RevokeCertificate(t.Context(), audittest.By, "PARTNER-A", h.partner.Certificates[0].Fingerprint))
		h.rejects(t, keymgr.Revoked, body, signature)
		h.rejects(t, keymgr.Revoked, body, h.key.Full(t, []byte(body)))

		// With a good certificate beside it, the log still says that the revoked one signed.
		_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", keytest.RSA(t, 1).Certificate(t))
		must(t, err)
		h.rejects(t, keymgr.Revoked, body, signature)
		h.rejects(t, keymgr.Tampered, body, keytest.RSA(t, 2).Detached(t, []byte(body)))
		h.accepts(t, body, keytest.RSA(t, 1).Detached(t, []byte(body)))
	})
}

func TestRejectsSuspended(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	h.accepts(t, body, signature)
	must(t, h.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Suspended))
	h.rejects(t, keymgr.SenderSuspended, body, signature)
	must(t, h.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Active))
	h.accepts(t, body, signature)
}

func TestRejectsDraft(t *testing.T) {
	h := newHouse(t)
	key := keytest.RSA(t, 1)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PARTNER-B"}, key.Certificate(t))
	must(t, err)
	h.rejectsFrom(t, keymgr.SenderDraft, "PARTNER-B", body, key.Detached(t, []byte(body)))
}

func TestRejectsWithoutCertificate(t *testing.T) {
	h := newHouse(t)
	_, err := h.register.Database().ExecContext(t.Context(), `DELETE FROM certificates`)
	must(t, err)
	h.rejects(t, keymgr.NoCertificate, body, h.key.Detached(t, []byte(body)))
}

// Someone who can write to the database but not read keys cannot slip in a certificate that was never judged.
func TestRejectsExchangedCertificate(t *testing.T) {
	h := newHouse(t)
	thief := keytest.RSA(t, 1)
	block, _ := pem.Decode(thief.Certificate(t))
	for _, change := range []string{`UPDATE certificates SET der = $1`, `UPDATE certificates SET der = substr($1, 2)`} {
		_, err := h.register.Database().ExecContext(t.Context(), change, block.Bytes)
		must(t, err)
		h.rejects(t, keymgr.NoCertificate, body, thief.Detached(t, []byte(body)))
	}

	h = newHouse(t)
	_, err := h.register.Database().ExecContext(t.Context(), `UPDATE certificates SET algorithm = 'ES256'`)
	must(t, err)
	h.rejects(t, keymgr.NoCertificate, body, h.key.Detached(t, []byte(body)))
}

// Another replica has no way to be told; two seconds is the promise.
func TestRevocationReachesOtherReplicas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h := houseOn(t, db)
		elsewhere := keymgr.NewRegister(db, application, audittest.New(t, db), h.clock.now)
		signature := h.key.Detached(t, []byte(body))
		h.accepts(t, body, signature)
		must(t, elsewhere.RevokeCertificate(t.Context(), audittest.By, "PARTNER-A", h.partner.Certificates[0].Fingerprint))
		h.clock.advance(2*time.Second - time.Millisecond)
		h.accepts(t, body, signature)
		h.clock.advance(time.Millisecond)
		h.rejects(t, keymgr.Revoked, body, signature)
	})
}

func TestPermissionsTakeEffectAtOnce(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	h.accepts(t, body, signature)
	must(t, h.register.Permit(t.Context(), audittest.By, "PARTNER-A", []keymgr.Permission{keymgr.Link}))
	if p, err := h.verify(t, "PARTNER-A", body, signature); err != nil || p.Allows(keymgr.Resolve) || !p.Allows(keymgr.Link) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestRotationOverlaps(t *testing.T) {
	h := newHouse(t)
	next := keytest.RSA(t, 1)
	_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", next.CertificateFor(t, h.clock.now().Add(-time.Second), h.clock.now().Add(1000*time.Hour)))
	must(t, err)
	h.accepts(t, body, h.key.Detached(t, []byte(body)))
	h.accepts(t, body, next.Detached(t, []byte(body)))
	h.accepts(t, body, next.Detached(t, []byte(canonicalBody)))
	h.clock.advance(24 * time.Hour)
	h.rejects(t, keymgr.Expired, body, h.key.Detached(t, []byte(body)))
	h.accepts(t, body, next.Detached(t, []byte(body)))
}

func TestKeyIDPicksCertificate(t *testing.T) {
	h := newHouse(t)
	first, second := h.key, keytest.RSA(t, 1)
	c, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", second.Certificate(t))
	must(t, err)
	as := func(key keytest.Key, keyID string) string {
		value, err := keymgr.SignAs(key.Signer, keyID, []byte(body), true)
		must(t, err)
		return value
	}
	for _, keyID := range []string{keymgr.KeyID(c.DER), c.Fingerprint, strings.ToUpper(c.Fingerprint), withColons(c.Fingerprint)} {
		h.accepts(t, body, as(second, keyID))
		h.rejects(t, keymgr.Tampered, body, as(first, keyID))
	}
	// Names that are the client's own affair.
	for _, keyID := range []string{"my-key", "../../etc/passwd", "' OR 1=1 --", strings.Repeat("ab", 32), keymgr.KeyID([]byte("x")), `"\` + "\u2028"} {
		h.accepts(t, body, as(second, keyID))
		h.accepts(t, body, as(first, keyID))
		h.rejects(t, keymgr.Tampered, body, as(keytest.RSA(t, 2), keyID))
	}
	must(t, h.register.RevokeCertificate(t.Context(), audittest.By, "PARTNER-A", c.Fingerprint))
	h.rejects(t, keymgr.Revoked, body, as(second, keymgr.KeyID(c.DER)))
	h.rejects(t, keymgr.Revoked, body, as(first, keymgr.KeyID(c.DER)))
}

func TestAcceptsOtherAlgorithms(t *testing.T) {
	h := newHouse(t)
	for reference, key := range map[string]keytest.Key{"EC": keytest.EC(t), "ED": keytest.Ed25519(t)} {
		p := key.Onboard(t, h.register, reference)
		for _, signature := range []string{key.Detached(t, []byte(body)), key.Detached(t, []byte(canonicalBody)), key.Full(t, []byte(body))} {
			if got, err := h.verify(t, reference, body, signature); err != nil || got.ReferenceID != reference {
				t.Errorf("%s: got %+v, %v", p.Certificates[0].Algorithm, got, err)
			}
		}
		h.rejectsFrom(t, keymgr.BadAlgorithm, reference, body, h.key.Detached(t, []byte(body)))
		h.rejectsFrom(t, keymgr.Tampered, reference, body+" ", key.Detached(t, []byte(body)))
		h.rejects(t, keymgr.BadAlgorithm, body, key.Detached(t, []byte(body)))
	}
}

// A database that is away is a fault, never a refusal and never an acceptance.
func TestFaultIsNotARefusal(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	h.accepts(t, body, signature)
	must(t, h.register.Database().Close())
	h.clock.advance(time.Minute)
	p, err := h.verify(t, "PARTNER-A", body, signature)
	if _, refused := errors.AsType[*keymgr.Refusal](err); err == nil || refused || p.ReferenceID != "" {
		t.Errorf("got %+v, %v; want a fault", p, err)
	}
}

// What is logged about a refusal repeats nothing that the caller could have chosen freely.
func TestRefusalIsSafeToLog(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	_, err := h.verify(t, "evil\nsender", body, signature)
	if refusal, ok := errors.AsType[*keymgr.Refusal](err); !ok || refusal.Sender != "" || strings.Contains(err.Error(), "evil") {
		t.Errorf("got %v", err)
	}
	_, err = h.verify(t, "PARTNER-B", body, craft(t, h.key, `{"alg":"RS256","evil":"x"}`, body))
	if refusal, ok := errors.AsType[*keymgr.Refusal](err); !ok || refusal.Sender != "PARTNER-B" || strings.Contains(err.Error(), "evil") {
		t.Errorf("got %v", err)
	}
	_, err = h.verify(t, "PARTNER-A", body, craft(t, h.key, `{"alg":"RS256","kid":"evil"}`, body+"x"))
	if err == nil || strings.Contains(err.Error(), "evil") || !strings.Contains(err.Error(), "kid picked none") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(keymgr.Reasons(), keymgr.Tampered) || len(keymgr.Reasons()) != 16 {
		t.Errorf("reasons: %v", keymgr.Reasons())
	}
}

// The quickest of many refusals is compared, which noise can only make slower. Without the decoys the partner with three
// certificates would take three times as long as the one that does not exist.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	h := newHouse(t)
	for i := 1; i <= 2; i++ {
		_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", keytest.RSA(t, i).Certificate(t))
		must(t, err)
	}
	keytest.RSA(t, 3).Onboard(t, h.register, "PARTNER-B")
	keytest.RSA(t, 4).Onboard(t, h.register, "SUSPENDED")
	must(t, h.register.SetStatus(t.Context(), audittest.By, "SUSPENDED", keymgr.Suspended))
	senders := []string{"PARTNER-A", "PARTNER-B", "SUSPENDED", "UNKNOWN", "not a sender"}
	message := keymgr.Signed{Signature: []string{keytest.RSA(t, 5).Detached(t, []byte("{}"))}, Body: []byte(batch(137 << 10))}
	quickest := make(map[string]time.Duration)
	for range 30 {
		for _, sender := range senders {
			message.Sender = sender
			start := time.Now()
			if _, err := h.Verify(t.Context(), message); err == nil {
				t.Fatal("accepted")
			}
			if took := time.Since(start); quickest[sender] == 0 || took < quickest[sender] {
				quickest[sender] = took
			}
		}
	}
	for _, sender := range senders {
		if ratio := float64(quickest[sender]) / float64(quickest["UNKNOWN"]); ratio < 0.67 || ratio > 1.5 {
			t.Errorf("%s is refused in %v, an unknown sender in %v", sender, quickest[sender], quickest["UNKNOWN"])
		}
	}
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	h := newHouse(t)
	bodies := []string{body, canonicalBody, batch(10 << 10), batch(50 << 10)}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 20 {
				body := bodies[(i+j)%len(bodies)]
				h.accepts(t, body, h.key.Detached(t, []byte(body)))
				h.rejects(t, keymgr.Tampered, body+"x", h.key.Detached(t, []byte(body)))
				h.clock.advance(time.Second)
			}
		})
	}
	wait.Wait()
}
