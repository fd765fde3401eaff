package keymgr_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

// pki is what somebody with nothing but openssl builds: each name has NAME.key and NAME.pem.
type pki struct {
	partnerOf
	days string // that authorities and partners are valid for
}

const (
	authorityExtensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
	partnerExtensions   = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
)

func newPKI(t testing.TB) pki { return pki{opensslPartner(t), "200"} }

// root makes a self-signed authority.
func (p pki) root(name, extensions string) {
	p.Helper()
	p.request(name, "/O=Example/CN="+name)
	p.extensions(name, extensions)
	p.run("", "x509 -req -in "+name+".csr -signkey "+name+".key -days "+p.days+" -extfile "+name+".ext -out "+name+".pem")
}

// issue makes a certificate that an issuer signed.
func (p pki) issue(name, subject, issuer, extensions string) {
	p.Helper()
	p.request(name, subject)
	p.extensions(name, extensions)
	p.run("", "x509 -req -in "+name+".csr -CA "+issuer+".pem -CAkey "+issuer+".key -CAcreateserial -days "+p.days+" -extfile "+name+".ext -out "+name+".pem")
}

func (p pki) request(name, subject string) {
	p.Helper()
	p.run("", "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "+name+".key -out "+name+".csr -subj "+subject)
}

func (p pki) extensions(name, text string) {
	p.Helper()
	must(p, os.WriteFile(filepath.Join(p.folder, name+".ext"), []byte(text), 0o600))
}

// bundle is a PEM file of several certificates.
func (p pki) bundle(names ...string) []byte {
	p.Helper()
	var all []byte
	for _, name := range names {
		all = append(all, p.file(name+".pem")...)
	}
	return all
}

func (p pki) trust(h *house, name string) keymgr.TrustAnchor {
	p.Helper()
	anchor, err := h.register.AddTrustAnchor(p.Context(), audittest.By, name, p.file(name+".pem"))
	must(p, err)
	return anchor
}

func (p pki) wantRefused(h *house, reason string, names ...string) {
	p.Helper()
	_, err := h.register.Inspect(p.Context(), p.bundle(names...), "")
	if !errors.Is(err, keymgr.ErrCertificate) || !strings.Contains(err.Error(), reason) {
		p.Errorf("%v: got %v, want a refusal that mentions %q", names, err, reason)
	}
}

func (p pki) wantAccepted(h *house, names ...string) {
	p.Helper()
	if _, err := h.register.Inspect(p.Context(), p.bundle(names...), ""); err != nil {
		p.Errorf("%v: %v", names, err)
	}
}

// onboard registers the partner BANK with the certificates of a bundle.
func (p pki) onboard(h *house, names ...string) {
	p.Helper()
	_, err := h.register.Add(p.Context(), audittest.By, keymgr.Partner{ReferenceID: "BANK", Status: keymgr.Active}, p.bundle(names...))
	must(p, err)
}

func (p pki) sign(name string) string {
	p.Helper()
	key, err := keymgr.ParseKey(p.file(name + ".key"))
	must(p, err)
	value, err := keymgr.Sign(key, []byte(body), true)
	must(p, err)
	return value
}

func wantVerified(t testing.TB, h *house, sender, signature string) {
	t.Helper()
	if p, err := h.verify(t, sender, body, signature); err != nil || p.ReferenceID != sender {
		t.Errorf("got %+v, %v; want %s", p, err, sender)
	}
}

func TestAcceptsChainToTrustAnchor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h, p := houseOn(t, db), newPKI(t)
		p.root("root", authorityExtensions)
		p.issue("inter", "/CN=Inter", "root", authorityExtensions)
		p.issue("direct", "/CN=Direct", "root", partnerExtensions)
		p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
		p.trust(h, "root")
		p.wantAccepted(h, "direct")
		p.wantAccepted(h, "bank", "inter")
		p.wantAccepted(h, "bank", "inter", "root") // the anchor itself is superfluous, and welcome
		p.onboard(h, "bank", "inter")
		wantVerified(t, h, "BANK", p.sign("bank"))
	})
}

// Any authority may be trusted, also one that another authority signed.
func TestAcceptsIntermediateAsTrustAnchor(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("inter", "/CN=Inter", "root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
	p.issue("other", "/CN=Other", "root", partnerExtensions)
	p.trust(h, "inter")
	p.wantAccepted(h, "bank")
	p.wantRefused(h, "trust anchor", "other")
}

func TestRejectsChainToNobody(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("inter", "/CN=Inter", "root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
	p.wantRefused(h, "does not chain to a trust anchor", "bank")
	p.wantRefused(h, "does not chain to a trust anchor", "bank", "inter", "root")
	p.trust(h, "root")
	p.wantRefused(h, "intermediate certificates belong behind it", "bank")
	p.root("evil", authorityExtensions)
	p.issue("thief", "/CN=Bank", "evil", partnerExtensions)
	p.wantRefused(h, "does not chain", "thief", "evil")
}

// An authority of the same name with another key has nothing to say.
func TestRejectsNamesakeOfTrustAnchor(t *testing.T) {
	h, p, other := newHouse(t), newPKI(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.trust(h, "root")
	other.root("root", authorityExtensions)
	other.issue("bank", "/CN=Bank", "root", partnerExtensions)
	other.wantRefused(h, "does not chain", "bank")
	other.wantRefused(h, "does not chain", "bank", "root")
}

// The certificate store of the machine is for web sites.
func TestRejectsSystemRoots(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "root", partnerExtensions)
	t.Setenv("SSL_CERT_FILE", filepath.Join(p.folder, "root.pem"))
	t.Setenv("SSL_CERT_DIR", p.folder)
	p.wantRefused(h, "does not chain", "bank")
	p.wantRefused(h, "does not chain", "bank", "root")
}

func TestRejectsIssuersThatMayNotSign(t *testing.T) {
	for name, c := range map[string]struct{ extensions, reason string }{
		"CA:FALSE":          {"basicConstraints=critical,CA:FALSE\n", "only those of authorities"},
		"no constraints":    {"keyUsage=critical,keyCertSign\n", "only those of authorities"},
		"no keyCertSign":    {"basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,cRLSign\n", "does not chain"},
		"serverAuth only":   {authorityExtensions + "extendedKeyUsage=serverAuth\n", "extendedKeyUsage"},
		"unknown extension": {authorityExtensions + "1.2.3.4=critical,ASN1:NULL\n", "critical extension"},
	} {
		t.Run(name, func(t *testing.T) {
			h, p := newHouse(t), newPKI(t)
			p.root("root", authorityExtensions)
			p.issue("inter", "/CN=Inter", "root", c.extensions)
			p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
			p.trust(h, "root")
			p.wantRefused(h, c.reason, "bank", "inter")
		})
	}
}

// A partner with a certificate cannot make partners.
func TestRejectsPartnerAsIssuer(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "root", partnerExtensions)
	p.issue("thief", "/CN=Thief", "bank", partnerExtensions)
	p.trust(h, "root")
	p.wantRefused(h, "only those of authorities", "thief", "bank")
	p.wantRefused(h, "does not chain", "thief")
}

func TestRejectsAuthorityAsPartner(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("inter", "/CN=Inter", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature\n")
	p.issue("flag", "/CN=Flag", "root", "basicConstraints=critical,CA:TRUE\n")
	p.trust(h, "root")
	p.wantRefused(h, "CA:TRUE", "inter")
	p.wantRefused(h, "CA:TRUE", "flag")
}

func TestRejectsPathLength(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n")
	p.issue("inter", "/CN=Inter", "root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
	p.issue("direct", "/CN=Direct", "root", partnerExtensions)
	p.trust(h, "root")
	p.wantAccepted(h, "direct")
	p.wantRefused(h, "path length", "bank", "inter")
}

func TestNameConstraints(t *testing.T) {
	const directory = "\n[banks]\nO=Banks\n[evil]\nCN=Evil\n"
	for name, c := range map[string]struct{ constraints, allowed, refused string }{
		"permitted DNS":    {"nameConstraints=critical,permitted;DNS:bank.example\n", "subjectAltName=DNS:a.bank.example\n", "subjectAltName=DNS:evil.example\n"},
		"excluded DNS":     {"nameConstraints=critical,excluded;DNS:evil.example\n", "subjectAltName=DNS:bank.example\n", "subjectAltName=DNS:x.evil.example\n"},
		"not critical":     {"nameConstraints=permitted;DNS:bank.example\n", "subjectAltName=DNS:bank.example\n", "subjectAltName=DNS:evil.example\n"},
		"permitted URI":    {"nameConstraints=critical,permitted;URI:bank.example\n", "subjectAltName=URI:https://bank.example/x\n", "subjectAltName=URI:https://evil.example/x\n"},
		"permitted e-mail": {"nameConstraints=critical,permitted;email:bank.example\n", "subjectAltName=email:a@bank.example\n", "subjectAltName=email:a@evil.example\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h, p := newHouse(t), newPKI(t)
			p.root("root", authorityExtensions+c.constraints)
			p.issue("bank", "/CN=Bank", "root", partnerExtensions+c.allowed)
			p.issue("evil", "/CN=Evil", "root", partnerExtensions+c.refused)
			p.issue("plain", "/CN=Plain", "root", partnerExtensions) // has none of the constrained names
			p.trust(h, "root")
			p.wantAccepted(h, "bank")
			p.wantAccepted(h, "plain")
			p.wantRefused(h, "name constraints", "evil")
		})
	}
	for name, c := range map[string]struct{ constraints, allowed, refused string }{
		"permitted directory": {"nameConstraints=critical,permitted;dirName:banks\n" + directory, "/O=BANKS/CN=Bank", "/O=Thieves/CN=Bank"},
		"longer than subject": {"nameConstraints=critical,permitted;dirName:banks\n" + directory, "/O=Banks", "/CN=Bank"},
		"excluded directory":  {"nameConstraints=critical,excluded;dirName:evil\n" + directory, "/O=Banks/CN=Evil", "/CN=Evil/O=Banks"},
		"e-mail in subject":   {"nameConstraints=critical,permitted;email:bank.example\n", "/CN=Bank", "/CN=Bank/emailAddress=a@bank.example"},
	} {
		t.Run(name, func(t *testing.T) {
			h, p := newHouse(t), newPKI(t)
			p.root("root", authorityExtensions)
			p.issue("inter", "/O=Banks/CN=Inter", "root", authorityExtensions+c.constraints)
			p.issue("bank", c.allowed, "inter", partnerExtensions)
			p.issue("evil", c.refused, "inter", partnerExtensions)
			p.trust(h, "root")
			p.wantAccepted(h, "bank", "inter")
			p.wantRefused(h, "constrain", "evil", "inter")
		})
	}
}

// Constraints that nobody checks must not look as if they were checked.
func TestRejectsUncheckedNameConstraints(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions+"nameConstraints=permitted;otherName:1.2.3.4;UTF8:x\n")
	_, err := h.register.AddTrustAnchor(t.Context(), audittest.By, "", p.file("root.pem"))
	wantRefused(t, "otherName", err, "cannot be checked")
}

func TestRejectsWeakIssuers(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.trust(h, "root")
	p.extensions("inter", authorityExtensions)
	p.run("", "req -new -newkey rsa:1024 -nodes -keyout inter.key -out inter.csr -subj /CN=Inter")
	p.run("", "x509 -req -in inter.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile inter.ext -out inter.pem")
	p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
	p.wantRefused(h, "at least 2048", "bank", "inter")
	p.run("", "x509 -req -in bank.csr -CA root.pem -CAkey root.key -sha1 -days 30 -extfile bank.ext -out sha1.pem")
	p.wantRefused(h, "SHA-256 or better", "sha1")
}

func TestRejectsExpiredIssuer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h, p := houseOn(t, db), newPKI(t)
		p.root("root", authorityExtensions)
		p.days = "2"
		p.issue("inter", "/CN=Inter", "root", authorityExtensions)
		p.days = "100"
		p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
		p.trust(h, "root")
		p.onboard(h, "bank", "inter")
		signature := p.sign("bank")
		wantVerified(t, h, "BANK", signature)
		h.clock.advance(49 * time.Hour)
		h.rejectsFrom(t, keymgr.Untrusted, "BANK", body, signature)
		p.wantRefused(h, "is not valid now", "bank", "inter")
	})
}

func TestRejectsTrustAnchors(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("leaf", partnerExtensions)
	p.root("no-sign", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n")
	p.root("server", authorityExtensions+"extendedKeyUsage=serverAuth\n")
	p.root("root", authorityExtensions)
	p.run("", "x509 -req -in root.csr -signkey root.key -sha1 -days 9 -extfile root.ext -out sha1.pem")
	p.run("", "req -x509 -newkey rsa:1024 -nodes -keyout short.key -out short.pem -subj /CN=x")
	for name, reason := range map[string]string{
		"leaf": "CA:TRUE", "no-sign": "keyCertSign", "server": "extendedKeyUsage", "sha1": "SHA-256 or better", "short": "at least 2048",
	} {
		_, err := h.register.AddTrustAnchor(t.Context(), audittest.By, "", p.file(name+".pem"))
		wantRefused(t, name, err, reason)
	}
	_, err := h.register.AddTrustAnchor(t.Context(), audittest.By, "", append(p.file("root.key"), p.file("root.pem")...))
	wantErr(t, "with its private key", err, keymgr.ErrPrivateKey)
	_, err = h.register.AddTrustAnchor(t.Context(), audittest.By, "two\nlines", p.file("root.pem"))
	wantErr(t, "bad name", err, keymgr.ErrInvalid)
	h.clock.advance(1000 * 24 * time.Hour)
	_, err = h.register.AddTrustAnchor(t.Context(), audittest.By, "", p.file("root.pem"))
	wantRefused(t, "expired", err, "expired")
	if anchors, err := h.register.TrustAnchors(t.Context()); err != nil || len(anchors) != 0 {
		t.Errorf("after refusals: %v, %v", anchors, err)
	}
}

// The promise is five seconds on every replica; it takes two.
func TestRemovedTrustAnchorStopsItsCertificates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		h, p := houseOn(t, db), newPKI(t)
		p.root("root", authorityExtensions)
		p.issue("bank", "/CN=Bank", "root", partnerExtensions)
		anchor := p.trust(h, "root")
		p.onboard(h, "bank")
		signature := p.sign("bank")
		wantVerified(t, h, "BANK", signature)

		elsewhere := keymgr.NewRegister(db, application, audittest.New(t, db), h.clock.now)
		must(t, elsewhere.RemoveTrustAnchor(t.Context(), audittest.By, withColons(anchor.Fingerprint)))
		wantErr(t, "again", elsewhere.RemoveTrustAnchor(t.Context(), audittest.By, anchor.Fingerprint), keymgr.ErrNotFound)
		wantErr(t, "no fingerprint", elsewhere.RemoveTrustAnchor(t.Context(), audittest.By, "abc"), keymgr.ErrInvalid)
		wantVerified(t, h, "BANK", signature)
		h.clock.advance(2 * time.Second)
		h.rejectsFrom(t, keymgr.Untrusted, "BANK", body, signature)
		h.accepts(t, body, h.key.Detached(t, []byte(body))) // self-signed ones go on

		p.trust(h, "root")
		wantVerified(t, h, "BANK", signature)
		if _, err := h.register.AddTrustAnchor(t.Context(), audittest.By, "", p.file("root.pem")); !errors.Is(err, keymgr.ErrExists) {
			t.Errorf("the same again: %v", err)
		}
		must(t, h.register.RemoveTrustAnchor(t.Context(), audittest.By, anchor.Fingerprint))
		h.rejectsFrom(t, keymgr.Untrusted, "BANK", body, signature) // here at once
	})
}

func TestTrustAnchorsAreOfOneApplication(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.issue("bank", "/CN=Bank", "root", partnerExtensions)
	p.trust(h, "root")
	other := keymgr.NewRegister(h.register.Database(), "another-application", nil, h.clock.now)
	_, err := other.Inspect(t.Context(), p.bundle("bank"), "")
	wantRefused(t, "in another application", err, "does not chain")
}

// Who writes to the tables but was never an administrator gains nothing by exchanging an anchor.
func TestRejectsExchangedTrustAnchor(t *testing.T) {
	h, p, thief := newHouse(t), newPKI(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.trust(h, "root")
	thief.root("root", authorityExtensions)
	thief.issue("bank", "/CN=Bank", "root", partnerExtensions)
	evil, err := keymgr.DefaultPolicy().ParseTrustAnchor(thief.file("root.pem"), time.Now())
	must(t, err)
	_, err = h.register.Database().ExecContext(t.Context(), `UPDATE trust_anchors SET der = $1`, evil.DER)
	must(t, err)
	thief.wantRefused(h, "does not chain", "bank")
}
