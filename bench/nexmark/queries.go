package main

// query is one measured query. Its text runs on streamdb and PostgreSQL alike.
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

// queries are those of Nexmark that have no windows, and the plain group-by.
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
	}
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
