package expr

import (
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// candidate is a function or operator that may be meant by a call, its
// arguments expanded to their number in the call.
type candidate struct {
	f    *Function
	args []types.Type
}

// ResolveFunction chooses the function that a call by name means, as in
// chapter 10.3 of PostgreSQL's documentation, and the types to which the
// arguments are to be coerced. Unknown stands for untyped literals and
// parameters. It fails with 42883 or 42725.
func ResolveFunction(name string, args []types.Type) (f *Function, argTypes []types.Type, err error) {
	args = bases(args)
	var cands []candidate
	for _, f := range loadTables().byName[name] {
		if f.Internal {
			continue
		}
		if c, ok := expand(f, len(args)); ok {
			cands = append(cands, c)
		}
	}
	best, ambiguous := choose(cands, args)
	switch {
	case ambiguous:
		return nil, nil, sqlerr.New(sqlerr.AmbiguousFunction, "function %s is not unique", callText(name, args)).
			WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
	case best == nil:
		return nil, nil, sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", callText(name, args)).
			WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
	}
	argTypes, err = actualTypes(best, args)
	return best.f, argTypes, err
}

func bases(ts []types.Type) []types.Type {
	out := make([]types.Type, len(ts))
	for i, t := range ts {
		out[i] = t.Base()
	}
	return out
}

func callText(name string, args []types.Type) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.Base().String()
	}
	return name + "(" + strings.Join(parts, ", ") + ")"
}

// expand fits a function to a number of arguments; a variadic argument needs at
// least one value, except for functions that PostgreSQL declares without, too.
func expand(f *Function, n int) (candidate, bool) {
	if !f.Variadic {
		return candidate{f, f.Args}, len(f.Args) == n
	}
	fixed := len(f.Args) - 1
	if n < fixed || n == fixed && !f.emptyVariadic {
		return candidate{}, false
	}
	args := append([]types.Type(nil), f.Args[:fixed]...)
	for len(args) < n {
		args = append(args, f.Args[fixed])
	}
	return candidate{f, args}, true
}

// ResolveOperator chooses the operator that is meant, as in chapter 10.2; left
// is 0 for prefix operators. It fails with 42883 or 42725.
func ResolveOperator(op string, left, right types.Type) (f *Function, argTypes []types.Type, err error) {
	name := op
	if name == "!=" {
		name = "<>"
	}
	args := []types.Type{left.Base(), right.Base()}
	if left == 0 {
		args = args[1:]
	}
	var cands []candidate
	for _, o := range loadTables().byOp[name] {
		if len(o.Func.Args) == len(args) {
			cands = append(cands, candidate{o.Func, o.Func.Args})
		}
	}
	best := exactOperator(cands, args)
	ambiguous := false
	if best == nil {
		best, ambiguous = choose(cands, args)
	}
	switch {
	case ambiguous:
		return nil, nil, sqlerr.New(sqlerr.AmbiguousFunction, "operator is not unique: %s", operatorText(op, args)).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")
	case best == nil:
		return nil, nil, sqlerr.New(sqlerr.UndefinedFunction, "operator does not exist: %s", operatorText(op, args)).
			WithHint("No operator matches the given name and argument types. You might need to add explicit type casts.")
	}
	argTypes, err = actualTypes(best, args)
	return best.f, argTypes, err
}

func operatorText(op string, args []types.Type) string {
	if len(args) == 1 {
		return op + " " + args[0].String()
	}
	return args[0].String() + " " + op + " " + args[1].String()
}

// exactOperator looks for an operator of exactly these types; an untyped side
// counts as the other side's type.
func exactOperator(cands []candidate, args []types.Type) *candidate {
	if len(args) == 2 {
		switch {
		case args[0] == types.Unknown:
			args = []types.Type{args[1], args[1]}
		case args[1] == types.Unknown:
			args = []types.Type{args[0], args[0]}
		}
	}
	return exactMatch(cands, args)
}

func exactMatch(cands []candidate, args []types.Type) *candidate {
next:
	for i := range cands {
		for j, a := range args {
			if cands[i].args[j] != a {
				continue next
			}
		}
		return &cands[i]
	}
	return nil
}

// choose picks the best candidate by PostgreSQL's rules; nil without ambiguous
// means that none fits.
func choose(cands []candidate, args []types.Type) (best *candidate, ambiguous bool) {
	if c := exactMatch(cands, args); c != nil {
		return c, false
	}
	cands = keep(cands, func(c candidate) bool { return fits(c, args) })
	if len(cands) == 0 {
		return nil, false
	}
	cands = keepBest(cands, func(c candidate) int { return exactCount(c, args) })
	if len(cands) > 1 {
		cands = keepBest(cands, func(c candidate) int { return exactOrPreferredCount(c, args) })
	}
	if len(cands) > 1 {
		cands = chooseByCategory(cands, args)
	}
	if len(cands) > 1 {
		cands = chooseByKnownType(cands, args)
	}
	if len(cands) != 1 {
		return nil, true
	}
	return &cands[0], false
}

func keep(cands []candidate, ok func(candidate) bool) []candidate {
	var out []candidate
	for _, c := range cands {
		if ok(c) {
			out = append(out, c)
		}
	}
	return out
}

func keepBest(cands []candidate, score func(candidate) int) []candidate {
	best := -1
	for _, c := range cands {
		best = max(best, score(c))
	}
	return keep(cands, func(c candidate) bool { return score(c) == best })
}

// fits says whether all arguments can be coerced implicitly and agree where
// pseudo-types must.
func fits(c candidate, args []types.Type) bool {
	var array types.Type
	for i, a := range args {
		if !CanCoerce(a, c.args[i], Implicit) {
			return false
		}
		if c.args[i] == AnyArray && a != types.Unknown {
			if array != 0 && array != a {
				return false
			}
			array = a
		}
	}
	for i, a := range args {
		if c.args[i] == AnyElement && array != 0 && a != types.Unknown && a != array.Elem() {
			return false
		}
	}
	return true
}

func exactCount(c candidate, args []types.Type) (n int) {
	for i, a := range args {
		if a != types.Unknown && c.args[i] == a {
			n++
		}
	}
	return n
}

func exactOrPreferredCount(c candidate, args []types.Type) (n int) {
	for i, a := range args {
		if a != types.Unknown && (c.args[i] == a || isPreferredIn(c.args[i], a.Category())) {
			n++
		}
	}
	return n
}

func isPreferredIn(t types.Type, category byte) bool {
	return !isPseudo(t) && t.Category() == category && t.Preferred()
}

// chooseByCategory decides by what the candidates accept for untyped arguments:
// strings if any does, else the category that all agree on.
func chooseByCategory(cands []candidate, args []types.Type) []candidate {
	category := make([]byte, len(args))
	preferred := make([]bool, len(args))
	unknown := false
	for i, a := range args {
		if a != types.Unknown {
			continue
		}
		unknown = true
		agreed := true
		for j, c := range cands {
			k := categoryOf(c.args[i])
			switch {
			case j == 0:
				category[i], preferred[i] = k, isPreferredIn(c.args[i], k)
			case k == category[i]:
				preferred[i] = preferred[i] || isPreferredIn(c.args[i], k)
			case k == 'S':
				category[i], preferred[i], agreed = k, isPreferredIn(c.args[i], k), true
			case category[i] != 'S':
				agreed = false
			}
		}
		if !agreed {
			return cands
		}
	}
	if !unknown {
		return cands
	}
	left := keep(cands, func(c candidate) bool {
		for i, a := range args {
			if a != types.Unknown {
				continue
			}
			if categoryOf(c.args[i]) != category[i] || preferred[i] && !isPreferredIn(c.args[i], category[i]) {
				return false
			}
		}
		return true
	})
	if len(left) == 0 {
		return cands
	}
	return left
}

func categoryOf(t types.Type) byte {
	if isPseudo(t) {
		return 'P'
	}
	return t.Category()
}

// chooseByKnownType assumes that untyped arguments have the type of the others,
// if these have one type.
func chooseByKnownType(cands []candidate, args []types.Type) []candidate {
	known := types.Unknown
	for _, a := range args {
		switch {
		case a == types.Unknown || a == known:
		case known == types.Unknown:
			known = a
		default:
			return cands
		}
	}
	if known == types.Unknown {
		return cands
	}
	left := keep(cands, func(c candidate) bool {
		for i, a := range args {
			if a == types.Unknown && !CanCoerce(known, c.args[i], Implicit) {
				return false
			}
		}
		return true
	})
	if len(left) == 1 {
		return left
	}
	return cands
}

// actualTypes replaces pseudo-types by what the arguments are to become.
func actualTypes(c *candidate, args []types.Type) ([]types.Type, error) {
	out := make([]types.Type, len(args))
	var array, element types.Type
	for i, t := range c.args {
		switch {
		case !isPseudo(t):
			out[i] = t
		case args[i] != types.Unknown:
			out[i] = args[i]
			if t == AnyArray || t == AnyCompatibleArray {
				array, element = args[i], args[i].Elem()
			} else if element == 0 {
				element = args[i]
			}
		}
	}
	for i, t := range c.args {
		if out[i] != 0 {
			continue
		}
		switch {
		case t == Any || t == AnyNonArray:
			out[i] = types.Text
		case (t == AnyArray || t == AnyCompatibleArray) && array != 0:
			out[i] = array
		case (t == AnyElement || t == AnyCompatible) && element != 0:
			out[i] = element
		case t == AnyCompatible:
			out[i] = types.Text
		default:
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "could not determine polymorphic type because input has type unknown")
		}
	}
	return out, nil
}

// ResultType returns what the function returns for arguments of the given
// types, those that ResolveFunction chose.
func (f *Function) ResultType(argTypes []types.Type) types.Type {
	if !isPseudo(f.Ret) {
		return f.Ret
	}
	for i, t := range f.Args {
		if i >= len(argTypes) {
			break
		}
		a := argTypes[i].Base()
		switch {
		case t == f.Ret:
			return a
		case (f.Ret == AnyElement || f.Ret == AnyCompatible) && a.IsArray():
			return a.Elem()
		}
	}
	return f.Ret
}

// CommonType returns the type that UNION, CASE, COALESCE, GREATEST and their
// kin give their arms, as in chapter 10.5; what names the construct in the
// error (42804). Untyped arms alone give text.
func CommonType(ts []types.Type, what string) (types.Type, error) {
	if len(ts) == 0 {
		return types.Text, nil
	}
	same := ts[0] != types.Unknown
	for _, t := range ts[1:] {
		same = same && t == ts[0]
	}
	if same {
		return ts[0], nil
	}
	best := types.Unknown
	for _, t := range ts {
		t = t.Base()
		switch {
		case t == types.Unknown || t == best:
		case best == types.Unknown:
			best = t
		case t.Category() != best.Category():
			return 0, sqlerr.New(sqlerr.DatatypeMismatch, "%s types %s and %s cannot be matched", what, best, t)
		case !best.Preferred() && CanCoerce(best, t, Implicit) && !CanCoerce(t, best, Implicit):
			best = t
		}
	}
	if best == types.Unknown {
		return types.Text, nil
	}
	return best, nil
}
