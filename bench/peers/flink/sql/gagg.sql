-- the group-by with three aggregates (not a Nexmark query)
CREATE TABLE s (auction BIGINT, num BIGINT, turnover BIGINT, top BIGINT) WITH ('connector'='blackhole');
INSERT INTO s SELECT auction, count(*), sum(price), max(price) FROM bid GROUP BY auction;
