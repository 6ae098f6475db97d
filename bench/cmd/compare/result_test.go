package main

import (
	"bytes"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hawser.example/websocket/bench/internal/stats"
)

// figuresOf makes figures of one value.
func figuresOf(loadBusy float64, values ...float64) (list []figure) {
	for _, v := range values {
		list = append(list, figure{[]float64{v}, busy{0.8, loadBusy}})
	}
	return list
}

func sampleMeasure() measure {
	return makeMeasures(scenario{name: "echo", title: "an echo"}, servers, map[string][]figure{
		"gorilla":         figuresOf(0.97, 20, 30, 10),
		"floor-conn":      figuresOf(0.5, 10, 12, 11),
		"floor-rawconn":   figuresOf(0.5, 5, 10, 10),
		"hawser-handler":  figuresOf(0.5, 10, 10, 20),
		"hawser-blocking": figuresOf(0.5, 11, 12, 13),
	})[0]
}

func TestMeasure(t *testing.T) {
	m := sampleMeasure()
	var names []string
	for _, l := range m.Servers {
		names = append(names, l.Name)
	}
	want := []string{"floor-conn", "floor-rawconn", "hawser-handler", "hawser-blocking", "gorilla"}
	if !slices.Equal(names, want) {
		t.Errorf("lines are %v, want %v", names, want)
	}
	l := m.Servers[4]
	if want := (stats.Summary{Median: 20, Min: 10, Max: 30}); l.Summary != want {
		t.Errorf("gorilla: %v, want %v", l.Summary, want)
	}
	if want := (stats.Summary{Median: 3, Min: 1, Max: 4}); *l.ToFloor != want {
		t.Errorf("gorilla to the better floor, floor-rawconn: %v, want %v", *l.ToFloor, want)
	}
	if want := (stats.Summary{Median: 2, Min: 0.5, Max: 3}); *l.ToOurs != want {
		t.Errorf("gorilla to our better style, hawser-handler: %v, want %v", *l.ToOurs, want)
	}
	if !l.limited() || m.Servers[0].limited() {
		t.Errorf("the load generator was the limit of gorilla: %v, of floor-conn: %v", l.limited(), m.Servers[0].limited())
	}
}

func TestMarkdown(t *testing.T) {
	r := result{Measures: []measure{sampleMeasure()}}
	var out bytes.Buffer
	r.markdown(&out, func(string) bool { return true })
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := "| an echo | µs of server CPU | – | 10.0 | 10.0 | 12.0 | 2.00 (1.00–2.00) | gorilla 20.0 | 0.50 (0.33–2.00) |"
	if len(rows) != 3 || rows[2] != want {
		t.Errorf("%q\nwant %q", rows, want)
	}
	out.Reset()
	r.markdown(&out, func(string) bool { return false })
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines without a measure", n)
	}
}

func TestMeasureWithoutReference(t *testing.T) {
	m := makeMeasures(scenario{kind: idle}, servers, map[string][]figure{"gws": {{values: []float64{1, 2, 3}}}})
	if len(m) != 3 {
		t.Fatalf("%d measures of memory", len(m))
	}
	for i, m := range m {
		if l := m.Servers[0]; l.Summary.Median != float64(i+1) || l.ToFloor != nil || l.ToOurs != nil {
			t.Errorf("measure %d: %+v", i, l)
		}
	}
}

func TestPrint(t *testing.T) {
	var b bytes.Buffer
	sampleMeasure().print(&b)
	for _, want := range []string{
		"20.0 (10.0–30.0)", "3.00 (1.00–4.00)", "2.00 (0.50–3.00)", " 80 %  97 %  (!)", "was the limit",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table does not contain %q:\n%s", want, &b)
		}
	}
}

func TestFile(t *testing.T) {
	r := &result{Machine: machine{CPU: "a CPU", Cores: 2}, Measures: []measure{sampleMeasure()}}
	file := filepath.Join(t.TempDir(), "r.json")
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readResult(file)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("read %+v, %v; wrote %+v", got, err, r)
	}
	svg := string(r.chart(func(string) bool { return true }))
	if strings.Count(svg, `<rect class="ours"`) != 2 || strings.Count(svg, `<rect class="floor"`) != 2 {
		t.Errorf("the chart does not have two bars of ours and two floors:\n%s", svg)
	}
	if svg := string(r.chart(func(string) bool { return false })); strings.Contains(svg, "an echo") {
		t.Error("the chart has a scenario that was not wanted")
	}
}

func TestChoice(t *testing.T) {
	for _, test := range []struct {
		args               string
		scenarios, servers int
	}{
		{"-quick", 6, 12},
		{"-scenarios=broadcast-1000", 1, 12},
		{"-scenarios=broadcast-1000,idle", 4, 12},
		{"-quick -scenarios=burst", 2, 12},
		{"-servers=floor", len(scenarios), 3},
		{"-scenarios=nothing", 0, 12},
	} {
		o, err := parse(strings.Fields(test.args))
		if err != nil {
			t.Fatal(err)
		}
		if scs, svs := o.chosen(); len(scs) != test.scenarios || len(svs) != test.servers {
			t.Errorf("%s: %d scenarios, %d servers; want %d, %d", test.args, len(scs), len(svs), test.scenarios, test.servers)
		}
	}
	if err := compare([]string{"-scenarios=nothing"}); err == nil {
		t.Error("nothing to run, and no error")
	}
}

// TestRuns: each kind of scenario has its servers.
func TestRuns(t *testing.T) {
	for sc, want := range map[scenario]int{{}: 12, {tls: true}: 8, {compression: "none"}: 8, {compression: "takeover"}: 4} {
		able := 0
		for _, s := range servers {
			if s.runs(sc) {
				able++
			}
		}
		if able != want {
			t.Errorf("%+v: %d servers run it, want %d", sc, able, want)
		}
	}
}
