package engine

// Notice is a message to the client beside the result.
type Notice struct {
	Severity string // NOTICE, WARNING, INFO
	Code     string // SQLSTATE, 00000 for plain notices, 01000 for warnings
	Message  string
	Detail   string
	Hint     string
}
