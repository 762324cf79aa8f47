// Package pgwire speaks PostgreSQL's frontend/backend protocol, version 3
// (PostgreSQL 15, chapter 55): start-up, simple and extended queries, text and
// binary formats, cancel requests. It is the only home of pgproto3.
//
// A connection is one goroutine (conn.serve) that owns the session; panics end
// the connection, not the server. What a client sends is bounded: the start-up
// packet by 10 KiB, messages by 64 MiB, connections by Options.MaxConnections,
// those that have not started up by maxStarting, the oldest dropped first.
//
// The package must not know plans, storage or sources: it hands statements to
// engine.Session and writes what comes back.
package pgwire
