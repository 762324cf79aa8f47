package operator

import (
	"iter"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// AnyType is the argument type of count("any"): PostgreSQL's pseudo-type "any".
const AnyType types.Type = 2276

// AggregateFunc is one aggregate function of the table that the binder, pg_proc
// and the docs read.
type AggregateFunc struct {
	Name string
	Args []types.Type // AnyType: every type; empty: called with *
	Ret  types.Type
	Doc  string
	kind aggregateKind
}

type aggregateKind uint8

const (
	aggCount aggregateKind = iota
	aggSum
	aggAvg
	aggMin
	aggMax
	aggAnd
	aggOr
	aggArray
)

// Signature returns the name under which graphs know the function, for instance
// "sum(int8)" or "count(*)".
func (f *AggregateFunc) Signature() string {
	if len(f.Args) == 0 {
		return f.Name + "(*)"
	}
	if f.Args[0] == AnyType {
		return f.Name + "(any)"
	}
	info, _ := f.Args[0].Info()
	return f.Name + "(" + info.Name + ")"
}

// accumulator makes what computes the function, min and max apart.
func (f *AggregateFunc) accumulator() accumulator {
	avg := f.kind == aggAvg
	switch f.kind {
	case aggCount:
		return &count{}
	case aggAnd, aggOr:
		return &boolSum{or: f.kind == aggOr}
	}
	switch f.Args[0].Kind() {
	case types.KindFloat64:
		return &floatSum{avg: avg, arg: f.Args[0]}
	case types.KindDecimal:
		return &numericSum{avg: avg}
	case types.KindInterval:
		return &intervalSum{avg: avg}
	default:
		return &intSum{avg: avg, out: f.Ret}
	}
}

const (
	docCountAll = "number of rows"
	docCount    = "number of rows in which the argument is not NULL"
	docSum      = "sum of the arguments that are not NULL; exact also after retractions"
	docAvg      = "mean of the arguments that are not NULL"
	docMin      = "least argument"
	docMax      = "greatest argument"
	docAnd      = "true if all arguments that are not NULL are true"
	docOr       = "true if any argument is true"
	docArray    = "array of all arguments, NULL among them, in ascending order"
)

// Aggregates yields all aggregate functions in a stable order.
func Aggregates() iter.Seq[AggregateFunc] { return slices.Values(aggregateTable()) }

func aggregateTable() []AggregateFunc {
	one := func(t types.Type) []types.Type { return []types.Type{t} }
	table := []AggregateFunc{
		{"count", nil, types.Int8, docCountAll, aggCount},
		{"count", one(AnyType), types.Int8, docCount, aggCount},
		{"sum", one(types.Int8), types.Numeric, docSum, aggSum},
		{"sum", one(types.Int4), types.Int8, docSum, aggSum},
		{"sum", one(types.Int2), types.Int8, docSum, aggSum},
		{"sum", one(types.Numeric), types.Numeric, docSum, aggSum},
		{"sum", one(types.Float4), types.Float4, docSum, aggSum},
		{"sum", one(types.Float8), types.Float8, docSum, aggSum},
		{"sum", one(types.Interval), types.Interval, docSum, aggSum},
		{"avg", one(types.Int8), types.Numeric, docAvg, aggAvg},
		{"avg", one(types.Int4), types.Numeric, docAvg, aggAvg},
		{"avg", one(types.Int2), types.Numeric, docAvg, aggAvg},
		{"avg", one(types.Numeric), types.Numeric, docAvg, aggAvg},
		{"avg", one(types.Float4), types.Float8, docAvg, aggAvg},
		{"avg", one(types.Float8), types.Float8, docAvg, aggAvg},
		{"avg", one(types.Interval), types.Interval, docAvg, aggAvg},
		{"bool_and", one(types.Bool), types.Bool, docAnd, aggAnd},
		{"every", one(types.Bool), types.Bool, docAnd, aggAnd},
		{"bool_or", one(types.Bool), types.Bool, docOr, aggOr},
	}
	for _, t := range []types.Type{
		types.Int8, types.Int4, types.Int2, types.OIDType, types.Float4, types.Float8, types.Numeric,
		types.Text, types.BPChar, types.Date, types.Time, types.TimeTZ, types.Timestamp, types.Timestamptz, types.Interval,
	} {
		table = append(table,
			AggregateFunc{"min", one(t), t, docMin, aggMin},
			AggregateFunc{"max", one(t), t, docMax, aggMax})
	}
	for _, info := range types.All() {
		if info.Array != 0 {
			table = append(table, AggregateFunc{"array_agg", one(info.Type), info.Array, docArray, aggArray})
		}
	}
	return table
}

func lookupAggregate(signature string) (AggregateFunc, bool) {
	for f := range Aggregates() {
		if f.Signature() == signature {
			return f, true
		}
	}
	return AggregateFunc{}, false
}

// IsAggregate says whether a name is that of an aggregate function.
func IsAggregate(name string) bool {
	for f := range Aggregates() {
		if f.Name == name {
			return true
		}
	}
	return false
}

// ResolveAggregate finds the aggregate that a call means, by PostgreSQL's rules
// for functions (chapter 10.3), and the types to which the arguments are to be
// coerced. types.Unknown is an untyped literal. The errors are PostgreSQL's:
// 42883 when there is none, 42725 when several fit equally well.
func ResolveAggregate(name string, args []types.Type, star bool) (f AggregateFunc, argTypes []types.Type, err error) {
	var fit []AggregateFunc
	for c := range Aggregates() {
		if c.Name == name && len(c.Args) == len(args) && (len(args) > 0 || star) && accepts(&c, args) {
			fit = append(fit, c)
		}
	}
	if len(args) == 1 && len(fit) > 1 {
		fit = best(fit, args[0])
	}
	switch {
	case len(fit) == 0 && len(args) == 0 && !star && IsAggregate(name):
		if name == "count" {
			return f, nil, sqlerr.New(sqlerr.WrongObjectType, "%s(*) must be used to call a parameterless aggregate function", name)
		}
		return f, nil, errNoAggregate(name, args, star)
	case len(fit) == 0:
		return f, nil, errNoAggregate(name, args, star)
	case len(fit) > 1:
		return f, nil, sqlerr.New(sqlerr.AmbiguousFunction, "function %s is not unique", callText(name, args, star)).
			WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
	}
	f = fit[0]
	if len(args) == 0 {
		return f, nil, nil
	}
	to := f.Args[0]
	switch {
	case to == AnyType && args[0] == types.Unknown:
		to = types.Text
	case to == AnyType || to == args[0].Base():
		to = args[0]
	}
	return f, []types.Type{to}, nil
}

func accepts(f *AggregateFunc, args []types.Type) bool {
	for i, t := range f.Args {
		if from := args[i].Base(); t != AnyType && from != types.Unknown && from != t && !implicitly(from, t) {
			return false
		}
	}
	return true
}

// best keeps the candidates that PostgreSQL prefers for one argument: the exact
// type, else a binary coercible one, else a preferred type of its category; for an
// untyped literal the string type if there is one.
func best(fit []AggregateFunc, arg types.Type) []AggregateFunc {
	pick := func(ok func(t types.Type) bool) []AggregateFunc {
		var kept []AggregateFunc
		for _, f := range fit {
			if ok(f.Args[0]) {
				kept = append(kept, f)
			}
		}
		return kept
	}
	from := arg.Base()
	if from == types.Unknown {
		if kept := pick(func(t types.Type) bool { return t == types.Text }); kept != nil {
			return kept
		}
		return fit
	}
	for _, ok := range []func(types.Type) bool{
		func(t types.Type) bool { return t == from },
		func(t types.Type) bool { return from == types.Varchar && t == types.Text },
		func(t types.Type) bool { return t.Category() == from.Category() && t.Preferred() },
		types.Type.Preferred,
	} {
		if kept := pick(ok); kept != nil {
			return kept
		}
	}
	return fit
}

// implicitly says whether PostgreSQL casts one type to another without being
// asked, as far as aggregates take the target (pg_cast, castcontext i).
func implicitly(from, to types.Type) bool {
	var targets []types.Type
	switch from {
	case types.Int2:
		targets = []types.Type{types.Int4, types.Int8, types.Float4, types.Float8, types.Numeric, types.OIDType}
	case types.Int4:
		targets = []types.Type{types.Int8, types.Float4, types.Float8, types.Numeric, types.OIDType}
	case types.Int8:
		targets = []types.Type{types.Float4, types.Float8, types.Numeric, types.OIDType}
	case types.Numeric:
		targets = []types.Type{types.Float4, types.Float8}
	case types.Float4:
		targets = []types.Type{types.Float8}
	case types.Varchar:
		targets = []types.Type{types.Text, types.BPChar}
	case types.BPChar:
		targets = []types.Type{types.Text}
	case types.Name, types.Char:
		targets = []types.Type{types.Text}
	case types.Date:
		targets = []types.Type{types.Timestamp, types.Timestamptz}
	case types.Timestamp:
		targets = []types.Type{types.Timestamptz}
	case types.Time:
		targets = []types.Type{types.TimeTZ, types.Interval}
	case types.Regproc, types.Regclass, types.Regtype:
		targets = []types.Type{types.OIDType, types.Int8}
	case types.OIDType:
		targets = []types.Type{types.Int8}
	}
	return slices.Contains(targets, to)
}

func errNoAggregate(name string, args []types.Type, star bool) error {
	return sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", callText(name, args, star)).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

// callText prints a call as PostgreSQL's messages do: sum(*) is sum().
func callText(name string, args []types.Type, _ bool) string {
	texts := make([]string, len(args))
	for i, t := range args {
		texts[i] = t.Base().String()
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
