// Package engine answers statements: sessions, DDL, queries and recovery, a
// file per statement family. It owns the current catalog and puts planner,
// runtime and storage together; clients' protocols are above it.
//
// Ways:
//
//	SELECT  Session.Parse -> Prepare (bind, optimize, lower) -> Execute: snapshot
//	        at the last epoch -> key read, or the operators fed from the snapshot -> Rows
//	CREATE  Execute -> planner -> catalog.Draft -> catalogChange
//	COMMIT  rows and catalogChange -> Runtime.Do -> catalog swapped
//
// Guarantees: a statement reads one epoch; DDL and DML of a transaction are
// visible exactly from the epoch that committed them. A Session serves one statement at a time; Cancel may
// be called from any goroutine. The engine's goroutines are the runtime's loop
// (Open starts it, Close waits for it) and one writer for each Kafka sink.
package engine
