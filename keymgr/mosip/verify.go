package mosip

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"spar/keymgr"
)

// KeyManager is the key manager beside our register: a [keymgr.Verifier] for which both must agree, and the place that
// certificates of the register are given to.
type KeyManager struct {
	*Client
	register *keymgr.Register
	local    *keymgr.Local
}

// New joins a client and a register with its verifier.
func New(client *Client, register *keymgr.Register, local *keymgr.Local) *KeyManager {
	return &KeyManager{Client: client, register: register, local: local}
}

// Verify proves that an active partner signed exactly these bytes, twice:
//
//   - first here, by every rule of [keymgr.Local.Verify]. Whatever fails is refused without a call, in the same time and
//     with the same answer as without a key manager;
//   - then there, with jwtVerify, over exactly the bytes that verified here. It is only asked if it was given a certificate
//     of the key that verified, for it would make a key pair for a reference id that it does not know.
//
// A "no" of either is a [*keymgr.Refusal]; the key manager's has a reason of its own. If it does not answer, or answers
// anything but a clear yes or no, the error wraps [keymgr.ErrUnavailable] and nothing is accepted.
func (k *KeyManager) Verify(ctx context.Context, m keymgr.Signed) (keymgr.Partner, error) {
	proof, err := k.local.Prove(ctx, m)
	if err != nil {
		return keymgr.Partner{}, err
	}
	reference := proof.Partner.ReferenceID
	held, err := k.register.HeldBy(ctx, k.Holder(), reference)
	if err != nil {
		return keymgr.Partner{}, err
	}
	if !covers(proof, held) {
		return keymgr.Partner{}, &keymgr.Refusal{
			Reason: keymgr.NotInKeyManager, Sender: reference, Detail: keymgr.Say("not_uploaded", "certificate %s verifies the body but was not uploaded to the key manager", proof.Certificate.Fingerprint),
		}
	}
	valid, err := k.verifies(ctx, reference, m.Signature[0], proof.Payload)
	disagrees := &keymgr.Refusal{Reason: keymgr.Disagreement, Sender: reference, Detail: keymgr.Say("not_valid_there", "certificate %s verifies the body here; signatureValid is false there", held)}
	if no, ok := errors.AsType[*Refused](err); ok && isAnswer(err) {
		if slices.ContainsFunc(no.Codes, func(code string) bool { return !aboutThePartner(code) }) {
			return keymgr.Partner{}, unavailable("%w", no)
		}
		disagrees.Detail = keymgr.Say("key_manager", "the key manager answered %s", no.answers())
		return keymgr.Partner{}, disagrees
	}
	switch {
	case err != nil:
		return keymgr.Partner{}, err
	case !valid:
		return keymgr.Partner{}, disagrees
	}
	return proof.Partner, nil
}

// covers reports whether a certificate that the key manager was given has the key that signed: it is the one that
// verified, or another of the partner for the same key, which a partner gets by renewing the certificate alone.
func covers(proof keymgr.Proof, fingerprint string) bool {
	return slices.ContainsFunc(proof.Partner.Certificates, func(c keymgr.Certificate) bool {
		return c.Fingerprint == fingerprint && keymgr.SameKey(c, proof.Certificate)
	})
}

type verifyRequest struct {
	Signature     string `json:"jwtSignatureData"`
	Payload       string `json:"actualData"` // base64url; takes the place of the middle segment
	ApplicationID string `json:"applicationId"`
	ReferenceID   string `json:"referenceId"`
	ValidateTrust bool   `json:"validateTrust"`
}

// verifies asks whether the certificate under a reference id verifies a signature over a payload. Only a JSON true is a
// yes: not "true", not 1, not an answer without the member.
func (c *Client) verifies(ctx context.Context, reference, signature, payload string) (bool, error) {
	response, err := c.ask(ctx, callVerify, http.MethodPost, nil, verifyRequest{
		Signature: signature, Payload: payload, ApplicationID: c.ApplicationID, ReferenceID: reference,
	})
	if err != nil {
		return false, err
	}
	var verdict struct {
		Valid *bool `json:"signatureValid"`
	}
	if err := json.Unmarshal(response, &verdict); err != nil || verdict.Valid == nil {
		return false, unavailable("%s: signatureValid is not true or false", callVerify)
	}
	return *verdict.Valid, nil
}
