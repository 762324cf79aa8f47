package dataflow

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// seconds are microseconds.
const seconds = int64(1_000_000)

// timesBatch is a batch of event times; noTime is NULL.
func timesBatch(partition int32, times ...int64) *connector.Batch {
	rows := zset.NewBatch([]types.Type{types.Int8, types.Timestamptz}, 0)
	for _, at := range times {
		rows.AppendDatums([]types.Datum{{Int: 1}, {Int: at, Null: at == noTime}}, 1)
	}
	b := &connector.Batch{Partition: partition, Rows: rows}
	eventTimes(b, 1)
	return b
}

func testSpec() *WatermarkSpec {
	return &WatermarkSpec{Column: 1, Delay: 5 * seconds, Idle: 30 * seconds, MaxFuture: 3600 * seconds}
}

// TestWatermark follows a stream of two partitions, step by step.
func TestWatermark(t *testing.T) {
	m := newWatermark(testSpec())
	start := epoch2000 + 1000*seconds // the clock; event times count from 2000
	type in struct {
		clock  int64 // seconds after start
		rows   []*connector.Batch
		queued bool
		caught []connector.CaughtUp // At in seconds after start, -1: never
		// what comes of it
		value  int64 // seconds, -1: unknown
		behind int32
		late   int64
	}
	positions := connector.Positions{10, 20}
	at := func(p, q int64) []connector.CaughtUp {
		out := []connector.CaughtUp{{Position: 10}, {Position: 20}}
		for i, s := range []int64{p, q} {
			if s >= 0 {
				out[i].At = start + s*seconds
			}
		}
		return out
	}
	steps := []in{
		{clock: 0, rows: []*connector.Batch{timesBatch(0, 990*seconds, 980*seconds)}, value: -1, behind: 1}, // nothing of partition 1 yet
		{clock: 1, rows: []*connector.Batch{timesBatch(1, 970*seconds, noTime)}, value: 965, behind: 1},
		{clock: 2, rows: []*connector.Batch{timesBatch(1, 995*seconds, 964*seconds)}, value: 985, behind: 0, late: 1},
		{clock: 3, rows: []*connector.Batch{timesBatch(0, 100*seconds)}, value: 985, behind: 0, late: 2},                        // it does not go back
		{clock: 4, rows: []*connector.Batch{timesBatch(0, 9000*seconds, 991*seconds)}, value: 986, behind: 0, late: 2},          // 9000 is too far ahead
		{clock: 5, rows: []*connector.Batch{timesBatch(0, math.MaxInt64, math.MinInt64)}, value: 986, behind: 0, late: 2},       // no times
		{clock: 36, caught: at(34, 36), value: 986, behind: 0, late: 2},                                                         // partition 0 moved at 5
		{clock: 36, caught: at(36, 36), value: 1031, behind: -1, late: 2},                                                       // both are idle
		{clock: 40, caught: at(39, 40), value: 1034, behind: -1, late: 2},                                                       // follows the clock, as of the older word
		{clock: 60, caught: at(39, 40), value: 1034, behind: 0, late: 2},                                                        // the broker is silent
		{clock: 61, caught: at(61, 61), queued: true, value: 1034, behind: 0, late: 2},                                          // something waits
		{clock: 62, rows: []*connector.Batch{timesBatch(0, 1060*seconds)}, caught: at(62, 62), value: 1055, behind: 0, late: 2}, // partition 1 is idle
		{clock: 63, rows: []*connector.Batch{timesBatch(1, 1054*seconds)}, caught: at(63, 63), value: 1055, behind: 1, late: 3},
	}
	for i, s := range steps {
		now := start + s.clock*seconds
		m.take(s.rows, now)
		value, behind := m.judge(positions, s.queued, s.caught, now)
		m.value, m.behind = value, behind
		want := s.value * seconds
		if s.value < 0 {
			want = noTime
		}
		if value != want || behind != s.behind || m.late != s.late {
			t.Errorf("step %d: watermark %d behind %d late %d, want %d, %d, %d", i, value/seconds, behind, m.late, s.value, s.behind, s.late)
		}
	}
	// A position that is behind the end of which the source speaks is a lag.
	if _, behind := m.judge(connector.Positions{10, 19}, false, at(120, 120), start+120*seconds); behind != 1 {
		t.Errorf("a partition that lags is idle: %d", behind)
	}
}

// TestWatermarkZone has the event time in a zone's local time.
func TestWatermarkZone(t *testing.T) {
	zone, err := types.LoadZone("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	spec := testSpec()
	spec.Zone, spec.MaxFuture = zone, 10*seconds
	now := epoch2000 + 1000*seconds
	local := (1000 + 9*3600) * seconds
	m := newWatermark(spec)
	m.take([]*connector.Batch{timesBatch(0, local+11*seconds, local+2*seconds)}, now)
	m.value, m.behind = m.judge(connector.Positions{3}, false, nil, now)
	if want := local - 3*seconds; m.value != want {
		t.Errorf("%d, want %d", m.value, want)
	}
	if st := m.status(1); st.Watermark != 997*seconds || st.Newest != 1002*seconds || st.Behind != 0 {
		t.Errorf("%+v", st)
	}
}

// TestEventTimes compares the range of a batch with the naive one.
func TestEventTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		rows := zset.NewBatch([]types.Type{types.Timestamptz}, 0)
		least, newest := int64(math.MaxInt64), noTime
		var sel []int32
		for i := range r.IntN(20) {
			d := types.Datum{Int: r.Int64N(100) - 50, Null: r.IntN(6) == 0}
			if r.IntN(10) == 0 {
				d.Int = []int64{math.MaxInt64, math.MinInt64}[r.IntN(2)]
			}
			rows.AppendDatums([]types.Datum{d}, 1)
			if r.IntN(3) == 0 {
				continue
			}
			sel = append(sel, int32(i))
			if !d.Null && !types.TimestampIsInf(d.Int) {
				least, newest = min(least, d.Int), max(newest, d.Int)
			}
		}
		if rows.Sel = sel; sel == nil {
			rows.Sel = []int32{}
		}
		b := &connector.Batch{Rows: rows}
		if eventTimes(b, 0); b.EventMin != least || b.EventMax != newest {
			t.Fatalf("%d to %d, want %d to %d", b.EventMin, b.EventMax, least, newest)
		}
		rows.Sel = nil
		var late int64
		for i := range rows.N {
			if at := rows.Cols[0].Int[i]; !rows.Cols[0].Null.Get(i) && at < 7 && !types.TimestampIsInf(at) {
				late++
			}
		}
		if got := countBefore(rows, 0, 7); got != late {
			t.Fatalf("%d rows before 7, want %d", got, late)
		}
	}
}

// TestWatermarkSurvivesCrash holds that the watermark of an epoch is committed
// with it, whatever the point of the crash, and that it goes on by itself when
// all partitions are idle.
func TestWatermarkSurvivesCrash(t *testing.T) {
	for _, point := range []string{"computed", "before-commit", "after-commit"} {
		t.Run(point, func(t *testing.T) { watermarkCrash(t, point) })
	}
}

func watermarkCrash(t *testing.T, point string) {
	var clock atomic.Int64
	clock.Store(epoch2000 + 1000*seconds)
	var armed atomic.Bool
	w := newWorld(t, Options{Now: func() time.Time { return time.UnixMicro(clock.Load()) }, FailPoint: func(name string) {
		if name == point && armed.Swap(false) {
			panic("crash at " + name)
		}
	}})
	w.run()
	topic := newFakeTopic(1, 2, 3)
	w.topics[1] = topic
	spec := StreamSpec{ID: 1, Name: "s", Types: topicTypes(), Source: topic, Watermark: testSpec()}
	if _, err := w.rt.Do(context.Background(), Command{AddStreams: []StreamSpec{spec}}); err != nil {
		t.Fatal(err)
	}
	w.streams = append(w.streams, spec)
	topic.produce(0, record{k: 1, v: 900 * seconds}, record{k: 1, v: 800 * seconds})
	topic.produce(1, record{k: 2, v: 700 * seconds})
	w.mustView(groupView(2, 1, 0, 20)) // does not read the event time itself
	w.caughtUp()
	w.expectWatermark(695*seconds, 1, 0)
	armed.Store(true)
	topic.produce(1, record{k: 2, v: 950 * seconds}, record{k: 2, v: 600 * seconds})
	if err := w.crashed(); err == nil {
		t.Fatal("it did not crash")
	}
	w.start()
	w.caughtUp()
	late := int64(0) // judged by the watermark of the epoch before
	if st := w.watermark(); st.Late == 1 {
		late = 1
	}
	w.expectWatermark(895*seconds, 0, late)
	w.stop()
	w.start()
	if st := w.watermark(); !st.Known || st.Watermark != 895*seconds || st.Late != late {
		t.Errorf("after a restart: %+v", st)
	}
	now := clock.Add(31 * seconds)
	topic.mu.Lock()
	topic.caught = []connector.CaughtUp{{Position: 2, At: now}, {Position: 3, At: now}}
	topic.mu.Unlock()
	w.expectWatermark((1031-5)*seconds, -1, late)
}

func (w *world) watermark() WatermarkStatus {
	w.t.Helper()
	s := w.rt.Snapshot()
	defer s.Release()
	marks := s.Watermarks()
	if len(marks) != 1 {
		w.t.Fatalf("%d watermarks", len(marks))
	}
	return marks[0]
}

// expectWatermark waits for a watermark, and then wants it just so.
func (w *world) expectWatermark(value int64, behind int32, late int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := w.rt.await(ctx, func(p *published) (bool, error) {
		m := p.streams[0].watermark
		return m.Known && m.Watermark >= value, nil
	})
	if st := w.watermark(); err != nil || st.Watermark != value || st.Behind != behind || st.Late != late {
		w.t.Errorf("%v: %+v, want %d behind %d late %d", err, st, value, behind, late)
	}
}

func BenchmarkEventTimes(b *testing.B) {
	times := make([]int64, 4096)
	for i := range times {
		times[i] = int64(i) * 1000
	}
	batch := timesBatch(0, times...)
	b.ReportAllocs()
	for b.Loop() {
		eventTimes(batch, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/row")
}
