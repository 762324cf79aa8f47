package expr

import (
	"bytes"
	"strconv"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addJSONEdits() {
	t.op("#-", t.fn("jsonb_delete_path(jsonb,_text) jsonb", app2e(func(dst, a, path []byte) ([]byte, error) {
		e := jsonEdit{remove: true}
		return e.apply(dst, a, path)
	})))
	set := func(create bool) maker {
		return app3e(func(dst, a, path, value []byte) ([]byte, error) {
			e := jsonEdit{value: value, create: create}
			return e.apply(dst, a, path)
		})
	}
	t.fn("jsonb_set(jsonb,_text,jsonb) jsonb", set(true))
	t.fn("jsonb_set(jsonb,_text,jsonb,bool) jsonb", appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, path, value, create := bound[[]byte](c, 0), bound[[]byte](c, 1), bound[[]byte](c, 2), bound[bool](c, 3)
		return func(dst []byte, row int) ([]byte, error) {
			e := jsonEdit{value: value.at(row), create: create.at(row)}
			return e.apply(dst, a.at(row), path.at(row))
		}
	}))
	t.fn("jsonb_pretty(jsonb) text", app1(func(dst, a []byte) []byte { return jsonPretty(dst, a, 0) }))
}

// jsonEdit changes what a path leads to.
type jsonEdit struct {
	value  []byte // what to put there
	remove bool   // or to remove it
	create bool   // put it there even if there is nothing; the parents must exist
}

func (e *jsonEdit) apply(dst, a, path []byte) ([]byte, error) {
	steps := textElements(path)
	if t := types.JSONTypeof(a); t != "object" && t != "array" {
		if e.remove {
			return dst, sqlerr.New(sqlerr.InvalidParameterValue, "cannot delete path in scalar")
		}
		return dst, sqlerr.New(sqlerr.InvalidParameterValue, "cannot set path in scalar")
	}
	if len(steps) == 0 || e.remove && types.JSONLen(a) == 0 {
		return append(dst, a...), nil
	}
	text, err := e.walk(nil, a, steps, 1)
	if err != nil {
		return dst, err
	}
	return types.AppendJSONB(dst, text) // a new key goes to its place
}

// walk copies a document with the change; level is the step's number from 1.
func (e *jsonEdit) walk(dst, a []byte, steps [][]byte, level int) ([]byte, error) {
	if steps[0] == nil {
		return dst, sqlerr.New(sqlerr.NullValueNotAllowed, "path element at position %d is null", level)
	}
	switch types.JSONTypeof(a) {
	case "object":
		return e.object(dst, a, steps, level)
	case "array":
		return e.array(dst, a, steps, level)
	}
	return append(dst, a...), nil
}

// target copies or changes the value that the first step names.
func (e *jsonEdit) target(dst, v []byte, steps [][]byte, level int) ([]byte, error) {
	if len(steps) > 1 {
		return e.walk(dst, v, steps[1:], level+1)
	}
	return append(dst, e.value...), nil
}

func (e *jsonEdit) object(dst, a []byte, steps [][]byte, level int) ([]byte, error) {
	w := jsonWriter{dst: append(dst, '{')}
	found := false
	var key []byte
	it := types.NewJSONIter(a)
	for it.Next() {
		key = it.AppendKey(key[:0])
		if !bytes.Equal(key, steps[0]) {
			w.field(it.RawKey())
			w.dst = append(w.dst, it.Value()...)
			continue
		}
		found = true
		if e.remove && len(steps) == 1 {
			continue
		}
		w.field(it.RawKey())
		var err error
		if w.dst, err = e.target(w.dst, it.Value(), steps, level); err != nil {
			return dst, err
		}
	}
	if !found && !e.remove && e.create && len(steps) == 1 {
		w.field(types.AppendJSONString(nil, steps[0]))
		w.dst = append(w.dst, e.value...)
	}
	return append(w.dst, '}'), nil
}

func (e *jsonEdit) array(dst, a []byte, steps [][]byte, level int) ([]byte, error) {
	i, err := strconv.Atoi(string(steps[0]))
	if err != nil {
		return dst, sqlerr.New(sqlerr.InvalidTextRepresentation, "path element at position %d is not an integer: \"%s\"", level, steps[0])
	}
	n := types.JSONLen(a)
	if i < 0 {
		i += n
	}
	add := !e.remove && e.create && len(steps) == 1
	w := jsonWriter{dst: append(dst, '[')}
	if i < 0 && add {
		w.element()
		w.dst = append(w.dst, e.value...)
	}
	it := types.NewJSONIter(a)
	for k := 0; it.Next(); k++ {
		if k == i && e.remove && len(steps) == 1 {
			continue
		}
		w.element()
		if k != i {
			w.dst = append(w.dst, it.Value()...)
		} else if w.dst, err = e.target(w.dst, it.Value(), steps, level); err != nil {
			return dst, err
		}
	}
	if i >= n && add {
		w.element()
		w.dst = append(w.dst, e.value...)
	}
	return append(w.dst, ']'), nil
}

func indent(dst []byte, level int) []byte {
	dst = append(dst, '\n')
	for range 4 * level {
		dst = append(dst, ' ')
	}
	return dst
}

// jsonPretty writes each element and field on a line of its own.
func jsonPretty(dst, a []byte, level int) []byte {
	t := types.JSONTypeof(a)
	if t != "object" && t != "array" {
		return append(dst, a...)
	}
	dst = append(dst, a[0])
	it := types.NewJSONIter(a)
	for first := true; it.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		dst = indent(dst, level+1)
		if t == "object" {
			dst = append(append(dst, it.RawKey()...), ": "...)
		}
		dst = jsonPretty(dst, it.Value(), level+1)
	}
	return append(indent(dst, level), a[len(a)-1])
}
