package zset

// List is a sequence of byte strings in one arena. The zero value is empty and
// ready for use. String i is Data[Off[i-1]:Off[i]], with Off[-1] = 0.
type List struct {
	Data []byte
	Off  []uint32 // end of each string
}

// Len returns the number of strings.
func (l *List) Len() int { return len(l.Off) }

// At returns string i; it shares memory with the list.
func (l *List) At(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = l.Off[i-1]
	}
	return l.Data[start:l.Off[i]:l.Off[i]]
}

// Add appends a copy of s.
func (l *List) Add(s []byte) {
	l.Data = append(l.Data, s...)
	l.Off = append(l.Off, uint32(len(l.Data)))
}

// End ends the string that the caller appended to Data itself.
func (l *List) End() { l.Off = append(l.Off, uint32(len(l.Data))) }

// Reset empties the list and keeps its memory.
func (l *List) Reset() { l.Data, l.Off = l.Data[:0], l.Off[:0] }
