package types

import "github.com/streamdb/streamdb/internal/sqlerr"

// errSyntax is what PostgreSQL says of text that a type does not read.
func errSyntax(typeName string, s []byte) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type %s: \"%s\"", typeName, s)
}

// ParseBool reads PostgreSQL's boolean words: any prefix of true, false, yes
// and no, on, off (of), 1 and 0, in any case, with blanks around; 22P02 for
// other text.
func ParseBool(s []byte) (bool, error) {
	t := trimSpace(s)
	switch {
	case len(t) == 0:
	case isPrefixFold(t, "true"), isPrefixFold(t, "yes"), equalFold(t, "on"), equalFold(t, "1"):
		return true, nil
	case isPrefixFold(t, "false"), isPrefixFold(t, "no"), len(t) > 1 && isPrefixFold(t, "off"), equalFold(t, "0"):
		return false, nil
	}
	return false, errSyntax("boolean", s)
}

// isPrefixFold says whether s is a prefix of a lower-case ASCII word.
func isPrefixFold(s []byte, lower string) bool {
	return len(s) <= len(lower) && equalFold(s, lower[:len(s)])
}
