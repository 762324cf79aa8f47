// Package layering holds the direction of imports: lower packages never import
// upper ones, and each dependency has its home.
package layering

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/streamdb/streamdb/"

// layers lists the packages from the lowest to the highest (DESIGN section 4).
// A package may import packages of lower layers, and its own sub-packages.
var layers = [][]string{
	{"internal/"},
	{"sql/types"},
	{"dataflow/zset"},
	{"sql/ast", "sql/expr", "storage"},
	{"sql", "sql/catalog", "connector", "dataflow/operator"},
	{"dataflow", "connector/format"},
	{"planner", "connector/kafka", "connector/datagen"},
	{"engine"},
	{"pgwire", "httpapi"},
	{"cmd/", "sqllogictest", "test/", "bench/"},
}

// homes names, for each dependency, the only packages that may import it.
var homes = map[string][]string{
	"github.com/dgraph-io/badger/v4":      {"storage"},
	"github.com/twmb/franz-go":            {"connector/kafka", "internal/kafkatest", "test/", "bench/", "cmd/"},
	"github.com/jackc/pgx/v5":             {"pgwire", "test/", "bench/", "sqllogictest"},
	"github.com/cockroachdb/apd/v3":       {"sql/types", "sql/expr"},
	"github.com/prometheus/client_golang": {"httpapi"},
	"github.com/spf13/pflag":              {"cmd/"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range listPackages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module) {
				checkDirection(t, from, strings.TrimPrefix(imp, module))
			} else {
				checkHome(t, from, imp)
			}
		}
	}
}

func checkDirection(t *testing.T, from, to string) {
	t.Helper()
	if strings.HasPrefix(from, to+"/") || strings.HasPrefix(to, from+"/") {
		return // a package and its test helper or format
	}
	lower, upper := layerOf(t, to), layerOf(t, from)
	if lower > upper || lower == upper && !strings.HasPrefix(from, "internal/") && lower != len(layers)-1 {
		t.Errorf("%s (layer %d) imports %s (layer %d): imports must point to a lower layer", from, upper, to, lower)
	}
}

func checkHome(t *testing.T, from, imp string) {
	t.Helper()
	for dep, allowed := range homes {
		if imp != dep && !strings.HasPrefix(imp, dep+"/") {
			continue
		}
		for _, home := range allowed {
			if matches(from, home) {
				return
			}
		}
		t.Errorf("%s imports %s, whose home is %v", from, imp, allowed)
	}
}

// layerOf returns the layer of the longest entry that names p.
func layerOf(t *testing.T, p string) int {
	t.Helper()
	best, layer := -1, -1
	for i, names := range layers {
		for _, name := range names {
			if matches(p, name) && len(name) > best {
				best, layer = len(name), i
			}
		}
	}
	if layer < 0 {
		t.Fatalf("package %s is in no layer: add it to layers", p)
	}
	return layer
}

// matches says whether p is the package of that name, one below it when the
// name ends in a slash, or its test helper.
func matches(p, name string) bool {
	if strings.HasSuffix(name, "/") {
		return strings.HasPrefix(p, name)
	}
	return p == name || strings.HasPrefix(p, name+"/")
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}
