package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamdb/streamdb/connector"
	"github.com/streamdb/streamdb/internal/sqlerr"
)

// maxPartitions bounds partition numbers: positions are slices by number.
const maxPartitions = 100_000

// askTimeout is how long one question to the cluster may take before it counts
// as unreachable.
const askTimeout = 5 * time.Second

// dialTimeout bounds how long a broker may take to accept a connection.
const dialTimeout = 3 * time.Second

// newClient makes a client for questions and fetches; embedded is the address
// of the embedded broker.
func newClient(brokers []string, embedded string) (*kgo.Client, error) {
	return kgo.NewClient(append(reach(brokers, embedded),
		kgo.ClientID("streamdb"),
		kgo.DisableClientMetrics(),
		kgo.RequestRetries(2),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.BrokerMaxReadBytes(1<<30), // a record may be greater than what a fetch asks for
	)...)
}

// reach says how a client gets to the brokers. The embedded broker is looked up
// at each connection, so that its address may be another one after a restart.
func reach(brokers []string, embedded string) []kgo.Opt {
	if !slices.Equal(brokers, []string{EmbeddedBroker}) {
		return []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.DialTimeout(dialTimeout)}
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	return []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == net.JoinHostPort(EmbeddedBroker, defaultPort) {
			address = embedded
		}
		if address == "" {
			return nil, errors.New("the embedded broker is off (start the server with --kafka-listen)")
		}
		return dialer.DialContext(ctx, network, address)
	})}
}

// layout is a topic as the cluster describes it now.
type layout struct {
	id         string // hexadecimal, "" from brokers that have no ids
	rawID      [16]byte
	partitions []placement
}

// placement is a partition's leader, -1 if there is none.
type placement struct {
	partition int32
	leader    int32
	epoch     int32
}

var errMissing = errors.New("topic does not exist")

// describe asks for the topic; errMissing if there is none.
func describe(ctx context.Context, cl *kgo.Client, topic string) (*layout, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("metadata of %d topics instead of one", len(resp.Topics))
	}
	info := &resp.Topics[0]
	switch err := kerr.ErrorForCode(info.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return nil, errMissing
	case err != nil && !errors.Is(err, kerr.LeaderNotAvailable):
		return nil, err
	}
	l := &layout{rawID: info.TopicID}
	if info.TopicID != ([16]byte{}) {
		l.id = hex.EncodeToString(info.TopicID[:])
	}
	for i := range info.Partitions {
		p := &info.Partitions[i]
		if p.Partition < 0 || p.Partition >= maxPartitions {
			return nil, fmt.Errorf("partition number %d is beyond the limit of %d", p.Partition, maxPartitions)
		}
		at := placement{p.Partition, p.Leader, p.LeaderEpoch}
		if p.ErrorCode != 0 && p.Leader < 0 {
			at.leader = -1
		}
		l.partitions = append(l.partitions, at)
	}
	return l, nil
}

// Special timestamps of ListOffsets.
const (
	listLatest   = -1
	listEarliest = -2
)

// listOffsets asks for one offset of each partition by timestamp (milliseconds
// or a special one). Partitions that could not answer are in failed.
func listOffsets(ctx context.Context, cl *kgo.Client, topic string, partitions []int32, at int64, committed bool) (offsets map[int32]int64, failed map[int32]error, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.CurrentLeaderEpoch, rp.Timestamp = p, -1, at
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	offsets, failed = map[int32]int64{}, map[int32]error{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			err = shard.Err
			continue
		}
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok {
			return nil, nil, fmt.Errorf("unexpected response %T", shard.Resp)
		}
		for i := range resp.Topics {
			for k := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[k]
				if perr := kerr.ErrorForCode(p.ErrorCode); perr != nil {
					failed[p.Partition] = perr
				} else {
					offsets[p.Partition] = p.Offset
				}
			}
		}
	}
	for _, p := range partitions {
		if _, ok := offsets[p]; !ok && failed[p] == nil {
			if err == nil {
				err = fmt.Errorf("no answer for partition %d", p)
			}
			failed[p] = err
		}
	}
	return offsets, failed, nil
}

// allOffsets is listOffsets where every partition must answer.
func allOffsets(ctx context.Context, cl *kgo.Client, topic string, l *layout, at int64, committed bool) (connector.Positions, error) {
	partitions := make([]int32, 0, len(l.partitions))
	for _, p := range l.partitions {
		partitions = append(partitions, p.partition)
	}
	offsets, failed, err := listOffsets(ctx, cl, topic, partitions, at, committed)
	if err != nil {
		return nil, err
	}
	var out connector.Positions
	for _, p := range partitions {
		if failed[p] != nil {
			return nil, fmt.Errorf("partition %d: %w", p, failed[p])
		}
		out = out.Set(p, offsets[p])
	}
	return out, nil
}

// clientError makes of a failed question what a client is told.
func clientError(err error, o *Options) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, errMissing) {
		return sqlerr.New(sqlerr.UndefinedObject, "topic \"%s\" does not exist", o.Topic)
	}
	return sqlerr.Wrap(err, sqlerr.ExternalConnectionFailure, "could not read topic \"%s\" from brokers \"%s\": %s", o.Topic, strings.Join(o.Brokers, ","), err)
}
