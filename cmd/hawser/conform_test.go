package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/autobahn"
)

// quickCases take no time: two of them have nothing but messages, one has a Close.
const quickCases = "1.1.1,2.1,7.1.1"

// echoServer starts a server under test that sends back what change makes of a message, and returns its URL.
func echoServer(t *testing.T, change func([]byte) []byte) string {
	var u websocket.Upgrader
	h := u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) {
			c.WriteMessage(kind, change(p))
		}}
	})
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func same(p []byte) []byte { return p }

// spoiled makes every message another one.
func spoiled(p []byte) []byte { return append([]byte("?"), p...) }

// wantRun fails unless a command ended with code, and printed and said what the patterns are for.
func wantRun(t *testing.T, args []string, wantCode int, prints, says string) (stdout string) {
	t.Helper()
	code, stdout, stderr := hawser(t, args...)
	if code != wantCode || !regexp.MustCompile(prints).MatchString(stdout) ||
		!regexp.MustCompile(says).MatchString(stderr) {
		t.Errorf("hawser %s: exit code %d, printed %q, said %q; want %d, %q, %q",
			strings.Join(args, " "), code, stdout, stderr, wantCode, prints, says)
	}
	return stdout
}

// writeText writes a file into a directory of its own and returns its path.
func writeText(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConformServer: a good server passes; the report, the XML and the JSON are where they were asked for.
func TestConformServer(t *testing.T) {
	url, dir := echoServer(t, same), t.TempDir()
	junit := filepath.Join(dir, "junit.xml")
	wantRun(t, []string{"conform", "server", url, "--cases", quickCases, "--agent", "me & you", "--out", dir,
		"--junit", junit,
		"-p", "2", "--repeat", "2", "--strict"}, exitOK,
		`^me & you: 3 cases \(3 OK; close: 3 OK\), 0 fell short\npassed\n$`,
		`^hawser conform server: 6 of 6 cases done, 0 not OK\nhawser conform server: report: .*index\.html\n$`)
	x, err := autobahn.ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil || len(x["me & you"]) != 3 {
		t.Errorf("the index is %v, error %v", x, err)
	}
	for _, name := range []string{"me___you_case_1_1_1.json", "index.html", "junit.xml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	wantRun(t, []string{"conform", "server", "--cases=1.1.*,2.*", "--exclude", "1.1.2,2.*", "--cases", "7.1.1",
		"--exclude=1.1.6,1.1.7,1.1.8", url},
		exitOK, `^UnknownServer: 5 cases `, "")
	wantRun(t, []string{"conform", "server", "--cases", "2.1", "--wire", url}, exitOK,
		`case 2\.1: behavior OK(?s:.*)-> +ping FIN masked`, "")
}

// TestConformServerFallsShort: what fell short is named with the reason, for people and for programs.
func TestConformServerFallsShort(t *testing.T) {
	url := echoServer(t, spoiled)
	args := []string{"conform", "server", "--cases", quickCases, url}
	wantRun(t, args, exitFailed, `(?s)^case 1\.1\.1 .*behavior FAILED.*\n     \S.*\nUnknownServer: 3 cases \(1 OK, 2 FAILED; `+
		`.*\nfell short\n$`,
		`3 of 3 cases done, 2 not OK`)
	wantRun(t, append(args, "--fail-on", "nonstrict,unimplemented"), exitOK, `passed\n$`, "")
	var summary autobahn.Summary
	text := wantRun(t, append(args, "--json"), exitFailed, "", "")
	if err := json.Unmarshal([]byte(text), &summary); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	a := summary.Agents[0]
	if summary.Verdict != autobahn.FellShort || len(a.FellShort) == 0 || a.FellShort[0].ID != "1.1.1" ||
		a.FellShort[0].Reason == "" {
		t.Errorf("the summary is %s", text)
	}
}

// TestConformJSONAndWire: with both, standard output is the summary alone, and what was on the wire is beside it.
func TestConformJSONAndWire(t *testing.T) {
	text := wantRun(t, []string{"conform", "server", "--cases", "2.1", "--wire", "--json", echoServer(t, same)}, exitOK, "",
		`case 2\.1: behavior OK(?s:.*)-> +ping FIN masked`)
	var summary autobahn.Summary
	if err := json.Unmarshal([]byte(text), &summary); err != nil || summary.Verdict != autobahn.Passed {
		t.Errorf("%v, %q in %q", err, summary.Verdict, text)
	}
}

// TestConformBaseline: the grades that are expected pass, worse ones do not, and better ones are told.
func TestConformBaseline(t *testing.T) {
	good, bad := echoServer(t, same), echoServer(t, spoiled)
	file := filepath.Join(t.TempDir(), "grades.json")
	args := func(url string, more ...string) []string {
		return append([]string{"conform", "server", "--cases", quickCases, "--baseline", file, url}, more...)
	}
	wantRun(t, args(bad), exitUsage, `^$`, `^hawser conform server: --baseline: .*grades\.json`)
	wantRun(t, args(bad, "--update-baseline"), exitOK, `passed\n$`, "")
	wantRun(t, args(bad), exitOK, `passed\n$`, "")
	wantRun(t, args(good), exitOK, `better than the baseline: 1\.1\.1 `, "")
	wantRun(t, args(good, "--update-baseline"), exitOK, `passed\n$`, "")
	wantRun(t, args(bad), exitFailed, `behavior FAILED, close WRONG CODE; the baseline has OK, close OK\n`, "")
}

// dyingServer takes the probe and one case, and then no connection any more.
func dyingServer(t *testing.T) string {
	var opened atomic.Int32
	var u websocket.Upgrader
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		if opened.Add(1) == 2 {
			server.Listener.Close()
		}
		return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) {
			c.WriteMessage(kind, p)
		}}
	})
	server.Start()
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// TestConformServerIsGone: the baseline stays as it is, and the cases that could not be run are missing.
func TestConformServerIsGone(t *testing.T) {
	const grades = "{}"
	file := writeText(t, "grades.json", grades)
	wantRun(t, []string{"conform", "server", "-p", "1", "--cases", "1.1.1,1.1.2", "--baseline", file,
		"--update-baseline", dyingServer(t)}, exitUsage, `(?s)1 case is missing: 1\.1\.2\n.*\nincomplete\n$`,
		`the server at 127\.0\.0\.1:\d+ is gone: .*\n.*the run was cut off, and .*grades\.json is as it was`)
	if p, err := os.ReadFile(file); err != nil || string(p) != grades {
		t.Errorf("the baseline is %q, error %v", p, err)
	}
}

// TestConformOneServerIsDown: the others are tested all the same.
func TestConformOneServerIsDown(t *testing.T) {
	dir := t.TempDir()
	spec := writeText(t, "fuzzingclient.json", fmt.Sprintf(`{"outdir": %q, "cases": ["1.1.1"],
		"servers": [{"agent": "down", "url": "ws://127.0.0.1:1"}, {"agent": "up", "url": %q}]}`, dir, echoServer(t, same)))
	junit := filepath.Join(dir, "junit.xml")
	args := []string{"conform", "server", "--wait", "1ms", "--junit", junit, "--spec", spec}
	wantRun(t, args, exitUsage, `(?s)^up: 1 case \(1 OK.*\nincomplete\n$`,
		`hawser conform server: no server at 127\.0\.0\.1:1: `)
	wantRun(t, append(args, "--json"), exitUsage,
		`(?s)^{\n  "verdict": "incomplete",.*"errors": \[\n    "no server at 127\.0\.0\.1:1: `, "no server")
	if p, err := os.ReadFile(junit); err != nil || !strings.Contains(string(p), `<error message="no server at 127.0.0.1:1: `) {
		t.Errorf("JUnit's XML is %s, error %v", p, err)
	}
	x, err := autobahn.ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil || len(x["up"]) != 1 {
		t.Errorf("the index is %v, error %v", x, err)
	}
}

// TestConformSpec: a spec says what the flags do not: servers, cases, where the report goes. Flags override it.
func TestConformSpec(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	spec := writeText(t, "fuzzingclient.json", fmt.Sprintf(`{"outdir": %q, "options": {"failByDrop": false}, "webport": 1,
		"servers": [{"agent": "one", "url": %q}, {"agent": "two", "url": %q}],
		"cases": ["1.1.1", "2.*", "7.1.1"], "exclude-cases": ["2.10", "2.11"], "exclude-agent-cases": {"tw*": ["2.*"]}}`,
		dir, echoServer(t, same), echoServer(t, spoiled)))
	wantRun(t, []string{"conform", "server", "--spec", spec}, exitFailed,
		`(?s)^one: 11 cases [^\n]*, 0 fell short\ncase 1\.1\.1 .*\ntwo: 2 cases [^\n]*, 2 fell short\nfell short\n$`,
		`fuzzingclient\.json: "webport" is not known`)
	x, err := autobahn.ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil || len(x["one"]) != 11 || len(x["two"]) != 2 {
		t.Errorf("the index is %v, error %v", x, err)
	}
	wantRun(t, []string{"conform", "server", "--spec", spec, "--out", t.TempDir(), "--cases", "2.1", "--agent", "me",
		echoServer(t, same)},
		exitOK, `^me: 1 case `, "")
}

// TestConformSpecHost: the host of a spec stands for that of the URL; net/http refuses a request with two.
func TestConformSpecHost(t *testing.T) {
	var u websocket.Upgrader
	server := httptest.NewServer(u.Handler(func(_ *websocket.Conn, r *http.Request) websocket.Handler {
		if r.Host != "example.com" {
			t.Errorf("the host is %q, want example.com", r.Host)
		}
		return echoHandler
	}))
	t.Cleanup(server.Close)
	spec := writeText(t, "fuzzingclient.json", fmt.Sprintf(`{"servers": [{"url": %q, "hostname": "example.com"}]}`,
		"ws"+strings.TrimPrefix(server.URL, "http")))
	wantRun(t, []string{"conform", "server", "--spec", spec, "--cases", "1.1.1,H.1.1,H.2.13"}, exitOK, `passed\n$`, "")
}

// TestConformSpecProtocols: a server may take one of the subprotocols that a spec has the kit offer.
func TestConformSpecProtocols(t *testing.T) {
	u := websocket.Upgrader{Subprotocols: []string{"b"}}
	server := httptest.NewServer(u.Handler(func(c *websocket.Conn, _ *http.Request) websocket.Handler {
		if c.Subprotocol() != "b" {
			t.Errorf("the subprotocol is %q, want b", c.Subprotocol())
		}
		return echoHandler
	}))
	t.Cleanup(server.Close)
	spec := writeText(t, "fuzzingclient.json", fmt.Sprintf(`{"servers": [{"url": %q, "protocols": ["a", "b"]}]}`,
		"ws"+strings.TrimPrefix(server.URL, "http")))
	wantRun(t, []string{"conform", "server", "--spec", spec, "--cases", "1.1.1,H.1.1"}, exitOK, `passed\n$`, "")
}

// TestConformServerIsAwaited: a server that begins to listen when the kit is there already is tested all the same.
func TestConformServerIsAwaited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	kit := start(t, "conform", "server", "--cases", "1.1.1", "--wait", patience.String(), "ws://"+addr+"/")
	time.Sleep(200 * time.Millisecond) // so that the kit has looked in vain; it passes without, too
	start(t, "echo", "--addr", addr)
	if code := kit.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestConformList: the cases that would be run, one a line, without a server.
func TestConformList(t *testing.T) {
	stdout := wantRun(t, []string{"conform", "server", "--list"}, exitOK, `(?m)^6\.4\.1 +\w`, `^$`)
	if n := strings.Count(stdout, "\n"); n != 517 {
		t.Errorf("%d lines, want 517", n)
	}
	stdout = wantRun(t, []string{"conform", "client", "--list", "--exclude", "12.*,13.*"}, exitOK, "", `^$`)
	if n := strings.Count(stdout, "\n"); n != 301 {
		t.Errorf("without 12 and 13 there are %d lines, want 301", n)
	}
	stdout = wantRun(t, []string{"conform", "server", "--list", "--extra"}, exitOK, "", `^$`)
	if n := strings.Count(stdout, "\n"); n != 517+len(autobahn.ForServers(autobahn.Extra())) {
		t.Errorf("with the kit's own there are %d lines", n)
	}
}

// TestConformUsage: what cannot be run or judged is told on one line or two, with exit code 2.
func TestConformUsage(t *testing.T) {
	broken := writeText(t, "spec.json", `{"servers": [{}]}`)
	file := writeText(t, "file", "")
	url := "ws://127.0.0.1:1/"
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no URL":         {[]string{"server"}, `the URL is missing, such as ws://`},
		"nobody there":   {[]string{"server", "--wait", "100ms", url}, `127\.0\.0\.1:1: .*refused`},
		"another scheme": {[]string{"server", "http://127.0.0.1:1/"}, `"http://127\.0\.0\.1:1/"`},
		"no such case":   {[]string{"server", "--cases", "99.1", url}, `no case "99\.1"`},
		"no case left":   {[]string{"server", "--exclude", "*", url}, `no case is left`},
		"an unknown rule": {[]string{"server", "--fail-on", "bad", url},
			`--fail-on: "bad" is none of failed,close,nonstrict,unimplemented`},
		"a negative scale":    {[]string{"server", "--timeout-scale", "-1", url}, `--timeout-scale`},
		"no group of cases":   {[]string{"server", "--cases", "1.1.1,99.*", url}, `--cases: there is no case "99\.\*"`},
		"cases that are none": {[]string{"server", "--cases", "", url}, `--cases: there is no case in ""`},
		"no case to exclude":  {[]string{"client", "--exclude", "1.1.1,99.1"}, `--exclude: there is no case "99\.1"`},
		"no command":          {[]string{"client", "--exec", ""}, `--exec: the command is empty`},
		"a p of 0":            {[]string{"server", "-p", "0", url}, `-p`},
		"two rules":           {[]string{"server", "--strict", "--fail-on", "failed", url}, `--strict and --fail-on`},
		"no place for XML":    {[]string{"server", "--junit", file + "/x/j.xml", url}, `--junit: `},
		"no place for grades": {[]string{"server", "--update-baseline", "--baseline", "no/such/b.json", url}, `--baseline: `},
		"an agent of no case": {[]string{"judge", writeText(t, "index.json", `{"a": {}}`)}, `has no cases of the agent "a"`},
		"no repetition":       {[]string{"server", "--repeat", "0", url}, `--repeat`},
		"a negative p":        {[]string{"server", "-p", "-1", url}, `-p`},
		"a spec that is none": {[]string{"server", "--spec", broken}, `--spec: .*servers\[0\] has no url`},
		"no spec":             {[]string{"client", "--spec", broken + "x"}, `--spec: .*specx?\.json`},
		"no baseline's name": {[]string{"server", "--update-baseline", url},
			`--update-baseline: --baseline FILE is missing`},
		"no place for it": {[]string{"server", "--out", filepath.Join(file, "x"), url}, `--out DIR names another place`},
		"a report that is none": {[]string{"server", "--out", filepath.Dir(writeText(t, "index.json", "nope")), url},
			`--out: .*index\.json is no index`},
		"no scheme":  {[]string{"server", "127.0.0.1:9002"}, `"127\.0\.0\.1:9002" is no ws or wss URL`},
		"no address": {[]string{"client", "--listen", "9001"}, `--listen: "9001" is not`},
		"no client": {[]string{"client", "--listen", "127.0.0.1:0", "--exec", "exit 3"},
			`no client has run a case`},
		"an argument": {[]string{"client", url}, `unexpected argument`},
		"no file":     {[]string{"judge"}, `the index\.json is missing`},
		"no report":   {[]string{"judge", t.TempDir()}, `there is no report to judge: .*index\.json`},
		"a report of nobody": {[]string{"judge", writeText(t, "index.json", "{}")},
			`there is no report to judge: .* names no agent`},
		"no other report": {[]string{"judge", "--diff", file, "../../autobahn/testdata/original"},
			`there is no report to judge: .*/file is no index`},
	} {
		t.Run(name, func(t *testing.T) {
			wantRun(t, append([]string{"conform"}, row.args...), exitUsage, `^(incomplete\n)?$`,
				`(?m)^hawser conform `+row.args[0]+`: .*`+row.says)
		})
	}
}

// TestConformJudge: a report of either tool, a file or the directory around it.
func TestConformJudge(t *testing.T) {
	const original = "../../autobahn/testdata/original"
	for _, path := range []string{original, original + "/index.json"} {
		wantRun(t, []string{"conform", "judge", path}, exitFailed,
			`^case 2\.9 +behavior FAILED, close WRONG CODE\n +What came is not what was expected\.\n +The close code`+
				`(?s:.*)Some Server/1\.0: 3 cases \(1 OK, 1 NON-STRICT, 1 FAILED; close: 2 OK, 1 WRONG CODE\), 1 fell short\n`+
				`fell short\n$`, `^$`)
	}
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"strict":           {[]string{"--strict"}, exitFailed, `2 fell short`},
		"a few":            {[]string{"--cases", "1.1.1,2.10"}, exitOK, `2 cases`},
		"a few, strictly":  {[]string{"--cases", "1.1.1,2.10", "--strict"}, exitFailed, `case 2\.10 `},
		"missing":          {[]string{"--cases", "1.1.1,1.1.2"}, exitFailed, `1 case is missing: 1\.1\.2\n`},
		"by the close":     {[]string{"--fail-on", "close"}, exitFailed, `1 fell short`},
		"by nothing it is": {[]string{"--fail-on", "unimplemented"}, exitOK, `passed`},
		"its own baseline": {[]string{"--baseline", original + "/index.json", "--strict"}, exitOK, `passed`},
		"diff to itself":   {[]string{"--diff", original}, exitFailed, `^Some Server/1\.0: 0 of 3 cases differ`},
		"as JSON":          {[]string{"--json"}, exitFailed, `"verdict": "fell short"`},
		"by a spec": {[]string{"--spec", writeText(t, "s.json", `{"cases": ["*"], "exclude-agent-cases": {"Some*": ["*"]}}`)},
			exitOK, `0 cases`},
	} {
		t.Run(name, func(t *testing.T) {
			wantRun(t, append([]string{"conform", "judge", original}, row.args...), row.code, row.says, `^$`)
		})
	}
}

// TestProgressOnATerminal: one line that changes, with a guess at the time left, and that is gone at the end.
func TestProgressOnATerminal(t *testing.T) {
	var out strings.Builder
	p := newProgress("conform server", 40, streams{err: os.Stderr})
	p.w, p.live = &out, true
	for n := range 40 {
		p.shown = p.shown.AddDate(-1, 0, 0)
		r := &autobahn.Result{ID: fmt.Sprintf("1.1.%d", n+1), Behavior: autobahn.OK, BehaviorClose: autobahn.OK}
		if n == 20 {
			r.Behavior = autobahn.Failed
		}
		p.add(r)
	}
	p.end()
	lines := strings.Split(out.String(), "\r\x1b[K")
	for n, want := range map[int]string{
		1: `^1 of 40 cases, 0 not OK, 1\.1\.1$`, 20: `^20 of 40 cases, 0 not OK, about 0s left, 1\.1\.20$`,
		40: `^40 of 40 cases, 1 not OK, 1\.1\.40$`, 41: `^$`,
	} {
		if len(lines) != 42 || !regexp.MustCompile(want).MatchString(lines[n]) {
			t.Errorf("line %d of %d is %q, want %q", n, len(lines), lines[min(n, len(lines)-1)], want)
		}
	}
}
