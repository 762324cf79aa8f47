package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// TestWaitNamesTheSource reads a view over a view over a topic that is missing: a
// notice and the error of the timeout say so.
func TestWaitNamesTheSource(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	db := openTestDB(t)
	var notices []string
	s, err := db.engine.NewSession(SessionOptions{User: "streamdb", Database: "streamdb", Notice: func(n Notice) {
		notices = append(notices, n.Message+"; "+n.Detail)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(text string) error {
		t.Helper()
		statements, err := s.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return (&testSession{session: s}).one(context.Background(), statements[0])
	}
	for _, text := range []string{
		fmt.Sprintf("CREATE STREAM e (k int) WITH (connector = 'kafka', brokers = '%s', topic = 'missing')", cluster.ListenAddrs()[0]),
		"CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM e",
		"CREATE MATERIALIZED VIEW mm AS SELECT n FROM m",
	} {
		if err := run(text); err != nil {
			t.Fatal(err)
		}
	}
	const want = `the topic of stream "e" is stalled: topic "missing" does not exist`
	for timeout := 200 * time.Millisecond; ; timeout *= 2 { // until the source has asked the broker
		notices = nil
		if err := run(fmt.Sprintf("SET statement_timeout = '%d ms'", timeout.Milliseconds())); err != nil {
			t.Fatal(err)
		}
		e := sqlerr.From(run("SELECT * FROM mm"))
		if e.Code != sqlerr.QueryCanceled || e.Message != "canceling statement due to statement timeout" {
			t.Fatal(e)
		}
		if e.Detail == want && strings.Contains(strings.Join(notices, "\n"), want) {
			return
		}
		if timeout > 20*time.Second {
			t.Fatalf("detail %q, notices %q", e.Detail, notices)
		}
	}
}
