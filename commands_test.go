package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"spar/migrations/dbtest"
)

// command runs one command line as the shell would.
func command(t *testing.T, stdin string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, environ, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // parts
	}{
		{"version", []string{"version"}, 0, "spar development", ""},
		{"help", []string{"--help"}, 0, "Usage: spar", ""},
		{"help of a command", []string{"migrate", "up", "--help"}, 0, "Example: spar migrate up", ""},
		{"no command", nil, 2, "", "expected"},
		{"unknown command", []string{"frobnicate"}, 2, "", "frobnicate"},
		{"unknown flag", []string{"version", "--loud"}, 2, "", "--loud"},
		{"missing configuration", []string{"config", "check", "--config", "/none/spar.yaml"}, 1, "", "/none/spar.yaml"},
		{"names twice in the configuration", []string{"config", "check", "--config", configFile(t, "listen: a\nlisten: b\n")}, 1, "", "already defined"},
		{"database out of reach", []string{"migrate", "status", "--config", configFile(t, "database: {url: 'postgres://spar@localhost:1/spar'}\n")}, 1, "", "connect"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := command(t, "", nil, test.args...)
			if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
				t.Errorf("status %d, want %d\nstdout: %s\nstderr: %s", code, test.code, stdout, stderr)
			}
			if test.code != 0 && strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr is not one line: %q", stderr)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	code, stdout, _ := command(t, "", []string{"SPAR_CONFIG=" + configFile(t, full)}, "config", "check")
	if code != 0 || !strings.HasPrefix(stdout, "ok\n") || strings.Contains(stdout, "staff-secret") {
		t.Errorf("status %d, output %s", code, stdout)
	}
	code, stdout, stderr := command(t, "", nil, "config", "check", "--config", configFile(t, "a: 1\nb: 2\n"))
	if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 3 {
		t.Errorf("status %d, stdout %q, stderr %q; want 1, nothing, three lines", code, stdout, stderr)
	}
}

func TestMigrate(t *testing.T) {
	t.Chdir(t.TempDir()) // no spar.yaml
	urls := map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "new", "spar.db")}
	if dbtest.HasPostgreSQL(t) {
		urls["postgres"] = dbtest.PostgreSQLURL(t)
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			environ := []string{"SPAR_DATABASE__URL=" + url}
			if code, stdout, stderr := command(t, "", environ, "migrate", "status"); code != 0 || !strings.Contains(stdout, "pending") {
				t.Fatalf("status before: %d\n%s%s", code, stdout, stderr)
			}
			if code, stdout, stderr := command(t, "", environ, "migrate", "up"); code != 0 || strings.HasPrefix(stdout, "0 ") {
				t.Fatalf("up: %d\n%s%s", code, stdout, stderr)
			}
			if code, stdout, _ := command(t, "", environ, "migrate", "status"); code != 0 || strings.Contains(stdout, "pending") {
				t.Errorf("status after: %d\n%s", code, stdout)
			}
			if code, stdout, _ := command(t, "", environ, "migrate", "up"); code != 0 || stdout != "0 migrations applied\n" {
				t.Errorf("second up: %d %q", code, stdout)
			}
		})
	}
}
