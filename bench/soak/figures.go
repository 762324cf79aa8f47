package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// figures are what a phase took.
type figures struct {
	epochs  int
	elapsed time.Duration
	cpu     time.Duration // of the process, choosing rows and background work included
	took    []time.Duration
	behind  []time.Duration // from the time an epoch was due to its end
}

// report is printed as one JSON line. Times of epochs are in milliseconds.
type report struct {
	Phase      string  `json:"phase"`
	Epochs     int     `json:"epochs"`
	Seconds    float64 `json:"seconds"`
	RowsPerSec float64 `json:"rows_per_s"`
	CPURow     float64 `json:"cpu_us_per_row"`
	P50        float64 `json:"epoch_p50_ms"`
	P99        float64 `json:"epoch_p99_ms"`
	P999       float64 `json:"epoch_p999_ms"`
	Max        float64 `json:"epoch_max_ms"`
	Over250    int     `json:"epochs_over_250_ms"`
	BehindP99  float64 `json:"due_to_end_p99_ms,omitempty"`
	BehindMax  float64 `json:"due_to_end_max_ms,omitempty"`
}

const slow = 250 * time.Millisecond

// pace runs epochs for a time, one every so often, or one behind the other if
// that is zero. Choosing the rows is no part of an epoch.
func pace(ctx context.Context, l *load, m *machine, duration, every time.Duration) (*figures, error) {
	f := &figures{}
	start, startCPU := time.Now(), cpuTime()
	minute := start.Add(time.Minute)
	for due := start; time.Since(start) < duration; due = due.Add(every) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.pick()
		if every == 0 {
			due = time.Now()
		}
		time.Sleep(time.Until(due))
		m.take()
		begin := time.Now()
		read, err := l.update()
		if err != nil {
			return nil, err
		}
		took := time.Since(begin)
		if took > slow {
			tellSlow(took, read, m)
		}
		f.took = append(f.took, took)
		f.behind = append(f.behind, time.Since(due))
		if time.Now().After(minute) {
			minute = minute.Add(time.Minute)
			f.progress(time.Since(start))
		}
	}
	f.epochs, f.elapsed, f.cpu = len(f.took), time.Since(start), cpuTime()-startCPU
	return f, nil
}

// tellSlow says of a slow epoch where its time went, and how the machine was meanwhile.
func tellSlow(took, read time.Duration, m *machine) {
	awake, synced := m.take()
	fmt.Fprintf(os.Stderr, "soak: %s: an epoch of %v, %v of it reading; meanwhile a sleeping thread woke %v late and 4 KiB beside it took %v to sync\n",
		time.Now().Format(time.TimeOnly), took, read, awake, synced)
}

// progress says on the way what the worst epoch was.
func (f *figures) progress(at time.Duration) {
	fmt.Fprintf(os.Stderr, "soak: %v: %d epochs, p99 %v, max %v, behind at most %v\n",
		at.Round(time.Second), len(f.took), quantile(f.took, 0.99), quantile(f.took, 1), quantile(f.behind, 1))
}

func (f *figures) rowsPerSecond(epochRows int) float64 {
	return float64(f.epochs*epochRows) / f.elapsed.Seconds()
}

func (f *figures) report(phase string, epochRows int) report {
	r := report{Phase: phase, Epochs: f.epochs, Seconds: f.elapsed.Seconds(), RowsPerSec: f.rowsPerSecond(epochRows)}
	r.CPURow = float64(f.cpu.Microseconds()) / float64(f.epochs*epochRows)
	ms := func(of []time.Duration, q float64) float64 { return float64(quantile(of, q).Microseconds()) / 1000 }
	r.P50, r.P99, r.P999, r.Max = ms(f.took, 0.5), ms(f.took, 0.99), ms(f.took, 0.999), ms(f.took, 1)
	if phase == "load" {
		r.BehindP99, r.BehindMax = ms(f.behind, 0.99), ms(f.behind, 1)
	}
	for _, t := range f.took {
		if t > slow {
			r.Over250++
		}
	}
	return r
}

// quantile returns the value at the part q of the sorted values.
func quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
