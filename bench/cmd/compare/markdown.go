package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"hawser.example/websocket/bench/internal/chart"
)

// markdown writes the measures that wanted accepts as one table: a line for each, this library beside the better of the
// goroutine floors and the best of the other libraries. The ratios are of this library's better style; above 1 it costs
// more.
func (r *result) markdown(w io.Writer, wanted func(string) bool) {
	fmt.Fprintln(w, "| scenario | unit | epoll floor | goroutine floor | `Handler` | `AppendMessage` | to the goroutine floor |"+
		" best other library | to it |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, m := range r.Measures {
		if wanted(m.Scenario) {
			fmt.Fprintln(w, m.markdownRow())
		}
	}
}

func (m *measure) markdownRow() string {
	ours, floor, other := m.bestOf(ourNames), m.bestOf(floorNames), m.bestOf(m.otherNames())
	row := []string{m.Title, strings.TrimSuffix(m.Unit, " for a message"), m.median("floor-epoll"), floor.median(),
		m.median("hawser-handler"), m.median("hawser-blocking"), cmp.Or(ratioText(ours.ratio(floor)), "–"), "–",
		cmp.Or(ratioText(ours.ratio(other)), "–")}
	if other != nil {
		row[7] = other.Name + " " + other.median()
	}
	return "| " + strings.Join(row, " | ") + " |"
}

// otherNames are the servers that are neither this library nor a floor.
func (m *measure) otherNames() (names []string) {
	for _, l := range m.Servers {
		if role(l.Name) == chart.Other {
			names = append(names, l.Name)
		}
	}
	return names
}

func (m *measure) median(name string) string { return m.bestOf([]string{name}).median() }

func (l *line) median() string {
	if l == nil {
		return "–"
	}
	return number(l.Summary.Median)
}
