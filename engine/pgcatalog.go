package engine

import (
	"context"
	_ "embed" // the columns of PostgreSQL's catalog
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// pgColumns lists the relations of PostgreSQL 15's pg_catalog and
// information_schema, a line each: name, relkind, OID where PostgreSQL fixes it
// (else 0), columns as name:type, with ? where the column may be NULL. Types
// without values here are shown as text: aclitem[], pg_node_tree and others;
// int2vector and oidvector are arrays that begin at 0.
//
//go:embed pgcatalog.txt
var pgColumns string

// pgRelation is one relation of PostgreSQL's catalog.
type pgRelation struct {
	schema, name string
	kind         string // relkind
	oid          int64  // 0: the catalog's id decides
	columns      []catalog.Column
	nullable     []bool
	index        map[string]int
}

// pgRelations parses the list once; it is never written afterwards.
var pgRelations = sync.OnceValue(func() []*pgRelation {
	var out []*pgRelation
	for line := range strings.Lines(pgColumns) {
		out = append(out, parsePGRelation(strings.Fields(line)))
	}
	return out
})

func parsePGRelation(fields []string) *pgRelation {
	schema, name, _ := strings.Cut(fields[0], ".")
	oid, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("engine: pgcatalog.txt: %q: %v", fields[0], err))
	}
	r := &pgRelation{schema: schema, name: name, kind: fields[1], oid: oid, index: map[string]int{}}
	for i, f := range fields[3:] {
		column, typ, _ := strings.Cut(f, ":")
		typ, null := strings.CutSuffix(typ, "?")
		r.index[column] = i
		r.columns = append(r.columns, catalog.Column{Name: column, Type: typeNamed(typ), NotNull: !null})
		r.nullable = append(r.nullable, null)
	}
	return r
}

// typeNamed finds a type by its name in pg_type.
func typeNamed(name string) types.Type {
	for _, info := range types.All() {
		if info.Name == name {
			return info.Type
		}
	}
	panic(fmt.Sprintf("engine: pgcatalog.txt: no type %q", name))
}

// rows returns what fills the relation, nil if it is always empty.
func (p *pgRelation) rows() func(w *pgRows) error { return pgFilled()[p.schema+"."+p.name] }

// system makes it one of the relations that are computed when they are read.
func (p *pgRelation) system() systemRelation {
	return systemRelation{p.schema, p.name, p.columns, func(ctx context.Context, r *reading, emit func(*zset.Batch) error) error {
		rows := p.rows()
		if rows == nil {
			return nil
		}
		w := &pgRows{ctx: ctx, session: r.session, reading: r, cat: r.session.catalog(), rel: p, emit: emit}
		w.batch = zset.NewBatch(columnTypes(p.columns), 0)
		if err := rows(w); err != nil {
			return err
		}
		return emit(w.batch)
	}}
}

// pgRelationOf returns what a system object is in PostgreSQL's catalog, nil for
// streamdb's own relations.
func pgRelationOf(o *catalog.Object) *pgRelation {
	if o.Kind != catalog.System {
		return nil
	}
	own := len(ownRelations())
	if i := int(o.ID-firstSystemID) - own; i >= 0 {
		return pgRelations()[i]
	}
	return nil
}

// alwaysEmpty says whether a system relation never has a row.
func alwaysEmpty(o *catalog.Object) bool {
	p := pgRelationOf(o)
	return p != nil && p.rows() == nil
}

// pgRows collects the rows of one relation.
type pgRows struct {
	ctx     context.Context
	session *Session
	reading *reading
	cat     *catalog.Catalog
	rel     *pgRelation
	batch   *zset.Batch
	emit    func(*zset.Batch) error
}

// add appends a row of pairs of column and value; columns that are not named
// are NULL where they may be, else zero.
func (w *pgRows) add(pairs ...any) {
	row := make([]types.Datum, len(w.rel.columns))
	for i, null := range w.rel.nullable {
		row[i].Null = null
		if !null && w.rel.columns[i].Type.IsArray() {
			row[i] = arrayDatum(w.rel.columns[i].Type.Elem(), 0)
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		c, ok := w.rel.index[pairs[i].(string)]
		if !ok {
			panic(fmt.Sprintf("engine: %s has no column %q", w.rel.name, pairs[i]))
		}
		row[c] = anyDatum(pairs[i+1])
	}
	w.batch.AppendDatums(row, 1)
}

// anyDatum makes a datum of what rows functions give.
func anyDatum(v any) types.Datum {
	switch v := v.(type) {
	case nil:
		return types.NullDatum()
	case string:
		return textDatum(v)
	case bool:
		return boolDatum(v)
	case int:
		return intDatum(int64(v))
	case int64:
		return intDatum(v)
	case types.Type:
		return intDatum(int64(v.Base()))
	case byte:
		return textDatum(string(rune(v)))
	case float64:
		return types.Datum{Float: v}
	case types.Datum:
		return v
	}
	panic(fmt.Sprintf("engine: no datum of %T", v))
}

// arrayDatum makes an array of integers that begins at lower.
func arrayDatum(elem types.Type, lower int32, values ...int64) types.Datum {
	elems := make([]types.Datum, len(values))
	for i, v := range values {
		elems[i] = intDatum(v)
	}
	var dims []types.Dim
	if len(values) > 0 {
		dims = []types.Dim{{Len: int32(len(values)), Lower: lower}}
	}
	return types.Datum{Bytes: types.AppendArray(nil, elem, dims, elems)}
}

func textArrayDatum(values ...string) types.Datum {
	elems := make([]types.Datum, len(values))
	for i, v := range values {
		elems[i] = textDatum(v)
	}
	var dims []types.Dim
	if len(values) > 0 {
		dims = []types.Dim{{Len: int32(len(values)), Lower: 1}}
	}
	return types.Datum{Bytes: types.AppendArray(nil, types.Text, dims, elems)}
}
