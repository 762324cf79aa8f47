package types

// placeholder
type Decimal struct{ _ int }
