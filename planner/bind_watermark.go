package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// BindWatermark returns the delay of WATERMARK FOR c AS c - interval in
// microseconds. Other expressions are 0A000: the least over the partitions and
// the clock of idle ones need a watermark that is the event time less a length.
func BindWatermark(w *ast.Watermark, env *Env) (int64, error) {
	left, delay := w.Expr, ast.Expr(nil)
	if e, ok := w.Expr.(*ast.BinaryExpr); ok && e.Op == "-" {
		left, delay = e.Left, e.Right
	}
	if ref, ok := left.(*ast.ColumnRef); !ok || len(ref.Qualifier) > 0 || ref.Name != w.Column {
		return 0, notSupported(w.Expr.Position(), "this watermark is not supported").
			WithHint("For example: WATERMARK FOR %s AS %s - INTERVAL '5 seconds'", w.Column, w.Column)
	}
	if delay == nil {
		return 0, nil
	}
	b := newBinder(env)
	bound, err := b.expr(delay, &exprContext{scope: &scope{}, clause: "WATERMARK"})
	if err != nil {
		return 0, err
	}
	if bound, err = b.coerce(bound, types.Interval, expr.Implicit); err != nil {
		return 0, err
	}
	d, err := expr.EvalConst(bound, env.Expr)
	if err != nil {
		return 0, err
	}
	if d.Null {
		return 0, sqlerr.New(sqlerr.NullValueNotAllowed, "the delay of a watermark must not be NULL").At(delay.Position())
	}
	micros, err := d.Ival.FixedMicros()
	if err != nil || micros < 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "the delay of a watermark must have one length and not be negative").At(delay.Position()).
			WithHint("Months differ in length.")
	}
	return micros, nil
}
