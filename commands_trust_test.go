package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes a certificate authority with openssl, and a certificate that it issued.
func authority(t *testing.T) (anchor, issued string) {
	t.Helper()
	dir := t.TempDir()
	script := `
openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=National PKI" -days 30 -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=Bank -keyout bank.key -out bank.csr
openssl x509 -req -in bank.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -out bank.pem`
	run := exec.Command("sh", "-ec", script)
	run.Dir = dir
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, output)
	}
	return filepath.Join(dir, "ca.pem"), filepath.Join(dir, "bank.pem")
}

func TestTrustAnchorCommands(t *testing.T) {
	anchor, issued := authority(t)
	eachDatabase(t, func(t *testing.T, environ []string) {
		fails := func(want string, args ...string) {
			t.Helper()
			if code, _, stderr := command(t, "", environ, args...); code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("%v: status %d, stderr %q; want 1 and %q", args, code, stderr, want)
			}
		}
		succeeds := func(args ...string) string {
			t.Helper()
			code, stdout, stderr := command(t, "", environ, args...)
			if code != 0 {
				t.Fatalf("%v: status %d: %s", args, code, stderr)
			}
			return stdout
		}
		fails("does not chain to a trust anchor", "partner", "add", "BANK", "--certificate", issued)
		if out := succeeds("trust-anchor", "add", "--certificate", anchor); !strings.Contains(out, "CN=National PKI") {
			t.Errorf("add: %s", out)
		}
		fails("already registered", "trust-anchor", "add", "--certificate", anchor)
		fails("CA:TRUE", "trust-anchor", "add", "--certificate", issued)
		succeeds("partner", "add", "BANK", "--certificate", issued)
		var anchors []trustAnchorView
		if err := json.Unmarshal([]byte(succeeds("trust-anchor", "list", "--json")), &anchors); err != nil || len(anchors) != 1 {
			t.Fatalf("list: %+v, %v", anchors, err)
		}
		if list := succeeds("trust-anchor", "list"); !strings.Contains(list, colons(anchors[0].Fingerprint)) {
			t.Errorf("list:\n%s", list)
		}
		succeeds("trust-anchor", "remove", "--fingerprint", colons(anchors[0].Fingerprint))
		fails("no such", "trust-anchor", "remove", "--fingerprint", anchors[0].Fingerprint)
	})
}

func TestCertificateAddOptions(t *testing.T) {
	first, _ := openssl(t, "Bank A")
	second, _ := openssl(t, "Bank A")
	third, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		succeeds := func(args ...string) {
			t.Helper()
			if code, _, stderr := command(t, "", environ, args...); code != 0 {
				t.Fatalf("%v: status %d: %s", args, code, stderr)
			}
		}
		for _, wrong := range [][]string{{"--overlap", "soon"}, {"--algorithm"}} {
			if code, _, _ := command(t, "", environ, append([]string{"partner", "certificate", "add", "BANK", "--certificate", second}, wrong...)...); code != 2 {
				t.Errorf("%v: status %d, want 2", wrong, code)
			}
		}
		succeeds("partner", "add", "BANK", "--certificate", first, "--algorithm", "PS256")
		succeeds("partner", "certificate", "add", "BANK", "--certificate", second, "--keep")
		for _, c := range shownPartner(t, environ, "BANK").Certificates {
			if c.ValidTo != nil {
				t.Errorf("after --keep: %+v", c)
			}
		}
		if code, _, stderr := command(t, "", environ, "partner", "certificate", "add", "BANK", "--certificate", third, "--overlap", "31d"); code != 1 || !strings.Contains(stderr, "30 days") {
			t.Errorf("31 days: status %d, %q", code, stderr)
		}
		succeeds("partner", "certificate", "add", "BANK", "--certificate", third, "--overlap", "2d")
		algorithms := map[string]int{}
		for _, c := range shownPartner(t, environ, "BANK").Certificates {
			algorithms[c.Algorithm]++
			if c.ValidTo != nil && (time.Until(*c.ValidTo) > 48*time.Hour || time.Until(*c.ValidTo) < 47*time.Hour) {
				t.Errorf("after --overlap 2d: %+v", c)
			}
			if c.ValidTo != nil {
				algorithms["ending"]++
			}
		}
		if algorithms["PS256"] != 1 || algorithms["RS256"] != 2 || algorithms["ending"] != 2 {
			t.Errorf("certificates: %v", algorithms)
		}
	})
}

func TestConfigurationOfCertificates(t *testing.T) {
	list := filepath.Join(t.TempDir(), "weak.txt")
	if err := os.WriteFile(list, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig("", []string{"SPAR_CERTIFICATES__MAX_VALIDITY=90d", "SPAR_CERTIFICATES__EXTENDED_KEY_USAGES=clientAuth,1.3.6.1.4.1.99999.1"}, false)
	if err != nil || cfg.Certificates.MaxValidity != 90*24*time.Hour || len(cfg.Certificates.ExtendedKeyUsages) != 2 || !cfg.Certificates.AllowSelfSigned {
		t.Errorf("got %+v, %v", cfg.Certificates, err)
	}
	for setting, want := range map[string]string{
		"MAX_VALIDITY=90 days":            "certificates.max_validity",
		"MAX_VALIDITY=1h":                 "certificates.max_validity",
		"CLOCK_SKEW=2h":                   "certificates.clock_skew",
		"RSA_MIN_BITS=1024":               "certificates.rsa_min_bits",
		"RSA_MAX_BITS=16384":              "certificates.rsa_max_bits",
		"EXTENDED_KEY_USAGES=serverAuth":  "certificates.extended_key_usages",
		"ALLOW_SELF_SIGNED=perhaps":       "certificates.allow_self_signed",
		"KNOWN_WEAK_KEYS=" + list:         "certificates.known_weak_keys",
		"KNOWN_WEAK_KEYS=/does/not/exist": "certificates.known_weak_keys",
	} {
		if _, err := loadConfig("", []string{"SPAR_CERTIFICATES__" + setting}, true); err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%s: got %v, want a complaint about %s", setting, err, want)
		}
	}
}
