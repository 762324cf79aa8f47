package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestArchitecture: every path, package.Func and package.Type.Member that
// ARCHITECTURE.md names exists.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	packages := goPackages(t)
	symbol := regexp.MustCompile(`^([a-z][a-z0-9_/]*)\.([A-Z]\w*(?:\.[A-Z]\w*)?)$`)
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(string(text), -1) {
		if m := symbol.FindStringSubmatch(span[1]); m != nil {
			if !declares(t, packages, m[1], m[2]) {
				t.Errorf("%s does not exist", span[1])
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(root, span[1])); err != nil {
			t.Errorf("%s is neither a path nor a name of a package", span[1])
		}
	}
	if lines := strings.Count(string(text), "\n"); lines > 180 {
		t.Errorf("ARCHITECTURE.md has %d lines; three pages are enough", lines)
	}
}

// goPackages lists the folders with Go files, relative to the root.
func goPackages(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err == nil && !seen[rel] {
			seen[rel] = true
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// declares says whether a package, given by its path or its last element,
// declares Name or Type.Member.
func declares(t *testing.T, packages []string, name, symbol string) bool {
	t.Helper()
	for _, dir := range packages {
		if dir != name && filepath.Base(dir) != name {
			continue
		}
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if names := declared(file); names[symbol] {
				return true
			}
		}
	}
	return false
}

// declared lists a file's functions, types, constants and variables, and the
// methods and fields of its types as Type.Member.
func declared(file *ast.File) map[string]bool {
	out := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			out[receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						out[n.Name] = true
					}
				case *ast.TypeSpec:
					out[spec.Name.Name] = true
					for _, m := range members(spec.Type) {
						out[spec.Name.Name+"."+m] = true
					}
				}
			}
		}
	}
	return out
}

// receiver is "Type." for a method of Type.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return "?."
		}
	}
}

func members(e ast.Expr) []string {
	var fields *ast.FieldList
	switch e := e.(type) {
	case *ast.StructType:
		fields = e.Fields
	case *ast.InterfaceType:
		fields = e.Methods
	default:
		return nil
	}
	var out []string
	for _, f := range fields.List {
		for _, n := range f.Names {
			out = append(out, n.Name)
		}
	}
	return out
}
