package planner

import (
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// array binds ARRAY[...].
func (b *binder) array(e *ast.ArrayExpr, c *exprContext) (*expr.Expr, error) {
	if len(e.Elems) == 0 {
		return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "cannot determine type of empty array").At(e.Position()).
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	for _, elem := range e.Elems {
		if inner, ok := elem.(*ast.ArrayExpr); ok {
			return nil, notSupported(inner.Position(), "arrays of several dimensions are not supported yet")
		}
	}
	elems, err := b.exprs(e.Elems, c)
	if err != nil {
		return nil, err
	}
	common, err := b.coerceAll(elems, "ARRAY")
	if err != nil {
		return nil, err
	}
	return b.makeArray(elems, common, e.Position())
}

func (b *binder) makeArray(elems []*expr.Expr, of types.Type, pos int) (*expr.Expr, error) {
	array := of.Array()
	if array == 0 {
		return nil, notSupported(pos, "arrays of type %s are not supported", of.Base())
	}
	return b.internalCall("make_array(any...)", array, elems...)
}

// emptyArray binds ARRAY[]::type[], whose type the cast gives; nil if e is
// something else.
func (b *binder) emptyArray(e ast.Expr, to types.Type) (*expr.Expr, error) {
	array, ok := e.(*ast.ArrayExpr)
	if !ok || len(array.Elems) > 0 || !to.IsArray() {
		return nil, nil
	}
	d, err := types.ParseText(to, []byte("{}"), nil)
	return expr.Constant(to, d), err
}

// subscript binds x[i].
func (b *binder) subscript(e *ast.Subscript, c *exprContext) (*expr.Expr, error) {
	if e.Slice {
		return nil, notSupported(e.Position(), "array slices are not supported yet")
	}
	array, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	if !array.Type.IsArray() {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", array.Type).At(e.Position())
	}
	index, err := b.expr(e.Index, c)
	if err != nil {
		return nil, err
	}
	if index, err = b.coerce(index, types.Int4, expr.Assignment); err != nil {
		return nil, err
	}
	return b.internalCall("array_get(anyarray,int4)", array.Type.Elem(), array, index)
}

// quantified binds x op ANY|ALL (array) and (subquery).
func (b *binder) quantified(e *ast.QuantifiedExpr, c *exprContext) (*expr.Expr, error) {
	if e.Query != nil {
		return b.quantifiedSubquery(e, c)
	}
	left, err := b.expr(e.Left, c)
	if err != nil {
		return nil, err
	}
	array, err := b.expr(e.Array, c)
	if err != nil {
		return nil, err
	}
	if array, err = b.asArray(array, left); err != nil {
		return nil, err
	}
	if !array.Type.IsArray() {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires array on right side").At(e.Position())
	}
	suffix, ok := map[string]string{"=": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[e.Op]
	if !ok {
		return b.unrolled(e, left, array)
	}
	// The comparison decides to which type both sides are brought.
	compare, err := b.operator(e.Op, left, expr.Column(0, array.Type.Elem()), e.Position())
	if err != nil {
		return nil, err
	}
	of := compare.Args[1].Type
	if of.Base() != array.Type.Elem() && of.Array() == 0 {
		return b.unrolled(e, left, array) // there are no arrays of the common type
	}
	left = compare.Args[0]
	if of.Base() != array.Type.Elem() {
		if array, err = b.coerce(array, of.Array(), expr.Explicit); err != nil {
			return nil, err
		}
	}
	name := "any_"
	if e.All {
		name = "all_"
	}
	return b.internalCall(name+suffix+"(anyelement,anyarray)", types.Bool, left, array)
}

// asArray gives an untyped literal or parameter the type of arrays of the left
// side.
func (b *binder) asArray(array, left *expr.Expr) (*expr.Expr, error) {
	if array.Type != types.Unknown {
		return array, nil
	}
	of := left.Type.Base()
	if of == types.Unknown {
		of = types.Text
	}
	to := of.Array()
	switch {
	case of == types.Varchar:
		to = types.TextArray // whose elements it is compared with, as text
	case to == 0 && expr.CanCoerce(of, types.OIDType, expr.Implicit) && of.Kind() == types.KindInt64:
		to = types.OIDArray
	case to == 0:
		to = types.TextArray
	}
	return b.coerce(array, to, expr.Implicit)
}

// unrolled binds operators that have no function over arrays: with ARRAY[...]
// and constant arrays they become a chain.
func (b *binder) unrolled(e *ast.QuantifiedExpr, left, array *expr.Expr) (*expr.Expr, error) {
	elems, ok := elementsOf(array)
	if !ok {
		return nil, notSupported(e.Position(), "operator %s with ANY or ALL of an array is supported for constant arrays only", e.Op)
	}
	out := &expr.Expr{Op: expr.OpOr, Type: types.Bool}
	if e.All {
		out.Op = expr.OpAnd
	}
	for _, elem := range elems {
		holds, err := b.quantifiedOperator(e, left, elem)
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, holds)
	}
	switch len(out.Args) {
	case 0:
		return expr.Constant(types.Bool, types.Datum{Bool: e.All}), nil
	case 1:
		return out.Args[0], nil
	}
	return out, nil
}

// elementsOf lists the elements of ARRAY[...] or a constant array.
func elementsOf(array *expr.Expr) ([]*expr.Expr, bool) {
	switch {
	case array.Op == expr.OpCall && array.Func == "make_array(any...)":
		return array.Args, true
	case array.Op == expr.OpConst && !array.Const.Null:
		l, ok := types.DecodeList(array.Type, array.Const.Bytes)
		if !ok {
			return nil, false
		}
		var out []*expr.Expr
		for l.Next() {
			out = append(out, expr.Constant(array.Type.Elem(), l.Elem()))
		}
		return out, true
	}
	return nil, false
}
