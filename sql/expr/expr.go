package expr

import "github.com/streamdb/streamdb/sql/types"

// Op says what an expression node does.
type Op string

// The node kinds. Everything that is strict in its arguments and has no
// evaluation order is a Call.
const (
	OpColumn   Op = "col"      // Col: index of the input column
	OpConst    Op = "const"    // Const
	OpParam    Op = "param"    // Col: 0-based parameter; replaced by constants before compilation
	OpCall     Op = "call"     // Func(Args): function, operator or cast of the table
	OpAnd      Op = "and"      // n-ary, three-valued
	OpOr       Op = "or"       // n-ary, three-valued
	OpNot      Op = "not"      // three-valued
	OpCase     Op = "case"     // Args: when1, then1, when2, then2, ..., else; the conditions are boolean
	OpCoalesce Op = "coalesce" // Args of one type
	OpNullIf   Op = "nullif"   // Args: a, b, a = b as a boolean expression is Args[2]
	OpIsNull   Op = "isnull"   // IS NULL; never NULL
	OpDistinct Op = "distinct" // a IS DISTINCT FROM b: Args a, b and a = b
	OpIn       Op = "in"       // Args: needle, constants of its type; three-valued; by SQL equality
	OpGreatest Op = "greatest" // NULLs are ignored
	OpLeast    Op = "least"
)

// Expr is one node of a typed expression. It is plain data that marshals to
// JSON: the dataflow graph that the catalog stores contains it.
type Expr struct {
	Op    Op          `json:"op"`
	Type  types.Type  `json:"type"`
	Col   int         `json:"col,omitempty"`
	Const types.Datum `json:"const,omitzero"`
	Func  string      `json:"func,omitempty"` // signature in the function table, e.g. "int4pl(int4,int4)"
	Args  []*Expr     `json:"args,omitempty"`
	Pos   int         `json:"-"` // byte offset in the statement, for error messages of the binder
}

// Column returns a reference to an input column.
func Column(i int, t types.Type) *Expr { return &Expr{Op: OpColumn, Col: i, Type: t} }

// Constant returns a constant.
func Constant(t types.Type, d types.Datum) *Expr { return &Expr{Op: OpConst, Type: t, Const: d} }
