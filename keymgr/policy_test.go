package keymgr_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

// judged is what a policy says of a self-signed certificate that is shaped freely.
func judged(t *testing.T, p keymgr.Policy, shape func(*x509.Certificate)) error {
	t.Helper()
	key := keytest.EC(t)
	_, err := p.Parse(issue(t, shape, key.Public(), key), "", time.Now())
	return err
}

func wantRefused(t *testing.T, what string, err error, reason string) {
	t.Helper()
	if !errors.Is(err, keymgr.ErrCertificate) || !strings.Contains(err.Error(), reason) {
		t.Errorf("%s: got %v, want a refusal that mentions %q", what, err, reason)
	}
}

func TestPolicyRejectsLongValidity(t *testing.T) {
	lasting := func(d time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(d) }
	}
	const day = 24 * time.Hour
	p := keymgr.DefaultPolicy()
	if err := judged(t, p, lasting(825*day)); err != nil {
		t.Errorf("825 days: %v", err)
	}
	wantRefused(t, "825 days and a second", judged(t, p, lasting(825*day+time.Second)), "valid for 826 days, 825 are allowed")
	wantRefused(t, "as long as can be written", judged(t, p, func(c *x509.Certificate) {
		c.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}), "valid for 106752 days")
	p.MaxValidity = 90 * day
	wantRefused(t, "91 days of 90", judged(t, p, lasting(91*day)), "90 are allowed")
}

func TestPolicyExtendedKeyUsage(t *testing.T) {
	usage := func(known []x509.ExtKeyUsage, other ...asn1.ObjectIdentifier) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = known, other }
	}
	ours := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	p := keymgr.DefaultPolicy()
	for name, accepted := range map[string]func(*x509.Certificate){
		"absent":          nil,
		"clientAuth":      usage([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}),
		"server and too":  usage([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}),
		"any":             usage([]x509.ExtKeyUsage{x509.ExtKeyUsageAny}),
		"client and ours": usage([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ours),
	} {
		if err := judged(t, p, accepted); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, refused := range map[string]func(*x509.Certificate){
		"serverAuth":      usage([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}),
		"timeStamping":    usage([]x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}),
		"emailProtection": usage([]x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}),
		"ours":            usage(nil, ours),
		"empty": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Value: []byte{0x30, 0}}}
		},
	} {
		if err := judged(t, p, refused); !errors.Is(err, keymgr.ErrCertificate) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	p.ExtendedKeyUsages = []string{"emailProtection", ours.String()}
	if err := errors.Join(judged(t, p, usage(nil, ours)), judged(t, p, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}))); err != nil {
		t.Errorf("configured usages: %v", err)
	}
	wantRefused(t, "no longer configured", judged(t, p, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})), "extendedKeyUsage")
}

func TestPolicyRejectsAuthorities(t *testing.T) {
	p := keymgr.DefaultPolicy()
	plain := func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }
	if err := judged(t, p, plain); err != nil {
		t.Errorf("what plain openssl makes: %v", err)
	}
	for name, shape := range map[string]func(*x509.Certificate){
		"keyCertSign": func(c *x509.Certificate) {
			plain(c)
			c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
		},
		"cRLSign": func(c *x509.Certificate) {
			plain(c)
			c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign
		},
		"path length":   func(c *x509.Certificate) { plain(c); c.MaxPathLen = 1 },
		"path length 0": func(c *x509.Certificate) { plain(c); c.MaxPathLenZero = true },
	} {
		wantRefused(t, name, judged(t, p, shape), "CA:TRUE")
	}
	p.SelfSignedCA = false
	wantRefused(t, "where even the flag is refused", judged(t, p, plain), "CA:TRUE")
}

func TestPolicyRejectsSelfSigned(t *testing.T) {
	p := keymgr.DefaultPolicy()
	p.SelfSigned = false
	wantRefused(t, "self-signed", judged(t, p, nil), "only certificates of a trust anchor")
}

func TestPolicyRSASizes(t *testing.T) {
	key := keytest.RSA(t, 0)
	p := keymgr.DefaultPolicy()
	p.RSAMinBits = 3072
	_, err := p.Parse(key.Certificate(t), "", time.Now())
	wantRefused(t, "2048 of 3072", err, "at least 3072 bits")
}

func TestPolicyCheck(t *testing.T) {
	if field, expected := keymgr.DefaultPolicy().Check(); field != "" {
		t.Errorf("default: %s expected %s", field, expected)
	}
	for want, change := range map[string]func(*keymgr.Policy){
		"MaxValidity":       func(p *keymgr.Policy) { p.MaxValidity = 0 },
		"ClockSkew":         func(p *keymgr.Policy) { p.ClockSkew = 2 * time.Hour },
		"RSAMinBits":        func(p *keymgr.Policy) { p.RSAMinBits = 1024 },
		"RSAMaxBits":        func(p *keymgr.Policy) { p.RSAMaxBits = 16384 },
		"ExtendedKeyUsages": func(p *keymgr.Policy) { p.ExtendedKeyUsages = []string{"serverAuth"} },
	} {
		p := keymgr.DefaultPolicy()
		change(&p)
		if field, _ := p.Check(); field != want {
			t.Errorf("got %q, want %q", field, want)
		}
	}
}

// The policy of today counts for the keys of yesterday as well.
func TestRejectsKeyTooWeakByNow(t *testing.T) {
	h := newHouse(t)
	p := keymgr.DefaultPolicy()
	p.RSAMinBits = 3072
	h.Local = keymgr.NewLocal(keymgr.NewRegister(h.register.Database(), application, nil, h.clock.now, keymgr.WithPolicy(p)))
	h.rejects(t, keymgr.WeakKey, body, h.key.Detached(t, []byte(body)))
}

// SPAR makes its own certificates, self-signed and for years, whatever partners must have.
func TestPolicyLeavesOwnCertificatesAlone(t *testing.T) {
	db := dbtest.SQLite(t)
	p := keymgr.DefaultPolicy()
	p.SelfSigned = false
	r := keymgr.NewRegister(db, application, audittest.New(t, db), time.Now, keymgr.WithPolicy(p))
	own := keytest.EC(t).CertificateFor(t, time.Now(), time.Now().Add(5*365*24*time.Hour))
	system := audittest.By
	system.Kind = "system"
	partner := keymgr.Partner{ReferenceID: "SELF", Status: keymgr.Active}
	if _, err := r.Add(t.Context(), audittest.By, partner, own); !errors.Is(err, keymgr.ErrCertificate) {
		t.Errorf("by a person: %v", err)
	}
	if _, err := r.Add(t.Context(), system, partner, own); err != nil {
		t.Errorf("by SPAR itself: %v", err)
	}
}
