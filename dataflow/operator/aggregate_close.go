package operator

import (
	"fmt"
	"math"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// GroupClosing says that no row comes to a group any more when the clock
// (State.Clock) has come to its first key, a timestamp, plus Shift. Its state is
// freed then, and nothing is put out.
type GroupClosing struct {
	Shift int64 `json:"shift,omitempty"`
}

// closeAtOnce bounds how many keys of an arrangement an epoch frees; the next ones
// go on.
const closeAtOnce = 64 << 10

func (a *AggregateSpec) checkKeys() error {
	for _, k := range a.Keys {
		if k < 0 || k >= len(a.Input) {
			return fmt.Errorf("group key %d of an input of %d columns", k, len(a.Input))
		}
	}
	if a.Closes == nil {
		return nil
	}
	if len(a.Keys) > 0 {
		if t := a.Input[a.Keys[0]].Base(); t == types.Timestamp || t == types.Timestamptz {
			return nil
		}
	}
	return fmt.Errorf("groups close by a first key that is no timestamp")
}

// findClosed notes the stored keys of groups that are closed, and sets when to look
// again: whenever the clock has moved, or at the first that is left.
func (a *Aggregate) findClosed(st State, out *Output) error {
	a.closed.Reset()
	a.closedValues.Reset()
	if a.spec.Closes == nil {
		return nil
	}
	clock := st.Clock()
	if clock.Now < clock.Due {
		out.Due = clock.Due
		return nil
	}
	if out.Due = shifted(clock.Now, 1); clock.Now == math.MinInt64 {
		out.Due = clock.Now + 1
		return nil
	}
	from := clock.Due
	if clock.Fired < from {
		from = clock.Fired + 1
	}
	lo, hi := a.closingKey(from), a.closingKey(clock.Now+1)
	left, err := closedKeys(st, a.spec.Arr, lo, hi, &a.closed)
	if err == nil && len(a.sets) > 0 {
		var more []byte
		if more, err = closedKeys(st, a.spec.Multisets, lo, hi, &a.closedValues); left == nil || more != nil && string(more) < string(left) {
			left = more
		}
	}
	if err != nil || left == nil {
		return err
	}
	at, err := a.closingTime(left)
	out.Due = at
	return err
}

// closingKey is what the keys of groups begin with that are not closed before a
// clock.
func (a *Aggregate) closingKey(clock int64) []byte {
	at := shifted(clock, -a.spec.Closes.Shift)
	return zset.AppendKeyDatum(nil, a.spec.Input[a.spec.Keys[0]], types.Datum{Int: at})
}

// closingTime is when the group of a stored key is closed.
func (a *Aggregate) closingTime(key []byte) (int64, error) {
	at, ok := timeOf(key[min(1, len(key)):]) // behind the flag of a value
	if !ok {
		return 0, sqlerr.New(sqlerr.DataCorrupted, "stored group of arrangement %d is damaged", a.spec.Arr)
	}
	return shifted(at, a.spec.Closes.Shift), nil
}

// closedKeys collects the keys of a range, and returns the first that are too many
// for one epoch, nil if there are none.
func closedKeys(st State, arr storage.Arrangement, lo, hi []byte, keys *zset.List) (left []byte, err error) {
	err = st.Scan(arr, lo, hi, func(key, _ []byte) bool {
		if keys.Len() == closeAtOnce {
			left = append([]byte{}, key...)
			return false
		}
		keys.Add(key)
		return true
	})
	return left, err
}

// freeClosed deletes keys with the changes of a set.
func freeClosed(set *storage.ChangeSet, keys *zset.List) {
	for i := range keys.Len() {
		set.Keys.Add(keys.At(i))
		markDead(set)
		set.Vals.End()
	}
}

// closeOnly ends an epoch in which groups are closed and no rows have come.
func (a *Aggregate) closeOnly(st State) {
	groups, values := storage.ChangeSet{Arr: a.spec.Arr}, storage.ChangeSet{Arr: a.spec.Multisets}
	freeClosed(&groups, &a.closed)
	freeClosed(&values, &a.closedValues)
	for _, set := range []storage.ChangeSet{groups, values} {
		if set.Keys.Len() > 0 {
			st.Change(set)
		}
	}
}
