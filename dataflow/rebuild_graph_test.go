package dataflow

import (
	"reflect"
	"slices"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// TestRenumber: every arrangement that a kind of node writes can be given another
// number, whatever kinds there are.
func TestRenumber(t *testing.T) {
	const first, moved = 10, 1000
	kinds := reflect.TypeFor[Node]()
	stateful := 0
	for i := range kinds.NumField() {
		f := kinds.Field(i)
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		n := Node{}
		spec := reflect.New(f.Type.Elem())
		next := storage.Arrangement(first)
		for j := range spec.Elem().NumField() {
			if at, ok := spec.Elem().Field(j).Addr().Interface().(*storage.Arrangement); ok {
				*at = next
				next++
			}
		}
		reflect.ValueOf(&n).Elem().Field(i).Set(spec)
		before := n.Arrangements()
		to := map[storage.Arrangement]storage.Arrangement{}
		for _, arr := range before {
			to[arr] = arr + moved
		}
		g := Graph{Nodes: []Node{n}}
		if changed := g.Renumber(to); changed != (len(before) > 0) {
			t.Errorf("%s: changed is %v", f.Name, changed)
		}
		if slices.ContainsFunc(g.Nodes[0].Arrangements(), func(arr storage.Arrangement) bool { return arr < moved }) {
			t.Errorf("%s still writes %v", f.Name, g.Nodes[0].Arrangements())
		}
		if len(before) > 0 {
			stateful++
		}
	}
	if stateful < 9 {
		t.Errorf("%d kinds of nodes have state", stateful)
	}
}
