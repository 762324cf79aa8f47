package planner

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// catalogFunction binds functions about the database and the session whose
// answer does not need a row; nil, nil if the call is none.
func (b *binder) catalogFunction(e *ast.FuncCall, c *exprContext) (*expr.Expr, error) {
	if b.env.InView && expr.ReadsCatalog(e.Name) {
		return nil, notSupported(e.Position(), "function %s cannot be used in a materialized view", e.Name).
			WithHint("A view changes only when its inputs do.")
	}
	switch name := e.Name; {
	case strings.HasPrefix(name, "has_") && strings.HasSuffix(name, "_privilege"), name == "pg_has_role":
		// The only role is the superuser.
		_, err := b.exprs(e.Args, c)
		return expr.Constant(types.Bool, types.Datum{Bool: true}), err
	case name == "current_schemas" && len(e.Args) == 1:
		return b.currentSchemas(e)
	case name == "set_config" && len(e.Args) == 3:
		return b.setConfig(e)
	}
	return nil, nil
}

// currentSchemas lists the schemas of the search path that exist; pg_catalog,
// which is searched without being named, is listed on demand.
func (b *binder) currentSchemas(e *ast.FuncCall) (*expr.Expr, error) {
	implicit, ok := lastBool(e.Args)
	if !ok {
		return nil, notSupported(e.Position(), "current_schemas is supported with a constant only")
	}
	var names []types.Datum
	for i, s := range b.env.SearchPath {
		if b.env.Catalog.HasSchema(s) && (implicit || i > 0 || s != catalog.PGSchema) {
			names = append(names, types.Datum{Bytes: []byte(s)})
		}
	}
	var dims []types.Dim
	if len(names) > 0 {
		dims = []types.Dim{{Len: int32(len(names)), Lower: 1}}
	}
	return expr.Constant(types.NameArray, types.Datum{Bytes: types.AppendArray(nil, types.Name, dims, names)}), nil
}

// setConfig binds set_config(name, value, is_local) of constants. The setting
// changes when the statement is bound: every client calls it on its own.
func (b *binder) setConfig(e *ast.FuncCall) (*expr.Expr, error) {
	name, ok1 := e.Args[0].(*ast.StringLit)
	value, ok2 := e.Args[1].(*ast.StringLit)
	if !ok1 || !ok2 || b.env.Set == nil || b.env.InView {
		return nil, notSupported(e.Position(), "set_config is supported with constants only").WithHint("Use SET.")
	}
	if err := b.env.Set(name.Value, value.Value); err != nil {
		return nil, err
	}
	return expr.Constant(types.Text, types.Datum{Bytes: []byte(value.Value)}), nil
}

// nameTypes are the types that stand for an object's name and have no values of
// their own here: a value of them is the object's OID or its name.
func nameType(n *ast.TypeName) (kind string, ok bool) {
	for _, q := range n.Qualifier {
		if q != catalog.PGSchema {
			return "", false
		}
	}
	switch n.Name {
	case "regnamespace":
		return "namespace", !n.IsArray()
	case "regrole":
		return "role", !n.IsArray()
	}
	return "", false
}

// nameCast binds casts to regnamespace and regrole: of a constant name to the
// object's OID, of an OID to the name.
func (b *binder) nameCast(kind string, e *ast.CastExpr, c *exprContext) (*expr.Expr, error) {
	arg, err := b.expr(e.Expr, c)
	if err != nil {
		return nil, err
	}
	if isText(arg.Type) {
		return b.objectConstant(kind, types.OIDType, arg)
	}
	if arg, err = b.coerce(arg, types.OIDType, expr.Explicit); err != nil {
		return nil, err
	}
	return b.internalCall("object_name(text,oid)", types.Text, textConstant(kind), arg)
}

// objectCast binds casts between names and regclass, regtype and regproc; nil,
// nil for other casts.
func (b *binder) objectCast(arg *expr.Expr, to types.Type) (*expr.Expr, error) {
	if kind, ok := expr.ObjectKind(to); ok && isText(arg.Type) {
		return b.objectConstant(kind, to.Base(), arg)
	}
	if kind, ok := expr.ObjectKind(arg.Type); ok && isText(to) {
		return b.objectName(kind, arg)
	}
	return nil, nil
}

func (b *binder) objectName(kind string, arg *expr.Expr) (*expr.Expr, error) {
	return b.internalCall("object_name(text,oid)", types.Text, textConstant(kind), arg)
}

func textConstant(s string) *expr.Expr {
	return expr.Constant(types.Text, types.Datum{Bytes: []byte(s)})
}

func isText(t types.Type) bool {
	switch t.Base() {
	case types.Unknown, types.Text, types.Varchar, types.Name:
		return true
	}
	return false
}

// objectConstant finds the object that a constant names. An untyped parameter
// is taken for a name, too; an OID as text is one.
func (b *binder) objectConstant(kind string, t types.Type, arg *expr.Expr) (*expr.Expr, error) {
	if arg.Op != expr.OpConst {
		if kind == "class" || kind == "type" {
			text, err := b.coerce(arg, types.Text, expr.Explicit)
			if err != nil {
				return nil, err
			}
			return b.internalCall("reg"+kind+"_of(text)", t, text)
		}
		return nil, notSupported(arg.Pos, "a cast to %s is supported for constants only", t)
	}
	if arg.Const.Null {
		return expr.Constant(t, types.NullDatum()), nil
	}
	oid, err := expr.FindObject(b.env.Expr, kind, string(arg.Const.Bytes))
	if err != nil {
		return nil, sqlerr.From(err).At(arg.Pos)
	}
	return expr.Constant(t, types.Datum{Int: oid}), nil
}

// systemColumn binds tableoid, and the columns of row versions, which are 0
// here; nil if the reference is no such column of a relation in the scope.
func (b *binder) systemColumn(ref *ast.ColumnRef, s *scope) (*expr.Expr, error) {
	switch ref.Name {
	case "tableoid", "xmin", "xmax", "cmin", "cmax":
	default:
		return nil, nil
	}
	var of *catalog.Object
	for i := range s.columns {
		c := &s.columns[i]
		if c.object == nil || len(ref.Qualifier) > 0 && c.relation != ref.Qualifier[len(ref.Qualifier)-1] {
			continue
		}
		if of != nil && of != c.object {
			return nil, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", ref.Name).At(ref.Position())
		}
		of = c.object
	}
	switch {
	case of == nil:
		return nil, nil
	case b.env.InView:
		return nil, notSupported(ref.Position(), "system column %q cannot be used in a materialized view", ref.Name)
	case ref.Name != "tableoid":
		return expr.Constant(types.OIDType, types.Datum{}), nil
	}
	oid, err := expr.FindObject(b.env.Expr, "class", ast.QuoteIdent(of.Schema)+"."+ast.QuoteIdent(of.Name))
	return expr.Constant(types.OIDType, types.Datum{Int: oid}), err
}
