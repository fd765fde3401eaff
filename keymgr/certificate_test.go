package keymgr_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/keytest"
)

func TestParseCertificate(t *testing.T) {
	now := time.Now()
	for algorithm, key := range map[string]keytest.Key{"RS256": keytest.RSA(t, 0), "ES256": keytest.EC(t), "EdDSA": keytest.Ed25519(t)} {
		text := key.Certificate(t)
		block, _ := pem.Decode(text)
		sum := sha256.Sum256(block.Bytes)
		for name, input := range map[string][]byte{
			"PEM":             text,
			"DER":             block.Bytes,
			"PEM behind text": append([]byte("subject=CN = Bank A\n"), text...),
			"PEM with CRLF":   bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
		} {
			c, err := keymgr.ParseCertificate(input, now)
			if err != nil {
				t.Errorf("%s, %s: %v", algorithm, name, err)
				continue
			}
			if c.Algorithm != algorithm || c.Fingerprint != hex.EncodeToString(sum[:]) || !bytes.Equal(c.DER, block.Bytes) ||
				!c.NotBefore.Before(now) || !c.NotAfter.After(now) {
				t.Errorf("%s, %s: got %+v", algorithm, name, c)
			}
		}
	}
}

// refuses checks that an input is refused with words that say why.
func refuses(t *testing.T, want error, reason string, input []byte) {
	t.Helper()
	c, err := keymgr.ParseCertificate(input, time.Now())
	if !errors.Is(err, want) || !strings.Contains(err.Error(), reason) {
		t.Errorf("got %+v, %v; want %v that mentions %q", c, err, want, reason)
	}
}

func TestCertificateRejectsPrivateKey(t *testing.T) {
	key := keytest.RSA(t, 0)
	private := key.Signer.(*rsa.PrivateKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	certificate := key.Certificate(t)
	for _, input := range [][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}),
		pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}),
		append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), certificate...),
		append(bytes.Clone(certificate), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...),
		append(bytes.Clone(certificate), "-----BEGIN PRIVATE KEY-----\ndamaged"...),
		pkcs8,
		x509.MarshalPKCS1PrivateKey(private),
	} {
		refuses(t, keymgr.ErrPrivateKey, "must never leave its owner", input)
	}
}

func TestCertificateRejectsInput(t *testing.T) {
	certificate := keytest.RSA(t, 0).Certificate(t)
	block, _ := pem.Decode(certificate)
	for name, c := range map[string]struct {
		input  []byte
		reason string
	}{
		"nothing":          {nil, "empty"},
		"text":             {[]byte("hello"), "parsed"},
		"two":              {bytes.Repeat(certificate, 2), "exactly one"},
		"damaged second":   {append(bytes.Clone(certificate), "-----BEGIN CERTIFICATE-----\nx"...), "damaged"},
		"damaged":          {certificate[:len(certificate)-10], "damaged"},
		"damaged base64":   {bytes.Replace(certificate, []byte("A"), []byte("!"), 1), "damaged"},
		"request":          {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: block.Bytes}), "CERTIFICATE REQUEST"},
		"public key":       {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: block.Bytes}), "PUBLIC KEY"},
		"truncated DER":    {block.Bytes[:len(block.Bytes)-1], "parsed"},
		"bytes behind DER": {append(bytes.Clone(block.Bytes), 0), "parsed"},
		"huge":             {bytes.Repeat([]byte("x"), 33<<10), "32 KiB"},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, keymgr.ErrCertificate, c.reason, c.input) })
	}
}

// issue makes a certificate that the template and keys shape freely.
func issue(t *testing.T, shape func(*x509.Certificate), public crypto.PublicKey, signer crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if shape != nil {
		shape(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	must(t, err)
	return der
}

func TestCertificateRejectsWeakKeys(t *testing.T) {
	ca := keytest.RSA(t, 0)
	rsaKey := func(n *big.Int, e int) []byte { return issue(t, nil, &rsa.PublicKey{N: n, E: e}, ca) }
	good := ca.Public().(*rsa.PublicKey).N
	// The certificate's own signature is by the CA's key; only the certified key matters here.
	refuses(t, keymgr.ErrCertificate, "at least 2048 bits", rsaKey(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1)), 65537))
	refuses(t, keymgr.ErrCertificate, "at most 8192 bits", rsaKey(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 8193), big.NewInt(1)), 65537))
	refuses(t, keymgr.ErrCertificate, "even", rsaKey(new(big.Int).Sub(good, big.NewInt(1)), 65537))
	for _, e := range []int{2, 3, 17, 65535, 65536, 65538} {
		refuses(t, keymgr.ErrCertificate, "exponent", rsaKey(good, e))
	}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		refuses(t, keymgr.ErrCertificate, "P-256", issue(t, nil, key.Public(), ca))
	}
}

func TestCertificateRejectsSHA1(t *testing.T) {
	key := keytest.RSA(t, 0)
	refuses(t, keymgr.ErrCertificate, "SHA-256 or better", sha1Certificate(t, key))
}

func TestCertificateRejectsExpired(t *testing.T) {
	key := keytest.RSA(t, 0)
	now := time.Now()
	refuses(t, keymgr.ErrCertificate, "expired", key.CertificateFor(t, now.Add(-2*time.Hour), now.Add(-time.Hour)))
	refuses(t, keymgr.ErrCertificate, "ends before", key.CertificateFor(t, now.Add(2*time.Hour), now.Add(time.Hour)))
	if _, err := keymgr.ParseCertificate(key.CertificateFor(t, now.Add(time.Hour), now.Add(2*time.Hour)), now); err != nil {
		t.Errorf("a certificate of the future: %v", err)
	}
}

func TestCertificateRejectsKeyUsage(t *testing.T) {
	key := keytest.RSA(t, 0)
	refuses(t, keymgr.ErrCertificate, "digitalSignature", issue(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, key.Public(), key))
	refuses(t, keymgr.ErrCertificate, "digitalSignature", issue(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, key.Public(), key))
	for _, nothing := range [][]byte{{3, 1, 0}, {3, 2, 0, 0}, {3, 3, 6, 0, 0x40}} { // there, but without any usage that has a name
		empty := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: nothing}
		refuses(t, keymgr.ErrCertificate, "digitalSignature", issue(t, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{empty} }, key.Public(), key))
	}
	for _, usage := range []x509.KeyUsage{0, x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment} {
		if _, err := keymgr.ParseCertificate(issue(t, func(c *x509.Certificate) { c.KeyUsage = usage }, key.Public(), key), time.Now()); err != nil {
			t.Errorf("key usage %b: %v", usage, err)
		}
	}
}

// Go does not look at extensions of a certificate that says it is version 1; nobody may hide a restriction that way.
func TestCertificateRejectsExtensionsOfVersion1(t *testing.T) {
	certificate, err := os.ReadFile("testdata/version1_with_extensions.pem")
	must(t, err)
	_, err = keymgr.ParseCertificate(certificate, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	wantRefused(t, "version 1", err, "says that it is version 1")
}

func TestCertificateRejectsUnknownCriticalExtension(t *testing.T) {
	key := keytest.RSA(t, 0)
	extension := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	refuses(t, keymgr.ErrCertificate, "1.2.3.4", issue(t, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extension} }, key.Public(), key))
}

func TestCertificateRejectsFalseSelfSignature(t *testing.T) {
	key, other := keytest.RSA(t, 0), keytest.RSA(t, 1)
	refuses(t, keymgr.ErrCertificate, "not by its own key", issue(t, nil, other.Public(), key))
	block, _ := pem.Decode(key.Certificate(t))
	block.Bytes[len(block.Bytes)-1] ^= 1
	refuses(t, keymgr.ErrCertificate, "not by its own key", block.Bytes)
}

func TestCertificateOfAnAuthority(t *testing.T) {
	ca, key := keytest.RSA(t, 0), keytest.EC(t)
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), ca)
	must(t, err)
	if c, err := keymgr.ParseCertificate(der, time.Now()); err != nil || c.Algorithm != "ES256" {
		t.Errorf("got %+v, %v", c, err)
	}
}

// FuzzCertificate checks that what is accepted keeps the policy, whatever the encoding.
func FuzzCertificate(f *testing.F) {
	for _, key := range []keytest.Key{keytest.RSA(f, 0), keytest.EC(f), keytest.Ed25519(f)} {
		text := key.Certificate(f)
		block, _ := pem.Decode(text)
		f.Add(text)
		f.Add(block.Bytes)
	}
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	now := time.Now()
	f.Fuzz(func(t *testing.T, input []byte) {
		c, err := keymgr.ParseCertificate(input, now)
		if err != nil {
			if !keymgr.IsRefusal(err) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		parsed, err := x509.ParseCertificate(c.DER)
		if err != nil || now.After(c.NotAfter) || bytes.Contains(input, []byte("PRIVATE KEY-----")) {
			t.Fatalf("accepted %+v (%v)", c, err)
		}
		switch key := parsed.PublicKey.(type) {
		case *rsa.PublicKey:
			if c.Algorithm != "RS256" || key.N.BitLen() < 2048 || key.E < 65537 {
				t.Fatalf("accepted %s key %v", c.Algorithm, key)
			}
		case *ecdsa.PublicKey:
			if c.Algorithm != "ES256" || key.Curve != elliptic.P256() {
				t.Fatalf("accepted %s key %v", c.Algorithm, key)
			}
		default:
			if c.Algorithm != "EdDSA" {
				t.Fatalf("accepted %s key %v", c.Algorithm, key)
			}
		}
	})
}
