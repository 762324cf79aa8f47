package expr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func TestResolveOperator(t *testing.T) {
	cases := []struct {
		op          string
		left, right types.Type
		want        string // signature and argument types, or the error
	}{
		{"+", types.Int4, types.Int8, "int48pl(int4,int8) [integer bigint]"},
		{"+", types.Int4, types.Unknown, "int4pl(int4,int4) [integer integer]"},
		{"+", types.Int4, types.Numeric, "numeric_add(numeric,numeric) [numeric numeric]"},
		{"+", types.Numeric, types.Float8, "float8pl(float8,float8) [double precision double precision]"},
		{"+", types.Timestamp, types.Unknown, "timestamp_pl_interval(timestamp,interval) [timestamp without time zone interval]"},
		{"-", types.Timestamp, types.Unknown, "timestamp_mi(timestamp,timestamp) [timestamp without time zone timestamp without time zone]"},
		{"-", types.Date, types.Date, "date_mi(date,date) [date date]"},
		{"||", types.Text, types.Int4, "textanycat(text,anynonarray) [text integer]"},
		{"||", types.Varchar, types.Unknown, "textcat(text,text) [text text]"},
		{"=", types.Varchar.WithTypmod(9), types.Text, "texteq(text,text) [text text]"},
		{"=", types.BPChar, types.BPChar, "bpchareq(bpchar,bpchar) [character character]"},
		{"!=", types.Int2, types.Int2, "int2ne(int2,int2) [smallint smallint]"},
		{"<", types.Date, types.Timestamptz, "date_lt_timestamptz(date,timestamptz) [date timestamp with time zone]"},
		{"-", 0, types.Int4, "int4um(int4) [integer]"},
		{"->", types.JSONB, types.Unknown, "jsonb_object_field(jsonb,text) [jsonb text]"},
		{"=", types.Unknown, types.Unknown, "texteq(text,text) [text text]"},
		{"=", types.TextArray, types.Unknown, "array_eq(anyarray,anyarray) [text[] text[]]"},
		{"+", types.Text, types.Int4, "42883 operator does not exist: text + integer"},
		{"@@@", types.Text, types.Int4, "42883 operator does not exist: text @@@ integer"},
		{"-", 0, types.Text, "42883 operator does not exist: - text"},
		{"+", types.Unknown, types.Unknown, "42725 operator is not unique: unknown + unknown"},
	}
	for _, c := range cases {
		f, ts, err := ResolveOperator(c.op, c.left, c.right)
		if got := resolved(f, ts, err); got != c.want {
			t.Errorf("%v %s %v: got %s, want %s", c.left, c.op, c.right, got, c.want)
		}
	}
}

func resolved(f *Function, ts []types.Type, err error) string {
	if err != nil {
		e := sqlerr.From(err)
		return e.Code + " " + e.Message
	}
	return fmt.Sprint(f.Signature(), " ", ts)
}

func TestResolveFunction(t *testing.T) {
	cases := []struct {
		name string
		args []types.Type
		want string
	}{
		{"abs", []types.Type{types.Int2}, "abs(int2) [smallint]"},
		{"abs", []types.Type{types.Unknown}, "abs(float8) [double precision]"},
		{"round", []types.Type{types.Int4}, "round(float8) [double precision]"},
		{"round", []types.Type{types.Numeric, types.Unknown}, "round(numeric,int4) [numeric integer]"},
		{"length", []types.Type{types.Varchar}, "length(text) [text]"},
		{"concat", []types.Type{types.Int4, types.Unknown, types.Bool}, "concat(any...) [integer text boolean]"},
		{"date_trunc", []types.Type{types.Unknown, types.Date}, "date_trunc(text,timestamptz) [text timestamp with time zone]"},
		{"extract", []types.Type{types.Unknown, types.Timestamp}, "extract(text,timestamp) [text timestamp without time zone]"},
		{"foo", []types.Type{types.Int4}, "42883 function foo(integer) does not exist"},
		{"length", nil, "42883 function length() does not exist"},
		{"lower", []types.Type{types.Int4, types.Text}, "42883 function lower(integer, text) does not exist"},
		{"to_text", []types.Type{types.Int4}, "42883 function to_text(integer) does not exist"},
		{"to_jsonb", []types.Type{types.Unknown}, "42804 could not determine polymorphic type because input has type unknown"},
		{"array_append", []types.Type{types.Int4Array, types.Unknown}, "array_append(anyarray,anyelement) [integer[] integer]"},
	}
	for _, c := range cases {
		f, ts, err := ResolveFunction(c.name, c.args)
		if got := resolved(f, ts, err); got != c.want {
			t.Errorf("%s(%v): got %s, want %s", c.name, c.args, got, c.want)
		}
	}
	_, _, err := ResolveFunction("foo", []types.Type{types.Int4})
	if h := sqlerr.From(err).Hint; h != "No function matches the given name and argument types. You might need to add explicit type casts." {
		t.Error(h)
	}
}

func TestCommonType(t *testing.T) {
	cases := []struct {
		ts   []types.Type
		want string
	}{
		{[]types.Type{types.Int4, types.Int8}, "bigint"},
		{[]types.Type{types.Int8, types.Int4}, "bigint"},
		{[]types.Type{types.Int4, types.Numeric, types.Float8}, "double precision"},
		{[]types.Type{types.Unknown, types.Unknown}, "text"},
		{[]types.Type{types.Unknown, types.Int4}, "integer"},
		{[]types.Type{types.Varchar, types.Text}, "character varying"},
		{[]types.Type{types.Text, types.Varchar}, "text"},
		{[]types.Type{types.Date, types.Timestamp}, "timestamp without time zone"},
		{[]types.Type{types.Timestamp, types.Timestamptz}, "timestamp with time zone"},
		{[]types.Type{types.Varchar.WithTypmod(9), types.Varchar.WithTypmod(9)}, "character varying(5)"},
		{[]types.Type{types.Int4, types.Text}, "UNION types integer and text cannot be matched"},
	}
	for _, c := range cases {
		got, err := CommonType(c.ts, "UNION")
		text := got.String()
		if err != nil {
			text = sqlerr.From(err).Message
		}
		if text != c.want {
			t.Errorf("%v: got %s, want %s", c.ts, text, c.want)
		}
	}
}

func TestCoerceContexts(t *testing.T) {
	cases := []struct {
		from, to types.Type
		least    string // the weakest context that allows it
	}{
		{types.Int4, types.Int8, "implicit"},
		{types.Int8, types.Int4, "assignment"},
		{types.Int4, types.Text, "assignment"},
		{types.Text, types.Int4, "explicit"},
		{types.Float8, types.Numeric, "assignment"},
		{types.Numeric, types.Float8, "implicit"},
		{types.Bool, types.Int4, "explicit"},
		{types.Int4, types.Date, "none"},
		{types.Timestamp, types.Date, "assignment"},
		{types.Date, types.Timestamptz, "implicit"},
		{types.Varchar, types.Text, "implicit"},
		{types.JSONB, types.Int4, "explicit"},
		{types.JSON, types.JSONB, "assignment"},
		{types.Int4Array, types.Int8Array, "implicit"},
		{types.UUID, types.Int4, "none"},
	}
	names := []string{"implicit", "assignment", "explicit"}
	for _, c := range cases {
		got := "none"
		for i := range names {
			if _, err := Coerce(Column(0, c.from), c.to, CoercionContext(i)); err == nil {
				got = names[i]
				break
			}
		}
		if got != c.least {
			t.Errorf("%v to %v: %s, want %s", c.from, c.to, got, c.least)
		}
	}
	_, err := Coerce(Column(0, types.Int4), types.Date, Explicit)
	if errorText(err) != "ERROR 42846: cannot cast type integer to date" {
		t.Error(err)
	}
}

// TestTables checks what pg_proc and stored expressions rely on.
func TestTables(t *testing.T) {
	n := 0
	for f := range Functions() {
		n++
		if g, ok := Lookup(f.Signature()); !ok || g != f {
			t.Errorf("%s is not found by its signature", f.Signature())
		}
		if f.make == nil && !f.relabel {
			t.Errorf("%s has no kernel", f.Signature())
		}
	}
	if n < 500 {
		t.Errorf("only %d functions", n)
	}
	for o := range Operators() {
		if len(o.Func.Args) == 2 && o.Left == 0 {
			t.Errorf("operator %s %s", o.Name, o.Func.Signature())
		}
	}
	for c := range Casts() {
		if c.From == c.To || c.Func == nil {
			t.Errorf("cast %v to %v", c.From, c.To)
		}
	}
}

func TestLiteralsKeepTheirSettings(t *testing.T) {
	berlin := testEnv()
	berlin.Settings.TimeZone = must(types.LoadZone("Europe/Berlin"))
	literal := Constant(types.Unknown, types.Datum{Bytes: []byte("2024-07-01 12:00")})
	e := must(Coerce(literal, types.Timestamptz, Implicit))
	if e.Op != OpCall {
		t.Fatalf("a literal without zone became %v", e)
	}
	e = must(Freeze(e, berlin, false))
	d := must(EvalConst(e, nil)) // another session
	if got := string(types.AppendText(nil, types.Timestamptz, d, nil)); got != "2024-07-01 10:00:00+00" {
		t.Error(got)
	}
	fixed := must(Coerce(Constant(types.Unknown, types.Datum{Bytes: []byte("2024-07-01 12:00:00+02")}), types.Timestamptz, Implicit))
	if fixed.Op != OpConst {
		t.Errorf("a literal with zone became %v", fixed)
	}
}

func TestFreeze(t *testing.T) {
	env := testEnv()
	env.Settings.TimeZone = must(types.LoadZone("America/New_York"))
	cols := []types.Type{types.Timestamptz}
	cases := []struct{ src, want string }{
		{"now()", "2024-02-29 12:34:56.789+00"},
		{"c0::text", "2024-07-01 08:00:00-04"},
		{"extract(hour from c0)", "8"},
		{"age(c0)", "-4 mons -1 days -08:00:00"},
		{"concat(c0)", "2024-07-01 08:00:00-04"},
	}
	for _, c := range cases {
		e := must(parseSQL(c.src, cols, env))
		frozen := must(Freeze(e, env, false))
		if v := ExprVolatility(frozen); v != Immutable {
			t.Errorf("%s is %v when frozen", c.src, v)
		}
		again := must(Freeze(frozen, testEnv(), false))
		if !Equal(frozen, again) {
			t.Errorf("%s froze twice", c.src)
		}
		value := Transform(frozen, func(e *Expr) *Expr {
			if e.Op == OpColumn {
				return Constant(types.Timestamptz, must(types.ParseText(types.Timestamptz, []byte("2024-07-01 12:00+00"), nil)))
			}
			return e
		})
		d := must(EvalConst(value, nil))
		if got := string(types.AppendText(nil, e.Type, d, nil)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.src, got, c.want)
		}
	}
	kept := must(Freeze(must(parseSQL("now()", nil, nil)), env, true))
	if kept.Op != OpCall {
		t.Errorf("now() became %v", kept)
	}
	if _, err := EvalConst(kept, nil); sqlerr.Code(err) != sqlerr.FeatureNotSupported {
		t.Errorf("now() without a clock: %v", err)
	}
}

func TestSignaturesAreStable(t *testing.T) {
	// Stored expressions name functions by these.
	for _, sig := range []string{"int4pl(int4,int4)", "texteq(text,text)", "numeric_mul(numeric,numeric)", "int8(int4)", "to_text(any)", "numeric(numeric,int4)"} {
		if _, ok := Lookup(sig); !ok {
			t.Errorf("no function %s", sig)
		}
	}
	var names []string
	for f := range Functions() {
		names = append(names, f.Signature())
	}
	if i := slices.IndexFunc(names, func(s string) bool { return strings.Contains(s, " ") }); i >= 0 {
		t.Errorf("blank in %q", names[i])
	}
}
