package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// droppable returns the kinds of objects that a DROP spelling may name, nil if
// the spelling is not supported.
func droppable(kind ast.ObjectKind) []catalog.Kind {
	switch kind {
	case ast.KindStream, ast.KindSource:
		return []catalog.Kind{catalog.Stream}
	case ast.KindIndex:
		return []catalog.Kind{catalog.Index}
	case ast.KindSink:
		return []catalog.Kind{catalog.Sink}
	case ast.KindTable:
		return []catalog.Kind{catalog.Table}
	case ast.KindView:
		return []catalog.Kind{catalog.View}
	case ast.KindMaterializedView:
		return []catalog.Kind{catalog.MaterializedView}
	}
	return nil
}

// drop removes objects, with CASCADE also what depends on them.
func (s *Session) drop(st *ast.Drop) (string, error) {
	tag := "DROP " + string(st.Kind)
	kinds := droppable(st.Kind)
	if kinds == nil {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "DROP %s is not supported yet", st.Kind).At(st.Position())
	}
	var doomed []*catalog.Object
	for _, name := range st.Names {
		o, err := s.findDroppable(name, st, kinds)
		if err != nil {
			return "", err
		}
		if o != nil && !slices.Contains(doomed, o) {
			doomed = append(doomed, o)
		}
	}
	for _, o := range doomed {
		if of := s.catalog().Object(o.LateOf); of != nil && !slices.Contains(doomed, of) {
			return "", refuseLateOf(o, of)
		}
	}
	doomed, err := s.withDependents(doomed, st.Cascade)
	if err != nil {
		return "", err
	}
	draft := s.catalog().Draft()
	for _, o := range doomed {
		s.remove(draft, o)
	}
	return tag, nil
}

// findDroppable finds an object by name; nil with IF EXISTS when there is none.
func (s *Session) findDroppable(name *ast.ObjectName, st *ast.Drop, kinds []catalog.Kind) (*catalog.Object, error) {
	o := s.lookup(name)
	what := strings.ToLower(string(st.Kind))
	switch {
	case o == nil && st.IfExists:
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("%s %q does not exist, skipping", what, name.Name)})
		return nil, nil
	case o == nil:
		return nil, sqlerr.New(sqlerr.UndefinedTable, "%s %q does not exist", what, name.Name).At(name.Position())
	case !slices.Contains(kinds, o.Kind):
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a %s", name.Name, what).At(name.Position()).
			WithHint("Use DROP %s to remove a %s.", strings.ToUpper(string(o.Kind)), o.Kind)
	}
	return o, nil
}

// lookup finds an object by a name as written, nil if there is none.
func (s *Session) lookup(name *ast.ObjectName) *catalog.Object {
	cat := s.catalog()
	if schema := name.Schema(); schema != "" {
		return cat.Lookup(schema, name.Name)
	}
	for _, schema := range s.settings.searchPath() {
		if o := cat.Lookup(schema, name.Name); o != nil {
			return o
		}
	}
	return nil
}

// withDependents adds what depends on the objects; without CASCADE that is
// 2BP01. Indexes and late rows go with their relation and are not spoken of.
func (s *Session) withDependents(doomed []*catalog.Object, cascade bool) ([]*catalog.Object, error) {
	cat := s.catalog()
	out := slices.Clone(doomed)
	var others []string // that CASCADE drops
	for _, o := range doomed {
		var dependents []*catalog.Object
		for _, dep := range cat.Dependents(o.ID) {
			if slices.Contains(out, dep) {
				continue
			}
			out = append(out, dep)
			if dep.Kind != catalog.Index && !slices.Contains(out, cat.Object(dep.LateOf)) {
				dependents = append(dependents, dep)
				others = append(others, fmt.Sprintf("drop cascades to %s %s", dep.Kind, dep.Name))
			}
		}
		if !cascade && len(dependents) > 0 {
			return nil, sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop %s %s because other objects depend on it", o.Kind, o.Name).
				WithDetail("%s", dependencies(o, dependents)).
				WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
		}
	}
	switch len(others) {
	case 0:
	case 1:
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: others[0]})
	default:
		s.notice(Notice{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("drop cascades to %d other objects", len(others)),
			Detail: strings.Join(others, "\n")})
	}
	slices.SortFunc(out, func(a, b *catalog.Object) int { return int(b.ID) - int(a.ID) }) // dependents first
	return out, nil
}

// dependencies says what each object depends on, as far as it is o or another of
// them.
func dependencies(o *catalog.Object, dependents []*catalog.Object) string {
	var lines []string
	for _, dep := range dependents {
		for _, on := range append([]*catalog.Object{o}, dependents...) {
			if slices.Contains(dep.DependsOn, on.ID) {
				lines = append(lines, fmt.Sprintf("%s %s depends on %s %s", dep.Kind, dep.Name, on.Kind, on.Name))
			}
		}
	}
	return strings.Join(lines, "\n")
}
