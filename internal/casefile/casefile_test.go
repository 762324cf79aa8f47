package casefile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRewrite: answers are written behind their inputs, comments stay, and
// what was written is what the next run wants.
func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	before := "# about all\n\n# about one\none\n----\n\ntwo\nlines\n----\nold\n\nnone\n----\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	upper := func(*testing.T) func(string) string {
		return func(input string) string { return strings.TrimSuffix(strings.ToUpper(input), "NONE") }
	}
	Run(t, path, true, upper)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# about all\n\n# about one\none\n----\nONE\n\ntwo\nlines\n----\nTWO\nLINES\n\nnone\n----\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	Run(t, path, false, upper)
	if inputs := Inputs(t, path); !slices.Equal(inputs, []string{"one", "two\nlines", "none"}) {
		t.Errorf("inputs %q", inputs)
	}
}
