package keymgr

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// What is parsed at most: bytes, and certificates.
const (
	maxCertificateInput = 32 << 10
	maxUpload           = 10
)

// ErrCertificate says that what was offered is not a certificate we accept; the text around it says why. ErrPrivateKey
// is the special case in which the partner gave away its private key, which must not be used any more.
var (
	ErrCertificate = errors.New("certificate not accepted")
	ErrPrivateKey  = errors.New("this is, or contains, a private key: it must never leave its owner; make a new key and send only its certificate")
)

// ParseCertificate is [Policy.Parse] with the default policy, for the algorithm that goes with the key.
func ParseCertificate(pemOrDER []byte, now time.Time) (Certificate, error) {
	return DefaultPolicy().Parse(pemOrDER, "", now)
}

// Parse reads what a partner sends, PEM or DER, and judges it at the time now as far as that is possible without knowing
// whom we trust; see [Register.Inspect] for the rest.
//
//   - it is one certificate, or a PEM file with the certificate first and then those of the authorities that signed it,
//     and there is no private key beside it ([ErrPrivateKey]);
//   - the key is RSA of an allowed size with an odd exponent from 65537, EC P-256 or Ed25519, and none of the kinds that
//     are known to be weak;
//   - the algorithm is one the key can do, RS256 (also if it is empty) or PS256, ES256, EdDSA: the only one its signatures
//     may have;
//   - it is signed with SHA-256 or better, and by its own key if it is self-signed;
//   - it is no authority; keyUsage, if present, includes digitalSignature, and extendedKeyUsage something allowed; no
//     critical extension is unknown;
//   - it has not expired, and is not made for longer than allowed; one that starts in the future may be registered ahead.
//
// All other errors are [ErrCertificate].
func (p Policy) Parse(upload []byte, algorithm string, now time.Time) (Certificate, error) {
	parsed, err := readUpload(upload)
	if err != nil {
		return Certificate{}, err
	}
	leaf := parsed[0]
	c := Certificate{
		Fingerprint: fingerprint(leaf.Raw), DER: leaf.Raw,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
	}
	for _, issuer := range parsed[1:] {
		c.Chain = append(c.Chain, issuer.Raw...)
	}
	if c.Algorithm, err = certificateAlgorithm(leaf.PublicKey, algorithm); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	for _, err := range []error{p.judge(leaf, now), p.checkStrength(leaf.PublicKey), p.judgeSelfSigned(leaf, parsed[1:])} {
		if err != nil {
			return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
		}
	}
	return c, nil
}

// certificateAlgorithm settles the algorithm of a certificate. The key decides, but an RSA key leaves a choice.
func certificateAlgorithm(public crypto.PublicKey, wanted string) (string, error) {
	natural, err := keyAlgorithm(public)
	if err != nil {
		return "", err
	}
	if wanted == "" {
		return natural.String(), nil
	}
	if !fits(jwa.SignatureAlgorithm(wanted), natural) {
		return "", Say("algorithm_of_key", "the key cannot make signatures of the algorithm %q; expected %s", clip(wanted), natural.String())
	}
	return wanted, nil
}

// fits reports whether a key whose natural algorithm is given can also do this one.
func fits(algorithm, natural jwa.SignatureAlgorithm) bool {
	return algorithm == natural || natural == jwa.RS256 && algorithm == jwa.PS256
}

// isSelfIssued reports whether a certificate names itself as its issuer.
func isSelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// judgeSelfSigned checks what a self-issued certificate is alone able to prove: that its own key signed it.
func (p Policy) judgeSelfSigned(c *x509.Certificate, issuers []*x509.Certificate) error {
	if !isSelfIssued(c) {
		return nil
	}
	if len(issuers) > 0 {
		return Say("self_signed_with_others", "it is self-signed: expected exactly one certificate, without others")
	}
	if !p.SelfSigned {
		return Say("self_signed", "it is self-signed, and only certificates of a trust anchor are accepted here")
	}
	// Not CheckSignatureFrom, which wants a self-signed certificate to be a CA.
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return Say("not_by_its_key", "it is self-signed, but not by its own key")
	}
	return nil
}

// readUpload finds the certificate and, behind it, those of its issuers.
func readUpload(input []byte) ([]*x509.Certificate, error) {
	ders, err := uploadedDER(input)
	if err != nil {
		return nil, err
	}
	var parsed []*x509.Certificate
	for i, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("unreadable", "cannot be parsed: %v", err))
		}
		for _, other := range parsed {
			if other.Equal(c) {
				return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("twice", "the same certificate is in it twice; expected exactly one, and its issuers"))
			}
		}
		if i > 0 && !c.IsCA {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("others", "expected exactly one certificate, and behind it only those of authorities"))
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
}

// uploadedDER takes PEM apart. A block that does not decode would be skipped silently by the PEM reader, so the markers
// are counted as well.
func uploadedDER(input []byte) ([][]byte, error) {
	if len(input) > maxCertificateInput {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("too_large", "larger than 32 KiB"))
	}
	if IsPrivateKey(input) {
		return nil, ErrPrivateKey
	}
	begins := bytes.Count(input, []byte("-----BEGIN "))
	switch {
	case len(input) == 0:
		return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("empty", "it is empty"))
	case begins == 0:
		return [][]byte{bytes.Clone(input)}, nil
	case begins > maxUpload:
		return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("too_many_blocks", "expected at most %d PEM blocks, found %d", maxUpload, begins))
	}
	var ders [][]byte
	for block, rest := pem.Decode(input); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("other_block", "expected a PEM block CERTIFICATE, found %q", clip(block.Type)))
		}
		ders = append(ders, block.Bytes)
	}
	if len(ders) != begins {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, Say("damaged_block", "a PEM block is damaged"))
	}
	return ders, nil
}

// IsPrivateKey reports whether a text or file is, or contains, a private key.
func IsPrivateKey(input []byte) bool {
	if bytes.Contains(bytes.ToUpper(input), []byte("PRIVATE KEY-----")) {
		return true
	}
	der := input
	if decoded, err := base64.StdEncoding.DecodeString(string(input)); err == nil { // the lines between the markers alone
		der = decoded
	}
	_, err := parsePrivateDER(der)
	return err == nil
}

// keyAlgorithm names the JWS algorithm that goes with a key of an allowed kind and size, public or private half alike.
func keyAlgorithm(public crypto.PublicKey) (jwa.SignatureAlgorithm, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return jwa.RS256, checkRSA(key)
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", Say("ec_curve", "EC key must be on P-256, it is on %s", key.Curve.Params().Name)
		}
		return jwa.ES256, nil
	case ed25519.PublicKey:
		return jwa.EdDSA, nil
	default:
		return "", Say("key_kind", "key must be RSA, EC P-256 or Ed25519")
	}
}

// checkRSA refuses what no configuration allows.
func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < minRSABits:
		return Say("rsa_short", "RSA key must have at least %d bits, it has %d", minRSABits, bits)
	case bits > maxRSABits:
		return Say("rsa_long", "RSA key must have at most %d bits, it has %d", maxRSABits, bits)
	case key.N.Bit(0) == 0:
		return Say("rsa_even", "RSA modulus is even")
	case key.E < minRSAExponent || key.E > maxRSAExponent || key.E%2 == 0:
		return Say("rsa_exponent", "RSA exponent must be odd and from %d to %d, it is %d", minRSAExponent, maxRSAExponent, key.E)
	}
	return nil
}

// fingerprint names a certificate in the register: SHA-256 of the DER, lower-case hex.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// withIssuers is a certificate as [Policy.Parse] reads it, with its issuers behind it and nothing else.
func (c Certificate) withIssuers() ([]byte, error) {
	issuers, err := x509.ParseCertificates(c.Chain)
	if err != nil {
		return nil, fmt.Errorf("parse issuers: %w", err)
	}
	text := CertificatePEM(c.DER)
	for _, issuer := range issuers {
		text = append(text, CertificatePEM(issuer.Raw)...)
	}
	return text, nil
}

// KeyID is the kid by which existing clients name a certificate: base64url of the SHA-256 of its DER.
func KeyID(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// normalFingerprint turns a fingerprint as people and openssl write it into ours; ok is false if it is none.
func normalFingerprint(text string) (normal string, ok bool) {
	normal = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	decoded, err := hex.DecodeString(normal)
	return normal, err == nil && len(decoded) == sha256.Size
}

// publicKeyHash names the public key of a certificate; see spkiHash.
func publicKeyHash(der []byte) (string, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "", fmt.Errorf("parse certificate: %w", err)
	}
	return spkiHash(parsed.PublicKey)
}

// keyIdentity names the private key behind the public key of a certificate. Whoever has it also has the one behind the same
// RSA modulus with another exponent, and behind the point of a curve with the other sign: these are one key.
func keyIdentity(der []byte) (string, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "", fmt.Errorf("parse certificate: %w", err)
	}
	switch key := parsed.PublicKey.(type) {
	case *rsa.PublicKey:
		return spkiHash(&rsa.PublicKey{N: key.N, E: minRSAExponent})
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return "", fmt.Errorf("encode public key: %w", err)
		}
		if last := len(point) - 1; point[last]&1 == 1 { // of (x, y) and (x, -y), the one with the even y
			y := new(big.Int).SetBytes(point[last/2+1:])
			y.Sub(key.Params().P, y).FillBytes(point[last/2+1:])
		}
		if key, err = ecdsa.ParseUncompressedPublicKey(key.Curve, point); err != nil {
			return "", fmt.Errorf("read public key: %w", err)
		}
		return spkiHash(key)
	case ed25519.PublicKey:
		point := slices.Clone(key)
		point[len(point)-1] &= 0x7f // the sign of x
		return spkiHash(point)
	}
	return spkiHash(parsed.PublicKey)
}

// spkiHash names a public key however often it is certified: SHA-256 of its SubjectPublicKeyInfo, hex.
func spkiHash(public crypto.PublicKey) (string, error) {
	// Encoded anew, so that another encoding of the same key is the same key.
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	return fingerprint(spki), nil
}
