package types

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// datumJSON is the stored form of a Datum. Floats are their bits in hexadecimal
// and decimals their text, both of which are exact; bytes are base64.
type datumJSON struct {
	Null   bool    `json:"null,omitempty"`
	Bool   bool    `json:"bool,omitempty"`
	Int    int64   `json:"int,omitempty,string"`
	Float  string  `json:"float,omitempty"`
	Dec    string  `json:"dec,omitempty"`
	Months int32   `json:"months,omitempty"`
	Days   int32   `json:"days,omitempty"`
	Micros int64   `json:"micros,omitempty,string"`
	Bytes  *string `json:"bytes,omitempty"`
}

// MarshalJSON writes every field that is not zero; UnmarshalJSON restores the
// datum exactly, NaN, infinities, -0, scales and empty bytes included.
func (d Datum) MarshalJSON() ([]byte, error) {
	j := datumJSON{Null: d.Null, Bool: d.Bool, Int: d.Int, Months: d.Ival.Months, Days: d.Ival.Days, Micros: d.Ival.Micros}
	if u := math.Float64bits(d.Float); u != 0 {
		j.Float = strconv.FormatUint(u, 16)
	}
	if !d.Dec.Identical(Decimal{}) {
		j.Dec = d.Dec.String()
	}
	if d.Bytes != nil {
		s := base64.StdEncoding.EncodeToString(d.Bytes)
		j.Bytes = &s
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Datum) UnmarshalJSON(b []byte) error {
	var j datumJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("reading a stored value: %w", err)
	}
	*d = Datum{Null: j.Null, Bool: j.Bool, Int: j.Int, Ival: IntervalValue{Months: j.Months, Days: j.Days, Micros: j.Micros}}
	if j.Float != "" {
		u, err := strconv.ParseUint(j.Float, 16, 64)
		if err != nil {
			return fmt.Errorf("reading a stored float: %w", err)
		}
		d.Float = math.Float64frombits(u)
	}
	if j.Dec != "" {
		dec, err := ParseDecimal([]byte(j.Dec))
		if err != nil {
			return fmt.Errorf("reading a stored decimal: %w", err)
		}
		d.Dec = dec
	}
	if j.Bytes != nil {
		raw, err := base64.StdEncoding.DecodeString(*j.Bytes)
		if err != nil {
			return fmt.Errorf("reading stored bytes: %w", err)
		}
		d.Bytes = raw
	}
	return nil
}
