// Package peers runs WebSocket implementations of other languages as programs of their own and tells them what to do:
// one JSON command a line on their stdin, one JSON event a line on their stdout. README.md lists both.
package peers

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a peer may take for one event. It is generous: only a failure ever waits this long.
const patience = 30 * time.Second

// A Language is an implementation that can be run as a peer.
type Language struct {
	Name    string
	command []string // the program; its role and arguments follow
	// What not every API lets its user do:
	SplitsRunes       bool // cut a text message inside a character
	ClosesWithoutCode bool // send a Close without a code
	Deflates8Bits     bool // compress with a window of 2^8 bytes
}

// Languages are the implementations that every exchange is run with.
var Languages = []Language{
	{Name: "node", command: []string{"node", script("node/peer.js")}, SplitsRunes: true, ClosesWithoutCode: true,
		Deflates8Bits: true},
	// Debian's own Python: another one, first on PATH, would not see Debian's python3-websockets.
	{Name: "python", command: []string{"/usr/bin/python3", script("python/peer.py")}},
}

// Deflate is the parameters of permessage-deflate that a peer asks for, as RFC 7692, section 7.1, names them. The zero
// value asks for nothing but compression.
type Deflate struct {
	ServerNoTakeover bool `json:"serverNoTakeover,omitempty"`
	ClientNoTakeover bool `json:"clientNoTakeover,omitempty"`
	ServerBits       int  `json:"serverBits,omitempty"`
	ClientBits       int  `json:"clientBits,omitempty"`
}

// With returns the language with peers that ask for compression. Without it they do as their library does by default.
func (l Language) With(d Deflate) Language {
	options, err := json.Marshal(d)
	if err != nil {
		panic(err) // of two numbers and two truths
	}
	l.command = append(l.command[:len(l.command):len(l.command)], "--deflate="+string(options))
	return l
}

// script returns the path of a file beside this one.
func script(name string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), name)
}

// Event is what a peer reports. Only the fields of its kind are set.
type Event struct {
	Event     string `json:"event"`     // listening, open, echoing, message, ping, pong, close, error
	URL       string `json:"url"`       // listening
	Protocol  string `json:"protocol"`  // open: the subprotocol agreed on
	Extension string `json:"extension"` // open: the names of the extensions agreed on
	Type      string `json:"type"`      // message: text or binary
	Data      []byte `json:"data"`      // message, ping, pong
	Code      int    `json:"code"`      // close
	Reason    string `json:"reason"`    // close
	Text      string `json:"text"`      // error
}

// Peer is a running program. Its methods end the test when something goes wrong.
type Peer struct {
	t      *testing.T
	cmd    *exec.Cmd
	name   string
	stdin  io.WriteCloser
	events chan Event
	stderr lockedBuilder
}

// Client starts a peer that connects to url.
func (l Language) Client(t *testing.T, url string, subprotocols ...string) *Peer {
	t.Helper()
	return l.start(t, append([]string{"client", url}, subprotocols...))
}

// Server starts a peer that listens, and returns it with its URL. It takes one connection.
func (l Language) Server(t *testing.T, subprotocols ...string) (*Peer, string) {
	t.Helper()
	p := l.start(t, append([]string{"server"}, subprotocols...))
	return p, p.Want("listening").URL
}

func (l Language) start(t *testing.T, args []string) *Peer {
	t.Helper()
	cmd := exec.Command(l.command[0], append(l.command[1:len(l.command):len(l.command)], args...)...)
	p := &Peer{t: t, cmd: cmd, name: l.Name, events: make(chan Event, 16)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &p.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("the %s peer did not start (run e2e/install.sh): %v", l.Name, err)
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(stdout, stop)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		close(stop)
		cmd.Process.Kill()
		<-done
	})
	return p
}

// read turns the lines of stdout into events, until the peer ends or the test does.
func (p *Peer) read(stdout io.Reader, stop <-chan struct{}) {
	defer close(p.events)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		event := Event{Event: "error", Text: "not JSON: " + string(line)}
		json.Unmarshal(line, &event)
		select {
		case p.events <- event:
		case <-stop:
			return
		}
	}
}

// Send has the peer send one message, of one frame for each part.
func (p *Peer) Send(messageType string, first []byte, more ...[]byte) {
	p.t.Helper()
	parts := make([]string, 0, 1+len(more))
	for _, part := range append([][]byte{first}, more...) {
		parts = append(parts, base64.StdEncoding.EncodeToString(part))
	}
	p.do(map[string]any{"do": "send", "type": messageType, "parts": parts})
}

// Echo has the peer send back every message from now on, some in fragments, instead of reporting it.
func (p *Peer) Echo() {
	p.t.Helper()
	p.do(map[string]any{"do": "echo"})
	p.Want("echoing")
}

// Ping has the peer send a ping.
func (p *Peer) Ping(data []byte) {
	p.t.Helper()
	p.do(map[string]any{"do": "ping", "data": base64.StdEncoding.EncodeToString(data)})
}

// Close has the peer start the closing handshake. Code 0 stands for a Close frame without a code.
func (p *Peer) Close(code int, reason string) {
	p.t.Helper()
	p.do(map[string]any{"do": "close", "code": code, "reason": reason})
}

// Kill ends the program without a closing handshake.
func (p *Peer) Kill() { p.cmd.Process.Kill() }

func (p *Peer) do(command map[string]any) {
	p.t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("%s: %s: %v\n%s", p.name, command["do"], err, p.stderr.String())
	}
}

// Want returns the next event, which has to be of the given kind.
func (p *Peer) Want(kind string) Event {
	p.t.Helper()
	select {
	case event, ok := <-p.events:
		if !ok {
			p.t.Fatalf("%s ended; want the event %q. It said:\n%s", p.name, kind, p.stderr.String())
		}
		if event.Event != kind {
			p.t.Fatalf("%s: event %s; want %q", p.name, brief(event), kind)
		}
		return event
	case <-time.After(patience):
		p.t.Fatalf("%s: no event %q within %v. It said:\n%s", p.name, kind, patience, p.stderr.String())
	}
	panic("not reached")
}

// WantMessage is Want for a message of exactly this type and content.
func (p *Peer) WantMessage(messageType string, data []byte) {
	p.t.Helper()
	event := p.Want("message")
	if event.Type != messageType || string(event.Data) != string(data) {
		p.t.Fatalf("%s: got %s; want %s of %d bytes, %.40q", p.name, brief(event), messageType, len(data), data)
	}
}

// WantClose is Want for the end of the connection, and of the program.
func (p *Peer) WantClose(code int, reason string) {
	p.t.Helper()
	event := p.Want("close")
	if event.Code != code || event.Reason != reason {
		p.t.Fatalf("%s: got %s; want close with %d %q", p.name, brief(event), code, reason)
	}
	select {
	case event, ok := <-p.events:
		if ok {
			p.t.Fatalf("%s: event %s after the close", p.name, brief(event))
		}
	case <-time.After(patience):
		p.t.Fatalf("%s: it goes on after the close", p.name)
	}
}

// brief describes an event without a megabyte of payload.
func brief(e Event) string {
	switch e.Event {
	case "message":
		return fmt.Sprintf("message, %s of %d bytes, %.40q", e.Type, len(e.Data), e.Data)
	case "ping", "pong":
		return fmt.Sprintf("%s with %q", e.Event, e.Data)
	case "close":
		return fmt.Sprintf("close with %d %q", e.Code, e.Reason)
	case "error":
		return "error: " + e.Text
	}
	return fmt.Sprintf("%s %q", e.Event, e.URL+e.Protocol)
}

// lockedBuilder collects a program's stderr while another goroutine may want to show it.
type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
