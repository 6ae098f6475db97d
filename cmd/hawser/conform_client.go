package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"hawser.example/websocket/autobahn"
)

// defaultListen is where the original listens too.
const defaultListen = "127.0.0.1:9001"

var conformClientVerb = verb{
	name:    "conform client",
	summary: "test echo clients: the kit is their server",
	help: `
The client asks for the number of cases at /getCaseCount, opens a connection to /runCase?case=N&agent=NAME for each,
sends back each message as it came until the connection ends, and goes to /updateReports?agent=NAME at the end. A client
that was written for the original's fuzzing server works unchanged.

With --exec the shell runs CMD with the kit's URL in place of {url}, and its end is the end of the run. Without, the run
ends with /updateReports?agent=NAME&shutdownOnComplete=true, /stopServer or Ctrl-C.
` + conformExits + `

Examples:
  hawser conform client --exec 'node client.js {url}'
  hawser conform client --listen 127.0.0.1:0 --out reports --exec 'python3 client.py {url}'
  hawser conform client --listen 127.0.0.1:9001
  hawser conform client --spec fuzzingserver.json`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		f := newRunForm(fs, "conform client", "fuzzingserver.json")
		f.clients = true
		fs.Lookup("agent").Usage += "\nof a client that gives none"
		addr := fs.String("listen", "", "listen on `HOST:PORT`; port 0 picks a free one\n(default "+defaultListen+")")
		command := fs.String("exec", "", "run the client under test: `CMD`, with {url} in it")
		return func(_ []string, std streams) int {
			if isSet(fs, "exec") && strings.TrimSpace(*command) == "" {
				return usageError(std, f.verb, "--exec: the command is empty")
			}
			if err := f.prepare(std); err != nil {
				return usageError(std, f.verb, "%s", errorText(err))
			}
			if f.show {
				return f.list(std)
			}
			at, err := listenAddr(*addr, f.spec.URL)
			if err != nil {
				return usageError(std, f.verb, "%s", errorText(err))
			}
			return f.testClients(at, *command, std)
		}
	},
}

// listenAddr returns where to listen: the flag's address, or the spec's.
func listenAddr(addr, specURL string) (string, error) {
	switch {
	case addr != "":
		if err := checkAddr(addr); err != nil {
			return "", fmt.Errorf("--listen: %w", err)
		}
		return addr, nil
	case specURL == "":
		return defaultListen, nil
	}
	u, err := url.Parse(specURL)
	switch {
	case err != nil:
		return "", fmt.Errorf("--spec: %w", err)
	case u.Scheme != "ws" || u.Host == "":
		return "", fmt.Errorf("--spec: the url %.80q is not of the form ws://HOST:PORT", specURL)
	case u.Port() == "":
		return net.JoinHostPort(u.Hostname(), "80"), nil
	}
	return u.Host, nil
}

// testClients serves the cases until the end of the run, judges all results, and returns the exit code.
func (f *runForm) testClients(addr, command string, std streams) int {
	stop, restore := untilStopped()
	defer restore()
	run, end := context.WithCancel(stop)
	defer end()
	var err error
	if f.options.Cases, err = f.of(""); err != nil {
		return usageError(std, f.verb, "%s", errorText(err))
	}
	ln, err := listen(addr)
	if err != nil {
		return tellError(std, f.verb, err)
	}
	p := newProgress(f.verb, len(f.options.Cases), std)
	quiet := &quietEnd{end: end}
	server := &autobahn.Server{Options: f.options}
	server.Progress = func(r *autobahn.Result) {
		quiet.off()
		p.add(r)
	}
	server.UpdateReports = func(agent string) {
		f.updateReport(server.Results(agent), std)
		if command != "" && len(server.Results(agent)) == len(f.options.Cases) {
			quiet.on()
		}
	}
	fmt.Fprintf(std.err, "hawser %s: listening on %s\n", f.verb, clientURL(ln.Addr()))
	var exited chan struct{}
	if command != "" {
		exited = make(chan struct{})
		go func() {
			defer close(exited)
			defer end()
			if err := runClient(run, strings.ReplaceAll(command, "{url}", clientURL(ln.Addr())), std); err != nil {
				p.end()
				fmt.Fprintf(std.err, "hawser %s: the client: %v\n", f.verb, err)
			}
		}()
	}
	err = server.Serve(run, ln)
	if exited != nil {
		stopClient(exited, end)
	}
	quiet.off()
	p.end()
	if err != nil && run.Err() == nil {
		return tellError(std, f.verb, err)
	}
	var results []*autobahn.Result
	for _, agent := range server.Agents() {
		results = append(results, server.Results(agent)...)
	}
	f.partial = stop.Err() != nil && len(results) < len(server.Agents())*len(f.options.Cases)
	if len(results) == 0 {
		f.abort(errors.New("no client has run a case"), std)
	}
	return f.finish(results, std)
}

// updateReport writes the report in the middle of a run, as a client has asked for. At the end it is written again.
func (f *runForm) updateReport(results []*autobahn.Result, std streams) {
	if f.out == "" || len(results) == 0 {
		return
	}
	if _, err := autobahn.WriteReport(f.out, results); err != nil {
		fmt.Fprintf(std.err, "hawser %s: the report: %v\n", f.verb, err)
	}
}

// clientURL is where a client on this machine finds the kit.
func clientURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return "ws://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "ws://" + addr.String()
}

// clientGrace is how long a client that has done all cases may take to end by itself. Some, such as browsers, never do.
const clientGrace = 3 * time.Second

// stopClient waits for the end of the client when the server has ended, and ends it if it takes too long.
func stopClient(exited <-chan struct{}, end func()) {
	select {
	case <-exited:
	case <-time.After(clientGrace):
		end()
		<-exited
	}
}

// A quietEnd ends a run when a client has done all cases and nothing has come for a while.
type quietEnd struct {
	end func()

	mu    sync.Mutex
	timer *time.Timer // nil when it is off
}

func (q *quietEnd) on() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer == nil {
		q.timer = time.AfterFunc(clientGrace, q.end)
	}
}

func (q *quietEnd) off() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
}
