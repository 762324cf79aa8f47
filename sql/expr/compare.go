package expr

import (
	"bytes"

	"github.com/streamdb/streamdb/sql/types"
)

// compareOp is one of the six comparisons.
type compareOp uint8

const (
	opNone compareOp = iota
	opEQ
	opNE
	opLT
	opLE
	opGT
	opGE
)

// flip returns the operator for exchanged sides.
func (o compareOp) flip() compareOp {
	switch o {
	case opLT:
		return opGT
	case opLE:
		return opGE
	case opGT:
		return opLT
	case opGE:
		return opLE
	}
	return o
}

// holds says whether the operator accepts the outcome of a three-way comparison.
func (o compareOp) holds(c int) bool {
	switch o {
	case opEQ:
		return c == 0
	case opNE:
		return c != 0
	case opLT:
		return c < 0
	case opLE:
		return c <= 0
	case opGT:
		return c > 0
	}
	return c >= 0
}

// compareKernel makes the kernel of a comparison: columns with columns, or a
// column with a constant.
type compareKernel[T any] struct {
	columns  func(op compareOp, out []bool, a, b []T)
	constant func(op compareOp, out []bool, a []T, k T)
	one      func(op compareOp, a, b T) bool
	read     func(types.Datum) T
}

func (k compareKernel[T]) maker(op compareOp) maker {
	return func(s *site) (kernel, error) {
		if d, ok := s.constant(1); ok {
			return k.against(op, 0, k.read(d)), nil
		}
		if d, ok := s.constant(0); ok {
			return k.against(op.flip(), 1, k.read(d)), nil
		}
		return k.between(op), nil
	}
}

func (k compareKernel[T]) against(op compareOp, side int, v T) kernel {
	return func(c *call) {
		a, out := &c.args[side], c.out.Bool
		in := *slot[T](a.Vector)
		switch {
		case a.mask == 0: // a constant that failed
			for i := range out {
				out[i] = k.one(op, in[0], v)
			}
		case c.mostRows():
			k.constant(op, out, in[:c.n], v)
		default:
			for _, r := range c.sel {
				out[r] = k.one(op, in[r], v)
			}
		}
	}
}

func (k compareKernel[T]) between(op compareOp) kernel {
	return func(c *call) {
		a, b, out := &c.args[0], &c.args[1], c.out.Bool
		l, r := *slot[T](a.Vector), *slot[T](b.Vector)
		if a.mask != 0 && b.mask != 0 && c.mostRows() {
			k.columns(op, out, l[:c.n], r[:c.n])
			return
		}
		for _, i := range c.rows() {
			row := int(i)
			out[row] = k.one(op, l[row&a.mask], r[row&b.mask])
		}
	}
}

func intCompare() compareKernel[int64] {
	return compareKernel[int64]{
		columns:  compareIntColumns,
		constant: compareIntConstant,
		one:      func(op compareOp, a, b int64) bool { return op.holds(compareInts(a, b)) },
		read:     func(d types.Datum) int64 { return d.Int },
	}
}

func floatCompare() compareKernel[float64] {
	return compareKernel[float64]{
		columns:  compareFloatColumns,
		constant: compareFloatConstant,
		one:      func(op compareOp, a, b float64) bool { return op.holds(compareFloats(a, b)) },
		read:     func(d types.Datum) float64 { return d.Float },
	}
}

func compareIntColumns(op compareOp, out []bool, a, b []int64) {
	b = b[:len(a)]
	out = out[:len(a)]
	switch op {
	case opEQ:
		for i, v := range a {
			out[i] = v == b[i]
		}
	case opNE:
		for i, v := range a {
			out[i] = v != b[i]
		}
	case opLT:
		for i, v := range a {
			out[i] = v < b[i]
		}
	case opLE:
		for i, v := range a {
			out[i] = v <= b[i]
		}
	case opGT:
		for i, v := range a {
			out[i] = v > b[i]
		}
	default:
		for i, v := range a {
			out[i] = v >= b[i]
		}
	}
}

func compareIntConstant(op compareOp, out []bool, a []int64, k int64) {
	out = out[:len(a)]
	switch op {
	case opEQ:
		for i, v := range a {
			out[i] = v == k
		}
	case opNE:
		for i, v := range a {
			out[i] = v != k
		}
	case opLT:
		for i, v := range a {
			out[i] = v < k
		}
	case opLE:
		for i, v := range a {
			out[i] = v <= k
		}
	case opGT:
		for i, v := range a {
			out[i] = v > k
		}
	default:
		for i, v := range a {
			out[i] = v >= k
		}
	}
}

// compareFloats orders as PostgreSQL does: NaN equals NaN and is greater than
// all other numbers.
func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case a != a && b != b:
		return 0
	case a != a:
		return 1
	}
	return -1
}

func compareFloatColumns(op compareOp, out []bool, a, b []float64) {
	b = b[:len(a)]
	for i, v := range a {
		out[i] = op.holds(compareFloats(v, b[i]))
	}
}

// compareFloatConstant uses that only the column can be NaN once the constant
// is not: !(v <= k) is true for NaN as v > k must be.
func compareFloatConstant(op compareOp, out []bool, a []float64, k float64) {
	out = out[:len(a)]
	switch {
	case k != k:
		for i, v := range a {
			out[i] = op.holds(compareFloats(v, k))
		}
	case op == opEQ:
		for i, v := range a {
			out[i] = v == k
		}
	case op == opNE:
		for i, v := range a {
			out[i] = v != k
		}
	case op == opLT:
		for i, v := range a {
			out[i] = v < k
		}
	case op == opLE:
		for i, v := range a {
			out[i] = v <= k
		}
	case op == opGT:
		for i, v := range a {
			out[i] = !(v <= k)
		}
	default:
		for i, v := range a {
			out[i] = !(v < k)
		}
	}
}

// bytesCompare compares text in the C collation, bytea and uuid.
func bytesCompare(op compareOp) maker {
	if op != opEQ && op != opNE {
		return fn2(func(a, b []byte) bool { return op.holds(bytes.Compare(a, b)) })
	}
	columns := fn2(func(a, b []byte) bool { return (string(a) == string(b)) == (op == opEQ) })
	return func(s *site) (kernel, error) {
		side := 0
		d, ok := s.constant(1)
		if !ok {
			side = 1
			d, ok = s.constant(0)
		}
		if !ok {
			return columns(s)
		}
		k, want := string(d.Bytes), op == opEQ
		return func(c *call) {
			a, out := &c.args[side], c.out.Bool
			for _, r := range c.rows() {
				i := int(r) & a.mask
				out[r] = (string(a.Data[a.Off[i]:a.Off[i+1]]) == k) == want
			}
		}, nil
	}
}

// threeWay makes comparisons of a three-way comparison.
func threeWay[A, B any](cmp func(A, B) int) func(op compareOp) maker {
	return func(op compareOp) maker {
		return fn2(func(a A, b B) bool { return op.holds(cmp(a, b)) })
	}
}

// compareNames are the six operators with the suffixes of PostgreSQL's names.
func compareNames() []struct {
	op           compareOp
	name, suffix string
} {
	return []struct {
		op           compareOp
		name, suffix string
	}{{opEQ, "=", "eq"}, {opNE, "<>", "ne"}, {opLT, "<", "lt"}, {opLE, "<=", "le"}, {opGT, ">", "gt"}, {opGE, ">=", "ge"}}
}

// compare registers the six comparisons of two types. In name, which is the
// procedure's, * stands for eq, ne, lt, ...
func (t *tables) compare(name, left, right string, m func(op compareOp) maker, opts ...option) {
	for _, n := range compareNames() {
		proc := ""
		for _, c := range name {
			if c == '*' {
				proc += n.suffix
			} else {
				proc += string(c)
			}
		}
		if name == "text_*" && (n.op == opEQ || n.op == opNE) {
			proc = "text" + n.suffix // irregular in PostgreSQL
		}
		f := t.fn(proc+"("+left+","+right+") bool", m(n.op), opts...)
		f.compare = n.op
		t.op(n.name, f)
	}
}

// constantComparison recognises value op constant (either way round) over
// int64, float64 and equality of bytes, and returns how to select its rows.
func constantComparison(e *Expr) (value *Expr, pick picker) {
	if e.Op != OpCall || len(e.Args) != 2 {
		return nil, nil
	}
	f, ok := Lookup(e.Func)
	if !ok || f.compare == opNone {
		return nil, nil
	}
	op, a, k := f.compare, e.Args[0], e.Args[1]
	if a.Op == OpConst {
		op, a, k = op.flip(), k, a
	}
	if k.Op != OpConst || k.Const.Null || a.Op == OpConst || a.Type.Kind() != k.Type.Kind() || f.mixed {
		return nil, nil
	}
	switch a.Type.Kind() {
	case types.KindInt64:
		return a, pickInt(op, k.Const.Int)
	case types.KindBytes:
		if f.rawBytes && (op == opEQ || op == opNE) {
			return a, pickBytes(op == opEQ, string(k.Const.Bytes))
		}
	}
	return nil, nil
}

func pickBytes(want bool, k string) picker {
	return func(out []int32, a *arg, n int, sel []int32) []int32 {
		j := 0
		if sel == nil {
			for i := range n {
				out[j] = int32(i)
				p := i & a.mask
				if (string(a.Data[a.Off[p]:a.Off[p+1]]) == k) == want {
					j++
				}
			}
			return out[:j]
		}
		for _, r := range sel {
			out[j] = r
			p := int(r) & a.mask
			if (string(a.Data[a.Off[p]:a.Off[p+1]]) == k) == want {
				j++
			}
		}
		return out[:j]
	}
}

func pickInt(op compareOp, k int64) picker {
	return func(out []int32, a *arg, n int, sel []int32) []int32 {
		switch {
		case a.mask == 0:
			return pickAll(out, op.holds(compareInts(a.Int[0], k)), n, sel)
		case sel == nil:
			return pickIntDense(op, out, a.Int[:n], k)
		}
		return pickIntSelected(op, out, a.Int, k, sel)
	}
}

func pickAll(out []int32, all bool, n int, sel []int32) []int32 {
	switch {
	case !all:
		return out[:0]
	case sel != nil:
		return out[:copy(out, sel)]
	}
	for i := range n {
		out[i] = int32(i)
	}
	return out[:n]
}

func pickIntDense(op compareOp, out []int32, a []int64, k int64) []int32 {
	out = out[:len(a)]
	j := 0
	switch op {
	case opEQ:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v == k)
		}
	case opNE:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v != k)
		}
	case opLT:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v < k)
		}
	case opLE:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v <= k)
		}
	case opGT:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v > k)
		}
	default:
		for i, v := range a {
			out[j] = int32(i)
			j += bit(v >= k)
		}
	}
	return out[:j]
}

func pickIntSelected(op compareOp, out []int32, a []int64, k int64, sel []int32) []int32 {
	j := 0
	for _, r := range sel {
		out[j] = r
		j += bit(op.holds(compareInts(a[r], k)))
	}
	return out[:j]
}

// bit is 1 for true; the compiler makes it one instruction without a jump.
func bit(b bool) int {
	var n int
	if b {
		n = 1
	}
	return n
}
