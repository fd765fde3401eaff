package keymgr

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// explainSignature is step C. Whose key made the signature, and over which hash, can be read from an RSA signature
// whether or not it fits the body, which tells a wrong key from a changed body.
func (l *Local) explainSignature(x examination) Step {
	step := Step{Name: "C"}
	if !x.parsed || x.from == nil {
		return step
	}
	step.Reached = true
	found := &SignatureEvidence{}
	step.Signature = found
	switch x.token.algorithm {
	case jwa.RS256:
		found.Method = "RSASSA-PKCS1-v1_5"
	case jwa.PS256:
		found.Method = "RSASSA-PSS"
	case jwa.ES256:
		found.Method = "ECDSA"
		step.Detail = Say("ecdsa", "an ECDSA signature holds no hash: its two numbers, the public key and the hash of step D are put into the curve's equation")
	case jwa.EdDSA:
		found.Method = "Ed25519"
		step.Detail = Say("ed25519", "an Ed25519 signature holds no hash: it is compared by the curve's equation, over the bytes of step D themselves")
	}
	if x.signedWith != nil {
		found.Certificate = x.signedWith.Fingerprint
	}
	if found.Method == "ECDSA" || found.Method == "Ed25519" {
		step.Passed = x.signedWith != nil
		return step
	}
	for i := range x.from.keys {
		key := &x.from.keys[i]
		if x.signedWith != nil && key.Fingerprint != x.signedWith.Fingerprint {
			continue
		}
		public, ok := key.leaf.PublicKey.(*rsa.PublicKey)
		if !ok {
			continue
		}
		hash, salt, ok := openRSA(x.token.algorithm, public, x.token.signature)
		if ok {
			found.Certificate, found.Hash, found.Salt = key.Fingerprint, hex.EncodeToString(hash), hex.EncodeToString(salt)
			step.Passed = true
			return step
		}
	}
	step.Detail = Say("no_key_opens", "not this partner's key: none of its certificates opens the signature")
	return step
}

// openRSA takes the hash out of an RSA signature. It is for showing only: whether the signature is right, Verify says.
func openRSA(algorithm jwa.SignatureAlgorithm, key *rsa.PublicKey, signature []byte) (hash, salt []byte, ok bool) {
	s := new(big.Int).SetBytes(signature)
	if len(signature) != key.Size() || s.Cmp(key.N) >= 0 {
		return nil, nil, false
	}
	opened := s.Exp(s, big.NewInt(int64(key.E)), key.N)
	if algorithm == jwa.PS256 {
		return openPSS(opened, key.N.BitLen()-1)
	}
	encoded := opened.FillBytes(make([]byte, key.Size()))
	at := len(encoded) - len(sha256Info) - sha256.Size
	if at < 11 {
		return nil, nil, false
	}
	padding := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, at-3)...)
	want := append(append(padding, 0), sha256Info...)
	if !bytes.HasPrefix(encoded, want) {
		return nil, nil, false
	}
	return encoded[len(want):], nil, true
}

// sha256Info is the DigestInfo in front of a SHA-256 (RFC 8017 section 9.2, note 1).
const sha256Info = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

// openPSS takes the salted hash and the salt out of EMSA-PSS with SHA-256 (RFC 8017 section 9.1.2, steps 3 to 11).
func openPSS(opened *big.Int, bits int) (hash, salt []byte, ok bool) {
	size := (bits + 7) / 8
	if opened.BitLen() > bits || size < sha256.Size+2 {
		return nil, nil, false
	}
	encoded := opened.FillBytes(make([]byte, size))
	if encoded[size-1] != 0xbc {
		return nil, nil, false
	}
	block, hash := encoded[:size-sha256.Size-1], encoded[size-sha256.Size-1:size-1]
	for i, counter := 0, byte(0); i < len(block); i, counter = i+sha256.Size, counter+1 {
		mask := sha256.Sum256(append(bytes.Clone(hash), 0, 0, 0, counter))
		for j := i; j < min(i+sha256.Size, len(block)); j++ {
			block[j] ^= mask[j-i]
		}
	}
	block[0] &= 0xff >> (8*size - bits)
	salt = bytes.TrimLeft(block, "\x00")
	if len(salt) == 0 || salt[0] != 1 {
		return nil, nil, false
	}
	return hash, salt[1:], true
}

// saltedHash is what a PSS signature holds of a hash.
func saltedHash(hash, salt []byte) []byte {
	sum := sha256.Sum256(append(append(make([]byte, 8), hash...), salt...))
	return sum[:]
}

// explainBody is step D.
func explainBody(x examination, m Signed, c Step, verified bool) Step {
	step := Step{Name: "D"}
	if !x.parsed {
		return step
	}
	body := &BodyEvidence{}
	step.Reached, step.Passed, step.Body = true, verified, body
	var salt []byte
	if c.Signature != nil && c.Signature.Salt != "" {
		salt, _ = hex.DecodeString(c.Signature.Salt)
	}
	add := func(name string, payload []byte, signed []byte) {
		sum := sha256.Sum256(signed)
		hash := sum[:]
		if salt != nil {
			hash = saltedHash(hash, salt)
		}
		body.Forms = append(body.Forms, FormEvidence{Name: name, Bytes: len(payload), Hash: hex.EncodeToString(hash)})
	}
	add(FormAsSent, m.Body, appendSigned(nil, x.token.header, m.Body))
	forms, err := canonicalForms(m.Body)
	if err != nil {
		body.NotCanonical, _ = errors.AsType[*Said](err)
	}
	for i, form := range forms {
		add([]string{FormCanonical, FormCanonicalPlus}[i], form, appendSigned(nil, x.token.header, form))
	}
	if x.token.full {
		add(FormToken, x.token.payload, []byte(x.token.signed))
		same := samePayload(x.token.payload, m.Body)
		body.SamePayload, body.FirstDifference = &same, firstDifference(x.token.payload, m.Body)
	}
	body.Matched = matchedForm(x, m.Body, forms)
	switch {
	case verified:
	case body.SamePayload != nil && !*body.SamePayload:
		step.Detail = Say("other_payload", "the token's payload is not the body")
	case body.Matched != "":
		step.Detail = Say("does_not_count", "the bytes were signed, but not with a certificate that counts")
	case c.Passed && c.Signature.Hash != "":
		step.Detail = Say("other_bytes", "the signature is over other bytes: no hash of the body is the one in the signature")
	default:
		step.Detail = Say("does_not_verify", "the signature does not verify the body")
	}
	return step
}

// matchedForm names what was signed. The inputs that Verify tries are the body as sent and then its canonical forms
// where they differ from it; a full token has its own payload.
func matchedForm(x examination, body []byte, forms [][]byte) string {
	if x.signedWith == nil {
		return ""
	}
	if x.token.full {
		for i, form := range append([][]byte{body}, forms...) {
			if bytes.Equal(form, x.token.payload) {
				return []string{FormAsSent, FormCanonical, FormCanonicalPlus}[i]
			}
		}
		return FormToken
	}
	names := []string{FormAsSent}
	for i, form := range forms {
		if !bytes.Equal(form, body) {
			names = append(names, []string{FormCanonical, FormCanonicalPlus}[i])
		}
	}
	return names[x.form]
}

// Difference is the first place where the signed payload and the body differ, with a little of both around it.
type Difference struct {
	Offset  int    `json:"offset"`  // of the first differing byte, from 0
	Payload string `json:"payload"` // around it in the token's payload
	Body    string `json:"body"`    // around it in the body
}

// contextBytes is how much is shown on each side of a difference.
const contextBytes = 24

func firstDifference(payload, body []byte) *Difference {
	if bytes.Equal(payload, body) {
		return nil
	}
	at := 0
	for at < min(len(payload), len(body)) && payload[at] == body[at] {
		at++
	}
	return &Difference{Offset: at, Payload: around(payload, at), Body: around(body, at)}
}

func around(text []byte, at int) string {
	return readable(text[max(0, at-contextBytes):min(len(text), at+contextBytes)])
}

// readable makes bytes safe to show: what is no printable text becomes an escape.
func readable(text []byte) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size <= 1:
			b.WriteString(`\x` + hex.EncodeToString(text[:1]))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\x` + hex.EncodeToString(text[:size]))
		}
		text = text[size:]
	}
	return b.String()
}

// looselyParsed shows what can be shown of a token that parseToken refuses.
func looselyParsed(values []string) *TokenEvidence {
	if len(values) != 1 {
		return nil
	}
	segments := strings.Split(values[0], ".")
	header := decodeLoosely(segments[0])
	evidence := &TokenEvidence{Form: "detached", Header: readable(header[:min(len(header), maxProtectedHeader)])}
	if len(segments) == 3 {
		if segments[1] != "" {
			evidence.Form = "full"
		}
		evidence.PayloadBytes = len(decodeLoosely(segments[1]))
		evidence.SignatureBytes = len(decodeLoosely(segments[2]))
	}
	return evidence
}

// decodeLoosely decodes either alphabet of base64, padded or not; nil if it is neither.
func decodeLoosely(segment string) []byte {
	segment = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_", "\r", "", "\n", "", " ", "").Replace(segment), "=")
	decoded, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil
	}
	return decoded
}
