package json

import (
	"fmt"
	"unicode/utf8"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// codeAmbiguous is PostgreSQL's duplicate_json_object_key_value.
const codeAmbiguous = "22030"

// maxShown is how many bytes of a value a message shows.
const maxShown = 64

// shorten returns a value as messages show it: in whole characters, valid
// UTF-8, at most 64 bytes and an ellipsis.
func shorten(s []byte) string {
	cut := len(s) > maxShown
	if cut {
		s = s[:maxShown]
		for k := 1; k <= 3 && k <= len(s); k++ {
			if c := s[len(s)-k]; c >= 0xc0 {
				if !utf8.FullRune(s[len(s)-k:]) {
					s = s[:len(s)-k]
				}
				break
			} else if c < utf8.RuneSelf {
				break
			}
		}
	}
	text := string([]rune(string(s))) // invalid bytes become U+FFFD
	if cut {
		text += "..."
	}
	return text
}

func syntaxError(b []byte, i int) *sqlerr.Error {
	e := sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type json: ")
	switch {
	case len(b) == 0:
		e.Message += "the record is empty"
	case i >= len(b):
		e.Message += "the record ends within a value"
	case b[i] < ' ':
		e.Message += fmt.Sprintf("character 0x%02x must be escaped, at byte %d", b[i], i+1)
	default:
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return invalidUTF8(b, i)
		}
		e.Message += fmt.Sprintf("unexpected %q at byte %d", string(r), i+1)
	}
	return e
}

func notAnObject(b []byte, i int) *sqlerr.Error {
	end, err := skipValue(b, i, 0)
	if err != nil {
		return err
	}
	if skipSpace(b, end) != len(b) {
		return syntaxError(b, skipSpace(b, end))
	}
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "the record is not a JSON object: %s", shorten(b[i:end]))
}

// invalidUTF8 names the first byte from i on that does not belong to a
// character.
func invalidUTF8(b []byte, i int) *sqlerr.Error {
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x%02x at byte %d", b[i], i+1)
		}
		i += size
	}
	return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
}

func tooDeep() *sqlerr.Error {
	return sqlerr.New(sqlerr.StatementTooComplex, "JSON nests deeper than %d levels", maxDepth)
}

func wrongType(c *column, value []byte) *sqlerr.Error {
	e := sqlerr.New(sqlerr.InvalidTextRepresentation, "column %q: invalid input syntax for type %s: %s", c.name, c.typ, shorten(value))
	if c.op == opTime && c.unit == UnitNone && startsNumber(value[0]) {
		e.Message += " (a number needs a declared timestamp_unit)"
	}
	return e
}

func outOfRange(c *column, value []byte) *sqlerr.Error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "column %q: value %s is out of range for type %s", c.name, shorten(value), c.typ)
}

func tooLong(c *column) *sqlerr.Error {
	return sqlerr.New(sqlerr.StringDataRightTruncation, "column %q: value too long for type %s", c.name, c.typ)
}

func badEscape(c *column, value []byte) *sqlerr.Error {
	return sqlerr.New(sqlerr.UntranslatableCharacter, "column %q: unsupported Unicode escape sequence: %s", c.name, shorten(value))
}

func ambiguousField(name string) *sqlerr.Error {
	return sqlerr.New(codeAmbiguous, "column %q: several fields differ from its name in case only", name)
}

// inColumn puts the column and the value in front of a conversion's error.
func inColumn(c *column, value []byte, cause error) *sqlerr.Error {
	e := sqlerr.From(cause)
	if e.Code == sqlerr.InvalidTextRepresentation {
		return wrongType(c, value) // its message may hold the whole value
	}
	return sqlerr.New(e.Code, "column %q: value %s: %s", c.name, shorten(value), shorten([]byte(e.Message)))
}
