package planner

import (
	"fmt"
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Print returns a query's plan as an indented tree, a node a line; #i is the
// i-th column of the node below, counted from 0.
func Print(q *Query) string {
	var b strings.Builder
	printOrder(&b, q)
	printNode(&b, q.Root, 0)
	return b.String()
}

// PrintOptimized prints the plan of an ad hoc query as it is run: the scan of a
// relation of which one key is read says so. Parameters may be missing yet.
func PrintOptimized(q *Query, cat *catalog.Catalog, env *expr.Env) (string, error) {
	optimized, frozen := *q, *q
	optimized.Root = Optimize(q.Root)
	text := Print(&optimized)
	if err := frozen.freeze(env, false); err != nil {
		return "", err
	}
	if a := findAccess(Optimize(frozen.Root), cat); a != nil {
		// A key is sought in plans with one scan only.
		text = strings.Replace(text, "  scan "+a.relation.Name+"\n", "  "+a.String()+"\n", 1)
	}
	return text, nil
}

func printOrder(b *strings.Builder, q *Query) {
	var parts []string
	if len(q.Order) > 0 {
		parts = append(parts, "order by "+orderText(q.Order))
	}
	if q.Limit != nil {
		parts = append(parts, "limit "+q.Limit.String())
	}
	if q.Offset != nil {
		parts = append(parts, "offset "+q.Offset.String())
	}
	columns := make([]string, len(q.Names))
	for i, t := range q.Types() {
		columns[i] = q.Names[i] + " " + t.String()
	}
	parts = append(parts, "columns "+strings.Join(columns, ", "))
	fmt.Fprintf(b, "query %s\n", strings.Join(parts, " "))
}

func orderText(order []Order) string {
	parts := make([]string, len(order))
	for i, o := range order {
		parts[i] = fmt.Sprintf("#%d", o.Column)
		if o.Desc {
			parts[i] += " desc"
		}
		if o.NullsFirst != o.Desc {
			parts[i] += map[bool]string{true: " nulls first", false: " nulls last"}[o.NullsFirst]
		}
	}
	return strings.Join(parts, ", ")
}

func printNode(b *strings.Builder, n Node, depth int) {
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth+1), nodeText(n))
	for _, in := range n.Inputs() {
		printNode(b, in, depth+1)
	}
}

func nodeText(n Node) string {
	switch n := n.(type) {
	case *Scan:
		return "scan " + n.Relation.Name
	case *Values:
		return fmt.Sprintf("values %d rows of %s", len(n.Rows), typeList(n.Columns))
	case *Map:
		return mapText(n.Filter, n.Project)
	case *Aggregate:
		return aggregateText(n)
	case *Union:
		return "union all"
	case *TableFunction:
		calls := make([]string, len(n.Calls))
		for i, c := range n.Calls {
			calls[i] = c.Name + "(" + exprList(c.Args) + ")"
		}
		return strings.Join(calls, ", ")
	case *Join:
		text := string(n.Kind) + " join"
		if n.On != nil {
			text += " on " + n.On.String()
		}
		return text
	case *Window:
		return windowText("window of "+n.Time.String(), n.Step, n.Steps, n.Cumulate, n.Zone)
	case *Session:
		return sessionText(exprList(n.Partition), n.Low.String(), n.High.String(), n.Gap)
	case *Temporal:
		parts := make([]string, len(n.Bounds))
		for i, b := range n.Bounds {
			parts[i] = boundText(clockName(len(n.Streams)), b.Value.String(), b.Shift, b.Until)
		}
		return "while " + strings.Join(parts, " and ")
	case *TopK:
		text := "top"
		if len(n.Order) > 0 {
			text += " order by " + orderText(n.Order)
		}
		if n.Limit != nil {
			text += " limit " + n.Limit.String()
		}
		if n.Offset != nil {
			text += " offset " + n.Offset.String()
		}
		return text
	}
	return fmt.Sprintf("%T", n)
}

func aggregateText(a *Aggregate) string {
	text := "aggregate"
	if len(a.Keys) > 0 {
		text += " by " + exprList(a.Keys)
	}
	calls := make([]string, len(a.Calls))
	for i, c := range a.Calls {
		calls[i] = c.Func.Name + "(" + map[bool]string{true: "distinct "}[c.Distinct] + exprList(c.Args) + ")"
		if len(c.Args) == 0 {
			calls[i] = c.Func.Name + "(*)"
		}
		if c.Filter != nil {
			calls[i] += " filter " + c.Filter.String()
		}
	}
	if len(calls) > 0 {
		text += ": " + strings.Join(calls, ", ")
	}
	return text
}

func mapText(filter *expr.Expr, project []*expr.Expr) string {
	var parts []string
	if filter != nil {
		parts = append(parts, "filter "+filter.String())
	}
	if project != nil {
		parts = append(parts, "project "+exprList(project))
	}
	if len(parts) == 0 {
		return "pass"
	}
	return strings.Join(parts, " ")
}

func exprList(es []*expr.Expr) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
	}
	return strings.Join(parts, ", ")
}

func typeList(ts []types.Type) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = t.String()
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// PrintGraph returns a dataflow graph as text, an operator a line; %i is the
// output of operator i. name gives the names of relations.
func PrintGraph(g *dataflow.Graph, name func(dataflow.RelationID) string) string {
	var b strings.Builder
	for i := range g.Nodes {
		n := &g.Nodes[i]
		fmt.Fprintf(&b, "%%%d = %s", i, graphNodeText(n, name))
		for j, in := range n.Inputs {
			b.WriteString(map[bool]string{true: " of ", false: ", "}[j == 0])
			fmt.Fprintf(&b, "%%%d", in)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func graphNodeText(n *dataflow.Node, name func(dataflow.RelationID) string) string {
	switch {
	case n.Relation != nil:
		text := "relation " + name(n.Relation.Relation)
		if n.Relation.Late {
			text += " late rows"
		}
		if n.Relation.Need != nil {
			text += fmt.Sprintf(" columns %v", n.Relation.Need)
		}
		if n.Relation.Shared {
			text += " changes"
		}
		if n.Relation.Lateness != nil {
			text += " without late rows"
		}
		return text
	case n.Values != nil:
		return fmt.Sprintf("values %d rows of %s", len(n.Values.Rows), typeList(n.Values.Types))
	case n.Map != nil:
		return mapText(n.Map.Filter, n.Map.Project)
	case n.Aggregate != nil:
		return aggregateSpecText(n.Aggregate)
	case n.Materialize != nil:
		return "materialize"
	case n.Union != nil:
		return "union all"
	case n.Join != nil:
		return joinSpecText(n.Join)
	case n.TopK != nil:
		return topKSpecText(n.TopK)
	case n.TableFunction != nil:
		calls := make([]string, len(n.TableFunction.Calls))
		for i, c := range n.TableFunction.Calls {
			calls[i] = c.Func + "(" + exprList(c.Args) + ")"
		}
		return "rows of " + strings.Join(calls, ", ")
	case n.Upsert != nil:
		return fmt.Sprintf("upsert by %v", n.Upsert.Key)
	case n.Temporal != nil:
		return temporalSpecText(n.Temporal, len(n.Watermarks))
	case n.Session != nil:
		s := n.Session
		return sessionText(strings.Trim(fmt.Sprint(s.Partition), "[]"), fmt.Sprintf("#%d", s.Low), fmt.Sprintf("#%d", s.High), s.Gap)
	case n.Window != nil:
		w := n.Window
		return windowText(fmt.Sprintf("window of #%d", w.Time), w.Step, w.Steps, w.Cumulate, w.Zone)
	case n.Checksum != nil:
		return "checksum"
	case n.Outbox != nil:
		return "outbox"
	}
	return "operator"
}

func aggregateSpecText(a *operator.AggregateSpec) string {
	text := fmt.Sprintf("aggregate by %v", a.Keys)
	for i, c := range a.Calls {
		text += map[bool]string{true: ": ", false: ", "}[i == 0] + c.Func
		if c.Distinct {
			text += " distinct"
		}
		text += fmt.Sprintf(" of %v", c.Args)
		if len(c.Order) > 0 {
			text += " order by " + orderText(ordersOf(c.Order))
		}
		if c.Filter >= 0 {
			text += fmt.Sprintf(" filter #%d", c.Filter)
		}
	}
	if a.AppendOnly {
		text += " append-only"
	}
	if a.Closes != nil {
		text += " freed when closed"
	}
	if a.Tail != nil {
		text += " then " + mapText(a.Tail.Filter, a.Tail.Project)
	}
	return text
}

func joinSpecText(j *operator.JoinSpec) string {
	text := string(j.Kind) + " join"
	if len(j.LeftKey) > 0 {
		text += fmt.Sprintf(" by %v = %v", j.LeftKey, j.RightKey)
	}
	switch {
	case j.LeftShared != nil:
		text += ", left side shared"
	case j.RightShared != nil:
		text += ", right side shared"
	}
	if j.LeftForgets || j.RightForgets {
		text += ", forgets " + map[[2]bool]string{{true, true}: "both sides", {true, false}: "left rows", {false, true}: "right rows"}[[2]bool{j.LeftForgets, j.RightForgets}]
	}
	if j.On != nil {
		text += " on " + j.On.String()
	}
	return text
}

// clockName is what the clock of a temporal filter is.
func clockName(streams int) string {
	if streams > 0 {
		return "watermark"
	}
	return "now"
}

// boundText is a bound of the clock as a comparison.
func boundText(clock, value string, shift int64, until bool) string {
	if shift != 0 {
		value += fmt.Sprintf(" %+d us", shift)
	}
	return clock + map[bool]string{true: " < ", false: " >= "}[until] + value
}

func temporalSpecText(t *operator.TemporalSpec, streams int) string {
	var parts []string
	if t.Forgets {
		b := t.Until[0]
		return "forget unless " + boundText("horizon", fmt.Sprintf("#%d", b.Column), b.Shift, true)
	}
	for _, b := range t.From {
		parts = append(parts, boundText(clockName(streams), fmt.Sprintf("#%d", b.Column), b.Shift, false))
	}
	for _, b := range t.Until {
		parts = append(parts, boundText(clockName(streams), fmt.Sprintf("#%d", b.Column), b.Shift, true))
	}
	return "while " + strings.Join(parts, " and ")
}

// ordersOf turns the order keys of an operator into those of a plan.
func ordersOf(keys []operator.OrderKey) []Order {
	order := make([]Order, len(keys))
	for i, k := range keys {
		order[i] = Order{Column: k.Column, Desc: k.Desc, NullsFirst: k.NullsFirst}
	}
	return order
}

func topKSpecText(t *operator.TopKSpec) string {
	text := "top"
	if len(t.Order) > 0 {
		text += " by " + orderText(ordersOf(t.Order))
	}
	if t.Limit >= 0 {
		text += fmt.Sprintf(" limit %d", t.Limit)
	}
	if t.Offset > 0 {
		text += fmt.Sprintf(" offset %d", t.Offset)
	}
	if t.AppendOnly {
		text += " append-only"
	}
	return text
}

func sessionText(partition, low, high string, gap int64) string {
	text := "session of " + low
	if low != high {
		text += " to " + high
	}
	text += fmt.Sprintf(" with gaps of '%s'", types.IntervalValue{Micros: gap})
	if partition != "" {
		text += " by " + partition
	}
	return text
}

func windowText(text string, step types.IntervalValue, steps int64, cumulate bool, zone string) string {
	if cumulate {
		text += " cumulating"
	}
	text += fmt.Sprintf(" %d x '%s'", steps, step)
	if zone != "" {
		text += " in " + zone
	}
	return text
}
