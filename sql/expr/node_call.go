package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// callNode calls a function of the table.
type callNode struct {
	fn    *Function
	args  []node
	argv  []arg
	run   kernel
	out   zset.Vector
	nulls nullBuffer
	c     call
}

func (n *callNode) typ() types.Type { return n.out.Type }

func (n *callNode) eval(x *exec, s *scope) arg {
	for i, a := range n.args {
		n.argv[i] = a.eval(x, s)
	}
	resize(&n.out, x.n)
	switch {
	case n.fn.Strict:
		n.out.Null = n.nulls.union(n.argv, x.n, n.fn.nullable)
	case n.fn.nullable:
		n.out.Null = n.nulls.cleared(x.n)
	}
	n.c = call{x: x, out: &n.out, args: n.argv, n: x.n, sel: s.sel, s: s}
	if x.n > 0 {
		n.run(&n.c)
	}
	if n.fn.nullable && !n.out.HasNulls() {
		n.out.Null = nil
	}
	return arg{&n.out, perRow}
}

// release gives up the memory of the last result.
func (n *callNode) release() {
	n.out = zset.Vector{Type: n.out.Type}
	n.nulls.bits = nil
}

// relabelNode is a cast between types of one representation: the argument's
// vector under another name.
type relabelNode struct {
	arg node
	out zset.Vector
}

func (n *relabelNode) typ() types.Type { return n.out.Type }

func (n *relabelNode) eval(x *exec, s *scope) arg {
	a := n.arg.eval(x, s)
	t := n.out.Type
	n.out = *a.Vector
	n.out.Type = t
	return arg{&n.out, a.mask}
}

// spreadNode gives a constant one value a row, for the columns of a result.
type spreadNode struct {
	arg node
	out zset.Vector
	n   int // rows that out holds
}

func (n *spreadNode) typ() types.Type { return n.out.Type }

func (n *spreadNode) eval(x *exec, s *scope) arg {
	a := n.arg.eval(x, s)
	if a.mask != 0 {
		return a
	}
	if n.n < x.n {
		n.out = zset.NewVector(n.out.Type, x.n)
		for range x.n {
			n.out.AppendFrom(a.Vector, 0)
		}
		n.n = x.n
	}
	return arg{&n.out, perRow}
}
