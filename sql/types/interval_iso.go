package types

// parseISO reads ISO 8601 durations, with designators or in the alternative
// form.
func (p *intervalParser) parseISO(s []byte) bool {
	if len(s) < 2 || s[0] != 'P' {
		return false
	}
	s = s[1:]
	inTime, any := false, false
	for len(s) > 0 {
		if s[0] == 'T' {
			inTime, s = true, s[1:]
			continue
		}
		n, fraction, rest, ok := isoNumber(s)
		if !ok {
			return false
		}
		if len(rest) == 0 || rest[0] == '-' || rest[0] == ':' || rest[0] == 'T' {
			return !any && p.parseISOAlternative(s, inTime)
		}
		any = true
		unit := isoUnit(rest[0], inTime)
		if unit == unitNone {
			return false
		}
		s = rest[1:]
		p.add(unit, n, fraction)
	}
	return any || inTime
}

func isoUnit(c byte, inTime bool) intervalUnit {
	if inTime {
		switch c {
		case 'H':
			return unitHour
		case 'M':
			return unitMinute
		case 'S':
			return unitSecond
		}
		return unitNone
	}
	switch c {
	case 'Y':
		return unitYear
	case 'M':
		return unitMonth
	case 'W':
		return unitWeek
	case 'D':
		return unitDay
	}
	return unitNone
}

// isoNumber reads a signed decimal number from the front.
func isoNumber(s []byte) (n int64, fraction float64, rest []byte, ok bool) {
	neg := false
	if s[0] == '-' || s[0] == '+' {
		neg = s[0] == '-'
		s = s[1:]
	}
	whole, rest := scanDigits(s)
	n, ok = atoi64(whole)
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		var digits []byte
		digits, rest = scanDigits(rest[1:])
		if len(digits)+len(whole) == 0 {
			return 0, 0, s, false
		}
		fraction, _ = parseFractionFloat(digits)
	} else if len(whole) == 0 {
		return 0, 0, s, false
	}
	if neg {
		n, fraction = -n, -fraction
	}
	return n, fraction, rest, ok
}

// parseISOAlternative reads [YYYY-MM-DD][Thh:mm:ss] and its shorter forms.
func (p *intervalParser) parseISOAlternative(s []byte, inTime bool) bool {
	units := [...]intervalUnit{unitYear, unitMonth, unitDay, unitHour, unitMinute, unitSecond}
	at := 0
	if inTime {
		at = 3
	}
	for {
		if at == len(units) || len(s) == 0 {
			return false
		}
		n, fraction, rest, ok := isoNumber(s)
		if !ok {
			return false
		}
		switch width := len(s) - len(rest); {
		case at == 0 && width == 8 && isDigit(s[0]): // YYYYMMDD
			p.add(unitYear, n/10000, 0)
			p.add(unitMonth, n/100%100, 0)
			p.add(unitDay, n%100, fraction)
			at = 2
		case at == 3 && width >= 6 && isDigit(s[0]) && isDigit(s[5]): // hhmmss
			p.add(unitHour, n/10000, 0)
			p.add(unitMinute, n/100%100, 0)
			p.add(unitSecond, n%100, fraction)
			at = 5
		default:
			p.add(units[at], n, fraction)
		}
		if len(rest) == 0 {
			return true
		}
		switch {
		case rest[0] == 'T' && at < 3:
			at = 3
		case rest[0] == '-' && at < 2, rest[0] == ':' && at >= 3:
			at++
		default:
			return false
		}
		s = rest[1:]
	}
}
