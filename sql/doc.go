// Package sql turns SQL text into the statements of package ast.
//
// The lexer (lexer.go) follows PostgreSQL 15's rules to the letter; the parser
// is recursive descent with a Pratt loop for expressions (expr.go), whose
// levels are PostgreSQL's %left table. The streaming statements and clauses
// are part of the grammar, their words are not keywords: stream, sink,
// watermark, subscribe, emit and the like stay usable as names everywhere.
//
// Guarantees:
//
//	I1  Parse never panics and its recursion is bounded (MaxDepth); its time
//	    and memory are linear in the text, which MaxBytes bounds.
//	I2  An error is a *sqlerr.Error with a position in the given text, its
//	    wording and SQLSTATE are PostgreSQL's.
//	I3  ast.String prints what was parsed in a form that parses to the same.
//
// The package knows no catalog and resolves nothing. It keeps no state: all
// functions may be called concurrently. Start reading at parser.go.
package sql
