package kafka

import (
	"slices"
	"sync"
	"time"

	"github.com/streamdb/streamdb/connector"
)

// caughtUp keeps at which position of each partition the broker last said that
// nothing is behind it, records of open transactions included.
type caughtUp struct {
	mu   sync.Mutex
	list []connector.CaughtUp
}

func (c *caughtUp) note(partition int32, position int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for int(partition) >= len(c.list) {
		c.list = append(c.list, connector.CaughtUp{})
	}
	c.list[partition] = connector.CaughtUp{Position: position, At: time.Now().UnixMicro()}
}

// CaughtUp implements connector.Reader.
func (r *Reader) CaughtUp() []connector.CaughtUp {
	r.ends.mu.Lock()
	defer r.ends.mu.Unlock()
	return slices.Clone(r.ends.list)
}
