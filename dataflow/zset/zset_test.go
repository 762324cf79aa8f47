package zset

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/streamdb/streamdb/sql/types"
)

// allTypes has a type of every kind and every special case of the codecs.
var allTypes = []types.Type{types.Bool, types.Int4, types.Int8, types.Timestamptz, types.Float8, types.Numeric, types.Interval,
	types.Text, types.BPChar, types.UUID, types.TimeTZ, types.JSONB, types.Bytea, types.Int4Array, types.TextArray, types.Record}

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(12))
	for i := range b {
		b[i] = byte(r.UintN(4)) * byte(85+r.UintN(2)) // 0x00 and 0xFF are frequent
	}
	return b
}

func randomText(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(5))
	for i := range b {
		b[i] = "ab  z"[r.IntN(5)]
	}
	return b
}

func randomDecimal(r *rand.Rand) types.Decimal {
	texts := []string{"0", "0.0", "1", "1.0", "1.00", "-1", "10", "0.1", "-0.1", "123.456", "1e40", "-1e40", "1e-30", "NaN", "inf", "-inf", "9.99", "99.9"}
	if r.IntN(2) == 0 {
		d, _ := types.ParseDecimal([]byte(texts[r.IntN(len(texts))]))
		return d
	}
	return types.NewDecimal(r.Int64()>>r.IntN(64), r.Uint64(), int32(r.IntN(70)))
}

func randomJSON(r *rand.Rand) []byte {
	texts := []string{`null`, `1`, `1.0`, `"a"`, `"a\u0001"`, `true`, `false`, `[]`, `[1, 2.50]`, `{}`, `{"a": 1, "b": []}`, `{"a": 1.0, "b": []}`, `[[]]`, `-5`, `"b"`, `{"aa": null}`}
	b, err := types.AppendJSONB(nil, []byte(texts[r.IntN(len(texts))]))
	if err != nil {
		panic(err)
	}
	return b
}

func randomArray(r *rand.Rand, elem types.Type) []byte {
	elems := make([]types.Datum, r.IntN(4))
	for i := range elems {
		elems[i] = randomDatum(r, elem)
	}
	var dims []types.Dim
	if len(elems) > 0 && r.IntN(3) == 0 {
		dims = []types.Dim{{Len: 1, Lower: int32(r.IntN(3))}, {Len: int32(len(elems)), Lower: 1}}
	}
	return types.AppendArray(nil, elem, dims, elems)
}

func randomDatum(r *rand.Rand, t types.Type) (d types.Datum) {
	if r.IntN(8) == 0 {
		return types.NullDatum()
	}
	switch t.Base() {
	case types.Bool:
		d.Bool = r.IntN(2) == 0
	case types.Int4, types.Int8, types.Timestamptz:
		d.Int = int64(r.Uint64()) >> r.IntN(64)
	case types.Float8:
		d.Float = []float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.Float64frombits(r.Uint64())}[r.IntN(8)]
	case types.Numeric:
		d.Dec = randomDecimal(r)
	case types.Interval:
		d.Ival = []types.IntervalValue{{Months: 1}, {Days: 30}, {Micros: 30 * types.MicrosPerDay}, {Months: -1}, {Micros: math.MinInt64, Months: math.MinInt32},
			{Months: math.MaxInt32, Days: math.MaxInt32, Micros: math.MaxInt64}, {Days: int32(r.Uint32()), Micros: int64(r.Uint64())}}[r.IntN(7)]
	case types.UUID:
		d.Bytes = make([]byte, 16)
		for i := range d.Bytes {
			d.Bytes[i] = byte(r.UintN(256))
		}
	case types.TimeTZ:
		d.Bytes = types.AppendTimeTZ(nil, r.Int64N(types.MicrosPerDay)/types.MicrosPerHour*types.MicrosPerHour, int32(r.IntN(5)-2)*3600)
	case types.JSONB:
		d.Bytes = randomJSON(r)
	case types.Int4Array, types.TextArray:
		d.Bytes = randomArray(r, t.Elem())
	case types.Record:
		d.Bytes = types.AppendRecord(nil, []types.Type{types.Numeric, types.Text}, []types.Datum{randomDatum(r, types.Numeric), randomDatum(r, types.Text)})
	case types.Bytea:
		d.Bytes = randomBytes(r)
	default:
		d.Bytes = randomText(r)
	}
	return d
}

func randomBatch(r *rand.Rand, ts []types.Type, rows int) (*Batch, [][]types.Datum) {
	b := NewBatch(ts, 0)
	data := make([][]types.Datum, rows)
	for i := range data {
		data[i] = make([]types.Datum, len(ts))
		for c, t := range ts {
			data[i][c] = randomDatum(r, t)
		}
		b.AppendDatums(data[i], int64(r.IntN(5)-2))
	}
	return b, data
}

func checkRow(t *testing.T, cols []Vector, row int, want []types.Datum) {
	t.Helper()
	for c := range cols {
		if got := cols[c].Datum(row); !types.Identical(cols[c].Type, got, want[c]) {
			t.Fatalf("row %d, column %d (%s): %+v, want %+v", row, c, cols[c].Type, got, want[c])
		}
	}
}

func TestVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, rows := range []int{0, 1, 63, 64, 65, 200} {
		b, data := randomBatch(r, allTypes, rows)
		for i := range data {
			checkRow(t, b.Cols, i, data[i])
		}
		sel := []int32{}
		for i := range rows {
			if r.IntN(3) == 0 {
				sel = append(sel, int32(i))
			}
		}
		out := NewBatch(allTypes, 0)
		out.AppendBatch(b)
		out.AppendBatch(&Batch{Cols: b.Cols, N: b.N, Sel: sel, Weight: b.Weight})
		if rows > 0 {
			out.AppendRow(b, rows/2, 7)
		}
		if want := rows + len(sel) + min(rows, 1); out.N != want || out.Cols[0].Len() != want {
			t.Fatalf("%d rows, want %d", out.N, want)
		}
		for i := range data {
			checkRow(t, out.Cols, i, data[i])
		}
		for i, s := range sel {
			checkRow(t, out.Cols, rows+i, data[s])
			if out.WeightAt(rows+i) != b.WeightAt(int(s)) {
				t.Fatal("the weight did not come along")
			}
		}
		from, end := rows/3, rows-rows/4
		for c := range b.Cols {
			s := b.Cols[c].Slice(from, end)
			for i := from; i < end; i++ {
				checkRow(t, []Vector{s}, i-from, data[i][c:c+1])
			}
		}
		for c := range out.Cols {
			out.Cols[c].Truncate(rows / 2)
		}
		for i := range rows / 2 {
			checkRow(t, out.Cols, i, data[i])
		}
		if rows > 0 {
			for c := range out.Cols {
				out.Cols[c].AppendFrom(&b.Cols[c], 0)
			}
			checkRow(t, out.Cols, rows/2, data[0])
		}
		out.Reset()
		for i := range data {
			out.AppendRow(b, i, 1)
			checkRow(t, out.Cols, i, data[i])
		}
	}
}

func TestCompactNegateConcat(t *testing.T) {
	b := NewBatch([]types.Type{types.Int8}, 4)
	for i, w := range []int64{1, 0, 2, -1} {
		b.Cols[0].AppendInt(int64(i))
		b.AddRow(w)
	}
	b.Sel = []int32{0, 1, 3}
	c := b.Compact()
	if c.N != 2 || c.Cols[0].Int[1] != 3 || c.WeightAt(0) != 1 || c.WeightAt(1) != -1 || c.Compact() != c {
		t.Errorf("compacted to %+v", c)
	}
	n := c.Negate()
	if n.WeightAt(0) != -1 || n.WeightAt(1) != 1 || c.WeightAt(0) != 1 {
		t.Errorf("negated to %+v", n)
	}
	all := Concat(b.Types(), []*Batch{b, c})
	if all.N != 5 || all.WeightAt(4) != -1 {
		t.Errorf("concatenated to %+v", all)
	}
	if Concat(b.Types(), []*Batch{c}) != c {
		t.Error("a single batch was copied")
	}
}

func TestRowCodec(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	b, data := randomBatch(r, allTypes, 500)
	back := NewVectors(allTypes, 0)
	var images [][]byte
	for i := range data {
		image := AppendRow(nil, b.Cols, i)
		if !bytes.Equal(image, AppendRowDatums(nil, allTypes, data[i])) {
			t.Fatal("vectors and datums have different images")
		}
		if err := DecodeRow(image, back); err != nil {
			t.Fatal(err)
		}
		checkRow(t, back, i, data[i])
		images = append(images, image)
	}
	for i := range data {
		j := r.IntN(len(data))
		same := true
		for c, typ := range allTypes {
			same = same && types.Identical(typ, data[i][c], data[j][c])
		}
		if same != bytes.Equal(images[i], images[j]) {
			t.Fatalf("rows %d and %d: identical %v, images are not so", i, j, same)
		}
	}
}

func TestDecodeRowKeepsDstOnError(t *testing.T) {
	ts := []types.Type{types.Int8, types.Text}
	dst := NewVectors(ts, 0)
	good := AppendRowDatums(nil, ts, []types.Datum{{Int: 5}, {Bytes: []byte("abc")}})
	for cut := range good {
		if err := DecodeRow(good[:cut], dst); err == nil {
			t.Errorf("%d of %d bytes were taken for a row", cut, len(good))
		}
		if dst[0].Len() != 0 || dst[1].Len() != 0 {
			t.Fatal("a failed decode left values behind")
		}
	}
	if err := DecodeRow(append(good, 0), dst); err == nil || dst[0].Len() != 0 {
		t.Error("bytes behind the row were accepted")
	}
}

// checkKeys compares the order of two values with the order of their keys.
func checkKeys(t *testing.T, typ types.Type, x, y types.Datum) {
	t.Helper()
	v := NewVector(typ, 2)
	v.AppendDatum(x)
	v.AppendDatum(y)
	a, b := AppendKey(nil, &v, 0), AppendKey(nil, &v, 1)
	if !bytes.Equal(a, AppendKeyDatum(nil, typ, x)) {
		t.Fatal("vector and datum have different keys")
	}
	want := sign(types.Compare(typ, x, y))
	if got := bytes.Compare(a, b); got != want {
		t.Fatalf("%s: %+v and %+v compare as %d, their keys % x and % x as %d", typ, x, y, want, a, b, got)
	}
	if len(a) != len(b) && (bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a)) {
		t.Fatalf("%s: key % x is a prefix of % x", typ, a, b)
	}
	for _, desc := range []bool{false, true} {
		for _, first := range []bool{false, true} {
			a, b := AppendKeyOrdered(nil, &v, 0, desc, first), AppendKeyOrdered(nil, &v, 1, desc, first)
			w := want
			switch {
			case x.Null != y.Null && first:
				w = -want
			case !x.Null && !y.Null && desc:
				w = -want
			}
			if got := bytes.Compare(a, b); got != w {
				t.Fatalf("%s desc %v nulls first %v: %+v and %+v give %d, want %d", typ, desc, first, x, y, got, w)
			}
			if !bytes.Equal(a, AppendKeyDatumOrdered(nil, typ, x, desc, first)) {
				t.Fatal("vector and datum have different ordered keys")
			}
			if KeyLossy(typ) {
				continue
			}
			back := NewVector(typ, 1)
			rest, err := DecodeKeyOrdered(append(a, 42), typ, &back, desc)
			if err != nil || len(rest) != 1 || !types.Identical(typ, back.Datum(0), x) {
				t.Fatalf("%s: key of %+v reads as %+v, %v", typ, x, back, err)
			}
		}
	}
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	if n > 0 {
		return 1
	}
	return 0
}

func TestKeyCodec(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, typ := range allTypes {
		for range 1500 {
			checkKeys(t, typ, randomDatum(r, typ), randomDatum(r, typ))
		}
	}
}

func TestKeysAreEqualForEqualValues(t *testing.T) {
	for _, c := range []struct {
		typ  types.Type
		a, b string
	}{{types.Numeric, "1.0", "1.00"}, {types.Numeric, "0", "-0.00"}, {types.Float8, "0", "-0"}, {types.Interval, "1 mon", "30 days"}, {types.Interval, "1 day", "24:00"},
		{types.BPChar, "a", "a  "}, {types.JSONB, `{"a":1.0}`, `{"a":1}`}, {types.JSONB, `[10]`, `[1e1]`}} {
		a, err1 := types.ParseText(c.typ, []byte(c.a), nil)
		b, err2 := types.ParseText(c.typ, []byte(c.b), nil)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !bytes.Equal(AppendKeyDatum(nil, c.typ, a), AppendKeyDatum(nil, c.typ, b)) {
			t.Errorf("%s: keys of %q and %q differ", c.typ, c.a, c.b)
		}
		if !KeyLossy(c.typ) {
			t.Errorf("%s must be lossy", c.typ)
		}
	}
}

func TestConsolidate(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	ts := []types.Type{types.Numeric, types.Text, types.Bool}
	var batches []*Batch
	want := map[string]int64{}
	for range 5 {
		b, _ := randomBatch(r, ts, 400)
		for i := range b.N {
			want[string(AppendRow(nil, b.Cols, i))] += b.WeightAt(i)
		}
		batches = append(batches, b)
	}
	out := Consolidate(ts, batches)
	seen := map[string]bool{}
	for i := range out.N {
		image := string(AppendRow(nil, out.Cols, i))
		if seen[image] || want[image] != out.WeightAt(i) || out.WeightAt(i) == 0 {
			t.Fatalf("row %d has weight %d, want %d", i, out.WeightAt(i), want[image])
		}
		seen[image] = true
	}
	for image, w := range want {
		if w != 0 && !seen[image] {
			t.Fatalf("a row of weight %d is missing", w)
		}
	}
	again := Consolidate(ts, batches)
	for i := range out.N {
		if !bytes.Equal(AppendRow(nil, out.Cols, i), AppendRow(nil, again.Cols, i)) {
			t.Fatal("the order is not deterministic")
		}
	}
}

func TestList(t *testing.T) {
	var l List
	for _, s := range []string{"", "abc", "", "x"} {
		l.Add([]byte(s))
	}
	l.Data = append(l.Data, "yz"...)
	l.End()
	if l.Len() != 5 || string(l.At(1)) != "abc" || string(l.At(2)) != "" || string(l.At(4)) != "yz" {
		t.Errorf("%+v", l)
	}
	l.Reset()
	if l.Len() != 0 {
		t.Error("not empty after Reset")
	}
}

func FuzzDecodeRow(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		row := make([]types.Datum, len(allTypes))
		for c, t := range allTypes {
			row[c] = randomDatum(r, t)
		}
		f.Add(AppendRowDatums(nil, allTypes, row))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dst := NewVectors(allTypes, 0)
		if err := DecodeRow(b, dst); err != nil {
			for c := range dst {
				if dst[c].Len() != 0 {
					t.Fatal("a failed decode left values behind")
				}
			}
			return
		}
		image := AppendRow(nil, dst, 0)
		again := NewVectors(allTypes, 0)
		if err := DecodeRow(image, again); err != nil {
			t.Fatal(err)
		}
		for c, typ := range allTypes {
			if !types.Identical(typ, dst[c].Datum(0), again[c].Datum(0)) {
				t.Fatalf("%s: %+v became %+v", typ, dst[c].Datum(0), again[c].Datum(0))
			}
			AppendKey(nil, &dst[c], 0)
			if !dst[c].IsNull(0) {
				types.AppendText(nil, typ, dst[c].Datum(0), nil)
				types.AppendBinary(nil, typ, dst[c].Datum(0))
			}
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add(uint64(1), uint64(2), []byte("a"), []byte("b"))
	f.Fuzz(func(t *testing.T, s1, s2 uint64, a, b []byte) {
		r := rand.New(rand.NewPCG(s1, s2))
		for _, typ := range allTypes {
			checkKeys(t, typ, randomDatum(r, typ), randomDatum(r, typ))
		}
		checkKeys(t, types.Bytea, types.Datum{Bytes: a}, types.Datum{Bytes: b})
		checkKeys(t, types.BPChar, types.Datum{Bytes: a}, types.Datum{Bytes: b})
		for _, typ := range allTypes { // must not panic
			v := NewVector(typ, 1)
			if _, err := DecodeKey(a, typ, &v); err != nil && v.Len() != 0 {
				t.Fatal("a failed decode left a value behind")
			}
		}
		x, err1 := types.ParseDecimal(a)
		y, err2 := types.ParseDecimal(b)
		if err1 == nil && err2 == nil {
			checkKeys(t, types.Numeric, types.Datum{Dec: x}, types.Datum{Dec: y})
		}
	})
}

func benchmarkBatch(rows int) *Batch {
	b := NewBatch([]types.Type{types.Int8, types.Int8, types.Timestamp, types.Text, types.Numeric}, rows)
	for i := range rows {
		b.Cols[0].AppendInt(int64(i))
		b.Cols[1].AppendInt(int64(i * 7919))
		b.Cols[2].AppendInt(848_000_000_000_000 + int64(i))
		b.Cols[3].AppendString("channel-name")
		b.Cols[4].AppendDecimal(types.NewDecimal(0, uint64(i)*37, 2))
		b.AddRow(1)
	}
	return b
}

func BenchmarkAppendRow(b *testing.B) {
	batch := benchmarkBatch(1024)
	buf := make([]byte, 0, 256)
	row := 0
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRow(buf[:0], batch.Cols, row&1023)
		row++
	}
}

func BenchmarkDecodeRow(b *testing.B) {
	batch := benchmarkBatch(1)
	image := AppendRow(nil, batch.Cols, 0)
	dst := NewVectors(batch.Types(), 1024)
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeRow(image, dst); err != nil {
			b.Fatal(err)
		}
		if rows++; rows == 1024 {
			rows = 0
			for c := range dst {
				dst[c].Reset()
			}
		}
	}
}

func BenchmarkAppendKey(b *testing.B) {
	batch := benchmarkBatch(1024)
	for c, name := range []string{"int8", "", "", "text", "numeric"} {
		if name == "" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 64)
			row := 0
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendKey(buf[:0], &batch.Cols[c], row&1023)
				row++
			}
		})
	}
}

func BenchmarkGather(b *testing.B) {
	batch := benchmarkBatch(1024)
	sel := make([]int32, 512)
	for i := range sel {
		sel[i] = int32(i * 2)
	}
	out := NewBatch(batch.Types(), 512)
	picked := &Batch{Cols: batch.Cols, N: batch.N, Sel: sel}
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		out.AppendBatch(picked)
	}
}

func BenchmarkConsolidate(b *testing.B) {
	batch := benchmarkBatch(1024)
	b.ReportAllocs()
	for b.Loop() {
		Consolidate(batch.Types(), []*Batch{batch, batch.Negate()})
	}
}
