package keymgr

import (
	"context"
	"errors"
	"fmt"
)

// Signed is a message as it arrived: who it says sent it, every value of its Signature header, and its exact bytes.
type Signed struct {
	Sender    string
	Signature []string
	Body      []byte
}

// Verifier answers whether the sender signed exactly this body. The error is [ErrSignatureMissing], or a [*Refusal] if
// that is not proven; any other error means that the question could not be answered.
type Verifier interface {
	Verify(ctx context.Context, m Signed) (Partner, error)
}

// ErrSignatureMissing says that a message has no signature at all. ErrUnavailable is wrapped by a fault of a key manager
// elsewhere: it does not answer, or not as a key manager should. Nothing is known about the signature then; trying again
// later may help.
var (
	ErrSignatureMissing = errors.New("no signature")
	ErrUnavailable      = errors.New("key manager unavailable")
)

// Reason says exactly why a signature was refused: for the log, the metric and the administrator, never for the caller,
// who would learn from it which partners exist.
type Reason string

// The reasons. [Reasons] lists them all.
const (
	Malformed       Reason = "malformed"       // the Signature header is not a strict compact JWS with allowed members
	BadAlgorithm    Reason = "algorithm"       // none, not allowed, or not the certificate's
	UnknownSender   Reason = "unknown_sender"  // no such partner in this application
	SenderDraft     Reason = "not_activated"   // registered, never activated
	SenderSuspended Reason = "suspended"       // suspended
	NoCertificate   Reason = "no_certificate"  // active, but it never had a certificate
	Revoked         Reason = "revoked"         // signed by, or left with, a revoked certificate
	Expired         Reason = "expired"         // signed by, or left with, an expired certificate
	Replaced        Reason = "replaced"        // signed by, or left with, one whose overlap with its successor has ended
	Untrusted       Reason = "untrusted"       // signed by, or left with, one that chains to no trust anchor any more
	WeakKey         Reason = "weak_key"        // signed by, or left with, one whose key is not strong enough any more
	NotYetValid     Reason = "not_yet_valid"   // signed by, or left with, a certificate of the future
	OtherPayload    Reason = "payload_differs" // the token carries something else than the body
	Tampered        Reason = "tampered"        // no certificate of the sender verifies these bytes

	// With a key manager elsewhere. The signature itself is good: it verifies with a certificate of the register.
	NotInKeyManager Reason = "not_in_key_manager"    // that certificate is not the one that was given to the key manager
	Disagreement    Reason = "key_manager_disagrees" // the key manager does not accept the signature
)

// Reasons lists every reason, for a metric that shows zeros.
func Reasons() []Reason {
	return []Reason{
		Malformed, BadAlgorithm, UnknownSender, SenderDraft, SenderSuspended, NoCertificate, Revoked, Expired, Replaced,
		Untrusted, WeakKey, NotYetValid, OtherPayload, Tampered, NotInKeyManager, Disagreement,
	}
}

// Refusal is the error for a signature that is not proven. It may be logged: Sender is a well-formed reference id or
// empty, and neither field repeats anything else of the message.
type Refusal struct {
	Reason Reason
	Sender string // empty where what was sent could not be a reference id
	Detail *Said
}

// Error says everything, for the log.
func (r *Refusal) Error() string {
	return fmt.Sprintf("signature of %q refused: %s: %s", r.Sender, r.Reason, r.Detail.Error())
}
