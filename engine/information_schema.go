package engine

import (
	"strconv"

	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

func (w *pgRows) database() string { return w.session.engine.opts.Database }

// listed lists the tables and views that information_schema shows.
func listed(cat *catalog.Catalog) []*catalog.Object {
	var out []*catalog.Object
	for _, o := range relations(cat) {
		if o.Kind != catalog.Index {
			out = append(out, o)
		}
	}
	return out
}

func catalogNameRows(w *pgRows) error {
	w.add("catalog_name", w.database())
	return nil
}

func enabledRoleRows(w *pgRows) error {
	w.add("role_name", w.session.engine.opts.User)
	return nil
}

func characterSetRows(w *pgRows) error {
	w.add("character_set_name", "UTF8", "character_repertoire", "UCS", "form_of_use", "UTF8", "default_collate_catalog", w.database(),
		"default_collate_schema", catalog.PGSchema, "default_collate_name", "C.UTF-8")
	return nil
}

func schemataRows(w *pgRows) error {
	for _, s := range schemas() {
		w.add("catalog_name", w.database(), "schema_name", s.name, "schema_owner", w.session.engine.opts.User)
	}
	return nil
}

// tableType is information_schema's word for a relation. Materialized views,
// which PostgreSQL leaves out there, are listed as views: tools that read
// information_schema alone would never find them.
func tableType(o *catalog.Object) string {
	if relkind(o) == 'r' {
		return "BASE TABLE"
	}
	return "VIEW"
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func schemaTablesRows(w *pgRows) error {
	for _, o := range listed(w.cat) {
		w.add("table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "table_type", tableType(o),
			"is_insertable_into", yesNo(o.Kind == catalog.Table), "is_typed", "NO")
	}
	return nil
}

func schemaViewsRows(w *pgRows) error {
	for _, o := range listed(w.cat) {
		if tableType(o) == "VIEW" {
			w.add("table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "view_definition", viewText(o),
				"check_option", "NONE", "is_updatable", "NO", "is_insertable_into", "NO", "is_trigger_updatable", "NO",
				"is_trigger_deletable", "NO", "is_trigger_insertable_into", "NO")
		}
	}
	return nil
}

func schemaColumnsRows(w *pgRows) error {
	for _, o := range listed(w.cat) {
		for i, c := range o.Visible() {
			row := []any{"table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "column_name", c.Name,
				"ordinal_position", i + 1, "is_nullable", yesNo(!c.NotNull), "data_type", dataType(c.Type), "udt_catalog", w.database(),
				"udt_schema", catalog.PGSchema, "udt_name", udtName(c.Type), "dtd_identifier", strconv.Itoa(i + 1), "is_self_referencing", "NO",
				"is_identity", "NO", "identity_cycle", "NO", "is_generated", "NEVER", "is_updatable", yesNo(o.Kind == catalog.Table)}
			if c.Default != "" {
				row = append(row, "column_default", c.Default)
			}
			w.add(append(row, sizes(c.Type)...)...)
		}
	}
	return nil
}

func udtName(t types.Type) string {
	info, _ := t.Info()
	return info.Name
}

func dataType(t types.Type) string {
	if t.IsArray() {
		return "ARRAY"
	}
	return t.Base().String()
}

// sizes are the columns of information_schema.columns that say how large
// values of a type are.
func sizes(t types.Type) []any {
	number := func(precision, radix, scale int) []any {
		return []any{"numeric_precision", precision, "numeric_precision_radix", radix, "numeric_scale", scale}
	}
	switch t.Base() {
	case types.Int2:
		return number(16, 2, 0)
	case types.Int4:
		return number(32, 2, 0)
	case types.Int8:
		return number(64, 2, 0)
	case types.Float4:
		return []any{"numeric_precision", 24, "numeric_precision_radix", 2}
	case types.Float8:
		return []any{"numeric_precision", 53, "numeric_precision_radix", 2}
	case types.Numeric:
		if precision, scale, ok := t.NumericModifier(); ok {
			return number(int(precision), 10, int(scale))
		}
		return []any{"numeric_precision_radix", 10}
	case types.Varchar, types.BPChar:
		if n, ok := t.CharLength(); ok {
			return []any{"character_maximum_length", n, "character_octet_length", 4 * n}
		}
		return []any{"character_octet_length", 1 << 30}
	case types.Text, types.Name:
		return []any{"character_octet_length", 1 << 30}
	case types.Date:
		return []any{"datetime_precision", 0}
	case types.Time, types.TimeTZ, types.Timestamp, types.Timestamptz, types.Interval:
		if mod := t.Typmod(); mod >= 0 && mod <= 6 {
			return []any{"datetime_precision", int(mod)}
		}
		return []any{"datetime_precision", 6}
	}
	return nil
}

func tableConstraintsRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		if o.PrimaryKey() != nil {
			w.add("constraint_catalog", w.database(), "constraint_schema", o.Schema, "constraint_name", o.PrimaryKeyName(),
				"table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "constraint_type", "PRIMARY KEY",
				"is_deferrable", "NO", "initially_deferred", "NO", "enforced", "YES")
		}
	}
	return nil
}

func keyColumnRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		for i, c := range o.PrimaryKey() {
			w.add("constraint_catalog", w.database(), "constraint_schema", o.Schema, "constraint_name", o.PrimaryKeyName(),
				"table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "column_name", o.Columns[c].Name,
				"ordinal_position", i+1)
		}
	}
	return nil
}

func constraintColumnRows(w *pgRows) error {
	for _, o := range w.cat.Objects() {
		for _, c := range o.PrimaryKey() {
			w.add("table_catalog", w.database(), "table_schema", o.Schema, "table_name", o.Name, "column_name", o.Columns[c].Name,
				"constraint_catalog", w.database(), "constraint_schema", o.Schema, "constraint_name", o.PrimaryKeyName())
		}
	}
	return nil
}
