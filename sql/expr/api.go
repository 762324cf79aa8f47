package expr

// What the package offers:
//
// Tables and resolution (for the binder, pg_proc, docs): Function, Operator and
// Cast; Lookup, Functions, Operators, Casts, HasFunction, FindCast;
// ResolveFunction (chapter 10.3 of PostgreSQL's documentation), ResolveOperator
// (10.2), CommonType (10.5), CanCoerce.
//
// Building: Column, Constant; Coerce and CoerceIn; NewOperator, NewFunctionCall,
// NewCall, Comparable. The functions that take an Env read literals in that
// session; Coerce leaves literals that depend on settings as calls.
//
// Binding to a session: Freeze makes an expression independent of it. A view
// stores frozen expressions.
//
// Evaluation: Compile and Program.Eval, CompileFilter and Filter.Select; the
// variants CompileIn and CompileFilterIn for expressions that are not frozen;
// EvalConst. Errors marks the rows that failed.
//
// Trees: Walk, Transform, Columns, RemapColumns, ShiftColumns,
// SubstituteParams, Conjuncts, Equal, (*Expr).IsConst, ExprVolatility,
// (*Expr).String and Format.
//
// Functions that SQL has no name for are found by signature:
//
//	current_date() current_timestamp() localtime() localtimestamp()
//	current_user() session_user() user() current_role() current_catalog()
//	array_get(anyarray,int4)         subscript
//	make_array(any...)               ARRAY[...]; the call's type is the array's
//	any_eq(anyelement,anyarray)      x = ANY (array); any_ne, any_lt, ..., all_eq, ...
//	similar_to_escape(text[,text])   x SIMILAR TO p is x ~ similar_to_escape(p)
//	like_escape(text,text)           x LIKE p ESCAPE e is x ~~ like_escape(p, e)
//	timezone(text,timestamp)         x AT TIME ZONE z is timezone(z, x)
//	position(text,text)              position(b IN a) is position(a, b)
