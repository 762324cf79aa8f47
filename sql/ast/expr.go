package ast

// ColumnRef is a reference to a column, possibly qualified by a relation, its
// schema and catalog. PostgreSQL reads a sole name that is no column as a
// whole-row reference; that is the planner's business.
type ColumnRef struct {
	Pos
	Qualifier []string
	Name      string
}

// Star is * or t.* as an item of a select or RETURNING list.
type Star struct {
	Pos
	Qualifier []string
}

// Param is $n.
type Param struct {
	Pos
	Number int
}

// NullLit is NULL.
type NullLit struct{ Pos }

// BoolLit is TRUE or FALSE.
type BoolLit struct {
	Pos
	Value bool
}

// NumberLit is an unsigned numeric constant as it was written.
type NumberLit struct {
	Pos
	Text string
}

// IsInteger reports whether the constant has neither point nor exponent.
func (n *NumberLit) IsInteger() bool {
	for i := 0; i < len(n.Text); i++ {
		if n.Text[i] < '0' || n.Text[i] > '9' {
			return false
		}
	}
	return true
}

// StringLit is a string constant; Value is what it stands for, with escapes
// resolved. Its type is unknown until the planner says otherwise.
type StringLit struct {
	Pos
	Value string
}

// BitLit is B'...' or, with Hex, X'...'. The digits are not checked.
type BitLit struct {
	Pos
	Hex    bool
	Digits string
}

// DefaultExpr is DEFAULT in VALUES or SET.
type DefaultExpr struct{ Pos }

// AndExpr is a chain of ANDs with two or more arguments.
type AndExpr struct {
	Pos
	Args []Expr
}

// OrExpr is a chain of ORs with two or more arguments.
type OrExpr struct {
	Pos
	Args []Expr
}

// NotExpr is NOT x.
type NotExpr struct {
	Pos
	Expr Expr
}

// UnaryExpr is a prefix operator: -, + or any other.
type UnaryExpr struct {
	Pos
	// Schema qualifies the operator, as in OPERATOR(pg_catalog.-) x.
	Schema []string
	Op     string
	Expr   Expr
}

// BinaryExpr is an infix operator. "!=" is stored as "<>".
type BinaryExpr struct {
	Pos
	// Schema qualifies the operator, as in a OPERATOR(pg_catalog.+) b. An
	// operator written with OPERATOR() but without schema has an empty,
	// non-nil Schema: it binds like any other operator.
	Schema []string
	Op     string
	Left   Expr
	Right  Expr
}

// QuantifiedExpr is x op ANY|ALL (subquery or array). SOME is ANY.
type QuantifiedExpr struct {
	Pos
	Schema []string
	// Op is an operator, or LIKE, NOT LIKE, ILIKE, NOT ILIKE.
	Op   string
	All  bool
	Left Expr
	// Exactly one of Query and Array is set.
	Query *SelectStmt
	Array Expr
}

// IsTest says what IsExpr tests for.
type IsTest uint8

// The tests of IS.
const (
	IsNull IsTest = iota
	IsTrue
	IsFalse
	IsUnknown
	IsDocument
	IsNormalized
)

// IsExpr is x IS [NOT] NULL|TRUE|FALSE|UNKNOWN|DOCUMENT|NORMALIZED.
type IsExpr struct {
	Pos
	Expr Expr
	Not  bool
	Test IsTest
	// Form is the Unicode normal form of IsNormalized, "" if not given.
	Form string
}

// DistinctExpr is a IS [NOT] DISTINCT FROM b.
type DistinctExpr struct {
	Pos
	Not   bool
	Left  Expr
	Right Expr
}

// BetweenExpr is x [NOT] BETWEEN [SYMMETRIC] low AND high.
type BetweenExpr struct {
	Pos
	Not       bool
	Symmetric bool
	Expr      Expr
	Low       Expr
	High      Expr
}

// LikeKind distinguishes the pattern matches.
type LikeKind uint8

// The kinds of pattern match.
const (
	Like LikeKind = iota
	ILike
	SimilarTo
)

// LikeExpr is x [NOT] LIKE|ILIKE|SIMILAR TO pattern [ESCAPE escape].
type LikeExpr struct {
	Pos
	Kind    LikeKind
	Not     bool
	Expr    Expr
	Pattern Expr
	Escape  Expr
}

// InExpr is x [NOT] IN (list) or x [NOT] IN (subquery).
type InExpr struct {
	Pos
	Not  bool
	Expr Expr
	// Exactly one of List and Query is set.
	List  []Expr
	Query *SelectStmt
}

// OverlapsExpr is (a, b) OVERLAPS (c, d).
type OverlapsExpr struct {
	Pos
	Left  *RowExpr
	Right *RowExpr
}

// CollateExpr is x COLLATE name.
type CollateExpr struct {
	Pos
	Expr      Expr
	Collation *ObjectName
}

// AtTimeZoneExpr is x AT TIME ZONE zone.
type AtTimeZoneExpr struct {
	Pos
	Expr Expr
	Zone Expr
}

// CastForm says how a cast was written.
type CastForm uint8

// The spellings of a cast.
const (
	CastColon   CastForm = iota // x::type
	CastCall                    // CAST(x AS type)
	CastLiteral                 // type 'string'
	CastTry                     // TRY_CAST(x AS type): NULL instead of an error
	CastTreat                   // TREAT(x AS type)
)

// CastExpr is a cast in any spelling. With CastLiteral, Expr is a StringLit.
type CastExpr struct {
	Pos
	Form CastForm
	Expr Expr
	Type *TypeName
}

// FieldSelect is (x).field.
type FieldSelect struct {
	Pos
	Expr  Expr
	Field string
}

// FieldStar is (x).* in a select list.
type FieldStar struct {
	Pos
	Expr Expr
}

// Subscript is x[i] or, with Slice, x[low:high] in which either bound may be
// nil.
type Subscript struct {
	Pos
	Expr  Expr
	Slice bool
	// Index is set without Slice, Low and High may be with it.
	Index Expr
	Low   Expr
	High  Expr
}

// RowExpr is ROW(...) or, without Explicit, (a, b, ...).
type RowExpr struct {
	Pos
	Explicit bool
	Args     []Expr
}

// ArrayExpr is ARRAY[...]. Nested brackets are nested ArrayExprs with Inner.
type ArrayExpr struct {
	Pos
	Inner bool
	Elems []Expr
}

// SubqueryExpr is (SELECT ...) as a scalar.
type SubqueryExpr struct {
	Pos
	Query *SelectStmt
}

// ArraySubquery is ARRAY(SELECT ...).
type ArraySubquery struct {
	Pos
	Query *SelectStmt
}

// ExistsExpr is EXISTS (SELECT ...).
type ExistsExpr struct {
	Pos
	Query *SelectStmt
}

// CaseExpr is CASE [operand] WHEN ... THEN ... [ELSE ...] END.
type CaseExpr struct {
	Pos
	Operand Expr
	Whens   []*When
	Else    Expr
}

// When is one arm of a CaseExpr.
type When struct {
	Pos
	Cond   Expr
	Result Expr
}

// CoalesceExpr is COALESCE(...).
type CoalesceExpr struct {
	Pos
	Args []Expr
}

// NullIfExpr is NULLIF(a, b).
type NullIfExpr struct {
	Pos
	Left  Expr
	Right Expr
}

// MinMaxExpr is GREATEST(...) or, with Least, LEAST(...).
type MinMaxExpr struct {
	Pos
	Least bool
	Args  []Expr
}

// GroupingExpr is GROUPING(...).
type GroupingExpr struct {
	Pos
	Args []Expr
}

// SQLValueFunction is one of the functions that are written without
// parentheses: current_date, current_time, current_timestamp, localtime,
// localtimestamp, current_role, current_user, user, session_user,
// current_catalog, current_schema.
type SQLValueFunction struct {
	Pos
	Name string
	// Precision is -1 unless one was given.
	Precision int
}

// CollationFor is COLLATION FOR (x).
type CollationFor struct {
	Pos
	Expr Expr
}

func (*ColumnRef) expr()        {}
func (*Star) expr()             {}
func (*Param) expr()            {}
func (*NullLit) expr()          {}
func (*BoolLit) expr()          {}
func (*NumberLit) expr()        {}
func (*StringLit) expr()        {}
func (*BitLit) expr()           {}
func (*DefaultExpr) expr()      {}
func (*AndExpr) expr()          {}
func (*OrExpr) expr()           {}
func (*NotExpr) expr()          {}
func (*UnaryExpr) expr()        {}
func (*BinaryExpr) expr()       {}
func (*QuantifiedExpr) expr()   {}
func (*IsExpr) expr()           {}
func (*DistinctExpr) expr()     {}
func (*BetweenExpr) expr()      {}
func (*LikeExpr) expr()         {}
func (*InExpr) expr()           {}
func (*OverlapsExpr) expr()     {}
func (*CollateExpr) expr()      {}
func (*AtTimeZoneExpr) expr()   {}
func (*CastExpr) expr()         {}
func (*FieldSelect) expr()      {}
func (*FieldStar) expr()        {}
func (*Subscript) expr()        {}
func (*RowExpr) expr()          {}
func (*ArrayExpr) expr()        {}
func (*SubqueryExpr) expr()     {}
func (*ArraySubquery) expr()    {}
func (*ExistsExpr) expr()       {}
func (*CaseExpr) expr()         {}
func (*CoalesceExpr) expr()     {}
func (*NullIfExpr) expr()       {}
func (*MinMaxExpr) expr()       {}
func (*GroupingExpr) expr()     {}
func (*SQLValueFunction) expr() {}
func (*CollationFor) expr()     {}
