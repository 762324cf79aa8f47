package operator

import "fmt"

// Union adds up its inputs.
type Union struct {
	spec *UnionSpec
}

// NewUnion checks spec.
func NewUnion(spec *UnionSpec) (*Union, error) {
	if spec.Sides < 1 {
		return nil, fmt.Errorf("union of %d sides", spec.Sides)
	}
	return &Union{spec: spec}, nil
}

// Apply passes the deltas on, side by side.
func (u *Union) Apply(in []Delta, _ State, _ uint64, out *Output) error {
	if out.Discard {
		return nil
	}
	for _, d := range in {
		out.Rows = append(out.Rows, d...)
	}
	return nil
}
