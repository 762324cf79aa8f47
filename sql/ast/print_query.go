package ast

// selectStmt prints a query.
func (p *printer) selectStmt(s *SelectStmt) {
	if s == nil {
		return
	}
	if s.With != nil {
		p.with(s.With)
		p.s(" ")
	}
	if s.Emit != EmitNone && endsEmpty(s) {
		p.s("(")
		p.body(s.Body)
		p.s(")")
	} else {
		p.body(s.Body)
	}
	p.orderBy(" ", s.OrderBy)
	p.limits(s)
	for _, l := range s.Locking {
		p.s(" ")
		p.locking(l)
	}
	if s.AsOf != nil {
		p.s(" ")
		p.asOf(s.AsOf)
	}
	switch s.Emit {
	case EmitChanges:
		p.s(" EMIT CHANGES")
	case EmitOnWindowClose:
		p.s(" EMIT ON WINDOW CLOSE")
	}
}

// endsEmpty reports whether nothing but SELECT would stand before EMIT, which
// would then be a column.
func endsEmpty(s *SelectStmt) bool {
	b := s.Body
	for {
		op, ok := b.(*SetOp)
		if !ok {
			break
		}
		b = op.Right
	}
	last, ok := b.(*Select)
	return ok && s.OrderBy == nil && s.Limit == nil && s.Offset == nil && s.Locking == nil && s.AsOf == nil &&
		last.Targets == nil && last.Into == nil && last.From == nil && last.Where == nil && last.GroupBy == nil &&
		last.Having == nil && last.Windows == nil
}

// limits prints LIMIT and OFFSET, or FETCH FIRST where there are ties.
func (p *printer) limits(s *SelectStmt) {
	if s.Limit != nil && !s.WithTies {
		p.s(" LIMIT ")
		if _, ok := s.Limit.(*NullLit); ok {
			p.s("ALL")
		} else {
			p.expr(s.Limit)
		}
	}
	if s.Offset != nil {
		p.s(" OFFSET ")
		p.expr(s.Offset)
	}
	if s.Limit != nil && s.WithTies {
		p.s(" FETCH FIRST ")
		p.countOperand(s.Limit)
		p.s(" ROWS WITH TIES")
	}
}

// countOperand prints the count of FETCH FIRST, which takes a constant or
// something in parentheses.
func (p *printer) countOperand(e Expr) {
	switch e.(type) {
	case *NumberLit, *Param:
		p.expr(e)
	default:
		p.parens(e)
	}
}

// setLevel is the level of a set operation; INTERSECT binds more tightly.
func setLevel(b SelectBody) int {
	op, ok := b.(*SetOp)
	switch {
	case !ok:
		return 3
	case op.Kind == Intersect:
		return 2
	}
	return 1
}

// body prints the body of a query, chains of set operations in a loop.
func (p *printer) body(b SelectBody) {
	var spine []*SetOp
	for {
		op, ok := b.(*SetOp)
		if !ok {
			break
		}
		spine = append(spine, op)
		if setLevel(op.Left) < setLevel(op) {
			p.setOperand(op.Left, 3)
			b = nil
			break
		}
		b = op.Left
	}
	p.setOperand(b, 0)
	for i := len(spine) - 1; i >= 0; i-- {
		op := spine[i]
		switch op.Kind {
		case Intersect:
			p.s(" INTERSECT ")
		case Except:
			p.s(" EXCEPT ")
		default:
			p.s(" UNION ")
		}
		p.opt(op.All, "ALL ")
		p.setOperand(op.Right, setLevel(op)+1)
	}
}

// setOperand prints an operand, in parentheses if it binds less than asked.
func (p *printer) setOperand(b SelectBody, least int) {
	if b == nil {
		return
	}
	if setLevel(b) < least {
		p.s("(")
		p.body(b)
		p.s(")")
		return
	}
	switch b := b.(type) {
	case *Select:
		p.selectCore(b)
	case *Values:
		p.s("VALUES ")
		list(p, b.Rows, func(row []Expr) { p.call("(", row) })
	case *TableQuery:
		p.s("TABLE ")
		p.table(b.Table)
	case *SelectStmt:
		p.query("(", b)
	case *SetOp:
		p.body(b)
	}
}

func (p *printer) selectCore(s *Select) {
	p.s("SELECT")
	if s.Distinct {
		p.s(" DISTINCT")
		if s.DistinctOn != nil {
			p.call(" ON (", s.DistinctOn)
		}
	}
	p.targets(" ", s.Targets)
	if s.Into != nil {
		p.s(" ")
		p.into(s.Into)
	}
	p.tables(" FROM ", s.From)
	if s.TimeWindow != nil {
		p.timeWindow(s.TimeWindow)
	}
	p.clause(" WHERE ", s.Where)
	if s.GroupBy != nil {
		p.s(" GROUP BY ")
		p.opt(s.GroupDistinct, "DISTINCT ")
		p.exprs(s.GroupBy)
	}
	p.clause(" HAVING ", s.Having)
	if s.Windows != nil {
		p.s(" WINDOW ")
		list(p, s.Windows, p.window)
	}
}

// within prints ksqlDB's clause of a join.
func (p *printer) within(w *JoinWithin) {
	if w == nil {
		return
	}
	text := func(l *Length) string { return l.Count + " " + l.Unit }
	if p.s(" WITHIN "); w.After == nil {
		p.s(text(w.Before))
	} else {
		p.s("(" + text(w.Before) + ", " + text(w.After) + ")")
	}
	if w.Grace != nil {
		p.s(" GRACE PERIOD " + text(w.Grace))
	}
}

// timeWindow prints ksqlDB's WINDOW clause.
func (p *printer) timeWindow(w *TimeWindow) {
	before := map[string]string{"session": " WINDOW SESSION (", "tumbling": " WINDOW TUMBLING (SIZE ", "hopping": " WINDOW HOPPING (SIZE "}[w.Kind]
	for _, part := range []struct {
		before string
		length *Length
	}{{before, w.Size}, {", ADVANCE BY ", w.Advance}, {", RETENTION ", w.Retention}, {", GRACE PERIOD ", w.Grace}} {
		if part.length != nil {
			p.s(part.before + part.length.Count + " " + part.length.Unit)
		}
	}
	p.s(")")
}

// clause prints an expression behind a word, nothing for nil.
func (p *printer) clause(before string, e Expr) {
	if e != nil {
		p.s(before)
		p.expr(e)
	}
}

func (p *printer) targets(before string, ts []*Target) {
	if ts != nil {
		p.s(before)
		list(p, ts, p.target)
	}
}

func (p *printer) target(t *Target) {
	p.expr(t.Expr)
	if t.Alias != "" {
		p.s(" AS ")
		p.label(t.Alias)
	}
}

func (p *printer) into(i *Into) {
	p.s("INTO ")
	p.opt(i.Temp, "TEMPORARY ")
	p.opt(i.Unlogged, "UNLOGGED ")
	p.s("TABLE ")
	p.name(i.Table)
}

func (p *printer) orderBy(before string, items []*SortItem) {
	if items != nil {
		p.s(before)
		p.s("ORDER BY ")
		list(p, items, p.sortItem)
	}
}

func (p *printer) sortItem(s *SortItem) {
	p.expr(s.Expr)
	if s.Using != nil {
		p.s(" USING ")
		p.operatorName(s.Using)
	}
	p.direction(s.Desc, s.Nulls)
}

func (p *printer) direction(desc bool, nulls NullsOrder) {
	p.opt(desc, " DESC")
	p.opt(nulls == NullsFirst, " NULLS FIRST")
	p.opt(nulls == NullsLast, " NULLS LAST")
}

func (p *printer) locking(l *Locking) {
	switch l.Strength {
	case ForNoKeyUpdate:
		p.s("FOR NO KEY UPDATE")
	case ForShare:
		p.s("FOR SHARE")
	case ForKeyShare:
		p.s("FOR KEY SHARE")
	default:
		p.s("FOR UPDATE")
	}
	if l.Of != nil {
		p.s(" OF ")
		p.names(l.Of)
	}
	p.opt(l.Wait == LockNoWait, " NOWAIT")
	p.opt(l.Wait == LockSkipLocked, " SKIP LOCKED")
}

// asOf prints AS OF. Only some operands can follow it directly, because "of"
// may be an alias; a parenthesis cannot, so such a time gets a prefix.
func (p *printer) asOf(a *AsOf) {
	p.s("AS OF ")
	switch {
	case a.AtLeast:
		p.s("AT LEAST ")
	case !asOfOperand(a.Time):
		p.s("SYSTEM TIME ")
	}
	p.expr(a.Time)
}

// asOfOperand reports whether the parser takes AS OF for the clause when this
// follows.
func asOfOperand(e Expr) bool {
	switch e := e.(type) {
	case *NumberLit, *StringLit, *Param:
		return true
	case *FuncCall:
		return e.Form == CallPlain && e.Qualifier == nil && e.Name == "now"
	}
	return false
}

func (p *printer) with(w *With) {
	switch w.Mode {
	case Recursive:
		p.s("WITH RECURSIVE ")
	case MutuallyRecursive:
		p.s("WITH MUTUALLY RECURSIVE ")
		if w.Options != nil {
			p.options("", w.Options)
			p.s(" ")
		}
	default:
		p.s("WITH ")
	}
	list(p, w.CTEs, p.cte)
}

func (p *printer) cte(c *CTE) {
	p.ident(c.Name)
	if c.Columns != nil {
		p.s("(")
		list(p, c.Columns, p.columnDef)
		p.s(")")
	}
	p.s(" AS ")
	p.opt(c.Materialize == MaterializeAlways, "MATERIALIZED ")
	p.opt(c.Materialize == MaterializeNever, "NOT MATERIALIZED ")
	p.s("(")
	p.stmt(c.Query)
	p.s(")")
	if c.Search != nil {
		p.s(" ")
		p.search(c.Search)
	}
	if c.Cycle != nil {
		p.s(" ")
		p.cycle(c.Cycle)
	}
}

func (p *printer) search(s *SearchClause) {
	if s.Breadth {
		p.s("SEARCH BREADTH FIRST BY ")
	} else {
		p.s("SEARCH DEPTH FIRST BY ")
	}
	p.idents(s.Columns)
	p.s(" SET ")
	p.ident(s.Set)
}

func (p *printer) cycle(c *CycleClause) {
	p.s("CYCLE ")
	p.idents(c.Columns)
	p.s(" SET ")
	p.ident(c.Mark)
	if c.Value != nil {
		p.s(" TO ")
		p.exprAt(c.Value, levelPrimary, true)
		p.s(" DEFAULT ")
		p.exprAt(c.Default, levelPrimary, true)
	}
	p.s(" USING ")
	p.ident(c.Path)
}

// tables prints the items of FROM.
func (p *printer) tables(before string, ts []TableExpr) {
	if ts != nil {
		p.s(before)
		list(p, ts, p.table)
	}
}

// table prints an item of FROM, chains of joins in a loop.
func (p *printer) table(t TableExpr) {
	var spine []*JoinExpr
	for {
		j, ok := t.(*JoinExpr)
		if !ok || j.Alias != nil {
			break
		}
		spine = append(spine, j)
		t = j.Left
	}
	p.tablePrimary(t)
	for i := len(spine) - 1; i >= 0; i-- {
		p.join(spine[i])
	}
}

func (p *printer) join(j *JoinExpr) {
	p.opt(j.Natural, " NATURAL")
	switch j.Kind {
	case JoinLeft:
		p.s(" LEFT JOIN ")
	case JoinRight:
		p.s(" RIGHT JOIN ")
	case JoinFull:
		p.s(" FULL JOIN ")
	case JoinCross:
		p.s(" CROSS JOIN ")
	default:
		p.s(" JOIN ")
	}
	p.tablePrimary(j.Right)
	p.within(j.Within)
	p.clause(" ON ", j.On)
	if j.Using != nil {
		p.parenIdents(" USING ", j.Using)
		if j.UsingAlias != "" {
			p.s(" AS ")
			p.ident(j.UsingAlias)
		}
	}
}

// tablePrimary prints an item that stands next to a join; joins get
// parentheses.
func (p *printer) tablePrimary(t TableExpr) {
	switch t := t.(type) {
	case *TableRef:
		p.tableRef(t)
	case *SubqueryTable:
		p.opt(t.Lateral, "LATERAL ")
		p.query("(", t.Query)
		p.asAlias(t.Alias)
	case *FuncTable:
		p.funcTable(t)
	case *JoinExpr:
		bare := *t
		bare.Alias = nil
		p.s("(")
		p.table(&bare)
		p.s(")")
		p.asAlias(t.Alias)
	}
}

func (p *printer) tableRef(t *TableRef) {
	p.opt(t.Only, "ONLY ")
	p.name(t.Name)
	p.clause(" FOR SYSTEM_TIME AS OF ", t.AsOf)
	p.asAlias(t.Alias)
	if t.Sample != nil {
		p.s(" ")
		p.sample(t.Sample)
	}
}

func (p *printer) asAlias(a *Alias) {
	if a != nil {
		p.s(" AS ")
		p.alias(a)
	}
}

func (p *printer) alias(a *Alias) {
	p.label(a.Name)
	p.parenIdents("", a.Columns)
}

func (p *printer) sample(s *TableSample) {
	p.s("TABLESAMPLE ")
	p.name(s.Method)
	p.call(" (", s.Args)
	if s.Repeatable != nil {
		p.s(" REPEATABLE ")
		p.parens(s.Repeatable)
	}
}

func (p *printer) funcTable(t *FuncTable) {
	p.opt(t.Lateral, "LATERAL ")
	p.opt(t.RowsFrom, "ROWS FROM (")
	list(p, t.Funcs, p.tableFunc)
	p.opt(t.RowsFrom, ")")
	p.opt(t.Ordinality, " WITH ORDINALITY")
	p.asAlias(t.Alias)
	if t.Columns != nil {
		p.opt(t.Alias == nil, " AS ")
		p.s("(")
		list(p, t.Columns, p.columnDef)
		p.s(")")
	}
}

func (p *printer) tableFunc(f *TableFunc) {
	p.expr(f.Func)
	if f.Columns != nil {
		p.s(" AS (")
		list(p, f.Columns, p.columnDef)
		p.s(")")
	}
}
