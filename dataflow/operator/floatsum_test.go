package operator

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// randomFloat covers all exponents, and often values that cancel.
func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return float64(r.IntN(2000)-1000) / 100
	case 1:
		return math.Ldexp(r.Float64()*2-1, r.IntN(60)-30)
	case 2:
		return math.Float64frombits(r.Uint64N(1 << 54)) // subnormal and small
	default:
		for {
			if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
				return f
			}
		}
	}
}

func TestExactFloatAgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var x exactFloat
		var w floatWindow
		want := new(big.Float).SetPrec(3000)
		for range r.IntN(20) {
			f := randomFloat(r)
			weight := int64(r.IntN(9) - 4)
			if r.IntN(10) == 0 {
				weight = int64(r.Uint64())
			}
			if !w.add(f, weight) {
				x.add(f, weight)
			}
			term := new(big.Float).SetPrec(3000).SetInt64(weight)
			want.Add(want, term.Mul(term, new(big.Float).SetPrec(3000).SetFloat64(f)))
		}
		x.addWindow(&w)
		enc := x.append(nil)
		var y exactFloat
		rest, err := y.decode(append(enc[:len(enc):len(enc)], 7))
		if err != nil || len(rest) != 1 || y != x {
			t.Fatalf("decode(%x) = %v, %v", enc, y, err)
		}
		w64, _ := want.Float64()
		if got := x.float64(); got != w64 {
			t.Fatalf("float64 = %v, want %v", got, w64)
		}
		w32, _ := want.Float32()
		if got := x.float32(); got != float64(w32) {
			t.Fatalf("float32 = %v, want %v", got, w32)
		}
	}
}

func TestExactFloatRetraction(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var x exactFloat
	var fs []float64
	for range 200 {
		fs = append(fs, randomFloat(r))
		x.add(fs[len(fs)-1], 1)
	}
	r.Shuffle(len(fs), func(i, j int) { fs[i], fs[j] = fs[j], fs[i] })
	for _, f := range fs {
		x.add(f, -1)
	}
	if !x.isZero() || len(x.append(nil)) != 1 {
		t.Fatalf("not zero after all retractions: %v", x)
	}
}

func FuzzExactFloatDecode(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{2, 5, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y exactFloat
		if _, err := x.decode(b); err != nil {
			return
		}
		if _, err := y.decode(x.append(nil)); err != nil || x != y {
			t.Fatalf("round trip of %x: %v", b, err)
		}
	})
}

func BenchmarkFloatWindowAdd(b *testing.B) {
	b.ReportAllocs()
	var w floatWindow
	for b.Loop() {
		w.add(12.34, 1)
	}
}
