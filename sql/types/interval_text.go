package types

// intervalParts is an interval taken apart; all parts have its signs.
type intervalParts struct {
	year, month, day int64
	hour, minute     int64
	second           int64
	micro            int64
}

func (v IntervalValue) parts() intervalParts {
	return intervalParts{
		year: int64(v.Months / 12), month: int64(v.Months % 12), day: int64(v.Days),
		hour: v.Micros / MicrosPerHour, minute: v.Micros / MicrosPerMinute % 60,
		second: v.Micros / MicrosPerSecond % 60, micro: v.Micros % MicrosPerSecond,
	}
}

// AppendInterval appends an interval in the style of env.
func AppendInterval(dst []byte, v IntervalValue, env *Env) []byte {
	switch env.intervalStyle() {
	case IntervalISO8601:
		return v.appendISO(dst)
	case IntervalSQLStandard:
		return v.appendStandard(dst)
	case IntervalPostgresVerbose:
		return v.appendVerbose(dst)
	}
	return v.appendPostgres(dst)
}

// String returns the interval in the style postgres.
func (v IntervalValue) String() string { return string(v.appendPostgres(nil)) }

func (v IntervalValue) appendPostgres(dst []byte) []byte {
	p := v.parts()
	first, before := true, false
	word := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if !first {
			dst = append(dst, ' ')
		}
		if before && n > 0 {
			dst = append(dst, '+')
		}
		dst = append(append(appendInt(dst, n), ' '), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		first, before = false, n < 0
	}
	word(p.year, "year")
	word(p.month, "mon")
	word(p.day, "day")
	if !first && v.Micros == 0 {
		return dst
	}
	if !first {
		dst = append(dst, ' ')
	}
	if v.Micros < 0 {
		dst = append(dst, '-')
	} else if before {
		dst = append(dst, '+')
	}
	return appendClock(dst, p, true)
}

// appendClock appends the magnitude of the time part; pad gives the hours two
// digits.
func appendClock(dst []byte, p intervalParts, pad bool) []byte {
	hour := abs64(p.hour)
	if pad && hour < 10 {
		dst = append(dst, '0')
	}
	dst = append(appendInt(dst, hour), ':')
	dst = append(append2(dst, int(abs64(p.minute))), ':')
	dst = append2(dst, int(abs64(p.second)))
	return appendFraction(dst, int(abs64(p.micro)))
}

func (v IntervalValue) appendISO(dst []byte) []byte {
	if v == (IntervalValue{}) {
		return append(dst, "PT0S"...)
	}
	p := v.parts()
	part := func(n int64, unit byte) {
		if n != 0 {
			dst = append(appendInt(dst, n), unit)
		}
	}
	dst = append(dst, 'P')
	part(p.year, 'Y')
	part(p.month, 'M')
	part(p.day, 'D')
	if v.Micros == 0 {
		return dst
	}
	dst = append(dst, 'T')
	part(p.hour, 'H')
	part(p.minute, 'M')
	if p.second == 0 && p.micro == 0 {
		return dst
	}
	if p.second < 0 || p.micro < 0 {
		dst = append(dst, '-')
	}
	dst = appendInt(dst, abs64(p.second))
	return append(appendFraction(dst, int(abs64(p.micro))), 'S')
}

func (v IntervalValue) appendStandard(dst []byte) []byte {
	p := v.parts()
	negative := v.Months < 0 || v.Days < 0 || v.Micros < 0
	positive := v.Months > 0 || v.Days > 0 || v.Micros > 0
	yearMonth, dayTime := v.Months != 0, v.Days != 0 || v.Micros != 0
	if !negative && !positive {
		return append(dst, '0')
	}
	sign := func(n int64) {
		if n < 0 {
			dst = append(dst, '-')
		} else {
			dst = append(dst, '+')
		}
	}
	if negative && positive || yearMonth && dayTime {
		sign(int64(v.Months))
		dst = append(appendInt(dst, abs64(p.year)), '-')
		dst = append(appendInt(dst, abs64(p.month)), ' ')
		sign(p.day)
		dst = append(appendInt(dst, abs64(p.day)), ' ')
		sign(v.Micros)
		return appendClock(dst, p, false)
	}
	if negative {
		dst = append(dst, '-')
	}
	if yearMonth {
		dst = append(appendInt(dst, abs64(p.year)), '-')
		return appendInt(dst, abs64(p.month))
	}
	if p.day != 0 {
		dst = append(appendInt(dst, abs64(p.day)), ' ')
	}
	return appendClock(dst, p, false)
}

func (v IntervalValue) appendVerbose(dst []byte) []byte {
	p := v.parts()
	zero, before := true, false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if zero {
			before = n < 0
			n = abs64(n)
		} else if before {
			n = -n
		}
		dst = append(append(appendInt(append(dst, ' '), n), ' '), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		zero = false
	}
	dst = append(dst, '@')
	part(p.year, "year")
	part(p.month, "mon")
	part(p.day, "day")
	part(p.hour, "hour")
	part(p.minute, "min")
	if p.second != 0 || p.micro != 0 {
		dst = append(dst, ' ')
		if p.second < 0 || p.micro < 0 {
			if zero {
				before = true
			} else if !before {
				dst = append(dst, '-')
			}
		} else if before {
			dst = append(dst, '-')
		}
		dst = appendInt(dst, abs64(p.second))
		dst = append(appendFraction(dst, int(abs64(p.micro))), " sec"...)
		if abs64(p.second) != 1 || p.micro != 0 {
			dst = append(dst, 's')
		}
		zero = false
	}
	if zero {
		dst = append(dst, " 0"...)
	}
	if before {
		dst = append(dst, " ago"...)
	}
	return dst
}
