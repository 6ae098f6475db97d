package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table is about code and tests that are there. That the mutations are noticed is what main finds out.
func TestTableIsAboutCodeThatIsThere(t *testing.T) {
	if len(table) < 40 {
		t.Errorf("%d mutations, want at least 40", len(table))
	}
	rules := make(map[string]bool)
	for _, m := range table {
		if rules[m.rule] {
			t.Errorf("%s: stands twice", m.rule)
		}
		rules[m.rule] = true
		if strings.Contains(m.from+m.to, "\n") || m.from == m.to {
			t.Errorf("%s: breaks more than a line, or nothing", m.rule)
		}
		file := filepath.Join("../..", m.file)
		source, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", m.rule, err)
		}
		if n := strings.Count(string(source), m.from); n != 1 {
			t.Errorf("%s: %q stands %d times in %s, must be once", m.rule, m.from, n, m.file)
		}
		if !declares(t, filepath.Dir(file), m.test) {
			t.Errorf("%s: there is no %s beside %s", m.rule, m.test, m.file)
		}
	}
}

// declares reports whether a test of that name stands in dir.
func declares(t *testing.T, dir, name string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`(?m)^func ` + name + `\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if pattern.Match(source) {
			return true
		}
	}
	return false
}

// Only a test that ran and failed has noticed a mutation.
func TestJudge(t *testing.T) {
	failed := errors.New("exit status 1")
	for _, c := range []struct {
		out     string
		err     error
		noticed bool
	}{
		{"ok  \thawser.example/websocket\t0.1s\n", nil, false},
		{"ok  \thawser.example/websocket\t0.1s [no tests to run]\n", nil, false},
		{"./frame.go:1: undefined: x\nFAIL\thawser.example/websocket [build failed]\n", failed, false},
		{"--- FAIL: TestSection5_2_BaseFraming (0.00s)\nFAIL\n", failed, true},
		{"panic: runtime error: index out of range\nFAIL\n", failed, true},
	} {
		if err := judge(c.out, c.err); (err == nil) != c.noticed {
			t.Errorf("%q: %v, want noticed %v", c.out, err, c.noticed)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []mutation{{rule: "a client masks"}, {rule: "a server does not"}}
	for _, c := range []struct {
		words []string
		want  int
	}{{nil, 2}, {[]string{"masks"}, 1}, {[]string{"masks", "server"}, 2}, {[]string{"nothing"}, 0}} {
		if got := choose(all, c.words); len(got) != c.want {
			t.Errorf("%q: chose %d, want %d", c.words, len(got), c.want)
		}
	}
}

// The parts of a table are the whole, and none has what another has.
func TestPartsAreTheWhole(t *testing.T) {
	seen := map[string]int{}
	for _, part := range []string{"1/3", "2/3", "3/3"} {
		rows, err := partOf(table, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range rows {
			seen[m.rule]++
		}
	}
	for _, m := range table {
		if seen[m.rule] != 1 {
			t.Errorf("%s is in %d parts", m.rule, seen[m.rule])
		}
	}
	for _, part := range []string{"", "0/3", "4/3", "1", "a/b"} {
		if _, err := partOf(table, part); err == nil {
			t.Errorf("-part %q is taken", part)
		}
	}
}
