package dataflow

import (
	"bytes"
	"encoding/binary"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/storage"
)

// BacklogArrangement holds what detached views have not computed yet. It is
// committed with the epochs that the view misses, so a restart goes on with it:
//
//	view 0x00 epoch number   -> relation, weight, columns: a row of a stream
//	view 0x01 relation key   -> 0x00, or 0x01 and an image: what the view has
//	                            seen under the key of a stored relation
//
// (ids and numbers of 4 bytes, the epoch of 8, big endian). Rows of a stream keep
// their order. Of a relation only that a key has changed is kept, and what it was:
// to work it off is to bring the view from that image to the present one. So a key
// that changes often is there once, and a relation as the view sees it is its
// arrangement with these images laid over it (viewState.Fetch), which is what a
// join over a shared arrangement must read. Half of a relation's changes is still
// a set of rows with one row a key, so the view's operators see nothing that they
// would not accept.
const BacklogArrangement storage.Arrangement = 2

const (
	backlogRow = 0
	backlogKey = 1
)

func backlogPrefix(view RelationID, tag byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(view)), tag)
}

func appendPendingKey(dst []byte, view, rel RelationID, key []byte) []byte {
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(view)), backlogKey)
	return append(binary.BigEndian.AppendUint32(dst, uint32(rel)), key...)
}

// putEntry adds a key to a change set; nil deletes.
func putEntry(set *storage.ChangeSet, key, val []byte) {
	i := set.Keys.Len()
	set.Keys.Add(key)
	if val == nil {
		for i >= 64*len(set.Dead) {
			set.Dead = append(set.Dead, 0)
		}
		set.Dead.Set(i)
	}
	set.Vals.Data = append(set.Vals.Data, val...)
	set.Vals.End()
}

// appendImage encodes an image that may be absent.
func appendImage(dst, image []byte) []byte {
	if image == nil {
		return append(dst, 0)
	}
	return append(append(dst, 1), image...)
}

func decodeImage(b []byte) ([]byte, error) {
	switch {
	case len(b) == 1 && b[0] == 0:
		return nil, nil
	case len(b) > 0 && b[0] == 1:
		return b[1:len(b):len(b)], nil
	}
	return nil, errBacklog()
}

func errBacklog() error {
	return sqlerr.New(sqlerr.DataCorrupted, "the backlog of a detached view is damaged")
}

// piece is what a view that is behind works off in one epoch.
type piece struct {
	last    bool      // nothing is left behind it: the view takes part in the epoch
	entries zset.List // keys of the backlog
	rows    map[RelationID]*zset.Batch
	seen    map[RelationID]map[string][]byte // by key: the image that the view has seen
	order   map[RelationID][]string          // of the keys of seen
}

// feedBehind gives the inputs of a view that is behind the next piece of its
// backlog. When that is the last one, the epoch's changes come with it.
func (r *Runtime) feedBehind(ep *epochWork, v *view) error {
	p, err := r.readPiece(v)
	if err != nil {
		return err
	}
	v.piece = p
	changes := 0
	for _, in := range v.inputs {
		changes += in.changes()
	}
	p.last = p.last && v.share > 0 && changes <= max(v.share, 2)
	for _, in := range v.inputs {
		switch {
		case in.appends():
			in.delta = nil
			if b := p.rows[in.rel]; b != nil {
				in.delta = append(in.delta, b)
			}
			if p.last {
				in.delta = append(in.delta, in.appended()...)
			}
		case in.from == v:
			err = r.feed(ep, in)
		default:
			err = r.feedKeys(p, in)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changes counts what the epoch changes in an input's relation.
func (in *input) changes() (n int) {
	if in.appends() {
		for _, b := range in.appended() {
			n += b.Len()
		}
		return n
	}
	if set := in.changedKeys(); set != nil && in.from != in.view {
		return set.Keys.Len()
	}
	return 0
}

// changedKeys returns the epoch's changes of the relation's arrangement, nil if
// there are none.
func (in *input) changedKeys() *storage.ChangeSet {
	for i := range in.from.changes {
		if set := &in.from.changes[i]; set.Arr == in.from.spec.Result.Arr {
			return set
		}
	}
	return nil
}

// covers says whether rows under the key of its relation have reached the view.
func (in *input) covers(key []byte) bool {
	return in.phase != phaseScanning || bytes.Compare(key, in.cursor) < 0
}

// readPiece reads the first entries of a view's backlog.
func (r *Runtime) readPiece(v *view) (*piece, error) {
	p := &piece{rows: map[RelationID]*zset.Batch{}, seen: map[RelationID]map[string][]byte{}, order: map[RelationID][]string{}}
	n := v.share
	if n == 0 {
		return p, nil
	}
	p.last = true
	var failed error
	err := r.store.Scan(BacklogArrangement, backlogPrefix(v.spec.ID, 0), backlogPrefix(v.spec.ID, backlogKey+1), func(key, val []byte) bool {
		if n == 0 {
			p.last = false
			return false
		}
		n--
		p.entries.Add(key)
		failed = p.add(v, key[4:], val)
		return failed == nil
	})
	if failed != nil {
		return nil, failed
	}
	return p, err
}

// add decodes one entry; the key begins with its tag.
func (p *piece) add(v *view, key, val []byte) error {
	if len(key) > 5 && key[0] == backlogKey {
		image, err := decodeImage(bytes.Clone(val))
		rel := RelationID(binary.BigEndian.Uint32(key[1:]))
		if p.seen[rel] == nil {
			p.seen[rel] = map[string][]byte{}
		}
		k := string(key[5:])
		p.seen[rel][k] = image
		p.order[rel] = append(p.order[rel], k)
		return err
	}
	if len(val) < 5 || key[0] != backlogRow {
		return errBacklog()
	}
	rel := RelationID(binary.BigEndian.Uint32(val))
	weight, n := binary.Varint(val[4:])
	for _, in := range v.inputs {
		if in.rel == rel && in.appends() && n > 0 {
			return p.addRow(in, val[4+n:], weight)
		}
	}
	return errBacklog()
}

// addRow decodes the columns that the view reads of a row.
func (p *piece) addRow(in *input, row []byte, weight int64) error {
	b := p.rows[in.rel]
	if b == nil {
		b = zset.NewBatch(in.types, 0)
		p.rows[in.rel] = b
	}
	cols := in.needed(b.Cols)
	if err := zset.DecodeRow(row, cols); err != nil {
		return sqlerr.Wrap(err, sqlerr.DataCorrupted, "the backlog of view %q is damaged", in.view.spec.Name)
	}
	if in.need != nil {
		at := 0
		for c, want := range in.need {
			if want {
				b.Cols[c] = cols[at]
				at++
			}
		}
	}
	b.AddRow(weight)
	return nil
}

// needed returns the columns that the view reads.
func (in *input) needed(cols []zset.Vector) []zset.Vector {
	if in.need == nil {
		return cols
	}
	out := make([]zset.Vector, 0, len(cols))
	for c, want := range in.need {
		if want {
			out = append(out, cols[c])
		}
	}
	return out
}

// feedKeys gives an input from a relation what brings its view from the images
// that it has seen to those of this epoch, for the keys of the piece, and for all
// that change if it is the last one.
func (r *Runtime) feedKeys(p *piece, in *input) error {
	spec := in.from.spec.Result
	seen := p.seen[in.rel]
	set := in.changedKeys()
	at := indexKeys(set)
	batch := zset.NewBatch(spec.Types, 0)
	var keys zset.List
	for _, k := range p.order[in.rel] {
		keys.Add([]byte(k))
	}
	pending := keys.Len()
	if p.last && set != nil {
		for i := range set.Keys.Len() {
			if _, taken := seen[string(set.Keys.At(i))]; !taken {
				keys.Add(set.Keys.At(i))
			}
		}
	}
	var stored storage.Values
	if err := r.store.Fetch(spec.Arr, &keys, &stored); err != nil {
		return err
	}
	for i := range keys.Len() {
		key := keys.At(i)
		if !in.covers(key) {
			continue
		}
		before, after := stored[i], stored[i]
		if i < pending {
			before = seen[string(key)]
		}
		if n, ok := at[string(key)]; ok {
			after = imageAt(set, n)
		}
		if err := addChange(batch, spec, key, before, after); err != nil {
			return err
		}
	}
	in.delta = nil
	if batch.N > 0 {
		in.delta = operator.Delta{batch}
	}
	return nil
}

func indexKeys(set *storage.ChangeSet) map[string]int {
	at := map[string]int{}
	if set != nil {
		for i := range set.Keys.Len() {
			at[string(set.Keys.At(i))] = i
		}
	}
	return at
}

// imageAt returns the new image of a changed key, nil if it is deleted.
func imageAt(set *storage.ChangeSet, i int) []byte {
	if i < 64*len(set.Dead) && set.Dead.Get(i) {
		return nil
	}
	return append([]byte{}, set.Vals.At(i)...) // nil would mean absent
}

// workedOff removes the piece that a view has computed and puts what the epoch
// changes behind the rest, unless nothing is left.
func (r *Runtime) workedOff(ep *epochWork, v *view) error {
	p := v.piece
	n := p.entries.Len()
	for i := range n {
		putEntry(&ep.backlog, p.entries.At(i), nil)
	}
	v.worked, v.left = v.worked+int64(n), v.left-int64(n)
	r.viewsChanged = true
	if p.last {
		v.behind, v.left = false, 0
		r.stateChanged()
		return nil
	}
	return r.enqueue(ep, v, p)
}

// enqueueAll puts all that the view got in this epoch into its backlog.
func (r *Runtime) enqueueAll(ep *epochWork, v *view) error { return r.enqueue(ep, v, nil) }

// enqueue puts into the backlog what the view did not take in this epoch: done is
// the piece that it has taken, nil if it has taken nothing.
func (r *Runtime) enqueue(ep *epochWork, v *view, done *piece) error {
	relations := map[RelationID]bool{}
	number := uint32(0)
	for _, in := range v.inputs {
		switch {
		case in.appends():
			delta := in.delta
			if v.behind { // the rest is there already
				delta = in.appended()
			}
			for _, b := range delta {
				number = r.enqueueRows(ep, in, b, number)
			}
		case in.from != v && !relations[in.rel]:
			relations[in.rel] = true
			if err := r.enqueueKeys(ep, v, in, done); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Runtime) enqueueRows(ep *epochWork, in *input, b *zset.Batch, number uint32) uint32 {
	prefix := binary.BigEndian.AppendUint64(backlogPrefix(in.view.spec.ID, backlogRow), ep.commit.Number)
	cols := in.needed(b.Cols)
	var key, val []byte
	for i := range b.Len() {
		row := b.Row(i)
		key = binary.BigEndian.AppendUint32(append(key[:0], prefix...), number)
		val = binary.BigEndian.AppendUint32(val[:0], uint32(in.rel))
		val = binary.AppendVarint(val, b.WeightAt(row))
		putEntry(&ep.backlog, key, zset.AppendRow(val, cols, row))
		number++
	}
	in.view.left += int64(b.Len())
	return number
}

// enqueueKeys notes what the view has seen under the keys that the epoch changes
// and that it has not taken. What is noted already stays.
func (r *Runtime) enqueueKeys(ep *epochWork, v *view, in *input, done *piece) error {
	set := in.changedKeys()
	if set == nil {
		return nil
	}
	var keys, pending zset.List
	for i := range set.Keys.Len() {
		key := set.Keys.At(i)
		if done != nil {
			if _, taken := done.seen[in.rel][string(key)]; taken {
				continue
			}
		}
		if v.covers(in.rel, key) {
			keys.Add(key)
			pending.Data = appendPendingKey(pending.Data, v.spec.ID, in.rel, key)
			pending.End()
		}
	}
	var noted, images storage.Values
	if err := r.store.Fetch(BacklogArrangement, &pending, &noted); err != nil {
		return err
	}
	if err := r.store.Fetch(in.from.spec.Result.Arr, &keys, &images); err != nil {
		return err
	}
	var val []byte
	for i := range keys.Len() {
		if noted[i] != nil {
			continue
		}
		val = appendImage(val[:0], images[i])
		putEntry(&ep.backlog, pending.At(i), val)
		v.left++
	}
	return nil
}

// covers says whether rows under the key of a relation have reached the view, by
// any of its inputs.
func (v *view) covers(rel RelationID, key []byte) bool {
	for _, in := range v.inputs {
		if in.rel == rel && in.covers(key) {
			return true
		}
	}
	return false
}

// Fetch implements operator.State. A join over a shared arrangement of which the
// view has not seen the last changes gets the images that it has seen.
func (s *viewState) Fetch(arr storage.Arrangement, keys *zset.List, vals *storage.Values) error {
	if err := s.Store.Fetch(arr, keys, vals); err != nil || s.view == nil || !s.view.behind {
		return err
	}
	for _, in := range s.view.inputs {
		if in.changesOnly && in.from.spec.Result.Arr == arr {
			return s.layOver(in, keys, *vals)
		}
	}
	return nil
}

func (s *viewState) layOver(in *input, keys *zset.List, vals storage.Values) error {
	var pending zset.List
	for i := range keys.Len() {
		pending.Data = appendPendingKey(pending.Data, s.view.spec.ID, in.rel, keys.At(i))
		pending.End()
	}
	var noted storage.Values
	if err := s.Store.Fetch(BacklogArrangement, &pending, &noted); err != nil {
		return err
	}
	for i, image := range noted {
		if image == nil {
			continue
		}
		var err error
		if vals[i], err = decodeImage(image); err != nil {
			return err
		}
	}
	return nil
}

// countBacklog counts the entries of each view that the store holds.
func (r *Runtime) countBacklog() (map[RelationID]int64, error) {
	counts := map[RelationID]int64{}
	err := r.store.Scan(BacklogArrangement, nil, nil, func(key, _ []byte) bool {
		if len(key) >= 4 {
			counts[RelationID(binary.BigEndian.Uint32(key))]++
		}
		return true
	})
	return counts, err
}
