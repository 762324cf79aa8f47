package expr

import (
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Objects answers what functions of the catalog ask about the database's
// objects. Kinds are class, type, proc, namespace and role.
type Objects interface {
	// Find returns the OID of the object that a name, perhaps qualified, means.
	Find(kind, name string) (oid int64, ok bool)
	// Describe returns a text about an object: its name as in ::regclass for the
	// kinds above; its definition for view, index and constraint; its result and
	// arguments for result and arguments (of functions). False: there is none.
	Describe(what string, oid int64) (text string, ok bool)
	// Visible says whether an object is found by its name alone; false, false if
	// there is no such object.
	Visible(kind string, oid int64) (visible, ok bool)
}

// FindObject finds an object by name, as a cast to regclass and its kin does.
func FindObject(env *Env, kind, name string) (int64, error) {
	if name == "-" {
		return 0, nil
	}
	if oid, err := strconv.ParseUint(name, 10, 32); err == nil {
		return int64(oid), nil
	}
	if oid, ok := findObject(env, kind, name); ok {
		return oid, nil
	}
	switch kind {
	case "class":
		return 0, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name)
	case "type":
		return 0, sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", name)
	case "proc":
		return 0, sqlerr.New(sqlerr.UndefinedFunction, "function %q does not exist", name)
	case "namespace":
		return 0, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", name)
	}
	return 0, sqlerr.New(sqlerr.UndefinedObject, "%s %q does not exist", kind, name)
}

func findObject(env *Env, kind, name string) (int64, bool) {
	if kind == "type" {
		t, ok := types.Lookup(strings.TrimPrefix(name, "pg_catalog."), nil)
		return int64(t.Base()), ok
	}
	if env == nil || env.Objects == nil {
		return 0, false
	}
	return env.Objects.Find(kind, name)
}

// ReadsCatalog says whether what a function returns changes with the catalog,
// so that no view may call it.
func ReadsCatalog(name string) bool {
	for _, prefix := range []string{"pg_get_", "to_reg", "has_", "pg_relation_", "pg_has_", "obj_desc", "col_desc", "shobj_desc"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, "_is_visible") || strings.HasSuffix(name, "_size") && strings.HasPrefix(name, "pg_") || name == "set_config" || name == "current_setting"
}

func isStable(f *Function) { f.Volatility = Stable }

func (t *tables) addCatalog() {
	t.fn("at_most_one_row(int8) bool", fn1e(func(n int64) (bool, error) {
		if n > 1 {
			return false, sqlerr.New(sqlerr.CardinalityViolation, "more than one row returned by a subquery used as an expression")
		}
		return true, nil
	}), internal)
	t.fn("format_type(oid,int4) text", appending(func(c *call) func([]byte, int) ([]byte, error) {
		oid, mod := bound[int64](c, 0), bound[int64](c, 1)
		return func(dst []byte, row int) ([]byte, error) {
			if c.args[0].isNull(row) {
				return dst, errNull
			}
			typmod := int64(-1)
			if !c.args[1].isNull(row) {
				typmod = mod.at(row)
			}
			return append(dst, formatType(oid.at(row), int32(typmod))...), nil
		}
	}), notStrict, nullable)
	t.addNames()
	t.addDefinitions()
	t.addVisible()
	t.addDescriptions()
	t.addServer()
}

// formatType is a type's SQL name with its modifier.
func formatType(oid int64, typmod int32) string {
	if oid == 0 {
		return "-"
	}
	t := types.Type(uint32(oid))
	if _, ok := t.Info(); !ok {
		if name := typeName(t); name != "???" {
			return name
		}
		return "???"
	}
	if typmod >= 0 {
		t = t.WithTypmod(typmod)
	}
	return t.String()
}

// ObjectName is the name by which an object is printed, as a regclass or its kin;
// its number where it has none.
func ObjectName(env *Env, kind string, oid int64) string {
	if kind == "type" {
		return formatType(oid, -1)
	}
	if env != nil && env.Objects != nil {
		if name, ok := env.Objects.Describe(kind, oid); ok {
			return name
		}
	}
	if oid == 0 {
		return "-"
	}
	return strconv.FormatInt(oid, 10)
}

// ObjectKind says what the values of regclass, regtype and regproc name.
func ObjectKind(t types.Type) (kind string, ok bool) {
	switch t.Base() {
	case types.Regclass:
		return "class", true
	case types.Regtype:
		return "type", true
	case types.Regproc:
		return "proc", true
	}
	return "", false
}

// addNames registers what turns OIDs to names and back.
func (t *tables) addNames() {
	t.fn("object_name(text,oid) text", describing(func(env *Env, kind []byte, oid int64) (string, bool) {
		return ObjectName(env, string(kind), oid), true
	}), isStable, internal)
	for _, kind := range []string{"class", "type"} {
		t.fn("reg"+kind+"_of(text) reg"+kind, func(s *site) (kernel, error) {
			return fn1e(func(name []byte) (int64, error) { return FindObject(s.env, kind, string(name)) })(s)
		}, isStable, internal)
	}
	for kind, ret := range map[string]string{"class": "regclass", "type": "regtype", "proc": "regproc", "namespace": "oid", "role": "oid"} {
		t.fn("to_reg"+kind+"(text) "+ret, func(s *site) (kernel, error) {
			return fn1e(func(name []byte) (int64, error) {
				if oid, ok := findObject(s.env, kind, string(name)); ok {
					return oid, nil
				}
				return 0, errNull
			})(s)
		}, isStable, nullable)
	}
	t.fn("pg_get_userbyid(oid) name", describingOne("role", "unknown (OID=%d)"), isStable)
}

// describing makes functions of the environment, a text and an OID.
func describing(f func(env *Env, what []byte, oid int64) (string, bool)) maker {
	return func(s *site) (kernel, error) {
		return app2e(func(dst, what []byte, oid int64) ([]byte, error) {
			text, ok := f(s.env, what, oid)
			if !ok {
				return dst, errNull
			}
			return append(dst, text...), nil
		})(s)
	}
}

// describingOne makes functions whose first argument is an OID and whose others
// do not matter; absent is a pattern for objects that do not exist, "" for NULL.
func describingOne(what, absent string) maker {
	return func(s *site) (kernel, error) {
		return appending(func(c *call) func([]byte, int) ([]byte, error) {
			oid := bound[int64](c, 0)
			return func(dst []byte, row int) ([]byte, error) {
				if s.env != nil && s.env.Objects != nil {
					if text, ok := s.env.Objects.Describe(what, oid.at(row)); ok {
						return append(dst, text...), nil
					}
				}
				if absent == "" {
					return dst, errNull
				}
				return append(dst, strings.ReplaceAll(absent, "%d", strconv.FormatInt(oid.at(row), 10))...), nil
			}
		})(s)
	}
}

// nullText is for texts that no object has.
func nullText(s *site) (kernel, error) {
	return appending(func(*call) func([]byte, int) ([]byte, error) {
		return func(dst []byte, _ int) ([]byte, error) { return dst, errNull }
	})(s)
}

func (t *tables) addDefinitions() {
	for _, args := range []string{"(oid)", "(oid,bool)"} {
		t.fn("pg_get_viewdef"+args+" text", describingOne("view", ""), isStable, nullable)
		t.fn("pg_get_constraintdef"+args+" text", describingOne("constraint", ""), isStable, nullable)
		t.fn("pg_get_triggerdef"+args+" text", nullText, isStable, nullable)
		t.fn("pg_get_ruledef"+args+" text", nullText, isStable, nullable)
	}
	t.fn("pg_get_viewdef(oid,int4) text", describingOne("view", ""), isStable, nullable)
	t.fn("pg_get_viewdef(text) text", viewByName, isStable, nullable)
	t.fn("pg_get_viewdef(text,bool) text", viewByName, isStable, nullable)
	t.fn("pg_get_indexdef(oid) text", describingOne("index", ""), isStable, nullable)
	t.fn("pg_get_indexdef(oid,int4,bool) text", indexColumn, isStable, nullable)
	t.fn("pg_get_function_result(oid) text", describingOne("result", ""), isStable, nullable)
	t.fn("pg_get_function_arguments(oid) text", describingOne("arguments", ""), isStable, nullable)
	t.fn("pg_get_function_identity_arguments(oid) text", describingOne("arguments", ""), isStable, nullable)
	for _, name := range []string{"pg_get_functiondef(oid)", "pg_get_function_sqlbody(oid)", "pg_get_function_arg_default(oid,int4)",
		"pg_get_partkeydef(oid)", "pg_get_partition_constraintdef(oid)", "pg_get_statisticsobjdef(oid)", "pg_get_statisticsobjdef_columns(oid)",
		"pg_get_statisticsobjdef_expressions(oid)", "pg_get_serial_sequence(text,text)"} {
		t.fn(name+" text", nullText, isStable, nullable)
	}
	// Stored expressions are texts already.
	same := appending(func(c *call) func([]byte, int) ([]byte, error) {
		text := bound[[]byte](c, 0)
		return func(dst []byte, row int) ([]byte, error) { return append(dst, text.at(row)...), nil }
	})
	t.fn("pg_get_expr(text,oid) text", same)
	t.fn("pg_get_expr(text,oid,bool) text", same)
}

func viewByName(s *site) (kernel, error) {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		name := bound[[]byte](c, 0)
		return func(dst []byte, row int) ([]byte, error) {
			oid, err := FindObject(s.env, "class", string(name.at(row)))
			if err != nil {
				return dst, err
			}
			if s.env == nil || s.env.Objects == nil { // a number is an oid without a catalog, too
				return dst, errNull
			}
			if text, ok := s.env.Objects.Describe("view", oid); ok {
				return append(dst, text...), nil
			}
			return dst, errNull
		}
	})(s)
}

// indexColumn is pg_get_indexdef(index, column, pretty): column 0 is the whole
// definition, others the name of the column.
func indexColumn(s *site) (kernel, error) {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		oid, column := bound[int64](c, 0), bound[int64](c, 1)
		return func(dst []byte, row int) ([]byte, error) {
			if s.env == nil || s.env.Objects == nil {
				return dst, errNull
			}
			what := "index"
			if n := column.at(row); n != 0 {
				what = "index column " + strconv.FormatInt(n, 10)
			}
			text, ok := s.env.Objects.Describe(what, oid.at(row))
			if !ok {
				return dst, errNull
			}
			return append(dst, text...), nil
		}
	})(s)
}

func (t *tables) addVisible() {
	for _, kind := range []string{"table", "type", "function", "operator", "collation", "conversion", "opclass", "opfamily",
		"statistics_obj", "ts_config", "ts_dict", "ts_parser", "ts_template"} {
		t.fn("pg_"+kind+"_is_visible(oid) bool", func(s *site) (kernel, error) {
			return fn1e(func(oid int64) (bool, error) {
				if s.env == nil || s.env.Objects == nil {
					return false, errNull
				}
				visible, ok := s.env.Objects.Visible(kind, oid)
				if !ok {
					return false, errNull
				}
				return visible, nil
			})(s)
		}, isStable, nullable)
	}
}

// addDescriptions registers comments, which no object has.
func (t *tables) addDescriptions() {
	for _, sig := range []string{"obj_description(oid)", "obj_description(oid,name)", "shobj_description(oid,name)", "col_description(oid,int4)"} {
		t.fn(sig+" text", nullText, isStable, nullable)
	}
}

// currentSetting is current_setting of a name that is no constant.
func currentSetting(s *site) (kernel, error) {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		name := bound[[]byte](c, 0)
		return func(dst []byte, row int) ([]byte, error) {
			if s.env == nil || s.env.Setting == nil {
				return dst, errNull
			}
			value, err := s.env.Setting(string(name.at(row)))
			return append(dst, value...), err
		}
	})(s)
}

func constantInt(n int64) maker {
	return fixed(func(*call) func(int) (int64, error) { return func(int) (int64, error) { return n, nil } })
}

func constantBool(v bool) maker {
	return fixed(func(*call) func(int) (bool, error) { return func(int) (bool, error) { return v, nil } })
}

func constantText(s string) maker {
	return appending(func(*call) func([]byte, int) ([]byte, error) {
		return func(dst []byte, _ int) ([]byte, error) { return append(dst, s...), nil }
	})
}

// addServer registers functions about the server and its storage.
func (t *tables) addServer() {
	unknownSize := fixed(func(*call) func(int) (int64, error) { return func(int) (int64, error) { return 0, errNull } })
	for _, sig := range []string{"pg_relation_size(oid)", "pg_relation_size(oid,text)", "pg_table_size(oid)", "pg_indexes_size(oid)",
		"pg_total_relation_size(oid)", "pg_database_size(oid)", "pg_database_size(name)", "pg_tablespace_size(oid)"} {
		t.fn(sig+" int8", unknownSize, isStable, nullable)
	}
	t.fn("pg_size_pretty(int8) text", app1(func(dst []byte, n int64) []byte { return appendSize(dst, n) }))
	t.fn("pg_encoding_to_char(int4) name", app1(func(dst []byte, n int64) []byte {
		if n == utf8Encoding {
			return append(dst, "UTF8"...)
		}
		return dst
	}))
	t.fn("pg_char_to_encoding(name) int4", fn1(func(name []byte) int64 {
		switch strings.ToUpper(strings.ReplaceAll(string(name), "-", "")) {
		case "UTF8", "UNICODE":
			return utf8Encoding
		}
		return -1
	}))
	t.fn("getdatabaseencoding() name", constantText("UTF8"))
	t.fn("current_setting(text) text", currentSetting, isStable, nullable)
	t.fn("pg_is_in_recovery() bool", constantBool(false))
	t.fn("pg_my_temp_schema() oid", constantInt(0))
	t.fn("pg_is_other_temp_schema(oid) bool", constantBool(false))
	t.fn("pg_relation_is_publishable(regclass) bool", constantBool(false))
	t.fn("pg_relation_is_updatable(regclass,bool) int4", constantInt(0))
	t.fn("pg_stat_get_numscans(oid) int8", constantInt(0))
	t.fn("pg_tablespace_location(oid) text", constantText(""))
	t.fn("pg_get_replica_identity_index(regclass) regclass", fixed(func(*call) func(int) (int64, error) {
		return func(int) (int64, error) { return 0, errNull }
	}), nullable)
}

// utf8Encoding is PostgreSQL's number of the encoding UTF8.
const utf8Encoding = 6

// appendSize prints a size in bytes as PostgreSQL does: it changes to the next
// unit at 10240 and rounds halves up.
func appendSize(dst []byte, n int64) []byte {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	const limit = 10 * 1024
	abs := func(n int64) int64 { return max(n, -n) }
	if abs(n) < limit {
		return append(strconv.AppendInt(dst, n, 10), " bytes"...)
	}
	n >>= 9 // one more bit than the unit, for rounding
	unit := 1
	for abs(n) >= 2*limit-1 && unit < len(units)-1 {
		n >>= 10
		unit++
	}
	rounded := (n + 1) / 2
	if n < 0 {
		rounded = (n - 1) / 2
	}
	return append(append(strconv.AppendInt(dst, rounded, 10), ' '), units[unit]...)
}
