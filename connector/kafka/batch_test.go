package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/sql/types"
)

// batchSpec describes a record batch for encodeBatch.
type batchSpec struct {
	base, last int64
	attrs      int16
	producer   int64
	offsets    []int64
	values     []string
	key        []byte
}

func appendVarint(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v<<1)^uint64(v>>63))
}

// encodeBatch writes a batch of format 2.
func encodeBatch(s batchSpec) []byte {
	var records []byte
	for i, off := range s.offsets {
		r := []byte{0}
		r = appendVarint(r, int64(i)) // ms after the first
		r = appendVarint(r, off-s.base)
		if s.key == nil {
			r = appendVarint(r, -1)
		} else {
			r = append(appendVarint(r, int64(len(s.key))), s.key...)
		}
		r = append(appendVarint(r, int64(len(s.values[i]))), s.values[i]...)
		r = appendVarint(r, 0)
		records = append(appendVarint(records, int64(len(r))), r...)
	}
	b := kmsg.RecordBatch{FirstOffset: s.base, Length: int32(batchHeader - batchFromLength + len(records)), Magic: 2, Attributes: s.attrs,
		LastOffsetDelta: int32(s.last - s.base), FirstTimestamp: 1000, MaxTimestamp: 2000, ProducerID: s.producer, NumRecords: int32(len(s.offsets)), Records: records}
	out := b.AppendTo(nil)
	return seal(out)
}

// seal writes the checksum.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[batchFromCRC:], checksumTable()))
	return b
}

func numberBatch(base, last int64, offsets ...int64) batchSpec {
	s := batchSpec{base: base, last: last, offsets: offsets}
	for _, o := range offsets {
		s.values = append(s.values, fmt.Sprintf(`{"n":%d}`, o))
	}
	return s
}

// decoding is a partition without a cluster.
type decoding struct {
	run *run
	p   *partition
	f   *fetcher
	out *sink
}

func newDecoding(t testing.TB, from, until int64) *decoding {
	t.Helper()
	o := Options{Brokers: []string{"none:1"}, Topic: "t", Columns: []connector.Column{
		{Name: "n", Type: types.Int8}, {Name: "off", Type: types.Int8, Meta: connector.FromOffset}}}
	out := newSink(t, connector.Positions{from})
	w := &run{Reader: &Reader{source: &Source{opts: o}, state: newStates(out.status)}, push: out.push,
		cancel: func(error) {}, kicked: make(chan struct{}, 1), partitions: map[int32]*partition{}, fetchers: map[int32]*fetcher{}}
	if until >= 0 {
		w.bounded, w.until, w.remaining = true, connector.Positions{until}, 1
	}
	p, err := w.newPartition(0, from)
	if err != nil {
		t.Fatal(err)
	}
	w.addPartition(p)
	return &decoding{run: w, p: p, f: newFetcher(w, 0), out: out}
}

// receive hands a response to the fetcher and decodes it, as fetch and decode
// do, and returns the error of decoding.
func (d *decoding) receive(raw []byte, aborted ...kmsg.FetchResponseTopicPartitionAbortedTransaction) error {
	d.p.retryAt = time.Time{}
	if _, any := d.f.ask(time.Now()); !any {
		return errors.New("nothing to ask for")
	}
	rp := kmsg.NewFetchResponseTopicPartition()
	rp.RecordBatches, rp.AbortedTransactions = raw, aborted
	resp := kmsg.NewPtrFetchResponse()
	resp.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{rp}}}
	work := d.f.receive(context.Background(), resp)
	var err error
	for i := range work {
		err = errors.Join(err, d.p.decode(context.Background(), &work[i]))
		d.p.pending--
		if err != nil {
			d.f.refused(d.p, err)
			d.p.next, d.p.waiting, d.p.gen = d.p.rows.first, false, d.p.gen+1
		}
	}
	return err
}

func (d *decoding) expect(t testing.TB, next int64, values ...int64) {
	t.Helper()
	if got := d.out.values[0]; !slices.Equal(got, values) {
		t.Errorf("values %v, want %v", got, values)
	}
	if d.out.next[0] != next || (!d.p.done && d.p.next != next) {
		t.Errorf("position %d, next fetch %d, want %d", d.out.next[0], d.p.next, next)
	}
}

func TestCompactedOffsets(t *testing.T) {
	d := newDecoding(t, 2, -1)
	raw := slices.Concat(
		encodeBatch(numberBatch(0, 9, 0, 3, 7)), // offsets before the position and gaps
		encodeBatch(numberBatch(10, 14)),        // nothing left of it
		encodeBatch(numberBatch(20, 29, 22)))    // a gap between batches
	if err := d.receive(raw); err != nil {
		t.Fatal(err)
	}
	d.expect(t, 30, 3, 7, 22)
}

func TestTruncatedResponse(t *testing.T) {
	d := newDecoding(t, 0, -1)
	second := encodeBatch(numberBatch(2, 3, 2, 3))
	for cut := range len(second) {
		d = newDecoding(t, 0, -1)
		if err := d.receive(append(encodeBatch(numberBatch(0, 1, 0, 1)), second[:cut]...)); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		d.expect(t, 2, 0, 1)
	}
	if err := d.receive(second); err != nil {
		t.Fatal(err)
	}
	d.expect(t, 4, 0, 1, 2, 3)
}

func TestUntilWithinBatch(t *testing.T) {
	for until := int64(1); until <= 13; until++ {
		d := newDecoding(t, 0, until)
		raw := slices.Concat(encodeBatch(numberBatch(0, 4, 0, 1, 2, 3, 4)), encodeBatch(numberBatch(5, 9, 5, 8)), encodeBatch(numberBatch(10, 12, 10, 11, 12)))
		if err := d.receive(raw); err != nil {
			t.Fatal(err)
		}
		var want []int64
		for _, o := range []int64{0, 1, 2, 3, 4, 5, 8, 10, 11, 12} {
			if o < until {
				want = append(want, o)
			}
		}
		d.expect(t, until, want...)
		if !d.p.done || d.run.remaining != 0 {
			t.Errorf("until %d: not done", until)
		}
	}
}

func TestAbortedTransactions(t *testing.T) {
	marker := func(base, producer int64, kind byte) []byte {
		return encodeBatch(batchSpec{base: base, last: base, attrs: attrTransaction | attrControl, producer: producer,
			offsets: []int64{base}, values: []string{"\x00\x00\x00\x00\x00\x00"}, key: []byte{0, 0, 0, kind}})
	}
	txn := func(producer int64, offsets ...int64) []byte {
		s := numberBatch(offsets[0], offsets[len(offsets)-1], offsets...)
		s.attrs, s.producer = attrTransaction, producer
		return encodeBatch(s)
	}
	raw := slices.Concat(
		txn(7, 0, 1), txn(8, 2, 3), encodeBatch(numberBatch(4, 4, 4)), txn(7, 5), marker(6, 7, 0), // 7 aborts
		txn(7, 7, 8), marker(9, 8, 1), marker(10, 7, 1), // 8 and 7 commit
		txn(8, 11), marker(12, 8, 0)) // 8 aborts
	list := []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 8, FirstOffset: 11}, {ProducerID: 7, FirstOffset: 0}} // in no order
	d := newDecoding(t, 0, -1)
	if err := d.receive(raw, list...); err != nil {
		t.Fatal(err)
	}
	d.expect(t, 13, 2, 3, 4, 7, 8)
}

// TestDamage damages a batch between good ones: what is before it is delivered,
// nothing is skipped, and when it is whole again reading goes on.
func TestDamage(t *testing.T) {
	first, middle, last := encodeBatch(numberBatch(0, 2, 0, 1, 2)), encodeBatch(numberBatch(3, 5, 3, 4, 5)), encodeBatch(numberBatch(6, 7, 6, 7))
	wrongSum := bytes.Clone(middle)
	wrongSum[len(wrongSum)-2] ^= 1
	brokenRecord := bytes.Clone(middle) // its second record has an impossible length, the checksum is right
	size := int(brokenRecord[batchHeader] / 2)
	brokenRecord[batchHeader+1+size] = 0x7f
	seal(brokenRecord)
	badCodec := bytes.Clone(middle)
	badCodec[22] |= 4
	seal(badCodec)
	badLength := bytes.Clone(middle)
	binary.BigEndian.PutUint32(badLength[8:], 10)
	for name, damaged := range map[string][]byte{"checksum": wrongSum, "record": brokenRecord, "compression": badCodec, "length": badLength} {
		t.Run(name, func(t *testing.T) {
			d := newDecoding(t, 0, -1)
			for range 4 {
				raw := slices.Concat(first, damaged, last)
				if d.p.next >= 3 {
					raw = slices.Concat(damaged, last)
				}
				_ = d.receive(raw)
			}
			d.expect(t, 3, 0, 1, 2)
			if st := d.out.state(); st.Name != connector.Stalled || !strings.Contains(st.Reason, "partition 0: ") {
				t.Errorf("state %+v", st)
			}
			if err := d.receive(slices.Concat(middle, last)); err != nil {
				t.Fatal(err)
			}
			d.expect(t, 8, 0, 1, 2, 3, 4, 5, 6, 7)
		})
	}
}

func TestOldFormats(t *testing.T) {
	var raw []byte
	for i := range int64(5) {
		m := kmsg.MessageV1{Offset: i, Magic: 1, Timestamp: 5, Value: fmt.Appendf(nil, `{"n":%d}`, i)}
		m.MessageSize = int32(len(m.AppendTo(nil)) - batchFromLength)
		b := m.AppendTo(nil)
		binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
		raw = append(raw, b...)
	}
	d := newDecoding(t, 1, -1)
	if err := d.receive(raw); err != nil {
		t.Fatal(err)
	}
	d.expect(t, 5, 1, 2, 3, 4)
	if err := d.receive(encodeBatch(numberBatch(5, 5, 5))); err != nil { // the topic was converted
		t.Fatal(err)
	}
	d.expect(t, 6, 1, 2, 3, 4, 5)
}

func TestBatchLimits(t *testing.T) {
	s := batchSpec{base: 0, last: 3*maxRows - 1}
	for i := range int64(3 * maxRows) {
		s.offsets, s.values = append(s.offsets, i), append(s.values, `{"n":1}`)
	}
	d := newDecoding(t, 0, -1)
	var sizes []int
	d.run.push = func(_ context.Context, b *connector.Batch) error {
		sizes = append(sizes, b.Rows.N)
		return nil
	}
	if err := d.receive(encodeBatch(s)); err != nil || fmt.Sprint(sizes) != fmt.Sprint([]int{maxRows, maxRows, maxRows}) {
		t.Errorf("batches of %v rows, %v", sizes, err)
	}
}

// FuzzBatches compares with the client's own parser: the same records at the
// same offsets, the same next position, and never a panic.
func FuzzBatches(f *testing.F) {
	f.Add(slices.Concat(encodeBatch(numberBatch(0, 2, 0, 1, 2)), encodeBatch(numberBatch(3, 9, 5))), int64(1), uint64(0))
	f.Add(encodeBatch(batchSpec{base: 4, last: 4, attrs: attrTransaction | attrControl, offsets: []int64{4}, values: []string{""}, key: []byte{0, 0, 0, 0}}), int64(0), uint64(9))
	f.Fuzz(func(t *testing.T, raw []byte, from int64, seed uint64) {
		if from < 0 || from > 1<<40 {
			return
		}
		raw = sealAll(bytes.Clone(raw), seed)
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.RecordBatches = raw
		o := kgo.ProcessFetchPartitionOpts{Offset: from, Topic: "t", IsolationLevel: kgo.ReadUncommitted()}
		want, next := kgo.ProcessFetchPartition(o, &rp, kgo.DefaultDecompressor(), nil)

		d := newDecoding(t, from, -1)
		d.run.source.opts.ReadUncommitted = true
		var got []int64
		d.run.push = func(_ context.Context, b *connector.Batch) error {
			if b.First >= b.Next {
				t.Fatalf("range %d to %d", b.First, b.Next)
			}
			for i := range b.Rows.N {
				got = append(got, b.Rows.Cols[1].Int[i])
			}
			if b.Errors != nil {
				got = append(got, b.Errors.Cols[1].Int...)
			}
			return nil
		}
		err := d.receive(raw)
		if err != nil || want.Err != nil || d.p.failures > 0 {
			return // damaged: the two differ in how much they take before they notice
		}
		slices.Sort(got)
		var offsets []int64
		for _, r := range want.Records {
			offsets = append(offsets, r.Offset)
		}
		slices.Sort(offsets)
		if !slices.Equal(got, offsets) || d.p.rows.first != next {
			t.Fatalf("offsets %v to %d, the client reads %v to %d", got, d.p.rows.first, offsets, next)
		}
	})
}

// sealAll writes right checksums into what looks like batches, so that the
// fuzzer gets behind them; a seed that is a multiple of 7 leaves them.
func sealAll(raw []byte, seed uint64) []byte {
	if seed%7 == 0 && seed > 0 {
		return raw
	}
	for b := raw; len(b) >= batchHeader; {
		h, ok, err := readHeader(b)
		if err != nil || !ok || h.magic != formatTwo {
			break
		}
		seal(b[:h.size])
		b = b[h.size:]
	}
	return raw
}

// TestRefusals checks which errors of a partition are told, and that reading
// goes on after them.
func TestRefusals(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, k := range []struct {
		err  *kerr.Error
		told bool // at the first time
	}{{kerr.NotLeaderForPartition, false}, {kerr.FencedLeaderEpoch, false}, {kerr.UnknownTopicID, false}, {kerr.TopicAuthorizationFailed, true}, {kerr.CorruptMessage, false}} {
		d := newDecoding(t, 0, -1)
		d.f.refused(d.p, k.err)
		if told := d.out.state().Name == connector.Stalled; told != k.told {
			t.Errorf("%v: told %v at the first time", k.err, told)
		}
		for range 1 + rng.IntN(3) {
			d.f.refused(d.p, k.err)
		}
		if d.out.state().Name != connector.Stalled {
			t.Errorf("%v: not told when it lasts", k.err)
		}
		if err := d.receive(encodeBatch(numberBatch(0, 0, 0))); err != nil {
			t.Fatal(err)
		}
		d.run.recovered(d.p)
		if d.out.state().Name != connector.Running {
			t.Errorf("%v: state %+v after a good answer", k.err, d.out.state())
		}
	}
}
