package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/planner"
	"github.com/streamdb/streamdb/sql/types"
)

// setting is one run-time parameter (PostgreSQL's GUC).
type setting struct {
	name     string
	initial  string
	doc      string
	report   bool // sent to the client as ParameterStatus
	readOnly bool
	duration bool                               // kept in milliseconds
	memory   bool                               // kept in bytes
	check    func(value string) (string, error) // returns the canonical value; nil: anything
}

// onErrorFail is the value of on_error with which a read fails where rows are
// missing because they failed.
const onErrorFail = "fail"

// settingsTable lists all parameters by name. Those that only PostgreSQL's
// clients set are accepted and kept.
func settingsTable() []setting {
	return []setting{
		{name: "application_name", doc: "Name of the client application.", report: true},
		{name: "bytea_output", initial: "hex", doc: "Output format of bytea; only hex.", check: oneOf("hex")},
		{name: "client_encoding", initial: "UTF8", doc: "The client's encoding; UTF8, or SQL_ASCII, which changes no bytes either.", report: true, check: checkEncoding},
		{name: "client_min_messages", initial: "notice", doc: "Least severity of messages to the client.",
			check: oneOf("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error")},
		{name: "DateStyle", initial: "ISO, MDY", doc: "Display and input of dates.", report: true, check: checkDateStyle},
		{name: "default_table_access_method", initial: "heap", doc: "Always heap, as pg_am calls tables.", check: oneOf("heap")},
		{name: "default_transaction_isolation", initial: "serializable", doc: "Always serializable.", check: checkIsolation},
		{name: "default_transaction_read_only", initial: "off", doc: "Whether transactions are read only.", report: true, check: checkBool},
		{name: "extra_float_digits", initial: "1", doc: "Digits of floating-point output.", check: checkInt(-15, 3)},
		{name: "idle_in_transaction_session_timeout", initial: "0", doc: "Ends a session idle in a transaction, milliseconds.", duration: true, check: checkDuration},
		{name: "in_hot_standby", initial: "off", doc: "Always off.", report: true, readOnly: true},
		{name: "integer_datetimes", initial: "on", doc: "Always on.", report: true, readOnly: true},
		{name: "IntervalStyle", initial: "postgres", doc: "Display of intervals.", report: true,
			check: oneOf("postgres", "postgres_verbose", "sql_standard", "iso_8601")},
		{name: "is_superuser", initial: "on", doc: "Whether the role is a superuser.", report: true, readOnly: true},
		{name: "lock_timeout", initial: "0", doc: "Accepted; there are no locks to wait for.", duration: true, check: checkDuration},
		{name: "max_identifier_length", initial: "63", doc: "Longest identifier, bytes.", readOnly: true},
		{name: "on_error", initial: "warn", doc: "Whether a read of a view or table with error rows warns or fails.", check: oneOf("warn", onErrorFail)},
		{name: "query_memory_limit", initial: "268435456", doc: "Memory that one query may use, bytes.", memory: true, check: checkMemory(1<<20, 1<<40)},
		{name: "real_time_recency", initial: "off", doc: "Whether a read waits for what the topics held when it began.", check: checkBool},
		{name: "search_path", initial: "public", doc: "Schemas that are searched for unqualified names."},
		{name: "server_encoding", initial: "UTF8", doc: "Always UTF8.", report: true, readOnly: true},
		{name: "server_version", initial: ServerVersion, doc: "The PostgreSQL version that streamdb speaks.", report: true, readOnly: true},
		{name: "server_version_num", initial: "150018", doc: "The same as a number.", readOnly: true},
		{name: "session_authorization", initial: "", doc: "The session's role.", report: true, readOnly: true},
		{name: "standard_conforming_strings", initial: "on", doc: "Always on.", report: true, check: oneOf("on")},
		{name: "statement_timeout", initial: "0", doc: "Ends a statement that runs longer, milliseconds; 0 is off.", duration: true, check: checkDuration},
		{name: "TimeZone", initial: "UTC", doc: "The session's time zone.", report: true, check: checkTimeZone},
		{name: "transaction_isolation", initial: "serializable", doc: "Always serializable.", check: checkIsolation},
		{name: "transaction_read_only", initial: "off", doc: "Whether the transaction is read only.", check: checkBool},
	}
}

// settings are the parameters of one session.
type settings struct {
	table  []setting
	values map[string]string // by lower-case name
}

func newSettings() *settings {
	s := &settings{table: settingsTable(), values: map[string]string{}}
	for _, p := range s.table {
		s.values[strings.ToLower(p.name)] = p.initial
	}
	return s
}

func (s *settings) find(name string) *setting {
	for i := range s.table {
		if strings.EqualFold(s.table[i].name, name) {
			return &s.table[i]
		}
	}
	return nil
}

// get returns a parameter, 42704 if there is none of that name. Names with a
// dot are custom parameters, as in PostgreSQL.
func (s *settings) get(name string) (string, error) {
	value, ok := s.values[strings.ToLower(name)]
	if !ok {
		return "", unknownSetting(name)
	}
	switch p := s.find(name); {
	case p != nil && p.duration:
		value = durationText(value)
	case p != nil && p.memory:
		value = memoryText(value)
	}
	return value, nil
}

// durationText prints milliseconds in the largest unit without a fraction, as
// SHOW does.
func durationText(ms string) string {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return ms
	}
	unit := "ms"
	for _, u := range []struct {
		name   string
		factor int64
	}{{"s", 1000}, {"min", 60}, {"h", 60}, {"d", 24}} {
		if n%u.factor != 0 {
			break
		}
		n, unit = n/u.factor, u.name
	}
	return strconv.FormatInt(n, 10) + unit
}

// set checks and sets a parameter and says whether the client must be told.
func (s *settings) set(name, value string) (canonical string, p *setting, err error) {
	p = s.find(name)
	switch {
	case p == nil && strings.Contains(name, "."):
		s.values[strings.ToLower(name)] = value
		return value, &setting{name: name}, nil
	case p == nil:
		return "", nil, unknownSetting(name)
	case p.readOnly:
		return "", nil, sqlerr.New(sqlerr.CannotChangeParameter, "parameter %q cannot be changed", p.name)
	}
	if p.check != nil {
		if value, err = p.check(value); err != nil {
			return "", nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter %q: %q", p.name, value).WithHint("%s", err.Error())
		}
	}
	s.values[strings.ToLower(p.name)] = value
	return value, p, nil
}

// reset gives a parameter its initial value.
func (s *settings) reset(name string) (string, *setting, error) {
	p := s.find(name)
	if p == nil {
		if strings.Contains(name, ".") {
			delete(s.values, strings.ToLower(name))
			return "", &setting{name: name}, nil
		}
		return "", nil, unknownSetting(name)
	}
	s.values[strings.ToLower(p.name)] = p.initial
	return p.initial, p, nil
}

func unknownSetting(name string) error {
	return sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter %q", name)
}

// env returns how values are read and printed in this session.
func (s *settings) env() *types.Env {
	zone, err := types.LoadZone(s.values["timezone"])
	if err != nil {
		zone = time.UTC
	}
	style, _, _ := parseDateStyle(s.values["datestyle"])
	digits, _ := strconv.Atoi(s.values["extra_float_digits"])
	return &types.Env{
		TimeZone:         zone,
		DateStyle:        style,
		IntervalStyle:    intervalStyle(s.values["intervalstyle"]),
		ExtraFloatDigits: digits - 1,
		Now:              time.Now,
	}
}

// searchPath returns the schemas to search.
func (s *settings) searchPath() []string { return planner.SearchPath(s.values["search_path"]) }

// duration returns a parameter in milliseconds as a duration.
func (s *settings) duration(name string) time.Duration {
	ms, _ := strconv.ParseInt(s.values[name], 10, 64)
	return time.Duration(ms) * time.Millisecond
}

func (s *settings) isOn(name string) bool { return s.values[name] == "on" }

func (s *settings) int(name string) int64 {
	n, _ := strconv.ParseInt(s.values[name], 10, 64)
	return n
}

func oneOf(values ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		for _, ok := range values {
			if strings.EqualFold(v, ok) {
				return ok, nil
			}
		}
		return v, fmt.Errorf("available values: %s", strings.Join(values, ", "))
	}
}

func checkEncoding(v string) (string, error) {
	switch strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(strings.Trim(v, `'"`))) {
	case "UTF8", "UNICODE":
		return "UTF8", nil
	case "SQLASCII":
		return "SQL_ASCII", nil // bytes as they are; what libpq asks for in the locale C
	}
	return v, fmt.Errorf("only UTF8 and SQL_ASCII are supported")
}

func intervalStyle(v string) types.IntervalStyle {
	switch v {
	case "postgres_verbose":
		return types.IntervalPostgresVerbose
	case "sql_standard":
		return types.IntervalSQLStandard
	case "iso_8601":
		return types.IntervalISO8601
	}
	return types.IntervalPostgres
}

// parseDateStyle reads PostgreSQL's DateStyle, an output style and an order in
// any sequence, and returns its canonical spelling, too.
func parseDateStyle(v string) (style types.DateStyle, canonical string, err error) {
	output, order := "ISO", "MDY"
	for _, part := range strings.Split(v, ",") {
		switch part = strings.ToUpper(strings.TrimSpace(part)); part {
		case "":
		case "ISO":
			output, style.Output = "ISO", types.DateISO
		case "SQL":
			output, style.Output = "SQL", types.DateSQL
		case "POSTGRES":
			output, style.Output = "Postgres", types.DatePostgres
		case "GERMAN":
			output, style.Output = "German", types.DateGerman
		case "MDY", "US", "NONEURO", "NONEUROPEAN":
			order, style.Order = "MDY", types.OrderMDY
		case "DMY", "EURO", "EUROPEAN":
			order, style.Order = "DMY", types.OrderDMY
		case "YMD":
			order, style.Order = "YMD", types.OrderYMD
		default:
			return style, v, fmt.Errorf("styles are ISO, SQL, Postgres and German, orders MDY, DMY and YMD")
		}
	}
	return style, output + ", " + order, nil
}

func checkDateStyle(v string) (string, error) {
	_, canonical, err := parseDateStyle(v)
	return canonical, err
}

func checkIsolation(v string) (string, error) {
	switch strings.ToLower(v) {
	case "serializable", "repeatable read", "read committed", "read uncommitted":
		return "serializable", nil
	}
	return v, fmt.Errorf("every transaction is serializable")
}

func checkBool(v string) (string, error) {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1", "t", "y":
		return "on", nil
	case "off", "false", "no", "0", "f", "n":
		return "off", nil
	}
	return v, fmt.Errorf("a boolean value is needed")
}

func checkInt(lo, hi int64) func(string) (string, error) {
	return func(v string) (string, error) {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil || n < lo || n > hi {
			return v, fmt.Errorf("a number from %d to %d is needed", lo, hi)
		}
		return strconv.FormatInt(n, 10), nil
	}
}

// checkDuration takes PostgreSQL's time units and returns milliseconds.
func checkDuration(v string) (string, error) {
	v = strings.TrimSpace(v)
	units := []struct {
		suffix string
		ms     float64
	}{{"us", 0.001}, {"ms", 1}, {"min", 60_000}, {"s", 1000}, {"h", 3_600_000}, {"d", 86_400_000}}
	scale := 1.0
	for _, u := range units {
		if strings.HasSuffix(v, u.suffix) {
			v, scale = strings.TrimSpace(strings.TrimSuffix(v, u.suffix)), u.ms
			break
		}
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n < 0 || n*scale > 1<<31-1 {
		return v, fmt.Errorf("valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"")
	}
	return strconv.FormatInt(int64(n*scale+0.5), 10), nil
}
