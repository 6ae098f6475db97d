//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"hawser.example/websocket"
)

// onPTY starts "hawser ARGS" with a terminal for standard input, output and error, and returns where it listens.
func onPTY(t *testing.T, p *pty, args ...string) (wait func() int, url string) {
	t.Helper()
	cmd := command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.shows(`listening on ws://127\.0\.0\.1:\d+/\r\n`)
	_, url, _ = strings.Cut(p.screen.String(), "listening on ")
	url, _, _ = strings.Cut(url, "\r")
	return func() int {
		cmd.Process.Signal(os.Interrupt)
		return waitCommand(t, cmd)
	}, url
}

// TestListenOnATerminal: who is there, who says what, and nothing that moves the cursor or changes the terminal.
func TestListenOnATerminal(t *testing.T) {
	p := openPTY(t)
	wait, url := onPTY(t, p, "listen", "127.0.0.1:0")
	one := dial(t, url+"a%1b", nil)
	p.shows(`#1 connected from 127\.0\.0\.1:\d+, path "/a%1b"\r\n`)
	one.send(websocket.TextMessage, "\x1b[31mred")
	p.shows(`#1 \\x1b\[31mred\r\n`)
	dial(t, url, nil).send(websocket.BinaryMessage, "\x1b[2J")
	p.shows(`#2 binary, 4 bytes: 1b5b324a\r\n`)
	p.types("to all\n")
	one.wantMessage(websocket.TextMessage, "to all")
	one.CloseWith(4000, "\x1b[31m")
	p.shows(`#1 [^\r]*4000[^\r]*"\\x1b\[31m"\r\n`)
	if code := wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if strings.ContainsAny(strings.ReplaceAll(p.screen.String(), "\r\n", ""), "\x1b\a\r") {
		t.Errorf("a control character reached the terminal: %q", p.screen)
	}
}

// TestListenJSONOnATerminal: the same holds for JSON.
func TestListenJSONOnATerminal(t *testing.T) {
	p := openPTY(t)
	wait, url := onPTY(t, p, "listen", "--json", "127.0.0.1:0")
	dial(t, url, nil).send(websocket.TextMessage, "\u009b31mü\u202e")
	p.shows(`"text":"\\u009b31mü\\u202e"`)
	if code := wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestListenStopsWhileItsOutputIsStuck: a reader that does not read holds up what is shown, and not the end.
func TestListenStopsWhileItsOutputIsStuck(t *testing.T) {
	t.Parallel()
	r, w := osPipe(t)
	cmd := command(t, "listen", "127.0.0.1:0")
	said := newOutput()
	cmd.Stdout, cmd.Stderr = w, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := awaitListening(t, said)
	c := dial(t, at, nil)
	c.send(websocket.TextMessage, strings.Repeat("x", 1<<20)) // more than the pipe takes
	if _, err := r.Read(make([]byte, 1)); err != nil {        // it has begun to write
		t.Fatal(err)
	}
	cmd.Process.Signal(os.Interrupt)
	if code := waitCommand(t, cmd); code != exitOK || !strings.Contains(said.String(), "cut off what had not ended") {
		t.Errorf("exit code %d, said %q", code, said)
	}
}
