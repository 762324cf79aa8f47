package main

import (
	"fmt"
	"regexp"
)

// query is one measured query. Its text runs on streamdb and, but for windows,
// PostgreSQL alike.
type query struct {
	name string
	text string
	// sink: the rows go into a blackhole that folds them into a checksum;
	// otherwise they are a stored view.
	sink bool
	// record is the row in PostgreSQL whose hash is the checksum, where a column
	// needs its text; "" is the whole row.
	record string
}

// queries are those of Nexmark, and the plain group-by.
func queries() []query {
	return []query{
		{name: "q0", sink: true, text: `SELECT auction, bidder, price, "dateTime", extra FROM bid`},
		{name: "q1", sink: true, text: `SELECT auction, bidder, 0.908 * price AS price, "dateTime", extra FROM bid`,
			record: `ROW(t.auction, t.bidder, t.price::text, t."dateTime", t.extra)`},
		{name: "q2", sink: true, text: `SELECT auction, price FROM bid WHERE mod(auction, 123) = 0`},
		{name: "q3", sink: true, text: `SELECT p.name, p.city, p.state, a.id FROM auction AS a JOIN person AS p ON a.seller = p.id
			WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA')`},
		{name: "q4", text: `SELECT q.category, avg(q.final) AS final FROM (
			SELECT max(b.price) AS final, a.category FROM auction AS a, bid AS b
			WHERE a.id = b.auction AND b."dateTime" BETWEEN a."dateTime" AND a.expires GROUP BY a.id, a.category) AS q GROUP BY q.category`},
		{name: "gcount", text: `SELECT auction, count(*) AS num FROM bid GROUP BY auction`},
		{name: "gagg", text: `SELECT auction, count(*) AS num, sum(price) AS turnover, max(price) AS top FROM bid GROUP BY auction`},
		{name: "wcount", text: `SELECT auction, window_start, count(*) AS num, sum(price) AS turnover
			FROM TUMBLE(bid, "dateTime", INTERVAL '10 seconds') AS w GROUP BY auction, window_start`},
		{name: "hcount", text: hotItems},
		{name: "q5", text: `SELECT c.auction, c.num, c.window_start FROM (` + hotItems + `) AS c JOIN (
			SELECT max(num) AS most, window_start FROM (` + hotItems + `) AS n GROUP BY window_start) AS m
			ON c.window_start = m.window_start AND c.num >= m.most`},
		{name: "q7", text: `SELECT b.auction, b.price, b.bidder, b."dateTime", b.extra FROM bid AS b JOIN (
			SELECT max(price) AS top, window_end FROM TUMBLE(bid, "dateTime", INTERVAL '10 seconds') AS w GROUP BY window_start, window_end) AS m
			ON b.price = m.top WHERE b."dateTime" BETWEEN m.window_end - INTERVAL '10 seconds' AND m.window_end`},
		{name: "q8", text: `SELECT p.id, p.name, p.window_start FROM (
			SELECT id, name, window_start FROM TUMBLE(person, "dateTime", INTERVAL '10 seconds') AS w GROUP BY id, name, window_start) AS p JOIN (
			SELECT seller, window_start FROM TUMBLE(auction, "dateTime", INTERVAL '10 seconds') AS v GROUP BY seller, window_start) AS a
			ON p.id = a.seller AND p.window_start = a.window_start`},
	}
}

// hotItems counts the bids of each auction in hopping windows.
const hotItems = `SELECT auction, count(*) AS num, window_start
	FROM HOP(bid, "dateTime", INTERVAL '2 seconds', INTERVAL '10 seconds') AS h GROUP BY auction, window_start`

// windows are the window functions in a query's text.
var windows = regexp.MustCompile(`(TUMBLE|HOP)\((\w+), "dateTime", (INTERVAL '(\d+) seconds')(?:, INTERVAL '(\d+) seconds')?\)`)

// reference is the query for PostgreSQL, which has no window functions of this kind:
// a row is in the window of its bin and, of hopping ones, in those that began before it.
func (q *query) reference() string {
	return windows.ReplaceAllStringFunc(q.text, func(call string) string {
		m := windows.FindStringSubmatch(call)
		size, slides := m[4], "(VALUES (0))"
		if m[1] == "HOP" {
			size = m[5]
			slides = fmt.Sprintf("generate_series(0, %s / %s - 1)", m[5], m[4])
		}
		start := fmt.Sprintf(`date_bin(%s, "dateTime", TIMESTAMP '1970-01-01') - k * %s`, m[3], m[3])
		return fmt.Sprintf(`(SELECT t.*, %s AS window_start, %s + INTERVAL '%s seconds' AS window_end FROM %s AS t, %s AS s(k))`,
			start, start, size, m[2], slides)
	})
}

// table is one of the three relations, as both systems declare it.
type table struct{ name, columns string }

func tables() []table {
	return []table{
		{"person", `id bigint, name text, "emailAddress" text, "creditCard" text, city text, state text, "dateTime" timestamp(3), extra text`},
		{"auction", `id bigint, "itemName" text, description text, "initialBid" bigint, reserve bigint, "dateTime" timestamp(3), expires timestamp(3), seller bigint, category bigint, extra text`},
		{"bid", `auction bigint, bidder bigint, price bigint, channel text, url text, "dateTime" timestamp(3), extra text`},
	}
}
