package planner

import (
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/types"
)

// BindType resolves a type name.
func BindType(n *ast.TypeName) (types.Type, error) {
	if n.SetOf {
		return 0, notSupported(n.Position(), "SETOF types are not supported")
	}
	for _, q := range n.Qualifier {
		if q != "pg_catalog" {
			return 0, undefinedType(n)
		}
	}
	var mods []int
	for _, m := range n.Mods {
		sign := ""
		if minus, ok := m.(*ast.UnaryExpr); ok && minus.Op == "-" {
			m, sign = minus.Expr, "-"
		}
		lit, ok := m.(*ast.NumberLit)
		if !ok {
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "type modifiers must be simple constants or identifiers").At(n.Position())
		}
		v, err := strconv.Atoi(sign + lit.Text)
		if err != nil {
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid type modifier %q", lit.Text).At(m.Position())
		}
		mods = append(mods, v)
	}
	name := n.Name
	if name == "char" { // the keyword is bpchar here
		name = `"char"`
	}
	t, ok := types.Lookup(name, mods)
	if !ok {
		if base, known := types.Lookup(name, nil); known {
			if _, err := types.ParseTypmod(base, mods); err != nil {
				return 0, sqlerr.From(err).At(n.Position())
			}
		}
		return 0, undefinedType(n)
	}
	if n.Fields != ast.IntervalAll {
		if t, ok = intervalType(n.Fields, mods); !ok {
			return 0, undefinedType(n)
		}
	}
	if n.IsArray() {
		array := t.Array()
		if array == 0 {
			return 0, notSupported(n.Position(), "arrays of type %s are not supported", t)
		}
		return array.WithTypmod(t.Typmod()), nil
	}
	return t, nil
}

func undefinedType(n *ast.TypeName) error {
	return sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", n.Name).At(n.Position())
}

// intervalType is INTERVAL restricted to fields, as in INTERVAL '1' DAY; mods
// may hold the precision of its seconds.
func intervalType(fields ast.IntervalFields, mods []int) (types.Type, bool) {
	names := map[ast.IntervalFields]string{
		ast.IntervalYear: "year", ast.IntervalMonth: "month", ast.IntervalDay: "day", ast.IntervalHour: "hour",
		ast.IntervalMinute: "minute", ast.IntervalSecond: "second", ast.IntervalYearToMonth: "year to month",
		ast.IntervalDayToHour: "day to hour", ast.IntervalDayToMinute: "day to minute", ast.IntervalDayToSecond: "day to second",
		ast.IntervalHourToMinute: "hour to minute", ast.IntervalHourToSecond: "hour to second", ast.IntervalMinuteToSecond: "minute to second",
	}
	precision := -1
	if len(mods) > 0 {
		precision = mods[0]
	}
	mod, ok := types.IntervalTypmod(names[fields], precision)
	return types.Interval.WithTypmod(mod), ok
}
