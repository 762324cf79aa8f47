package operator

import (
	"cmp"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/casefile"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of testdata anew")

// TestText runs testdata/*.txt: a case is a command with its lines and the
// answer.
//
//	aggregate (k text, v int8) keys=k calls=count(*),sum(int8):v,max(int8):v[:distinct][:filter] [append]
//	materialize (k text, v int8) [key=k]
//	topk (k text, v int8) order=v:desc limit=2 [offset=1] [append]
//	join inner (k int8, a text) (k int8, b text)   on the first columns
//	map division                 the map of tail_test.go
//	epoch                        lines: [left|right] weight and row, fields separated by |, \N is NULL
//	state                        prints the images of the operator's arrangements
func TestText(t *testing.T) {
	casefile.Run(t, "testdata/*.txt", *rewrite, func(t *testing.T) func(string) string {
		w := &textWorld{t: t}
		return func(block string) string { return cmp.Or(w.run(block), "nothing") }
	})
}

// textWorld is the operator under test with its state.
type textWorld struct {
	t     *testing.T
	op    Operator
	st    *MemState
	names []string
	types []types.Type
	right []types.Type // of the second input, if there is one
	epoch uint64
}

func (w *textWorld) run(block string) string {
	var lines []string
	for line := range strings.SplitSeq(block, "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	name, rest, _ := strings.Cut(lines[0], " ")
	switch name {
	case "epoch":
		return w.runEpoch(lines[1:])
	case "state":
		return w.state()
	}
	w.st, w.epoch, w.right = NewMemState(), 0, nil
	var err error
	if w.op, err = w.make(name, rest); err != nil {
		return "error: " + err.Error()
	}
	return "ok"
}

func (w *textWorld) make(name, rest string) (Operator, error) {
	if name == "map" {
		spec := divSpec(w.t)
		w.types = spec.Input
		return NewMap(spec)
	}
	if name == "join" {
		return w.makeJoin(rest)
	}
	columns, options, _ := strings.Cut(strings.TrimPrefix(rest, "("), ")")
	w.columns(columns)
	opts := map[string]string{}
	for o := range strings.FieldsSeq(options) {
		k, v, _ := strings.Cut(o, "=")
		opts[k] = v
	}
	if name == "materialize" {
		return NewMaterialize(&MaterializeSpec{Input: w.types, Key: w.indexes(opts["key"]), Arr: 1})
	}
	_, appendOnly := opts["append"]
	if name == "topk" {
		limit, _ := strconv.ParseInt(opts["limit"], 10, 64)
		offset, _ := strconv.ParseInt(opts["offset"], 10, 64)
		column, desc, _ := strings.Cut(opts["order"], ":")
		order := []OrderKey{{Column: w.index(column), Desc: desc == "desc"}}
		return NewTopK(&TopKSpec{Input: w.types, Order: order, Limit: limit, Offset: offset, AppendOnly: appendOnly, Arr: 1})
	}
	spec := &AggregateSpec{Input: w.types, Keys: w.indexes(opts["keys"]), AppendOnly: appendOnly, Arr: 1, Multisets: 2}
	for c := range strings.SplitSeq(opts["calls"], ",") {
		spec.Calls = append(spec.Calls, w.call(c))
	}
	return NewAggregate(spec)
}

func (w *textWorld) makeJoin(rest string) (Operator, error) {
	kind, sides, _ := strings.Cut(rest, " (")
	left, right, _ := strings.Cut(strings.TrimSuffix(sides, ")"), ") (")
	w.columns(right)
	w.right = w.types
	w.columns(left)
	return NewJoin(&JoinSpec{
		Kind: JoinKind(kind), Left: w.types, Right: w.right, LeftKey: []int{0}, RightKey: []int{0}, LeftArr: 1, RightArr: 2,
	})
}

func (w *textWorld) columns(text string) {
	w.names, w.types = nil, nil
	for c := range strings.SplitSeq(text, ",") {
		f := strings.Fields(c)
		t, ok := types.Lookup(f[1], nil)
		if !ok {
			w.t.Fatalf("no type %s", f[1])
		}
		w.names, w.types = append(w.names, f[0]), append(w.types, t)
	}
}

func (w *textWorld) indexes(names string) (out []int) {
	if names == "" {
		return nil
	}
	for n := range strings.SplitSeq(names, ",") {
		out = append(out, w.index(n))
	}
	return out
}

func (w *textWorld) index(name string) int {
	for i, n := range w.names {
		if n == name {
			return i
		}
	}
	w.t.Fatalf("no column %s", name)
	return -1
}

func (w *textWorld) call(text string) AggregateCall {
	parts := strings.Split(text, ":")
	f, ok := lookupAggregate(parts[0])
	if !ok {
		w.t.Fatalf("no aggregate %s", parts[0])
	}
	c := AggregateCall{Func: parts[0], Filter: -1, Type: f.Ret}
	for i, p := range parts[1:] {
		switch {
		case p == "distinct":
			c.Distinct = true
		case i == 0 && len(f.Args) > 0:
			c.Args = []int{w.index(p)}
		default:
			c.Filter = w.index(p)
		}
	}
	return c
}

func (w *textWorld) runEpoch(lines []string) string {
	in := []Delta{{zset.NewBatch(w.types, 0)}}
	if w.right != nil {
		in = append(in, Delta{zset.NewBatch(w.right, 0)})
	}
	for _, line := range lines {
		side := 0
		if rest, ok := strings.CutPrefix(line, "right "); ok {
			side, line = 1, rest
		}
		line = strings.TrimPrefix(line, "left ")
		w.addRow(in[side][0], line)
	}
	w.epoch++
	var out Output
	if err := w.op.Apply(in, w.st, w.epoch, &out); err != nil {
		w.st.Rollback()
		return "error: " + sqlerr.From(err).Error()
	}
	w.st.Commit()
	text := print(out.Rows)
	if len(out.Errors) > 0 {
		text += "errors\n" + print(out.Errors)
	}
	return text
}

func (w *textWorld) addRow(b *zset.Batch, line string) {
	weight, row, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(weight, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	var ds []types.Datum
	for i, field := range strings.Split(row, "|") {
		if field == `\N` {
			ds = append(ds, types.NullDatum())
			continue
		}
		d, err := types.ParseText(b.Cols[i].Type, []byte(field), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		ds = append(ds, d)
	}
	b.AppendDatums(ds, n)
}

func print(d Delta) string {
	var out strings.Builder
	for _, b := range d {
		for i := range b.Len() {
			r := b.Row(i)
			fmt.Fprintf(&out, "%+d %s\n", b.WeightAt(r), AppendRowText(nil, b.Cols, r))
		}
	}
	return out.String()
}

func (w *textWorld) state() string {
	var out strings.Builder
	for _, arr := range w.st.Arrangements() {
		_ = w.st.Scan(arr, nil, nil, func(key, val []byte) bool {
			fmt.Fprintf(&out, "%d %q -> %q\n", arr, key, val)
			return true
		})
	}
	return out.String()
}
