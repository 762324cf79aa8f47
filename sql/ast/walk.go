package ast

// Inspect calls f for n and everything under it, parents before children and
// in the order of the text. Where f returns false the children are left out.
// It does not recurse on the length of chains.
func Inspect(n Node, f func(Node) bool) {
	if n == nil {
		return
	}
	var spine []Node
	for {
		if !f(n) {
			break
		}
		left := LeftOperand(n)
		if left == nil {
			Children(n, func(c Node) { Inspect(c, f) })
			break
		}
		spine = append(spine, n)
		n = left
	}
	for i := len(spine) - 1; i >= 0; i-- {
		first := true
		Children(spine[i], func(c Node) {
			if !first {
				Inspect(c, f)
			}
			first = false
		})
	}
}

// Visitor is what Walk calls. Visit returns the visitor for the children of
// n, nil to leave them out.
type Visitor interface {
	Visit(n Node) Visitor
}

// Walk visits n and everything under it, as Inspect does.
func Walk(v Visitor, n Node) {
	if n == nil || v == nil {
		return
	}
	type step struct {
		v Visitor
		n Node
	}
	var spine []step
	for {
		w := v.Visit(n)
		if w == nil {
			break
		}
		v = w
		left := LeftOperand(n)
		if left == nil {
			Children(n, func(c Node) { Walk(v, c) })
			break
		}
		spine = append(spine, step{v, n})
		n = left
	}
	for i := len(spine) - 1; i >= 0; i-- {
		first := true
		Children(spine[i].n, func(c Node) {
			if !first {
				Walk(spine[i].v, c)
			}
			first = false
		})
	}
}

// LeftOperand returns the left operand of a node that may be part of a
// left-deep chain, nil for all other nodes. Whoever recurses over a tree has
// to follow it in a loop, because a chain is as long as the text allows. The
// operand is always the first of the node's Children.
func LeftOperand(n Node) Node {
	switch n := n.(type) {
	case *BinaryExpr:
		return exprNode(n.Left)
	case *QuantifiedExpr:
		return exprNode(n.Left)
	case *IsExpr:
		return exprNode(n.Expr)
	case *DistinctExpr:
		return exprNode(n.Left)
	case *BetweenExpr:
		return exprNode(n.Expr)
	case *LikeExpr:
		return exprNode(n.Expr)
	case *InExpr:
		return exprNode(n.Expr)
	case *CollateExpr:
		return exprNode(n.Expr)
	case *AtTimeZoneExpr:
		return exprNode(n.Expr)
	case *CastExpr:
		return exprNode(n.Expr)
	case *FieldSelect:
		return exprNode(n.Expr)
	case *FieldStar:
		return exprNode(n.Expr)
	case *Subscript:
		return exprNode(n.Expr)
	case *SetOp:
		if n.Left != nil {
			return n.Left
		}
	case *JoinExpr:
		if n.Left != nil {
			return n.Left
		}
	}
	return nil
}

// exprNode keeps a nil expression a nil node.
func exprNode(e Expr) Node {
	if e == nil {
		return nil
	}
	return e
}

// Children calls yield for each child of n that is not nil, in the order of
// the text. Constraints, options and the like are nodes, too.
func Children(n Node, yield func(Node)) {
	switch n := n.(type) {
	case Expr:
		exprChildren(n, yield)
	case TableExpr:
		tableChildren(n, yield)
	case SelectBody: // SelectStmt among them
		queryChildren(n, yield)
	case Stmt:
		stmtChildren(n, yield)
	case AlterAction:
		alterChildren(n, yield)
	default:
		partChildren(n, yield)
	}
}

// each yields the nodes of a list.
func each[T Node](list []T, yield func(Node)) {
	for _, n := range list {
		yield(n)
	}
}

// some yields the expressions that are not nil.
func some(yield func(Node), list ...Expr) {
	for _, e := range list {
		if e != nil {
			yield(e)
		}
	}
}

// maybe yields a pointer that may be nil.
func maybe[T any, P interface {
	*T
	Node
}](n P, yield func(Node)) {
	if n != nil {
		yield(n)
	}
}

func exprChildren(n Expr, yield func(Node)) {
	switch n := n.(type) {
	case *AndExpr:
		each(n.Args, yield)
	case *OrExpr:
		each(n.Args, yield)
	case *NotExpr:
		some(yield, n.Expr)
	case *UnaryExpr:
		some(yield, n.Expr)
	case *BinaryExpr:
		some(yield, n.Left, n.Right)
	case *QuantifiedExpr:
		some(yield, n.Left, n.Array)
		maybe(n.Query, yield)
	case *IsExpr:
		some(yield, n.Expr)
	case *DistinctExpr:
		some(yield, n.Left, n.Right)
	case *BetweenExpr:
		some(yield, n.Expr, n.Low, n.High)
	case *LikeExpr:
		some(yield, n.Expr, n.Pattern, n.Escape)
	case *InExpr:
		some(yield, n.Expr)
		each(n.List, yield)
		maybe(n.Query, yield)
	case *OverlapsExpr:
		maybe(n.Left, yield)
		maybe(n.Right, yield)
	case *CollateExpr:
		some(yield, n.Expr)
		maybe(n.Collation, yield)
	case *AtTimeZoneExpr:
		some(yield, n.Expr, n.Zone)
	case *CastExpr:
		some(yield, n.Expr)
		maybe(n.Type, yield)
	case *FieldSelect:
		some(yield, n.Expr)
	case *FieldStar:
		some(yield, n.Expr)
	case *Subscript:
		some(yield, n.Expr, n.Index, n.Low, n.High)
	case *RowExpr:
		each(n.Args, yield)
	case *ArrayExpr:
		each(n.Elems, yield)
	case *SubqueryExpr:
		maybe(n.Query, yield)
	case *ArraySubquery:
		maybe(n.Query, yield)
	case *ExistsExpr:
		maybe(n.Query, yield)
	case *CaseExpr:
		some(yield, n.Operand)
		each(n.Whens, yield)
		some(yield, n.Else)
	case *CoalesceExpr:
		each(n.Args, yield)
	case *NullIfExpr:
		some(yield, n.Left, n.Right)
	case *MinMaxExpr:
		each(n.Args, yield)
	case *GroupingExpr:
		each(n.Args, yield)
	case *CollationFor:
		some(yield, n.Expr)
	case *FuncCall:
		each(n.Args, yield)
		each(n.OrderBy, yield)
		each(n.WithinGroup, yield)
		some(yield, n.Filter)
		maybe(n.Over, yield)
	case *NamedArg:
		some(yield, n.Value)
	case *TableArg:
		maybe(n.Table, yield)
	case *PartitionArg:
		some(yield, n.Relation)
		each(n.By, yield)
	case *GroupingSet:
		each(n.Sets, yield)
	case *SecretRef:
		maybe(n.Name, yield)
	}
}

func tableChildren(n TableExpr, yield func(Node)) {
	switch n := n.(type) {
	case *TableRef:
		maybe(n.Name, yield)
		some(yield, n.AsOf)
		maybe(n.Alias, yield)
		maybe(n.Sample, yield)
	case *SubqueryTable:
		maybe(n.Query, yield)
		maybe(n.Alias, yield)
	case *FuncTable:
		each(n.Funcs, yield)
		maybe(n.Alias, yield)
		each(n.Columns, yield)
	case *JoinExpr:
		if n.Left != nil {
			yield(n.Left)
		}
		if n.Right != nil {
			yield(n.Right)
		}
		maybe(n.Within, yield)
		some(yield, n.On)
		maybe(n.Alias, yield)
	}
}

func queryChildren(n SelectBody, yield func(Node)) {
	switch n := n.(type) {
	case *SelectStmt:
		maybe(n.With, yield)
		if n.Body != nil {
			yield(n.Body)
		}
		each(n.OrderBy, yield)
		some(yield, n.Limit, n.Offset)
		each(n.Locking, yield)
		maybe(n.AsOf, yield)
	case *Select:
		each(n.DistinctOn, yield)
		each(n.Targets, yield)
		maybe(n.Into, yield)
		each(n.From, yield)
		maybe(n.TimeWindow, yield)
		some(yield, n.Where)
		each(n.GroupBy, yield)
		some(yield, n.Having)
		each(n.Windows, yield)
	case *Values:
		for _, row := range n.Rows {
			each(row, yield)
		}
	case *TableQuery:
		maybe(n.Table, yield)
	case *SetOp:
		if n.Left != nil {
			yield(n.Left)
		}
		if n.Right != nil {
			yield(n.Right)
		}
	}
}

func stmtChildren(n Stmt, yield func(Node)) {
	switch n := n.(type) {
	case *CreateStream:
		maybe(n.Name, yield)
		each(n.Columns, yield)
		each(n.Constraints, yield)
		each(n.Watermarks, yield)
		each(n.Includes, yield)
		each(n.Options, yield)
		maybe(n.Query, yield)
	case *CreateTable:
		maybe(n.Name, yield)
		each(n.Columns, yield)
		each(n.Constraints, yield)
		each(n.Likes, yield)
		each(n.Inherits, yield)
		each(n.Watermarks, yield)
		each(n.Includes, yield)
		each(n.Options, yield)
		maybe(n.Query, yield)
	case *CreateView:
		maybe(n.Name, yield)
		each(n.Options, yield)
		maybe(n.Query, yield)
	case *CreateMaterializedView:
		maybe(n.Name, yield)
		each(n.Options, yield)
		maybe(n.Query, yield)
	case *CreateIndex:
		maybe(n.Table, yield)
		each(n.Items, yield)
		each(n.Options, yield)
		some(yield, n.Where)
	case *CreateSink:
		maybe(n.Name, yield)
		maybe(n.From, yield)
		maybe(n.Query, yield)
		maybe(n.Into, yield)
		each(n.Options, yield)
	case *CreateConnection:
		maybe(n.Name, yield)
		each(n.Options, yield)
	case *CreateSecret:
		maybe(n.Name, yield)
		some(yield, n.Value)
	case *CreateDatabase:
		each(n.Options, yield)
	case *CreateRole:
		each(n.Options, yield)
	case *Drop:
		each(n.Names, yield)
	case *Alter:
		maybe(n.Name, yield)
		each(n.Actions, yield)
	case *AlterSystem:
		maybe(n.Set, yield)
		maybe(n.Reset, yield)
	default:
		runChildren(n, yield)
	}
}

// runChildren is stmtChildren for the statements that define nothing.
func runChildren(n Stmt, yield func(Node)) {
	switch n := n.(type) {
	case *Insert:
		maybe(n.With, yield)
		maybe(n.Table, yield)
		each(n.Columns, yield)
		maybe(n.Query, yield)
		maybe(n.OnConflict, yield)
		each(n.Returning, yield)
	case *Update:
		maybe(n.With, yield)
		maybe(n.Table, yield)
		each(n.Sets, yield)
		each(n.From, yield)
		some(yield, n.Where)
		each(n.Returning, yield)
	case *Delete:
		maybe(n.With, yield)
		maybe(n.Table, yield)
		each(n.Using, yield)
		some(yield, n.Where)
		each(n.Returning, yield)
	case *Truncate:
		each(n.Tables, yield)
	case *SetVariable:
		each(n.Values, yield)
	case *ShowObjects:
		maybe(n.From, yield)
		maybe(n.Like, yield)
		some(yield, n.Where)
	case *ShowCreate:
		maybe(n.Name, yield)
	case *Explain:
		each(n.Options, yield)
		each(n.StageOptions, yield)
		if n.Stmt != nil {
			yield(n.Stmt)
		}
		maybe(n.Name, yield)
	case *Subscribe:
		maybe(n.Name, yield)
		maybe(n.Query, yield)
		each(n.WithinTimestampOrderBy, yield)
		each(n.Options, yield)
		maybe(n.AsOf, yield)
		some(yield, n.UpTo)
	case *DeclareCursor:
		if n.Query != nil {
			yield(n.Query)
		}
	case *Fetch:
		each(n.Options, yield)
	case *Prepare:
		each(n.Types, yield)
		if n.Stmt != nil {
			yield(n.Stmt)
		}
	case *Execute:
		each(n.Args, yield)
	case *Copy:
		maybe(n.Table, yield)
		if n.Query != nil {
			yield(n.Query)
		}
		each(n.Options, yield)
		some(yield, n.Where)
	case *Notify:
		maybe(n.Payload, yield)
	case *SetTransaction:
		maybe(n.Snapshot, yield)
	case *CommentOn:
		maybe(n.Name, yield)
		maybe(n.Text, yield)
	}
}

func alterChildren(n AlterAction, yield func(Node)) {
	switch n := n.(type) {
	case *SwapWith:
		maybe(n.With, yield)
	case *SetOptions:
		each(n.Options, yield)
	case *Seek:
		each(n.Options, yield)
	case *AddColumn:
		maybe(n.Column, yield)
	case *AddConstraint:
		maybe(n.Constraint, yield)
	case *AlterColumn:
		maybe(n.Type, yield)
		maybe(n.Collation, yield)
		some(yield, n.Expr)
	}
}

// partChildren handles the nodes that are part of others.
func partChildren(n Node, yield func(Node)) {
	switch n := n.(type) {
	case *Option:
		some(yield, n.Value)
	case *When:
		some(yield, n.Cond, n.Result)
	case *TimeWindow:
		maybe(n.Size, yield)
		maybe(n.Advance, yield)
		maybe(n.Retention, yield)
		maybe(n.Grace, yield)
	case *JoinWithin:
		maybe(n.Before, yield)
		maybe(n.After, yield)
		maybe(n.Grace, yield)
	case *WindowSpec:
		each(n.PartitionBy, yield)
		each(n.OrderBy, yield)
		maybe(n.Frame, yield)
	case *Frame:
		yield(&n.Start)
		yield(&n.End)
	case *FrameBound:
		some(yield, n.Value)
	case *TypeName:
		each(n.Mods, yield)
	case *Target:
		some(yield, n.Expr)
	case *Into:
		maybe(n.Table, yield)
	case *With:
		each(n.Options, yield)
		each(n.CTEs, yield)
	case *CTE:
		each(n.Columns, yield)
		if n.Query != nil {
			yield(n.Query)
		}
		maybe(n.Search, yield)
		maybe(n.Cycle, yield)
	case *CycleClause:
		some(yield, n.Value, n.Default)
	case *SortItem:
		some(yield, n.Expr)
		maybe(n.Using, yield)
	case *Locking:
		each(n.Of, yield)
	case *AsOf:
		some(yield, n.Time)
	case *TableSample:
		maybe(n.Method, yield)
		each(n.Args, yield)
		some(yield, n.Repeatable)
	case *TableFunc:
		some(yield, n.Func)
		each(n.Columns, yield)
	case *ColumnDef:
		maybe(n.Type, yield)
		maybe(n.Collation, yield)
		each(n.Constraints, yield)
	case *Constraint:
		some(yield, n.Expr)
		each(n.Options, yield)
		maybe(n.References, yield)
	case *References:
		maybe(n.Table, yield)
	case *Watermark:
		some(yield, n.Expr)
	case *TableLike:
		maybe(n.Table, yield)
	case *IndexItem:
		some(yield, n.Expr)
		maybe(n.Collation, yield)
		maybe(n.OpClass, yield)
		each(n.OpClassOptions, yield)
	case *AssignTarget:
		each(n.Path, yield)
	case *OnConflict:
		each(n.Items, yield)
		some(yield, n.Where)
		each(n.Sets, yield)
		some(yield, n.DoWhere)
	case *SetClause:
		each(n.Targets, yield)
		some(yield, n.Value)
	}
}
