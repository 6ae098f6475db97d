//go:build unix

package autobahn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hawser.example/websocket"
)

// A state is the directory that a test and the fakes that it causes share: what docker was called with, what it shall
// do wrong, and what the suite saw. A fault is a file with its name.
type state string

func (s state) path(name string) string { return filepath.Join(string(s), name) }

func (s state) has(name string) bool {
	_, err := os.Stat(s.path(name))
	return err == nil
}

// write makes a file: of a string its text, of anything else its JSON.
func (s state) write(name string, v any) {
	text, ok := v.(string)
	if !ok {
		p, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(p)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o666); err != nil {
		panic(err)
	}
}

func (s state) read(t *testing.T, name string) string {
	t.Helper()
	p, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// calls returns the arguments of each call of docker.
func (s state) calls(t *testing.T) (calls [][]string) {
	t.Helper()
	for line := range strings.Lines(s.read(t, "calls")) {
		var args []string
		if err := json.Unmarshal([]byte(line), &args); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, args)
	}
	return calls
}

// listen opens a Unix socket.
func (s state) listen(t *testing.T, name string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path(name), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// fakeDocker does what run.sh asks of docker, and records it. It returns the exit code.
func fakeDocker(args []string) int {
	s := state(os.Getenv("FAKE_DOCKER_STATE"))
	if err := s.call(args); err != nil {
		fmt.Fprintln(os.Stderr, "fake docker:", err)
		return 125
	}
	return 0
}

func (s state) call(args []string) error {
	if err := s.record(args); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "info":
		return s.unless("info fails")
	case len(args) == 3 && args[0] == "image" && args[1] == "inspect":
		if !s.has("image") {
			return errors.New("no such image")
		}
		return nil
	case len(args) == 2 && args[0] == "pull":
		if err := s.unless("pull fails"); err != nil {
			return err
		}
		s.write("image", args[1])
		return nil
	case len(args) == 2 && args[0] == "stop":
		if err := s.unless("stop fails"); err != nil {
			return err
		}
		return s.end(args[1])
	case len(args) == 3 && args[0] == "rm" && args[1] == "--force":
		return s.end(args[2])
	case len(args) > 1 && args[0] == "run":
		return s.run(args[1:])
	}
	return fmt.Errorf("unknown command %q", args)
}

// unless fails if the test has asked for a fault.
func (s state) unless(fault string) error {
	if s.has(fault) {
		return errors.New(fault)
	}
	return nil
}

func (s state) record(args []string) error {
	f, err := os.OpenFile(s.path("calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewEncoder(f).Encode(args)
}

// end ends a container and waits until it has: until its socket is closed.
func (s state) end(name string) error {
	c, err := net.Dial("unix", s.path(name))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// run is a container. Like one it lives until its process ends or until it is ended by its name, whatever becomes of
// the process that started it.
func (s state) run(args []string) error {
	if s.has("run fails") {
		return errors.New("the fake does not run")
	}
	at := slices.Index(args, "wstest")
	if at < 0 || len(args) < at+5 {
		return fmt.Errorf("docker run %q does not run wstest", args)
	}
	name, err := net.Listen("unix", s.path(args[slices.Index(args, "--name")+1]))
	if err != nil {
		return err
	}
	defer name.Close()
	running, end := context.WithCancel(context.Background())
	defer end()
	over := make(chan struct{})
	defer close(over)
	go func() {
		c, err := name.Accept()
		if err != nil {
			return
		}
		end()
		<-over
		c.Close()
	}()
	w := &wstest{state: s, mounts: mountsOf(args)}
	return w.run(running, args[at+2], args[at+4])
}

// mountsOf returns the sources of the bind mounts in flags, by target.
func mountsOf(flags []string) map[string]string {
	mounts := map[string]string{}
	for i, flag := range flags {
		if flag != "--mount" {
			continue
		}
		m := map[string]string{}
		for field := range strings.SplitSeq(flags[i+1], ",") {
			key, value, _ := strings.Cut(field, "=")
			m[key] = value
		}
		mounts[m["target"]] = m["source"]
	}
	return mounts
}

// A wstest is the suite, as far as a run without cases of its own goes.
type wstest struct {
	state
	mounts map[string]string
	spec   struct {
		URL     string `json:"url"`
		OutDir  string `json:"outdir"`
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
	}
	count int          // of cases
	done  atomic.Int64 // cases
}

// host returns where a path of the container is outside.
func (w *wstest) host(path string) (string, error) {
	for target, source := range w.mounts {
		if rest, ok := strings.CutPrefix(path, target+"/"); ok {
			return filepath.Join(source, rest), nil
		}
	}
	return "", fmt.Errorf("%s is not in a mount", path)
}

func (w *wstest) run(ctx context.Context, mode, specPath string) error {
	file, err := w.host(specPath)
	if err != nil {
		return err
	}
	p, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	w.write(mode+".json", string(p))
	if err := json.Unmarshal(p, &w.spec); err != nil {
		return err
	}
	switch mode {
	case "fuzzingclient":
		return w.client(ctx)
	case "fuzzingserver":
		return w.server(ctx)
	}
	return fmt.Errorf("unknown mode %q", mode)
}

// client has the server under test echo a message, and writes the report.
func (w *wstest) client(ctx context.Context) error {
	d := websocket.Dialer{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		// Outside of a container the name that leads out of it is unknown.
		addr = strings.Replace(addr, "host.docker.internal", "127.0.0.1", 1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	c, _, err := d.Dial(ctx, w.spec.Servers[0].URL, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := echo(c); err != nil {
		return err
	}
	w.write("echoed", true)
	if w.has("hangs") {
		w.hang(ctx)
		return nil
	}
	return w.report()
}

// echo sends a message and expects it back.
func echo(c *websocket.Conn) error {
	const text = "is anybody there?"
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return err
	}
	t, p, err := c.ReadMessage()
	if err == nil && (t != websocket.TextMessage || string(p) != text) {
		err = fmt.Errorf("the echo is %v %q", t, p)
	}
	return err
}

// hang tells the test that the suite is in the middle of a case, and stays there until the container is ended.
func (w *wstest) hang(ctx context.Context) {
	c, err := net.Dial("unix", w.path("running"))
	if err == nil {
		defer c.Close()
	}
	<-ctx.Done()
}

// report writes index.json where the spec says. The next report, if the test has another one, is then.json.
func (w *wstest) report() error {
	if w.has("no report") {
		return nil
	}
	dir, err := w.host(w.spec.OutDir)
	if err != nil {
		return err
	}
	p, err := os.ReadFile(w.path("index.json"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), p, 0o666); err != nil {
		return err
	}
	if w.has("then.json") {
		return os.Rename(w.path("then.json"), w.path("index.json"))
	}
	return nil
}

// server is asked for its cases by the client under test, until the container is ended.
func (w *wstest) server(ctx context.Context) error {
	u, err := url.Parse(w.spec.URL)
	if err != nil {
		return err
	}
	var index map[string]map[string]any
	p, err := os.ReadFile(w.path("index.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(p, &index); err != nil {
		return err
	}
	w.count = len(index["hawser"])
	if w.has("does not listen") {
		<-ctx.Done()
		return nil
	}
	ln, err := net.Listen("tcp", u.Host)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/getCaseCount", w.upgraded(func(c *websocket.Conn, _ url.Values) {
		c.WriteMessage(websocket.TextMessage, []byte(strconv.Itoa(w.count)))
	}))
	mux.HandleFunc("/runCase", w.upgraded(w.runCase))
	mux.HandleFunc("/updateReports", w.upgraded(func(*websocket.Conn, url.Values) {
		w.write("cases", strconv.FormatInt(w.done.Load(), 10))
		if err := w.report(); err != nil {
			fmt.Fprintln(os.Stderr, "fake docker:", err)
		}
	}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// upgraded serves WebSockets to the agent hawser, and to a client that names none and only looks whether there is a
// server.
func (w *wstest) upgraded(serve func(*websocket.Conn, url.Values)) http.HandlerFunc {
	var u websocket.Upgrader
	return func(rw http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if agent := query.Get("agent"); agent != "hawser" && agent != "" || w.has("cases end") && r.URL.Path == "/runCase" {
			http.Error(rw, "not you", http.StatusForbidden)
			return
		}
		c, err := u.Upgrade(rw, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		serve(c, query)
	}
}

// runCase has the client echo a message; a case counts if the cases before it have.
func (w *wstest) runCase(c *websocket.Conn, query url.Values) {
	if w.has("hangs") {
		w.hang(context.Background()) // the end of this process is near when the server's is
	}
	n, err := strconv.ParseInt(query.Get("case"), 10, 64)
	if err == nil && echo(c) == nil {
		w.done.CompareAndSwap(n-1, n)
	}
}
