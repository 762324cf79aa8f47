package ast

// TableExpr is an item of FROM.
type TableExpr interface {
	Node
	tableExpr()
}

// Alias is [AS] name [(columns)] behind an item of FROM.
type Alias struct {
	Pos
	Name    string
	Columns []string
}

// TableRef is a named relation in FROM, or the target of DML.
type TableRef struct {
	Pos
	Only bool
	Name *ObjectName
	// AsOf is FOR SYSTEM_TIME AS OF expr.
	AsOf   Expr
	Alias  *Alias
	Sample *TableSample
}

// TableSample is TABLESAMPLE method (args) [REPEATABLE (seed)].
type TableSample struct {
	Pos
	Method     *ObjectName
	Args       []Expr
	Repeatable Expr
}

// SubqueryTable is a query in FROM.
type SubqueryTable struct {
	Pos
	Lateral bool
	Query   *SelectStmt
	Alias   *Alias
}

// FuncTable is a function in FROM, or ROWS FROM (several).
type FuncTable struct {
	Pos
	Lateral bool
	// RowsFrom says that ROWS FROM was written.
	RowsFrom   bool
	Funcs      []*TableFunc
	Ordinality bool
	Alias      *Alias
	// Columns is the column definition list of AS t (c type, ...).
	Columns []*ColumnDef
}

// TableFunc is one function of a FuncTable.
type TableFunc struct {
	Pos
	// Func is a FuncCall or another function-like expression.
	Func    Expr
	Columns []*ColumnDef
}

// JoinKind says which join it is.
type JoinKind uint8

// The joins. CROSS JOIN is JoinCross, so that it prints as such.
const (
	JoinInner JoinKind = iota
	JoinLeft
	JoinRight
	JoinFull
	JoinCross
)

// JoinExpr is a join of two items. Chains are left-deep. A join in
// parentheses may have an alias of its own.
type JoinExpr struct {
	Pos
	Kind    JoinKind
	Natural bool
	Left    TableExpr
	Right   TableExpr
	// At most one of On and Using is set.
	On         Expr
	Using      []string
	UsingAlias string
	Alias      *Alias
	// Within is ksqlDB's bound on the times of joined streams, nil when absent.
	Within *JoinWithin
}

func (*TableRef) tableExpr()      {}
func (*SubqueryTable) tableExpr() {}
func (*FuncTable) tableExpr()     {}
func (*JoinExpr) tableExpr()      {}
