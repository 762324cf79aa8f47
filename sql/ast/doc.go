// Package ast defines the syntax tree of streamdb's SQL.
//
// The nodes are plain structs, one file a family: expr*.go expressions,
// query.go and table.go queries, and a file for each kind of statement. The
// tree says what was written, not what it means: names are folded but not
// resolved, type names stay names, literals keep their text. Package sql makes
// the tree; the planner resolves it.
//
// Invariants that the parser gives and every consumer may rely on:
//
//	I1  Every node embeds Pos, the byte offset at which PostgreSQL would
//	    report an error about it: the first token of most nodes, the operator
//	    of operators.
//	I2  The tree has no parentheses: String puts them where precedence asks.
//	I3  Printing is a fixed point: String(parse(String(n))) == String(n).
//	I4  AND and OR are n-ary. All other chains (a + b + c, a UNION b UNION c,
//	    a JOIN b JOIN c, x::t::u) are left-deep and may be as long as a
//	    statement; String and Walk iterate down the left spine, and so must
//	    whoever else recurses over a tree (see LeftOperand). Depth in all
//	    other directions is bounded by the parser.
//
// Start reading at node.go, then query.go.
package ast
