package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Errors marks physical rows of a batch as failed, each with its first failure
// in the order of evaluation. The zero value has none.
type Errors struct {
	set  zset.Bitmap
	rows []int32
	errs []*sqlerr.Error
}

// Len returns the number of failed rows; a nil *Errors has none.
func (e *Errors) Len() int {
	if e == nil {
		return 0
	}
	return len(e.rows)
}

// Has says whether a physical row failed.
func (e *Errors) Has(row int) bool {
	return e != nil && row>>6 < len(e.set) && e.set.Get(row)
}

// Row returns the i-th failed row and its error, in the order of discovery.
func (e *Errors) Row(i int) (row int, err *sqlerr.Error) { return int(e.rows[i]), e.errs[i] }

// At returns the error of a physical row, nil if it did not fail.
func (e *Errors) At(row int) *sqlerr.Error {
	if !e.Has(row) {
		return nil
	}
	for i, r := range e.rows {
		if int(r) == row {
			return e.errs[i]
		}
	}
	return nil
}

// Drop returns sel without the failed rows. It may write into sel's memory.
func (e *Errors) Drop(sel []int32) []int32 {
	if e.Len() == 0 {
		return sel
	}
	kept := sel[:0]
	for _, r := range sel {
		if !e.Has(int(r)) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (e *Errors) reset() {
	clear(e.set)
	clear(e.errs)
	e.rows, e.errs = e.rows[:0], e.errs[:0]
}

// add records the failure of a row unless it failed before.
func (e *Errors) add(row int, err error) {
	if e.Has(row) {
		return
	}
	for len(e.set) <= row>>6 {
		e.set = append(e.set, 0)
	}
	e.set.Set(row)
	e.rows = append(e.rows, int32(row))
	e.errs = append(e.errs, sqlerr.From(err))
}

// addCopy is add for an error that a program keeps and callers may modify.
func (e *Errors) addCopy(row int, err *sqlerr.Error) {
	if !e.Has(row) {
		fresh := *err
		e.add(row, &fresh)
	}
}
