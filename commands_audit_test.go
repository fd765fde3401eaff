package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spar/migrations"
	"spar/migrations/dbtest"
)

func TestAuditCommands(t *testing.T) {
	url := dbtest.SQLiteURL(t)
	environ := []string{"SPAR_DATABASE__URL=" + url, "SPAR_KEYS__DIR=" + t.TempDir(), "SUDO_USER=alice"}
	spar := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := command(t, "", environ, args...)
		if code != want {
			t.Fatalf("spar %s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, stdout, stderr)
		}
		return stdout, stderr
	}
	spar(0, "migrate", "up")
	if _, stderr := spar(1, "audit", "verify"); !strings.Contains(stderr, "key of the audit log") {
		t.Errorf("without a log: %s", stderr)
	}
	if _, stderr := spar(0, "partner", "add", "BANK-A", "--draft", "--permit", "resolve"); !strings.Contains(stderr, "back it up") {
		t.Errorf("the new key was not mentioned: %s", stderr)
	}
	spar(0, "partner", "permit", "BANK-A", "--permit", "resolve,link")
	stdout, _ := spar(0, "audit", "verify")
	if !strings.HasPrefix(stdout, "3 events are in order; the last one is 3:") {
		t.Errorf("verify: %s", stdout)
	}
	noted := strings.TrimSpace(stdout[strings.Index(stdout, "3:"):])
	spar(0, "audit", "verify", "--noted", noted)
	spar(2, "audit", "verify", "--noted", "3:abc")

	stdout, _ = spar(0, "audit", "list", "--partner", "BANK-A", "--json")
	var events []auditView
	if err := json.Unmarshal([]byte(stdout), &events); err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v: %s", len(events), err, stdout)
	}
	if e := events[0]; e.Action != "partner.permit" || e.Before != "resolve" || e.After != "resolve,link" || e.ActorKind != "command" || !strings.HasSuffix(e.Actor, " for alice") {
		t.Errorf("%+v", e)
	}
	if stdout, _ := spar(0, "audit", "list"); strings.Count(stdout, "\n") != 4 {
		t.Errorf("list: %s", stdout)
	}
	if stdout, _ := spar(0, "audit", "list", "--csv", "--action", "partner."); strings.Count(stdout, "\n") != 3 {
		t.Errorf("csv: %s", stdout)
	}
	spar(2, "audit", "list", "--csv", "--json")

	db, err := migrations.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{`DROP TRIGGER audit_events_no_update`, `UPDATE audit_events SET after_value = 'resolve,lynk' WHERE seq = 3`} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr := spar(1, "audit", "verify")
	if stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "(edited): event 3 is not what was written") {
		t.Errorf("verify an edited log: %s%s", stdout, stderr)
	}
}

// Without its key nothing can be audited, and so nothing changed, until somebody says that it is lost.
func TestAuditRestartAfterALostKey(t *testing.T) {
	keys := t.TempDir()
	environ := []string{"SPAR_DATABASE__URL=" + dbtest.SQLiteURL(t), "SPAR_KEYS__DIR=" + keys}
	spar := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, "", environ, args...)
		if code != want {
			t.Fatalf("spar %s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, stdout, stderr)
		}
		return stdout
	}
	spar(0, "migrate", "up")
	spar(0, "partner", "add", "BANK-A", "--draft")
	if err := os.Remove(filepath.Join(keys, "audit.keyset.json")); err != nil {
		t.Fatal(err)
	}
	spar(1, "partner", "add", "BANK-B", "--draft")
	spar(1, "audit", "verify")
	spar(2, "audit", "restart")
	if stdout := spar(0, "audit", "restart", "--reason", "the key was lost"); !strings.Contains(stdout, "audit_events_until_") {
		t.Errorf("restart: %s", stdout)
	}
	spar(0, "partner", "add", "BANK-B", "--draft")
	if stdout := spar(0, "audit", "verify"); !strings.HasPrefix(stdout, "2 events are in order") {
		t.Errorf("verify: %s", stdout)
	}
	if stdout := spar(0, "audit", "list"); !strings.Contains(stdout, "the key was lost") || !strings.Contains(stdout, "old_head=2:") {
		t.Errorf("list: %s", stdout)
	}
}
