package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/internal/kafkatest"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

func TestCompacts(t *testing.T) {
	c := kafkatest.Start(t)
	for _, policy := range []string{"", "delete", "compact", "compact,delete"} {
		topic := c.Topic(t, 1)
		if policy != "" {
			setPolicy(t, c, topic, policy)
		}
		src := open(t, c, topic, nil)
		want := policy == "compact" || policy == "compact,delete"
		if got, err := src.Compacts(t.Context()); err != nil || got != want {
			t.Errorf("policy %q: %v, %v", policy, got, err)
		}
	}
	missing := open(t, c, c.Name(t), nil)
	if got, err := missing.Compacts(t.Context()); err == nil || got || sqlerr.Code(err) == "" {
		t.Errorf("a topic that does not exist: %v, %v", got, err)
	}
}

func setPolicy(t *testing.T, c *kafkatest.Cluster, topic, policy string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	s.Name, s.Op, s.Value = cleanupPolicy, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(policy)
	r.Configs = append(r.Configs, s)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(t.Context(), c.Client())
	if err != nil || len(resp.Resources) != 1 || resp.Resources[0].ErrorCode != 0 {
		t.Fatal(resp, err)
	}
}
