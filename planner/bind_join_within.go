package planner

import (
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// joinWithin is the condition of ksqlDB's WITHIN over the columns of both sides: the
// event time of the right row is between that of the left one less before and plus
// after. Its GRACE PERIOD is that of both streams.
func (b *binder) joinWithin(w *ast.JoinWithin, left, right Node) (*expr.Expr, error) {
	l, ls := timeColumn(left)
	r, rs := timeColumn(right)
	if ls == nil || rs == nil {
		return nil, notSupported(w.Position(), "WITHIN needs a stream with a WATERMARK on both sides of the join").
			WithHint("Write the bounds into the condition: ON ... AND b.at BETWEEN a.at AND a.at + INTERVAL '1 hour'.")
	}
	for _, stream := range []*catalog.Object{ls, rs} {
		if err := b.noteGrace(stream, w.Grace); err != nil {
			return nil, err
		}
	}
	after := w.After
	if after == nil {
		after = w.Before
	}
	leftTime := expr.Column(l, left.Types()[l])
	rightTime := expr.Column(len(left.Types())+r, right.Types()[r])
	from, err := b.movedTime("-", leftTime, w.Before)
	if err != nil {
		return nil, err
	}
	until, err := b.movedTime("+", leftTime, after)
	if err != nil {
		return nil, err
	}
	lower, err := b.operator(">=", rightTime, from, w.Position())
	if err != nil {
		return nil, err
	}
	upper, err := b.operator("<=", rightTime, until, w.Position())
	return and(lower, upper), err
}

// timeColumn finds the event time among the columns of a side, if it is one stream's
// alone.
func timeColumn(n Node) (column int, stream *catalog.Object) {
	for i, t := range n.Types() {
		of := eventTime(n, expr.Column(i, t))
		switch {
		case of == nil:
		case stream != nil && stream != of:
			return 0, nil
		case stream == nil:
			column, stream = i, of
		}
	}
	return column, stream
}

// movedTime is a time moved by a length that is the same at all times.
func (b *binder) movedTime(op string, time *expr.Expr, by *ast.Length) (*expr.Expr, error) {
	micros, err := b.lengthMicros(by, "WITHIN")
	if err != nil {
		return nil, err
	}
	length := expr.Constant(types.Interval, types.Datum{Ival: types.IntervalValue{Micros: micros}})
	return b.operator(op, time, length, by.Position())
}

// lengthMicros evaluates a length without months.
func (b *binder) lengthMicros(l *ast.Length, clause string) (int64, error) {
	v, err := b.constantInterval(&ast.StringLit{Pos: l.Pos, Value: l.Count + " " + l.Unit}, clause)
	if err != nil {
		return 0, err
	}
	micros, err := v.FixedMicros()
	if err != nil {
		return 0, notSupported(l.Position(), "%s of months is not supported", clause).WithDetail("Months differ in length.")
	}
	return micros, nil
}
