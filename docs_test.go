package websocket

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var inCode = regexp.MustCompile("`([^`]+)`")

// Every name in docs/RFC.md is one of the code: a file, what it declares, and a test.
func TestNamesInRFCMap(t *testing.T) {
	page, err := os.ReadFile("docs/RFC.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, pattern := range []string{"*_test.go", "internal/utf8x/*_test.go"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			for name := range declarations(t, file) {
				tests[name] = true
			}
		}
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
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
