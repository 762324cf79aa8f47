package storagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/storage"
)

// payload returns n bytes that depend on seed alone.
func payload(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := 0; i < len(b); i += 8 {
		v := r.Uint64()
		for k := i; k < min(i+8, len(b)); k++ {
			b[k] = byte(v)
			v >>= 8
		}
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustFail(t testing.TB, err error, what string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
}

// split cuts b into parts of uneven sizes, an empty one among them.
func split(b []byte) [][]byte {
	parts := [][]byte{{}}
	for n := 1; len(b) > 0; n = n*3 + 1 {
		k := min(n, len(b))
		parts = append(parts, b[:k])
		b = b[k:]
	}
	return parts
}

// logRecord is a record as the suites remember it.
type logRecord struct {
	epoch uint64
	data  []byte
}

func replayed(t testing.TB, l storage.Log) []logRecord {
	t.Helper()
	var got []logRecord
	must(t, l.Replay(func(epoch uint64, record []byte) error {
		got = append(got, logRecord{epoch, bytes.Clone(record)})
		return nil
	}))
	return got
}

func sameRecords(t testing.TB, got, want []logRecord) {
	t.Helper()
	describe := func(rs []logRecord) (s string) {
		for _, r := range rs {
			s += fmt.Sprintf(" %d(%d)", r.epoch, len(r.data))
		}
		return s
	}
	if len(got) != len(want) {
		t.Fatalf("replayed%s, want%s", describe(got), describe(want))
	}
	for i := range got {
		if got[i].epoch != want[i].epoch || !bytes.Equal(got[i].data, want[i].data) {
			t.Fatalf("record %d: got epoch %d, %d bytes, want epoch %d, %d bytes", i,
				got[i].epoch, len(got[i].data), want[i].epoch, len(want[i].data))
		}
	}
}
