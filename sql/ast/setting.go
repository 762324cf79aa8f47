package ast

import (
	"slices"
	"strings"
)

// SettingName is the name of a setting, its folded parts. The parts stay apart
// because one may hold dots itself: "a.b" and a.b are the same setting, but a
// part is quoted and cut on its own.
type SettingName []string

// String returns the name as the settings are listed, with dots between the
// parts.
func (n SettingName) String() string { return strings.Join(n, ".") }

// is reports whether the name is one word.
func (n SettingName) is(word string) bool { return slices.Equal(n, SettingName{word}) }

// SetVariable is SET [LOCAL] name TO values. SET TIME ZONE, SET ROLE, SET
// NAMES, SET SCHEMA and SET SESSION AUTHORIZATION are stored under timezone,
// role, client_encoding, search_path and session_authorization.
type SetVariable struct {
	Pos
	Local bool
	Name  SettingName
	// Values are constants: StringLit also for bare words, NumberLit,
	// UnaryExpr of a NumberLit, BoolLit, or a CastExpr for an interval.
	// No values at all mean DEFAULT.
	Values []Expr
	// FromCurrent is SET name FROM CURRENT.
	FromCurrent bool
}

// ResetVariable is RESET name; no name for RESET ALL.
type ResetVariable struct {
	Pos
	Name SettingName
}

// ShowVariable is SHOW name; no name for SHOW ALL.
type ShowVariable struct {
	Pos
	Name SettingName
}

// ShowObjects is SHOW kind, a list of objects.
type ShowObjects struct {
	Pos
	// Kind is upper case in the plural: SOURCES, STREAMS, TABLES, VIEWS,
	// MATERIALIZED VIEWS, SINKS, INDEXES, ....
	Kind string
	// From is the schema, or for indexes and columns the relation; nil
	// without one.
	From *ObjectName
	// Like and Where filter; at most one of them is set.
	Like  *StringLit
	Where Expr
}

// ShowCreate is SHOW CREATE kind name.
type ShowCreate struct {
	Pos
	Kind ObjectKind
	Name *ObjectName
}

// Discard is DISCARD what.
type Discard struct {
	Pos
	// What is ALL, PLANS, SEQUENCES or TEMP.
	What string
}

func (*SetVariable) stmt()   {}
func (*ResetVariable) stmt() {}
func (*ShowVariable) stmt()  {}
func (*ShowObjects) stmt()   {}
func (*ShowCreate) stmt()    {}
func (*Discard) stmt()       {}
