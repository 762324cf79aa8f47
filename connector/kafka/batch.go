package kafka

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sizes and bits of a record batch, format 2.
const (
	batchHeader      = 61
	batchFromLength  = 12 // bytes before those that the length counts
	batchFromCRC     = 21 // bytes before those that the checksum covers
	attrCodec        = 0x07
	attrAppendTime   = 0x08
	attrTransaction  = 0x10
	attrControl      = 0x20
	controlAbort     = 0
	maxBatchRecords  = math.MaxInt32
	formatTwo        = 2
	positionOfMagic  = 16
	minMessageHeader = 17
)

// header is what stands before the records of a batch.
type header struct {
	base      int64
	size      int // of the whole batch
	magic     int8
	attrs     int16
	last      int64 // last offset, removed records included
	firstTime int64 // ms
	maxTime   int64
	producer  int64
	records   int
	checksum  uint32
}

var (
	errDamaged  = errors.New("record batch is damaged")
	errChecksum = errors.New("record batch has a wrong checksum")
)

// readHeader reads the header that b begins with; ok is false when b ends
// within the batch, as the last one of a response may.
func readHeader(b []byte) (h header, ok bool, err error) {
	if len(b) < minMessageHeader {
		return h, false, nil
	}
	h.base = int64(binary.BigEndian.Uint64(b))
	length := int32(binary.BigEndian.Uint32(b[8:]))
	h.magic = int8(b[positionOfMagic])
	if length < 0 || h.base < 0 {
		return h, false, errDamaged
	}
	h.size = int(length) + batchFromLength
	if h.size > len(b) {
		return h, false, nil
	}
	if h.magic < formatTwo {
		return h, true, nil
	}
	if h.size < batchHeader || h.magic > formatTwo {
		return h, false, errDamaged
	}
	h.checksum = binary.BigEndian.Uint32(b[17:])
	h.attrs = int16(binary.BigEndian.Uint16(b[21:]))
	h.last = h.base + int64(int32(binary.BigEndian.Uint32(b[23:])))
	h.firstTime = int64(binary.BigEndian.Uint64(b[27:]))
	h.maxTime = int64(binary.BigEndian.Uint64(b[35:]))
	h.producer = int64(binary.BigEndian.Uint64(b[43:]))
	records := int32(binary.BigEndian.Uint32(b[57:]))
	if records < 0 || h.last < h.base {
		return h, false, errDamaged
	}
	h.records = int(records)
	return h, true, nil
}

// checksumTable is the Castagnoli polynomial's; the library keeps one.
func checksumTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// scanned is what a first look at the headers of a response tells.
type scanned struct {
	next    int64 // the position after the last whole batch
	records int   // in whole batches, an upper bound of the rows
	old     bool  // some batch has format 0 or 1
}

// scanHeaders finds where the next fetch begins without looking at records.
func scanHeaders(b []byte, position int64) (s scanned, err error) {
	s.next = position
	for len(b) > 0 {
		h, ok, err := readHeader(b)
		if err != nil || !ok {
			return s, err
		}
		if h.magic < formatTwo {
			s.old = true
			return s, nil
		}
		s.records += h.records
		s.next = max(s.next, h.last+1)
		b = b[h.size:]
	}
	return s, nil
}

// aborted follows which producers' transactions are aborted at the place where
// the reader is (read_committed).
type aborted struct {
	ahead []kmsg.FetchResponseTopicPartitionAbortedTransaction // by first offset
	now   []int64                                              // producers
}

func newAborted(list []kmsg.FetchResponseTopicPartitionAbortedTransaction) aborted {
	if len(list) == 0 {
		return aborted{}
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		switch {
		case a.FirstOffset < b.FirstOffset:
			return -1
		case a.FirstOffset > b.FirstOffset:
			return 1
		}
		return 0
	})
	return aborted{ahead: list}
}

// skips says whether the records of a batch are aborted.
func (a *aborted) skips(h *header) bool {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= h.last {
		if p := a.ahead[0].ProducerID; !slices.Contains(a.now, p) {
			a.now = append(a.now, p)
		}
		a.ahead = a.ahead[1:]
	}
	return h.attrs&attrTransaction != 0 && slices.Contains(a.now, h.producer)
}

// ended notes a control batch's marker.
func (a *aborted) ended(producer int64, key []byte) {
	if len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == controlAbort {
		if i := slices.Index(a.now, producer); i >= 0 {
			a.now = slices.Delete(a.now, i, i+1)
		}
	}
}

// record is one record of a batch; the bytes belong to the response.
type record struct {
	offset  int64
	time    int64 // ms
	key     []byte
	value   []byte // nil: NULL
	headers []byte // as encoded, read only if somebody asks for headers
	nhead   int
}

// varint reads a zigzag varint; n is 0 if b ends within it or it is too long.
func varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0
	}
	return int64(u>>1) ^ -int64(u&1), n
}

// varbytes reads a length and as many bytes; -1 is nil.
func varbytes(b []byte) (v, rest []byte, ok bool) {
	size, n := varint(b)
	if n == 0 || size > int64(len(b)-n) {
		return nil, nil, false
	}
	if size < 0 {
		return nil, b[n:], true
	}
	end := n + int(size)
	return b[n:end:end], b[end:], true
}

// next reads the record that b begins with.
func (r *record) next(h *header, b []byte) (rest []byte, ok bool) {
	size, n := varint(b)
	if n == 0 || size < 1 || size > int64(len(b)-n) {
		return nil, false
	}
	end := n + int(size)
	in, rest := b[n+1:end], b[end:] // one byte of attributes, not in use
	dt, n := varint(in)
	if n == 0 {
		return nil, false
	}
	in = in[n:]
	do, n := varint(in)
	if n == 0 {
		return nil, false
	}
	if r.key, in, ok = varbytes(in[n:]); !ok {
		return nil, false
	}
	if r.value, in, ok = varbytes(in); !ok {
		return nil, false
	}
	count, n := varint(in)
	if n == 0 || count < 0 || count > int64(len(in)) {
		return nil, false
	}
	r.nhead, r.headers = int(count), in[n:]
	if !validHeaders(r.headers, r.nhead) {
		return nil, false
	}
	r.offset = h.base + do
	if r.time = h.firstTime + dt; h.attrs&attrAppendTime != 0 {
		r.time = h.maxTime
	}
	return rest, r.offset >= h.base && r.offset <= h.last
}

// validHeaders walks over n headers: a key that is not null and a value each.
func validHeaders(b []byte, n int) bool {
	for range n {
		key, rest, ok := varbytes(b)
		if !ok || key == nil {
			return false
		}
		if _, b, ok = varbytes(rest); !ok {
			return false
		}
	}
	return true
}

// inflater decompresses batches into one buffer that it uses again and again.
type inflater struct {
	codec kgo.Decompressor
	buf   []byte
}

func newInflater() *inflater {
	f := &inflater{}
	f.codec = kgo.DefaultDecompressor(f)
	return f
}

// GetDecompressBytes lends the buffer to the decompressor.
func (f *inflater) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	b := f.buf
	f.buf = nil
	return b
}

// PutDecompressBytes takes it back, perhaps grown.
func (f *inflater) PutDecompressBytes(b []byte) { f.buf = b }

// inflate returns the records of a batch; they are valid until the next call.
func (f *inflater) inflate(records []byte, attrs int16) ([]byte, error) {
	codec := kgo.CompressionCodecType(attrs & attrCodec)
	if codec == 0 {
		return records, nil
	}
	out, err := f.codec.Decompress(records, codec)
	if err != nil {
		return nil, err
	}
	f.buf = out
	return out, nil
}
