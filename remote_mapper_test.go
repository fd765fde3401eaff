package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spar/handlers"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

// TestAPortalApartFromTheRegistry runs a second server as a portal only, against a first as the registry.
func TestAPortalApartFromTheRegistry(t *testing.T) {
	t.Chdir(t.TempDir())
	registry := start(t, testConfig(t, dbtest.SQLiteURL(t)))
	cfg := testConfig(t, dbtest.SQLiteURL(t))
	cfg.Mapper.URL = registry.cfg.BaseURL
	portal := start(t, cfg)

	certificate := filepath.Join(cfg.Keys.Dir, portalCertificateFile)
	if !strings.Contains(portal.log.String(), certificate) {
		t.Errorf("the log does not say that %s must be onboarded", certificate)
	}
	links, err := portal.app.mapperOfThePortal()
	if err != nil {
		t.Fatal(err)
	}
	item := mappertest.Item("1", "token:987001@nationalid", "account:1234@001.BANKA.bank_acc")
	if results, err := links.Link(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{item}); err == nil {
		t.Fatalf("a portal that was not onboarded linked %v", results)
	}
	environ := []string{"SPAR_DATABASE__URL=" + registry.cfg.Database.URL, "SPAR_KEYS__DIR=" + registry.cfg.Keys.Dir}
	if code, _, stderr := command(t, "", environ, "partner", "certificate", "add", handlers.SelfService, "--certificate", certificate); code != 0 {
		t.Fatal(stderr)
	}
	deadline := time.Now().Add(5 * time.Second)
	results, err := links.Link(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{item})
	for err != nil && time.Now().Before(deadline) {
		results, err = links.Link(t.Context(), mappertest.By(handlers.SelfService), []mapper.Item{item})
	}
	if err != nil || results[0].Status != mapper.Succeeded {
		t.Fatalf("Link = %v, %v", results, err)
	}
	if changes, err := links.History(t.Context(), "token:987001@nationalid", 5); err != nil || len(changes) != 1 || !changes[0].ByBeneficiary {
		t.Errorf("History = %v, %v", changes, err)
	}
	if lookups, err := links.Lookups(t.Context(), "token:987001@nationalid", 5); err != nil || len(lookups) != 0 {
		t.Errorf("Lookups = %v, %v", lookups, err)
	}
	if here, err := portal.app.service.History(t.Context(), "token:987001@nationalid", 5); err != nil || len(here) != 0 {
		t.Errorf("the portal's own database has %v, %v", here, err)
	}
	for path, want := range map[string]int{"/": http.StatusOK, "/mapper/sync/resolve": http.StatusNotFound, handlers.JWKSPath: http.StatusNotFound, handlers.OpenAPIPath: http.StatusNotFound} {
		if status, _ := portal.get(portal.cfg.BaseURL, path); status != want {
			t.Errorf("%s on the portal = %d, want %d", path, status, want)
		}
	}
}
