package sql

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// atSelect reports whether a query begins here without parentheses.
func (p *parser) atSelect() bool {
	switch p.cur().kw {
	case kwSelect, kwWith, kwTable:
		return true
	case kwValues:
		return p.peek(1).kind == '('
	}
	return false
}

// atQuery is atSelect where no expression can stand, so that VALUES is no
// column.
func (p *parser) atQuery() bool { return p.atSelect() || p.isKw(kwValues) }

// atSelectTail reports whether something follows that belongs to a query
// whose first operand stood in parentheses.
func (p *parser) atSelectTail() bool {
	switch p.cur().kw {
	case kwUnion, kwIntersect, kwExcept, kwOrder, kwLimit, kwOffset, kwFetch, kwFor:
		return true
	}
	return p.atEmit() || p.atAsOf()
}

// parenQuery parses a query in parentheses, however many of them.
func (p *parser) parenQuery() *ast.SelectStmt {
	p.expect('(')
	p.enter()
	defer p.leave()
	if !p.is('(') && !p.atQuery() {
		p.fail()
		return &ast.SelectStmt{}
	}
	q := p.selectStmt()
	p.expect(')')
	return q
}

// selectStmt parses a query with all its clauses.
func (p *parser) selectStmt() *ast.SelectStmt {
	p.enter()
	defer p.leave()
	s := &ast.SelectStmt{Pos: p.pos()}
	if p.isKw(kwWith) {
		s.With = p.with()
	}
	return p.selectRest(s, p.setOps(p.selectOperand(), 1))
}

// selectFrom carries on with a query that stood in parentheses as the first
// operand.
func (p *parser) selectFrom(first *ast.SelectStmt) *ast.SelectStmt {
	return p.selectRest(&ast.SelectStmt{Pos: first.Pos}, p.setOps(unwrapBody(first), 1))
}

// selectRest parses the clauses behind the body. A query that only wraps one
// in parentheses is that one.
func (p *parser) selectRest(s *ast.SelectStmt, body ast.SelectBody) *ast.SelectStmt {
	s.Body = body
	p.selectTail(s)
	if inner, ok := body.(*ast.SelectStmt); ok && isBare(s) {
		return inner
	}
	return s
}

// isBare reports whether a query is nothing but its body.
func isBare(s *ast.SelectStmt) bool {
	return s.With == nil && s.OrderBy == nil && s.Limit == nil && s.Offset == nil && s.Locking == nil &&
		s.AsOf == nil && s.Emit == ast.EmitNone
}

// unwrapBody returns a query as an operand of a set operation.
func unwrapBody(s *ast.SelectStmt) ast.SelectBody {
	if isBare(s) {
		return s.Body
	}
	return s
}

// setOps parses set operations behind their first operand; INTERSECT (2)
// binds more tightly than UNION and EXCEPT (1).
func (p *parser) setOps(left ast.SelectBody, least int) ast.SelectBody {
	for p.err == nil {
		op := &ast.SetOp{Pos: p.pos(), Left: left}
		level := 1
		switch p.cur().kw {
		case kwUnion:
			op.Kind = ast.Union
		case kwExcept:
			op.Kind = ast.Except
		case kwIntersect:
			op.Kind, level = ast.Intersect, 2
		default:
			return left
		}
		if level < least {
			return left
		}
		p.next()
		if op.All = p.acceptKw(kwAll); !op.All {
			p.acceptKw(kwDistinct)
		}
		op.Right = p.setOps(p.selectOperand(), level+1)
		left = op
	}
	return left
}

// selectOperand parses one operand of a set operation.
func (p *parser) selectOperand() ast.SelectBody {
	pos := p.pos()
	switch p.cur().kw {
	case kwSelect:
		return p.selectCore()
	case kwValues:
		return p.values()
	case kwTable:
		p.next()
		return &ast.TableQuery{Pos: pos, Table: p.relation()}
	}
	if p.is('(') {
		return unwrapBody(p.parenQuery())
	}
	p.fail()
	return &ast.Select{Pos: pos}
}

// values parses VALUES (...), ....
func (p *parser) values() *ast.Values {
	v := &ast.Values{Pos: p.pos()}
	p.next()
	for {
		p.expect('(')
		v.Rows = append(v.Rows, p.exprs())
		p.expect(')')
		if !p.accept(',') {
			return v
		}
	}
}

// selectCore parses SELECT up to its WINDOW clause.
func (p *parser) selectCore() *ast.Select {
	s := &ast.Select{Pos: p.pos()}
	p.next()
	if p.acceptKw(kwDistinct) {
		s.Distinct = true
		if p.isKw(kwOn) {
			p.next()
			p.expect('(')
			s.DistinctOn = p.exprs()
			p.expect(')')
		}
	} else {
		p.acceptKw(kwAll)
	}
	if !p.atTargetsEnd() || s.Distinct {
		s.Targets = p.targets()
	}
	if p.acceptKw(kwInto) {
		s.Into = p.into()
	}
	if p.acceptKw(kwFrom) {
		s.From = p.fromList()
		if p.atTimeWindow() {
			s.TimeWindow = p.timeWindow()
		}
	}
	if p.acceptKw(kwWhere) {
		s.Where = p.expr()
	}
	if p.isKw(kwGroup) {
		p.groupBy(s)
	}
	if p.acceptKw(kwHaving) {
		s.Having = p.expr()
	}
	if p.acceptKw(kwWindow) {
		s.Windows = p.windowClause()
	}
	return s
}

// atTargetsEnd reports whether the select list is empty.
func (p *parser) atTargetsEnd() bool {
	t := p.cur()
	switch t.kind {
	case tokEOF, ';', ')':
		return true
	}
	switch t.kw {
	case kwFrom, kwInto, kwWhere, kwGroup, kwHaving, kwWindow, kwUnion, kwIntersect, kwExcept, kwOrder, kwLimit,
		kwOffset, kwFetch, kwFor, kwReturning, kwOn, kwWith, kwAs:
		return true
	}
	return false
}

// targets parses a select or RETURNING list.
func (p *parser) targets() []*ast.Target {
	list := make([]*ast.Target, 0, 4)
	for {
		list = append(list, p.target())
		if !p.accept(',') {
			return list
		}
	}
}

func (p *parser) target() *ast.Target {
	t := &ast.Target{Pos: p.pos()}
	if p.accept('*') {
		t.Expr = &ast.Star{Pos: t.Pos}
		return t
	}
	p.labelDepth = p.depth + 1
	t.Expr = p.expr()
	p.labelDepth = 0
	switch {
	case p.atEmit() || p.atAsOf():
	case p.acceptKw(kwAs):
		t.Alias = p.colLabel()
	case p.cur().isBareLabel():
		t.Alias = p.name(p.cur())
		p.next()
	}
	return t
}

// into parses the target of SELECT INTO.
func (p *parser) into() *ast.Into {
	i := &ast.Into{Pos: p.pos()}
	switch p.cur().kw {
	case kwLocal, kwGlobal:
		if p.peekKw(1, kwTemp) || p.peekKw(1, kwTemporary) {
			p.i += 2
			i.Temp = true
		}
	case kwTemp, kwTemporary:
		p.next()
		i.Temp = true
	case kwUnlogged:
		p.next()
		i.Unlogged = true
	}
	p.acceptKw(kwTable)
	i.Table = p.objectName()
	return i
}

// groupBy parses GROUP BY [ALL|DISTINCT] items.
func (p *parser) groupBy(s *ast.Select) {
	p.next()
	p.expectKw(kwBy)
	if s.GroupDistinct = p.acceptKw(kwDistinct); !s.GroupDistinct {
		p.acceptKw(kwAll)
	}
	s.GroupBy = p.groupItems()
}

func (p *parser) groupItems() []ast.Expr {
	p.enter()
	defer p.leave()
	list := []ast.Expr{p.groupItem()}
	for p.accept(',') {
		list = append(list, p.groupItem())
	}
	return list
}

// groupItem parses an expression or a grouping construct.
func (p *parser) groupItem() ast.Expr {
	g := &ast.GroupingSet{Pos: p.pos()}
	switch {
	case p.is('(') && p.peek(1).kind == ')':
		p.i += 2
		g.Kind = ast.EmptyGroup
		return g
	case p.isKw(kwGrouping) && p.peekKw(1, kwSets):
		p.i += 2
		g.Kind = ast.GroupingSets
		p.expect('(')
		g.Sets = p.groupItems()
		p.expect(')')
		return g
	case p.isKw(kwRollup) && p.peek(1).kind == '(':
		g.Kind = ast.Rollup
	case p.isKw(kwCube) && p.peek(1).kind == '(':
		g.Kind = ast.Cube
	default:
		return p.expr()
	}
	g.Sets = p.keywordArgs()
	return g
}

// selectTail parses ORDER BY, LIMIT, locking, AS OF and EMIT.
func (p *parser) selectTail(s *ast.SelectStmt) {
	if p.isKw(kwOrder) {
		s.OrderBy = p.orderBy()
	}
	for p.err == nil {
		switch {
		case p.isKw(kwLimit):
			p.limit(s)
		case p.isKw(kwOffset):
			p.offset(s)
		case p.isKw(kwFetch):
			p.fetchFirst(s)
		case p.isKw(kwFor) && p.peekKw(1, kwRead):
			p.i += 2
			p.expectWord("only")
		case p.isKw(kwFor):
			s.Locking = append(s.Locking, p.locking())
		default:
			p.streamingTail(s)
			return
		}
	}
}

// streamingTail parses AS OF and EMIT behind everything else.
func (p *parser) streamingTail(s *ast.SelectStmt) {
	if p.atAsOf() {
		s.AsOf = p.asOf()
	}
	if p.atEmit() {
		s.Emit = p.emit()
		if p.isKw(kwLimit) && s.Limit == nil {
			p.limit(s)
		}
	}
}

// orderBy parses ORDER BY items.
func (p *parser) orderBy() []*ast.SortItem {
	p.expectKw(kwOrder)
	p.expectKw(kwBy)
	list := []*ast.SortItem{p.sortItem()}
	for p.accept(',') {
		list = append(list, p.sortItem())
	}
	return list
}

func (p *parser) sortItem() *ast.SortItem {
	s := &ast.SortItem{Pos: p.pos(), Expr: p.expr()}
	if p.isKw(kwUsing) {
		p.next()
		s.Using = &ast.OperatorName{Pos: p.pos()}
		s.Using.Schema, s.Using.Name = p.operator()
	} else {
		s.Desc = p.descending()
	}
	s.Nulls = p.nullsOrder()
	return s
}

// descending parses [ASC|DESC].
func (p *parser) descending() bool {
	if p.acceptKw(kwDesc) {
		return true
	}
	p.acceptKw(kwAsc)
	return false
}

// nullsOrderFollows reports whether NULLS FIRST or LAST follows and not a name.
func (p *parser) nullsOrderFollows() bool {
	return p.isKw(kwNulls) && (p.peekKw(1, kwFirst) || p.peekKw(1, kwLast))
}

// nullsOrder parses [NULLS FIRST|LAST].
func (p *parser) nullsOrder() ast.NullsOrder {
	switch {
	case p.acceptKws(kwNulls, kwFirst):
		return ast.NullsFirst
	case p.acceptKws(kwNulls, kwLast):
		return ast.NullsLast
	}
	return ast.NullsDefault
}

// limit parses LIMIT n or LIMIT ALL.
func (p *parser) limit(s *ast.SelectStmt) {
	pos := p.pos()
	p.next()
	if s.Limit != nil {
		p.failf(pos, sqlerr.SyntaxError, "multiple LIMIT clauses not allowed")
	}
	if p.isKw(kwAll) {
		s.Limit = &ast.NullLit{Pos: p.pos()}
		p.next()
		return
	}
	s.Limit = p.expr()
	if p.is(',') {
		p.failf(pos, sqlerr.SyntaxError, "LIMIT #,# syntax is not supported").
			WithHint("Use separate LIMIT and OFFSET clauses.")
	}
}

// offset parses OFFSET n [ROW|ROWS].
func (p *parser) offset(s *ast.SelectStmt) {
	if s.Offset != nil {
		p.failf(p.pos(), sqlerr.SyntaxError, "multiple OFFSET clauses not allowed")
	}
	p.next()
	s.Offset = p.expr()
	if !p.acceptKw(kwRow) {
		p.acceptKw(kwRows)
	}
}

// fetchFirst parses FETCH FIRST|NEXT [n] ROW|ROWS ONLY|WITH TIES.
func (p *parser) fetchFirst(s *ast.SelectStmt) {
	if s.Limit != nil {
		p.failf(p.pos(), sqlerr.SyntaxError, "multiple LIMIT clauses not allowed")
	}
	p.next()
	if !p.acceptKw(kwFirst) {
		p.expectKw(kwNext)
	}
	pos := p.pos()
	switch {
	case p.isKw(kwRow) || p.isKw(kwRows):
		s.Limit = &ast.NumberLit{Pos: pos, Text: "1"}
	case p.is('+') || p.is('-'):
		op := p.raw(p.cur())
		p.next()
		s.Limit = &ast.UnaryExpr{Pos: pos, Op: op, Expr: p.primary()}
	default:
		s.Limit = p.primary()
	}
	if !p.acceptKw(kwRow) {
		p.expectKw(kwRows)
	}
	if !p.acceptKw(kwOnly) {
		at := p.pos()
		p.expectKw(kwWith)
		p.expectKw(kwTies)
		s.WithTies = true
		if s.OrderBy == nil {
			p.failf(at, sqlerr.SyntaxError, "WITH TIES cannot be specified without ORDER BY clause")
		}
	}
}

// locking parses FOR UPDATE and its kin.
func (p *parser) locking() *ast.Locking {
	l := &ast.Locking{Pos: p.pos()}
	p.next()
	switch {
	case p.acceptKw(kwUpdate):
	case p.acceptKws(kwNo, kwKey, kwUpdate):
		l.Strength = ast.ForNoKeyUpdate
	case p.acceptKw(kwShare):
		l.Strength = ast.ForShare
	case p.acceptKws(kwKey, kwShare):
		l.Strength = ast.ForKeyShare
	default:
		p.fail()
	}
	if p.acceptKw(kwOf) {
		l.Of = p.objectNames()
	}
	switch {
	case p.acceptKw(kwNowait):
		l.Wait = ast.LockNoWait
	case p.acceptKws(kwSkip, kwLocked):
		l.Wait = ast.LockSkipLocked
	}
	return l
}

// atAsOf reports whether AS OF with a time follows. "of" is a valid alias, so
// what stands behind it decides: an alias is never followed by an operand.
func (p *parser) atAsOf() bool {
	if !p.isKw(kwAs) || !p.peekKw(1, kwOf) {
		return false
	}
	t := p.peek(2)
	switch t.kind {
	case tokInt, tokFloat, tokParam, '-', tokIdent, tokQuoted:
		return true
	case tokKeyword:
		return t.kw == kwAt || t.kw == kwSystem && p.peekKw(3, kwTime) || t.kw == kwCast ||
			t.kw == kwCurrentTimestamp || t.kw == kwTimestamp || t.kw == kwCurrentDate || t.kw == kwLocaltimestamp
	}
	return t.isString()
}

// asOf parses AS OF [AT LEAST] [SYSTEM TIME] time.
func (p *parser) asOf() *ast.AsOf {
	a := &ast.AsOf{Pos: p.pos()}
	p.i += 2
	a.AtLeast = p.acceptKws(kwAt, kwLeast)
	p.acceptKws(kwSystem, kwTime)
	a.Time = p.expr()
	return a
}

// atEmit reports whether an EMIT clause follows; emit is no keyword.
func (p *parser) atEmit() bool {
	return p.cur().kind == tokIdent && p.isWord("emit") &&
		(p.peekWord(1, "changes") || p.peekWord(1, "final") || p.peekKw(1, kwOn) && p.peekKw(2, kwWindow))
}

// emit parses EMIT CHANGES, EMIT FINAL and EMIT ON WINDOW CLOSE.
func (p *parser) emit() ast.EmitMode {
	p.next()
	switch {
	case p.acceptWord("changes"):
		return ast.EmitChanges
	case p.acceptWord("final"):
		return ast.EmitOnWindowClose
	}
	p.i += 2
	p.expectKw(kwClose)
	return ast.EmitOnWindowClose
}
