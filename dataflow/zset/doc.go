// Package zset holds deltas: columnar batches of rows with integer weights (a
// Z-set; Budiu et al., DBSP, VLDB 2023), and the two byte formats of rows.
//
// Row bytes (AppendRow) are the stored image of a row: compact, deterministic,
// equal for identical rows only. Key bytes (AppendKey) sort as the values do
// and are equal exactly for values that SQL calls equal (1.0 = 1.00,
// -0 = 0, '1 mon' = '30 days'); NULL sorts last, as PostgreSQL's default.
//
// The package knows types, but no expression, operator or store. A Batch is
// owned by one goroutine at a time and is immutable once handed on.
package zset
