package keymgr

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Local is the [Verifier] that looks partners up in a [Register].
type Local struct {
	from   source
	decoys map[jwa.SignatureAlgorithm]crypto.PublicKey
	spaces sync.Pool // *workspace

	loading sync.Mutex // one reader of the tables at a time
	senders atomic.Pointer[senders]
}

// NewLocal makes a verifier over a register, by the register's policy.
func NewLocal(register *Register) *Local {
	return newLocal(source{
		load: register.listAll, changes: register.changes.Load, now: register.now, policy: register.policy,
	})
}

func newLocal(from source) *Local {
	decoys, err := parseDecoys()
	if err != nil {
		panic(err) // they are constants
	}
	return &Local{from: from, decoys: decoys, spaces: sync.Pool{New: func() any { return new(workspace) }}}
}

// Verify proves that an active partner with a certificate valid now signed exactly these bytes. Checked in this order:
//
//   - the Signature header is a strict compact JWS with allowed members and an allowed algorithm (see parseToken);
//   - in the full form, the payload is the body, byte for byte or in canonical form ([Canonical]);
//   - the register of this application has the sender's reference id, byte for byte; it is read at most two seconds
//     before, and after every change made in this process;
//   - the partner is active: neither draft nor suspended;
//   - kid, if it is the base64url SHA-256 or the hex fingerprint of one of the partner's certificates, picks that one.
//     Any other kid is the partner's own name for its key and picks nothing: keys are named as their owners like (the
//     MOSIP key manager hashes something else, openssl users write what they please), and it can only ever choose among
//     the sender's own certificates, all of which are tried without it;
//   - the certificates are not revoked, have begun (give or take the clock skew of the policy), have not ended by
//     themselves or with the overlap with their successor, have keys that the policy still allows, and are self-signed or
//     chain to a trust anchor whose whole chain is valid now;
//   - alg is the certificate's, which has only one;
//   - the signature, by the JOSE library, over the header as sent and the body as received; failing that, over the
//     canonical form of the body, which Python clients sign.
//
// Everything refused is a [*Refusal], and a missing signature [ErrSignatureMissing]. However it fails after the first
// two checks, which nothing about partners enters into, the same number of signatures was checked over the same bytes:
// the time tells nobody which partners exist, nor how many certificates they have.
//
// The Partner is shared: its slices must not be changed.
func (l *Local) Verify(ctx context.Context, m Signed) (Partner, error) {
	proof, err := l.prove(ctx, m, nil)
	return proof.Partner, err
}

// Proof is how a signature was proven, for whoever wants to prove it once more elsewhere.
type Proof struct {
	Partner     Partner
	Certificate Certificate // whose key verified
	Payload     string      // exactly what was signed, the body or its canonical form, in base64url
}

// Prove is [Local.Verify], and says how. It copies the body.
func (l *Local) Prove(ctx context.Context, m Signed) (Proof, error) {
	var signed []byte
	proof, err := l.prove(ctx, m, &signed)
	if err != nil {
		return Proof{}, err
	}
	_, payload, _ := bytes.Cut(signed, []byte{'.'})
	proof.Payload = string(payload)
	return proof, nil
}

func (l *Local) prove(ctx context.Context, m Signed, signed *[]byte) (Proof, error) {
	proof, err := l.verify(ctx, m, signed)
	if refusal, ok := errors.AsType[*Refusal](err); ok && referenceID.MatchString(m.Sender) {
		refusal.Sender = m.Sender
	}
	return proof, err
}

// verify leaves in signed, if it is not nil, the bytes that the signature is over.
func (l *Local) verify(ctx context.Context, m Signed, signed *[]byte) (Proof, error) {
	x, err := l.examine(ctx, m, false, signed)
	if err != nil {
		return Proof{}, err
	}
	return Proof{Partner: x.from.Partner, Certificate: x.signedWith.Certificate}, nil
}

// examination is what checking one message found, as far as it got.
type examination struct {
	token      token
	parsed     bool // token is there
	from       *sender
	signedWith *candidate
	form       int // which of the token's inputs was signed
}

// examine checks a message; the error is the verdict on it, or a fault. A thorough examination, which is for people,
// goes on where the verdict is known already.
func (l *Local) examine(ctx context.Context, m Signed, thorough bool, signed *[]byte) (x examination, verdict error) {
	if x.token, verdict = parseToken(m.Signature); verdict == nil {
		x.parsed = true
		if x.token.full && !samePayload(x.token.payload, m.Body) {
			verdict = &Refusal{Reason: OtherPayload, Detail: Say("other_payload", "the token's payload is not the body")}
		}
	}
	if verdict != nil && !thorough {
		return x, verdict
	}
	known, err := l.current(ctx)
	if err != nil {
		return x, err
	}
	x.from = known.byReference[m.Sender]
	if !x.parsed {
		return x, verdict
	}
	candidates, refusal := x.from.candidates(x.token, l.from, l.from.now())
	x.signedWith, x.form = l.match(x.token, m.Body, candidates, signed)
	switch {
	case verdict != nil:
	case refusal != nil:
		verdict = refusal
	case x.signedWith == nil:
		verdict = &Refusal{Reason: Tampered, Detail: x.from.noneVerifies(x.token)}
	case x.signedWith.refusal != nil:
		verdict = x.signedWith.refusal
	}
	return x, verdict
}

// samePayload reports whether a token carries the body: its bytes, or the same value written otherwise.
func samePayload(payload, body []byte) bool {
	if bytes.Equal(payload, body) {
		return true
	}
	a, err := Canonical(payload)
	if err != nil {
		return false
	}
	b, err := Canonical(body)
	return err == nil && bytes.Equal(a, b)
}

// workspace holds what may have been signed: over the raw body, and over its canonical form in either spelling.
type workspace [3][]byte

// match returns the candidate whose key verifies the signature and which of the inputs it verifies, or nil. When none
// does, missing candidates are made up with decoys, for the sake of time alone. What was signed goes into signed, if that
// is not nil.
func (l *Local) match(t token, body []byte, candidates []candidate, signed *[]byte) (*candidate, int) {
	verifies, err := verifier(t.algorithm)
	if err != nil {
		return nil, 0
	}
	space := l.spaces.Get().(*workspace)
	defer l.spaces.Put(space)
	tried := 0
	for input := range t.inputs(body, space) {
		for i := range candidates {
			if verifies(input, t.signature, candidates[i].leaf.PublicKey) {
				if signed != nil {
					*signed = bytes.Clone(input) // the workspace is the next call's
				}
				return &candidates[i], tried
			}
		}
		tried++
	}
	for _, input := range space[:tried] {
		for range maxCertificates - len(candidates) {
			_ = verifies(input, t.signature, l.decoys[t.algorithm])
		}
	}
	return nil, 0
}

// verifier returns the one function in which a signature meets a key.
func verifier(algorithm jwa.SignatureAlgorithm) (func(input, signature []byte, key crypto.PublicKey) bool, error) {
	library, err := jws.NewVerifier(algorithm)
	if err != nil {
		return nil, err
	}
	return func(input, signature []byte, key crypto.PublicKey) bool {
		if library.Verify(input, signature, key) != nil {
			return false
		}
		return algorithm != jwa.PS256 || hasRightSalt(input, signature, key)
	}, nil
}

// hasRightSalt asks of a PS256 signature what the library does not: a salt as long as the hash (RFC 7518 section 3.5).
func hasRightSalt(input, signature []byte, key crypto.PublicKey) bool {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return false
	}
	hash := sha256.Sum256(input)
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return rsa.VerifyPSS(public, crypto.SHA256, hash[:], signature, options) == nil
}

// inputs are the byte strings that the sender may have signed, in the order they are tried. The canonical form is made
// only when it is asked for.
func (t token) inputs(body []byte, space *workspace) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if t.full {
			space[0] = append(space[0][:0], t.signed...)
			yield(space[0])
			return
		}
		if space[0] = appendSigned(space[0][:0], t.header, body); !yield(space[0]) {
			return
		}
		forms, err := canonicalForms(body)
		if err != nil {
			return
		}
		used := 1
		for _, form := range forms {
			if bytes.Equal(form, body) {
				continue
			}
			if space[used] = appendSigned(space[used][:0], t.header, form); !yield(space[used]) {
				return
			}
			used++
		}
	}
}
