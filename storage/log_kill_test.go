package storage_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamdb/streamdb/storage"
)

// The directory in which a copy of the test binary plays the process that is
// killed.
const logVictimEnv = "STREAMDB_TEST_VICTIM"

// killRecord is the record of an epoch: its size and content follow from it.
func killRecord(epoch uint64) []byte {
	b := make([]byte, 8+epoch*7919%20000)
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], epoch*0x9e3779b97f4a7c15+uint64(i))
	}
	return b
}

// TestLogVictim is the process that is killed, when TestLogKill starts it.
func TestLogVictim(t *testing.T) {
	dir := os.Getenv(logVictimEnv)
	if dir == "" {
		return // not a test of its own
	}
	l, err := storage.OpenFileLog(dir, storage.LogOptions{SegmentSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	epoch := uint64(0)
	if f := os.Getenv(logVictimEnv + "_FROM"); f != "" {
		fmt.Sscan(f, &epoch)
	}
	if err := l.Replay(func(e uint64, _ []byte) error { epoch = e; return nil }); err != nil {
		t.Fatal(err)
	}
	for {
		epoch++
		record := killRecord(epoch)
		if err := l.Append(epoch, record[:5], record[5:]); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("a %d\n", epoch)
		if epoch%40 == 0 {
			fmt.Printf("c %d\n", epoch-15)
			if err := l.Cut(epoch - 15); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("d %d\n", epoch-15)
		}
	}
}

// killed is what the victim said before it died.
type killed struct {
	acked   uint64 // last acknowledged epoch
	cutFrom uint64 // last cut that was begun
	cutDone uint64 // last cut that was acknowledged
}

// runVictim starts the victim, kills it after a while and reads what it said.
func runVictim(t *testing.T, victim, dir string, after time.Duration, state killed) killed {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+victim+"$")
	cmd.Env = append(os.Environ(), logVictimEnv+"="+dir, fmt.Sprintf("%s_FROM=%d", logVictimEnv, state.cutFrom))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if timer == nil { // the time counts from the first answer
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		var what string
		var epoch uint64
		if n, _ := fmt.Sscan(lines.Text(), &what, &epoch); n != 2 {
			t.Errorf("victim: %s", lines.Text())
			continue
		}
		switch what {
		case "a":
			state.acked = epoch
		case "c":
			state.cutFrom = epoch
		case "d":
			state.cutDone = epoch
		}
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the victim ended by itself: %v %s", err, stderr.String())
	}
	return state
}

// TestLogKill kills a process that appends and cuts, at random moments: what
// was acknowledged and not cut is there, in order and whole, and at most one
// record more.
func TestLogKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	r := rand.New(rand.NewPCG(8, 9))
	var state killed
	for round := range 20 {
		state = runVictim(t, "TestLogVictim", dir, time.Duration(1+r.IntN(80))*time.Millisecond, state)
		l, err := storage.OpenFileLog(dir, storage.LogOptions{SegmentSize: 256 << 10})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		var first, last uint64
		err = l.Replay(func(epoch uint64, record []byte) error {
			if first == 0 {
				first, last = epoch, epoch-1
			}
			if epoch != last+1 || !bytes.Equal(record, killRecord(epoch)) {
				return fmt.Errorf("epoch %d after %d, %d bytes", epoch, last, len(record))
			}
			last = epoch
			return nil
		})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if last < state.acked || last > state.acked+1 {
			t.Errorf("round %d: the last record is %d, acknowledged were %d", round, last, state.acked)
		}
		if first != state.cutDone+1 && first != state.cutFrom+1 {
			t.Errorf("round %d: the first record is %d, cut were %d (begun), %d (done)", round, first, state.cutFrom, state.cutDone)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		// A cut of which only the beginning was heard may be there or not.
		state.acked, state.cutDone, state.cutFrom = last, first-1, first-1
	}
	if state.acked < 20 {
		t.Errorf("only %d records in 20 rounds", state.acked)
	}
}
