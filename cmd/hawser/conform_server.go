package main

import (
	"errors"
	"flag"
	"strings"
	"time"

	"hawser.example/websocket/autobahn"
)

var conformServerVerb = verb{
	name:    "conform server",
	args:    "[URL]",
	maxArgs: 1,
	summary: "test an echo server: the kit is its client",
	help: `
The server has to send back each message as it came, text as text and binary as binary. The URL stands in for the
servers of a spec. With several servers in a spec one is tested after the other.
` + conformExits + `

Examples:
  hawser conform server ws://127.0.0.1:9002/
  hawser conform server --out reports --junit junit.xml ws://127.0.0.1:9002/
  hawser conform server --cases 6.4.1 --wire ws://127.0.0.1:9002/
  hawser conform server --exclude '12.*,13.*' --baseline grades.json ws://127.0.0.1:9002/
  hawser conform server --spec fuzzingclient.json`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		f := newRunForm(fs, "conform server", "fuzzingclient.json")
		fs.Lookup("agent").Usage += "\n(default the Server header of its answer, else UnknownServer)"
		fs.IntVar(&f.options.Parallel, "p", 0,
			"run `N` cases at a time; those of 9 run alone (default the number of cores, at most 8)")
		fs.IntVar(&f.options.Repeat, "repeat", 1, "run each case `N` times; the worst run counts")
		fs.DurationVar(&f.options.Wait, "wait", 5*time.Second, "give a server that does not listen yet `DUR` to begin")
		return func(args []string, std streams) int {
			if f.options.Parallel < 0 || f.options.Parallel == 0 && isSet(fs, "p") || f.options.Repeat < 1 {
				return usageError(std, f.verb, "-p and --repeat have to be more than 0")
			}
			if err := f.prepare(std); err != nil {
				return usageError(std, f.verb, "%s", errorText(err))
			}
			targets := serverTargets(args, f.spec)
			switch {
			case f.show:
				return f.list(std)
			case len(targets) == 0:
				return usageError(std, f.verb, "the URL is missing, such as ws://127.0.0.1:9002/")
			}
			return f.testServers(targets, std)
		}
	},
}

// serverTargets returns the servers to test: the URL's, or the spec's.
func serverTargets(args []string, spec *autobahn.Spec) []autobahn.SpecServer {
	switch {
	case len(args) > 0 && len(spec.Servers) == 1:
		target := spec.Servers[0]
		target.URL = args[0]
		return []autobahn.SpecServer{target}
	case len(args) > 0:
		return []autobahn.SpecServer{{URL: args[0]}}
	case len(spec.Servers) == 0 && spec.URL != "":
		return []autobahn.SpecServer{{URL: spec.URL}}
	}
	return spec.Servers
}

// testServers runs the cases against each server, judges all results, and returns the exit code.
func (f *runForm) testServers(targets []autobahn.SpecServer, std streams) int {
	stop, restore := untilStopped()
	defer restore()
	var results []*autobahn.Result
	for _, target := range targets {
		o := f.options
		if o.Agent == "" {
			o.Agent = target.Agent
		}
		var err error
		if o.Cases, err = f.of(o.Agent); err != nil {
			return usageError(std, f.verb, "%s", errorText(err))
		}
		o.Header = targetHeader(target)
		p := newProgress(f.verb, len(o.Cases)*o.Repeat, std)
		o.Progress = p.add
		got, err := autobahn.RunServer(stop, target.URL, o)
		p.end()
		results = append(results, got...)
		if stop.Err() != nil {
			f.partial = true
			tellError(std, f.verb, errors.New("interrupted"))
			break
		}
		if err != nil {
			f.partial = true
			tellError(std, f.verb, err)
		}
	}
	if len(results) == 0 {
		return exitUsage
	}
	if code := f.finish(results, std); !f.partial {
		return code
	}
	return exitUsage
}

// targetHeader returns the lines of the opening handshake that a spec asks for.
func targetHeader(target autobahn.SpecServer) (header []string) {
	for name, value := range map[string]string{
		"Host": target.Hostname, "Origin": target.Origin, "Sec-WebSocket-Protocol": strings.Join(target.Protocols, ", "),
	} {
		if value != "" {
			header = append(header, name+": "+value)
		}
	}
	return header
}
