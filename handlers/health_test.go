package handlers_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/keymgr"
	"spar/mapper"
	"spar/migrations"
	"spar/migrations/dbtest"
	"spar/web"
)

func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func newHealth(db *sqlx.DB) (*handlers.Health, *handlers.Metrics) {
	metrics := handlers.NewMetrics("v1", db.DB)
	return handlers.NewHealth(db, metrics, slog.New(slog.NewTextHandler(io.Discard, nil))), metrics
}

func TestReadiness(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		health, _ := newHealth(db)
		h := health.Handler()
		if status, body := get(t, h, "/readyz"); status != http.StatusOK || !strings.Contains(body, `"status":"ready"`) {
			t.Errorf("/readyz = %d %s", status, body)
		}
		health.Drain()
		if status, body := get(t, h, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
			t.Errorf("/readyz while draining = %d %s", status, body)
		}
		if status, _ := get(t, h, "/healthz"); status != http.StatusOK {
			t.Errorf("/healthz while draining = %d: it would be killed instead of drained", status)
		}
		db.Close()
		if status, body := get(t, h, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"database":"unreachable"`) {
			t.Errorf("/readyz without a database = %d %s", status, body)
		}
		if status, _ := get(t, h, "/healthz"); status != http.StatusOK {
			t.Errorf("/healthz without a database = %d: a restart would not bring it back", status)
		}
	})
}

func TestReadinessBeforeMigration(t *testing.T) {
	db, err := migrations.Open(t.Context(), dbtest.SQLiteURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	health, _ := newHealth(db)
	if status, body := get(t, health.Handler(), "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "older than this program") {
		t.Errorf("/readyz = %d %s", status, body)
	}
}

func TestMetrics(t *testing.T) {
	db := dbtest.SQLite(t)
	health, metrics := newHealth(db)
	metrics.Served(web.Served{Method: "GET", Route: "/auth/login/:provider", Status: http.StatusSeeOther, Duration: time.Millisecond})
	metrics.Served(web.Served{Method: "GET", Status: http.StatusNotFound})

	metrics.Items(mapper.Resolve, []mapper.Result{{Status: mapper.Succeeded, Code: mapper.IDActive}, {Status: mapper.Succeeded, Code: mapper.IDActive}})
	metrics.Items(mapper.Link, []mapper.Result{{Status: mapper.Succeeded}})
	metrics.Refused(keymgr.Tampered)
	metrics.Replayed()
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	metrics.WatchCertificates(func(context.Context) ([]keymgr.Partner, error) {
		return []keymgr.Partner{
			{ReferenceID: "PARTNER-A", Status: keymgr.Active, Certificates: []keymgr.Certificate{
				{NotAfter: now.Add(48 * time.Hour)}, {NotAfter: now.Add(24 * time.Hour)}, {NotAfter: now.Add(720 * time.Hour), RevokedAt: now},
			}},
			{ReferenceID: "SUSPENDED", Status: keymgr.Suspended, Certificates: []keymgr.Certificate{{NotAfter: now}}},
		}, nil
	}, func() time.Time { return now })
	metrics.WatchCases(func(context.Context) (int, error) { return 3, nil })

	status, body := get(t, health.Handler(), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for _, line := range []string{
		`spar_http_requests_total{method="GET",route="/auth/login/:provider",status="3xx"} 1`,
		`spar_http_requests_total{method="GET",route="unmatched",status="4xx"} 1`,
		`spar_http_request_duration_seconds_count{method="GET",route="/auth/login/:provider"} 1`,
		`spar_mapper_items_total{action="resolve",code="succ.id.active",status="succ"} 2`,
		`spar_mapper_items_total{action="link",code="",status="succ"} 1`,
		`spar_signature_refusals_total{reason="tampered"} 1`,
		`spar_signature_refusals_total{reason="unknown_sender"} 0`,
		`spar_replays_rejected_total 1`,
		`spar_partner_certificate_expiry_days{partner="PARTNER-A"} 2`,
		`spar_cases_open 3`,
		`spar_build_info{version="v1"} 1`,
		`go_goroutines `, `process_open_fds `, `go_sql_open_connections{db_name="spar"} `,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(body, "SUSPENDED") {
		t.Error("a partner that is not active has a certificate to watch")
	}
}

func TestMetricsSurviveTheDatabase(t *testing.T) {
	health, metrics := newHealth(dbtest.SQLite(t))
	metrics.WatchCertificates(func(context.Context) ([]keymgr.Partner, error) { return nil, errors.New("gone") }, time.Now)
	metrics.WatchCases(func(context.Context) (int, error) { return 0, errors.New("gone") })
	if status, body := get(t, health.Handler(), "/metrics"); status != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("status %d", status)
	}
}
