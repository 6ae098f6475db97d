package main

import (
	"encoding/json"
	"os"
	"slices"

	"hawser.example/websocket/bench/internal/stats"
)

// A result is a whole comparison, as -json writes it and -from reads it.
type result struct {
	Machine  machine   `json:"machine"`
	Measures []measure `json:"measures"`
}

// A measure is one row: what one scenario says about all servers.
type measure struct {
	Scenario string `json:"scenario"`
	Title    string `json:"title"`
	Unit     string `json:"unit"`
	Servers  []line `json:"servers"`
}

// A line is what a measure says about one server.
type line struct {
	Name    string        `json:"name"`
	Rounds  []float64     `json:"rounds"`
	Summary stats.Summary `json:"summary"`
	// ToFloor and ToOurs are ratios within a round: to the better goroutine floor of this measure, and to the better
	// of this library's two styles. They are missing where that did not run.
	ToFloor *stats.Summary `json:"toFloor,omitempty"`
	ToOurs  *stats.Summary `json:"toOurs,omitempty"`
	// How much of their cores server and load generator used, the medians of the rounds.
	ServerBusy float64 `json:"serverBusy,omitempty"`
	LoadBusy   float64 `json:"loadBusy,omitempty"`
}

// limit is how busy a load generator may be before the server may have waited for it.
const limit = 0.95

func (l line) limited() bool { return l.LoadBusy > limit }

var (
	floorNames = []string{"floor-conn", "floor-rawconn"}
	ourNames   = []string{"hawser-handler", "hawser-blocking"}
)

// makeMeasures arranges what a scenario's rounds gave, in the order of svs.
func makeMeasures(sc scenario, svs []server, figures map[string][]figure) []measure {
	names, unit := sc.kind.measures()
	ms := make([]measure, len(names))
	for i, name := range names {
		m := &ms[i]
		*m = measure{Scenario: sc.name, Title: sc.title, Unit: unit}
		if name != "" {
			m.Title += ", " + name
		}
		for _, s := range svs {
			if fs := figures[s.name]; len(fs) > 0 {
				m.Servers = append(m.Servers, makeLine(s.name, fs, i))
			}
		}
		m.compare()
	}
	return ms
}

// makeLine takes value number i of each figure.
func makeLine(name string, figures []figure, i int) line {
	l := line{Name: name}
	var server, load []float64
	for _, f := range figures {
		l.Rounds = append(l.Rounds, f.values[i])
		server = append(server, f.busy.server)
		load = append(load, f.busy.load)
	}
	l.Summary = stats.Summarize(l.Rounds)
	l.ServerBusy, l.LoadBusy = stats.Median(server), stats.Median(load)
	return l
}

// compare computes the ratios.
func (m *measure) compare() {
	floor, ours := m.bestOf(floorNames), m.bestOf(ourNames)
	for i := range m.Servers {
		l := &m.Servers[i]
		l.ToFloor, l.ToOurs = l.ratio(floor), l.ratio(ours)
	}
}

// bestOf returns the line with the lowest median among names; nil if none of them ran.
func (m *measure) bestOf(names []string) (best *line) {
	for i := range m.Servers {
		l := &m.Servers[i]
		if slices.Contains(names, l.Name) && (best == nil || l.Summary.Median < best.Summary.Median) {
			best = l
		}
	}
	return best
}

// ratio summarizes the ratios of l to another line, round by round; nil if one of them did not run.
func (l *line) ratio(to *line) *stats.Summary {
	if l == nil || to == nil {
		return nil
	}
	ratios := stats.Ratios(l.Rounds, to.Rounds)
	if len(ratios) == 0 {
		return nil
	}
	s := stats.Summarize(ratios)
	return &s
}

func (r *result) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func readResult(file string) (*result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(result)
	return r, json.Unmarshal(text, r)
}
