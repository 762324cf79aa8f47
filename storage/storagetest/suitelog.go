package storagetest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// OpenLog opens a log; every call opens the same one, after the former handle
// was closed or given up.
type OpenLog func() (storage.Log, error)

// TestLog checks an implementation of storage.Log. place returns the opener of
// a new, empty log.
func TestLog(t *testing.T, place func(t *testing.T) OpenLog) {
	tests := []struct {
		name string
		fn   func(t *testing.T, open OpenLog)
	}{
		{"Empty", logEmpty},
		{"AppendAndReplay", logAppendAndReplay},
		{"Order", logOrder},
		{"Cut", logCut},
		{"CutAll", logCutAll},
		{"LargeRecords", logLarge},
		{"ReplayError", logReplayError},
		{"Closed", logClosed},
		{"Random", logRandom},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.fn(t, place(t)) })
	}
}

func (open OpenLog) ready(t *testing.T) (storage.Log, []logRecord) {
	t.Helper()
	l, err := open()
	must(t, err)
	return l, replayed(t, l)
}

func logEmpty(t *testing.T, open OpenLog) {
	for range 3 {
		l, got := open.ready(t)
		sameRecords(t, got, nil)
		if n := l.Size(); n != 0 {
			t.Errorf("size of an empty log: %d", n)
		}
		must(t, l.Close())
	}
}

func logAppendAndReplay(t *testing.T, open OpenLog) {
	var want []logRecord
	for round := range 4 {
		l, got := open.ready(t)
		sameRecords(t, got, want)
		for i := range 5 {
			epoch := uint64(10*round + 2*i + 1)
			data := payload(epoch, i*i*i*100)
			must(t, l.Append(epoch, split(data)...))
			want = append(want, logRecord{epoch, data})
		}
		if l.Size() <= 0 {
			t.Error("size is not positive")
		}
		must(t, l.Close())
	}
	many := make([][]byte, 5000) // more than one vectored write takes
	for i := range many {
		many[i] = payload(uint64(i), i%7)
	}
	l, _ := open.ready(t)
	must(t, l.Append(1000, many...))
	must(t, l.Append(1001))
	must(t, l.Close())
	_, got := open.ready(t)
	sameRecords(t, got, append(want, logRecord{1000, slices.Concat(many...)}, logRecord{1001, nil}))
}

func logOrder(t *testing.T, open OpenLog) {
	l, err := open()
	must(t, err)
	mustFail(t, l.Append(1, []byte("x")), "Append before Replay")
	replayed(t, l)
	mustFail(t, l.Replay(func(uint64, []byte) error { return nil }), "second Replay")
	must(t, l.Append(5, []byte("five")))
	mustFail(t, l.Append(5, []byte("again")), "the same epoch")
	mustFail(t, l.Append(4, []byte("four")), "an earlier epoch")
	must(t, l.Append(6, []byte("six")))
	must(t, l.Close())
	l, got := open.ready(t)
	sameRecords(t, got, []logRecord{{5, []byte("five")}, {6, []byte("six")}})
	mustFail(t, l.Append(6, []byte("again")), "the last epoch, after a new opening")
	must(t, l.Append(7))
	must(t, l.Close())
}

func logCut(t *testing.T, open OpenLog) {
	l, _ := open.ready(t)
	var want []logRecord
	for epoch := uint64(1); epoch <= 40; epoch++ {
		data := payload(epoch, 3000)
		must(t, l.Append(epoch, data))
		want = append(want, logRecord{epoch, data})
	}
	before := l.Size()
	must(t, l.Cut(25))
	must(t, l.Cut(10)) // an earlier cut changes nothing
	if after := l.Size(); after >= before || after < 15*3000 {
		t.Errorf("size %d before, %d after the cut", before, after)
	}
	must(t, l.Close())
	l, got := open.ready(t)
	sameRecords(t, got, want[25:])
	if l.Size() < 15*3000 {
		t.Errorf("size %d after opening", l.Size())
	}
	must(t, l.Append(41, []byte("x")))
	must(t, l.Cut(40))
	must(t, l.Close())
	_, got = open.ready(t)
	sameRecords(t, got, []logRecord{{41, []byte("x")}})
}

func logCutAll(t *testing.T, open OpenLog) {
	epoch := uint64(0)
	for range 3 {
		l, got := open.ready(t)
		sameRecords(t, got, nil)
		for range 30 {
			epoch++
			must(t, l.Append(epoch, payload(epoch, 5000)))
			if epoch%4 == 0 {
				must(t, l.Cut(epoch))
			}
		}
		must(t, l.Cut(epoch))
		if n := l.Size(); n != 0 {
			t.Errorf("size %d after everything was cut", n)
		}
		must(t, l.Close())
	}
	l, _ := open.ready(t)
	mustFail(t, l.Append(epoch, []byte("x")), "an epoch that was cut")
	must(t, l.Append(epoch+1, []byte("x")))
	must(t, l.Close())
}

func logLarge(t *testing.T, open OpenLog) {
	l, _ := open.ready(t)
	var want []logRecord
	for i, size := range []int{10, 1 << 20, 3, 5 << 20, 5 << 20, 100, 9 << 20} {
		data := payload(uint64(i), size)
		must(t, l.Append(uint64(i+1), split(data)...))
		want = append(want, logRecord{uint64(i + 1), data})
	}
	must(t, l.Close())
	l, got := open.ready(t)
	sameRecords(t, got, want)
	must(t, l.Cut(5))
	must(t, l.Close())
	_, got = open.ready(t)
	sameRecords(t, got, want[5:])
}

func logReplayError(t *testing.T, open OpenLog) {
	l, _ := open.ready(t)
	must(t, l.Append(1, []byte("one")))
	must(t, l.Append(2, []byte("two")))
	must(t, l.Close())
	l, err := open()
	must(t, err)
	stop := errors.New("stop")
	calls := 0
	err = l.Replay(func(uint64, []byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("Replay: %v after %d calls", err, calls)
	}
	mustFail(t, l.Append(3, []byte("three")), "Append after a failed Replay")
	must(t, l.Close())
	_, got := open.ready(t)
	sameRecords(t, got, []logRecord{{1, []byte("one")}, {2, []byte("two")}})
}

func logClosed(t *testing.T, open OpenLog) {
	l, _ := open.ready(t)
	must(t, l.Append(1, []byte("one")))
	must(t, l.Close())
	must(t, l.Close())
	mustFail(t, l.Append(2, []byte("two")), "Append after Close")
	mustFail(t, l.Cut(1), "Cut after Close")
	mustFail(t, l.Replay(func(uint64, []byte) error { return nil }), "Replay after Close")
}

// logRandom compares the log with a list, over many openings.
func logRandom(t *testing.T, open OpenLog) {
	r := rand.New(rand.NewPCG(1, 2))
	var want []logRecord
	epoch := uint64(0)
	for range 12 {
		l, got := open.ready(t)
		sameRecords(t, got, want)
		for range r.IntN(40) {
			epoch += uint64(1 + r.IntN(3))
			data := payload(epoch, r.IntN(1<<r.IntN(18)))
			must(t, l.Append(epoch, split(data)...))
			want = append(want, logRecord{epoch, data})
			if r.IntN(8) == 0 {
				cut := epoch - min(epoch, uint64(r.IntN(12)))
				must(t, l.Cut(cut))
				want = slices.DeleteFunc(want, func(w logRecord) bool { return w.epoch <= cut })
			}
		}
		if len(want) == 0 && l.Size() != 0 {
			t.Errorf("size %d of an empty log", l.Size())
		}
		if r.IntN(2) == 0 {
			must(t, l.Close())
		} else {
			abandon(t, l)
		}
	}
}

// abandon gives a handle up. In one process the lock of a log in files can
// only be taken again when it was closed.
func abandon(t *testing.T, l storage.Log) {
	t.Helper()
	must(t, l.Close())
}
