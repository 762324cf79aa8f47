package ast

func (p *printer) alter(a *Alter) {
	p.s("ALTER " + string(a.Kind) + " ")
	p.opt(a.IfExists, "IF EXISTS ")
	p.opt(a.Only, "ONLY ")
	p.name(a.Name)
	p.s(" ")
	list(p, a.Actions, p.alterAction)
}

// alterAction prints one action.
func (p *printer) alterAction(a AlterAction) {
	switch a := a.(type) {
	case *RenameTo:
		p.s("RENAME TO ")
		p.ident(a.Name)
	case *RenameColumn:
		p.rename("RENAME COLUMN ", a.From, a.To)
	case *RenameConstraint:
		p.rename("RENAME CONSTRAINT ", a.From, a.To)
	case *SetSchema:
		p.s("SET SCHEMA ")
		p.ident(a.Schema)
	case *OwnerTo:
		p.s("OWNER TO ")
		p.role(a.Role)
	case *SwapWith:
		p.s("SWAP WITH ")
		p.name(a.With)
	case *SetOptions:
		p.options("SET ", a.Options)
	case *ResetOptions:
		p.s("RESET (")
		list(p, a.Names, p.optionName)
		p.s(")")
	case *Pause:
		p.s("PAUSE")
	case *Resume:
		p.s("RESUME")
	case *Resnapshot:
		p.s("RESNAPSHOT")
	case *RefreshSchema:
		p.s("REFRESH SCHEMA")
	case *Seek:
		p.options("SEEK TO ", a.Options)
	case *AddConstraint:
		p.s("ADD ")
		p.constraint(a.Constraint)
	case *DropConstraint:
		p.s("DROP CONSTRAINT ")
		p.opt(a.IfExists, "IF EXISTS ")
		p.ident(a.Name)
		p.opt(a.Cascade, " CASCADE")
	default:
		p.columnAction(a)
	}
}

func (p *printer) rename(before, from, to string) {
	p.s(before)
	p.ident(from)
	p.s(" TO ")
	p.ident(to)
}

func (p *printer) columnAction(a AlterAction) {
	switch a := a.(type) {
	case *AddColumn:
		p.s("ADD COLUMN ")
		p.opt(a.IfNotExists, "IF NOT EXISTS ")
		p.columnDef(a.Column)
	case *DropColumn:
		p.s("DROP COLUMN ")
		p.opt(a.IfExists, "IF EXISTS ")
		p.ident(a.Column)
		p.opt(a.Cascade, " CASCADE")
	case *AlterColumn:
		p.alterColumn(a)
	}
}

func (p *printer) alterColumn(a *AlterColumn) {
	p.s("ALTER COLUMN ")
	p.ident(a.Column)
	switch a.Kind {
	case AlterColumnSetDefault:
		p.clause(" SET DEFAULT ", a.Expr)
	case AlterColumnDropDefault:
		p.s(" DROP DEFAULT")
	case AlterColumnSetNotNull:
		p.s(" SET NOT NULL")
	case AlterColumnDropNotNull:
		p.s(" DROP NOT NULL")
	case AlterColumnType:
		p.s(" TYPE ")
		p.typeName(a.Type)
		if a.Collation != nil {
			p.s(" COLLATE ")
			p.name(a.Collation)
		}
		p.clause(" USING ", a.Expr)
	}
}

func (p *printer) alterSystem(a *AlterSystem) {
	p.s("ALTER " + string(a.Kind))
	if a.Kind != KindSystem {
		p.s(" ")
		if a.Name == "" {
			p.s("ALL")
		} else {
			p.role(a.Name)
		}
	}
	if a.InDatabase != "" {
		p.s(" IN DATABASE ")
		p.ident(a.InDatabase)
	}
	p.s(" ")
	if a.Set != nil {
		p.setVariable(a.Set)
	} else {
		p.resetVariable(a.Reset)
	}
}
