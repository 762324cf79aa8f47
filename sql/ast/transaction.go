package ast

// TransactionMode is one mode of BEGIN or SET TRANSACTION in SQL's spelling:
// "ISOLATION LEVEL SERIALIZABLE", "READ ONLY", "NOT DEFERRABLE", ....
type TransactionMode string

// Begin is BEGIN or START TRANSACTION.
type Begin struct {
	Pos
	Modes []TransactionMode
}

// Commit is COMMIT or END.
type Commit struct {
	Pos
	Chain bool
}

// Rollback is ROLLBACK or ABORT.
type Rollback struct {
	Pos
	Chain bool
}

// Savepoint is SAVEPOINT name.
type Savepoint struct {
	Pos
	Name string
}

// ReleaseSavepoint is RELEASE [SAVEPOINT] name.
type ReleaseSavepoint struct {
	Pos
	Name string
}

// RollbackTo is ROLLBACK TO [SAVEPOINT] name.
type RollbackTo struct {
	Pos
	Name string
}

// SetTransaction is SET TRANSACTION, or with Session SET SESSION
// CHARACTERISTICS AS TRANSACTION.
type SetTransaction struct {
	Pos
	Session bool
	Modes   []TransactionMode
	// Snapshot is that of SET TRANSACTION SNAPSHOT, nil without one.
	Snapshot *StringLit
}

func (*Begin) stmt()            {}
func (*Commit) stmt()           {}
func (*Rollback) stmt()         {}
func (*Savepoint) stmt()        {}
func (*ReleaseSavepoint) stmt() {}
func (*RollbackTo) stmt()       {}
func (*SetTransaction) stmt()   {}
