package engine

import (
	"context"
	"sort"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/ast"
	"github.com/streamdb/streamdb/sql/types"
)

func lower(s string) string { return strings.ToLower(s) }

func (s *Session) prepareSetting(p *Prepared, st ast.Stmt) error {
	switch st := st.(type) {
	case *ast.SetVariable:
		p.run = func(context.Context, []types.Datum, Rows) (string, error) { return "SET", s.runSet(st) }
	case *ast.ResetVariable:
		p.run = func(context.Context, []types.Datum, Rows) (string, error) {
			if st.Name == nil {
				s.resetAll()
				return "RESET", nil
			}
			return "RESET", s.resetVariable(st.Name.String())
		}
	case *ast.Discard:
		p.run = func(context.Context, []types.Datum, Rows) (string, error) {
			if st.What == "ALL" {
				if s.opts.Deallocate != nil {
					s.opts.Deallocate("")
				}
				s.resetAll()
				return "DISCARD ALL", nil
			}
			return "DISCARD " + st.What, nil
		}
	case *ast.ShowVariable:
		return s.prepareShowVariable(p, st)
	}
	return nil
}

// deallocate drops a prepared statement of the protocol.
func (s *Session) deallocate(st *ast.Deallocate) (string, error) {
	found := s.opts.Deallocate != nil && s.opts.Deallocate(st.Name)
	switch {
	case st.Name == "":
		return "DEALLOCATE ALL", nil
	case !found:
		return "", sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement %q does not exist", st.Name)
	}
	return "DEALLOCATE", nil
}

// runSet runs SET and SET LOCAL, which lasts until the end of the transaction.
func (s *Session) runSet(st *ast.SetVariable) error {
	if !st.Local {
		return s.setVariable(st)
	}
	if !s.tx.open || s.tx.implicit {
		s.notice(Notice{Severity: "WARNING", Code: sqlerr.NoActiveSQLTransaction, Message: "SET LOCAL can only be used in transaction blocks"})
		return nil
	}
	name := lower(st.Name.String())
	before, was := s.settings.values[name]
	if kept, ok := s.tx.local[name]; ok {
		before, was = kept.value, kept.was
	}
	if err := s.setVariable(st); err != nil {
		return err
	}
	if s.tx.local == nil {
		s.tx.local = map[string]keptSetting{}
	}
	s.tx.local[name] = keptSetting{before, was}
	return nil
}

// setVariable runs SET; without values it is SET ... TO DEFAULT.
func (s *Session) setVariable(st *ast.SetVariable) error {
	if st.FromCurrent {
		return nil
	}
	if len(st.Values) == 0 {
		return s.resetVariable(st.Name.String())
	}
	values := make([]string, len(st.Values))
	for i, v := range st.Values {
		text, err := settingText(v)
		if err != nil {
			return err
		}
		values[i] = text
	}
	return s.apply(st.Name.String(), strings.Join(values, ", "))
}

// apply sets a parameter and tells the client if it is one of those.
func (s *Session) apply(name, value string) error {
	s.tx.keepSetting(s.settings, name)
	canonical, p, err := s.settings.set(name, value)
	if err != nil {
		return err
	}
	s.report(p, canonical)
	return nil
}

func (s *Session) report(p *setting, value string) {
	if p.report && s.opts.Report != nil {
		s.opts.Report(p.name, value)
	}
}

func (s *Session) resetVariable(name string) error {
	s.tx.keepSetting(s.settings, name)
	value, p, err := s.settings.reset(name)
	if err == nil {
		s.report(p, value)
	}
	return err
}

// resetAll gives every setting that may be changed its initial value.
func (s *Session) resetAll() {
	for i := range s.settings.table {
		p := &s.settings.table[i]
		if p.readOnly || s.settings.values[lower(p.name)] == p.initial {
			continue
		}
		s.tx.keepSetting(s.settings, p.name)
		s.settings.values[lower(p.name)] = p.initial
		s.report(p, p.initial)
	}
}

func settingText(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.StringLit:
		return e.Value, nil
	case *ast.NumberLit:
		return e.Text, nil
	case *ast.BoolLit:
		return strconv.FormatBool(e.Value), nil
	case *ast.UnaryExpr:
		text, err := settingText(e.Expr)
		return e.Op + text, err
	case *ast.CastExpr:
		return castSettingText(e)
	}
	return "", sqlerr.New(sqlerr.FeatureNotSupported, "SET needs a constant").At(e.Position())
}

// castSettingText is the text of a typed constant. An interval is an offset from
// UTC (SET TIME ZONE), in hours.
func castSettingText(e *ast.CastExpr) (string, error) {
	text, err := settingText(e.Expr)
	if err != nil || !strings.EqualFold(e.Type.Name, "interval") {
		return text, err
	}
	iv, err := types.ParseInterval([]byte(text), -1, nil)
	if err != nil {
		return "", err
	}
	if iv.Months != 0 || iv.Days != 0 {
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": %q", text).WithHint("An offset is given in hours and minutes.").At(e.Position())
	}
	return strconv.FormatFloat(float64(iv.Micros)/3600e6, 'g', -1, 64), nil
}

func textColumns(names ...string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		out[i] = Column{Name: n, Type: types.Text}
	}
	return out
}

// textRows makes a batch of text rows; an absent value is NULL by nil.
func textRows(columns int, rows [][]string) *zset.Batch {
	ts := make([]types.Type, columns)
	for i := range ts {
		ts[i] = types.Text
	}
	b := zset.NewBatch(ts, len(rows))
	for _, row := range rows {
		for i, v := range row {
			b.Cols[i].AppendString(v)
		}
		b.AddRow(1)
	}
	return b
}

func (s *Session) prepareShowVariable(p *Prepared, st *ast.ShowVariable) error {
	if st.Name == nil {
		p.Columns = textColumns("name", "setting", "description")
		p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
			return "SHOW", rows.Batch(textRows(3, s.allSettings()))
		}
		return nil
	}
	name := st.Name.String()
	if known := s.settings.find(name); known != nil {
		name = known.name
	}
	if _, err := s.settings.get(name); err != nil {
		return err
	}
	p.Columns = textColumns(name)
	p.run = func(_ context.Context, _ []types.Datum, rows Rows) (string, error) {
		value, err := s.settings.get(name)
		if err != nil {
			return "", err
		}
		return "SHOW", rows.Batch(textRows(1, [][]string{{value}}))
	}
	return nil
}

func (s *Session) allSettings() [][]string {
	var out [][]string
	for _, p := range s.settings.table {
		out = append(out, []string{p.name, s.settings.values[lower(p.name)], p.doc})
	}
	sort.Slice(out, func(i, j int) bool { return lower(out[i][0]) < lower(out[j][0]) })
	return out
}
