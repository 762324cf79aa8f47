package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/streamdb/streamdb/connector/datagen"
	"github.com/streamdb/streamdb/connector/kafka"
	"github.com/streamdb/streamdb/engine"
)

const demoCommand = "demo"

// demoMarker is the file that says that the demo's streams and views were made:
// what the user has dropped since does not come back.
const demoMarker = "demo"

// The demo's topics, by datagen.Kind, and their partitions.
const (
	demoTopicPrefix = "nexmark-"
	demoPartitions  = 2
)

// demoSQL makes the streams over the generated topics and the views to look at.
const demoSQL = `
CREATE STREAM IF NOT EXISTS people (id bigint, name text, city text, state text, datetime timestamp)
  WITH (connector = 'kafka', brokers = 'embedded', topic = 'nexmark-person', format = 'json');

CREATE STREAM IF NOT EXISTS auctions (id bigint, itemname text, initialbid bigint, reserve bigint, seller bigint, category bigint, datetime timestamp, expires timestamp)
  WITH (connector = 'kafka', brokers = 'embedded', topic = 'nexmark-auction', format = 'json');

CREATE STREAM IF NOT EXISTS bids (auction bigint, bidder bigint, price bigint, channel text, datetime timestamp)
  WITH (connector = 'kafka', brokers = 'embedded', topic = 'nexmark-bid', format = 'json');

CREATE MATERIALIZED VIEW IF NOT EXISTS auction_totals AS
  SELECT auction, count(*) AS bids, sum(price) AS turnover, max(price) AS top
  FROM bids GROUP BY auction;

CREATE MATERIALIZED VIEW IF NOT EXISTS top_auctions AS
  SELECT t.auction, p.name AS seller, p.city, t.bids, t.turnover, t.top
  FROM auction_totals t JOIN auctions a ON a.id = t.auction LEFT JOIN people p ON p.id = a.seller
  ORDER BY t.turnover DESC LIMIT 10;

CREATE MATERIALIZED VIEW IF NOT EXISTS bids_per_channel AS
  SELECT CASE WHEN channel LIKE 'channel-%' THEN 'others' ELSE channel END AS channel,
         count(*) AS bids, count(*) FILTER (WHERE price >= 1000000) AS big, avg(price) AS average
  FROM bids GROUP BY 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS bids_per_minute AS
  SELECT date_trunc('minute', datetime) AS minute, count(*) AS bids, sum(price) AS turnover
  FROM bids GROUP BY 1;
`

// prepareDemo makes the topics, streams and views in a new directory, before
// clients are let in, and returns the feed that is to run; nil without demo.
func prepareDemo(ctx context.Context, o *options, db *engine.Engine, l *listeners, log *slog.Logger) (*kafka.FeedOptions, error) {
	if !o.demo {
		return nil, nil
	}
	feed := &kafka.FeedOptions{
		Brokers: []string{kafka.EmbeddedBroker}, Embedded: l.kafkaAddress(), Partitions: demoPartitions,
		Rate: o.rate, Events: nexmarkEvents{datagen.NewNexmark(1, o.rate)}, Log: log,
	}
	for k := range datagen.Kinds {
		feed.Topics = append(feed.Topics, demoTopicPrefix+datagen.Kind(k).String())
	}
	if err := makeDemo(ctx, o, db, feed); err != nil {
		return nil, fmt.Errorf("prepare the demo: %w", err)
	}
	return feed, nil
}

// makeDemo makes what the marker does not say was made. After a kill in the
// middle that is what is missing.
func makeDemo(ctx context.Context, o *options, db *engine.Engine, feed *kafka.FeedOptions) error {
	marker := filepath.Join(o.dataDir, demoMarker)
	if _, err := os.Stat(marker); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := feed.CreateTopics(ctx); err != nil {
		return err
	}
	if err := execute(ctx, db, o.initUser, demoSQL); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte("The streams and views of streamdb demo were made.\n"), 0o644)
}

// runFeed generates events until ctx ends.
func runFeed(ctx context.Context, o *options, feed *kafka.FeedOptions) error {
	if o.rate > 0 {
		kafka.Feed(ctx, *feed)
	}
	return nil
}

// execute runs statements that return no rows.
func execute(ctx context.Context, db *engine.Engine, user, text string) error {
	s, err := db.NewSession(engine.SessionOptions{User: user})
	if err != nil {
		return err
	}
	defer s.Close()
	statements, err := s.Parse(text)
	if err != nil {
		return err
	}
	for _, st := range statements {
		p, err := s.Prepare(ctx, st, nil)
		if err == nil {
			_, err = s.Execute(ctx, p, nil, nil)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", st.Text(), err)
		}
	}
	return nil
}

// nexmarkEvents are the generator's events as a feed writes them.
type nexmarkEvents struct{ *datagen.Nexmark }

func (e nexmarkEvents) Place(n int64) (topic int, partition int32, offset int64) {
	partition, offset = datagen.Place(n, demoPartitions)
	return int(datagen.KindOf(n)), partition, offset
}

func (e nexmarkEvents) At(topic int, partition int32, offset int64) int64 {
	return datagen.At(datagen.Kind(topic), partition, demoPartitions, offset)
}

func (e nexmarkEvents) Append(b []byte, n int64, at time.Time) []byte {
	return e.Nexmark.Append(b, n, at.UnixMilli())
}

// banner says what there is to look at.
func banner(o *options, l *listeners) string {
	host, port, _ := net.SplitHostPort(l.pg.Addr().String())
	psql := fmt.Sprintf("psql -h %s -p %s -U %s %s", host, port, o.initUser, o.initDatabase)
	rate := fmt.Sprintf("%g auction events a second go into", o.rate)
	if o.rate == 0 {
		rate = "No events go into"
	}
	return fmt.Sprintf(`
%s the Kafka broker at %s (topics %sperson, %sauction, %sbid).
Streams people, auctions and bids read them; views auction_totals, top_auctions, bids_per_channel
and bids_per_minute are kept up to date. Paste into another terminal:

  echo 'SELECT * FROM top_auctions ORDER BY turnover DESC \watch 1' | %s

or try these after %s

  SELECT * FROM bids_per_minute ORDER BY minute DESC LIMIT 5 \watch 1
  SELECT name, state, position, lag FROM streamdb.sources;
  SHOW CREATE MATERIALIZED VIEW top_auctions;
  CREATE MATERIALIZED VIEW sellers_per_city AS SELECT city, count(*) AS sellers FROM people GROUP BY city;
  SELECT * FROM sellers_per_city ORDER BY sellers DESC \watch 1

SUBSCRIBE TO bids_per_channel pushes every change to a program; psql shows results only when they end.

Ctrl-C here stops; the next start goes on where it was. All data is in %s.
`, rate, l.kafkaAddress(), demoTopicPrefix, demoTopicPrefix, demoTopicPrefix, psql, psql, o.dataDir)
}
