package main

import (
	"strings"
	"testing"
)

func TestRatios(t *testing.T) {
	in := `{"system":"streamdb","query":"q1","events":100,"cpu_us_per_event":9,"events_per_s":1,"run":1}
{"system":"streamdb","query":"q1","events":100,"cpu_us_per_event":2,"events_per_s":50,"median":true}
{"system":"flink","events":100,"job_cpu_ms":9,"net_ms":9,"query":"q1","nth":1}
{"system":"flink","events":100,"job_cpu_ms":1,"net_ms":1000,"query":"q1","nth":3}
{"system":"kstreams","query":"q1","events":100,"read":92,"second_half_events":46,"second_half_cpu_ms":1,"work_ms":2000}
`
	want := `query    system     CPU us/event     events/s    times
q1       streamdb           2.00           50      1.0
q1       flink             10.00          100      5.0
q1       kstreams          20.00           50     10.0
`
	var out strings.Builder
	if err := run(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	for _, bad := range []string{"no json\n", `{"system":"flink","events":100,"query":"q1","nth":3}` + "\n"} {
		if err := run(strings.NewReader(bad), &out); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
