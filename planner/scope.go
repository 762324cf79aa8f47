package planner

import (
	"slices"

	"github.com/streamdb/streamdb/internal/spelling"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// scope is the row that expressions see: the columns of a FROM clause.
type scope struct {
	columns []scopeColumn
	// star lists the columns that * stands for where that is not all of them in
	// order: USING puts the merged columns first.
	star []int
	ctes *cteScope
}

// starColumns lists the columns that * stands for.
func (s *scope) starColumns() []int {
	if s.star != nil {
		return s.star
	}
	out := make([]int, 0, len(s.columns))
	for i := range s.columns {
		if !s.columns[i].hidden {
			out = append(out, i)
		}
	}
	return out
}

// scopeColumn is one column of a scope; its index in the scope is its index in
// the input row.
type scopeColumn struct {
	schema   string // of a relation that was named without alias
	relation string // alias or name, "" for columns of no relation
	name     string
	typ      types.Type
	object   *catalog.Object // of a column of a stored or system relation
	number   int             // of the column in object
	hidden   bool            // merged away by USING: reachable by its qualified name only
	merges   []int           // of a column that USING merges in a full join: those that it is made of
	window   windowBound     // of a window function's columns; window_end is behind window_start
}

// cteScope is a chain of the WITH queries in reach, the innermost first.
type cteScope struct {
	name   string
	query  *Query
	used   bool
	parent *cteScope
}

// volatile says whether a plan computes something that differs from one time
// to the next.
func volatile(n Node) bool {
	found := false
	mapExprs(n, func(e *expr.Expr) *expr.Expr {
		found = found || expr.ExprVolatility(e) == expr.Volatile
		return e
	})
	return found
}

func (c *cteScope) find(name string) *cteScope {
	for ; c != nil; c = c.parent {
		if c.name == name {
			return c
		}
	}
	return nil
}

// column resolves a column reference.
func (s *scope) column(ref *ast.ColumnRef) (*expr.Expr, error) {
	found := -1
	for i := range s.columns {
		if !s.columns[i].matches(ref) {
			continue
		}
		if found >= 0 {
			return nil, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", ref.Name).At(ref.Position())
		}
		found = i
	}
	if name := timeWindowName(ref.Name); found < 0 && name != "" && s.hasWindow() {
		return s.column(&ast.ColumnRef{Pos: ref.Pos, Qualifier: ref.Qualifier, Name: name})
	}
	if found < 0 {
		return nil, s.missing(ref)
	}
	e := expr.Column(found, s.columns[found].typ)
	e.Pos = ref.Position()
	return e, nil
}

// hasWindow says whether columns of a window function are in scope.
func (s *scope) hasWindow() bool {
	return slices.ContainsFunc(s.columns, func(c scopeColumn) bool { return c.window.kind != noWindow })
}

func (c *scopeColumn) matches(ref *ast.ColumnRef) bool {
	if c.name != ref.Name {
		return false
	}
	switch len(ref.Qualifier) {
	case 0:
		return !c.hidden
	case 1:
		return c.relation == ref.Qualifier[0]
	default:
		return c.relation == ref.Qualifier[len(ref.Qualifier)-1] && c.schema == ref.Qualifier[len(ref.Qualifier)-2]
	}
}

// missing is the error for a reference that matches nothing, in PostgreSQL's
// words.
func (s *scope) missing(ref *ast.ColumnRef) error {
	if len(ref.Qualifier) == 0 {
		err := sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", ref.Name).At(ref.Position())
		if near := s.nearest(ref.Name); near != "" {
			return err.WithHint("Perhaps you meant to reference the column \"%s\".", near)
		}
		return err
	}
	relation := ref.Qualifier[len(ref.Qualifier)-1]
	if !s.hasRelation(relation) {
		return sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", relation).At(ref.Position())
	}
	return sqlerr.New(sqlerr.UndefinedColumn, "column %s.%s does not exist", relation, ref.Name).At(ref.Position())
}

func (s *scope) hasRelation(name string) bool {
	for i := range s.columns {
		if s.columns[i].relation == name {
			return true
		}
	}
	return false
}

// nearest returns the qualified name of the column whose name is closest to
// name, "" if none is close.
func (s *scope) nearest(name string) string {
	best, bestDistance := "", len(name)/2+1
	for _, c := range s.columns {
		if d := spelling.Distance(name, c.name); d < bestDistance {
			best, bestDistance = c.name, d
			if c.relation != "" {
				best = c.relation + "." + c.name
			}
		}
	}
	return best
}
