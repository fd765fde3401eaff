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
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// What an RSA key must be. Shorter keys can be factored, longer ones only cost the verifier time, and small exponents
// invite forgeries (RFC 7518 section 3.3).
const (
	minRSABits     = 2048
	maxRSABits     = 8192
	minRSAExponent = 65537
)

// maxCertificateInput bounds what is parsed, in bytes.
const maxCertificateInput = 32 << 10

// ErrCertificate says that what was offered is not a certificate we accept; the text around it says why. ErrPrivateKey
// is the special case in which the partner gave away its private key, which must not be used any more.
var (
	ErrCertificate = errors.New("certificate not accepted")
	ErrPrivateKey  = errors.New("this is, or contains, a private key: it must never leave its owner; make a new key and send only its certificate")
)

// ParseCertificate reads one certificate, PEM or DER, and judges it as a partner's signing certificate at the time now:
//
//   - exactly one certificate, and no private key beside it ([ErrPrivateKey]);
//   - the key is RSA of 2048 to 8192 bits with an odd exponent of at least 65537 (for RS256), EC P-256 (ES256) or
//     Ed25519 (EdDSA), which fixes the one algorithm its signatures may have;
//   - it is signed with SHA-256 or better, and by its own key if it is self-signed;
//   - keyUsage, if present, includes digitalSignature, and no critical extension is unknown;
//   - it has not expired; one that starts in the future may be registered ahead.
//
// All other errors are [ErrCertificate].
func ParseCertificate(pemOrDER []byte, now time.Time) (Certificate, error) {
	der, err := singleCertificate(pemOrDER)
	if err != nil {
		return Certificate{}, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, fmt.Errorf("%w: cannot be parsed: %w", ErrCertificate, err)
	}
	algorithm, err := keyAlgorithm(parsed.PublicKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if err := judge(parsed, now); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return Certificate{
		Fingerprint: fingerprint(der),
		Algorithm:   algorithm.String(),
		DER:         der,
		NotBefore:   parsed.NotBefore,
		NotAfter:    parsed.NotAfter,
	}, nil
}

// singleCertificate finds the DER of the only certificate in the input. A block that does not decode would be skipped
// silently by the PEM reader, so the markers are counted as well.
func singleCertificate(input []byte) ([]byte, error) {
	if len(input) > maxCertificateInput {
		return nil, fmt.Errorf("%w: larger than 32 KiB", ErrCertificate)
	}
	if isPrivateKey(input) {
		return nil, ErrPrivateKey
	}
	begins := bytes.Count(input, []byte("-----BEGIN "))
	if begins == 0 {
		if len(input) == 0 {
			return nil, fmt.Errorf("%w: it is empty", ErrCertificate)
		}
		return bytes.Clone(input), nil
	}
	block, _ := pem.Decode(input)
	switch {
	case begins > 1:
		return nil, fmt.Errorf("%w: expected exactly one certificate, found %d PEM blocks", ErrCertificate, begins)
	case block == nil:
		return nil, fmt.Errorf("%w: the PEM block is damaged", ErrCertificate)
	case block.Type != "CERTIFICATE":
		return nil, fmt.Errorf("%w: expected a PEM block CERTIFICATE, found %.40q", ErrCertificate, block.Type)
	}
	return block.Bytes, nil
}

func isPrivateKey(input []byte) bool {
	if bytes.Contains(input, []byte("PRIVATE KEY-----")) {
		return true
	}
	_, err := parsePrivateDER(input)
	return err == nil
}

// keyAlgorithm names the only JWS algorithm of a key that is strong enough, public or private half alike.
func keyAlgorithm(public crypto.PublicKey) (jwa.SignatureAlgorithm, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return jwa.RS256, checkRSA(key)
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", fmt.Errorf("EC key must be on P-256, it is on %s", key.Curve.Params().Name)
		}
		return jwa.ES256, nil
	case ed25519.PublicKey:
		return jwa.EdDSA, nil
	default:
		return "", errors.New("key must be RSA, EC P-256 or Ed25519")
	}
}

func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < minRSABits:
		return fmt.Errorf("RSA key must have at least %d bits, it has %d", minRSABits, bits)
	case bits > maxRSABits:
		return fmt.Errorf("RSA key must have at most %d bits, it has %d", maxRSABits, bits)
	case key.N.Bit(0) == 0:
		return errors.New("RSA modulus is even")
	case key.E < minRSAExponent || key.E%2 == 0:
		return fmt.Errorf("RSA exponent must be odd and at least %d, it is %d", minRSAExponent, key.E)
	}
	return nil
}

func judge(c *x509.Certificate, now time.Time) error {
	switch {
	case !slices.Contains(allowedCertificateSignatures(), c.SignatureAlgorithm):
		return fmt.Errorf("it must be signed with SHA-256 or better, it is signed with %s", c.SignatureAlgorithm)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its keyUsage does not include digitalSignature")
	case len(c.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("it has an unknown critical extension %s", c.UnhandledCriticalExtensions[0])
	case c.NotAfter.Before(c.NotBefore):
		return errors.New("it ends before it begins")
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	if !bytes.Equal(c.RawIssuer, c.RawSubject) {
		return nil
	}
	// Not CheckSignatureFrom, which wants a self-signed certificate to be a CA.
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return errors.New("it is self-signed, but not by its own key")
	}
	return nil
}

func allowedCertificateSignatures() []x509.SignatureAlgorithm {
	return []x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
	}
}

// fingerprint names a certificate in the register: SHA-256 of the DER, lower-case hex.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
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

// publicKeyHash names a public key however often it is certified: SHA-256 of its SubjectPublicKeyInfo, hex.
func publicKeyHash(der []byte) (string, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "", fmt.Errorf("parse certificate: %w", err)
	}
	// Encoded anew, so that another encoding of the same key is the same key.
	spki, err := x509.MarshalPKIXPublicKey(parsed.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	return fingerprint(spki), nil
}
