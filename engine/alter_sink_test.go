package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamdb/streamdb/internal/kafkatest"
)

// sinkTest is a table with a sink to a topic.
type sinkTest struct {
	*testDB
	c     *kafkatest.Cluster
	topic string
}

func newSinkTest(t *testing.T) *sinkTest {
	c := kafkatest.StartFake(t, 1)
	s := &sinkTest{testDB: openTestDB(t), c: c, topic: c.Topic(t, 1)}
	s.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
	s.exec("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
	s.exec(fmt.Sprintf("CREATE SINK s FROM t WITH (connector = 'kafka', brokers = '%s', topic = '%s', key = 'id')", c.Brokers[0], s.topic))
	return s
}

// await waits until streamdb.sinks says something of the sink.
func (s *sinkTest) await(want string) {
	s.t.Helper()
	var got []string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		got, err = s.query("SELECT state || ' lag ' || lag || ' ' || coalesce(reason, '') FROM streamdb.sinks")
		if err != nil {
			s.t.Fatal(err)
		}
		if len(got) == 1 && strings.HasPrefix(got[0], want) {
			return
		}
	}
	s.t.Fatalf("waited in vain for %q: %q", want, got)
}

// holds compares what a reader of the topic's committed records holds.
func (s *sinkTest) holds(records int, want map[string]string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.c.Brokers...), kgo.ConsumeTopics(s.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, s.topic)
	if err != nil {
		s.t.Fatal(err)
	}
	end, _ := ends.Lookup(s.topic, 0)
	got, n, at := map[string]string{}, 0, int64(0)
	for at < end.Offset && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; r.Attrs.IsControl() {
				return
			}
			n++
			if got[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(got, string(r.Key))
			}
		})
	}
	if n != records || !maps.Equal(got, want) {
		s.t.Fatalf("%d records: %v, want %d: %v", n, got, records, want)
	}
}

// row is a row of the sink by its key.
func row(id int, v string) (key, value string) {
	return fmt.Sprintf(`{"id":%d}`, id), fmt.Sprintf(`{"id":%d,"v":"%s"}`, id, v)
}

// rowsOf makes rows of ids and values.
func rowsOf(pairs ...any) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		key, value := row(pairs[i].(int), pairs[i+1].(string))
		out[key] = value
	}
	return out
}

// refused runs a statement that must fail.
func (s *sinkTest) refused(text, want string) {
	s.t.Helper()
	if _, err := s.query(text); err == nil || err.Error() != want {
		s.t.Errorf("%s: %v, want %s", text, err, want)
	}
}

// recreate makes the topic another one, so that the sink diverges.
func (s *sinkTest) recreate() {
	s.t.Helper()
	s.await("running lag 0")
	s.c.DeleteTopic(s.t, s.topic)
	s.c.CreateTopic(s.t, s.topic, 1)
	s.await("diverged")
}

// TestResnapshotSink: a sink whose topic was made again writes all rows into the
// new one, and follows, also after a restart; so does one that has not diverged.
func TestResnapshotSink(t *testing.T) {
	s := newSinkTest(t)
	s.recreate()
	s.exec("UPDATE t SET v = 'a2' WHERE id = 1")
	s.exec("ALTER SINK s RESNAPSHOT")
	s.await("running lag 0")
	s.holds(2, rowsOf(1, "a2", 2, "b"))
	s.exec("INSERT INTO t VALUES (3, 'c')")
	s.exec("DELETE FROM t WHERE id = 2")
	s.await("running lag 0")
	s.holds(4, rowsOf(1, "a2", 3, "c"))
	s.restart()
	s.await("running lag 0")
	s.holds(4, rowsOf(1, "a2", 3, "c"))
	s.exec("ALTER SINK s RESNAPSHOT")
	s.await("running lag 0")
	s.holds(6, rowsOf(1, "a2", 3, "c"))
	s.restart()
	s.exec("INSERT INTO t VALUES (4, 'd')")
	s.await("running lag 0")
	s.holds(7, rowsOf(1, "a2", 3, "c", 4, "d"))
}

// TestResumeSink: a sink whose topic was made again goes on without writing
// anything again, also after a restart.
func TestResumeSink(t *testing.T) {
	s := newSinkTest(t)
	s.recreate()
	s.restart()
	s.await("diverged")
	s.exec("UPDATE t SET v = 'a2' WHERE id = 1") // while it has diverged: never written
	s.exec("ALTER SINK s RESUME")
	s.await("running lag 0")
	s.holds(0, rowsOf())
	s.restart()
	s.exec("INSERT INTO t VALUES (3, 'c')")
	s.await("running lag 0")
	s.holds(1, rowsOf(3, "c"))
	s.refused("ALTER SINK s RESUME", `error 55000: sink "s" has not diverged`)
}

// TestRestoredSink: a database from a backup finds its sink ahead of it. Each of
// the two statements lets it go on.
func TestRestoredSink(t *testing.T) {
	for _, action := range []string{"RESUME", "RESNAPSHOT"} {
		t.Run(action, func(t *testing.T) {
			s := newSinkTest(t)
			s.await("running lag 0")
			s.close()
			backup := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(backup, os.DirFS(s.dir)); err != nil {
				t.Fatal(err)
			}
			s.open()
			for i := range 20 {
				s.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 'later')", 10+i))
			}
			s.await("running lag 0")
			s.close()
			s.dir = backup
			s.open()
			s.await("diverged")
			s.exec("INSERT INTO t VALUES (10, 'now')")
			s.exec("ALTER SINK s " + action)
			s.await("running lag 0")
			s.exec("INSERT INTO t VALUES (11, 'now')")
			s.restart()
			s.await("running lag 0")
			want, records := rowsOf(1, "a", 2, "b", 11, "now"), 23
			for i := range 20 { // what the later state had written
				if key, value := row(10+i, "later"); want[key] == "" {
					want[key] = value
				}
			}
			if action == "RESNAPSHOT" {
				key, value := row(10, "now")
				want[key], records = value, 26
			}
			s.holds(records, want)
		})
	}
}

// TestCopiedSink: a copy of the database that has got further than the original
// when it meets the sink is not taken for it.
func TestCopiedSink(t *testing.T) {
	s := newSinkTest(t)
	s.await("running lag 0")
	s.restart() // the second opening
	s.await("running lag 0")
	s.close()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	s.open()
	s.exec("INSERT INTO t VALUES (3, 'later')")
	s.await("running lag 0")
	s.close()
	s.c.StopFake()
	s.dir = backup
	s.open()
	for i := range 20 {
		s.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 'now')", 10+i))
	}
	s.c.RestartFake(t)
	s.await("diverged")
	s.exec("ALTER SINK s RESUME")
	s.exec("INSERT INTO t VALUES (4, 'd')")
	s.restart()
	s.await("running lag 0")
	s.holds(4, rowsOf(1, "a", 2, "b", 3, "later", 4, "d"))
}

// TestAlterSinkRefused: what ALTER SINK does not do.
func TestAlterSinkRefused(t *testing.T) {
	s := newSinkTest(t)
	s.exec("CREATE SINK b FROM t WITH (connector = 'blackhole')")
	s.refused("ALTER SINK b RESNAPSHOT", `error 42809: sink "b" writes nothing outside of the database at 12`)
	s.refused("ALTER SINK t RESUME", `error 42809: "t" is not a sink at 12`)
	s.refused("ALTER SINK x RESUME", `error 42P01: sink "x" does not exist at 12`)
	s.refused("ALTER SINK s PAUSE", `error 0A000: this action of ALTER SINK is not supported yet at 14`)
	s.refused("ALTER SINK s RESUME, RESNAPSHOT", `error 0A000: ALTER SINK with several actions is not supported at 22`)
	s.refused("ALTER TABLE t RENAME TO u", `error 0A000: ALTER TABLE is not supported yet at 1`)
	s.exec("ALTER SINK IF EXISTS x RESUME")
	s.c.StopFake() // the sink goes on when the broker does, under its new name in the cluster
	s.exec("ALTER SINK s RESNAPSHOT")
	s.refused("ALTER SINK s RESUME", `error 55000: sink "s" has not diverged`)
}
