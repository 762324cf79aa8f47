package types

// OID is a PostgreSQL object identifier of a type.
type OID uint32

// Type is a SQL type: PostgreSQL's OID in the low half and its type modifier
// plus one in the high half (0: no modifier), so that a Type is a constant,
// comparable and printable.
type Type uint64

// The types without modifier. The values are PostgreSQL's OIDs.
const (
	Unknown          Type = 705 // an untyped literal or parameter
	Bool             Type = 16
	Bytea            Type = 17
	Char             Type = 18 // "char"
	Name             Type = 19
	Int8             Type = 20
	Int2             Type = 21
	Int4             Type = 23
	Regproc          Type = 24
	Text             Type = 25
	OIDType          Type = 26
	JSON             Type = 114
	Float4           Type = 700
	Float8           Type = 701
	BPChar           Type = 1042
	Varchar          Type = 1043
	Date             Type = 1082
	Time             Type = 1083
	Timestamp        Type = 1114
	Timestamptz      Type = 1184
	Interval         Type = 1186
	TimeTZ           Type = 1266
	Numeric          Type = 1700
	UUID             Type = 2950
	Regclass         Type = 2205
	Regtype          Type = 2206
	JSONB            Type = 3802
	Void             Type = 2278
	Record           Type = 2249
	BoolArray        Type = 1000
	Int2Array        Type = 1005
	Int4Array        Type = 1007
	TextArray        Type = 1009
	Int8Array        Type = 1016
	OIDArray         Type = 1028
	NameArray        Type = 1003
	ByteaArray       Type = 1001
	CharArray        Type = 1002
	BPCharArray      Type = 1014
	VarcharArray     Type = 1015
	Float4Array      Type = 1021
	Float8Array      Type = 1022
	TimestampArray   Type = 1115
	DateArray        Type = 1182
	TimeArray        Type = 1183
	TimestamptzArray Type = 1185
	IntervalArray    Type = 1187
	NumericArray     Type = 1231
	TimeTZArray      Type = 1270
	UUIDArray        Type = 2951
	JSONBArray       Type = 3807
)

// OID returns the type's object identifier.
func (t Type) OID() OID { return OID(uint32(t)) }

// Base returns the type without its modifier.
func (t Type) Base() Type { return Type(uint32(t)) }

// Typmod returns PostgreSQL's type modifier, -1 if there is none.
func (t Type) Typmod() int32 { return int32(uint32(t>>32)) - 1 }

// WithTypmod returns the type with PostgreSQL's type modifier; -1 removes it.
func (t Type) WithTypmod(mod int32) Type { return t.Base() | Type(uint32(mod+1))<<32 }

// Kind is the physical representation of a type's values in a vector.
type Kind uint8

// The physical kinds. SQL types are labels with range checks on them.
const (
	KindBool     Kind = iota // bool
	KindInt64                // int2/4/8, oid, date (days), time, timestamp(tz) (microseconds since 2000-01-01 UTC)
	KindFloat64              // float4, float8
	KindDecimal              // numeric
	KindInterval             // interval
	KindBytes                // text, varchar, char, name, bytea, uuid (16 bytes), json, jsonb (canonical text), unknown
	KindList                 // arrays and records as bytes
)

// Kind returns how values of the type lie in a vector.
func (t Type) Kind() Kind {
	switch t.Base() {
	case Bool:
		return KindBool
	case Int2, Int4, Int8, OIDType, Date, Time, Timestamp, Timestamptz, Regproc, Regclass, Regtype:
		return KindInt64
	case Float4, Float8:
		return KindFloat64
	case Numeric:
		return KindDecimal
	case Interval:
		return KindInterval
	case Text, Varchar, BPChar, Name, Char, Bytea, UUID, JSON, JSONB, TimeTZ, Unknown:
		return KindBytes
	case Record:
		return KindList
	default:
		if t.IsArray() {
			return KindList
		}
		return KindBytes
	}
}
