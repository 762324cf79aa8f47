package expr

import (
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// TestClockComparison solves comparisons and holds the bound against the
// comparison itself, at the moments around the one where it changes.
func TestClockComparison(t *testing.T) {
	cols := []types.Type{types.Timestamptz, types.Timestamp, types.Date}
	row := []types.Datum{
		must(types.ParseText(types.Timestamptz, []byte("2024-03-31 00:30:00.5+00"), nil)),
		must(types.ParseText(types.Timestamp, []byte("2024-02-29 23:59:59"), nil)),
		must(types.ParseText(types.Date, []byte("2024-10-27"), nil)),
	}
	berlin := &Env{}
	berlin.Settings.TimeZone = must(types.LoadZone("Europe/Berlin"))
	for _, src := range []string{
		"c0 > now()", "c0 >= now()", "c0 < now()", "now() >= c0", "now() + interval '1 hour' < c0",
		"c0 > now() - interval '26:00'", "c0 + interval '1 month' > now()", "c1 <= now()", "c2 > now()", "now() < c1 + interval '1 day'",
		"c0 < interval '90 min' + now()", "now() - c0 < interval '1 mon 2 days 03:00'", "c0 - now() > interval '-1 day'",
		"c1 > timezone('UTC', now()) - interval '1 day'", "c0 >= timezone('UTC', timezone('UTC', now()))", "c1 < timezone('+03', now())",
		"c0 > statement_timestamp()",
	} {
		for _, env := range []*Env{nil, berlin} {
			e := must(Freeze(must(parseSQL(src, cols, env)), env, true))
			bound, err := ClockComparison(e)
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			value := must(EvalConst(withRow(bound.Value, row), nil)).Int + bound.Shift
			for _, at := range []int64{value - 2, value - 1, value, value + 1, value + 1e12, value - 1e12} {
				got := at >= value
				if bound.Until {
					got = at < value
				}
				clock := &Env{Now: time.UnixMicro(at + epochMicros)}
				if env != nil {
					clock.Settings = env.Settings
				}
				want := must(EvalConst(withRow(must(Freeze(must(parseSQL(src, cols, clock)), clock, false)), row), clock)).Bool
				if got != want {
					t.Errorf("%s in %v at %d: %v, the comparison is %v", src, env.zone(), at, got, want)
				}
			}
		}
	}
}

func withRow(e *Expr, row []types.Datum) *Expr {
	return Transform(e, func(e *Expr) *Expr {
		if e.Op == OpColumn {
			return Constant(e.Type, row[e.Col])
		}
		return e
	})
}

func TestClockRefusals(t *testing.T) {
	cols := []types.Type{types.Timestamptz, types.Timestamp, types.Interval}
	berlin := &Env{}
	berlin.Settings.TimeZone = must(types.LoadZone("Europe/Berlin"))
	for _, c := range []struct {
		src string
		env *Env
	}{
		{"c0 = now()", nil}, {"c0 <> now()", nil}, {"now() < now()", nil}, {"c0 > now() - interval '1 month'", nil},
		{"c0 > now() - c2", nil}, {"c0 > date_trunc('day', now())", nil}, {"now()::text < 'x'", nil}, {"c0 > now() - interval '1 day'", berlin},
		{"c1 > timezone('Europe/Berlin', now())", nil}, {"now() - c0 < c2", nil}, {"now() IS NULL", nil},
	} {
		e := must(Freeze(must(parseSQL(c.src, cols, c.env)), c.env, true))
		if _, err := ClockComparison(e); sqlerr.Code(err) != sqlerr.FeatureNotSupported {
			t.Errorf("%s: %v", c.src, err)
		}
	}
}
