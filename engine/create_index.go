package engine

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
)

// createIndex registers an index: the relation's rows once more, ordered by
// the indexed columns, so that reads by them go straight to the rows.
func (s *Session) createIndex(st *ast.CreateIndex) (string, error) {
	const tag = "CREATE INDEX"
	if err := refuseIndexClauses(st); err != nil {
		return "", err
	}
	base, err := s.namedRelation(st.Table, st.Position())
	if err != nil {
		return "", err
	}
	columns, err := indexColumns(st, base)
	if err != nil {
		return "", err
	}
	name := st.Name
	if name == "" {
		name = s.indexName(base, columns)
	}
	if exists, err := s.existing(base.Schema, &ast.ObjectName{Pos: st.Pos, Name: name}, st.IfNotExists); exists || err != nil {
		return tag, err
	}
	key, err := uniqueKey(base, columns, st)
	if err != nil {
		return "", err
	}
	canonical := *st
	canonical.IfNotExists, canonical.Name, canonical.Concurrently = false, name, false
	o := &catalog.Object{Schema: base.Schema, Name: name, Kind: catalog.Index, Columns: base.Columns,
		Definition: ast.String(&canonical), DependsOn: []catalog.ID{base.ID}, IndexColumns: len(columns)}
	return tag, s.installIndex(o, base, key)
}

func refuseIndexClauses(st *ast.CreateIndex) error {
	unsupported := func(what string) error {
		return sqlerr.New(sqlerr.FeatureNotSupported, "%s is not supported yet", what).At(st.Position())
	}
	switch {
	case st.Unique:
		return unsupported("CREATE UNIQUE INDEX")
	case st.Where != nil:
		return unsupported("an index with WHERE")
	case st.Method != "" && st.Method != "btree":
		return unsupported("index method " + st.Method)
	case len(st.Options) > 0:
		return unsupported("an index with options")
	}
	return nil
}

// indexColumns resolves the indexed columns.
func indexColumns(st *ast.CreateIndex, base *catalog.Object) ([]int, error) {
	if base.Stored == nil || base.Kind == catalog.Index {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot create an index on %s %q", base.Kind, base.Name).At(st.Table.Position()).
			WithHint("Indexes are made on tables and materialized views.")
	}
	var out []int
	for _, item := range st.Items {
		ref, ok := item.Expr.(*ast.ColumnRef)
		if !ok || item.Desc || item.Nulls != ast.NullsDefault {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "an index on an expression or in another order is not supported yet").At(item.Position())
		}
		i := base.Column(ref.Name)
		if i < 0 || base.Columns[i].Hidden {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", ref.Name).At(item.Position())
		}
		out = append(out, i)
	}
	return out, nil
}

// indexName is the name that PostgreSQL would choose, made unique.
func (s *Session) indexName(base *catalog.Object, columns []int) string {
	names := []string{base.Name}
	for _, i := range columns {
		names = append(names, base.Columns[i].Name)
	}
	stem := strings.Join(append(names, "idx"), "_")
	name := stem
	for n := 1; s.catalog().Lookup(base.Schema, name) != nil; n++ {
		name = fmt.Sprintf("%s%d", stem, n)
	}
	return name
}

// uniqueKey is the index's key: the indexed columns, then what makes a row of
// the relation unique.
func uniqueKey(base *catalog.Object, columns []int, st *ast.CreateIndex) ([]int, error) {
	if base.Stored.Key == nil {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "an index on a view without a key is not supported yet").At(st.Table.Position())
	}
	key := append([]int(nil), columns...)
	for _, i := range base.Stored.Key {
		if i < 0 {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "an index on a view that does not show its group key is not supported yet").At(st.Table.Position())
		}
		key = append(key, i)
	}
	return key, nil
}

func (s *Session) installIndex(o, base *catalog.Object, key []int) error {
	draft := s.catalog().Draft()
	o.ID = draft.NewID()
	o.Stored = &catalog.Stored{Arr: draft.NewArrangement(), Key: key}
	for _, i := range key {
		o.Stored.KeyTypes = append(o.Stored.KeyTypes, o.Columns[i].Type)
	}
	var err error
	if o.Graph, err = json.Marshal(planner.TableGraph(base.ID, base.Types(), key, o.Stored.Arr)); err != nil {
		return fmt.Errorf("encode the graph of index %q: %w", o.Name, err)
	}
	return s.add(draft, &addition{object: o, create: newArrangements(o.Stored)})
}
