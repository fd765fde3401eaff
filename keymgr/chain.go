package keymgr

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TrustAnchor is an authority whose certificates partners may have, directly or through intermediate authorities.
type TrustAnchor struct {
	Fingerprint string // SHA-256 of the DER, lower-case hex
	Name        string // for people
	DER         []byte
	NotBefore   time.Time
	NotAfter    time.Time
	AddedAt     time.Time
}

// ParseTrustAnchor reads and judges the certificate of an authority, PEM or DER, at the time now: one certificate with
// CA:TRUE and, where keyUsage is present, keyCertSign; a strong key; signed with SHA-256 or better, and by itself if it
// says so; not expired; with name constraints only of kinds that we can check. The errors are [ErrCertificate] and
// [ErrPrivateKey].
func (p Policy) ParseTrustAnchor(upload []byte, now time.Time) (TrustAnchor, error) {
	ders, err := uploadedDER(upload)
	if err != nil {
		return TrustAnchor{}, err
	}
	if len(ders) != 1 {
		return TrustAnchor{}, fmt.Errorf("%w: %w", ErrCertificate, Say("not_one", "expected exactly one certificate, found %d", len(ders)))
	}
	c, err := parseAuthority(ders[0])
	if err != nil {
		return TrustAnchor{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if err := p.judgeAnchor(c, now); err != nil {
		return TrustAnchor{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return TrustAnchor{
		Fingerprint: fingerprint(c.Raw), Name: c.Subject.String(), DER: c.Raw, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}, nil
}

func (p Policy) judgeAnchor(c *x509.Certificate, now time.Time) error {
	if now.After(c.NotAfter) {
		return Say("expired_at", "it expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	if isSelfIssued(c) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
		return Say("not_by_its_key", "it is self-signed, but not by its own key")
	}
	return p.judgeAuthority(c)
}

// judgeAuthority says what is wrong with an issuer apart from its time and its own issuer.
func (p Policy) judgeAuthority(c *x509.Certificate) error {
	switch {
	case c.Version != 3 || !c.BasicConstraintsValid || !c.IsCA:
		return Say("no_authority", "it is not the certificate of an authority (basicConstraints CA:TRUE)")
	case hasExtension(c, oidKeyUsage) && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return Say("key_usage_of_authority", "its keyUsage does not include keyCertSign")
	case !slices.Contains(allowedCertificateSignatures(), c.SignatureAlgorithm):
		return Say("signed_weakly", "it must be signed with SHA-256 or better, it is signed with %s", signatureName(c))
	case len(c.UnhandledCriticalExtensions) > 0:
		return Say("unknown_extension", "it has an unknown critical extension %s", c.UnhandledCriticalExtensions[0].String())
	}
	if err := p.authorityKey(c.PublicKey); err != nil {
		return err
	}
	return p.checkUsage(c)
}

// trust is the set of anchors at one moment. It holds no others: the system's roots say who runs a web site, not who may
// be a partner.
type trust struct {
	policy Policy
	roots  *x509.CertPool
	set    string // names the set
}

func (p Policy) trust(anchors []TrustAnchor) trust {
	t := trust{policy: p, roots: x509.NewCertPool()}
	digest := sha256.New()
	for _, anchor := range anchors {
		c, err := parseAuthority(anchor.DER)
		if err != nil || fingerprint(anchor.DER) != anchor.Fingerprint {
			continue // nothing chains to an anchor that changed in the tables
		}
		t.roots.AddCert(c)
		digest.Write(c.Raw)
	}
	t.set = string(digest.Sum(nil))
	return t
}

// period is when a chain holds: while all of its certificates are valid.
type period struct{ from, to time.Time }

func (p period) holds(at time.Time) bool { return !at.Before(p.from) && !at.After(p.to) }

// chain proves that a certificate was issued under one of the anchors (RFC 5280 section 6), and returns for how long that
// holds: signatures, CA:TRUE, keyCertSign, path length, name constraints, and every certificate valid at the time at.
// It says nothing about the end of the chain, the partner's certificate itself, which may not have begun.
func (t trust) chain(leaf *x509.Certificate, intermediates []byte, at time.Time) (period, error) {
	pool := x509.NewCertPool()
	issuers, err := x509.ParseCertificates(intermediates)
	if err != nil {
		return period{}, Say("issuers_unreadable", "the certificates of its issuers cannot be parsed: %v", err)
	}
	for _, issuer := range issuers {
		authority, err := parseAuthority(issuer.Raw)
		if err != nil {
			return period{}, Say("issuer", "its issuer %q: %v", clip(issuer.Subject.String()), err)
		}
		pool.AddCert(authority)
	}
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return period{}, chainError(err)
	}
	var best period
	for _, chain := range chains {
		found, wrong := t.judgeChain(chain)
		if err = errors.Join(err, wrong); wrong == nil && found.to.After(best.to) {
			best = found
		}
	}
	if best.to.IsZero() {
		return period{}, err
	}
	return best, nil
}

// judgeChain applies to a chain what Go's verification does not: our policy, and the names it does not know.
func (t trust) judgeChain(chain []*x509.Certificate) (period, error) {
	if len(chain) < 2 {
		return period{}, Say("is_anchor", "it is itself a trust anchor")
	}
	p := period{from: chain[1].NotBefore, to: chain[1].NotAfter}
	for _, issuer := range chain[1:] {
		if err := t.policy.judgeAuthority(issuer); err != nil {
			return period{}, Say("issuer", "its issuer %q: %v", clip(issuer.Subject.String()), err)
		}
		if issuer.NotBefore.After(p.from) {
			p.from = issuer.NotBefore
		}
		if issuer.NotAfter.Before(p.to) {
			p.to = issuer.NotAfter
		}
	}
	return p, checkDirectoryNames(chain)
}

// chainError says in words for people what Go's verification found.
func chainError(err error) error {
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return Say("no_anchor", "it does not chain to a trust anchor; intermediate certificates belong behind it in the same PEM file")
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok {
		return Say("chain", "its chain cannot be verified: %s", strings.TrimPrefix(err.Error(), "x509: "))
	}
	issuer := clip(invalid.Cert.Subject.String())
	switch invalid.Reason {
	case x509.Expired:
		return Say("issuer_not_valid", "its issuer %q is not valid now", issuer)
	case x509.NotAuthorizedToSign:
		return Say("issuer_no_authority", "its issuer %q is not an authority (basicConstraints CA:TRUE)", issuer)
	case x509.TooManyIntermediates:
		return Say("issuer_path_length", "its issuer %q does not allow so long a chain (path length)", issuer)
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName:
		return Say("names", "an issuer's name constraints do not allow its names")
	}
	return Say("chain", "its chain cannot be verified: %s", strings.TrimPrefix(err.Error(), "x509: "))
}
