package keymgr

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Local is the [Verifier] that looks partners up in a [Register].
type Local struct {
	register *Register
	decoys   map[jwa.SignatureAlgorithm]crypto.PublicKey
	spaces   sync.Pool // *workspace

	loading sync.Mutex // one reader of the tables at a time
	senders atomic.Pointer[senders]
}

// NewLocal makes a verifier over a register.
func NewLocal(register *Register) *Local {
	decoys, err := parseDecoys()
	if err != nil {
		panic(err) // they are constants
	}
	return &Local{register: register, decoys: decoys, spaces: sync.Pool{New: func() any { return new(workspace) }}}
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
//   - the certificates are not revoked, have begun (give or take a minute of the partner's clock) and not ended;
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
	t, err := parseToken(m.Signature)
	if err != nil {
		return Proof{}, err
	}
	if t.full && !samePayload(t.payload, m.Body) {
		return Proof{}, &Refusal{Reason: OtherPayload, Detail: "the token's payload is not the body"}
	}
	known, err := l.current(ctx)
	if err != nil {
		return Proof{}, err
	}
	from := known.byReference[m.Sender]
	candidates, refusal := from.candidates(t, l.register.now())
	signedWith := l.match(t, m.Body, candidates, signed)
	switch {
	case refusal != nil:
		return Proof{}, refusal
	case signedWith == nil:
		detail := "no certificate of the sender verifies the body; " + from.describeKeyID(t)
		return Proof{}, &Refusal{Reason: Tampered, Detail: detail}
	case signedWith.refusal != nil:
		return Proof{}, signedWith.refusal
	}
	return Proof{Partner: from.Partner, Certificate: signedWith.key.Certificate}, nil
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

// match returns the candidate whose key verifies the signature, or nil. When none does, missing candidates are made up
// with decoys, for the sake of time alone. What was signed goes into signed, if that is not nil.
func (l *Local) match(t token, body []byte, candidates []candidate, signed *[]byte) *candidate {
	verifier, err := jws.NewVerifier(t.algorithm)
	if err != nil {
		return nil
	}
	space := l.spaces.Get().(*workspace)
	defer l.spaces.Put(space)
	tried := 0
	for input := range t.inputs(body, space) {
		for i := range candidates {
			if verifier.Verify(input, t.signature, candidates[i].key.public) == nil {
				if signed != nil {
					*signed = bytes.Clone(input) // the workspace is the next call's
				}
				return &candidates[i]
			}
		}
		tried++
	}
	for _, input := range space[:tried] {
		for range maxCertificates - len(candidates) {
			_ = verifier.Verify(input, t.signature, l.decoys[t.algorithm])
		}
	}
	return nil
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
