package engine

import (
	"encoding/json"
	"fmt"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// beginsPrefix is that of the keys under which is stored, by a view's id, where its
// streams begin for it, if that is not where they begin by themselves: a view that
// is rebuilt must begin there, too, or it would be another one.
const beginsPrefix = "c/begins/"

func beginsKey(id catalog.ID) []byte { return fmt.Appendf(nil, "%s%010d", beginsPrefix, id) }

// noteBegins adds to the command that creates a view where its streams begin.
func noteBegins(id catalog.ID, c *dataflow.Command) error {
	if len(c.Begins) == 0 {
		return nil
	}
	value, err := json.Marshal(c.Begins)
	if err != nil {
		return fmt.Errorf("encode where view %d begins: %w", id, err)
	}
	c.Meta = append(c.Meta, storage.MetaChange{Key: beginsKey(id), Value: value})
	return nil
}

// begins returns what noteBegins has stored of a view.
func (e *Engine) begins(id catalog.ID) (map[dataflow.RelationID]connector.Positions, error) {
	out := map[dataflow.RelationID]connector.Positions{}
	value, err := e.store.MetaGet(beginsKey(id))
	if err != nil || value == nil {
		return out, err
	}
	if err := json.Unmarshal(value, &out); err != nil {
		return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "where view %d begins is damaged", id)
	}
	return out, nil
}

// forgetBegins adds to the command that drops a view that what noteBegins has stored
// goes.
func (e *Engine) forgetBegins(id catalog.ID, c *dataflow.Command) error {
	value, err := e.store.MetaGet(beginsKey(id))
	if err != nil || value == nil {
		return err
	}
	c.Meta = append(c.Meta, storage.MetaChange{Key: beginsKey(id)})
	return nil
}
