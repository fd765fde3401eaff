package handlers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spar/internal/notices"
)

// Notices adds the metrics of messages to people on the given channels, and returns what is to be told of each.
func (m *Metrics) Notices(channels []string) (observe func(channel, outcome string, n int)) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "spar_notices_total", Help: "Attempts to deliver messages to people by how they ended, and messages given up.",
	}, []string{"channel", "outcome"})
	m.registry.MustRegister(total)
	for _, channel := range channels {
		for _, outcome := range notices.Outcomes() {
			total.WithLabelValues(channel, outcome) // an alert needs the zero before the first failure
		}
	}
	return func(channel, outcome string, n int) { total.WithLabelValues(channel, outcome).Add(float64(n)) }
}

// WatchNotices adds how many messages wait on each channel, and for how long. It asks at each scrape.
func (m *Metrics) WatchNotices(channels []string, waiting func(context.Context) ([]notices.Count, error), now func() time.Time) {
	m.registry.MustRegister(&noticesWaiting{
		channels: channels, waiting: waiting, now: now,
		queued: prometheus.NewDesc("spar_notices_queued", "Messages to people that wait to be delivered.", []string{"channel"}, nil),
		oldest: prometheus.NewDesc("spar_notices_oldest_seconds", "How long the oldest message to people has waited.", []string{"channel"}, nil),
	})
}

type noticesWaiting struct {
	channels       []string
	waiting        func(context.Context) ([]notices.Count, error)
	now            func() time.Time
	queued, oldest *prometheus.Desc
}

func (w *noticesWaiting) Describe(to chan<- *prometheus.Desc) {
	to <- w.queued
	to <- w.oldest
}

func (w *noticesWaiting) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	counts, err := w.waiting(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(w.queued, err)
		return
	}
	for _, channel := range w.channels {
		var queued int64
		var age time.Duration
		for _, c := range counts {
			if c.Channel == channel {
				queued += c.Count
				age = max(age, w.now().Sub(time.UnixMilli(c.Oldest)))
			}
		}
		to <- prometheus.MustNewConstMetric(w.queued, prometheus.GaugeValue, float64(queued), channel)
		to <- prometheus.MustNewConstMetric(w.oldest, prometheus.GaugeValue, age.Seconds(), channel)
	}
}
