package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// printSpec prints the spec in a file with url in place of its server's. Everything else stays.
func printSpec(w io.Writer, file, url string) error {
	spec := map[string]any{}
	if err := readJSON(file, &spec); err != nil {
		return err
	}
	target := spec // fuzzingserver.json
	if list, ok := spec["servers"].([]any); ok {
		if len(list) != 1 {
			return fmt.Errorf("%s: want one entry in \"servers\", not %d", file, len(list))
		}
		if target, ok = list[0].(map[string]any); !ok {
			return fmt.Errorf("%s: the entry in \"servers\" is not an object", file)
		}
	}
	target["url"] = url
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(spec)
}

// readJSON decodes the whole of a file.
func readJSON(file string, v any) error {
	p, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(p, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// A selection is the part of a spec that says which cases are run.
type selection struct {
	Cases   []string `json:"cases"`
	Exclude []string `json:"exclude-cases"`
}

// sizes is how many cases each category of the original has. The missing numbers are empty categories.
var sizes = map[string]int{
	"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126,
}

// least returns how many cases a report on s holds at least. It knows that of whole categories; a selection that is
// finer has one case or more.
func (s selection) least() int {
	selected := map[string]bool{}
	for _, change := range []struct {
		patterns []string
		selected bool
	}{{s.Cases, true}, {s.Exclude, false}} {
		for _, pattern := range change.patterns {
			categories := categoriesOf(pattern)
			if categories == nil {
				return 1
			}
			for _, c := range categories {
				selected[c] = change.selected
			}
		}
	}
	n := 0
	for c, in := range selected {
		if in {
			n += sizes[c]
		}
	}
	return n
}

// categoriesOf returns the categories that a pattern of a spec stands for, nil if it is finer than that.
func categoriesOf(pattern string) (categories []string) {
	for c := range sizes {
		if pattern == "*" || pattern == c+".*" {
			categories = append(categories, c)
		}
	}
	return categories
}

// compareCases orders the ids of cases as the suite does: 9.1.2 is before 10.1.1.
func compareCases(a, b string) int {
	if a == "" || b == "" {
		return len(a) - len(b)
	}
	a, restA, _ := strings.Cut(a, ".")
	b, restB, _ := strings.Cut(b, ".")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if c := strings.Compare(a, b); c != 0 {
		return c
	}
	return compareCases(restA, restB)
}
