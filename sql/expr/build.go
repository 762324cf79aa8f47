package expr

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Comparable builds a op b for one of =, <>, <, <=, >, >=, with the coercions
// that the comparison needs.
func Comparable(op string, a, b *Expr) (*Expr, error) { return NewOperator(nil, op, a, b) }

// NewOperator builds the call of a binary operator, or of a prefix operator if
// a is nil: it resolves the operator and coerces the operands. Errors have b's
// position if none of their own.
func NewOperator(env *Env, op string, a, b *Expr) (*Expr, error) {
	if a == nil {
		f, ts, err := ResolveOperator(op, 0, b.Type)
		if err != nil {
			return nil, sqlerr.From(err).At(b.Pos)
		}
		return NewCall(env, f, ts, b)
	}
	f, ts, err := ResolveOperator(op, a.Type, b.Type)
	if err != nil {
		return nil, sqlerr.From(err).At(a.Pos)
	}
	return NewCall(env, f, ts, a, b)
}

// NewFunctionCall builds the call of a function by name: it resolves the
// function and coerces the arguments. A call of one argument by a type's name
// is a cast where PostgreSQL takes it for one.
func NewFunctionCall(env *Env, name string, args ...*Expr) (*Expr, error) {
	ts := make([]types.Type, len(args))
	for i, a := range args {
		ts[i] = a.Type
	}
	f, argTypes, err := ResolveFunction(name, ts)
	if err == nil {
		return NewCall(env, f, argTypes, args...)
	}
	if len(args) == 1 && sqlerr.Code(err) == sqlerr.UndefinedFunction {
		if to, ok := types.Lookup(name, nil); ok && (to.Base() == ts[0].Base() || isString(to) || isString(ts[0]) || ts[0] == types.Unknown) {
			return CoerceIn(env, args[0], to.Base(), Explicit)
		}
	}
	return nil, err
}

// NewCall builds the call of a resolved function; argTypes are what
// ResolveFunction or ResolveOperator returned with it.
func NewCall(env *Env, f *Function, argTypes []types.Type, args ...*Expr) (*Expr, error) {
	out := make([]*Expr, len(args))
	for i, a := range args {
		c, err := CoerceIn(env, a, argTypes[i], Implicit)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	pos := 0
	if len(args) > 0 {
		pos = args[0].Pos
	}
	return newCall(f, f.ResultType(argTypes), pos, out...), nil
}
