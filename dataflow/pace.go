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

// pace bounds the rows of an epoch, or of a view's piece of it, by what the last
// ones took. It begins low, doubles while they are full and quick, and falls at
// once when one was too long.
type pace struct {
	target time.Duration
	most   int // rows
	least  int
	rows   int // of the next epoch
	// longest, when set, is up to how long an epoch may take whose cost is not that of
	// its rows, and base what it took with next to none.
	longest time.Duration
	base    time.Duration
}

func newPace(target time.Duration, most int) pace {
	return pace{target: target, most: most, least: min(leastCut, most), rows: min(firstCut, most)}
}

// overrun learns that so many rows were too many to be computed at all.
func (p *pace) overrun(rows int) { p.rows = max(1, min(rows, p.rows)/8) }

// restart forgets what rows cost.
func (p *pace) restart() { p.rows = min(p.rows, firstCut) }

// fewRows are so few that what they cost is mostly what any epoch costs.
const fewRows = 4

// aim returns how long an epoch may take. Where most of the cost is none of the rows',
// as in a join whose key has thousands of stored rows to be read, a few rows at a
// time would take forever: then it is a multiple of that cost.
func (p *pace) aim() time.Duration { return max(p.target, min(4*p.base, p.longest)) }

// observe learns from an epoch: the rows it took, how long it computed, the bytes
// of its changes.
func (p *pace) observe(rows int64, took time.Duration, bytes int64) {
	// How many times over the limits it was, in percent.
	if p.base -= p.base / 32; rows <= fewRows {
		p.base = took
	}
	load := max(int64(took)*100/int64(p.aim()), bytes*100/largestDelta)
	switch {
	case load > 100:
		fit := min(rows*100/(2*load), int64(p.rows)/2)
		p.rows = max(int(fit), p.least)
	case load < 50 && 2*rows >= int64(p.rows): // batches are not divided, so it is seldom quite full
		p.rows = min(2*p.rows, p.most)
	}
}
