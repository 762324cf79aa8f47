package expr

import "github.com/streamdb/streamdb/sql/types"

// extremeNode is GREATEST and LEAST: NULLs are ignored, all NULL gives NULL.
type extremeNode struct {
	merger
	sign int // 1: greatest
	args []node
	argv []arg
	one  []int32
}

func newExtremeNode(e *Expr, args []node) *extremeNode {
	n := &extremeNode{merger: newMerger(e.Type), sign: 1, args: args, argv: make([]arg, len(args)), one: make([]int32, 1)}
	if e.Op == OpLeast {
		n.sign = -1
	}
	return n
}

func (n *extremeNode) eval(x *exec, s *scope) arg {
	for i, a := range n.args {
		n.argv[i] = a.eval(x, s)
	}
	n.begin(x.n)
	rows := x.rows(s)
	for _, r := range rows {
		row := int(r)
		best := -1
		for i := range n.argv {
			a := &n.argv[i]
			if a.isNull(row) {
				continue
			}
			if best < 0 || n.sign*compareRows(n.out.Type, a, &n.argv[best], row) > 0 {
				best = i
			}
		}
		n.one[0] = r
		if best < 0 {
			n.takeNull(n.one)
		} else {
			n.take(&n.argv[best], n.one)
		}
	}
	return n.finish(rows)
}

// compareRows compares the values of two arguments at a row, neither NULL.
func compareRows(t types.Type, a, b *arg, row int) int {
	if t.Kind() == types.KindInt64 {
		return compareInts(a.Int[row&a.mask], b.Int[row&b.mask])
	}
	return types.Compare(t, a.Datum(row&a.mask), b.Datum(row&b.mask))
}

func compareInts(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}
