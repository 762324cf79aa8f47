package ast

// withClause prints WITH in front of a data change.
func (p *printer) withClause(w *With) {
	if w != nil {
		p.with(w)
		p.s(" ")
	}
}

func (p *printer) insert(s *Insert) {
	p.withClause(s.With)
	p.s("INSERT INTO ")
	p.tableRef(s.Table)
	if s.Columns != nil {
		p.s(" (")
		list(p, s.Columns, p.assignTarget)
		p.s(")")
	}
	p.opt(s.Overriding == OverridingUser, " OVERRIDING USER VALUE")
	p.opt(s.Overriding == OverridingSystem, " OVERRIDING SYSTEM VALUE")
	if s.Query == nil {
		p.s(" DEFAULT VALUES")
	} else {
		p.s(" ")
		p.selectStmt(s.Query)
	}
	if s.OnConflict != nil {
		p.s(" ")
		p.onConflict(s.OnConflict)
	}
	p.targets(" RETURNING ", s.Returning)
}

func (p *printer) assignTarget(t *AssignTarget) {
	p.ident(t.Column)
	for _, e := range t.Path {
		p.operand(e, false)
	}
}

func (p *printer) onConflict(c *OnConflict) {
	p.s("ON CONFLICT ")
	switch {
	case c.Items != nil:
		p.s("(")
		list(p, c.Items, p.indexItem)
		p.s(")")
		p.clause(" WHERE ", c.Where)
		p.s(" ")
	case c.Constraint != "":
		p.named("ON CONSTRAINT ", c.Constraint)
		p.s(" ")
	}
	if c.Sets == nil {
		p.s("DO NOTHING")
		return
	}
	p.s("DO UPDATE SET ")
	list(p, c.Sets, p.setClause)
	p.clause(" WHERE ", c.DoWhere)
}

func (p *printer) setClause(c *SetClause) {
	p.opt(c.Multi, "(")
	list(p, c.Targets, p.assignTarget)
	p.opt(c.Multi, ")")
	p.s(" = ")
	p.expr(c.Value)
}

func (p *printer) update(s *Update) {
	p.withClause(s.With)
	p.s("UPDATE ")
	p.tableRef(s.Table)
	p.s(" SET ")
	list(p, s.Sets, p.setClause)
	p.tables(" FROM ", s.From)
	p.dmlWhere(s.Where, s.CurrentOf)
	p.targets(" RETURNING ", s.Returning)
}

func (p *printer) delete(s *Delete) {
	p.withClause(s.With)
	p.s("DELETE FROM ")
	p.tableRef(s.Table)
	p.tables(" USING ", s.Using)
	p.dmlWhere(s.Where, s.CurrentOf)
	p.targets(" RETURNING ", s.Returning)
}

func (p *printer) dmlWhere(where Expr, currentOf string) {
	p.clause(" WHERE ", where)
	if currentOf != "" {
		p.named(" WHERE CURRENT OF ", currentOf)
	}
}

func (p *printer) truncate(s *Truncate) {
	p.s("TRUNCATE TABLE ")
	list(p, s.Tables, p.tableRef)
	p.opt(s.RestartIdentity, " RESTART IDENTITY")
	p.opt(s.Cascade, " CASCADE")
}
