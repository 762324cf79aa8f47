package pgwire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

func pgxConnect(t testing.TB, address string, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig("postgres://streamdb@" + address + "/streamdb?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = mode
	c, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func exec(t testing.TB, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// modes are pgx's ways to send a query: text and binary, prepared and not.
func modes() map[string]pgx.QueryExecMode {
	return map[string]pgx.QueryExecMode{"prepared": pgx.QueryExecModeCacheStatement, "described": pgx.QueryExecModeDescribeExec,
		"cached description": pgx.QueryExecModeCacheDescribe, "exec": pgx.QueryExecModeExec, "simple": pgx.QueryExecModeSimpleProtocol}
}

// TestTypesRoundTrip sends a value of every type as a parameter into a table
// and reads it back, in both formats.
func TestTypesRoundTrip(t *testing.T) {
	address := startServer(t, Options{})
	moment := time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.UTC)
	values := []struct {
		sqlType string
		value   any
	}{
		{"bool", true}, {"bool", false},
		{"int2", int16(math.MinInt16)}, {"int4", int32(math.MaxInt32)}, {"int8", int64(math.MinInt64)},
		{"float4", float32(1.5)}, {"float8", math.MaxFloat64}, {"float8", math.Inf(-1)},
		{"text", "ö日本\n\t'\"\\"}, {"text", ""}, {"varchar(20)", "varchar"},
		{"bytea", []byte{0, 1, 255}}, {"bytea", []byte{}},
		{"date", time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)},
		{"timestamp", moment}, {"timestamptz", moment},
		{"interval", pgtype.Interval{Months: 14, Days: -3, Microseconds: 3_723_000_001, Valid: true}},
		{"uuid", [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		{"jsonb", map[string]any{"a": []any{1.0, "x", nil}}}, {"json", map[string]any{"b": true}},
		{"int4[]", []any{int32(1), nil, int32(-3)}}, {"text[]", []any{"a", "b c", "{\",\"}"}},
		{"bool[]", []any{true, nil}}, {"int2[]", []any{int16(1), int16(-2)}}, {"float4[]", []any{float32(0.5)}}, {"float8[]", []any{1.5, nil, math.Inf(1)}},
		{"numeric[]", []any{numeric(t, "1.50"), nil}}, {"varchar(3)[]", []any{"abc", ""}},
		{"date[]", []any{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)}}, {"timestamp[]", []any{moment}}, {"timestamptz[]", []any{moment, nil}},
		{"interval[]", []any{pgtype.Interval{Months: 1, Days: -3, Microseconds: 5, Valid: true}}},
		{"uuid[]", []any{[16]byte{1, 2}}}, {"bytea[]", []any{[]byte{0, 255}, []byte{}}}, {"jsonb[]", []any{map[string]any{"a": 1.0}}},
		{"numeric", numeric(t, "-12345678901234567890.0123456789")}, {"numeric", numeric(t, "NaN")}, {"numeric", numeric(t, "1.50")},
	}
	admin := pgxConnect(t, address, pgx.QueryExecModeCacheStatement)
	for i, v := range values {
		exec(t, admin, fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY, v %s)", i, v.sqlType))
	}
	n := 0
	for name, mode := range modes() {
		c := pgxConnect(t, address, mode)
		for i, v := range values {
			n++
			if (mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol) && untypedInExec(v.value) {
				continue // pgx knows no type for it without a description
			}
			if _, err := c.Exec(context.Background(), fmt.Sprintf("INSERT INTO t%d VALUES ($1, $2)", i), n, v.value); err != nil {
				t.Errorf("%s: insert %s %v: %v", name, v.sqlType, v.value, err)
				continue
			}
			var got any
			if err := c.QueryRow(context.Background(), fmt.Sprintf("SELECT v FROM t%d WHERE id = $1", i), n).Scan(&got); err != nil {
				t.Errorf("%s: select %s: %v", name, v.sqlType, err)
				continue
			}
			if !sameValue(got, v.value) {
				t.Errorf("%s: %s: sent %v (%T), got %v (%T)", name, v.sqlType, v.value, v.value, got, got)
			}
			var null any
			if err := c.QueryRow(context.Background(), "SELECT $1::"+v.sqlType, nil).Scan(&null); err != nil || null != nil {
				t.Errorf("%s: NULL of %s: %v, %v", name, v.sqlType, null, err)
			}
		}
	}
}

// untypedInExec says whether pgx sends the value as something else when it does
// not know the parameter's type.
func untypedInExec(v any) bool {
	switch v.(type) {
	case [16]byte, map[string]any, []any, []byte, pgtype.Interval:
		return true
	}
	return false
}

func numeric(t *testing.T, s string) pgtype.Numeric {
	var n pgtype.Numeric
	if err := n.Scan(s); err != nil {
		t.Fatal(err)
	}
	return n
}

func sameValue(got, want any) bool {
	switch w := want.(type) {
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, sameValue)
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w)
	case pgtype.Numeric:
		g, ok := got.(pgtype.Numeric)
		a, _ := g.Value()
		b, _ := w.Value()
		return ok && a == b
	}
	return reflect.DeepEqual(got, want)
}

func TestBatch(t *testing.T) {
	ctx := context.Background()
	c := pgxConnect(t, startServer(t, Options{}), pgx.QueryExecModeCacheStatement)
	exec(t, c, "CREATE TABLE t (id int PRIMARY KEY, v text)")
	b := &pgx.Batch{}
	for i := range 100 {
		b.Queue("INSERT INTO t VALUES ($1, $2)", i, fmt.Sprint("v", i))
	}
	b.Queue("SELECT count(*) FROM t")
	r := c.SendBatch(ctx, b)
	for range 100 {
		if _, err := r.Exec(); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := r.QueryRow().Scan(&n); err != nil || n != 100 {
		t.Fatalf("the batch sees %d rows of its own: %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	b = &pgx.Batch{} // one that fails does nothing
	b.Queue("INSERT INTO t VALUES (1000, 'x')")
	b.Queue("INSERT INTO t VALUES (1, 'y')")
	if err := c.SendBatch(ctx, b).Close(); code(err) != "23505" {
		t.Fatalf("batch with a duplicate: %v", err)
	}
	if err := c.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&n); err != nil || n != 100 {
		t.Fatalf("%d rows after a batch that failed: %v", n, err)
	}
}

// A prepared statement sees the clock, the settings and the rows of its
// execution.
func TestPreparedRepeated(t *testing.T) {
	ctx := context.Background()
	c := pgxConnect(t, startServer(t, Options{}), pgx.QueryExecModeCacheStatement)
	exec(t, c, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), created timestamptz DEFAULT now())")
	var last time.Time
	for i := range 20 {
		if _, err := c.Exec(ctx, "INSERT INTO t (id) VALUES ($1)", i); err != nil {
			t.Fatal(err)
		}
		var now, created time.Time
		var n int
		if err := c.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		if err := c.QueryRow(ctx, "SELECT created FROM t WHERE id = $1", i).Scan(&created); err != nil {
			t.Fatal(err)
		}
		if err := c.QueryRow(ctx, "SELECT count(*) FROM t WHERE id <= $1", i).Scan(&n); err != nil || n != i+1 {
			t.Fatalf("%d rows, %v", n, err)
		}
		if !now.After(last) || !created.After(last) || created.After(now) {
			t.Fatalf("last %v, created %v, now %v", last, created, now)
		}
		last = now
	}
	var text string
	for _, zone := range []string{"UTC", "Asia/Tokyo", "UTC"} {
		exec(t, c, "SET TimeZone = '"+zone+"'")
		if err := c.QueryRow(ctx, "SELECT timestamptz '2020-01-01 00:00:00+00'::text").Scan(&text); err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"UTC": "2020-01-01 00:00:00+00", "Asia/Tokyo": "2020-01-01 09:00:00+09"}[zone]; text != want {
			t.Fatalf("in %s: %s", zone, text)
		}
	}
}

func TestTransactions(t *testing.T) {
	ctx := context.Background()
	address := startServer(t, Options{})
	a, b := pgxConnect(t, address, pgx.QueryExecModeCacheStatement), pgxConnect(t, address, pgx.QueryExecModeCacheStatement)
	exec(t, a, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1)")
	tx, err := a.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "UPDATE t SET v = $1 WHERE id = 1", 2); err != nil {
		t.Fatal(err)
	}
	v := 0
	read := func(q interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}) int {
		t.Helper()
		if err := q.QueryRow(ctx, "SELECT v FROM t WHERE id = $1", 1).Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if read(tx) != 2 || read(b) != 1 {
		t.Fatal("uncommitted changes are seen by their own transaction alone")
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if read(b) != 2 {
		t.Fatal("a commit is not seen")
	}
	if tx, err = a.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.Serializable}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "UPDATE t SET v = 3"); code(err) != "25006" {
		t.Fatalf("a write in a read-only transaction: %v", err)
	}
	if _, err := tx.Exec(ctx, "SELECT 1"); code(err) != "25P02" {
		t.Fatalf("a statement in a failed transaction: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestCancelByContext(t *testing.T) {
	address := startServer(t, Options{})
	c := pgxConnect(t, address, pgx.QueryExecModeCacheStatement)
	exec(t, c, "CREATE TABLE t (id int PRIMARY KEY)")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	rows, err := c.Query(ctx, "SUBSCRIBE TO t")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("cancelled by its context: %v", err)
	}
}

func TestLimitsOfStatements(t *testing.T) {
	c := pgxConnect(t, startServer(t, Options{}), pgx.QueryExecModeCacheStatement)
	ctx := context.Background()
	exec(t, c, "CREATE TABLE t (id int PRIMARY KEY)", "SET statement_timeout = '30ms'")
	if _, err := c.Exec(ctx, "SUBSCRIBE TO t"); code(err) != "57014" {
		t.Fatalf("statement_timeout: %v", err)
	}
	exec(t, c, "SET statement_timeout = 0", "SET query_memory_limit = 1048576")
	if _, err := c.Exec(ctx, "SELECT repeat('x', 1000) || a FROM generate_series(1, 100000) a ORDER BY 1"); code(err) != "53200" {
		t.Fatalf("query_memory_limit: %v", err)
	}
	exec(t, c, "SELECT 1")
}

func TestCodes(t *testing.T) {
	c := pgxConnect(t, startServer(t, Options{}), pgx.QueryExecModeCacheStatement)
	exec(t, c, "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t VALUES (1, 1)")
	for statement, want := range map[string]pgconn.PgError{
		"SELEC 1":                               {Code: "42601", Position: 1},
		"SELECT * FROM nosuch":                  {Code: "42P01", Position: 15},
		"SELECT nosuch FROM t":                  {Code: "42703", Position: 8},
		"SELECT nosuch(1)":                      {Code: "42883", Position: 8},
		"SELECT 'x'::int":                       {Code: "22P02", Position: 8},
		"SELECT 1/(v-1) FROM t":                 {Code: "22012"},
		"INSERT INTO t VALUES (1, 2)":           {Code: "23505", ConstraintName: "t_pkey", TableName: "t", SchemaName: "public"},
		"INSERT INTO t VALUES (2, NULL)":        {Code: "23502", ColumnName: "v", TableName: "t", SchemaName: "public"},
		"SELECT id FROM t, u":                   {Code: "42702", Position: 8},
		"CREATE TABLE t (a int)":                {Code: "42P07", Position: 14},
		"SELECT v FROM t GROUP BY id + 1":       {Code: "42803", Position: 8},
		"SELECT 2147483647 + 1":                 {Code: "22003"},
		"INSERT INTO t VALUES ('x', 1)":         {Code: "22P02", Position: 23},
		"SELECT count(*) FROM t WHERE v":        {Code: "42804", Position: 30},
		"DROP TABLE nosuch":                     {Code: "42P01", Position: 12},
		"SELECT 1 LIMIT -1":                     {Code: "2201W"},
		"INSERT INTO t (id, nosuch) VALUES (1)": {Code: "42703", Position: 20},
	} {
		_, err := c.Exec(context.Background(), statement)
		var got *pgconn.PgError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		if got.Code != want.Code || got.Position != want.Position || got.ConstraintName != want.ConstraintName ||
			got.ColumnName != want.ColumnName || got.TableName != want.TableName || got.SchemaName != want.SchemaName {
			t.Errorf("%s: %s %q at %d, constraint %q of %q.%q column %q, want %+v", statement, got.Code, got.Message, got.Position,
				got.ConstraintName, got.SchemaName, got.TableName, got.ColumnName, want)
		}
	}
}

// BenchmarkPointRead reads single rows by a prepared statement, the client's
// share included.
func BenchmarkPointRead(b *testing.B) {
	c := pgxConnect(b, startServer(b, Options{}), pgx.QueryExecModeCacheStatement)
	exec(b, c, "CREATE TABLE t (id bigint PRIMARY KEY, v bigint)", "INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g")
	b.ReportAllocs()
	for b.Loop() {
		var id, v int64
		if err := c.QueryRow(context.Background(), "SELECT id, v FROM t WHERE id = $1", 500).Scan(&id, &v); err != nil || v != 500 {
			b.Fatal(v, err)
		}
	}
}
