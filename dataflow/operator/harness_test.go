package operator

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// law is the test that every operator must pass (doc.go): for random inputs with
// retractions, cut at random into epochs and batches,
//
//   - the sum of the outputs is the naive query over the sum of the inputs, after
//     every epoch, errors included;
//   - a new operator over the same state goes on where the old one was, and an
//     epoch may be computed again when it was not committed;
//   - the same epochs give the same bytes, and the state depends on the sum of the
//     inputs alone, not on the cuts;
//   - when everything has been deleted, the state is empty.
type law struct {
	name   string
	inputs [][]types.Type
	make   func() (Operator, error)
	naive  func(in []relation) (rows, errs relation)
	append bool  // no retractions
	unique []int // input 0 has one row at most for each value of these columns
	rest   int   // keys that remain in the state when all is deleted
	seeds  int
	// now, if set, is the clock that naive looks at; it moves with every epoch, and
	// the operator's timers are kept as the runtime does.
	now *int64
}

// clocks are the moments of n epochs, for operators with timers.
func (l *law) clocks(seed, n int) []int64 {
	r := rand.New(rand.NewPCG(uint64(seed), 9))
	out := make([]int64, n)
	at := int64(-6)
	for i := range out {
		if at += r.Int64N(4); r.IntN(12) == 0 {
			at += 5
		}
		out[i] = at
	}
	return out
}

// relation is a multiset of rows by their bytes.
type relation map[string]int64

func (r relation) add(row []byte, weight int64) {
	r[string(row)] += weight
	if r[string(row)] == 0 {
		delete(r, string(row))
	}
}

func (r relation) addDelta(d Delta) {
	for _, b := range d {
		for i := range b.Len() {
			row := b.Row(i)
			r.add(zset.AppendRow(nil, b.Cols, row), b.WeightAt(row))
		}
	}
}

// sorted returns the rows in the order of their bytes.
func (r relation) sorted() []string {
	rows := make([]string, 0, len(r))
	for row := range r {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	return rows
}

// datums decodes row bytes.
func datums(ts []types.Type, row string) []types.Datum {
	b := zset.NewBatch(ts, 1)
	if err := zset.DecodeRow([]byte(row), b.Cols); err != nil {
		panic(err)
	}
	out := make([]types.Datum, len(ts))
	for c := range ts {
		out[c] = b.Cols[c].Datum(0)
	}
	return out
}

func (r relation) text(ts []types.Type) string {
	var out strings.Builder
	for _, row := range r.sorted() {
		b := zset.NewBatch(ts, 1)
		if err := zset.DecodeRow([]byte(row), b.Cols); err != nil {
			return fmt.Sprintf("%x: %v", row, err)
		}
		fmt.Fprintf(&out, "%+d %s %x\n", r[row], AppendRowText(nil, b.Cols, 0), row)
	}
	return out.String()
}

// event is one row of one input with a weight.
type event struct {
	input  int
	row    []types.Datum
	weight int64
}

func (l *law) run(t *testing.T, output []types.Type) {
	t.Helper()
	t.Run(l.name, func(t *testing.T) {
		if l.seeds == 0 {
			t.Fatal("a law without seeds is not tried")
		}
		for seed := range l.seeds {
			r := rand.New(rand.NewPCG(uint64(seed), 77))
			epochs := l.script(r)
			first := l.play(t, seed, epochs, output, rand.New(rand.NewPCG(uint64(seed), 1)))
			if again := l.play(t, seed, epochs, output, rand.New(rand.NewPCG(uint64(seed), 1))); again != first {
				t.Fatalf("seed %d: the same epochs gave different bytes:\n%s\n%s", seed, first, again)
			}
			l.recut(t, seed, epochs)
			if t.Failed() {
				return
			}
		}
	})
}

// script makes epochs of events; after the last one all rows are deleted, unless
// the input only appends.
func (l *law) script(r *rand.Rand) [][]event {
	type held struct {
		input int
		row   []types.Datum
	}
	var there []held
	var epochs [][]event
	for range 2 + r.IntN(8) {
		var es []event
		for range r.IntN(40) {
			if len(there) > 0 && !l.append && r.IntN(3) == 0 {
				i := r.IntN(len(there))
				es = append(es, event{there[i].input, there[i].row, -1})
				there = slices.Delete(there, i, i+1)
				continue
			}
			in := r.IntN(len(l.inputs))
			h := held{in, randomRow(r, l.inputs[in])}
			n := 1
			if r.IntN(8) == 0 {
				n = 3
			}
			if l.unique != nil && in == 0 {
				n = 1
				same := func(o held) bool { return o.input == 0 && l.key(o.row) == l.key(h.row) }
				if i := slices.IndexFunc(there, same); i >= 0 { // an update
					es = append(es, event{0, there[i].row, -1})
					there = slices.Delete(there, i, i+1)
				}
			}
			for range n {
				there = append(there, h)
			}
			es = append(es, event{in, h.row, int64(n)})
			if !l.append && l.unique == nil && r.IntN(10) == 0 { // comes and goes within the epoch
				row := randomRow(r, l.inputs[in])
				es = append(es, event{in, row, -1}, event{in, row, 1})
			}
		}
		epochs = append(epochs, es)
	}
	if l.append {
		return epochs
	}
	var last []event
	for _, h := range there {
		last = append(last, event{h.input, h.row, -1})
	}
	return append(epochs, last)
}

func (l *law) key(row []types.Datum) string {
	var key []byte
	for _, c := range l.unique {
		key = zset.AppendKeyDatum(key, l.inputs[0][c], row[c])
	}
	return string(key)
}

// cut makes a delta of each input: batches of random size, with rows that are
// not selected and rows of weight 0 in between.
func (l *law) cut(r *rand.Rand, es []event) []Delta {
	in := make([]Delta, len(l.inputs))
	for i, ts := range l.inputs {
		var b *zset.Batch
		for _, e := range es {
			if e.input != i {
				continue
			}
			if b == nil || r.IntN(6) == 0 {
				b = zset.NewBatch(ts, 0)
				in[i] = append(in[i], b)
			}
			for r.IntN(5) == 0 && !l.append {
				b.AppendDatums(randomRow(r, ts), 0)
			}
			b.AppendDatums(e.row, e.weight)
		}
		for k, b := range in[i] {
			if r.IntN(2) == 0 {
				in[i][k] = hideRows(r, b)
			}
		}
	}
	return in
}

// hideRows adds rows outside of the selection.
func hideRows(r *rand.Rand, b *zset.Batch) *zset.Batch {
	out := zset.NewBatch(b.Types(), 0)
	out.Sel = nil
	var sel []int32
	for i := range b.N {
		for r.IntN(3) == 0 {
			out.AppendDatums(randomRow(r, b.Types()), 1+r.Int64N(3))
		}
		sel = append(sel, int32(out.N))
		out.AppendRow(b, i, b.WeightAt(i))
	}
	out.Sel = sel
	if sel == nil {
		out.Sel = []int32{}
	}
	return out
}

// play runs the epochs and checks every one; it returns all bytes that went out
// of the operator.
func (l *law) play(t *testing.T, seed int, epochs [][]event, output []types.Type, r *rand.Rand) string {
	t.Helper()
	st := &recorder{MemState: NewMemState()}
	op := l.mustMake(t)
	total := make([]relation, len(l.inputs))
	for i := range total {
		total[i] = relation{}
	}
	rows, errs := relation{}, relation{}
	clocks := l.clocks(seed, len(epochs))
	for n, es := range epochs {
		if r.IntN(4) == 0 && n > 0 {
			op = l.mustMake(t) // a restart
			st.known = false
		}
		if l.now != nil {
			*l.now = clocks[n]
			st.SetNow(clocks[n])
		}
		if r.IntN(5) == 0 { // an epoch that is computed, but not committed (I3)
			if err := op.Apply(l.cut(r, es), st, uint64(n+1), &Output{}); err != nil {
				t.Fatalf("seed %d epoch %d: %v", seed, n, err)
			}
			st.Rollback()
		}
		var out Output
		if err := op.Apply(l.cut(r, es), st, uint64(n+1), &out); err != nil {
			t.Fatalf("seed %d epoch %d: %v", seed, n, err)
		}
		st.record(out)
		st.Commit()
		st.known, st.fired, st.due = true, clocks[n], out.Due
		if l.now != nil && out.Due <= clocks[n] {
			t.Fatalf("seed %d epoch %d: due at %d, the clock is at %d", seed, n, out.Due, clocks[n])
		}
		for _, e := range es {
			total[e.input].add(zset.AppendRowDatums(nil, l.inputs[e.input], e.row), e.weight)
		}
		rows.addDelta(out.Rows)
		errs.addDelta(out.Errors)
		wantRows, wantErrs := l.naive(total)
		if got, want := rows.text(output), wantRows.text(output); got != want {
			t.Fatalf("seed %d epoch %d: rows\n%swant\n%s", seed, n, got, want)
		}
		if got, want := errs.text(ErrorSchema()), wantErrs.text(ErrorSchema()); got != want {
			t.Fatalf("seed %d epoch %d: errors\n%swant\n%s", seed, n, got, want)
		}
	}
	if !l.append {
		keys := 0
		for _, arr := range st.Arrangements() {
			keys += st.Len(arr)
		}
		if keys != l.rest {
			t.Fatalf("seed %d: %d keys remain in the state, want %d:\n%s", seed, keys, l.rest, dump(st.MemState))
		}
	}
	return st.log.String()
}

// recut plays all events but the last epoch's in one epoch and one by one; the
// state must be the same.
func (l *law) recut(t *testing.T, seed int, epochs [][]event) {
	t.Helper()
	if !l.append {
		epochs = epochs[:len(epochs)-1]
	}
	r := rand.New(rand.NewPCG(uint64(seed), 5))
	all := [][]event{slices.Concat(epochs...)}
	clocks := l.clocks(seed, len(epochs))
	one, many := l.state(t, r, all, clocks[len(clocks)-1:]), l.state(t, r, epochs, clocks)
	if one != many {
		t.Fatalf("seed %d: the state depends on the cuts:\n%s---\n%s", seed, one, many)
	}
}

func (l *law) state(t *testing.T, r *rand.Rand, epochs [][]event, clocks []int64) string {
	t.Helper()
	st := NewMemState()
	op := l.mustMake(t)
	for n, es := range epochs {
		var out Output
		st.SetNow(clocks[n])
		if err := op.Apply(l.cut(r, es), st, uint64(n+1), &out); err != nil {
			t.Fatal(err)
		}
		st.Commit()
	}
	return dump(st)
}

func (l *law) mustMake(t *testing.T) Operator {
	t.Helper()
	op, err := l.make()
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// recorder prints what an operator emits and changes, byte by byte.
type recorder struct {
	*MemState
	log        bytes.Buffer
	known      bool // fired and due are
	fired, due int64
}

func (s *recorder) Clock() Clock {
	c := s.MemState.Clock()
	if s.known {
		c.Fired, c.Due = s.fired, s.due
	}
	return c
}

func (s *recorder) Change(set storage.ChangeSet) {
	for i := range set.Keys.Len() {
		dead := i>>6 < len(set.Dead) && set.Dead.Get(i)
		fmt.Fprintf(&s.log, "%d %x %x %v\n", set.Arr, set.Keys.At(i), set.Vals.At(i), dead)
	}
	s.MemState.Change(set)
}

func (s *recorder) record(out Output) {
	for _, d := range []Delta{out.Rows, out.Errors} {
		for _, b := range d {
			for i := range b.Len() {
				row := b.Row(i)
				fmt.Fprintf(&s.log, "%d %x\n", b.WeightAt(row), zset.AppendRow(nil, b.Cols, row))
			}
		}
	}
}

func dump(st *MemState) string {
	var out strings.Builder
	for _, arr := range st.Arrangements() {
		_ = st.Scan(arr, nil, nil, func(key, val []byte) bool {
			fmt.Fprintf(&out, "%d %x: %x\n", arr, key, val)
			return true
		})
	}
	return out.String()
}

// randomRow makes a row of a small domain, so that groups and values meet.
func randomRow(r *rand.Rand, ts []types.Type) []types.Datum {
	row := make([]types.Datum, len(ts))
	for i, t := range ts {
		row[i] = randomDatum(r, t)
	}
	return row
}

func randomDatum(r *rand.Rand, t types.Type) types.Datum {
	if r.IntN(6) == 0 {
		return types.NullDatum()
	}
	switch t.Kind() {
	case types.KindBool:
		return types.Datum{Bool: r.IntN(2) == 0}
	case types.KindInt64:
		if t == types.Int8 && r.IntN(20) == 0 {
			return types.Datum{Int: math.MaxInt64 - r.Int64N(2)}
		}
		return types.Datum{Int: r.Int64N(7) - 3}
	case types.KindFloat64:
		return types.Datum{Float: randomFloatValue(r, t)}
	case types.KindDecimal:
		return types.Datum{Dec: randomDecimal(r)}
	case types.KindInterval:
		return types.Datum{Ival: types.IntervalValue{
			Months: int32(r.IntN(3)), Days: int32(r.IntN(3) * 30), Micros: r.Int64N(3) * types.MicrosPerDay,
		}}
	default:
		return types.Datum{Bytes: []byte([]string{"", "a", "b", "ab", "a\x00b", "ä"}[r.IntN(6)])}
	}
}

func randomFloatValue(r *rand.Rand, t types.Type) float64 {
	fs := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 0.2, 0.3, 1e16, -1e16, 1e-16, 3}
	if r.IntN(20) == 0 {
		fs = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324}
	}
	f := fs[r.IntN(len(fs))]
	if t == types.Float4 {
		f = float64(float32(f))
	}
	return f
}

func randomDecimal(r *rand.Rand) types.Decimal {
	texts := []string{"0", "1", "1.0", "1.00", "-1.0", "2.50", "0.333", "12345678901234567890.5", "-3"}
	if r.IntN(20) == 0 {
		texts = []string{"NaN", "Infinity", "-Infinity", "1e40", "99999999999999999999999999999999999999999.123"}
	}
	d, err := types.ParseDecimal([]byte(texts[r.IntN(len(texts))]))
	if err != nil {
		panic(err)
	}
	return d
}
