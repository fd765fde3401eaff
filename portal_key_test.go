package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

func TestPortalKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		now := time.Now()
		register := keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), func() time.Time { return now })
		path := filepath.Join(t.TempDir(), "keys", portalKeyFile)
		open := func() (bool, error) { t.Helper(); return openPortalKey(t.Context(), register, path, now) }
		certificates := func() []keymgr.Certificate {
			t.Helper()
			p, err := register.Get(t.Context(), handlers.SelfService)
			if err != nil {
				t.Fatal(err)
			}
			return p.Certificates
		}

		if created, err := open(); err != nil || !created {
			t.Fatalf("first start: created %v, error %v", created, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key file: %v, %v", info, err)
		}
		if created, err := open(); err != nil || created || len(certificates()) != 1 {
			t.Errorf("second start: created %v, error %v, %d certificates", created, err, len(certificates()))
		}

		kept := path + ".kept"
		if err := os.Rename(path, kept); err != nil {
			t.Fatal(err)
		}
		if _, err := open(); err == nil || !strings.Contains(err.Error(), "restore it from the backup") {
			t.Errorf("missing key: error %v", err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("a lost key was replaced by a new one")
		}
		if _, _, err := keymgr.LoadOrCreateKey(path); err != nil {
			t.Fatal(err)
		}
		if _, err := open(); err == nil || !strings.Contains(err.Error(), "is not the key that partner") {
			t.Errorf("foreign key: error %v", err)
		}

		if err := os.Rename(kept, path); err != nil {
			t.Fatal(err)
		}
		now = now.Add(portalCertificateLifetime - portalCertificateRenewal)
		if _, err := open(); err != nil || len(certificates()) != 2 {
			t.Errorf("near the certificate's end: error %v, %d certificates, want 2", err, len(certificates()))
		}

		for _, c := range certificates() {
			if err := register.RevokeCertificate(t.Context(), audittest.By, handlers.SelfService, c.Fingerprint); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := open(); err == nil || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("revoked key: error %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if created, err := open(); err != nil || !created {
			t.Errorf("new key in place of a revoked one: created %v, error %v", created, err)
		}
	})
}
