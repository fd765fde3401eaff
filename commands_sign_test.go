package main

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSignIsVerifiedByOpenSSL(t *testing.T) {
	certificate, key := openssl(t, "Bank A")
	body := `{"signature":"","header":{},"message":{}}`
	for _, full := range []bool{false, true} {
		args := []string{"sign", "--key", key}
		if full {
			args = append(args, "--full")
		}
		code, stdout, stderr := command(t, body, nil, args...)
		if code != 0 {
			t.Fatal(stderr)
		}
		parts := strings.Split(strings.TrimSuffix(stdout, "\n"), ".")
		payload := base64.RawURLEncoding.EncodeToString([]byte(body))
		if len(parts) != 3 || (parts[1] == "") == full || full && parts[1] != payload {
			t.Fatalf("full %v: signature %q", full, stdout)
		}
		verifyWithOpenSSL(t, certificate, parts[0]+"."+payload, parts[2])
	}
}

func verifyWithOpenSSL(t *testing.T, certificate, signed, signature string) {
	t.Helper()
	dir := t.TempDir()
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"signed": []byte(signed), "signature": raw} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `openssl x509 -in "$1" -noout -pubkey > public.pem && openssl dgst -sha256 -verify public.pem -signature signature signed`
	verify := exec.Command("sh", "-c", script, "sh", certificate)
	verify.Dir = dir
	if output, err := verify.CombinedOutput(); err != nil {
		t.Errorf("openssl: %v\n%s", err, output)
	}
}

func TestSignRefuses(t *testing.T) {
	certificate, _ := openssl(t, "Bank A")
	for _, test := range []struct {
		name string
		args []string
		code int
	}{
		{"no key", []string{"sign"}, 2},
		{"a key that is not there", []string{"sign", "--key", "/none.pem"}, 1},
		{"a certificate for a key", []string{"sign", "--key", certificate}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := command(t, "{}", nil, test.args...)
			if code != test.code || stdout != "" || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}
