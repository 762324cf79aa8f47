package dataflow

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/operator"
	"github.com/streamdb/streamdb/sql/expr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestGraphJSON: the catalog stores graphs as JSON; what comes back is the same.
func TestGraphJSON(t *testing.T) {
	agg := countNode(0)
	agg.Aggregate.Tail = &operator.MapSpec{Input: agg.Output(), Filter: expensive()}
	g := bidGraph(filterNode(), agg, Node{Materialize: &operator.MaterializeSpec{Input: agg.Output(), Key: []int{0}, Arr: 3}})
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var back Graph
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if err := back.Validate(); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(&back); string(again) != string(text) {
		t.Fatalf("%s\n%s", text, again)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(g *Graph)
		want  string
	}{
		{"version", func(g *Graph) { g.Version = 9 }, "version 9"},
		{"empty", func(g *Graph) { g.Nodes = nil }, "empty"},
		{"two kinds", func(g *Graph) { g.Nodes[1].Values = &ValuesInput{} }, "2 kinds"},
		{"no kind", func(g *Graph) { g.Nodes[1].Map = nil }, "0 kinds"},
		{"order", func(g *Graph) { g.Nodes[1].Inputs = []int{1} }, "not an earlier node"},
		{"inputs", func(g *Graph) { g.Nodes[1].Inputs = nil }, "0 inputs, want 1"},
		{"types", func(g *Graph) { g.Nodes[0].Relation.Types = []types.Type{types.Text, types.Int8} }, "column 0 has type"},
		{"need", func(g *Graph) { g.Nodes[0].Relation.Need = []int{2} }, "column 2 is out of range"},
		{"function", func(g *Graph) { g.Nodes[1].Map.Filter.Func = "no(int8)" }, "unknown function"},
		{"key", func(g *Graph) { g.Nodes[2].Aggregate.Keys = []int{7} }, "group key 7"},
		{"aggregate", func(g *Graph) { g.Nodes[2].Aggregate.Calls[0].Func = "no(*)" }, "unknown aggregate"},
		{"argument", func(g *Graph) { g.Nodes[2].Aggregate.Calls[1].Args = []int{-1} }, "argument column -1"},
		{"result", func(g *Graph) { g.Nodes[2].Aggregate.Calls[1].Type = types.Text }, "returns bigint"},
		{"tail", func(g *Graph) { g.Nodes[2].Aggregate.Tail = &operator.MapSpec{} }, "tail over 0 columns"},
		{"column", func(g *Graph) { g.Nodes[1].Map.Project = []*expr.Expr{expr.Column(5, types.Int8)} }, "column 5"},
	}
	for _, test := range tests {
		g := bidGraph(filterNode(), countNode(0))
		g.Nodes[2].Inputs = []int{1}
		test.spoil(g)
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}
