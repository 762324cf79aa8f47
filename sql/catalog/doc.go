// Package catalog holds what the database contains: streams, tables, views and
// system relations, their columns and what depends on what.
//
// A Catalog is immutable; With and Without return a changed copy together with
// the meta changes that make it durable, which the caller commits in an epoch.
// So a session binds against one version however long it takes, and DDL is
// visible exactly from the epoch that committed it.
//
// It must not know statements, plans or how a dataflow runs: graphs and
// connector options are kept as opaque JSON.
package catalog
