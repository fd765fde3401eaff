package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestNoticesTest(t *testing.T) {
	status, got := http.StatusOK, ""
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.FormValue("to") + " " + r.FormValue("text")
		w.WriteHeader(status)
	}))
	defer gateway.Close()
	environ := []string{
		"SPAR_NOTICES__SMS__URL=" + gateway.URL, "SPAR_NOTICES__SMS__SECRET=marker", "SPAR_NOTICES__SMS__FORMAT=form",
		"SPAR_NOTICES__SMS__FIELDS__TO={number}", "SPAR_NOTICES__SMS__FIELDS__TEXT={text}",
	}
	t.Chdir(t.TempDir())
	code, stdout, stderr := command(t, "", environ, "notices", "test", "--sms", "+12025550101")
	if code != exitOK || stdout != "sms: the message was taken\n" || !strings.HasPrefix(got, "+12025550101 This is a test message.") {
		t.Errorf("%d %q %q; sent %q", code, stdout, stderr, got)
	}
	status = http.StatusUnauthorized
	code, _, stderr = command(t, "", environ, "notices", "test", "--sms", "+12025550101")
	if code != exitFailed || !strings.Contains(stderr, "setup, code 401") || strings.Contains(stderr, "marker") {
		t.Errorf("%d %q", code, stderr)
	}
	if code, _, stderr = command(t, "", environ, "notices", "test", "--email", "a@example.org"); code != exitFailed || !strings.Contains(stderr, "notices.email.url") {
		t.Errorf("%d %q", code, stderr)
	}
	if code, _, _ = command(t, "", environ, "notices", "test"); code != exitUsage {
		t.Errorf("exit status %d without a recipient", code)
	}
	if code, stdout, _ = command(t, "", environ, "config", "check"); strings.Contains(stdout, "marker") {
		t.Errorf("%d: the secret is shown: %s", code, stdout)
	}
}
