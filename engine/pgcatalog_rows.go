package engine

import (
	"sort"
	"strings"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// pgFilled says which relations of PostgreSQL's catalog have rows here.
func pgFilled() map[string]func(w *pgRows) error {
	return map[string]func(w *pgRows) error{
		"pg_catalog.pg_am":                                   amRows,
		"pg_catalog.pg_attrdef":                              attrdefRows,
		"pg_catalog.pg_attribute":                            attributeRows,
		"pg_catalog.pg_authid":                               roleRows,
		"pg_catalog.pg_cast":                                 castRows,
		"pg_catalog.pg_class":                                classRows,
		"pg_catalog.pg_collation":                            collationRows,
		"pg_catalog.pg_constraint":                           constraintRows,
		"pg_catalog.pg_database":                             databaseRows,
		"pg_catalog.pg_index":                                indexRows,
		"pg_catalog.pg_indexes":                              indexesRows,
		"pg_catalog.pg_language":                             languageRows,
		"pg_catalog.pg_matviews":                             matviewsRows,
		"pg_catalog.pg_namespace":                            namespaceRows,
		"pg_catalog.pg_operator":                             operatorRows,
		"pg_catalog.pg_proc":                                 procRows,
		"pg_catalog.pg_roles":                                roleRows,
		"pg_catalog.pg_settings":                             settingsRows,
		"pg_catalog.pg_shadow":                               userRows,
		"pg_catalog.pg_stat_activity":                        activityRows,
		"pg_catalog.pg_tables":                               tablesRows,
		"pg_catalog.pg_tablespace":                           tablespaceRows,
		"pg_catalog.pg_type":                                 typeRows,
		"pg_catalog.pg_user":                                 userRows,
		"pg_catalog.pg_views":                                viewListRows,
		"information_schema.columns":                         schemaColumnsRows,
		"information_schema.schemata":                        schemataRows,
		"information_schema.tables":                          schemaTablesRows,
		"information_schema.views":                           schemaViewsRows,
		"information_schema.table_constraints":               tableConstraintsRows,
		"information_schema.key_column_usage":                keyColumnRows,
		"information_schema.constraint_column_usage":         constraintColumnRows,
		"information_schema.character_sets":                  characterSetRows,
		"information_schema.information_schema_catalog_name": catalogNameRows,
		"information_schema.enabled_roles":                   enabledRoleRows,
	}
}

func amRows(w *pgRows) error {
	w.add("oid", heapOID, "amname", "heap", "amtype", "t")
	w.add("oid", btreeOID, "amname", "btree", "amtype", "i")
	return nil
}

func namespaceRows(w *pgRows) error {
	for _, s := range schemas() {
		w.add("oid", s.oid, "nspname", s.name, "nspowner", superuserOID)
	}
	return nil
}

func databaseRows(w *pgRows) error {
	w.add("oid", databaseOID, "datname", w.session.engine.opts.Database, "datdba", superuserOID, "encoding", 6, "datlocprovider", "c",
		"datallowconn", true, "datconnlimit", -1, "dattablespace", 1663, "datcollate", "C.UTF-8", "datctype", "C.UTF-8")
	return nil
}

// roleRows are those of pg_roles and pg_authid.
func roleRows(w *pgRows) error {
	w.add("oid", superuserOID, "rolname", w.session.engine.opts.User, "rolsuper", true, "rolinherit", true, "rolcreaterole", true,
		"rolcreatedb", true, "rolcanlogin", true, "rolreplication", true, "rolconnlimit", -1, "rolpassword", "********", "rolbypassrls", true)
	return nil
}

// userRows are those of pg_user and pg_shadow.
func userRows(w *pgRows) error {
	w.add("usename", w.session.engine.opts.User, "usesysid", superuserOID, "usecreatedb", true, "usesuper", true, "userepl", true,
		"usebypassrls", true, "passwd", "********")
	return nil
}

func collationRows(w *pgRows) error {
	add := func(oid int, name, provider string, locale any) {
		w.add("oid", oid, "collname", name, "collnamespace", 11, "collowner", superuserOID, "collprovider", provider,
			"collisdeterministic", true, "collencoding", -1, "collcollate", locale, "collctype", locale)
	}
	add(defaultCollate, "default", "d", nil)
	add(nameCollate, "C", "c", "C")
	add(951, "POSIX", "c", "POSIX")
	return nil
}

func tablespaceRows(w *pgRows) error {
	w.add("oid", 1663, "spcname", "pg_default", "spcowner", superuserOID)
	w.add("oid", 1664, "spcname", "pg_global", "spcowner", superuserOID)
	return nil
}

func languageRows(w *pgRows) error {
	w.add("oid", 12, "lanname", "internal", "lanowner", superuserOID)
	w.add("oid", 14, "lanname", "sql", "lanowner", superuserOID, "lanpltrusted", true)
	return nil
}

func classRows(w *pgRows) error {
	for _, o := range relations(w.cat) {
		classRow(w, o)
	}
	return nil
}

func classRow(w *pgRows, o *catalog.Object) {
	kind := relkind(o)
	columns, am, keyed := len(o.Visible()), 0, o.PrimaryKey() != nil
	switch kind {
	case 'i':
		columns, am = len(indexedColumns(o)), btreeOID
	case 'r', 'm':
		am = heapOID
	}
	replicaIdentity := "n"
	if kind == 'r' && o.Kind != catalog.System || kind == 'm' {
		replicaIdentity = "d"
	}
	add := func(oid int64, name string, kind byte, am, columns int, indexed bool) {
		w.add("oid", oid, "relname", name, "relnamespace", schemaOID(o.Schema), "relowner", superuserOID, "relam", am,
			"relfilenode", 0, "reltuples", -1.0, "relhasindex", indexed, "relpersistence", "p", "relkind", kind,
			"relnatts", columns, "relhasrules", kind == 'v', "relispopulated", true, "relreplident", replicaIdentity, "reloptions", options(o))
	}
	add(objectOID(o), o.Name, kind, am, columns, keyed || len(w.cat.Indexes(o.ID)) > 0 && kind != 'i')
	if keyed {
		replicaIdentity = "n"
		add(objectOID(o)+primaryKeyBase, o.PrimaryKeyName(), 'i', btreeOID, len(o.PrimaryKey()), false)
	}
}

// options shows where a stream comes from; nil for what has no connector.
func options(o *catalog.Object) any {
	if o.Connector == "" {
		return nil
	}
	return textArrayDatum("connector=" + o.Connector)
}

func attributeRows(w *pgRows) error {
	for _, o := range relations(w.cat) {
		if o.Kind == catalog.Index {
			attributesOf(w, objectOID(o), pick(o, indexedColumns(o)), true)
			continue
		}
		attributesOf(w, objectOID(o), o.Visible(), false)
		if key := o.PrimaryKey(); key != nil {
			attributesOf(w, objectOID(o)+primaryKeyBase, pick(o, key), true)
		}
	}
	return nil
}

func pick(o *catalog.Object, columns []int) []catalog.Column {
	out := make([]catalog.Column, len(columns))
	for i, c := range columns {
		out[i] = o.Columns[c]
	}
	return out
}

func attributesOf(w *pgRows, oid int64, columns []catalog.Column, index bool) {
	for i, c := range columns {
		info, _ := c.Type.Info()
		dims := 0
		if c.Type.IsArray() {
			dims = 1
		}
		w.add("attrelid", oid, "attname", c.Name, "atttypid", c.Type, "attstattarget", -1, "attlen", int(info.Len), "attnum", i+1,
			"attndims", dims, "attcacheoff", -1, "atttypmod", int(c.Type.Typmod()), "attbyval", info.ByVal, "attalign", alignment(info),
			"attstorage", storageOf(info), "attnotnull", c.NotNull && !index, "atthasdef", c.Default != "" && !index,
			"attislocal", true, "attcollation", collation(c.Type))
	}
}

func alignment(info types.Info) string {
	switch info.Len {
	case 1:
		return "c"
	case 2:
		return "s"
	case 8:
		return "d"
	}
	return "i"
}

func storageOf(info types.Info) string {
	switch {
	case info.Len >= 0:
		return "p"
	case info.Type == types.Numeric:
		return "m"
	}
	return "x"
}

func collation(t types.Type) int {
	switch t.Base() {
	case types.Text, types.Varchar, types.BPChar, types.TextArray:
		return defaultCollate
	case types.Name, types.NameArray:
		return nameCollate
	}
	return 0
}

func typeRows(w *pgRows) error {
	for _, info := range types.All() {
		w.add("oid", info.Type, "typname", info.Name, "typnamespace", 11, "typowner", superuserOID, "typlen", int(info.Len),
			"typbyval", info.ByVal, "typtype", typeKind(info), "typcategory", info.Category, "typispreferred", info.Preferred,
			"typisdefined", true, "typdelim", ",", "typelem", info.Elem, "typarray", info.Array,
			"typinput", ioOID(info, "in"), "typoutput", ioOID(info, "out"), "typreceive", ioOID(info, "recv"), "typsend", ioOID(info, "send"),
			"typalign", alignment(info), "typstorage", storageOf(info), "typtypmod", -1, "typcollation", collation(info.Type))
	}
	return nil
}

func typeKind(info types.Info) string {
	if info.Category == 'P' || info.Type == types.Unknown {
		return "p"
	}
	return "b"
}

// tableIndex is one index as pg_index shows it: an object, or the key of a
// table.
type tableIndex struct {
	oid     int64
	name    string
	table   *catalog.Object
	columns []int
	primary bool
}

func tableIndexes(cat *catalog.Catalog) []tableIndex {
	var out []tableIndex
	for _, o := range cat.Objects() {
		if key := o.PrimaryKey(); key != nil {
			out = append(out, tableIndex{objectOID(o) + primaryKeyBase, o.PrimaryKeyName(), o, key, true})
		}
		if base := indexedRelation(cat, o); base != nil {
			out = append(out, tableIndex{objectOID(o), o.Name, base, indexedColumns(o), false})
		}
	}
	return out
}

// numbers are the attribute numbers of columns.
func numbers(columns []int) []int64 {
	out := make([]int64, len(columns))
	for i, c := range columns {
		out[i] = int64(c + 1)
	}
	return out
}

func indexRows(w *pgRows) error {
	for _, x := range tableIndexes(w.cat) {
		n := len(x.columns)
		collations := make([]int64, n)
		for i, c := range x.columns {
			collations[i] = int64(collation(x.table.Columns[c].Type))
		}
		w.add("indexrelid", x.oid, "indrelid", objectOID(x.table), "indnatts", n, "indnkeyatts", n, "indisunique", x.primary,
			"indisprimary", x.primary, "indimmediate", true, "indisvalid", true, "indisready", true, "indislive", true,
			"indkey", arrayDatum(types.Int2, 0, numbers(x.columns)...), "indcollation", arrayDatum(types.OIDType, 0, collations...),
			"indclass", arrayDatum(types.OIDType, 0, make([]int64, n)...), "indoption", arrayDatum(types.Int2, 0, make([]int64, n)...))
	}
	return nil
}

func constraintRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		if key := o.PrimaryKey(); key != nil {
			w.add("oid", objectOID(o)+constraintBase, "conname", o.PrimaryKeyName(), "connamespace", schemaOID(o.Schema), "contype", "p",
				"convalidated", true, "conrelid", objectOID(o), "conindid", objectOID(o)+primaryKeyBase, "confupdtype", " ",
				"confdeltype", " ", "confmatchtype", " ", "conislocal", true, "connoinherit", true, "conkey", arrayDatum(types.Int2, 1, numbers(key)...))
		}
	}
	return nil
}

func attrdefRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		for i, c := range o.Visible() {
			if c.Default != "" && o.Kind != catalog.Index {
				w.add("oid", objectOID(o), "adrelid", objectOID(o), "adnum", i+1, "adbin", c.Default)
			}
		}
	}
	return nil
}

func procRows(w *pgRows) error {
	for _, p := range procs() {
		args := make([]int64, len(p.args))
		for i, t := range p.args {
			args[i] = int64(t.Base())
		}
		variadic := int64(0)
		if p.variadic && len(args) > 0 {
			variadic = args[len(args)-1]
		}
		w.add("oid", p.oid, "proname", p.name, "pronamespace", 11, "proowner", superuserOID, "prolang", 12, "procost", 1.0,
			"provariadic", variadic, "prokind", p.kind, "proisstrict", p.strict, "provolatile", p.volatile, "proparallel", "s",
			"pronargs", len(args), "prorettype", p.ret, "proargtypes", arrayDatum(types.OIDType, 0, args...), "prosrc", p.name)
	}
	return nil
}

func operatorRows(w *pgRows) error {
	oid := int64(firstProcOID + len(procs()))
	for o := range expr.Operators() {
		kind := "b"
		if o.Left == 0 {
			kind = "l"
		}
		code, _ := procOID(o.Func.Name)
		w.add("oid", oid, "oprname", o.Name, "oprnamespace", 11, "oprowner", superuserOID, "oprkind", kind, "oprleft", o.Left,
			"oprright", o.Right, "oprresult", o.Ret(), "oprcode", code)
		oid++
	}
	return nil
}

func castRows(w *pgRows) error {
	contexts := map[expr.CoercionContext]string{expr.Implicit: "i", expr.Assignment: "a", expr.Explicit: "e"}
	oid := int64(firstProcOID + len(procs()) + 2000)
	for c := range expr.Casts() {
		method, function := "b", int64(0)
		if c.Func != nil {
			method = "f"
			function, _ = procOID(c.Func.Name)
		}
		w.add("oid", oid, "castsource", c.From, "casttarget", c.To, "castfunc", function, "castcontext", contexts[c.Context], "castmethod", method)
		oid++
	}
	return nil
}

func settingsRows(w *pgRows) error {
	table := append([]setting(nil), w.session.settings.table...)
	sort.Slice(table, func(i, j int) bool { return strings.ToLower(table[i].name) < strings.ToLower(table[j].name) })
	for _, p := range table {
		context := "user"
		if p.readOnly {
			context = "internal"
		}
		value := w.session.settings.values[strings.ToLower(p.name)]
		w.add("name", p.name, "setting", value, "category", "streamdb", "short_desc", p.doc, "context", context, "vartype", "string",
			"source", "default", "boot_val", p.initial, "reset_val", p.initial, "pending_restart", false)
	}
	return nil
}

// activityRows has the session at hand.
func activityRows(w *pgRows) error {
	w.add("datid", databaseOID, "datname", w.session.engine.opts.Database, "pid", int(w.session.pid), "usesysid", superuserOID,
		"usename", w.session.opts.User, "application_name", w.session.settings.values["application_name"], "state", "active",
		"query", "", "backend_type", "client backend")
	return nil
}

func tablesRows(w *pgRows) error {
	for _, o := range relations(w.cat) {
		if relkind(o) == 'r' {
			w.add("schemaname", o.Schema, "tablename", o.Name, "tableowner", w.session.engine.opts.User,
				"hasindexes", o.PrimaryKey() != nil || len(w.cat.Indexes(o.ID)) > 0, "hasrules", false, "hastriggers", false, "rowsecurity", false)
		}
	}
	return nil
}

func viewListRows(w *pgRows) error {
	for _, o := range relations(w.cat) {
		if relkind(o) == 'v' {
			w.add("schemaname", o.Schema, "viewname", o.Name, "viewowner", w.session.engine.opts.User, "definition", viewText(o))
		}
	}
	return nil
}

func viewText(o *catalog.Object) any {
	if o.Query == "" {
		return nil
	}
	return " " + o.Query + ";"
}

func matviewsRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		if o.Kind != catalog.MaterializedView {
			continue
		}
		s, ok := w.reading.snapshot.View(dataflow.RelationID(o.ID))
		w.add("schemaname", o.Schema, "matviewname", o.Name, "matviewowner", w.session.engine.opts.User,
			"hasindexes", len(w.cat.Indexes(o.ID)) > 0, "ispopulated", ok && s.Ready, "definition", viewText(o))
	}
	return nil
}

func indexesRows(w *pgRows) error {
	x := &objects{session: w.session}
	for _, i := range tableIndexes(w.cat) {
		definition := keyIndexDefinition(i.table)
		if !i.primary {
			definition, _ = x.Describe("index", i.oid)
		}
		w.add("schemaname", i.table.Schema, "tablename", i.table.Name, "indexname", i.name, "indexdef", definition)
	}
	return nil
}
