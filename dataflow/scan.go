package dataflow

import (
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// ResultSpec says how readers decode the arrangement of a stored relation:
//
//	Grouped         the image begins with the row (operator.DecodeGroupImage);
//	                the key is that of the group, which need not be a column
//	Keyed           the image is the row, the key is made of Key
//	neither         the key is the row, the image its multiplicity
type ResultSpec struct {
	Arr     storage.Arrangement `json:"arr"`
	Grouped bool                `json:"grouped,omitempty"`
	Keyed   bool                `json:"keyed,omitempty"`
	Types   []types.Type        `json:"types"`
	Key     []types.Type        `json:"key,omitempty"`
}

// StoredRows is a consistent view of arrangements; storage's snapshot is one.
type StoredRows interface {
	Get(arr storage.Arrangement, key, buf []byte) (val []byte, ok bool, err error)
	Scan(arr storage.Arrangement, lo, hi []byte, fn func(key, val []byte) bool) error
}

// scanBatchRows is the number of rows of a batch that a scan emits.
const scanBatchRows = 2048

// ScanResult emits the rows of a stored relation whose key bytes lie between lo
// (inclusive) and hi (exclusive; nil: open), in batches in key order; a row of
// multiplicity m has weight m. Need lists the columns that are read (nil: all);
// the others arrive without data. Each batch is the receiver's.
func ScanResult(s StoredRows, r ResultSpec, lo, hi []byte, need []int, emit func(*zset.Batch) error) error {
	d := newResultDecoder(r, need)
	var failed error
	err := s.Scan(r.Arr, lo, hi, func(key, val []byte) bool {
		if failed = d.add(key, val); failed == nil && d.batch.N >= scanBatchRows {
			failed = emit(d.take())
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if err != nil || d.batch.N == 0 {
		return err
	}
	return emit(d.take())
}

// LookupResult emits the row that is stored under a key, if there is one.
func LookupResult(s StoredRows, r ResultSpec, key []byte, emit func(*zset.Batch) error) error {
	val, ok, err := s.Get(r.Arr, key, nil)
	if err != nil || !ok {
		return err
	}
	d := newResultDecoder(r, nil)
	if err := d.add(key, val); err != nil || d.batch.N == 0 {
		return err
	}
	return emit(d.take())
}

// resultDecoder collects stored rows in a batch.
type resultDecoder struct {
	spec  ResultSpec
	need  []bool // nil: all
	batch *zset.Batch
}

func newResultDecoder(r ResultSpec, need []int) *resultDecoder {
	d := &resultDecoder{spec: r, batch: zset.NewBatch(r.Types, 0)}
	if need != nil {
		d.need = make([]bool, len(r.Types))
		for _, c := range need {
			d.need[c] = true
		}
	}
	return d
}

// add decodes one stored row; a group that shows none adds nothing.
func (d *resultDecoder) add(key, val []byte) error {
	row, weight, err := decodeStored(d.spec, key, val)
	if err != nil || weight == 0 {
		return err
	}
	if err := zset.DecodeRow(row, d.batch.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", d.spec.Arr)
	}
	d.batch.AddRow(weight)
	return nil
}

// take returns the batch and begins a new one.
func (d *resultDecoder) take() *zset.Batch {
	b := d.batch
	for i := range d.need {
		if !d.need[i] {
			b.Cols[i] = zset.Vector{Type: b.Cols[i].Type}
		}
	}
	d.batch = zset.NewBatch(d.spec.Types, 0)
	return b
}

// decodeStored returns the row bytes and the weight of a stored pair; weight 0
// means that it shows no row.
func decodeStored(r ResultSpec, key, val []byte) (row []byte, weight int64, err error) {
	switch {
	case r.Grouped:
		row, ok, err := operator.DecodeGroupImage(val)
		if err != nil || !ok {
			return nil, 0, err
		}
		return row, 1, nil
	case r.Keyed:
		return val, 1, nil
	default:
		weight, err = operator.DecodeMultiplicity(val)
		if len(r.Types) == 0 {
			key = nil // a row of no columns has a key that is none of its bytes
		}
		return key, weight, err
	}
}
