package operator

import (
	"testing"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// windowSpecs are windows of small integers of microseconds.
func windowSpecs() map[string]*WindowSpec {
	in := []types.Type{types.Int4, types.Timestamp}
	micros := func(n int64) types.IntervalValue { return types.IntervalValue{Micros: n} }
	return map[string]*WindowSpec{
		"tumble":   {Input: in, Time: 1, Step: micros(3), Steps: 1, Origin: 1},
		"hop":      {Input: in, Time: 1, Step: micros(2), Steps: 3, Origin: 0},
		"starts":   {Input: in, Time: 1, Step: micros(3), Steps: 2, Origin: 0, NoEnd: true},
		"cumulate": {Input: in, Time: 1, Step: micros(2), Steps: 3, Cumulate: true, Origin: -1},
	}
}

// naiveWindows tries every window around a row.
func naiveWindows(spec *WindowSpec, in relation) (rows, errs relation) {
	rows, errs = relation{}, relation{}
	for row, n := range in {
		ds := datums(spec.Input, row)
		if ds[1].Null {
			continue
		}
		for i := int64(-2000); i < 2000; i++ {
			start := spec.Origin + i*spec.Step.Micros
			ends := []int64{start + spec.Steps*spec.Step.Micros}
			if spec.Cumulate {
				if i%spec.Steps != 0 {
					continue
				}
				ends = nil
				for k := range spec.Steps {
					ends = append(ends, start+(k+1)*spec.Step.Micros)
				}
			}
			for _, end := range ends {
				if start <= ds[1].Int && ds[1].Int < end {
					bounds := []types.Datum{{Int: start}, {Int: end}}[:len(spec.Output())-2]
					rows.add(zset.AppendRowDatums(nil, spec.Output(), append(ds[:2:2], bounds...)), n)
				}
			}
		}
	}
	return rows, errs
}

func TestWindowLaw(t *testing.T) {
	for name, spec := range windowSpecs() {
		l := &law{
			name:   name,
			seeds:  25,
			inputs: [][]types.Type{spec.Input},
			make:   func() (Operator, error) { return NewWindow(spec) },
			naive:  func(in []relation) (rows, errs relation) { return naiveWindows(spec, in[0]) },
		}
		l.run(t, spec.Output())
	}
}

// TestWindowBounds: windows on the calendar, in time zones, and at the end of time.
func TestWindowBounds(t *testing.T) {
	for _, c := range []struct {
		step, zone, time, windows string
		steps                     int64
		cumulate                  bool
	}{
		{step: "1 mon", steps: 1, time: "2024-02-29 12:00", windows: "2024-02-01 00:00:00 2024-03-01 00:00:00"},
		{step: "3 mons", steps: 1, time: "1969-12-31 23:59", windows: "1969-10-01 00:00:00 1970-01-01 00:00:00"},
		{step: "1 mon", steps: 2, time: "2024-02-29 12:00", windows: "2024-01-01 00:00:00 2024-03-01 00:00:00, 2024-02-01 00:00:00 2024-04-01 00:00:00"},
		{step: "1 day", steps: 3, cumulate: true, time: "1970-01-02 12:00", windows: "1970-01-01 00:00:00 1970-01-03 00:00:00, 1970-01-01 00:00:00 1970-01-04 00:00:00"},
		// Days of 23 and of 25 hours.
		{step: "1 day", steps: 1, zone: "Europe/Berlin", time: "2024-03-31 12:00+00", windows: "2024-03-30 23:00:00+00 2024-03-31 22:00:00+00"},
		{step: "1 day", steps: 1, zone: "Europe/Berlin", time: "2024-10-27 22:59+00", windows: "2024-10-26 22:00:00+00 2024-10-27 23:00:00+00"},
		{step: "1 day", steps: 1, zone: "Europe/Berlin", time: "2024-10-27 23:00+00", windows: "2024-10-27 23:00:00+00 2024-10-28 23:00:00+00"},
		// A day that begins at one o'clock, since midnight is skipped, and one whose midnight comes twice.
		{step: "1 day", steps: 1, zone: "America/Sao_Paulo", time: "2018-11-04 03:00+00", windows: "2018-11-04 03:00:00+00 2018-11-05 02:00:00+00"},
		{step: "1 day", steps: 1, zone: "America/Havana", time: "2023-11-05 04:30+00", windows: "2023-11-04 04:00:00+00 2023-11-05 05:00:00+00"},
		{step: "1 mon", steps: 1, zone: "Asia/Tokyo", time: "2024-02-29 15:30+00", windows: "2024-02-29 15:00:00+00 2024-03-31 15:00:00+00"},
		{step: "1 hour", steps: 1, time: "infinity", windows: ""},
		{step: "1000 years", steps: 9000, time: "2024-01-01", windows: "22008"},
		{step: "300000 years", steps: 1, time: "2024-01-01", windows: "22008"},
	} {
		t.Run(c.step+" "+c.time, func(t *testing.T) {
			typ := types.Timestamp
			if c.zone != "" {
				typ = types.Timestamptz
			}
			step, err := types.ParseInterval([]byte(c.step), -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			spec := &WindowSpec{Input: []types.Type{typ}, Step: step, Steps: c.steps, Cumulate: c.cumulate, Zone: c.zone, Origin: types.UnixEpochMicros}
			if got := windowsOf(t, spec, c.time); got != c.windows {
				t.Errorf("got  %s\nwant %s", got, c.windows)
			}
		})
	}
}

// windowsOf returns the windows of a moment, or the SQLSTATE.
func windowsOf(t *testing.T, spec *WindowSpec, moment string) (text string) {
	w, err := NewWindow(spec)
	if err != nil {
		t.Fatal(err)
	}
	d, err := types.ParseText(spec.Input[0], []byte(moment), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := zset.NewBatch(spec.Input, 1)
	b.AppendDatums([]types.Datum{d}, 1)
	var out Output
	if err := w.Apply([]Delta{{b}}, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	for _, e := range out.Errors {
		return string(e.Cols[5].Bytes(0))
	}
	for _, rows := range out.Rows {
		for r := range rows.N {
			if text != "" {
				text += ", "
			}
			for c := 1; c <= 2; c++ {
				text += string(types.AppendText(nil, spec.Input[0], rows.Cols[c].Datum(r), nil)) + map[int]string{1: " "}[c]
			}
		}
	}
	return text
}
