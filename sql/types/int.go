package types

import (
	"math"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// intRange returns the least and greatest value of an integer type.
func intRange(t Type) (least, greatest int64) {
	switch t.Base() {
	case Int2:
		return math.MinInt16, math.MaxInt16
	case Int4:
		return math.MinInt32, math.MaxInt32
	case OIDType, Regproc, Regclass, Regtype:
		return 0, math.MaxUint32
	}
	return math.MinInt64, math.MaxInt64
}

// IntInRange says whether v is a value of the integer type t.
func IntInRange(t Type, v int64) bool {
	least, greatest := intRange(t)
	return v >= least && v <= greatest
}

// ErrIntRange is the error of a computation whose result does not fit:
// "integer out of range", 22003.
func ErrIntRange(t Type) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "%s out of range", t.Base())
}

// ParseInt reads an integer of the type: blanks, sign, digits, blanks. 22P02
// for other text, 22003 out of range. It allocates for errors only.
func ParseInt(t Type, s []byte) (int64, error) {
	v, ok := parseDigits(s)
	if !ok {
		return parseIntSlow(t, s)
	}
	if least, greatest := intRange(t); v < least || v > greatest {
		return parseIntSlow(t, s)
	}
	return v, nil
}

// parseDigits reads an optional minus and 1 to 18 digits.
func parseDigits(s []byte) (v int64, ok bool) {
	i, neg := 0, false
	if len(s) > 0 && s[0] == '-' {
		i, neg = 1, true
	}
	if len(s) == i || len(s)-i > 18 {
		return 0, false
	}
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		v = v*10 + int64(c)
	}
	if neg {
		v = -v
	}
	return v, true
}

func parseIntSlow(t Type, s []byte) (int64, error) {
	b, neg := trimSpace(s), false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		b = b[1:]
	}
	digits, rest := scanDigits(b)
	if len(digits) == 0 || len(rest) != 0 {
		return 0, errSyntax(t.Base().String(), s)
	}
	least, greatest := intRange(t)
	if least == 0 {
		least = math.MinInt32 // PostgreSQL reads negative OIDs modulo 2^32
	}
	var v int64
	for _, c := range digits {
		d := int64(c - '0')
		if v < (math.MinInt64+d)/10 {
			return 0, errIntText(t, s)
		}
		v = v*10 - d
	}
	if !neg {
		if v == math.MinInt64 {
			return 0, errIntText(t, s)
		}
		v = -v
	}
	if v < least || v > greatest {
		return 0, errIntText(t, s)
	}
	if v < 0 && greatest == math.MaxUint32 {
		v = int64(uint32(v))
	}
	return v, nil
}

func errIntText(t Type, s []byte) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value \"%s\" is out of range for type %s", s, t.Base())
}
