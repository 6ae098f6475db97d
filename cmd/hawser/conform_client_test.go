//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/autobahn"
)

// testeeCommand is a client under test for --exec: hawser, which this binary is for what it starts.
func testeeCommand(t *testing.T, args string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("'%s' testee --url {url} %s", self, args)
}

// TestConformClient: the client is started with the URL, and judged when it has ended.
func TestConformClient(t *testing.T) {
	dir := t.TempDir()
	wantRun(t, []string{"conform", "client", "--listen", "127.0.0.1:0", "--cases", quickCases, "--out", dir, "--strict",
		"--exec", testeeCommand(t, "--agent me")}, exitOK,
		`^me: 3 cases \(3 OK; close: 3 OK\), 0 fell short\npassed\n$`,
		`(?s)^hawser conform client: listening on ws://127\.0\.0\.1:\d+\n.*3 of 3 cases done, 0 not OK\n.*report: `)
	x, err := autobahn.ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil || len(x["me"]) != 3 {
		t.Errorf("the index is %v, error %v", x, err)
	}
}

// TestConformClientSpec: where to listen and which cases come from a spec.
func TestConformClientSpec(t *testing.T) {
	dir := t.TempDir()
	spec := writeText(t, "fuzzingserver.json",
		fmt.Sprintf(`{"url": "ws://127.0.0.1:0", "outdir": %q, "cases": ["1.1.1", "2.1"], "exclude-cases": ["2.*"]}`, dir))
	wantRun(t, []string{"conform", "client", "--spec", spec, "--exec", testeeCommand(t, "")}, exitOK,
		`^hawser: 1 case `, "")
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		t.Error(err)
	}
}

// TestConformServerInterrupted: a run that Ctrl-C cuts off is no whole run, whatever came of the cases before.
func TestConformServerInterrupted(t *testing.T) {
	var opened atomic.Int32
	last := make(chan struct{}, 1)
	var u websocket.Upgrader
	server := httptest.NewServer(u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		if opened.Add(1) < 3 { // the first is no case
			return echoHandler
		}
		last <- struct{}{}
		return websocket.HandlerFuncs{}
	}))
	t.Cleanup(server.Close)
	p := start(t, "conform", "server", "-p", "1", "--cases", "1.1.1,1.1.2", "--timeout-scale", "1000",
		"ws"+strings.TrimPrefix(server.URL, "http"))
	select {
	case <-last:
	case <-time.After(patience):
		t.Fatal("the second case has not begun")
	}
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitUsage {
		t.Errorf("exit code %d, want 2", code)
	}
	if out := p.out.String(); !strings.Contains(out, "UnknownServer: 1 case is missing: 1.1.2\n") {
		t.Errorf("it printed %q", out)
	}
	p.says("interrupted")
}

// TestListenAddr: the flag overrides the spec, and that the default.
func TestListenAddr(t *testing.T) {
	for _, row := range []struct{ flag, url, want string }{
		{"", "", "127.0.0.1:9001"},
		{"127.0.0.1:1", "ws://127.0.0.1:2", "127.0.0.1:1"},
		{"", "ws://127.0.0.1:2", "127.0.0.1:2"},
		{"", "ws://[::1]:2/", "[::1]:2"},
		{"", "ws://localhost", "localhost:80"},
		{"", "wss://127.0.0.1:2", ""},
		{"", "127.0.0.1:2", ""},
		{"", "ws://", ""},
		{"x", "", ""},
	} {
		got, err := listenAddr(row.flag, row.url)
		if got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("--listen %q, url %q: %q, %v; want %q", row.flag, row.url, got, err, row.want)
		}
	}
}

// TestConformClientThatGivesUp: what it has not run is missing.
func TestConformClientThatGivesUp(t *testing.T) {
	p := start(t, "conform", "client", "--listen", "127.0.0.1:0", "--cases", quickCases,
		"--exec", "echo at {url} >&2; exec sleep 1000")
	url := p.says(`at (ws://\S+)`)[1]
	runCase(t, url+"/runCase?case=2&agent=me")
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
	if out := p.out.String(); !strings.Contains(out, "me: 2 cases are missing: 1.1.1 7.1.1\n") {
		t.Errorf("it printed %q", out)
	}
}

// runCase is a client under test in one case.
func runCase(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := new(websocket.Dialer).Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { c.CloseNow() })()
	c.Serve(echoHandler)
}

// TestConformClientEnds: without --exec the client says when it is over, or Ctrl-C does.
func TestConformClientEnds(t *testing.T) {
	for name, end := range map[string]func(p *process, url string){
		"shutdownOnComplete": func(_ *process, url string) {
			runCase(t,
				url+"/updateReports?agent=me&shutdownOnComplete=true")
		},
		"stopServer": func(_ *process, url string) { runCase(t, url+"/stopServer") },
		"SIGINT":     func(p *process, _ string) { p.signal(syscall.SIGINT) },
		"SIGTERM":    func(p *process, _ string) { p.signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "conform", "client", "--listen", "127.0.0.1:0", "--cases", "1.1.1")
			url := p.says(`listening on (ws://\S+)`)[1]
			runCase(t, url+"/runCase?case=1&agent=me")
			end(p, url)
			if code := p.wait(); code != exitOK || !strings.Contains(p.out.String(), "me: 1 case (1 OK") {
				t.Errorf("exit code %d, printed %q", code, p.out.String())
			}
		})
	}
}

// TestConformClientIsNotLeft: an interrupt ends the client, and what it has started.
func TestConformClientIsNotLeft(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	p := start(t, "conform", "client", "--listen", "127.0.0.1:0", "--exec",
		fmt.Sprintf("trap '' TERM; sleep 1000 & echo $! $$ >'%s'; echo started >&2; wait; wait", pids))
	p.says("started")
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitUsage {
		t.Errorf("exit code %d, want 2: nothing was run", code)
	}
	wantGone(t, pids)
}

// TestConformClientThatStays: a client that has done all cases and does not end is ended.
func TestConformClientThatStays(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	wantRun(t, []string{"conform", "client", "--listen", "127.0.0.1:0", "--cases", "1.1.1",
		"--exec", testeeCommand(t, "--agent me") + fmt.Sprintf("; echo $$ >'%s'; sleep 1000", pids)},
		exitOK, `^me: 1 case .*\npassed\n$`, "")
	wantGone(t, pids)
}

// wantGone fails if a process whose id is in a file lives on.
func wantGone(t *testing.T, file string) {
	t.Helper()
	p, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(p)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(patience)
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !isZombie(pid) {
			if time.Now().After(deadline) {
				t.Errorf("process %d is left", pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// isZombie reports whether a process has ended, and only its parent has not looked yet.
func isZombie(pid int) bool {
	p, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(p), ") Z ")
}
