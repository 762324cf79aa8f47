package storage

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// sortItem is what the radix sort moves: the first eight bytes of a key, its
// arrangement, and what it stands for.
type sortItem struct {
	prefix uint64
	arr    uint32
	ref    uint32
}

// keyPrefix returns the first eight bytes of key as a number of the same order;
// short keys are filled up with zeros.
func keyPrefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// sortItems sorts by arrangement and prefix, then groups of equal ones by tie.
// It may return the items in tmp's memory. Bytes that all items share cost
// nothing but one look.
func sortItems(items, tmp []sortItem, tie func(a, b sortItem) int) []sortItem {
	if len(items) < 64 {
		slices.SortFunc(items, func(a, b sortItem) int {
			if c := compareItems(a, b); c != 0 {
				return c
			}
			return tie(a, b)
		})
		return items
	}
	tmp = tmp[:len(items)]
	var prefixDiff uint64
	var arrDiff uint32
	for _, it := range items[1:] {
		prefixDiff |= it.prefix ^ items[0].prefix
		arrDiff |= it.arr ^ items[0].arr
	}
	for shift := 0; shift < 64; shift += 8 {
		if prefixDiff>>shift&0xff != 0 {
			sortByPrefix(items, tmp, shift)
			items, tmp = tmp, items
		}
	}
	for shift := 0; shift < 32; shift += 8 {
		if arrDiff>>shift&0xff != 0 {
			sortByArr(items, tmp, shift)
			items, tmp = tmp, items
		}
	}
	sortTies(items, tie)
	return items
}

// sortByPrefix sorts by one byte of the prefix into to, in a stable way.
func sortByPrefix(items, to []sortItem, shift int) {
	var n [256]uint32
	for i := range items {
		n[items[i].prefix>>shift&0xff]++
	}
	prefixSums(&n)
	for _, it := range items {
		d := it.prefix >> shift & 0xff
		to[n[d]] = it
		n[d]++
	}
}

// sortByArr sorts by one byte of the arrangement into to, in a stable way.
func sortByArr(items, to []sortItem, shift int) {
	var n [256]uint32
	for i := range items {
		n[items[i].arr>>shift&0xff]++
	}
	prefixSums(&n)
	for _, it := range items {
		d := it.arr >> shift & 0xff
		to[n[d]] = it
		n[d]++
	}
}

// sortTies sorts neighbours with the same arrangement and prefix.
func sortTies(items []sortItem, tie func(a, b sortItem) int) {
	for i := 0; i < len(items); {
		j := i + 1
		for j < len(items) && compareItems(items[i], items[j]) == 0 {
			j++
		}
		if j-i > 1 {
			slices.SortFunc(items[i:j], tie)
		}
		i = j
	}
}

func compareItems(a, b sortItem) int {
	switch {
	case a.arr < b.arr || a.arr == b.arr && a.prefix < b.prefix:
		return -1
	case a.arr == b.arr && a.prefix == b.prefix:
		return 0
	}
	return 1
}

func prefixSums(n *[256]uint32) {
	at := uint32(0)
	for i, k := range n {
		n[i] = at
		at += k
	}
}

// sortRefs sorts references of one arrangement by key.
func sortRefs(a *arena, refs []ref) {
	buf := make([]sortItem, 2*len(refs))
	items := buf[:len(refs)]
	for i, r := range refs {
		items[i] = sortItem{prefix: keyPrefix(a.at(r).key()), ref: r}
	}
	items = sortItems(items, buf[len(refs):], func(x, y sortItem) int {
		return bytes.Compare(a.at(x.ref).key(), a.at(y.ref).key())
	})
	for i, it := range items {
		refs[i] = it.ref
	}
}

// mergeRefs merges two sorted lists.
func mergeRefs(a *arena, x, y []ref) []ref {
	out := make([]ref, 0, len(x)+len(y))
	for len(x) > 0 && len(y) > 0 {
		if bytes.Compare(a.at(x[0]).key(), a.at(y[0]).key()) <= 0 {
			out, x = append(out, x[0]), x[1:]
		} else {
			out, y = append(out, y[0]), y[1:]
		}
	}
	return append(append(out, x...), y...)
}
