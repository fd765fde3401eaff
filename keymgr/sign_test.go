package keymgr_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"

	"spar/keymgr"
	"spar/keymgr/keytest"
)

func base64Decode(segment string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(segment) }

func TestSignForms(t *testing.T) {
	key := keytest.RSA(t, 0)
	header, payload, _ := strings.Cut(key.Full(t, []byte(body)), ".")
	payload, signature, _ := strings.Cut(payload, ".")
	if decoded, err := base64Decode(header); err != nil || string(decoded) != `{"alg":"RS256","typ":"JWT"}` {
		t.Errorf("header %s, %v", decoded, err)
	}
	if decoded, err := base64Decode(payload); err != nil || string(decoded) != body {
		t.Errorf("payload %s, %v", decoded, err)
	}
	if got, want := key.Detached(t, []byte(body)), header+".."+signature; got != want {
		t.Errorf("detached %s, want %s", got, want)
	}
}

func TestSignAsNamesTheKey(t *testing.T) {
	value, err := keymgr.SignAs(keytest.RSA(t, 0).Signer, `a"\b`, nil, true)
	must(t, err)
	header, _ := parts(value)
	if decoded, err := base64Decode(header); err != nil || string(decoded) != `{"alg":"RS256","kid":"a\"\\b","typ":"JWT"}` {
		t.Errorf("header %s, %v", decoded, err)
	}
	if _, err := keymgr.SignAs(keytest.RSA(t, 0).Signer, "\xff", nil, true); err == nil {
		t.Error("a kid that is not UTF-8 was signed")
	}
}

func TestSignRefusesWeakKey(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	if value, err := keymgr.Sign(weak, []byte(body), true); err == nil {
		t.Errorf("signed with 1024 bits: %s", value)
	}
}
