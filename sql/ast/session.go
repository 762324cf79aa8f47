package ast

// ExplainStage is the stage that EXPLAIN shows.
type ExplainStage string

// The stages. ExplainDefault is PostgreSQL's EXPLAIN without a stage.
const (
	ExplainDefault   ExplainStage = ""
	ExplainAST       ExplainStage = "AST"
	ExplainBound     ExplainStage = "BOUND"
	ExplainOptimized ExplainStage = "OPTIMIZED"
	ExplainGraph     ExplainStage = "GRAPH"
)

// Explain is EXPLAIN.
type Explain struct {
	Pos
	// Options are those in parentheses; ANALYZE and VERBOSE in the old
	// spelling are options, too.
	Options []*Option
	Stage   ExplainStage
	// StageOptions are those of GRAPH WITH (...).
	StageOptions []*Option
	// Exactly one of Stmt and Name is set; Name is an existing object, of
	// kind Kind.
	Stmt Stmt
	Kind ObjectKind
	Name *ObjectName
}

// Subscribe is SUBSCRIBE [TO] relation or query.
type Subscribe struct {
	Pos
	// Exactly one of Name and Query is set.
	Name    *ObjectName
	Query   *SelectStmt
	Options []*Option
	AsOf    *AsOf
	UpTo    Expr
	// Envelope is UPSERT, DEBEZIUM or ""; Key are its columns.
	Envelope string
	Key      []string
	// WithinTimestampOrderBy sorts the rows of one timestamp.
	WithinTimestampOrderBy []*SortItem
}

// ScrollMode is SCROLL or NO SCROLL of a cursor.
type ScrollMode uint8

// The scroll modes.
const (
	ScrollDefault ScrollMode = iota
	ScrollYes
	ScrollNo
)

// DeclareCursor is DECLARE name CURSOR FOR query.
type DeclareCursor struct {
	Pos
	Name        string
	Binary      bool
	Insensitive bool
	Scroll      ScrollMode
	Hold        bool
	// Query is *SelectStmt or *Subscribe.
	Query Stmt
}

// FetchDirection says which way a cursor goes.
type FetchDirection uint8

// The directions. FIRST, LAST, NEXT and PRIOR are FetchAbsolute 1 and -1,
// FetchForward 1 and FetchBackward 1.
const (
	FetchForward FetchDirection = iota
	FetchBackward
	FetchAbsolute
	FetchRelative
)

// FetchAll is the Count of FETCH ALL.
const FetchAll = int64(1<<63 - 1)

// Fetch is FETCH, or MOVE with Move set.
type Fetch struct {
	Pos
	Move      bool
	Direction FetchDirection
	Count     int64
	Cursor    string
	// Options are those of FETCH ... WITH (TIMEOUT = '1s').
	Options []*Option
}

// CloseCursor is CLOSE name; "" for CLOSE ALL.
type CloseCursor struct {
	Pos
	Name string
}

// Prepare is PREPARE name (types) AS statement.
type Prepare struct {
	Pos
	Name  string
	Types []*TypeName
	Stmt  Stmt
}

// Execute is EXECUTE name (args).
type Execute struct {
	Pos
	Name string
	Args []Expr
}

// Deallocate is DEALLOCATE name; "" for DEALLOCATE ALL.
type Deallocate struct {
	Pos
	Name string
}

// CopyTarget is the other side of COPY.
type CopyTarget uint8

// The targets of COPY.
const (
	CopyStdio CopyTarget = iota // STDIN or STDOUT
	CopyFile
	CopyProgram
)

// Copy is COPY table or (query) FROM|TO ....
type Copy struct {
	Pos
	// Exactly one of Table and Query is set; Query only with To.
	Table   *ObjectName
	Columns []string
	// Query is *SelectStmt, *Insert, *Update or *Delete.
	Query Stmt
	// From is COPY FROM, otherwise it is COPY TO.
	From   bool
	Target CopyTarget
	// Path is the file or program.
	Path    string
	Options []*Option
	Where   Expr
}

// Listen is LISTEN channel.
type Listen struct {
	Pos
	Channel string
}

// Unlisten is UNLISTEN channel; "" for UNLISTEN *.
type Unlisten struct {
	Pos
	Channel string
}

// Notify is NOTIFY channel [, payload].
type Notify struct {
	Pos
	Channel string
	// Payload is nil when there is none.
	Payload *StringLit
}

// CommentOn is COMMENT ON kind name IS text.
type CommentOn struct {
	Pos
	Kind ObjectKind
	// Name is table.column for KindColumn.
	Name *ObjectName
	// Text is nil for IS NULL.
	Text *StringLit
}

// Utility is a statement that the grammar knows only by its first words, so
// that clients do not break on it.
type Utility struct {
	Pos
	// Tag is the first words in upper case: VACUUM, CREATE FUNCTION, ....
	Tag string
	// Text is the statement as it was written.
	Text string
}

func (*Explain) stmt()       {}
func (*Subscribe) stmt()     {}
func (*DeclareCursor) stmt() {}
func (*Fetch) stmt()         {}
func (*CloseCursor) stmt()   {}
func (*Prepare) stmt()       {}
func (*Execute) stmt()       {}
func (*Deallocate) stmt()    {}
func (*Copy) stmt()          {}
func (*Listen) stmt()        {}
func (*Unlisten) stmt()      {}
func (*Notify) stmt()        {}
func (*CommentOn) stmt()     {}
func (*Utility) stmt()       {}
