package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Env is what stable and volatile functions depend on beside their arguments.
// The zero value and nil mean UTC, PostgreSQL's default styles, and neither
// clock nor randomness: what needs these fails with 0A000.
type Env struct {
	// Settings are the session's TimeZone, DateStyle and so on.
	Settings types.Env
	// Now is the moment that now() means: the transaction's or epoch's.
	Now time.Time
	// Clock is the moment that clock_timestamp() means.
	Clock func() time.Time
	// Random returns 64 random bits for random() and gen_random_uuid().
	Random func() uint64
	// User, Database, Schema and Version answer current_user,
	// current_database(), current_schema and version(); empty: NULL.
	User, Database, Schema, Version string
	// Objects answers functions about the catalog; nil: NULL.
	Objects Objects
	// Setting answers current_setting(); nil: NULL.
	Setting func(name string) (string, error)
}

func (e *Env) settings() *types.Env {
	if e == nil {
		return nil
	}
	return &e.Settings
}

func (e *Env) zone() *time.Location {
	if e == nil || e.Settings.TimeZone == nil {
		return time.UTC
	}
	return e.Settings.TimeZone
}

// now returns the transaction's time as a timestamptz.
func (e *Env) now() (int64, error) {
	if e == nil || e.Now.IsZero() {
		return 0, sqlerr.New(sqlerr.FeatureNotSupported, "now() cannot be evaluated here").
			WithHint("In a view, now() is supported in comparisons of the WHERE clause only.")
	}
	return micros(e.Now), nil
}

// micros returns a moment as a timestamptz.
func micros(t time.Time) int64 { return t.UnixMicro() - epochMicros }

// epochMicros is 2000-01-01 00:00:00 UTC in microseconds of Unix time.
const epochMicros = 946684800 * 1_000_000

// Freeze binds an expression to a session: stable functions of the clock and
// the session become constants, and calls that depend on settings carry these
// as a hidden last argument of type void, so that the expression means the same
// when it is compiled later, in another session or after a restart.
// keepNow leaves now() and its kin, and what else reads the clock, in place, for
// views, whose comparisons with now() become timers (ClockComparison).
func Freeze(e *Expr, env *Env, keepNow bool) (*Expr, error) {
	var failure error
	marker := encodeSettings(env.settings())
	out := Transform(e, func(e *Expr) *Expr {
		if e.Op != OpCall {
			return e
		}
		f, ok := Lookup(e.Func)
		if !ok {
			return e
		}
		switch {
		case f.session && !(keepNow && f.clock):
			d, err := callConst(f, e, env)
			if err != nil && failure == nil {
				failure = err
			}
			return &Expr{Op: OpConst, Type: e.Type, Const: d, Pos: e.Pos}
		case f.clock && !f.session && !keepNow:
			return withNow(e, marker, env)
		case f.settings && marker != "" && !hasMarker(e):
			return withMarker(e, marker)
		}
		return e
	})
	return out, failure
}

// FreezeSettings gives every call that depends on settings those of env, the
// defaults too, and leaves the rest to Freeze: for the query of a view, which
// means what it did at its creation, beside expressions of the session.
func FreezeSettings(e *Expr, env *Env) *Expr {
	marker := encodeSettings(env.settings())
	return Transform(e, func(e *Expr) *Expr {
		if e.Op != OpCall || hasMarker(e) {
			return e
		}
		if f, ok := Lookup(e.Func); ok && f.settings {
			return withMarker(e, marker)
		}
		return e
	})
}

// SameSettings says whether expressions mean the same in both.
func SameSettings(a, b *Env) bool {
	return encodeSettings(a.settings()) == encodeSettings(b.settings())
}

// withNow adds the clock to the settings that a call was frozen with, to marker
// if it was not.
func withNow(e *Expr, marker string, env *Env) *Expr {
	c := *e
	if n := len(e.Args) - 1; hasMarker(e) {
		marker = string(e.Args[n].Const.Bytes)
		c.Args = e.Args[:n]
	}
	if strings.Contains(marker, "Now=") {
		return e
	}
	return withMarker(&c, strings.TrimPrefix(marker+";"+encodeNow(env), ";"))
}

func withMarker(e *Expr, marker string) *Expr {
	c := *e
	c.Args = append(e.Args[:len(e.Args):len(e.Args)], Constant(types.Void, types.Datum{Bytes: []byte(marker)}))
	return &c
}

func encodeNow(env *Env) string {
	if env == nil || env.Now.IsZero() {
		return ""
	}
	return "Now=" + strconv.FormatInt(env.Now.UnixMicro(), 10)
}

func hasMarker(e *Expr) bool {
	n := len(e.Args)
	return n > 0 && e.Args[n-1].Op == OpConst && e.Args[n-1].Type == types.Void
}

// callConst evaluates a function without arguments, with the settings that it was
// frozen with.
func callConst(f *Function, e *Expr, env *Env) (types.Datum, error) {
	if hasMarker(e) {
		frozen, err := decodeSettings(string(e.Args[len(e.Args)-1].Const.Bytes))
		if err != nil {
			return types.Datum{}, err
		}
		own := *env
		own.Settings = frozen.Settings
		env = &own
	}
	p, err := compile([]*Expr{{Op: OpCall, Type: e.Type, Func: f.Signature()}}, nil, env)
	if err != nil {
		return types.Datum{}, err
	}
	return p.evalOne(0)
}

// encodeSettings prints settings that differ from the defaults; "" for none.
func encodeSettings(s *types.Env) string {
	if s == nil {
		return ""
	}
	var parts []string
	add := func(name, value, normal string) {
		if value != normal {
			parts = append(parts, name+"="+value)
		}
	}
	if s.TimeZone != nil {
		add("TimeZone", s.TimeZone.String(), "UTC")
	}
	add("DateOutput", strconv.Itoa(int(s.DateStyle.Output)), "0")
	add("DateOrder", strconv.Itoa(int(s.DateStyle.Order)), "0")
	add("IntervalStyle", strconv.Itoa(int(s.IntervalStyle)), "0")
	add("FloatDigits", strconv.Itoa(s.ExtraFloatDigits), "0")
	return strings.Join(parts, ";")
}

// decodeSettings reads what encodeSettings wrote.
func decodeSettings(text string) (*Env, error) {
	env := &Env{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		if name == "" {
			continue
		}
		n, err := strconv.Atoi(value)
		switch name {
		case "TimeZone":
			env.Settings.TimeZone, err = types.LoadZone(value)
		case "Now":
			env.Now = time.UnixMicro(int64(n))
		case "DateOutput":
			env.Settings.DateStyle.Output = types.DateOutput(n)
		case "DateOrder":
			env.Settings.DateStyle.Order = types.DateOrder(n)
		case "IntervalStyle":
			env.Settings.IntervalStyle = types.IntervalStyle(n)
		case "FloatDigits":
			env.Settings.ExtraFloatDigits = n
		default:
			return nil, fmt.Errorf("expr: unknown setting %q in a stored expression", name)
		}
		if err != nil {
			return nil, fmt.Errorf("expr: setting %q of a stored expression: %w", part, err)
		}
	}
	return env, nil
}
