package ast

// Alter is ALTER kind name action, .... ALTER statements that do not fit are
// Utility.
type Alter struct {
	Pos
	Kind     ObjectKind
	IfExists bool
	Only     bool
	Name     *ObjectName
	Actions  []AlterAction
}

// AlterAction is one change that ALTER makes.
type AlterAction interface {
	Node
	alterAction()
}

// RenameTo is RENAME TO name.
type RenameTo struct {
	Pos
	Name string
}

// RenameColumn is RENAME [COLUMN] name TO name.
type RenameColumn struct {
	Pos
	From string
	To   string
}

// RenameConstraint is RENAME CONSTRAINT name TO name.
type RenameConstraint struct {
	Pos
	From string
	To   string
}

// SetSchema is SET SCHEMA name.
type SetSchema struct {
	Pos
	Schema string
}

// OwnerTo is OWNER TO role.
type OwnerTo struct {
	Pos
	Role string
}

// SwapWith is SWAP WITH name.
type SwapWith struct {
	Pos
	With *ObjectName
}

// SetOptions is SET (k = v, ...); SET k = v is a second spelling.
type SetOptions struct {
	Pos
	Options []*Option
}

// ResetOptions is RESET (k, ...); RESET k is a second spelling.
type ResetOptions struct {
	Pos
	Names []string
}

// Pause is PAUSE.
type Pause struct{ Pos }

// Resume is RESUME.
type Resume struct{ Pos }

// Resnapshot is RESNAPSHOT, which makes a diverged sink start anew.
type Resnapshot struct{ Pos }

// RefreshSchema is REFRESH SCHEMA.
type RefreshSchema struct{ Pos }

// Seek is SEEK TO options or SEEK (options): a new position of a source.
type Seek struct {
	Pos
	Options []*Option
}

// AddColumn is ADD [COLUMN] [IF NOT EXISTS] definition.
type AddColumn struct {
	Pos
	IfNotExists bool
	Column      *ColumnDef
}

// DropColumn is DROP [COLUMN] [IF EXISTS] name [CASCADE].
type DropColumn struct {
	Pos
	IfExists bool
	Column   string
	Cascade  bool
}

// AddConstraint is ADD constraint.
type AddConstraint struct {
	Pos
	Constraint *Constraint
}

// DropConstraint is DROP CONSTRAINT [IF EXISTS] name [CASCADE].
type DropConstraint struct {
	Pos
	IfExists bool
	Name     string
	Cascade  bool
}

// AlterColumnKind says what AlterColumn changes.
type AlterColumnKind uint8

// The changes of a column.
const (
	AlterColumnType AlterColumnKind = iota
	AlterColumnSetDefault
	AlterColumnDropDefault
	AlterColumnSetNotNull
	AlterColumnDropNotNull
)

// AlterColumn is ALTER [COLUMN] name ....
type AlterColumn struct {
	Pos
	Column    string
	Kind      AlterColumnKind
	Type      *TypeName
	Collation *ObjectName
	// Expr is the default, or what follows USING after a type.
	Expr Expr
}

// AlterSystem is ALTER SYSTEM SET|RESET, or ALTER ROLE|DATABASE name SET|RESET.
type AlterSystem struct {
	Pos
	// Kind is KindSystem, KindRole, KindUser or KindDatabase.
	Kind ObjectKind
	// Name is the role or database, "" for ALL and for the system.
	Name string
	// InDatabase is that of ALTER ROLE r IN DATABASE d.
	InDatabase string
	// Exactly one of Set and Reset is set.
	Set   *SetVariable
	Reset *ResetVariable
}

func (*Alter) stmt()       {}
func (*AlterSystem) stmt() {}

func (*RenameTo) alterAction()         {}
func (*RenameColumn) alterAction()     {}
func (*RenameConstraint) alterAction() {}
func (*SetSchema) alterAction()        {}
func (*OwnerTo) alterAction()          {}
func (*SwapWith) alterAction()         {}
func (*SetOptions) alterAction()       {}
func (*ResetOptions) alterAction()     {}
func (*Pause) alterAction()            {}
func (*Resume) alterAction()           {}
func (*Resnapshot) alterAction()       {}
func (*RefreshSchema) alterAction()    {}
func (*Seek) alterAction()             {}
func (*AddColumn) alterAction()        {}
func (*DropColumn) alterAction()       {}
func (*AddConstraint) alterAction()    {}
func (*DropConstraint) alterAction()   {}
func (*AlterColumn) alterAction()      {}
