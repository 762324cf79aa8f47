package planner

import (
	"slices"
	"strings"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// windowFunction is TUMBLE, HOP, CUMULATE or SESSION in FROM: its arguments by name.
type windowFunction struct {
	call *ast.FuncCall
	args map[string]ast.Expr
}

// windowParameters returns the names of the arguments, in order, nil for other
// functions. The names are those of Flink, but for time_zone.
func windowParameters(function string) []string {
	switch function {
	case "tumble":
		return []string{"data", "timecol", "size", "offset", "time_zone"}
	case "hop":
		return []string{"data", "timecol", "slide", "size", "offset", "time_zone"}
	case "cumulate":
		return []string{"data", "timecol", "step", "size", "offset", "time_zone"}
	case "session":
		return []string{"data", "timecol", "gap"}
	}
	return nil
}

// optional says whether an argument may be left out.
func optional(parameter string) bool { return parameter == "offset" || parameter == "time_zone" }

// windowCall returns the call if an item of FROM is a window function.
func windowCall(t *ast.FuncTable) *ast.FuncCall {
	if t.RowsFrom || len(t.Funcs) != 1 {
		return nil
	}
	call, ok := t.Funcs[0].Func.(*ast.FuncCall)
	if !ok || len(call.Qualifier) > 0 || windowParameters(call.Name) == nil {
		return nil
	}
	return call
}

// bindWindow binds a window function in FROM: the columns of a relation, then
// window_start and window_end.
func (b *binder) bindWindow(t *ast.FuncTable, call *ast.FuncCall, ctes *cteScope) (Node, *scope, error) {
	f, err := newWindowFunction(t, call)
	if err != nil {
		return nil, nil, err
	}
	data, partition, err := f.data()
	if err != nil {
		return nil, nil, err
	}
	input, s, err := b.windowInput(data, t.Alias, ctes)
	if err != nil {
		return nil, nil, err
	}
	time, err := b.windowTime(f.args["timecol"], s)
	if err != nil {
		return nil, nil, err
	}
	var node Node
	if call.Name == "session" {
		node, err = b.sessions(f, input, time, partition, s)
	} else {
		node, err = b.windows(f, input, time)
	}
	if err != nil {
		return nil, nil, err
	}
	relation := ""
	if len(s.columns) > 0 {
		relation = s.columns[0].relation
	}
	start := windowBound{kind: windowStart, of: eventTime(input, time), session: call.Name == "session"}
	end := start
	end.kind = windowEnd
	s.columns = append(s.columns,
		scopeColumn{relation: relation, name: "window_start", typ: time.Type, window: start},
		scopeColumn{relation: relation, name: "window_end", typ: time.Type, window: end})
	if s.star != nil {
		s.star = append(s.star, len(s.columns)-2, len(s.columns)-1)
	}
	return node, s, s.rename(call.Name, t.Alias)
}

// windows binds windows of a fixed size.
func (b *binder) windows(f *windowFunction, input Node, time *expr.Expr) (Node, error) {
	w := &Window{Input: input, Time: time}
	if err := b.windowLengths(f, w); err != nil {
		return nil, err
	}
	b.noteWindows(w)
	return b.windowNode(w)
}

// sessions binds sessions of the partitions of a relation.
func (b *binder) sessions(f *windowFunction, input Node, time *expr.Expr, partition []ast.Expr, s *scope) (Node, error) {
	gap, err := b.windowInterval(f, "gap")
	if err != nil {
		return nil, err
	}
	out := &Session{Input: input, Low: time, High: time}
	if out.Gap, err = gap.FixedMicros(); err != nil {
		return nil, sqlerr.From(err).At(f.args["gap"].Position())
	}
	if out.Partition, err = b.exprs(partition, &exprContext{scope: s, clause: "PARTITION BY"}); err != nil {
		return nil, err
	}
	for i, e := range out.Partition {
		if out.Partition[i], err = b.settle(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// data returns the relation and what it is partitioned by, which only sessions are.
func (f *windowFunction) data() (relation ast.Expr, partition []ast.Expr, err error) {
	p, ok := f.args["data"].(*ast.PartitionArg)
	if !ok {
		return f.args["data"], nil, nil
	}
	if f.call.Name != "session" {
		return nil, nil, sqlerr.New(sqlerr.SyntaxError, "%s takes no PARTITION BY", strings.ToUpper(f.call.Name)).At(p.Position()).
			WithHint("Windows of a fixed size are the same for all rows. Group by the columns.")
	}
	return p.Relation, p.By, nil
}

// newWindowFunction sorts the arguments of a call by name.
func newWindowFunction(t *ast.FuncTable, call *ast.FuncCall) (*windowFunction, error) {
	switch {
	case t.Ordinality || len(t.Columns) > 0:
		return nil, notSupported(t.Position(), "WITH ORDINALITY and column definitions are not supported for %s", strings.ToUpper(call.Name))
	case call.Star || call.Distinct || call.Variadic || len(call.OrderBy) > 0 || call.Filter != nil:
		return nil, sqlerr.New(sqlerr.SyntaxError, "%s in FROM takes a relation, a column and intervals", strings.ToUpper(call.Name)).At(call.Position())
	}
	f := &windowFunction{call: call, args: map[string]ast.Expr{}}
	parameters := windowParameters(call.Name)
	for i, arg := range call.Args {
		name := ""
		if i < len(parameters) {
			name = parameters[i]
		}
		if n, ok := arg.(*ast.NamedArg); ok {
			name, arg = n.Name, n.Value
		}
		if !slices.Contains(parameters, name) || f.args[name] != nil {
			return nil, f.wrongArguments()
		}
		f.args[name] = arg
	}
	for _, name := range parameters {
		if f.args[name] == nil && !optional(name) {
			return nil, f.wrongArguments()
		}
	}
	return f, nil
}

func (f *windowFunction) wrongArguments() error {
	name := strings.ToUpper(f.call.Name)
	call := name + "(relation"
	if f.call.Name == "session" {
		call += " [PARTITION BY column]"
	}
	call += ", time column"
	for _, p := range windowParameters(f.call.Name)[2:] {
		call += map[string]string{"offset": " [, offset]", "time_zone": " [, time_zone => 'name']"}[p]
		if !optional(p) {
			call += ", " + p
		}
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "%s does not exist with these arguments", name).At(f.call.Position()).
		WithHint("The arguments are %s).", call)
}

// windowInput binds the relation: a name, TABLE name, or a subquery, whose columns
// are already called by the alias.
func (b *binder) windowInput(data ast.Expr, alias *ast.Alias, ctes *cteScope) (Node, *scope, error) {
	defer b.hideLateral()()
	switch d := data.(type) {
	case *ast.ColumnRef:
		return b.bindTable(&ast.TableRef{Pos: d.Pos, Name: &ast.ObjectName{Pos: d.Pos, Qualifier: d.Qualifier, Name: d.Name}}, ctes)
	case *ast.TableArg:
		return b.bindTable(&ast.TableRef{Pos: d.Pos, Name: d.Table}, ctes)
	case *ast.SubqueryExpr:
		if alias != nil {
			alias = &ast.Alias{Pos: alias.Pos, Name: alias.Name}
		}
		return b.bindTable(&ast.SubqueryTable{Pos: d.Pos, Query: d.Query, Alias: alias}, ctes)
	}
	return nil, nil, sqlerr.New(sqlerr.SyntaxError, "a window is over a relation: its name, TABLE name, or a subquery in parentheses").At(data.Position())
}

// windowTime binds the time: a column, or DESCRIPTOR(column).
func (b *binder) windowTime(e ast.Expr, s *scope) (*expr.Expr, error) {
	if d, ok := e.(*ast.FuncCall); ok && len(d.Qualifier) == 0 && d.Name == "descriptor" && len(d.Args) == 1 {
		e = d.Args[0]
	}
	time, err := b.expr(e, &exprContext{scope: s, clause: "FROM"})
	if err != nil {
		return nil, err
	}
	switch time.Type.Base() {
	case types.Timestamp, types.Timestamptz:
		return time, nil
	case types.Date:
		return b.coerce(time, types.Timestamp, expr.Implicit)
	}
	return nil, sqlerr.New(sqlerr.DatatypeMismatch, "the time of a window must be a timestamp or a date, not %s", time.Type).At(e.Position())
}

// windowLengths sets what a window is made of.
func (b *binder) windowLengths(f *windowFunction, w *Window) error {
	size, err := b.windowInterval(f, "size")
	if err != nil {
		return err
	}
	w.Step, w.Steps, w.Cumulate = size, 1, f.call.Name == "cumulate"
	for _, name := range []string{"slide", "step"} {
		if f.args[name] == nil {
			continue
		}
		if w.Step, err = b.windowInterval(f, name); err != nil {
			return err
		}
		w.Steps = multiple(size, w.Step)
		if w.Steps == 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "the size of a window must be a multiple of its %s", name).At(f.args["size"].Position()).
				WithDetail("The size is %s, the %s is %s.", size, name, w.Step)
		}
		if w.Steps > operator.MaxWindows {
			return sqlerr.New(sqlerr.ProgramLimitExceeded, "a row would be in %d windows, more than %d", w.Steps, operator.MaxWindows).At(f.args["size"].Position())
		}
	}
	return b.windowOrigin(f, w)
}

// windowInterval evaluates a length: a constant of months, or of days and
// microseconds, above zero.
func (b *binder) windowInterval(f *windowFunction, name string) (types.IntervalValue, error) {
	e := f.args[name]
	v, err := b.constantInterval(e, name)
	if err != nil {
		return v, err
	}
	if v.Months < 0 || v.Days < 0 || v.Micros < 0 || v == (types.IntervalValue{}) {
		return v, sqlerr.New(sqlerr.InvalidParameterValue, "the %s of a window must be greater than zero", name).At(e.Position())
	}
	if v.Months != 0 && (v.Days != 0 || v.Micros != 0) {
		return v, sqlerr.New(sqlerr.InvalidParameterValue, "the %s of a window must not mix months with days or hours", name).At(e.Position()).
			WithHint("Months differ in length.")
	}
	return v, nil
}

func (b *binder) constantInterval(e ast.Expr, name string) (types.IntervalValue, error) {
	d, err := b.windowConstant(e, name, types.Interval)
	return d.Ival, err
}

// windowConstant evaluates an argument that must be known when the query is planned.
func (b *binder) windowConstant(e ast.Expr, name string, t types.Type) (d types.Datum, err error) {
	bound, err := b.expr(e, &exprContext{scope: &scope{}, clause: "FROM"})
	if err == nil && bound.Op == expr.OpParam {
		err = notSupported(e.Position(), "the %s of a window cannot be a parameter", name)
	}
	if err == nil {
		bound, err = b.coerce(bound, t, expr.Implicit)
	}
	if err == nil {
		d, err = expr.EvalConst(bound, b.env.Expr)
	}
	if err == nil && d.Null {
		err = sqlerr.New(sqlerr.NullValueNotAllowed, "the %s of a window must not be NULL", name)
	}
	if err != nil {
		return d, sqlerr.From(err).At(e.Position())
	}
	return d, nil
}

// multiple returns how often step is in size, 0 if it is not a whole number.
func multiple(size, step types.IntervalValue) int64 {
	if size.Months != 0 || step.Months != 0 {
		if step.Months == 0 || size.Months == 0 || size.Months%step.Months != 0 {
			return 0
		}
		return int64(size.Months / step.Months)
	}
	a, err1 := size.FixedMicros()
	b, err2 := step.FixedMicros()
	if err1 != nil || err2 != nil || a%b != 0 {
		return 0
	}
	return a / b
}

// mondayOrigin is the first Monday of 1970, at which windows of whole weeks begin;
// all others begin with 1970.
const mondayOrigin = types.UnixEpochMicros + 4*types.MicrosPerDay

// windowOrigin sets where windows begin, and in which zone days and months do.
func (b *binder) windowOrigin(f *windowFunction, w *Window) error {
	w.Origin = types.UnixEpochMicros
	if w.Step.Micros == 0 && w.Step.Days%7 == 0 && w.Step.Days > 0 {
		w.Origin = mondayOrigin
	}
	if err := b.windowZone(f, w); err != nil {
		return err
	}
	e := f.args["offset"]
	if e == nil {
		return nil
	}
	offset, err := b.constantInterval(e, "offset")
	if err != nil {
		return err
	}
	if w.Origin, err = types.TimestampAdd(w.Origin, offset); err != nil {
		return sqlerr.From(err).At(e.Position())
	}
	return nil
}

// windowZone sets the zone of windows of days and months over moments: the one
// that is given, or the session's. A day there may have 23 or 25 hours.
func (b *binder) windowZone(f *windowFunction, w *Window) error {
	given := f.args["time_zone"]
	onCalendar := w.Time.Type.Base() == types.Timestamptz && (w.Step.Days != 0 || w.Step.Months != 0)
	if !onCalendar {
		if given != nil {
			return sqlerr.New(sqlerr.InvalidParameterValue, "time_zone is for windows of days, weeks or months over timestamps with time zone").At(given.Position())
		}
		return nil
	}
	if w.Step.Micros != 0 {
		return sqlerr.New(sqlerr.InvalidParameterValue, "windows over timestamps with time zone are of whole days, or of hours").At(f.args["size"].Position()).
			WithHint("A day has 23 or 25 hours when clocks are changed. 36 hours are INTERVAL '36 hours'.")
	}
	if given == nil {
		if w.Zone = "UTC"; b.env.Expr.Settings.TimeZone != nil {
			w.Zone = b.env.Expr.Settings.TimeZone.String()
		}
		if _, err := types.LoadZone(w.Zone); err != nil {
			return notSupported(f.call.Position(), "windows of days in the session's time zone %q are not supported", w.Zone).
				WithHint("Name a zone: time_zone => 'Europe/Berlin'.")
		}
		return nil
	}
	d, err := b.windowConstant(given, "time_zone", types.Text)
	if err != nil {
		return err
	}
	w.Zone = string(d.Bytes)
	if _, err := types.LoadZone(w.Zone); err != nil {
		return sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", w.Zone).At(given.Position())
	}
	return nil
}

// windowNode makes the plan of windows. Of those of one length one bound follows
// from the other, and tumbling ones need no operator: they are a projection, which
// other rules see through.
func (b *binder) windowNode(w *Window) (Node, error) {
	if w.Step.Months != 0 || w.Zone != "" {
		return w, nil
	}
	step, err := w.Step.FixedMicros()
	if err != nil {
		return nil, err
	}
	size := expr.Constant(types.Interval, types.Datum{Ival: types.IntervalValue{Micros: step * w.Steps}})
	origin := expr.Constant(w.Time.Type, types.Datum{Int: w.Origin})
	bin := func(time *expr.Expr) (*expr.Expr, error) {
		return b.function("date_bin", []*expr.Expr{size, time, origin}, -1)
	}
	columns := identityOr(nil, w.Input)
	bound := expr.Column(len(columns), w.Time.Type)
	switch {
	case w.Steps == 1:
		finite, err := finite(w.Time)
		if err != nil {
			return nil, err
		}
		start, err := bin(w.Time)
		if err != nil {
			return nil, err
		}
		end, err := b.operator("+", start, size, -1)
		return &Map{Input: w.Input, Filter: finite, Project: append(columns, start, end)}, err
	case w.Cumulate:
		w.NoStart = true
		micro := expr.Constant(types.Interval, types.Datum{Ival: types.IntervalValue{Micros: 1}})
		last, err := b.operator("-", bound, micro, -1)
		if err != nil {
			return nil, err
		}
		start, err := bin(last)
		return &Map{Input: w, Project: append(columns, start, bound)}, err
	}
	w.NoEnd = true
	end, err := b.operator("+", bound, size, -1)
	return &Map{Input: w, Project: append(columns, bound, end)}, err
}

// finite is the condition that a time is neither NULL nor infinite.
func finite(time *expr.Expr) (*expr.Expr, error) {
	after, err := expr.Comparable(">", time, expr.Constant(time.Type, types.Datum{Int: types.TimestampNegInf}))
	if err != nil {
		return nil, err
	}
	before, err := expr.Comparable("<", time, expr.Constant(time.Type, types.Datum{Int: types.TimestampPosInf}))
	return and(after, before), err
}
