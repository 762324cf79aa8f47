package planner

import (
	"slices"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// sliceWindows aggregates by the steps of overlapping windows first, and then the
// steps of each window: a row is touched once, and not once for each window that it
// is in. It needs aggregates whose parts add up exactly.
//
// It pays where the rows of a step are many for one change of its group: where
// windows are the only groups, or where they are emitted when they close, so that
// groups by step wait for the end of the step. In other cases a change of a step's group in
// every epoch would cost more than the rows themselves.
func sliceWindows(n Node) Node {
	switch n := n.(type) {
	case *Aggregate:
		if s := newSlicing(n); s != nil && s.windowsOnly() {
			if out, ok := s.plan(); ok {
				return out
			}
		}
	case *Temporal:
		if out := sliceClosing(n); out != nil {
			return out
		}
	}
	return n
}

// sliceClosing slices windows that are emitted when they close, nil if it cannot.
func sliceClosing(t *Temporal) Node {
	if t.Streams == nil {
		return nil
	}
	m, _ := t.Input.(*Map)
	below := t.Input
	if m != nil && m.Filter == nil {
		below = m.Input
	}
	a, ok := below.(*Aggregate)
	if !ok {
		return nil
	}
	s := newSlicing(a)
	if s == nil || s.window.Step.Months != 0 || s.window.Zone != "" {
		return nil
	}
	s.streams = t.Streams
	out, ok := s.plan()
	if !ok {
		return nil
	}
	if m != nil {
		out = &Map{Input: out, Project: m.Project}
	}
	return &Temporal{Input: out, Bounds: t.Bounds, Streams: t.Streams}
}

// newSlicing returns nil where there are no overlapping windows to slice.
func newSlicing(a *Aggregate) *slicing {
	w := windowBelow(a)
	if w == nil || w.Steps == 1 || w.sliced {
		return nil
	}
	return &slicing{aggregate: a, window: w, width: len(w.Input.Types())}
}

// windowsOnly says whether the keys are bounds of windows alone.
func (s *slicing) windowsOnly() bool {
	return !slices.ContainsFunc(s.aggregate.Keys, func(k *expr.Expr) bool {
		return within(definition(s.aggregate, k), 0, s.width)
	})
}

// windowBelow returns the windows that an aggregate reads, with nothing but a
// projection between them.
func windowBelow(a *Aggregate) *Window {
	in := a.Input
	if m, ok := in.(*Map); ok && m.Filter == nil {
		in = m.Input
	}
	w, _ := in.(*Window)
	return w
}

type slicing struct {
	aggregate *Aggregate
	window    *Window
	width     int          // columns of the window's input
	streams   []catalog.ID // of EMIT ON WINDOW CLOSE
	project   []*expr.Expr // of the result
}

// plan builds: rows with the begin of their step, groups by step, windows of these,
// groups by window, the result. ok is false where the aggregate cannot be sliced.
func (s *slicing) plan() (Node, bool) {
	stepped, err := s.window.stepped()
	if err != nil {
		return nil, false
	}
	bySteps := &Aggregate{Input: stepped}
	keys := make([]*expr.Expr, len(s.aggregate.Keys))
	windowed := false
	for i, k := range s.aggregate.Keys {
		e := definition(s.aggregate, k)
		switch {
		case within(e, 0, s.width):
			keys[i] = expr.Column(len(bySteps.Keys), e.Type)
			bySteps.Keys = append(bySteps.Keys, e)
		case e.Op != expr.OpColumn:
			return nil, false
		default:
			windowed = true
		}
	}
	step := expr.Column(len(bySteps.Keys), s.window.Time.Type)
	bySteps.Keys = append(bySteps.Keys, expr.Column(s.width, step.Type))
	byWindows := &Aggregate{}
	for _, c := range s.aggregate.Calls {
		if !s.split(c, bySteps, byWindows) {
			return nil, false
		}
	}
	again := s.window.over(s.whole(bySteps, step), step)
	again.sliced = true
	byWindows.Input = again
	return s.result(byWindows, keys, len(bySteps.Types())), windowed
}

// result groups by the keys, of which those that are nil are bounds: they stand
// behind the given number of columns now. Above are the keys and the calls' values.
func (s *slicing) result(groups *Aggregate, keys []*expr.Expr, before int) Node {
	for i, k := range s.aggregate.Keys {
		if keys[i] == nil {
			bound := definition(s.aggregate, k)
			keys[i] = expr.Column(bound.Col-s.width+before, bound.Type)
		}
	}
	groups.Keys = keys
	return &Map{Input: groups, Project: append(identityOr(nil, groups)[:len(keys):len(keys)], s.project...)}
}

// whole holds groups by step back until the watermark has reached the step's end, if
// windows are emitted when they close: none of those that the step is in can
// have closed before.
func (s *slicing) whole(bySteps *Aggregate, step *expr.Expr) Node {
	if s.streams == nil {
		return bySteps
	}
	micros, _ := s.window.Step.FixedMicros() // sliceClosing has checked
	return &Temporal{Input: bySteps, Bounds: []expr.ClockBound{{Value: step, Shift: micros}}, Streams: s.streams}
}

// split adds the parts of a call by steps, what adds them up by windows, and the
// call's value to the result.
func (s *slicing) split(c Call, bySteps, byWindows *Aggregate) bool {
	if c.Distinct || len(c.Order) > 0 || c.Filter != nil && !within(definition(s.aggregate, c.Filter), 0, s.width) {
		return false
	}
	part := Call{Func: c.Func}
	for _, arg := range c.Args {
		e := definition(s.aggregate, arg)
		if !within(e, 0, s.width) {
			return false
		}
		part.Args = append(part.Args, e)
	}
	if c.Filter != nil {
		part.Filter = definition(s.aggregate, c.Filter)
	}
	total := func(part Call, name string) (*expr.Expr, bool) {
		column := expr.Column(s.partColumn(bySteps, part), part.Func.Ret)
		f, argTypes, err := operator.ResolveAggregate(name, []types.Type{part.Func.Ret}, false)
		if err != nil || argTypes[0].Base() != part.Func.Ret.Base() {
			return nil, false
		}
		byWindows.Calls = append(byWindows.Calls, Call{Func: f, Args: []*expr.Expr{column}})
		return expr.Column(len(s.aggregate.Keys)+len(byWindows.Calls)-1, f.Ret), true
	}
	value, ok := (*expr.Expr)(nil), false
	switch c.Func.Name {
	case "count":
		value, ok = total(part, "sum")
	case "sum":
		if exactSum(part.Args[0].Type) {
			value, ok = total(part, "sum")
		}
	case "avg":
		if exactSum(part.Args[0].Type) {
			value, ok = average(part, total)
		}
	case "min", "max":
		if oneImage(part.Args[0].Type) {
			value, ok = total(part, c.Func.Name)
		}
	case "bool_and", "bool_or", "every":
		value, ok = total(part, c.Func.Name)
	}
	if !ok {
		return false
	}
	value, err := expr.Coerce(value, c.Func.Ret, expr.Explicit)
	s.project = append(s.project, value)
	return err == nil
}

// exactSum says whether the parts of a sum of a type add up to the sum.
func exactSum(t types.Type) bool {
	return slices.Contains([]types.Type{types.Int2, types.Int4, types.Int8, types.Numeric}, t.Base())
}

// average is the sum by the number of values.
func average(part Call, total func(Call, string) (*expr.Expr, bool)) (*expr.Expr, bool) {
	sides := make([]*expr.Expr, 2)
	for i, name := range []string{"sum", "count"} {
		f, _, err := operator.ResolveAggregate(name, typesOf(part.Args), false)
		if err != nil {
			return nil, false
		}
		side, ok := total(Call{Func: f, Args: part.Args, Filter: part.Filter}, "sum")
		if !ok {
			return nil, false
		}
		if sides[i], err = expr.Coerce(side, types.Numeric, expr.Implicit); err != nil {
			return nil, false
		}
	}
	out, err := expr.NewOperator(nil, "/", sides[0], sides[1])
	return out, err == nil
}

// partColumn returns the column of a call among the groups by step.
func (s *slicing) partColumn(bySteps *Aggregate, part Call) int {
	i := slices.IndexFunc(bySteps.Calls, func(c Call) bool { return c.equal(&part) })
	if i < 0 {
		i = len(bySteps.Calls)
		bySteps.Calls = append(bySteps.Calls, part)
	}
	return len(bySteps.Keys) + i
}

// stepped is the input of windows with the begin of each row's step behind it.
func (w *Window) stepped() (Node, error) {
	if w.Step.Months != 0 || w.Zone != "" {
		out := w.over(w.Input, w.Time)
		out.Steps, out.Cumulate, out.NoStart, out.NoEnd = 1, false, false, true
		return out, nil
	}
	micros, err := w.Step.FixedMicros()
	if err != nil {
		return nil, err
	}
	step := expr.Constant(types.Interval, types.Datum{Ival: types.IntervalValue{Micros: micros}})
	begin, err := expr.NewFunctionCall(nil, "date_bin", step, w.Time, expr.Constant(w.Time.Type, types.Datum{Int: w.Origin}))
	if err != nil {
		return nil, err
	}
	real, err := finite(w.Time)
	return &Map{Input: w.Input, Filter: real, Project: append(identityOr(nil, w.Input), begin)}, err
}
