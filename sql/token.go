package sql

// tokenKind is the kind of a token. Single-character tokens are their own
// ASCII code.
type tokenKind uint8

const (
	tokEOF     tokenKind = 0
	tokIdent   tokenKind = iota + 128 // unquoted, no keyword
	tokQuoted                         // "..."
	tokUQuoted                        // U&"..." with its UESCAPE
	tokKeyword
	tokInt    // digits
	tokFloat  // with point or exponent, as text
	tokString // '...' or N'...' from the quote on
	tokEString
	tokUString // U&'...' with its UESCAPE
	tokDollar  // $tag$...$tag$
	tokBit
	tokHex
	tokParam
	tokOp       // any operator that has no token of its own
	tokTypecast // ::
	tokDotDot   // ..
	tokAssign   // :=
	tokArrow    // =>
	tokLE
	tokGE
	tokNE // <> and !=
	tokError
)

// token is a token's kind and place; its value is computed when it is asked
// for.
type token struct {
	kind tokenKind
	// plain says that the token stands for its own characters: an identifier
	// that needs neither folding nor cutting, a string without escapes.
	plain bool
	kw    keyword
	start int32
	end   int32
}
