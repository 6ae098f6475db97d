// Command compare runs the servers of this module against each other and says what they cost.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"hawser.example/websocket/bench/internal/load"
)

// options are the flags.
type options struct {
	quick, list        bool
	scenarios, servers string
	rounds             int
	span               load.Span
	serverCPU, loadCPU int
	json, svg, from    string
	markdown           bool
}

func main() {
	if err := compare(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "run six scenarios in three short rounds: under five minutes")
	f.BoolVar(&o.list, "list", false, "list scenarios and servers")
	f.StringVar(&o.scenarios, "scenarios", "", "only these, by name or beginning of a name, with commas between")
	f.StringVar(&o.servers, "servers", "", "only these, by name or beginning of a name, with commas between")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of every scenario (default 7, with -quick 3)")
	f.DurationVar(&o.span.Warmup, "warmup", 0,
		"how long a server works before it is measured (default 250ms, with -quick 150ms)")
	f.DurationVar(&o.span.Measure, "measure", 0,
		"how long a server is measured (default 500ms, with -quick 350ms)")
	f.IntVar(&o.serverCPU, "server-cpu", -1, "core of the servers (default the first)")
	f.IntVar(&o.loadCPU, "load-cpu", -1, "core of the load generator (default the last)")
	f.StringVar(&o.json, "json", "", "write the result as JSON to this `file`")
	f.StringVar(&o.svg, "svg", "", "write a chart to this `file`")
	f.BoolVar(&o.markdown, "markdown", false, "write a table for a page behind the rest: this library, floors, the best other")
	f.StringVar(&o.from, "from", "", "run nothing, read the result from this `file` that -json wrote")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	rounds, span := 7, load.Span{Warmup: 250 * time.Millisecond, Measure: 500 * time.Millisecond}
	if o.quick {
		rounds, span = 3, load.Span{Warmup: 150 * time.Millisecond, Measure: 350 * time.Millisecond}
	}
	o.rounds = cmp.Or(o.rounds, rounds)
	o.span.Warmup = cmp.Or(o.span.Warmup, span.Warmup)
	o.span.Measure = cmp.Or(o.span.Measure, span.Measure)
	return o, nil
}

// wanted tells whether name is in a list of names and beginnings of names. A full name, one of all, stands for itself
// only.
func wanted(list, name string, all []string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(n string) bool {
		return n == name || n != "" && !slices.Contains(all, n) && strings.HasPrefix(name, n)
	})
}

// chosen returns the scenarios and servers to run.
func (o options) chosen() (scs []scenario, svs []server) {
	for _, sc := range scenarios {
		if o.wantsScenario(sc.name) {
			scs = append(scs, sc)
		}
	}
	var all []string
	for _, s := range servers {
		all = append(all, s.name)
	}
	for _, s := range servers {
		if o.servers == "" || wanted(o.servers, s.name, all) {
			svs = append(svs, s)
		}
	}
	return scs, svs
}

func (o options) wantsScenario(name string) bool {
	if o.scenarios == "" {
		return !o.quick || slices.Contains(quick, name)
	}
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return wanted(o.scenarios, name, all)
}

func compare(args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	scs, svs := o.chosen()
	switch {
	case o.list:
		list(scs, svs)
		return nil
	case o.from != "":
		r, err := readResult(o.from)
		if err != nil {
			return err
		}
		r.Machine.print(os.Stdout)
		for _, m := range r.Measures {
			if o.wantsScenario(m.Scenario) {
				m.print(os.Stdout)
			}
		}
		return o.output(r)
	case len(scs) == 0 || len(svs) == 0:
		return errors.New("nothing to run; -list shows the names")
	}
	return o.run(scs, svs)
}

func list(scs []scenario, svs []server) {
	for _, s := range scs {
		fmt.Printf("%-20s %s\n", s.name, s.title)
	}
	fmt.Println()
	for _, s := range svs {
		fmt.Printf("%-20s %s\n", s.name, s.module)
	}
}

func (o options) output(r *result) error {
	if o.markdown {
		fmt.Println()
		r.markdown(os.Stdout, o.wantsScenario)
	}
	if o.json != "" {
		if err := r.write(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return os.WriteFile(o.svg, r.chart(o.wantsScenario), 0o644)
	}
	return nil
}

// run runs everything.
func (o options) run(scs []scenario, svs []server) error {
	c, err := o.cores()
	if err != nil {
		return err
	}
	if err := c.pinProcess(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	versions, err := build(dir, svs)
	if err != nil {
		return err
	}
	b := &bench{dir: dir, cores: c, span: o.span, settle: 700 * time.Millisecond}
	r := &result{Machine: describe(versions, c)}
	r.Machine.print(os.Stdout)
	var failures []error
	for _, sc := range scs {
		ms, err := b.compare(sc, svs, o.rounds)
		for _, m := range ms {
			m.print(os.Stdout)
		}
		r.Measures = append(r.Measures, ms...)
		failures = append(failures, err)
	}
	return errors.Join(append(failures, o.output(r))...)
}

// compare runs the servers in one scenario, all of them in every round. A server that fails is left out of its figures
// and named in the error.
func (b *bench) compare(sc scenario, svs []server, rounds int) ([]measure, error) {
	if sc.rounds > 0 {
		rounds = min(rounds, sc.rounds)
	}
	figures := make(map[string][]figure)
	failed := make(map[string]bool)
	var failures []error
	for round := range rounds {
		for i := range svs {
			s := svs[(i+round)%len(svs)] // nobody always comes behind the same neighbour
			if !s.runs(sc) || failed[s.name] {
				continue
			}
			f, err := b.run(s, sc)
			if err != nil {
				failed[s.name] = true
				failures = append(failures, err)
				delete(figures, s.name)
				continue
			}
			figures[s.name] = append(figures[s.name], f)
		}
	}
	return makeMeasures(sc, svs, figures), errors.Join(failures...)
}

// cores chooses two cores, or none if there is only one.
func (o options) cores() (cores, error) {
	list, err := allowed()
	if err != nil {
		return cores{}, err
	}
	if len(list) < 2 {
		return cores{-1, -1}, nil
	}
	c := cores{o.serverCPU, o.loadCPU}
	if c.server < 0 {
		c.server = list[0]
	}
	if c.load < 0 {
		c.load = list[len(list)-1]
	}
	return c, nil
}
