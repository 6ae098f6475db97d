package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hawser.example/websocket/internal/wstest"
)

const (
	key        = "soak"
	kept       = 60 // messages of a topic that the server keeps: enough for whoever comes back
	settleTime = 3 * time.Second
	patience   = 30 * time.Second
)

// A server is a process of "hawser serve".
type server struct {
	cmd         *exec.Cmd
	dir         string
	addr, admin string
	log         *tail
	exited      chan struct{}
}

// startServer builds the binary, if need be, and runs it.
func startServer(ctx context.Context, binary string) (*server, error) {
	dir, err := os.MkdirTemp("", "hawser-soak-")
	if err != nil {
		return nil, err
	}
	if binary == "" {
		binary = filepath.Join(dir, "hawser")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "hawser.example/websocket/cmd/hawser")
		if output, err := build.CombinedOutput(); err != nil {
			os.RemoveAll(dir)
			return nil, fmt.Errorf("%s: %w\n%s", build, err, output)
		}
	}
	s := &server{dir: dir, addr: freeAddr(), admin: freeAddr(), log: new(tail), exited: make(chan struct{})}
	s.cmd = exec.Command(binary, "serve", "--addr", s.addr, "--admin-addr", s.admin, "--pprof", "--publish-key", key,
		"--history-messages", strconv.Itoa(kept), "--history-age", "10m", "--drain", "1s")
	s.cmd.Stderr = s.log
	dieWithUs(s.cmd)
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	go func() {
		defer close(s.exited)
		s.cmd.Wait()
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := s.get("/readyz"); err == nil {
			return s, nil
		}
		select {
		case <-s.exited:
			s.kill()
			return nil, fmt.Errorf("the server did not start:\n%s", s.log)
		default:
		}
		if time.Now().After(deadline) {
			s.kill()
			return nil, errors.New("the server did not become ready")
		}
	}
}

// freeAddr returns an address that nobody listens on.
func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.exited
	os.RemoveAll(s.dir)
}

// terminate tells the server to stop, which it has to do well.
func (s *server) terminate() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		return errors.New("the server did not stop")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(s.log.String(), "panic") {
		return fmt.Errorf("the server's exit code is %d; it said:\n%s", code, s.log)
	}
	return nil
}

// get asks the listener for operators.
func (s *server) get(path string) ([]byte, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.admin + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	return body, err
}

// figures are the server's metrics, by name and labels as they are written.
type figures map[string]float64

// metrics reads the figures, whose form is judged as well.
func (s *server) metrics() (figures, error) {
	text, err := s.get("/metrics")
	if err != nil {
		return nil, err
	}
	f, err := wstest.ParseMetrics(string(text))
	return f, err
}

// sum adds up a metric over the values of its labels.
func (f figures) sum(name string) (total int) {
	for n, value := range f {
		if n == name || strings.HasPrefix(n, name+"{") {
			total += int(value)
		}
	}
	return total
}

// settled waits until nobody is connected any more and the garbage is collected, and reads the figures.
func (s *server) settled(ctx context.Context) (figures, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		f, err := s.metrics()
		switch {
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%d connections are left", f.sum("hawser_connections"))
		case f.sum("hawser_connections") == 0:
			time.Sleep(settleTime / 2) // for what is behind the end of a connection
			for range 2 {              // what has a finalizer goes the second time
				if _, err := s.get("/debug/pprof/heap?gc=1"); err != nil {
					return nil, err
				}
			}
			return s.metrics()
		}
	}
}

// A tail keeps the end of what is written to it.
type tail struct{ text []byte }

// Write is called by one goroutine, that of exec.Cmd, which has ended when the text is read.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - 64<<10; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }
