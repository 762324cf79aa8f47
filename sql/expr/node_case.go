package expr

import (
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// merger assembles a vector from arms that hold disjoint sets of rows. Arms are
// copied at once, because the next arm may use the same memory (I1).
type merger struct {
	out      zset.Vector
	nulls    nullBuffer
	anyNull  bool
	stage    []byte // values of bytes, in order of arms
	from, to []uint32
}

func (m *merger) typ() types.Type { return m.out.Type }

func (m *merger) release() {
	m.out = zset.Vector{Type: m.out.Type}
	m.nulls.bits = nil
}

func (m *merger) isBytes() bool {
	k := m.out.Type.Kind()
	return k == types.KindBytes || k == types.KindList
}

func (m *merger) begin(n int) {
	resize(&m.out, n)
	m.out.Null = m.nulls.cleared(n)
	m.anyNull = false
	m.stage = m.stage[:0]
	if m.isBytes() {
		m.from, m.to = sized(m.from, n), sized(m.to, n)
	}
}

// take copies the rows of an arm.
func (m *merger) take(a *arg, rows []int32) {
	if a.Null != nil {
		for _, r := range rows {
			if a.isNull(int(r)) {
				m.setNull(int(r))
			}
		}
	}
	switch m.out.Type.Kind() {
	case types.KindBool:
		scatter(m.out.Bool, a.Bool, a.mask, rows)
	case types.KindInt64:
		scatter(m.out.Int, a.Int, a.mask, rows)
	case types.KindFloat64:
		scatter(m.out.Flt, a.Flt, a.mask, rows)
	case types.KindDecimal:
		scatter(m.out.Dec, a.Dec, a.mask, rows)
	case types.KindInterval:
		scatter(m.out.Ival, a.Ival, a.mask, rows)
	default:
		for _, r := range rows {
			m.from[r] = uint32(len(m.stage))
			m.stage = append(m.stage, a.Bytes(int(r)&a.mask)...)
			m.to[r] = uint32(len(m.stage))
		}
	}
}

func scatter[T any](out, in []T, mask int, rows []int32) {
	for _, r := range rows {
		out[r] = in[int(r)&mask]
	}
}

func (m *merger) setNull(row int) {
	m.anyNull = true
	m.out.Null.Set(row)
}

// takeNull marks rows that no arm gives a value.
func (m *merger) takeNull(rows []int32) {
	for _, r := range rows {
		m.setNull(int(r))
	}
	if m.isBytes() {
		for _, r := range rows {
			m.from[r], m.to[r] = 0, 0
		}
	}
}

// finish puts bytes into row order; rows are all rows of the arms.
func (m *merger) finish(rows []int32) arg {
	if !m.anyNull {
		m.out.Null = nil
	}
	if m.isBytes() {
		w := bytesWriter{v: &m.out}
		for _, r := range rows {
			w.begin(int(r))
			m.out.Data = append(m.out.Data, m.stage[m.from[r]:m.to[r]]...)
		}
		w.finish()
	}
	return arg{&m.out, perRow}
}

// caseNode is CASE WHEN; whens and thens are pairs, orElse may be nil.
type caseNode struct {
	merger
	whens, thens []node
	orElse       node
	scopes       []scope // two a pair: the rows left, the rows hit
	hit, rest    []int32
}

func (n *caseNode) eval(x *exec, s *scope) arg {
	n.begin(x.n)
	all := x.rows(s)
	rest := all
	for i, when := range n.whens {
		if len(rest) == 0 {
			break
		}
		v := when.eval(x, s)
		hit := n.split(x, &v, rest)
		rest = n.rest
		if len(hit) > 0 {
			then := n.thens[i].eval(x, x.open(&n.scopes[2*i+1], s, hit))
			n.take(&then, hit)
		}
		s = x.open(&n.scopes[2*i], s, rest)
	}
	switch {
	case len(rest) == 0:
	case n.orElse == nil:
		n.takeNull(rest)
	default:
		v := n.orElse.eval(x, s)
		n.take(&v, rest)
	}
	return n.finish(all)
}

// split returns the rows for which v is true and leaves the others in n.rest.
// Rows that failed are among neither; they get an empty value.
func (n *caseNode) split(x *exec, v *arg, rows []int32) []int32 {
	hit, rest := sized(n.hit, x.n), sized(n.rest, x.n)
	h, k := 0, 0
	failed := x.errs.Len() > 0
	for _, r := range rows {
		row := int(r)
		switch {
		case failed && x.errs.Has(row):
			n.drop(row)
		case !v.isNull(row) && v.Bool[row&v.mask]:
			hit[h] = r
			h++
		default:
			rest[k] = r
			k++
		}
	}
	n.hit, n.rest = hit, rest[:k]
	return hit[:h]
}

// drop gives a row that failed an empty value.
func (m *merger) drop(row int) {
	if m.isBytes() {
		m.from[row], m.to[row] = 0, 0
	}
}

// coalesceNode is COALESCE.
type coalesceNode struct {
	merger
	args      []node
	scopes    []scope
	hit, rest []int32
}

func (n *coalesceNode) eval(x *exec, s *scope) arg {
	n.begin(x.n)
	all := x.rows(s)
	rest := all
	for i, a := range n.args {
		v := a.eval(x, s)
		if i == 0 && v.Null == nil && v.mask != 0 {
			return v
		}
		hit, null := sized(n.hit, x.n), sized(n.rest, x.n)
		h, k := 0, 0
		for _, r := range rest {
			if v.isNull(int(r)) {
				null[k] = r
				k++
			} else {
				hit[h] = r
				h++
			}
		}
		n.hit, n.rest = hit, null
		n.take(&v, hit[:h])
		rest = null[:k]
		if k == 0 {
			break
		}
		s = x.open(&n.scopes[i], s, rest)
	}
	n.takeNull(rest)
	return n.finish(all)
}

// nullIfNode is NULLIF: its arguments are a, b (in equal) and a = b.
type nullIfNode struct {
	merger
	a, equal node
}

func (n *nullIfNode) eval(x *exec, s *scope) arg {
	a := n.a.eval(x, s)
	eq := n.equal.eval(x, s)
	n.begin(x.n)
	rows := x.rows(s)
	n.take(&a, rows)
	for _, r := range rows {
		row := int(r)
		if !eq.isNull(row) && eq.Bool[row&eq.mask] {
			n.setNull(row)
		}
	}
	return n.finish(rows)
}
