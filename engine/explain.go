package engine

import (
	"encoding/json"
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// explain prints one stage of a query or of a view's query. Nothing is run.
func (s *Session) explain(st *ast.Explain) (string, error) {
	for _, o := range st.Options {
		if o.Name == "analyze" {
			return "", sqlerr.New(sqlerr.FeatureNotSupported, "EXPLAIN ANALYZE is not supported yet").At(o.Position())
		}
	}
	if st.Name != nil {
		return s.explainObject(st)
	}
	switch inner := st.Stmt.(type) {
	case *ast.SelectStmt:
		return s.explainQuery(st.Stage, inner, false)
	case *ast.CreateMaterializedView:
		return s.explainQuery(st.Stage, inner.Query, true)
	}
	if st.Stage == ast.ExplainAST {
		return ast.String(st.Stmt), nil
	}
	return "", sqlerr.New(sqlerr.FeatureNotSupported, "EXPLAIN of this statement is not supported yet").At(st.Position())
}

// explainObject prints the stored graph of a materialized view.
func (s *Session) explainObject(st *ast.Explain) (string, error) {
	o, err := s.namedRelation(st.Name, st.Position())
	if err != nil {
		return "", err
	}
	if o.Kind != catalog.MaterializedView && o.Source == 0 {
		return "", sqlerr.New(sqlerr.WrongObjectType, "%q is not a materialized view", o.Name).At(st.Name.Position())
	}
	var g dataflow.Graph
	if err := json.Unmarshal(o.Graph, &g); err != nil {
		return "", sqlerr.Wrap(err, sqlerr.DataCorrupted, "the dataflow graph of %q is damaged", o.Name)
	}
	return planner.PrintGraph(&g, s.relationName), nil
}

func (s *Session) relationName(id dataflow.RelationID) string {
	if o := s.catalog().Owner(catalog.ID(id)); o != nil {
		if catalog.ID(id) == o.Source {
			return "topic of " + o.Name
		}
		return o.Name
	}
	return "?"
}

func (s *Session) explainQuery(stage ast.ExplainStage, query *ast.SelectStmt, view bool) (string, error) {
	if stage == ast.ExplainAST {
		return ast.String(query), nil
	}
	env := s.planEnv(view)
	if !view {
		env = s.readEnv()
	}
	q, err := planner.Bind(query, env)
	if err != nil {
		return "", err
	}
	switch stage {
	case ast.ExplainBound:
		return planner.Print(q), nil
	case ast.ExplainGraph:
		return s.explainGraph(q, view)
	}
	if !view {
		return planner.PrintOptimized(q, s.catalog(), s.exprEnv())
	}
	maintained := *q
	if maintained.Root, err = planner.Maintained(q.Root); err != nil {
		return "", err
	}
	return planner.Print(&maintained), nil
}

func (s *Session) explainGraph(q *planner.Query, view bool) (string, error) {
	if !view {
		plan, err := planner.LowerQuery(q, s.catalog(), s.exprEnv())
		if err != nil {
			return "", err
		}
		return planner.PrintGraph(plan.Graph, s.relationName), nil
	}
	next := storage.Arrangement(0)
	plan, err := planner.LowerView(q, s.exprEnv(), func() storage.Arrangement { next++; return next })
	if err != nil {
		return "", err
	}
	return strings.TrimRight(planner.PrintGraph(plan.Graph, s.relationName), "\n"), nil
}
