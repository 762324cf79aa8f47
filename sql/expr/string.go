package expr

import (
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/sql/types"
)

// String prints the expression like SQL, for EXPLAIN: columns as #0, #1, ...;
// operators in full parentheses but for the outermost.
func (e *Expr) String() string { return e.Format(nil) }

// Format prints the expression with the columns named by name.
func (e *Expr) Format(name func(col int) string) string {
	p := printer{name: name}
	p.print(e, false)
	return p.b.String()
}

type printer struct {
	b    strings.Builder
	name func(col int) string
}

func (p *printer) print(e *Expr, nested bool) {
	switch e.Op {
	case OpColumn:
		if p.name != nil {
			p.b.WriteString(p.name(e.Col))
			return
		}
		p.b.WriteString("#" + strconv.Itoa(e.Col))
	case OpConst:
		p.constant(e)
	case OpParam:
		p.b.WriteString("$" + strconv.Itoa(e.Col+1))
	case OpCase:
		p.caseOf(e)
	case OpCoalesce, OpGreatest, OpLeast:
		p.call(strings.ToUpper(string(e.Op)), e.Args)
	case OpNullIf:
		p.call("NULLIF", e.Args[:min(2, len(e.Args))])
	case OpCall:
		p.function(e, nested)
	default:
		p.infix(e, nested)
	}
}

// infix prints what has an operator or keyword between or behind arguments.
func (p *printer) infix(e *Expr, nested bool) {
	if nested {
		p.b.WriteByte('(')
		defer p.b.WriteByte(')')
	}
	switch e.Op {
	case OpAnd, OpOr:
		for i, a := range e.Args {
			if i > 0 {
				p.b.WriteString(" " + strings.ToUpper(string(e.Op)) + " ")
			}
			p.print(a, true)
		}
	case OpNot:
		p.b.WriteString("NOT ")
		p.print(e.Args[0], true)
	case OpIsNull:
		p.print(e.Args[0], true)
		p.b.WriteString(" IS NULL")
	case OpDistinct:
		p.print(e.Args[0], true)
		p.b.WriteString(" IS DISTINCT FROM ")
		p.print(e.Args[1], true)
	case OpIn:
		p.print(e.Args[0], true)
		p.b.WriteString(" IN ")
		p.list(e.Args[1:])
	default:
		p.call(string(e.Op), e.Args)
	}
}

func (p *printer) constant(e *Expr) {
	d := e.Const
	switch {
	case d.Null:
		p.b.WriteString("NULL")
		if e.Type != types.Unknown {
			p.b.WriteString("::" + e.Type.String())
		}
		return
	case e.Type.Kind() == types.KindBool:
		p.b.WriteString(strconv.FormatBool(d.Bool))
		return
	}
	text := string(types.AppendText(nil, e.Type, d, nil))
	switch e.Type.Base() {
	case types.Int4, types.Numeric:
		p.b.WriteString(text)
	case types.Text, types.Unknown:
		p.b.WriteString(quoteLiteral(text))
	default:
		p.b.WriteString(quoteLiteral(text) + "::" + e.Type.String())
	}
}

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (p *printer) caseOf(e *Expr) {
	p.b.WriteString("CASE")
	n := len(e.Args)
	for i := 0; i+1 < n; i += 2 {
		p.b.WriteString(" WHEN ")
		p.print(e.Args[i], false)
		p.b.WriteString(" THEN ")
		p.print(e.Args[i+1], false)
	}
	if n%2 == 1 {
		p.b.WriteString(" ELSE ")
		p.print(e.Args[n-1], false)
	}
	p.b.WriteString(" END")
}

func (p *printer) call(name string, args []*Expr) {
	p.b.WriteString(name)
	p.list(args)
}

func (p *printer) list(args []*Expr) {
	p.b.WriteByte('(')
	for i, a := range args {
		if i > 0 {
			p.b.WriteString(", ")
		}
		p.print(a, false)
	}
	p.b.WriteByte(')')
}

// function prints a call as operator, cast or function.
func (p *printer) function(e *Expr, nested bool) {
	args := e.Args
	if hasMarker(e) {
		args = args[:len(args)-1]
	}
	f, ok := Lookup(e.Func)
	if !ok {
		p.call(e.Func, args)
		return
	}
	if op := loadTables().opName[f]; op != "" && len(args) == len(f.Args) {
		if nested {
			p.b.WriteByte('(')
			defer p.b.WriteByte(')')
		}
		if len(args) == 2 {
			p.print(args[0], true)
			p.b.WriteByte(' ')
		}
		p.b.WriteString(op)
		if len(args) == 2 {
			p.b.WriteByte(' ')
		}
		p.print(args[len(args)-1], true)
		return
	}
	if f.Internal && len(args) > 0 || isCast(f) {
		p.print(args[0], true)
		p.b.WriteString("::" + e.Type.String())
		return
	}
	p.call(f.Name, args)
}

func isCast(f *Function) bool {
	if len(f.Args) != 1 {
		return false
	}
	c, ok := FindCast(f.Args[0], f.Ret)
	return ok && c.Func == f
}
