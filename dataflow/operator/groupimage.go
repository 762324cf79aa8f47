package operator

import (
	"encoding/binary"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The stored image of a group:
//
//	varint head    0: the group has no output row (HAVING is not true of it);
//	               else 1 + 2*length (+1 if what follows is an error row)
//	row bytes      the output row, or the row of ErrorSchema that stands for it
//	varint count   the number of input rows
//	state          of each aggregate, see its accumulator
//
// So a reader finds the row without knowing anything of the aggregates, and the
// operator finds what it has to retract.
const (
	headNone  = 0
	headBase  = 1
	headError = 1
)

// appendGroupHead appends what a group shows: nothing, a row or an error row.
func appendGroupHead(dst, row []byte, present, failed bool) []byte {
	if !present {
		return append(dst, headNone)
	}
	h := uint64(len(row))<<1 + headBase
	if failed {
		h += headError
	}
	dst = binary.AppendUvarint(dst, h)
	return append(dst, row...)
}

// splitGroupImage returns what a group shows and its state.
func splitGroupImage(image []byte) (row []byte, present, failed bool, state []byte, err error) {
	h, n := binary.Uvarint(image)
	if n <= 0 {
		return nil, false, false, nil, errImage
	}
	image = image[n:]
	if h == headNone {
		return nil, false, false, image, nil
	}
	h -= headBase
	size := h >> 1
	if size > uint64(len(image)) {
		return nil, false, false, nil, errImage
	}
	return image[:size:size], true, h&1 == headError, image[size:], nil
}

// DecodeGroupImage returns the output row that an aggregate's stored image
// shows, as bytes of zset.AppendRow; ok is false for a group without one
// (HAVING, or an expression that failed).
func DecodeGroupImage(image []byte) (row []byte, ok bool, err error) {
	row, present, failed, _, err := splitGroupImage(image)
	if err != nil {
		return nil, false, sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored group is damaged")
	}
	return row, present && !failed, nil
}

// AppendMultiplicity and DecodeMultiplicity are the image of a keyless row.
func AppendMultiplicity(dst []byte, n int64) []byte {
	return binary.AppendUvarint(dst, uint64(n))
}

// DecodeMultiplicity returns how often a keyless relation contains a row.
func DecodeMultiplicity(image []byte) (int64, error) {
	m, n := binary.Uvarint(image)
	if n != len(image) || n <= 0 || int64(m) <= 0 {
		return 0, sqlerr.Wrap(errImage, sqlerr.DataCorrupted, "stored multiplicity is damaged")
	}
	return int64(m), nil
}
