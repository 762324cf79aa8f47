package expr

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// numberFormat is a parsed template of to_char for numbers.
type numberFormat struct {
	parts     []numberPart
	before    int // digit positions before the point
	after     int // digit positions behind it
	zeroFrom  int // the first position that prints zeros, -1: none
	lastZero  int // the last position behind the point that prints zeros always
	point     bool
	fill      bool // no FM
	signStart bool // S at the front
	signEnd   bool // S at the end
	hasSign   bool // S, SG, MI, PL or PR: no sign of its own
	brackets  bool // PR
}

type numberPart struct {
	kind byte   // 9 0 . , S(start) s(end) M(I) G(SG) P(L) R(PR) T(H) t(h) L or " for text
	text string // of "
}

func errNumberFormat(format string, args ...any) error {
	return sqlerr.New(sqlerr.SyntaxError, format, args...)
}

func parseNumberFormat(src []byte) (*numberFormat, error) {
	f := &numberFormat{zeroFrom: -1, lastZero: -1, fill: true}
	for len(src) > 0 {
		n, err := f.next(src)
		if err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return f, nil
}

// next reads one element of the template and returns its length.
func (f *numberFormat) next(src []byte) (int, error) {
	word := func(w string) bool {
		return len(src) >= len(w) && (string(src[:len(w)]) == w || string(src[:len(w)]) == strings.ToLower(w))
	}
	add := func(kind byte) { f.parts = append(f.parts, numberPart{kind: kind}) }
	switch {
	case word("EEEE"), word("RN"), word("V"), word("B"):
		return 0, sqlerr.New(sqlerr.FeatureNotSupported, "the number format \"%s\" is not supported", src)
	case word("FM"):
		f.fill = false
		return 2, nil
	case word("MI"), word("PL"), word("SG"), word("PR"):
		f.hasSign = f.hasSign || !word("PL") // PL comes beside the sign
		switch src[0] | 0x20 {
		case 'm':
			add('M')
		case 's':
			add('G')
		default:
			if f.brackets = src[1]|0x20 == 'r'; f.brackets {
				add('R')
			} else {
				add('P')
			}
		}
		return 2, nil
	case word("TH"):
		add(src[0])
		return 2, nil
	}
	return f.nextChar(src, add)
}

func (f *numberFormat) nextChar(src []byte, add func(kind byte)) (int, error) {
	switch c := src[0]; c {
	case '9', '0':
		f.digit(c == '0')
		add(c)
	case '.', 'D', 'd':
		if f.point {
			return 0, errNumberFormat("multiple decimal points")
		}
		f.point = true
		add('.')
	case ',', 'G', 'g':
		add(',')
	case 'S', 's':
		if f.signStart || f.signEnd {
			return 0, errNumberFormat("cannot use \"S\" twice")
		}
		if f.before+f.after == 0 {
			f.signStart = true
			add('S')
		} else {
			f.signEnd = true
			add('s')
		}
		f.hasSign = true
	case 'L', 'l':
		add('L')
	default:
		text, rest := appendTemplateText(nil, src)
		f.parts = append(f.parts, numberPart{kind: '"', text: string(text)})
		return len(src) - len(rest), nil
	}
	return 1, nil
}

func (f *numberFormat) digit(zero bool) {
	if !f.point {
		if zero && f.zeroFrom < 0 {
			f.zeroFrom = f.before
		}
		f.before++
		return
	}
	if zero {
		f.lastZero = f.after
	}
	f.after++
}

// appendNumber is to_char of exact numbers.
func appendNumber(dst []byte, v decimal, template []byte) ([]byte, error) {
	return appendRounded(dst, func(after int) decimal { return v.Round(int32(after)) }, template)
}

// appendFloat is to_char of floats, which have 15 or 6 significant digits.
func appendFloat(digits int) func(dst []byte, v float64, template []byte) ([]byte, error) {
	return func(dst []byte, v float64, template []byte) ([]byte, error) {
		return appendRounded(dst, roundFloat(v, digits), template)
	}
}

// roundFloat rounds to the template's digits as far as the float has them.
func roundFloat(v float64, digits int) func(after int) decimal {
	return func(after int) decimal {
		whole := len(strconv.FormatFloat(math.Abs(v), 'f', 0, 64))
		after = max(min(after, digits-whole), 0)
		d, err := types.ParseDecimal(strconv.AppendFloat(nil, v, 'f', after, 64))
		if err != nil {
			return types.DecimalFromFloat(v) // NaN and the infinities
		}
		return d
	}
}

// appendRounded formats a number; round gives it with the digits behind the
// point that the template has, or fewer.
func appendRounded(dst []byte, round func(after int) decimal, template []byte) ([]byte, error) {
	if len(template) == 0 {
		return dst, nil
	}
	f, err := parseNumberFormat(template)
	if err != nil {
		return dst, err
	}
	v := round(f.after)
	w := numberWriter{f: f, dst: dst}
	if !v.IsFinite() {
		w.whole = strings.Repeat("#", f.before+1) // shown as overflow
	} else {
		text := v.Abs().String()
		w.whole, w.fraction, _ = strings.Cut(text, ".")
		w.negative = v.Sign() < 0 && strings.Trim(text, "0.") != ""
	}
	w.overflow = len(w.whole) > f.before
	if f.before == 0 && w.whole == "0" {
		w.overflow = false
	}
	w.lead = max(f.before-len(w.whole), 0)
	if w.whole == "0" && f.after > 0 && f.zeroFrom < 0 {
		w.lead = f.before // 0.5 prints as .5
	}
	return w.write(), nil
}

type numberWriter struct {
	f               *numberFormat
	dst             []byte
	whole, fraction string
	negative        bool
	overflow        bool
	lead            int // positions before the first digit
	at, frac        int // positions written
	started         bool
}

func (w *numberWriter) write() []byte {
	for i := range w.f.parts {
		w.part(&w.f.parts[i])
	}
	if !w.started && w.f.before+w.f.after > 0 { // no digit was printed
		w.start()
	}
	if w.f.brackets {
		if w.negative {
			w.dst = append(w.dst, '>')
		} else if w.f.fill {
			w.dst = append(w.dst, ' ')
		}
	}
	return w.dst
}

func (w *numberWriter) blank() {
	if w.f.fill {
		w.dst = append(w.dst, ' ')
	}
}

// start writes the sign that stands before the first digit.
func (w *numberWriter) start() {
	if w.started {
		return
	}
	w.started = true
	switch {
	case w.f.brackets && w.negative:
		w.dst = append(w.dst, '<')
	case w.f.brackets:
		w.blank()
	case w.f.signStart && w.negative, !w.f.hasSign && w.negative:
		w.dst = append(w.dst, '-')
	case w.f.signStart:
		w.dst = append(w.dst, '+')
	case !w.f.hasSign:
		w.blank()
	}
}

func (w *numberWriter) part(p *numberPart) {
	switch p.kind {
	case '9', '0':
		if w.at < w.f.before {
			w.wholeDigit()
		} else {
			w.fractionDigit()
		}
	case '.':
		w.start()
		w.dst = append(w.dst, '.')
	case ',':
		if w.started {
			w.dst = append(w.dst, ',')
		} else {
			w.blank()
		}
	case 's', 'G':
		w.dst = append(w.dst, "+-"[bit(w.negative)])
	case 'M':
		if w.negative {
			w.dst = append(w.dst, '-')
		} else {
			w.blank()
		}
	case 'P':
		if !w.negative {
			w.dst = append(w.dst, '+')
		} else {
			w.blank()
		}
	case 'T', 't':
		if !w.negative && w.f.after == 0 {
			w.dst = append(w.dst, ordinal([]byte(w.whole), p.kind == 'T')...)
		}
	case 'L':
		w.dst = append(w.dst, ' ')
	case '"':
		w.dst = append(w.dst, p.text...)
	}
}

func (w *numberWriter) wholeDigit() {
	i := w.at
	w.at++
	switch {
	case w.overflow:
		w.start()
		w.dst = append(w.dst, '#')
	case i >= w.lead:
		w.start()
		w.dst = append(w.dst, w.whole[len(w.whole)-(w.f.before-i)])
	case w.f.zeroFrom >= 0 && i >= w.f.zeroFrom:
		w.start()
		w.dst = append(w.dst, '0')
	default:
		w.blank()
	}
}

func (w *numberWriter) fractionDigit() {
	i := w.frac
	w.frac++
	if w.overflow {
		w.dst = append(w.dst, '#')
		return
	}
	if i >= len(w.fraction) {
		return // beyond the digits of a float
	}
	if !w.f.fill && i > w.f.lastZero && len(bytes.TrimRight([]byte(w.fraction), "0")) <= i {
		return // FM leaves out zeros at the end
	}
	w.dst = append(w.dst, w.fraction[i])
}
