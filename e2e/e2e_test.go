// Package e2e runs hawser's real binary and its library against programs that were written by others: Chromium, Node's
// ws, Python's websockets, proxies, routers and the network of Linux. install.sh installs them; a test fails when its
// peer is missing. README.md lists who tests what.
package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds one wait for something that happens at once when all is well.
const patience = time.Minute

// programs is where the root module's programs are built, on first use.
var programs string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hawser-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	return m.Run()
}

// builds has one function for each program that is built here; each returns the path of the binary.
var builds = map[string]func() (string, error){
	"hawser":  sync.OnceValues(func() (string, error) { return build("./cmd/hawser") }),
	"notify":  sync.OnceValues(func() (string, error) { return build("./examples/notify") }),
	"foreign": sync.OnceValues(func() (string, error) { return buildIn(".", "./foreign") }),
}

// build makes the static binary that users get.
func build(dir string) (string, error) { return buildIn("..", dir) }

// buildIn builds a program of the module in root.
func buildIn(root, dir string) (string, error) {
	binary := filepath.Join(programs, filepath.Base(dir))
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, dir)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return binary, nil
}

// within returns a context for one wait or a few of them.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// process is a program that a test has started; it is killed when the test ends.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output output
	exited chan struct{} // closed when it has ended; cmd.ProcessState is set then
}

// start runs a program: one that is built here by its name in builds, or any other on PATH.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	if build, ok := builds[name]; ok {
		path, err := build()
		if err != nil {
			t.Fatal(err)
		}
		name = path
	}
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return startCommand(t, cmd)
}

// startCommand runs a command that is in a process group of its own.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, exited: make(chan struct{})}
	p.output.changed = make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s did not start (run e2e/install.sh): %v", cmd, err)
	}
	go func() {
		defer close(p.exited)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.cmd, p.output.String())
		}
	})
	return p
}

// lookPath finds a program on PATH or at one of the places where it may be as well.
func lookPath(t *testing.T, name string, places ...string) string {
	t.Helper()
	for _, place := range append([]string{name}, places...) {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	t.Fatalf("no %s on this machine (run e2e/install.sh)", name)
	panic("not reached")
}

// kill ends the program and its children as a crash would, and waits for its end.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// terminate asks the program to end and returns its exit code.
func (p *process) terminate() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

// wait returns the exit code of a program that ends by itself.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s still runs after %v", p.cmd, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until the program's output matches, and returns the match and its groups.
func (p *process) says(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		text, changed := p.output.look()
		if match := re.FindStringSubmatch(text); match != nil {
			return match
		}
		select {
		case <-changed:
		case <-p.exited:
			if match := re.FindStringSubmatch(p.output.String()); match != nil {
				return match
			}
			p.t.Fatalf("%s ended without saying %q", p.cmd, pattern)
		case <-deadline:
			p.t.Fatalf("%s did not say %q within %v", p.cmd, pattern, patience)
		}
	}
}

// output collects what a program prints and wakes whoever waits for more.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) look() (text string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

func (o *output) String() string {
	text, _ := o.look()
	return text
}

// startHawser runs a verb of hawser that listens, on a free port, and returns it with its address.
func startHawser(t *testing.T, args ...string) (p *process, addr string) {
	t.Helper()
	p = start(t, "hawser", args...)
	return p, p.says(`(?:127\.0\.0\.1|localhost):[1-9][0-9]*`)[0]
}
