package expr

import (
	"math"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

func errIntervalRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "interval out of range")
}

func (t *tables) addInterval() {
	t.compare("interval_*", "interval", "interval", threeWay(interval.Cmp))
	t.op("+", t.fn("interval_pl(interval,interval) interval", fn2e(interval.Add)))
	t.op("-", t.fn("interval_mi(interval,interval) interval", fn2e(interval.Sub)))
	t.op("-", t.fn("interval_um(interval) interval", fn1e(interval.Neg)))
	t.op("*", t.fn("interval_mul(interval,float8) interval", fn2e(interval.Mul)))
	t.op("*", t.fn("mul_d_interval(float8,interval) interval", fn2e(swapped(interval.Mul))))
	t.op("/", t.fn("interval_div(interval,float8) interval", fn2e(interval.Div)))
	t.fn("justify_hours(interval) interval", fn1e(interval.JustifyHours))
	t.fn("justify_days(interval) interval", fn1e(interval.JustifyDays))
	t.fn("justify_interval(interval) interval", fn1e(interval.Justify))
	// The arguments of make_interval all have defaults.
	for n := range 8 {
		args := []string{"int4", "int4", "int4", "int4", "int4", "int4", "float8"}[:n]
		t.fn("make_interval("+strings.Join(args, ",")+") interval", fixed(makeInterval))
	}
}

// makeInterval takes years, months, weeks, days, hours, minutes and seconds.
func makeInterval(c *call) func(row int) (interval, error) {
	var whole [6]*reader[int64]
	for i := range min(len(c.args), len(whole)) {
		whole[i] = bound[int64](c, i)
	}
	var sec *reader[float64]
	if len(c.args) == 7 {
		sec = bound[float64](c, 6)
	}
	return func(row int) (interval, error) {
		var p [6]int64
		for i, r := range whole {
			if r != nil {
				p[i] = r.at(row)
			}
		}
		micros := p[4]*types.MicrosPerHour + p[5]*types.MicrosPerMinute
		if sec != nil {
			us := math.RoundToEven(sec.at(row) * 1e6)
			if !(math.Abs(us) < math.MaxInt64/2) {
				return interval{}, errIntervalRange()
			}
			micros += int64(us)
		}
		return types.NewInterval(p[0]*12+p[1], p[2]*7+p[3], micros)
	}
}
