// Package catalog holds what the database contains: streams, tables, views and
// system relations, their columns and what depends on what.
//
// A Catalog is immutable; a Draft makes a changed copy of it and the meta changes
// that make that durable, which the caller commits in an epoch. So a session
// binds against one version however long it takes, and DDL is visible exactly
// from the epoch that committed it. Several drafts may be under way: what they add
// has different identifiers.
//
// It must not know statements, plans or how a dataflow runs: graphs and
// connector options are kept as opaque JSON.
package catalog
