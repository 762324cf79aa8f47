package expr

import (
	"errors"
	"unsafe"

	"github.com/streamdb/streamdb/dataflow/zset"
	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/types"
)

// site is one call in an expression, what a kernel may be specialised for.
type site struct {
	fn   *Function
	args []*Expr // constants are folded
	ret  types.Type
	env  *Env
	// elementCast compiles the cast of an array's elements; here, since the table of
	// functions cannot refer to what looks into it.
	elementCast func(env *Env, from, to types.Type) (*Program, error)
}

// constant returns the value of an argument that is a constant other than NULL.
func (s *site) constant(i int) (types.Datum, bool) {
	if i >= len(s.args) || s.args[i].Op != OpConst || s.args[i].Const.Null {
		return types.Datum{}, false
	}
	return s.args[i].Const, true
}

// maker returns the kernel for a call site. It fails if constant arguments
// make the call fail for every row.
type maker func(s *site) (kernel, error)

// kernel computes one call for the rows of c. For strict functions c.out.Null
// is set before: values at NULL rows are unspecified and must not fail.
type kernel func(c *call)

// call is one evaluation of a call site.
type call struct {
	x    *exec
	out  *zset.Vector
	args []arg
	n    int
	sel  []int32 // nil: all rows
	s    *scope
}

func (c *call) rows() []int32 { return c.x.rows(c.s) }

// mostRows says whether a cheap kernel should compute all rows instead of
// going through the selection.
func (c *call) mostRows() bool { return c.sel == nil || 4*len(c.sel) >= c.n }

func (c *call) fail(row int, err error) {
	if err == errNull { //nolint:errorlint // it is ours and never wrapped; this runs for every NULL
		c.out.Null.Set(row)
		return
	}
	c.x.errs.add(row, err)
}

// errNull is what row functions of nullable functions return for NULL.
var errNull = errors.New("NULL")

// reader reads values of Go type T from a vector. T must be the element type of
// the vector's slice, []byte for vectors of bytes.
type reader[T any] struct {
	fixed []T
	off   []uint32
	data  []byte
	mask  int
}

func (r *reader[T]) bind(a *arg) {
	r.mask = a.mask
	if s := slot[T](a.Vector); s != nil {
		r.fixed = *s
		return
	}
	r.off, r.data = a.Off, a.Data
}

func (r *reader[T]) at(row int) T {
	row &= r.mask
	if r.off == nil {
		return r.fixed[row]
	}
	from, to := r.off[row], r.off[row+1]
	b := r.data[from:to:to]
	return *(*T)(unsafe.Pointer(&b)) // T is []byte: bind found no slice of T
}

// slot returns the slice of v that holds values of type T, nil for []byte.
func slot[T any](v *zset.Vector) *[]T {
	var p any
	switch any((*T)(nil)).(type) {
	case *bool:
		p = &v.Bool
	case *int64:
		p = &v.Int
	case *float64:
		p = &v.Flt
	case *types.Decimal:
		p = &v.Dec
	case *types.IntervalValue:
		p = &v.Ival
	case *[]byte:
		return nil
	default:
		panic("expr: no vector holds this type")
	}
	return p.(*[]T)
}

// The makers below lift functions of one row to kernels: fn... for results of
// fixed size, app... for results in bytes, which the function appends to dst.

func fn0e[R any](f func() (R, error)) maker {
	return fixed(func(*call) func(int) (R, error) { return func(int) (R, error) { return f() } })
}

func fn1e[A, R any](f func(A) (R, error)) maker {
	return func(*site) (kernel, error) {
		var a reader[A]
		return func(c *call) {
			a.bind(&c.args[0])
			out, null := *slot[R](c.out), c.out.Null
			for _, r := range c.rows() {
				row := int(r)
				if null.Get(row) {
					continue
				}
				v, err := f(a.at(row))
				if err != nil {
					c.fail(row, err)
				}
				out[row] = v
			}
		}, nil
	}
}

func fn2e[A, B, R any](f func(A, B) (R, error)) maker {
	return func(*site) (kernel, error) {
		var a reader[A]
		var b reader[B]
		return func(c *call) {
			a.bind(&c.args[0])
			b.bind(&c.args[1])
			out, null := *slot[R](c.out), c.out.Null
			for _, r := range c.rows() {
				row := int(r)
				if null.Get(row) {
					continue
				}
				v, err := f(a.at(row), b.at(row))
				if err != nil {
					c.fail(row, err)
				}
				out[row] = v
			}
		}, nil
	}
}

// fixed is for functions of any number of arguments: bind reads the arguments'
// vectors and returns the function of a row.
func fixed[R any](bind func(c *call) func(row int) (R, error)) maker {
	return func(*site) (kernel, error) {
		return func(c *call) {
			f := bind(c)
			out, null := *slot[R](c.out), c.out.Null
			for _, r := range c.rows() {
				row := int(r)
				if null.Get(row) {
					continue
				}
				v, err := f(row)
				if err != nil {
					c.fail(row, err)
				}
				out[row] = v
			}
		}, nil
	}
}

func fn3e[A, B, C, R any](f func(A, B, C) (R, error)) maker {
	return fixed(func(c *call) func(int) (R, error) {
		a, b, d := bound[A](c, 0), bound[B](c, 1), bound[C](c, 2)
		return func(row int) (R, error) { return f(a.at(row), b.at(row), d.at(row)) }
	})
}

func bound[T any](c *call, i int) *reader[T] {
	r := new(reader[T])
	r.bind(&c.args[i])
	return r
}

func fn1[A, R any](f func(A) R) maker {
	return func(*site) (kernel, error) {
		var a reader[A]
		return func(c *call) {
			a.bind(&c.args[0])
			out, null := *slot[R](c.out), c.out.Null
			if c.sel == nil && null == nil && a.off == nil && a.mask != 0 {
				for i, v := range a.fixed[:c.n] {
					out[i] = f(v)
				}
				return
			}
			for _, r := range c.rows() {
				if row := int(r); !null.Get(row) {
					out[row] = f(a.at(row))
				}
			}
		}, nil
	}
}

func fn2[A, B, R any](f func(A, B) R) maker {
	return func(*site) (kernel, error) {
		var a reader[A]
		var b reader[B]
		return func(c *call) {
			a.bind(&c.args[0])
			b.bind(&c.args[1])
			out, null := *slot[R](c.out), c.out.Null
			for _, r := range c.rows() {
				if row := int(r); !null.Get(row) {
					out[row] = f(a.at(row), b.at(row))
				}
			}
		}, nil
	}
}

// maxBatchBytes bounds what one vector may hold; offsets are 32 bits wide.
const maxBatchBytes = 256 << 20

// appending is the general form of functions whose result is bytes.
func appending(bind func(c *call) func(dst []byte, row int) ([]byte, error)) maker {
	return func(*site) (kernel, error) {
		return func(c *call) {
			f := bind(c)
			w, null := bytesWriter{v: c.out}, c.out.Null
			for _, r := range c.rows() {
				row := int(r)
				w.begin(row)
				if null.Get(row) {
					continue
				}
				before := len(c.out.Data)
				dst, err := f(c.out.Data, row)
				if err == nil && len(dst) > maxBatchBytes {
					err = sqlerr.New(sqlerr.ProgramLimitExceeded, "results of one batch exceed the maximum of %d bytes", maxBatchBytes)
				}
				if err != nil {
					c.fail(row, err)
					if dst == nil {
						dst = c.out.Data
					}
					dst = dst[:before]
				}
				c.out.Data = dst
			}
			w.finish()
		}, nil
	}
}

func app0e(f func(dst []byte) ([]byte, error)) maker {
	return appending(func(*call) func([]byte, int) ([]byte, error) {
		return func(dst []byte, _ int) ([]byte, error) { return f(dst) }
	})
}

func app1e[A any](f func(dst []byte, a A) ([]byte, error)) maker {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a := bound[A](c, 0)
		return func(dst []byte, row int) ([]byte, error) { return f(dst, a.at(row)) }
	})
}

func app2e[A, B any](f func(dst []byte, a A, b B) ([]byte, error)) maker {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, b := bound[A](c, 0), bound[B](c, 1)
		return func(dst []byte, row int) ([]byte, error) { return f(dst, a.at(row), b.at(row)) }
	})
}

func app3e[A, B, C any](f func(dst []byte, a A, b B, c C) ([]byte, error)) maker {
	return appending(func(c *call) func([]byte, int) ([]byte, error) {
		a, b, d := bound[A](c, 0), bound[B](c, 1), bound[C](c, 2)
		return func(dst []byte, row int) ([]byte, error) { return f(dst, a.at(row), b.at(row), d.at(row)) }
	})
}

func app1[A any](f func(dst []byte, a A) []byte) maker {
	return app1e(func(dst []byte, a A) ([]byte, error) { return f(dst, a), nil })
}

func app2[A, B any](f func(dst []byte, a A, b B) []byte) maker {
	return app2e(func(dst []byte, a A, b B) ([]byte, error) { return f(dst, a, b), nil })
}

func app3[A, B, C any](f func(dst []byte, a A, b B, c C) []byte) maker {
	return app3e(func(dst []byte, a A, b B, c C) ([]byte, error) { return f(dst, a, b, c), nil })
}
