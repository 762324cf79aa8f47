package dataflow

import (
	"testing"

	"github.com/streamdb/streamdb/connector"
)

func TestTimelineContains(t *testing.T) {
	history := Timeline{{"a", 1}, {"b", 10}, {"c", 20}}
	for _, test := range []struct {
		at   connector.Mark
		want bool
	}{
		{connector.Mark{}, true},
		{connector.Mark{Epoch: 15}, true}, // written before openings were noted
		{connector.Mark{Epoch: 9, Opening: "a"}, true},
		{connector.Mark{Epoch: 10, Opening: "a"}, false}, // a copy went on without us
		{connector.Mark{Epoch: 9, Opening: "b"}, true},   // b wrote what a had left
		{connector.Mark{Epoch: 19, Opening: "b"}, true},
		{connector.Mark{Epoch: 20, Opening: "b"}, false},
		{connector.Mark{Epoch: 99, Opening: "c"}, true},
		{connector.Mark{Epoch: 5, Opening: "x"}, false},
	} {
		if got := history.Contains(test.at); got != test.want {
			t.Errorf("%+v: %v", test.at, got)
		}
	}
	if got := history.Mark(30); got != (connector.Mark{Epoch: 30, Opening: "c"}) {
		t.Errorf("%+v", got)
	}
}
