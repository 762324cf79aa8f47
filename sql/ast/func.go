package ast

// CallForm says in which of SQL's special spellings a call was written. The
// name and the arguments of the FuncCall are those of the plain function, in
// its order, so only the printer needs the form.
type CallForm uint8

// The special spellings.
const (
	CallPlain         CallForm = iota
	CallExtract                // EXTRACT(field FROM x): extract('field', x)
	CallOverlay                // OVERLAY(x PLACING y FROM n [FOR m]): overlay(x, y, n[, m])
	CallPosition               // POSITION(a IN b): position(b, a)
	CallSubstring              // SUBSTRING(x FROM n [FOR m]): substring(x, n[, m])
	CallSubstringFor           // SUBSTRING(x FOR m): substring(x, 1, m::integer)
	CallSimilarString          // SUBSTRING(x SIMILAR p ESCAPE e): substring(x, p, e)
	CallTrim                   // TRIM([BOTH|LEADING|TRAILING] [y FROM] x, ...): btrim, ltrim, rtrim(x[, y])
	CallNormalize              // NORMALIZE(x, NFC): normalize(x, 'NFC')
)

// FuncCall is a call of a function, aggregate or window function.
type FuncCall struct {
	Pos
	Form      CallForm
	Qualifier []string
	Name      string
	// Star is count(*).
	Star     bool
	Distinct bool
	// Variadic marks the last argument as VARIADIC.
	Variadic bool
	Args     []Expr
	// OrderBy is the ORDER BY among the arguments.
	OrderBy []*SortItem
	// WithinGroup is the ORDER BY of WITHIN GROUP (...).
	WithinGroup []*SortItem
	Filter      Expr
	Over        *WindowSpec
}

// NamedArg is name => value as an argument.
type NamedArg struct {
	Pos
	Name  string
	Value Expr
}

// TableArg is TABLE t as an argument of a table function.
type TableArg struct {
	Pos
	Table *ObjectName
}

// PartitionArg is relation PARTITION BY expressions as an argument of a table
// function; the relation is a ColumnRef, a TableArg or a SubqueryExpr.
type PartitionArg struct {
	Pos
	Relation Expr
	By       []Expr
}

// WindowSpec is what follows OVER, or a definition in the WINDOW clause.
type WindowSpec struct {
	Pos
	// Ref is the window's name in OVER w; everything else is then empty.
	Ref string
	// Name is the defined name in the WINDOW clause, "" in OVER.
	Name string
	// Base is the window that is refined, as in OVER (w ORDER BY x).
	Base        string
	PartitionBy []Expr
	OrderBy     []*SortItem
	Frame       *Frame
}

// FrameUnit is ROWS, RANGE or GROUPS.
type FrameUnit uint8

// The units of a frame.
const (
	FrameRange FrameUnit = iota
	FrameRows
	FrameGroups
)

// BoundKind says what a frame's bound is.
type BoundKind uint8

// The kinds of bounds, in their order.
const (
	UnboundedPreceding BoundKind = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// FrameBound is one end of a frame.
type FrameBound struct {
	Pos
	Kind BoundKind
	// Value is set for OffsetPreceding and OffsetFollowing.
	Value Expr
}

// FrameExclusion is the EXCLUDE part of a frame.
type FrameExclusion uint8

// The exclusions.
const (
	ExcludeNoOthers FrameExclusion = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// Frame is a window's frame. A missing end is CURRENT ROW.
type Frame struct {
	Pos
	Unit    FrameUnit
	Start   FrameBound
	End     FrameBound
	Exclude FrameExclusion
}

func (*FuncCall) expr()     {}
func (*NamedArg) expr()     {}
func (*TableArg) expr()     {}
func (*PartitionArg) expr() {}
