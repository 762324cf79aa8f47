// Package casefile runs the text files of tests: cases parted by empty lines,
// each an input, "----" and the recorded answer. Leading lines that begin with
// "#" are comments, as is a block of nothing else. An answer has no empty lines.
//
// The package is for tests only and knows nothing of what answers.
package casefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Run runs the files that match a pattern, each as a test of its own: open is
// called for a file and returns what answers its cases, in their order. With
// rewrite the answers are written into the files instead of compared.
func Run(t *testing.T, pattern string, rewrite bool, open func(t *testing.T) (answer func(input string) string)) {
	for _, path := range files(t, pattern) {
		t.Run(filepath.Base(path), func(t *testing.T) { runFile(t, path, rewrite, open(t)) })
	}
}

// Inputs returns the inputs of all cases of the files that match a pattern.
func Inputs(tb testing.TB, pattern string) []string {
	var list []string
	for _, path := range files(tb, pattern) {
		for _, block := range blocks(tb, path) {
			if _, input, _ := cut(block); input != "" {
				list = append(list, input)
			}
		}
	}
	return list
}

func runFile(t *testing.T, path string, rewrite bool, answer func(input string) string) {
	var out []string
	for i, block := range blocks(t, path) {
		comment, input, want := cut(block)
		if input == "" {
			out = append(out, block)
			continue
		}
		got := strings.Trim(answer(input), "\n")
		if got != want && !rewrite {
			t.Errorf("%s case %d:\n%s\ngot:\n%s\nwant:\n%s", path, i+1, input, got, want)
		}
		out = append(out, strings.TrimSuffix(comment+input+"\n----\n"+got, "\n"))
	}
	if rewrite {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func files(tb testing.TB, pattern string) []string {
	tb.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no files match %s: %v", pattern, err)
	}
	return paths
}

func blocks(tb testing.TB, path string) []string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.Trim(string(text), "\n"), "\n\n")
}

// cut cuts a block into its comment, its input and its answer, which is empty
// in a case that was just written.
func cut(block string) (comment, input, want string) {
	input, want, _ = strings.Cut(block, "\n----")
	for strings.HasPrefix(input, "#") {
		line, rest, _ := strings.Cut(input, "\n")
		comment += line + "\n"
		input = rest
	}
	return comment, input, strings.Trim(want, "\n")
}
