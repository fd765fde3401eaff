package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/mosip/mosiptest"
)

// longCertificate makes a key and a certificate that a key manager still uses.
func longCertificate(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	run := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN="+name, "-days", "365", "-keyout", key, "-out", certificate)
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, output)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func keyManagerEnviron(environ []string, double *mosiptest.Server) []string {
	c := double.Config()
	return append(environ, mosipEnviron("SPAR_KEY_MANAGER__URL="+c.URL, "SPAR_KEY_MANAGER__TOKEN_URL="+c.TokenURL,
		"SPAR_KEY_MANAGER__CLIENT_ID="+c.ClientID, "SPAR_KEY_MANAGER__CLIENT_SECRET="+c.ClientSecret)...)
}

// TestOnboardingWithAKeyManager: the first certificate goes there at once, the next when the operator says so.
func TestOnboardingWithAKeyManager(t *testing.T) {
	first, _ := longCertificate(t, "Bank A")
	second, _ := longCertificate(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		double := mosiptest.Start(t)
		environ = keyManagerEnviron(environ, double)
		must := func(args ...string) string {
			t.Helper()
			code, stdout, stderr := command(t, "", environ, args...)
			if code != 0 {
				t.Fatalf("%v: status %d: %s", args, code, stderr)
			}
			return stdout
		}
		if out := must("partner", "add", "PARTNER-A", "--certificate", first, "--permit", "resolve"); !strings.Contains(out, "is in the key manager, which stops using it on") ||
			!strings.Contains(out, "30 days before its end") {
			t.Errorf("add said:\n%s", out)
		}
		added := must("partner", "certificate", "add", "PARTNER-A", "--certificate", second)
		if !strings.Contains(added, "spar partner certificate upload PARTNER-A --fingerprint ") || len(double.Calls("uploadOtherDomainCertificate")) != 1 {
			t.Errorf("certificate add said:\n%s", added)
		}
		held := func() (list []bool) {
			for _, c := range shownPartner(t, environ, "PARTNER-A").Certificates {
				list = append(list, *c.InKeyManager)
			}
			return list
		}
		if got := held(); len(got) != 2 || !got[0] || got[1] {
			t.Errorf("in the key manager before the upload: %v", got)
		}
		must("partner", "certificate", "upload", "PARTNER-A")
		if got := held(); len(got) != 2 || got[0] || !got[1] {
			t.Errorf("in the key manager after the upload: %v", got)
		}
		if out := must("partner", "show", "PARTNER-A"); !strings.Contains(out, ", not in the key manager") || !strings.Contains(out, ", in the key manager, which stops using it on") {
			t.Errorf("show:\n%s", out)
		}
		if made := double.Generated(); len(made) != 0 {
			t.Errorf("made the key manager generate keys for %v", made)
		}
	})
}

// TestOnboardingWithAKeyManagerThatFails: the operator is told what is and what is not, and how to go on.
func TestOnboardingWithAKeyManagerThatFails(t *testing.T) {
	certificate, _ := longCertificate(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		double := mosiptest.Start(t)
		environ = keyManagerEnviron(environ, double)
		double.Misbehave("uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-034"))
		code, _, stderr := command(t, "", environ, "partner", "add", "PARTNER-A", "--certificate", certificate)
		if code != 1 || !strings.Contains(stderr, "registered here but did not reach the key manager") || !strings.Contains(stderr, "KER-KMS-034 (the key manager made a key pair of its own") ||
			!strings.Contains(stderr, "spar partner certificate upload PARTNER-A --fingerprint") {
			t.Errorf("status %d: %s", code, stderr)
		}
		double.Behave()
		if code, _, stderr := command(t, "", environ, "partner", "certificate", "upload", "PARTNER-A"); code != 0 {
			t.Errorf("upload again: %d %s", code, stderr)
		}
		if code, _, stderr := command(t, "", environ, "partner", "certificate", "upload", "NOBODY"); code != 1 || !strings.Contains(stderr, "no such partner") {
			t.Errorf("upload of nobody: %d %s", code, stderr)
		}
		if code, _, stderr := command(t, "", environ, "partner", "certificate", "upload", "PARTNER-A", "--fingerprint", "x"); code != 1 || !strings.Contains(stderr, "fingerprint") {
			t.Errorf("upload of no fingerprint: %d %s", code, stderr)
		}
		local := append(environ, "SPAR_KEY_MANAGER__MODE=local")
		if code, _, stderr := command(t, "", local, "partner", "certificate", "upload", "PARTNER-A"); code != 1 || !strings.Contains(stderr, "there is no key manager") {
			t.Errorf("upload without a key manager: %d %s", code, stderr)
		}
		for _, secret := range append(double.Tokens(), mosiptest.ClientSecret) {
			if strings.Contains(stderr, secret) {
				t.Error("the message repeats a secret")
			}
		}
	})
}

// TestServeWithAKeyManager: a running registry asks it, and neither its silence nor a partner it never heard of gets anybody in.
func TestServeWithAKeyManager(t *testing.T) {
	certificate, key := longCertificate(t, "Bank A")
	_, stranger := longCertificate(t, "Nobody")
	eachConfig(t, func(t *testing.T, cfg Config) {
		double := mosiptest.Start(t)
		c := double.Config()
		cfg.KeyManager.Mode, cfg.KeyManager.URL, cfg.KeyManager.TokenURL = keyManagerMOSIP, c.URL, c.TokenURL
		cfg.KeyManager.ClientID, cfg.KeyManager.ClientSecret = c.ClientID, c.ClientSecret
		r := start(t, cfg)
		environ := keyManagerEnviron([]string{"SPAR_DATABASE__URL=" + cfg.Database.URL, "SPAR_KEYS__DIR=" + cfg.Keys.Dir}, double)
		if code, _, stderr := command(t, "", environ, "partner", "add", "PARTNER-A", "--certificate", certificate, "--permit", "resolve"); code != 0 {
			t.Fatal(stderr)
		}
		deadline := time.Now().Add(5 * time.Second)
		status, answer := 0, ""
		for status != http.StatusOK && time.Now().Before(deadline) {
			status, answer = r.post(key, signedResolve("PARTNER-A"))
		}
		asked := len(double.Calls("jwtVerify"))
		if status != http.StatusOK || asked != 1 {
			t.Fatalf("a good call: %d %s, after %d questions", status, answer, asked)
		}
		for _, sender := range []string{"PARTNER-A", "NOBODY"} {
			if status, answer := r.post(stranger, signedResolve(sender)); status != http.StatusUnauthorized {
				t.Errorf("a stranger as %s: %d %s", sender, status, answer)
			}
		}
		if n := len(double.Calls("jwtVerify")); n != asked {
			t.Errorf("strangers caused %d questions", n-asked)
		}
		double.Misbehave("jwtVerify", mosiptest.Answer(http.StatusInternalServerError, "text/html", "down"))
		for range 7 {
			if status, answer := r.post(key, signedResolve("PARTNER-A")); status != http.StatusServiceUnavailable {
				t.Errorf("while it is down: %d %s", status, answer)
			}
		}
		_, metrics := r.get(r.ops(), "/metrics")
		for _, line := range []string{
			`spar_key_manager_requests_total{call="jwtVerify",outcome="ok"} 1`, `spar_key_manager_requests_total{call="jwtVerify",outcome="unavailable"} 5`,
			`spar_key_manager_requests_total{call="jwtVerify",outcome="skipped"} 2`, `spar_key_manager_breaker{state="open"} 1`,
			`spar_signature_refusals_total{reason="` + string(keymgr.Disagreement) + `"} 0`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
		for _, secret := range append(double.Tokens(), mosiptest.ClientSecret) {
			if strings.Contains(r.log.String(), secret) {
				t.Error("the log holds a secret")
			}
		}
	})
}
