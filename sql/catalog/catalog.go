package catalog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// The schemas that exist in every database.
const (
	PublicSchema = "public"
	SystemSchema = "streamdb"
	PGSchema     = "pg_catalog"
)

// The keys under which the catalog lives in storage's meta.
const (
	objectPrefix = "c/object/"
	sequenceKey  = "c/sequence"
)

// qualified is the name of an object.
type qualified struct{ schema, name string }

// Catalog is one immutable version of the catalog.
type Catalog struct {
	version uint64
	objects map[ID]*Object
	names   map[qualified]ID
	next    *sequence // shared by all versions
}

// sequence gives out identifiers and numbers of versions. All drafts take from
// it, so several can be under way, and none of them has what another one has.
type sequence struct {
	mu      sync.Mutex
	free    identifiers
	version uint64
}

// identifiers are the next free ones.
type identifiers struct {
	Object      ID                  `json:"object"`
	Arrangement storage.Arrangement `json:"arrangement"`
}

func (s *sequence) newVersion() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	return s.version
}

// MetaReader is what Load reads the stored catalog from.
type MetaReader interface {
	MetaScan(prefix []byte, fn func(key, value []byte) error) error
	MetaGet(key []byte) ([]byte, error)
}

// Load reads the catalog of the last committed epoch and adds the system
// relations, whose ids must be above 1<<30. An unreadable entry is XX001: the
// server must not start with a part of its catalog.
func Load(meta MetaReader, system []*Object) (*Catalog, error) {
	next := &sequence{free: identifiers{Object: 1, Arrangement: 16}}
	c := &Catalog{
		version: next.newVersion(),
		objects: map[ID]*Object{},
		names:   map[qualified]ID{},
		next:    next,
	}
	raw, err := meta.MetaGet([]byte(sequenceKey))
	if err != nil {
		return nil, fmt.Errorf("read catalog sequence: %w", err)
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &next.free); err != nil {
			return nil, sqlerr.Wrap(err, sqlerr.DataCorrupted, "catalog sequence is damaged")
		}
	}
	err = meta.MetaScan([]byte(objectPrefix), func(key, value []byte) error {
		o := &Object{}
		if err := json.Unmarshal(value, o); err != nil {
			return sqlerr.Wrap(err, sqlerr.DataCorrupted, "catalog entry %q is damaged", key)
		}
		c.add(o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	for _, o := range system {
		c.add(o)
	}
	return c, nil
}

func (c *Catalog) add(o *Object) {
	c.objects[o.ID] = o
	c.names[qualified{o.Schema, o.Name}] = o.ID
}

// Version is another number for each version since the server started, drafts
// included; plans are cached by it.
func (c *Catalog) Version() uint64 { return c.version }

// Object returns an object by id, nil if there is none.
func (c *Catalog) Object(id ID) *Object { return c.objects[id] }

// Owner returns the stream or table that reads an external source, by
// SourceID; nil if there is none.
func (c *Catalog) Owner(source ID) *Object {
	if o := c.objects[source]; o != nil {
		return o
	}
	for _, o := range c.objects {
		if o.Source == source && source != 0 {
			return o
		}
	}
	return nil
}

// Lookup returns the object of that name, nil if there is none.
func (c *Catalog) Lookup(schema, name string) *Object {
	return c.objects[c.names[qualified{schema, name}]]
}

// Objects lists all user objects by ascending id, which is a topological
// order: what an object depends on has a smaller id.
func (c *Catalog) Objects() []*Object {
	out := make([]*Object, 0, len(c.objects))
	for _, o := range c.objects {
		if o.Kind != System {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// SystemRelations lists the system relations by schema and name.
func (c *Catalog) SystemRelations() []*Object {
	var out []*Object
	for _, o := range c.objects {
		if o.Kind == System {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Schema != out[j].Schema {
			return out[i].Schema < out[j].Schema
		}
		return out[i].Name < out[j].Name
	})
	return out
}

// HasSchema says whether a schema exists.
func (c *Catalog) HasSchema(schema string) bool {
	switch schema {
	case PublicSchema, SystemSchema, PGSchema, "information_schema":
		return true
	}
	return false
}

// Indexes returns the indexes of a relation by ascending id.
func (c *Catalog) Indexes(id ID) []*Object {
	var out []*Object
	for _, o := range c.objects {
		if o.Kind == Index && slices.Contains(o.DependsOn, id) {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Dependents returns the objects that read id, directly or through others, by
// ascending id.
func (c *Catalog) Dependents(id ID) []*Object {
	reached := map[ID]bool{id: true}
	var out []*Object
	for _, o := range c.Objects() {
		if slices.ContainsFunc(o.DependsOn, func(d ID) bool { return reached[d] }) {
			reached[o.ID] = true
			out = append(out, o)
		}
	}
	return out
}

// Draft is a catalog under change: it gives out identifiers and collects what
// must be committed.
type Draft struct {
	c    *Catalog
	meta []storage.MetaChange
}

// Draft begins a change of c; c itself stays as it is.
func (c *Catalog) Draft() *Draft {
	return &Draft{c: &Catalog{
		version: c.next.newVersion(),
		objects: maps.Clone(c.objects),
		names:   maps.Clone(c.names),
		next:    c.next,
	}}
}

// NewID gives out an object id.
func (d *Draft) NewID() ID {
	s := d.c.next
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free.Object++
	return s.free.Object - 1
}

// NewArrangement gives out an arrangement id.
func (d *Draft) NewArrangement() storage.Arrangement {
	s := d.c.next
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free.Arrangement++
	return s.free.Arrangement - 1
}

// Add puts o into the draft. A name that is taken is 42P07.
func (d *Draft) Add(o *Object) error {
	if d.c.Lookup(o.Schema, o.Name) != nil {
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", o.Name)
	}
	return d.Replace(o)
}

// Replace puts o in the place of the object with its id and name.
func (d *Draft) Replace(o *Object) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode catalog entry %q: %w", o.Name, err)
	}
	d.c.add(o)
	d.meta = append(d.meta, storage.MetaChange{Key: objectKey(o.ID), Value: raw})
	return nil
}

// Remove takes an object out of the draft.
func (d *Draft) Remove(o *Object) {
	delete(d.c.objects, o.ID)
	delete(d.c.names, qualified{o.Schema, o.Name})
	d.meta = append(d.meta, storage.MetaChange{Key: objectKey(o.ID)})
}

// Catalog returns the changed catalog. The draft must not be changed any more.
func (d *Draft) Catalog() *Catalog { return d.c }

// Meta returns what makes the change durable.
func (d *Draft) Meta() ([]storage.MetaChange, error) {
	s := d.c.next
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(s.free)
	if err != nil {
		return nil, fmt.Errorf("encode catalog sequence: %w", err)
	}
	return append(d.meta, storage.MetaChange{Key: []byte(sequenceKey), Value: raw}), nil
}

func objectKey(id ID) []byte {
	return binary.BigEndian.AppendUint32([]byte(objectPrefix), uint32(id))
}
