package main

import "syscall"

// allocated returns the bytes that a file takes: preallocated and sparse files
// are counted by their blocks.
func allocated(path string) int64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}
