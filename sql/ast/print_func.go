package ast

import (
	"strings"
)

// funcName prints a function's name. Keywords that may name functions stay
// bare; words that begin something else before a parenthesis are quoted.
func (p *printer) funcName(f *FuncCall) {
	if f.Qualifier != nil {
		p.qualified(f.Qualifier, f.Name)
		return
	}
	switch f.Name {
	case "overlay", "substring":
		if f.OrderBy == nil && !f.Distinct && !f.Star && f.WithinGroup == nil && f.Filter == nil && f.Over == nil {
			p.s(f.Name)
			return
		}
	}
	if beginsOther(f.Name) {
		p.quoted(f.Name)
		return
	}
	if isFunctionWord(f.Name) && f.Name != "collation" && f.Name != "tablesample" {
		p.s(f.Name)
		return
	}
	p.ident(f.Name)
}

// beginsOther reports whether a word before a parenthesis begins something
// else than a call.
func beginsOther(word string) bool {
	switch word {
	case "rollup", "cube", "operator", "try_cast":
		return true
	}
	return false
}

// funcCall prints a call in the form it was written in.
func (p *printer) funcCall(f *FuncCall) {
	if f.Form != CallPlain && p.specialCall(f) {
		return
	}
	p.funcName(f)
	p.s("(")
	p.opt(f.Star, "*")
	p.opt(f.Distinct, "DISTINCT ")
	for i, a := range f.Args {
		p.opt(i > 0, ", ")
		p.opt(f.Variadic && i == len(f.Args)-1, "VARIADIC ")
		p.expr(a)
	}
	p.orderBy(" ", f.OrderBy)
	p.s(")")
	if f.WithinGroup != nil {
		p.s(" WITHIN GROUP (")
		p.orderBy("", f.WithinGroup)
		p.s(")")
	}
	if f.Filter != nil {
		p.s(" FILTER (WHERE ")
		p.expr(f.Filter)
		p.s(")")
	}
	if f.Over != nil {
		p.s(" OVER ")
		p.window(f.Over)
	}
}

// specialCall prints SQL's special forms; false if the arguments do not fit.
func (p *printer) specialCall(f *FuncCall) bool {
	a := f.Args
	switch {
	case f.Form == CallExtract && len(a) == 2:
		p.extract(a)
	case f.Form == CallOverlay && len(a) >= 3:
		p.keyed("OVERLAY(", a, " PLACING ", " FROM ", " FOR ")
	case f.Form == CallPosition && len(a) == 2:
		p.s("POSITION(")
		p.exprAt(a[1], levelNone, true)
		p.s(" IN ")
		p.exprAt(a[0], levelNone, true)
	case f.Form == CallSubstring && len(a) >= 2:
		p.keyed("SUBSTRING(", a, " FROM ", " FOR ")
	case f.Form == CallSubstringFor && len(a) == 3:
		length := a[2]
		if c, ok := length.(*CastExpr); ok {
			length = c.Expr
		}
		p.keyed("SUBSTRING(", []Expr{a[0], length}, " FOR ")
	case f.Form == CallSimilarString && len(a) == 3:
		p.s("SUBSTRING(")
		p.expr(a[0])
		p.s(" SIMILAR ")
		p.exprAt(a[1], levelLike+1, false)
		p.s(" ESCAPE ")
		p.expr(a[2])
	case f.Form == CallTrim && len(a) >= 1:
		p.trim(f)
	case f.Form == CallNormalize && len(a) >= 1:
		p.s("NORMALIZE(")
		p.expr(a[0])
		if len(a) > 1 {
			p.s(", ")
			p.s(strings.ToUpper(stringValue(a[1])))
		}
	default:
		return false
	}
	p.s(")")
	return true
}

// keyed prints arguments with a keyword before each but the first.
func (p *printer) keyed(before string, args []Expr, words ...string) {
	p.s(before)
	for i, a := range args {
		if i > 0 && i <= len(words) {
			p.s(words[i-1])
		}
		p.expr(a)
	}
}

func stringValue(e Expr) string {
	if s, ok := e.(*StringLit); ok {
		return s.Value
	}
	return ""
}

// extract prints EXTRACT; the usual fields stand bare.
func (p *printer) extract(a []Expr) {
	p.s("EXTRACT(")
	switch field := stringValue(a[0]); field {
	case "century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "julian", "microseconds",
		"millennium", "milliseconds", "minute", "month", "quarter", "second", "timezone", "timezone_hour",
		"timezone_minute", "week", "year":
		p.s(field)
	default:
		p.literal(field)
	}
	p.s(" FROM ")
	p.expr(a[1])
}

// trim prints TRIM. The characters are the second argument.
func (p *printer) trim(f *FuncCall) {
	p.s("TRIM(")
	switch f.Name {
	case "ltrim":
		p.s("LEADING ")
	case "rtrim":
		p.s("TRAILING ")
	default:
		p.opt(len(f.Args) != 1, "BOTH ")
	}
	if len(f.Args) == 2 {
		p.expr(f.Args[1])
		p.s(" FROM ")
		p.expr(f.Args[0])
		return
	}
	p.opt(len(f.Args) > 2 || f.Name != "btrim", "FROM ")
	p.exprs(f.Args)
}

// window prints what follows OVER, or a definition of the WINDOW clause.
func (p *printer) window(w *WindowSpec) {
	if w.Ref != "" {
		p.ident(w.Ref)
		return
	}
	if w.Name != "" {
		p.ident(w.Name)
		p.s(" AS ")
	}
	p.s("(")
	sep := ""
	if w.Base != "" {
		p.windowBase(w.Base)
		sep = " "
	}
	if w.PartitionBy != nil {
		p.s(sep)
		p.s("PARTITION BY ")
		p.exprs(w.PartitionBy)
		sep = " "
	}
	if w.OrderBy != nil {
		p.orderBy(sep, w.OrderBy)
		sep = " "
	}
	if w.Frame != nil {
		p.s(sep)
		p.frame(w.Frame)
	}
	p.s(")")
}

// windowBase prints the name of another window, quoted where it would begin a
// part of this one.
func (p *printer) windowBase(name string) {
	switch name {
	case "partition", "range", "rows", "groups":
		p.s(`"` + name + `"`)
	default:
		p.ident(name)
	}
}

func (p *printer) frame(f *Frame) {
	switch f.Unit {
	case FrameRows:
		p.s("ROWS")
	case FrameGroups:
		p.s("GROUPS")
	default:
		p.s("RANGE")
	}
	p.s(" BETWEEN ")
	p.bound(&f.Start)
	p.s(" AND ")
	p.bound(&f.End)
	switch f.Exclude {
	case ExcludeCurrentRow:
		p.s(" EXCLUDE CURRENT ROW")
	case ExcludeGroup:
		p.s(" EXCLUDE GROUP")
	case ExcludeTies:
		p.s(" EXCLUDE TIES")
	}
}

func (p *printer) bound(b *FrameBound) {
	switch b.Kind {
	case UnboundedPreceding:
		p.s("UNBOUNDED PRECEDING")
	case CurrentRow:
		p.s("CURRENT ROW")
	case UnboundedFollowing:
		p.s("UNBOUNDED FOLLOWING")
	default:
		// Nothing looser than an operator, so that AND ends the bound.
		if c, ok := b.Value.(*ColumnRef); ok && c.Qualifier == nil && c.Name == "unbounded" {
			p.s(`"unbounded"`)
		} else {
			p.exprAt(b.Value, levelLike+1, false)
		}
		if b.Kind == OffsetPreceding {
			p.s(" PRECEDING")
		} else {
			p.s(" FOLLOWING")
		}
	}
}
