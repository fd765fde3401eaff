package keymgr

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy says which certificates partners may sign with. It is applied when a certificate is offered; of what is in the
// register already, the strength of the key, the list of weak keys and the chain count whenever a signature is verified.
type Policy struct {
	MaxValidity       time.Duration // from its begin to its end
	ClockSkew         time.Duration // how far a partner's clock may be ahead of ours
	ExtendedKeyUsages []string      // an extendedKeyUsage must have one of these: names as in [ExtendedKeyUsage], or OIDs
	RSAMinBits        int
	RSAMaxBits        int
	SelfSigned        bool // accept certificates that their own key signed; otherwise only those of trust anchors
	// SelfSignedCA accepts a self-signed certificate that says CA:TRUE and nothing else of an authority, because that is
	// what a plain `openssl req -x509` writes. It signs messages only: no certificate is ever accepted because of it.
	SelfSignedCA bool
	KnownWeak    *WeakKeys // keys that are known to others; nil: none
}

// DefaultPolicy is the policy where nothing is configured.
func DefaultPolicy() Policy {
	return Policy{
		MaxValidity: 825 * 24 * time.Hour, ClockSkew: time.Minute, ExtendedKeyUsages: []string{"clientAuth", "any"},
		RSAMinBits: minRSABits, RSAMaxBits: maxRSABits, SelfSigned: true, SelfSignedCA: true,
	}
}

// What no configuration can widen. Shorter keys can be factored, longer ones only cost the verifier time, and small
// exponents invite forgeries (RFC 7518 section 3.3); larger ones Go cannot verify with.
const (
	minRSABits     = 2048
	maxRSABits     = 8192
	minRSAExponent = 1<<16 + 1
	maxRSAExponent = 1<<31 - 1
)

// Check says what is wrong with a policy, by the field's name, or nothing.
func (p Policy) Check() (field, expected string) {
	switch {
	case p.MaxValidity < 24*time.Hour || p.MaxValidity > 10*366*24*time.Hour:
		return "MaxValidity", "a duration from 1d to 3660d"
	case p.ClockSkew < 0 || p.ClockSkew > time.Hour:
		return "ClockSkew", "a duration from 0s to 1h"
	case p.RSAMinBits < minRSABits || p.RSAMinBits > p.RSAMaxBits:
		return "RSAMinBits", fmt.Sprintf("a number from %d to the maximum", minRSABits)
	case p.RSAMaxBits > maxRSABits:
		return "RSAMaxBits", fmt.Sprintf("a number of at most %d", maxRSABits)
	}
	for _, usage := range p.ExtendedKeyUsages {
		if oid, ok := ExtendedKeyUsage(usage); !ok || oid == oidServerAuth {
			return "ExtendedKeyUsages", "clientAuth, emailProtection, codeSigning, documentSigning, any, or an object identifier such as 1.3.6.1.4.1.99999.1; serverAuth is for servers"
		}
	}
	return "", ""
}

const oidServerAuth = "1.3.6.1.5.5.7.3.1"

// ExtendedKeyUsage returns the object identifier that a name of an extended key usage stands for, or that it already is.
func ExtendedKeyUsage(name string) (oid string, ok bool) {
	switch name {
	case "any":
		return "2.5.29.37.0", true
	case "serverAuth":
		return oidServerAuth, true
	case "clientAuth":
		return "1.3.6.1.5.5.7.3.2", true
	case "codeSigning":
		return "1.3.6.1.5.5.7.3.3", true
	case "emailProtection":
		return "1.3.6.1.5.5.7.3.4", true
	case "documentSigning":
		return "1.3.6.1.5.5.7.3.36", true
	}
	_, err := x509.ParseOID(name)
	return name, err == nil
}

// extendedKeyUsages lists the object identifiers in a certificate's extendedKeyUsage.
func extendedKeyUsages(c *x509.Certificate) ([]string, error) {
	for _, extension := range c.Extensions {
		if !extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) {
			continue
		}
		var usages []asn1.ObjectIdentifier
		if rest, err := asn1.Unmarshal(extension.Value, &usages); err != nil || len(rest) > 0 {
			return nil, Say("extended_key_usage_unreadable", "its extendedKeyUsage cannot be read")
		}
		texts := make([]string, len(usages))
		for i, usage := range usages {
			texts[i] = usage.String()
		}
		return texts, nil
	}
	return nil, nil
}

// checkUsage judges extendedKeyUsage: absent, or with a usage that is allowed (RFC 5280 section 4.2.1.12).
func (p Policy) checkUsage(c *x509.Certificate) error {
	usages, err := extendedKeyUsages(c)
	if err != nil || usages == nil {
		return err
	}
	for _, allowed := range p.ExtendedKeyUsages {
		if oid, ok := ExtendedKeyUsage(allowed); ok && slices.Contains(usages, oid) {
			return nil
		}
	}
	return Say("extended_key_usage", "its extendedKeyUsage must be absent or include one of %s", strings.Join(p.ExtendedKeyUsages, ", "))
}

// judge says what is wrong with a partner's certificate apart from its key and its issuer.
func (p Policy) judge(c *x509.Certificate, now time.Time) error {
	switch {
	case !slices.Contains(allowedCertificateSignatures(), c.SignatureAlgorithm):
		return Say("signed_weakly", "it must be signed with SHA-256 or better, it is signed with %s", signatureName(c))
	case c.Version < 3 && hasExtensions(c):
		return Say("version", "it has extensions, which only version 3 can have, and says that it is version %d", c.Version)
	case hasExtension(c, oidKeyUsage) && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return Say("key_usage", "its keyUsage does not include digitalSignature")
	case len(c.UnhandledCriticalExtensions) > 0:
		return Say("unknown_extension", "it has an unknown critical extension %s", c.UnhandledCriticalExtensions[0].String())
	case c.NotAfter.Before(c.NotBefore):
		return Say("ends_before_it_begins", "it ends before it begins")
	case now.After(c.NotAfter):
		return Say("expired_at", "it expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	case c.NotAfter.Sub(c.NotBefore) > p.MaxValidity:
		return Say("valid_too_long", "it is valid for %d days, %d are allowed", days(c.NotAfter.Sub(c.NotBefore)), days(p.MaxValidity))
	case c.IsCA && !(p.SelfSignedCA && isSelfIssued(c) && !actsAsAuthority(c)):
		return Say("is_authority", "it is the certificate of an authority (basicConstraints CA:TRUE); make one with CA:FALSE")
	}
	return p.checkUsage(c)
}

// actsAsAuthority reports whether a certificate says more of an authority than CA:TRUE.
func actsAsAuthority(c *x509.Certificate) bool {
	return c.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 || c.MaxPathLen > 0 || c.MaxPathLenZero
}

// days rounds up, so that a certificate that is too long by a second does not read like one that fits.
func days(d time.Duration) int {
	whole := int(d / (24 * time.Hour))
	if d%(24*time.Hour) > 0 {
		whole++
	}
	return whole
}

// signatureName names the algorithm that a certificate is signed with.
func signatureName(c *x509.Certificate) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return "an unknown algorithm"
	}
	return c.SignatureAlgorithm.String()
}

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

func hasExtension(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

// hasExtensions looks for extensions where Go's parser does not: in certificates of the versions before 3, which cannot
// have any, so that what they say about themselves would go unheard.
func hasExtensions(c *x509.Certificate) bool {
	var fields asn1.RawValue
	if _, err := asn1.Unmarshal(c.RawTBSCertificate, &fields); err != nil {
		return true
	}
	for rest := fields.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil || field.Class == asn1.ClassContextSpecific && field.Tag == 3 {
			return true
		}
	}
	return false
}

func allowedCertificateSignatures() []x509.SignatureAlgorithm {
	return []x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
	}
}
