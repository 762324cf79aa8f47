package types

import (
	"strconv"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// Info is what pg_type says about a type.
type Info struct {
	Type      Type
	Name      string // pg_type.typname
	SQLName   string // as format_type prints it, without modifier
	Len       int16  // typlen: -1 for variable length
	Category  byte   // typcategory
	Preferred bool   // typispreferred
	ByVal     bool   // typbyval
	Elem      Type   // element type of an array, 0 for others
	Array     Type   // array type, 0 if there is none
}

// infos lists every type. It is never written.
var infos = []Info{
	{Type: Bool, Name: "bool", SQLName: "boolean", Len: 1, Category: 'B', Preferred: true, ByVal: true, Array: BoolArray},
	{Type: Bytea, Name: "bytea", SQLName: "bytea", Len: -1, Category: 'U', Array: ByteaArray},
	{Type: Char, Name: "char", SQLName: `"char"`, Len: 1, Category: 'Z', ByVal: true, Array: CharArray},
	{Type: Name, Name: "name", SQLName: "name", Len: 64, Category: 'S', Array: NameArray},
	{Type: Int8, Name: "int8", SQLName: "bigint", Len: 8, Category: 'N', ByVal: true, Array: Int8Array},
	{Type: Int2, Name: "int2", SQLName: "smallint", Len: 2, Category: 'N', ByVal: true, Array: Int2Array},
	{Type: Int4, Name: "int4", SQLName: "integer", Len: 4, Category: 'N', ByVal: true, Array: Int4Array},
	{Type: Regproc, Name: "regproc", SQLName: "regproc", Len: 4, Category: 'N', ByVal: true},
	{Type: Text, Name: "text", SQLName: "text", Len: -1, Category: 'S', Preferred: true, Array: TextArray},
	{Type: OIDType, Name: "oid", SQLName: "oid", Len: 4, Category: 'N', Preferred: true, ByVal: true, Array: OIDArray},
	{Type: JSON, Name: "json", SQLName: "json", Len: -1, Category: 'U'},
	{Type: Float4, Name: "float4", SQLName: "real", Len: 4, Category: 'N', ByVal: true, Array: Float4Array},
	{Type: Float8, Name: "float8", SQLName: "double precision", Len: 8, Category: 'N', Preferred: true, ByVal: true, Array: Float8Array},
	{Type: Unknown, Name: "unknown", SQLName: "unknown", Len: -2, Category: 'X'},
	{Type: BPChar, Name: "bpchar", SQLName: "character", Len: -1, Category: 'S', Array: BPCharArray},
	{Type: Varchar, Name: "varchar", SQLName: "character varying", Len: -1, Category: 'S', Array: VarcharArray},
	{Type: Date, Name: "date", SQLName: "date", Len: 4, Category: 'D', ByVal: true, Array: DateArray},
	{Type: Time, Name: "time", SQLName: "time without time zone", Len: 8, Category: 'D', ByVal: true, Array: TimeArray},
	{Type: Timestamp, Name: "timestamp", SQLName: "timestamp without time zone", Len: 8, Category: 'D', ByVal: true, Array: TimestampArray},
	{Type: Timestamptz, Name: "timestamptz", SQLName: "timestamp with time zone", Len: 8, Category: 'D', Preferred: true, ByVal: true, Array: TimestamptzArray},
	{Type: Interval, Name: "interval", SQLName: "interval", Len: 16, Category: 'T', Preferred: true, Array: IntervalArray},
	{Type: TimeTZ, Name: "timetz", SQLName: "time with time zone", Len: 12, Category: 'D', Array: TimeTZArray},
	{Type: Numeric, Name: "numeric", SQLName: "numeric", Len: -1, Category: 'N', Array: NumericArray},
	{Type: UUID, Name: "uuid", SQLName: "uuid", Len: 16, Category: 'U', Array: UUIDArray},
	{Type: Regclass, Name: "regclass", SQLName: "regclass", Len: 4, Category: 'N', ByVal: true},
	{Type: Regtype, Name: "regtype", SQLName: "regtype", Len: 4, Category: 'N', ByVal: true},
	{Type: JSONB, Name: "jsonb", SQLName: "jsonb", Len: -1, Category: 'U', Array: JSONBArray},
	{Type: Void, Name: "void", SQLName: "void", Len: 4, Category: 'P', ByVal: true},
	{Type: Record, Name: "record", SQLName: "record", Len: -1, Category: 'P'},
	{Type: BoolArray, Name: "_bool", SQLName: "boolean[]", Len: -1, Category: 'A', Elem: Bool},
	{Type: Int2Array, Name: "_int2", SQLName: "smallint[]", Len: -1, Category: 'A', Elem: Int2},
	{Type: Int4Array, Name: "_int4", SQLName: "integer[]", Len: -1, Category: 'A', Elem: Int4},
	{Type: TextArray, Name: "_text", SQLName: "text[]", Len: -1, Category: 'A', Elem: Text},
	{Type: Int8Array, Name: "_int8", SQLName: "bigint[]", Len: -1, Category: 'A', Elem: Int8},
	{Type: OIDArray, Name: "_oid", SQLName: "oid[]", Len: -1, Category: 'A', Elem: OIDType},
	{Type: NameArray, Name: "_name", SQLName: "name[]", Len: -1, Category: 'A', Elem: Name},
	{Type: ByteaArray, Name: "_bytea", SQLName: "bytea[]", Len: -1, Category: 'A', Elem: Bytea},
	{Type: CharArray, Name: "_char", SQLName: `"char"[]`, Len: -1, Category: 'A', Elem: Char},
	{Type: BPCharArray, Name: "_bpchar", SQLName: "character[]", Len: -1, Category: 'A', Elem: BPChar},
	{Type: VarcharArray, Name: "_varchar", SQLName: "character varying[]", Len: -1, Category: 'A', Elem: Varchar},
	{Type: Float4Array, Name: "_float4", SQLName: "real[]", Len: -1, Category: 'A', Elem: Float4},
	{Type: Float8Array, Name: "_float8", SQLName: "double precision[]", Len: -1, Category: 'A', Elem: Float8},
	{Type: TimestampArray, Name: "_timestamp", SQLName: "timestamp without time zone[]", Len: -1, Category: 'A', Elem: Timestamp},
	{Type: DateArray, Name: "_date", SQLName: "date[]", Len: -1, Category: 'A', Elem: Date},
	{Type: TimeArray, Name: "_time", SQLName: "time without time zone[]", Len: -1, Category: 'A', Elem: Time},
	{Type: TimestamptzArray, Name: "_timestamptz", SQLName: "timestamp with time zone[]", Len: -1, Category: 'A', Elem: Timestamptz},
	{Type: IntervalArray, Name: "_interval", SQLName: "interval[]", Len: -1, Category: 'A', Elem: Interval},
	{Type: NumericArray, Name: "_numeric", SQLName: "numeric[]", Len: -1, Category: 'A', Elem: Numeric},
	{Type: TimeTZArray, Name: "_timetz", SQLName: "time with time zone[]", Len: -1, Category: 'A', Elem: TimeTZ},
	{Type: UUIDArray, Name: "_uuid", SQLName: "uuid[]", Len: -1, Category: 'A', Elem: UUID},
	{Type: JSONBArray, Name: "_jsonb", SQLName: "jsonb[]", Len: -1, Category: 'A', Elem: JSONB},
}

// All returns what is known of every type, for pg_type; it must not be written.
func All() []Info { return infos }

// Info returns what is known of a type; ok is false for other OIDs.
func (t Type) Info() (info Info, ok bool) {
	b := t.Base()
	for i := range infos {
		if infos[i].Type == b {
			return infos[i], true
		}
	}
	return Info{}, false
}

// Elem returns the element type of an array without its modifier, which is the
// array's; 0 for other types.
func (t Type) Elem() Type {
	switch t.Base() {
	case BoolArray:
		return Bool
	case Int2Array:
		return Int2
	case Int4Array:
		return Int4
	case Int8Array:
		return Int8
	case TextArray:
		return Text
	case OIDArray:
		return OIDType
	case NameArray:
		return Name
	case ByteaArray:
		return Bytea
	case CharArray:
		return Char
	case BPCharArray:
		return BPChar
	case VarcharArray:
		return Varchar
	case Float4Array:
		return Float4
	case Float8Array:
		return Float8
	case TimestampArray:
		return Timestamp
	case DateArray:
		return Date
	case TimeArray:
		return Time
	case TimestamptzArray:
		return Timestamptz
	case IntervalArray:
		return Interval
	case NumericArray:
		return Numeric
	case TimeTZArray:
		return TimeTZ
	case UUIDArray:
		return UUID
	case JSONBArray:
		return JSONB
	}
	return 0
}

// Array returns the type of arrays of t, 0 if there is none.
func (t Type) Array() Type {
	info, _ := t.Info()
	return info.Array
}

// IsArray says whether t is an array type.
func (t Type) IsArray() bool { return t.Elem() != 0 }

// Category returns pg_type.typcategory, 'U' for unknown OIDs.
func (t Type) Category() byte {
	if info, ok := t.Info(); ok {
		return info.Category
	}
	return 'U'
}

// Preferred says whether the type is the preferred one of its category.
func (t Type) Preferred() bool {
	info, _ := t.Info()
	return info.Preferred
}

// Len returns pg_type.typlen: -1 for variable length, -2 for C strings.
func (t Type) Len() int16 {
	if info, ok := t.Info(); ok {
		return info.Len
	}
	return -1
}

// String returns the type's name with its modifier, as format_type prints it.
func (t Type) String() string {
	info, ok := t.Info()
	if !ok {
		return "???"
	}
	mod := t.Typmod()
	if mod < 0 {
		return info.SQLName
	}
	if info.Elem != 0 {
		return info.Elem.WithTypmod(mod).String() + "[]"
	}
	switch info.Type {
	case BPChar, Varchar:
		return info.SQLName + "(" + strconv.Itoa(int(mod)-4) + ")"
	case Numeric:
		p, s := numericTypmod(mod)
		return info.SQLName + "(" + strconv.Itoa(int(p)) + "," + strconv.Itoa(int(s)) + ")"
	case Time, Timestamp, TimeTZ, Timestamptz:
		head, rest, _ := strings.Cut(info.SQLName, " ")
		return head + "(" + strconv.Itoa(int(mod)) + ") " + rest
	case Interval:
		return info.SQLName + intervalTypmodString(mod)
	}
	return info.SQLName
}

// numericTypmod returns precision and scale.
func numericTypmod(mod int32) (precision, scale int32) {
	mod -= 4
	return mod >> 16 & 0xffff, (mod&0x7ff ^ 1024) - 1024
}

// NumericModifier returns precision and scale of numeric(p, s); ok is false
// for numeric without modifier.
func (t Type) NumericModifier() (precision, scale int32, ok bool) {
	if t.Base() != Numeric || t.Typmod() < 0 {
		return 0, 0, false
	}
	precision, scale = numericTypmod(t.Typmod())
	return precision, scale, true
}

// CharLength returns n of varchar(n) and char(n) in characters; ok is false
// without modifier.
func (t Type) CharLength() (n int, ok bool) {
	if b := t.Base(); (b == BPChar || b == Varchar) && t.Typmod() >= 4 {
		return int(t.Typmod()) - 4, true
	}
	return 0, false
}

// Lookup returns the type with a SQL name or alias (in lower case, words
// separated by single blanks, array types with [] at the end) and the given
// modifier arguments. It fails when the name is unknown or the arguments do
// not fit; ParseTypmod tells why.
func Lookup(name string, args []int) (Type, bool) {
	t, ok := lookupName(name)
	if !ok {
		return 0, false
	}
	if name == "float" && len(args) == 1 {
		return lookupFloat(args[0])
	}
	mod, err := ParseTypmod(t, args)
	if err != nil {
		return 0, false
	}
	if mod < 0 {
		if t == BPChar && name != "bpchar" {
			return t.WithTypmod(5), true // char is char(1)
		}
		return t, true
	}
	return t.WithTypmod(mod), true
}

// lookupFloat finds the type that holds so many binary digits.
func lookupFloat(precision int) (Type, bool) {
	switch {
	case precision >= 1 && precision <= 24:
		return Float4, true
	case precision >= 25 && precision <= 53:
		return Float8, true
	}
	return 0, false
}

func lookupName(name string) (Type, bool) {
	if elem, found := strings.CutSuffix(name, "[]"); found {
		for strings.HasSuffix(elem, "[]") {
			elem = strings.TrimSuffix(elem, "[]")
		}
		t, ok := lookupName(elem)
		if !ok || t.Array() == 0 {
			return 0, false
		}
		return t.Array(), true
	}
	switch name {
	case "int":
		return Int4, true
	case "decimal", "dec":
		return Numeric, true
	case "float", "double":
		return Float8, true
	case "string":
		return Text, true
	case "bytes", "blob":
		return Bytea, true
	case "char", "nchar", "national character", "national char":
		return BPChar, true
	case "char varying", "national character varying", "national char varying", "nchar varying":
		return Varchar, true
	case "time":
		return Time, true
	case "timestamp":
		return Timestamp, true
	}
	for i := range infos {
		if infos[i].SQLName == name || infos[i].Name == name {
			return infos[i].Type, true
		}
	}
	return 0, false
}

// ParseTypmod makes a type modifier of the arguments in parentheses after a
// type's name; -1 for none. Errors have PostgreSQL's words and 22023 or 42601.
func ParseTypmod(t Type, args []int) (int32, error) {
	if len(args) == 0 {
		return -1, nil
	}
	switch t.Base() {
	case Varchar, BPChar:
		return charTypmod(t, args)
	case Numeric:
		return makeNumericTypmod(args)
	case Time, Timestamp, TimeTZ, Timestamptz:
		return timeTypmod(t, args)
	case Interval:
		return makeIntervalTypmod(args)
	}
	info, _ := t.Info()
	return -1, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type \"%s\"", info.Name)
}

func errTypmod(format string, args ...any) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, format, args...)
}

func charTypmod(t Type, args []int) (int32, error) {
	name := "varchar"
	if t.Base() == BPChar {
		name = "char"
	}
	const maxLength = 10 << 20
	switch {
	case len(args) != 1:
		return -1, errTypmod("invalid type modifier")
	case args[0] < 1:
		return -1, errTypmod("length for type %s must be at least 1", name)
	case args[0] > maxLength:
		return -1, errTypmod("length for type %s cannot exceed %d", name, maxLength)
	}
	return int32(args[0]) + 4, nil
}

func makeNumericTypmod(args []int) (int32, error) {
	scale := 0
	switch {
	case len(args) > 2:
		return -1, errTypmod("invalid NUMERIC type modifier")
	case args[0] < 1 || args[0] > 1000:
		return -1, errTypmod("NUMERIC precision %d must be between 1 and 1000", args[0])
	case len(args) == 2:
		if scale = args[1]; scale < -1000 || scale > 1000 {
			return -1, errTypmod("NUMERIC scale %d must be between -1000 and 1000", scale)
		}
	}
	return int32(args[0])<<16 | int32(scale)&0x7ff + 4, nil
}

func timeTypmod(t Type, args []int) (int32, error) {
	if len(args) != 1 {
		return -1, errTypmod("invalid type modifier")
	}
	info, _ := t.Info()
	name := strings.ToUpper(strings.TrimSuffix(info.Name, "tz"))
	with := ""
	if strings.HasSuffix(info.Name, "tz") {
		with = " WITH TIME ZONE"
	}
	if args[0] < 0 {
		return -1, errTypmod("%s(%d)%s precision must not be negative", name, args[0], with)
	}
	return int32(min(args[0], 6)), nil
}
