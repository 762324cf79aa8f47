package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamdb/streamdb/engine"
)

// collector turns the engine's counters into Prometheus metrics when they are
// asked for; nothing is counted twice.
type collector struct {
	engine      *engine.Engine
	connections func() int
}

// metric is one exported number.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	value      float64
}

// Describe implements prometheus.Collector: the metrics are those of Collect.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics() {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.name, m.help, nil, nil), m.kind, m.value)
	}
}

func (c *collector) metrics() []metric {
	loop, _ := c.engine.Stats()
	seconds := func(ns int64) float64 { return float64(ns) / 1e9 }
	return []metric{
		{"streamdb_connections", "Open client connections.", prometheus.GaugeValue, float64(c.connections())},
		{"streamdb_epochs_total", "Epochs published since the start.", prometheus.CounterValue, float64(loop.Epochs)},
		{"streamdb_rows_total", "Rows taken from sources since the start.", prometheus.CounterValue, float64(loop.Rows)},
		{"streamdb_epoch_cut_seconds_total", "Time spent cutting epochs.", prometheus.CounterValue, seconds(loop.CutNS)},
		{"streamdb_epoch_compute_seconds_total", "Time spent computing epochs.", prometheus.CounterValue, seconds(loop.ComputeNS)},
		{"streamdb_epoch_commit_seconds_total", "Time spent committing epochs.", prometheus.CounterValue, seconds(loop.CommitNS)},
		{"streamdb_commit_retries_total", "Commits that failed before they were durable and were tried again.", prometheus.CounterValue, float64(loop.CommitRetries)},
		{"streamdb_quarantines_total", "Views that were quarantined.", prometheus.CounterValue, float64(loop.Quarantines)},
	}
}
