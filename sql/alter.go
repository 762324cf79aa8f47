package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// alter parses ALTER. Kinds and actions that nothing here reads are a Utility.
func (p *parser) alter() ast.Stmt {
	start := p.i
	pos := p.pos()
	p.next()
	kind, ok := p.objectKind()
	if !ok || kind == ast.KindColumn {
		return p.utilityFrom(start)
	}
	switch kind {
	case ast.KindSystem:
		return p.alterSetting(&ast.AlterSystem{Pos: pos, Kind: kind}, start)
	case ast.KindRole, ast.KindUser, ast.KindGroup, ast.KindDatabase:
		return p.alterRole(pos, kind, start)
	}
	a := &ast.Alter{Pos: pos, Kind: kind}
	a.IfExists = p.acceptKws(kwIf, kwExists)
	a.Only = p.acceptKw(kwOnly)
	if p.isKw(kwAll) {
		return p.utilityFrom(start)
	}
	a.Name = p.objectName()
	p.accept('*')
	for p.err == nil {
		at := p.cur()
		action := p.alterAction()
		if action == nil && !otherAction(at.kw) {
			p.failAt(at)
		}
		if action == nil {
			return p.utilityFrom(start)
		}
		a.Actions = append(a.Actions, action)
		if !p.accept(',') {
			break
		}
	}
	return a
}

// otherAction reports whether a keyword begins an action of ALTER that
// PostgreSQL knows and nothing here reads.
func otherAction(kw keyword) bool {
	switch kw {
	case kwAdd, kwAlter, kwDrop, kwSet, kwReset, kwRename, kwEnable, kwDisable, kwAttach, kwDetach, kwValidate,
		kwCluster, kwInherit, kwNo, kwOf, kwNot, kwForce, kwReplica, kwOptions, kwDepends, kwRefresh,
		kwAs, kwIncrement, kwMinvalue, kwMaxvalue, kwStart, kwRestart, kwCache, kwCycle, kwOwned, kwSequence, kwUpdate:
		return true
	}
	return false
}

// alterRole parses ALTER ROLE|USER|GROUP|DATABASE: settings, options, names.
func (p *parser) alterRole(pos ast.Pos, kind ast.ObjectKind, start int) ast.Stmt {
	if kind == ast.KindUser && p.userMappingFollows(0) {
		return p.utilityFrom(start)
	}
	s := &ast.AlterSystem{Pos: pos, Kind: kind}
	at := p.pos()
	if !p.acceptKw(kwAll) {
		s.Name = p.roleName()
	}
	if p.acceptKws(kwIn, kwDatabase) {
		s.InDatabase = p.colID()
	}
	name := &ast.ObjectName{Pos: at, Name: s.Name}
	switch {
	case p.isKw(kwSet) && p.peekKw(1, kwTablespace):
		return p.utilityFrom(start)
	case p.isKw(kwSet), p.isKw(kwReset):
		return p.alterSetting(s, start)
	case p.isKw(kwRename), p.isKw(kwOwner):
		return &ast.Alter{Pos: pos, Kind: kind, Name: name, Actions: []ast.AlterAction{p.alterAction()}}
	case kind == ast.KindDatabase, kind == ast.KindGroup, s.InDatabase != "":
		return p.utilityFrom(start)
	}
	if s.Name == "" {
		p.fail()
	}
	p.acceptKw(kwWith)
	return &ast.CreateRole{Pos: pos, Kind: kind, Alter: true, Name: s.Name, Options: p.roleOptions()}
}

// alterSetting parses SET or RESET of ALTER SYSTEM, ROLE and DATABASE.
func (p *parser) alterSetting(s *ast.AlterSystem, start int) ast.Stmt {
	pos := p.pos()
	switch {
	case p.acceptKw(kwReset):
		s.Reset = &ast.ResetVariable{Pos: pos, Name: p.specialVariable()}
	case p.isKw(kwSet) && p.peekKw(1, kwTransaction):
		return p.utilityFrom(start)
	default:
		p.expectKw(kwSet)
		s.Set = p.setRest(pos)
	}
	return s
}

// alterAction parses one action, nil if nothing here reads it.
func (p *parser) alterAction() ast.AlterAction {
	pos := p.pos()
	switch p.cur().kw {
	case kwRename:
		return p.alterRename()
	case kwOwner:
		p.next()
		p.expectKw(kwTo)
		return &ast.OwnerTo{Pos: pos, Role: p.roleName()}
	case kwSet:
		return p.alterSet()
	case kwReset:
		return p.alterReset()
	case kwAdd:
		return p.alterAdd()
	case kwDrop:
		return p.alterDrop()
	case kwAlter:
		return p.alterColumn()
	case kwRefresh:
		if p.peekKw(1, kwSchema) {
			p.i += 2
			return &ast.RefreshSchema{Pos: pos}
		}
		return nil
	}
	switch {
	case p.acceptWord("pause"):
		return &ast.Pause{Pos: pos}
	case p.acceptWord("resume"):
		return &ast.Resume{Pos: pos}
	case p.acceptWord("resnapshot"):
		return &ast.Resnapshot{Pos: pos}
	case p.acceptWord("swap"):
		p.expectKw(kwWith)
		return &ast.SwapWith{Pos: pos, With: p.objectName()}
	case p.acceptWord("seek"):
		return p.alterSeek(pos)
	}
	return nil
}

// alterSeek parses SEEK (options) and SEEK TO position.
func (p *parser) alterSeek(pos ast.Pos) ast.AlterAction {
	s := &ast.Seek{Pos: pos}
	if p.is('(') {
		s.Options = p.parenOptions()
		return s
	}
	p.expectKw(kwTo)
	if p.is('(') {
		s.Options = p.parenOptions()
		return s
	}
	o := &ast.Option{Pos: p.pos(), Name: "start"}
	switch t := p.cur(); {
	case (t.kw == kwOffset || t.kw == kwTimestamp) && !p.peekEnds(1):
		o.Name = p.name(t)
		p.next()
		o.Value = p.optionValue()
	default:
		o.Value = p.optionValue()
	}
	s.Options = []*ast.Option{o}
	return s
}

func (p *parser) alterRename() ast.AlterAction {
	pos := p.pos()
	if p.peekKw(1, kwAttribute) && !p.peekKw(2, kwTo) || p.peekKw(1, kwValue) && p.peek(2).isString() {
		return nil
	}
	p.next()
	switch {
	case p.acceptKw(kwTo):
		return &ast.RenameTo{Pos: pos, Name: p.colID()}
	case p.acceptKw(kwConstraint):
		r := &ast.RenameConstraint{Pos: pos, From: p.colID()}
		p.expectKw(kwTo)
		r.To = p.colID()
		return r
	}
	p.acceptKw(kwColumn)
	r := &ast.RenameColumn{Pos: pos, From: p.colID()}
	p.expectKw(kwTo)
	r.To = p.colID()
	return r
}

func (p *parser) alterSet() ast.AlterAction {
	pos := p.pos()
	switch next := p.peek(1); {
	case next.kw == kwSchema && p.peek(2).kind != '=':
		p.i += 2
		return &ast.SetSchema{Pos: pos, Schema: p.colID()}
	case next.kind == '(':
		p.next()
		return &ast.SetOptions{Pos: pos, Options: p.parenOptions()}
	}
	if k := p.peek(2).kind; k != '=' && k != '.' && !p.peekKw(2, kwTo) {
		return nil
	}
	p.next()
	o := &ast.Option{Pos: p.pos(), Name: p.variableName().String()}
	if !p.accept('=') {
		p.expectKw(kwTo)
	}
	o.Value = p.optionValue()
	return &ast.SetOptions{Pos: pos, Options: []*ast.Option{o}}
}

func (p *parser) alterReset() ast.AlterAction {
	r := &ast.ResetOptions{Pos: p.pos()}
	p.next()
	paren := p.accept('(')
	for {
		if p.cur().isString() {
			r.Names = append(r.Names, p.str().Value)
		} else {
			r.Names = append(r.Names, p.dottedLabel())
		}
		if !paren || !p.accept(',') {
			break
		}
	}
	if paren {
		p.expect(')')
	}
	return r
}

// dottedLabel reads an option's name with dots.
func (p *parser) dottedLabel() string {
	name := p.colLabel()
	for parts := 1; p.accept('.'); parts++ {
		if parts > maxNameParts {
			p.fail()
		}
		name += "." + p.colLabel()
	}
	return name
}

func (p *parser) alterAdd() ast.AlterAction {
	pos := p.pos()
	if p.peekKw(1, kwExclude) || p.peekKw(1, kwValue) || p.peekKw(1, kwAttribute) ||
		p.peekKw(1, kwGenerated) || p.peekKw(1, kwTable) {
		return nil
	}
	p.next()
	if p.atExclude() {
		return nil
	}
	if p.atTableConstraint() {
		if p.usingIndexFollows() {
			return nil
		}
		return &ast.AddConstraint{Pos: pos, Constraint: p.tableConstraint()}
	}
	p.acceptKw(kwColumn)
	a := &ast.AddColumn{Pos: pos, IfNotExists: p.ifNotExists()}
	a.Column = p.columnDef()
	if p.err == nil && a.Column.Type == nil {
		p.fail()
	}
	return a
}

// usingIndexFollows reports whether the constraint is made of an index, which
// nothing here reads.
func (p *parser) usingIndexFollows() bool {
	for i := 0; i < 6; i++ {
		if p.peekKw(i, kwUsing) && p.peekKw(i+1, kwIndex) && !p.peekKw(i+2, kwTablespace) {
			return true
		}
	}
	return false
}

func (p *parser) alterDrop() ast.AlterAction {
	pos := p.pos()
	if p.peekKw(1, kwAttribute) {
		return nil
	}
	p.next()
	if p.acceptKw(kwConstraint) {
		d := &ast.DropConstraint{Pos: pos, IfExists: p.acceptKws(kwIf, kwExists)}
		d.Name = p.colID()
		d.Cascade = p.cascade()
		return d
	}
	p.acceptKw(kwColumn)
	d := &ast.DropColumn{Pos: pos, IfExists: p.acceptKws(kwIf, kwExists)}
	d.Column = p.colID()
	d.Cascade = p.cascade()
	return d
}

// alterColumn parses ALTER [COLUMN] name with the changes that are known.
func (p *parser) alterColumn() ast.AlterAction {
	a := &ast.AlterColumn{Pos: p.pos()}
	if p.peekKw(1, kwConstraint) || p.peekKw(1, kwAttribute) {
		return nil
	}
	p.next()
	p.acceptKw(kwColumn)
	if !p.cur().isColID() {
		return nil
	}
	a.Column = p.colID()
	switch {
	case p.acceptKws(kwSet, kwDefault):
		a.Kind = ast.AlterColumnSetDefault
		a.Expr = p.expr()
	case p.acceptKws(kwDrop, kwDefault):
		a.Kind = ast.AlterColumnDropDefault
	case p.acceptKws(kwSet, kwNot, kwNull):
		a.Kind = ast.AlterColumnSetNotNull
	case p.acceptKws(kwDrop, kwNot, kwNull):
		a.Kind = ast.AlterColumnDropNotNull
	case p.isKw(kwType), p.isKw(kwSet) && p.peekKw(1, kwData):
		if p.acceptKw(kwSet) {
			p.next()
		}
		p.expectKw(kwType)
		a.Type = p.typeName()
		if p.acceptKw(kwCollate) {
			a.Collation = p.objectName()
		}
		if p.acceptKw(kwUsing) {
			a.Expr = p.expr()
		}
	default:
		return nil
	}
	return a
}
