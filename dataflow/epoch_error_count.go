package dataflow

import "github.com/streamdb/streamdb/dataflow/zset"

// CountErrors returns how many error rows a relation has.
func (r *Runtime) CountErrors(s *Snapshot, rel RelationID) (int64, error) {
	n := int64(0)
	err := r.ErrorRows(s, rel, func(b *zset.Batch) error {
		for i := range b.N {
			n += b.WeightAt(i)
		}
		return nil
	})
	return n, err
}
