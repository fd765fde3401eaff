package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spar/migrations/dbtest"
)

// openssl makes a key and a self-signed certificate as a partner would.
func openssl(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	run := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN="+name, "-days", "30", "-keyout", key, "-out", certificate)
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, output)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// eachDatabase runs a test with the environment of a migrated, otherwise empty database.
func eachDatabase(t *testing.T, test func(t *testing.T, environ []string)) {
	t.Chdir(t.TempDir()) // no spar.yaml
	migrated := func(t *testing.T, url string) []string {
		environ := []string{"SPAR_DATABASE__URL=" + url, "SPAR_KEYS__DIR=" + t.TempDir()}
		if code, _, stderr := command(t, "", environ, "migrate", "up"); code != 0 {
			t.Fatal(stderr)
		}
		return environ
	}
	t.Run("sqlite", func(t *testing.T) { test(t, migrated(t, dbtest.SQLiteURL(t))) })
	if dbtest.HasPostgreSQL(t) {
		t.Run("postgres", func(t *testing.T) { test(t, migrated(t, dbtest.PostgreSQLURL(t))) })
	}
}

func shownPartner(t *testing.T, environ []string, reference string) partnerView {
	t.Helper()
	code, stdout, stderr := command(t, "", environ, "partner", "show", reference, "--json")
	if code != 0 {
		t.Fatalf("show: %d %s", code, stderr)
	}
	var view partnerView
	if err := json.Unmarshal([]byte(stdout), &view); err != nil {
		t.Fatal(err)
	}
	return view
}

func TestPartnerCommands(t *testing.T) {
	first, _ := openssl(t, "Bank A")
	second, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		must := func(args ...string) string {
			t.Helper()
			code, stdout, stderr := command(t, "", environ, args...)
			if code != 0 {
				t.Fatalf("%v: status %d: %s", args, code, stderr)
			}
			return stdout
		}
		must("partner", "add", "PARTNER-A", "--name", "Bank A", "--certificate", first, "--permit", "resolve,details",
			"--callback-url", "https://a.example.org/cb", "--fa-provider", "BANKA", "--fa-provider", "BANKB")
		p := shownPartner(t, environ, "PARTNER-A")
		if p.Name != "Bank A" || p.Status != "active" || len(p.Permissions) != 2 || p.CallbackURL != "https://a.example.org/cb" ||
			strings.Join(p.FAProviders, " ") != "BANKA BANKB" || len(p.Certificates) != 1 || p.Certificates[0].State != "valid" {
			t.Fatalf("added: %+v", p)
		}

		must("partner", "suspend", "PARTNER-A")
		if p := shownPartner(t, environ, "PARTNER-A"); p.Status != "suspended" {
			t.Errorf("after suspend: %s", p.Status)
		}
		must("partner", "activate", "PARTNER-A")
		must("partner", "permit", "PARTNER-A", "--permit", "link,unlink")
		if p := shownPartner(t, environ, "PARTNER-A"); p.Status != "active" || len(p.Permissions) != 2 || p.Permissions[0] != "link" {
			t.Errorf("after permit: %+v", p)
		}
		must("partner", "permit", "PARTNER-A", "--permit", "")
		if p := shownPartner(t, environ, "PARTNER-A"); len(p.Permissions) != 0 {
			t.Errorf("after permit of nothing: %v", p.Permissions)
		}

		must("partner", "certificate", "add", "PARTNER-A", "--certificate", second)
		must("partner", "certificate", "revoke", "PARTNER-A", "--fingerprint", colons(p.Certificates[0].Fingerprint))
		states := map[string]int{}
		for _, c := range shownPartner(t, environ, "PARTNER-A").Certificates {
			states[c.State]++
		}
		if states["valid"] != 1 || states["revoked"] != 1 {
			t.Errorf("certificates after rotation: %v", states)
		}

		must("partner", "add", "PARTNER-B", "--draft")
		list := must("partner", "list")
		if !strings.Contains(list, "PARTNER-A") || !strings.Contains(list, "draft") || strings.Count(list, "\n") != 3 {
			t.Errorf("list:\n%s", list)
		}
		if show := must("partner", "show", "PARTNER-A"); !strings.Contains(show, colons(p.Certificates[0].Fingerprint)) {
			t.Errorf("show:\n%s", show)
		}
		var views []partnerView
		if err := json.Unmarshal([]byte(must("partner", "list", "--json")), &views); err != nil || len(views) != 2 {
			t.Errorf("list --json: %d partners, %v", len(views), err)
		}
	})
}

func TestPartnerCommandsRefuse(t *testing.T) {
	certificate, key := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		if code, _, stderr := command(t, "", environ, "partner", "add", "PARTNER-A", "--certificate", certificate); code != 0 {
			t.Fatal(stderr)
		}
		for _, test := range []struct {
			name string
			args []string
			code int
			want string
		}{
			{"no reference id", []string{"add"}, 2, "reference-id"},
			{"no certificate", []string{"add", "PARTNER-B"}, 2, "--certificate is missing"},
			{"unknown permission", []string{"add", "PARTNER-B", "--draft", "--permit", "resolve,steal"}, 2, "steal"},
			{"no permissions flag", []string{"permit", "PARTNER-A"}, 2, "--permit"},
			{"a certificate that is not there", []string{"add", "PARTNER-B", "--certificate", "/none.pem"}, 1, "/none.pem"},
			{"a private key for a certificate", []string{"add", "PARTNER-B", "--certificate", key}, 1, "private key"},
			{"the same partner again", []string{"add", "PARTNER-A", "--draft"}, 1, "already registered"},
			{"a partner of a like name", []string{"add", "partner_a", "--draft"}, 1, "PARTNER-A"},
			{"another partner's certificate", []string{"add", "PARTNER-B", "--certificate", certificate}, 1, "another partner"},
			{"an unknown partner", []string{"show", "NOBODY"}, 1, "NOBODY"},
			{"suspending an unknown partner", []string{"suspend", "NOBODY"}, 1, "no such partner"},
			{"a fingerprint that is none", []string{"certificate", "revoke", "PARTNER-A", "--fingerprint", "12"}, 1, "SHA-256"},
		} {
			t.Run(test.name, func(t *testing.T) {
				code, _, stderr := command(t, "", environ, append([]string{"partner"}, test.args...)...)
				if code != test.code || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("status %d, stderr %q; want %d and one line with %q", code, stderr, test.code, test.want)
				}
			})
		}
	})
}

func TestPartnerCommandsNeedAMigratedDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, stderr := command(t, "", []string{"SPAR_DATABASE__URL=" + dbtest.SQLiteURL(t)}, "partner", "list")
	if code != 1 || !strings.Contains(stderr, "spar migrate up") {
		t.Errorf("status %d, stderr %q", code, stderr)
	}
}
