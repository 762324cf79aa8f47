package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// folder replaces constant subexpressions by their values. One that fails is
// left in place and noted: it fails for the rows that reach it.
type folder struct {
	env    *Env
	failed map[*Expr]*sqlerr.Error
	depth  int
}

// Fold replaces constant subexpressions by their values, but for volatile ones and those
// that fail, which do when a row reaches them.
func Fold(e *Expr, env *Env) (*Expr, error) {
	f := folder{env: env, failed: map[*Expr]*sqlerr.Error{}}
	return f.fold(e)
}

func (f *folder) fold(e *Expr) (*Expr, error) {
	if len(e.Args) == 0 && e.Op != OpCall {
		return e, nil
	}
	if f.depth++; f.depth > maxDepth {
		return nil, sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	defer func() { f.depth-- }()
	c := *e
	c.Args = make([]*Expr, len(e.Args))
	constant := true
	for i, a := range e.Args {
		b, err := f.fold(a)
		if err != nil {
			return nil, err
		}
		c.Args[i] = b
		constant = constant && (b.Op == OpConst || f.failed[b] != nil)
	}
	e = f.simplify(&c)
	if !constant || e.Op == OpConst || e.Op == OpCall && volatilityOf(e) == Volatile {
		return e, nil
	}
	return f.evaluate(e)
}

// evaluate computes an expression whose arguments are constant.
func (f *folder) evaluate(e *Expr) (*Expr, error) {
	c := newCompiler(nil, f.env)
	c.folder.failed = f.failed
	n, err := c.build(e)
	if err != nil {
		return nil, err
	}
	p := &Program{nodes: []node{&spreadNode{arg: n, out: zset.Vector{Type: n.typ()}}}, result: Result{Cols: make([]zset.Vector, 1)}}
	d, err := p.evalOne(0)
	if err != nil {
		f.failed[e] = sqlerr.From(err)
		return e, nil
	}
	return &Expr{Op: OpConst, Type: e.Type, Const: d, Pos: e.Pos}, nil
}

// simplify removes what needs no evaluation.
func (f *folder) simplify(e *Expr) *Expr {
	switch e.Op {
	case OpCall:
		fn, ok := Lookup(e.Func)
		if !ok || !fn.Strict {
			return e
		}
		for _, a := range e.Args {
			if a.IsNullConst() {
				return &Expr{Op: OpConst, Type: e.Type, Const: types.NullDatum(), Pos: e.Pos}
			}
		}
	case OpAnd, OpOr:
		return simplifyLogic(e)
	}
	return e
}

// simplifyLogic drops arguments of AND and OR that decide nothing and stops at
// the first that decides all rows that reach it.
func simplifyLogic(e *Expr) *Expr {
	args := make([]*Expr, 0, len(e.Args))
	for _, a := range e.Args {
		if a.Op == OpConst && !a.Const.Null {
			if a.Const.Bool == (e.Op == OpOr) {
				args = append(args, a)
				break
			}
			continue
		}
		args = append(args, a)
	}
	if e.Op == OpOr {
		args = joinEqualities(args)
	}
	if len(args) == 0 {
		return &Expr{Op: OpConst, Type: types.Bool, Const: types.Datum{Bool: e.Op == OpAnd}, Pos: e.Pos}
	}
	if len(args) == 1 {
		return args[0]
	}
	c := *e
	c.Args = args
	return &c
}

// joinEqualities makes x IN (1, 2) of x = 1 OR x = 2 where these are neighbours,
// which keeps the order of evaluation.
func joinEqualities(args []*Expr) []*Expr {
	var out []*Expr
	for _, a := range args {
		value, k := equality(a)
		if value != nil && len(out) > 0 {
			last := out[len(out)-1]
			if last.Op == OpIn && Equal(last.Args[0], value) {
				last.Args = append(last.Args, k)
				continue
			}
			if v, first := equality(last); v != nil && Equal(v, value) {
				out[len(out)-1] = &Expr{Op: OpIn, Type: types.Bool, Args: []*Expr{value, first, k}, Pos: a.Pos}
				continue
			}
		}
		if a.Op == OpIn { // it may be extended above
			c := *a
			c.Args = append([]*Expr(nil), a.Args...)
			a = &c
		}
		out = append(out, a)
	}
	return out
}

// equality recognises value = constant with both of one type, for types whose
// equality IN knows.
func equality(e *Expr) (value, k *Expr) {
	v, pick := constantComparison(e)
	if pick == nil || v.Op != OpColumn {
		return nil, nil
	}
	f, _ := Lookup(e.Func)
	k = e.Args[1]
	if k.Op != OpConst {
		k = e.Args[0]
	}
	if f.compare != opEQ || k.Type.Base() != v.Type.Base() && k.Type.Kind() != types.KindInt64 {
		return nil, nil
	}
	return v, k
}
