package keymgr

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
)

// Limits of a JWS in bytes.
const (
	MaxSignatureHeader = 64 << 10 // the whole value; larger bodies need the detached form
	maxProtectedHeader = 1 << 10  // decoded
)

// strictBase64 refuses bits that decode to nothing, so that one signature has one spelling. It would still skip line
// breaks; see decodeSegment.
var strictBase64 = base64.RawURLEncoding.Strict()

// allowedAlgorithms is a function so that nobody can change the list.
func allowedAlgorithms() []jwa.SignatureAlgorithm {
	return []jwa.SignatureAlgorithm{jwa.RS256, jwa.PS256, jwa.ES256, jwa.EdDSA}
}

// token is a JWS in compact serialization that passed every check possible without a key (RFC 7515 section 7.1).
type token struct {
	algorithm jwa.SignatureAlgorithm
	keyID     string // empty if absent
	header    string // the first segment as sent
	full      bool   // it has a payload; otherwise it is detached (RFC 7515 appendix F)
	payload   []byte // decoded
	signed    string // full: the first two segments as sent, which is what was signed
	signature []byte
}

// parseToken is the gate in front of the JOSE library, which accepts more than the RFC and far more than we want. Checked
// in this order:
//
//   - there is exactly one Signature header, of at most [MaxSignatureHeader] bytes;
//   - it has three segments, each strict unpadded base64url, with a protected header and a signature;
//   - the protected header is a JSON object of at most 1 KiB without duplicate members;
//   - its members are among alg, kid, typ and cty, and are strings: keys (jwk, x5c), addresses of keys (jku, x5u),
//     crit and b64 are refused, never ignored;
//   - alg is one of those allowed, in its exact spelling.
//
// Without a signature the error is [ErrSignatureMissing], otherwise a *Refusal.
func parseToken(values []string) (token, error) {
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return token{}, ErrSignatureMissing
	}
	if len(values) > 1 {
		return token{}, malformed(Say("two_headers", "more than one Signature header"))
	}
	value := values[0]
	if len(value) > MaxSignatureHeader {
		return token{}, malformed(Say("header_long", "longer than 64 KiB"))
	}
	segments := strings.Split(value, ".")
	if len(segments) != 3 {
		return token{}, malformed(Say("segments", "not three segments"))
	}
	var decoded [3][]byte
	for i, segment := range segments {
		var ok bool
		if decoded[i], ok = decodeSegment(segment); !ok {
			return token{}, malformed(Say("base64url", "a segment is not unpadded base64url"))
		}
	}
	if len(decoded[0]) == 0 || len(decoded[2]) == 0 {
		return token{}, malformed(Say("empty_segment", "empty header or signature"))
	}
	t := token{
		header: segments[0], full: segments[1] != "", payload: decoded[1],
		signed: value[:len(segments[0])+1+len(segments[1])], signature: decoded[2],
	}
	if err := t.readHeader(decoded[0]); err != nil {
		return token{}, err
	}
	return t, nil
}

func malformed(detail *Said) *Refusal { return &Refusal{Reason: Malformed, Detail: detail} }

// decodeSegment decodes unpadded base64url of which there is no other spelling. Go's decoder skips CR and LF even when
// strict, so the alphabet is checked first.
func decodeSegment(segment string) ([]byte, bool) {
	for i := range len(segment) {
		switch b := segment[i]; {
		case 'A' <= b && b <= 'Z', 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_':
		default:
			return nil, false
		}
	}
	decoded, err := strictBase64.DecodeString(segment)
	return decoded, err == nil
}

// readHeader fills in what the protected header says.
func (t *token) readHeader(header []byte) error {
	if len(header) > maxProtectedHeader {
		return malformed(Say("protected_long", "protected header longer than 1 KiB"))
	}
	members, err := headerMembers(header)
	if err != nil {
		return err
	}
	t.keyID = members["kid"]
	t.algorithm = jwa.SignatureAlgorithm(members["alg"])
	if !slices.Contains(allowedAlgorithms(), t.algorithm) {
		return &Refusal{Reason: BadAlgorithm, Detail: Say("alg", "alg is absent or not allowed")}
	}
	return nil
}

// headerMembers reads a flat JSON object. The decoder refuses duplicate names, invalid UTF-8 and lone surrogates, and
// compares names exactly.
func headerMembers(header []byte) (map[string]string, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(header))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, malformed(Say("protected_object", "protected header is not a JSON object"))
	}
	members := make(map[string]string, 4)
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, malformed(Say("protected_json", "protected header is not strict JSON"))
		}
		key := name.String()
		if !slices.Contains([]string{"alg", "kid", "typ", "cty"}, key) {
			return nil, malformed(Say("protected_member", "protected header has a member that is not allowed"))
		}
		value, err := d.ReadToken()
		if err != nil || value.Kind() != '"' {
			return nil, malformed(Say("protected_string", "protected header has a member that is not a string"))
		}
		members[key] = value.String()
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace
		return nil, malformed(Say("protected_json", "protected header is not strict JSON"))
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, malformed(Say("protected_after", "something follows the protected header's object"))
	}
	return members, nil
}

// Payload returns what a token in full form carries, for a request without a body: nothing is proven yet. The errors are
// those of [Local.Verify].
func Payload(signature []string) ([]byte, error) {
	t, err := parseToken(signature)
	if err != nil {
		return nil, err
	}
	if !t.full {
		return nil, malformed(Say("no_body", "detached, without a body"))
	}
	return t.payload, nil
}
