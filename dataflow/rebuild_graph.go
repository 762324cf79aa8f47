package dataflow

import "github.com/streamdb/streamdb/storage"

// Renumber gives the graph other arrangements, those that it reads included, and
// says whether that changed anything. Arrangements that the map lacks stay.
func (g *Graph) Renumber(to map[storage.Arrangement]storage.Arrangement) (changed bool) {
	for i := range g.Nodes {
		for _, arr := range g.Nodes[i].references() {
			if other, ok := to[*arr]; ok {
				*arr, changed = other, true
			}
		}
	}
	return changed
}

// references lists where a node names arrangements.
func (n *Node) references() []*storage.Arrangement {
	switch {
	case n.Aggregate != nil:
		return []*storage.Arrangement{&n.Aggregate.Arr, &n.Aggregate.Multisets}
	case n.Materialize != nil:
		return []*storage.Arrangement{&n.Materialize.Arr}
	case n.Join != nil:
		out := []*storage.Arrangement{&n.Join.LeftArr, &n.Join.RightArr}
		if n.Join.LeftShared != nil {
			out = append(out, &n.Join.LeftShared.Arr)
		}
		if n.Join.RightShared != nil {
			out = append(out, &n.Join.RightShared.Arr)
		}
		return out
	case n.TopK != nil:
		return []*storage.Arrangement{&n.TopK.Arr}
	case n.Upsert != nil:
		return []*storage.Arrangement{&n.Upsert.Arr, &n.Upsert.Counts}
	case n.Temporal != nil:
		return []*storage.Arrangement{&n.Temporal.Arr}
	case n.Session != nil:
		return []*storage.Arrangement{&n.Session.Rows, &n.Session.Sessions}
	case n.Checksum != nil:
		return []*storage.Arrangement{&n.Checksum.Arr}
	case n.Outbox != nil:
		return []*storage.Arrangement{&n.Outbox.Arr}
	}
	return nil
}
