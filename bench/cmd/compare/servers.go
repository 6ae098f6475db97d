package main

import (
	"bufio"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hawser.example/websocket/bench/internal/load"
)

// A server is a program under server/.
type server struct {
	name        string
	module      string // the library it is on; empty for a floor
	compression string // the kinds it has
	tls         bool
}

const ours = "hawser.example/websocket"

// servers are in the order in which a round runs them.
var servers = []server{
	{name: "floor-epoll"},
	{name: "floor-conn"},
	{name: "floor-rawconn"},
	{"hawser-handler", ours, "takeover none", true},
	{"hawser-blocking", ours, "takeover none", true},
	{"gorilla", "github.com/gorilla/websocket", "none", true},
	{"coder", "github.com/coder/websocket", "takeover none", true},
	{"gobwas", "github.com/gobwas/ws", "none", true},
	{"gws", "github.com/lxzan/gws", "takeover none", true},
	{"nbio", "github.com/lesismal/nbio", "none", false},
	{"fasthttp", "github.com/fasthttp/websocket", "none", true},
	{"xnet", "golang.org/x/net", "", true},
}

func (s server) floor() bool { return s.module == "" }

// runs tells whether the server has what the scenario asks for.
func (s server) runs(sc scenario) bool {
	return (!sc.tls || s.tls) && (sc.compression == "" || strings.Contains(s.compression, sc.compression))
}

// build builds the servers into dir, and finds out the versions of their libraries.
func build(dir string, list []server) (versions map[string]string, err error) {
	args := []string{"build", "-o", dir + "/"}
	for _, s := range list {
		args = append(args, "hawser.example/websocket/bench/server/"+s.name)
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("building the servers (run this inside bench/): %w", err)
	}
	versions = make(map[string]string)
	for _, s := range list {
		info, err := buildinfo.ReadFile(filepath.Join(dir, s.name))
		if err != nil {
			return nil, err
		}
		for _, d := range info.Deps {
			if d.Path == s.module {
				versions[s.module] = d.Version
			}
		}
		if s.module == ours {
			versions[ours] = revision()
		}
	}
	return versions, nil
}

// revision is that of this repository, as git has it.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown revision"
	}
	return strings.TrimSpace(string(out))
}

// A process is a server at work.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	target load.Target
}

// start starts a server on a core. The calling goroutine has to be locked to its thread, because the child inherits the
// thread's core, and with it GOMAXPROCS.
func start(dir string, s server, sc scenario, cores cores) (*process, error) {
	args := []string{"-compression", sc.compression}
	if sc.broadcast() {
		args = append(args, "-broadcast")
	}
	if sc.tls {
		args = append(args, "-tls")
	}
	p := &process{cmd: exec.Command(filepath.Join(dir, s.name), args...)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := pinThread(cores.server); err != nil {
		return nil, err
	}
	started := p.cmd.Start()
	if err := errors.Join(started, pinThread(cores.load)); err != nil {
		if started == nil {
			p.stop()
		}
		return nil, err
	}
	line, err := p.out.ReadString('\n') // the first one is the address
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not start: %w", s.name, err)
	}
	addr, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		p.stop()
		return nil, err
	}
	p.target = load.Target{
		Addr: addr, PID: p.cmd.Process.Pid, TLS: sc.tls, Compression: sc.compression, Floor: s.floor(),
	}
	return p, nil
}

func (p *process) stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// collect has the server collect its garbage and give back what is free.
func (p *process) collect() error {
	_, err := p.ask("gc")
	return err
}

const joinTime = 20 * time.Second

// awaitJoined waits until so many connections get broadcasts.
func (p *process) awaitJoined(n int) error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		answer, err := p.ask("joined")
		if err != nil || answer == strconv.Itoa(n) {
			return err
		}
		if time.Since(start) > joinTime {
			return fmt.Errorf("%s of %d connections would get broadcasts", answer, n)
		}
	}
}

// ask sends a command and returns the answer.
func (p *process) ask(command string) (string, error) {
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		return "", err
	}
	line, err := p.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// memory is the process's proportional set size in bytes: its own pages, and its share of those it shares.
func (p *process) memory() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kib) * 1024, err
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}

// cores says where things run; -1 is anywhere.
type cores struct{ server, load int }

func (c cores) String() string {
	if c.server < 0 {
		return "there is only one core: servers and load generator share it, and nothing is pinned"
	}
	return fmt.Sprintf("servers on core %d, so that Go sets GOMAXPROCS to 1; load generator on core %d", c.server, c.load)
}

// pinThread puts the calling thread on a core.
func pinThread(core int) error {
	if core < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(core)
	return unix.SchedSetaffinity(0, &set)
}

// pinProcess puts all threads of this process on the load generator's core; later threads follow those that start them.
func (c cores) pinProcess() error {
	if c.load < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(c.load)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return err
		}
	}
	return nil
}
