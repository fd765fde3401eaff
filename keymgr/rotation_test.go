package keymgr_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

// lasting makes a certificate that outlives every overlap.
func lasting(t testing.TB, h *house, key keytest.Key) []byte {
	t.Helper()
	return key.CertificateFor(t, h.clock.now().Add(-time.Minute), h.clock.now().Add(400*24*time.Hour))
}

// rotator is PARTNER-R with a certificate of key 10 that lasts.
func rotator(t testing.TB, h *house) keytest.Key {
	t.Helper()
	key := keytest.RSA(t, 10)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PARTNER-R", Status: keymgr.Active}, lasting(t, h, key))
	must(t, err)
	return key
}

func TestRotationEndsTheOldCertificate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h := houseOn(t, db)
		old, next := rotator(t, h), keytest.RSA(t, 11)
		_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, next))
		must(t, err)
		wantVerified(t, h, "PARTNER-R", old.Detached(t, []byte(body)))
		wantVerified(t, h, "PARTNER-R", next.Detached(t, []byte(body)))
		h.clock.advance(7 * 24 * time.Hour)
		wantVerified(t, h, "PARTNER-R", old.Detached(t, []byte(body)))
		h.clock.advance(time.Millisecond)
		h.rejectsFrom(t, keymgr.Replaced, "PARTNER-R", body, old.Detached(t, []byte(body)))
		wantVerified(t, h, "PARTNER-R", next.Detached(t, []byte(body)))
		if p, err := h.register.Get(t.Context(), "PARTNER-A"); err != nil || !p.Certificates[0].ValidTo.IsZero() {
			t.Errorf("another partner's certificate: %+v, %v", p, err)
		}
	})
}

func TestRotationWithChosenOverlap(t *testing.T) {
	h := newHouse(t)
	old, next := rotator(t, h), keytest.RSA(t, 11)
	h.clock.advance(time.Millisecond)
	for _, d := range []time.Duration{-time.Second, keymgr.MaxOverlap + time.Second} {
		_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, next), keymgr.WithOverlap(d))
		wantErr(t, d.String(), err, keymgr.ErrInvalid)
	}
	_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, next), keymgr.WithOverlap(30*24*time.Hour))
	must(t, err)
	h.clock.advance(time.Millisecond) // what was added last, is tried first
	// An emergency: nothing but the third from now on, and nothing prolongs the first two.
	_, err = h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, keytest.RSA(t, 12)), keymgr.WithOverlap(0))
	must(t, err)
	h.clock.advance(time.Millisecond)
	h.rejectsFrom(t, keymgr.Replaced, "PARTNER-R", body, old.Detached(t, []byte(body)))
	h.rejectsFrom(t, keymgr.Replaced, "PARTNER-R", body, next.Detached(t, []byte(body)))
	_, err = h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, keytest.RSA(t, 13)))
	must(t, err) // the replaced ones do not count as held
	h.rejectsFrom(t, keymgr.Replaced, "PARTNER-R", body, next.Detached(t, []byte(body)))
}

// A successor that begins later must not leave a gap before it.
func TestRotationToAFutureCertificate(t *testing.T) {
	h := newHouse(t)
	old, next := rotator(t, h), keytest.RSA(t, 11)
	begin := h.clock.now().Add(20 * 24 * time.Hour).Truncate(time.Second)
	_, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", next.CertificateFor(t, begin, begin.Add(400*24*time.Hour)), keymgr.WithOverlap(24*time.Hour))
	must(t, err)
	h.clock.advance(begin.Add(24 * time.Hour).Sub(h.clock.now()))
	wantVerified(t, h, "PARTNER-R", old.Detached(t, []byte(body)))
	wantVerified(t, h, "PARTNER-R", next.Detached(t, []byte(body)))
	h.clock.advance(time.Millisecond)
	h.rejectsFrom(t, keymgr.Replaced, "PARTNER-R", body, old.Detached(t, []byte(body)))
}

func TestCertificateBesideOthers(t *testing.T) {
	h := newHouse(t)
	old := rotator(t, h)
	c, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, keytest.RSA(t, 11)), keymgr.Beside())
	must(t, err)
	h.clock.advance(60 * 24 * time.Hour)
	wantVerified(t, h, "PARTNER-R", old.Detached(t, []byte(body)))
	p, err := h.register.Get(t.Context(), "PARTNER-R")
	must(t, err)
	for _, held := range p.Certificates {
		if !held.ValidTo.IsZero() || !held.End().Equal(held.NotAfter) || held.Fingerprint == c.Fingerprint && held.AddedAt.IsZero() {
			t.Errorf("certificate: %+v", held)
		}
	}
}

func TestReplacedCertificateDoesNotActivate(t *testing.T) {
	h := newHouse(t)
	rotator(t, h)
	c, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-R", lasting(t, h, keytest.RSA(t, 11)), keymgr.WithOverlap(0))
	must(t, err)
	must(t, h.register.RevokeCertificate(t.Context(), audittest.By, "PARTNER-R", c.Fingerprint))
	h.clock.advance(time.Millisecond)
	wantErr(t, "activate", h.register.SetStatus(t.Context(), audittest.By, "PARTNER-R", keymgr.Active), keymgr.ErrNoCertificate)
}

func TestPS256BelongsToTheCertificate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h := houseOn(t, db)
		key := keytest.RSA(t, 11)
		p, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PSS", Status: keymgr.Active}, key.Certificate(t), keymgr.As("PS256"))
		must(t, err)
		if p.Certificates[0].Algorithm != "PS256" {
			t.Errorf("algorithm %s", p.Certificates[0].Algorithm)
		}
		sign := func(detached bool, body string) string {
			value, err := keymgr.SignWith(key.Signer, "PS256", "", []byte(body), detached)
			must(t, err)
			return value
		}
		wantVerified(t, h, "PSS", sign(true, body))
		wantVerified(t, h, "PSS", sign(false, body))
		wantVerified(t, h, "PSS", sign(true, canonicalBody))
		h.rejectsFrom(t, keymgr.Tampered, "PSS", body+" ", sign(true, body))
		h.rejectsFrom(t, keymgr.BadAlgorithm, "PSS", body, key.Detached(t, []byte(body)))
		h.rejects(t, keymgr.BadAlgorithm, body, sign(true, body))
		// The header's word alone changes nothing.
		_, rs256 := parts(key.Detached(t, []byte(body)))
		header, ps256 := parts(sign(true, body))
		h.rejectsFrom(t, keymgr.Tampered, "PSS", body, header+".."+rs256)
		h.rejectsFrom(t, keymgr.BadAlgorithm, "PSS", body, b64([]byte(`{"alg":"RS256"}`))+".."+ps256)
	})
}

func TestRejectsPS256WithOtherSalt(t *testing.T) {
	h := newHouse(t)
	key := keytest.RSA(t, 11)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PSS", Status: keymgr.Active}, key.Certificate(t), keymgr.As("PS256"))
	must(t, err)
	header := b64([]byte(`{"alg":"PS256"}`))
	sum := sha256.Sum256([]byte(header + "." + b64([]byte(body))))
	// Auto is as long as fits. A salt of no bytes cannot be asked of this library.
	for salt, want := range map[int]bool{1: false, 20: false, 32: true, rsa.PSSSaltLengthAuto: false} {
		signature, err := rsa.SignPSS(rand.Reader, key.Signer.(*rsa.PrivateKey), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
		must(t, err)
		if _, err := h.verify(t, "PSS", body, header+".."+b64(signature)); (err == nil) != want {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
}

func TestRejectsAlgorithmThatIsNotTheKeys(t *testing.T) {
	h := newHouse(t)
	for algorithm, key := range map[string]keytest.Key{"PS256": keytest.EC(t), "ES256": keytest.RSA(t, 11), "HS256": keytest.RSA(t, 11), "RS512": keytest.RSA(t, 11)} {
		_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "X"}, key.Certificate(t), keymgr.As(algorithm))
		wantRefused(t, algorithm, err, "cannot make signatures")
		if _, err := keymgr.SignWith(key.Signer, algorithm, "", nil, true); err == nil {
			t.Errorf("signed with %s", algorithm)
		}
	}
}

// openssl needs to be told the length of the salt, as the documentation says.
func TestOpenSSLPartnerWithPS256(t *testing.T) {
	h, p := newHouse(t), opensslPartner(t)
	p.run("", "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=Bank")
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PSS", Status: keymgr.Active}, p.file("cert.pem"), keymgr.As("PS256"))
	must(t, err)
	header := b64([]byte(`{"alg":"PS256"}`))
	signature := p.run(header+"."+b64([]byte(body)), "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sign key.pem")
	wantVerified(t, h, "PSS", header+".."+b64(signature))
}
