package engine

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// latePolicy reads LATE = 'correct' | 'drop' | 'redirect'.
func latePolicy(q *planner.Query, o *ast.Option) (catalog.LatePolicy, error) {
	text, err := optionText(o)
	if err != nil {
		return "", err
	}
	policy := catalog.LatePolicy(text)
	switch policy {
	case "correct":
		return catalog.LateCorrect, nil
	case catalog.LateDrop, catalog.LateRedirect:
	default:
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q: %q", o.Name, text).At(o.Position()).
			WithHint("It is 'correct', 'drop' or 'redirect'.")
	}
	switch n := len(q.EventTimes()); {
	case n == 0:
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "the view reads no stream with a WATERMARK").At(o.Position()).
			WithDetail("Rows are late by the watermark of the stream that they come from.").
			WithHint("Declare the event time in CREATE STREAM: WATERMARK FOR column AS column - INTERVAL '5 seconds'.")
	case n > 1 && policy == catalog.LateRedirect:
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "the late rows of more than one stream cannot be kept").At(o.Position()).
			WithHint("Use late = 'drop', or views of one stream each below this one.")
	}
	return policy, nil
}

// lateName is the name of the view that keeps the late rows of another one.
func lateName(name string) string {
	const suffix, longest = "_late", 63 // of a name that can be written
	for len(name)+len(suffix) > longest {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name + suffix
}

// installLate adds the view that keeps the late rows of a view.
func (s *Session) installLate(of *catalog.Object, q *planner.Query, pos int) error {
	if of.Late != catalog.LateRedirect {
		return nil
	}
	o := &catalog.Object{Schema: of.Schema, Name: lateName(of.Name), Kind: catalog.MaterializedView,
		Definition: of.Definition, Settings: of.Settings, LateOf: of.ID}
	if s.catalog().Lookup(o.Schema, o.Name) != nil {
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", o.Name).At(pos).
			WithDetail("The late rows of %q are kept under this name.", of.Name)
	}
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	plan := planner.LowerLate(of.ID, s.catalog().Object(q.EventTimes()[0]), draft.NewArrangement)
	o.Columns, o.Stored, o.DependsOn, o.AppendOnly = plan.Columns, plan.Stored, plan.DependsOn, plan.AppendOnly
	var err error
	if o.Graph, err = json.Marshal(plan.Graph); err != nil {
		return fmt.Errorf("encode the graph of %q: %w", o.Name, err)
	}
	return s.add(draft, &addition{object: o, create: newArrangements(plan.Stored)})
}

// refuseLateOf is the error of dropping late rows without the view that leaves them
// out.
func refuseLateOf(o, of *catalog.Object) error {
	return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop materialized view %s because materialized view %s requires it", o.Name, of.Name).
		WithHint("You can drop materialized view %s instead.", of.Name)
}
