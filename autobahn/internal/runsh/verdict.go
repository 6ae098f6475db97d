package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A result is what index.json says of a case.
type result struct {
	Behavior      string `json:"behavior"`
	BehaviorClose string `json:"behaviorClose"`
	ReportFile    string `json:"reportfile"`
}

// passed reports whether r is as good as can be. NON-STRICT, which many projects let pass, is not.
func (r result) passed() bool {
	return isBest(r.Behavior) && isBest(r.BehaviorClose)
}

// isBest reports whether a grade is the best of its case: some cases inform and have no other grade.
func isBest(grade string) bool {
	return grade == "OK" || grade == "INFORMATIONAL"
}

// printVerdict judges the report in dir, made with the spec in a file: what did not pass is listed, the rest counted.
func printVerdict(w io.Writer, specFile, dir string) (passed bool, err error) {
	var spec selection
	if err := readJSON(specFile, &spec); err != nil {
		return false, err
	}
	index := map[string]map[string]result{}
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
		return false, fmt.Errorf("there is no report to judge: %w", err)
	}
	if len(index) == 0 {
		return false, fmt.Errorf("there is no report to judge: %s names no agent", filepath.Join(dir, "index.json"))
	}
	passed = true
	for _, agent := range slices.Sorted(maps.Keys(index)) {
		if !printAgent(w, agent, index[agent], spec.least(), dir) {
			passed = false
		}
	}
	return passed, nil
}

// printAgent judges one agent's cases, of which there have to be least.
func printAgent(w io.Writer, agent string, cases map[string]result, least int, dir string) bool {
	failed := 0
	grades := map[string]int{}
	for _, id := range slices.SortedFunc(maps.Keys(cases), compareCases) {
		r := cases[id]
		grades[r.Behavior]++
		if !r.passed() {
			failed++
			fmt.Fprintf(w, "case %-8s behavior %s, close %s; see %s\n", id, r.Behavior, r.BehaviorClose,
				strings.TrimSuffix(filepath.Join(dir, r.ReportFile), ".json")+".html")
		}
	}
	var counts []string
	for _, grade := range slices.Sorted(maps.Keys(grades)) {
		counts = append(counts, fmt.Sprintf("%d %s", grades[grade], grade))
	}
	fmt.Fprintf(w, "%s: %d cases (behavior: %s), %d not passed\n", agent, len(cases), strings.Join(counts, ", "), failed)
	if len(cases) < least {
		fmt.Fprintf(w, "%s: at least %d cases are missing: the run was cut short\n", agent, least-len(cases))
	}
	return failed == 0 && len(cases) >= least
}
