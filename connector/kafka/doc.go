// Package kafka reads Kafka topics as sources. It is the only home of franz-go.
//
// The client's own consumer is not used: it answers in records and hides what
// was not delivered, while a source needs exact positions. Fetch requests are
// sent by ourselves through the client's connections, and record batches are
// decoded from the response bytes straight into columns:
//
//	Run (reader.go)      keeps the list of partitions, their leaders and the
//	                     topic's id; one fetcher for each broker
//	fetcher (fetch.go)   long-polls its broker; while a response is decoded the
//	                     next one is already asked for
//	partition            walks record batches (batch.go), appends rows (rows.go)
//	                     and pushes batches of at most 4,096 rows
//
// What holds:
//
//	I1. A position is the next offset after everything seen, control records,
//	    aborted transactions and offsets removed by compaction included, so
//	    that position >= end holds for every end that Ends returns.
//	I2. Batches of a partition are contiguous: First is the Next before.
//	I3. Nothing is skipped. An offset that the broker no longer has, a topic
//	    with another id, a damaged batch stall the partition and are told; the
//	    other partitions go on.
//	I4. A record that does not decode becomes an error row (operator.ErrorSchema)
//	    at its offset, in the same batch. A NULL value is such an error (22004)
//	    where the envelope is none. In an upsert table a bad record is a row, too,
//	    and its error row lies in that row (upsert.go): the next record of its key
//	    takes the error away, so it must keep its place.
//	I5. No bytes of a response outlive the decoding of that response.
//
// Goroutines belong to Run, which waits for them; a Source has none of its own
// beside its client's, which Close ends.
package kafka
