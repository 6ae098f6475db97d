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
	// Busy is the share of its core that the load generator used, the median of the rounds.
	Busy float64 `json:"loadBusy,omitempty"`
}

// limit is how busy a load generator may be before the server may have waited for it.
const limit = 0.95

func (l line) limited() bool { return l.Busy > limit }

var (
	floorNames = []string{"floor-conn", "floor-rawconn"}
	ourNames   = []string{"hawser-handler", "hawser-blocking"}
)

// add takes the value of a server's next round.
func (m *measure) add(name string, value float64) {
	for i := range m.Servers {
		if l := &m.Servers[i]; l.Name == name {
			l.Rounds = append(l.Rounds, value)
			return
		}
	}
	m.Servers = append(m.Servers, line{Name: name, Rounds: []float64{value}})
}

// finish computes what follows from the rounds; busy is that of the load generator in each server's.
func (m *measure) finish(busy map[string][]float64) {
	for i := range m.Servers {
		l := &m.Servers[i]
		l.Summary, l.Busy = stats.Summarize(l.Rounds), stats.Median(busy[l.Name])
	}
	floor, ours := m.best(floorNames), m.best(ourNames)
	for i := range m.Servers {
		l := &m.Servers[i]
		l.ToFloor, l.ToOurs = ratio(l, floor), ratio(l, ours)
	}
}

// best returns the rounds of the server with the lowest median among names; nil if none of them ran.
func (m *measure) best(names []string) (rounds []float64) {
	lowest := 0.0
	for _, l := range m.Servers {
		if slices.Contains(names, l.Name) && len(l.Rounds) > 0 && (rounds == nil || l.Summary.Median < lowest) {
			rounds, lowest = l.Rounds, l.Summary.Median
		}
	}
	return rounds
}

func ratio(l *line, against []float64) *stats.Summary {
	ratios := stats.Ratios(l.Rounds, against)
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
