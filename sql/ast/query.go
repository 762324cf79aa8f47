package ast

// SelectStmt is a complete query: a body with the clauses that apply to its
// result. Every subquery is one.
type SelectStmt struct {
	Pos
	With    *With
	Body    SelectBody
	OrderBy []*SortItem
	// Limit is a NullLit for LIMIT ALL.
	Limit    Expr
	Offset   Expr
	WithTies bool
	Locking  []*Locking
	// AsOf is the AS OF clause that reads the past.
	AsOf *AsOf
	// Emit asks for changes instead of an answer.
	Emit EmitMode
}

// SelectBody is *Select, *Values, *TableQuery, *SetOp, or a *SelectStmt that
// stands in parentheses because it has clauses of its own.
type SelectBody interface {
	Node
	selectBody()
}

// Select is SELECT ... FROM ... WHERE ... GROUP BY ... HAVING ... WINDOW ....
type Select struct {
	Pos
	// Distinct is set for DISTINCT and for DISTINCT ON.
	Distinct   bool
	DistinctOn []Expr
	Targets    []*Target
	Into       *Into
	From       []TableExpr
	// TimeWindow is ksqlDB's WINDOW clause behind FROM, nil when absent.
	TimeWindow *TimeWindow
	Where      Expr
	GroupBy    []Expr
	// GroupDistinct is GROUP BY DISTINCT.
	GroupDistinct bool
	Having        Expr
	Windows       []*WindowSpec
}

// Target is an item of a select or RETURNING list.
type Target struct {
	Pos
	Expr Expr
	// Alias is "" when there is none.
	Alias string
}

// Into is the target of SELECT ... INTO.
type Into struct {
	Pos
	Temp     bool
	Unlogged bool
	Table    *ObjectName
}

// Values is VALUES (...), ....
type Values struct {
	Pos
	Rows [][]Expr
}

// TableQuery is TABLE t.
type TableQuery struct {
	Pos
	Table *TableRef
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind uint8

// The set operations.
const (
	Union SetOpKind = iota
	Intersect
	Except
)

// SetOp combines two bodies. Chains are left-deep.
type SetOp struct {
	Pos
	Kind  SetOpKind
	All   bool
	Left  SelectBody
	Right SelectBody
}

// RecursionMode says which WITH it is.
type RecursionMode uint8

// The kinds of WITH.
const (
	NotRecursive RecursionMode = iota
	Recursive
	MutuallyRecursive
)

// With is the WITH clause.
type With struct {
	Pos
	Mode RecursionMode
	// Options are those of WITH MUTUALLY RECURSIVE (RETURN AT RECURSION LIMIT n).
	Options []*Option
	CTEs    []*CTE
}

// Materialization is the hint of a CTE.
type Materialization uint8

// The hints.
const (
	MaterializeDefault Materialization = iota
	MaterializeAlways
	MaterializeNever
)

// CTE is one query of a WITH clause.
type CTE struct {
	Pos
	Name string
	// Columns has types only under WITH MUTUALLY RECURSIVE.
	Columns     []*ColumnDef
	Materialize Materialization
	// Query is *SelectStmt, *Insert, *Update or *Delete.
	Query Stmt
	// Search and Cycle are the clauses of recursive queries.
	Search *SearchClause
	Cycle  *CycleClause
}

// SearchClause is SEARCH DEPTH|BREADTH FIRST BY columns SET column.
type SearchClause struct {
	Pos
	Breadth bool
	Columns []string
	Set     string
}

// CycleClause is CYCLE columns SET mark [TO value DEFAULT value] USING path.
type CycleClause struct {
	Pos
	Columns []string
	Mark    string
	Value   Expr
	Default Expr
	Path    string
}

// NullsOrder is NULLS FIRST or NULLS LAST.
type NullsOrder uint8

// The orders of nulls. The default is LAST for ASC and FIRST for DESC.
const (
	NullsDefault NullsOrder = iota
	NullsFirst
	NullsLast
)

// SortItem is an item of ORDER BY.
type SortItem struct {
	Pos
	Expr Expr
	Desc bool
	// Using is the operator of ORDER BY x USING op, nil without one.
	Using *OperatorName
	Nulls NullsOrder
}

// OperatorName is a possibly qualified operator.
type OperatorName struct {
	Pos
	Schema []string
	Name   string
}

// LockStrength is the strength of FOR UPDATE and its kin.
type LockStrength uint8

// The strengths.
const (
	ForUpdate LockStrength = iota
	ForNoKeyUpdate
	ForShare
	ForKeyShare
)

// LockWait says what happens at a locked row.
type LockWait uint8

// The waits.
const (
	LockBlock LockWait = iota
	LockNoWait
	LockSkipLocked
)

// Locking is FOR UPDATE|SHARE ... [OF tables] [NOWAIT|SKIP LOCKED].
type Locking struct {
	Pos
	Strength LockStrength
	Of       []*ObjectName
	Wait     LockWait
}

// AsOf is AS OF [AT LEAST] [SYSTEM TIME] time.
type AsOf struct {
	Pos
	AtLeast bool
	Time    Expr
}

// EmitMode is the EMIT clause.
type EmitMode uint8

// The modes. EMIT FINAL is a second spelling of EMIT ON WINDOW CLOSE.
const (
	EmitNone EmitMode = iota
	EmitChanges
	EmitOnWindowClose
)

// GroupingSetKind says which of the grouping constructs it is.
type GroupingSetKind uint8

// The grouping constructs.
const (
	GroupingSets GroupingSetKind = iota
	Rollup
	Cube
	// EmptyGroup is (), as an item of GROUP BY or of GROUPING SETS.
	EmptyGroup
)

// GroupingSet is GROUPING SETS, ROLLUP, CUBE or () in a GROUP BY list. A set
// of several columns is a RowExpr without Explicit.
type GroupingSet struct {
	Pos
	Kind GroupingSetKind
	Sets []Expr
}

func (*SelectStmt) stmt()       {}
func (*SelectStmt) selectBody() {}
func (*Select) selectBody()     {}
func (*Values) selectBody()     {}
func (*TableQuery) selectBody() {}
func (*SetOp) selectBody()      {}
func (*GroupingSet) expr()      {}
