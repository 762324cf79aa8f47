package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamdb/streamdb/connector/datagen"
	"github.com/streamdb/streamdb/test/harness"
)

// result is what one run prints.
type result struct {
	Query        string  `json:"query"`
	Run          int     `json:"run"`
	Events       int64   `json:"events"`
	Seconds      float64 `json:"seconds"`
	EventsPerSec float64 `json:"events_per_s"`
	CPUPerEvent  float64 `json:"cpu_us_per_event"` // of the server's process, user and system
	PeakMB       float64 `json:"peak_rss_anon_mb"`
	FinalMB      float64 `json:"final_rss_anon_mb"`
	DiskMB       float64 `json:"disk_mb"`
	answer
	Reference string  `json:"reference"` // what the answer was compared with
	Sync      string  `json:"sync"`
	Layout    string  `json:"layout"`
	Machine   string  `json:"machine"`
	Load      float64 `json:"load1"` // of the machine when the run began
}

// patience is how long a run may take.
const patience = 10 * time.Minute

// runQuery measures a query some times and prints the median run last.
func runQuery(ctx context.Context, o *options) error {
	all := queries()
	i := slices.IndexFunc(all, func(q query) bool { return q.name == o.query })
	if i < 0 {
		return fmt.Errorf("unknown query %q", o.query)
	}
	q := &all[i]
	want, err := reference(ctx, o, q)
	if err != nil {
		return err
	}
	var results []*result
	for n := range o.runs {
		r, err := measure(ctx, o, q, want)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		r.Run = n + 1
		results = append(results, r)
		if err := printJSON(r); err != nil {
			return err
		}
	}
	if o.runs < 3 {
		return nil
	}
	slices.SortFunc(results, func(a, b *result) int {
		if a.CPUPerEvent < b.CPUPerEvent {
			return -1
		}
		return 1
	})
	return printJSON(struct {
		Median bool `json:"median"`
		*result
	}{true, results[len(results)/2]})
}

// measure runs a query once in a server of its own.
func measure(ctx context.Context, o *options, q *query, want answer) (*result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := os.MkdirTemp(o.dir, "nexmark-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &result{Query: q.name, Events: o.events, Reference: "PostgreSQL", Sync: o.sync, Load: load(), Machine: fmt.Sprintf("%d CPUs %s", runtime.NumCPU(), runtime.GOARCH),
		Layout: fmt.Sprintf("three flat topics, %d partitions, JSON", o.partitions)}
	server, err := harness.Start(ctx, o.binary, filepath.Join(dir, "data"), nil, "--log-level", "error", "--memory-limit", o.memory, "--sync", o.sync)
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	conn, err := server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	if err := createStreams(ctx, conn, o); err != nil {
		return nil, err
	}
	memory := watchMemory(server.PID)
	cpu, began := cpuTime(server.PID), time.Now()
	if r.answer, err = q.execute(ctx, conn, want); err != nil {
		return nil, err
	}
	elapsed := time.Since(began)
	r.CPUPerEvent = float64((cpuTime(server.PID) - cpu).Microseconds()) / float64(o.events)
	r.Seconds, r.EventsPerSec = elapsed.Seconds(), float64(o.events)/elapsed.Seconds()
	r.FinalMB = rssAnon(server.PID)
	r.PeakMB = max(memory(), r.FinalMB)
	if !q.sink {
		if r.answer, err = readAnswer(ctx, conn, "SELECT * FROM v"); err != nil {
			return nil, err
		}
	}
	if r.answer != want {
		return nil, fmt.Errorf("the answer is wrong: %+v, PostgreSQL says %+v", r.answer, want)
	}
	var bad int64
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM streamdb.errors").Scan(&bad); err != nil || bad > 0 {
		return nil, fmt.Errorf("%d error rows, %w", bad, err)
	}
	r.DiskMB = diskMB(dir)
	return r, server.Stop()
}

func createStreams(ctx context.Context, conn *pgx.Conn, o *options) error {
	for i, t := range tables() {
		_, err := conn.Exec(ctx, fmt.Sprintf("CREATE STREAM %s (%s) WITH (connector = 'kafka', brokers = '%s', topic = '%s', format = 'json')",
			t.name, t.columns, o.brokers, o.topic(datagen.Kind(i))))
		if err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "SET real_time_recency = on")
	return err
}

// execute creates the query and returns when all events are processed: a view
// when a read that waits for the topics' ends comes back, a blackhole when it
// has the reference's rows, or when it is at rest and never will.
func (q *query) execute(ctx context.Context, conn *pgx.Conn, want answer) (answer, error) {
	if !q.sink {
		if _, err := conn.Exec(ctx, "CREATE MATERIALIZED VIEW v AS "+q.text); err != nil {
			return answer{}, err
		}
		var n int64
		return answer{}, conn.QueryRow(ctx, "SELECT count(*) FROM v").Scan(&n)
	}
	if _, err := conn.Exec(ctx, "CREATE SINK z AS "+q.text+" WITH (connector = 'blackhole')"); err != nil {
		return answer{}, err
	}
	var last answer
	for rest := 0; rest < 100; {
		var a answer
		var state string
		if err := conn.QueryRow(ctx, "SELECT state, rows, checksum::text FROM streamdb.sinks").Scan(&state, &a.Rows, &a.Checksum); err != nil {
			return a, err
		}
		if a == want {
			return a, nil
		}
		if rest++; a != last || state == "backfilling" {
			last, rest = a, 0
		}
		time.Sleep(20 * time.Millisecond)
	}
	return last, nil
}

// cpuTime is what a process has used so far, user and system.
func cpuTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ is 100 on Linux
}

// rssAnon is a process's anonymous memory in MB (10^6 bytes).
func rssAnon(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	var kib float64
	_, _ = fmt.Sscan(rest, &kib)
	return kib * 1024 / 1e6
}

// watchMemory samples until the returned function is called, which returns the
// greatest value.
func watchMemory(pid int) func() float64 {
	stop, peak := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			most = max(most, rssAnon(pid))
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-peak
	}
}

// diskMB is what the files take on the disk.
func diskMB(dir string) float64 {
	var total int64
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			total += allocated(path)
		}
		return nil
	})
	return float64(total) / 1e6
}

// load is the machine's load average over a minute.
func load() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	var l float64
	_, _ = fmt.Sscan(string(b), &l)
	return l
}
