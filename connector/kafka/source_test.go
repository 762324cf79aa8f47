package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// open opens a source with columns n bigint and p text.
func open(t testing.TB, c *kafkatest.Cluster, topic string, change func(*Options)) *Source {
	t.Helper()
	o := Options{Brokers: c.Brokers, Topic: topic, Format: "json", Envelope: "none", Columns: []connector.Column{
		{Name: "n", Type: types.Int8}, {Name: "off", Type: types.Int8, Meta: connector.FromOffset},
	}}
	if change != nil {
		change(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	src := s.(*Source)
	src.refresh = 100 * time.Millisecond
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// sink collects what a reader pushes and checks that batches are contiguous.
type sink struct {
	t  testing.TB
	mu sync.Mutex

	next   connector.Positions
	values map[int32][]int64 // column n, by partition
	errs   []string          // "partition/offset code"
	states []connector.State
	grown  chan struct{}
}

func newSink(t testing.TB, from connector.Positions) *sink {
	return &sink{t: t, next: from.Clone(), values: map[int32][]int64{}, grown: make(chan struct{}, 1)}
}

// read returns what has come of a partition so far, while the reader runs on.
func (s *sink) read(p int32) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.values[p])
}

func (s *sink) push(_ context.Context, b *connector.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.next.At(b.Partition); at >= 0 && at != b.First {
		s.t.Errorf("partition %d: batch begins at %d, the one before ended at %d", b.Partition, b.First, at)
	}
	if b.Next < b.First || b.Next == b.First && s.next.At(b.Partition) >= 0 {
		s.t.Errorf("partition %d: empty range %d to %d", b.Partition, b.First, b.Next)
	}
	s.next = s.next.Set(b.Partition, b.Next)
	for r := range b.Rows.N {
		if off := b.Rows.Cols[1].Int[r]; off < b.First || off >= b.Next {
			s.t.Errorf("offset %d outside of the batch %d to %d", off, b.First, b.Next)
		}
		s.values[b.Partition] = append(s.values[b.Partition], b.Rows.Cols[0].Int[r])
	}
	if b.Errors != nil {
		for r := range b.Errors.N {
			s.errs = append(s.errs, fmt.Sprintf("%d/%d %s", b.Errors.Cols[0].Int[r], b.Errors.Cols[1].Int[r], b.Errors.Cols[5].Bytes(r)))
		}
	}
	s.notify()
	return nil
}

func (s *sink) notify() {
	select {
	case s.grown <- struct{}{}:
	default:
	}
}

func (s *sink) status(st connector.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, st)
	s.notify()
}

// await waits until cond, which runs under the lock, is true.
func (s *sink) await(what string, cond func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		ok := cond()
		last := fmt.Sprint(s.next, s.states)
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-s.grown:
		case <-deadline:
			s.t.Fatalf("waited in vain for %s: %s", what, last)
		}
	}
}

func (s *sink) state() connector.State {
	if len(s.states) == 0 {
		return connector.State{}
	}
	return s.states[len(s.states)-1]
}

// start runs a reader until stop is called, which returns Run's error.
func start(t testing.TB, src *Source, from, until connector.Positions, out *sink) (stop func() error) {
	t.Helper()
	r, err := src.NewReader(nil, out.status)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, from, until, out.push) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// readTo reads exactly to the positions.
func readTo(t testing.TB, src *Source, from, until connector.Positions) *sink {
	t.Helper()
	out := newSink(t, from)
	r, err := src.NewReader(nil, out.status)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Run(ctx, from, until, out.push); err != nil {
		t.Fatalf("run: %v (%v)", err, out.states)
	}
	return out
}

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf(`{"n":%d}`, i))
	}
	return out
}

func sequence(from, to int) []int64 {
	var out []int64
	for i := from; i < to; i++ {
		out = append(out, int64(i))
	}
	return out
}

func mustEnds(t testing.TB, src *Source) connector.Positions {
	t.Helper()
	ends, err := src.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

func TestReadToEnds(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 3)
	for p := range int32(3) {
		c.Produce(t, topic, p, numbers(0, 10_000*int(p))...)
	}
	src := open(t, c, topic, nil)
	ends := mustEnds(t, src)
	if fmt.Sprint(ends) != "[0 10000 20000]" {
		t.Fatalf("ends %v", ends)
	}
	out := readTo(t, src, nil, ends)
	for p := range int32(3) {
		if !slices.Equal(out.values[p], sequence(0, 10_000*int(p))) {
			t.Errorf("partition %d: %d values", p, len(out.values[p]))
		}
	}
	middle := connector.Positions{-1, 4321, 17}
	part := readTo(t, src, middle, connector.Positions{0, 4400, 10_000})
	if !slices.Equal(part.values[1], sequence(4321, 4400)) || !slices.Equal(part.values[2], sequence(17, 10_000)) || fmt.Sprint(part.next) != "[-1 4400 10000]" {
		t.Errorf("between positions: %d and %d values, next %v", len(part.values[1]), len(part.values[2]), part.next)
	}
}

// TestKills cancels the reader again and again and goes on from the last
// position pushed: nothing may be missing or twice.
func TestKills(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	src := open(t, c, topic, nil)
	const total = 6000
	producing := make(chan struct{})
	go func() {
		defer close(producing)
		for i := 0; i < total; i += 100 {
			c.Produce(t, topic, int32(i/100%2), numbers(i, i+100)...)
		}
	}()
	rng := rand.New(rand.NewPCG(3, 4))
	out := newSink(t, nil)
	for kills := 0; ; kills++ {
		want := 1 + rng.IntN(500)
		count := func() int { return len(out.values[0]) + len(out.values[1]) }
		before := count()
		if before == total {
			break
		}
		stop := start(t, src, out.next.Clone(), nil, out)
		out.await("records", func() bool { return count() >= min(before+want, total) })
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Fatalf("run returned %v", err)
		}
	}
	<-producing
	var all []int64
	for p := range int32(2) {
		if !slices.IsSorted(out.values[p]) {
			t.Errorf("partition %d is out of order", p)
		}
		all = append(all, out.values[p]...)
	}
	slices.Sort(all)
	if !slices.Equal(all, sequence(0, total)) {
		t.Errorf("%d values, want each of %d once", len(all), total)
	}
}

func TestTransactions(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 10)...)
	c.Transaction(t, topic, 0, false, numbers(100, 120)...)
	c.Transaction(t, topic, 0, true, numbers(10, 20)...)
	c.Transaction(t, topic, 0, false, numbers(100, 120)...)
	src := open(t, c, topic, nil)
	var ends connector.Positions
	for range 100 { // the last marker may be written after the client was answered
		if ends = mustEnds(t, src); ends[0] == 63 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if ends[0] != 63 { // 60 records and three markers
		t.Fatalf("ends %v", ends)
	}
	out := readTo(t, src, nil, ends)
	if !slices.Equal(out.values[0], sequence(0, 20)) {
		t.Errorf("committed values %v", out.values[0])
	}
	if out.next[0] != 63 {
		t.Errorf("position %d, want the end behind the abort marker", out.next[0])
	}
	for at := int64(0); at < 63; at++ { // from within every batch
		part := readTo(t, src, connector.Positions{at}, ends)
		want := slices.DeleteFunc(sequence(0, 20), func(v int64) bool { return v < 10 && v < at || v >= 10 && v-10+31 < at })
		if !slices.Equal(part.values[0], want) {
			t.Errorf("from %d: %v", at, part.values[0])
		}
	}
	dirty := open(t, c, topic, func(o *Options) { o.ReadUncommitted = true })
	if all := readTo(t, dirty, nil, mustEnds(t, dirty)); len(all.values[0]) != 60 {
		t.Errorf("%d uncommitted values", len(all.values[0]))
	}
}

func TestBadRecords(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.ProduceRecords(t,
		&kgo.Record{Topic: topic, Value: []byte(`{"n":1}`)},
		&kgo.Record{Topic: topic, Value: []byte(`{"n":"x"}`), Key: []byte("k"), Timestamp: time.UnixMilli(1767323045678)},
		&kgo.Record{Topic: topic, Value: nil},
		&kgo.Record{Topic: topic, Value: []byte("{")},
		&kgo.Record{Topic: topic, Value: []byte(`{"n":2}`)},
		&kgo.Record{Topic: topic, Value: []byte{}},
	)
	src := open(t, c, topic, nil)
	var errs *connector.Batch
	r, _ := src.NewReader(nil, nil)
	err := r.Run(t.Context(), nil, mustEnds(t, src), func(_ context.Context, b *connector.Batch) error {
		if b.Errors != nil {
			errs = b
		}
		return nil
	})
	if err != nil || errs == nil {
		t.Fatal(err, errs)
	}
	var rows []string
	for i := range errs.Errors.N {
		var cells []string
		for k := range errs.Errors.Cols {
			v := &errs.Errors.Cols[k]
			if k == 2 && i > 0 {
				continue // the producer's clock
			}
			if v.IsNull(i) {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, string(types.AppendText(nil, v.Type, v.Datum(i), nil)))
			}
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	want := []string{
		`0|1|2026-01-02 03:04:05.678+00|\x6b|\x7b226e223a2278227d|22P02|column "n": invalid input syntax for type bigint: "x"`,
		`0|2|NULL|NULL|22004|the record's value is NULL`,
		`0|3|NULL|\x7b|22P02|invalid input syntax for type json: the record ends within a value`,
		`0|5|NULL|\x|22P02|invalid input syntax for type json: the record is empty`,
	}
	if !slices.Equal(rows, want) {
		t.Errorf("error rows\n%s", strings.Join(rows, "\n"))
	}
}

func TestIncludedColumns(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	c.ProduceRecords(t, &kgo.Record{Topic: topic, Partition: 1, Key: []byte("ke\"y"), Value: []byte(`{"a":"x"}`), Timestamp: time.UnixMilli(1767323045678),
		Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "h", Value: nil}, {Key: "b", Value: []byte{0xff}}}},
		&kgo.Record{Topic: topic, Partition: 1, Key: []byte{0xff}, Value: []byte(`{"a":"bad key"}`)},
		&kgo.Record{Topic: topic, Partition: 1, Value: []byte(`{"a":"no key"}`), Timestamp: time.UnixMilli(0)})
	var cols []connector.Column
	for m := connector.FromKey; m <= connector.FromPayload; m++ {
		cols = append(cols, connector.Column{Name: fmt.Sprint("m", m), Type: MetaType(m), Meta: m})
	}
	cols[0].Type = types.Text
	cols = append(cols, connector.Column{Name: "a", Type: types.Text})
	src := open(t, c, topic, func(o *Options) { o.Columns = cols })
	var rows []string
	var bad int
	r, err := src.NewReader(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context(), nil, mustEnds(t, src), func(_ context.Context, b *connector.Batch) error {
		if b.Errors != nil {
			bad += b.Errors.N
		}
		for i := range b.Rows.N {
			one := *b
			one.Rows = b.Rows
			rows = append(rows, rowAt(cols, &one, i))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`ke"y|1|0|2026-01-02 03:04:05.678+00|[{"key": "h", "value": "v"}, {"key": "h", "value": null}, {"hex": "ff", "key": "b"}]|` + topic + `|\x7b2261223a2278227d|x`,
		`NULL|1|2|1970-01-01 00:00:00+00|[]|` + topic + `|\x7b2261223a226e6f206b6579227d|no key`,
	}
	if !slices.Equal(rows, want) || bad != 1 {
		t.Errorf("%d bad, rows\n%s\nwant\n%s", bad, strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func rowAt(cols []connector.Column, b *connector.Batch, row int) string {
	var cells []string
	for i := range cols {
		v := &b.Rows.Cols[i]
		if v.IsNull(row) {
			cells = append(cells, "NULL")
		} else {
			cells = append(cells, string(types.AppendText(nil, v.Type, v.Datum(row), nil)))
		}
	}
	return strings.Join(cells, "|")
}

func TestStarts(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	var recs []*kgo.Record
	for i := range 10 {
		recs = append(recs, &kgo.Record{Topic: topic, Partition: 0, Value: []byte(fmt.Sprintf(`{"n":%d}`, i)), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))})
	}
	c.ProduceRecords(t, recs...)
	c.DeleteRecords(t, topic, 0, 2)
	for _, k := range []struct {
		start Start
		want  string
	}{
		{Start{}, "[2 0]"},
		{Start{At: StartLatest}, "[10 0]"},
		{Start{At: StartOffsets, Offsets: map[int32]int64{0: 7}}, "[7 0]"},
		{Start{At: StartOffsets, Offsets: map[int32]int64{0: 1, 1: 5}}, "[2 0]"},
		{Start{At: StartTimestamp, Millis: 5000}, "[4 0]"},
		{Start{At: StartTimestamp, Millis: 99_000}, "[10 0]"},
	} {
		src := open(t, c, topic, func(o *Options) { o.Start = k.start })
		got, err := src.Starts(t.Context())
		if err != nil || fmt.Sprint(got) != k.want {
			t.Errorf("%+v: %v %v, want %s", k.start, got, err, k.want)
		}
		if got, err := src.Oldest(t.Context()); err != nil || fmt.Sprint(got) != "[2 0]" {
			t.Errorf("%+v: the oldest records are at %v %v", k.start, got, err)
		}
	}
}

func TestSample(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	src := open(t, c, topic, nil)
	if s, err := src.Sample(t.Context(), 10); err != nil || s.Record != "" || s.Err != nil || s.Incarnation == "" {
		t.Errorf("empty topic: %+v, %v", s, err)
	}
	c.Produce(t, topic, 1, `{"n":"x"}`, `{"n":7}`)
	s, err := src.Sample(t.Context(), 10)
	if err != nil || s.Record != "n=7, off=1" || sqlerr.Code(s.Err) != sqlerr.InvalidTextRepresentation || fmt.Sprint(s.Starts, s.Ends) != "[0 0] [0 2]" {
		t.Errorf("sample %+v, %v", s, err)
	}
	if s.Good != 1 || s.Bad != 1 || s.Missing != nil {
		t.Errorf("sample %+v", s)
	}
	c.Produce(t, topic, 0, `{"m":1}`, `{"m":2}`)
	if s, err = src.Sample(t.Context(), 10); err != nil || s.Good != 2 || s.Bad != 0 || fmt.Sprint(s.Missing, s.Without) != "[n] 2" {
		t.Errorf("sample without the column: %+v, %v", s, err)
	}
	missing := open(t, c, c.Name(t), nil)
	if _, err := missing.Sample(t.Context(), 10); sqlerr.Code(err) != sqlerr.UndefinedObject {
		t.Errorf("missing topic: %v", err)
	}
}

func TestTopicAppears(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Name(t)
	src := open(t, c, topic, func(o *Options) { o.Start = Start{At: StartLatest} })
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	out.await("stalled", func() bool { return out.state().Name == connector.Stalled })
	if r := out.state().Reason; !strings.Contains(r, "does not exist") {
		t.Errorf("reason %q", r)
	}
	c.CreateTopic(t, topic, 1)
	c.Produce(t, topic, 0, numbers(0, 5)...)
	out.await("records", func() bool { return len(out.values[0]) == 5 })
	out.await("running", func() bool { return out.state().Name == connector.Running && out.state().Incarnation != "" })
}

func TestPartitionsAdded(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	src := open(t, c, topic, func(o *Options) { o.Start = Start{At: StartLatest} })
	c.Produce(t, topic, 0, numbers(0, 5)...)
	out := newSink(t, nil)
	stop := start(t, src, nil, nil, out)
	out.await("running", func() bool { return out.state().Name == connector.Running })
	c.AddPartitions(t, topic, 3)
	for p := range int32(3) {
		produceWhenReady(t, c, topic, p, numbers(10, 15))
	}
	out.await("records", func() bool { return len(out.values[1]) == 5 && len(out.values[2]) == 5 && len(out.values[0]) >= 5 })
	_ = stop()
	// A partition that came while nobody read is read from its start, too.
	again := newSink(t, nil)
	start(t, src, connector.Positions{out.next[0]}, nil, again)
	again.await("records", func() bool { return len(again.values[1]) == 5 && len(again.values[2]) == 5 })
}

// produceWhenReady waits for a partition that was just added.
func produceWhenReady(t testing.TB, c *kafkatest.Cluster, topic string, p int32, values []string) {
	t.Helper()
	for range 100 {
		rec := &kgo.Record{Topic: topic, Partition: p, Value: []byte(values[0])}
		if c.Client().ProduceSync(t.Context(), rec).FirstErr() == nil {
			c.Produce(t, topic, p, values[1:]...)
			return
		}
		c.Client().ForceMetadataRefresh()
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("partition %d does not get ready", p)
}

func TestTopicRecreated(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 5)...)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	out.await("records", func() bool { return len(out.values[0]) == 5 })
	c.DeleteTopic(t, topic)
	c.CreateTopic(t, topic, 1)
	c.Produce(t, topic, 0, numbers(100, 120)...)
	out.await("the state", func() bool {
		return out.state().Name == connector.Stalled && strings.Contains(out.state().Reason, "created again")
	})
	known, _ := src.adopt("")
	later := open(t, c, topic, func(o *Options) { o.TopicID = known })
	if _, err := later.Ends(t.Context()); sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
		t.Errorf("another source with the old id: %v", err)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if len(out.values[0]) != 5 {
		t.Errorf("records of the new topic were read: %v", out.values[0])
	}
}

func TestOffsetOutOfRange(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 2)
	c.Produce(t, topic, 0, numbers(0, 10)...)
	c.Produce(t, topic, 1, numbers(0, 10)...)
	c.DeleteRecords(t, topic, 0, 5)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	start(t, src, connector.Positions{3, 4}, nil, out)
	out.await("stalled", func() bool {
		return out.state().Name == connector.Stalled && len(out.values[1]) == 6
	})
	if r := out.state().Reason; r != "partition 0: offset 3 is out of range: the topic has 5 to 10, records are lost" {
		t.Errorf("reason %q", r)
	}
	ahead := newSink(t, nil)
	start(t, src, connector.Positions{99, 4}, nil, ahead)
	ahead.await("stalled", func() bool { return ahead.state().Name == connector.Stalled })
	out.mu.Lock()
	defer out.mu.Unlock()
	if len(out.values[0]) != 0 {
		t.Errorf("records were skipped: %v", out.values[0])
	}
}

// TestLostBeforeFirstRecord: of a partition that was seen empty it is known when
// its records have come and gone while nobody read.
func TestLostBeforeFirstRecord(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	stop := start(t, src, nil, nil, out)
	out.await("the position", func() bool { return out.next.At(0) == 0 })
	c.AddPartitions(t, topic, 2)
	out.await("the position of the new partition", func() bool { return out.next.At(1) == 0 })
	_ = stop()
	c.Produce(t, topic, 0, numbers(0, 10)...)
	c.DeleteRecords(t, topic, 0, 5)
	again := newSink(t, nil)
	start(t, src, out.next, nil, again)
	again.await("stalled", func() bool { return again.state().Name == connector.Stalled })
	if r := again.state().Reason; r != "partition 0: offset 0 is out of range: the topic has 5 to 10, records are lost" {
		t.Errorf("reason %q", r)
	}
}

func TestBrokerRestart(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	topic := c.Topic(t, 2)
	c.Produce(t, topic, 0, numbers(0, 100)...)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	out.await("records", func() bool { return len(out.values[0]) == 100 })
	for round := range 2 {
		c.StopFake()
		out.await("stalled", func() bool { return out.state().Name == connector.Stalled })
		c.RestartFake(t)
		c.Produce(t, topic, 0, numbers(100+50*round, 150+50*round)...)
		c.Produce(t, topic, 1, numbers(50*round, 50+50*round)...)
		out.await("records", func() bool { return len(out.values[0]) == 150+50*round && len(out.values[1]) == 50+50*round })
		out.await("running", func() bool { return out.state().Name == connector.Running })
	}
	if !slices.Equal(out.values[0], sequence(0, 200)) || !slices.Equal(out.values[1], sequence(0, 100)) {
		t.Error("records are missing or twice")
	}
}

func TestBrokerDownAtOpen(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 5)...)
	c.StopFake()
	src := open(t, c, topic, nil)
	if _, err := src.Ends(t.Context()); sqlerr.Code(err) != sqlerr.ExternalConnectionFailure {
		t.Errorf("ends of a broker that is down: %v", err)
	}
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	out.await("stalled", func() bool { return out.state().Name == connector.Stalled })
	c.RestartFake(t)
	out.await("records", func() bool { return len(out.values[0]) == 5 })
}

// TestBackPressure blocks push: the reader must wait and lose nothing.
func TestBackPressure(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 30_000)...)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	release := make(chan struct{})
	blocked := make(chan struct{})
	var once sync.Once
	r, _ := src.NewReader(nil, nil)
	done := make(chan error, 1)
	ends := mustEnds(t, src)
	go func() {
		done <- r.Run(t.Context(), nil, ends, func(ctx context.Context, b *connector.Batch) error {
			once.Do(func() { close(blocked); <-release })
			return out.push(ctx, b)
		})
	}()
	<-blocked
	c.Produce(t, topic, 0, numbers(30_000, 30_100)...)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.values[0], sequence(0, 30_000)) {
		t.Errorf("%d values", len(out.values[0]))
	}
}

func TestPushFails(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 10)...)
	src := open(t, c, topic, nil)
	r, _ := src.NewReader(nil, nil)
	broken := errors.New("broken")
	if err := r.Run(t.Context(), nil, nil, func(context.Context, *connector.Batch) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("run returned %v", err)
	}
}

func TestPushPanics(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 10)...)
	src := open(t, c, topic, nil)
	r, _ := src.NewReader(nil, nil)
	err := r.Run(t.Context(), nil, nil, func(context.Context, *connector.Batch) error { panic("surprise") })
	if err == nil || !strings.Contains(err.Error(), "surprise") {
		t.Errorf("run returned %v", err)
	}
}

func TestCompression(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	n := 0
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(), kgo.NoCompression()} {
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic), kgo.DisableClientMetrics())
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			cl.Produce(t.Context(), &kgo.Record{Value: []byte(fmt.Sprintf(`{"n":%d}`, n))}, nil)
			n++
		}
		if err := cl.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		cl.Close()
	}
	src := open(t, c, topic, nil)
	if out := readTo(t, src, nil, mustEnds(t, src)); !slices.Equal(out.values[0], sequence(0, n)) {
		t.Errorf("%d values of %d", len(out.values[0]), n)
	}
}

func TestAbsentColumnIsTold(t *testing.T) {
	c := kafkatest.Start(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, 0, numbers(0, 1500)...)
	src := open(t, c, topic, func(o *Options) {
		o.Columns = append(o.Columns, connector.Column{Name: "nowhere", Type: types.Text})
	})
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	out.await("the warning", func() bool {
		return out.state().Name == connector.Running && strings.Contains(out.state().Reason, `"nowhere"`)
	})
}

// TestLeadersMove moves partitions between brokers all the time.
func TestLeadersMove(t *testing.T) {
	c := kafkatest.StartFake(t, 3)
	topic := c.Topic(t, 4)
	src := open(t, c, topic, nil)
	out := newSink(t, nil)
	start(t, src, nil, nil, out)
	const rounds, each = 30, 200
	for i := range rounds {
		for p := range int32(4) {
			c.Produce(t, topic, p, numbers(i*each, (i+1)*each)...)
		}
		if err := c.Fake.MoveTopicPartition(topic, int32(i%4), int32(i/4%3)); err != nil {
			t.Fatal(err)
		}
	}
	for p := range int32(4) {
		out.await("records", func() bool { return len(out.values[p]) >= rounds*each })
		if !slices.Equal(out.read(p), sequence(0, rounds*each)) {
			t.Errorf("partition %d: records are missing, twice or out of order", p)
		}
	}
	out.await("running", func() bool { return out.state().Name == connector.Running })
}

// TestFailNthCall cuts the connection at the n-th request of a kind, for every
// n that a run needs: each run must still read everything once.
func TestFailNthCall(t *testing.T) {
	c := kafkatest.StartFake(t, 1)
	topic := c.Topic(t, 2)
	for p := range int32(2) {
		c.Produce(t, topic, p, numbers(0, 300)...)
	}
	src := open(t, c, topic, nil)
	ends := mustEnds(t, src)
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata} {
		for n := range 3 {
			var calls, cut atomic.Int64
			c.Fake.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.Fake.KeepControl()
				if calls.Add(1) == int64(n+1) {
					cut.Add(1)
					return nil, errors.New("cut"), true
				}
				return nil, nil, false
			})
			out := newSink(t, nil)
			stop := start(t, src, nil, nil, out)
			out.await("records", func() bool { return out.next.Covers(ends) })
			_ = stop()
			for p := range int32(2) {
				if !slices.Equal(out.values[p], sequence(0, 300)) {
					t.Errorf("%s call %d: partition %d has %d values", key.Name(), n, p, len(out.values[p]))
				}
			}
			if cut.Load() == 0 && n == 0 {
				t.Error("no call was cut")
			}
		}
	}
}
