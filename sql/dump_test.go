package sql

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
)

// dump writes a tree with every field but positions, so that two texts can be
// compared by what they mean to the parser.
func dump(n any) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(n))
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			dumpValue(b, v.Elem())
		}
	case reflect.Struct:
		b.WriteString(v.Type().Name())
		b.WriteByte('{')
		for i := range v.NumField() {
			if f := v.Field(i); f.Type() != reflect.TypeFor[ast.Pos]() && !f.IsZero() {
				b.WriteString(v.Type().Field(i).Name)
				b.WriteByte(':')
				dumpValue(b, f)
				b.WriteByte(' ')
			}
		}
		b.WriteByte('}')
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			dumpValue(b, v.Index(i))
			b.WriteByte(',')
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "%#v", v.Interface())
	}
}

// checkRoundTrip checks that a statement prints as text that parses to the
// same tree, and prints as the same text again.
func checkRoundTrip(s *ast.Parsed) error {
	first := ast.String(s.Stmt)
	again, err := ParseOne(first)
	if code := sqlerr.Code(err); code == sqlerr.StatementTooComplex || code == sqlerr.ProgramLimitExceeded {
		return nil // parentheses that were not written count as well
	}
	if err != nil {
		return fmt.Errorf("%q prints as %q: %w", s.Text, first, err)
	}
	if second := ast.String(again.Stmt); second != first {
		return fmt.Errorf("%q prints as %q, then as %q", s.Text, first, second)
	}
	if a, b := dump(s.Stmt), dump(again.Stmt); a != b {
		return fmt.Errorf("%q prints as %q, which is another tree:\n%s\n%s", s.Text, first, a, b)
	}
	return nil
}

// TestDump makes sure that the comparison of trees can fail.
func TestDump(t *testing.T) {
	one, err := ParseExpr("a - (b - c)")
	if err != nil {
		t.Fatal(err)
	}
	two, err := ParseExpr("a - b - c")
	if err != nil {
		t.Fatal(err)
	}
	if dump(one) == dump(two) {
		t.Error("different trees look the same")
	}
}
