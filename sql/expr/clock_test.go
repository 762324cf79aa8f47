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
	var rows [][]types.Datum
	for _, text := range [][3]string{
		{"2024-03-31 00:30:00.5+00", "2024-02-29 23:59:59", "2024-10-27"},
		{"2024-04-01 00:00:00+00", "2024-01-01", "2024-01-01"}, // where steps are
		{"2024-03-31 23:59:59.999999+00", "2023-12-31 23:59:59.999999", "2024-02-29"},
		{"2024-07-01 00:00:00.000001+00", "2024-05-06 00:00:00", "2024-05-06"},
	} {
		var row []types.Datum
		for i, s := range text {
			row = append(row, must(types.ParseText(cols[i], []byte(s), nil)))
		}
		rows = append(rows, row)
	}
	berlin := &Env{}
	berlin.Settings.TimeZone = must(types.LoadZone("Europe/Berlin"))
	for _, src := range []string{
		"c0 > now()", "c0 >= now()", "c0 < now()", "now() >= c0", "now() + interval '1 hour' < c0",
		"c0 > now() - interval '26:00'", "c0 + interval '1 month' > now()", "c1 <= now()", "c2 > now()", "now() < c1 + interval '1 day'",
		"c0 < interval '90 min' + now()", "now() - c0 < interval '1 mon 2 days 03:00'", "c0 - now() > interval '-1 day'",
		"c1 > timezone('UTC', now()) - interval '1 day'", "c0 >= timezone('UTC', timezone('UTC', now()))", "c1 < timezone('+03', now())",
		"c0 > statement_timestamp()",
		"c0 >= date_trunc('day', now())", "c0 < date_trunc('hour', now())", "date_trunc('week', now()) <= c1", "c1 > date_trunc('month', now()) - interval '1 month'",
		"c0 = date_trunc('minute', now())", "date_trunc('day', c0) = date_trunc('day', now())", "c1 >= date_trunc('quarter', now()) + interval '1 year'",
		"date_trunc('year', now()) - interval '2 months' < c1", "c2 = now()::date", "c2 >= now()::date - 7", "c2 < 3 + now()::date", "c0 > now()::date", "c1 <= now()::date",
		"c0 >= date_trunc('day', now() - interval '5 hours') + interval '5 hours'", "c1 >= date_trunc('day', timezone('+05', now()))", "c0::date = now()::date",
		"c1 < date_trunc('day', now()) - interval '36 hours'", "c2 > now()::date - interval '1 day'", "c2::timestamp >= (now()::date)::timestamp",
	} {
		for _, env := range []*Env{nil, berlin} {
			e := must(Freeze(must(parseSQL(src, cols, env)), env, true))
			bounds, err := ClockComparison(e)
			if isStep(e) && env != nil && sqlerr.Code(err) == sqlerr.FeatureNotSupported {
				continue // steps of a clock that is set forward and back
			}
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			for _, row := range rows {
				for _, at := range momentsAround(bounds, row) {
					clock := &Env{Now: time.UnixMicro(at + epochMicros)}
					if env != nil {
						clock.Settings = env.Settings
					}
					want := must(EvalConst(withRow(must(Freeze(must(parseSQL(src, cols, clock)), clock, false)), row), clock)).Bool
					if got := within(bounds, row, at); got != want {
						t.Errorf("%s in %v at %v: %v, the comparison is %v", src, env.zone(), clock.Now.UTC(), got, want)
					}
				}
			}
		}
	}
}

// momentsAround are those at which the bounds change, and others.
func momentsAround(bounds []ClockBound, row []types.Datum) (out []int64) {
	for _, b := range bounds {
		value := must(EvalConst(withRow(b.Value, row), nil)).Int + b.Shift
		for _, by := range []int64{-1e14, -1e12, -86400e6, -2, -1, 0, 1, 2, 86400e6, 1e12, 1e14} {
			out = append(out, value+by)
		}
	}
	return out
}

func within(bounds []ClockBound, row []types.Datum, at int64) bool {
	for _, b := range bounds {
		if value := must(EvalConst(withRow(b.Value, row), nil)).Int + b.Shift; b.Until != (at < value) {
			return false
		}
	}
	return true
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
		{"c0 > now() - c2", nil}, {"c0 > date_trunc('day', now())", berlin}, {"c0 > date_trunc('day', now()) - interval '1 month'", nil}, {"c0 <> date_trunc('day', now())", nil},
		{"c0 > date_trunc('decade', now())", nil}, {"c0 > date_trunc('day', now()) - c2", nil}, {"c0 > date_trunc('month', date_trunc('day', now()))", nil}, {"now()::text < 'x'", nil}, {"c0 > now() - interval '1 day'", berlin},
		{"c1 > timezone('Europe/Berlin', now())", nil}, {"now() - c0 < c2", nil}, {"now() IS NULL", nil},
	} {
		e := must(Freeze(must(parseSQL(c.src, cols, c.env)), c.env, true))
		if _, err := ClockComparison(e); sqlerr.Code(err) != sqlerr.FeatureNotSupported {
			t.Errorf("%s: %v", c.src, err)
		}
	}
}
