package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamdb/streamdb/connector/datagen"
)

// answer is what a query's result comes to.
type answer struct {
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"`
}

// reference loads the events into PostgreSQL, unless they are there, and
// returns its answer.
func reference(ctx context.Context, o *options, q *query) (answer, error) {
	conn, err := pgx.Connect(ctx, "") // PGHOST and so on
	if err != nil {
		return answer{}, fmt.Errorf("PostgreSQL for the reference answer (PGHOST, PGPORT, PGUSER, PGDATABASE): %w", err)
	}
	defer conn.Close(ctx)
	schema := strings.ReplaceAll(o.prefix(), "-", "_") + fmt.Sprintf("_r%g", o.rate)
	if err := loadReference(ctx, conn, o, schema); err != nil {
		return answer{}, fmt.Errorf("load the events into PostgreSQL: %w", err)
	}
	if !q.sink {
		return readAnswer(ctx, conn, q.reference())
	}
	record := q.record
	if record == "" {
		record = "t"
	}
	var a answer
	err = conn.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), mod(coalesce(sum(hash_record_extended(%s, 0)), 0) + 18446744073709551616 * count(*),
		18446744073709551616)::text FROM (%s) AS t`, record, q.reference())).Scan(&a.Rows, &a.Checksum)
	return a, err
}

// loadReference makes a schema with the three tables; its last statement makes
// it complete, so that an interrupted load is begun again.
func loadReference(ctx context.Context, conn *pgx.Conn, o *options, schema string) error {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", schema+".complete").Scan(&there); err != nil {
		return err
	}
	name := pgx.Identifier{schema}.Sanitize()
	if !there {
		if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+name+" CASCADE; CREATE SCHEMA "+name); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "SET search_path = "+name+"; SET work_mem = '256MB'; SET timezone = 'UTC'"); err != nil || there {
		return err
	}
	for i, t := range tables() {
		if err := loadTable(ctx, conn.PgConn(), o, datagen.Kind(i), t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	_, err := conn.Exec(ctx, "ANALYZE; CREATE TABLE complete ()")
	return err
}

// loadTable copies the events of a kind as lines and lets PostgreSQL read the
// JSON: the reference shares no decoder with streamdb.
func loadTable(ctx context.Context, conn *pgconn.PgConn, o *options, k datagen.Kind, t table) error {
	if _, err := conn.Exec(ctx, "CREATE UNLOGGED TABLE lines (line text)").ReadAll(); err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		g := o.generator()
		var line []byte
		var err error
		for n := int64(0); n < o.events && err == nil; n++ {
			if datagen.KindOf(n) == k {
				line = append(g.Append(line[:0], n, g.Time(n)), '\n')
				_, err = buffered.Write(line)
			}
		}
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
	}()
	_, err := conn.CopyFrom(ctx, r, `COPY lines FROM STDIN (FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')`)
	r.CloseWithError(err)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("CREATE UNLOGGED TABLE %s AS SELECT r.* FROM lines, json_to_record(line::json) AS r(%s); DROP TABLE lines",
		t.name, t.columns)).ReadAll()
	return err
}

// readAnswer reads all rows of a query and digests their sorted text.
func readAnswer(ctx context.Context, conn *pgx.Conn, text string) (answer, error) {
	results := conn.PgConn().Exec(ctx, text)
	var rows []string
	for results.NextResult() {
		r := results.ResultReader()
		for r.NextRow() {
			var row strings.Builder
			for _, v := range r.Values() {
				if v == nil {
					row.WriteString("\x01")
				}
				row.Write(v)
				row.WriteByte(0)
			}
			rows = append(rows, row.String())
		}
	}
	if err := results.Close(); err != nil {
		return answer{}, err
	}
	slices.Sort(rows)
	digest := sha256.New()
	for _, row := range rows {
		digest.Write([]byte(row + "\n"))
	}
	return answer{int64(len(rows)), hex.EncodeToString(digest.Sum(nil)[:8])}, nil
}
