package handlers

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

const readinessTimeout = 2 * time.Second

// Health answers the questions of whoever runs the service, on a listener of its own that the public never reaches.
type Health struct {
	db       *sqlx.DB
	metrics  *Metrics
	log      *slog.Logger
	draining atomic.Bool
}

// NewHealth makes the handlers. Whoever can make one has already loaded the keys, so readiness need not look at them.
func NewHealth(db *sqlx.DB, metrics *Metrics, log *slog.Logger) *Health {
	return &Health{db: db, metrics: metrics, log: log}
}

// Drain makes /readyz fail from now on, so that no new requests are sent here while the last ones are answered.
func (h *Health) Drain() { h.draining.Store(true) }

// Handler serves /healthz, /readyz and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", h.metrics.Handler())
	return mux
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readinessTimeout)
	defer cancel()
	checks := map[string]string{"status": "ready", "database": "ok", "schema": "ok", "keys": "ok"}
	fail := func(check, text string) { checks["status"], checks[check] = "not ready", text }
	if h.draining.Load() {
		fail("server", "shutting down")
	}
	if err := h.db.PingContext(ctx); err != nil {
		h.log.WarnContext(ctx, "not ready: database unreachable", "error", err)
		fail("database", "unreachable")
		fail("schema", "unknown")
	} else if pending, err := migrations.Pending(ctx, h.db); err != nil {
		h.log.WarnContext(ctx, "not ready: schema unknown", "error", err)
		fail("schema", "unknown")
	} else if pending {
		fail("schema", "older than this program")
	}
	status := http.StatusOK
	if checks["status"] != "ready" {
		status = http.StatusServiceUnavailable
	}
	writeHealth(w, status, checks)
}

func writeHealth(w http.ResponseWriter, status int, answer map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller went away; nothing is left to tell it
}
