package datagen

import (
	"math"
	"strconv"
	"time"
)

// Kind is the kind of a Nexmark event.
type Kind int

// The kinds of events; of each 50 one is a person, three are auctions.
const (
	Person Kind = iota
	Auction
	Bid
	Kinds int = iota
)

// String returns the kind's name, which is also that of its topic.
func (k Kind) String() string { return [...]string{"person", "auction", "bid"}[k] }

// Nexmark makes the events of an auction site, as JSON objects of three flat
// relations. The distribution is that of the public Nexmark generator: half of
// the bids go to one hot auction, three quarters of them come from one hot
// bidder, three quarters of the auctions from one hot seller, all of whom change
// slowly; prices spread over six decades; 100 auctions and 1,000 people are
// active at a time; rows are padded to about 200, 500 and 100 bytes.
//
//	person  {id, name, emailAddress, creditCard, city, state, dateTime, extra}
//	auction {id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra}
//	bid     {auction, bidder, price, channel, url, dateTime, extra}
type Nexmark struct {
	Seed uint64
	Rate float64 // events a second of event time: how far auctions reach into the future
	base int64   // of Time, milliseconds since 1970
}

// The mix of events. Blocks are what a partition takes at a time.
const (
	blockEvents = 50
	blockPeople = 1
	blockAucts  = 3
	blockBids   = blockEvents - blockPeople - blockAucts
)

// Parameters of the distribution.
const (
	hotAuctionRatio = 2
	hotSellerRatio  = 4
	hotBidderRatio  = 4
	hotEvery        = 100 // hot ones change after so many
	inFlight        = 100
	activePeople    = 1000
	lead            = 10 // ids that are named before they exist
	firstID         = 1000
	firstCategory   = 10
	categories      = 5
	channels        = 10000
	personBytes     = 200
	auctionBytes    = 500
	bidBytes        = 100
)

// NewNexmark returns a generator; a rate of 0 means 10,000.
func NewNexmark(seed uint64, rate float64) *Nexmark {
	if rate <= 0 {
		rate = 10_000
	}
	return &Nexmark{Seed: seed, Rate: rate, base: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
}

// Time returns the time of event n where none comes from a clock: the rate's
// distance from the beginning of 2026, in milliseconds since 1970.
func (g *Nexmark) Time(n int64) int64 { return g.base + int64(float64(n)*1000/g.Rate) }

// KindOf returns the kind of event n.
func KindOf(n int64) Kind {
	switch off := n % blockEvents; {
	case off < blockPeople:
		return Person
	case off < blockPeople+blockAucts:
		return Auction
	}
	return Bid
}

// Place returns the partition of event n in its kind's topic, and its offset
// there: blocks of 50 events go to the partitions in turn.
func Place(n int64, partitions int32) (partition int32, offset int64) {
	block, off := n/blockEvents, n%blockEvents
	partition, block = int32(block%int64(partitions)), block/int64(partitions)
	switch KindOf(n) {
	case Person:
		return partition, block*blockPeople + off
	case Auction:
		return partition, block*blockAucts + off - blockPeople
	}
	return partition, block*blockBids + off - blockPeople - blockAucts
}

// At is the inverse of Place: the number of the event at an offset.
func At(k Kind, partition, partitions int32, offset int64) int64 {
	size, first := int64(blockPeople), int64(0)
	switch k {
	case Auction:
		size, first = blockAucts, blockPeople
	case Bid:
		size, first = blockBids, blockPeople+blockAucts
	}
	block := offset/size*int64(partitions) + int64(partition)
	return block*blockEvents + first + offset%size
}

// Append appends event n as JSON; millis is its time.
func (g *Nexmark) Append(b []byte, n, millis int64) []byte {
	r := &random{g.Seed ^ uint64(n)*0xd1342543de82ef95}
	r.next()
	switch KindOf(n) {
	case Person:
		return g.person(b, r, n, millis)
	case Auction:
		return g.auction(b, r, n, millis)
	}
	return g.bid(b, r, n, millis)
}

func (g *Nexmark) person(b []byte, r *random, n, millis int64) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, lastPerson(n)+firstID, 10)
	b = append(b, `,"name":"`...)
	b = r.pick(b, "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter")
	b = append(b, ' ')
	b = r.pick(b, "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")
	b = append(b, `","emailAddress":"`...)
	b = r.text(b, 7)
	b = append(b, '@')
	b = r.text(b, 5)
	b = append(b, `.com","creditCard":"`...)
	for i := range 4 {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, 1000+r.below(9000), 10)
	}
	b = append(b, `","city":"`...)
	b = r.pick(b, "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne")
	b = append(b, `","state":"`...)
	b = r.pick(b, "AZ", "CA", "ID", "OR", "WA", "WY")
	b = appendTime(append(b, `","dateTime":"`...), millis)
	b = r.padding(append(b, `","extra":"`...), 80, personBytes)
	return append(b, `"}`...)
}

func (g *Nexmark) auction(b []byte, r *random, n, millis int64) []byte {
	seller := lastPerson(n) / hotEvery * hotEvery
	if r.below(hotSellerRatio) == 0 {
		seller = somePerson(r, n)
	}
	initial := r.price()
	horizon := int64(float64(inFlight*blockEvents/blockAucts) * 1000 / g.Rate)
	expires := millis + 1 + r.below(max(horizon*2, 1))
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, lastAuction(n)+firstID, 10)
	b = r.text(append(b, `,"itemName":"`...), 20)
	b = r.text(append(b, `","description":"`...), 100)
	b = strconv.AppendInt(append(b, `","initialBid":`...), initial, 10)
	b = strconv.AppendInt(append(b, `,"reserve":`...), initial+r.price(), 10)
	b = appendTime(append(b, `,"dateTime":"`...), millis)
	b = appendTime(append(b, `","expires":"`...), expires)
	b = strconv.AppendInt(append(b, `","seller":`...), seller+firstID, 10)
	b = strconv.AppendInt(append(b, `,"category":`...), firstCategory+r.below(categories), 10)
	b = r.padding(append(b, `,"extra":"`...), 180, auctionBytes)
	return append(b, `"}`...)
}

func (g *Nexmark) bid(b []byte, r *random, n, millis int64) []byte {
	auction := lastAuction(n) / hotEvery * hotEvery
	if r.below(hotAuctionRatio) == 0 {
		auction = someAuction(r, n)
	}
	bidder := lastPerson(n)/hotEvery*hotEvery + 1
	if r.below(hotBidderRatio) == 0 {
		bidder = somePerson(r, n)
	}
	b = strconv.AppendInt(append(b, `{"auction":`...), auction+firstID, 10)
	b = strconv.AppendInt(append(b, `,"bidder":`...), bidder+firstID, 10)
	b = strconv.AppendInt(append(b, `,"price":`...), r.price(), 10)
	b = append(b, `,"channel":"`...)
	channel := r.below(4)
	if r.below(2) > 0 {
		b = append(b, [...]string{"Google", "Facebook", "Baidu", "Apple"}[channel]...)
	} else {
		channel = 4 + r.below(channels)
		b = strconv.AppendInt(append(b, `channel-`...), channel-4, 10)
	}
	u := random{uint64(channel) * 77}
	b = strconv.AppendInt(append(b, `","url":"https://www.nexmark.com/`...), int64(u.next()>>44), 36)
	b = strconv.AppendInt(append(b, `/item.htm?query=1&channel_id=`...), channel, 10)
	b = appendTime(append(b, `","dateTime":"`...), millis)
	b = r.padding(append(b, `","extra":"`...), 32, bidBytes)
	return append(b, `"}`...)
}

// lastPerson is the newest person when event n happens.
func lastPerson(n int64) int64 { return n / blockEvents }

// lastAuction is the newest auction when event n happens.
func lastAuction(n int64) int64 {
	block, off := n/blockEvents, n%blockEvents
	switch {
	case off < blockPeople:
		return max(block*blockAucts-1, 0)
	case off >= blockPeople+blockAucts:
		off = blockAucts - 1
	default:
		off -= blockPeople
	}
	return block*blockAucts + off
}

func somePerson(r *random, n int64) int64 {
	people := lastPerson(n) + 1
	active := min(people, activePeople)
	return people - active + r.below(active+lead)
}

func someAuction(r *random, n int64) int64 {
	newest := lastAuction(n)
	oldest := max(newest-inFlight, 0)
	return oldest + r.below(newest-oldest+1+lead)
}

func appendTime(b []byte, millis int64) []byte {
	return time.UnixMilli(millis).UTC().AppendFormat(b, "2006-01-02 15:04:05.000")
}

// random is splitmix64, begun anew for each event.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func (r *random) below(n int64) int64 { return int64(r.next()>>1) % n }

func (r *random) price() int64 {
	f := float64(r.next()>>11) / (1 << 53)
	return int64(math.Round(math.Pow(10, f*6) * 100))
}

func (r *random) pick(b []byte, words ...string) []byte {
	return append(b, words[r.below(int64(len(words)))]...)
}

// text appends n letters and spaces, nothing that JSON must escape.
func (r *random) text(b []byte, n int64) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz     "
	var v uint64
	for i := range n {
		if i%8 == 0 {
			v = r.next()
		}
		b = append(b, letters[(v&0xff)*31>>8])
		v >>= 8
	}
	return b
}

// padding appends so much text that a row of so many bytes has about the size
// wanted, a fifth more or less.
func (r *random) padding(b []byte, have, want int64) []byte {
	missing := want - have
	spread := int64(math.Round(float64(missing) * 0.2))
	return r.text(b, missing-spread+r.below(2*spread+1))
}
