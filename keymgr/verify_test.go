package keymgr_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

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
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return houseOn(t, dbtest.SQLite(t))
}

func houseOn(t testing.TB, db *sqlx.DB) *house {
	t.Helper()
	c := newClock()
	r := keymgr.NewRegister(db, application, c.now)
	h := &house{Local: keymgr.NewLocal(r), register: r, clock: c, key: keytest.RSA(t, 0)}
	h.partner = h.key.Onboard(t, r, "PARTNER-A", keymgr.Resolve)
	return h
}

func (h *house) verify(t testing.TB, sender, body string, signature ...string) (keymgr.Partner, error) {
	t.Helper()
	return h.Verify(t.Context(), keymgr.Signed{Sender: sender, Signature: signature, Body: []byte(body)})
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
