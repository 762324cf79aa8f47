package storage

import (
	"bytes"
	"encoding/binary"

	"hash/crc64"
	"os"
)

// Keys in Badger, by their first byte:
//
//	m key              meta data: kind, value
//	x id ordinal piece a piece of a value that is too large for m
//	i n                a piece of an intent: a commit too large for one transaction
//	I                  the intent is whole: number of pieces, checksum
//	t                  number and checksum of all meta data
//	s run, b slot ...  runs of results, see blockbadger.go
const (
	metaPrefix       = 'm'
	metaPiecePrefix  = 'x'
	metaIntentPrefix = 'i'
	metaIntentHead   = 'I'
	metaSumPrefix    = 't'
	blockRunPrefix   = 's'
	blockDataPrefix  = 'b'
)

// metaPieceSize is the largest value that is written for meta data. It keeps a
// transaction well below Badger's limit (15 % of a memtable), and every value
// below the threshold of the value log.
const metaPieceSize = 256 << 10

const (
	metaInline = 0 // the value follows
	metaPieces = 1 // id, ordinal, length and checksum of the value follow
)

// metaStore is the Meta in Badger.
type metaStore struct{ b *Badger }

var _ Meta = metaStore{}

func metaKey(key []byte) []byte { return append([]byte{metaPrefix}, key...) }

// metaLarge says where the pieces of a large value are.
type metaLarge struct {
	id      uint64 // timestamp before its commit
	ordinal uint32 // of the change within the commit
	length  uint64
	crc     uint32
}

func (l *metaLarge) encode() []byte {
	v := []byte{metaPieces}
	v = binary.BigEndian.AppendUint64(v, l.id)
	v = binary.BigEndian.AppendUint32(v, l.ordinal)
	v = binary.BigEndian.AppendUint64(v, l.length)
	return binary.BigEndian.AppendUint32(v, l.crc)
}

func metaDecodeLarge(v []byte) (metaLarge, bool) {
	if len(v) != 25 || v[0] != metaPieces {
		return metaLarge{}, false
	}
	return metaLarge{
		id:      binary.BigEndian.Uint64(v[1:]),
		ordinal: binary.BigEndian.Uint32(v[9:]),
		length:  binary.BigEndian.Uint64(v[13:]),
		crc:     binary.BigEndian.Uint32(v[21:]),
	}, true
}

func (l *metaLarge) count() int { return int((l.length + metaPieceSize - 1) / metaPieceSize) }

func (l *metaLarge) key(piece int) []byte {
	k := []byte{metaPiecePrefix}
	k = binary.BigEndian.AppendUint64(k, l.id)
	k = binary.BigEndian.AppendUint32(k, l.ordinal)
	return binary.BigEndian.AppendUint32(k, uint32(piece))
}

// Get implements Meta.
func (m metaStore) Get(key []byte) ([]byte, error) {
	ts, err := m.b.enter()
	if err != nil {
		return nil, err
	}
	defer m.b.leave(ts)
	raw, err := m.b.get(ts, metaKey(key))
	if raw == nil || err != nil {
		return nil, err
	}
	return m.value(ts, key, raw)
}

// value decodes what is stored under a key.
func (m metaStore) value(ts uint64, key, raw []byte) ([]byte, error) {
	if len(raw) > 0 && raw[0] == metaInline {
		return raw[1:], nil
	}
	large, ok := metaDecodeLarge(raw)
	if !ok {
		return nil, fileCorrupt("meta data under key %q is damaged", key)
	}
	var value []byte
	for i := range large.count() {
		piece, err := m.b.get(ts, large.key(i))
		if err != nil {
			return nil, err
		}
		value = append(value, piece...)
	}
	if uint64(len(value)) != large.length || blockChecksum(value) != large.crc {
		return nil, fileCorrupt("meta data under key %q is damaged", key)
	}
	return value, nil
}

// Scan implements Meta. fn may call Get and Scan.
func (m metaStore) Scan(prefix []byte, fn func(key, value []byte) error) error {
	ts, err := m.b.enter()
	if err != nil {
		return err
	}
	defer m.b.leave(ts)
	return m.b.scan(ts, metaKey(prefix), nil, true, func(key, raw []byte) error {
		value, err := m.value(ts, key[1:], raw)
		if err != nil {
			return err
		}
		return fn(key[1:], value)
	})
}

// Commit implements Meta. Changes that exceed one transaction of Badger are
// written as an intent first, which is then carried out; a crash in between
// carries it out at the next opening.
func (m metaStore) Commit(changes []MetaChange) error {
	b := m.b
	b.commitMu.Lock()
	defer b.commitMu.Unlock()
	if b.isClosed() {
		return os.ErrClosed
	}
	sum := b.sum
	var ops []metaOp
	seen := make(map[string]bool, len(changes))
	for i := len(changes) - 1; i >= 0; i-- { // the last change of a key counts
		c := &changes[i]
		if seen[string(c.Key)] {
			continue
		}
		seen[string(c.Key)] = true
		var err error
		if ops, err = b.change(ops, c, uint32(i), &sum); err != nil {
			return err
		}
	}
	if len(ops) == 0 {
		return nil
	}
	ops = append(ops, metaOp{[]byte{metaSumPrefix}, sum.encode()})
	var err error
	if b.fits(ops) == len(ops) {
		err = b.apply(ops)
	} else {
		err = b.applyIntent(ops)
	}
	if err != nil {
		return err
	}
	b.sum = sum
	b.publish()
	return nil
}

// change appends what one change means for Badger's keys.
func (b *Badger) change(ops []metaOp, c *MetaChange, ordinal uint32, sum *metaSum) ([]metaOp, error) {
	key := metaKey(c.Key)
	old, err := b.get(b.ts, key)
	if err != nil {
		return nil, err
	}
	if old == nil && c.Value == nil {
		return ops, nil
	}
	if old != nil {
		sum.remove(key, old)
	}
	if large, ok := metaDecodeLarge(old); ok {
		for i := range large.count() {
			ops = append(ops, metaOp{large.key(i), nil})
		}
	}
	if c.Value == nil {
		return append(ops, metaOp{key, nil}), nil
	}
	raw := append(make([]byte, 0, 1+len(c.Value)), metaInline)
	if len(c.Value) <= metaPieceSize {
		raw = append(raw, c.Value...)
	} else {
		large := metaLarge{id: b.ts, ordinal: ordinal, length: uint64(len(c.Value)), crc: blockChecksum(c.Value)}
		for i := range large.count() {
			piece := c.Value[i*metaPieceSize : min((i+1)*metaPieceSize, len(c.Value))]
			ops = append(ops, metaOp{large.key(i), piece})
		}
		raw = large.encode()
	}
	sum.add(key, raw)
	return append(ops, metaOp{key, raw}), nil
}

// metaSum is count and checksum of all meta data. Damage lets Badger lose keys
// without an error; the sum tells.
type metaSum struct {
	count uint64
	xor   uint64 // of the checksums of all pairs
}

func metaPairSum(key, raw []byte) uint64 {
	table := crc64.MakeTable(crc64.ECMA)
	return crc64.Update(crc64.Checksum(key, table), table, raw)
}

func (s *metaSum) add(key, raw []byte) {
	s.count++
	s.xor ^= metaPairSum(key, raw)
}

func (s *metaSum) remove(key, raw []byte) {
	s.count--
	s.xor ^= metaPairSum(key, raw)
}

func (s *metaSum) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.count), s.xor)
}

// checkSum reads all meta data and compares it with its sum.
func (b *Badger) checkSum() error {
	var found metaSum
	err := b.scan(b.ts, []byte{metaPrefix}, nil, true, func(key, raw []byte) error {
		found.add(key, raw)
		return nil
	})
	if err != nil {
		return err
	}
	stored, err := b.get(b.ts, []byte{metaSumPrefix})
	if err != nil {
		return err
	}
	if stored == nil {
		stored = (&metaSum{}).encode()
	}
	if !bytes.Equal(stored, found.encode()) {
		return fileCorrupt("meta data is damaged: found %d entries that do not agree with their checksum", found.count)
	}
	b.sum = found
	return nil
}

// Close implements Meta.
func (m metaStore) Close() error { return m.b.Close() }

func (b *Badger) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
