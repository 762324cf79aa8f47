package engine

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/casefile"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// catalogObjects are what the catalog tests look at.
const catalogObjects = `CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT 'x', amount numeric(10,2) NOT NULL);
CREATE TABLE nokey (a varchar(5), b timestamp(3));
CREATE MATERIALIZED VIEW m AS SELECT name, count(*) AS n FROM t GROUP BY name;
CREATE VIEW v AS SELECT id FROM t;
CREATE INDEX t_name_idx ON t (name)`

// textRows collects a result as text.
type textResult struct {
	env   *types.Env
	lines []string
}

func (r *textResult) Batch(b *zset.Batch) error {
	for i := range b.Len() {
		row := b.Row(i)
		cells := make([]string, len(b.Cols))
		for c := range b.Cols {
			v := &b.Cols[c]
			if v.IsNull(row) {
				cells[c] = "NULL"
				continue
			}
			cells[c] = strings.ReplaceAll(string(types.AppendText(nil, v.Type, v.Datum(row), r.env)), "\n", `\n`)
		}
		for range b.WeightAt(row) {
			r.lines = append(r.lines, strings.Join(cells, "|"))
		}
	}
	return nil
}

func (r *textResult) Flush() error { return nil }

func catalogSession(t *testing.T) *Session {
	t.Helper()
	e, err := Open(t.Context(), Options{DataDir: t.TempDir(), MemoryLimit: 128 << 20, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := e.NewSession(SessionOptions{User: "streamdb", Database: "streamdb"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if got := answer(t.Context(), s, catalogObjects); strings.Contains(got, "error") {
		t.Fatal(got)
	}
	return s
}

// answer runs statements: the columns of each, then its rows, or the error.
func answer(ctx context.Context, s *Session, text string) string {
	statements, err := s.Parse(text)
	var out []string
	for _, st := range statements {
		var p *Prepared
		if p, err = s.Prepare(ctx, st, nil); err != nil {
			break
		}
		if p.Columns != nil {
			names := make([]string, len(p.Columns))
			for i, c := range p.Columns {
				names[i] = c.Name + " " + c.Type.String()
			}
			out = append(out, strings.Join(names, ", "))
		}
		rows := textResult{env: s.Env()}
		if _, err = s.Execute(ctx, p, nil, &rows); err != nil {
			break
		}
		out = append(out, rows.lines...)
	}
	if err != nil {
		e := sqlerr.From(err)
		out = append(out, "error "+e.Code+": "+e.Message)
	}
	return strings.Join(out, "\n")
}

// TestCatalogQueries runs testdata/catalog/psql.txt, what psql 15 sends for its
// commands, and testdata/catalog/queries.txt: a query, ----, the answer. @name@ stands
// for the OID of a relation.
func TestCatalogQueries(t *testing.T) {
	s := catalogSession(t)
	queries := func(t *testing.T) func(string) string {
		return func(query string) string { return answer(t.Context(), s, withOIDs(s, query)) }
	}
	casefile.Run(t, "testdata/catalog/queries.txt", *rewrite, queries)
	casefile.Run(t, "testdata/catalog/psql.txt", *rewrite, func(t *testing.T) func(string) string {
		run := queries(t)
		return func(query string) string {
			got := run(query)
			if strings.HasPrefix(got, "error") {
				t.Errorf("%s\n%s", query, got)
			}
			return got
		}
	})
}

var oidMark = regexp.MustCompile(`@(\w+)@`)

func withOIDs(s *Session, query string) string {
	return oidMark.ReplaceAllStringFunc(query, func(mark string) string {
		oid, _ := s.objects.Find("class", strings.Trim(mark, "@"))
		return strconv.FormatInt(oid, 10)
	})
}

// TestCatalogRowsFit: every relation of PostgreSQL's catalog can be read as a
// whole, and those that have no rows here are empty in the planner's eyes, too.
func TestCatalogRowsFit(t *testing.T) {
	s := catalogSession(t)
	for _, p := range pgRelations() {
		got := answer(t.Context(), s, fmt.Sprintf("SELECT * FROM %s.%s", p.schema, p.name))
		if strings.Contains(got, "\nerror") || strings.HasPrefix(got, "error") {
			t.Errorf("%s.%s: %s", p.schema, p.name, got)
		}
		if rows := strings.Count(got, "\n"); (rows == 0) != (p.rows() == nil) && len(s.catalog().Objects()) == 0 {
			t.Errorf("%s.%s: %d rows", p.schema, p.name, rows)
		}
	}
	for name := range pgFilled() {
		schema, relation, _ := strings.Cut(name, ".")
		if s.catalog().Lookup(schema, relation) == nil {
			t.Errorf("there is no relation %s to fill", name)
		}
	}
}

// TestObjectIDs: no two objects have one OID.
func TestObjectIDs(t *testing.T) {
	s := catalogSession(t)
	seen := map[int64]string{}
	for _, o := range relations(s.catalog()) {
		oids := []int64{objectOID(o)}
		if o.PrimaryKey() != nil {
			oids = append(oids, objectOID(o)+primaryKeyBase, objectOID(o)+constraintBase)
		}
		for _, oid := range oids {
			if other, ok := seen[oid]; ok {
				t.Errorf("%s and %s have OID %d", o.Name, other, oid)
			}
			seen[oid] = o.Name
		}
	}
	if last := procs()[len(procs())-1].oid; last >= int64(catalog.FirstUserOID) {
		t.Errorf("OIDs of functions reach %d, into those of objects", last)
	}
}

func TestSplitName(t *testing.T) {
	for in, want := range map[string]string{`Public.T`: "public|t", `"A""b".c`: `A"b|c`, `"x`: "", `a..b`: "", ``: ""} {
		parts, ok := splitName(in)
		if got := strings.Join(parts, "|"); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, ok, want)
		}
	}
}
