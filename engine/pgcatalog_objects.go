package engine

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// OIDs of what is no object of the catalog. Those of PostgreSQL's own objects
// are the same as there.
const (
	superuserOID   = 10
	databaseOID    = 5
	heapOID        = 2   // pg_am
	btreeOID       = 403 // pg_am
	defaultCollate = 100
	nameCollate    = 950     // "C"
	primaryKeyBase = 1 << 28 // added to a table's OID: its primary key's index
	constraintBase = 1 << 29 // added to a table's OID: its primary key's constraint
)

// schemas lists the schemas and their OIDs.
func schemas() []struct {
	name string
	oid  int64
} {
	return []struct {
		name string
		oid  int64
	}{{catalog.PGSchema, 11}, {catalog.PublicSchema, 2200}, {"information_schema", 13207}, {catalog.SystemSchema, 13208}}
}

func schemaOID(name string) int64 {
	for _, s := range schemas() {
		if s.name == name {
			return s.oid
		}
	}
	return 0
}

// objectOID is the OID that pg_class shows for a relation or index.
func objectOID(o *catalog.Object) int64 {
	if p := pgRelationOf(o); p != nil && p.oid != 0 {
		return p.oid
	}
	return int64(o.ID.OID())
}

// relkind is what pg_class calls an object; 0 for what it does not list. A
// stream is an ordinary table there: clients list tables, and what they do with
// foreign tables needs servers and options.
func relkind(o *catalog.Object) byte {
	switch o.Kind {
	case catalog.Stream, catalog.Table:
		return 'r'
	case catalog.MaterializedView:
		return 'm'
	case catalog.View:
		return 'v'
	case catalog.Index:
		return 'i'
	case catalog.System:
		if p := pgRelationOf(o); p != nil {
			return p.kind[0]
		}
		return 'v'
	}
	return 0
}

// relations lists everything that pg_class shows.
func relations(cat *catalog.Catalog) []*catalog.Object {
	out := cat.SystemRelations()
	for _, o := range cat.Objects() {
		if relkind(o) != 0 {
			out = append(out, o)
		}
	}
	return out
}

// proc is one row of pg_proc.
type proc struct {
	oid      int64
	name     string
	kind     byte // f or a
	args     []types.Type
	ret      types.Type
	variadic bool
	strict   bool
	volatile byte
}

// firstProcOID leaves room for PostgreSQL's types below and its own OIDs above.
const firstProcOID = 6000

// procs lists functions, aggregates and the input and output functions of
// types, in a fixed order, which gives them their OIDs.
var procs = sync.OnceValue(func() []proc {
	var out []proc
	add := func(p proc) {
		p.oid = firstProcOID + int64(len(out))
		out = append(out, p)
	}
	for f := range expr.Functions() {
		if !f.Internal {
			add(proc{name: f.Name, kind: 'f', args: f.Args, ret: f.Ret, variadic: f.Variadic, strict: f.Strict, volatile: f.Volatility.String()[0]})
		}
	}
	for a := range operator.Aggregates() {
		add(proc{name: a.Name, kind: 'a', args: a.Args, ret: a.Ret, volatile: 'i'})
	}
	seen := map[string]bool{}
	for _, info := range types.All() {
		for _, suffix := range []string{"in", "out", "recv", "send"} {
			if name := ioFunction(info, suffix); !seen[name] {
				seen[name] = true
				add(proc{name: name, kind: 'f', ret: types.Text, strict: true, volatile: 'i'})
			}
		}
	}
	return out
})

// ioFunction names the function that reads or prints a type.
func ioFunction(info types.Info, suffix string) string {
	if info.Elem != 0 {
		return "array_" + suffix
	}
	switch info.Type {
	case types.Numeric, types.Date, types.Time, types.TimeTZ, types.Timestamp, types.Timestamptz, types.Interval, types.UUID,
		types.JSON, types.JSONB, types.Void, types.Record:
		return info.Name + "_" + suffix
	}
	return info.Name + suffix
}

// procOID finds a function by name.
func procOID(name string) (int64, bool) {
	for _, p := range procs() {
		if p.name == name {
			return p.oid, true
		}
	}
	return 0, false
}

func ioOID(info types.Info, suffix string) int64 {
	oid, _ := procOID(ioFunction(info, suffix))
	return oid
}

// objects answers functions about the catalog for one session.
type objects struct {
	session *Session
	version uint64
	byOID   map[int64]*catalog.Object
}

// object finds a relation or index by OID. isKey says that the OID is that of
// the index of its primary key, isConstraint that it is the key's.
func (x *objects) object(oid int64) (o *catalog.Object, isKey, isConstraint bool) {
	cat := x.session.catalog()
	if x.byOID == nil || x.version != cat.Version() {
		x.version, x.byOID = cat.Version(), map[int64]*catalog.Object{}
		for _, o := range relations(cat) {
			x.byOID[objectOID(o)] = o
			if o.PrimaryKey() != nil {
				x.byOID[objectOID(o)+primaryKeyBase] = o
				x.byOID[objectOID(o)+constraintBase] = o
			}
		}
	}
	if o = x.byOID[oid]; o == nil {
		return nil, false, false
	}
	return o, oid == objectOID(o)+primaryKeyBase, oid == objectOID(o)+constraintBase
}

// Find implements expr.Objects.
func (x *objects) Find(kind, name string) (int64, bool) {
	parts, ok := splitName(name)
	if !ok {
		return 0, false
	}
	last := parts[len(parts)-1]
	switch kind {
	case "class":
		return x.findRelation(parts)
	case "proc":
		return procOID(last)
	case "namespace":
		oid := schemaOID(last)
		return oid, oid != 0
	case "role":
		return superuserOID, last == x.session.engine.opts.User
	}
	return 0, false
}

func (x *objects) findRelation(parts []string) (int64, bool) {
	cat := x.session.catalog()
	path := x.session.settings.searchPath()
	if len(parts) > 1 {
		path = parts[len(parts)-2 : len(parts)-1]
	}
	name := parts[len(parts)-1]
	for _, schema := range path {
		if o := cat.Lookup(schema, name); o != nil && relkind(o) != 0 {
			return objectOID(o), true
		}
		if table := cat.Lookup(schema, strings.TrimSuffix(name, "_pkey")); table != nil && table.PrimaryKey() != nil && table.PrimaryKeyName() == name {
			return objectOID(table) + primaryKeyBase, true
		}
	}
	return 0, false
}

// splitName splits a qualified name at its dots and folds what is not quoted.
func splitName(s string) ([]string, bool) {
	var parts []string
	var part strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			part.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, part.String())
			part.Reset()
		case !quoted && c >= 'A' && c <= 'Z':
			part.WriteByte(c + 'a' - 'A')
		default:
			part.WriteByte(c)
		}
	}
	parts = append(parts, part.String())
	return parts, !quoted && !slices.Contains(parts, "")
}

// Visible implements expr.Objects.
func (x *objects) Visible(kind string, oid int64) (visible, ok bool) {
	if kind != "table" {
		return true, true
	}
	o, _, _ := x.object(oid)
	if o == nil {
		return false, false
	}
	cat := x.session.catalog()
	for _, schema := range x.session.settings.searchPath() {
		if found := cat.Lookup(schema, o.Name); found != nil && relkind(found) != 0 {
			return found == o, true
		}
	}
	return false, true
}

// Describe implements expr.Objects.
func (x *objects) Describe(what string, oid int64) (string, bool) {
	switch what {
	case "class":
		return x.relationName(oid)
	case "namespace":
		for _, s := range schemas() {
			if s.oid == oid {
				return s.name, true
			}
		}
		return "", false
	case "role":
		return x.session.engine.opts.User, oid == superuserOID
	case "proc", "result", "arguments":
		return describeProc(what, oid)
	}
	o, isKey, isConstraint := x.object(oid)
	switch {
	case o == nil:
		return "", false
	case what == "view":
		return " " + o.Query + ";", o.Query != ""
	case what == "constraint":
		return "PRIMARY KEY (" + columnNames(o, o.PrimaryKey()) + ")", isConstraint
	case what == "index" && isKey:
		return keyIndexDefinition(o), true
	case what == "index":
		return x.indexDefinition(o)
	}
	return x.indexColumn(o, isKey, what)
}

func (x *objects) relationName(oid int64) (string, bool) {
	o, isKey, isConstraint := x.object(oid)
	if o == nil || isConstraint {
		return "", false
	}
	name := quoteName(o.Name)
	if isKey {
		name = quoteName(o.PrimaryKeyName())
	}
	if visible, _ := x.Visible("table", objectOID(o)); !visible {
		name = quoteName(o.Schema) + "." + name
	}
	return name, true
}

// quoteName quotes an identifier where SQL needs it.
func quoteName(s string) string { return ast.QuoteIdent(s) }

func describeProc(what string, oid int64) (string, bool) {
	i := oid - firstProcOID
	if i < 0 || i >= int64(len(procs())) {
		return "", false
	}
	p := procs()[i]
	switch what {
	case "proc":
		return p.name, true
	case "result":
		return typeLabel(p.ret), true
	}
	args := make([]string, len(p.args))
	for i, t := range p.args {
		args[i] = typeLabel(t)
	}
	if n := len(args); p.variadic && n > 0 {
		args[n-1] = "VARIADIC " + args[n-1]
	}
	return strings.Join(args, ", "), true
}

// typeLabel names a type, pseudo-types among them.
func typeLabel(t types.Type) string {
	switch t {
	case expr.Any:
		return `"any"`
	case expr.AnyArray:
		return "anyarray"
	case expr.AnyElement:
		return "anyelement"
	case expr.AnyNonArray:
		return "anynonarray"
	case expr.AnyCompatible:
		return "anycompatible"
	case expr.AnyCompatibleArray:
		return "anycompatiblearray"
	}
	return t.String()
}

// columnNames lists columns of a relation.
func columnNames(o *catalog.Object, columns []int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoteName(o.Columns[c].Name)
	}
	return strings.Join(names, ", ")
}

func keyIndexDefinition(table *catalog.Object) string {
	return "CREATE UNIQUE INDEX " + quoteName(table.PrimaryKeyName()) + " ON " + quoteName(table.Schema) + "." + quoteName(table.Name) +
		" USING btree (" + columnNames(table, table.PrimaryKey()) + ")"
}

// indexColumns lists the columns of an index by their place in its relation.
func indexedColumns(o *catalog.Object) []int {
	if o.Stored == nil {
		return nil
	}
	return o.Stored.Key[:min(o.IndexColumns, len(o.Stored.Key))]
}

// indexedRelation returns the relation of an index.
func indexedRelation(cat *catalog.Catalog, o *catalog.Object) *catalog.Object {
	if o.Kind != catalog.Index || len(o.DependsOn) == 0 {
		return nil
	}
	return cat.Object(o.DependsOn[0])
}

func (x *objects) indexDefinition(o *catalog.Object) (string, bool) {
	base := indexedRelation(x.session.catalog(), o)
	if base == nil {
		return "", false
	}
	return "CREATE INDEX " + quoteName(o.Name) + " ON " + quoteName(base.Schema) + "." + quoteName(base.Name) +
		" USING btree (" + columnNames(o, indexedColumns(o)) + ")", true
}

// indexColumn answers "index column n".
func (x *objects) indexColumn(o *catalog.Object, isKey bool, what string) (string, bool) {
	number, ok := strings.CutPrefix(what, "index column ")
	if !ok {
		return "", false
	}
	columns := indexedColumns(o)
	if isKey {
		columns = o.PrimaryKey()
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(columns) {
		return "", false
	}
	return quoteName(o.Columns[columns[n-1]].Name), true
}
