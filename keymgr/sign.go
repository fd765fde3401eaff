package keymgr

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Sign makes the value of the Signature header for a body: a JWS in compact serialization by the key's algorithm with
// the protected header {"alg":…,"typ":"JWT"}. Detached ("header..signature") fits every body; the full form repeats the
// body and is only accepted up to [MaxSignatureHeader].
func Sign(key crypto.Signer, body []byte, detached bool) (string, error) {
	return SignAs(key, "", body, detached)
}

// SignAs is [Sign] with a kid that says which of the sender's certificates verifies it; see [KeyID].
func SignAs(key crypto.Signer, keyID string, body []byte, detached bool) (string, error) {
	return SignWith(key, "", keyID, body, detached)
}

// SignWith is [SignAs] by an algorithm that the key can do, for those registered with another than the key's usual one:
// PS256 for RSA. Empty is the usual one.
func SignWith(key crypto.Signer, wanted, keyID string, body []byte, detached bool) (string, error) {
	chosen, err := certificateAlgorithm(key.Public(), wanted)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	algorithm := jwa.SignatureAlgorithm(chosen)
	signer, err := jws.NewSigner(algorithm)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	header, err := protectedHeader(algorithm, keyID)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	segment := base64.RawURLEncoding.EncodeToString(header)
	signed := appendSigned(nil, segment, body)
	signature, err := signer.Sign(signed, key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	last := "." + base64.RawURLEncoding.EncodeToString(signature)
	if detached {
		return segment + "." + last, nil
	}
	return string(signed) + last, nil
}

// appendSigned appends what is signed for a payload: the header segment, a dot, and the payload in base64url (RFC 7515
// section 5.1).
func appendSigned(to []byte, headerSegment string, payload []byte) []byte {
	to = append(append(to, headerSegment...), '.')
	return base64.RawURLEncoding.AppendEncode(to, payload)
}

// SelfSigned makes a certificate for a key, signed by itself and good for signing only, and returns its DER.
func SelfSigned(key crypto.Signer, commonName string, notBefore, notAfter time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose serial number: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), // RFC 5280 wants it positive
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create certificate: %w", err)
	}
	return der, nil
}

// CertificatePEM encodes a certificate for a file.
func CertificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
