package engine

import (
	"maps"
	"slices"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// frozenNames are the settings that say what a query means. A view keeps those
// under which it was created, whatever later sessions set: else a view would not
// equal its query, and a stored one could not even follow.
func frozenNames() []string {
	return []string{"timezone", "datestyle", "intervalstyle", "extra_float_digits", "search_path"}
}

// frozenSettings are the session's present values of them.
func (s *Session) frozenSettings() map[string]string {
	out := map[string]string{}
	for _, name := range frozenNames() {
		out[name] = s.settings.values[name]
	}
	if out["extra_float_digits"] > "0" {
		out["extra_float_digits"] = "1" // drivers ask for 2 or 3, which mean the same
	}
	return out
}

// frozenOptions spells those that are not streamdb's initial ones as options of
// CREATE VIEW, as SHOW CREATE prints them.
func (s *Session) frozenOptions() []*ast.Option {
	var out []*ast.Option
	frozen, initial := s.frozenSettings(), newSettings().values
	for _, name := range frozenNames() {
		if value := frozen[name]; value != initial[name] {
			out = append(out, &ast.Option{Name: name, Value: &ast.StringLit{Value: value}})
		}
	}
	return out
}

// frozenEnv is how a view reads and prints values.
func frozenEnv(o *catalog.Object) *types.Env {
	s := newSettings()
	maps.Copy(s.values, o.Settings)
	return s.env()
}

// settingOptions takes the settings out of the options of a view and returns the
// options that are left.
func settingOptions(options []*ast.Option) (given, left []*ast.Option, err error) {
	for _, o := range options {
		if !slices.Contains(frozenNames(), o.Name) {
			left = append(left, o)
			continue
		}
		if slices.ContainsFunc(given, func(g *ast.Option) bool { return g.Name == o.Name }) {
			return nil, nil, sqlerr.New(sqlerr.SyntaxError, "option %q is given twice", o.Name).At(o.Position())
		}
		given = append(given, o)
	}
	return given, left, nil
}

// withSettings lets the session have other settings until restore is called. The
// client is not told: no other statement sees them.
func (s *Session) withSettings(options []*ast.Option) (restore func(), err error) {
	before := s.settings
	changed := *before
	changed.values = maps.Clone(before.values)
	for _, o := range options {
		value, err := optionText(o)
		if err != nil {
			return nil, err
		}
		if _, _, err := changed.set(o.Name, value); err != nil {
			return nil, sqlerr.From(err).At(o.Position())
		}
	}
	s.settings = &changed
	return func() { s.settings = before }, nil
}
