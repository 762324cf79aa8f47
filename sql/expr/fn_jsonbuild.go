package expr

import (
	"bytes"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func (t *tables) addJSONBuilders() {
	t.fn("to_jsonb(anyelement) jsonb", toJSON(true), usesSettings)
	t.fn("to_json(anyelement) json", toJSON(false), usesSettings)
	for _, k := range []struct {
		typ       string
		canonical bool
	}{{"jsonb", true}, {"json", false}} {
		t.fn(k.typ+"_build_object(any...) "+k.typ, buildJSON(k.canonical, true), alwaysNotNull, usesSettings).emptyVariadic = true
		t.fn(k.typ+"_build_array(any...) "+k.typ, buildJSON(k.canonical, false), alwaysNotNull, usesSettings).emptyVariadic = true
	}
}

// jsonSettings are settings for values inside of JSON, which are always ISO.
func jsonSettings(env *Env) *types.Env {
	if env == nil {
		return nil
	}
	return &types.Env{TimeZone: env.Settings.TimeZone, IntervalStyle: env.Settings.IntervalStyle}
}

func toJSON(canonical bool) maker {
	return func(s *site) (kernel, error) {
		env := jsonSettings(s.env)
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			a := &c.args[0]
			return func(dst []byte, row int) ([]byte, error) {
				return appendJSON(dst, a.Type, a.Datum(row&a.mask), env, canonical)
			}
		})(s)
	}
}

// appendJSON appends a value as JSON: numbers and booleans as they are, dates
// and times in ISO 8601, documents themselves, arrays as arrays, all else as
// string.
func appendJSON(dst []byte, t types.Type, d types.Datum, env *types.Env, canonical bool) ([]byte, error) {
	if d.Null {
		return append(dst, "null"...), nil
	}
	switch t.Base() {
	case types.Bool:
		if d.Bool {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case types.JSONB:
		return append(dst, d.Bytes...), nil
	case types.JSON:
		if canonical {
			return types.AppendJSONB(dst, d.Bytes)
		}
		return append(dst, d.Bytes...), nil
	case types.Int2, types.Int4, types.Int8:
		return types.AppendText(dst, t, d, env), nil
	case types.Numeric, types.Float4, types.Float8:
		return appendJSONNumber(dst, t, d, env, canonical)
	case types.Timestamp, types.Timestamptz:
		return types.AppendJSONString(dst, isoTimestamp(t, d, env)), nil
	}
	if t.IsArray() {
		return appendJSONArray(dst, t, d.Bytes, env, canonical)
	}
	return types.AppendJSONString(dst, types.AppendText(nil, t, d, env)), nil
}

func appendJSONNumber(dst []byte, t types.Type, d types.Datum, env *types.Env, canonical bool) ([]byte, error) {
	start := len(dst)
	dst = types.AppendText(dst, t, d, env)
	text := dst[start:]
	if !bytes.ContainsAny(text, "0123456789") { // NaN and the infinities
		quoted := types.AppendJSONString(nil, text)
		return append(dst[:start], quoted...), nil
	}
	if canonical && bytes.IndexByte(text, 'e') >= 0 {
		plain, err := types.AppendJSONB(nil, text)
		return append(dst[:start], plain...), err
	}
	return dst, nil
}

// isoTimestamp writes 2024-02-29T12:00:00 and, with a zone, +00:00.
func isoTimestamp(t types.Type, d types.Datum, env *types.Env) []byte {
	text := types.AppendText(nil, t, d, env)
	if types.TimestampIsInf(d.Int) {
		return text
	}
	text = bytes.Replace(text, []byte(" "), []byte("T"), 1)
	if t.Base() == types.Timestamptz {
		clock, era, _ := bytes.Cut(text, []byte(" "))
		if n := len(clock); n >= 3 && (clock[n-3] == '+' || clock[n-3] == '-') {
			clock = append(clock[:n:n], ":00"...)
		}
		text = clock
		if len(era) > 0 {
			text = append(append(text, ' '), era...)
		}
	}
	return text
}

func appendJSONArray(dst []byte, t types.Type, list []byte, env *types.Env, canonical bool) ([]byte, error) {
	l, ok := types.DecodeList(t, list)
	if !ok {
		return dst, sqlerr.New(sqlerr.DataCorrupted, "corrupt array")
	}
	if len(l.Dims()) > 1 {
		return dst, sqlerr.New(sqlerr.FeatureNotSupported, "conversion of multidimensional arrays to JSON is not supported")
	}
	sep := ","
	if canonical {
		sep = ", "
	}
	dst = append(dst, '[')
	for i := 0; l.Next(); i++ {
		if i > 0 {
			dst = append(dst, sep...)
		}
		var err error
		if dst, err = appendJSON(dst, t.Elem(), l.Elem(), env, canonical); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// buildJSON is json[b]_build_object and json[b]_build_array.
func buildJSON(canonical, object bool) maker {
	return func(s *site) (kernel, error) {
		env := jsonSettings(s.env)
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			b := jsonBuilder{c: c, env: env, canonical: canonical}
			return func(dst []byte, row int) ([]byte, error) {
				b.text = b.text[:0]
				var err error
				if object {
					err = b.object(row)
				} else {
					err = b.array(row)
				}
				if err != nil || !canonical {
					return append(dst, b.text...), err
				}
				return types.AppendJSONB(dst, b.text)
			}
		})(s)
	}
}

type jsonBuilder struct {
	c         *call
	env       *types.Env
	canonical bool
	text      []byte
}

func (b *jsonBuilder) value(i, row int) (err error) {
	a := &b.c.args[i]
	b.text, err = appendJSON(b.text, a.Type, a.Datum(row&a.mask), b.env, b.canonical)
	return err
}

func (b *jsonBuilder) array(row int) error {
	b.text = append(b.text, '[')
	for i := range b.c.args {
		if i > 0 {
			b.text = append(b.text, ", "...)
		}
		if err := b.value(i, row); err != nil {
			return err
		}
	}
	b.text = append(b.text, ']')
	return nil
}

func (b *jsonBuilder) object(row int) error {
	args := b.c.args
	if len(args)%2 != 0 {
		name := "json_build_object()"
		if b.canonical {
			name = "jsonb_build_object()"
		}
		return sqlerr.New(sqlerr.InvalidParameterValue, "argument list must have even number of elements").
			WithHint("The arguments of %s must consist of alternating keys and values.", name)
	}
	b.text = append(b.text, '{')
	for i := 0; i < len(args); i += 2 {
		if args[i].isNull(row) {
			if b.canonical {
				return sqlerr.New(sqlerr.InvalidParameterValue, "argument %d: key must not be null", i+1)
			}
			return sqlerr.New(sqlerr.InvalidParameterValue, "argument %d cannot be null", i+1).
				WithHint("Object keys should be text.")
		}
		if i > 0 {
			b.text = append(b.text, ", "...)
		}
		b.text = types.AppendJSONString(b.text, appendValue(nil, &args[i], row, b.env))
		b.text = append(b.text, " : "...)
		if err := b.value(i+1, row); err != nil {
			return err
		}
	}
	b.text = append(b.text, '}')
	return nil
}
