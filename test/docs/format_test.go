package docs

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// appendTable prints a result as psql does. Values of the columns in varies
// differ from run to run and are shown as a dot.
func appendTable(out []string, fields []pgconn.FieldDescription, rows [][][]byte, varies map[string]bool) []string {
	widths := make([]int, len(fields))
	cells := make([][]string, len(rows))
	for c, f := range fields {
		widths[c] = utf8.RuneCountInString(f.Name)
	}
	for r, row := range rows {
		cells[r] = make([]string, len(fields))
		for c := range fields {
			text := string(row[c])
			if varies[fields[c].Name] && row[c] != nil {
				text = "."
			}
			cells[r][c] = text
			widths[c] = max(widths[c], utf8.RuneCountInString(text))
		}
	}
	var head, rule []string
	for c, f := range fields {
		space := widths[c] - utf8.RuneCountInString(f.Name)
		head = append(head, strings.Repeat(" ", space/2)+f.Name+strings.Repeat(" ", space-space/2))
		rule = append(rule, strings.Repeat("-", widths[c]+2))
	}
	out = append(out, " "+strings.Join(head, " | "), strings.Join(rule, "+"))
	for _, row := range cells {
		for c, text := range row {
			space := strings.Repeat(" ", widths[c]-utf8.RuneCountInString(text))
			if rightAligned(fields[c].DataTypeOID) {
				row[c] = space + text
			} else {
				row[c] = text + space
			}
		}
		out = append(out, " "+strings.Join(row, " | "))
	}
	if len(rows) == 1 {
		return append(out, "(1 row)")
	}
	return append(out, fmt.Sprintf("(%d rows)", len(rows)))
}

func rightAligned(oid uint32) bool {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.OIDOID:
		return true
	}
	return false
}

// appendMessage prints an error or notice as psql does, with the SQLSTATE of an
// error.
func appendMessage(out []string, e *pgconn.PgError) []string {
	if e.Severity == "ERROR" {
		out = append(out, "ERROR:  "+e.Code+": "+e.Message)
	} else {
		out = append(out, e.Severity+":  "+e.Message)
	}
	if e.Detail != "" {
		out = append(out, "DETAIL:  "+e.Detail)
	}
	if e.Hint != "" {
		out = append(out, "HINT:  "+e.Hint)
	}
	return out
}
