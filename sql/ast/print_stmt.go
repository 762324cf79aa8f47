package ast

import (
	"strconv"
)

// stmt prints a statement.
func (p *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *SelectStmt:
		p.selectStmt(s)
	case *CreateStream:
		p.createStream(s)
	case *CreateTable:
		p.createTable(s)
	case *CreateView:
		p.createView(s)
	case *CreateMaterializedView:
		p.createMaterializedView(s)
	case *CreateIndex:
		p.createIndex(s)
	case *CreateSink:
		p.createSink(s)
	case *CreateConnection:
		p.createConnection(s)
	case *CreateSecret:
		p.create(false, "SECRET", s.IfNotExists)
		p.name(s.Name)
		p.clause(" AS ", s.Value)
	case *CreateSchema:
		p.createSchema(s)
	case *CreateDatabase:
		p.createDatabase(s)
	case *CreateRole:
		p.createRole(s)
	case *Drop:
		p.drop(s)
	case *Alter:
		p.alter(s)
	case *AlterSystem:
		p.alterSystem(s)
	case *Insert:
		p.insert(s)
	case *Update:
		p.update(s)
	case *Delete:
		p.delete(s)
	case *Truncate:
		p.truncate(s)
	case *Utility:
		p.s(s.Text)
	default:
		p.sessionStmt(s)
	}
}

// sessionStmt prints the statements about transactions, settings, cursors and
// the like.
func (p *printer) sessionStmt(s Stmt) {
	switch s := s.(type) {
	case *Begin:
		p.s("BEGIN")
		p.modes(s.Modes)
	case *Commit:
		p.s("COMMIT")
		p.opt(s.Chain, " AND CHAIN")
	case *Rollback:
		p.s("ROLLBACK")
		p.opt(s.Chain, " AND CHAIN")
	case *Savepoint:
		p.named("SAVEPOINT ", s.Name)
	case *ReleaseSavepoint:
		p.named("RELEASE SAVEPOINT ", s.Name)
	case *RollbackTo:
		p.named("ROLLBACK TO SAVEPOINT ", s.Name)
	case *SetTransaction:
		p.setTransaction(s)
	case *SetVariable:
		p.setVariable(s)
	case *ResetVariable:
		p.resetVariable(s)
	case *ShowVariable:
		p.showVariable(s)
	case *ShowObjects:
		p.showObjects(s)
	case *ShowCreate:
		p.s("SHOW CREATE " + string(s.Kind) + " ")
		p.name(s.Name)
	case *Discard:
		p.s("DISCARD " + s.What)
	case *Explain:
		p.explain(s)
	case *Subscribe:
		p.subscribe(s)
	case *Copy:
		p.copy(s)
	default:
		p.namedStmt(s)
	}
}

// namedStmt prints the statements about cursors, prepared statements and
// channels.
func (p *printer) namedStmt(s Stmt) {
	switch s := s.(type) {
	case *DeclareCursor:
		p.declareCursor(s)
	case *Fetch:
		p.fetch(s)
	case *CloseCursor:
		p.namedOrAll("CLOSE ", s.Name, "ALL")
	case *Prepare:
		p.named("PREPARE ", s.Name)
		if s.Types != nil {
			p.s(" (")
			list(p, s.Types, p.typeName)
			p.s(")")
		}
		p.s(" AS ")
		p.stmt(s.Stmt)
	case *Execute:
		p.named("EXECUTE ", s.Name)
		if s.Args != nil {
			p.call("(", s.Args)
		}
	case *Deallocate:
		p.namedOrAll("DEALLOCATE ", s.Name, "ALL")
	case *Listen:
		p.named("LISTEN ", s.Channel)
	case *Unlisten:
		p.namedOrAll("UNLISTEN ", s.Channel, "*")
	case *Notify:
		p.named("NOTIFY ", s.Channel)
		if s.Payload != nil {
			p.s(", ")
			p.literal(s.Payload.Value)
		}
	case *CommentOn:
		p.s("COMMENT ON " + string(s.Kind) + " ")
		p.name(s.Name)
		p.s(" IS ")
		if s.Text != nil {
			p.literal(s.Text.Value)
		} else {
			p.s("NULL")
		}
	}
}

func (p *printer) named(before, name string) {
	p.s(before)
	p.ident(name)
}

func (p *printer) namedOrAll(before, name, all string) {
	if name == "" {
		p.s(before + all)
		return
	}
	p.named(before, name)
}

func (p *printer) modes(modes []TransactionMode) {
	for i, m := range modes {
		p.opt(i > 0, ",")
		p.s(" ")
		p.s(string(m))
	}
}

func (p *printer) setTransaction(s *SetTransaction) {
	switch {
	case s.Session:
		p.s("SET SESSION CHARACTERISTICS AS TRANSACTION")
	case s.Snapshot != nil:
		p.s("SET TRANSACTION SNAPSHOT ")
		p.literal(s.Snapshot.Value)
	default:
		p.s("SET TRANSACTION")
	}
	p.modes(s.Modes)
}

// variable prints the name of a setting, quoted where its first word would be
// read as another statement.
func (p *printer) variable(name SettingName) {
	for i, part := range name {
		p.opt(i > 0, ".")
		switch {
		case i == 0 && (part == "transaction" || part == "constraints" || part == "tablespace"):
			p.quoted(part)
		default:
			p.ident(part)
		}
	}
}

func (p *printer) setVariable(s *SetVariable) {
	p.s("SET ")
	p.opt(s.Local, "LOCAL ")
	if len(s.Values) == 1 && s.Name.is("timezone") {
		if _, ok := s.Values[0].(*CastExpr); ok {
			p.s("TIME ZONE ")
			p.expr(s.Values[0])
			return
		}
	}
	p.variable(s.Name)
	switch {
	case s.FromCurrent:
		p.s(" FROM CURRENT")
	case s.Values == nil:
		p.s(" TO DEFAULT")
	default:
		p.s(" TO ")
		p.exprs(s.Values)
	}
}

func (p *printer) resetVariable(s *ResetVariable) {
	p.s("RESET ")
	if s.Name == nil {
		p.s("ALL")
		return
	}
	p.variable(s.Name)
}

func (p *printer) showVariable(s *ShowVariable) {
	p.s("SHOW ")
	switch s.Name.String() {
	case "":
		p.s("ALL")
	case "streams", "sources", "tables", "views", "sinks", "indexes", "connections", "secrets", "schemas", "databases",
		"roles", "columns", "watermarks", "jobs", "queries", "subscriptions", "functions", "types", "objects":
		p.quoted(s.Name.String())
	default:
		p.variable(s.Name)
	}
}

func (p *printer) showObjects(s *ShowObjects) {
	p.s("SHOW " + s.Kind)
	if s.From != nil {
		p.s(" FROM ")
		p.name(s.From)
	}
	if s.Like != nil {
		p.s(" LIKE ")
		p.literal(s.Like.Value)
	}
	p.clause(" WHERE ", s.Where)
}

func (p *printer) explain(e *Explain) {
	p.s("EXPLAIN ")
	if e.Options != nil {
		p.s("(")
		list(p, e.Options, p.wordOption)
		p.s(") ")
	}
	if e.Stage != ExplainDefault {
		p.s(string(e.Stage) + " ")
		if e.StageOptions != nil {
			p.options("WITH ", e.StageOptions)
			p.s(" ")
		}
	}
	if e.Name != nil {
		p.s(string(e.Kind) + " ")
		p.name(e.Name)
		return
	}
	p.stmt(e.Stmt)
}

func (p *printer) subscribe(s *Subscribe) {
	p.s("SUBSCRIBE TO ")
	if s.Query != nil {
		p.query("(", s.Query)
	} else {
		p.name(s.Name)
	}
	if s.Envelope != "" {
		p.s(" ENVELOPE " + s.Envelope)
		if s.Key != nil {
			p.s(" (")
			p.parenIdents("KEY ", s.Key)
			p.s(")")
		}
	}
	p.orderBy(" WITHIN TIMESTAMP ", s.WithinTimestampOrderBy)
	p.options(" WITH ", s.Options)
	if s.AsOf != nil {
		p.s(" ")
		p.asOf(s.AsOf)
	}
	p.clause(" UP TO ", s.UpTo)
}

func (p *printer) declareCursor(d *DeclareCursor) {
	p.named("DECLARE ", d.Name)
	p.opt(d.Binary, " BINARY")
	p.opt(d.Insensitive, " INSENSITIVE")
	p.opt(d.Scroll == ScrollYes, " SCROLL")
	p.opt(d.Scroll == ScrollNo, " NO SCROLL")
	p.s(" CURSOR")
	p.opt(d.Hold, " WITH HOLD")
	p.s(" FOR ")
	p.stmt(d.Query)
}

func (p *printer) fetch(f *Fetch) {
	if f.Move {
		p.s("MOVE ")
	} else {
		p.s("FETCH ")
	}
	p.s([...]string{"FORWARD ", "BACKWARD ", "ABSOLUTE ", "RELATIVE "}[f.Direction])
	if f.Count == FetchAll {
		p.s("ALL")
	} else {
		p.s(strconv.FormatInt(f.Count, 10))
	}
	p.named(" FROM ", f.Cursor)
	p.options(" WITH ", f.Options)
}

func (p *printer) copy(c *Copy) {
	p.s("COPY ")
	if c.Query != nil {
		p.s("(")
		p.stmt(c.Query)
		p.s(")")
	} else {
		p.name(c.Table)
		p.parenIdents(" ", c.Columns)
	}
	if c.From {
		p.s(" FROM ")
	} else {
		p.s(" TO ")
	}
	switch {
	case c.Target == CopyProgram:
		p.s("PROGRAM ")
		p.literal(c.Path)
	case c.Target == CopyFile:
		p.literal(c.Path)
	case c.From:
		p.s("STDIN")
	default:
		p.s("STDOUT")
	}
	if c.Options != nil {
		p.s(" WITH (")
		list(p, c.Options, p.wordOption)
		p.s(")")
	}
	p.clause(" WHERE ", c.Where)
}

// wordOption prints an option of PostgreSQL's own statements, without equals
// sign; lists are of names.
func (p *printer) wordOption(o *Option) {
	switch {
	case o.Name == "select", o.Name == "with", o.Name == "table", o.Name == "values":
		p.quoted(o.Name) // would begin a query
	case bareIdent(o.Name):
		p.s(o.Name)
	default:
		p.quoted(o.Name)
	}
	switch v := o.Value.(type) {
	case nil:
	case *RowExpr:
		p.s(" (")
		for i, a := range v.Args {
			p.opt(i > 0, ", ")
			p.ident(stringValue(a))
		}
		p.s(")")
	default:
		p.s(" ")
		p.expr(v)
	}
}
