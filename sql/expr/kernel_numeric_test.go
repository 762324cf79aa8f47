package expr

import (
	"math"
	"testing"

	"github.com/streamdb/streamdb/sql/types"
)

// TestNarrowArithmetic compares the fast kernels with the exact operations.
func TestNarrowArithmetic(t *testing.T) {
	var numbers []decimal
	for _, v := range []int64{0, 1, -1, 2, 10, 12345, -99, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt64 + 1} {
		for _, scale := range []int32{0, 2, 7} {
			numbers = append(numbers, types.NewDecimal(v>>63, uint64(v), scale))
		}
	}
	numbers = append(numbers, types.DecimalNaN(), types.DecimalInf(1), types.NewDecimal(1, 0, 3))
	ops := []struct {
		fast  func(out, a, b *decimal) bool
		exact func(a, b decimal) (decimal, error)
	}{{mulNarrow, decimal.Mul}, {addNarrow, decimal.Add}, {subNarrow, decimal.Sub}}
	for i, op := range ops {
		for _, a := range numbers {
			for _, b := range numbers {
				want, err := op.exact(a, b)
				if err != nil {
					t.Fatal(err)
				}
				var got decimal
				if op.fast(&got, &a, &b) && !got.Identical(want) {
					t.Fatalf("operation %d on %v and %v: got %v, want %v", i, a, b, got, want)
				}
			}
		}
	}
}
