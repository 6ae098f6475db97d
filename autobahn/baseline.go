package autobahn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
)

// A Baseline holds the grades that are expected of agents: an index.json, of which only the grades count. So a report
// may serve as one, and a file with nothing but grades can be kept with a project, where a changed grade is a changed
// line.
type Baseline Index

// ReadBaseline reads a baseline from a file.
func ReadBaseline(file string) (Baseline, error) {
	x, err := ReadIndex(file)
	return Baseline(x), err
}

// of returns what is expected of one of the agents in a report. An agent that is alone on both sides is the same,
// whatever it is called: names often have a version in them.
func (b Baseline) of(agent string, agents int) map[string]IndexEntry {
	if cases, ok := b[agent]; ok || agents != 1 || len(b) != 1 {
		return cases
	}
	for _, cases := range b {
		return cases
	}
	return nil
}

// sameGrades reports whether two entries agree in what a baseline is about.
func sameGrades(a, b IndexEntry) bool {
	return a.Behavior == b.Behavior && a.BehaviorClose == b.BehaviorClose
}

// UpdateBaseline puts the grades of a report into a baseline's file, which need not exist. Agents and cases that are
// not in the report stay as they are.
func UpdateBaseline(file string, report Index) error {
	b, err := ReadBaseline(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b = Baseline{}
	case err != nil:
		return err
	}
	for agent, cases := range report {
		if old := b.of(agent, len(report)); old != nil && b[agent] == nil {
			clear(b) // the one agent has a new name
			b[agent] = old
		}
		if b[agent] == nil {
			b[agent] = map[string]IndexEntry{}
		}
		maps.Copy(b[agent], cases)
	}
	return os.WriteFile(file, b.encode(), 0o666)
}

// encode returns the baseline with a line for each case.
func (b Baseline) encode() []byte {
	out := []byte("{")
	for i, agent := range Index(b).Agents() {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, "\n   %s: {", quoteJSON(agent))
		for j, id := range Index(b).IDs(agent) {
			if j > 0 {
				out = append(out, ',')
			}
			e := b[agent][id]
			out = fmt.Appendf(out, "\n      %s: {\"behavior\": %s, \"behaviorClose\": %s}",
				quoteJSON(id), quoteJSON(string(e.Behavior)), quoteJSON(string(e.BehaviorClose)))
		}
		out = append(out, "\n   }"...)
	}
	return append(out, "\n}\n"...)
}

// quoteJSON returns s as JSON writes it.
func quoteJSON(s string) []byte {
	p, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return p
}
