package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hawser.example/websocket/autobahn"
)

// conformExits is what the help of each verb says of its exit code.
const conformExits = `
Exit code: 0 when every case passed, 1 when one fell short or is missing, 2 when there is no whole run or no verdict:
for a wrong command line, a server that is not there or is gone before the end, Ctrl-C in its run, a client that runs no
case, or a report that cannot be read or written.`

var conformVerb = verb{
	name:    "conform",
	args:    "VERB",
	summary: "the conformance kit: all 517 Autobahn cases, for a server or a client in any language",
	subs:    []verb{conformServerVerb, conformClientVerb, conformJudgeVerb},
	help: `
The kit plays the cases of the Autobahn TestSuite, with their ids and their grades, against an echo server or an echo
client, and writes its reports: to read, for programs, for CI.
` + conformExits + `

Examples:
  hawser conform server ws://127.0.0.1:9002/
  hawser conform client --listen 127.0.0.1:9001 --exec 'python3 client.py {url}'
  hawser conform judge --strict reports/index.json`,
	setup: func(*flag.FlagSet) func([]string, streams) int {
		return func(_ []string, std streams) int {
			v, _ := findVerb("conform")
			v.print(std.err)
			return exitUsage
		}
	},
}

// A selection is which cases are of interest: what the flags say, and where they say nothing, the spec.
type selection struct {
	verb           string
	clients        bool // clients are under test, not servers
	cases, exclude stringList
	extra          bool
	specFile       string
	spec           *autobahn.Spec // empty without --spec
}

func (s *selection) flags(fs *flag.FlagSet, specName string) {
	fs.Var(&s.cases, "cases", "the cases with these `IDS`, such as '1.*,6.4.1'; * ends what they begin with (default all)")
	fs.Var(&s.exclude, "exclude", "but for the cases with these `IDS`, such as '12.*,13.*'")
	fs.BoolVar(&s.extra, "extra", false, "also the kit's own cases, beyond the 517")
	fs.StringVar(&s.specFile, "spec", "", "take what the flags do not say from `FILE`, the original's "+specName)
}

// read reads the spec, and checks that there is something to do.
func (s *selection) read(std streams) error {
	s.spec = new(autobahn.Spec)
	if s.specFile != "" {
		spec, err := autobahn.ReadSpec(s.specFile)
		if err != nil {
			return fmt.Errorf("--spec: %w", err)
		}
		s.spec = spec
		for _, note := range spec.Notes {
			fmt.Fprintf(std.err, "hawser %s: %s: %s\n", s.verb, s.specFile, note)
		}
	}
	if !s.given() {
		return nil
	}
	if err := checkPatterns("--cases", s.cases); err != nil {
		return err
	}
	if err := checkPatterns("--exclude", s.exclude); err != nil {
		return err
	}
	_, err := s.of("")
	return err
}

// checkPatterns returns an error unless each value of a flag means cases that there are.
func checkPatterns(name string, values stringList) error {
	for _, v := range values {
		patterns := splitList(stringList{v})
		if len(patterns) == 0 {
			return fmt.Errorf("%s: there is no case in %q", name, v)
		}
		for _, p := range patterns {
			if _, err := autobahn.Select([]string{p}, nil); err != nil {
				return fmt.Errorf("%s: there is no case %q", name, p)
			}
		}
	}
	return nil
}

// given reports whether anything was selected at all.
func (s *selection) given() bool {
	return s.specFile != "" || len(s.cases)+len(s.exclude) > 0 || s.extra
}

// of returns the cases for an agent.
func (s *selection) of(agent string) ([]*autobahn.Case, error) {
	patterns := splitList(s.cases)
	if len(patterns) == 0 {
		patterns = s.spec.Cases
	}
	if s.extra {
		if len(patterns) == 0 {
			patterns = []string{"*"}
		}
		for _, c := range autobahn.Extra() {
			patterns = append(patterns, c.ID)
		}
	}
	exclude := slices.Concat(splitList(s.exclude), s.spec.Exclude, s.spec.ExcludedFor(agent))
	cases, err := autobahn.Select(patterns, exclude)
	if s.clients {
		return autobahn.ForClients(cases), err
	}
	return autobahn.ForServers(cases), err
}

// splitList returns the parts of values that are lists.
func splitList(values stringList) (parts []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// ids is of, as a Judge wants it. A spec may spare an agent all cases.
func (s *selection) ids(agent string) (ids []string) {
	cases, err := s.of(agent)
	if err != nil {
		return nil
	}
	for _, c := range cases {
		ids = append(ids, c.ID)
	}
	return ids
}

// list prints the cases, one a line.
func (s *selection) list(std streams) int {
	cases, err := s.of("")
	if err != nil {
		return usageError(std, s.verb, "%s", errorText(err))
	}
	for _, c := range cases {
		fmt.Fprintf(std.out, "%-8s %s\n", c.ID, c.Description)
	}
	return exitOK
}

// A runForm is what the two verbs that run cases have in common.
type runForm struct {
	selection
	verdictForm
	options autobahn.Options
	out     string
	show    bool // the list
	verb    string
}

func newRunForm(fs *flag.FlagSet, verb, specName string) *runForm {
	f := &runForm{verb: verb}
	f.selection.verb, f.verdictForm.verb = verb, verb
	f.selection.flags(fs, specName)
	f.verdictForm.flags(fs)
	fs.StringVar(&f.out, "out", "", "write the report to `DIR`, or add to the one that is there")
	fs.BoolVar(&f.show, "list", false, "print the cases, and run none")
	fs.BoolVar(&f.options.Wire, "wire", false, "print what was on the wire, for each case;\nwith --json on standard error")
	fs.Float64Var(&f.options.TimeoutScale, "timeout-scale", 1, "wait `N` times as long, as for a server under a debugger")
	fs.StringVar(&f.options.Agent, "agent", "", "the `NAME` in reports")
	return f
}

// prepare checks all that can be wrong before the run.
func (f *runForm) prepare(std streams) error {
	if f.options.TimeoutScale <= 0 {
		return fmt.Errorf("--timeout-scale has to be more than 0")
	}
	if err := f.check(); err != nil {
		return err
	}
	if err := f.read(std); err != nil {
		return err
	}
	if f.out == "" {
		f.out = f.spec.OutDir
	}
	if f.out != "" && !f.show {
		if err := os.MkdirAll(f.out, 0o777); err != nil {
			return fmt.Errorf("the report: %w (--out DIR names another place)", err)
		}
		_, err := autobahn.ReadIndex(filepath.Join(f.out, "index.json")) // to which the results will be added
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if f.show {
		return nil
	}
	return f.checkPlaces()
}

// finish writes the report, judges the results, and returns the exit code.
func (f *runForm) finish(results []*autobahn.Result, std streams) int {
	if f.options.Wire {
		w := std.out
		if f.json {
			w = std.err
		}
		for _, r := range results {
			autobahn.PrintWire(w, r)
		}
	}
	if f.out != "" && len(results) > 0 {
		if _, err := autobahn.WriteReport(f.out, results); err != nil {
			fmt.Fprintf(std.err, "hawser %s: the report: %v\n", f.verb, err)
			return exitUsage
		}
		fmt.Fprintf(std.err, "hawser %s: report: %s\n", f.verb, filepath.Join(f.out, "index.html"))
	}
	judge := autobahn.Judge{Want: f.ids, Why: autobahn.Reasons(results)}
	return f.judge(autobahn.NewIndex(results), judge, autobahn.Findings(results), std)
}

// tellError says on standard error why there is no verdict, and returns the exit code.
func tellError(std streams, verb string, err error) int {
	fmt.Fprintf(std.err, "hawser %s: %s\n", verb, errorText(err))
	return exitUsage
}

// errorText leaves out the name of the package.
func errorText(err error) string { return strings.TrimPrefix(err.Error(), "autobahn: ") }

// untilStopped returns a context that SIGINT or SIGTERM ends. A second signal ends the process at once.
func untilStopped() (context.Context, context.CancelFunc) {
	stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(stop, restore)
	return stop, restore
}
