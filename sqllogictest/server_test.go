package sqllogictest

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/streamdb/streamdb/test/testserver"
)

var rewrite = flag.Bool("rewrite", false, "write the ratchets and the expected output of testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServers runs n databases in this process, without waiting for disks.
func startServers(t *testing.T, n int) *Emptied {
	t.Helper()
	var urls []string
	for range n {
		urls = append(urls, testserver.Start(t).URL())
	}
	return NewEmptied(urls, nil)
}

// golden compares text with a file of testdata, or writes it.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs (write it with -rewrite):\n%s", path, text)
	}
}
