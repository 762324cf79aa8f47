package expr

import (
	"fmt"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// Filter selects the rows for which a condition is true. It is not safe for
// concurrent use.
type Filter struct {
	x     exec
	root  scope
	terms []term
	width int
	sel   []int32
	value arg // of the term at hand
}

// term is one part of the conjunction. A row for which a term is false, NULL or
// fails is not seen by the terms after it, as in PostgreSQL's WHERE.
type term struct {
	scope  scope
	cond   node   // boolean
	value  node   // or: value op constant, selected without a vector of truth values
	pick   picker // for value
	always bool   // constant TRUE
}

// picker appends the rows of sel (nil: all of n) for which a comparison holds to
// out, which has room for all.
type picker func(out []int32, a *arg, n int, sel []int32) []int32

// CompileFilter compiles a condition over rows of the given types.
func CompileFilter(e *Expr, input []types.Type) (*Filter, error) {
	return CompileFilterIn(nil, e, input)
}

// CompileFilterIn is CompileFilter for a condition that was not frozen.
func CompileFilterIn(env *Env, e *Expr, input []types.Type) (*Filter, error) {
	if e.Type.Kind() != types.KindBool {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "argument of WHERE must be type boolean, not type %s", e.Type)
	}
	c := newCompiler(input, env)
	e, err := c.folder.fold(e)
	if err != nil {
		return nil, err
	}
	f := &Filter{width: len(input)}
	for _, part := range Conjuncts(e) {
		t, err := c.term(part)
		if err != nil {
			return nil, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// Conjuncts returns the arguments of nested ANDs from left to right.
func Conjuncts(e *Expr) []*Expr {
	if e.Op != OpAnd {
		return []*Expr{e}
	}
	var parts []*Expr
	for _, a := range e.Args {
		parts = append(parts, Conjuncts(a)...)
	}
	return parts
}

func (c *compiler) term(e *Expr) (term, error) {
	if e.Op == OpConst && !e.Const.Null && e.Const.Bool {
		return term{always: true}, nil
	}
	if value, pick := constantComparison(e); pick != nil {
		n, err := c.build(value)
		return term{value: n, pick: pick}, err
	}
	n, err := c.build(e)
	return term{cond: n}, err
}

// Select returns the selected physical rows of the batch for which the
// condition is true, in order. The selection and the errors are valid until
// the next Select; errs is nil if no row failed.
func (f *Filter) Select(b *zset.Batch) (sel []int32, errs *Errors, err error) {
	if len(b.Cols) < f.width {
		return nil, nil, fmt.Errorf("expr: batch of %d columns for a filter over %d", len(b.Cols), f.width)
	}
	x := &f.x
	s := x.begin(b, &f.root)
	f.sel = sized(f.sel, b.N)
	for i := range f.terms {
		t := &f.terms[i]
		if t.always {
			continue
		}
		sel := f.select1(t, s)
		if s = x.open(&t.scope, s, sel); len(sel) == 0 {
			break
		}
	}
	if x.errs.Len() > 0 {
		errs = &x.errs
	}
	return x.rows(s), errs, nil
}

func (f *Filter) select1(t *term, s *scope) []int32 {
	x := &f.x
	if t.pick != nil {
		f.value = t.value.eval(x, s)
		sel := t.pick(f.sel[:x.n], &f.value, x.n, s.sel)
		if f.value.Null != nil {
			sel = dropNulls(sel, &f.value)
		}
		return x.errs.Drop(sel)
	}
	a := t.cond.eval(x, s)
	out := f.sel[:x.n]
	k := 0
	if s.sel == nil && a.mask != 0 {
		for i, v := range a.Bool[:x.n] {
			out[k] = int32(i)
			if v {
				k++
			}
		}
	} else {
		for _, r := range s.sel {
			out[k] = r
			if a.Bool[int(r)&a.mask] {
				k++
			}
		}
		if s.sel == nil && a.Bool[0] {
			k = copy(out, x.rows(s))
		}
	}
	sel := out[:k]
	if a.Null != nil {
		sel = dropNulls(sel, &a)
	}
	return x.errs.Drop(sel)
}

func dropNulls(sel []int32, a *arg) []int32 {
	kept := sel[:0]
	for _, r := range sel {
		if !a.isNull(int(r)) {
			kept = append(kept, r)
		}
	}
	return kept
}
