package expr

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/sql/types"
)

// sqlParser reads enough of SQL's expressions for the tests of this package,
// which must not know the real parser. Columns are c0, c1, ...
type sqlParser struct {
	src  string
	pos  int
	cols []types.Type
	env  *Env
}

func parseSQL(src string, cols []types.Type, env *Env) (e *Expr, err error) {
	p := &sqlParser{src: src, cols: cols, env: env}
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(error)
			if !ok {
				panic(r)
			}
			e, err = nil, failure
		}
	}()
	e = p.expr(0)
	if p.skip(); p.pos < len(p.src) {
		return nil, fmt.Errorf("rest %q", p.src[p.pos:])
	}
	if e.Type == types.Unknown {
		e = must(CoerceIn(env, e, types.Text, Implicit))
	}
	return e, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (p *sqlParser) skip() {
	for p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t') {
		p.pos++
	}
}

const operatorChars = "+-*/<>=~!@#%^&|?"

// peek returns the next token without taking it.
func (p *sqlParser) peek() string {
	p.skip()
	s := p.src[p.pos:]
	if s == "" {
		return ""
	}
	n := 0
	switch c := s[0]; {
	case isWordByte(c):
		for n < len(s) && (isWordByte(s[n]) || s[n] == '.' && s[0] >= '0' && s[0] <= '9') {
			n++
		}
		if s[0] >= '0' && s[0] <= '9' && n < len(s) && (s[n-1] == 'e' || s[n-1] == 'E') && (s[n] == '-' || s[n] == '+') {
			for n++; n < len(s) && isWordByte(s[n]); n++ {
			}
		}
	case strings.HasPrefix(s, "::"):
		n = 2
	case strings.IndexByte(operatorChars, c) >= 0:
		for n < len(s) && strings.IndexByte(operatorChars, s[n]) >= 0 {
			n++
		}
		for n > 1 && (s[n-1] == '-' || s[n-1] == '+') && !strings.ContainsAny(s[:n], "~!@#%^&|?") {
			n--
		}
	default:
		n = 1
	}
	return s[:n]
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (p *sqlParser) take() string {
	t := p.peek()
	p.pos += len(t)
	return t
}

func (p *sqlParser) accept(word string) bool {
	save := p.pos
	for _, w := range strings.Fields(word) {
		if !strings.EqualFold(p.peek(), w) {
			p.pos = save
			return false
		}
		p.take()
	}
	return true
}

func (p *sqlParser) expect(word string) {
	if !p.accept(word) {
		panic(fmt.Errorf("%q expected at %q", word, p.src[p.pos:]))
	}
}

func (p *sqlParser) expr(min int) *Expr {
	left := p.prefix()
	for {
		next, ok := p.infix(left, min)
		if !ok {
			return left
		}
		left = next
	}
}

func logic(op Op, args ...*Expr) *Expr {
	for i, a := range args {
		args[i] = must(Coerce(a, types.Bool, Implicit))
	}
	return &Expr{Op: op, Type: types.Bool, Args: args}
}

// The binding powers, as PostgreSQL's.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precLike
	precOther
	precAdd
	precMul
	precPow
	precAt
	precUnary
	precCast
)

func (p *sqlParser) infix(left *Expr, min int) (*Expr, bool) {
	t := p.peek()
	switch strings.ToUpper(t) {
	case "OR":
		if min >= precOr {
			return nil, false
		}
		p.take()
		return logic(OpOr, left, p.expr(precOr)), true
	case "AND":
		if min >= precAnd {
			return nil, false
		}
		p.take()
		return logic(OpAnd, left, p.expr(precAnd)), true
	case "IS":
		if min >= precIs {
			return nil, false
		}
		return p.is(left), true
	case "AT":
		if min >= precAt {
			return nil, false
		}
		p.expect("AT TIME ZONE")
		return must(NewFunctionCall(p.env, "timezone", p.expr(precAt), left)), true
	case "NOT", "LIKE", "ILIKE", "IN", "BETWEEN":
		if min >= precLike {
			return nil, false
		}
		return p.test(left), true
	case "::":
		p.take()
		return must(CoerceIn(p.env, left, p.typeName(), Explicit)), true
	}
	if t == "" || strings.IndexByte(operatorChars, t[0]) < 0 {
		return nil, false
	}
	prec := precOther
	switch t {
	case "<", ">", "=", "<=", ">=", "<>", "!=":
		prec = precCompare
	case "+", "-":
		prec = precAdd
	case "*", "/", "%":
		prec = precMul
	case "^":
		prec = precPow
	}
	if min >= prec {
		return nil, false
	}
	p.take()
	return must(NewOperator(p.env, t, left, p.expr(prec))), true
}

func (p *sqlParser) is(left *Expr) *Expr {
	p.expect("IS")
	not := p.accept("NOT")
	var e *Expr
	switch {
	case p.accept("NULL"):
		e = &Expr{Op: OpIsNull, Type: types.Bool, Args: []*Expr{left}}
	default:
		p.expect("DISTINCT FROM")
		right := p.expr(precIs)
		eq := must(NewOperator(p.env, "=", left, right))
		e = &Expr{Op: OpDistinct, Type: types.Bool, Args: []*Expr{eq.Args[0], eq.Args[1], eq}}
	}
	if not {
		return logic(OpNot, e)
	}
	return e
}

func (p *sqlParser) test(left *Expr) *Expr {
	not := p.accept("NOT")
	switch {
	case p.accept("LIKE"), p.accept("ILIKE"):
		op := "~~"
		if strings.HasSuffix(strings.ToUpper(strings.TrimRight(p.src[:p.pos], " ")), "ILIKE") {
			op = "~~*"
		}
		if not {
			op = "!" + op
		}
		pattern := p.expr(precLike)
		if p.accept("ESCAPE") {
			pattern = must(NewFunctionCall(p.env, "like_escape", pattern, p.expr(precLike)))
		}
		return must(NewOperator(p.env, op, left, pattern))
	case p.accept("BETWEEN"):
		lo := p.expr(precLike)
		p.expect("AND")
		hi := p.expr(precLike)
		return p.negated(not, logic(OpAnd, must(NewOperator(p.env, ">=", left, lo)), must(NewOperator(p.env, "<=", left, hi))))
	}
	p.expect("IN")
	p.expect("(")
	list := p.list(")")
	ts := []types.Type{left.Type}
	for _, e := range list {
		ts = append(ts, e.Type)
	}
	t := must(CommonType(ts, "IN"))
	args := []*Expr{must(CoerceIn(p.env, left, t, Implicit))}
	for _, e := range list {
		c := must(CoerceIn(p.env, e, t, Implicit))
		args = append(args, Constant(t, must(EvalConst(c, p.env))))
	}
	return p.negated(not, &Expr{Op: OpIn, Type: types.Bool, Args: args})
}

func (p *sqlParser) negated(not bool, e *Expr) *Expr {
	if not {
		return logic(OpNot, e)
	}
	return e
}

func (p *sqlParser) list(end string) []*Expr {
	var out []*Expr
	if p.accept(end) {
		return nil
	}
	for {
		out = append(out, p.expr(0))
		if p.accept(end) {
			return out
		}
		p.expect(",")
	}
}

func (p *sqlParser) typeName() types.Type {
	if p.accept(`"char"`) || strings.HasPrefix(p.src[p.pos:], `"char"`) {
		p.pos += len(`"char"`)
		return types.Char
	}
	name := strings.ToLower(p.take())
	for _, more := range []string{"precision", "varying", "with time zone", "without time zone"} {
		if p.accept(more) {
			name += " " + more
		}
	}
	var args []int
	if p.peek() == "(" {
		p.take()
		for !p.accept(")") {
			n := 1
			if p.accept("-") {
				n = -1
			}
			args = append(args, n*must(strconv.Atoi(p.take())))
			p.accept(",")
		}
		for _, more := range []string{"with time zone", "without time zone"} {
			if p.accept(more) {
				name += " " + more
			}
		}
	}
	if p.peek() == "[" {
		p.take()
		p.expect("]")
		name += "[]"
	}
	t, ok := types.Lookup(name, args)
	if !ok {
		panic(fmt.Errorf("no type %q", name))
	}
	return t
}

func (p *sqlParser) prefix() *Expr {
	t := p.peek()
	switch {
	case t == "(":
		p.take()
		e := p.expr(0)
		p.expect(")")
		return e
	case t == "'":
		return Constant(types.Unknown, types.Datum{Bytes: []byte(p.quoted())})
	case t == "":
		panic(fmt.Errorf("expression ends early: %q", p.src))
	case t[0] >= '0' && t[0] <= '9':
		p.take()
		return number(t)
	case strings.IndexByte(operatorChars, t[0]) >= 0:
		p.take()
		if n := p.peek(); t == "-" && n != "" && n[0] >= '0' && n[0] <= '9' {
			p.take()
			return number("-" + n)
		}
		return must(NewOperator(p.env, t, nil, p.expr(precUnary)))
	}
	return p.word()
}

func number(t string) *Expr {
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return Constant(types.Int4, types.Datum{Int: n})
		}
		return Constant(types.Int8, types.Datum{Int: n})
	}
	return Constant(types.Numeric, types.Datum{Dec: must(types.ParseDecimal([]byte(t)))})
}

func (p *sqlParser) quoted() string {
	p.expect("'")
	var b strings.Builder
	for {
		i := strings.IndexByte(p.src[p.pos:], '\'')
		if i < 0 {
			panic(fmt.Errorf("string does not end: %q", p.src))
		}
		b.WriteString(p.src[p.pos : p.pos+i])
		p.pos += i + 1
		if p.pos >= len(p.src) || p.src[p.pos] != '\'' {
			return b.String()
		}
		b.WriteByte('\'')
		p.pos++
	}
}

func (p *sqlParser) word() *Expr {
	save := p.pos
	w := strings.ToLower(p.take())
	switch w {
	case "null":
		return Constant(types.Unknown, types.NullDatum())
	case "true", "false":
		return Constant(types.Bool, types.Datum{Bool: w == "true"})
	case "not":
		return logic(OpNot, p.expr(precNot))
	case "case":
		return p.caseExpr()
	case "coalesce", "greatest", "least", "nullif":
		p.expect("(")
		return p.special(w, p.list(")"))
	case "extract":
		p.expect("(")
		field := Constant(types.Unknown, types.Datum{Bytes: []byte(strings.ToLower(p.take()))})
		p.expect("FROM")
		e := p.expr(0)
		p.expect(")")
		return must(NewFunctionCall(p.env, "extract", field, e))
	}
	if w[0] == 'c' && len(w) == 2 && w[1] >= '0' && w[1] <= '9' {
		i := int(w[1] - '0')
		return Column(i, p.cols[i])
	}
	if p.peek() == "(" && w != "varchar" && w != "numeric" {
		p.take()
		return must(NewFunctionCall(p.env, w, p.list(")")...))
	}
	p.pos = save
	t := p.typeName()
	return must(CoerceIn(p.env, Constant(types.Unknown, types.Datum{Bytes: []byte(p.quoted())}), t, Explicit))
}

func (p *sqlParser) common(what string, list []*Expr) (types.Type, []*Expr) {
	ts := make([]types.Type, len(list))
	for i, e := range list {
		ts[i] = e.Type
	}
	t := must(CommonType(ts, what))
	for i, e := range list {
		list[i] = must(CoerceIn(p.env, e, t, Implicit))
	}
	return t, list
}

func (p *sqlParser) special(w string, list []*Expr) *Expr {
	if w == "nullif" {
		eq := must(NewOperator(p.env, "=", list[0], list[1]))
		return &Expr{Op: OpNullIf, Type: eq.Args[0].Type, Args: []*Expr{eq.Args[0], eq.Args[1], eq}}
	}
	t, args := p.common(strings.ToUpper(w), list)
	return &Expr{Op: Op(w), Type: t, Args: args}
}

func (p *sqlParser) caseExpr() *Expr {
	var whens, thens []*Expr
	for p.accept("WHEN") {
		whens = append(whens, must(Coerce(p.expr(0), types.Bool, Implicit)))
		p.expect("THEN")
		thens = append(thens, p.expr(0))
	}
	if p.accept("ELSE") {
		thens = append(thens, p.expr(0))
	}
	p.expect("END")
	if n := len(thens); n > len(whens) { // PostgreSQL looks at ELSE first
		thens = append([]*Expr{thens[n-1]}, thens[:n-1]...)
	}
	t, thens := p.common("CASE", thens)
	if n := len(thens); n > len(whens) {
		thens = append(thens[1:n:n], thens[0])
	}
	e := &Expr{Op: OpCase, Type: t}
	for i, w := range whens {
		e.Args = append(e.Args, w, thens[i])
	}
	if len(thens) > len(whens) {
		e.Args = append(e.Args, thens[len(whens)])
	}
	return e
}
