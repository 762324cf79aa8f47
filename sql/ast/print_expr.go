package ast

import (
	"strings"
)

// The levels of PostgreSQL's precedence table, loosest first.
const (
	levelNone = iota
	levelOr
	levelAnd
	levelNot
	levelIs
	levelCompare
	levelLike
	_
	levelOp
	levelAdd
	levelMul
	levelPower
	levelAt
	levelCollate
	levelUnary
	_
	levelCast
	levelPrimary
)

// level returns the level at which an expression can stand bare.
func level(e Expr) int {
	switch e := e.(type) {
	case *OrExpr:
		return levelOr
	case *AndExpr:
		return levelAnd
	case *NotExpr:
		return levelNot
	case *IsExpr, *DistinctExpr:
		return levelIs
	case *BetweenExpr, *LikeExpr, *InExpr, *OverlapsExpr:
		return levelLike
	case *BinaryExpr:
		return opLevel(e.Schema, e.Op)
	case *QuantifiedExpr:
		if strings.HasSuffix(e.Op, "LIKE") {
			return levelLike
		}
		return opLevel(e.Schema, e.Op)
	case *UnaryExpr:
		if e.Schema == nil && (e.Op == "-" || e.Op == "+") {
			return levelUnary
		}
		return levelOp
	case *AtTimeZoneExpr:
		return levelAt
	case *CollateExpr:
		return levelCollate
	case *CastExpr:
		if e.Form == CastColon {
			return levelCast
		}
	}
	return levelPrimary
}

// opLevel returns the level of an infix operator.
func opLevel(schema []string, op string) int {
	if schema != nil {
		return levelOp
	}
	switch op {
	case "=", "<", ">", "<=", ">=", "<>", "!=":
		return levelCompare
	case "+", "-":
		return levelAdd
	case "*", "/", "%":
		return levelMul
	case "^":
		return levelPower
	}
	return levelOp
}

// endsOpen reports whether an expression ends in an operand at a level that
// is not associative, so that nothing at this level may follow it.
func endsOpen(e Expr) bool {
	switch e := e.(type) {
	case *BinaryExpr:
		return level(e) == levelCompare
	case *DistinctExpr, *BetweenExpr, *LikeExpr, *OverlapsExpr:
		return true
	}
	return false
}

// expr prints an expression where any can stand.
func (p *printer) expr(e Expr) { p.exprAt(e, levelNone, false) }

// exprs prints a list.
func (p *printer) exprs(es []Expr) { list(p, es, p.expr) }

// parens prints an expression in parentheses.
func (p *printer) parens(e Expr) {
	p.s("(")
	p.expr(e)
	p.s(")")
}

// exprAt prints an expression where only those of a level and above can stand
// bare; restricted says that the place takes a b_expr only.
//
// It goes down the left operands in a loop as long as they need no
// parentheses, prints the leftmost, and adds the operators on the way back.
func (p *printer) exprAt(e Expr, least int, restricted bool) {
	if e == nil {
		return
	}
	if level(e) < least || restricted && !isRestricted(e) {
		p.parens(e)
		return
	}
	var spine []Expr
	for {
		left, ok := leftExpr(e)
		if !ok {
			break
		}
		spine = append(spine, e)
		if needsParens(e, left) || restricted && !isRestricted(left) {
			p.parens(left)
			e = nil
			break
		}
		e = left
	}
	if e != nil {
		p.operand(e, restricted)
	}
	for i := len(spine) - 1; i >= 0; i-- {
		p.suffix(spine[i], restricted)
	}
}

// leftExpr returns the operand that is printed first. Casts in other
// spellings than :: have none.
func leftExpr(e Expr) (Expr, bool) {
	if c, ok := e.(*CastExpr); ok && c.Form != CastColon {
		return nil, false
	}
	left, ok := LeftOperand(e).(Expr)
	return left, ok
}

// firstOperand returns the operand with which an expression begins.
func firstOperand(e Expr) Expr {
	for {
		switch chain := e.(type) {
		case *OrExpr:
			e = chain.Args[0]
			continue
		case *AndExpr:
			e = chain.Args[0]
			continue
		}
		left, ok := leftExpr(e)
		if !ok {
			return e
		}
		e = left
	}
}

// needsParens reports whether the left operand of e needs parentheses.
func needsParens(e, left Expr) bool {
	switch e.(type) {
	case *FieldSelect, *FieldStar, *Subscript:
		return !takesIndirection(e, left)
	}
	l := level(e)
	return level(left) < l || level(left) == l && endsOpen(left)
}

// takesIndirection reports whether a field or subscript may follow directly.
func takesIndirection(e, left Expr) bool {
	switch left.(type) {
	case *Param, *FieldSelect, *Subscript, *SubqueryExpr:
		return true
	case *ColumnRef:
		_, ok := e.(*Subscript)
		return ok
	}
	return false
}

// isRestricted reports whether an expression, apart from its operands, is a
// b_expr.
func isRestricted(e Expr) bool {
	switch e := e.(type) {
	case *OrExpr, *AndExpr, *NotExpr, *BetweenExpr, *LikeExpr, *InExpr, *OverlapsExpr, *QuantifiedExpr,
		*AtTimeZoneExpr, *CollateExpr, *DefaultExpr:
		return false
	case *IsExpr:
		return e.Test == IsDocument
	}
	return true
}

// suffix prints what follows the left operand of e.
func (p *printer) suffix(e Expr, restricted bool) {
	switch e := e.(type) {
	case *BinaryExpr:
		p.s(" ")
		p.operator(e.Schema, e.Op)
		p.s(" ")
		p.exprAt(e.Right, level(e)+1, restricted)
	case *QuantifiedExpr:
		p.quantified(e)
	case *IsExpr:
		p.s(" IS ")
		p.opt(e.Not, "NOT ")
		p.s(isTestText(e))
	case *DistinctExpr:
		p.s(" IS ")
		p.opt(e.Not, "NOT ")
		p.s("DISTINCT FROM ")
		p.exprAt(e.Right, levelIs+1, restricted)
	case *BetweenExpr:
		p.opt(e.Not, " NOT")
		p.s(" BETWEEN ")
		p.opt(e.Symmetric, "SYMMETRIC ")
		p.exprAt(e.Low, levelLike+1, true)
		p.s(" AND ")
		p.exprAt(e.High, levelLike+1, false)
	case *LikeExpr:
		p.like(e)
	case *InExpr:
		p.in(e)
	case *CollateExpr:
		p.s(" COLLATE ")
		p.name(e.Collation)
	case *AtTimeZoneExpr:
		p.s(" AT TIME ZONE ")
		p.exprAt(e.Zone, levelAt+1, false)
	case *CastExpr:
		p.s("::")
		p.typeName(e.Type)
	case *FieldSelect:
		p.s(".")
		p.ident(e.Field)
	case *FieldStar:
		p.s(".*")
	case *Subscript:
		p.subscript(e)
	}
}

func isTestText(e *IsExpr) string {
	switch e.Test {
	case IsTrue:
		return "TRUE"
	case IsFalse:
		return "FALSE"
	case IsUnknown:
		return "UNKNOWN"
	case IsDocument:
		return "DOCUMENT"
	case IsNormalized:
		if e.Form != "" {
			return strings.ToUpper(e.Form) + " NORMALIZED"
		}
		return "NORMALIZED"
	}
	return "NULL"
}

func (p *printer) operator(schema []string, op string) {
	if schema == nil {
		p.s(op)
		return
	}
	p.s("OPERATOR(")
	for _, s := range schema {
		p.ident(s)
		p.s(".")
	}
	p.s(op)
	p.s(")")
}

func (p *printer) operatorName(o *OperatorName) { p.operator(o.Schema, o.Name) }

func (p *printer) quantified(e *QuantifiedExpr) {
	p.s(" ")
	p.operator(e.Schema, e.Op)
	if e.All {
		p.s(" ALL (")
	} else {
		p.s(" ANY (")
	}
	if e.Query != nil {
		p.selectStmt(e.Query)
	} else {
		p.expr(e.Array)
	}
	p.s(")")
}

func (p *printer) like(e *LikeExpr) {
	p.opt(e.Not, " NOT")
	switch e.Kind {
	case ILike:
		p.s(" ILIKE ")
	case SimilarTo:
		p.s(" SIMILAR TO ")
	default:
		p.s(" LIKE ")
	}
	p.exprAt(e.Pattern, levelLike+1, false)
	if e.Escape != nil {
		p.s(" ESCAPE ")
		p.exprAt(e.Escape, levelLike+1, false)
	}
}

func (p *printer) in(e *InExpr) {
	p.opt(e.Not, " NOT")
	p.s(" IN (")
	if e.Query != nil {
		p.selectStmt(e.Query)
	} else {
		p.exprs(e.List)
	}
	p.s(")")
}

func (p *printer) subscript(e *Subscript) {
	p.s("[")
	if e.Slice {
		p.expr(e.Low)
		p.s(":")
		p.expr(e.High)
	} else {
		p.expr(e.Index)
	}
	p.s("]")
}

// operand prints an expression that does not begin with an operand of its own.
func (p *printer) operand(e Expr, restricted bool) {
	switch e := e.(type) {
	case *OrExpr:
		p.chain(e.Args, " OR ", levelAnd)
	case *AndExpr:
		p.chain(e.Args, " AND ", levelNot)
	case *NotExpr:
		p.s("NOT ")
		p.exprAt(e.Expr, levelNot, false)
	case *UnaryExpr:
		p.unary(e, restricted)
	case *OverlapsExpr:
		p.row(e.Left)
		p.s(" OVERLAPS ")
		p.row(e.Right)
	case *ColumnRef:
		p.qualified(e.Qualifier, e.Name)
	case *Star:
		for _, q := range e.Qualifier {
			p.ident(q)
			p.s(".")
		}
		p.s("*")
	case *Param:
		p.s("$")
		p.int(e.Number)
	case *NullLit:
		p.s("NULL")
	case *BoolLit:
		if e.Value {
			p.s("TRUE")
		} else {
			p.s("FALSE")
		}
	case *NumberLit:
		p.s(e.Text)
	case *StringLit:
		p.literal(e.Value)
	case *BitLit:
		p.bits(e)
	case *DefaultExpr:
		p.s("DEFAULT")
	case *SecretRef:
		p.s("SECRET ")
		p.name(e.Name)
	default:
		p.construct(e)
	}
}

func (p *printer) bits(e *BitLit) {
	if e.Hex {
		p.s("X")
	} else {
		p.s("B")
	}
	p.literal(e.Digits)
}

// chain prints the arguments of AND or OR.
func (p *printer) chain(args []Expr, op string, least int) {
	for i, a := range args {
		p.opt(i > 0, op)
		p.exprAt(a, least, false)
	}
}

// unary prints a prefix operator. A space keeps it from growing together with
// an operator behind it.
func (p *printer) unary(e *UnaryExpr, restricted bool) {
	p.operator(e.Schema, e.Op)
	least := levelOp + 1
	inner, nested := e.Expr.(*UnaryExpr)
	if level(e) == levelUnary {
		least = levelUnary
		p.opt(nested, " ")
	} else {
		p.s(" ")
		if nested && level(inner) == levelOp {
			least = levelOp
		}
	}
	p.exprAt(e.Expr, least, restricted)
}

// construct prints what is closed at both ends.
func (p *printer) construct(e Expr) {
	switch e := e.(type) {
	case *CastExpr:
		p.cast(e)
	case *RowExpr:
		p.row(e)
	case *ArrayExpr:
		p.opt(!e.Inner, "ARRAY")
		p.s("[")
		p.exprs(e.Elems)
		p.s("]")
	case *SubqueryExpr:
		p.query("(", e.Query)
	case *ArraySubquery:
		p.query("ARRAY(", e.Query)
	case *ExistsExpr:
		p.query("EXISTS (", e.Query)
	case *CaseExpr:
		p.caseExpr(e)
	case *CoalesceExpr:
		p.call("COALESCE(", e.Args)
	case *NullIfExpr:
		p.s("NULLIF(")
		p.expr(e.Left)
		p.s(", ")
		p.expr(e.Right)
		p.s(")")
	case *MinMaxExpr:
		if e.Least {
			p.call("LEAST(", e.Args)
		} else {
			p.call("GREATEST(", e.Args)
		}
	case *GroupingExpr:
		p.call("GROUPING(", e.Args)
	case *SQLValueFunction:
		p.s(strings.ToUpper(e.Name))
		if e.Precision >= 0 {
			p.s("(")
			p.int(e.Precision)
			p.s(")")
		}
	case *CollationFor:
		p.s("COLLATION FOR ")
		p.parens(e.Expr)
	case *FuncCall:
		p.funcCall(e)
	case *NamedArg:
		p.ident(e.Name)
		p.s(" => ")
		p.expr(e.Value)
	case *TableArg:
		p.s("TABLE ")
		p.name(e.Table)
	case *PartitionArg:
		p.expr(e.Relation)
		p.s(" PARTITION BY ")
		if len(e.By) == 1 {
			p.expr(e.By[0])
		} else {
			p.s("(")
			p.exprs(e.By)
			p.s(")")
		}
	case *GroupingSet:
		p.groupingSet(e)
	case *FieldSelect: // in an AssignTarget, without an operand
		p.s(".")
		p.ident(e.Field)
	case *Subscript:
		p.subscript(e)
	}
}

func (p *printer) query(before string, q *SelectStmt) {
	p.s(before)
	p.selectStmt(q)
	p.s(")")
}

func (p *printer) call(before string, args []Expr) {
	p.s(before)
	p.exprs(args)
	p.s(")")
}

func (p *printer) row(e *RowExpr) {
	if e.Explicit || len(e.Args) < 2 {
		p.s("ROW")
	}
	p.call("(", e.Args)
}

func (p *printer) caseExpr(e *CaseExpr) {
	p.s("CASE")
	if e.Operand != nil {
		p.s(" ")
		p.expr(e.Operand)
	}
	for _, w := range e.Whens {
		p.s(" ")
		p.when(w)
	}
	if e.Else != nil {
		p.s(" ELSE ")
		p.expr(e.Else)
	}
	p.s(" END")
}

func (p *printer) when(w *When) {
	p.s("WHEN ")
	p.expr(w.Cond)
	p.s(" THEN ")
	p.expr(w.Result)
}

func (p *printer) groupingSet(e *GroupingSet) {
	switch e.Kind {
	case EmptyGroup:
		p.s("()")
	case Rollup:
		p.call("ROLLUP(", e.Sets)
	case Cube:
		p.call("CUBE(", e.Sets)
	default:
		p.call("GROUPING SETS (", e.Sets)
	}
}

// cast prints the spellings of a cast that do not begin with the operand.
func (p *printer) cast(e *CastExpr) {
	switch e.Form {
	case CastLiteral:
		p.literalType(e.Type)
		p.s(" ")
		p.expr(e.Expr)
		p.literalFields(e.Type)
		return
	case CastTry:
		p.s("TRY_CAST(")
	case CastTreat:
		p.s("TREAT(")
	default:
		p.s("CAST(")
	}
	p.expr(e.Expr)
	p.s(" AS ")
	p.typeName(e.Type)
	p.s(")")
}
