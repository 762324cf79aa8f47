package ast

// Pos is a byte offset into the text that was given to the parser. It is
// embedded in every node.
type Pos int

// Position returns the byte offset as a plain int.
func (p Pos) Position() int { return int(p) }

// Node is any node of the tree.
type Node interface {
	// Position returns the byte offset for error messages about the node.
	Position() int
}

// Stmt is a complete statement.
type Stmt interface {
	Node
	stmt()
}

// Expr is a scalar expression.
type Expr interface {
	Node
	expr()
}

// Parsed is one statement of a parsed string.
type Parsed struct {
	Stmt Stmt
	// Text is the statement's slice of the parsed string, without the
	// semicolon and the space around it.
	Text string
	// Start is the byte offset of Text in the parsed string. Positions in
	// the tree and in errors are relative to the parsed string.
	Start int
	// NumParams is the highest number n of a $n parameter, 0 without any.
	NumParams int
}

// ObjectName is a possibly qualified name of a relation, type, function or
// other object: [catalog.][schema.]name, already folded.
type ObjectName struct {
	Pos
	Qualifier []string
	Name      string
}

// Schema returns the last qualifier, "" without one.
func (n *ObjectName) Schema() string {
	if len(n.Qualifier) == 0 {
		return ""
	}
	return n.Qualifier[len(n.Qualifier)-1]
}

// Catalog returns the qualifier before the schema, "" without one.
func (n *ObjectName) Catalog() string {
	if len(n.Qualifier) < 2 {
		return ""
	}
	return n.Qualifier[len(n.Qualifier)-2]
}

// Option is one k = v of a WITH list or of a parenthesised option list.
type Option struct {
	Pos
	// Name is folded; several words are joined with '_', dots are kept.
	Name string
	// Value is nil when the option was given without one. Bare words are
	// StringLit, on and off among them; true and false are BoolLit.
	Value Expr
	// On is the column of RETENTION = 'interval' ON column, "" if there is none.
	On string
}

// SecretRef is SECRET name as the value of an option.
type SecretRef struct {
	Pos
	Name *ObjectName
}

// ObjectKind names a kind of object in DROP, ALTER, SHOW and COMMENT. The
// value is the SQL spelling in upper case.
type ObjectKind string

// The kinds of objects that statements name.
const (
	KindTable            ObjectKind = "TABLE"
	KindStream           ObjectKind = "STREAM"
	KindSource           ObjectKind = "SOURCE"
	KindView             ObjectKind = "VIEW"
	KindMaterializedView ObjectKind = "MATERIALIZED VIEW"
	KindIndex            ObjectKind = "INDEX"
	KindSink             ObjectKind = "SINK"
	KindConnection       ObjectKind = "CONNECTION"
	KindSecret           ObjectKind = "SECRET"
	KindSchema           ObjectKind = "SCHEMA"
	KindDatabase         ObjectKind = "DATABASE"
	KindRole             ObjectKind = "ROLE"
	KindUser             ObjectKind = "USER"
	KindGroup            ObjectKind = "GROUP"
	KindSequence         ObjectKind = "SEQUENCE"
	KindType             ObjectKind = "TYPE"
	KindDomain           ObjectKind = "DOMAIN"
	KindExtension        ObjectKind = "EXTENSION"
	KindColumn           ObjectKind = "COLUMN"
	KindSystem           ObjectKind = "SYSTEM"
)

func (*SecretRef) expr() {}
