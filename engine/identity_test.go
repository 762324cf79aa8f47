package engine

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/sql/types"
)

// collectedRows collects a query's rows as text.
type collectedRows struct{ rows []string }

func (r *collectedRows) Batch(b *zset.Batch) error {
	for i := range b.Len() {
		var cells []string
		for c := range b.Cols {
			v := &b.Cols[c]
			if v.IsNull(b.Row(i)) {
				cells = append(cells, "null")
				continue
			}
			cells = append(cells, string(types.AppendText(nil, v.Type, v.Datum(b.Row(i)), nil)))
		}
		r.rows = append(r.rows, strings.Join(cells, "|"))
	}
	return nil
}

func (r *collectedRows) Flush() error { return nil }

// trySQL runs statements in a session of its own and returns their error.
func trySQL(t *testing.T, e *Engine, text string) error {
	t.Helper()
	_, err := sessionSQL(t, e, text)
	return err
}

// runSQL runs statements in a session of its own and returns their rows.
func runSQL(t *testing.T, e *Engine, text string) string {
	t.Helper()
	rows, err := sessionSQL(t, e, text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return rows
}

func sessionSQL(t *testing.T, e *Engine, text string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := e.NewSession(SessionOptions{User: "streamdb", Database: "streamdb"})
	if err != nil {
		return "", err
	}
	defer s.Close()
	statements, err := s.Parse(text)
	if err != nil {
		return "", err
	}
	var out collectedRows
	for _, st := range statements {
		p, err := s.Prepare(ctx, st, nil)
		if err == nil {
			_, err = s.Execute(ctx, p, nil, &out)
		}
		if err != nil {
			return "", err
		}
	}
	return strings.Join(out.rows, "\n"), nil
}

// identityBroker is a broker at a port that is known before it runs.
type identityBroker struct {
	t      *testing.T
	addr   string
	client *kgo.Client
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (b *identityBroker) start(port int) {
	b.t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cluster.Close)
}

// create makes the topic, and a client that has not seen an earlier one.
func (b *identityBroker) create() {
	b.t.Helper()
	var err error
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.DefaultProduceTopic("t")); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.client.Close)
	if _, err := kadm.NewClient(b.client).CreateTopic(b.t.Context(), 1, 1, nil, "t"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *identityBroker) remove() {
	b.t.Helper()
	if _, err := kadm.NewClient(b.client).DeleteTopic(b.t.Context(), "t"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *identityBroker) produce(n int) {
	b.t.Helper()
	for i := range n {
		r := &kgo.Record{Value: fmt.Appendf(nil, `{"k": %d}`, i)}
		if err := b.client.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// awaitSource waits until the only stream's state is as wanted.
func awaitSource(t *testing.T, e *Engine, want func(state, reason string, next int64) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s := e.Sources()[0]
		if want(s.State, s.Reason, s.Positions.At(0)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the source is %+v", s)
		}
	}
}

// TestRecreatedTopic creates a stream while the broker is down, so that the
// topic's id is not known, and puts another topic in the place of the one it
// came to read, while the server is down.
func TestRecreatedTopic(t *testing.T) {
	port := freePort(t)
	b := &identityBroker{t: t, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	open := func(dir string) *Engine {
		e, err := Open(t.Context(), Options{DataDir: dir, MemoryLimit: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	dir := t.TempDir()
	e := open(dir)
	runSQL(t, e, fmt.Sprintf(`CREATE STREAM s (k bigint) WITH (connector = 'kafka', brokers = '%s', topic = 't', format = 'json')`, b.addr))
	runSQL(t, e, `CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(k) AS total FROM s`)
	b.start(port)
	b.create()
	b.produce(3)
	awaitSource(t, e, func(_, _ string, next int64) bool { return next == 3 })
	if got := runSQL(t, e, `SELECT n, total FROM v`); got != "3|3" {
		t.Errorf("the view holds %s", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	e = open(dir) // the same topic is read on
	b.produce(2)
	awaitSource(t, e, func(state, _ string, next int64) bool { return next == 5 && state == connector.Running })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	b.remove()
	b.create()
	b.produce(9)
	e = open(dir)
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	awaitSource(t, e, func(state, reason string, _ int64) bool {
		return state == connector.Stalled && strings.Contains(reason, "was deleted and created again")
	})
	if got := runSQL(t, e, `SELECT n, total FROM v`); got != "5|4" {
		t.Errorf("the view holds %s after another topic took the place of its own", got)
	}
}
