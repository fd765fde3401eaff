package handlers_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/keymgr/keytest"
	"spar/web"
)

// authority is a certificate authority; it issues a certificate for a key.
func authority(t *testing.T) (certificate []byte, issue func(name string, key crypto.PublicKey) []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "National Authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3},
	}
	sign := func(template *x509.Certificate, public crypto.PublicKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, public, key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return sign(ca, key.Public()), func(name string, public crypto.PublicKey) []byte {
		return sign(&x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			KeyUsage: x509.KeyUsageDigitalSignature, AuthorityKeyId: []byte{1, 2, 3},
		}, public)
	}
}

// A certificate of an authority is taken once the authority is trusted, and worth nothing once it is not.
func TestAuthorities(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	ca, issue := authority(t)
	key := keytest.RSA(t, 2)
	certificate := issue("Bank A, signing", key.Public())
	form := b.get("/admin/partners/BANK-A/certificate")
	b.upload(form, "main form", url.Values{"until": {today()}}, certificate).shows(http.StatusUnprocessableEntity, "New certificate of Bank A")

	s := b.get("/admin/trust-anchors/new").shows(http.StatusOK, "Trust an authority")
	for name, upload := range map[string]string{
		"nothing": "", "garbage": "garbage", "a partner's certificate": string(certificate), "two": string(ca) + string(ca),
		"a private key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
	} {
		wrong := b.submit(s, "main form", url.Values{"certificate": {upload}}).shows(http.StatusUnprocessableEntity, "Trust an authority").lacks("BEGIN PRIVATE")
		if wrong.text(".error-summary a") == "" {
			t.Errorf("%s: nothing says why", name)
		}
	}
	s = b.upload(s, "main form", url.Values{"name": {"National <PKI>"}}, der(t, ca)).shows(http.StatusOK, "Compare the fingerprint")
	s.has(".answers > div:nth-child(1) dd", "CN=National Authority")
	s = b.submit(s, "main form", nil).shows(http.StatusUnprocessableEntity, "Compare the fingerprint")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"compared": {"yes"}}), "/admin/trust-anchors").has("section h2", "National <PKI>").lacks("<PKI>")
	remove := s.Find("section a").AttrOr("href", "")
	if auditor := h.signedIn(t, tomás).get("/admin/trust-anchors").has("section h2", "National <PKI>"); auditor.Find("main a").Length() != 0 {
		t.Error("an auditor is offered changes")
	}

	b.leadsTo(b.addCertificate("BANK-A", certificate, url.Values{"until": {today()}}), "/admin/partners/BANK-A").has(".certificate:first-of-type .tag", "Valid")
	if !h.signs(t, key, "BANK-A") {
		t.Error("the authority's certificate does not verify")
	}
	b.submit(b.addCertificateOfAuthority(ca, "again"), "main form", url.Values{"compared": {"yes"}}).
		shows(http.StatusUnprocessableEntity, "Trust an authority").has(".error-summary a", "This certificate is registered already")

	s = b.get(remove).shows(http.StatusOK, "Trust National <PKI> no more?")
	b.leadsTo(b.submit(s, "main form", nil), "/admin/trust-anchors")
	if h.signs(t, key, "BANK-A") {
		t.Error("the certificate verifies without its authority")
	}
	if s := b.get("/admin/partners/BANK-A"); !strings.Contains(s.text(".certificate:first-of-type .certificate-head"), "The certificate's authority is not trusted any more") {
		t.Errorf("the partner's page says %s", s.text(".certificate-head"))
	}
	b.get(remove).shows(http.StatusNotFound, "We cannot find this page")
	b.send(http.MethodPost, "/admin/trust-anchors/nonsense/remove", url.Values{web.FormTokenField: {b.formToken()}}).shows(http.StatusNotFound, "We cannot find this page")
	checkEvents(t, h, strings.Split(remove, "/")[3], "staff:s-3 trust_anchor.remove", "staff:s-3 trust_anchor.add")
}

func (b *browser) addCertificateOfAuthority(certificate []byte, name string) *screen {
	b.t.Helper()
	return b.upload(b.get("/admin/trust-anchors/new"), "main form", url.Values{"name": {name}}, certificate).shows(http.StatusOK, "Compare the fingerprint")
}
