package handlers

import (
	"context"
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"spar/keymgr"
	"spar/mapper"
	"spar/web"
)

const (
	unmatchedRoute = "unmatched"
	scrapeTimeout  = 3 * time.Second
)

// Metrics are the numbers behind /metrics. Every label comes from a fixed set or is a partner's reference id: never from
// a person, and never from what an unknown caller sent, who could otherwise fill the memory with label values.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	items    *prometheus.CounterVec
	refusals *prometheus.CounterVec
	replays  prometheus.Counter
}

// NewMetrics makes the metrics of one process, with those of the Go runtime and of the database's connections.
func NewMetrics(version string, db *sql.DB) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spar_http_requests_total", Help: "Requests answered by the public listener.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "spar_http_request_duration_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
		}, []string{"route", "method"}),
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spar_mapper_items_total", Help: "Items of partners' batches by their answer; code is empty for a change that was made.",
		}, []string{"action", "status", "code"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spar_signature_refusals_total", Help: "Partners' requests refused because the signature was not proven.",
		}, []string{"reason"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "spar_replays_rejected_total", Help: "Messages refused because their message_id was used before.",
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "spar_build_info", Help: "Always 1; the label says what runs."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.items, m.refusals, m.replays, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewDBStatsCollector(db, "spar"))
	for _, reason := range keymgr.Reasons() {
		m.refusals.WithLabelValues(string(reason)) // an alert needs the zero before the first refusal
	}
	return m
}

// Handler serves the metrics in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 2 * scrapeTimeout, ErrorHandling: promhttp.ContinueOnError})
}

// Served counts and times a request of the public listener; see web.FrontOptions.
func (m *Metrics) Served(s web.Served) {
	route := s.Route
	if route == "" {
		route = unmatchedRoute
	}
	m.requests.WithLabelValues(route, s.Method, strconv.Itoa(s.Status/100)+"xx").Inc()
	m.duration.WithLabelValues(route, s.Method).Observe(s.Duration.Seconds())
}

// Items counts how the items of a batch were answered.
func (m *Metrics) Items(action mapper.Action, results []mapper.Result) {
	type label struct{ status, code string }
	counts := map[label]int{}
	for _, r := range results {
		counts[label{string(r.Status), string(r.Code)}]++
	}
	for l, n := range counts {
		m.items.WithLabelValues(string(action), l.status, l.code).Add(float64(n))
	}
}

// Refused counts a request whose signature was not proven.
func (m *Metrics) Refused(reason keymgr.Reason) { m.refusals.WithLabelValues(string(reason)).Inc() }

// Replayed counts a message whose message_id was used before.
func (m *Metrics) Replayed() { m.replays.Inc() }

// WatchCertificates adds, for every active partner, the days until the last of its certificates expires: the alert that
// lets somebody call the partner in time. It asks the register at each scrape.
func (m *Metrics) WatchCertificates(list func(context.Context) ([]keymgr.Partner, error), now func() time.Time) {
	m.registry.MustRegister(&certificateExpiry{list: list, now: now, desc: prometheus.NewDesc(
		"spar_partner_certificate_expiry_days", "Days until the partner's last certificate expires; negative when it has.", []string{"partner"}, nil,
	)})
}

type certificateExpiry struct {
	list func(context.Context) ([]keymgr.Partner, error)
	now  func() time.Time
	desc *prometheus.Desc
}

func (e *certificateExpiry) Describe(to chan<- *prometheus.Desc) { to <- e.desc }

func (e *certificateExpiry) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	partners, err := e.list(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(e.desc, err)
		return
	}
	for _, p := range partners {
		var last time.Time
		for _, c := range p.Certificates {
			if c.RevokedAt.IsZero() && c.End().After(last) {
				last = c.End()
			}
		}
		if p.Status == keymgr.Active && !last.IsZero() {
			days := last.Sub(e.now()).Hours() / 24
			to <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, days, p.ReferenceID)
		}
	}
}
