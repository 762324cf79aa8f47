// Package copytree copies directories that are in use, for tests of what a crash
// leaves.
package copytree

import (
	"errors"
	"io/fs"
	"os"
)

// Live copies a directory. If a file vanishes meanwhile it begins anew: no crash
// leaves one file of before that and another of after it.
func Live(from, to string) error {
	for range 20 {
		err := os.CopyFS(to, os.DirFS(from))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	return errors.New("copytree: files vanish all the time from " + from)
}
