package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verifying is a partner's developer with a key pair, a body and its signature, in a folder without configuration.
type verifying struct {
	*testing.T
	certificate, key string
}

const verifiedBody = `{"signature":"","header":{"sender_id":"BANK"},"message":{}}`

func newVerifying(t *testing.T) verifying {
	t.Chdir(t.TempDir())
	certificate, key := openssl(t, "Bank A")
	return verifying{t, certificate, key}
}

func (v verifying) file(name, content string) string {
	v.Helper()
	path := filepath.Join(v.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		v.Fatal(err)
	}
	return path
}

func (v verifying) sign(body string, options ...string) string {
	v.Helper()
	code, stdout, stderr := command(v.T, body, nil, append([]string{"sign", "--key", v.key}, options...)...)
	if code != 0 {
		v.Fatal(stderr)
	}
	return stdout
}

// verify runs spar verify with the signature on stdin and an environment that no other command could run in.
func (v verifying) verify(body, signature string, options ...string) (int, string, string) {
	v.Helper()
	args := append([]string{"verify", "--certificate", v.certificate, "--body", v.file("body.json", body), "--signature", "-"}, options...)
	return command(v.T, signature, []string{"SPAR_DATABASE__URL=nonsense"}, args...)
}

func TestVerifyCommand(t *testing.T) {
	v := newVerifying(t)
	for name, c := range map[string]struct {
		body, signature string
		options         []string
		code            int
		want            []string
	}{
		"good":          {verifiedBody, v.sign(verifiedBody), []string{"--sender", "BANK"}, 0, []string{"Step A", "Step D", "<- signed", "verified\n", "CN = Bank A|CN=Bank A"}},
		"full":          {verifiedBody, v.sign(verifiedBody, "--full"), nil, 0, []string{"full", "verified\n"}},
		"PS256":         {verifiedBody, v.sign(verifiedBody, "--algorithm", "PS256"), nil, 0, []string{"RSASSA-PSS", "salt", "verified\n"}},
		"PS256 for RS":  {verifiedBody, v.sign(verifiedBody, "--algorithm", "PS256"), []string{"--algorithm", "RS256"}, 1, []string{"NOT verified: algorithm"}},
		"newline sent":  {verifiedBody + "\n", v.sign(verifiedBody), nil, 1, []string{"FAILED", "Hint", "--data-binary", "NOT verified: tampered"}},
		"other payload": {`{"a":2}`, v.sign(`{"a":1}`, "--full"), nil, 1, []string{"at byte 5", `{"a":1}`, `{"a":2}`, "NOT verified: payload_differs"}},
		"other sender":  {verifiedBody, v.sign(verifiedBody), []string{"--sender", "PARTNER-A"}, 1, []string{`"BANK"`, "NOT verified: unknown_sender"}},
		"no sender":     {"{}", v.sign("{}"), nil, 0, []string{"Note", "header.sender_id", "verified\n"}},
		"not JSON":      {"{", v.sign("{"), nil, 0, []string{"Note", "400 err.request.bad", "not strict JSON", "verified\n"}},
		"no signature":  {verifiedBody, "\n", nil, 1, []string{"NOT verified: missing"}},
		"malformed":     {verifiedBody, "a.b", nil, 1, []string{"NOT verified: malformed", "not reached"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := v.verify(c.body, c.signature, c.options...)
			if code != c.code || stderr != "" {
				t.Errorf("status %d, stderr %q; want %d", code, stderr, c.code)
			}
			for _, want := range c.want {
				one, other, _ := strings.Cut(want, "|")
				if !strings.Contains(stdout, one) && (other == "" || !strings.Contains(stdout, other)) {
					t.Errorf("output lacks %q:\n%s", want, stdout)
				}
			}
		})
	}
}

func TestVerifyCommandPrintsJSON(t *testing.T) {
	v := newVerifying(t)
	code, stdout, _ := v.verify(verifiedBody+" ", v.sign(verifiedBody), "--json")
	var result struct {
		Verified bool
		Reason   string
		Steps    []struct {
			Step   string
			Passed bool
			Body   *struct{ Forms []struct{ Hash string } }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if code != 1 || result.Verified || result.Reason != "tampered" || len(result.Steps) != 4 || result.Steps[3].Body == nil || len(result.Steps[3].Body.Forms) != 2 {
		t.Errorf("status %d: %s", code, stdout)
	}
	if code, stdout, _ := v.verify(verifiedBody, v.sign(verifiedBody), "--json"); code != 0 || !strings.Contains(stdout, `"verified": true`) {
		t.Errorf("status %d: %s", code, stdout)
	}
}

// The chain is the host's affair: whether an authority is trusted, only the registry knows.
func TestVerifyCommandWithAnAuthoritysCertificate(t *testing.T) {
	t.Chdir(t.TempDir())
	_, issued := authority(t)
	v := verifying{t, issued, filepath.Join(filepath.Dir(issued), "bank.key")}
	if err := os.Chmod(v.key, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := v.verify(verifiedBody, v.sign(verifiedBody)); code != 0 {
		t.Errorf("status %d: %s%s", code, stdout, stderr)
	}
}

func TestVerifyCommandRefuses(t *testing.T) {
	v := newVerifying(t)
	body := v.file("b", verifiedBody)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--body", body, "--signature", "-"}, 2, "--certificate"},
		{[]string{"--certificate", v.certificate, "--signature", "-"}, 2, "--body"},
		{[]string{"--certificate", "/none", "--body", body, "--signature", "-"}, 1, "/none"},
		{[]string{"--certificate", v.certificate, "--body", "/none", "--signature", "-"}, 1, "/none"},
		{[]string{"--certificate", v.certificate, "--body", body, "--signature", "/none"}, 1, "/none"},
		{[]string{"--certificate", v.key, "--body", body, "--signature", "-"}, 1, "private key"},
		{[]string{"--certificate", v.certificate, "--body", body, "--signature", "-", "--algorithm", "HS256"}, 1, "algorithm"},
	} {
		code, stdout, stderr := command(t, "x", nil, append([]string{"verify"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: status %d, stdout %q, stderr %q", c.args, code, stdout, stderr)
		}
	}
}
