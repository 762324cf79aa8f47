package operator

import (
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Join joins two inputs by key (JoinSpec).
//
// An epoch touches the keys of either delta. For each it takes the rows of both
// sides with their numbers before and after; a pair's weight in the output is
// now*now - old*old, that is dA*B + A*dB + dA*dB with A and B old. A left row
// without partner, before or after, is what outer, semi and anti joins add or
// leave out; with a condition that takes all pairs of a touched key.
type Join struct {
	spec  *JoinSpec
	left  *index
	right *index
	on    *Map // nil: every pair
	keys  bytesTable
	block joinBlock
}

// NewJoin checks spec and compiles its condition.
func NewJoin(spec *JoinSpec) (*Join, error) { return NewJoinIn(nil, spec) }

// NewJoinIn is NewJoin with an environment, see NewMapIn.
func NewJoinIn(env *expr.Env, spec *JoinSpec) (*Join, error) {
	switch spec.Kind {
	case InnerJoin, LeftJoin, SemiJoin, AntiJoin:
	default:
		return nil, fmt.Errorf("unknown join %q", spec.Kind)
	}
	if len(spec.LeftKey) != len(spec.RightKey) {
		return nil, fmt.Errorf("join of %d key columns with %d", len(spec.LeftKey), len(spec.RightKey))
	}
	for i, l := range spec.LeftKey {
		r := spec.RightKey[i]
		if l < 0 || l >= len(spec.Left) || r < 0 || r >= len(spec.Right) {
			return nil, fmt.Errorf("join key %d = %d of inputs of %d and %d columns", l, r, len(spec.Left), len(spec.Right))
		}
		if lt, rt := keyClass(spec.Left[l]), keyClass(spec.Right[r]); lt != rt {
			return nil, fmt.Errorf("join key of %v and %v", spec.Left[l], spec.Right[r])
		}
	}
	if err := spec.checkShared(); err != nil {
		return nil, err
	}
	j := &Join{
		spec:  spec,
		left:  &index{on: spec.LeftKey, arr: spec.LeftArr, inline: inlineRows},
		right: &index{on: spec.RightKey, arr: spec.RightArr, inline: inlineRows},
		keys:  newBytesTable(),
	}
	var err error
	if j.left.shared, err = newSharedRows(env, spec.LeftShared, spec.Left); err != nil {
		return nil, err
	}
	if j.right.shared, err = newSharedRows(env, spec.RightShared, spec.Right); err != nil {
		return nil, err
	}
	if spec.On == nil {
		return j, nil
	}
	j.on, err = NewMapIn(env, &MapSpec{Input: spec.both(), Filter: spec.On})
	return j, err
}

// keyClass maps types whose equal values have equal key bytes to one of them.
func keyClass(t types.Type) types.Type {
	switch t.Base() {
	case types.Int2, types.Int4:
		return types.Int8
	case types.Float4:
		return types.Float8
	case types.Varchar, types.Name:
		return types.Text
	}
	return t.Base()
}

// Apply joins one epoch's deltas.
func (j *Join) Apply(in []Delta, st State, _ uint64, out *Output) error {
	if len(in[0])+len(in[1]) == 0 {
		return nil
	}
	j.keys.reset()
	b := &j.block
	b.begin(j, out)
	left := zset.Consolidate(j.spec.Left, in[0])
	if err := out.Emit(nil); err != nil {
		return err
	}
	right := zset.Consolidate(j.spec.Right, in[1])
	j.left.add(st, left, &j.keys, func(r int) { b.lonely(left, r) })
	j.right.add(st, right, &j.keys, func(int) {})
	if err := out.Emit(nil); err != nil {
		return err
	}
	if err := j.left.fetch(&j.keys); err != nil {
		return err
	}
	if err := j.right.fetch(&j.keys); err != nil {
		return err
	}
	for slot := range j.keys.len() {
		if slot%joinRows == joinRows-1 {
			if err := out.Emit(nil); err != nil {
				return err
			}
		}
		if err := j.joinKey(slot); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	j.left.finish()
	j.right.finish()
	b.end()
	return nil
}

// joinKey joins the rows of one key.
func (j *Join) joinKey(slot int) error {
	key := j.keys.at(slot)
	outer := j.spec.Kind != InnerJoin
	leftThere := j.left.headers[slot] != nil || j.left.changes(slot)
	wantRight := j.left.changes(slot) || leftThere && outer && j.on != nil
	rs, rightAll, err := j.right.load(key, slot, wantRight)
	if err != nil {
		return err
	}
	rightOld, rightNow := j.right.counts(slot, rs)
	wantLeft := j.right.changes(slot)
	if onlyToggles := outer && j.spec.Kind != LeftJoin && j.on == nil; onlyToggles {
		wantLeft = (rightOld > 0) != (rightNow > 0)
	}
	ls, leftAll, err := j.left.load(key, slot, wantLeft)
	if err != nil {
		return err
	}
	if err := j.left.store(key, slot, ls, leftAll); err != nil {
		return err
	}
	if err := j.right.store(key, slot, rs, rightAll); err != nil {
		return err
	}
	return j.block.addKey(ls, rs, rightOld > 0, rightNow > 0)
}

// joinBlock collects rows of both sides and pairs of them, and turns them into
// output when they are many.
type joinBlock struct {
	*Join
	out  *Output
	errs *errorRows

	left, right         *zset.Batch // decoded rows
	lrows, rrows        []indexRow
	wasPaired, isPaired []bool // left rows with a partner, before and after
	li, ri              []int32
	weight              []int64
}

const joinRows = 2048

func (b *joinBlock) begin(j *Join, out *Output) {
	b.Join, b.out = j, out
	b.errs = newErrorRows(j.spec.both())
	b.li, b.ri, b.weight = b.li[:0], b.ri[:0], nil
	b.clear()
}

func (b *joinBlock) clear() {
	b.left, b.right = zset.NewBatch(b.spec.Left, 0), zset.NewBatch(b.spec.Right, 0)
	b.lrows, b.rrows = b.lrows[:0], b.rrows[:0]
	b.wasPaired, b.isPaired = b.wasPaired[:0], b.isPaired[:0]
}

func (b *joinBlock) end() {
	b.out, b.errs, b.left, b.right = nil, nil, nil, nil
	clear(b.lrows[:cap(b.lrows)])
	clear(b.rrows[:cap(b.rrows)])
}

// lonely takes a left row that can have no partner, its key being NULL. It is not
// in the state: its part of the output is linear.
func (b *joinBlock) lonely(src *zset.Batch, row int) {
	b.left.AppendRow(src, row, 1)
	b.lrows = append(b.lrows, indexRow{now: src.WeightAt(row)})
	b.wasPaired, b.isPaired = append(b.wasPaired, false), append(b.isPaired, false)
}

// addKey takes the rows of one key.
func (b *joinBlock) addKey(ls, rs []indexRow, rightOld, rightNow bool) error {
	if len(ls) == 0 {
		return nil
	}
	l0, r0 := len(b.lrows), len(b.rrows)
	whole := b.on == nil // every right row is a partner
	for i := range ls {
		if err := b.decode(b.left, ls[i].row); err != nil {
			return err
		}
		b.wasPaired, b.isPaired = append(b.wasPaired, whole && rightOld), append(b.isPaired, whole && rightNow)
	}
	b.lrows = append(b.lrows, ls...)
	alone := b.spec.Kind == SemiJoin || b.spec.Kind == AntiJoin
	if !whole || !alone {
		for i := range rs {
			if i%joinRows == joinRows-1 {
				if err := b.out.Emit(nil); err != nil {
					return err
				}
			}
			if err := b.decode(b.right, rs[i].row); err != nil {
				return err
			}
		}
		b.rrows = append(b.rrows, rs...)
		if err := b.pairs(l0, r0); err != nil {
			return err
		}
	}
	if len(b.lrows)+len(b.rrows) >= joinRows {
		return b.flush()
	}
	return nil
}

func (b *joinBlock) decode(to *zset.Batch, row []byte) error {
	if err := zset.DecodeRow(row, to.Cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored row of a join is damaged")
	}
	to.AddRow(1)
	return nil
}

// pairs adds the pairs of the rows from l0 and r0 on. Pairs that do not change
// matter only where a condition decides which left rows have a partner.
func (b *joinBlock) pairs(l0, r0 int) error {
	need := b.on != nil && b.spec.Kind != InnerJoin
	for l := l0; l < len(b.lrows); l++ {
		lr := &b.lrows[l]
		for r := r0; r < len(b.rrows); r++ {
			rr := &b.rrows[r]
			w := lr.now*rr.now - lr.old*rr.old
			if w == 0 && !need {
				continue
			}
			b.li, b.ri, b.weight = append(b.li, int32(l)), append(b.ri, int32(r)), append(b.weight, w)
			if len(b.li) >= joinRows {
				if err := b.flushPairs(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// flushPairs evaluates the condition over the pairs and emits them.
func (b *joinBlock) flushPairs() error {
	if len(b.li) == 0 {
		return nil
	}
	pairs := zset.NewBatch(b.spec.both(), len(b.li))
	k := len(b.spec.Left)
	for c := range pairs.Cols {
		if c < k {
			pairs.Cols[c].Gather(&b.left.Cols[c], b.li)
		} else {
			pairs.Cols[c].Gather(&b.right.Cols[c-k], b.ri)
		}
	}
	pairs.N = len(b.li)
	pairs.Weight = b.weight
	b.weight = nil // given away
	rows := pairs
	if b.on != nil {
		var err error
		rows, err = b.on.run(pairs, func(failed *expr.Errors) { b.errs.addAll(pairs, failed) })
		if err != nil {
			return err
		}
		b.markPaired(rows)
		b.out.Errors = b.errs.moveTo(b.out.Errors)
	}
	b.li, b.ri = b.li[:0], b.ri[:0]
	if emits := b.spec.Kind == InnerJoin || b.spec.Kind == LeftJoin; !emits {
		rows = nil
	}
	return b.emit(rows)
}

// markPaired notes which left rows have a partner.
func (b *joinBlock) markPaired(rows *zset.Batch) {
	if rows == nil || b.spec.Kind == InnerJoin {
		return
	}
	for i := range rows.Len() {
		p := rows.Row(i)
		l, r := b.li[p], &b.rrows[b.ri[p]]
		b.wasPaired[l] = b.wasPaired[l] || r.old > 0
		b.isPaired[l] = b.isPaired[l] || r.now > 0
	}
}

// emit puts out the rows whose weight is not 0.
func (b *joinBlock) emit(rows *zset.Batch) error {
	if rows == nil || b.out.Discard {
		return b.out.Emit(nil)
	}
	var sel []int32
	for i := range rows.Len() {
		if r := rows.Row(i); rows.WeightAt(r) != 0 {
			sel = append(sel, int32(r))
		}
	}
	switch {
	case len(sel) == 0:
		rows = nil
	case len(sel) < rows.N:
		rows = &zset.Batch{Cols: rows.Cols, N: rows.N, Sel: sel, Weight: rows.Weight}
	default:
		rows = &zset.Batch{Cols: rows.Cols, N: rows.N, Weight: rows.Weight}
	}
	return b.out.Emit(rows)
}

// flush ends the block: the pairs, then the left rows by themselves.
func (b *joinBlock) flush() error {
	if err := b.flushPairs(); err != nil {
		return err
	}
	if b.spec.Kind != InnerJoin && !b.out.Discard {
		if err := b.emitLeft(); err != nil {
			return err
		}
	}
	b.clear()
	return nil
}

// emitLeft emits by how much the left rows without partner change (or, for a semi
// join, those with one).
func (b *joinBlock) emitLeft() error {
	wantPaired := b.spec.Kind == SemiJoin
	var sel []int32
	var weight []int64
	for l := range b.lrows {
		w := int64(0)
		if b.isPaired[l] == wantPaired {
			w += b.lrows[l].now
		}
		if b.wasPaired[l] == wantPaired {
			w -= b.lrows[l].old
		}
		if w != 0 {
			sel, weight = append(sel, int32(l)), append(weight, w)
		}
	}
	if len(sel) == 0 {
		return nil
	}
	rows := zset.NewBatch(b.spec.Output(), len(sel))
	for c := range b.spec.Left {
		rows.Cols[c].Gather(&b.left.Cols[c], sel)
	}
	for c := len(b.spec.Left); c < len(rows.Cols); c++ {
		for range sel {
			rows.Cols[c].AppendNull()
		}
	}
	rows.N, rows.Weight = len(sel), weight
	return b.out.Emit(rows)
}
