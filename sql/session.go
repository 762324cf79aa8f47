package sql

import (
	"strings"

	"github.com/streamdb/streamdb/sql/ast"
)

// explain parses EXPLAIN.
func (p *parser) explain() ast.Stmt {
	e := &ast.Explain{Pos: p.pos()}
	p.next()
	if p.is('(') && !p.parenSelect() {
		e.Options = p.simpleOptions()
	} else {
		if p.isKw(kwAnalyze) || p.isKw(kwAnalyse) {
			e.Options = append(e.Options, &ast.Option{Pos: p.pos(), Name: "analyze"})
			p.next()
		}
		if p.isKw(kwVerbose) {
			e.Options = append(e.Options, &ast.Option{Pos: p.pos(), Name: "verbose"})
			p.next()
		}
	}
	p.explainStage(e)
	if kind, name := p.explainObject(); name != nil {
		e.Kind, e.Name = kind, name
		return e
	}
	e.Stmt = p.explainable()
	return e
}

// explainStage parses the stage; its words are no keywords and stand before
// the first word of a statement, so they cannot be anything else.
func (p *parser) explainStage(e *ast.Explain) {
	for _, stage := range [...]ast.ExplainStage{ast.ExplainAST, ast.ExplainBound, ast.ExplainOptimized, ast.ExplainGraph} {
		if p.acceptWord(strings.ToLower(string(stage))) {
			e.Stage = stage
		}
	}
	if e.Stage == ast.ExplainDefault {
		return
	}
	if p.isKw(kwWith) && p.peek(1).kind == '(' {
		p.next()
		e.StageOptions = p.parenOptions()
	}
	p.acceptKw(kwFor)
}

// explainObject parses MATERIALIZED VIEW v and the like.
func (p *parser) explainObject() (ast.ObjectKind, *ast.ObjectName) {
	switch {
	case p.isKw(kwTable): // TABLE t is a query
		return "", nil
	case p.isKw(kwMaterialized), p.isKw(kwView), p.isKw(kwIndex), p.isWord("sink"), p.isWord("stream"), p.isWord("source"):
		if kind, ok := p.objectKind(); ok {
			return kind, p.objectName()
		}
	}
	return "", nil
}

// explainable parses the statements that EXPLAIN takes.
func (p *parser) explainable() ast.Stmt {
	switch p.cur().kw {
	case kwCreate:
		return p.create()
	case kwDeclare:
		return p.declareCursor()
	case kwExecute:
		return p.execute()
	case kwRefresh, kwMerge:
		return p.utilityFrom(p.i)
	}
	if p.isWord("subscribe") {
		return p.subscribe()
	}
	return p.preparable()
}

// subscribe parses SUBSCRIBE [TO] relation or (query).
func (p *parser) subscribe() ast.Stmt {
	s := &ast.Subscribe{Pos: p.pos()}
	p.next()
	p.acceptKw(kwTo)
	switch {
	case p.is('('):
		s.Query = p.parenQuery()
	case p.isKw(kwSelect) || p.isKw(kwWith):
		p.failHint("Put the query of SUBSCRIBE in parentheses.")
	default:
		s.Name = p.objectName()
	}
	for p.err == nil {
		switch {
		case p.isWord("envelope") && s.Envelope == "":
			p.envelope(s)
		case p.isKw(kwWithin):
			p.next()
			p.expectKw(kwTimestamp)
			s.WithinTimestampOrderBy = p.orderBy()
		case p.isKw(kwWith) && s.Options == nil:
			p.next()
			s.Options = p.parenOptions()
		case p.isKw(kwAs) && s.AsOf == nil:
			s.AsOf = p.asOfClause()
		case p.isWord("up") && s.UpTo == nil:
			p.next()
			p.expectKw(kwTo)
			s.UpTo = p.expr()
		default:
			return s
		}
	}
	return s
}

// asOfClause parses AS OF where nothing else can stand.
func (p *parser) asOfClause() *ast.AsOf {
	if !p.peekKw(1, kwOf) {
		p.next()
		p.fail()
		return nil
	}
	return p.asOf()
}

// envelope parses ENVELOPE UPSERT|DEBEZIUM (KEY (columns)).
func (p *parser) envelope(s *ast.Subscribe) {
	p.next()
	at := p.cur()
	s.Envelope = strings.ToUpper(p.colLabel())
	if s.Envelope != "UPSERT" && s.Envelope != "DEBEZIUM" {
		p.failAt(at)
	}
	if p.accept('(') {
		p.expectKw(kwKey)
		s.Key = p.parenColIDs()
		p.expect(')')
	}
}

// declareCursor parses DECLARE name CURSOR FOR query.
func (p *parser) declareCursor() ast.Stmt {
	d := &ast.DeclareCursor{Pos: p.pos()}
	p.next()
	d.Name = p.colID()
	for p.err == nil && !p.isKw(kwCursor) {
		switch {
		case p.acceptKw(kwBinary):
			d.Binary = true
		case p.acceptKw(kwInsensitive):
			d.Insensitive = true
		case p.acceptKw(kwAsensitive):
		case p.acceptKw(kwScroll):
			d.Scroll = ast.ScrollYes
		case p.acceptKws(kwNo, kwScroll):
			d.Scroll = ast.ScrollNo
		default:
			p.fail()
		}
	}
	p.expectKw(kwCursor)
	if p.acceptKws(kwWith, kwHold) {
		d.Hold = true
	} else {
		p.acceptKws(kwWithout, kwHold)
	}
	p.expectKw(kwFor)
	switch {
	case p.isWord("subscribe"):
		d.Query = p.subscribe()
	case p.is('(') || p.atSelect():
		d.Query = p.selectStmt()
	default:
		p.fail()
	}
	return d
}

// fetch parses FETCH and MOVE.
func (p *parser) fetch() ast.Stmt {
	f := &ast.Fetch{Pos: p.pos(), Move: p.isKw(kwMove), Count: 1}
	p.next()
	p.fetchDirection(f)
	f.Cursor = p.colID()
	f.Options = p.withOptions()
	return f
}

// fetchDirection parses everything before the cursor's name.
func (p *parser) fetchDirection(f *ast.Fetch) {
	// A word that ends the statement is the cursor's name.
	if p.peekEnds(1) || p.peekKw(1, kwWith) {
		return
	}
	switch p.cur().kw {
	case kwNext:
		p.next()
	case kwPrior:
		p.next()
		f.Direction = ast.FetchBackward
	case kwFirst:
		p.next()
		f.Direction = ast.FetchAbsolute
	case kwLast:
		p.next()
		f.Direction, f.Count = ast.FetchAbsolute, -1
	case kwAbsolute, kwRelative:
		f.Direction = ast.FetchAbsolute
		if p.isKw(kwRelative) {
			f.Direction = ast.FetchRelative
		}
		p.next()
		f.Count = p.signedInteger()
	case kwForward, kwBackward:
		if p.isKw(kwBackward) {
			f.Direction = ast.FetchBackward
		}
		p.next()
		p.fetchCount(f)
	default:
		p.fetchCount(f)
	}
	if !p.acceptKw(kwFrom) {
		p.acceptKw(kwIn)
	}
}

// fetchCount parses [n|ALL].
func (p *parser) fetchCount(f *ast.Fetch) {
	switch {
	case p.acceptKw(kwAll):
		f.Count = ast.FetchAll
	case p.is(tokInt) || p.is('-') || p.is('+'):
		f.Count = p.signedInteger()
	}
}

// signedInteger parses an integer of 32 bits with a sign.
func (p *parser) signedInteger() int64 {
	minus := p.is('-')
	if minus || p.is('+') {
		p.next()
	}
	n := int64(p.integer())
	if minus {
		return -n
	}
	return n
}

// closeCursor parses CLOSE.
func (p *parser) closeCursor() ast.Stmt {
	s := &ast.CloseCursor{Pos: p.pos()}
	p.next()
	if !p.acceptKw(kwAll) {
		s.Name = p.colID()
	}
	return s
}

// prepare parses PREPARE. PREPARE TRANSACTION is a Utility.
func (p *parser) prepare() ast.Stmt {
	if p.peekKw(1, kwTransaction) && p.peek(2).isString() {
		return p.utilitySet(p.i, "PREPARE TRANSACTION")
	}
	s := &ast.Prepare{Pos: p.pos()}
	p.next()
	s.Name = p.colID()
	if p.accept('(') {
		for {
			s.Types = append(s.Types, p.typeName())
			if !p.accept(',') {
				break
			}
		}
		p.expect(')')
	}
	p.expectKw(kwAs)
	outer := p.maxParam
	if p.isWord("subscribe") {
		s.Stmt = p.subscribe()
	} else {
		s.Stmt = p.preparable()
	}
	// The parameters are those of the prepared statement.
	p.maxParam = outer
	return s
}

// execute parses EXECUTE name [(args)].
func (p *parser) execute() ast.Stmt {
	s := &ast.Execute{Pos: p.pos()}
	p.next()
	s.Name = p.colID()
	if p.accept('(') {
		s.Args = p.exprs()
		p.expect(')')
	}
	return s
}

// deallocate parses DEALLOCATE [PREPARE] name|ALL.
func (p *parser) deallocate() ast.Stmt {
	s := &ast.Deallocate{Pos: p.pos()}
	p.next()
	if p.isKw(kwPrepare) && !p.peekEnds(1) {
		p.next()
	}
	if !p.acceptKw(kwAll) {
		s.Name = p.colID()
	}
	return s
}

// listen parses LISTEN channel.
func (p *parser) listen() ast.Stmt {
	s := &ast.Listen{Pos: p.pos()}
	p.next()
	s.Channel = p.colID()
	return s
}

// unlisten parses UNLISTEN channel|*.
func (p *parser) unlisten() ast.Stmt {
	s := &ast.Unlisten{Pos: p.pos()}
	p.next()
	if !p.accept('*') {
		s.Channel = p.colID()
	}
	return s
}

// notify parses NOTIFY channel [, 'payload'].
func (p *parser) notify() ast.Stmt {
	s := &ast.Notify{Pos: p.pos()}
	p.next()
	s.Channel = p.colID()
	if p.accept(',') {
		s.Payload = p.str()
	}
	return s
}

// commentOn parses COMMENT ON kind name IS text.
func (p *parser) commentOn() ast.Stmt {
	start := p.i
	s := &ast.CommentOn{Pos: p.pos()}
	p.next()
	p.expectKw(kwOn)
	kind, ok := p.objectKind()
	if !ok {
		return p.commentText(start)
	}
	s.Kind = kind
	s.Name = p.commentName(kind)
	p.expectKw(kwIs)
	if !p.acceptKw(kwNull) {
		s.Text = p.str()
	}
	return s
}

// commentName reads the name, which for a column has one part more.
func (p *parser) commentName(kind ast.ObjectKind) *ast.ObjectName {
	if kind != ast.KindColumn {
		return p.objectName()
	}
	n := &ast.ObjectName{Pos: p.pos(), Name: p.colID()}
	for p.accept('.') {
		n.Qualifier = append(n.Qualifier, n.Name)
		n.Name = p.colLabel()
	}
	if len(n.Qualifier) == 0 || len(n.Qualifier) > 3 {
		p.fail()
	}
	return n
}

// commentText makes a Utility of a comment on what has no plain name.
func (p *parser) commentText(start int) ast.Stmt {
	if p.err != nil {
		return &ast.Utility{}
	}
	if _, ok := p.cur().class(); !ok {
		p.fail()
	}
	return p.utilitySet(start, "COMMENT")
}

// copy parses COPY in both directions, with options in both spellings.
func (p *parser) copy() ast.Stmt {
	s := &ast.Copy{Pos: p.pos()}
	p.next()
	if p.acceptKw(kwBinary) {
		s.Options = append(s.Options, copyFormat(s.Pos, "binary"))
	}
	if p.is('(') {
		p.next()
		s.Query = p.preparable()
		p.expect(')')
	} else {
		s.Table = p.objectName()
		if p.is('(') {
			s.Columns = p.parenColIDs()
		}
	}
	if p.isKw(kwFrom) && s.Query == nil {
		p.next()
		s.From = true
	} else {
		p.expectKw(kwTo)
	}
	p.copyTarget(s)
	if p.isKw(kwDelimiters) || p.isKw(kwUsing) {
		p.acceptKw(kwUsing)
		p.expectKw(kwDelimiters)
		s.Options = append(s.Options, &ast.Option{Pos: p.pos(), Name: "delimiter", Value: p.str()})
	}
	p.acceptKw(kwWith)
	if p.is('(') {
		s.Options = append(s.Options, p.copyOptions()...)
	} else {
		p.copyOldOptions(s)
	}
	if s.From && p.acceptKw(kwWhere) {
		s.Where = p.expr()
	}
	return s
}

// copyTarget parses STDIN, STDOUT, a file, or PROGRAM.
func (p *parser) copyTarget(s *ast.Copy) {
	switch {
	case p.acceptKw(kwStdin), p.acceptKw(kwStdout):
	case p.acceptKw(kwProgram):
		s.Target = ast.CopyProgram
		s.Path = p.str().Value
	default:
		s.Target = ast.CopyFile
		s.Path = p.str().Value
	}
}

func copyFormat(pos ast.Pos, format string) *ast.Option {
	return &ast.Option{Pos: pos, Name: "format", Value: &ast.StringLit{Pos: pos, Value: format}}
}

// copyOptions parses (FORMAT csv, FORCE_QUOTE (a, b), ...).
func (p *parser) copyOptions() []*ast.Option {
	var list []*ast.Option
	p.expect('(')
	for {
		o := &ast.Option{Pos: p.pos(), Name: p.colLabel()}
		switch {
		case p.is(',') || p.is(')'):
		case p.accept('*'):
			o.Value = &ast.Star{Pos: o.Pos}
		case p.is('('):
			o.Value = p.nameRow(p.parenColIDs())
		default:
			o.Value = p.looseValue()
		}
		list = append(list, o)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return list
}

// nameRow makes a row of strings of names.
func (p *parser) nameRow(names []string) ast.Expr {
	row := &ast.RowExpr{Pos: p.pos()}
	for _, n := range names {
		row.Args = append(row.Args, &ast.StringLit{Pos: row.Pos, Value: n})
	}
	return row
}

// copyOldOptions parses the options of before PostgreSQL 9.0 and stores them
// under the new names.
func (p *parser) copyOldOptions(s *ast.Copy) {
	for p.err == nil {
		pos := p.pos()
		add := func(name string, v ast.Expr) {
			s.Options = append(s.Options, &ast.Option{Pos: pos, Name: name, Value: v})
		}
		switch {
		case p.acceptKw(kwBinary):
			s.Options = append(s.Options, copyFormat(pos, "binary"))
		case p.acceptKw(kwCsv):
			s.Options = append(s.Options, copyFormat(pos, "csv"))
		case p.acceptKw(kwFreeze):
			add("freeze", nil)
		case p.acceptKw(kwHeader):
			add("header", nil)
		case p.acceptKw(kwDelimiter):
			add("delimiter", p.asString())
		case p.acceptKw(kwNull):
			add("null", p.asString())
		case p.acceptKw(kwQuote):
			add("quote", p.asString())
		case p.acceptKw(kwEscape):
			add("escape", p.asString())
		case p.acceptKw(kwEncoding):
			add("encoding", p.str())
		case p.acceptKws(kwForce, kwQuote):
			if p.accept('*') {
				add("force_quote", &ast.Star{Pos: pos})
			} else {
				add("force_quote", p.nameRow(p.colIDs()))
			}
		case p.acceptKws(kwForce, kwNot, kwNull):
			add("force_not_null", p.nameRow(p.colIDs()))
		case p.acceptKws(kwForce, kwNull):
			add("force_null", p.nameRow(p.colIDs()))
		default:
			return
		}
	}
}

// asString parses [AS] 'string'.
func (p *parser) asString() ast.Expr {
	p.acceptKw(kwAs)
	return p.str()
}
