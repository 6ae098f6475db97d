package websocket

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var inCode = regexp.MustCompile("`([^`]+)`")

// Every name in docs/RFC.md is one of the code: a file, what it declares, and a test.
func TestNamesInRFCMap(t *testing.T) {
	tests := allDeclarations(t, "*_test.go", "internal/utf8x/*_test.go")
	rows := 0
	for line := range strings.Lines(readPage(t, "docs/RFC.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.Contains(line, "`") {
			continue
		}
		rows++
		for place := range strings.SplitSeq(cells[2], ";") {
			names := inCode.FindAllStringSubmatch(place, -1)
			if len(names) < 2 {
				t.Errorf("%s: %q is not a file and what it declares", cells[1], place)
				continue
			}
			declared := declarations(t, names[0][1])
			for _, name := range names[1:] {
				if !declared[name[1]] {
					t.Errorf("%s: %s does not declare %s", cells[1], names[0][1], name[1])
				}
			}
		}
		names := inCode.FindAllStringSubmatch(cells[3], -1)
		if len(names) == 0 {
			t.Errorf("%s: no test", cells[1])
		}
		for _, name := range names {
			if !strings.HasPrefix(name[1], "Test") || !tests[name[1]] {
				t.Errorf("%s: there is no test %s", cells[1], name[1])
			}
		}
	}
	if rows < 60 {
		t.Errorf("found %d rows, want 60 or more: has the page another form now?", rows)
	}
}

// The 28 points of docs/PEERS.md stand there once, and their tests exist.
func TestNamesInPeersTable(t *testing.T) {
	tests := allDeclarations(t, "*_test.go", "e2e/*_test.go")
	var points []int
	for line := range strings.Lines(readPage(t, "docs/PEERS.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 {
			continue
		}
		point, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // a headline
		}
		points = append(points, point)
		names := 0
		for name := range strings.SplitSeq(cells[4], ", ") {
			m := inCode.FindStringSubmatch(name)
			if m == nil {
				t.Errorf("%d: %q is no test", point, name)
				continue
			}
			names++
			isTest := strings.HasPrefix(m[1], "Test") || strings.HasPrefix(m[1], "Example")
			if !isTest || !tests[m[1]] {
				t.Errorf("%d: is %s a test: %t; does it exist: %t", point, m[1], isTest, tests[m[1]])
			}
		}
		if names == 0 {
			t.Errorf("%d: no test", point)
		}
	}
	slices.Sort(points)
	for i := range 28 {
		if i >= len(points) || points[i] != i+1 {
			t.Fatalf("the points are %v, want 1 to 28", points)
		}
	}
	if len(points) != 28 {
		t.Errorf("there are %d points", len(points))
	}
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")

// Every test that docs/SECURITY.md names exists.
func TestNamesInSecurityPage(t *testing.T) {
	tests := allDeclarations(t, "*_test.go")
	threats := 0
	for line := range strings.Lines(readPage(t, "docs/SECURITY.md")) {
		names := testName.FindAllStringSubmatch(line, -1)
		if strings.HasPrefix(line, "| ") && len(names) > 0 {
			threats++
		}
		for _, m := range names {
			if !tests[m[1]] {
				t.Errorf("there is no %s", m[1])
			}
		}
	}
	if threats < 15 {
		t.Errorf("%d threats have tests", threats)
	}
}

var (
	recipe    = regexp.MustCompile(`(?m)^## (\d+)\. `)
	exampleOf = regexp.MustCompile("\\[`(Example_\\w+)`\\]\\(\\.\\./cookbook_test\\.go\\)")
	codeBlock = regexp.MustCompile("(?s)```(\\w+)\n(.*?)```")
)

// The ten recipes of docs/COOKBOOK.md name their examples, no example is without a recipe, and the Go code on the page
// stands in cookbook_test.go, which runs it.
func TestCookbook(t *testing.T) {
	page := readPage(t, "docs/COOKBOOK.md")
	examples := declarations(t, "cookbook_test.go")
	heads := recipe.FindAllStringSubmatchIndex(page, -1)
	if len(heads) != 10 {
		t.Fatalf("%d recipes", len(heads))
	}
	named := make(map[string]bool)
	for i, head := range heads {
		end := len(page)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		number, text := page[head[2]:head[3]], page[head[0]:end]
		if number != strconv.Itoa(i+1) {
			t.Errorf("recipe %s is the %dth", number, i+1)
		}
		found := exampleOf.FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("recipe %s names no example", number)
		}
		for _, m := range found {
			named[m[1]] = true
			if !examples[m[1]] {
				t.Errorf("recipe %s: there is no %s in cookbook_test.go", number, m[1])
			}
		}
	}
	for name := range examples {
		if strings.HasPrefix(name, "Example") && !named[name] {
			t.Errorf("%s has no recipe", name)
		}
	}
	tested := map[string]string{
		"go":    unindent(readPage(t, "cookbook_test.go")),
		"nginx": unindent(readPage(t, "e2e/testdata/nginx.conf")),
	}
	for _, m := range codeBlock.FindAllStringSubmatch(page, -1) {
		separator := "\n\n" // Go stands on the page in whole pieces
		if m[1] == "nginx" {
			separator = "\n"
		}
		for piece := range strings.SplitSeq(unindent(m[2]), separator) {
			if !ofTheReader(piece) && !strings.Contains(tested[m[1]], strings.TrimSpace(piece)) {
				t.Errorf("this is not what is tested (%s):\n%s", m[1], piece)
			}
		}
	}
}

// ofTheReader tells whether a line of nginx's configuration holds a name or a time that is for the reader to choose.
func ofTheReader(line string) bool {
	directive, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"listen", "server_name", "proxy_pass", "proxy_read_timeout"}, directive)
}

// unindent removes what lines begin and end with. Blocks on a page stand further left than in the source.
func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// ours is a name of this package on a migration page: Pipe, Conn.Close, Upgrader.Origins.
var ours = regexp.MustCompile("`([A-Z]\\w*(?:\\.[A-Z]\\w*)?)`")

// What the migration pages tell to use instead, in the second column of their tables, exists.
func TestNamesInMigrationPages(t *testing.T) {
	exported := exportedNames(t)
	for _, page := range []string{"docs/MIGRATING-gorilla.md", "docs/MIGRATING-coder.md"} {
		rows := 0
		for line := range strings.Lines(readPage(t, page)) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) != 5 {
				continue
			}
			rows++
			for _, m := range ours.FindAllStringSubmatch(cells[2], -1) {
				if !exported[m[1]] {
					t.Errorf("%s:%s: %s does not exist", page, cells[1], m[1])
				}
			}
		}
		if rows < 30 {
			t.Errorf("%s has %d rows: has the page another form now?", page, rows)
		}
	}
}

// exportedNames returns what the package exports: names, and those of methods and fields behind that of their type.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for name := range declarations(t, file) {
			names[name] = true
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil {
					names[receiver(n)+"."+n.Name.Name] = true
				}
			case *ast.TypeSpec:
				for _, member := range members(n) {
					names[n.Name.Name+"."+member] = true
				}
			}
			return true
		})
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// members returns the fields of a struct and the methods of an interface.
func members(t *ast.TypeSpec) (names []string) {
	var list *ast.FieldList
	switch typ := t.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// allDeclarations is declarations for all files that match one of patterns.
func allDeclarations(t *testing.T, patterns ...string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			maps.Copy(names, declarations(t, file))
		}
	}
	return names
}

// declarations returns the names of the functions, methods, types, variables and constants at the top of a file.
func declarations(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return nil
	}
	names := make(map[string]bool)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names[n.Name] = true
					}
				}
			}
		}
	}
	return names
}

var link = regexp.MustCompile(`\]\(([^):#]+)\)`)

// Links between the pages lead somewhere.
func TestLinksInPages(t *testing.T) {
	pages := []string{"README.md", "CHANGELOG.md", "e2e/README.md", "e2e/peers/README.md", "autobahn/README.md"}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, docs...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}
