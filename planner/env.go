package planner

import (
	"slices"
	"strings"

	"github.com/streamdb/streamdb/internal/spelling"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// Env is what a statement is bound against: one catalog version and the
// session's settings.
type Env struct {
	Catalog    *catalog.Catalog
	SearchPath []string  // schemas, in order; pg_catalog is among them
	Expr       *expr.Env // time zone, styles, statement time
	User       string
	Database   string
	Version    string                       // what version() returns
	Setting    func(string) (string, error) // current_setting
	BackendPID int
	ParamTypes []types.Type // declared by the client; Unknown or missing: inferred
	InView     bool         // binding the query of a materialized view
	// Set changes a setting of the session (set_config); nil: it cannot be changed.
	Set func(name, value string) error
	// Frozen are the settings under which a view was created; nil: the session's.
	Frozen func(o *catalog.Object) *types.Env
	// Unstored says of a relation that is read whether its query takes its place, as
	// that of a plain view does; nil: never.
	Unstored func(o *catalog.Object) (bool, error)
	// Empty says that a system relation never has rows.
	Empty func(o *catalog.Object) bool
}

// resolve finds a relation by its possibly qualified name.
func (env *Env) resolve(schema, name string, pos int) (*catalog.Object, error) {
	if schema != "" {
		if !env.Catalog.HasSchema(schema) {
			return nil, sqlerr.New(sqlerr.UndefinedTable, "relation \"%s.%s\" does not exist", schema, name).At(pos)
		}
		if o := env.Catalog.Lookup(schema, name); o != nil && o.IsRelation() {
			return o, nil
		}
		err := sqlerr.New(sqlerr.UndefinedTable, "relation \"%s.%s\" does not exist", schema, name).At(pos)
		return nil, env.hintRelation(err, []string{schema}, name)
	}
	for _, s := range env.SearchPath {
		if o := env.Catalog.Lookup(s, name); o != nil && o.IsRelation() {
			return o, nil
		}
	}
	err := sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name).At(pos)
	if o := env.Catalog.Lookup(catalog.SystemSchema, name); o != nil {
		return nil, err.WithHint("There is a system relation %s.%s.", catalog.SystemSchema, name)
	}
	return nil, env.hintRelation(err, env.SearchPath, name)
}

// hintRelation adds the relation of the schemas whose name is closest to name, if
// one is close.
func (env *Env) hintRelation(err *sqlerr.Error, schemas []string, name string) error {
	best, bestDistance := "", min(len(name)/2+1, 4)
	for _, o := range append(env.Catalog.Objects(), env.Catalog.SystemRelations()...) {
		if !o.IsRelation() || !slices.Contains(schemas, o.Schema) || o.Schema == "pg_catalog" {
			continue
		}
		if d := spelling.Distance(name, o.Name); d < bestDistance {
			best, bestDistance = o.Name, d
			if len(schemas) == 1 {
				best = o.Schema + "." + o.Name
			}
		}
	}
	if best == "" {
		return err
	}
	return err.WithHint("Perhaps you meant the relation %q.", best)
}

// Relation finds the relation that a statement names.
func (env *Env) Relation(schema, name string, pos int) (*catalog.Object, error) {
	return env.resolve(schema, name, pos)
}

// SearchPath splits the setting search_path; pg_catalog comes first unless it
// is named.
func SearchPath(setting string) []string {
	var path []string
	for _, part := range strings.Split(setting, ",") {
		part = strings.Trim(strings.TrimSpace(part), `"`)
		if part != "" && !slices.Contains(path, part) {
			path = append(path, part)
		}
	}
	if !slices.Contains(path, "pg_catalog") {
		path = append([]string{"pg_catalog"}, path...)
	}
	return path
}
