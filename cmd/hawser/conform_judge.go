package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"hawser.example/websocket/autobahn"
)

var conformJudgeVerb = verb{
	name:    "conform judge",
	args:    "FILE",
	maxArgs: 1,
	summary: "judge a report of the kit or of the original: its index.json",
	help: `
FILE is an index.json, or the directory that it is in. All agents in it are judged. With --cases, --exclude or --spec
each of these cases has to be there, and no other one is looked at.
` + conformExits + `

Examples:
  hawser conform judge reports/servers/index.json
  hawser conform judge --spec fuzzingclient.json --strict reports/servers
  hawser conform judge --baseline grades.json --update-baseline reports/servers
  hawser conform judge --diff reports/original reports/kit`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		s := &selection{verb: "conform judge"}
		f := &verdictForm{verb: s.verb}
		s.flags(fs, "fuzzingclient.json or fuzzingserver.json")
		f.flags(fs)
		other := fs.String("diff", "", "also print which grades are others in the index.json `FILE`")
		return func(args []string, std streams) int {
			if len(args) == 0 {
				return usageError(std, s.verb, "the index.json is missing, such as reports/index.json")
			}
			if err := f.check(); err != nil {
				return usageError(std, s.verb, "%s", errorText(err))
			}
			if err := s.read(std); err != nil {
				return usageError(std, s.verb, "%s", errorText(err))
			}
			if err := f.checkPlaces(); err != nil {
				return usageError(std, s.verb, "%s", errorText(err))
			}
			return judgeReport(args[0], *other, s, f, std)
		}
	},
}

// judgeReport judges the report in a file or directory, and returns the exit code.
func judgeReport(path, other string, s *selection, f *verdictForm, std streams) int {
	file, report, err := openReport(path)
	var otherReport autobahn.Index
	if err == nil && other != "" {
		_, otherReport, err = openReport(other)
	}
	if err != nil {
		fmt.Fprintf(std.err, "hawser %s: there is no report to judge: %v\n", s.verb, err)
		return exitUsage
	}
	s.clients = autobahn.OfClients(filepath.Dir(file), report)
	judge := autobahn.Judge{Why: autobahn.Why(filepath.Dir(file), report)}
	if s.given() {
		judge.Want = s.ids
	}
	if other != "" && !f.json {
		autobahn.PrintDiff(std.out, report, otherReport, judge.Want)
	}
	return f.judge(report, judge, nil, std)
}

// openReport reads an index.json, which has to name an agent and cases of each, and returns where it is.
func openReport(path string) (file string, x autobahn.Index, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "index.json")
	}
	x, err = autobahn.ReadIndex(path)
	if err == nil && len(x) == 0 {
		err = fmt.Errorf("%s names no agent", path)
	}
	for _, agent := range x.Agents() {
		if err == nil && len(x[agent]) == 0 {
			err = fmt.Errorf("%s has no cases of the agent %.80q", path, agent)
		}
	}
	return path, x, err
}
