package operator

import (
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// The answers are PostgreSQL's, from \df+ and from calls with these types.
func TestResolveAggregate(t *testing.T) {
	tests := []struct {
		name string
		args []types.Type
		star bool
		want string // signature, or SQLSTATE and message
		ret  types.Type
		arg  types.Type
	}{
		{"count", nil, true, "count(*)", types.Int8, 0},
		{"count", []types.Type{types.JSONB}, false, "count(any)", types.Int8, types.JSONB},
		{"count", []types.Type{types.Unknown}, false, "count(any)", types.Int8, types.Text},
		{"count", nil, false, "42809 count(*) must be used to call a parameterless aggregate function", 0, 0},
		{"count", []types.Type{types.Int4, types.Int4}, false, "42883 function count(integer, integer) does not exist", 0, 0},
		{"sum", []types.Type{types.Int2}, false, "sum(int2)", types.Int8, types.Int2},
		{"sum", []types.Type{types.Int4}, false, "sum(int4)", types.Int8, types.Int4},
		{"sum", []types.Type{types.Int8}, false, "sum(int8)", types.Numeric, types.Int8},
		{"sum", []types.Type{types.Numeric.WithTypmod(10<<16 + 2 + 4)}, false, "sum(numeric)", types.Numeric, types.Numeric.WithTypmod(10<<16 + 2 + 4)},
		{"sum", []types.Type{types.Float4}, false, "sum(float4)", types.Float4, types.Float4},
		{"sum", []types.Type{types.Time}, false, "sum(interval)", types.Interval, types.Interval},
		{"sum", []types.Type{types.Text}, false, "42883 function sum(text) does not exist", 0, 0},
		{"sum", []types.Type{types.Bool}, false, "42883 function sum(boolean) does not exist", 0, 0},
		{"sum", []types.Type{types.Unknown}, false, "42725 function sum(unknown) is not unique", 0, 0},
		{"sum", nil, true, "42883 function sum() does not exist", 0, 0},
		{"avg", []types.Type{types.Float4}, false, "avg(float4)", types.Float8, types.Float4},
		{"avg", []types.Type{types.Int4}, false, "avg(int4)", types.Numeric, types.Int4},
		{"min", []types.Type{types.Varchar}, false, "min(text)", types.Text, types.Text},
		{"min", []types.Type{types.Name}, false, "min(text)", types.Text, types.Text},
		{"max", []types.Type{types.BPChar}, false, "max(bpchar)", types.BPChar, types.BPChar},
		{"max", []types.Type{types.Unknown}, false, "max(text)", types.Text, types.Text},
		{"max", []types.Type{types.Date}, false, "max(date)", types.Date, types.Date},
		{"max", []types.Type{types.Bool}, false, "42883 function max(boolean) does not exist", 0, 0},
		{"bool_and", []types.Type{types.Unknown}, false, "bool_and(bool)", types.Bool, types.Bool},
		{"every", []types.Type{types.Bool}, false, "every(bool)", types.Bool, types.Bool},
		{"bool_or", []types.Type{types.Int4}, false, "42883 function bool_or(integer) does not exist", 0, 0},
		{"median", []types.Type{types.Int4}, false, "42883 function median(integer) does not exist", 0, 0},
	}
	for _, test := range tests {
		f, args, err := ResolveAggregate(test.name, test.args, test.star)
		if err != nil {
			e := sqlerr.From(err)
			if got := e.Code + " " + e.Message; got != test.want {
				t.Errorf("%s%v: %s, want %s", test.name, test.args, got, test.want)
			}
			continue
		}
		if f.Signature() != test.want || f.Ret != test.ret || len(args) != len(test.args) || len(args) == 1 && args[0] != test.arg {
			t.Errorf("%s%v: %s returns %v of %v, want %s, %v, %v", test.name, test.args, f.Signature(), f.Ret, args, test.want, test.ret, test.arg)
		}
	}
}

func TestAggregateSignaturesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for f := range Aggregates() {
		if s := f.Signature(); seen[s] || f.Doc == "" {
			t.Errorf("%s is there twice or has no text", s)
		} else {
			seen[s] = true
		}
	}
}
