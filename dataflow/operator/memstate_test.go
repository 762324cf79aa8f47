package operator

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/storage"
)

// TestMemStateModel compares MemState with a Go map over random epochs.
func TestMemStateModel(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	st := NewMemState()
	model := map[string]string{}
	for epoch := range 120 {
		changes := map[string]string{}
		for range r.IntN(400) {
			key := fmt.Sprint("key ", r.IntN(1500))
			if changes[key] = strings.Repeat("v", 1+r.IntN(60)); r.IntN(3) == 0 || epoch > 100 {
				changes[key] = ""
			}
		}
		set := storage.ChangeSet{Arr: 7}
		for _, key := range slices.Sorted(maps.Keys(changes)) {
			set.Keys.Add([]byte(key))
			set.Vals.Add([]byte(changes[key]))
			if changes[key] == "" {
				markDead(&set)
			}
		}
		st.Change(set)
		if got := read(st); got != print1(model) {
			t.Fatalf("epoch %d: changes are seen before Commit", epoch)
		}
		st.Commit()
		for key, val := range changes {
			if model[key] = val; val == "" {
				delete(model, key)
			}
		}
		if got := read(st); got != print1(model) || st.Len(7) != len(model) {
			t.Fatalf("epoch %d: %d keys\n%s\nwant %d\n%s", epoch, st.Len(7), got, len(model), print1(model))
		}
		lookUp(t, st, model)
	}
}

func print1(model map[string]string) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(model)) {
		fmt.Fprintf(&out, "%s=%s\n", key, model[key])
	}
	return out.String()
}

func read(st *MemState) string {
	var out strings.Builder
	_ = st.Scan(7, nil, nil, func(key, val []byte) bool {
		fmt.Fprintf(&out, "%s=%s\n", key, val)
		return true
	})
	return out.String()
}

func lookUp(t *testing.T, st *MemState, model map[string]string) {
	t.Helper()
	var keys zset.List
	for i := range 1500 {
		keys.Add([]byte(fmt.Sprint("key ", i)))
	}
	var vals storage.Values
	if err := st.Fetch(7, &keys, &vals); err != nil {
		t.Fatal(err)
	}
	for i := range keys.Len() {
		want, there := model[string(keys.At(i))]
		if there != (vals[i] != nil) || string(vals[i]) != want {
			t.Fatalf("%s is %q, want %q", keys.At(i), vals[i], want)
		}
	}
}

func TestMemStateRange(t *testing.T) {
	st := NewMemState()
	set := storage.ChangeSet{Arr: 1}
	for _, k := range []string{"a", "b", "ba", "c"} {
		set.Keys.Add([]byte(k))
		set.Vals.Add([]byte(k))
	}
	st.Change(set)
	st.Commit()
	for _, test := range []struct{ lo, hi, want string }{{"", "", "a b ba c"}, {"b", "c", "b ba"}, {"aa", "bb", "b ba"}, {"d", "", ""}} {
		var lo, hi []byte
		if test.lo != "" {
			lo = []byte(test.lo)
		}
		if test.hi != "" {
			hi = []byte(test.hi)
		}
		var got []string
		_ = st.Scan(1, lo, hi, func(key, _ []byte) bool { got = append(got, string(key)); return true })
		if strings.Join(got, " ") != test.want {
			t.Errorf("[%s, %s): %v, want %s", test.lo, test.hi, got, test.want)
		}
	}
}
