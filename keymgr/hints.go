package keymgr

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"iter"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// Hint is a mistake in making the signature that would explain it, found by trying: with the mistake made on our side as
// well, the partner's own key verifies it.
type Hint struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Hints lists every hint there is, in the order in which they are given.
func Hints() []Hint {
	return []Hint{
		{"header_name", "the value has the name of the header in front of it: only what follows \"Signature:\" belongs there"},
		{"quotes", "the value has quotes or blanks around it"},
		{"standard_base64", "base64 with + and / was used; a JWS has base64url, with - and _"},
		{"padded_base64", "base64 with = at the end was used; a JWS has base64url without padding"},
		{"line_breaks", "the base64 has line breaks in it, as the base64 command makes them; use base64 -w0"},
		{"own_payload", "the token is genuine, but it was made for another body: it carries its own payload"},
		{"trailing_newline_missing", "the body was signed with a line break at its end that was not sent"},
		{"trailing_newline_added", "the body was sent with a line break at its end that was not signed (curl: use --data-binary; echo: use printf)"},
		{"line_ends_lf", "the body was signed with line ends LF and sent with CR LF"},
		{"line_ends_crlf", "the body was signed with line ends CR LF and sent with LF"},
		{"line_ends_lost", "the body was signed with line breaks and sent without them (curl: use --data-binary, not --data)"},
		{"byte_order_mark", "the body was signed with a byte order mark in front"},
		{"other_spacing", "the same JSON was signed in another spelling (spaces, order of members, escapes): sign the very bytes that are sent"},
		{"signature_member", "the body was signed with another value of its member \"signature\", or without it: leave it empty and sign what is sent"},
		{"body_only", "the signature is over the body alone; it must be over base64url(header) + \".\" + base64url(body)"},
		{"body_not_encoded", "the body was signed as it is behind the header and the dot; it must be in base64url"},
		{"payload_only", "the signature is over base64url(body) alone; the header and a dot belong in front"},
		{"body_hashed", "the hash of the body was signed in place of the body"},
		{"hashed_twice", "the hash was hashed again: the library or openssl dgst does the hashing, give it the text itself"},
		{"empty_payload", "the payload was left out of what is signed; the detached form leaves it out of what is sent only"},
		{"standard_base64_payload", "the header or the body inside was encoded with + and /, or with = at the end, when it was signed; it must be base64url without padding"},
		{"signature_hex", "the signature is in hexadecimal; it must be in base64url"},
		{"signature_der", "the ECDSA signature is a DER sequence as openssl writes it; a JWS has the two numbers of 32 bytes one after the other"},
		{"pss_salt", "the PS256 signature has a salt of another length than 32 bytes (openssl: -sigopt rsa_pss_saltlen:-1)"},
		{"pss_not_pkcs1", "the header says RS256, but the signature is PS256 (RSA-PSS)"},
		{"pkcs1_not_pss", "the header says PS256, but the signature is RS256 (RSA PKCS1 v1.5)"},
		{"kid", "kid names another certificate than the one whose key signed"},
		{"other_key", "this is not this partner's key: none of its certificates belongs to the key that signed"},
		{"other_content", "the key is right, but something else was signed than this header and body"},
	}
}

// hints tries likely mistakes. Everything that is found comes with the same verification as in Verify, over other bytes.
func (l *Local) hints(x examination, m Signed) []Hint {
	found := map[string]bool{}
	if x.from != nil && len(m.Signature) == 1 {
		if x.parsed {
			l.tryToken(x, x.token, m.Body, found)
		} else if repaired, ok := repair(m.Signature[0], found); ok {
			x.token = repaired
			if fixed := map[string]bool{}; !l.tryToken(x, repaired, m.Body, fixed) {
				for code := range fixed {
					found[code] = true
				}
			}
		}
	}
	return slices.DeleteFunc(Hints(), func(h Hint) bool { return !found[h.Code] })
}

// repair undoes mistakes in the writing of the token.
func repair(value string, found map[string]bool) (token, bool) {
	clean := strings.TrimSpace(value)
	const name = "Signature:"
	if len(clean) >= len(name) && strings.EqualFold(clean[:len(name)], name) {
		clean, found["header_name"] = strings.TrimSpace(clean[len(name):]), true
	}
	if trimmed := strings.Trim(clean, `"'`+" \t\r\n"); trimmed != clean || clean != value && !found["header_name"] {
		clean, found["quotes"] = trimmed, true
	}
	for code, marks := range map[string]string{"line_breaks": "\r\n ", "padded_base64": "=", "standard_base64": "+/"} {
		if strings.ContainsAny(clean, marks) {
			found[code] = true
		}
	}
	clean = strings.NewReplacer("\r", "", "\n", "", " ", "", "=", "", "+", "-", "/", "_").Replace(clean)
	t, err := parseToken([]string{clean})
	return t, err == nil
}

// attempt is one way in which the signature may have been made, and the mistakes in it.
type attempt struct {
	signed []byte
	codes  []string
}

// tryToken reports whether nothing is wrong with a token, and otherwise notes the mistakes that explain it.
func (l *Local) tryToken(x examination, t token, body []byte, found map[string]bool) bool {
	note := func(codes ...string) {
		for _, code := range codes {
			found[code] = true
		}
	}
	mine := func(t token, attempts iter.Seq[attempt]) (attempt, bool) {
		verifies, err := verifier(t.algorithm)
		if err != nil {
			return attempt{}, false
		}
		for a := range attempts {
			for i := range x.from.keys {
				if key := &x.from.keys[i]; fitsKey(t.algorithm, key) && verifies(a.signed, t.signature, key.leaf.PublicKey) {
					if picked := x.from.indexOf(t.keyID); picked >= 0 && picked != i {
						note("kid")
					}
					return a, true
				}
			}
		}
		return attempt{}, false
	}
	attempts := attemptsAt(t, body)
	if a, ok := mine(t, attempts); ok {
		note(a.codes...)
		return len(a.codes) == 0 && !found["kid"]
	}
	for code, other := range otherReadings(t, x.from) {
		if a, ok := mine(other, attempts); ok {
			note(append(a.codes, code)...)
			return false
		}
	}
	if t.algorithm == jwa.RS256 || t.algorithm == jwa.PS256 {
		note(x.from.whose(t))
	}
	return false
}

func fitsKey(algorithm jwa.SignatureAlgorithm, key *senderKey) bool {
	natural, err := keyAlgorithm(key.leaf.PublicKey)
	return err == nil && fits(algorithm, natural)
}

// whose tells a wrong key from a right one that signed something unknown. For other keys than RSA nobody can tell.
func (s *sender) whose(t token) string {
	for i := range s.keys {
		key := &s.keys[i]
		public, ok := key.leaf.PublicKey.(*rsa.PublicKey)
		if !ok {
			continue
		}
		hash, salt, ok := openRSA(t.algorithm, public, t.signature)
		if ok && t.algorithm == jwa.PS256 && len(salt) != len(hash) {
			return "pss_salt"
		}
		if ok {
			return "other_content"
		}
	}
	return "other_key"
}

// otherReadings are tokens that the sender may have meant: with the signature written or made in another way.
func otherReadings(t token, from *sender) map[string]token {
	readings := map[string]token{}
	with := func(code string, algorithm jwa.SignatureAlgorithm, signature []byte) {
		again := t
		again.algorithm, again.signature = algorithm, signature
		readings[code] = again
	}
	switch t.algorithm {
	case jwa.RS256:
		with("pss_not_pkcs1", jwa.PS256, t.signature)
	case jwa.PS256:
		with("pkcs1_not_pss", jwa.RS256, t.signature)
	case jwa.ES256:
		if raw, ok := rawECDSA(t.signature, from); ok {
			with("signature_der", jwa.ES256, raw)
		}
	}
	if raw, err := hex.DecodeString(string(t.signature)); err == nil {
		with("signature_hex", t.algorithm, raw)
	}
	if raw, err := hex.DecodeString(base64.RawURLEncoding.EncodeToString(t.signature)); err == nil {
		with("signature_hex", t.algorithm, raw)
	}
	return readings
}

// rawECDSA turns the DER of openssl into what a JWS has.
func rawECDSA(der []byte, from *sender) ([]byte, bool) {
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &numbers); err != nil || len(rest) > 0 || numbers.R.Sign() < 0 || numbers.S.Sign() < 0 {
		return nil, false
	}
	if numbers.R.BitLen() > 256 || numbers.S.BitLen() > 256 || !slices.ContainsFunc(from.keys, func(k senderKey) bool {
		_, ok := k.leaf.PublicKey.(*ecdsa.PublicKey)
		return ok
	}) {
		return nil, false
	}
	return append(numbers.R.FillBytes(make([]byte, 32)), numbers.S.FillBytes(make([]byte, 32))...), true
}
