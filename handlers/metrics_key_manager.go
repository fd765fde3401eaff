package handlers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// KeyManager adds the metrics of a key manager elsewhere, and returns what is to be told of every question to it. The
// calls and outcomes are those there are.
func (m *Metrics) KeyManager(calls, outcomes []string) (observe func(call, outcome string, took time.Duration)) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "spar_key_manager_requests_total", Help: "Questions to the key manager elsewhere by how they ended.",
	}, []string{"call", "outcome"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "spar_key_manager_request_duration_seconds", Help: "Time the key manager elsewhere took.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3},
	}, []string{"call"})
	m.registry.MustRegister(requests, duration)
	for _, call := range calls {
		for _, outcome := range outcomes {
			requests.WithLabelValues(call, outcome) // an alert needs the zero before the first failure
		}
	}
	return func(call, outcome string, took time.Duration) {
		requests.WithLabelValues(call, outcome).Inc()
		duration.WithLabelValues(call).Observe(took.Seconds())
	}
}

// WatchBreaker adds whether the key manager elsewhere is being asked, by the state of its circuit breaker.
func (m *Metrics) WatchBreaker(state func() string) {
	for _, name := range []string{"closed", "half-open", "open"} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "spar_key_manager_breaker", Help: "1 for the state of the circuit breaker before the key manager elsewhere.",
			ConstLabels: prometheus.Labels{"state": name},
		}, func() float64 {
			if state() == name {
				return 1
			}
			return 0
		}))
	}
}
