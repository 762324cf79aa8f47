package expr

import (
	"bytes"
	"slices"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// decodeArray reads all elements of an array.
func decodeArray(t types.Type, b []byte) ([]types.Dim, []types.Datum, error) {
	l, ok := types.DecodeList(t, b)
	if !ok {
		return nil, nil, sqlerr.New(sqlerr.DataCorrupted, "corrupt array")
	}
	elems := make([]types.Datum, 0, l.Len())
	for l.Next() {
		elems = append(elems, l.Elem())
	}
	return l.Dims(), elems, nil
}

// arrays makes kernels of functions that see the array's type.
func arrays[R any](f func(t types.Type) func(c *call) func(row int) (R, error)) maker {
	return func(s *site) (kernel, error) { return fixed(f(arrayType(s)))(s) }
}

// arrayType returns the type of the first argument that is an array, or else
// the result's.
func arrayType(s *site) types.Type {
	for _, a := range s.args {
		if a.Type.IsArray() {
			return a.Type
		}
	}
	return s.ret
}

func (t *tables) addArray() {
	t.compare("array_*", "anyarray", "anyarray", func(op compareOp) maker {
		return arrays(func(at types.Type) func(*call) func(int) (bool, error) {
			return func(c *call) func(int) (bool, error) {
				a, b := bound[[]byte](c, 0), bound[[]byte](c, 1)
				return func(row int) (bool, error) {
					return op.holds(types.Compare(at, types.Datum{Bytes: a.at(row)}, types.Datum{Bytes: b.at(row)})), nil
				}
			}
		})
	})
	t.addArraySizes()
	t.addArraySets()
	t.addArrayBuilders()
	t.addArrayText()
	t.addAnyAll()
}

// dimension makes functions of an array's dimension; NULL where there is none.
func dimension(f func(d types.Dim) int64) maker {
	return arrays(func(at types.Type) func(*call) func(int) (int64, error) {
		return func(c *call) func(int) (int64, error) {
			a, n := bound[[]byte](c, 0), bound[int64](c, 1)
			return func(row int) (int64, error) {
				l, ok := types.DecodeList(at, a.at(row))
				i := n.at(row)
				if dims := l.Dims(); ok && i >= 1 && i <= int64(len(dims)) {
					return f(dims[i-1]), nil
				}
				return 0, errNull
			}
		}
	})
}

func (t *tables) addArraySizes() {
	t.fn("array_length(anyarray,int4) int4", dimension(func(d types.Dim) int64 { return int64(d.Len) }), nullable)
	t.fn("array_lower(anyarray,int4) int4", dimension(func(d types.Dim) int64 { return int64(d.Lower) }), nullable)
	t.fn("array_upper(anyarray,int4) int4", dimension(func(d types.Dim) int64 { return int64(d.Lower) + int64(d.Len) - 1 }), nullable)
	count := func(f func(l *types.ListReader) (int64, error)) maker {
		return arrays(func(at types.Type) func(*call) func(int) (int64, error) {
			return func(c *call) func(int) (int64, error) {
				a := bound[[]byte](c, 0)
				return func(row int) (int64, error) {
					l, _ := types.DecodeList(at, a.at(row))
					return f(&l)
				}
			}
		})
	}
	t.fn("cardinality(anyarray) int4", count(func(l *types.ListReader) (int64, error) { return int64(l.Len()), nil }))
	t.fn("array_ndims(anyarray) int4", count(func(l *types.ListReader) (int64, error) {
		if len(l.Dims()) == 0 {
			return 0, errNull
		}
		return int64(len(l.Dims())), nil
	}), nullable)
	t.fn("array_get(anyarray,int4) anyelement", arrayGet, nullable, internal)
}

// arrayGet is the subscript of a one-dimensional array.
func arrayGet(s *site) (kernel, error) {
	at := s.args[0].Type
	return func(c *call) {
		a, n := bound[[]byte](c, 0), bound[int64](c, 1)
		w := valueWriter{out: c.out}
		w.begin()
		for _, r := range c.rows() {
			row := int(r)
			if c.out.Null.Get(row) {
				w.skip(row)
				continue
			}
			l, ok := types.DecodeList(at, a.at(row))
			i := n.at(row)
			dims := l.Dims()
			if !ok || len(dims) != 1 || i < int64(dims[0].Lower) || i >= int64(dims[0].Lower)+int64(dims[0].Len) {
				c.out.Null.Set(row)
				w.skip(row)
				continue
			}
			for range i - int64(dims[0].Lower) + 1 {
				l.Next()
			}
			d := l.Elem()
			if d.Null {
				c.out.Null.Set(row)
			}
			w.put(row, d)
		}
		w.finish()
	}, nil
}

// valueWriter puts datums of any kind into a vector in ascending order of rows.
type valueWriter struct {
	out   *zset.Vector
	bytes bytesWriter
}

func (w *valueWriter) begin() { w.bytes = bytesWriter{v: w.out} }

func (w *valueWriter) isBytes() bool {
	k := w.out.Type.Kind()
	return k == types.KindBytes || k == types.KindList
}

func (w *valueWriter) skip(row int) {
	if w.isBytes() {
		w.bytes.begin(row)
	}
}

func (w *valueWriter) put(row int, d types.Datum) {
	switch w.out.Type.Kind() {
	case types.KindBool:
		w.out.Bool[row] = d.Bool
	case types.KindInt64:
		w.out.Int[row] = d.Int
	case types.KindFloat64:
		w.out.Flt[row] = d.Float
	case types.KindDecimal:
		w.out.Dec[row] = d.Dec
	case types.KindInterval:
		w.out.Ival[row] = d.Ival
	default:
		w.bytes.begin(row)
		w.out.Data = append(w.out.Data, d.Bytes...)
	}
}

func (w *valueWriter) finish() {
	if w.isBytes() {
		w.bytes.finish()
	}
}

// relation makes operators of two arrays as sets.
func relation(f func(elem types.Type, a, b []types.Datum) bool) maker {
	return arrays(func(at types.Type) func(*call) func(int) (bool, error) {
		return func(c *call) func(int) (bool, error) {
			x, y := bound[[]byte](c, 0), bound[[]byte](c, 1)
			return func(row int) (bool, error) {
				_, a, err := decodeArray(at, x.at(row))
				if err != nil {
					return false, err
				}
				_, b, err := decodeArray(at, y.at(row))
				return f(at.Elem(), a, b), err
			}
		}
	})
}

func hasElement(t types.Type, list []types.Datum, e types.Datum) bool {
	for _, d := range list {
		if !d.Null && !e.Null && types.Compare(t, d, e) == 0 {
			return true
		}
	}
	return false
}

func containsAll(t types.Type, a, b []types.Datum) bool {
	for _, e := range b {
		if !hasElement(t, a, e) {
			return false
		}
	}
	return true
}

func (t *tables) addArraySets() {
	t.op("@>", t.fn("arraycontains(anyarray,anyarray) bool", relation(containsAll)))
	t.op("<@", t.fn("arraycontained(anyarray,anyarray) bool", relation(func(e types.Type, a, b []types.Datum) bool { return containsAll(e, b, a) })))
	t.op("&&", t.fn("arrayoverlap(anyarray,anyarray) bool", relation(func(t types.Type, a, b []types.Datum) bool {
		for _, e := range b {
			if hasElement(t, a, e) {
				return true
			}
		}
		return false
	})))
	t.fn("array_position(anyarray,anyelement) int4", arrays(func(at types.Type) func(*call) func(int) (int64, error) {
		return func(c *call) func(int) (int64, error) {
			a := bound[[]byte](c, 0)
			return func(row int) (int64, error) {
				if c.args[0].isNull(row) {
					return 0, errNull
				}
				dims, list, err := decodeArray(at, a.at(row))
				if err == nil && len(dims) > 1 {
					err = sqlerr.New(sqlerr.FeatureNotSupported, "searching for elements in multidimensional arrays is not supported")
				}
				if err != nil {
					return 0, err
				}
				e := c.args[1].Datum(row & c.args[1].mask)
				for i, d := range list {
					if d.Null && e.Null || !d.Null && !e.Null && types.Compare(at.Elem(), d, e) == 0 {
						return int64(i) + int64(dims[0].Lower), nil
					}
				}
				return 0, errNull
			}
		}
	}), notStrict, nullable)
}

// arrayRows makes kernels whose result is an array.
func arrayRows(f func(at types.Type, c *call, row int) (dims []types.Dim, elems []types.Datum, err error)) maker {
	return func(s *site) (kernel, error) {
		at := arrayType(s)
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			return func(dst []byte, row int) ([]byte, error) {
				dims, elems, err := f(at, c, row)
				if err != nil {
					return dst, err
				}
				return types.AppendArray(dst, at.Elem(), dims, elems), nil
			}
		})(s)
	}
}

// listAt returns the elements of an array argument; NULL counts as empty.
func listAt(at types.Type, a *arg, row int) ([]types.Dim, []types.Datum, error) {
	if a.isNull(row) {
		return nil, nil, nil
	}
	return decodeArray(at, a.Bytes(row&a.mask))
}

func errNotOneDimension() error {
	return sqlerr.New("22000", "argument must be empty or one-dimensional array")
}

func (t *tables) addArrayBuilders() {
	// make_array is ARRAY[...]: its result type is the call's.
	t.fn("make_array(any...) any", func(s *site) (kernel, error) {
		at := s.ret
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			return func(dst []byte, row int) ([]byte, error) {
				elems := make([]types.Datum, len(c.args))
				for i := range c.args {
					elems[i] = c.args[i].Datum(row & c.args[i].mask)
				}
				return types.AppendArray(dst, at.Elem(), nil, elems), nil
			}
		})(s)
	}, alwaysNotNull, internal).emptyVariadic = true
	add := func(list, elem int) maker {
		return arrayRows(func(at types.Type, c *call, row int) ([]types.Dim, []types.Datum, error) {
			dims, elems, err := listAt(at, &c.args[list], row)
			if err == nil && len(dims) > 1 {
				err = errNotOneDimension()
			}
			e := c.args[elem].Datum(row & c.args[elem].mask)
			if list == 0 {
				elems = append(elems, e)
			} else {
				elems = append([]types.Datum{e}, elems...)
			}
			return resized(dims, len(elems)), elems, err
		})
	}
	t.op("||", t.fn("array_append(anyarray,anyelement) anyarray", add(0, 1), alwaysNotNull))
	t.op("||", t.fn("array_prepend(anyelement,anyarray) anyarray", add(1, 0), alwaysNotNull))
	t.op("||", t.fn("array_cat(anyarray,anyarray) anyarray", arrayRows(func(at types.Type, c *call, row int) ([]types.Dim, []types.Datum, error) {
		if c.args[0].isNull(row) && c.args[1].isNull(row) {
			return nil, nil, errNull
		}
		da, a, err := listAt(at, &c.args[0], row)
		if err != nil {
			return nil, nil, err
		}
		db, b, err := listAt(at, &c.args[1], row)
		switch {
		case len(a) == 0:
			return db, b, err
		case len(b) == 0:
			return da, a, err
		}
		dims, err := joinedDims(da, db)
		return dims, append(a, b...), err
	}), notStrict, nullable))
	t.fn("array_remove(anyarray,anyelement) anyarray", arrayRows(func(at types.Type, c *call, row int) ([]types.Dim, []types.Datum, error) {
		if c.args[0].isNull(row) {
			return nil, nil, errNull
		}
		dims, a, err := listAt(at, &c.args[0], row)
		if len(dims) > 1 {
			return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "removing elements from multidimensional arrays is not supported")
		}
		e := c.args[1].Datum(row & c.args[1].mask)
		kept := a[:0]
		for _, d := range a {
			if d.Null != e.Null || !d.Null && types.Compare(at.Elem(), d, e) != 0 {
				kept = append(kept, d)
			}
		}
		return resized(dims, len(kept)), kept, err
	}), notStrict, nullable)
}

// resized returns the dimension of a list of n elements that keeps its lower
// bound; nil where it has none.
func resized(dims []types.Dim, n int) []types.Dim {
	if len(dims) == 0 || n == 0 {
		return nil
	}
	return []types.Dim{{Len: int32(n), Lower: dims[0].Lower}}
}

// joinedDims returns the dimensions of two arrays joined at their first one; an
// array of one dimension less counts as one element of the other.
func joinedDims(a, b []types.Dim) ([]types.Dim, error) {
	longer, shorter := a, b
	if len(b) > len(a) {
		longer, shorter = b, a
	}
	out := slices.Clone(longer)
	switch {
	case len(longer) == len(shorter) && slices.Equal(a[1:], b[1:]):
		out[0].Len = a[0].Len + b[0].Len
	case len(longer) == len(shorter)+1 && slices.Equal(longer[1:], shorter):
		out[0].Len++
	default:
		return nil, sqlerr.New("2202E", "cannot concatenate incompatible arrays")
	}
	return out, nil
}

func (t *tables) addArrayText() {
	t.fn("array_to_string(anyarray,text) text", arrayToString, usesSettings)
	t.fn("array_to_string(anyarray,text,text) text", arrayToString, usesSettings, notStrict, nullable)
	t.fn("string_to_array(text,text) _text", stringToArray, notStrict, nullable)
	t.fn("string_to_array(text,text,text) _text", stringToArray, notStrict, nullable)
}

func arrayToString(s *site) (kernel, error) {
	at, env := arrayType(s), s.env.settings()
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		sep := bound[[]byte](c, 1)
		return func(dst []byte, row int) ([]byte, error) {
			if c.args[0].isNull(row) || c.args[1].isNull(row) {
				return dst, errNull
			}
			_, elems, err := listAt(at, &c.args[0], row)
			first := true
			for _, d := range elems {
				if d.Null && (len(c.args) < 3 || c.args[2].isNull(row)) {
					continue
				}
				if !first {
					dst = append(dst, sep.at(row)...)
				}
				first = false
				if d.Null {
					dst = append(dst, c.args[2].Bytes(row&c.args[2].mask)...)
				} else {
					dst = types.AppendText(dst, at.Elem(), d, env)
				}
			}
			return dst, err
		}
	})(s)
}

func stringToArray(s *site) (kernel, error) {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, sep := bound[[]byte](c, 0), bound[[]byte](c, 1)
		return func(dst []byte, row int) ([]byte, error) {
			if c.args[0].isNull(row) {
				return dst, errNull
			}
			var parts [][]byte
			switch text := a.at(row); {
			case len(text) == 0:
			case c.args[1].isNull(row):
				for len(text) > 0 {
					n := runeOffset(text, 1)
					parts = append(parts, text[:n])
					text = text[n:]
				}
			case len(sep.at(row)) == 0:
				parts = [][]byte{text}
			default:
				parts = bytes.Split(text, sep.at(row))
			}
			elems := make([]types.Datum, len(parts))
			for i, p := range parts {
				null := len(c.args) > 2 && !c.args[2].isNull(row) && bytes.Equal(p, c.args[2].Bytes(row&c.args[2].mask))
				elems[i] = types.Datum{Bytes: p, Null: null}
			}
			return types.AppendArray(dst, types.Text, nil, elems), nil
		}
	})(s)
}

// addAnyAll registers x op ANY (array) and x op ALL (array) as functions any_eq,
// all_eq and so on; SQL has no name for them.
func (t *tables) addAnyAll() {
	for _, n := range compareNames() {
		t.fn("any_"+n.suffix+"(anyelement,anyarray) bool", quantified(n.op, true), internal, notStrict, nullable)
		t.fn("all_"+n.suffix+"(anyelement,anyarray) bool", quantified(n.op, false), internal, notStrict, nullable)
	}
}

// quantified is three-valued: NULL if no element decides and one is NULL, or x
// is. Over no elements the answer does not depend on x.
func quantified(op compareOp, anyOf bool) maker {
	return arrays(func(at types.Type) func(*call) func(int) (bool, error) {
		return func(c *call) func(int) (bool, error) {
			list, x := bound[[]byte](c, 1), &c.args[0]
			return func(row int) (bool, error) {
				if c.args[1].isNull(row) {
					return false, errNull
				}
				l, _ := types.DecodeList(at, list.at(row))
				absent, null := x.isNull(row), false
				var v types.Datum
				if !absent {
					v = x.Datum(row & x.mask)
				}
				for l.Next() {
					d := l.Elem()
					if absent || d.Null {
						null = true
					} else if op.holds(types.Compare(at.Elem(), v, d)) == anyOf {
						return anyOf, nil
					}
				}
				if null {
					return false, errNull
				}
				return !anyOf, nil
			}
		}
	})
}
