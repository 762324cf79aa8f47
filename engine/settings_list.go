package engine

import "sort"

// Setting describes one run-time parameter, for the documentation.
type Setting struct {
	Name, Initial, Doc string
	ReadOnly           bool
}

// Settings lists all run-time parameters by name.
func Settings() []Setting {
	table := settingsTable()
	out := make([]Setting, len(table))
	for i, p := range table {
		out[i] = Setting{Name: p.name, Initial: p.initial, Doc: p.doc, ReadOnly: p.readOnly}
	}
	sort.Slice(out, func(i, j int) bool { return lower(out[i].Name) < lower(out[j].Name) })
	return out
}
