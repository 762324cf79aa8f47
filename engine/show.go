package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// prepareShowObjects answers SHOW STREAMS and its kin, and SHOW COLUMNS FROM.
func (s *Session) prepareShowObjects(p *Prepared, st *ast.ShowObjects) error {
	if st.Where != nil {
		return sqlerr.New(sqlerr.FeatureNotSupported, "SHOW ... WHERE is not supported").At(st.Position()).WithHint("Use LIKE.")
	}
	if st.Kind == "COLUMNS" {
		return s.prepareShowColumns(p, st)
	}
	if st.Kind == "WATERMARKS" && st.From == nil && st.Like == nil {
		return s.prepareShowWatermarks(p)
	}
	kinds, ok := map[string][]catalog.Kind{
		"STREAMS":            {catalog.Stream},
		"SOURCES":            {catalog.Stream},
		"TABLES":             {catalog.Table},
		"VIEWS":              {catalog.View, catalog.MaterializedView},
		"MATERIALIZED VIEWS": {catalog.MaterializedView},
		"SINKS":              {catalog.Sink},
		"INDEXES":            {catalog.Index},
	}[st.Kind]
	if !ok {
		return sqlerr.New(sqlerr.FeatureNotSupported, "SHOW %s is not supported yet", st.Kind).At(st.Position())
	}
	if err := s.checkShowFrom(st); err != nil {
		return err
	}
	p.Columns = textColumns("schema", "name", "type")
	p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
		var out [][]string
		of := s.shownRelation(st)
		for _, o := range s.catalog().Objects() {
			match, err := matchesShow(o, kinds, st, of)
			if err != nil {
				return "", err
			}
			if match {
				out = append(out, []string{o.Schema, o.Name, string(o.Kind)})
			}
		}
		return "SHOW", rows.Batch(textRows(3, out))
	}
	return nil
}

// shownRelation is the relation whose indexes SHOW INDEXES FROM lists, nil where
// FROM is a schema or missing.
func (s *Session) shownRelation(st *ast.ShowObjects) *catalog.Object {
	if st.Kind != "INDEXES" || st.From == nil {
		return nil
	}
	return s.lookup(st.From)
}

// checkShowFrom refuses what does not exist.
func (s *Session) checkShowFrom(st *ast.ShowObjects) error {
	switch {
	case st.From == nil || st.From.Schema() == "" && s.catalog().HasSchema(st.From.Name):
		return nil
	case st.Kind == "INDEXES":
		_, err := s.namedRelation(st.From, st.Position())
		return err
	}
	return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", st.From.Name).At(st.From.Position())
}

// matchesShow says whether SHOW lists an object: by kind, FROM (a schema, or the
// relation that an index is of) and LIKE.
func matchesShow(o *catalog.Object, kinds []catalog.Kind, st *ast.ShowObjects, of *catalog.Object) (bool, error) {
	switch {
	case !slices.Contains(kinds, o.Kind):
		return false, nil
	case of != nil && !slices.Contains(o.DependsOn, of.ID):
		return false, nil
	case of == nil && st.From != nil && o.Schema != st.From.Name:
		return false, nil
	}
	if st.Like == nil {
		return true, nil
	}
	return expr.MatchLike(o.Name, st.Like.Value)
}

func (s *Session) prepareShowColumns(p *Prepared, st *ast.ShowObjects) error {
	o, err := s.namedRelation(st.From, st.Position())
	if err != nil {
		return err
	}
	p.Columns = textColumns("name", "nullable", "type")
	p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
		var out [][]string
		for _, c := range o.Columns {
			nullable := "YES"
			if c.NotNull {
				nullable = "NO"
			}
			out = append(out, []string{c.Name, nullable, c.Type.String()})
		}
		return "SHOW", rows.Batch(textRows(3, out))
	}
	return nil
}

func (s *Session) namedRelation(name *ast.ObjectName, pos int) (*catalog.Object, error) {
	if name == nil {
		return nil, sqlerr.New(sqlerr.SyntaxError, "the name of a relation is needed").At(pos)
	}
	if o := s.lookup(name); o != nil {
		return o, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name.Name).At(name.Position())
}

// prepareShowCreate answers SHOW CREATE kind name with the canonical statement.
func (s *Session) prepareShowCreate(p *Prepared, st *ast.ShowCreate) error {
	o, err := s.namedRelation(st.Name, st.Position())
	if err != nil {
		return err
	}
	p.Columns = textColumns("name", "create_sql")
	p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
		return "SHOW", rows.Batch(textRows(2, [][]string{{o.Schema + "." + o.Name, o.Definition}}))
	}
	return nil
}

// prepareExplain shows a query's tree, plan or graph, a line a row.
func (s *Session) prepareExplain(p *Prepared, st *ast.Explain) error {
	text, err := s.explain(st)
	if err != nil {
		return err
	}
	p.Columns = textColumns("QUERY PLAN")
	p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
		var out [][]string
		for line := range strings.Lines(text) {
			out = append(out, []string{strings.TrimRight(line, "\n")})
		}
		return "EXPLAIN", rows.Batch(textRows(1, out))
	}
	return nil
}
