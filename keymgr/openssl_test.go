package keymgr_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
)

// partnerOf is a partner who has nothing but openssl, in a folder of its own.
type partnerOf struct {
	testing.TB
	folder string
}

func opensslPartner(t testing.TB) partnerOf { return partnerOf{t, t.TempDir()} }

// run runs `openssl arguments…` with the input and returns its output.
func (p partnerOf) run(input string, arguments string) []byte {
	p.Helper()
	command := exec.CommandContext(p.Context(), "openssl", strings.Fields(arguments)...)
	command.Dir, command.Stdin = p.folder, strings.NewReader(input)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		p.Fatalf("openssl %s: %v\n%s", arguments, err, complaint.String())
	}
	return output
}

func (p partnerOf) file(name string) []byte {
	p.Helper()
	content, err := os.ReadFile(filepath.Join(p.folder, name))
	must(p, err)
	return content
}

// sign does what the documentation tells partners to do: header.payload, signed by dgst.
func (p partnerOf) sign(header, payload string, detached bool) string {
	p.Helper()
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	signature := b64(p.run(signed, "dgst -sha256 -sign key.pem"))
	if detached {
		return b64([]byte(header)) + ".." + signature
	}
	return signed + "." + signature
}

// onboard registers the partner with cert.pem.
func (p partnerOf) onboard(h *house, reference string) {
	p.Helper()
	_, err := h.register.Add(p.Context(), audittest.By, keymgr.Partner{
		ReferenceID: reference, Status: keymgr.Active, Permissions: []keymgr.Permission{keymgr.Resolve},
	}, p.file("cert.pem"))
	must(p, err)
}

func TestOpenSSLPartner(t *testing.T) {
	h := newHouse(t)
	for name, commands := range map[string][]string{
		"self-signed": {"req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 -subj /CN=Bank"},
		"RSA-4096":    {"req -x509 -newkey rsa:4096 -nodes -keyout key.pem -out cert.pem -days 365 -subj /CN=Bank -sha512"},
		"PKCS1-key": {
			"genrsa -traditional -out key.pem 2048",
			"req -x509 -key key.pem -out cert.pem -days 30 -subj /CN=Bank -addext keyUsage=critical,digitalSignature",
		},
		"CA-signed": {
			"req -x509 -newkey rsa:2048 -nodes -keyout ca.pem -out ca-cert.pem -days 365 -subj /CN=CA",
			"req -newkey rsa:3072 -nodes -keyout key.pem -out request.pem -subj /CN=Bank",
			"x509 -req -in request.pem -CA ca-cert.pem -CAkey ca.pem -CAcreateserial -days 30 -out cert.pem",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := opensslPartner(t)
			for _, command := range commands {
				p.run("", command)
			}
			if name == "CA-signed" {
				_, err := h.register.AddTrustAnchor(t.Context(), audittest.By, "", p.file("ca-cert.pem"))
				must(t, err)
			}
			p.onboard(h, name)
			for _, header := range []string{`{"alg":"RS256","typ":"JWT"}`, `{"typ":"JWT","alg":"RS256","kid":"` + name + `"}`} {
				for _, payload := range []string{body, canonicalBody} {
					for _, detached := range []bool{true, false} {
						if _, err := h.verify(t, name, body, p.sign(header, payload, detached)); err != nil {
							t.Errorf("%s, detached %t: %v", header, detached, err)
						}
					}
				}
				h.rejectsFrom(t, keymgr.Tampered, name, body, p.sign(header, body+" ", true))
				h.rejectsFrom(t, keymgr.OtherPayload, name, body, p.sign(header, "{}", false))
				h.rejects(t, keymgr.Tampered, body, p.sign(header, body, true))
			}
			key, err := keymgr.ParseKey(p.file("key.pem"))
			must(t, err)
			value, err := keymgr.Sign(key, []byte(body), true)
			must(t, err)
			if want := p.sign(`{"alg":"RS256","typ":"JWT"}`, body, true); value != want {
				t.Errorf("Sign makes %s, openssl %s", value, want)
			}
		})
	}
}

// openssl writes an ECDSA signature as a DER sequence, JWS wants the two numbers side by side.
func TestOpenSSLPartnerWithEC(t *testing.T) {
	h, p := newHouse(t), opensslPartner(t)
	p.run("", "ecparam -name prime256v1 -genkey -out key.pem") // with an EC PARAMETERS block in front
	p.run("", "req -x509 -key key.pem -out cert.pem -days 30 -subj /CN=Bank")
	p.onboard(h, "EC")
	segment := b64([]byte(`{"alg":"ES256"}`))
	der := p.run(segment+"."+b64([]byte(body)), "dgst -sha256 -sign key.pem")
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &numbers); err != nil {
		t.Fatal(err)
	}
	raw := append(numbers.R.FillBytes(make([]byte, 32)), numbers.S.FillBytes(make([]byte, 32))...)
	if _, err := h.verify(t, "EC", body, segment+".."+b64(raw)); err != nil {
		t.Error(err)
	}
	h.rejectsFrom(t, keymgr.Tampered, "EC", body, segment+".."+b64(der))
	if _, err := keymgr.ParseKey(p.file("key.pem")); err != nil {
		t.Error(err)
	}
}

func TestOpenSSLPartnerWithEd25519(t *testing.T) {
	h, p := newHouse(t), opensslPartner(t)
	p.run("", "genpkey -algorithm ed25519 -out key.pem")
	p.run("", "req -x509 -key key.pem -out cert.pem -days 30 -subj /CN=Bank")
	p.onboard(h, "ED")
	segment := b64([]byte(`{"alg":"EdDSA"}`))
	must(t, os.WriteFile(filepath.Join(p.folder, "input"), []byte(segment+"."+b64([]byte(body))), 0o600))
	signature := p.run("", "pkeyutl -sign -rawin -inkey key.pem -in input")
	if _, err := h.verify(t, "ED", body, segment+".."+b64(signature)); err != nil {
		t.Error(err)
	}
}

func TestOpenSSLCertificatesRefused(t *testing.T) {
	for name, c := range map[string]struct{ commands, reason string }{
		"RSA-1024":       {"req -x509 -newkey rsa:1024 -nodes -keyout key.pem -out cert.pem -subj /CN=x", "at least 2048"},
		"exponent 3":     {"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3 -out key.pem|req -x509 -key key.pem -out cert.pem -subj /CN=x", "exponent"},
		"SHA-1":          {"req -x509 -newkey rsa:2048 -sha1 -nodes -keyout key.pem -out cert.pem -subj /CN=x", "SHA-256 or better"},
		"P-384":          {"ecparam -name secp384r1 -genkey -noout -out key.pem|req -x509 -key key.pem -out cert.pem -subj /CN=x", "P-256"},
		"secp256k1":      {"ecparam -name secp256k1 -genkey -noout -out key.pem|req -x509 -key key.pem -out cert.pem -subj /CN=x", "not accepted"},
		"Ed448":          {"genpkey -algorithm ed448 -out key.pem|req -x509 -key key.pem -out cert.pem -subj /CN=x", "must be RSA, EC P-256 or Ed25519"},
		"RSA-PSS":        {"genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem|req -x509 -key key.pem -out cert.pem -subj /CN=x", "must be RSA, EC P-256 or Ed25519"},
		"for encryption": {"req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x -addext keyUsage=keyEncipherment", "digitalSignature"},
		"request":        {"req -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x", "CERTIFICATE REQUEST"},
		"public key":     {"genrsa -out key.pem 2048|rsa -in key.pem -pubout -out cert.pem", "PUBLIC KEY"},
		"PKCS#12":        {"req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem -subj /CN=x|pkcs12 -export -inkey key.pem -in c.pem -passout pass:x -out cert.pem", "parsed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := opensslPartner(t)
			for command := range strings.SplitSeq(c.commands, "|") {
				p.run("", command)
			}
			refuses(t, keymgr.ErrCertificate, c.reason, p.file("cert.pem"))
		})
	}
}

// The partner mails its key along with the certificate.
func TestOpenSSLPrivateKeysRefused(t *testing.T) {
	p := opensslPartner(t)
	p.run("", "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x")
	p.run("", "rsa -in key.pem -traditional -out pkcs1.pem")
	p.run("", "pkcs8 -topk8 -in key.pem -passout pass:x -out encrypted.pem")
	p.run("", "pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der")
	for _, name := range []string{"key.pem", "pkcs1.pem", "encrypted.pem", "key.der"} {
		refuses(t, keymgr.ErrPrivateKey, "private key", p.file(name))
		refuses(t, keymgr.ErrPrivateKey, "private key", append(p.file(name), p.file("cert.pem")...))
	}
	for name, reason := range map[string]string{"encrypted.pem": "pass phrase", "cert.pem": "CERTIFICATE", "key.der": "no PEM block"} {
		if _, err := keymgr.ParseKey(p.file(name)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want %q", name, err, reason)
		}
	}
	p.run("", "genrsa -out short.pem 1024")
	if _, err := keymgr.ParseKey(p.file("short.pem")); err == nil || !strings.Contains(err.Error(), "2048") {
		t.Errorf("short key: %v", err)
	}
}

// What we make, openssl must read and verify.
func TestOpenSSLReadsOurs(t *testing.T) {
	p := opensslPartner(t)
	key := keytest.RSA(t, 0)
	must(t, os.WriteFile(filepath.Join(p.folder, "cert.pem"), key.Certificate(t), 0o600))
	text := string(p.run("", "x509 -in cert.pem -noout -text"))
	if !strings.Contains(text, "Digital Signature") || strings.Contains(text, "CA:TRUE") || !strings.Contains(text, "sha256WithRSAEncryption") {
		t.Errorf("our certificate:\n%s", text)
	}
	p.run("", "verify -CAfile cert.pem cert.pem")
	must(t, os.WriteFile(filepath.Join(p.folder, "public.pem"), p.run("", "x509 -in cert.pem -noout -pubkey"), 0o600))
	header, signature := parts(key.Detached(t, []byte(body)))
	decoded, err := base64Decode(signature)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.folder, "signature"), decoded, 0o600))
	p.run(header+"."+b64([]byte(body)), "dgst -sha256 -verify public.pem -signature signature")
}

// sha1Certificate is made by openssl: Go would not.
func sha1Certificate(t testing.TB, key keytest.Key) []byte {
	t.Helper()
	p := opensslPartner(t)
	p.run("", "req -x509 -newkey rsa:2048 -sha1 -nodes -keyout key.pem -out cert.pem -subj /CN=x")
	block, _ := pem.Decode(p.file("cert.pem"))
	if block == nil {
		t.Fatal(errors.New("openssl wrote no certificate"))
	}
	return block.Bytes
}
