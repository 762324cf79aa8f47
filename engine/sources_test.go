package engine

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSourceCountsByPartition compares the counts of streamdb.sources with what was
// written into each partition, bad records among it.
func TestSourceCountsByPartition(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	addr := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("events"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	produce := func(partition int32, values ...string) {
		t.Helper()
		for _, v := range values {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: partition, Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := openTestDB(t)
	db.exec(fmt.Sprintf("CREATE STREAM e (k int) WITH (connector = 'kafka', brokers = '%s', topic = 'events')", addr))
	db.exec("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM e")
	if got, err := db.query("SELECT * FROM m"); err != nil || fmt.Sprint(got) != "[0]" {
		t.Fatal(got, err)
	}
	produce(0, `{"k": 1}`, `{"k": 2}`, `{"k": "x"}`)
	produce(2, `{"k": 3}`, `{`, `{`)
	db.exec("SET real_time_recency = on")
	if got, err := db.query("SELECT * FROM m"); err != nil || fmt.Sprint(got) != "[3]" {
		t.Fatal(got, err)
	}
	got, err := db.query("SELECT partition, rows_in, errors, newest IS NOT NULL, unknown_tombstones FROM streamdb.sources ORDER BY partition")
	if want := "[0|2|1|t|NULL 1|0|0|f|NULL 2|1|2|t|NULL]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}
