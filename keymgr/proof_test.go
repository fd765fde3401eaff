package keymgr_test

import (
	"encoding/base64"
	"testing"

	"spar/keymgr"
)

// TestProveSaysWhatWasSigned: a second verifier elsewhere gets exactly the bytes that verified here, and knows the key.
func TestProveSaysWhatWasSigned(t *testing.T) {
	h := newHouse(t)
	for name, test := range map[string]struct{ signature, signed string }{
		"detached":            {h.key.Detached(t, []byte(body)), body},
		"detached, canonical": {h.key.Detached(t, []byte(canonicalBody)), canonicalBody},
		"full":                {h.key.Full(t, []byte(body)), body},
		"full, canonical":     {h.key.Full(t, []byte(canonicalBody)), canonicalBody},
	} {
		m := keymgr.Signed{Sender: "PARTNER-A", Signature: []string{test.signature}, Body: []byte(body)}
		proof, err := h.Prove(t.Context(), m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		payload, err := base64.RawURLEncoding.DecodeString(proof.Payload)
		if err != nil || string(payload) != test.signed {
			t.Errorf("%s: signed was %q, %v; want %q", name, payload, err, test.signed)
		}
		if proof.Partner.ReferenceID != "PARTNER-A" || proof.Certificate.Fingerprint != h.partner.Certificates[0].Fingerprint {
			t.Errorf("%s: proven %s with %s", name, proof.Partner.ReferenceID, proof.Certificate.Fingerprint)
		}
	}
	proof, err := h.Prove(t.Context(), keymgr.Signed{Sender: "PARTNER-A", Signature: []string{h.key.Detached(t, []byte("{}"))}, Body: []byte(body)})
	if err == nil || proof.Partner.ReferenceID != "" || proof.Payload != "" {
		t.Errorf("a forgery proves %+v, %v", proof, err)
	}
}
