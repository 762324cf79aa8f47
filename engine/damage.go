package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// nameDamage says of a read that met damaged data whose data it is and what
// brings it back. Other errors stay as they are.
func (e *Engine) nameDamage(err error) error {
	var d *storage.DamageError
	if !errors.As(err, &d) {
		return err
	}
	owners := damagedObjects(e.catalog.Load(), d.Arr, d.Arr)
	if len(owners) == 0 {
		return err
	}
	hint := owners[0].remedy
	if owners[0].derived {
		hint = "It is rebuilt if its inputs still hold all that it was made of: try again in a moment. Else " + hint
	}
	return sqlerr.Wrap(err, sqlerr.DataCorrupted, "stored data of %s is damaged", owners[0].name).
		WithDetail("%v", d).WithHint("%s", hint)
}

// damaged is an object of which rows may be damaged, and what brings it back.
type damaged struct {
	name, remedy string
	derived      bool // the healer brings it back
}

// damagedObjects lists the objects that have arrangements from first to last.
func damagedObjects(c *catalog.Catalog, first, last storage.Arrangement) (out []damaged) {
	if first <= dataflow.ErrorArrangement && dataflow.ErrorArrangement <= last {
		out = append(out, damaged{name: "the error rows", remedy: "Drop the streams and views that have rows in streamdb.errors and create them again."})
	}
	for _, o := range c.Objects() {
		if stores(o, first, last) {
			out = append(out, damaged{fmt.Sprintf("%s %q", o.Kind, o.Schema+"."+o.Name), damageRemedy(o), derived(o)})
		}
	}
	return out
}

// stores says whether an object has one of the arrangements from first to last.
func stores(o *catalog.Object, first, last storage.Arrangement) bool {
	within := func(arr storage.Arrangement) bool { return first <= arr && arr <= last }
	return o.Stored != nil && (within(o.Stored.Arr) || slices.ContainsFunc(o.Stored.Others, within))
}

// damageRemedy says how an object whose rows are damaged is brought back. What
// derives from something else is built again from it.
func damageRemedy(o *catalog.Object) string {
	switch {
	case o.Kind == catalog.Index:
		return "DROP INDEX and CREATE INDEX build it again from its table."
	case o.Kind == catalog.Sink:
		return "DROP SINK and CREATE SINK begin anew with what the relation holds."
	case o.Kind == catalog.Table && o.Source == 0:
		return "Its rows are nowhere else: restore a backup, or copy out the rows that SELECT by the whole primary key still reads, then DROP and CREATE the table."
	case o.Kind == catalog.Table:
		return "DROP TABLE and CREATE TABLE read its topic again."
	}
	return "DROP MATERIALIZED VIEW and CREATE MATERIALIZED VIEW build it again from what its inputs hold."
}

// adviseCheck says of damage that keeps a server from starting how to learn more.
func adviseCheck(err error, dir string) error {
	if sqlerr.Code(err) != sqlerr.DataCorrupted {
		return err
	}
	return fmt.Errorf("%w; 'streamdb check --data-dir %s' says what is damaged and what can be saved", err, dir)
}
