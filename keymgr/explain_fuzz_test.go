package keymgr_test

import (
	"encoding/json"
	"errors"
	"testing"

	"spar/keymgr"
)

// FuzzExplain checks that whatever somebody pastes is explained, and explained as it was decided.
func FuzzExplain(f *testing.F) {
	h := newHouse(f)
	good := h.key.Detached(f, []byte(body))
	for _, seed := range [][2]string{
		{good, body}, {good, body + "\n"}, {good + "=", body}, {"Signature: " + good, body}, {"signature:\xa4\xa4\xa4" + good, body}, {h.key.Full(f, []byte(body)), canonicalBody},
		{h.key.Full(f, []byte("{}")), "[1e400]"}, {"..", ""}, {"a.b.c", "{"}, {`"eyJhbGciOiJFUzI1NiJ9..AAAA"`, "\xff"}, {"eyJhbGciOiJQUzI1NiJ9..AAAA", `{"signature":1}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, signature, body string) {
		m := keymgr.Signed{Sender: "PARTNER-A", Signature: []string{signature}, Body: []byte(body)}
		_, err := h.Verify(t.Context(), m)
		e := h.Explain(t.Context(), m)
		if refusal, ok := errors.AsType[*keymgr.Refusal](err); e.Fault != nil || e.Verified != (err == nil) || ok && refusal.Reason != e.Reason {
			t.Errorf("Verify says %v, Explain %+v", err, e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	})
}
