package expr

import (
	"bytes"
	"slices"

	"github.com/streamdb/streamdb/sql/types"
)

// Walk calls f for e and everything below it, parents first, until f returns
// false for a node: its arguments are then left out.
func Walk(e *Expr, f func(*Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	for _, a := range e.Args {
		Walk(a, f)
	}
}

// Transform rebuilds an expression bottom-up: f gets each node with its
// arguments transformed and returns what takes its place. Nodes that do not
// change are shared with e, which is never written.
func Transform(e *Expr, f func(*Expr) *Expr) *Expr {
	if e == nil {
		return nil
	}
	var args []*Expr
	for i, a := range e.Args {
		b := Transform(a, f)
		if b != a && args == nil {
			args = slices.Clone(e.Args)
		}
		if args != nil {
			args[i] = b
		}
	}
	if args != nil {
		c := *e
		c.Args = args
		e = &c
	}
	return f(e)
}

// Columns returns the input columns that the expressions use, ascending.
func Columns(es ...*Expr) []int {
	var cols []int
	for _, e := range es {
		Walk(e, func(e *Expr) bool {
			if e.Op == OpColumn && !slices.Contains(cols, e.Col) {
				cols = append(cols, e.Col)
			}
			return true
		})
	}
	slices.Sort(cols)
	return cols
}

// RemapColumns replaces each column i by column to(i).
func RemapColumns(e *Expr, to func(col int) int) *Expr {
	return Transform(e, func(e *Expr) *Expr {
		if e.Op != OpColumn {
			return e
		}
		n := to(e.Col)
		if n == e.Col {
			return e
		}
		c := *e
		c.Col = n
		return &c
	})
}

// ShiftColumns adds by to the index of each column.
func ShiftColumns(e *Expr, by int) *Expr {
	return RemapColumns(e, func(col int) int { return col + by })
}

// SubstituteParams replaces parameters by constants.
func SubstituteParams(e *Expr, values []types.Datum) *Expr {
	return Transform(e, func(e *Expr) *Expr {
		if e.Op != OpParam || e.Col >= len(values) {
			return e
		}
		return &Expr{Op: OpConst, Type: e.Type, Const: values[e.Col], Pos: e.Pos}
	})
}

// Equal says whether two expressions are the same but for positions.
func Equal(a, b *Expr) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Op != b.Op || a.Type != b.Type || a.Col != b.Col || a.Func != b.Func ||
		len(a.Args) != len(b.Args) || !sameDatum(&a.Const, &b.Const) {
		return false
	}
	for i := range a.Args {
		if !Equal(a.Args[i], b.Args[i]) {
			return false
		}
	}
	return true
}

// sameDatum says whether two datums of one type are identical, not only equal.
func sameDatum(a, b *types.Datum) bool {
	return a.Null == b.Null && a.Bool == b.Bool && a.Int == b.Int &&
		floatBits(a.Float) == floatBits(b.Float) && a.Dec.Identical(b.Dec) && a.Ival == b.Ival && bytes.Equal(a.Bytes, b.Bytes)
}

// IsConst says whether e has the same value for all rows: it uses no column
// and no volatile function. Parameters count as constants.
func (e *Expr) IsConst() bool {
	constant := true
	Walk(e, func(e *Expr) bool {
		if e.Op == OpColumn || e.Op == OpCall && volatilityOf(e) == Volatile {
			constant = false
		}
		return constant
	})
	return constant
}

// IsNullConst says whether e is the constant NULL.
func (e *Expr) IsNullConst() bool { return e.Op == OpConst && e.Const.Null }

// ExprVolatility returns the worst volatility in the expression. Calls that
// are bound to settings by Freeze count as immutable.
func ExprVolatility(e *Expr) Volatility {
	worst := Immutable
	Walk(e, func(e *Expr) bool {
		if e.Op == OpCall {
			worst = max(worst, volatilityOf(e))
		}
		return true
	})
	return worst
}

func volatilityOf(e *Expr) Volatility {
	f, ok := Lookup(e.Func)
	switch {
	case !ok:
		return Volatile
	case f.Volatility == Stable && !f.session && (!f.settings || hasMarker(e)):
		return Immutable
	}
	return f.Volatility
}
