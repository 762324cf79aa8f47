package expr

import (
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// inNode is needle IN (constants), by SQL equality of the needle's type. Longer
// lists are looked up by hash.
type inNode struct {
	boolOut
	needle  node
	hasNull bool
	ints    []int64
	intSet  map[int64]struct{}
	keys    map[string]struct{} // key bytes, for kinds other than int64
	raw     bool                // the key bytes are the value's own
	buf     []byte
}

// hashFrom is the length of lists from which a hash table beats a scan.
const hashFrom = 8

func newInNode(e *Expr, args []node) (node, error) {
	n := &inNode{boolOut: newBoolOut(), needle: args[0], keys: map[string]struct{}{}}
	t := args[0].typ()
	n.raw = t.Base() == types.Text || t.Base() == types.Varchar || t.Base() == types.Bytea || t.Base() == types.UUID || t.Base() == types.Name
	for i, k := range args[1:] {
		c, ok := k.(*constNode)
		if !ok || c.typ().Kind() != t.Kind() {
			return nil, fmt.Errorf("expr: element %d of IN is not a constant of type %v", i+1, t)
		}
		switch {
		case c.null():
			n.hasNull = true
		case t.Kind() == types.KindInt64:
			n.ints = append(n.ints, c.v.Int[0])
		case n.raw:
			n.keys[string(c.v.Bytes(0))] = struct{}{}
		default:
			v := c.v
			v.Type = t
			n.keys[string(zset.AppendKey(nil, &v, 0))] = struct{}{}
		}
	}
	if len(n.ints) >= hashFrom {
		n.intSet = map[int64]struct{}{}
		for _, k := range n.ints {
			n.intSet[k] = struct{}{}
		}
	}
	return n, nil
}

func (n *inNode) eval(x *exec, s *scope) arg {
	a := n.needle.eval(x, s)
	resize(&n.out, x.n)
	out := n.out.Bool
	null := n.nulls.cleared(x.n)
	anyNull := false
	for _, r := range x.rows(s) {
		row := int(r)
		if a.isNull(row) {
			anyNull = true
			null.Set(row)
			continue
		}
		out[row] = n.contains(&a, row&a.mask)
		if !out[row] && n.hasNull {
			anyNull = true
			null.Set(row)
		}
	}
	n.out.Null = nil
	if anyNull {
		n.out.Null = null
	}
	return arg{&n.out, perRow}
}

func (n *inNode) contains(a *arg, row int) bool {
	if a.Type.Kind() == types.KindInt64 {
		v := a.Int[row]
		if n.intSet != nil {
			_, ok := n.intSet[v]
			return ok
		}
		for _, k := range n.ints {
			if v == k {
				return true
			}
		}
		return false
	}
	if n.raw {
		_, ok := n.keys[string(a.Bytes(row))]
		return ok
	}
	n.buf = zset.AppendKey(n.buf[:0], a.Vector, row)
	_, ok := n.keys[string(n.buf)]
	return ok
}
