package operator

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// Aggregate groups its input by key columns (AggregateSpec).
//
// An epoch has two halves. Absorb aggregates the delta by itself, in a flat
// table with a slot for each group it touches, a batch and a column at a time.
// Finish fetches the stored images of these groups at once, merges them into the
// slots, evaluates the tail over the new values and writes the images back. So
// a group costs the store one read and one write an epoch, whatever its rows.
type Aggregate struct {
	spec  *AggregateSpec
	pre   []types.Type // keys, then calls: what the tail sees
	table *groupTable
	rows  []int64 // the number of rows of each slot's group
	calls []aggregateCall
	sets  []*multiset
	image *extreme // least image of the key columns, if a type is lossy
	tail  *Map     // nil: none

	started      bool // the group of an aggregation without keys is in the state
	identity     []int32
	live         []int32
	slots        []int32
	filtered     rowSet
	keys         zset.List // of the epoch's groups
	closed       zset.List // keys of groups that are closed, and of their multisets
	closedValues zset.List
	images       storage.Values // stored, by slot
	fin          finisher
}

// aggregateCall is one aggregate with where its values come from.
type aggregateCall struct {
	acc    accumulator
	arg    int // input column, -1: none
	filter int // input column, -1: none
	viaSet *multiset
	ext    *extreme  // acc, if it is one
	array  *arrayAgg // acc, if it is one
}

// finishRows is the number of groups that are finished together.
const finishRows = 2048

// NewAggregate checks spec and compiles its tail.
func NewAggregate(spec *AggregateSpec) (*Aggregate, error) { return NewAggregateIn(nil, spec) }

// NewAggregateIn is NewAggregate with an environment for the tail, see NewMapIn.
func NewAggregateIn(env *expr.Env, spec *AggregateSpec) (*Aggregate, error) {
	a := &Aggregate{spec: spec}
	if err := spec.checkKeys(); err != nil {
		return nil, err
	}
	lossy := false
	for _, k := range spec.Keys {
		a.pre = append(a.pre, spec.Input[k])
		lossy = lossy || zset.KeyLossy(spec.Input[k])
	}
	a.table = newGroupTable(spec.Input, spec.Keys)
	if lossy {
		of := candidate{cols: spec.Keys, ts: a.pre[:len(spec.Keys):len(spec.Keys)], lossy: true}
		a.image = &extreme{of: of, set: a.setFor(of, -1, spec.AppendOnly)}
	}
	for i := range spec.Calls {
		c, err := a.newCall(&spec.Calls[i])
		if err != nil {
			return nil, fmt.Errorf("aggregate %d: %w", i, err)
		}
		a.calls = append(a.calls, c)
		a.pre = append(a.pre, spec.Calls[i].Type)
	}
	if spec.Tail == nil {
		return a, nil
	}
	if len(spec.Tail.Input) != len(a.pre) {
		return nil, fmt.Errorf("tail over %d columns, want %d", len(spec.Tail.Input), len(a.pre))
	}
	var err error
	a.tail, err = NewMapIn(env, spec.Tail)
	return a, err
}

func (a *Aggregate) newCall(c *AggregateCall) (aggregateCall, error) {
	f, ok := lookupAggregate(c.Func)
	if !ok {
		return aggregateCall{}, fmt.Errorf("unknown aggregate %q", c.Func)
	}
	call := aggregateCall{arg: -1, filter: c.Filter}
	if len(c.Args) != len(f.Args) {
		return call, fmt.Errorf("%s with %d arguments", c.Func, len(c.Args))
	}
	if c.Type.Kind() != f.Ret.Kind() {
		return call, fmt.Errorf("%s returns %v, not %v", c.Func, f.Ret, c.Type)
	}
	if n := len(a.spec.Input); c.Filter >= n || c.Filter >= 0 && a.spec.Input[c.Filter].Kind() != types.KindBool {
		return call, fmt.Errorf("filter column %d", c.Filter)
	}
	var argType types.Type
	if len(c.Args) == 1 {
		call.arg = c.Args[0]
		if call.arg < 0 || call.arg >= len(a.spec.Input) {
			return call, fmt.Errorf("argument column %d", call.arg)
		}
		argType = a.spec.Input[call.arg].Base()
		if want := f.Args[0]; want != AnyType && want.Kind() != argType.Kind() {
			return call, fmt.Errorf("argument of %s is %v", c.Func, argType)
		}
	}
	switch {
	case f.kind == aggCount && call.arg < 0 && call.filter < 0:
		call.acc = &rowCount{agg: a}
	case f.kind == aggMin || f.kind == aggMax:
		a.newExtreme(&call, f.kind == aggMax, argType)
	case f.kind == aggArray:
		for _, o := range c.Order {
			if o.Column < 0 || o.Column >= len(a.spec.Input) {
				return call, fmt.Errorf("order column %d", o.Column)
			}
		}
		call.array = &arrayAgg{elem: f.Args[0], value: call.arg, order: c.Order, distinct: c.Distinct}
		call.acc = call.array
	default:
		call.acc = f.accumulator()
		if c.Distinct {
			call.viaSet = a.setFor(newCandidate(call.arg, argType, false), call.filter, false)
		}
	}
	return call, nil
}

// newExtreme makes min or max; DISTINCT makes no difference to these.
func (a *Aggregate) newExtreme(call *aggregateCall, greatest bool, argType types.Type) {
	if a.spec.AppendOnly && argType.Kind() == types.KindInt64 {
		call.acc = &intExtreme{max: greatest}
		return
	}
	of := newCandidate(call.arg, argType, greatest)
	call.ext = &extreme{of: of, set: a.setFor(of, call.filter, a.spec.AppendOnly)}
	call.acc = call.ext
}

// setFor returns the multiset of some values, shared by the calls that need the
// same one; nil if none is needed. The order of the calls decides the tags, so
// a stored graph finds its state again.
func (a *Aggregate) setFor(of candidate, filter int, none bool) *multiset {
	if none {
		return nil
	}
	for _, m := range a.sets {
		if m.filter == filter && m.of.keyed == of.keyed && m.of.desc == of.desc && m.of.keyed && m.of.cols[0] == of.cols[0] {
			return m
		}
	}
	m := newMultiset(of, filter, byte(len(a.sets)), a.spec.AppendOnly)
	a.sets = append(a.sets, m)
	return m
}

// Apply aggregates one epoch's delta.
func (a *Aggregate) Apply(in []Delta, st State, epoch uint64, out *Output) error {
	for _, b := range in[0] {
		err := a.Absorb(b)
		if err == nil {
			err = out.spend(0)
		}
		if err != nil {
			a.reset()
			return err
		}
	}
	return a.Finish(st, epoch, out)
}

// Absorb takes a batch of the epoch. The batch is not needed afterwards.
func (a *Aggregate) Absorb(b *zset.Batch) error {
	rows := a.liveRows(b)
	if len(rows) == 0 {
		return nil
	}
	if a.spec.AppendOnly && b.Weight != nil {
		for _, r := range rows {
			if b.Weight[r] < 0 {
				return sqlerr.New(sqlerr.InternalError, "an input that only appends retracted a row")
			}
		}
	}
	a.slots = extend(a.slots[:0], len(rows))
	a.table.assign(b, rows, a.slots)
	a.grow(a.table.n)
	in := &rowSet{rows: rows, slots: a.slots, weight: b.Weight}
	addCounts(a.rows, in)
	if a.image != nil && a.image.set == nil {
		a.image.addRows(b, in)
	}
	for _, m := range a.sets {
		m.addRows(b, a.restricted(b, in, m.filter, m.argument()))
	}
	for i := range a.calls {
		a.addCall(&a.calls[i], b, in)
	}
	return nil
}

func (a *Aggregate) addCall(c *aggregateCall, b *zset.Batch, in *rowSet) {
	if c.viaSet != nil || c.ext != nil && c.ext.set != nil {
		return // the multiset has the rows
	}
	if c.array != nil { // NULLs count
		c.array.addRows(b, a.restricted(b, in, c.filter, -1))
		return
	}
	picked := a.restricted(b, in, c.filter, c.arg)
	switch {
	case c.ext != nil:
		c.ext.addRows(b, picked)
	case c.arg >= 0:
		c.acc.add(&b.Cols[c.arg], picked)
	default:
		c.acc.add(nil, picked)
	}
}

// restricted leaves out what a filter or a NULL argument keeps from an aggregate.
func (a *Aggregate) restricted(b *zset.Batch, in *rowSet, filter, arg int) *rowSet {
	var f, v *zset.Vector
	if filter >= 0 {
		f = &b.Cols[filter]
	}
	if arg >= 0 {
		v = &b.Cols[arg]
	}
	return in.restrict(f, v, &a.filtered)
}

// liveRows returns the selected rows whose weight is not 0.
func (a *Aggregate) liveRows(b *zset.Batch) []int32 {
	rows := b.Sel
	if rows == nil {
		for len(a.identity) < b.N {
			a.identity = append(a.identity, int32(len(a.identity)))
		}
		rows = a.identity[:b.N]
	}
	if b.Weight == nil {
		return rows
	}
	a.live = a.live[:0]
	for _, r := range rows {
		if b.Weight[r] != 0 {
			a.live = append(a.live, r)
		}
	}
	return a.live
}

func (a *Aggregate) grow(n int) {
	if n <= len(a.rows) {
		return
	}
	a.rows = extend(a.rows, n)
	if a.image != nil {
		a.image.grow(n)
	}
	for i := range a.calls {
		a.calls[i].acc.grow(n)
	}
}

// Memory returns the bytes that the epoch's table takes, for budgets.
func (a *Aggregate) Memory() int {
	n := a.table.memory() + 8*cap(a.rows)
	if a.image != nil {
		n += a.image.memory()
	}
	for _, m := range a.sets {
		n += m.memory()
	}
	for i := range a.calls {
		n += a.calls[i].acc.memory()
	}
	return n
}

// Finish ends the epoch: it merges what Absorb took with the stored groups.
func (a *Aggregate) Finish(st State, _ uint64, out *Output) error {
	if !a.started && len(a.spec.Keys) == 0 && a.table.n == 0 {
		a.table.n = 1 // the one group is there also without rows
		a.grow(1)
	}
	if err := a.findClosed(st, out); err != nil {
		a.reset()
		return err
	}
	if a.table.n == 0 {
		a.closeOnly(st)
		return nil
	}
	defer a.reset()
	a.keys.Reset()
	a.table.appendKeys(&a.keys)
	if err := st.Fetch(a.spec.Arr, &a.keys, &a.images); err != nil {
		return err
	}
	a.started = a.images[0] != nil // not before it is committed: an epoch may be computed again
	if err := a.finishSets(st, &a.keys); err != nil {
		return err
	}
	f := &a.fin
	f.begin(a, out)
	for from := 0; from < a.table.n; from += finishRows {
		if err := out.spend(0); err != nil {
			return err
		}
		if err := f.chunk(from, min(from+finishRows, a.table.n)); err != nil {
			return err
		}
	}
	if f.errs.N > 0 {
		out.Errors = append(out.Errors, f.errs)
	}
	freeClosed(&f.set, &a.closed)
	if f.set.Keys.Len() > 0 {
		st.Change(f.set)
	}
	if !out.Discard {
		f.pre = nil // it was handed out
	}
	f.set, f.errs, f.out, f.post, f.gone = storage.ChangeSet{}, nil, nil, nil, nil
	return nil
}

// finishSets brings the multisets up to date and hands their changes on.
func (a *Aggregate) finishSets(st State, groups *zset.List) error {
	if len(a.sets) == 0 {
		return nil
	}
	var keys zset.List
	for _, m := range a.sets {
		m.st, m.arr, m.group = st, a.spec.Multisets, groups
		m.appendKeys(&keys)
	}
	var images storage.Values
	if err := st.Fetch(a.spec.Multisets, &keys, &images); err != nil {
		return err
	}
	set := storage.ChangeSet{Arr: a.spec.Multisets}
	for _, m := range a.sets {
		n := len(m.entries)
		if err := m.resolve(images[:n]); err != nil {
			return err
		}
		images = images[n:]
		m.changes(&set)
	}
	freeClosed(&set, &a.closedValues)
	if set.Keys.Len() > 0 {
		st.Change(set)
	}
	if a.image != nil && a.image.set != nil {
		a.image.set.offerAdded(a.image)
	}
	for i := range a.calls {
		c := &a.calls[i]
		switch {
		case c.ext != nil && c.ext.set != nil:
			c.ext.set.offerAdded(c.ext)
		case c.viaSet != nil:
			if err := c.viaSet.distinct(c.acc.add); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Aggregate) reset() {
	a.table.reset()
	a.rows = keep(a.rows)
	if a.image != nil {
		a.image.reset()
	}
	for _, m := range a.sets {
		m.reset()
	}
	for i := range a.calls {
		a.calls[i].acc.reset()
	}
}

// finisher writes the groups of one epoch.
type finisher struct {
	*Aggregate
	out  *Output
	set  storage.ChangeSet
	errs *zset.Batch

	// of the chunk, by index within it
	from   int
	pre    *zset.Batch
	sel    []int32
	post   *zset.Batch     // after the tail; rows as in pre
	failed []*sqlerr.Error // nil: did not fail
	shown  []bool          // has a row in post
	old    []storedGroup
	row    []byte
	gone   *zset.Batch // rows that are retracted
	come   []int32     // rows of post that are inserted
}

type storedGroup struct {
	row             []byte
	present, failed bool
}

// begin prepares for an epoch. The changes are given away at its end, so they
// get memory of their own, by what the stored images and keys take.
func (f *finisher) begin(a *Aggregate, out *Output) {
	f.Aggregate, f.out = a, out
	f.errs = zset.NewBatch(ErrorSchema(), 0)
	stored := 0
	for _, image := range a.images {
		stored += len(image)
	}
	n := a.table.n
	f.set = storage.ChangeSet{
		Arr:  a.spec.Arr,
		Keys: zset.List{Data: make([]byte, 0, len(a.keys.Data)), Off: make([]uint32, 0, n)},
		Vals: zset.List{Data: make([]byte, 0, stored+8*n+64), Off: make([]uint32, 0, n)},
	}
}

// chunk finishes the groups from (inclusive) to end (exclusive).
func (f *finisher) chunk(from, end int) error {
	f.from = from
	f.old = extend(f.old[:0], end-from)
	f.failed = extend(f.failed[:0], end-from)
	f.shown = extend(f.shown[:0], end-from)
	for s := from; s < end; s++ {
		if err := f.merge(s); err != nil {
			return err
		}
	}
	if err := f.values(from, end); err != nil {
		return err
	}
	if err := f.runTail(); err != nil {
		return err
	}
	f.come = nil
	if !f.out.Discard {
		f.gone = zset.NewBatch(f.spec.Output(), 0)
	}
	for s := from; s < end; s++ {
		if err := f.write(s); err != nil {
			return err
		}
	}
	f.emit()
	return nil
}

// merge adds the stored image of a group to its slot.
func (f *finisher) merge(slot int) error {
	image := f.images[slot]
	if image != nil {
		old := &f.old[slot-f.from]
		state, err := []byte(nil), error(nil)
		old.row, old.present, old.failed, state, err = splitGroupImage(image)
		if err != nil {
			return err
		}
		if err := f.mergeState(slot, state); err != nil {
			return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored group of arrangement %d is damaged: %v", f.spec.Arr, err)
		}
	}
	switch n := f.rows[slot]; {
	case n < 0:
		return errNegative()
	case n == 0:
		for i := range f.calls {
			if !f.calls[i].acc.empty(slot) {
				return errNegative()
			}
		}
	}
	return nil
}

func (f *finisher) mergeState(slot int, state []byte) error {
	rows, n := binary.Uvarint(state)
	if n <= 0 {
		return errImage
	}
	state = state[n:]
	f.rows[slot] += int64(rows)
	var err error
	if f.image != nil {
		if state, err = f.image.merge(slot, int64(rows), state); err != nil {
			return err
		}
	}
	for i := range f.calls {
		if state, err = f.calls[i].acc.merge(slot, int64(rows), state); err != nil {
			return err
		}
	}
	if len(state) != 0 {
		return errImage
	}
	return nil
}

// dead says that a group is no more.
func (f *finisher) dead(slot int) bool { return f.rows[slot] == 0 && len(f.spec.Keys) > 0 }

// values builds the relation before the tail, with the living groups selected.
func (f *finisher) values(from, end int) error {
	f.newPre(end - from)
	k := len(f.spec.Keys)
	if f.image != nil {
		for s := from; s < end; s++ {
			if err := f.keyImage(s, f.pre.Cols[:k]); err != nil {
				return err
			}
		}
	} else if err := f.table.appendColumns(f.pre.Cols[:k], from, end); err != nil {
		return err
	}
	for i := range f.calls {
		col := &f.pre.Cols[k+i]
		acc := f.calls[i].acc
		for s := from; s < end; s++ {
			if err := acc.result(s, col); err != nil && f.failed[s-from] == nil {
				f.failed[s-from] = err
			}
		}
	}
	f.pre.N = end - from
	for s := from; s < end; s++ {
		if !f.dead(s) && f.failed[s-from] == nil {
			f.pre.Sel = append(f.pre.Sel, int32(s-from))
		}
	}
	return nil
}

// newPre makes f.pre an empty batch; what nobody reads is written over.
func (f *finisher) newPre(n int) {
	if f.pre == nil || !f.out.Discard {
		f.pre = zset.NewBatch(f.Aggregate.pre, n)
		f.sel = make([]int32, 0, n)
	}
	f.pre.Reset()
	f.pre.Sel = f.sel[:0]
}

func (f *finisher) keyImage(slot int, cols []zset.Vector) error {
	s := &f.image.slot[slot]
	if !s.has { // a group that is gone
		for i := range cols {
			cols[i].AppendNull()
		}
		return nil
	}
	return f.image.of.decode(f.image.bytes(s), int(s.keyLen), cols)
}

// runTail evaluates HAVING and the select list.
func (f *finisher) runTail() error {
	f.post = f.pre
	if f.tail != nil {
		post, err := f.tail.run(f.pre, func(errs *expr.Errors) {
			for i := range errs.Len() {
				row, err := errs.Row(i)
				f.failed[row] = err
			}
		})
		if err != nil {
			return err
		}
		f.post = post
	}
	if f.post != nil {
		for i := range f.post.Len() {
			f.shown[f.post.Row(i)] = true
		}
	}
	return nil
}

// write stores a group's new image if it differs, and notes what that changes.
func (f *finisher) write(slot int) error {
	i := slot - f.from
	old := &f.old[i]
	if f.dead(slot) {
		if f.images[slot] == nil {
			return nil
		}
		f.set.Keys.Add(f.keys.At(slot))
		f.set.Vals.End()
		markDead(&f.set)
		return f.retract(old)
	}
	f.row = f.row[:0]
	failed := f.failed[i]
	switch {
	case failed != nil:
		f.row = f.errorImage(f.row, i, failed)
	case f.shown[i]:
		f.row = zset.AppendRow(f.row, f.post.Cols, i)
	}
	present := failed != nil || f.shown[i]
	start := len(f.set.Vals.Data)
	f.set.Vals.Data = f.appendImage(f.set.Vals.Data, slot, present, failed != nil)
	if old := f.images[slot]; old != nil && bytes.Equal(old, f.set.Vals.Data[start:]) {
		f.set.Vals.Data = f.set.Vals.Data[:start]
		return nil
	}
	f.set.Vals.End()
	f.set.Keys.Add(f.keys.At(slot))
	if present == old.present && (failed != nil) == old.failed && bytes.Equal(f.row, old.row) {
		return nil
	}
	if err := f.retract(old); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return f.errorRow(f.row, 1)
	case present:
		f.come = append(f.come, int32(i))
	}
	return nil
}

func (f *finisher) appendImage(dst []byte, slot int, present, failed bool) []byte {
	dst = appendGroupHead(dst, f.row, present, failed)
	rows := f.rows[slot]
	dst = binary.AppendUvarint(dst, uint64(rows))
	if f.image != nil {
		dst = f.image.appendState(dst, slot, rows)
	}
	for i := range f.calls {
		dst = f.calls[i].acc.appendState(dst, slot, rows)
	}
	return dst
}

// errorImage appends the row of ErrorSchema of a group that failed.
func (f *finisher) errorImage(dst []byte, i int, failed *sqlerr.Error) []byte {
	b := zset.NewBatch(ErrorSchema(), 1)
	AppendErrorRow(b, AppendRowText(nil, f.pre.Cols, i), failed, 1)
	return zset.AppendRow(dst, b.Cols, 0)
}

// retract takes back what a group showed.
func (f *finisher) retract(old *storedGroup) error {
	switch {
	case !old.present:
		return nil
	case old.failed:
		return f.errorRow(old.row, -1)
	case f.out.Discard:
		return nil
	}
	if err := zset.DecodeRow(old.row, f.gone.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of arrangement %d is damaged", f.spec.Arr)
	}
	f.gone.AddRow(-1)
	return nil
}

// errorRow emits a stored error row.
func (f *finisher) errorRow(row []byte, weight int64) error {
	if err := zset.DecodeRow(row, f.errs.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored error row of arrangement %d is damaged", f.spec.Arr)
	}
	f.errs.AddRow(weight)
	return nil
}

// emit hands out the chunk's retractions and insertions.
func (f *finisher) emit() {
	if f.out.Discard {
		return
	}
	if f.gone.N > 0 {
		f.out.Rows = append(f.out.Rows, f.gone)
	}
	if len(f.come) > 0 {
		f.out.Rows = append(f.out.Rows, &zset.Batch{Cols: f.post.Cols, N: f.post.N, Sel: f.come})
	}
}
