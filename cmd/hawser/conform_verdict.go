package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hawser.example/websocket/autobahn"
)

// A verdictForm is how a run is judged, and what is written about that.
type verdictForm struct {
	verb         string
	set          *flag.FlagSet
	failOn       string
	strict       bool
	baselineFile string
	update       bool
	junit        string
	json         bool

	rules   autobahn.Rules
	partial bool     // the run was cut off: the baseline does not change
	aborted []string // why there is no verdict, though there may be results
}

func (f *verdictForm) flags(fs *flag.FlagSet) {
	f.set = fs
	fs.StringVar(&f.failOn, "fail-on", autobahn.UsualRules.String(),
		"what lets a case fall short: `"+strings.ReplaceAll(autobahn.StrictRules.String(), ",", "|")+
			"`,\nor several with commas between them")
	fs.BoolVar(&f.strict, "strict", false, "let all of these fall short")
	fs.StringVar(&f.baselineFile, "baseline", "",
		"expect the grades in `FILE`; a case that it does not have is judged by --fail-on")
	fs.BoolVar(&f.update, "update-baseline", false, "write the grades to the file of --baseline instead")
	fs.StringVar(&f.junit, "junit", "", "write JUnit's XML to `FILE`")
	fs.BoolVar(&f.json, "json", false, "print the summary as JSON")
}

// check looks at the flags before anything is run.
func (f *verdictForm) check() (err error) {
	if f.rules, err = autobahn.ParseRules(f.failOn); err != nil {
		return fmt.Errorf("--fail-on: %w", err)
	}
	if f.strict && isSet(f.set, "fail-on") {
		return fmt.Errorf("--strict and --fail-on exclude each other")
	}
	if f.strict {
		f.rules = autobahn.StrictRules
	}
	if f.update && f.baselineFile == "" {
		return fmt.Errorf("--update-baseline: --baseline FILE is missing")
	}
	if f.baselineFile != "" && !f.update {
		if _, err := autobahn.ReadBaseline(f.baselineFile); err != nil {
			return fmt.Errorf("--baseline: %w", err)
		}
	}
	return nil
}

// checkPlaces looks whether there are directories for the files that are written after the run.
func (f *verdictForm) checkPlaces() error {
	places := map[string]string{"--junit": f.junit}
	if f.update {
		places["--baseline"] = f.baselineFile
	}
	for name, file := range places {
		if file == "" {
			continue
		}
		switch info, err := os.Stat(filepath.Dir(file)); {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !info.IsDir():
			return fmt.Errorf("%s: %s is no directory", name, filepath.Dir(file))
		}
	}
	return nil
}

// isSet reports whether a flag was given, be it with its default.
func isSet(fs *flag.FlagSet, name string) (set bool) {
	fs.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// judge judges a report, writes what was asked for, and returns the exit code.
func (f *verdictForm) judge(report autobahn.Index, j autobahn.Judge, notes []string, std streams) int {
	summary, err := f.summarize(report, j)
	if err != nil {
		return tellError(std, f.verb, err)
	}
	summary.Notes = append(summary.Notes, notes...)
	if len(f.aborted) > 0 {
		summary.Abort(f.aborted...)
	}
	if f.json {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		err = e.Encode(summary)
	} else {
		err = summary.Print(std.out)
	}
	if err == nil && f.junit != "" {
		err = os.WriteFile(f.junit, autobahn.JUnit(report, summary), 0o666)
	}
	switch {
	case err != nil:
		return tellError(std, f.verb, err)
	case f.update && f.partial:
		return tellError(std, f.verb, fmt.Errorf("the run was cut off, and %s is as it was", f.baselineFile))
	case summary.Verdict == autobahn.Incomplete:
		return exitUsage
	case summary.Verdict != autobahn.Passed:
		return exitFailed
	}
	return exitOK
}

// summarize judges a report by the rules and the baseline, which it has updated first if that was asked for.
func (f *verdictForm) summarize(report autobahn.Index, j autobahn.Judge) (*autobahn.Summary, error) {
	j.Rules = f.rules
	if f.update && f.partial {
		return j.Judge(report), nil
	}
	if f.update {
		if err := autobahn.UpdateBaseline(f.baselineFile, report); err != nil {
			return nil, fmt.Errorf("--update-baseline: %w", err)
		}
	}
	if f.baselineFile != "" {
		baseline, err := autobahn.ReadBaseline(f.baselineFile)
		if err != nil {
			return nil, fmt.Errorf("--baseline: %w", err)
		}
		j.Baseline = baseline
	}
	return j.Judge(report), nil
}
