package types

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// operation is a computation that both this package and PostgreSQL do: sql has
// %L for the operands.
type operation struct {
	sql string
	do  func(a, b string) (string, error)
}

func numericOp(f func(a, b Decimal) (Decimal, error)) func(a, b string) (string, error) {
	return func(a, b string) (string, error) {
		x, err := ParseDecimal([]byte(a))
		if err != nil {
			return "", err
		}
		y, err := ParseDecimal([]byte(operandOrZero(b)))
		if err != nil {
			return "", err
		}
		r, err := f(x, y)
		return r.String(), err
	}
}

// operandOrZero gives the operand that an operation of one operand does not have.
func operandOrZero(b string) string {
	if b == "" {
		return "0"
	}
	return b
}

func unary(f func(a Decimal) Decimal) func(a, b string) (string, error) {
	return numericOp(func(a, _ Decimal) (Decimal, error) { return f(a), nil })
}

func scaleArg(f func(a Decimal, scale int32) Decimal) func(a, b string) (string, error) {
	return numericOp(func(a, b Decimal) (Decimal, error) {
		n, _ := b.Int64()
		return f(a, int32(n)), nil
	})
}

func intervalOp(f func(a, b IntervalValue) (IntervalValue, error)) func(a, b string) (string, error) {
	return func(a, b string) (string, error) {
		x, err := ParseInterval([]byte(a), -1, nil)
		if err != nil {
			return "", err
		}
		y, err := ParseInterval([]byte(operandOrZero(b)), -1, nil)
		if err != nil {
			return "", err
		}
		r, err := f(x, y)
		return r.String(), err
	}
}

func intervalFloat(f func(a IntervalValue, b float64) (IntervalValue, error)) func(a, b string) (string, error) {
	return func(a, b string) (string, error) {
		x, err := ParseInterval([]byte(a), -1, nil)
		if err != nil {
			return "", err
		}
		y, err := strconv.ParseFloat(b, 64)
		if err != nil {
			return "", err
		}
		r, err := f(x, y)
		return r.String(), err
	}
}

func timestampOp(f func(a, b int64) (IntervalValue, error)) func(a, b string) (string, error) {
	return func(a, b string) (string, error) {
		x, err := ParseTimestamp([]byte(a), nil)
		if err != nil {
			return "", err
		}
		y, err := ParseTimestamp([]byte(b), nil)
		if err != nil {
			return "", err
		}
		r, err := f(x, y)
		return r.String(), err
	}
}

func timestampAdd(a, b string) (string, error) {
	x, err := ParseTimestamp([]byte(a), nil)
	if err != nil {
		return "", err
	}
	y, err := ParseInterval([]byte(b), -1, nil)
	if err != nil {
		return "", err
	}
	r, err := TimestampAdd(x, y)
	return string(AppendTimestamp(nil, r, nil)), err
}

func timestamptzAdd(a, b string) (string, error) {
	loc, err := LoadZone("America/New_York")
	if err != nil {
		return "", err
	}
	env := Env{TimeZone: loc}
	x, err := ParseTimestamptz([]byte(a), &env)
	if err != nil {
		return "", err
	}
	y, err := ParseInterval([]byte(b), -1, nil)
	if err != nil {
		return "", err
	}
	r, err := TimestamptzAdd(x, y, loc)
	return string(AppendTimestamp(nil, r, nil)), err
}

func compareOp(t Type) func(a, b string) (string, error) {
	return func(a, b string) (string, error) {
		x, err := ParseText(t, []byte(a), nil)
		if err != nil {
			return "", err
		}
		y, err := ParseText(t, []byte(b), nil)
		if err != nil {
			return "", err
		}
		return strconv.Itoa(cmpInt(Compare(t, x, y), 0)), nil
	}
}

func operations() map[string]operation {
	return map[string]operation{
		"+":         {"%L::numeric + %L::numeric", numericOp(Decimal.Add)},
		"-":         {"%L::numeric - %L::numeric", numericOp(Decimal.Sub)},
		"*":         {"%L::numeric * %L::numeric", numericOp(Decimal.Mul)},
		"/":         {"%L::numeric / %L::numeric", numericOp(Decimal.Div)},
		"%":         {"mod(%L::numeric, %L::numeric)", numericOp(Decimal.Mod)},
		"div":       {"div(%L::numeric, %L::numeric)", numericOp(Decimal.DivTrunc)},
		"power":     {"power(%L::numeric, %L::numeric)", numericOp(Decimal.Power)},
		"log":       {"log(%L::numeric, %L::numeric)", numericOp(func(a, b Decimal) (Decimal, error) { return b.Log(a) })},
		"sqrt":      {"sqrt(%L::numeric), %L", numericOp(func(a, _ Decimal) (Decimal, error) { return a.Sqrt() })},
		"exp":       {"exp(%L::numeric), %L", numericOp(func(a, _ Decimal) (Decimal, error) { return a.Exp() })},
		"ln":        {"ln(%L::numeric), %L", numericOp(func(a, _ Decimal) (Decimal, error) { return a.Ln() })},
		"abs":       {"abs(%L::numeric), %L", unary(Decimal.Abs)},
		"neg":       {"- %L::numeric, %L", unary(Decimal.Neg)},
		"ceil":      {"ceil(%L::numeric), %L", unary(Decimal.Ceil)},
		"floor":     {"floor(%L::numeric), %L", unary(Decimal.Floor)},
		"trimscale": {"trim_scale(%L::numeric), %L", unary(Decimal.Normalize)},
		"round":     {"round(%L::numeric, %L::int)", scaleArg(Decimal.Round)},
		"trunc":     {"trunc(%L::numeric, %L::int)", scaleArg(Decimal.Trunc)},
		"float8": {"%L::numeric::float8, %L", func(a, _ string) (string, error) {
			d, err := ParseDecimal([]byte(a))
			return string(AppendFloat(nil, Float8, d.Float64(), nil)), err
		}},
		"fromfloat8": {"%L::float8::numeric, %L", func(a, _ string) (string, error) {
			f, err := ParseFloat(Float8, []byte(a))
			return DecimalFromFloat(f).String(), err
		}},
		"fromfloat4": {"%L::float4::numeric, %L", func(a, _ string) (string, error) {
			f, err := ParseFloat(Float4, []byte(a))
			return DecimalFromFloat4(f).String(), err
		}},
		"i+":         {"%L::interval + %L::interval", intervalOp(IntervalValue.Add)},
		"i-":         {"%L::interval - %L::interval", intervalOp(IntervalValue.Sub)},
		"i*":         {"%L::interval * %L::float8", intervalFloat(IntervalValue.Mul)},
		"i/":         {"%L::interval / %L::float8", intervalFloat(IntervalValue.Div)},
		"justify":    {"justify_interval(%L::interval), %L", intervalOp(func(a, _ IntervalValue) (IntervalValue, error) { return a.Justify() })},
		"justifyd":   {"justify_days(%L::interval), %L", intervalOp(func(a, _ IntervalValue) (IntervalValue, error) { return a.JustifyDays() })},
		"justifyh":   {"justify_hours(%L::interval), %L", intervalOp(func(a, _ IntervalValue) (IntervalValue, error) { return a.JustifyHours() })},
		"t-":         {"%L::timestamp - %L::timestamp", timestampOp(TimestampSub)},
		"age":        {"age(%L::timestamp, %L::timestamp)", timestampOp(TimestampAge)},
		"t+i":        {"%L::timestamp + %L::interval", timestampAdd},
		"tz+i":       {"timezone('UTC', %L::timestamptz + %L::interval)", timestamptzAdd},
		"cmpi":       {"sign(interval_cmp(%L::interval, %L::interval))", compareOp(Interval)},
		"cmpjsonb":   {"sign(jsonb_cmp(%L::jsonb, %L::jsonb))", compareOp(JSONB)},
		"cmpn":       {"sign(numeric_cmp(%L::numeric, %L::numeric))", compareOp(Numeric)},
		"cmptimetz":  {"sign(timetz_cmp(%L::timetz, %L::timetz))", compareOp(TimeTZ)},
		"cmpint4arr": {"sign(btarraycmp(%L::int[], %L::int[]))", compareOp(Int4Array)},
		"cmpbpchar":  {"sign(bpcharcmp(%L::bpchar, %L::bpchar))", compareOp(BPChar)},
	}
}

// TestOperations compares with the answers recorded in testdata/operations.tsv:
// operation, operands, result or error. See recorded_test.go.
func TestOperations(t *testing.T) {
	const path = "testdata/operations.tsv"
	ops := operations()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *record {
		data = recordOperations(t, ops, data)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		got, err := ops[f[0]].do(unquote(f[1]), unquote(f[2]))
		if err != nil {
			e := sqlerr.From(err)
			got = "ERROR " + e.Code + " " + e.Message
		}
		if quote(got) != f[3] {
			t.Errorf("%s:%d: %s %s %s\n got %s\nwant %s", path, i+1, f[0], f[1], f[2], got, f[3])
		}
	}
}

func recordOperations(t *testing.T, ops map[string]operation, data []byte) []byte {
	var sql strings.Builder
	sql.WriteString(`set timezone = 'UTC'; set client_min_messages = error;
create function pg_temp.ask(f text, a text, b text) returns text as $$
declare r text; x text;
begin
  if f like '%, \%L' then execute format('select (r).f1::text from (select row(' || f || ') r) q', a, b) into r; return r; end if;
  execute format('select (' || f || ')::text', a, b) into r;
  return r;
exception when others then return 'ERROR ' || sqlstate || ' ' || sqlerrm;
end $$ language plpgsql;
`)
	lit := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var lines [][]string
	for _, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := append(strings.Split(line, "\t"), "", "")[:3]
		lines = append(lines, f)
		form := ops[f[0]].sql
		zone := "UTC"
		if f[0] == "tz+i" {
			zone = "America/New_York"
		}
		fmt.Fprintf(&sql, "set timezone = '%s';\n", zone)
		if head, found := strings.CutSuffix(form, ", %L"); found {
			fmt.Fprintf(&sql, "select pg_temp.ask(%s, %s, '');\n", lit(head), lit(unquote(f[1])))
			continue
		}
		fmt.Fprintf(&sql, "select pg_temp.ask(%s, %s, %s);\n", lit(form), lit(unquote(f[1])), lit(unquote(f[2])))
	}
	cmd := exec.Command("psql", append([]string{"-XAtq"}, strings.Fields(os.Getenv("STREAMDB_POSTGRES"))...)...)
	cmd.Stdin = strings.NewReader(sql.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	var file bytes.Buffer
	file.WriteString("# operation, operands, PostgreSQL's result or error; see operations_test.go\n")
	for i, f := range lines {
		fmt.Fprintf(&file, "%s\t%s\t%s\t%s\n", f[0], f[1], f[2], quote(answers[i]))
	}
	return file.Bytes()
}
