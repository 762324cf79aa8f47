package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// OpenMeta opens a Meta; every call opens the same one, after the former
// handle was closed.
type OpenMeta func() (storage.Meta, error)

// TestMeta checks an implementation of storage.Meta. place returns the opener
// of a new, empty one.
func TestMeta(t *testing.T, place func(t *testing.T) OpenMeta) {
	tests := []struct {
		name string
		fn   func(t *testing.T, open OpenMeta)
	}{
		{"GetAndScan", metaGetAndScan},
		{"Nested", metaNested},
		{"Large", metaLarge},
		{"Atomic", metaAtomic},
		{"Closed", metaClosed},
		{"Random", metaRandom},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.fn(t, place(t)) })
	}
}

func set(key, value string) storage.MetaChange {
	return storage.MetaChange{Key: []byte(key), Value: []byte(value)}
}

func del(key string) storage.MetaChange { return storage.MetaChange{Key: []byte(key)} }

func (open OpenMeta) must(t *testing.T) storage.Meta {
	t.Helper()
	m, err := open()
	must(t, err)
	return m
}

func scanned(t testing.TB, m storage.Meta, prefix string) string {
	t.Helper()
	var b strings.Builder
	must(t, m.Scan([]byte(prefix), func(key, value []byte) error {
		fmt.Fprintf(&b, "%s=%s ", key, value)
		return nil
	}))
	return b.String()
}

func metaGetAndScan(t *testing.T, open OpenMeta) {
	m := open.must(t)
	must(t, m.Commit(nil))
	must(t, m.Commit([]storage.MetaChange{set("a/1", "x"), set("b", ""), set("a/2", "y"), set("a", "z"), set("a/1", "x2"), del("none")}))
	must(t, m.Commit([]storage.MetaChange{set("c", "1"), del("c"), del("d"), set("d", "2")}))
	for range 2 {
		if v, err := m.Get([]byte("a/1")); err != nil || string(v) != "x2" {
			t.Errorf("a/1: %q, %v", v, err)
		}
		if v, err := m.Get([]byte("b")); err != nil || v == nil || len(v) != 0 {
			t.Errorf("b: %#v, %v; want an empty value, not nil", v, err)
		}
		for _, absent := range []string{"c", "a/3", "none", ""} {
			if v, err := m.Get([]byte(absent)); err != nil || v != nil {
				t.Errorf("%q: %#v, %v; want nil", absent, v, err)
			}
		}
		for prefix, want := range map[string]string{
			"": "a=z a/1=x2 a/2=y b= d=2 ", "a": "a=z a/1=x2 a/2=y ", "a/": "a/1=x2 a/2=y ", "a/2": "a/2=y ", "z": "",
		} {
			if got := scanned(t, m, prefix); got != want {
				t.Errorf("scan of %q: %q, want %q", prefix, got, want)
			}
		}
		must(t, m.Close())
		m = open.must(t)
	}
	must(t, m.Close())
}

func metaNested(t *testing.T, open OpenMeta) {
	m := open.must(t)
	must(t, m.Commit([]storage.MetaChange{set("a", "b"), set("b", "c"), set("c", "a")}))
	stop := errors.New("stop")
	calls := 0
	err := m.Scan(nil, func(key, value []byte) error {
		calls++
		v, err := m.Get(value)
		if err != nil || v == nil {
			t.Errorf("%s: %q, %v", value, v, err)
		}
		// A commit during a scan is not seen by the scan.
		must(t, m.Commit([]storage.MetaChange{set("d", "a"), set("c", "b")}))
		if string(key) == "c" {
			if string(value) != "a" {
				t.Errorf("the scan saw a later commit: c=%s", value)
			}
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 3 {
		t.Errorf("scan: %v after %d calls", err, calls)
	}
	if got := scanned(t, m, ""); got != "a=b b=c c=b d=a " {
		t.Errorf("after the scan: %q", got)
	}
	must(t, m.Close())
}

// metaLarge writes values and commits that no single transaction holds.
func metaLarge(t *testing.T, open OpenMeta) {
	m := open.must(t)
	big := payload(1, 5<<20)
	must(t, m.Commit([]storage.MetaChange{{Key: []byte("big"), Value: big}, set("small", "s")}))
	var many []storage.MetaChange
	for i := range 20000 {
		many = append(many, set(fmt.Sprintf("many/%05d", i), fmt.Sprint(i)))
	}
	must(t, m.Commit(many))
	for range 2 {
		if v, err := m.Get([]byte("big")); err != nil || !bytes.Equal(v, big) {
			t.Errorf("big: %d bytes, %v", len(v), err)
		}
		n := 0
		must(t, m.Scan([]byte("many/"), func(key, value []byte) error {
			if string(key) != fmt.Sprintf("many/%05d", n) || string(value) != fmt.Sprint(n) {
				t.Fatalf("key %d: %s=%s", n, key, value)
			}
			n++
			return nil
		}))
		if n != 20000 {
			t.Errorf("%d keys", n)
		}
		must(t, m.Close())
		m = open.must(t)
	}
	middle := payload(2, 300<<10)
	must(t, m.Commit([]storage.MetaChange{{Key: []byte("big"), Value: middle}}))
	must(t, m.Close())
	m = open.must(t)
	if v, err := m.Get([]byte("big")); err != nil || !bytes.Equal(v, middle) {
		t.Errorf("big, written again: %d bytes, %v", len(v), err)
	}
	must(t, m.Commit([]storage.MetaChange{del("big")}))
	if got := scanned(t, m, "big"); got != "" {
		t.Errorf("big was deleted: %q", got)
	}
	must(t, m.Close())
}

// metaAtomic lets readers look for commits that are applied in part.
func metaAtomic(t *testing.T, open OpenMeta) {
	m := open.must(t)
	defer func() { must(t, m.Close()) }()
	commit := func(i int) error {
		var cs []storage.MetaChange
		for k := range 200 {
			cs = append(cs, set(fmt.Sprintf("k%03d", k), fmt.Sprint(i)))
		}
		return m.Commit(cs)
	}
	must(t, commit(0))
	done := make(chan error, 1)
	go func() {
		for i := range 40 {
			if err := commit(i); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			must(t, err)
			running = false
		default:
		}
		seen := map[string]bool{}
		must(t, m.Scan([]byte("k"), func(_, value []byte) error {
			seen[string(value)] = true
			return nil
		}))
		if len(seen) != 1 {
			t.Fatalf("a scan saw parts of several commits: %v", slices.Sorted(maps.Keys(seen)))
		}
	}
}

func metaClosed(t *testing.T, open OpenMeta) {
	m := open.must(t)
	must(t, m.Close())
	must(t, m.Close())
	_, err := m.Get([]byte("a"))
	mustFail(t, err, "Get after Close")
	mustFail(t, m.Scan(nil, func(_, _ []byte) error { return nil }), "Scan after Close")
	mustFail(t, m.Commit([]storage.MetaChange{set("a", "b")}), "Commit after Close")
}

// metaRandom compares with a map, over several openings.
func metaRandom(t *testing.T, open OpenMeta) {
	r := rand.New(rand.NewPCG(3, 4))
	model := map[string]string{}
	for range 4 {
		m := open.must(t)
		for range 60 {
			var cs []storage.MetaChange
			for range r.IntN(8) {
				key := fmt.Sprintf("%c/%d", 'a'+r.IntN(3), r.IntN(30))
				if r.IntN(3) == 0 {
					cs = append(cs, del(key))
					delete(model, key)
				} else {
					value := string(payload(r.Uint64(), r.IntN(200)))
					cs = append(cs, set(key, value))
					model[key] = value
				}
			}
			must(t, m.Commit(cs))
		}
		must(t, m.Close())
		m = open.must(t)
		for _, prefix := range []string{"", "a/", "b/1", "c"} {
			want := ""
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if strings.HasPrefix(k, prefix) {
					want += fmt.Sprintf("%s=%s ", k, model[k])
				}
			}
			if got := scanned(t, m, prefix); got != want {
				t.Fatalf("scan of %q differs from the model", prefix)
			}
		}
		must(t, m.Close())
	}
}
