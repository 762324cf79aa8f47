package expr

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func isPseudo(t types.Type) bool {
	switch t {
	case Any, AnyArray, AnyElement, AnyNonArray, AnyCompatible, AnyCompatibleArray:
		return true
	}
	return false
}

// isString says whether values of the type are converted to and from other
// types by their input and output functions.
func isString(t types.Type) bool {
	switch t.Base() {
	case types.Text, types.Varchar, types.BPChar, types.Name:
		return true
	}
	return false
}

// styled says whether a type's text depends on settings.
func styled(t types.Type) bool {
	switch t.Base() {
	case types.Date, types.Time, types.TimeTZ, types.Timestamp, types.Timestamptz, types.Interval, types.Float4, types.Float8, types.Record:
		return true
	}
	return false
}

// FindCast returns the cast between two types that pg_cast has, if any.
func FindCast(from, to types.Type) (*Cast, bool) {
	c, ok := loadTables().casts[castKey{from.Base(), to.Base()}]
	return c, ok
}

// CanCoerce says whether a value of one type may become another in a context.
// Types are compared without modifiers; an unknown literal becomes anything.
func CanCoerce(from, to types.Type, ctx CoercionContext) bool {
	from, to = from.Base(), to.Base()
	if from == to || from == types.Unknown || accepts(to, from) {
		return true
	}
	if c, ok := FindCast(from, to); ok {
		return c.Context <= ctx
	}
	return canConvertByText(from, to, ctx)
}

// accepts says whether a pseudo-type takes arguments of a type as they are.
func accepts(pseudo, t types.Type) bool {
	switch pseudo {
	case Any, AnyElement, AnyCompatible:
		return true
	case AnyArray, AnyCompatibleArray:
		return t.IsArray()
	case AnyNonArray:
		return !t.IsArray()
	}
	return false
}

func canConvertByText(from, to types.Type, ctx CoercionContext) bool {
	switch {
	case isPseudo(to) || to == types.Void || to == types.Unknown:
		return false
	case isString(to):
		return ctx >= Assignment
	case isString(from):
		return ctx == Explicit && to != types.Record
	case from.IsArray() && to.IsArray():
		return CanCoerce(from.Elem(), to.Elem(), ctx)
	}
	return false
}

// Coerce makes e a value of type to, its modifier included. It fails with 42846
// (Explicit) or 42804 if the context does not allow it, and with the input
// function's error for an untyped literal that is no value of the type.
// Literals whose meaning depends on settings stay calls: Freeze binds them.
func Coerce(e *Expr, to types.Type, ctx CoercionContext) (*Expr, error) {
	return CoerceIn(nil, e, to, ctx)
}

// CoerceIn is Coerce in a session: all literals become constants at once.
func CoerceIn(env *Env, e *Expr, to types.Type, ctx CoercionContext) (*Expr, error) {
	if e.Type == to || isPseudo(to) {
		return e, nil
	}
	from, base := e.Type.Base(), to.Base()
	switch {
	case from == types.Unknown && base == types.Unknown:
		return e, nil
	case from == types.Unknown && e.Op == OpParam:
		c := *e
		c.Type = base
		return applyModifier(&c, to, ctx)
	case from == types.Unknown && e.Op == OpConst:
		return coerceLiteral(env, e, to, ctx)
	case from == base:
		return applyModifier(e, to, ctx)
	}
	if from == types.Unknown {
		from = types.Text // an expression that stayed untyped holds text
	}
	c, err := convert(e, from, base, ctx)
	if err != nil {
		return nil, err
	}
	return applyModifier(c, to, ctx)
}

// convert applies the cast between two base types.
func convert(e *Expr, from, to types.Type, ctx CoercionContext) (*Expr, error) {
	if from == to {
		return e, nil
	}
	if c, ok := FindCast(from, to); ok {
		if c.Context > ctx {
			return nil, errCannotCast(e, from, to, ctx)
		}
		return newCall(c.Func, to, e.Pos, e), nil
	}
	if !canConvertByText(from, to, ctx) {
		return nil, errCannotCast(e, from, to, ctx)
	}
	if isString(from) {
		return fromTextCall(e, to), nil
	}
	if from.IsArray() && to.IsArray() {
		return castArrayCall(e, from, to), nil
	}
	name := toTextFunc
	if styled(from) || styled(from.Elem()) {
		name = toTextStyledFunc
	}
	f, _ := Lookup(name)
	text := newCall(f, types.Text, e.Pos, e)
	if isString(to) {
		return convert(text, types.Text, to, Explicit)
	}
	return fromTextCall(text, to), nil
}

func fromTextCall(e *Expr, to types.Type) *Expr {
	name := fromTextFunc
	if styled(to) || styled(to.Elem()) {
		name = fromTextStyledFunc
	}
	f, _ := Lookup(name)
	return newCall(f, to, e.Pos, e)
}

func newCall(f *Function, t types.Type, pos int, args ...*Expr) *Expr {
	return &Expr{Op: OpCall, Type: t, Func: f.Signature(), Args: args, Pos: pos}
}

func errCannotCast(e *Expr, from, to types.Type, ctx CoercionContext) error {
	if ctx == Explicit {
		return sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", from, to).At(e.Pos)
	}
	err := sqlerr.New(sqlerr.DatatypeMismatch, "expression is of type %s where type %s is required", from, to).At(e.Pos)
	if ctx == Assignment {
		err = err.WithHint("You will need to rewrite or cast the expression.")
	}
	return err
}

// coerceLiteral reads an untyped literal with the type's input function.
func coerceLiteral(env *Env, e *Expr, to types.Type, ctx CoercionContext) (*Expr, error) {
	base := to.Base()
	typed := &Expr{Op: OpConst, Type: base, Pos: e.Pos, Const: types.NullDatum()}
	if !e.Const.Null {
		if env == nil && literalDepends(base, e.Const.Bytes) {
			text := &Expr{Op: OpConst, Type: types.Text, Const: e.Const, Pos: e.Pos}
			return applyModifier(fromTextCall(text, base), to, ctx)
		}
		if base == types.Interval {
			return intervalLiteral(env, e, to)
		}
		d, err := types.ParseText(base, e.Const.Bytes, env.settings())
		if err != nil {
			return nil, sqlerr.From(err).At(e.Pos)
		}
		typed.Const = d
	}
	c, err := applyModifier(typed, to, ctx)
	if err != nil || c.Op == OpConst {
		return c, err
	}
	d, err := EvalConst(c, env)
	if err != nil {
		return nil, sqlerr.From(err).At(e.Pos)
	}
	return &Expr{Op: OpConst, Type: to, Const: d, Pos: e.Pos}, nil
}

// intervalLiteral gives the modifier to the input function: INTERVAL '5' DAY.
func intervalLiteral(env *Env, e *Expr, to types.Type) (*Expr, error) {
	v, err := types.ParseInterval(e.Const.Bytes, to.Typmod(), env.settings())
	if err != nil {
		return nil, sqlerr.From(err).At(e.Pos)
	}
	return &Expr{Op: OpConst, Type: to, Const: types.Datum{Ival: v}, Pos: e.Pos}, nil
}

// literalDepends says whether a literal may mean different values under
// different settings.
func literalDepends(t types.Type, s []byte) bool {
	switch t {
	case types.Timestamp, types.Date:
		if _, ok := types.ParseTimestampFast(s); ok {
			return false
		}
		return !isoDate(s)
	case types.Timestamptz:
		_, ok := types.ParseTimestamptzFast(s)
		return !ok
	case types.TimeTZ:
		return true
	}
	return false
}

// isoDate recognises YYYY-MM-DD.
func isoDate(s []byte) bool {
	if len(s) != 10 {
		return false
	}
	for i, c := range s {
		if i == 4 || i == 7 {
			if c != '-' {
				return false
			}
		} else if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// applyModifier coerces a value of the right type to the type's modifier.
func applyModifier(e *Expr, to types.Type, ctx CoercionContext) (*Expr, error) {
	if e.Type == to {
		return e, nil
	}
	if to.Typmod() < 0 {
		c := *e // the value is the same without its modifier
		c.Type = to
		return &c, nil
	}
	mod := Constant(types.Int4, types.Datum{Int: int64(to.Typmod())})
	name, args := "", []*Expr{e, mod}
	switch to.Base() {
	case types.Numeric:
		name = "numeric(numeric,int4)"
	case types.Varchar, types.BPChar:
		name = typeName(to) + "(" + typeName(to) + ",int4,bool)"
		args = append(args, Constant(types.Bool, types.Datum{Bool: ctx == Explicit}))
	case types.Timestamp, types.Timestamptz, types.Time, types.Interval:
		name = typeName(to) + "(" + typeName(to) + ",int4)"
	default:
		if !to.IsArray() {
			return e, nil
		}
		name, args = arrayModifierFunc, []*Expr{e, Constant(types.Bool, types.Datum{Bool: ctx == Explicit})}
	}
	f, _ := Lookup(name)
	return newCall(f, to, e.Pos, args...), nil
}
