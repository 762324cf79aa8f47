package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// broker is the Kafka of a run: one in this process, which keeps its topics
// below a directory, or a real one, which commands kill and start again.
type broker struct {
	address     string
	dir         string
	fake        *kfake.Cluster
	kill, start []string // of a real one; none: others may use it, so it is left alone
	deaths      int
}

func newBroker(o options, dir string) (*broker, error) {
	b := &broker{address: o.kafka, dir: filepath.Join(dir, "broker"), kill: strings.Fields(o.killBroker), start: strings.Fields(o.startBroker)}
	switch {
	case (len(b.kill) > 0) != (len(b.start) > 0):
		return nil, errors.New("-kill-broker and -start-broker need each other")
	case len(b.kill) > 0 && o.kafka == "":
		return nil, errors.New("-kill-broker needs -kafka")
	case o.kafka == "":
		return b, b.startFake(0)
	}
	return b, nil
}

// mortal says whether the broker may be taken away.
func (b *broker) mortal() bool { return b.fake != nil || len(b.kill) > 0 }

// down takes the broker away.
func (b *broker) down() error {
	b.deaths++
	if b.fake != nil {
		b.fake.Close()
		return nil
	}
	return command(b.kill)
}

// up brings it back with what it has acknowledged.
func (b *broker) up() error {
	if b.fake == nil {
		return command(b.start)
	}
	_, port, err := net.SplitHostPort(b.address)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	return b.startFake(n)
}

// startFake starts a broker in this process; port 0 chooses one.
func (b *broker) startFake(port int) error {
	var err error
	for range 50 { // the port of a former one may linger for a moment
		if b.fake, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.dir), kfake.Ports(port)); err == nil {
			b.address = b.fake.ListenAddrs()[0]
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (b *broker) close() {
	if b.fake != nil {
		b.fake.Close()
	}
}

// command runs one command; what it prints is of interest when it fails. The
// output goes to a file, because a broker that it leaves behind keeps it open.
func command(args []string) error {
	out, err := os.CreateTemp("", "streamdb-crash-broker-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) //nolint:errcheck // a file in the temporary directory
	defer out.Close()           //nolint:errcheck // likewise
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name()) //nolint:errcheck // the error of the command counts
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, text)
	}
	return nil
}
