package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// cleanupPolicy is the topic's setting that says whether the broker removes records
// that later ones of the same key have replaced.
const cleanupPolicy = "cleanup.policy"

// Compacts says whether the broker compacts the topic. 55000 if the cluster does not
// let us know.
func (s *Source) Compacts(ctx context.Context) (bool, error) {
	policy, err := describeConfig(ctx, s.client, s.opts.Topic, cleanupPolicy)
	if sqlerr.Code(err) != sqlerr.ObjectNotInPrerequisiteState {
		err = s.error(err)
	}
	return strings.Contains(policy, "compact"), err
}

// describeConfig asks for one setting of a topic.
func describeConfig(ctx context.Context, cl *kgo.Client, topic, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{name}
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return "", err
	}
	if len(resp.Resources) != 1 {
		return "", fmt.Errorf("settings of %d topics instead of one", len(resp.Resources))
	}
	if err := kerr.ErrorForCode(resp.Resources[0].ErrorCode); err != nil {
		return "", sqlerr.Wrap(err, sqlerr.ObjectNotInPrerequisiteState, "the cluster does not tell %s of topic %q: %v", name, topic, err)
	}
	for _, c := range resp.Resources[0].Configs {
		if c.Name == name && c.Value != nil {
			return *c.Value, nil
		}
	}
	return "", sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the cluster does not tell %s of topic %q", name, topic)
}
