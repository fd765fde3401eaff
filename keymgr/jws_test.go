package keymgr_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"spar/keymgr"
	"spar/keymgr/keytest"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// craft makes a detached token with any header and a good RS256 signature over the body, so that only the header can be
// why it is refused.
func craft(t testing.TB, key keytest.Key, header, body string) string {
	t.Helper()
	segment := b64([]byte(header))
	return segment + ".." + b64(rs256(t, key, segment+"."+b64([]byte(body))))
}

func rs256(t testing.TB, key keytest.Key, signed string) []byte {
	t.Helper()
	hash := sha256.Sum256([]byte(signed))
	signature, err := key.Sign(rand.Reader, hash[:], crypto.SHA256)
	must(t, err)
	return signature
}

// The other tests rely on craft: were its signatures bad, they would prove nothing.
func TestCraftedTokenIsGood(t *testing.T) {
	h := newHouse(t)
	for _, header := range []string{
		`{"alg":"RS256","typ":"JWT"}`, `{"alg":"RS256"}`, ` { "typ" : "JWT" , "alg" : "RS256" } `,
		`{"alg":"RS256","typ":"JOSE","cty":"application/json","kid":"our key 1"}`, `{"\u0061lg":"RS256"}`,
	} {
		h.accepts(t, body, craft(t, h.key, header, body))
	}
}

func TestRejectsNone(t *testing.T) {
	h := newHouse(t)
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		header := `{"alg":"` + alg + `"}`
		h.rejects(t, keymgr.BadAlgorithm, body, craft(t, h.key, header, body))
		h.rejects(t, keymgr.BadAlgorithm, body, b64([]byte(header))+".."+b64([]byte("x")))
		h.rejects(t, keymgr.Malformed, body, b64([]byte(header))+"..")
		h.rejects(t, keymgr.Malformed, body, b64([]byte(header))+"."+b64([]byte(body))+".")
	}
}

func TestRejectsHS256KeyedWithThePublicKey(t *testing.T) {
	h := newHouse(t)
	public := h.key.Public().(*rsa.PublicKey)
	der := h.partner.Certificates[0].DER
	spki, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	spkiPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	for name, secret := range map[string][]byte{
		"certificate PEM":          keymgr.CertificatePEM(der),
		"certificate PEM, trimmed": bytes.TrimSpace(keymgr.CertificatePEM(der)),
		"certificate DER":          der,
		"public key PEM":           spkiPEM,
		"public key PEM, trimmed":  bytes.TrimSpace(spkiPEM),
		"public key DER":           spki,
		"PKCS#1 public key DER":    x509.MarshalPKCS1PublicKey(public),
		"modulus":                  public.N.Bytes(),
		"fingerprint":              []byte(h.partner.Certificates[0].Fingerprint),
		"nothing":                  nil,
	} {
		segment := b64([]byte(`{"alg":"HS256","typ":"JWT"}`))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(segment + "." + b64([]byte(body))))
		p, err := h.verify(t, "PARTNER-A", body, segment+".."+b64(mac.Sum(nil)))
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, p)
		}
		h.rejects(t, keymgr.BadAlgorithm, body, segment+".."+b64(mac.Sum(nil)))
	}
}

func TestRejectsAlgorithmsNotAllowed(t *testing.T) {
	h := newHouse(t)
	for _, alg := range []string{
		"RS384", "RS512", "PS256", "PS384", "HS256", "ES384", "ES256K", "rs256", "Rs256", "RS256 ", " RS256", "RS256\\u0000", "",
	} {
		h.rejects(t, keymgr.BadAlgorithm, body, craft(t, h.key, `{"alg":"`+alg+`"}`, body))
	}
	h.rejects(t, keymgr.BadAlgorithm, body, craft(t, h.key, `{"typ":"JWT"}`, body))
	h.rejects(t, keymgr.BadAlgorithm, body, craft(t, h.key, `{}`, body))
}

// The header is the attacker's, the algorithm the certificate's.
func TestRejectsAlgorithmOfAnotherKind(t *testing.T) {
	h := newHouse(t)
	for _, alg := range []string{"ES256", "EdDSA"} {
		h.rejects(t, keymgr.BadAlgorithm, body, craft(t, h.key, `{"alg":"`+alg+`"}`, body))
	}
	segment := b64([]byte(`{"alg":"RS256"}`))
	hash := sha256.Sum256([]byte(segment + "." + b64([]byte(body))))
	pss, err := h.key.Sign(rand.Reader, hash[:], &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 32})
	must(t, err)
	h.rejects(t, keymgr.Tampered, body, segment+".."+b64(pss))
}

func TestRejectsHeaderMembers(t *testing.T) {
	h := newHouse(t)
	x5c := `["` + base64.StdEncoding.EncodeToString(h.partner.Certificates[0].DER) + `"]`
	for _, member := range []string{
		`"x5c":` + x5c, `"x5c":"x"`, `"jku":"https://evil.example/jwks.json"`, `"x5u":"https://evil.example/c.pem"`,
		`"jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}`, `"jwk":"x"`, `"x5t":"x"`, `"x5t#S256":"x"`, `"crit":["b64"],"b64":false`, `"crit":[]`,
		`"crit":["exp"]`, `"crit":"x"`, `"b64":false`, `"b64":true`, `"b64":"x"`, `"zip":"DEF"`, `"enc":"A256GCM"`, `"p2c":1`, `"iss":"x"`,
		`"":"x"`, `"ALG":"RS256"`, `"Kid":"x"`, `"alg ":"RS256"`, `"\u212Aid":"x"`, `"kid":1`, `"kid":null`, `"kid":["x"]`, `"kid":{}`,
		`"typ":null`, `"typ":true`, `"cty":1`,
	} {
		h.rejects(t, keymgr.Malformed, body, craft(t, h.key, `{"alg":"RS256",`+member+`}`, body))
		h.rejects(t, keymgr.Malformed, body, craft(t, h.key, `{`+member+`,"alg":"RS256"}`, body))
	}
	for _, alg := range []string{`1`, `null`, `["RS256"]`, `{"RS256":1}`} {
		h.rejects(t, keymgr.Malformed, body, craft(t, h.key, `{"alg":`+alg+`}`, body))
	}
}

func TestRejectsDuplicateHeaderMembers(t *testing.T) {
	h := newHouse(t)
	for _, header := range []string{
		`{"alg":"RS256","alg":"RS256"}`, `{"alg":"none","alg":"RS256"}`, `{"alg":"RS256","alg":"none"}`,
		`{"alg":"RS256","\u0061lg":"RS256"}`, `{"alg":"RS256","typ":"JWT","typ":"JWT"}`, `{"kid":"a","alg":"RS256","kid":"b"}`,
	} {
		h.rejects(t, keymgr.Malformed, body, craft(t, h.key, header, body))
	}
}

func TestRejectsHeaderThatIsNotStrictJSON(t *testing.T) {
	h := newHouse(t)
	for _, header := range []string{
		``, ` `, `null`, `"RS256"`, `["alg","RS256"]`, `{`, `}`, `{"alg":"RS256"`, `{"alg":"RS256"}}`, `{"alg":"RS256"} {}`, `{"alg":"RS256"}x`,
		`{"alg":"RS256",}`, `{,"alg":"RS256"}`, `{'alg':'RS256'}`, `{alg:"RS256"}`, `{"alg":"RS256"}/**/`, "{\"alg\":\"RS256\"}\x00",
		"\xef\xbb\xbf" + `{"alg":"RS256"}`, "{\"alg\":\"RS256\",\"kid\":\"\xff\"}", `{"alg":"RS256","kid":"\ud800"}`,
		"{\"alg\":\"RS256\",\"kid\":\"\n\"}", `{"alg":"RS256" "kid":"x"}`, `{"alg" "RS256"}`,
		`{"alg":"RS256","kid":"` + strings.Repeat("x", 1024) + `"}`,
	} {
		h.rejects(t, keymgr.Malformed, body, craft(t, h.key, header, body))
	}
	longest := `{"alg":"RS256","kid":""}`
	longest = strings.Replace(longest, `""`, `"`+strings.Repeat("x", 1024-len(longest))+`"`, 1)
	h.accepts(t, body, craft(t, h.key, longest, body))
}

func TestRejectsPaddedBase64(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	for _, value := range []string{header + ".." + signature + "==", header + "==.." + signature, header + "=.." + signature, header + ".=." + signature} {
		h.rejects(t, keymgr.Malformed, body, value)
	}
}

func TestRejectsStandardBase64(t *testing.T) {
	h := newHouse(t)
	// RS256 is deterministic; some body's signature has both characters in which the alphabets differ.
	for i := range 100 {
		body := strings.Repeat(" ", i) + body
		header, signature := parts(h.key.Detached(t, []byte(body)))
		if !strings.Contains(signature, "-") || !strings.Contains(signature, "_") {
			continue
		}
		h.accepts(t, body, header+".."+signature)
		h.rejects(t, keymgr.Malformed, body, header+".."+strings.NewReplacer("-", "+", "_", "/").Replace(signature))
		return
	}
	t.Fatal("no signature with - and _")
}

func TestRejectsWhitespace(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	for _, space := range []string{"\n", "\r", "\r\n", " ", "\t", "\x00"} {
		for _, value := range []string{
			header + ".." + signature + space, space + header + ".." + signature, header + space + ".." + signature,
			header + "." + space + "." + signature, header + ".." + signature[:10] + space + signature[10:],
		} {
			h.rejects(t, keymgr.Malformed, body, value)
		}
	}
}

// A 256-byte signature leaves four bits of its last character unused: sixteen spellings, of which one is right.
func TestRejectsTrailingBits(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	for bits := 1; bits < 16; bits++ {
		h.rejects(t, keymgr.Malformed, body, header+".."+signature[:len(signature)-1]+alphabet[last|bits:][:1])
	}
}

func TestRejectsJSONSerialization(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	payload := b64([]byte(body))
	for _, value := range []string{
		`{"protected":"` + header + `","payload":"` + payload + `","signature":"` + signature + `"}`,
		`{"payload":"` + payload + `","signatures":[{"protected":"` + header + `","signature":"` + signature + `"}]}`,
	} {
		h.rejects(t, keymgr.Malformed, body, value)
	}
}

func TestRejectsOtherNumbersOfSegments(t *testing.T) {
	h := newHouse(t)
	header, signature := parts(h.key.Detached(t, []byte(body)))
	for _, value := range []string{
		".", "..", "...", header, header + "." + signature, header + "..." + signature, header + ".." + signature + ".",
		"." + header + ".." + signature, header + ".." + signature + ".x", ".." + signature, "." + b64([]byte(body)) + "." + signature,
		header + "..", header + "." + b64([]byte(body)) + ".", "Bearer " + header + ".." + signature, header + ".." + signature + "," + header + ".." + signature,
	} {
		h.rejects(t, keymgr.Malformed, body, value)
	}
}

func TestRejectsTwoSignatureHeaders(t *testing.T) {
	h := newHouse(t)
	good := h.key.Detached(t, []byte(body))
	for _, values := range [][]string{{good, good}, {good, ""}, {"", good}, {"", ""}, {good, "x"}} {
		h.rejects(t, keymgr.Malformed, body, values...)
	}
}

func TestRejectsTooLongSignatureHeader(t *testing.T) {
	h := newHouse(t)
	long := `{"x":"` + strings.Repeat("x", 48<<10) + `"}`
	value := h.key.Full(t, []byte(long))
	if len(value) <= keymgr.MaxSignatureHeader {
		t.Fatalf("value of %d bytes is not too long", len(value))
	}
	h.rejects(t, keymgr.Malformed, long, value)
	fits := `{"x":"` + strings.Repeat("x", 48<<10-500) + `"}`
	h.accepts(t, fits, h.key.Full(t, []byte(fits)))
	h.accepts(t, long, h.key.Detached(t, []byte(long)))
}

// parts splits a detached token.
func parts(value string) (header, signature string) {
	header, signature, _ = strings.Cut(value, "..")
	return header, signature
}

// FuzzJWS checks that whatever passes the gate is spelled in the one way there is, and says nothing but what is allowed.
func FuzzJWS(f *testing.F) {
	key := keytest.RSA(f, 0)
	f.Add(key.Detached(f, []byte(body)))
	f.Add(key.Full(f, []byte(body)))
	for _, header := range []string{`{"alg":"RS256","kid":"x","typ":"JWT","cty":"json"}`, `{"alg":"none"}`, `{"alg":"RS256","crit":["b64"]}`, `{"alg":"RS256","alg":"RS256"}`} {
		f.Add(b64([]byte(header)) + "..c2ln")
		f.Add(b64([]byte(header)) + ".e30.c2ln")
	}
	f.Add("..")
	f.Add("e30=..AA==")
	f.Fuzz(func(t *testing.T, value string) {
		if keymgr.ParseToken(value) != nil {
			return
		}
		segments := strings.Split(value, ".")
		if len(segments) != 3 || len(value) > keymgr.MaxSignatureHeader {
			t.Fatalf("accepted %d segments, %d bytes", len(segments), len(value))
		}
		var decoded [3][]byte
		for i, segment := range segments {
			var err error
			if decoded[i], err = base64.RawURLEncoding.DecodeString(segment); err != nil || b64(decoded[i]) != segment {
				t.Fatalf("segment %q is not the only spelling of %q (%v)", segment, decoded[i], err)
			}
		}
		var members map[string]string
		if err := json.Unmarshal(decoded[0], &members); err != nil || len(decoded[0]) > 1024 || len(decoded[2]) == 0 {
			t.Fatalf("header %q: %v", decoded[0], err)
		}
		for name := range members {
			if !slices.Contains([]string{"alg", "kid", "typ", "cty"}, name) {
				t.Fatalf("member %q", name)
			}
		}
		if !slices.Contains([]string{"RS256", "ES256", "EdDSA"}, members["alg"]) {
			t.Fatalf("alg %q", members["alg"])
		}
	})
}
