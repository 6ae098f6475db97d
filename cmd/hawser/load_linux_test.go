package main

import (
	"math"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLoadLive: on a terminal a line tells how far it is, and is gone at the end.
func TestLoadLive(t *testing.T) {
	_, addr := startEcho(t)
	p := openPTY(t)
	p.resize(40)
	cmd := command(t, "load", "--echo", "--connections", "2", "--rate", "30", "--duration", "3s", "ws://"+addr)
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, p.end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.shows(`\r\x1b\[K2 of 2 connections, \d+ of 90 messages?[^\r]{0,3}\r`)
	p.shows(`\r\x1b\[K2 of 2 [^\r]{32}\r`) // one column less than a row, which would wrap
	if code := waitCommand(t, cmd); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	p.shows(`\r\x1b\[K$`)
	if strings.Contains(out.String(), "\x1b") || !strings.Contains(out.String(), "90 of 90, 0 lost") {
		t.Errorf("printed %q", out)
	}
}

// TestLoadProgress: what the line says where there is room for it.
func TestLoadProgress(t *testing.T) {
	l, _ := newLoad(loadConfig{connections: 2, rate: 90, duration: time.Second}, streams{})
	l.stats.open.Add(2)
	l.stats.sent.Add(7)
	l.stats.expected.Add(7)
	l.stats.received.Add(6)
	l.stats.delivery.add(time.Millisecond)
	want := "2 of 2 connections, 7 of 90 messages, 6 of 7 deliveries, p99 1.00 ms"
	if got := l.progress(); got != want || cutTo(got, -1) != want || cutTo(got, 200) != want {
		t.Errorf("%q; want %q", got, want)
	}
}

// TestLoadRaisesTheLimitOfFiles: a low soft limit does not matter.
func TestLoadRaisesTheLimitOfFiles(t *testing.T) {
	_, addr := startEcho(t)
	cmd := command(t, "load", "--echo", "--connections", "100", "--rate", "200", "--duration", "500ms", "ws://"+addr)
	args := append([]string{"-c", `ulimit -Sn 64; exec "$0" "$@"`}, cmd.Args...)
	limited := exec.CommandContext(t.Context(), "/bin/sh", args...)
	limited.Env = cmd.Env
	p := startCommand(t, limited)
	wantEndMatching(t, p, exitOK, "connections    100 of 100")
}

// wantEndMatching waits for the end of p and checks its exit code and that text is in what it has printed.
func wantEndMatching(t *testing.T, p *process, code int, text string) {
	t.Helper()
	if got := p.wait(); got != code || !strings.Contains(p.out.String(), text) {
		t.Errorf("exit code %d, printed %q, said %q; want %d, %q", got, p.out, p.err, code, text)
	}
}

// TestRaiseFiles: the limit is raised where that may be, else the error says what to do.
func TestRaiseFiles(t *testing.T) {
	var before, after syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	lowered := syscall.Rlimit{Cur: 64, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
		t.Fatal(err)
	}
	if err := raiseFiles(100); err != nil {
		t.Error(err)
	}
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after)
	if after.Cur != 100 || after.Max != before.Max {
		t.Errorf("the limit is %+v; want 100 of %d", after, before.Max)
	}
	if err := raiseFiles(50); err != nil {
		t.Error(err)
	}
	if err := raiseFiles(math.MaxInt); err == nil || !strings.Contains(err.Error(), "ulimit -Hn") {
		t.Errorf("so many files that no system has: %v", err)
	}
}
