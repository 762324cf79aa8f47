package storage

import (
	"encoding/binary"
	"slices"
)

// applyIntent carries out ops that do not fit into one transaction: they are
// written as data, then the head makes them count, then they are applied. The
// caller publishes the result, so that no reader sees a part. The caller holds
// commitMu.
func (b *Badger) applyIntent(ops []metaOp) error {
	blob := metaEncodeOps(ops)
	var pieces []metaOp
	for piece := range slices.Chunk(blob, metaPieceSize) {
		pieces = append(pieces, metaOp{metaIntentKey(len(pieces)), piece})
	}
	if err := b.applyAll(pieces); err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(pieces)))
	head = binary.BigEndian.AppendUint32(head, blockChecksum(blob))
	if err := b.apply([]metaOp{{[]byte{metaIntentHead}, head}}); err != nil {
		return err
	}
	if err := b.finishIntent(ops); err != nil {
		// The intent is durable, so it must not be undone: later commits would
		// build on a state that the next opening changes.
		b.broken = err
		return err
	}
	return nil
}

// finishIntent applies a durable intent and removes it, head first.
func (b *Badger) finishIntent(ops []metaOp) error {
	if err := b.applyAll(ops); err != nil {
		return err
	}
	if err := b.apply([]metaOp{{[]byte{metaIntentHead}, nil}}); err != nil {
		return err
	}
	return b.clearIntent()
}

func (b *Badger) clearIntent() error {
	var pieces []metaOp
	err := b.scan(b.ts, []byte{metaIntentPrefix}, nil, false, func(key, _ []byte) error {
		pieces = append(pieces, metaOp{slices.Clone(key), nil})
		return nil
	})
	if err != nil {
		return err
	}
	return b.applyAll(pieces)
}

// redoIntent carries out at opening what a crash interrupted.
func (b *Badger) redoIntent() error {
	b.commitMu.Lock()
	defer b.commitMu.Unlock()
	head, err := b.get(b.ts, []byte{metaIntentHead})
	if err != nil {
		return err
	}
	if head == nil {
		err = b.clearIntent()
	} else {
		var ops []metaOp
		if ops, err = b.readIntent(head); err == nil {
			err = b.finishIntent(ops)
		}
	}
	if err == nil {
		b.publish()
	}
	return err
}

func (b *Badger) readIntent(head []byte) ([]metaOp, error) {
	if len(head) != 8 {
		return nil, fileCorrupt("the head of an unfinished commit is damaged")
	}
	var blob []byte
	for i := range binary.BigEndian.Uint32(head) {
		piece, err := b.get(b.ts, metaIntentKey(int(i)))
		if err != nil {
			return nil, err
		}
		blob = append(blob, piece...)
	}
	ops, ok := metaDecodeOps(blob)
	if !ok || blockChecksum(blob) != binary.BigEndian.Uint32(head[4:]) {
		return nil, fileCorrupt("an unfinished commit is damaged")
	}
	return ops, nil
}

func metaIntentKey(piece int) []byte {
	return binary.BigEndian.AppendUint32([]byte{metaIntentPrefix}, uint32(piece))
}

// metaEncodeOps: for each op, length of key, key, length of value plus 1 (0: a
// deletion), value.
func metaEncodeOps(ops []metaOp) []byte {
	var blob []byte
	for _, op := range ops {
		blob = binary.AppendUvarint(blob, uint64(len(op.key)))
		blob = append(blob, op.key...)
		if op.value == nil {
			blob = binary.AppendUvarint(blob, 0)
			continue
		}
		blob = binary.AppendUvarint(blob, uint64(len(op.value))+1)
		blob = append(blob, op.value...)
	}
	return blob
}

func metaDecodeOps(blob []byte) (ops []metaOp, ok bool) {
	take := func(n uint64) []byte {
		if n > uint64(len(blob)) {
			ok = false
			return nil
		}
		part := blob[:n:n]
		blob = blob[n:]
		return part
	}
	number := func() uint64 {
		n, k := binary.Uvarint(blob)
		if k <= 0 {
			ok = false
			return 0
		}
		blob = blob[k:]
		return n
	}
	for ok = true; ok && len(blob) > 0; {
		var op metaOp
		op.key = take(number())
		if n := number(); n > 0 {
			op.value = take(n - 1)
		}
		ops = append(ops, op)
	}
	return ops, ok
}
