// Package demo runs "streamdb demo" as a stranger does: it starts it, looks at
// the views, stops and kills it, and compares views with topics.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/test/harness"
)

// defaultKills is how often the demo is killed; STREAMDB_DEMO_KILLS asks for
// more.
const defaultKills = 4

// demo is the demo on one directory, through any number of processes.
type demo struct {
	t      *testing.T
	ctx    context.Context
	binary string
	dir    string
	server *harness.Server
	conn   *pgx.Conn
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "streamdb")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/streamdb/streamdb/cmd/streamdb").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

func (d *demo) start(args ...string) {
	d.t.Helper()
	var err error
	args = append([]string{"--kafka-listen", "127.0.0.1:0", "--log-level", "error"}, args...)
	if d.server, err = harness.StartCommand(d.ctx, d.binary, "demo", d.dir, nil, args...); err != nil {
		d.t.Fatal(err)
	}
	if d.conn, err = d.server.Connect(d.ctx); err != nil {
		d.t.Fatal(err)
	}
}

func (d *demo) number(query string) (n int64) {
	d.t.Helper()
	if err := d.conn.QueryRow(d.ctx, query).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// topicEnd is how many records the broker has ever had in a topic.
func (d *demo) topicEnd(topic string) (n int64) {
	d.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.server.Kafka), kgo.DisableClientMetrics())
	if err != nil {
		d.t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(d.ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// viewsHold says that every view counts all bids, at one moment.
func (d *demo) viewsHold() int64 {
	d.t.Helper()
	var totals, channels, minutes int64
	err := d.conn.QueryRow(d.ctx, `SELECT
		(SELECT sum(bids) FROM auction_totals)::bigint, (SELECT sum(bids) FROM bids_per_channel)::bigint, (SELECT sum(bids) FROM bids_per_minute)::bigint`).
		Scan(&totals, &channels, &minutes)
	if err != nil {
		d.t.Fatal(err)
	}
	if totals != channels || channels != minutes {
		d.t.Fatalf("bids in auction_totals %d, bids_per_channel %d, bids_per_minute %d", totals, channels, minutes)
	}
	return totals
}

// await waits until the views count at least n bids.
func (d *demo) await(n int64) {
	d.t.Helper()
	d.reach("SELECT coalesce(sum(bids), 0)::bigint FROM auction_totals", n)
}

// reach waits until a query's number is at least n.
func (d *demo) reach(query string, n int64) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); d.number(query) < n; {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s does not reach %d", query, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestDemo starts, looks, stops, and starts again with other ports; then kills
// the demo several times. In the end, with the generator off, the views hold
// exactly what the topics do.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	d := &demo{t: t, ctx: ctx, binary: build(t), dir: filepath.Join(t.TempDir(), "data")}
	defer func() { d.server.Kill() }()
	d.start("--rate", "5000")
	d.await(1000)
	d.viewsHold()
	if n := d.number("SELECT count(*) FROM top_auctions"); n != 10 {
		t.Errorf("top_auctions has %d rows", n)
	}
	if n := d.number("SELECT count(*) FROM streamdb.errors"); n != 0 {
		t.Errorf("%d error rows", n)
	}
	if err := d.server.Stop(); err != nil {
		t.Fatalf("a stopped demo ends with %v", err)
	}

	d.start("--rate", "5000")
	before := d.viewsHold()
	d.await(before + 1000)
	kills := defaultKills
	if n, err := strconv.Atoi(os.Getenv("STREAMDB_DEMO_KILLS")); err == nil {
		kills = n
	}
	for i := range kills {
		time.Sleep(time.Duration(50+i*37%200) * time.Millisecond)
		before = d.viewsHold()
		d.server.Kill()
		d.start("--rate", "5000")
		d.await(before) // what was seen is there
	}
	d.server.Kill()
	d.start("--rate", "0")
	bids := d.topicEnd("nexmark-bid")
	d.await(bids)
	if n := d.viewsHold(); n != bids {
		t.Errorf("the views hold %d bids, the topic %d", n, bids)
	}
	if n := d.number("SELECT count(*) FROM bids"); n != bids {
		t.Errorf("the stream has %d bids, the topic %d", n, bids)
	}
	end := d.topicEnd("nexmark-auction") // another stream: the views above say nothing of how far it is
	d.reach("SELECT count(*) FROM auctions", end)
	if n := d.number("SELECT count(*) FROM auctions"); n != end {
		t.Errorf("the stream has %d auctions, the topic %d", n, end)
	}
	if n := d.number("SELECT count(*) - count(DISTINCT id) FROM auctions"); n != 0 {
		t.Errorf("%d auctions are there twice", n)
	}
	if err := d.server.Stop(); err != nil {
		t.Fatalf("a stopped demo ends with %v", err)
	}
}

// TestCommandLine checks what needs no running server.
func TestCommandLine(t *testing.T) {
	binary := build(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"demo", "--rate", "-1"}, "--rate must be"},
		{[]string{"demo", "--kafka-listen", ""}, "must not be empty"},
		{[]string{"demo", "--kafka-listen", "0.0.0.0:9092"}, "refusing to listen"},
		{[]string{"serve", "--rate", "5"}, "unknown flag"},
		{[]string{"serve", "--kafka-listen", "10.0.0.1:9092"}, "refusing to listen"},
	} {
		cmd := exec.Command(binary, c.args...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err == nil || !errors.As(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(out, []byte(c.want)) {
			t.Errorf("%v: %v, %s", c.args, err, out)
		}
	}
	out, err := exec.Command(binary, "demo", "--help").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(fmt.Sprintf("%q", "127.0.0.1:9092"))) {
		t.Errorf("%v: %s", err, out)
	}
}
