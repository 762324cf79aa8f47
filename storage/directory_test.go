package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// TestDirectory opens directories with some entries, separated by |: a slash at the end makes a
// directory, name=text a file.
func TestDirectory(t *testing.T) {
	for _, test := range []struct {
		entries string
		want    string // of the error; "" for none
	}{
		{"", ""},
		{"lost+found/", ""},
		{"FORMAT=streamdb 1\n", ""},
		{"FORMAT=streamdb 1\n|other=x", ""},
		{"FORMAT.123=stre", ""},
		{"meta/|log/|runs/", ""},
		{"meta/", ""},
		{"meta/|log/|streamdb.conf=x", ""},
		{"kafka/", ""},
		{"notes.txt=x", `is no data directory: it has "notes.txt"`},
		{"lost+found/|photos/", `is no data directory: it has "photos"`},
		{"log/|lib/", `is no data directory: it has "lib"`},
		{"meta=x", `is no data directory: it has "meta"`},
		{".git/", `is no data directory: it has ".git"`},
		{"FORMAT=streamdb 2\n", "was written by a newer version of streamdb: it has format 2, this version reads formats up to 1"},
		{"FORMAT=15\n", "is damaged"},
		{"FORMAT=", "is damaged"},
		{"FORMAT=streamdb -1\n", "is damaged"},
	} {
		dir := t.TempDir()
		for _, entry := range strings.Split(test.entries, "|") {
			makeEntry(t, dir, entry)
		}
		before := names(t, dir)
		s, err := Open(context.Background(), Options{Dir: dir, MemoryLimit: 64 << 20, Sync: SyncOff})
		if err == nil {
			err = s.Close()
			if _, again := checkDirectory(dir); again != nil {
				t.Errorf("%q: it is refused the second time: %v", test.entries, again)
			}
		} else if after := names(t, dir); after != before {
			t.Errorf("%q: it was refused and changed from %s to %s", test.entries, before, after)
		}
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%q: %v", test.entries, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: %v, want %q", test.entries, err, test.want)
		case test.want != "" && sqlerr.Code(err) == sqlerr.InternalError:
			t.Errorf("%q: %v has no code", test.entries, err)
		}
	}
}

func makeEntry(t *testing.T, dir, entry string) {
	t.Helper()
	var err error
	name, text, file := strings.Cut(entry, "=")
	switch {
	case file:
		err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
	case entry != "":
		err = os.Mkdir(filepath.Join(dir, entry), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestDirectoryMissing: it is made, and marked.
func TestDirectoryMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := claimDirectory(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, formatFile))
	if err != nil || string(text) != "streamdb 1\n" {
		t.Errorf("%q, %v", text, err)
	}
}
