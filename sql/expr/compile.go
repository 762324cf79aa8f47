package expr

import (
	"encoding/binary"
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Program evaluates expressions over batches. It is not safe for concurrent
// use.
type Program struct {
	x      exec
	root   scope
	nodes  []node
	owners []releaser
	width  int // columns of the input
	result Result
}

// releaser is a node that keeps memory which a result may share.
type releaser interface{ release() }

// Result is what a Program computed for one batch.
type Result struct {
	// Cols has one vector an expression, with a value for each physical row of
	// the batch, valid at the rows that are selected and did not fail. Vectors
	// may share memory with the batch and with each other.
	Cols []zset.Vector
	// Err marks the rows that failed; nil if none did.
	Err *Errors
}

// Compile compiles expressions over rows of the given types. Stable calls that
// were not frozen see the default settings and no clock.
func Compile(es []*Expr, input []types.Type) (*Program, error) { return compile(es, input, nil) }

// CompileIn is Compile for expressions that are evaluated at once and were not
// frozen: they see env.
func CompileIn(env *Env, es []*Expr, input []types.Type) (*Program, error) {
	return compile(es, input, env)
}

func compile(es []*Expr, input []types.Type, env *Env) (*Program, error) {
	c := newCompiler(input, env)
	p := &Program{width: len(input)}
	for _, e := range es {
		n, err := c.compile(e)
		if err != nil {
			return nil, err
		}
		p.nodes = append(p.nodes, n)
	}
	for i, n := range p.nodes {
		if _, column := n.(*columnNode); !column {
			p.nodes[i] = &spreadNode{arg: n, out: zset.Vector{Type: n.typ()}}
		}
	}
	p.owners = c.owners
	p.result.Cols = make([]zset.Vector, len(es))
	return p, nil
}

// Eval computes the expressions for a batch. The result is valid until the
// next Eval, unless the caller makes it its own with Detach. It fails only if
// the batch does not have the columns that the program was compiled for.
func (p *Program) Eval(b *zset.Batch) (*Result, error) {
	if len(b.Cols) < p.width {
		return nil, fmt.Errorf("expr: batch of %d columns for a program over %d", len(b.Cols), p.width)
	}
	s := p.x.begin(b, &p.root)
	for i, n := range p.nodes {
		p.result.Cols[i] = *n.eval(&p.x, s).Vector
		p.result.Cols[i].Type = n.typ()
	}
	p.result.Err = nil
	if p.x.errs.Len() > 0 {
		p.result.Err = &p.x.errs
	}
	return &p.result, nil
}

// Detach gives the columns of the last result to the caller: the program
// forgets their memory and takes new one for the next batch. The error vector
// stays the program's.
func (p *Program) Detach() {
	for _, o := range p.owners {
		o.release()
	}
	for _, n := range p.nodes {
		if s, ok := n.(*spreadNode); ok {
			s.out, s.n = zset.Vector{Type: s.out.Type}, 0
		}
	}
}

// evalOne evaluates over one row without columns and returns expression i.
func (p *Program) evalOne(i int) (types.Datum, error) {
	r, err := p.Eval(&zset.Batch{N: 1})
	if err != nil {
		return types.Datum{}, err
	}
	if r.Err != nil {
		_, err := r.Err.Row(0)
		return types.Datum{}, err
	}
	d := r.Cols[i].Datum(0)
	d.Bytes = append([]byte(nil), d.Bytes...)
	return d, nil
}

// EvalConst evaluates an expression without columns and parameters.
func EvalConst(e *Expr, env *Env) (types.Datum, error) {
	if e.Op == OpConst {
		return e.Const, nil
	}
	p, err := compile([]*Expr{e}, nil, env)
	if err != nil {
		return types.Datum{}, err
	}
	return p.evalOne(0)
}

// compiler turns expressions into nodes. Equal expressions become one node.
type compiler struct {
	input  []types.Type
	env    *Env
	folder folder
	nodes  map[string]node // by key
	ids    map[node]int
	owners []releaser
	depth  int
}

func newCompiler(input []types.Type, env *Env) *compiler {
	return &compiler{
		input:  input,
		env:    env,
		folder: folder{env: env, failed: map[*Expr]*sqlerr.Error{}},
		nodes:  map[string]node{},
		ids:    map[node]int{},
	}
}

// maxDepth bounds recursion over trees, which may come from clients.
const maxDepth = 10000

func (c *compiler) compile(e *Expr) (node, error) {
	e, err := c.folder.fold(e)
	if err != nil {
		return nil, err
	}
	return c.build(e)
}

// build returns the node of a folded expression.
func (c *compiler) build(e *Expr) (node, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	defer func() { c.depth-- }()
	if err := c.folder.failed[e]; err != nil {
		return c.keep(newFailNode(e.Type, err)), nil
	}
	switch e.Op {
	case OpColumn:
		if e.Col < 0 || e.Col >= len(c.input) {
			return nil, fmt.Errorf("expr: column %d of an input of %d", e.Col, len(c.input))
		}
		if c.input[e.Col].Kind() != e.Type.Kind() {
			return nil, fmt.Errorf("expr: column %d is %v, not %v", e.Col, c.input[e.Col], e.Type)
		}
	case OpParam:
		return nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", e.Col+1)
	}
	args := make([]node, 0, len(e.Args))
	for _, a := range e.Args {
		if a.Type == types.Void && a.Op == OpConst {
			continue // settings
		}
		n, err := c.build(a)
		if err != nil {
			return nil, err
		}
		args = append(args, n)
	}
	return c.share(e, args)
}

func (c *compiler) keep(n node) node {
	c.ids[n] = len(c.ids)
	if o, ok := n.(releaser); ok {
		c.owners = append(c.owners, o)
	}
	return n
}

// share returns the node that computes e already, or a new one.
func (c *compiler) share(e *Expr, args []node) (node, error) {
	key := c.key(e, args)
	if n, ok := c.nodes[key]; ok {
		return n, nil
	}
	n, err := c.node(e, args)
	if err != nil {
		return nil, err
	}
	c.keep(n)
	if e.Op == OpCall && volatilityOf(e) == Volatile {
		return n, nil
	}
	switch n.(type) {
	case *columnNode, *constNode:
	default:
		n = &sharedNode{node: n}
		c.ids[n] = len(c.ids)
	}
	c.nodes[key] = n
	return n, nil
}

// key identifies what a node computes.
func (c *compiler) key(e *Expr, args []node) string {
	key := make([]byte, 0, 64)
	key = append(key, e.Op...)
	key = append(key, 0)
	key = append(key, e.Func...)
	key = append(key, 0)
	key = binary.AppendUvarint(key, uint64(e.Type))
	key = binary.AppendVarint(key, int64(e.Col))
	if e.Op == OpConst {
		v := zset.NewVector(e.Type, 1)
		v.AppendDatum(e.Const)
		key = zset.AppendRow(key, []zset.Vector{v}, 0)
	}
	if hasMarker(e) {
		key = append(key, e.Args[len(e.Args)-1].Const.Bytes...)
	}
	for _, a := range args {
		key = append(key, 0xff)
		key = binary.AppendUvarint(key, uint64(c.ids[a]))
	}
	return string(key)
}

// node makes the node of one expression.
func (c *compiler) node(e *Expr, args []node) (node, error) {
	if err := checkShape(e, args); err != nil {
		return nil, err
	}
	switch e.Op {
	case OpColumn:
		return &columnNode{t: e.Type, col: e.Col}, nil
	case OpConst:
		return newConstNode(e.Type, e.Const), nil
	case OpCall:
		return c.call(e, args)
	case OpAnd, OpOr:
		return &logicNode{boolOut: newBoolOut(), decides: e.Op == OpOr, args: args, scopes: make([]scope, len(args))}, nil
	case OpNot:
		return &notNode{boolOut: newBoolOut(), arg: args[0]}, nil
	case OpIsNull:
		return &isNullNode{boolOut: newBoolOut(), arg: args[0]}, nil
	case OpDistinct:
		return &distinctNode{boolOut: newBoolOut(), a: args[0], b: args[1], equal: args[2]}, nil
	case OpCase:
		return newCaseNode(e, args), nil
	case OpCoalesce:
		return &coalesceNode{merger: newMerger(e.Type), args: args, scopes: make([]scope, len(args))}, nil
	case OpNullIf:
		return &nullIfNode{merger: newMerger(e.Type), a: args[0], equal: args[2]}, nil
	case OpIn:
		return newInNode(e, args)
	case OpGreatest, OpLeast:
		return newExtremeNode(e, args), nil
	}
	return nil, fmt.Errorf("expr: unknown operation %q", e.Op)
}

// checkShape refuses trees that no binder makes: stored expressions are data.
func checkShape(e *Expr, args []node) error {
	least := map[Op]int{OpAnd: 1, OpOr: 1, OpNot: 1, OpCase: 2, OpCoalesce: 1, OpNullIf: 3, OpIsNull: 1, OpDistinct: 3, OpIn: 1, OpGreatest: 1, OpLeast: 1}
	if len(args) < least[e.Op] {
		return fmt.Errorf("expr: %s with %d arguments", e.Op, len(args))
	}
	boolean := func(ns ...node) error {
		for _, n := range ns {
			if n.typ().Kind() != types.KindBool {
				return fmt.Errorf("expr: argument of %s is %v", e.Op, n.typ())
			}
		}
		return nil
	}
	switch e.Op {
	case OpAnd, OpOr, OpNot:
		return boolean(args...)
	case OpNullIf, OpDistinct:
		return boolean(args[2])
	case OpCase:
		for i := 0; i+1 < len(args); i += 2 {
			if err := boolean(args[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func newMerger(t types.Type) merger { return merger{out: zset.Vector{Type: t}} }

func newCaseNode(e *Expr, args []node) *caseNode {
	n := &caseNode{merger: newMerger(e.Type)}
	for i := 0; i+1 < len(args); i += 2 {
		n.whens = append(n.whens, args[i])
		n.thens = append(n.thens, args[i+1])
	}
	if len(args)%2 == 1 {
		n.orElse = args[len(args)-1]
	}
	n.scopes = make([]scope, 2*len(n.whens))
	return n
}

func (c *compiler) call(e *Expr, args []node) (node, error) {
	f, ok := Lookup(e.Func)
	if !ok {
		return nil, fmt.Errorf("expr: unknown function %q", e.Func)
	}
	if len(args) != len(f.Args) && !(f.Variadic && len(args) >= len(f.Args)-1) {
		return nil, fmt.Errorf("expr: %s with %d arguments", e.Func, len(args))
	}
	for i, n := range args {
		want := f.Args[min(i, len(f.Args)-1)]
		if !isPseudo(want) && want.Kind() != n.typ().Kind() {
			return nil, fmt.Errorf("expr: argument %d of %s is %v", i+1, e.Func, n.typ())
		}
	}
	if f.relabel {
		return &relabelNode{arg: args[0], out: zset.Vector{Type: e.Type}}, nil
	}
	s, err := newSite(f, e, c.env)
	if err != nil {
		return nil, err
	}
	run, err := f.make(s)
	if err != nil {
		return newFailNode(e.Type, sqlerr.From(err)), nil
	}
	return &callNode{fn: f, args: args, argv: make([]arg, len(args)), run: run, out: zset.Vector{Type: e.Type}}, nil
}

func newSite(f *Function, e *Expr, env *Env) (*site, error) {
	s := &site{fn: f, args: e.Args, ret: e.Type, env: env, elementCast: elementCast}
	if hasMarker(e) {
		n := len(e.Args) - 1
		frozen, err := decodeSettings(string(e.Args[n].Const.Bytes))
		if err != nil {
			return nil, err
		}
		s.args, s.env = e.Args[:n], frozen
	}
	return s, nil
}
