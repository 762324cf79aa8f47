package ast

import (
	"strconv"
	"strings"
)

// String prints a node as canonical SQL. Parsing the result gives an equal
// tree but for positions. Keywords are upper case, names are quoted only where
// they have to be, and every construct has one spelling. Parts that are no
// statement, expression or item of FROM print as they do inside one.
func String(n Node) string {
	p := printer{}
	p.node(n)
	return string(p.buf)
}

// QuoteIdent quotes a name if it cannot stand bare.
func QuoteIdent(name string) string {
	if bareIdent(name) && !isRestrictedWord(name) {
		return name
	}
	return quoteIdent(name)
}

func quoteIdent(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuoteLiteral quotes a string constant.
func QuoteLiteral(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// maxNameBytes is the length to which the lexer cuts names.
const maxNameBytes = 63

// bareIdent reports whether the lexer gives the name back unchanged.
func bareIdent(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '$'):
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxNameBytes
}

// printer collects the text.
type printer struct {
	buf []byte
}

func (p *printer) s(text string)    { p.buf = append(p.buf, text...) }
func (p *printer) ident(n string)   { p.s(QuoteIdent(n)) }
func (p *printer) quoted(n string)  { p.s(quoteIdent(n)) }
func (p *printer) literal(s string) { p.s(QuoteLiteral(s)) }
func (p *printer) int(n int)        { p.buf = strconv.AppendInt(p.buf, int64(n), 10) }

// opt prints text if the condition holds.
func (p *printer) opt(cond bool, text string) {
	if cond {
		p.s(text)
	}
}

// idents prints a list of names.
func (p *printer) idents(names []string) {
	for i, n := range names {
		p.opt(i > 0, ", ")
		p.ident(n)
	}
}

// parenIdents prints a list of names in parentheses, nothing if it is empty.
func (p *printer) parenIdents(before string, names []string) {
	if len(names) == 0 {
		return
	}
	p.s(before)
	p.s("(")
	p.idents(names)
	p.s(")")
}

// name prints a qualified name.
func (p *printer) name(n *ObjectName) {
	if n == nil {
		return
	}
	p.qualified(n.Qualifier, n.Name)
}

func (p *printer) qualified(qualifier []string, name string) {
	for _, q := range qualifier {
		p.ident(q)
		p.s(".")
	}
	p.ident(name)
}

// names prints a list of qualified names.
func (p *printer) names(list []*ObjectName) {
	for i, n := range list {
		p.opt(i > 0, ", ")
		p.name(n)
	}
}

// list prints nodes parted by commas.
func list[T any](p *printer, items []T, print func(T)) {
	for i, item := range items {
		p.opt(i > 0, ", ")
		print(item)
	}
}

// node prints any node.
func (p *printer) node(n Node) {
	switch n := n.(type) {
	case nil:
	case *ObjectName:
		p.name(n)
	case *Option:
		p.option(n)
	case *TypeName:
		p.typeName(n)
	case Expr:
		p.expr(n)
	case TableExpr:
		p.table(n)
	case *SelectStmt:
		p.selectStmt(n)
	case SelectBody:
		p.body(n)
	case Stmt:
		p.stmt(n)
	case AlterAction:
		p.alterAction(n)
	default:
		p.part(n)
	}
}

// part prints the nodes that only stand inside others.
func (p *printer) part(n Node) {
	switch n := n.(type) {
	case *When:
		p.when(n)
	case *WindowSpec:
		p.window(n)
	case *Frame:
		p.frame(n)
	case *FrameBound:
		p.bound(n)
	case *Target:
		p.target(n)
	case *With:
		p.with(n)
	case *CTE:
		p.cte(n)
	case *SortItem:
		p.sortItem(n)
	case *OperatorName:
		p.operatorName(n)
	case *Locking:
		p.locking(n)
	case *AsOf:
		p.asOf(n)
	case *Alias:
		p.alias(n)
	case *TableSample:
		p.sample(n)
	case *TableFunc:
		p.tableFunc(n)
	case *ColumnDef:
		p.columnDef(n)
	case *Constraint:
		p.constraint(n)
	case *References:
		p.references(n)
	case *Watermark:
		p.watermark(n)
	case *Include:
		p.include(n)
	case *TableLike:
		p.tableLike(n)
	case *IndexItem:
		p.indexItem(n)
	case *AssignTarget:
		p.assignTarget(n)
	case *OnConflict:
		p.onConflict(n)
	case *SetClause:
		p.setClause(n)
	case *Into:
		p.into(n)
	case *SearchClause:
		p.search(n)
	case *CycleClause:
		p.cycle(n)
	}
}

// option prints k = v.
func (p *printer) option(o *Option) {
	p.optionName(o.Name)
	if o.Value != nil {
		p.s(" = ")
		p.optionValue(o.Value)
	}
	if o.On != "" {
		p.s(" ON ")
		p.ident(o.On)
	}
}

// optionValue prints a value. A bare word stands for its text, and "secret"
// begins the name of one, so such expressions stand in parentheses.
func (p *printer) optionValue(v Expr) {
	switch v.(type) {
	case *SQLValueFunction, *DefaultExpr, *ColumnRef:
		p.parens(v)
		return
	}
	if c, ok := firstOperand(v).(*ColumnRef); ok && c.Name == "secret" {
		p.parens(v)
		return
	}
	p.expr(v)
}

// label prints an alias behind AS; "AS of" would begin AS OF.
func (p *printer) label(name string) {
	if name == "of" {
		p.s(`"of"`)
		return
	}
	p.ident(name)
}

// optionName prints the name of an option: words with dots, any keyword among
// them, or else a string.
func (p *printer) optionName(name string) {
	words := strings.Split(name, ".")
	if len(words) > maxOptionWords || !all(words, bareIdent) {
		p.literal(name)
		return
	}
	p.s(name)
}

// maxOptionWords bounds the bare name of an option, as the parser does.
const maxOptionWords = 16

func all(words []string, holds func(string) bool) bool {
	for _, w := range words {
		if !holds(w) {
			return false
		}
	}
	return true
}

// options prints (k = v, ...) behind a text, nothing for nil.
func (p *printer) options(before string, options []*Option) {
	if options == nil {
		return
	}
	p.s(before)
	p.s("(")
	list(p, options, p.option)
	p.s(")")
}

// isRestrictedWord reports whether a word is a keyword that PostgreSQL does
// not take as a name everywhere.
func isRestrictedWord(word string) bool {
	switch word {
	case "between", "bigint", "bit", "boolean", "char", "character", "coalesce", "dec", "decimal", "exists",
		"extract", "float", "greatest", "grouping", "inout", "int", "integer", "interval", "least", "national",
		"nchar", "none", "normalize", "nullif", "numeric", "out", "overlay", "position", "precision", "real", "row",
		"setof", "smallint", "substring", "time", "timestamp", "treat", "trim", "values", "varchar", "xmlattributes",
		"xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
		"xmlserialize", "xmltable",
		"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
		"collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role",
		"current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do",
		"else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in",
		"initially", "intersect", "into", "lateral", "leading", "limit", "localtime", "localtimestamp", "not",
		"null", "offset", "on", "only", "or", "order", "placing", "primary", "references", "returning", "select",
		"session_user", "some", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "user",
		"using", "variadic", "when", "where", "window", "with":
		return true
	}
	return isFunctionWord(word)
}

// isFunctionWord reports whether a word is a keyword that may name functions
// and types only.
func isFunctionWord(word string) bool {
	switch word {
	case "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full", "ilike",
		"inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps", "right", "similar",
		"tablesample", "verbose":
		return true
	}
	return false
}
