package types

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The files testdata/*.tsv hold inputs and what PostgreSQL 15 made of them:
// type, input, text output or error, and the binary form. They are recorded by
//
//	STREAMDB_POSTGRES='-h 127.0.0.1 -p 5432 -U postgres postgres' go test -run TestRecorded -record
//
// which keeps types and inputs and writes PostgreSQL's answers anew.
var record = flag.Bool("record", false, "ask the PostgreSQL server of STREAMDB_POSTGRES for the answers")

type recordedCase struct {
	set          string // not empty: a setting, and nothing else
	typ, input   string
	text, binary string
	line         int
	file         string
	session      Env
	parsed       Type
}

func TestRecorded(t *testing.T) {
	for _, name := range []string{"scalars", "datetime", "interval", "json", "arrays", "styles"} {
		t.Run(name, func(t *testing.T) {
			path := "testdata/" + name + ".tsv"
			cases := readRecorded(t, path)
			if *record {
				recordCases(t, path, cases)
				cases = readRecorded(t, path)
			}
			for i := range cases {
				if cases[i].set == "" {
					cases[i].check(t)
				}
			}
		})
	}
}

func readRecorded(t *testing.T, path string) (cases []recordedCase) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var env Env
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if set, ok := strings.CutPrefix(line, "set "); ok {
			applySetting(t, &env, set)
			cases = append(cases, recordedCase{set: set})
			continue
		}
		c := recordedCase{line: i + 1, file: path, session: env}
		parts := strings.Split(line, "\t")
		for len(parts) < 4 {
			parts = append(parts, "")
		}
		c.typ, c.input, c.text, c.binary = parts[0], unquote(parts[1]), parts[2], parts[3]
		var ok bool
		if c.parsed, ok = typeByDDL(c.typ); !ok {
			t.Fatalf("%s:%d: unknown type %q", path, c.line, c.typ)
		}
		cases = append(cases, c)
	}
	return cases
}

func unquote(s string) string {
	if strings.HasPrefix(s, `"`) {
		if u, err := strconv.Unquote(s); err == nil {
			return u
		}
	}
	return s
}

func quote(s string) string {
	if strings.ContainsAny(s, "\t\n\r\"") || s == "" || s != strings.TrimSpace(s) || strings.ToValidUTF8(s, "") != s {
		return strconv.Quote(s)
	}
	return s
}

// typeByDDL reads a type as DDL writes it: name(1,2) rest, or interval fields.
func typeByDDL(ddl string) (Type, bool) {
	if fields, ok := strings.CutPrefix(ddl, "interval "); ok {
		precision := -1
		if head, rest, found := strings.Cut(fields, "("); found {
			precision, _ = strconv.Atoi(strings.TrimSuffix(rest, ")"))
			fields = head
		}
		mod, ok := IntervalTypmod(fields, precision)
		return Interval.WithTypmod(mod), ok
	}
	head, rest, found := strings.Cut(ddl, "(")
	var args []int
	if found {
		inner, tail, _ := strings.Cut(rest, ")")
		for _, a := range strings.Split(inner, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(a))
			if err != nil {
				return 0, false
			}
			args = append(args, n)
		}
		head += tail
	}
	return Lookup(head, args)
}

func applySetting(t *testing.T, env *Env, set string) {
	name, value, _ := strings.Cut(set, " = ")
	value = strings.Trim(value, "'")
	switch name {
	case "timezone":
		loc, err := LoadZone(value)
		if err != nil {
			t.Fatal(err)
		}
		env.TimeZone = loc
	case "datestyle":
		for i, s := range []string{"ISO", "SQL", "Postgres", "German"} {
			if strings.Contains(value, s) {
				env.DateStyle.Output = DateOutput(i)
			}
		}
		for i, s := range []string{"MDY", "DMY", "YMD"} {
			if strings.Contains(value, s) {
				env.DateStyle.Order = DateOrder(i)
			}
		}
	case "intervalstyle":
		for i, s := range []string{"postgres", "postgres_verbose", "sql_standard", "iso_8601"} {
			if value == s {
				env.IntervalStyle = IntervalStyle(i)
			}
		}
	case "extra_float_digits":
		n, _ := strconv.Atoi(value)
		env.ExtraFloatDigits = n - 1
	default:
		t.Fatalf("unknown setting %q", set)
	}
}

func (c *recordedCase) check(t *testing.T) {
	t.Helper()
	d, err := ParseText(c.parsed, []byte(c.input), &c.session)
	if err != nil {
		var e *sqlerr.Error
		if !errors.As(err, &e) {
			t.Errorf("%s:%d: %s %q: not a client's error: %v", c.file, c.line, c.typ, c.input, err)
			return
		}
		if got := quote("ERROR " + e.Code + " " + e.Message); got != c.text {
			t.Errorf("%s:%d: %s %q\n got %s\nwant %s", c.file, c.line, c.typ, c.input, got, c.text)
		}
		return
	}
	text := AppendText(nil, c.parsed, d, &c.session)
	if got := quote(string(text)); got != c.text {
		t.Errorf("%s:%d: %s %q\n got %s\nwant %s", c.file, c.line, c.typ, c.input, got, c.text)
		return
	}
	wire := AppendBinary(nil, c.parsed, d)
	if got := hex.EncodeToString(wire); got != c.binary {
		t.Errorf("%s:%d: %s %q binary\n got %s\nwant %s", c.file, c.line, c.typ, c.input, got, c.binary)
		return
	}
	back, err := ParseBinary(c.parsed, wire)
	if err != nil || !Identical(c.parsed, d, back) {
		t.Errorf("%s:%d: %s %q: binary form reads back as %v, %v", c.file, c.line, c.typ, c.input, back, err)
	}
}

// recordCases asks PostgreSQL by way of psql.
func recordCases(t *testing.T, path string, cases []recordedCase) {
	args := strings.Fields(os.Getenv("STREAMDB_POSTGRES"))
	if len(args) == 0 {
		t.Fatal("-record needs STREAMDB_POSTGRES, psql's arguments")
	}
	var sql strings.Builder
	sql.WriteString(`set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set client_min_messages = error;
create function pg_temp.ask(t text, s text) returns text as $$
declare r text; b bytea; f text; o text;
begin
  execute 'select typsend::text, typoutput::text from pg_type where oid = ' || quote_literal(regexp_replace(t, '\(.*\)| (year|month|day|hour|minute|second).*', '')) || '::regtype' into f, o;
  execute format('select %s(x)::text, %s(x) from (select %L::%s as x) q', o, f, s, t) into r, b;
  return encode(convert_to(r, 'UTF8'), 'hex') || ' ' || encode(b, 'hex');
exception when others then return encode(convert_to('ERROR ' || sqlstate || ' ' || sqlerrm, 'UTF8'), 'hex') || ' ';
end $$ language plpgsql;
`)
	for _, c := range cases {
		if c.set != "" {
			fmt.Fprintf(&sql, "set %s;\n", c.set)
			continue
		}
		lit := "'" + strings.ReplaceAll(c.input, "'", "''") + "'"
		fmt.Fprintf(&sql, "select pg_temp.ask('%s', %s);\n", c.typ, lit)
	}
	cmd := exec.Command("psql", append([]string{"-XAtq"}, args...)...)
	cmd.Stdin = strings.NewReader(sql.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	var file bytes.Buffer
	file.WriteString("# type, input, PostgreSQL's text or error, binary form; see recorded_test.go\n")
	for _, c := range cases {
		if c.set != "" {
			fmt.Fprintf(&file, "set %s\n", c.set)
			continue
		}
		text, wire, ok := strings.Cut(answers[0], " ")
		answers = answers[1:]
		raw, err := hex.DecodeString(text)
		if err != nil || !ok {
			t.Fatalf("%s %q: PostgreSQL answered %q", c.typ, c.input, text)
		}
		fmt.Fprintf(&file, "%s\t%s\t%s\t%s\n", c.typ, quote(c.input), quote(string(raw)), wire)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
