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

// ownName is the path of a package of ours below the module's.
func ownName(pkg string) string { return strings.TrimPrefix(strings.TrimPrefix(pkg, modulePath), "/") }

// Arrows between packages point one way, and none leaves the standard library.
func TestArrowsBetweenPackages(t *testing.T) {
	allowed := map[string][]string{ // package: which of ours it may import
		"":                     {"internal/deflate", "internal/memconn", "internal/simd", "internal/utf8x"},
		"autobahn":             {},
		"cmd/hawser":           {"", "autobahn", "internal/lineedit", "internal/notify", "internal/token", "internal/topic"},
		"examples/notify":      {""},
		"internal/deflate":     {},
		"internal/feed":        {""},
		"internal/lineedit":    {},
		"internal/lineedit/vt": {"internal/lineedit"},
		"internal/memconn":     {},
		"internal/metrics":     {},
		"internal/mutate":      {},
		"internal/notify":      {"", "internal/metrics", "internal/strictjson", "internal/token", "internal/topic"},
		"internal/simd":        {},
		"internal/soak":        {"internal/feed", "internal/wstest", ""},
		"internal/strictjson":  {},
		"internal/token":       {"internal/strictjson"},
		"internal/topic":       {},
		"internal/utf8x":       {"internal/simd"},
		"internal/wstest":      {},
	}
	for _, pkg := range goList(t, "./...") {
		may, ok := allowed[ownName(pkg)]
		if !ok {
			t.Errorf("%s is not in the table: decide what it may import", pkg)
		}
		for _, dep := range goList(t, "-f", `{{join .Imports "\n"}}`, pkg) {
			switch {
			case strings.HasPrefix(dep, modulePath) && !slices.Contains(may, ownName(dep)):
				t.Errorf("%s imports %s", pkg, dep)
			case !strings.HasPrefix(dep, modulePath) && strings.Contains(strings.Split(dep, "/")[0], "."):
				t.Errorf("%s imports %s, which is not the standard library", pkg, dep)
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
