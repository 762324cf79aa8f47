package storage_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// The benchmarks read, change and commit epochs of 10,000 rows of 40 bytes (a
// key of 8, a value of 32) on files and Badger in a temporary directory, and
// report the CPU time of the whole process, background work included.
//
//	BenchmarkUpdateFits      1M rows, all in the row table
//	BenchmarkUpdateUniform   state 8 times the memory limit, uniform keys
//	BenchmarkUpdateHot       the same state, 9 of 10 updates on 1 row of 100
//
// STREAMDB_BENCH_ROWS sets the rows of the large state (1,600,000 by default,
// with a memory limit in proportion), STREAMDB_BENCH_RESULT=1 puts them into
// Badger.
const benchEpochRows = 10_000

type benchLoad struct {
	store *storage.Store
	epoch uint64
	place storage.Placement
	keys  zset.List
	vals  zset.List
	got   storage.Values
	seen  map[uint64]bool
}

func (l *benchLoad) commit(b *testing.B, create bool) {
	ep := &storage.Epoch{Number: l.epoch + 1, Changes: []storage.ChangeSet{{Arr: 1, Keys: l.keys, Vals: l.vals}}}
	if create {
		ep.Create = []storage.NewArrangement{{Arr: 1, Placement: l.place}}
	}
	must(b, l.store.Commit(ep))
	l.epoch++
}

// update reads the keys, adds one to the counter in each row and commits.
func (l *benchLoad) update(b *testing.B) {
	must(b, l.store.Fetch(1, &l.keys, &l.got))
	l.vals.Reset()
	for _, v := range l.got {
		at := len(l.vals.Data)
		l.vals.Data = append(l.vals.Data, v...)
		if len(v) != 32 {
			b.Fatalf("row has %d bytes", len(v))
		}
		c := l.vals.Data[at:]
		binary.LittleEndian.PutUint64(c, binary.LittleEndian.Uint64(c)+1)
		l.vals.End()
	}
	l.commit(b, false)
}

func (l *benchLoad) pick(next func() uint64) {
	l.keys.Reset()
	clear(l.seen)
	for l.keys.Len() < benchEpochRows {
		k := next()
		if l.seen[k] {
			continue
		}
		l.seen[k] = true
		l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, k)
		l.keys.End()
	}
}

// scatter spreads consecutive numbers over the key space.
func scatter(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 }

func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchUpdate(b *testing.B, rows int, limit int64, next func(r *rand.Rand) uint64) {
	l := &benchLoad{seen: map[uint64]bool{}}
	if os.Getenv("STREAMDB_BENCH_RESULT") != "" {
		l.place = storage.Result
	}
	var err error
	l.store, err = storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), MemoryLimit: limit})
	must(b, err)
	defer func() { must(b, l.store.Close()) }()
	for i := 0; i < rows; {
		l.keys.Reset()
		l.vals.Reset()
		for ; i < rows && l.keys.Len() < benchEpochRows; i++ {
			l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, scatter(uint64(i)))
			l.keys.End()
			l.vals.Add(make([]byte, 32))
		}
		l.commit(b, l.epoch == 0)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		l.pick(func() uint64 { return next(r) })
		l.update(b)
	}
	before := l.store.Stats()
	var cpu, wall time.Duration
	var worst time.Duration
	n := 0
	for b.Loop() {
		l.pick(func() uint64 { return next(r) })
		startCPU, start := cpuTime(), time.Now()
		l.update(b)
		took := time.Since(start)
		worst = max(worst, took)
		wall += took
		cpu += cpuTime() - startCPU
		n += benchEpochRows
	}
	after := l.store.Stats()
	b.ReportMetric(float64(cpu.Microseconds())/float64(n), "cpu-us/row")
	b.ReportMetric(float64(wall.Microseconds())/float64(n), "wall-us/row")
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms/epoch")
	b.ReportMetric(float64(after.Misses-before.Misses)/float64(n), "miss/row")
	b.ReportMetric(float64(after.MergedRows-before.MergedRows)/float64(n), "merged/row")
	b.ReportMetric(float64(after.Stalls-before.Stalls), "stalls")
	b.ReportMetric(float64(after.FetchTime-before.FetchTime)/1e3/float64(max(1, after.Misses-before.Misses)), "us/miss")
	b.ReportMetric(float64(after.MemoryBytes)/float64(after.MemoryKeys), "B/key")
	b.ReportMetric(0, "ns/op")
}

func benchRows() int {
	if n, err := strconv.Atoi(os.Getenv("STREAMDB_BENCH_ROWS")); err == nil {
		return n
	}
	return 1_600_000
}

func BenchmarkUpdateFits(b *testing.B) {
	const rows = 1_000_000
	benchUpdate(b, rows, 256<<20, func(r *rand.Rand) uint64 { return scatter(r.Uint64N(rows)) })
}

func BenchmarkUpdateUniform(b *testing.B) {
	rows := uint64(benchRows())
	benchUpdate(b, int(rows), int64(rows)*40/8, func(r *rand.Rand) uint64 { return scatter(r.Uint64N(rows)) })
}

func BenchmarkUpdateHot(b *testing.B) {
	rows := uint64(benchRows())
	benchUpdate(b, int(rows), int64(rows)*40/8, func(r *rand.Rand) uint64 {
		if r.IntN(10) > 0 {
			return scatter(r.Uint64N(rows / 100))
		}
		return scatter(r.Uint64N(rows))
	})
}

// BenchmarkRecovery opens a store whose log holds 200,000 unflushed rows.
func BenchmarkRecovery(b *testing.B) {
	const rows = 200_000
	o := storage.Options{Dir: b.TempDir(), MemoryLimit: 256 << 20, FlushUnit: 64 << 20}
	l := &benchLoad{}
	var err error
	l.store, err = storage.Open(context.Background(), o)
	must(b, err)
	for i := 0; i < rows; i++ {
		l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, scatter(uint64(i)))
		l.keys.End()
		l.vals.Add(make([]byte, 32))
		if l.keys.Len() == benchEpochRows {
			l.commit(b, l.epoch == 0)
			l.keys.Reset()
			l.vals.Reset()
		}
	}
	must(b, l.store.Close())
	n := 0
	for b.Loop() {
		s, err := storage.Open(context.Background(), o)
		must(b, err)
		if s.Epoch() != l.epoch || s.Stats().Rows != rows {
			b.Fatalf("epoch is %d with %d rows", s.Epoch(), s.Stats().Rows)
		}
		b.StopTimer()
		must(b, s.Close())
		b.StartTimer()
		n++
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(n), "open-ms")
}

// BenchmarkShortScan reads the first row of a range after every commit of 1,000
// rows, as min and max under retraction do.
func BenchmarkShortScan(b *testing.B) {
	s, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), MemoryLimit: 128 << 20})
	must(b, err)
	r := rand.New(rand.NewPCG(1, 3))
	l := &benchLoad{store: s}
	var took time.Duration
	n := 0
	for b.Loop() {
		l.keys.Reset()
		l.vals.Reset()
		for range 1000 {
			l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, r.Uint64())
			l.keys.End()
			l.vals.Add(make([]byte, 8))
		}
		l.commit(b, l.epoch == 0)
		start := time.Now()
		for range 10 {
			lo := binary.BigEndian.AppendUint64(nil, r.Uint64())
			must(b, s.Scan(1, lo, nil, func(_, _ []byte) bool { return false }))
		}
		took += time.Since(start)
		n += 10
	}
	b.ReportMetric(float64(took.Microseconds())/float64(n), "us/scan")
	must(b, s.Close())
}

// BenchmarkScan reads 1,000,000 rows in order, of which some are not flushed.
func BenchmarkScan(b *testing.B) {
	const rows = 1_000_000
	s, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), MemoryLimit: 128 << 20})
	must(b, err)
	l := &benchLoad{store: s}
	for i := 0; i < rows; i++ {
		l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, scatter(uint64(i)))
		l.keys.End()
		l.vals.Add(make([]byte, 32))
		if l.keys.Len() == benchEpochRows {
			l.commit(b, l.epoch == 0)
			l.keys.Reset()
			l.vals.Reset()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		sn := s.Snapshot()
		must(b, sn.Scan(1, nil, nil, func(_, _ []byte) bool { n++; return true }))
		sn.Release()
		if n != rows {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	must(b, s.Close())
}

// BenchmarkGet reads single rows through snapshots.
func BenchmarkGet(b *testing.B) {
	const rows = 100_000
	s, err := storage.Open(context.Background(), storage.Options{Dir: b.TempDir(), MemoryLimit: 128 << 20})
	must(b, err)
	l := &benchLoad{store: s}
	for i := range uint64(rows) {
		l.keys.Data = binary.BigEndian.AppendUint64(l.keys.Data, scatter(i))
		l.keys.End()
		l.vals.Add(make([]byte, 32))
	}
	l.commit(b, true)
	r := rand.New(rand.NewPCG(1, 4))
	var key, buf []byte
	b.ReportAllocs()
	for b.Loop() {
		key = binary.BigEndian.AppendUint64(key[:0], scatter(r.Uint64N(rows)))
		sn := s.Snapshot()
		val, ok, err := sn.Get(1, key, buf[:0])
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		buf = val
		sn.Release()
	}
	must(b, s.Close())
}
