package keymgr

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Explanation is the validation of one message made visible: what [Local.Verify] would answer, and how it comes to it.
type Explanation struct {
	Sender   string `json:"sender"`
	Verified bool   `json:"verified"`
	Reason   Reason `json:"reason,omitempty"` // why not; [SignatureMissing] where there is no signature at all
	Detail   *Said  `json:"detail,omitempty"`
	Steps    []Step `json:"steps"`           // A, B, C, D
	Hints    []Hint `json:"hints,omitempty"` // mistakes that would explain the signature
	Fault    error  `json:"-"`               // the question could not be answered; nothing else counts then
}

// SignatureMissing is the Reason of an [Explanation] of a message without a signature.
const SignatureMissing Reason = "missing"

// Step is one of the four steps of the validation. Exactly one kind of evidence is set, if the step was reached.
type Step struct {
	Name      string             `json:"step"` // A: take the token apart. B: fetch the sender's key. C: the hash in the signature. D: the hash of header and body
	Passed    bool               `json:"passed"`
	Reached   bool               `json:"reached"`
	Detail    *Said              `json:"detail,omitempty"`
	Token     *TokenEvidence     `json:"token,omitempty"`
	Key       *KeyEvidence       `json:"key,omitempty"`
	Signature *SignatureEvidence `json:"signature,omitempty"`
	Body      *BodyEvidence      `json:"body,omitempty"`
}

// TokenEvidence is what step A found.
type TokenEvidence struct {
	Form           string `json:"form"`   // "detached" or "full"
	Header         string `json:"header"` // the protected header, decoded; whatever it is, for people to see
	Algorithm      string `json:"algorithm,omitempty"`
	KeyID          string `json:"kid,omitempty"`
	PayloadBytes   int    `json:"payload_bytes"`
	SignatureBytes int    `json:"signature_bytes"`
}

// KeyEvidence is what step B found.
type KeyEvidence struct {
	Known        bool                  `json:"known"`
	Name         string                `json:"name,omitempty"`
	Status       Status                `json:"status,omitempty"`
	Certificates []CertificateEvidence `json:"certificates"`
}

// CertificateEvidence is one certificate of the sender and whether it counts now.
type CertificateEvidence struct {
	CertificateDetails
	Algorithm string     `json:"algorithm"`
	ValidTo   *time.Time `json:"valid_to,omitempty"` // end of the overlap with its successor
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Picked    bool       `json:"picked"` // not left out by kid
	Usable    bool       `json:"usable"` // it counts at this moment, for the token's algorithm if there is a token
	Reason    Reason     `json:"reason,omitempty"`
	Detail    *Said      `json:"detail,omitempty"`
}

// SignatureEvidence is what step C found. Only RSA signatures have a hash inside: in the others the numbers of the
// signature are compared with the hash of step D by an equation.
type SignatureEvidence struct {
	Method      string `json:"method"`                // "RSASSA-PKCS1-v1_5", "RSASSA-PSS", "ECDSA", "Ed25519"
	Certificate string `json:"certificate,omitempty"` // fingerprint of the certificate whose key made it
	Hash        string `json:"hash,omitempty"`        // hex: with PKCS1 the SHA-256 of what was signed, with PSS a salted hash of that
	Salt        string `json:"salt,omitempty"`        // hex, PSS
}

// BodyEvidence is what step D found.
type BodyEvidence struct {
	Forms           []FormEvidence `json:"forms"`
	Matched         string         `json:"matched,omitempty"`          // name of the form that was signed
	NotCanonical    *Said          `json:"not_canonical,omitempty"`    // why the body has no canonical form
	SamePayload     *bool          `json:"same_payload,omitempty"`     // full form: the token carries this body
	FirstDifference *Difference    `json:"first_difference,omitempty"` // full form, where it does not, or not byte for byte
}

// FormEvidence is one way in which the sender may have signed the body.
type FormEvidence struct {
	Name  string `json:"name"`  // "as sent", "canonical", "canonical, exponents with plus", "the token's payload"
	Bytes int    `json:"bytes"` // of the payload
	Hash  string `json:"hash"`  // hex: SHA-256 of header.payload, to compare with C; with PSS salted as the signature is
}

// Names of the forms.
const (
	FormAsSent        = "as sent"
	FormCanonical     = "canonical"
	FormCanonicalPlus = "canonical, exponents with plus"
	FormToken         = "the token's payload"
)

// Explain shows the validation of a message step by step. It is the same examination as [Local.Verify]'s, and it records
// and performs nothing. It takes longer than Verify and its result is about partners: for the partner's administrator or
// the sender itself only.
func (l *Local) Explain(ctx context.Context, m Signed) Explanation {
	x, verdict := l.examine(ctx, m, true, nil)
	e := Explanation{Sender: m.Sender, Verified: verdict == nil}
	refusal, refused := errors.AsType[*Refusal](verdict)
	switch {
	case verdict == nil:
	case errors.Is(verdict, ErrSignatureMissing):
		e.Reason, e.Detail = SignatureMissing, Say("signature_missing", "there is no Signature header")
	case refused:
		e.Reason, e.Detail = refusal.Reason, refusal.Detail
	default:
		e.Fault = verdict
		return e
	}
	now := l.from.now()
	c := l.explainSignature(x)
	e.Steps = []Step{explainToken(x, m, e), l.explainKey(x, now), c, explainBody(x, m, c, e.Verified)}
	if !e.Verified {
		e.Hints = l.hints(x, m)
	}
	return e
}

// Standing shows the certificates of a partner and whether each counts at this moment, as step B does: [ErrNotFound].
func (l *Local) Standing(ctx context.Context, reference string) ([]CertificateEvidence, error) {
	known, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	from := known.byReference[reference]
	if from == nil {
		return nil, ErrNotFound
	}
	return l.explainKey(examination{from: from}, l.from.now()).Key.Certificates, nil
}

func explainToken(x examination, m Signed, e Explanation) Step {
	step := Step{Name: "A", Reached: true, Passed: x.parsed}
	if !x.parsed {
		step.Detail = e.Detail
		step.Token = looselyParsed(m.Signature)
		return step
	}
	t := x.token
	step.Token = &TokenEvidence{
		Form: "detached", Header: readable(decodeLoosely(t.header)), Algorithm: t.algorithm.String(), KeyID: t.keyID,
		PayloadBytes: len(t.payload), SignatureBytes: len(t.signature),
	}
	if t.full {
		step.Token.Form = "full"
	}
	return step
}

// explainKey lists all certificates, also those that kid leaves out, the newest first.
func (l *Local) explainKey(x examination, now time.Time) Step {
	step := Step{Name: "B", Reached: true, Key: &KeyEvidence{Certificates: []CertificateEvidence{}}}
	if x.from == nil {
		step.Detail = Say("no_partner", "not a partner of this application")
		return step
	}
	step.Key.Known, step.Key.Name, step.Key.Status = true, x.from.Name, x.from.Status
	picked := x.from.indexOf(x.token.keyID)
	for i := range x.from.keys {
		key := &x.from.keys[i]
		refusal := key.refusal(l.from, now)
		if x.parsed {
			refusal = key.refusalFor(x.token.algorithm, l.from, now)
		}
		c := CertificateEvidence{
			CertificateDetails: detailsOf(key.leaf), Algorithm: key.Algorithm, ValidTo: moment(key.ValidTo), RevokedAt: moment(key.RevokedAt),
			Picked: picked < 0 || picked == i, Usable: refusal == nil,
		}
		if refusal != nil {
			c.Reason, c.Detail = refusal.Reason, refusal.Detail
		}
		step.Key.Certificates = append(step.Key.Certificates, c)
		step.Passed = step.Passed || c.Usable && c.Picked
	}
	if _, none := x.from.candidates(x.token, l.from, now); none != nil && (x.parsed || x.from.Status != Active) {
		step.Passed, step.Detail = false, none.Detail
	}
	return step
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// CertificateDetails is what a certificate says, for people.
type CertificateDetails struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the DER, lower-case hex
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	SelfSigned  bool      `json:"self_signed"`
	Serial      string    `json:"serial"` // hex
	Key         string    `json:"key"`    // such as "RSA 2048"
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// Details reads what a certificate says: an error only for one that did not come out of this package.
func (c Certificate) Details() (CertificateDetails, error) { return details(c.DER) }

// Details reads what an anchor's certificate says.
func (a TrustAnchor) Details() (CertificateDetails, error) { return details(a.DER) }

func details(der []byte) (CertificateDetails, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return CertificateDetails{}, fmt.Errorf("parse certificate: %w", err)
	}
	return detailsOf(parsed), nil
}

func detailsOf(c *x509.Certificate) CertificateDetails {
	return CertificateDetails{
		Fingerprint: fingerprint(c.Raw), Subject: c.Subject.String(), Issuer: c.Issuer.String(), SelfSigned: isSelfIssued(c),
		Serial: fmt.Sprintf("%X", c.SerialNumber), Key: describeKey(c.PublicKey), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
	}
}

func describeKey(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}
