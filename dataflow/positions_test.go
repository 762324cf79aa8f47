package dataflow

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// savedRuntime is a runtime with something of everything in its positions.
func savedRuntime() *Runtime {
	r := &Runtime{saved: &savedPositions{}}
	s := &stream{spec: StreamSpec{ID: 1, Identity: "topic-1", Starts: connector.Positions{3, 0}}, positions: connector.Positions{7, -1}, recorded: connector.Positions{7}}
	r.streamOrder = []*stream{s, {spec: StreamSpec{ID: 5}}}
	ready := &view{spec: ViewSpec{ID: 10}, state: StateRunning, ready: true}
	ready.inputs = []*input{{view: ready, rel: 1, stream: s}}
	busy := &view{spec: ViewSpec{ID: 11}, state: StateRunning}
	busy.inputs = []*input{
		{view: busy, rel: 1, stream: s, phase: phaseChasing, positions: connector.Positions{4, 0}, target: connector.Positions{9, 9}, asked: true},
		{view: busy, rel: 10, from: ready, phase: phaseScanning, cursor: []byte("key"), scanned: 12, reached: true},
	}
	gone := &view{spec: ViewSpec{ID: 12}, state: StateQuarantined, reason: "panic: x", since: 9}
	gone.inputs = []*input{{view: gone, rel: 1, stream: s, phase: phaseReading, positions: connector.Positions{1}}}
	r.order = []*view{ready, busy, gone}
	r.purge = []RelationID{77}
	return r
}

func TestPositionsRoundTrip(t *testing.T) {
	saved, err := decodePositions(savedRuntime().encodePositions())
	if err != nil {
		t.Fatal(err)
	}
	want := savedPositions{
		written: true, backlog: true,
		streams: map[RelationID]savedStream{
			1: {identity: "topic-1", starts: connector.Positions{3, 0}, positions: connector.Positions{7, -1}, recorded: connector.Positions{7}},
			5: {},
		},
		views: map[RelationID]savedView{
			11: {inputs: map[RelationID]savedInput{
				1:  {phase: phaseChasing, flags: flagAsked, positions: connector.Positions{4, 0}, cursor: []byte{}, target: connector.Positions{9, 9}},
				10: {phase: phaseScanning, flags: flagReached, cursor: []byte("key"), scanned: 12},
			}},
			12: {flags: flagQuarantined, since: 9, reason: "panic: x", inputs: map[RelationID]savedInput{
				1: {phase: phaseReading, positions: connector.Positions{1}, cursor: []byte{}},
			}},
		},
		purge: []RelationID{77},
	}
	if got, want := fmt.Sprintf("%+v", *saved), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("decoded\n%s, want\n%s", got, want)
	}
}

func TestPositionsDamaged(t *testing.T) {
	blob := savedRuntime().encodePositions()
	for n := 1; n < len(blob); n++ {
		if _, err := decodePositions(blob[:n]); sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Fatalf("%d of %d bytes: %v", n, len(blob), err)
		}
	}
	if _, err := decodePositions(append([]byte{9}, blob[1:]...)); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("another version: %v", err)
	}
	if saved, err := decodePositions(nil); err != nil || saved.written {
		t.Errorf("no blob: %+v, %v", saved, err)
	}
}

func FuzzDecodePositions(f *testing.F) {
	f.Add(savedRuntime().encodePositions())
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodePositions(bytes.Clone(b))
		if err != nil && sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("error without SQLSTATE: %v", err)
		}
	})
}
