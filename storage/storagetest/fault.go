package storagetest

import (
	"errors"
	"sync"

	"github.com/streamdb/streamdb/storage"
)

// ErrFault is what an injected failure returns.
var ErrFault = errors.New("storagetest: injected failure")

// Effect says what a failing call does before it fails.
type Effect uint8

const (
	// None: the call has no effect.
	None Effect = iota
	// Whole: the call has its effect, and fails all the same, as when the disk
	// wrote but the answer was lost.
	Whole
	// Torn: the call has a part of its effect. A torn record of the log is not
	// replayed after a crash; of a torn block only the first half is written,
	// and its run can not be finished. A commit of meta data is atomic, so it
	// has no effect.
	Torn
)

// Faults decides which call fails. It counts the calls of all twins that were
// made from it, so that a test can fail each call of a whole Store in turn:
//
//	for n := 1; ; n++ {
//		f := storagetest.NewFaults(n, storagetest.None)
//		... run with f.Log(log), f.Meta(meta), f.Blocks(blocks), then without
//		if !f.Failed() { break }
//	}
//
// Replay, Size and Close are not counted.
type Faults struct {
	mu     sync.Mutex
	nth    int
	effect Effect
	sticky bool
	calls  int
	name   string // of the call that failed, "" if none did
}

// NewFaults returns a plan in which the n-th call fails, counted from 1; none
// does if n is 0.
func NewFaults(n int, effect Effect) *Faults { return &Faults{nth: n, effect: effect} }

// Sticky lets every call after the n-th fail, too, without effect: what is
// seen afterwards through the wrapped implementation is what a crash at the
// n-th call leaves. It returns f.
func (f *Faults) Sticky() *Faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sticky = true
	return f
}

// Calls returns the number of calls so far.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Failed returns the name of the call that failed first, "" if none did.
func (f *Faults) Failed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name
}

// do counts a call and carries it out, or lets it fail.
func (f *Faults) do(name string, call, torn func() error) error {
	f.mu.Lock()
	f.calls++
	first := f.calls == f.nth
	later := f.sticky && f.nth > 0 && f.calls > f.nth
	if first {
		f.name = name
	}
	effect := f.effect
	f.mu.Unlock()
	switch {
	case later:
		return ErrFault
	case !first:
		return call()
	}
	var err error
	switch effect {
	case Whole:
		err = call()
	case Torn:
		if torn != nil {
			err = torn()
		}
	}
	return errors.Join(ErrFault, err)
}

// Log wraps a log. After a failed Append with an effect it is broken, as the
// seam demands.
func (f *Faults) Log(l storage.Log) storage.Log { return &faultLog{f: f, Log: l} }

type faultLog struct {
	f *Faults
	storage.Log
	mu     sync.Mutex
	broken error
}

func (l *faultLog) Append(epoch uint64, parts ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	err := l.f.do("Log.Append", func() error { return l.Log.Append(epoch, parts...) }, nil)
	if errors.Is(err, ErrFault) && l.f.effect != None {
		err = errors.Join(storage.ErrBroken, err)
		l.broken = err
	}
	return err
}

func (l *faultLog) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	if err := l.f.do("Log.Sync", l.Log.Sync, nil); err != nil {
		l.broken = errors.Join(storage.ErrBroken, err)
	}
	return l.broken
}

func (l *faultLog) Cut(epoch uint64) error {
	return l.f.do("Log.Cut", func() error { return l.Log.Cut(epoch) }, nil)
}

// Meta wraps a Meta.
func (f *Faults) Meta(m storage.Meta) storage.Meta { return &faultMeta{f: f, Meta: m} }

type faultMeta struct {
	f *Faults
	storage.Meta
}

func (m *faultMeta) Get(key []byte) (value []byte, err error) {
	err = m.f.do("Meta.Get", func() error {
		var err error
		value, err = m.Meta.Get(key)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (m *faultMeta) Scan(prefix []byte, fn func(key, value []byte) error) error {
	// A torn scan ends after the first key.
	return m.f.do("Meta.Scan", func() error { return m.Meta.Scan(prefix, fn) }, func() error {
		return m.Meta.Scan(prefix, func(key, value []byte) error {
			return errors.Join(ErrFault, fn(key, value))
		})
	})
}

func (m *faultMeta) Commit(changes []storage.MetaChange) error {
	return m.f.do("Meta.Commit", func() error { return m.Meta.Commit(changes) }, nil)
}

// Blocks wraps a block store.
func (f *Faults) Blocks(s storage.BlockStore) storage.BlockStore {
	return &faultBlocks{f: f, BlockStore: s}
}

type faultBlocks struct {
	f *Faults
	storage.BlockStore
}

func (s *faultBlocks) Create(run uint64) (w storage.RunWriter, err error) {
	var made storage.RunWriter
	err = s.f.do("Blocks.Create", func() error {
		made, err = s.BlockStore.Create(run)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return &faultWriter{f: s.f, RunWriter: made}, nil
}

func (s *faultBlocks) Index(run uint64) (index []byte, err error) {
	err = s.f.do("Blocks.Index", func() error {
		var err error
		index, err = s.BlockStore.Index(run)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return index, nil
}

func (s *faultBlocks) Block(run uint64, i int, buf []byte) (block []byte, err error) {
	err = s.f.do("Blocks.Block", func() error {
		var err error
		block, err = s.BlockStore.Block(run, i, buf)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return block, nil
}

func (s *faultBlocks) Blocks(run uint64, from, n int, fn func(i int, block []byte) error) error {
	// A torn scan ends in the middle.
	return s.f.do("Blocks.Blocks", func() error { return s.BlockStore.Blocks(run, from, n, fn) },
		func() error { return s.BlockStore.Blocks(run, from, n/2, fn) })
}

func (s *faultBlocks) Drop(run uint64) error {
	return s.f.do("Blocks.Drop", func() error { return s.BlockStore.Drop(run) }, nil)
}

func (s *faultBlocks) Runs() (runs []uint64, err error) {
	err = s.f.do("Blocks.Runs", func() error {
		var err error
		runs, err = s.BlockStore.Runs()
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return runs, nil
}

// faultWriter wraps a RunWriter. After a failure the run can not be finished.
type faultWriter struct {
	f *Faults
	storage.RunWriter
	broken error
}

func (w *faultWriter) Append(block []byte) error {
	if w.broken != nil {
		return w.broken
	}
	err := w.f.do("Writer.Append", func() error { return w.RunWriter.Append(block) },
		func() error { return w.RunWriter.Append(block[:len(block)/2]) })
	w.broken = err
	return err
}

func (w *faultWriter) Finish(index []byte) error {
	if w.broken != nil {
		return w.broken
	}
	err := w.f.do("Writer.Finish", func() error { return w.RunWriter.Finish(index) }, nil)
	w.broken = err
	return err
}

// Abort does nothing after a crash: a dead process tidies nothing up.
func (w *faultWriter) Abort() {
	if !w.f.crashed() {
		w.RunWriter.Abort()
	}
}

// crashed says whether every call fails from now on.
func (f *Faults) crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sticky && f.name != ""
}
