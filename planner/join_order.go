package planner

import "github.com/streamdb/streamdb/sql/expr"

// orderJoins changes the order of a chain of inner joins in which some step has
// no equality to join by, so that as few steps as possible are products: FROM
// a, b, c WHERE a.x = c.x AND b.y = c.y begins with a and c. It starts with the
// first relation and takes the first one next that is connected to those taken.
func orderJoins(n Node) Node {
	j, ok := n.(*Join)
	if !ok || j.Kind != InnerJoin {
		return n
	}
	c := &joinChain{}
	outputs := c.collect(j)
	if len(c.items) < 3 || !c.products {
		return n
	}
	order := c.order()
	if order == nil {
		return n
	}
	return c.build(order, outputs)
}

// joinChain is a tree of inner joins laid flat: its relations and all its
// conditions, over the columns of all relations in their order.
type joinChain struct {
	items      []chainItem
	conditions []*expr.Expr
	width      int
	products   bool // some step has no equality
}

type chainItem struct {
	node  Node
	first int // number of its first column
	width int
}

// collect adds the relations and conditions of a tree and returns the chain's
// column of each of its columns. Maps over joins that only filter and choose
// columns are looked through.
func (c *joinChain) collect(n Node) []int {
	switch n := n.(type) {
	case *Join:
		if n.Kind != InnerJoin {
			break
		}
		if pairs, _ := splitJoinCondition(n); len(pairs) == 0 {
			c.products = true
		}
		left := c.collect(n.Left)
		columns := append(left[:len(left):len(left)], c.collect(n.Right)...)
		c.add(n.On, columns)
		return columns
	case *Map:
		if j, ok := n.Input.(*Join); !ok || j.Kind != InnerJoin || !plain(n.Project) {
			break
		}
		columns := c.collect(n.Input)
		c.add(n.Filter, columns)
		if n.Project == nil {
			return columns
		}
		out := make([]int, len(n.Project))
		for i, e := range n.Project {
			out[i] = columns[e.Col]
		}
		return out
	}
	first := c.width
	c.width += len(n.Types())
	c.items = append(c.items, chainItem{n, first, c.width - first})
	columns := make([]int, c.width-first)
	for i := range columns {
		columns[i] = first + i
	}
	return columns
}

// add adds the parts of a condition over columns of the chain.
func (c *joinChain) add(condition *expr.Expr, columns []int) {
	for _, part := range conjuncts(condition) {
		c.conditions = append(c.conditions, expr.RemapColumns(part, func(col int) int { return columns[col] }))
	}
}

// order returns a better order of the relations, nil if there is none.
func (c *joinChain) order() []int {
	taken := map[int]bool{0: true}
	out := []int{0}
	changed := false
	for len(out) < len(c.items) {
		next := -1
		for i := range c.items {
			if taken[i] {
				continue
			}
			if next < 0 {
				next = i // a product, unless a later one is connected
			}
			if c.connected(taken, i) {
				changed = changed || next != i
				next = i
				break
			}
		}
		taken[next] = true
		out = append(out, next)
	}
	if !changed {
		return nil
	}
	return out
}

// connected says whether an equality joins relation i to those taken.
func (c *joinChain) connected(taken map[int]bool, i int) bool {
	for _, condition := range c.conditions {
		if condition.Op != expr.OpCall || len(condition.Args) != 2 || !isEquality(condition.Func) {
			continue
		}
		for side := range 2 {
			if c.reads(condition.Args[side], func(item int) bool { return item == i }) &&
				c.reads(condition.Args[1-side], func(item int) bool { return taken[item] }) {
				return true
			}
		}
	}
	return false
}

// reads says whether an expression reads columns, and only of relations that
// satisfy of.
func (c *joinChain) reads(e *expr.Expr, of func(item int) bool) bool {
	columns := expr.Columns(e)
	for _, col := range columns {
		if !of(c.itemOf(col)) {
			return false
		}
	}
	return len(columns) > 0
}

func (c *joinChain) itemOf(col int) int {
	for i, item := range c.items {
		if col < item.first+item.width {
			return i
		}
	}
	return -1
}

// build joins the relations in an order and puts out the chain's columns that
// outputs lists.
func (c *joinChain) build(order, outputs []int) Node {
	place := map[int]int{} // old column -> new one
	width := 0
	for _, i := range order {
		for k := range c.items[i].width {
			place[c.items[i].first+k] = width + k
		}
		width += c.items[i].width
	}
	waiting := make([]*expr.Expr, len(c.conditions))
	for i, condition := range c.conditions {
		waiting[i] = expr.RemapColumns(condition, func(col int) int { return place[col] })
	}
	node, have := c.items[order[0]].node, c.items[order[0]].width
	for _, i := range order[1:] {
		have += c.items[i].width
		joined := &Join{Kind: InnerJoin, Left: node, Right: c.items[i].node}
		rest := waiting[:0:0]
		for _, condition := range waiting {
			if within(condition, 0, have) {
				joined.On = and(joined.On, condition)
			} else {
				rest = append(rest, condition)
			}
		}
		node, waiting = joined, rest
	}
	types := node.Types()
	project := make([]*expr.Expr, len(outputs))
	for i, col := range outputs {
		project[i] = expr.Column(place[col], types[place[col]])
	}
	return &Map{Input: node, Project: project}
}
