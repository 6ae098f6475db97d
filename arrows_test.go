package websocket

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "hawser.example/websocket"

// goList runs go list and returns its lines.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

// Arrows between packages point one way, and none leaves the standard library.
func TestArrowsBetweenPackages(t *testing.T) {
	allowed := map[string][]string{ // package: which of ours it may depend on
		"":                     {"internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate"},
		"internal/deflate":     {},
		"internal/simd":        {},
		"internal/utf8x":       {"internal/simd"},
		"internal/memconn":     {},
		"internal/wstest":      {},
		"internal/mutate":      {},
		"internal/lineedit":    {},
		"internal/lineedit/vt": {"internal/lineedit"},
		"internal/notify": {"", "internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate", "internal/topic", "internal/token", "internal/metrics",
			"internal/strictjson"},
		"cmd/hawser": {"", "autobahn", "internal/lineedit", "internal/notify", "internal/topic", "internal/token", "internal/metrics", "internal/strictjson",
			"internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate"},
		"internal/feed":       {"", "internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate"},
		"internal/soak":       {"", "internal/feed", "internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate"},
		"examples/notify":     {"", "internal/utf8x", "internal/memconn", "internal/simd", "internal/deflate"},
		"autobahn":            {},
		"internal/topic":      {},
		"internal/token":      {"internal/strictjson"},
		"internal/strictjson": {},
		"internal/metrics":    {},
	}
	for _, pkg := range goList(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(pkg, modulePath), "/")
		may, ok := allowed[name]
		if !ok {
			t.Errorf("%s is not in the table: decide what it may depend on", pkg)
		}
		for _, dep := range goList(t, "-deps", pkg) {
			own, isOurs := strings.CutPrefix(dep, modulePath)
			own = strings.TrimPrefix(own, "/")
			switch {
			case dep == pkg:
			case isOurs && !slices.Contains(may, own):
				t.Errorf("%s depends on %s", pkg, dep)
			case !isOurs && strings.Contains(strings.Split(dep, "/")[0], "."):
				t.Errorf("%s depends on %s, which is not the standard library", pkg, dep)
			}
		}
	}
	if mods := goList(t, "-m", "all"); !slices.Equal(mods, []string{modulePath}) {
		t.Errorf("modules: %v", mods)
	}
}

// One package holds all the assembly, and imports nothing of ours to do it (above).
func TestAssemblyIsInOnePlace(t *testing.T) {
	files := 0
	for _, line := range goList(t, "-f", "{{$p := .ImportPath}}{{range .SFiles}}{{$p}} {{end}}", "./...") {
		files++
		if line != modulePath+"/internal/simd" {
			t.Errorf("%s has assembly", line)
		}
	}
	ignored := goList(t, "-f", "{{range .IgnoredOtherFiles}}{{.}} {{end}}", "./internal/simd")
	if files+len(ignored) == 0 {
		t.Error("no assembly was found")
	}
}

// coreFiles are the codec and the protocol core.
var coreFiles = []string{"frame.go", "mask.go", "close.go", "decoder.go", "encoder.go", "inflate.go", "compress.go"}

// The core does no I/O, knows no clock and takes no lock, and type-checks without the rest of the package.
func TestCoreStandsAlone(t *testing.T) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range coreFiles {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			for _, bad := range []string{"net", "time", "sync", "context", "io", "os", "syscall", "unsafe"} {
				if path == bad || strings.HasPrefix(path, bad+"/") {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := conf.Check(modulePath, fset, files, nil); err != nil {
		t.Errorf("not alone: %v", err)
	}
}

// Every package says what it is for.
func TestPackagesAreDocumented(t *testing.T) {
	for _, line := range goList(t, "-f", "{{.Dir}}|{{len .Doc}}", "./...") {
		if dir, n, _ := strings.Cut(line, "|"); n == "0" {
			t.Errorf("%s has no package documentation", dir)
		}
	}
	if _, err := os.Stat("doc.go"); err != nil {
		t.Error(err)
	}
}
