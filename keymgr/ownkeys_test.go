package keymgr_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
)

func ownKeys(t *testing.T, dir string, now func() time.Time) *keymgr.OwnKeys {
	t.Helper()
	keys, _, err := keymgr.OpenOwnKeys(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func published(t *testing.T, keys *keymgr.OwnKeys) *keymgr.OwnSignature {
	t.Helper()
	content, err := keys.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	set, err := keymgr.ParseJWKS(content)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestOwnSignatureProvesExactlyTheBody(t *testing.T) {
	keys := ownKeys(t, t.TempDir(), time.Now)
	body := []byte(`{"answer":1}`)
	signature, err := keys.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	set := published(t, keys)
	if err := set.Verify([]string{signature}, body); err != nil {
		t.Errorf("Verify: %v", err)
	}
	head, _, _ := strings.Cut(signature, "..")
	for name, test := range map[string]struct {
		signature []string
		body      string
	}{
		"another body":     {[]string{signature}, `{"answer":2}`},
		"no signature":     {nil, string(body)},
		"two signatures":   {[]string{signature, signature}, string(body)},
		"empty signature":  {[]string{head + ".."}, string(body)},
		"another's key":    {[]string{mustSign(t, ownKeys(t, t.TempDir(), time.Now), body)}, string(body)},
		"trailing newline": {[]string{signature}, string(body) + "\n"},
	} {
		if err := set.Verify(test.signature, []byte(test.body)); err == nil {
			t.Errorf("%s: Verify succeeded", name)
		}
	}
}

func mustSign(t *testing.T, keys *keymgr.OwnKeys, body []byte) string {
	t.Helper()
	signature, err := keys.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestRotationKeepsWhatWasSignedProvable(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	keys := ownKeys(t, dir, func() time.Time { return now })
	body := []byte("{}")
	before := mustSign(t, keys, body)
	if _, err := keymgr.RotateOwnKeys(dir, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	old := published(t, keys)
	now = now.Add(6 * time.Second)
	after := mustSign(t, keys, body)
	set := published(t, keys)
	for _, signature := range []string{before, after} {
		if err := set.Verify([]string{signature}, body); err != nil {
			t.Errorf("Verify: %v", err)
		}
	}
	if err := old.Verify([]string{after}, body); !errors.Is(err, keymgr.ErrUnknownKey) {
		t.Errorf("a reader of the old set gets %v, want ErrUnknownKey", err)
	}
	again := ownKeys(t, dir, time.Now)
	if a, b := string(mustJWKS(t, again)), string(mustJWKS(t, keys)); a != b {
		t.Errorf("a new process publishes %s, the running one %s", a, b)
	}
}

func mustJWKS(t *testing.T, keys *keymgr.OwnKeys) []byte {
	t.Helper()
	content, err := keys.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestJWKSPublishesNoPrivateMember(t *testing.T) {
	dir := t.TempDir()
	keys := ownKeys(t, dir, time.Now)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(mustJWKS(t, keys), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set: %v, %v", set, err)
	}
	key := set.Keys[0]
	if key["d"] != "" || key["alg"] != "ES256" || key["use"] != "sig" || key["kid"] == "" {
		t.Errorf("published key: %v", key)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("keys.dir: %v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}
