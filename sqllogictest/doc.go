// Package sqllogictest runs files of SQL statements with recorded answers
// against any server that speaks PostgreSQL's protocol.
//
// The way through: Parse reads a file into records (ast.go). compile turns them,
// for a mode, into passes of steps (plan.go): run a statement, ask a query, make
// its view, read its view. Run takes files from a Provider of empty databases,
// executes the passes over one connection per session and judges each record
// (judge.go). What comes out is a Result per file and mode, from which the
// summary, the JUnit report, the ratchet and the report of what is not right are
// printed.
//
// Modes:
//
//   - Direct asks every query as it stands.
//   - Views makes each query a materialized view directly after the last
//     statement before it that is not INSERT, UPDATE, DELETE, MERGE or TRUNCATE,
//     that is before the changes in between, and reads the view where the query
//     stands. So the rows come to a live view as changes, and what is compared is
//     the view after each of them.
//   - AfterData makes the view where the query stands, so that it is filled from
//     what is there.
//
// In both view modes a query inside an open transaction, or with a tag "no:",
// runs directly for its effects and counts as skipped. A query that the server
// refuses as a view counts as refused, never as right. A view keeps no order, so
// its rows are compared sorted. Options.Group bounds the views that live at
// once; in mode Views a file with more queries between two barriers is run again
// from an empty database for the next group.
//
// Guarantees: a record is right only when the server gave the recorded answer,
// column types included. Every record has one outcome per mode. The package
// changes nothing outside of the databases that the Provider hands out.
//
// The package must know nothing of streamdb but its protocol: it imports a
// PostgreSQL client and no other package of the project. Run owns its
// goroutines, one per file that is being run, and waits for them.
package sqllogictest
