package httpapi

import (
	"strconv"

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
	labels     []string // names and values in turn
}

// Describe implements prometheus.Collector: the metrics are those of Collect.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics() {
		var names, values []string
		for i := 0; i < len(m.labels); i += 2 {
			names, values = append(names, m.labels[i]), append(values, m.labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.name, m.help, names, nil), m.kind, m.value, values...)
	}
	ch <- c.epochSeconds()
}

func (c *collector) metrics() []metric {
	out := []metric{gauge("streamdb_connections", "Open client connections.", float64(c.connections()))}
	out = append(out, c.loopMetrics()...)
	out = append(out, c.storageMetrics()...)
	out = append(out, c.sourceMetrics()...)
	return append(out, c.viewMetrics()...)
}

func gauge(name, help string, value float64, labels ...string) metric {
	return metric{name, help, prometheus.GaugeValue, value, labels}
}

func counter(name, help string, value float64, labels ...string) metric {
	return metric{name, help, prometheus.CounterValue, value, labels}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// loopMetrics are the counters of the epoch loop.
func (c *collector) loopMetrics() []metric {
	s, _ := c.engine.Stats()
	return []metric{
		gauge("streamdb_epoch", "The last published epoch.", float64(c.engine.Epoch())),
		counter("streamdb_epochs_total", "Epochs published since the start.", float64(s.Epochs)),
		counter("streamdb_rows_total", "Rows taken from sources since the start.", float64(s.Rows)),
		counter("streamdb_epoch_cut_seconds_total", "Time spent cutting epochs.", seconds(s.CutNS)),
		counter("streamdb_epoch_compute_seconds_total", "Time spent computing epochs.", seconds(s.ComputeNS)),
		counter("streamdb_epoch_commit_seconds_total", "Time spent committing epochs.", seconds(s.CommitNS)),
		counter("streamdb_commit_retries_total", "Commits that failed before they were durable and were tried again.", float64(s.CommitRetries)),
		counter("streamdb_quarantines_total", "Views that were quarantined.", float64(s.Quarantines)),
		counter("streamdb_rebuilds_total", "Views that were built again, after damage or by ALTER MATERIALIZED VIEW.", float64(s.Rebuilds)),
		counter("streamdb_detachments_total", "Views that were detached: they took more than their share of an epoch.", float64(s.Detachments)),
		gauge("streamdb_views_detached", "Views that are detached.", float64(s.Detached)),
		gauge("streamdb_subscriptions", "Open subscriptions.", float64(s.Subscrs)),
	}
}

// epochSeconds is the histogram of the epochs' durations.
func (c *collector) epochSeconds() prometheus.Metric {
	s, _ := c.engine.Stats()
	buckets := map[float64]uint64{}
	total := uint64(0)
	for i, bound := range engine.EpochBuckets() {
		total += uint64(s.Histogram[i])
		buckets[bound.Seconds()] = total
	}
	desc := prometheus.NewDesc("streamdb_epoch_seconds", "Duration of epochs.", nil, nil)
	return prometheus.MustNewConstHistogram(desc, uint64(s.Epochs), seconds(s.EpochNS), buckets)
}

// storageMetrics are the sizes and counters of the store.
func (c *collector) storageMetrics() []metric {
	_, s := c.engine.Stats()
	return []metric{
		gauge("streamdb_storage_memory_bytes", "Memory of the row table, outside of the Go heap.", float64(s.MemoryBytes+s.IndexBytes)),
		gauge("streamdb_storage_log_bytes", "Bytes that the log occupies.", float64(s.Log)),
		counter("streamdb_storage_rows_total", "Rows written by commits.", float64(s.Rows)),
		counter("streamdb_storage_misses_total", "Keys that were not in the row table.", float64(s.Misses)),
		counter("streamdb_storage_flushed_bytes_total", "Bytes written to runs by flushes.", float64(s.FlushedBytes)),
		counter("streamdb_storage_merged_bytes_total", "Bytes written to runs by merges.", float64(s.MergedBytes)),
		counter("streamdb_storage_stall_seconds_total", "Time that commits waited for flushes.", s.StallTime.Seconds()),
		counter("streamdb_storage_verified_bytes_total", "Bytes of runs that the verification in the background has read.", float64(s.VerifiedBytes)),
		counter("streamdb_storage_verifications_total", "Verifications of all runs that are done.", float64(s.VerifyPasses)),
		gauge("streamdb_storage_damages", "Places that reads or the verification found damaged.", float64(s.Damages)),
		counter("streamdb_storage_failures_total", "Flushes and merges that failed and are tried again.", float64(s.FlushFailures+s.MergeFailures)),
	}
}

// sourceMetrics tell of each stream's state and of each partition's position.
func (c *collector) sourceMetrics() []metric {
	var out []metric
	for _, s := range c.engine.Sources() {
		running := 0.0
		if s.State == "running" {
			running = 1
		}
		total := s.Total()
		out = append(out,
			gauge("streamdb_source_running", "1 while the source reads, 0 while it is idle, stalled or failed.", running, "source", s.Name),
			counter("streamdb_source_rows_total", "Rows read since the start.", float64(total.Rows), "source", s.Name),
			counter("streamdb_source_errors_total", "Records since the start that did not decode.", float64(total.Errors), "source", s.Name),
			gauge("streamdb_source_queued_bytes", "Bytes that wait for an epoch.", float64(s.BytesQueued), "source", s.Name))
		for p, at := range s.Positions {
			out = append(out, gauge("streamdb_source_position", "The next offset to read.", float64(at), "source", s.Name, "partition", strconv.Itoa(p)))
		}
	}
	return out
}

// viewMetrics tell whether each view is up to date.
func (c *collector) viewMetrics() []metric {
	var out []metric
	for _, v := range c.engine.Views() {
		running := 0.0
		if v.State == "running" {
			running = 1
		}
		out = append(out, gauge("streamdb_view_running", "1 while the view takes part in every epoch.", running, "view", v.Name))
	}
	return out
}
