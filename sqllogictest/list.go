package sqllogictest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// ListFiles returns the files that arguments name, relative to root and in
// order: each is a file, or a folder with all .slt and .slt.gz files in it. No
// argument is the whole root.
func ListFiles(root string, arguments []string) ([]string, error) {
	if len(arguments) == 0 {
		arguments = []string{"."}
	}
	var files []string
	for _, a := range arguments {
		start := filepath.Join(root, a)
		if _, err := os.Stat(start); err != nil {
			return nil, err
		}
		err := filepath.WalkDir(start, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path != start && !isTest(path) {
				return err
			}
			rel, err := filepath.Rel(root, path)
			files = append(files, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no .slt files in %s", strings.Join(arguments, ", "))
	}
	sort.Strings(files)
	return files, nil
}

func isTest(path string) bool {
	return strings.HasSuffix(path, ".slt") || strings.HasSuffix(path, ".slt.gz")
}
