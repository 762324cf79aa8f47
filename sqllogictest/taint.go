package sqllogictest

import (
	"maps"
	"slices"
)

// taint follows what the failure of a statement means for the records after it:
// where a table could not be made or changed, a wrong answer about it tells
// nothing about the query.
type taint struct {
	all     bool
	names   map[string]bool
	reads   map[string][]string // what views read: a change of them changes that
	inTx    bool
	changed []string // names that the open transaction changed
	atBegin *taint   // what ROLLBACK restores
}

// reaches says whether a record of these words depends on what is tainted.
func (t *taint) reaches(w []string) bool {
	if t.all {
		return true
	}
	if len(t.names) > 0 {
		for _, s := range w {
			if t.names[s] {
				return true
			}
		}
	}
	return false
}

// note takes in what became of a statement. failed: it did not do what the file
// expects, so what it changes is tainted; aborted: it took the open transaction
// with it.
func (t *taint) note(w []string, failed, aborted bool) {
	if t.names == nil {
		t.names, t.reads = map[string]bool{}, map[string][]string{}
	}
	names, all := effects(w)
	names = t.through(names, w)
	k := kindOf(w)
	switch {
	case failed:
		t.all = t.all || all
		t.add(names)
		if aborted {
			t.add(t.changed)
		}
	case k == isBegin:
		t.inTx, t.changed = true, nil
		t.atBegin = &taint{all: t.all, names: maps.Clone(t.names)}
		return
	case k == isEnd:
		if w[0] != "commit" && w[0] != "end" && t.atBegin != nil {
			t.all, t.names = t.atBegin.all, t.atBegin.names
		}
		t.inTx, t.changed, t.atBegin = false, nil, nil
		return
	case k == isOther && (first(w) == "create" || first(w) == "drop") && !t.dependsOnOthers(w, names):
		for _, name := range names {
			delete(t.names, name) // made anew, or gone
		}
	case t.reaches(w) && !t.all:
		t.add(names) // rows or a view from what is tainted
	}
	if t.inTx {
		t.changed = append(t.changed, names...)
	}
}

// through adds to the names of a statement what lies below them: the tables that
// views read, the parents of tables.
func (t *taint) through(names, w []string) []string {
	if first(w) == "create" && len(names) > 0 {
		if slices.Contains(w, "view") {
			t.reads[names[0]] = after(w, "from", "join")
		}
		return append(names, after(w, "inherits", "of")...)
	}
	for depth := 0; depth < maxViews && len(names) < maxNames; depth++ {
		below := names
		for _, name := range names {
			for _, read := range t.reads[name] {
				if !slices.Contains(below, read) {
					below = append(below[:len(below):len(below)], read)
				}
			}
		}
		if len(below) == len(names) {
			break
		}
		names = below
	}
	return names
}

// Bounds of views over views that a change is followed through.
const (
	maxViews = 20
	maxNames = 1000
)

func (t *taint) add(names []string) {
	for _, name := range names {
		t.names[name] = true
	}
}

// dependsOnOthers says whether a statement names something tainted beside its
// own objects.
func (t *taint) dependsOnOthers(w, own []string) bool {
	for _, s := range w {
		if !t.names[s] {
			continue
		}
		mine := false
		for _, name := range own {
			mine = mine || name == s
		}
		if !mine {
			return true
		}
	}
	return false
}
