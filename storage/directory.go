package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The file FORMAT of a data directory says that it is one, and in which format it
// is written: "streamdb 1". It is the first file that is written and never changed.
// Directories from before there was one are format 1.
const (
	formatFile    = "FORMAT"
	formatPrefix  = "streamdb "
	formatVersion = 1
)

// checkDirectory refuses a directory that holds something else, and one that a newer
// version has written; fresh says that nothing is in it yet.
func checkDirectory(dir string) (fresh bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, formatFile))
	if err == nil {
		return false, checkFormat(dir, string(text))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, fileError(err, "could not read the format of data directory %q", dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fileError(err, "could not read data directory %q", dir)
	}
	var foreign, ours []string
	for _, e := range entries {
		switch {
		case e.Name() == "lost+found", strings.HasPrefix(e.Name(), formatFile+"."): // a crash has left it
		case e.IsDir() && slices.Contains([]string{"meta", "log", "runs", "kafka"}, e.Name()):
			ours = append(ours, e.Name())
		default:
			foreign = append(foreign, e.Name())
		}
	}
	if len(foreign) > 0 && !(slices.Contains(ours, "meta") && slices.Contains(ours, "log")) {
		return false, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "directory %q is not empty and is no data directory: it has %q", dir, foreign[0]).
			WithHint("Name an empty directory, or one that is not there yet.")
	}
	return len(ours)+len(foreign) == 0, nil
}

func checkFormat(dir, text string) error {
	var version uint64
	n, err := fmt.Sscanf(text, formatPrefix+"%d\n", &version)
	switch {
	case err != nil || n != 1 || version == 0:
		return fileCorrupt("the file %s of data directory %q is damaged", formatFile, dir)
	case version > formatVersion:
		return sqlerr.New(sqlerr.FeatureNotSupported, "data directory %q was written by a newer version of streamdb: it has format %d, this version reads formats up to %d",
			dir, version, formatVersion).WithHint("Use the newer version.")
	}
	return nil
}

// claimDirectory creates the data directory where it is missing and marks it as ours.
func claimDirectory(dir string) error {
	fresh, err := checkDirectory(dir)
	if err != nil || !fresh {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fileError(err, "could not create the data directory")
	}
	f, err := os.CreateTemp(dir, formatFile+".*")
	if err != nil {
		return fileError(err, "could not write to data directory %q", dir)
	}
	_, err = fmt.Fprintf(f, "%s%d\n", formatPrefix, formatVersion)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, formatFile))
	}
	if err != nil {
		return fileError(err, "could not mark data directory %q", dir)
	}
	return fileSyncDir(dir)
}
