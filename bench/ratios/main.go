// Command ratios reads the JSON lines of bench/peers.sh and prints, for each
// query, the CPU of each system per event of the three topics, and how many
// times streamdb's that is.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// line is what the three programs print, as far as it is of use here.
type line struct {
	System string  `json:"system"`
	Query  string  `json:"query"`
	Events float64 `json:"events"`

	CPU    float64 `json:"cpu_us_per_event"` // streamdb
	Rate   float64 `json:"events_per_s"`
	Median bool    `json:"median"`

	Nth    int     `json:"nth"` // Flink: which run in its JVM
	JobCPU float64 `json:"job_cpu_ms"`
	NetMS  float64 `json:"net_ms"`

	Read       float64 `json:"read"` // Kafka Streams: records; the second half is warm
	HalfEvents float64 `json:"second_half_events"`
	HalfCPU    float64 `json:"second_half_cpu_ms"`
	WorkMS     float64 `json:"work_ms"`
}

// figure is one system's result.
type figure struct{ cpu, rate float64 }

// warmRun is Flink's run in one JVM that counts.
const warmRun = 3

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	figures := map[string]map[string]figure{}
	var order []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%w: %s", err, lines.Text())
		}
		f, ok := l.figure(figures[l.Query]["streamdb"].cpu > 0)
		if !ok {
			continue
		}
		if figures[l.Query] == nil {
			figures[l.Query] = map[string]figure{}
			order = append(order, l.Query)
		}
		figures[l.Query][l.System] = f
	}
	if err := lines.Err(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%-8s %-10s %12s %12s %8s\n", "query", "system", "CPU us/event", "events/s", "times")
	for _, q := range order {
		for _, system := range []string{"streamdb", "flink", "kstreams"} {
			f, ok := figures[q][system]
			if !ok {
				continue
			}
			fmt.Fprintf(out, "%-8s %-10s %12.2f %12.0f %8.1f\n", q, system, f.cpu, f.rate, f.cpu/figures[q]["streamdb"].cpu)
		}
	}
	if i := slices.IndexFunc(order, func(q string) bool { return figures[q]["streamdb"].cpu == 0 }); i >= 0 {
		return fmt.Errorf("no figures of streamdb for %s", order[i])
	}
	return nil
}

// figure returns what counts of a line. A single run of streamdb counts until
// there is a median. Kafka Streams reads the bids alone, so its CPU is that of
// all bids over the events of the three topics, as for the others.
func (l *line) figure(known bool) (figure, bool) {
	switch l.System {
	case "streamdb":
		return figure{l.CPU, l.Rate}, l.Median || !known
	case "flink":
		return figure{l.JobCPU * 1000 / l.Events, l.Events / l.NetMS * 1000}, l.Nth == warmRun
	case "kstreams":
		if l.HalfEvents == 0 {
			return figure{}, false
		}
		return figure{l.HalfCPU * 1000 / l.HalfEvents * l.Read / l.Events, l.Events / l.WorkMS * 1000}, true
	}
	return figure{}, false
}
