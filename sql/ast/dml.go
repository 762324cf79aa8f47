package ast

// Overriding is the OVERRIDING clause of INSERT.
type Overriding uint8

// The values of OVERRIDING.
const (
	OverridingNone Overriding = iota
	OverridingUser
	OverridingSystem
)

// Insert is INSERT INTO.
type Insert struct {
	Pos
	With *With
	// Table has at most a name and an alias.
	Table      *TableRef
	Columns    []*AssignTarget
	Overriding Overriding
	// Query is nil for DEFAULT VALUES.
	Query      *SelectStmt
	OnConflict *OnConflict
	Returning  []*Target
}

// AssignTarget is a column that INSERT or UPDATE writes, with subscripts and
// fields where only a part of it is written.
type AssignTarget struct {
	Pos
	Column string
	// Path holds Subscripts and FieldSelects whose Expr is nil, outermost last.
	Path []Expr
}

// OnConflict is ON CONFLICT [target] DO NOTHING|UPDATE.
type OnConflict struct {
	Pos
	// Items and Where infer the index; Constraint names it.
	Items      []*IndexItem
	Where      Expr
	Constraint string
	// Sets is nil for DO NOTHING.
	Sets    []*SetClause
	DoWhere Expr
}

// SetClause is an assignment of UPDATE: c = e, or (c, d) = row.
type SetClause struct {
	Pos
	// Multi says that the targets stood in parentheses.
	Multi   bool
	Targets []*AssignTarget
	Value   Expr
}

// Update is UPDATE.
type Update struct {
	Pos
	With  *With
	Table *TableRef
	Sets  []*SetClause
	From  []TableExpr
	Where Expr
	// CurrentOf is the cursor of WHERE CURRENT OF.
	CurrentOf string
	Returning []*Target
}

// Delete is DELETE FROM.
type Delete struct {
	Pos
	With      *With
	Table     *TableRef
	Using     []TableExpr
	Where     Expr
	CurrentOf string
	Returning []*Target
}

// Truncate is TRUNCATE.
type Truncate struct {
	Pos
	Tables          []*TableRef
	RestartIdentity bool
	Cascade         bool
}

func (*Insert) stmt()   {}
func (*Update) stmt()   {}
func (*Delete) stmt()   {}
func (*Truncate) stmt() {}
