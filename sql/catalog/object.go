package catalog

import (
	"encoding/json"
	"slices"

	"github.com/streamdb/streamdb/sql/types"
	"github.com/streamdb/streamdb/storage"
)

// ID identifies an object; ids are never used again.
type ID uint32

// FirstUserOID is added to an ID to give the object's OID in pg_catalog.
const FirstUserOID = 16384

// OID returns the object identifier that pg_catalog shows.
func (id ID) OID() types.OID { return types.OID(id) + FirstUserOID }

// Kind is what an object is.
type Kind string

// The kinds of objects.
const (
	Stream           Kind = "stream"
	Table            Kind = "table"
	View             Kind = "view"
	MaterializedView Kind = "materialized view"
	Sink             Kind = "sink"
	Index            Kind = "index"
	System           Kind = "system relation"
)

// Column is one column of a relation.
type Column struct {
	Name    string     `json:"name"`
	Type    types.Type `json:"type"`
	NotNull bool       `json:"notNull,omitempty"`
	Meta    uint8      `json:"meta,omitempty"`    // connector.Meta: which part of a record fills it
	Default string     `json:"default,omitempty"` // SQL text of the default's expression
	Hidden  bool       `json:"hidden,omitempty"`  // the row id of a table without primary key; always last
}

// Object is one entry of the catalog. It is immutable once in a Catalog.
type Object struct {
	ID      ID       `json:"id"`
	Schema  string   `json:"schema"`
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Columns []Column `json:"columns"`

	// Definition is the canonical CREATE statement, as SHOW CREATE prints it.
	Definition string `json:"definition"`
	// Query is the canonical query of a view.
	Query string `json:"query,omitempty"`
	// Settings are the session settings frozen at CREATE (TimeZone, DateStyle,
	// IntervalStyle, search_path).
	Settings map[string]string `json:"settings,omitempty"`
	// DependsOn lists the relations a view reads, ascending.
	DependsOn []ID `json:"dependsOn,omitempty"`

	Connector string          `json:"connector,omitempty"` // of a stream: "kafka"
	Options   json.RawMessage `json:"options,omitempty"`   // its options
	Starts    []int64         `json:"starts,omitzero"`     // a stream's start positions by partition, resolved at CREATE
	Identity  string          `json:"identity,omitempty"`  // what the positions belong to (a topic id)
	Graph     json.RawMessage `json:"graph,omitempty"`     // of a materialized view: dataflow.Graph
	// Source is the id under which the dataflow knows the stream of changes that
	// feeds a table over a topic, 0 for other tables. It is no object of its own.
	Source ID `json:"source,omitempty"`

	// Watermark declares the event time of what is read from outside, nil: none.
	Watermark *Watermark `json:"watermark,omitempty"`

	// Late says what a view does with rows that come late; LateOf, of the view that
	// keeps them, whose they are (LateRedirect). It comes and goes with that one.
	Late   LatePolicy `json:"late,omitempty"`
	LateOf ID         `json:"lateOf,omitempty"`
	// Lookups: a view looks rows up (FOR SYSTEM_TIME AS OF PROCTIME()), so that its own
	// depend on when they were computed.
	Lookups bool `json:"lookups,omitempty"`

	// Stored rows: nil for streams and plain views.
	Stored *Stored `json:"stored,omitempty"`
	// IndexColumns is how many of an index's key parts are the indexed columns;
	// the others make the key unique.
	IndexColumns int `json:"indexColumns,omitempty"`
	// AppendOnly says that the relation never retracts a row.
	AppendOnly bool `json:"appendOnly,omitempty"`
}

// Watermark is the event time of a stream or of a table over a topic. Lengths are
// in microseconds.
type Watermark struct {
	Column    int    `json:"column"`
	Delay     int64  `json:"delay"`
	Idle      int64  `json:"idle"` // 0: partitions are never idle
	MaxFuture int64  `json:"maxFuture"`
	Zone      string `json:"zone,omitempty"` // of a timestamp without time zone
}

// LatePolicy is what a view does with rows of a stream that come after the watermark
// has passed them.
type LatePolicy string

// The policies; the first is the default, which is not stored.
const (
	LateCorrect  LatePolicy = ""         // they correct the view
	LateDrop     LatePolicy = "drop"     // they are left out and counted
	LateRedirect LatePolicy = "redirect" // they are left out and kept in a view of their own
)

// Stored describes the arrangement that holds a relation's rows.
type Stored struct {
	Arr storage.Arrangement `json:"arr"`
	// Others are further arrangements of the relation's dataflow.
	Others []storage.Arrangement `json:"others,omitempty"`
	// Grouped: the arrangement of an aggregate, else one of materialize.
	Grouped bool `json:"grouped,omitempty"`
	// Key says which column each part of the arrangement's key is, -1 for a part
	// that is no column of the relation. Nil: keyed by the whole row.
	Key []int `json:"key,omitempty"`
	// KeyTypes are the types of the key parts.
	KeyTypes []types.Type `json:"keyTypes,omitempty"`
}

// SourceID returns the id of the external source that the object reads, 0 if it
// reads none.
func (o *Object) SourceID() ID {
	if o.Kind == Stream {
		return o.ID
	}
	return o.Source
}

// Types returns the column types.
func (o *Object) Types() []types.Type {
	out := make([]types.Type, len(o.Columns))
	for i := range o.Columns {
		out[i] = o.Columns[i].Type
	}
	return out
}

// Visible returns the columns that clients see.
func (o *Object) Visible() []Column {
	if n := len(o.Columns); n > 0 && o.Columns[n-1].Hidden {
		return o.Columns[:n-1]
	}
	return o.Columns
}

// Column returns the index of a column by its exact name, -1 if there is none.
func (o *Object) Column(name string) int {
	return slices.IndexFunc(o.Columns, func(c Column) bool { return c.Name == name })
}

// PrimaryKey returns the columns of a table's primary key, nil without one.
func (o *Object) PrimaryKey() []int {
	if o.Kind != Table || o.Stored == nil || len(o.Columns) != len(o.Visible()) {
		return nil
	}
	for _, c := range o.Stored.Key {
		if c < 0 {
			return nil
		}
	}
	return o.Stored.Key
}

// PrimaryKeyName is the name of a table's primary key, as constraint and as index.
func (o *Object) PrimaryKeyName() string { return o.Name + "_pkey" }

// IsRelation says whether the object can stand in FROM.
func (o *Object) IsRelation() bool { return o.Kind != Sink && o.Kind != Index }
