package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// boolOut is the result of a node that computes a truth value a row.
type boolOut struct {
	out   zset.Vector
	nulls nullBuffer
}

func newBoolOut() boolOut { return boolOut{out: zset.Vector{Type: types.Bool}} }

func (b *boolOut) typ() types.Type { return types.Bool }

func (b *boolOut) release() {
	b.out = zset.Vector{Type: types.Bool}
	b.nulls.bits = nil
}

// logicNode is AND or OR, three-valued. Arguments are evaluated from left to
// right under the rows that are not yet decided: an argument decides a row when
// it has the value that decides (false for AND, true for OR).
type logicNode struct {
	boolOut
	decides bool
	args    []node
	scopes  []scope
	sel     []int32
}

func (n *logicNode) eval(x *exec, s *scope) arg {
	resize(&n.out, x.n)
	null := n.nulls.cleared(x.n)
	out := n.out.Bool
	rows := x.rows(s)
	for _, r := range rows {
		out[r] = !n.decides
	}
	anyNull := false
	for i, a := range n.args {
		v := a.eval(x, s)
		rows = n.undecided(x, rows, &v, null, &anyNull)
		if len(rows) == 0 {
			break
		}
		s = x.open(&n.scopes[i], s, rows)
	}
	n.out.Null = nil
	if anyNull {
		n.out.Null = null
	}
	return arg{&n.out, perRow}
}

// undecided sets the rows that v decides and returns the others.
func (n *logicNode) undecided(x *exec, rows []int32, v *arg, null zset.Bitmap, anyNull *bool) []int32 {
	out := n.out.Bool
	rest := sized(n.sel, x.n) // rows may be a prefix of the same memory
	n.sel = rest
	k := 0
	failed := x.errs.Len() > 0
	for _, r := range rows {
		row := int(r)
		switch {
		case failed && x.errs.Has(row):
			continue
		case v.isNull(row):
			null.Set(row)
			*anyNull = true
		case v.Bool[row&v.mask] == n.decides:
			out[row] = n.decides
			null.Clear(row)
			continue
		}
		rest[k] = r
		k++
	}
	return rest[:k]
}

// notNode is NOT.
type notNode struct {
	boolOut
	arg node
}

func (n *notNode) eval(x *exec, s *scope) arg {
	a := n.arg.eval(x, s)
	resize(&n.out, x.n)
	n.out.Null = a.Null
	out := n.out.Bool
	if a.mask == 0 {
		for i := range out {
			out[i] = !a.Bool[0]
		}
		n.out.Null = n.spreadNull(&a, x.n)
		return arg{&n.out, perRow}
	}
	for i, v := range a.Bool[:x.n] {
		out[i] = !v
	}
	return arg{&n.out, perRow}
}

func (b *boolOut) spreadNull(a *arg, n int) zset.Bitmap {
	if !a.Null.Get(0) {
		return nil
	}
	bits := b.nulls.cleared(n)
	for w := range bits {
		bits[w] = ^uint64(0)
	}
	return bits
}

// isNullNode is IS NULL.
type isNullNode struct {
	boolOut
	arg node
}

func (n *isNullNode) eval(x *exec, s *scope) arg {
	a := n.arg.eval(x, s)
	resize(&n.out, x.n)
	out := n.out.Bool
	if a.Null == nil {
		clear(out)
		return arg{&n.out, perRow}
	}
	for i := range out {
		out[i] = a.isNull(i)
	}
	return arg{&n.out, perRow}
}

// distinctNode is IS DISTINCT FROM: its arguments are a, b and a = b.
type distinctNode struct {
	boolOut
	a, b, equal node
}

func (n *distinctNode) eval(x *exec, s *scope) arg {
	a := n.a.eval(x, s)
	b := n.b.eval(x, s)
	eq := n.equal.eval(x, s)
	resize(&n.out, x.n)
	out := n.out.Bool
	for _, r := range x.rows(s) {
		row := int(r)
		an, bn := a.isNull(row), b.isNull(row)
		if an || bn {
			out[row] = an != bn
		} else {
			out[row] = !eq.Bool[row&eq.mask]
		}
	}
	return arg{&n.out, perRow}
}
