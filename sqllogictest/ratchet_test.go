package sqllogictest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRatchet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ratchet")
	first := &Result{File: "a/b.slt", Mode: Views, Outcomes: []Outcome{Right, Refused, Refused, Wrong, Refused, Unjudged, Tainted, OtherCode}}
	r, err := ReadRatchet(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Update([]*Result{first})
	if err := r.Write(); err != nil {
		t.Fatal(err)
	}
	if r, err = ReadRatchet(path); err != nil {
		t.Fatal(err)
	}
	if got, want := r.entries["views a/b.slt"].String(), " wrong=4 refused=2-3,5 other-code=8 tainted=7"; got != want {
		t.Errorf("%q; expected %q", got, want)
	}
	for _, c := range []struct {
		outcome Outcome
		record  int
		fault   bool
	}{
		{Refused, 1, true}, // was right
		{Failed, 2, false},
		{Wrong, 2, true}, // was refused
		{Wrong, 4, false},
		{Refused, 4, false},
		{Tainted, 6, true},
	} {
		next := &Result{File: "a/b.slt", Mode: Views, Outcomes: first.Outcomes, Findings: []Finding{{Record: c.record, Outcome: c.outcome}}}
		if got := len(Faults([]*Result{next}, r)) > 0; got != c.fault {
			t.Errorf("record %d is %s: fault %v", c.record, c.outcome, got)
		}
	}
	// A partial run keeps what it did not judge; what is right leaves.
	r.Update([]*Result{{File: "a/b.slt", Mode: Views, Outcomes: []Outcome{Right, Right, Unjudged, Unjudged, Right, Right, Right, Right}}})
	if got, want := r.entries["views a/b.slt"].String(), " wrong=4 refused=3"; got != want {
		t.Errorf("%q; expected %q", got, want)
	}
}

func TestRatchetErrors(t *testing.T) {
	for _, text := range []string{"views a", "views a x", "views a 3 odd=1", "views a 3 wrong=2-9", "views a 3 wrong=x"} {
		path := filepath.Join(t.TempDir(), "ratchet")
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRatchet(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
