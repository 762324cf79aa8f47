package planner

import (
	"github.com/streamdb/streamdb/dataflow"
	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// Late rows. While a view is bound it is noted how late a row of a stream may come:
// whether it is in windows, which are closed at some time, and what grace these have.

// lateness is how the late rows of a stream are judged, if they are left out.
func (b *binder) lateness(stream *catalog.Object) *dataflow.Lateness {
	if b.late == nil {
		b.late = map[catalog.ID]*dataflow.Lateness{}
	}
	l := b.late[stream.ID]
	if l == nil {
		l = &dataflow.Lateness{}
		b.late[stream.ID] = l
	}
	return l
}

// noteWindows notes that rows of a stream are put into windows by its event time.
func (b *binder) noteWindows(n *Window) {
	if stream := eventTime(n.Input, n.Time); stream != nil {
		l := b.lateness(stream)
		l.Windows = append(l.Windows, operator.StepSpec{Step: n.Step, Origin: n.Origin, Zone: n.Zone})
	}
}

// noteGrace reads GRACE PERIOD: rows that come later than that are left out.
func (b *binder) noteGrace(stream *catalog.Object, grace *ast.Length) error {
	if grace == nil {
		return nil
	}
	if !b.env.InView {
		return notSupported(grace.Position(), "GRACE PERIOD is for materialized views").
			WithDetail("No row is late for a query that reads all there are.")
	}
	micros, err := b.lengthMicros(grace, "GRACE PERIOD")
	if err != nil {
		return err
	}
	l := b.lateness(stream)
	l.Grace, b.leavesLate = max(l.Grace, micros), true
	return nil
}

// EventTimes lists the streams with a watermark that the query reads, ascending.
func (q *Query) EventTimes() []catalog.ID { return watermarks(q.Root) }

// judged sets what a view reads of a stream whose late rows it leaves out: of the
// columns also the event time, and all of them where late rows are kept.
func (l *lowerer) judged(input *dataflow.RelationInput, o *catalog.Object, need columnSet) columnSet {
	if l.late == nil || l.late.Late == catalog.LateCorrect || o.Kind != catalog.Stream || o.Watermark == nil {
		return need
	}
	if input.Lateness = l.late.Lateness[o.ID]; input.Lateness == nil {
		input.Lateness = &dataflow.Lateness{}
	}
	if l.late.Late == catalog.LateRedirect {
		return allColumns(len(o.Columns))
	}
	need = append(columnSet{}, need...)
	need[o.Watermark.Column] = true
	return need
}

// LowerLate makes the dataflow of the view that keeps the rows of a stream which
// another view, of, leaves out since they are late.
func LowerLate(of catalog.ID, stream *catalog.Object, newArr func() storage.Arrangement) *ViewPlan {
	ts := stream.Types()
	spec := &operator.MaterializeSpec{Input: ts, Arr: newArr()}
	plan := &ViewPlan{
		Graph: &dataflow.Graph{Version: dataflow.GraphVersion, Nodes: []dataflow.Node{
			{Relation: &dataflow.RelationInput{Relation: dataflow.RelationID(of), Types: ts, Late: true}},
			{Inputs: []int{0}, Materialize: spec},
		}},
		Stored: &catalog.Stored{Arr: spec.Arr}, DependsOn: []catalog.ID{of}, AppendOnly: true,
	}
	for _, c := range stream.Columns {
		plan.Columns = append(plan.Columns, catalog.Column{Name: c.Name, Type: c.Type})
	}
	return plan
}
