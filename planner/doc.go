// Package planner turns a parsed query into a dataflow graph:
//
//	ast -> Bind -> plan (Node tree) -> Optimize -> Lower -> dataflow.Graph
//
// Each stage's result can be printed (EXPLAIN BOUND, OPTIMIZED, GRAPH) and is
// tested as text (testdata/*.txt). The package is pure: it reads one catalog
// version and the session's settings, and returns data. What it cannot plan
// rightly it refuses with 0A000, a reason and a hint.
//
// Start reading at plan.go (the nodes), then bind_select.go.
package planner
