package operator

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

func (j *JoinSpec) checkShared() error {
	switch {
	case j.Kind.Lookup() && j.RightShared == nil:
		return fmt.Errorf("the right side of a %s join is not shared", j.Kind)
	case j.LeftShared == nil && j.RightShared == nil:
		return nil
	case j.LeftShared != nil && (j.RightShared != nil || j.Kind != InnerJoin):
		return fmt.Errorf("the left side of a %s join is shared", j.Kind)
	case j.LeftShared != nil && j.LeftForgets || j.RightShared != nil && j.RightForgets:
		return fmt.Errorf("a shared side of a join forgets")
	case j.Kind == FullJoin:
		return fmt.Errorf("a side of a full join is shared")
	case len(j.LeftKey) == 0:
		return fmt.Errorf("a side of a join without key is shared")
	}
	return nil
}

// sharedRows reads the rows of a join's side from a stored relation.
type sharedRows struct {
	spec    *SharedSide
	mapping *Map // nil: the stored rows are the side's

	// of the epoch
	images storage.Values
	memory []byte // of the headers
	block  *zset.Batch
	slots  []int32 // of the block's rows
}

func newSharedRows(env *expr.Env, spec *SharedSide, side []types.Type) (*sharedRows, error) {
	if spec == nil {
		return nil, nil
	}
	s := &sharedRows{spec: spec}
	output := spec.Types
	if spec.Map != nil {
		if !sameBases(spec.Map.Input, spec.Types) {
			return nil, fmt.Errorf("the map of a shared side reads other columns than are stored")
		}
		output = spec.Map.Output()
		var err error
		if s.mapping, err = NewMapIn(env, spec.Map); err != nil {
			return nil, err
		}
	}
	if !sameBases(output, side) {
		return nil, fmt.Errorf("a shared side has other columns than the join")
	}
	return s, nil
}

// sameBases compares without type modifiers, which say nothing of the images.
func sameBases(a, b []types.Type) bool {
	return slices.EqualFunc(a, b, func(x, y types.Type) bool { return x.Base() == y.Base() })
}

// fetch makes, for each key, the header that an index of the side would have.
func (s *sharedRows) fetch(st State, keys *bytesTable, headers *storage.Values) error {
	n := keys.len()
	*headers = extend((*headers)[:0], n)
	clear(*headers)
	if err := st.Fetch(s.spec.Arr, &keys.keys, &s.images); err != nil {
		return err
	}
	if cap(s.memory) > maxSharedMemory {
		s.memory = nil
	}
	s.memory = s.memory[:0]
	for slot := range n {
		row, ok, err := s.stored(s.images[slot])
		if err != nil {
			return err
		}
		if ok {
			if err := s.add(*headers, slot, row); err != nil {
				return err
			}
		}
	}
	err := s.flush(*headers)
	clear(s.images) // they are the store's
	return err
}

// maxSharedMemory is how many bytes of headers are kept for the next epoch.
const maxSharedMemory = 4 << 20

// stored returns the row that a stored image shows.
func (s *sharedRows) stored(image []byte) (row []byte, ok bool, err error) {
	if image == nil || !s.spec.Grouped {
		return image, image != nil, nil
	}
	return DecodeGroupImage(image)
}

func (s *sharedRows) add(headers storage.Values, slot int, row []byte) error {
	if s.mapping == nil {
		headers[slot] = s.header(row)
		return nil
	}
	if s.block == nil {
		s.block = zset.NewBatch(s.spec.Types, 0)
	}
	if err := zset.DecodeRow(row, s.block.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", s.spec.Arr)
	}
	s.block.AddRow(1)
	s.slots = append(s.slots, int32(slot))
	if len(s.slots) >= joinRows {
		return s.flush(headers)
	}
	return nil
}

// header is the image of one row in an index.
func (s *sharedRows) header(row []byte) []byte {
	at := len(s.memory)
	s.memory = binary.AppendUvarint(append(s.memory, 1<<1), uint64(len(row)))
	s.memory = append(append(s.memory, row...), 1)
	return s.memory[at:len(s.memory):len(s.memory)]
}

// flush maps the rows of the block.
func (s *sharedRows) flush(headers storage.Values) error {
	if len(s.slots) == 0 {
		return nil
	}
	rows, failed, err := s.mapping.Batch(s.block)
	if err != nil {
		return err
	}
	if failed != nil {
		return sqlerr.New(sqlerr.InternalError, "a condition that cannot fail has failed for a stored row of arrangement %d", s.spec.Arr)
	}
	var row []byte
	if rows != nil {
		for i := range rows.Len() {
			r := rows.Row(i)
			row = zset.AppendRow(row[:0], rows.Cols, r)
			headers[s.slots[r]] = s.header(row)
		}
	}
	s.block, s.slots = nil, s.slots[:0]
	return nil
}
