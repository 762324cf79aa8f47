package expr

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/streamdb/streamdb/sql/types"
)

// Volatility says on what a function's result depends beside its arguments.
type Volatility uint8

// The classes of PostgreSQL.
const (
	Immutable Volatility = iota
	Stable               // constant within a statement or epoch
	Volatile
)

// String returns PostgreSQL's word.
func (v Volatility) String() string { return [...]string{"immutable", "stable", "volatile"}[v] }

// Pseudo-types of arguments; no value has one.
const (
	Any                types.Type = 2276
	AnyArray           types.Type = 2277
	AnyElement         types.Type = 2283
	AnyNonArray        types.Type = 2776
	AnyCompatible      types.Type = 5077
	AnyCompatibleArray types.Type = 5078
)

// Function is one function of the table; operators and casts call functions.
type Function struct {
	Name          string // pg_proc.proname
	Args          []types.Type
	Variadic      bool // the last argument may be repeated or left out
	Ret           types.Type
	Strict        bool // NULL for any NULL argument
	Volatility    Volatility
	emptyVariadic bool // may be called without the variadic argument
	Internal      bool // not to be called by name: casts and operators of our own

	sig      string
	nullable bool      // a strict function that may return NULL, or one that is not strict
	settings bool      // depends on TimeZone, DateStyle, IntervalStyle or float digits
	session  bool      // depends on the session or the clock, has no arguments
	clock    bool      // now() and its kin
	relabel  bool      // a cast that changes nothing but the type
	compare  compareOp // which comparison it is
	mixed    bool      // a comparison of two types whose values differ in meaning
	rawBytes bool      // a comparison of the bytes themselves
	make     maker
}

// Signature returns the name that expressions use, "int4pl(int4,int4)".
func (f *Function) Signature() string { return f.sig }

// Operator is one operator of the table.
type Operator struct {
	Name        string
	Left, Right types.Type // Left is 0 for a prefix operator
	Func        *Function
}

// Ret returns the type of the operator's result.
func (o *Operator) Ret() types.Type { return o.Func.Ret }

// CoercionContext says how much a cast may take for granted.
type CoercionContext uint8

// The contexts of PostgreSQL's chapter 10 and pg_cast.castcontext.
const (
	Implicit CoercionContext = iota
	Assignment
	Explicit
)

// Cast is one entry of pg_cast: Func is nil for casts by relabelling.
type Cast struct {
	From, To types.Type
	Func     *Function
	Context  CoercionContext
}

type castKey struct{ from, to types.Type }

type tables struct {
	functions []*Function // in order of registration
	bySig     map[string]*Function
	byName    map[string][]*Function
	operators []*Operator
	byOp      map[string][]*Operator
	opName    map[*Function]string
	casts     map[castKey]*Cast
	castList  []*Cast
}

// loadTables builds the tables at first use. They are never written afterwards.
var loadTables = sync.OnceValue(func() *tables {
	t := &tables{
		bySig:  map[string]*Function{},
		byName: map[string][]*Function{},
		byOp:   map[string][]*Operator{},
		opName: map[*Function]string{},
		casts:  map[castKey]*Cast{},
	}
	t.addBool()
	t.addInt()
	t.addFloat()
	t.addNumeric()
	t.addText()
	t.addBytea()
	t.addDateTime()
	t.addInterval()
	t.addExtract()
	t.addToChar()
	t.addToTime()
	t.addPattern()
	t.addJSON()
	t.addArray()
	t.addMisc()
	t.addCatalog()
	t.addCasts()
	return t
})

// Lookup returns the function with a signature.
func Lookup(signature string) (*Function, bool) {
	f, ok := loadTables().bySig[signature]
	return f, ok
}

// Functions iterates over all functions in a stable order.
func Functions() iter.Seq[*Function] { return slices.Values(loadTables().functions) }

// Operators iterates over all operators in a stable order.
func Operators() iter.Seq[*Operator] { return slices.Values(loadTables().operators) }

// Casts iterates over all casts but those by text in a stable order.
func Casts() iter.Seq[*Cast] { return slices.Values(loadTables().castList) }

// HasFunction says whether any function has the name.
func HasFunction(name string) bool {
	for _, f := range loadTables().byName[name] {
		if !f.Internal {
			return true
		}
	}
	return false
}

// option changes a function that is being registered.
type option func(*Function)

func nullable(f *Function)      { f.nullable = true }
func usesSettings(f *Function)  { f.settings, f.Volatility = true, Stable }
func isVolatile(f *Function)    { f.Volatility = Volatile }
func ofSession(f *Function)     { f.session, f.Volatility = true, Stable }
func ofClock(f *Function)       { f.session, f.clock, f.Volatility = true, true, Stable }
func usesClock(f *Function)     { f.clock = true }
func notStrict(f *Function)     { f.Strict = false }
func internal(f *Function)      { f.Internal = true }
func relabelling(f *Function)   { f.relabel = true }
func alwaysNotNull(f *Function) { f.Strict, f.nullable = false, false }

// fn registers "name(arg,arg) result"; a last argument of "type..." is
// variadic. Types have their names of pg_type.
func (t *tables) fn(def string, m maker, opts ...option) *Function {
	open, end := strings.IndexByte(def, '('), strings.LastIndexByte(def, ')')
	f := &Function{Name: def[:open], Strict: true, Ret: mustType(strings.TrimSpace(def[end+1:])), make: m}
	if list := def[open+1 : end]; list != "" {
		for name := range strings.SplitSeq(list, ",") {
			name, f.Variadic = strings.CutSuffix(strings.TrimSpace(name), "...")
			f.Args = append(f.Args, mustType(name))
		}
	}
	for _, o := range opts {
		o(f)
	}
	f.sig = strings.ReplaceAll(def[:end+1], " ", "")
	if _, dup := t.bySig[f.sig]; dup {
		panic(fmt.Sprintf("expr: function %s is registered twice", f.sig))
	}
	t.bySig[f.sig] = f
	t.byName[f.Name] = append(t.byName[f.Name], f)
	t.functions = append(t.functions, f)
	return f
}

// alias registers another name of a function.
func (t *tables) alias(name string, f *Function) {
	c := *f
	c.Name, c.sig = name, name+f.sig[strings.IndexByte(f.sig, '('):]
	if _, dup := t.bySig[c.sig]; dup {
		panic(fmt.Sprintf("expr: function %s is registered twice", c.sig))
	}
	t.bySig[c.sig] = &c
	t.byName[name] = append(t.byName[name], &c)
	t.functions = append(t.functions, &c)
}

// op makes a function of one or two arguments an operator.
func (t *tables) op(name string, f *Function) *Function {
	o := &Operator{Name: name, Right: f.Args[len(f.Args)-1], Func: f}
	if len(f.Args) == 2 {
		o.Left = f.Args[0]
	}
	t.operators = append(t.operators, o)
	t.byOp[name] = append(t.byOp[name], o)
	t.opName[f] = name
	return f
}

// cast registers a cast by a function, or by relabelling if f is nil.
func (t *tables) cast(from, to types.Type, ctx CoercionContext, f *Function) {
	c := &Cast{From: from, To: to, Func: f, Context: ctx}
	t.casts[castKey{from, to}] = c
	t.castList = append(t.castList, c)
}

func mustType(name string) types.Type {
	t, ok := pseudoType(name)
	if !ok {
		t, ok = types.Lookup(typeAlias(name), nil)
	}
	if !ok {
		panic(fmt.Sprintf("expr: no type %q", name))
	}
	return t.Base()
}

// typeAlias undoes SQL's own meaning of pg_type's names.
func typeAlias(name string) string {
	if name == "char" {
		return `"char"`
	}
	return name
}

func pseudoType(name string) (types.Type, bool) {
	switch name {
	case "any":
		return Any, true
	case "anyarray":
		return AnyArray, true
	case "anyelement":
		return AnyElement, true
	case "anynonarray":
		return AnyNonArray, true
	case "anycompatible":
		return AnyCompatible, true
	case "anycompatiblearray":
		return AnyCompatibleArray, true
	}
	return 0, false
}

// typeName returns pg_type.typname.
func typeName(t types.Type) string {
	for _, name := range []string{"any", "anyarray", "anyelement", "anynonarray", "anycompatible", "anycompatiblearray"} {
		if p, _ := pseudoType(name); p == t {
			return name
		}
	}
	info, ok := t.Info()
	if !ok {
		return "???"
	}
	return info.Name
}
