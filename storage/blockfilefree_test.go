package storage

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// bigFile makes a file of some steps, open twice.
func bigFile(t *testing.T, steps int64) (file, other *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	file, err := os.Create(path)
	if err == nil {
		err = file.Truncate(steps * freeStep)
	}
	if err == nil {
		other, err = os.Open(path)
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	return file, other
}

func sizeOf(t *testing.T, f *os.File) int64 {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestFreeing frees a file step by step, and lets go of those that wait at the end.
func TestFreeing(t *testing.T) {
	f := startFreeing()
	f.add(nil)
	file, other := bigFile(t, 3)
	f.add(file)
	for deadline := time.Now().Add(10 * time.Second); sizeOf(t, other) > freeStep; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are left", sizeOf(t, other))
		}
	}
	slow, _ := bigFile(t, 1000)
	waits, _ := bigFile(t, 2)
	f.add(slow)
	f.add(waits)
	f.close()
	for _, file := range []*os.File{slow, waits} {
		if file.Close() == nil {
			t.Error("a file is open still")
		}
	}
	late, _ := bigFile(t, 1)
	f.add(late)
	if late.Close() == nil {
		t.Error("a file that came after the end was open")
	}
}

// TestDropWhileRead drops a run that is being read: its name is gone, what is under
// way goes on, and then the space is freed.
func TestDropWhileRead(t *testing.T) {
	s, err := OpenFileBlocks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w, err := s.Create(1)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for i := range 20 {
		block[0] = byte(i)
		if err := w.Append(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish([]byte("index")); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = s.Blocks(1, 0, 20, func(i int, b []byte) error {
		if n++; i == 0 {
			if err := s.Drop(1); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * freePause)
		}
		if int(b[0]) != i || len(b) != len(block) {
			t.Errorf("block %d begins with %d and has %d bytes", i, b[0], len(b))
		}
		return nil
	})
	if err != nil || n != 20 {
		t.Errorf("%d blocks: %v", n, err)
	}
	if runs, err := s.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("%v %v", runs, err)
	}
}
