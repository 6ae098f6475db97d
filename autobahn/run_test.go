//go:build unix

package autobahn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket/autobahn"
)

// patience bounds what a run of the script may take; it takes a second or two.
const patience = 2 * time.Minute

// When this binary is called docker it is the fake of fakedocker_test.go.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "docker" {
		os.Exit(fakeDocker(os.Args[1:]))
	}
	os.Exit(run(m))
}

// programs has the binaries that run.sh builds. Building them takes longer than all else it does here, so that most
// tests have them built once.
var programs string

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hawser-autobahn-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	return m.Run()
}

// lookAtSources looks at what the tests run but do not import: go test repeats an old result unless a file has changed
// that a test has looked at itself.
func lookAtSources(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"run.sh", "config/*.json", "../cmd/hawser/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, error %v", pattern, len(files), err)
		}
		for _, file := range files {
			if _, err := os.Stat(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var buildPrograms = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "build", "-o", programs+"/", "../cmd/hawser")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.CombinedOutput()
})

// tools are all that run.sh may use, besides docker.
var tools = []string{"bash", "dirname", "go", "mkdir", "mktemp", "rm", "sed", "sleep", "tail", "uname"}

// A bench is where a test runs the script: a directory with the only commands on PATH, one with the state of the fake,
// and one for the reports.
type bench struct {
	t            *testing.T
	bin, reports string
	state        state
	env          []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	lookAtSources(t)
	dir, err := os.MkdirTemp("", "") // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bench{t: t, bin: filepath.Join(dir, "bin"), reports: filepath.Join(dir, "reports")}
	b.state = state(filepath.Join(dir, "s"))
	for _, d := range []string{b.bin, string(b.state)} {
		if err := os.Mkdir(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range tools {
		b.link(b.lookPath(tool), tool)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b.link(self, "docker")
	b.state.write("index.json", report(passing()))
	return b
}

// newQuickBench returns a bench where "go build" copies binaries that have been built before.
func newQuickBench(t *testing.T) *bench {
	t.Helper()
	if said, err := buildPrograms(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	b := newBench(t)
	cp := b.lookPath("cp")
	b.script("go", fmt.Sprintf(`[[ "$CGO_ENABLED $1 $2" == "0 build -o" ]] && exec %s %s/* "$3"`, cp, programs))
	return b
}

// lookPath returns where the machine has a command.
func (b *bench) lookPath(name string) string {
	b.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return path
}

// link puts a command on PATH.
func (b *bench) link(path, name string) {
	b.t.Helper()
	if err := os.Symlink(path, filepath.Join(b.bin, name)); err != nil {
		b.t.Fatal(err)
	}
}

// remove takes a command off PATH.
func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.bin, name)); err != nil {
		b.t.Fatal(err)
	}
}

// script puts a shell script on PATH, in place of what may have its name.
func (b *bench) script(name, text string) {
	b.t.Helper()
	os.Remove(filepath.Join(b.bin, name))
	text = "#!" + filepath.Join(b.bin, "bash") + "\n" + text + "\n"
	if err := os.WriteFile(filepath.Join(b.bin, name), []byte(text), 0o777); err != nil {
		b.t.Fatal(err)
	}
}

// report returns the index.json of cases.
func report(cases map[string]grade) any {
	results := map[string]any{}
	for id, g := range cases {
		results[id] = map[string]any{
			"behavior": g.behavior, "behaviorClose": g.close, "duration": 1, "remoteCloseCode": nil,
			"reportfile": "hawser_case_" + strings.ReplaceAll(id, ".", "_") + ".json",
		}
	}
	return map[string]any{"hawser": results}
}

// A grade is a case's in a report.
type grade struct{ behavior, close string }

// selected are the cases of most runs, since the kit plays them in each.
const selected = "1.*,2.*"

// passing returns all selected cases with the best grades.
func passing() map[string]grade {
	cases := map[string]grade{}
	picked, err := autobahn.Select(strings.Split(selected, ","), nil)
	if err != nil {
		panic(err)
	}
	for _, c := range picked {
		cases[c.ID] = grade{"OK", "OK"}
	}
	return cases
}

// An outcome is what came of a run.
type outcome struct {
	code           int
	stdout, stderr string
}

// start starts the script, and returns how to wait for its outcome. Waiting fails the test if the script leaves a
// process: each of them holds the pipe that it inherits here.
func (b *bench) start(args ...string) (*exec.Cmd, func() outcome) {
	b.t.Helper()
	alive, inherited, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	// Files, since for the end of a pipe Wait would wait until the last process that may write to it has ended.
	stdout, stderr := b.create("stdout"), b.create("stderr")
	cmd := exec.Command(filepath.Join(b.bin, "bash"), append([]string{"run.sh"}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return regexp.MustCompile(`^(PATH|DOCKER|AUTOBAHN_.*)=`).MatchString(e)
	})
	cmd.Env = append(cmd.Env, "PATH="+b.bin, "AUTOBAHN_REPORTS="+b.reports, "FAKE_DOCKER_STATE="+string(b.state))
	cmd.Env = append(cmd.Env, "AUTOBAHN_CASES="+selected)
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // or each call of the fake takes a second under -race
	cmd.Env = append(cmd.Env, b.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{inherited}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	inherited.Close()
	b.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		alive.Close()
	})
	return cmd, func() outcome {
		b.t.Helper()
		timer := time.AfterFunc(patience, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			b.t.Fatal(err)
		}
		if !atEnd(b.t, alive) {
			b.t.Error("the script has left a process")
		}
		b.leavesNoFiles()
		return outcome{cmd.ProcessState.ExitCode(), b.state.read(b.t, "stdout"), b.state.read(b.t, "stderr")}
	}
}

// create makes an empty file in the directory of the state.
func (b *bench) create(name string) *os.File {
	b.t.Helper()
	f, err := os.Create(b.state.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { f.Close() })
	return f
}

// atEnd reports whether everybody has closed the other end of a pipe, to which nobody writes. It does not wait.
func atEnd(t *testing.T, pipe *os.File) bool {
	t.Helper()
	conn, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var readErr error
	err = conn.Read(func(fd uintptr) bool {
		_, readErr = syscall.Read(int(fd), make([]byte, 1))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return readErr == nil
}

// run runs the script to its end.
func (b *bench) run(args ...string) outcome {
	b.t.Helper()
	_, wait := b.start(args...)
	return wait()
}

// leavesNoFiles checks that nothing but reports is in the directory of reports.
func (b *bench) leavesNoFiles() {
	b.t.Helper()
	entries, err := os.ReadDir(b.reports)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"servers", "clients", "kit"}, e.Name()) {
			b.t.Errorf("the script has left %s", e.Name())
		}
	}
}

// want fails the test unless a run ended with code and said each of the texts.
func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	said := o.stdout + o.stderr
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("the script did not say %q", text)
		}
	}
	if t.Failed() {
		t.Logf("it said:\n%s\nand on stderr:\n%s", o.stdout, o.stderr)
	}
}

// wantOneLine fails the test unless all that a run said is one line on stderr, with text in it.
func (o outcome) wantOneLine(t *testing.T, text string) {
	t.Helper()
	line, rest, _ := strings.Cut(o.stderr, "\n")
	if o.stdout != "" || rest != "" || !strings.Contains(line, text) {
		t.Errorf("stdout %q, stderr %q; want one line on stderr that says %q", o.stdout, o.stderr, text)
	}
}

// The suite's containers get the specs, a place for the reports and this machine's network, and no more.
func TestBothModesRunInContainersOfTheSuite(t *testing.T) {
	for _, tt := range []struct {
		system  string
		network map[string][]string // by mode of the suite; %s is the port
		url     map[string]string
	}{
		{
			"Linux",
			map[string][]string{"fuzzingclient": {"--network", "host"}, "fuzzingserver": {"--network", "host"}},
			map[string]string{"fuzzingclient": "ws://127.0.0.1:%s", "fuzzingserver": "ws://127.0.0.1:%s"},
		},
		{
			"Darwin",
			map[string][]string{"fuzzingclient": nil, "fuzzingserver": {"--publish", "127.0.0.1:%[1]s:%[1]s"}},
			map[string]string{"fuzzingclient": "ws://host.docker.internal:%s", "fuzzingserver": "ws://127.0.0.1:%s"},
		},
	} {
		t.Run(tt.system, func(t *testing.T) {
			b := newBench(t)
			b.script("uname", "echo "+tt.system)
			b.run("both").want(t, 0, "passed", "hawser: 27 cases (27 OK; close: 27 OK), 0 fell short",
				"hawser: 0 of 27 cases differ from the other report",
				filepath.Join(b.reports, "kit", "servers", "index.html"), filepath.Join(b.reports, "kit", "clients", "index.html"),
				filepath.Join(b.reports, "servers", "index.html"), filepath.Join(b.reports, "clients", "index.html"))

			runs := b.runs()
			if len(runs) != 2 || runs[0].role != "fuzzingclient" || runs[1].role != "fuzzingserver" {
				t.Fatalf("docker run was called with %v, want one fuzzingclient, then one fuzzingserver", b.state.calls(t))
			}
			for _, run := range runs {
				url := b.specURL(run)
				port := url[strings.LastIndex(url, ":")+1:]
				if want := fmt.Sprintf(tt.url[run.role], port); url != want {
					t.Errorf("%s: the spec's server is at %q, want %q", run.role, url, want)
				}
				run.wantFlags(t, tt.network[run.role], port)
			}
			if !b.state.has("echoed") {
				t.Error("the suite had nothing echoed by the server that the spec names")
			}
			if got := b.state.read(t, "cases"); got != "27" {
				t.Errorf("the suite saw the client in %s cases, want 27", got)
			}
		})
	}
}

// A dockerRun is one "docker run".
type dockerRun struct {
	role    string // of the suite: what --mode is
	flags   []string
	command []string // the image and what follows
}

const image = "crossbario/autobahn-testsuite"

// runs returns the calls of "docker run".
func (b *bench) runs() (runs []dockerRun) {
	b.t.Helper()
	for _, args := range b.state.calls(b.t) {
		if args[0] != "run" {
			continue
		}
		at := slices.Index(args, image)
		if at < 0 || len(args) < at+6 {
			b.t.Fatalf("docker %q does not run %s", args, image)
		}
		runs = append(runs, dockerRun{args[at+3], args[1:at], args[at:]})
	}
	return runs
}

// wantFlags checks a container: network, mounts, and that it does not outlive its run.
func (r dockerRun) wantFlags(t *testing.T, network []string, port string) {
	t.Helper()
	want := []string{"--rm", "--name", r.flags[2]}
	for _, n := range network {
		if strings.Contains(n, "%") {
			n = fmt.Sprintf(n, port)
		}
		want = append(want, n)
	}
	mounts := mountsOf(r.flags)
	want = append(want, "--mount", "type=bind,source="+mounts["/config"]+",target=/config,readonly")
	want = append(want, "--mount", "type=bind,source="+mounts["/reports"]+",target=/reports")
	if !slices.Equal(r.flags, want) {
		t.Errorf("%s: flags %q,\nwant %q", r.role, r.flags, want)
	}
	command := []string{image, "wstest", "--mode", r.role, "--spec", "/config/" + r.role + ".json"}
	if r.role == "fuzzingserver" {
		command = append(command, "--webport", "0")
	}
	if !slices.Equal(r.command, command) {
		t.Errorf("%s: command %q,\nwant %q", r.role, r.command, command)
	}
}

// specURL compares the spec of a run with the one in config, and returns the URL that was put into it. The cases are the
// selected ones.
func (b *bench) specURL(r dockerRun) string {
	b.t.Helper()
	var url string
	take := func(spec map[string]any) map[string]any {
		target := spec
		if servers, ok := spec["servers"].([]any); ok {
			target = servers[0].(map[string]any)
		}
		url, _ = target["url"].(string)
		delete(target, "url")
		return spec
	}
	committed, err := os.ReadFile(filepath.Join("config", r.role+".json"))
	if err != nil {
		b.t.Fatal(err)
	}
	want := take(decode(b.t, committed))
	got := take(decode(b.t, []byte(b.state.read(b.t, r.role+".json"))))
	want["cases"] = strings.Split(selected, ",")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("the spec of the run is %v, want %v", got, want)
	}
	return url
}

func decode(t *testing.T, p []byte) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(p, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The specs leave no case out, and have the reports go where the containers have them.
func TestSpecsSelectAllCases(t *testing.T) {
	for role, out := range map[string]string{"fuzzingclient": "/reports/servers", "fuzzingserver": "/reports/clients"} {
		p, err := os.ReadFile(filepath.Join("config", role+".json"))
		if err != nil {
			t.Fatal(err)
		}
		spec := decode(t, p)
		want := map[string]any{"cases": []any{"*"}, "exclude-cases": []any{}, "outdir": out}
		for key, value := range want {
			if fmt.Sprint(spec[key]) != fmt.Sprint(value) {
				t.Errorf("%s: %s is %v, want %v", role, key, spec[key], value)
			}
		}
	}
}

func TestOneModeRunsAlone(t *testing.T) {
	for mode, role := range map[string]string{"server": "fuzzingclient", "client": "fuzzingserver"} {
		t.Run(mode, func(t *testing.T) {
			b := newQuickBench(t)
			b.run(mode).want(t, 0, "passed")
			if runs := b.runs(); len(runs) != 1 || runs[0].role != role {
				t.Errorf("docker run was called with %v, want %s alone", b.state.calls(t), role)
			}
		})
	}
}

// A failure in one mode is a failure, and does not keep the other from its turn.
func TestFailureInTheFirstModeIsNotForgotten(t *testing.T) {
	b := newQuickBench(t)
	cases := passing()
	cases["1.1.1"] = grade{"FAILED", "WRONG CODE"}
	b.state.write("index.json", report(cases))
	b.state.write("then.json", report(passing()))
	b.run("both").want(t, 1,
		"case 1.1.1 ", "behavior FAILED, close WRONG CODE", "27 cases", "\nFAILED\n",
		"differs: case 1.1.1    FAILED, close WRONG CODE; in the other report OK, close OK\n")
	if n := len(b.runs()); n != 2 {
		t.Errorf("%d runs, want 2", n)
	}
}

func TestNothingToJudgeIsExitCode2(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*bench)
		args    []string
		says    string
	}{
		"no docker":       {func(b *bench) { b.remove("docker") }, nil, `there is no "docker" on PATH`},
		"no other docker": {func(b *bench) { b.env = append(b.env, "DOCKER=podman") }, nil, `there is no "podman" on PATH`},
		"no engine":       {func(b *bench) { b.state.write("info fails", true) }, nil, `"docker info" fails`},
		"no go":           {func(b *bench) { b.remove("go") }, nil, `there is no "go" on PATH`},
		"unknown mode":    {func(*bench) {}, []string{"servers"}, "usage: autobahn/run.sh [server|client|both]"},
		"two modes":       {func(*bench) {}, []string{"server", "client"}, "usage: autobahn/run.sh [server|client|both]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newQuickBench(t)
			tt.prepare(b)
			o := b.run(tt.args...)
			o.want(t, 2)
			o.wantOneLine(t, tt.says)
		})
	}
}

// What goes wrong in the middle is told together with what the suite said.
func TestSuiteThatDoesNotRunIsExitCode2(t *testing.T) {
	for name, tt := range map[string]struct {
		fault string
		mode  string
		says  []string
	}{
		"no image": {"pull fails", "server", []string{"there is no image " + image}},
		"ends badly as client": {"run fails", "server",
			[]string{"the fake does not run", "the suite ended with code 125", "wstest.log"}},
		"ends before it is a server": {"run fails", "client",
			[]string{"the fake does not run", "the suite has ended before it was asked anything"}},
		"writes no report": {"no report", "server", []string{"there is no report to judge"}},
		"does not stop":    {"stop fails", "client", []string{"does not stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newQuickBench(t)
			b.state.write(tt.fault, true)
			b.run(tt.mode).want(t, 2, tt.says...)
		})
	}
}

// A suite that never answers is given up, after a time that passes at once here.
func TestSuiteThatDoesNotAnswerIsExitCode2(t *testing.T) {
	b := newQuickBench(t)
	b.script("sleep", "")
	b.state.write("does not listen", true)
	b.run("client").want(t, 2, "the suite does not answer")
}

func TestProgramsThatDoNotRunAreExitCode2(t *testing.T) {
	b := newQuickBench(t)
	b.script("go", "exit 1")
	b.run("server").want(t, 2, "hawser was not built")
	b.script("go", `ln -s "$(command -v broken)" "$3/hawser"`)
	b.link(b.lookPath("ln"), "ln")
	b.script("broken", "echo 'all ports are taken' >&2; exit 1")
	b.run("server").want(t, 2, "hawser echo has ended: all ports are taken")
}

// A server that takes its time to stop is waited for.
func TestServerThatStopsSlowlyIsNotLeft(t *testing.T) {
	b := newQuickBench(t)
	b.link(b.lookPath("ln"), "ln")
	b.script("go", `ln -s "$(command -v slow)" "$3/hawser"`)
	b.script("slow", `echo 'listening on ws://127.0.0.1:1/' >&2
sleep 100 &
trap "kill $!; sleep 0.5; exit" TERM
wait`)
	b.state.write("run fails", true)
	b.run("server").want(t, 2, "the suite ended with code 125")
}

// A report of an earlier run is not judged again.
func TestOldReportIsNotJudged(t *testing.T) {
	b := newQuickBench(t)
	b.run("server").want(t, 0)
	b.state.write("no report", true)
	b.run("server").want(t, 2, "there is no report to judge")
}

// A suite that loses its server halfway ends normally: what its report lacks does not pass.
func TestReportThatIsCutShortFails(t *testing.T) {
	b := newQuickBench(t)
	cases := passing()
	delete(cases, "2.11")
	b.state.write("index.json", report(cases))
	b.run("server").want(t, 1, "hawser: 1 case is missing: 2.11\n", "\nFAILED\n")
}

// NON-STRICT does not pass here.
func TestVerdictIsStrict(t *testing.T) {
	b := newQuickBench(t)
	cases := passing()
	cases["2.11"] = grade{"NON-STRICT", "OK"}
	b.state.write("index.json", report(cases))
	b.run("server").want(t, 1, "case 2.11     behavior NON-STRICT, close OK\n")
}

// A kit that does not run is told with what it said.
func TestKitThatDoesNotRunIsExitCode2(t *testing.T) {
	b := newQuickBench(t)
	b.link(b.lookPath("ln"), "ln")
	b.link(filepath.Join(programs, "hawser"), "real-hawser")
	b.script("go", `ln -s "$(command -v half)" "$3/hawser"`)
	b.script("half", `case "$1 $2" in "conform server") echo "no conform here"; exit 2 ;; esac
exec real-hawser "$@"`)
	b.run("server").want(t, 2, "no conform here", "the kit did not run")
}

// A client that gives up has failed, though there is no report.
func TestClientThatGivesUpHasFailed(t *testing.T) {
	b := newQuickBench(t)
	b.state.write("cases end", true)
	b.run("client").want(t, 1, "hawser testee ended with code 3", "FAILED")
}

// The image is fetched once, and may be another one, as may be the command.
func TestEnvironmentNamesImageAndCommand(t *testing.T) {
	b := newQuickBench(t)
	b.script("podman", `echo "$@" >>"$FAKE_DOCKER_STATE/podman"; exec docker "${@/elsewhere\/suite:1/`+image+`}"`)
	b.env = append(b.env, "DOCKER=podman", "AUTOBAHN_IMAGE=elsewhere/suite:1")
	b.run("server").want(t, 0)
	b.run("server").want(t, 0)
	said := b.state.read(t, "podman")
	if strings.Count(said, "run --rm") != 2 || strings.Count(said, "pull elsewhere/suite:1") != 1 {
		t.Errorf("podman was called with:\n%s\nwant two runs and one pull of elsewhere/suite:1", said)
	}
}

// A signal ends the run at once: container, server and client are gone with it.
func TestSignalCleansUp(t *testing.T) {
	for _, mode := range []string{"server", "client"} {
		t.Run(mode, func(t *testing.T) {
			b := newQuickBench(t)
			running := b.state.listen(t, "running")
			b.state.write("hangs", true)
			cmd, wait := b.start(mode)
			running.SetDeadline(time.Now().Add(patience))
			c, err := running.Accept() // the suite is in the middle of a case
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			cmd.Process.Signal(syscall.SIGTERM)
			wait().want(t, 143)
			calls := b.state.calls(t)
			if last := calls[len(calls)-1]; last[0] != "rm" {
				t.Errorf("the last call was docker %q, want docker rm of the container", last)
			}
		})
	}
}
