package expr

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Names of the internal functions that convert by text. The styled ones depend
// on settings.
const (
	toTextFunc         = "to_text(any)"
	toTextStyledFunc   = "to_text_styled(any)"
	fromTextFunc       = "from_text(text)"
	fromTextStyledFunc = "from_text_styled(text)"
)

// addCasts registers pg_cast: what a cast does and in which contexts it may be
// applied. Casts from and to text by input and output functions are not in it.
func (t *tables) addCasts() {
	t.addIntCasts()
	t.addFloatCasts()
	t.addNumericCasts()
	t.addTextCasts()
	t.addDateTimeCasts()
	t.addJSONCasts()
	t.addOIDCasts()
	t.addModifierCasts()
	t.addArrayCasts()
	t.fn(toTextFunc+" text", toText, internal)
	t.fn(toTextStyledFunc+" text", toText, internal, usesSettings)
	t.fn(fromTextFunc+" any", fromText, internal)
	t.fn(fromTextStyledFunc+" any", fromText, internal, usesSettings)
}

// relabelled registers a cast that changes the type only.
func (t *tables) relabelled(from, to string, ctx CoercionContext) {
	t.cast(mustType(from), mustType(to), ctx, t.fn(to+"("+from+") "+to, nil, internal, relabelling))
}

// castFn registers a cast with a function named like the target type.
func (t *tables) castFn(from, to string, ctx CoercionContext, m maker, opts ...option) {
	t.cast(mustType(from), mustType(to), ctx, t.fn(to+"("+from+") "+to, m, opts...))
}

func (t *tables) addIntCasts() {
	narrow := func(w width) maker {
		return fn1e(func(a int64) (int64, error) {
			if a < w.lo || a > w.hi {
				return 0, w.outOfRange()
			}
			return a, nil
		})
	}
	t.relabelled("int2", "int4", Implicit)
	t.relabelled("int2", "int8", Implicit)
	t.relabelled("int4", "int8", Implicit)
	t.castFn("int4", "int2", Assignment, narrow(int2Width()))
	t.castFn("int8", "int2", Assignment, narrow(int2Width()))
	t.castFn("int8", "int4", Assignment, narrow(int4Width()))
	for _, from := range []string{"int2", "int4", "int8"} {
		t.castFn(from, "float8", Implicit, fn1(func(a int64) float64 { return float64(a) }))
		t.castFn(from, "float4", Implicit, fn1(func(a int64) float64 { return float64(float32(a)) }))
		t.castFn(from, "numeric", Implicit, fn1(types.DecimalFromInt64))
	}
	t.castFn("int4", "bool", Explicit, fn1(func(a int64) bool { return a != 0 }))
	t.castFn("bool", "int4", Explicit, fn1(func(a bool) int64 { return int64(bit(a)) }))
	t.castFn("int4", "char", Explicit, app1e(func(dst []byte, a int64) ([]byte, error) {
		if a < math.MinInt8 || a > math.MaxInt8 {
			return dst, sqlerr.New(sqlerr.NumericValueOutOfRange, `"char" out of range`)
		}
		if a == 0 {
			return dst, nil
		}
		return append(dst, byte(a)), nil
	}))
	t.castFn("char", "int4", Explicit, fn1(func(a []byte) int64 {
		if len(a) == 0 {
			return 0
		}
		return int64(int8(a[0]))
	}))
}

// floatToInt rounds half to even, as rint does.
func floatToInt(w width) maker {
	lo, hi := float64(w.lo), -float64(w.lo) // hi is exclusive
	return fn1e(func(a float64) (int64, error) {
		a = math.RoundToEven(a)
		if !(a >= lo && a < hi) {
			return 0, w.outOfRange()
		}
		return int64(a), nil
	})
}

func (t *tables) addFloatCasts() {
	t.relabelled("float4", "float8", Implicit)
	t.castFn("float8", "float4", Assignment, fn1e(toFloat4))
	for _, from := range []string{"float4", "float8"} {
		t.castFn(from, "int2", Assignment, floatToInt(int2Width()))
		t.castFn(from, "int4", Assignment, floatToInt(int4Width()))
		t.castFn(from, "int8", Assignment, floatToInt(int8Width()))
	}
	t.castFn("float4", "numeric", Assignment, fn1(types.DecimalFromFloat4))
	t.castFn("float8", "numeric", Assignment, fn1(types.DecimalFromFloat))
}

func numericToInt(w width) func(decimal) (int64, error) {
	return func(a decimal) (int64, error) {
		switch {
		case a.IsNaN():
			return 0, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert NaN to %s", w.name)
		case a.IsInf():
			return 0, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert infinity to %s", w.name)
		}
		v, ok := a.Int64()
		if !ok || v < w.lo || v > w.hi {
			return 0, w.outOfRange()
		}
		return v, nil
	}
}

func numericToFloat(a decimal) (float64, error) {
	f := a.Float64()
	if isInf(f) && !a.IsInf() || f == 0 && !a.IsZero() {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type double precision", a)
	}
	return f, nil
}

func numericToFloat4(a decimal) (float64, error) {
	f := float64(float32(a.Float64()))
	if isInf(f) && !a.IsInf() || f == 0 && !a.IsZero() {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type real", a)
	}
	return f, nil
}

func (t *tables) addNumericCasts() {
	t.castFn("numeric", "int2", Assignment, fn1e(numericToInt(int2Width())))
	t.castFn("numeric", "int4", Assignment, fn1e(numericToInt(int4Width())))
	t.castFn("numeric", "int8", Assignment, fn1e(numericToInt(int8Width())))
	t.castFn("numeric", "float4", Implicit, fn1e(numericToFloat4))
	t.castFn("numeric", "float8", Implicit, fn1e(numericToFloat))
}

// maxNameBytes is the length of a name, PostgreSQL's NAMEDATALEN minus one.
const maxNameBytes = 63

func appendName(dst, a []byte) []byte {
	if len(a) > maxNameBytes {
		n := maxNameBytes
		for n > 0 && !utf8.RuneStart(a[n]) {
			n--
		}
		a = a[:n]
	}
	return append(dst, a...)
}

func trimBlanks(a []byte) []byte {
	n := len(a)
	for n > 0 && a[n-1] == ' ' {
		n--
	}
	return a[:n]
}

func (t *tables) addTextCasts() {
	t.relabelled("text", "varchar", Implicit)
	t.relabelled("text", "bpchar", Implicit)
	t.relabelled("varchar", "text", Implicit)
	t.relabelled("varchar", "bpchar", Implicit)
	trim := app1(func(dst, a []byte) []byte { return append(dst, trimBlanks(a)...) })
	t.castFn("bpchar", "text", Implicit, trim)
	t.castFn("bpchar", "varchar", Implicit, trim)
	name := app1(appendName)
	t.castFn("text", "name", Implicit, name)
	t.castFn("varchar", "name", Implicit, name)
	t.castFn("bpchar", "name", Implicit, app1(func(dst, a []byte) []byte { return appendName(dst, trimBlanks(a)) }))
	t.relabelled("name", "text", Implicit)
	t.relabelled("name", "varchar", Assignment)
	t.relabelled("name", "bpchar", Assignment)
	read := app1(func(dst, a []byte) []byte { return append(dst, types.ParseChar(a)...) })
	write := app1(types.AppendChar)
	for _, s := range []string{"text", "varchar"} {
		t.castFn(s, "char", Assignment, read)
	}
	t.castFn("bpchar", "char", Assignment, app1(func(dst, a []byte) []byte { return append(dst, types.ParseChar(trimBlanks(a))...) }))
	t.castFn("char", "text", Implicit, write)
	t.castFn("char", "varchar", Assignment, write)
	t.castFn("char", "bpchar", Assignment, write)
	word := app1(func(dst []byte, a bool) []byte { return strconv.AppendBool(dst, a) })
	for _, s := range []string{"text", "varchar", "bpchar"} {
		t.castFn("bool", s, Assignment, word)
	}
}

func (t *tables) addDateTimeCasts() {
	zoned := func(f func(s *site) maker) maker { return func(s *site) (kernel, error) { return f(s)(s) } }
	t.castFn("date", "timestamp", Implicit, fn1e(types.DateToTimestamp))
	t.castFn("date", "timestamptz", Implicit, zoned(func(s *site) maker {
		return fn1e(func(a int64) (int64, error) { return dateToTimestamptz(a, s.env.zone()) })
	}), usesSettings)
	t.castFn("timestamp", "date", Assignment, fn1(types.TimestampToDate))
	t.castFn("timestamp", "time", Assignment, fn1e(timestampToTime), nullable)
	t.castFn("timestamp", "timestamptz", Implicit, zoned(func(s *site) maker {
		return fn1e(func(a int64) (int64, error) { return types.TimestampToTimestamptz(a, s.env.zone()) })
	}), usesSettings)
	t.castFn("timestamptz", "timestamp", Assignment, zoned(func(s *site) maker {
		return fn1e(func(a int64) (int64, error) { return types.TimestamptzToTimestamp(a, s.env.zone()) })
	}), usesSettings)
	t.castFn("timestamptz", "date", Assignment, zoned(func(s *site) maker {
		return fn1e(func(a int64) (int64, error) {
			l, err := types.TimestamptzToTimestamp(a, s.env.zone())
			return types.TimestampToDate(l), err
		})
	}), usesSettings)
	t.castFn("timestamptz", "time", Assignment, zoned(func(s *site) maker {
		return fn1e(func(a int64) (int64, error) {
			l, err := types.TimestamptzToTimestamp(a, s.env.zone())
			if err != nil {
				return 0, err
			}
			return timestampToTime(l)
		})
	}), usesSettings, nullable)
	t.castFn("time", "interval", Implicit, fn1(func(a int64) interval { return interval{Micros: a} }))
	t.castFn("interval", "time", Assignment, fn1(func(a interval) int64 { return floorMod(a.Micros, types.MicrosPerDay) }))
	t.castFn("timetz", "time", Assignment, fn1(func(a []byte) int64 {
		micros, _, _ := types.DecodeTimeTZ(a)
		return micros
	}))
}

type interval = types.IntervalValue

func floorMod(a, n int64) int64 {
	if a %= n; a < 0 {
		a += n
	}
	return a
}

func floorDiv(a, n int64) int64 {
	q := a / n
	if a%n < 0 {
		q--
	}
	return q
}

func timestampToTime(ts int64) (int64, error) {
	if types.TimestampIsInf(ts) {
		return 0, errNull
	}
	return floorMod(ts, types.MicrosPerDay), nil
}

func (t *tables) addOIDCasts() {
	for _, reg := range []string{"regclass", "regtype", "regproc"} {
		t.relabelled("oid", reg, Implicit)
		t.relabelled(reg, "oid", Implicit)
		t.relabelled(reg, "int4", Assignment)
		t.relabelled(reg, "int8", Assignment)
		t.relabelled("int2", reg, Implicit)
		t.relabelled("int4", reg, Implicit)
		t.castFn("int8", reg, Implicit, fn1e(toOID))
	}
	t.relabelled("int2", "oid", Implicit)
	t.relabelled("int4", "oid", Implicit)
	t.castFn("int8", "oid", Implicit, fn1e(toOID))
	t.castFn("oid", "int4", Assignment, fn1(func(a int64) int64 { return int64(int32(a)) }))
	t.relabelled("oid", "int8", Assignment)
}

func toOID(a int64) (int64, error) {
	if a < 0 || a > math.MaxUint32 {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "OID out of range")
	}
	return a, nil
}

// addModifierCasts registers the functions that coerce to a type modifier: the
// second argument is the modifier, the third says whether the cast is explicit
// and may cut text off.
func (t *tables) addModifierCasts() {
	t.fn("numeric(numeric,int4) numeric", func(s *site) (kernel, error) {
		precision, scale, ok := modifierType(s, types.Numeric).NumericModifier()
		return fn2e(func(a decimal, _ int64) (decimal, error) {
			if !ok {
				return a, nil
			}
			return a.Rescale(precision, scale)
		})(s)
	}, internal)
	t.fn("varchar(varchar,int4,bool) varchar", characters(types.Varchar), internal)
	t.fn("bpchar(bpchar,int4,bool) bpchar", characters(types.BPChar), internal)
	round := fn2(func(a, mod int64) int64 { return types.RoundTimestamp(a, int32(mod)) })
	t.fn("timestamp(timestamp,int4) timestamp", round, internal)
	t.fn("timestamptz(timestamptz,int4) timestamptz", round, internal)
	t.fn("time(time,int4) time", round, internal)
	t.fn("interval(interval,int4) interval", func(s *site) (kernel, error) {
		target := modifierType(s, types.Interval)
		return fn2e(func(a interval, _ int64) (interval, error) {
			d, err := types.ApplyTypmod(target, types.Datum{Ival: a}, true)
			return d.Ival, err
		})(s)
	}, internal)
}

// modifierType returns the type with the modifier that the second argument,
// always a constant, gives.
func modifierType(s *site, base types.Type) types.Type {
	d, ok := s.constant(1)
	if !ok {
		return base
	}
	return base.WithTypmod(int32(d.Int))
}

// characters coerces to varchar(n) or char(n).
func characters(base types.Type) maker {
	return func(s *site) (kernel, error) {
		target := modifierType(s, base)
		n, limited := target.CharLength()
		pad := base == types.BPChar
		return app3e(func(dst, a []byte, _ int64, explicit bool) ([]byte, error) {
			if !limited {
				return append(dst, a...), nil
			}
			count := utf8.RuneCount(a)
			if count > n {
				cut := runeOffset(a, n)
				if !explicit && len(trimBlanks(a)) > cut {
					return dst, sqlerr.New(sqlerr.StringDataRightTruncation, "value too long for type %s", target)
				}
				a, count = a[:cut], n
			}
			dst = append(dst, a...)
			for ; pad && count < n; count++ {
				dst = append(dst, ' ')
			}
			return dst, nil
		})(s)
	}
}

// runeOffset returns the byte offset of the n-th character, len(s) if there are
// fewer.
func runeOffset(s []byte, n int) int {
	off := 0
	for ; n > 0 && off < len(s); n-- {
		if s[off] < utf8.RuneSelf {
			off++
			continue
		}
		_, size := utf8.DecodeRune(s[off:])
		off += size
	}
	return off
}

// toText is the cast of any type to text by its output function.
func toText(s *site) (kernel, error) {
	from, env := s.args[0].Type, s.env.settings()
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a := &c.args[0]
		if from.Kind() == types.KindInt64 && (from.Base() == types.Int4 || from.Base() == types.Int8 || from.Base() == types.Int2) {
			return func(dst []byte, row int) ([]byte, error) {
				return strconv.AppendInt(dst, a.Int[row&a.mask], 10), nil
			}
		}
		return func(dst []byte, row int) ([]byte, error) {
			return types.AppendText(dst, from, a.Datum(row&a.mask), env), nil
		}
	})(s)
}

// fromText is the cast of text to any type by its input function.
func fromText(s *site) (kernel, error) {
	to, env := s.ret.Base(), s.env.settings()
	parse := func(a []byte) (types.Datum, error) { return types.ParseText(to, a, env) }
	switch to.Kind() {
	case types.KindBool:
		return fn1e(types.ParseBool)(s)
	case types.KindInt64:
		return fn1e(parseIntKind(to, env))(s)
	case types.KindFloat64:
		return fn1e(func(a []byte) (float64, error) { return types.ParseFloat(to, a) })(s)
	case types.KindDecimal:
		return fn1e(types.ParseDecimal)(s)
	case types.KindInterval:
		return fn1e(func(a []byte) (interval, error) { return types.ParseInterval(a, -1, env) })(s)
	}
	return app1e(func(dst, a []byte) ([]byte, error) {
		d, err := parse(a)
		return append(dst, d.Bytes...), err
	})(s)
}

func parseIntKind(to types.Type, env *types.Env) func(a []byte) (int64, error) {
	switch to {
	case types.Int2, types.Int4, types.Int8:
		return func(a []byte) (int64, error) { return types.ParseInt(to, a) }
	case types.Timestamp:
		return func(a []byte) (int64, error) {
			if ts, ok := types.ParseTimestampFast(a); ok {
				return ts, nil
			}
			return types.ParseTimestamp(a, env)
		}
	case types.Timestamptz:
		return func(a []byte) (int64, error) {
			if ts, ok := types.ParseTimestamptzFast(a); ok {
				return ts, nil
			}
			return types.ParseTimestamptz(a, env)
		}
	}
	return func(a []byte) (int64, error) {
		d, err := types.ParseText(to, a, env)
		return d.Int, err
	}
}
