package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// Names of the internal functions that cast arrays and give them a modifier. The
// styled one depends on settings.
const (
	castArrayFunc       = "cast_array(anyarray)"
	castArrayStyledFunc = "cast_array_styled(anyarray)"
	arrayModifierFunc   = "array_modifier(anyarray,bool)"
)

func (t *tables) addArrayCasts() {
	t.fn(castArrayFunc+" any", castArray, internal)
	t.fn(castArrayStyledFunc+" any", castArray, internal, usesSettings)
	t.fn(arrayModifierFunc+" any", arrayModifier, internal)
}

// castArrayCall casts an array of one type to one of another.
func castArrayCall(e *Expr, from, to types.Type) *Expr {
	name := castArrayFunc
	if styled(from.Elem()) || styled(to.Elem()) {
		name = castArrayStyledFunc
	}
	f, _ := Lookup(name)
	return newCall(f, to, e.Pos, e)
}

// castArray casts an array element by element, as the cast of the element types
// does it: true is 'true' as a text and 1 as an integer, 1.5 rounds to 2.
func castArray(s *site) (kernel, error) {
	from, to := s.args[0].Type, s.ret
	program, err := s.elementCast(s.env, from.Elem(), to.Elem())
	if err != nil {
		return nil, err
	}
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a := bound[[]byte](c, 0)
		return func(dst []byte, row int) ([]byte, error) {
			dims, elems, err := decodeArray(from, a.at(row))
			if err != nil {
				return dst, err
			}
			if err := castElements(program, from.Elem(), elems); err != nil {
				return dst, err
			}
			return types.AppendArray(dst, to.Elem(), dims, elems), nil
		}
	})(s)
}

// elementCast compiles the cast of one column.
func elementCast(env *Env, from, to types.Type) (*Program, error) {
	e, err := Coerce(Column(0, from), to, Explicit)
	if err != nil {
		return nil, err
	}
	return CompileIn(env, []*Expr{e}, []types.Type{from})
}

// castElements replaces the elements by what the program makes of them; their
// bytes are valid until it runs again.
func castElements(program *Program, of types.Type, elems []types.Datum) error {
	if len(elems) == 0 {
		return nil
	}
	in := zset.NewBatch([]types.Type{of}, len(elems))
	for _, d := range elems {
		in.AppendDatums([]types.Datum{d}, 1)
	}
	out, err := program.Eval(in)
	if err != nil {
		return err
	}
	if out.Err != nil {
		_, failed := out.Err.Row(0)
		return failed
	}
	for i := range elems {
		elems[i] = out.Cols[0].Datum(i)
	}
	return nil
}

// arrayModifier coerces elements to the modifier of the result's type.
func arrayModifier(s *site) (kernel, error) {
	to := s.ret
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, explicit := bound[[]byte](c, 0), bound[bool](c, 1)
		return func(dst []byte, row int) ([]byte, error) {
			d, err := types.ApplyTypmod(to, types.Datum{Bytes: a.at(row)}, explicit.at(row))
			return append(dst, d.Bytes...), err
		}
	})(s)
}
