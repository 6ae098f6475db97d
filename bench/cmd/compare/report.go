package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hawser.example/websocket/bench/internal/chart"
	"hawser.example/websocket/bench/internal/stats"
)

func (m machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s, %s, %s\n", m.CPU, m.Cores, m.Kernel, m.Go, m.Date)
	fmt.Fprintln(w, m.Pinned)
	for _, module := range slices.Sorted(maps.Keys(m.Libraries)) {
		fmt.Fprintf(w, "  %-30s %s\n", module, m.Libraries[module])
	}
}

// print writes a measure as a table.
func (m measure) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", m.Scenario, m.Title)
	fmt.Fprintf(w, "  %s; median (lowest–highest), ratios of the same round\n", m.Unit)
	fmt.Fprintf(w, "  %-16s %-30s %-22s %-22s %s\n",
		"", "", "to the goroutine floor", "to hawser", "busy: server, generator")
	limited := false
	for _, l := range m.Servers {
		busy := ""
		if l.LoadBusy > 0 {
			busy = fmt.Sprintf("%3.0f %% %3.0f %%", 100*l.ServerBusy, 100*l.LoadBusy)
		}
		if l.limited() {
			busy += "  (!)"
			limited = true
		}
		row := fmt.Sprintf("  %-16s %-30s %-22s %-22s %s", l.Name, span(l.Summary), ratioText(l.ToFloor),
			ratioText(l.ToOurs), busy)
		fmt.Fprintln(w, strings.TrimRight(row, " "))
	}
	if limited {
		fmt.Fprintln(w, "  (!) the load generator was the limit: that server was not always at work, and wakes more often")
	}
}

func span(s stats.Summary) string {
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

func ratioText(s *stats.Summary) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
}

// number prints three digits or so.
func number(f float64) string {
	switch {
	case f < 1:
		return fmt.Sprintf("%.3f", f)
	case f < 10:
		return fmt.Sprintf("%.2f", f)
	case f < 100:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// chart draws the measures of the scenarios that wanted accepts.
func (r *result) chart(wanted func(string) bool) []byte {
	c := chart.Chart{
		Title: "Server cost, lower is better",
		Note:  fmt.Sprintf("%s, %s, %s; one core for the server", r.Machine.CPU, r.Machine.Kernel, r.Machine.Go),
	}
	for _, m := range r.Measures {
		if !wanted(m.Scenario) {
			continue
		}
		p := chart.Panel{Title: m.Title, Unit: m.Unit}
		for _, l := range m.Servers {
			p.Bars = append(p.Bars, chart.Bar{
				Name: l.Name, Value: l.Summary.Median, Low: l.Summary.Min, High: l.Summary.Max,
				Label: number(l.Summary.Median), Role: role(l.Name),
			})
		}
		c.Panels = append(c.Panels, p)
	}
	return c.SVG()
}

func role(name string) chart.Role {
	switch {
	case slices.Contains(ourNames, name):
		return chart.Ours
	case strings.HasPrefix(name, "floor-"):
		return chart.Floor
	}
	return chart.Other
}
