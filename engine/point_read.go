package engine

import (
	"context"

	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/sql/types"
)

// pointRead is a SELECT that reads one row by its key: what does not depend on
// the parameters is made when it is prepared.
type pointRead struct {
	plan  *planner.PointRead
	reads []catalog.ID
}

func newPointRead(plan *planner.PointRead) *pointRead {
	return &pointRead{plan: plan, reads: []catalog.ID{plan.Relation.ID}}
}

// run reads the row and sends its columns. It returns the number of rows.
func (p *pointRead) run(ctx context.Context, s *Session, params []types.Datum, rows Rows) (int64, error) {
	read := &reading{session: s, plan: &planner.QueryPlan{Reads: p.reads}}
	release, err := read.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	var stored dataflow.StoredRows = read.snapshot
	if s.tx.open {
		s.tx.noteReads(s.catalog(), p.reads)
		if w := s.tx.writes[p.plan.Relation.ID]; w != nil {
			stored = overlay{read.snapshot, w}
		}
	}
	if err := read.reportErrors(); err != nil {
		return 0, err
	}
	key, ok := p.plan.AppendKey(nil, params)
	if !ok {
		return 0, nil
	}
	sent := int64(0)
	err = dataflow.LookupResult(stored, read.resultSpec(p.plan.Relation), key, func(b *zset.Batch) error {
		out := &zset.Batch{Cols: make([]zset.Vector, len(p.plan.Columns)), N: b.N, Sel: b.Sel, Weight: b.Weight}
		for i, c := range p.plan.Columns {
			out.Cols[i] = b.Cols[c]
		}
		sent = int64(b.Len())
		return rows.Batch(out)
	})
	return sent, err
}
