package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// withTimeWindow turns ksqlDB's WINDOW clause into a window function: FROM s WINDOW
// TUMBLING (SIZE 1 HOUR) GROUP BY k is FROM TUMBLE(s, t, '1 hour') GROUP BY k,
// window_start, window_end, where t is the column of the stream's watermark.
func (b *binder) withTimeWindow(sel *ast.Select, ctes *cteScope) (*ast.Select, error) {
	w := sel.TimeWindow
	if w == nil {
		return sel, nil
	}
	if err := b.checkTimeWindow(sel); err != nil {
		return nil, err
	}
	ref, stream, err := b.windowedStream(sel, ctes)
	if err != nil {
		return nil, err
	}
	if err := b.noteGrace(stream, w.Grace); err != nil {
		return nil, err
	}
	time := stream.Columns[stream.Watermark.Column].Name
	out := *sel
	out.TimeWindow = nil
	call := &ast.FuncCall{Pos: w.Pos}
	alias := ref.Alias
	var relation ast.Expr = &ast.ColumnRef{Pos: ref.Pos, Qualifier: ref.Name.Qualifier, Name: ref.Name.Name}
	if w.Kind == "session" && sel.Where != nil {
		// The condition says which rows make sessions.
		rows := &ast.Select{Pos: ref.Pos, Targets: []*ast.Target{{Pos: ref.Pos, Expr: &ast.Star{Pos: ref.Pos}}}, From: sel.From, Where: sel.Where}
		relation, out.Where = &ast.SubqueryExpr{Pos: ref.Pos, Query: &ast.SelectStmt{Pos: ref.Pos, Body: rows}}, nil
		if alias == nil {
			alias = &ast.Alias{Pos: ref.Pos, Name: ref.Name.Name}
		} else {
			alias = &ast.Alias{Pos: alias.Pos, Name: alias.Name} // the columns have their names by then
		}
	}
	lengths := []*ast.Length{w.Size}
	switch w.Kind {
	case "tumbling":
		call.Name = "tumble"
	case "hopping":
		call.Name, lengths = "hop", []*ast.Length{w.Advance, w.Size}
	case "session":
		call.Name, relation = "session", &ast.PartitionArg{Pos: ref.Pos, Relation: relation, By: sel.GroupBy}
	}
	call.Args = []ast.Expr{relation, &ast.ColumnRef{Pos: w.Pos, Name: time}}
	for _, l := range lengths {
		call.Args = append(call.Args, &ast.StringLit{Pos: l.Pos, Value: l.Count + " " + l.Unit})
	}
	out.From = []ast.TableExpr{&ast.FuncTable{Pos: w.Pos, Funcs: []*ast.TableFunc{{Pos: w.Pos, Func: call}}, Alias: alias}}
	out.GroupBy = append(sel.GroupBy[:len(sel.GroupBy):len(sel.GroupBy)],
		&ast.ColumnRef{Pos: w.Pos, Name: "window_start"}, &ast.ColumnRef{Pos: w.Pos, Name: "window_end"})
	return &out, nil
}

// checkTimeWindow refuses what the clause cannot mean here.
func (b *binder) checkTimeWindow(sel *ast.Select) error {
	w := sel.TimeWindow
	switch {
	case len(sel.GroupBy) == 0:
		return sqlerr.New(sqlerr.GroupingError, "WINDOW %s needs GROUP BY", w.Kind).At(w.Position())
	case w.Retention != nil:
		return notSupported(w.Retention.Position(), "RETENTION in a WINDOW clause is not supported").
			WithHint("CREATE MATERIALIZED VIEW v WITH (RETENTION = '7 days' ON window_end) AS ... has rows deleted.")
	}
	for _, g := range sel.GroupBy {
		switch g.(type) {
		case *ast.NumberLit, *ast.GroupingSet:
			if w.Kind == "session" {
				return notSupported(g.Position(), "sessions are by columns and expressions, not by positions or sets")
			}
		}
	}
	return nil
}

// windowedStream returns the stream in FROM, which has a watermark.
func (b *binder) windowedStream(sel *ast.Select, ctes *cteScope) (*ast.TableRef, *catalog.Object, error) {
	hint := "Use a window function: FROM TUMBLE(relation, time column, INTERVAL '1 hour'), HOP or SESSION."
	refused := func(pos int) error {
		return notSupported(pos, "the WINDOW clause is supported over one stream with a WATERMARK").WithHint("%s", hint)
	}
	if len(sel.From) != 1 {
		return nil, nil, refused(sel.TimeWindow.Position())
	}
	ref, ok := sel.From[0].(*ast.TableRef)
	if !ok || ref.AsOf != nil || ref.Sample != nil || ref.Name.Schema() == "" && ctes.find(ref.Name.Name) != nil {
		return nil, nil, refused(sel.From[0].Position())
	}
	o, err := b.env.resolve(ref.Name.Schema(), ref.Name.Name, ref.Position())
	if err != nil {
		return nil, nil, err
	}
	if o.Kind != catalog.Stream || o.Watermark == nil {
		return nil, nil, refused(ref.Position())
	}
	return ref, o, nil
}

// timeWindowName is the column that ksqlDB calls WINDOWSTART or WINDOWEND.
func timeWindowName(name string) string {
	return map[string]string{"windowstart": "window_start", "windowend": "window_end"}[name]
}
