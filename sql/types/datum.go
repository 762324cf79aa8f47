package types

// Datum is one SQL value outside of a vector: a constant, a parameter, a
// default. Which field holds it follows from its type's Kind.
type Datum struct {
	Null  bool          `json:"null,omitempty"`
	Bool  bool          `json:"bool,omitempty"`
	Int   int64         `json:"int,omitempty"`
	Float float64       `json:"-"` // marshalled by bits, NaN and infinities included
	Dec   Decimal       `json:"-"`
	Ival  IntervalValue `json:"-"`
	Bytes []byte        `json:"bytes,omitempty"`
}

// NullDatum is SQL NULL of any type.
func NullDatum() Datum { return Datum{Null: true} }

// IntervalValue is a value of type interval; the three parts do not mix until
// they are compared ('1 mon' = '30 days').
type IntervalValue struct {
	Micros int64
	Days   int32
	Months int32
}
