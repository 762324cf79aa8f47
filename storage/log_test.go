package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func logTestPayload(epoch uint64) []byte {
	r := rand.New(rand.NewPCG(epoch, 1))
	b := make([]byte, 10+r.IntN(3000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func logTestOpen(t testing.TB, dir string, opts LogOptions) *FileLog {
	t.Helper()
	l, err := OpenFileLog(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// logTestReplay returns the epochs that a replay delivers, and checks their
// content.
func logTestReplay(t testing.TB, l *FileLog) (epochs []uint64, err error) {
	t.Helper()
	err = l.Replay(func(epoch uint64, record []byte) error {
		if !bytes.Equal(record, logTestPayload(epoch)) {
			t.Errorf("record of epoch %d has the wrong content", epoch)
		}
		epochs = append(epochs, epoch)
		return nil
	})
	return epochs, err
}

// logTestWrite appends the epochs from .. to to the log in dir.
func logTestWrite(t testing.TB, dir string, opts LogOptions, from, to uint64) {
	t.Helper()
	if err := logTestAppend(t, dir, opts, from, to).Close(); err != nil {
		t.Fatal(err)
	}
}

// logTestCrash is logTestWrite by a process that is killed at the end.
func logTestCrash(t testing.TB, dir string, opts LogOptions, from, to uint64) {
	t.Helper()
	logTestKill(t, logTestAppend(t, dir, opts, from, to))
}

// logTestKill ends the log as the end of its process would.
func logTestKill(t testing.TB, l *FileLog) {
	t.Helper()
	l.state = logClosed
	if err := errors.Join(l.active.Close(), l.control.file.Close()); err != nil {
		t.Fatal(err)
	}
}

func logTestAppend(t testing.TB, dir string, opts LogOptions, from, to uint64) *FileLog {
	t.Helper()
	l := logTestOpen(t, dir, opts)
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	for epoch := from; epoch <= to; epoch++ {
		if err := l.Append(epoch, logTestPayload(epoch)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func logTestSegments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+logSegmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// logTestOffsets returns where the records of a segment begin, and the end.
func logTestOffsets(from, to uint64) []int64 {
	off := int64(logSegmentHeaderSize)
	offsets := []int64{off}
	for epoch := from; epoch <= to; epoch++ {
		off = logAlign(off + logRecordHeaderSize + int64(len(logTestPayload(epoch))))
		offsets = append(offsets, off)
	}
	return offsets
}

func logTestPatch(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// A tail that is torn at any place did not happen; the records before it did,
// and the log goes on behind them.
func TestLogTornTail(t *testing.T) {
	const last = 6
	offsets := logTestOffsets(1, last)
	from, end := offsets[last-1], offsets[last]
	for cut := from; cut < end-logRecordAlign; cut += 1 + (end-from)/13 {
		for _, how := range []string{"truncated", "zeros", "garbage"} {
			dir := t.TempDir()
			opts := LogOptions{SegmentSize: 1 << 20}
			logTestCrash(t, dir, opts, 1, last)
			path := logTestSegments(t, dir)[0]
			switch how {
			case "truncated":
				if err := os.Truncate(path, cut); err != nil {
					t.Fatal(err)
				}
			case "zeros":
				logTestPatch(t, path, cut, make([]byte, end-cut))
			case "garbage":
				logTestPatch(t, path, cut, bytes.Repeat([]byte{0xa5}, int(end-cut)))
			}
			logTestWrite(t, dir, opts, last, last+3) // the epoch that got lost is made again
			got, err := logTestReplay(t, logTestOpen(t, dir, opts))
			if err != nil || fmt.Sprint(got) != "[1 2 3 4 5 6 7 8 9]" {
				t.Fatalf("%s at %d: %v, %v", how, cut, got, err)
			}
		}
	}
}

// A record that is damaged although later ones are whole was acknowledged:
// the log must not be read as if it had ended there.
func TestLogDamageInTheMiddle(t *testing.T) {
	offsets := logTestOffsets(1, 6)
	for _, off := range []int64{offsets[2], offsets[2] + 5, offsets[2] + 40, offsets[2] + logRecordHeaderSize, offsets[3] - logRecordAlign - 1} {
		dir := t.TempDir()
		logTestWrite(t, dir, LogOptions{}, 1, 6)
		logTestPatch(t, logTestSegments(t, dir)[0], off, []byte{0x5a, 0xc3})
		_, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
		if sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("offset %d: %v", off, err)
		}
	}
	// Without sync, pages reach the disk in any order.
	dir := t.TempDir()
	logTestCrash(t, dir, LogOptions{NoSync: true}, 1, 6)
	logTestPatch(t, logTestSegments(t, dir)[0], offsets[2]+70, []byte{0x5a, 0xc3})
	got, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
	if err != nil || fmt.Sprint(got) != "[1 2]" {
		t.Errorf("without sync: %v, %v", got, err)
	}
}

// The last record is no torn tail where the control file says that it was on the
// disk: after a clean stop, or when the log was opened or cut since. Else nobody can
// tell.
func TestLogDamageAtTheEnd(t *testing.T) {
	offsets := logTestOffsets(1, 6)
	cases := map[string]func(dir string){
		"closed":           func(dir string) { logTestWrite(t, dir, LogOptions{}, 1, 6) },
		"closed, not sync": func(dir string) { logTestWrite(t, dir, LogOptions{NoSync: true}, 1, 6) },
		"opened since": func(dir string) {
			logTestCrash(t, dir, LogOptions{}, 1, 6)
			l := logTestOpen(t, dir, LogOptions{})
			if _, err := logTestReplay(t, l); err != nil {
				t.Fatal(err)
			}
			if err := l.stamp(); err != nil { // and then no segment could be made
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"cut since": func(dir string) {
			l := logTestAppend(t, dir, LogOptions{}, 1, 6)
			if err := l.Cut(3); err != nil {
				t.Fatal(err)
			}
			logTestKill(t, l)
		},
	}
	for name, write := range cases {
		for _, off := range []int64{offsets[5], offsets[5] + 40, offsets[5] + logRecordHeaderSize, offsets[6] - logRecordAlign - 1} {
			dir := t.TempDir()
			write(dir)
			logTestPatch(t, logTestSegments(t, dir)[0], off, []byte{0x5a, 0xc3})
			_, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
			if sqlerr.Code(err) != sqlerr.DataCorrupted {
				t.Errorf("%s, offset %d: %v", name, off, err)
			}
		}
	}
}

// Each later segment says how many records there were before it.
func TestLogDamageInEarlierSegment(t *testing.T) {
	dir := t.TempDir()
	logTestWrite(t, dir, LogOptions{}, 1, 6)
	logTestWrite(t, dir, LogOptions{}, 7, 9)
	logTestPatch(t, logTestSegments(t, dir)[0], logTestOffsets(1, 6)[5]+70, []byte{0x5a, 0xc3})
	_, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
	if sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("damage in an earlier segment: %v", err)
	}
}

func TestLogMissingFiles(t *testing.T) {
	for i := range 4 {
		dir := t.TempDir()
		for n := range uint64(3) {
			logTestWrite(t, dir, LogOptions{}, 10*n+1, 10*n+3)
		}
		paths := append(logTestSegments(t, dir), filepath.Join(dir, "control"))
		if err := os.Remove(paths[i]); err != nil {
			t.Fatal(err)
		}
		l, err := OpenFileLog(dir, LogOptions{})
		if err == nil {
			_, err = logTestReplay(t, l)
			l.Close()
		}
		if sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Errorf("without %s: %v", filepath.Base(paths[i]), err)
		}
	}
}

// What an earlier use of a file left behind the tail is never replayed.
func TestLogStaleRecords(t *testing.T) {
	dir := t.TempDir()
	opts := LogOptions{SegmentSize: 128 << 10}
	l := logTestOpen(t, dir, opts)
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	epoch := uint64(0)
	for range 12 { // several laps over the recycled files
		for range 60 {
			epoch++
			if err := l.Append(epoch, logTestPayload(epoch)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Cut(epoch - 20); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 6 {
		t.Errorf("%d files after many cuts, %v", len(entries), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := logTestReplay(t, logTestOpen(t, dir, opts))
	if err != nil || len(got) != 20 || got[0] != epoch-19 || got[19] != epoch {
		t.Errorf("replayed %v, %v; want %d to %d", got, err, epoch-19, epoch)
	}
}

// Without sync a power cut may keep a later record and lose an earlier one.
// When the earlier one is written again, the later one must stay dead.
func TestLogIncarnation(t *testing.T) {
	dir := t.TempDir()
	opts := LogOptions{NoSync: true}
	logTestCrash(t, dir, opts, 1, 3)
	path := logTestSegments(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	off := logTestOffsets(1, 3)[1]
	logTestPatch(t, path, off, make([]byte, 4)) // record 2 is lost, 3 is not
	logTestCrash(t, dir, opts, 2, 2)
	logTestPatch(t, path, off, whole[off:off+4]) // and comes back from the dead
	got, err := logTestReplay(t, logTestOpen(t, dir, opts))
	if err != nil || fmt.Sprint(got) != "[1 2]" {
		t.Errorf("replayed %v, %v", got, err)
	}
}

func TestLogControlTorn(t *testing.T) {
	dir := t.TempDir()
	l := logTestOpen(t, dir, LogOptions{})
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	for epoch := uint64(1); epoch <= 6; epoch++ {
		if err := l.Append(epoch, logTestPayload(epoch)); err != nil {
			t.Fatal(err)
		}
	}
	for _, epoch := range []uint64{2, 4} {
		if err := l.Cut(epoch); err != nil {
			t.Fatal(err)
		}
	}
	version := l.control.state().version
	logTestKill(t, l)
	control := filepath.Join(dir, "control")
	logTestPatch(t, control, int64(version%2)*logControlSlot+40, []byte{1, 2, 3})
	l = logTestOpen(t, dir, LogOptions{})
	got, err := logTestReplay(t, l)
	if err != nil || fmt.Sprint(got) != "[3 4 5 6]" {
		t.Errorf("with the last slot torn: %v, %v", got, err)
	}
	l.Close()
	logTestPatch(t, control, int64((version+1)%2)*logControlSlot+40, []byte{1, 2, 3})
	if _, err := OpenFileLog(dir, LogOptions{}); sqlerr.Code(err) != sqlerr.DataCorrupted {
		t.Errorf("with both slots torn: %v", err)
	}
}

// A crash within Cut leaves segments that the control file does not want.
func TestLogCrashWithinCut(t *testing.T) {
	for _, removed := range []int{0, 1, 2} { // files gone when the crash comes
		dir := t.TempDir()
		for n := range uint64(4) {
			logTestWrite(t, dir, LogOptions{}, 10*n+1, 10*n+3)
		}
		l := logTestOpen(t, dir, LogOptions{})
		if _, err := logTestReplay(t, l); err != nil {
			t.Fatal(err)
		}
		n, firstSeq, err := l.cuttable(23)
		if err != nil || n != 3 {
			t.Fatal(n, err)
		}
		if err := l.control.update(func(s *logControlState) { s.cutEpoch, s.firstSeq = 23, firstSeq }); err != nil {
			t.Fatal(err)
		}
		l.Close()
		for _, path := range logTestSegments(t, dir)[1 : 1+removed] { // in any order
			os.Remove(path)
		}
		got, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
		if err != nil || fmt.Sprint(got) != "[31 32 33]" {
			t.Errorf("%d files removed: %v, %v", removed, got, err)
		}
		if n := len(logTestSegments(t, dir)); n != 1 {
			t.Errorf("%d segments stay", n)
		}
	}
}

// Cut and Append run side by side, as the flush and the epochs do.
func TestLogCutWhileAppending(t *testing.T) {
	dir := t.TempDir()
	opts := LogOptions{SegmentSize: 32 << 10}
	l := logTestOpen(t, dir, opts)
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	appended := make(chan uint64, 1)
	done := make(chan error, 1)
	go func() {
		for epoch := range appended {
			if err := l.Cut(epoch - min(epoch, 5)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	const last = 300
	for epoch := uint64(1); epoch <= last; epoch++ {
		if err := l.Append(epoch, logTestPayload(epoch)); err != nil {
			t.Fatal(err)
		}
		select {
		case appended <- epoch:
		default:
		}
	}
	close(appended)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := l.Cut(last - 5); err != nil {
		t.Fatal(err)
	}
	l.Close()
	got, err := logTestReplay(t, logTestOpen(t, dir, opts))
	if err != nil || fmt.Sprint(got) != "[296 297 298 299 300]" {
		t.Errorf("replayed %v, %v", got, err)
	}
}

func TestLogLocked(t *testing.T) {
	dir := t.TempDir()
	logTestOpen(t, dir, LogOptions{})
	if _, err := OpenFileLog(dir, LogOptions{}); err == nil {
		t.Error("the same log was opened twice")
	}
}

// After a failure of a write or a sync nobody knows what is on disk.
func TestLogBrokenAfterFailure(t *testing.T) {
	for _, what := range []string{"write", "short write", "sync"} {
		dir := t.TempDir()
		l := logTestOpen(t, dir, LogOptions{})
		if _, err := logTestReplay(t, l); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(1, logTestPayload(1)); err != nil {
			t.Fatal(err)
		}
		switch what {
		case "write":
			l.write = func(*os.File, [][]byte, int64) error { return unix.EIO }
		case "short write":
			l.write = func(f *os.File, pieces [][]byte, off int64) error {
				return errors.Join(fileWriteVectors(f, pieces[:1], off), unix.ENOSPC)
			}
		case "sync":
			l.fdatasync = func(*os.File) error { return unix.EIO }
		}
		want := map[string]string{"write": sqlerr.IOError, "short write": sqlerr.DiskFull, "sync": sqlerr.IOError}[what]
		if err := l.Append(2, logTestPayload(2)); sqlerr.Code(err) != want || !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
		l.write, l.fdatasync = fileWriteVectors, fileFdatasync
		if err := l.Append(3, logTestPayload(3)); sqlerr.Code(err) != want || !errors.Is(err, ErrBroken) {
			t.Errorf("%s: the log is not broken: %v", what, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: close: %v", what, err)
		}
		got, err := logTestReplay(t, logTestOpen(t, dir, LogOptions{}))
		if err != nil || len(got) < 1 || len(got) > 2 || (what != "sync" && len(got) != 1) {
			t.Errorf("%s: replayed %v, %v", what, got, err)
		}
	}
}

// When there is no room for a new segment, the log is as before.
func TestLogSegmentFailure(t *testing.T) {
	dir := t.TempDir()
	opts := LogOptions{SegmentSize: 16 << 10}
	l := logTestOpen(t, dir, opts)
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(1, logTestPayload(1)); err != nil {
		t.Fatal(err)
	}
	// A directory is in the way of the next file.
	block := logPath(dir, l.nextNumber, logTempSuffix)
	if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	failed := false
	epoch := uint64(2)
	for ; epoch < 40 && !failed; epoch++ {
		failed = l.Append(epoch, logTestPayload(epoch)) != nil
	}
	if !failed {
		t.Fatal("no Append failed")
	}
	size := l.Size()
	if err := l.Append(epoch, logTestPayload(epoch)); err == nil && l.Size() == size {
		t.Error("the failed Append counts")
	}
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	for end := epoch + 20; epoch < end; epoch++ {
		if err := l.Append(epoch+1, logTestPayload(epoch+1)); err != nil {
			t.Fatalf("after the failure: %v", err)
		}
	}
	want := l.Size()
	l.Close()
	l = logTestOpen(t, dir, opts)
	got, err := logTestReplay(t, l)
	if err != nil || got[len(got)-1] != epoch || l.Size() != want {
		t.Errorf("replayed %v, %v, size %d, want %d", got, err, l.Size(), want)
	}
}

// A record of 128 MiB gets a segment of its own, which is not kept.
func TestLogHugeRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: writes 256 MiB")
	}
	dir := t.TempDir()
	l := logTestOpen(t, dir, LogOptions{NoSync: true})
	if _, err := logTestReplay(t, l); err != nil {
		t.Fatal(err)
	}
	huge := make([]byte, 64<<20)
	huge[1], huge[len(huge)-1] = 1, 2
	if err := l.Append(1, huge, huge); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(2, []byte("small")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = logTestOpen(t, dir, LogOptions{NoSync: true})
	var sizes []int
	err := l.Replay(func(_ uint64, record []byte) error {
		sizes = append(sizes, len(record))
		if len(record) > 10 && (record[1] != 1 || record[len(record)-1] != 2) {
			return errors.New("wrong content")
		}
		return nil
	})
	if err != nil || fmt.Sprint(sizes) != "[134217728 5]" {
		t.Errorf("replayed %v, %v", sizes, err)
	}
	if err := l.Cut(2); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, _ := e.Info(); info.Size() > logDefaultSegmentSize {
			t.Errorf("%s has %d bytes after the cut", e.Name(), info.Size())
		}
	}
}

// Whatever stands in a segment: no panic, no record that was not written, and
// those before the damage.
func FuzzLogReplay(f *testing.F) {
	base := f.TempDir()
	logTestWrite(f, base, LogOptions{SegmentSize: 16 << 10}, 1, 4)
	path := logTestSegments(f, base)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	control, err := os.ReadFile(filepath.Join(base, "control"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(logSegmentHeaderSize), []byte{}, uint16(0))
	f.Add(uint16(0), whole[:200], uint16(100))
	f.Add(uint16(logSegmentHeaderSize+8), []byte{1}, uint16(0))
	f.Add(uint16(logTestOffsets(1, 4)[3]), whole[logSegmentHeaderSize:logSegmentHeaderSize+500], uint16(60))
	f.Add(uint16(logTestOffsets(1, 4)[4]), whole[logSegmentHeaderSize:logSegmentHeaderSize+500], uint16(0))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, short uint16) {
		b := bytes.Clone(whole)
		copy(b[min(int(at), len(b)):], patch)
		b = b[:len(b)-min(len(b), int(short))]
		dir := t.TempDir()
		for name, content := range map[string][]byte{filepath.Base(path): b, "control": control} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := OpenFileLog(dir, LogOptions{SegmentSize: 16 << 10})
		if err != nil {
			if sqlerr.Code(err) != sqlerr.DataCorrupted {
				t.Fatal(err)
			}
			return
		}
		defer l.Close()
		got, err := logTestReplay(t, l)
		if err != nil && sqlerr.Code(err) != sqlerr.DataCorrupted {
			t.Fatal(err)
		}
		if !strings.HasPrefix("[1 2 3 4]", strings.TrimSuffix(fmt.Sprint(got), "]")) {
			t.Fatalf("replayed %v", got)
		}
		if err != nil {
			return
		}
		next := uint64(len(got)) + 1
		if err := l.Append(next, logTestPayload(next)); err != nil {
			t.Fatal(err)
		}
		l.Close()
		again := logTestOpen(t, dir, LogOptions{SegmentSize: 16 << 10})
		if more, err := logTestReplay(t, again); err != nil || len(more) != len(got)+1 {
			t.Fatalf("after %v and one Append: %v, %v", got, more, err)
		}
	})
}

func BenchmarkLogAppend(b *testing.B) {
	for _, size := range []int{400, 40 << 10, 400 << 10} {
		for _, noSync := range []bool{false, true} {
			b.Run(fmt.Sprintf("bytes=%d/sync=%v", size, !noSync), func(b *testing.B) {
				l := logTestOpen(b, b.TempDir(), LogOptions{NoSync: noSync})
				if err := l.Replay(func(uint64, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
				record := make([]byte, size)
				epoch := uint64(0)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					epoch++
					if err := l.Append(epoch, record[:size/4], record[size/4:]); err != nil {
						b.Fatal(err)
					}
					if l.Size() > 96<<20 {
						if err := l.Cut(epoch); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func BenchmarkLogReplay(b *testing.B) {
	dir := b.TempDir()
	l := logTestOpen(b, dir, LogOptions{NoSync: true})
	if err := l.Replay(func(uint64, []byte) error { return nil }); err != nil {
		b.Fatal(err)
	}
	for epoch := uint64(1); epoch <= 800; epoch++ {
		if err := l.Append(epoch, make([]byte, 40<<10)); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	b.SetBytes(800 * 40 << 10)
	b.ReportAllocs()
	for b.Loop() {
		l := logTestOpen(b, dir, LogOptions{})
		if err := l.Replay(func(uint64, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
