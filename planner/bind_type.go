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
		lit, ok := m.(*ast.NumberLit)
		if !ok {
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "type modifiers must be simple constants or identifiers").At(n.Position())
		}
		v, err := strconv.Atoi(lit.Text)
		if err != nil {
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid type modifier %q", lit.Text).At(m.Position())
		}
		mods = append(mods, v)
	}
	name := n.Name
	t, ok := types.Lookup(name, mods)
	if !ok {
		return 0, undefinedType(n)
	}
	if n.IsArray() {
		array := t.Array()
		if array == 0 {
			return 0, notSupported(n.Position(), "arrays of type %s are not supported", t)
		}
		return array, nil
	}
	return t, nil
}

func undefinedType(n *ast.TypeName) error {
	return sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", n.Name).At(n.Position())
}
