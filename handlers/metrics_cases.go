package handlers

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// WatchCases adds how many people wait for staff, without payments. It asks at each scrape.
func (m *Metrics) WatchCases(open func(context.Context) (int, error)) {
	m.registry.MustRegister(&openCases{open: open, desc: prometheus.NewDesc(
		"spar_cases_open", "Changes that people reported and staff have not settled.", nil, nil,
	)})
}

type openCases struct {
	open func(context.Context) (int, error)
	desc *prometheus.Desc
}

func (o *openCases) Describe(to chan<- *prometheus.Desc) { to <- o.desc }

func (o *openCases) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	n, err := o.open(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(o.desc, err)
		return
	}
	to <- prometheus.MustNewConstMetric(o.desc, prometheus.GaugeValue, float64(n))
}
