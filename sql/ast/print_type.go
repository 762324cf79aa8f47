package ast

// typeName prints a type with its brackets.
func (p *printer) typeName(t *TypeName) {
	if t == nil {
		return
	}
	p.opt(t.SetOf, "SETOF ")
	p.simpleType(t)
	for _, d := range t.Dims {
		p.s("[")
		if d >= 0 {
			p.int(d)
		}
		p.s("]")
	}
}

// simpleType prints a type in SQL's own spelling where it has one.
func (p *printer) simpleType(t *TypeName) {
	if t.Name == "interval" && t.Qualifier == nil && intMods(t, 1) {
		p.literalType(t)
		p.literalFields(t)
		return
	}
	p.namedType(t)
}

// literalType prints the type of a typed constant; the fields of an interval
// stand behind the string.
func (p *printer) literalType(t *TypeName) {
	if t.Name == "interval" && t.Qualifier == nil && intMods(t, 1) {
		p.s("interval")
		if t.Fields == IntervalAll {
			p.mods(t)
		}
		return
	}
	p.namedType(t)
}

// namedType prints every type but intervals.
func (p *printer) namedType(t *TypeName) {
	word, suffix, ok := builtinType(t)
	if !ok {
		switch {
		case t.Qualifier != nil:
			p.qualified(t.Qualifier, t.Name)
		case beginsOther(t.Name) || t.Name == "current_schema":
			p.quoted(t.Name)
		case isFunctionWord(t.Name):
			p.s(t.Name)
		default:
			p.ident(t.Name)
		}
		p.mods(t)
		return
	}
	p.s(word)
	p.mods(t)
	p.s(suffix)
}

func (p *printer) mods(t *TypeName) {
	if len(t.Mods) > 0 {
		p.call("(", t.Mods)
	}
}

// builtinType returns SQL's spelling of an internal name, and what follows
// the modifiers. It is refused where the grammar of the spelling would not
// give the same type back.
func builtinType(t *TypeName) (word, suffix string, ok bool) {
	if t.Qualifier != nil {
		return "", "", false
	}
	switch t.Name {
	case "int2":
		return "smallint", "", t.Mods == nil
	case "int4":
		return "integer", "", t.Mods == nil
	case "int8":
		return "bigint", "", t.Mods == nil
	case "float4":
		return "real", "", t.Mods == nil
	case "float8":
		return "double precision", "", t.Mods == nil
	case "bool":
		return "boolean", "", t.Mods == nil
	case "numeric":
		return "numeric", "", true
	case "bit":
		return "bit", "", t.Mods != nil
	case "varbit":
		return "bit varying", "", true
	case "bpchar":
		return "character", "", t.Mods != nil && intMods(t, 1)
	case "varchar":
		return "character varying", "", intMods(t, 1)
	case "time", "timestamp":
		return t.Name, "", intMods(t, 1)
	case "timetz":
		return "time", " with time zone", intMods(t, 1)
	case "timestamptz":
		return "timestamp", " with time zone", intMods(t, 1)
	}
	return "", "", false
}

// intMods reports whether there are no modifiers or up to n plain integers
// of 32 bits.
func intMods(t *TypeName, n int) bool {
	if len(t.Mods) > n {
		return false
	}
	for _, m := range t.Mods {
		lit, ok := m.(*NumberLit)
		if !ok || !lit.IsInteger() || len(lit.Text) > 9 {
			return false
		}
	}
	return true
}

// literalFields prints the fields of an interval with the precision of its
// seconds.
func (p *printer) literalFields(t *TypeName) {
	if t.Fields == IntervalAll || t.Name != "interval" {
		return
	}
	p.s(" ")
	p.s(intervalFieldsText(t.Fields))
	p.mods(t)
}

func intervalFieldsText(f IntervalFields) string {
	switch f {
	case IntervalYear:
		return "year"
	case IntervalMonth:
		return "month"
	case IntervalDay:
		return "day"
	case IntervalHour:
		return "hour"
	case IntervalMinute:
		return "minute"
	case IntervalSecond:
		return "second"
	case IntervalYearToMonth:
		return "year to month"
	case IntervalDayToHour:
		return "day to hour"
	case IntervalDayToMinute:
		return "day to minute"
	case IntervalDayToSecond:
		return "day to second"
	case IntervalHourToMinute:
		return "hour to minute"
	case IntervalHourToSecond:
		return "hour to second"
	case IntervalMinuteToSecond:
		return "minute to second"
	}
	return ""
}
