package expr

import (
	"bytes"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Values of jsonb are canonical text, values of json the client's text; the
// accessors of package types read both.

func (t *tables) addJSON() {
	t.compare("jsonb_*", "jsonb", "jsonb", threeWay(types.CompareJSONB))
	for _, typ := range []string{"jsonb", "json"} {
		t.addJSONAccess(typ)
	}
	t.op("@>", t.fn("jsonb_contains(jsonb,jsonb) bool", fn2(func(a, b []byte) bool { return jsonContains(a, b, true) })))
	t.op("<@", t.fn("jsonb_contained(jsonb,jsonb) bool", fn2(func(a, b []byte) bool { return jsonContains(b, a, true) })))
	t.op("?", t.fn("jsonb_exists(jsonb,text) bool", fn2(jsonExists)))
	t.op("?|", t.fn("jsonb_exists_any(jsonb,_text) bool", jsonExistsOf(false)))
	t.op("?&", t.fn("jsonb_exists_all(jsonb,_text) bool", jsonExistsOf(true)))
	t.op("||", t.fn("jsonb_concat(jsonb,jsonb) jsonb", app2e(jsonConcat)))
	t.op("-", t.fn("jsonb_delete(jsonb,text) jsonb", app2e(func(dst, a, key []byte) ([]byte, error) {
		return jsonDelete(dst, a, func(k []byte) bool { return bytes.Equal(k, key) })
	})))
	t.op("-", t.fn("jsonb_delete(jsonb,int4) jsonb", app2e(jsonDeleteIndex)))
	t.op("-", t.fn("jsonb_delete(jsonb,_text) jsonb", app2e(func(dst, a, keys []byte) ([]byte, error) {
		path := textElements(keys)
		return jsonDelete(dst, a, func(k []byte) bool {
			for _, p := range path {
				if p != nil && bytes.Equal(p, k) {
					return true
				}
			}
			return false
		})
	})))
	t.fn("jsonb_strip_nulls(jsonb) jsonb", app1(jsonStripNulls))
	t.addJSONBuilders()
	t.addJSONEdits()
}

// addJSONAccess registers what reads parts of documents, for json and jsonb.
func (t *tables) addJSONAccess(typ string) {
	asJSON := func(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }
	asText := func(dst, v []byte) ([]byte, error) {
		out, null := types.AppendJSONText(dst, v)
		if null {
			return dst, errNull
		}
		return out, nil
	}
	for _, k := range []struct {
		op, suffix, ret string
		put             func(dst, v []byte) ([]byte, error)
	}{{"->", "", typ, asJSON}, {"->>", "_text", "text", asText}} {
		found := func(dst, v []byte, ok bool) ([]byte, error) {
			if !ok {
				return dst, errNull
			}
			return k.put(dst, v)
		}
		t.op(k.op, t.fn(typ+"_object_field"+k.suffix+"("+typ+",text) "+k.ret, app2e(func(dst, a, name []byte) ([]byte, error) {
			v, ok := types.JSONField(a, name)
			return found(dst, v, ok)
		}), nullable))
		t.op(k.op, t.fn(typ+"_array_element"+k.suffix+"("+typ+",int4) "+k.ret, app2e(func(dst, a []byte, i int64) ([]byte, error) {
			if typ == "jsonb" && (i == 0 || i == -1) && isJSONScalar(a) {
				return found(dst, a, true) // jsonb holds a scalar as an array of one element
			}
			v, ok := types.JSONElem(a, int(i))
			return found(dst, v, ok)
		}), nullable))
		// The operators take an array, the function its elements.
		t.op("#"+k.op[1:], t.fn(typ+"_extract_path"+k.suffix+"("+typ+",_text) "+k.ret, app2e(func(dst, a, path []byte) ([]byte, error) {
			v, ok := jsonPath(a, textElements(path))
			return found(dst, v, ok)
		}), nullable))
		t.fn(typ+"_extract_path"+k.suffix+"("+typ+",text...) "+k.ret, appending(func(c *call) func([]byte, int) ([]byte, error) {
			args := make([]*reader[[]byte], len(c.args))
			for i := range args {
				args[i] = bound[[]byte](c, i)
			}
			path := make([][]byte, len(args)-1)
			return func(dst []byte, row int) ([]byte, error) {
				for i := range path {
					path[i] = append([]byte{}, args[i+1].at(row)...)
				}
				v, ok := jsonPath(args[0].at(row), path)
				return found(dst, v, ok)
			}
		}), nullable)
	}
	t.fn(typ+"_typeof("+typ+") text", app1(func(dst, a []byte) []byte { return append(dst, types.JSONTypeof(a)...) }))
	t.fn(typ+"_array_length("+typ+") int4", fn1e(func(a []byte) (int64, error) {
		switch types.JSONTypeof(a) {
		case "array":
			return int64(types.JSONLen(a)), nil
		case "object":
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "cannot get array length of a non-array")
		}
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "cannot get array length of a scalar")
	}))
}

func isJSONScalar(a []byte) bool {
	kind := types.JSONTypeof(a)
	return kind != "object" && kind != "array"
}

// textElements returns the elements of a text array; NULL is nil.
func textElements(list []byte) [][]byte {
	l, ok := types.DecodeList(types.TextArray, list)
	if !ok {
		return nil
	}
	var out [][]byte
	for l.Next() {
		switch d := l.Elem(); {
		case d.Null:
			out = append(out, nil)
		case d.Bytes == nil:
			out = append(out, []byte{})
		default:
			out = append(out, d.Bytes)
		}
	}
	return out
}

// jsonPath follows keys and indexes into a document; a NULL element of the path
// finds nothing.
func jsonPath(a []byte, path [][]byte) (v []byte, ok bool) {
	for _, p := range path {
		if p == nil {
			return nil, false
		}
		if types.JSONTypeof(a) == "array" {
			i, err := strconv.Atoi(string(p))
			if err != nil {
				return nil, false
			}
			a, ok = types.JSONElem(a, i)
		} else {
			a, ok = types.JSONField(a, p)
		}
		if !ok {
			return nil, false
		}
	}
	return a, true
}

// jsonContains is @>: objects contain objects with a part of their fields,
// arrays contain arrays whose elements they have in any order, and, at the top
// only, a scalar that is an element.
func jsonContains(a, b []byte, top bool) bool {
	ta, tb := types.JSONTypeof(a), types.JSONTypeof(b)
	switch {
	case ta == "object" && tb == "object":
		it := types.NewJSONIter(b)
		var key []byte
		for it.Next() {
			key = it.AppendKey(key[:0])
			v, ok := types.JSONField(a, key)
			if !ok || !jsonContains(v, it.Value(), false) {
				return false
			}
		}
		return true
	case ta == "array" && tb == "array":
		it := types.NewJSONIter(b)
		for it.Next() {
			if !jsonHasElement(a, it.Value()) {
				return false
			}
		}
		return true
	case ta == "array" && top && tb != "object":
		return jsonHasElement(a, b)
	}
	return ta == tb && types.CompareJSONB(a, b) == 0
}

func jsonHasElement(array, e []byte) bool {
	it := types.NewJSONIter(array)
	for it.Next() {
		if v := it.Value(); types.JSONTypeof(v) == types.JSONTypeof(e) && jsonContains(v, e, false) {
			return true
		}
	}
	return false
}

// jsonExists is ?: a key of an object, a string of an array, or the string.
func jsonExists(a, key []byte) bool {
	switch types.JSONTypeof(a) {
	case "object":
		_, ok := types.JSONField(a, key)
		return ok
	case "array":
		it := types.NewJSONIter(a)
		for it.Next() {
			if isJSONString(it.Value(), key) {
				return true
			}
		}
		return false
	}
	return isJSONString(a, key)
}

func isJSONString(v, s []byte) bool {
	if types.JSONTypeof(v) != "string" {
		return false
	}
	text, _ := types.AppendJSONText(nil, v)
	return bytes.Equal(text, s)
}

func jsonExistsOf(all bool) maker {
	return fn2(func(a, keys []byte) bool {
		for _, k := range textElements(keys) {
			if k != nil && jsonExists(a, k) != all {
				return !all
			}
		}
		return all
	})
}

// jsonConcat is ||: objects are merged, anything else becomes one array.
func jsonConcat(dst, a, b []byte) ([]byte, error) {
	ta, tb := types.JSONTypeof(a), types.JSONTypeof(b)
	open, end := byte('['), byte(']')
	if ta == "object" && tb == "object" {
		open, end = '{', '}'
	}
	inner := func(v []byte, t string) []byte {
		if t == "array" || open == '{' {
			return v[1 : len(v)-1]
		}
		return v
	}
	text := append([]byte{open}, inner(a, ta)...)
	if rest := inner(b, tb); len(rest) > 0 {
		if len(text) > 1 {
			text = append(text, ", "...)
		}
		text = append(text, rest...)
	}
	return types.AppendJSONB(dst, append(text, end))
}

// jsonDelete removes fields of an object or strings of an array.
func jsonDelete(dst, a []byte, drop func(key []byte) bool) ([]byte, error) {
	t := types.JSONTypeof(a)
	if t != "object" && t != "array" {
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "cannot delete from scalar")
	}
	w := jsonWriter{dst: append(dst, a[0])}
	it := types.NewJSONIter(a)
	var key []byte
	for it.Next() {
		if t == "object" {
			if key = it.AppendKey(key[:0]); drop(key) {
				continue
			}
			w.field(it.RawKey())
		} else {
			if v := it.Value(); types.JSONTypeof(v) == "string" {
				if key, _ = types.AppendJSONText(key[:0], v); drop(key) {
					continue
				}
			}
			w.element()
		}
		w.dst = append(w.dst, it.Value()...)
	}
	return append(w.dst, a[len(a)-1]), nil
}

func jsonDeleteIndex(dst, a []byte, i int64) ([]byte, error) {
	switch types.JSONTypeof(a) {
	case "array":
	case "object":
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "cannot delete from object using integer index")
	default:
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "cannot delete from scalar")
	}
	if i < 0 {
		i += int64(types.JSONLen(a))
	}
	w := jsonWriter{dst: append(dst, '[')}
	it := types.NewJSONIter(a)
	for n := int64(0); it.Next(); n++ {
		if n != i {
			w.element()
			w.dst = append(w.dst, it.Value()...)
		}
	}
	return append(w.dst, ']'), nil
}

// jsonWriter separates elements and fields as canonical text does.
type jsonWriter struct {
	dst []byte
	any bool
}

func (w *jsonWriter) element() {
	if w.any {
		w.dst = append(w.dst, ", "...)
	}
	w.any = true
}

func (w *jsonWriter) field(rawKey []byte) {
	w.element()
	w.dst = append(append(w.dst, rawKey...), ": "...)
}

func jsonStripNulls(dst, a []byte) []byte {
	t := types.JSONTypeof(a)
	if t != "object" && t != "array" {
		return append(dst, a...)
	}
	w := jsonWriter{dst: append(dst, a[0])}
	it := types.NewJSONIter(a)
	for it.Next() {
		v := it.Value()
		if t == "array" {
			w.element()
		} else if types.JSONTypeof(v) == "null" {
			continue
		} else {
			w.field(it.RawKey())
		}
		w.dst = jsonStripNulls(w.dst, v)
	}
	return append(w.dst, a[len(a)-1])
}

// addJSONCasts registers the casts from jsonb to scalars.
func (t *tables) addJSONCasts() {
	t.castFn("json", "jsonb", Assignment, app1e(types.AppendJSONB))
	t.relabelled("jsonb", "json", Assignment)
	t.castFn("jsonb", "bool", Explicit, fn1e(func(a []byte) (bool, error) {
		if k := types.JSONTypeof(a); k != "boolean" {
			return false, errJSONCast(k, types.Bool)
		}
		return a[0] == 't', nil
	}))
	number := func(a []byte, to types.Type) (decimal, error) {
		if k := types.JSONTypeof(a); k != "number" {
			return decimal{}, errJSONCast(k, to)
		}
		return types.ParseDecimal(a)
	}
	t.castFn("jsonb", "numeric", Explicit, fn1e(func(a []byte) (decimal, error) { return number(a, types.Numeric) }))
	for _, w := range []width{int2Width(), int4Width(), int8Width()} {
		to, _ := types.Lookup(w.name, nil)
		convert := numericToInt(w)
		t.castFn("jsonb", typeName(to), Explicit, fn1e(func(a []byte) (int64, error) {
			d, err := number(a, to)
			if err != nil {
				return 0, err
			}
			return convert(d)
		}))
	}
	t.castFn("jsonb", "float8", Explicit, fn1e(func(a []byte) (float64, error) {
		d, err := number(a, types.Float8)
		if err != nil {
			return 0, err
		}
		return numericToFloat(d)
	}))
	t.castFn("jsonb", "float4", Explicit, fn1e(func(a []byte) (float64, error) {
		d, err := number(a, types.Float4)
		if err != nil {
			return 0, err
		}
		return numericToFloat4(d)
	}))
}

func errJSONCast(kind string, to types.Type) error {
	switch kind {
	case "number":
		kind = "numeric"
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "cannot cast jsonb %s to type %s", kind, to)
}
