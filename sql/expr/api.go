package expr

// What the package offers (each in a file of its own):
//
// Tables and resolution (for the binder, pg_proc, docs):
//
//	type Function struct { Name string; Args []types.Type; Variadic bool; Ret types.Type; Strict bool; Volatility Volatility; ... kernel }
//	func (f *Function) Signature() string                          // "int4pl(int4,int4)"
//	Lookup(signature string) (*Function, bool)
//	Functions() iterator over all, in a stable order
//	ResolveFunction(name string, args []types.Type) (f *Function, argTypes []types.Type, err error)
//	    // PostgreSQL chapter 10.3; Unknown = untyped literal; 42883 with PostgreSQL's text and hint, 42725; argTypes: what to coerce the arguments to
//	ResolveOperator(op string, left, right types.Type) (f, argTypes, err)   // left 0 for a prefix operator; chapter 10.2
//	Coerce(e *Expr, to types.Type, ctx CoercionContext) (*Expr, error)      // Implicit, Assignment, Explicit; folds Unknown literals through types.ParseText; 42804, 42846
//	CommonType(ts []types.Type, what string) (types.Type, error)            // UNION, CASE and related constructs, chapter 10.5
//	Comparable(op string, a, b *Expr) (*Expr, error)                        // builds a op b with coercions: =, <>, <, <=, >, >=
//
// Evaluation:
//
//	Compile(es []*Expr, input []types.Type) (*Program, error)      // constants folded, common subexpressions shared
//	(*Program).Eval(b *zset.Batch) (*Result, error)
//	    // Result.Cols[i] are vectors of b.N physical rows, valid at the selected rows;
//	    // column references share the input's vectors; the result is owned by the
//	    // caller when copied out, else valid until the next Eval
//	    // Result.Err: nil, or marks failed physical rows with their *sqlerr.Error (first failure by expression order)
//	CompileFilter(e *Expr, input []types.Type) (*Filter, error)
//	(*Filter).Select(b *zset.Batch) (sel []int32, errs *Errors, err error)  // rows for which e is true
//	EvalConst(e *Expr, env *Env) (types.Datum, error)              // no column references
//	Env: TimeZone, DateStyle, IntervalStyle, Now (statement or epoch time), session values; compile-time argument
//
// Trees:
//
//	(*Expr).String() prints SQL-like text for EXPLAIN; Walk, Transform, ShiftColumns/RemapColumns, Equal, Columns (set used), IsConst, Volatility(e)
