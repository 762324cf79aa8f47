package dataflow

import "time"

const (
	// firstCut is the number of rows of an epoch while nothing is known of what a
	// row costs: at the start, and when views come or go.
	firstCut = 4 << 10
	// leastCut is as small as an epoch is made; one batch is taken in any case.
	leastCut = 64
	// largestDelta is how many bytes of changes an epoch may commit before it
	// counts as too long: what they cost comes after compute.
	largestDelta = 64 << 20
)

// pace bounds the rows of an epoch by what the last ones took, so that a view
// whose rows cost much, such as a join of which a row has thousands of partners,
// makes epochs small instead of holding all others up. It begins low, doubles
// while epochs are full and quick, and falls at once when one was too long; a
// single row or batch that costs more than the target is not divided.
type pace struct {
	target time.Duration
	most   int // rows
	rows   int // of the next epoch
}

func newPace(target time.Duration, most int) pace {
	return pace{target: target, most: most, rows: min(firstCut, most)}
}

// restart forgets what rows cost.
func (p *pace) restart() { p.rows = min(p.rows, firstCut) }

// observe learns from an epoch: the rows it took, how long it computed, the bytes
// of its changes.
func (p *pace) observe(rows int64, took time.Duration, bytes int64) {
	// How many times over the limits it was, in percent.
	load := max(int64(took)*100/int64(p.target), bytes*100/largestDelta)
	switch {
	case load > 100:
		fit := min(rows*100/(2*load), int64(p.rows)/2)
		p.rows = max(int(fit), min(leastCut, p.most))
	case load < 50 && rows >= int64(p.rows):
		p.rows = min(2*p.rows, p.most)
	}
}

// changeBytes returns the size of what the epoch writes.
func (ep *epochWork) changeBytes() (n int64) {
	for i := range ep.commit.Changes {
		set := &ep.commit.Changes[i]
		n += int64(len(set.Keys.Data) + len(set.Vals.Data))
	}
	return n
}
