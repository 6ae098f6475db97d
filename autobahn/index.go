package autobahn

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// An Index is what index.json holds, of a report of the kit or of the original: entries by agent and case.
type Index map[string]map[string]IndexEntry

// An IndexEntry is the outcome of one case.
type IndexEntry struct {
	Behavior        Grade  `json:"behavior"`
	BehaviorClose   Grade  `json:"behaviorClose"`
	Duration        int64  `json:"duration"` // milliseconds
	RemoteCloseCode *int   `json:"remoteCloseCode"`
	ReportFile      string `json:"reportfile"`
}

// NewIndex returns the index of results. Of several results of one case the worst stands.
func NewIndex(results []*Result) Index {
	x := Index{}
	for _, r := range worst(results) {
		if x[r.Agent] == nil {
			x[r.Agent] = map[string]IndexEntry{}
		}
		x[r.Agent][r.ID] = IndexEntry{r.Behavior, r.BehaviorClose, r.Duration, r.RemoteCloseCode,
			ReportFile(r.Agent, r.ID) + ".json"}
	}
	return x
}

// ParseIndex reads an index.json. It takes no other JSON for one: each case has to have both of its grades.
func ParseIndex(p []byte) (Index, error) {
	var x Index
	if err := json.Unmarshal(p, &x); err != nil {
		return nil, jsonError(p, err)
	}
	if x == nil {
		return nil, errors.New("it is null")
	}
	for agent, cases := range x {
		if cases == nil {
			return nil, fmt.Errorf("agent %.40q: its cases are null", agent)
		}
		for id, e := range cases {
			if e.Behavior == "" || e.BehaviorClose == "" {
				return nil, fmt.Errorf("agent %.40q, case %.40q: no behavior, or no behaviorClose", agent, id)
			}
		}
	}
	return x, nil
}

// ReadIndex reads an index.json from a file.
func ReadIndex(file string) (Index, error) {
	p, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	x, err := ParseIndex(p)
	if err != nil {
		return nil, fmt.Errorf("%s is no index.json of a report: %w", file, err)
	}
	return x, nil
}

// Agents returns the names of the agents, sorted.
func (x Index) Agents() []string { return slices.Sorted(maps.Keys(x)) }

// IDs returns the cases of an agent, in their order.
func (x Index) IDs(agent string) []string { return slices.SortedFunc(maps.Keys(x[agent]), compareIDs) }

// encode returns the index as the original writes it: keys are sorted, and the indent is 3.
func (x Index) encode() []byte { return encodeJSON(x) }

// encodeJSON is for values that have a JSON form.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "   ")
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// compareIDs orders cases by the parts of their ids: 9.1.2 is before 9.1.10, and that before 10.1.1. What is no number
// comes behind all numbers.
func compareIDs(a, b string) int {
	for a != b {
		var partA, partB string
		partA, a, _ = strings.Cut(a, ".")
		partB, b, _ = strings.Cut(b, ".")
		numberA, errA := strconv.Atoi(partA)
		numberB, errB := strconv.Atoi(partB)
		switch {
		case errA == nil && errB == nil && numberA != numberB:
			return cmp.Compare(numberA, numberB)
		case partA == "" || partB == "":
			return cmp.Compare(len(partA), len(partB))
		case errA == nil && errB != nil:
			return -1
		case errA != nil && errB == nil:
			return 1
		case partA != partB:
			return cmp.Compare(partA, partB)
		}
	}
	return 0
}
