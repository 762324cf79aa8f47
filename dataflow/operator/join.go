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
// leave out, and a right row of a full join; with a condition that takes all pairs of
// a touched key.
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
	case InnerJoin, LeftJoin, FullJoin, SemiJoin, AntiJoin, LookupJoin, LeftLookupJoin:
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
		left:  &index{on: spec.LeftKey, arr: spec.LeftArr, inline: inlineRows, passing: spec.Kind.Lookup()},
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
	j.right.add(st, right, &j.keys, func(r int) { b.lonelyRight(right, r) })
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
	if j.spec.Kind.Lookup() && !j.left.changes(slot) {
		return nil
	}
	outer := !j.spec.Kind.pairsOnly()
	leftThere := j.left.headers[slot] != nil || j.left.changes(slot)
	wantRight := j.left.changes(slot) || leftThere && outer && j.on != nil
	rs, rightAll, err := j.right.load(key, slot, wantRight)
	if err != nil {
		return err
	}
	rightOld, rightNow := j.right.counts(slot, rs)
	wantLeft := j.right.changes(slot)
	if j.spec.Kind == FullJoin && j.on != nil { // any right row may have lost or found its partner
		wantLeft = wantLeft || j.right.headers[slot] != nil
	}
	if onlyToggles := j.spec.alone() && j.on == nil; onlyToggles {
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
	if j.spec.LeftForgets {
		remember(ls)
	}
	if j.spec.RightForgets {
		remember(rs)
		rightOld, rightNow = j.right.counts(slot, rs)
	}
	leftOld, leftNow := j.left.counts(slot, ls)
	return j.block.addKey(ls, rs, partners{leftOld > 0, leftNow > 0}, partners{rightOld > 0, rightNow > 0})
}

// remember lets the rows that the state has forgotten count as before.
func remember(rows []indexRow) {
	for i := range rows {
		rows[i].now = max(rows[i].now, rows[i].old)
	}
}

// alone says whether the left rows are put out by themselves.
func (s *JoinSpec) alone() bool { return s.Kind == SemiJoin || s.Kind == AntiJoin }

// partners says whether a row has partners, before the epoch and after it.
type partners struct{ old, now bool }

// joinBlock collects rows of both sides and pairs of them, and turns them into
// output when they are many.
type joinBlock struct {
	*Join
	out  *Output
	errs *errorRows

	left, right  *zset.Batch // decoded rows
	lrows, rrows []indexRow
	lpair, rpair []partners // of the rows; the right ones' of a full join only
	li, ri       []int32
	weight       []int64
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
	b.lpair, b.rpair = b.lpair[:0], b.rpair[:0]
}

func (b *joinBlock) end() {
	b.out, b.errs, b.left, b.right = nil, nil, nil, nil
	clear(b.lrows[:cap(b.lrows)])
	clear(b.rrows[:cap(b.rrows)])
}

// lonely takes a left row that can have no partner, its key being NULL. It is not
// in the state: its part of the output is linear.
func (b *joinBlock) lonely(src *zset.Batch, row int) {
	if b.spec.LeftForgets && src.WeightAt(row) < 0 {
		return
	}
	b.left.AppendRow(src, row, 1)
	b.lrows, b.lpair = append(b.lrows, indexRow{now: src.WeightAt(row)}), append(b.lpair, partners{})
}

// lonelyRight takes such a row of the right side, which matters in a full join.
func (b *joinBlock) lonelyRight(src *zset.Batch, row int) {
	if b.spec.Kind == FullJoin && !(b.spec.RightForgets && src.WeightAt(row) < 0) {
		b.right.AppendRow(src, row, 1)
		b.rrows, b.rpair = append(b.rrows, indexRow{now: src.WeightAt(row)}), append(b.rpair, partners{})
	}
}

// addKey takes the rows of one key, and whether either side has any.
func (b *joinBlock) addKey(ls, rs []indexRow, left, right partners) error {
	full := b.spec.Kind == FullJoin
	if len(ls) == 0 && !full {
		return nil
	}
	l0, r0 := len(b.lrows), len(b.rrows)
	if whole := b.on == nil; !whole { // a row of the other side need not be a partner
		left, right = partners{}, partners{}
	}
	for i := range ls {
		if err := b.decode(b.left, ls[i].row); err != nil {
			return err
		}
		b.lpair = append(b.lpair, right)
	}
	b.lrows = append(b.lrows, ls...)
	if b.on != nil || !b.spec.alone() {
		for i := range rs {
			if i%joinRows == joinRows-1 {
				if err := b.out.Emit(nil); err != nil {
					return err
				}
			}
			if err := b.decode(b.right, rs[i].row); err != nil {
				return err
			}
			if full {
				b.rpair = append(b.rpair, left)
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
// matter only where a condition decides which rows have a partner.
func (b *joinBlock) pairs(l0, r0 int) error {
	need := b.on != nil && !b.spec.Kind.pairsOnly()
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
	if b.spec.alone() {
		rows = nil
	}
	return b.emit(rows)
}

// markPaired notes which rows have a partner.
func (b *joinBlock) markPaired(rows *zset.Batch) {
	if rows == nil || b.spec.Kind.pairsOnly() {
		return
	}
	for i := range rows.Len() {
		p := rows.Row(i)
		l, r := b.li[p], b.ri[p]
		b.lpair[l].add(&b.rrows[r])
		if b.spec.Kind == FullJoin {
			b.rpair[r].add(&b.lrows[l])
		}
	}
}

// add notes a row of the other side that is a partner.
func (p *partners) add(row *indexRow) {
	p.old, p.now = p.old || row.old > 0, p.now || row.now > 0
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

// flush ends the block: the pairs, then the rows by themselves.
func (b *joinBlock) flush() error {
	if err := b.flushPairs(); err != nil {
		return err
	}
	if !b.spec.Kind.pairsOnly() && !b.out.Discard {
		if err := b.emitSide(b.left, b.lrows, b.lpair, 0); err != nil {
			return err
		}
		if b.spec.Kind == FullJoin {
			if err := b.emitSide(b.right, b.rrows, b.rpair, len(b.spec.Left)); err != nil {
				return err
			}
		}
	}
	b.clear()
	return nil
}

// emitSide emits by how much the rows of a side without partner change (or, for a
// semi join, those with one). The side's columns are those of the output from first
// on; the others are NULL.
func (b *joinBlock) emitSide(side *zset.Batch, counts []indexRow, pair []partners, first int) error {
	wantPaired := b.spec.Kind == SemiJoin
	var sel []int32
	var weight []int64
	for i := range counts {
		w := int64(0)
		if pair[i].now == wantPaired {
			w += counts[i].now
		}
		if pair[i].old == wantPaired {
			w -= counts[i].old
		}
		if w != 0 {
			sel, weight = append(sel, int32(i)), append(weight, w)
		}
	}
	if len(sel) == 0 {
		return nil
	}
	rows := zset.NewBatch(b.spec.Output(), len(sel))
	for c := range rows.Cols {
		if from := c - first; from >= 0 && from < len(side.Cols) {
			rows.Cols[c].Gather(&side.Cols[from], sel)
			continue
		}
		for range sel {
			rows.Cols[c].AppendNull()
		}
	}
	rows.N, rows.Weight = len(sel), weight
	return b.out.Emit(rows)
}
