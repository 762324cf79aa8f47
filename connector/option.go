package connector

// Option is one entry of a WITH list.
type Option struct {
	Name  string // folded to lower case unless quoted
	Value string
	Pos   int // byte offset of the name in the statement, -1 if it has none
}
