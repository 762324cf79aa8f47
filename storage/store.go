package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// ErrBroken says that memory and disk may differ: an epoch became durable but
// could not be applied, or writing it failed such that nobody knows whether it
// is durable. Only opening the store again tells, and brings them together.
var ErrBroken = errors.New("storage is broken: it must be opened again")

// errClosed is what reads and commits return after Close.
var errClosed = sqlerr.New(sqlerr.AdminShutdown, "storage is closed")

// Store keeps arrangements, positions and the catalog. One goroutine commits
// and may call Fetch and Scan; everything else is for any goroutine.
type Store struct {
	opts  Options
	seams Seams

	mem     *memtable
	enc     recordEncoder
	misses  missReader
	metaBuf []MetaChange
	pinBuf  []uint64

	// users counts calls that read or write, and one for the open store. A lock
	// would not do: a call within a call, as in the function given to Scan, would
	// wait for a waiting Close.
	users   atomic.Int64
	closing atomic.Bool
	drained chan struct{} // closed when users becomes 0
	broken  atomic.Pointer[error]

	// pinMu orders publication and pinning: a snapshot is registered at the
	// epoch that is the last one at this moment.
	pinMu     sync.Mutex
	epoch     uint64
	clock     int64
	positions []byte
	pins      map[uint64]int

	arrMu sync.RWMutex
	arrs  map[Arrangement]arrState

	// genMu guards the lists of generations. The active one is last.
	genMu   sync.Mutex
	gens    []*generation // unflushed, oldest first
	flushed []*generation // flushed, rows still counted as dirty

	tree     *tree
	blockMem sync.Pool // *[]byte for blocks that point reads copy
	bg       background

	damages damages

	stats storeCounters
}

// OpenWith opens a store over the given seams, which it owns from then on, also
// when it fails.
func OpenWith(ctx context.Context, o Options, seams Seams) (*Store, error) {
	o, err := o.withDefaults()
	if err == nil && seams.Files == seams.Results {
		err = errors.New("files and results share a block store")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("storage options: %w", err), seams.close())
	}
	s := &Store{opts: o, seams: seams, pins: map[uint64]int{}, drained: make(chan struct{})}
	s.users.Store(1)
	s.blockMem.New = func() any {
		b := make([]byte, 0, 2*badgerBlockSize)
		return &b
	}
	if err := s.recover(ctx); err != nil {
		if s.mem != nil {
			s.mem.close()
		}
		return nil, errors.Join(err, seams.close())
	}
	s.startBackground()
	return s, nil
}

// enter keeps the store open until leave.
func (s *Store) enter() error {
	for {
		n := s.users.Load()
		if n == 0 || s.closing.Load() {
			return errClosed
		}
		if s.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (s *Store) leave() {
	if s.users.Add(-1) == 0 {
		close(s.drained)
	}
}

// Close stops the background work, waits for calls under way and closes the
// seams. What is not flushed is in the log.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		<-s.drained
		return nil
	}
	s.stopBackground()
	s.leave()
	<-s.drained
	err := s.seams.close()
	s.mem.close()
	return err
}

// Epoch returns the last committed epoch, 0 in a fresh directory.
func (s *Store) Epoch() uint64 {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	return s.epoch
}

// Clock returns the clock of the last committed epoch.
func (s *Store) Clock() int64 {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	return s.clock
}

// Positions returns the positions of the last committed epoch. The slice must
// not be changed.
func (s *Store) Positions() []byte {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	return s.positions
}

// MetaGet returns the value of a catalog key, nil if there is none.
func (s *Store) MetaGet(key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.seams.Meta.Get(key)
}

// MetaScan calls fn for the catalog keys with the prefix, in order. The slices
// are valid only during the call.
func (s *Store) MetaScan(prefix []byte, fn func(key, value []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.seams.Meta.Scan(prefix, func(key, value []byte) error {
		if bytes.HasPrefix(key, []byte(manifestPrefix)) {
			return nil
		}
		return fn(key, value)
	})
}

// Fetch fills out with the newest images of the keys, nil for those that are
// not there. The images are valid until the next Commit. Only the goroutine
// that commits may call it.
func (s *Store) Fetch(arr Arrangement, keys *zset.List, out *Values) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	n := keys.Len()
	if cap(*out) < n {
		*out = make(Values, n)
	}
	*out = (*out)[:n]
	st, ok := s.arrangement(arr)
	if !ok || st.dropped != arrangementAlive {
		clear(*out)
		return nil
	}
	r := &s.misses
	r.index = s.mem.fetch(arr, keys, *out, r.index[:0])
	if len(r.index) == 0 {
		return nil
	}
	return s.readError(arr, s.fetchMisses(arr, st.placement, keys, *out))
}

// arrangement returns what is known of an arrangement.
func (s *Store) arrangement(arr Arrangement) (arrState, bool) {
	s.arrMu.RLock()
	defer s.arrMu.RUnlock()
	st, ok := s.arrs[arr]
	return st, ok
}

// isDropped says whether the arrangement's rows are not worth keeping in
// memory.
func (s *Store) isDropped(arr Arrangement) bool {
	st, ok := s.arrangement(arr)
	return !ok || st.dropped != arrangementAlive
}

// Commit makes the epoch durable, applies and publishes it. An error that is
// not ErrBroken means that nothing happened, and the epoch may be committed
// again; after ErrBroken the epoch may be durable or not, and the store must be
// opened again.
func (s *Store) Commit(ep *Epoch) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.broken.Load(); err != nil {
		return *err
	}
	if err := s.validate(ep); err != nil {
		return err
	}
	if s.seams.Space != nil {
		if err := s.seams.Space(); err != nil {
			return err
		}
	}
	if err := s.backPressure(); err != nil {
		return err
	}
	if err := s.mem.prepare(ep.Changes); err != nil {
		return err
	}
	parts := s.enc.encode(ep)
	if err := s.seams.Log.Append(ep.Number, parts...); err != nil {
		err = fmt.Errorf("could not write epoch %d to the log: %w", ep.Number, err)
		if errors.Is(err, ErrBroken) {
			s.broken.Store(&err)
		}
		return err
	}
	size := int64(0)
	for _, p := range parts {
		size += int64(len(p))
	}
	if err := s.applyDurable(ep, size, true); err != nil {
		err = fmt.Errorf("%w: epoch %d: %w", ErrBroken, ep.Number, err)
		s.broken.Store(&err)
		return err
	}
	s.housekeeping()
	return nil
}

// applyDurable brings a durable epoch into memory and, if meta is set, into
// Meta, and publishes it. size is that of its log record.
func (s *Store) applyDurable(ep *Epoch, size int64, meta bool) error {
	pins := s.pinned()
	for i := range ep.Changes {
		if !s.mem.apply(ep.Number, i, &ep.Changes[i], pins) {
			return errors.New("the row table is out of memory")
		}
	}
	if meta {
		if err := s.applyMeta(ep); err != nil {
			return err
		}
	}
	s.applyArrangements(ep)
	positions := s.Positions()
	if ep.Positions != nil {
		positions = cloneOptional(ep.Positions)
	}
	g := s.mem.active
	if g.first == 0 {
		g.first = ep.Number
	}
	g.last, g.clock, g.position = ep.Number, ep.Clock, positions
	g.logBytes += size
	s.stats.commit(ep, size)

	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	s.epoch, s.clock, s.positions = ep.Number, ep.Clock, positions
	return nil
}

// applyMeta writes catalog changes, with the epoch, so that replay knows which
// ones are there already.
func (s *Store) applyMeta(ep *Epoch) error {
	if len(ep.Meta)+len(ep.Create)+len(ep.Drop) == 0 {
		return nil
	}
	changes := append(s.metaBuf[:0], ep.Meta...)
	for _, c := range ep.Create {
		changes = append(changes, arrChange(c.Arr, arrState{placement: c.Placement}))
	}
	for _, arr := range ep.Drop {
		st, _ := s.arrangement(arr)
		for _, c := range ep.Create {
			if c.Arr == arr {
				st.placement = c.Placement
			}
		}
		st.dropped = ep.Number
		changes = append(changes, arrChange(arr, st))
	}
	changes = append(changes, metaEpochChange(ep.Number))
	err := s.syncLog()
	if err == nil {
		err = s.seams.Meta.Commit(changes)
	}
	clear(changes)
	s.metaBuf = changes[:0]
	if err != nil {
		return fmt.Errorf("could not write catalog changes: %w", err)
	}
	return nil
}

// syncLog makes the log durable where Append does not wait for that, before Meta gets
// what belongs to its last epoch: a crash of the machine must not leave a catalog that
// is ahead of the log.
func (s *Store) syncLog() error {
	if s.opts.Sync != SyncOff {
		return nil
	}
	return s.seams.Log.Sync()
}

// applyArrangements updates the list of arrangements. Readers may hold the old
// map, so that it is replaced.
func (s *Store) applyArrangements(ep *Epoch) {
	if len(ep.Create)+len(ep.Drop) == 0 {
		return
	}
	s.arrMu.Lock()
	defer s.arrMu.Unlock()
	arrs := maps.Clone(s.arrs)
	for _, c := range ep.Create {
		if _, ok := arrs[c.Arr]; !ok {
			arrs[c.Arr] = arrState{placement: c.Placement}
		}
	}
	for _, arr := range ep.Drop {
		st := arrs[arr]
		if st.dropped == arrangementAlive {
			st.dropped = ep.Number
		}
		arrs[arr] = st
	}
	s.arrs = arrs
}

// maxSetRows bounds the rows of one change set.
const maxSetRows = 1 << 26

// validate checks what a caller could get wrong, before anything is written.
func (s *Store) validate(ep *Epoch) error {
	bad := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.InternalError, "epoch %d: %s", ep.Number, fmt.Sprintf(format, args...))
	}
	if last := s.Epoch(); ep.Number != last+1 || ep.Number > maxEpoch {
		return bad("the last committed epoch is %d", last)
	}
	if last := s.Clock(); ep.Clock < last {
		return bad("clock %d is before %d", ep.Clock, last)
	}
	for _, c := range ep.Meta {
		if len(c.Key) == 0 || bytes.HasPrefix(c.Key, []byte(manifestPrefix)) {
			return bad("catalog key %q is reserved", c.Key)
		}
	}
	created := map[Arrangement]bool{}
	for _, c := range ep.Create {
		if _, ok := s.arrangement(c.Arr); ok || created[c.Arr] || c.Placement > Result {
			return bad("arrangement %d exists already or has a bad placement", c.Arr)
		}
		created[c.Arr] = true
	}
	exists := func(arr Arrangement) bool { return created[arr] || !s.isDropped(arr) }
	for _, arr := range ep.Drop {
		if !exists(arr) {
			return bad("arrangement %d to drop does not exist", arr)
		}
	}
	for i := range ep.Changes {
		cs := &ep.Changes[i]
		if n := cs.Keys.Len(); n != cs.Vals.Len() || n > maxSetRows || len(cs.Dead) > (n+63)/64 {
			return bad("change set of arrangement %d has %d keys and %d values", cs.Arr, n, cs.Vals.Len())
		}
		if !exists(cs.Arr) {
			return bad("arrangement %d does not exist", cs.Arr)
		}
		if !sizesFit(&cs.Keys) || !sizesFit(&cs.Vals) {
			return sqlerr.New(sqlerr.ProgramLimitExceeded, "row is larger than %d bytes", maxRowBytes)
		}
	}
	return nil
}

// sizesFit says whether no string is too long; only large lists need a look.
func sizesFit(l *zset.List) bool {
	if len(l.Data) <= maxRowBytes {
		return true
	}
	for i := range l.Len() {
		if len(l.At(i)) > maxRowBytes {
			return false
		}
	}
	return true
}
