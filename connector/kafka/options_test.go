package kafka

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// withList makes a WITH list of "name=value" entries, ten bytes apart.
func withList(entries ...string) []connector.Option {
	var list []connector.Option
	for i, e := range entries {
		name, value, _ := strings.Cut(e, "=")
		list = append(list, connector.Option{Name: name, Value: value, Pos: 10 * (i + 1)})
	}
	return list
}

func optionColumns() []connector.Column {
	return []connector.Column{{Name: "n", Type: types.Int8}, {Name: "at", Type: types.Timestamp}, {Name: "k", Type: types.Bytea, Meta: connector.FromKey}}
}

func TestParseOptions(t *testing.T) {
	o, err := ParseOptions(withList("connector=kafka", "brokers= a:1, b , [::1]:3", "topic=bids.x-1", "format=JSON", "envelope=none", "on_error=redirect",
		"isolation=read_uncommitted", "start=0:5, 2:7", "timestamp_unit=ms, at: s"), optionColumns())
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Brokers: []string{"a:1", "b:9092", "[::1]:3"}, Topic: "bids.x-1", Format: "json", Envelope: "none", ReadUncommitted: true,
		Start: Start{At: StartOffsets, Offsets: map[int32]int64{0: 5, 2: 7}}, TimeUnit: "ms", ColumnUnits: map[string]string{"at": "s"}, Columns: optionColumns()}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("options %+v", o)
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var back Options
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("through JSON: %+v, %v\n%s", back, err, b)
	}
}

func TestParseStart(t *testing.T) {
	for value, want := range map[string]Start{
		"earliest": {}, "LATEST": {At: StartLatest}, "3:4": {At: StartOffsets, Offsets: map[int32]int64{3: 4}},
		"2026-01-02 03:04:05.678+00":  {At: StartTimestamp, Millis: 1767323045678},
		"2026-01-02T04:04:05.6771+01": {At: StartTimestamp, Millis: 1767323045678},
	} {
		o, err := ParseOptions(withList("brokers=a:1", "topic=t", "start="+value), nil)
		if err != nil || !reflect.DeepEqual(o.Start, want) {
			t.Errorf("%s: %+v, %v", value, o.Start, err)
		}
	}
}

func TestOptionMistakes(t *testing.T) {
	cases := []struct {
		list    []string
		code    string
		pos     int
		message string // contained
		hint    string
	}{
		{[]string{"brokers=a:1", "topik=t", "topic=t"}, sqlerr.UndefinedObject, 21, `unrecognized option "topik"`, `"topic"`},
		{[]string{"brokers=a:1", "topic=t", "zzz=1"}, sqlerr.UndefinedObject, 31, `"zzz"`, "The options are"},
		{[]string{"topic=t"}, sqlerr.InvalidParameterValue, 0, `"brokers" is required`, ""},
		{[]string{"brokers=a:1", "topic=t", "topic=u"}, sqlerr.SyntaxError, 31, "given twice", ""},
		{[]string{"brokers=a:1,b:x", "topic=t"}, sqlerr.InvalidParameterValue, 11, `"b:x" is not host:port`, ""},
		{[]string{"brokers=a:1 b:2", "topic=t"}, sqlerr.InvalidParameterValue, 11, "is not host:port", ""},
		{[]string{"brokers=", "topic=t"}, sqlerr.InvalidParameterValue, 11, "is not host:port", ""},
		{[]string{"brokers=a:1", "topic=a b"}, sqlerr.InvalidParameterValue, 21, `"a b"`, "249"},
		{[]string{"brokers=a:1", "topic=t", "format=avro"}, sqlerr.FeatureNotSupported, 31, `format "avro" is not supported yet`, "json"},
		{[]string{"brokers=a:1", "topic=t", "format=xml"}, sqlerr.InvalidParameterValue, 31, `"xml"`, "json"},
		{[]string{"brokers=a:1", "topic=t", "start=soon"}, sqlerr.InvalidParameterValue, 31, `"soon"`, "earliest"},
		{[]string{"brokers=a:1", "topic=t", "start=0:1,0:2"}, sqlerr.InvalidParameterValue, 31, `"0:1,0:2"`, "earliest"},
		{[]string{"brokers=a:1", "topic=t", "start=infinity"}, sqlerr.InvalidParameterValue, 31, `"infinity"`, "earliest"},
		{[]string{"brokers=a:1", "topic=t", "timestamp_unit=weeks"}, sqlerr.InvalidParameterValue, 31, `"weeks"`, "ms"},
		{[]string{"brokers=a:1", "topic=t", "timestamp_unit=nowhere:ms"}, sqlerr.UndefinedColumn, 31, `"nowhere"`, ""},
	}
	for _, c := range cases {
		_, err := ParseOptions(withList(c.list...), optionColumns())
		e := sqlerr.From(err)
		if err == nil || e.Code != c.code || e.Position != c.pos || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%v: %+v", c.list, e)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := ParseOptions(withList("brokerz=a:1", "start=soon", "isolation=none"), []connector.Column{
		{Name: "a", Type: types.Regclass}, {Name: "p", Type: types.Text, Meta: connector.FromPartition}})
	e := sqlerr.From(err)
	if err == nil || e.Code != sqlerr.UndefinedObject || e.Position != 11 || !strings.HasPrefix(e.Message, "7 options") {
		t.Fatalf("%+v", e)
	}
	for _, part := range []string{`"brokerz"`, `"soon"`, `"isolation"`, `"brokers" is required`, `"topic" is required`, "regclass", `column "p" includes the record's partition`} {
		if !strings.Contains(e.Detail, part) {
			t.Errorf("the detail lacks %s:\n%s", part, e.Detail)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"broker": "brokers", "tpoic": "topic", "start_at": "start", "xyzzy": "", "formatt": "format"} {
		if got := nearest(name, optionNames()); got != want {
			t.Errorf("nearest to %s: %q, want %q", name, got, want)
		}
	}
}

func TestStates(t *testing.T) {
	var told []string
	s := newStates(func(st connector.State) { told = append(told, fmt.Sprintf("%s %s", st.Name, st.Reason)) })
	s.running("id")
	s.stall(3, "x")
	s.stall(3, "x")
	s.stall(1, "y")
	s.stall(wholeTopic, "gone")
	s.running("id")
	s.clear(1)
	s.clear(3)
	s.warn("careful")
	want := []string{"running ", "stalled partition 3: x", "stalled partition 1: y (and 1 more partitions)", "stalled gone",
		"stalled partition 1: y (and 1 more partitions)", "stalled partition 3: x", "running ", "running careful"}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told\n%s", strings.Join(told, "\n"))
	}
}
