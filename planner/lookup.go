package planner

import "github.com/streamdb/streamdb/sql/ast"

// FOR SYSTEM_TIME AS OF PROCTIME(): each row of the left side, when it comes, is joined
// with the row that the table on the right has then. Later changes of the table change
// nothing, so the table's history is not put out again, and neither side is kept.

// lookupTable takes FOR SYSTEM_TIME AS OF PROCTIME() off the right side of a join; a
// query that is not kept up reads the table as it is anyway.
func (b *binder) lookupTable(j *ast.JoinExpr) (right ast.TableExpr, lookup bool, err error) {
	ref, ok := j.Right.(*ast.TableRef)
	if !ok || ref.AsOf == nil {
		return j.Right, false, nil
	}
	call, ok := ref.AsOf.(*ast.FuncCall)
	switch {
	case !ok || call.Name != "proctime" || len(call.Args) > 0:
		return nil, false, notSupported(ref.AsOf.Position(), "FOR SYSTEM_TIME AS OF is supported with PROCTIME() only")
	case j.Kind != ast.JoinInner && j.Kind != ast.JoinLeft || j.Within != nil:
		return nil, false, notSupported(ref.AsOf.Position(), "FOR SYSTEM_TIME AS OF is supported on the right side of JOIN and LEFT JOIN only")
	}
	now := *ref
	now.AsOf = nil
	return &now, b.env.InView, nil
}

func lookupKind(kind ast.JoinKind) JoinKind {
	if kind == ast.JoinLeft {
		return LeftLookupJoin
	}
	return LookupJoin
}

// checkLookup refuses what cannot be looked up row by row.
func checkLookup(j *Join, shared *sharedSide) error {
	switch {
	case !appendOnly(j.Left):
		return notSupported(-1, "the left side of a join FOR SYSTEM_TIME AS OF PROCTIME() must only append rows").
			WithDetail("If a row was retracted, nobody would know what it had been joined with.").
			WithHint("Use a stream on the left, or a join without FOR SYSTEM_TIME, which follows the changes of both sides.")
	case shared == nil:
		return notSupported(-1, "a join FOR SYSTEM_TIME AS OF PROCTIME() needs the whole primary key of a table, or the groups of a materialized view, in its condition").
			WithHint("A condition on further columns may stand beside it.")
	}
	return nil
}
