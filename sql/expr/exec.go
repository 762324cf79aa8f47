package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// exec is the state of one program while it evaluates one batch.
type exec struct {
	batch     *zset.Batch
	n         int // physical rows
	errs      Errors
	lastScope uint64
	lastEval  uint64
	identity  []int32
}

// scope is a set of rows under which expressions are evaluated. A value that
// was computed under a scope is valid under all scopes below it. Scopes get a
// fresh id each time they are opened, because their memory is reused.
type scope struct {
	id     uint64
	parent *scope
	sel    []int32 // nil: all rows
}

// open starts a scope below parent.
func (x *exec) open(s *scope, parent *scope, sel []int32) *scope {
	x.lastScope++
	s.id, s.parent, s.sel = x.lastScope, parent, sel
	return s
}

// begin prepares for a batch and returns the scope of all its rows.
func (x *exec) begin(b *zset.Batch, root *scope) *scope {
	x.batch, x.n = b, b.N
	x.lastEval++
	x.errs.reset()
	return x.open(root, nil, b.Sel)
}

// rows returns the scope's rows as a list.
func (x *exec) rows(s *scope) []int32 {
	if s.sel != nil {
		return s.sel
	}
	for len(x.identity) < x.n {
		x.identity = append(x.identity, int32(len(x.identity)))
	}
	return x.identity[:x.n]
}

// arg is an evaluated expression: a vector of the batch's physical rows, or,
// with mask 0, of one row that stands for all of them.
type arg struct {
	*zset.Vector
	mask int
}

const perRow = -1 // the mask of a vector with a value for each row

func (a *arg) isNull(row int) bool { return a.Null.Get(row & a.mask) }

// node is a compiled expression. The vector it returns is valid at the rows of
// the scope, until the node is evaluated again under a scope that is not below
// it. Whoever evaluates arguments under a narrower scope than its own must
// copy what it needs before it returns (I1): that is what makes shared
// subexpressions safe.
type node interface {
	eval(x *exec, s *scope) arg
	typ() types.Type
}

// columnNode reads an input column.
type columnNode struct {
	t   types.Type
	col int
}

func (c *columnNode) typ() types.Type { return c.t }

func (c *columnNode) eval(x *exec, _ *scope) arg { return arg{&x.batch.Cols[c.col], perRow} }

// constNode is a value known at compile time, a vector of one row.
type constNode struct {
	v zset.Vector
}

func newConstNode(t types.Type, d types.Datum) *constNode {
	n := &constNode{v: zset.NewVector(t, 1)}
	n.v.AppendDatum(d)
	return n
}

func (c *constNode) typ() types.Type { return c.v.Type }

func (c *constNode) eval(*exec, *scope) arg { return arg{&c.v, 0} }

func (c *constNode) null() bool { return c.v.Null.Get(0) }

// failNode is a constant expression that fails for each row that reaches it.
type failNode struct {
	v   zset.Vector
	err *sqlerr.Error
}

func newFailNode(t types.Type, err *sqlerr.Error) *failNode {
	n := &failNode{v: zset.NewVector(t, 1), err: err}
	n.v.AppendNull()
	n.v.Null = nil // unspecified, but not NULL: strict calls compute with it
	return n
}

func (f *failNode) typ() types.Type { return f.v.Type }

func (f *failNode) eval(x *exec, s *scope) arg {
	for _, r := range x.rows(s) {
		x.errs.addCopy(int(r), f.err)
	}
	return arg{&f.v, 0}
}

// sharedNode evaluates an expression that occurs more than once.
type sharedNode struct {
	node
	eval0 uint64
	scope uint64
	out   arg
}

func (n *sharedNode) eval(x *exec, s *scope) arg {
	if n.eval0 == x.lastEval {
		for p := s; p != nil; p = p.parent {
			if p.id == n.scope {
				return n.out
			}
		}
	}
	n.out = n.node.eval(x, s)
	n.eval0, n.scope = x.lastEval, s.id
	return n.out
}

// resize gives a vector room for n rows of its kind; the values are left over
// from former batches, bytes are empty.
func resize(v *zset.Vector, n int) {
	v.Null = nil
	switch v.Type.Kind() {
	case types.KindBool:
		v.Bool = sized(v.Bool, n)
	case types.KindInt64:
		v.Int = sized(v.Int, n)
	case types.KindFloat64:
		v.Flt = sized(v.Flt, n)
	case types.KindDecimal:
		v.Dec = sized(v.Dec, n)
	case types.KindInterval:
		v.Ival = sized(v.Ival, n)
	default:
		v.Off = sized(v.Off, n+1)
		v.Data = v.Data[:0]
	}
}

func sized[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n, n+n/4)
}

// nullBuffer is the memory of a node's NULL bitmap.
type nullBuffer struct{ bits zset.Bitmap }

// cleared returns a bitmap of n cleared bits.
func (b *nullBuffer) cleared(n int) zset.Bitmap {
	b.bits = sized(b.bits, (n+63)/64)
	clear(b.bits)
	return b.bits
}

// union returns the rows at which any argument is NULL; without need it shares
// the argument's bitmap. With owned the result may be written. Arguments that
// are constant are known not to be NULL.
func (b *nullBuffer) union(args []arg, n int, owned bool) zset.Bitmap {
	var found zset.Bitmap
	mine := false
	for i := range args {
		null := args[i].Null
		if null == nil || args[i].mask == 0 {
			continue
		}
		switch {
		case found == nil:
			found = null
		case !mine:
			words := (n + 63) / 64
			b.bits = sized(b.bits, words)
			for w := range b.bits {
				b.bits[w] = found[w] | null[w]
			}
			found, mine = b.bits, true
		default:
			for w := range found {
				found[w] |= null[w]
			}
		}
	}
	if !owned || mine {
		return found
	}
	bits := b.cleared(n)
	copy(bits, found)
	return bits
}

// bytesWriter fills a vector of bytes row by row in ascending order; rows that
// are left out are empty.
type bytesWriter struct {
	v    *zset.Vector
	next int // the first row whose start is not yet set
}

// begin sets the start of a row; the caller then appends to v.Data.
func (w *bytesWriter) begin(row int) {
	at := uint32(len(w.v.Data))
	off := w.v.Off
	for ; w.next <= row; w.next++ {
		off[w.next] = at
	}
}

// finish sets the ends of the last rows.
func (w *bytesWriter) finish() { w.begin(len(w.v.Off) - 1) }
