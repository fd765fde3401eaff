package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"spar/internal/audit"
	"spar/keymgr"
)

// pendingChanges is what spar partner pending prints.
func pendingChanges(t *testing.T, environ []string) []pendingView {
	t.Helper()
	code, stdout, stderr := command(t, "", environ, "partner", "pending", "--json")
	if code != 0 {
		t.Fatal(stderr)
	}
	var views []pendingView
	if err := json.Unmarshal([]byte(stdout), &views); err != nil {
		t.Fatal(err)
	}
	return views
}

func TestCommandsPrepareWhereTwoPersonsAreWanted(t *testing.T) {
	first, _ := openssl(t, "Bank A")
	second, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		one := environ
		environ = append(environ[:len(environ):len(environ)], "SPAR_ONBOARDING__TWO_PERSON=true")
		prepares := func(args ...string) {
			t.Helper()
			code, stdout, stderr := command(t, "", environ, append([]string{"partner"}, args...)...)
			if code != 0 || !strings.Contains(stdout, "prepared as ") {
				t.Fatalf("%v: status %d, %q, %q", args, code, stdout, stderr)
			}
		}
		prepares("add", "BANK", "--certificate", first, "--permit", "resolve")
		if p := shownPartner(t, environ, "BANK"); p.Status != "draft" || len(p.Certificates) != 1 {
			t.Errorf("added: %+v", p)
		}
		pending := pendingChanges(t, environ)
		if len(pending) != 1 || pending[0].Kind != keymgr.ChangeActivate || pending[0].ReferenceID != "BANK" {
			t.Fatalf("pending: %+v", pending)
		}
		if code, _, stderr := command(t, "", environ, "partner", "approve", pending[0].ID); code != 1 || !strings.Contains(stderr, "cannot approve it") {
			t.Errorf("approved by the same: status %d, %q", code, stderr)
		}
		if code, _, stderr := command(t, "", environ, "partner", "withdraw", pending[0].ID); code != 0 || len(pendingChanges(t, environ)) != 0 {
			t.Errorf("withdraw: status %d, %q", code, stderr)
		}

		if code, _, stderr := command(t, "", one, "partner", "activate", "BANK"); code != 0 { // before two were wanted
			t.Fatal(stderr)
		}
		prepares("permit", "BANK", "--permit", "resolve,link")
		prepares("certificate", "add", "BANK", "--certificate", second, "--overlap", "1d")
		pending = pendingChanges(t, environ)
		if len(pending) != 2 || pending[0].Settings == nil || len(pending[0].Settings.Permissions) != 2 || pending[1].Fingerprint == "" {
			t.Errorf("pending: %+v", pending)
		}
		if _, table, _ := command(t, "", environ, "partner", "pending"); strings.Count(table, "\n") != 3 || !strings.Contains(table, "may resolve,link") {
			t.Errorf("pending:\n%s", table)
		}
		if p := shownPartner(t, environ, "BANK"); len(p.Permissions) != 1 || len(p.Certificates) != 1 {
			t.Errorf("changed without approval: %+v", p)
		}
		for _, args := range [][]string{{"suspend", "BANK"}, {"permit", "BANK", "--permit", ""}} {
			if code, stdout, stderr := command(t, "", environ, append([]string{"partner"}, args...)...); code != 0 || strings.Contains(stdout, "prepared") {
				t.Errorf("%v: status %d, %q, %q", args, code, stdout, stderr)
			}
		}
	})
}

func TestCommandApprovesWhatStaffPrepared(t *testing.T) {
	certificate, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		if code, _, stderr := command(t, "", environ, "partner", "add", "BANK", "--certificate", certificate, "--draft"); code != 0 {
			t.Fatal(stderr)
		}
		id := staffPrepares(t, environ, "BANK")
		if code, stdout, stderr := command(t, "", environ, "partner", "approve", id); code != 0 || !strings.Contains(stdout, "BANK") {
			t.Errorf("status %d, %q, %q", code, stdout, stderr)
		}
		if p := shownPartner(t, environ, "BANK"); p.Status != "active" {
			t.Errorf("approved: %s", p.Status)
		}
		if code, _, stderr := command(t, "", environ, "partner", "approve", id); code != 1 || !strings.Contains(stderr, "already") {
			t.Errorf("again: status %d, %q", code, stderr)
		}
	})
}

// staffPrepares prepares an activation as the page of the administration does.
func staffPrepares(t *testing.T, environ []string, reference string) (id string) {
	t.Helper()
	c := &console{ctx: t.Context(), environ: environ, stdout: io.Discard, stderr: io.Discard}
	if err := c.changeRegister(func(register *keymgr.Register) error {
		by := audit.Actor{Kind: audit.Staff, ID: "staff:ann"}
		prepared, err := register.Prepare(t.Context(), by, keymgr.Change{Reference: reference, Kind: keymgr.ChangeActivate})
		id = prepared.ID
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}
