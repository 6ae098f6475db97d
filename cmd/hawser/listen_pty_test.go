//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"hawser.example/websocket"
)

// onPTY starts "hawser ARGS" as the program of a terminal, and returns where it listens.
func onPTY(t *testing.T, p *pty, args ...string) (cmd *exec.Cmd, url string) {
	t.Helper()
	cmd = command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	p.start(cmd)
	p.shows(`listening on ws://127\.0\.0\.1:\d+/\r\n`)
	_, url, _ = strings.Cut(p.screen.String(), "listening on ")
	url, _, _ = strings.Cut(url, "\r")
	return cmd, url
}

// TestListenOnATerminal: who is there, who says what, and nothing that moves the cursor or changes the terminal. Lines
// are edited, and what comes stands above them.
func TestListenOnATerminal(t *testing.T) {
	p := openPTY(t)
	cmd, url := onPTY(t, p, "listen", "127.0.0.1:0")
	one := dial(t, url+"a%1b?token=hush", nil)
	p.sees(`\n#1 connected from 127\.0\.0\.1:\d+, path "/a%1b\?token=\[redacted\]"\n>$`)
	p.types("to akk")
	p.row("> to akk", 8)
	one.send(websocket.TextMessage, "\x1b[31mred")
	p.sees(`\n#1 \\x1b\[31mred\n> to akk$`)
	dial(t, url, nil).send(websocket.BinaryMessage, "\x1b[2J")
	p.sees(`\n#2 binary, 4 bytes: 1b5b324a\n> to akk$`)
	p.types("\x7f\x7fll\r")
	one.wantMessage(websocket.TextMessage, "to all")
	p.sees(`\n> to all\n>$`)
	p.types("\x1b[A\r") // the line before
	one.wantMessage(websocket.TextMessage, "to all")
	one.CloseWith(4000, "\x1b[31m")
	p.sees(`\n#1 [^\n]*4000[^\n]*"\\x1b\[31m"\n>$`)
	p.leave(cmd)
	p.sees(`\nhawser listen: stopping\n`) // and the prompt is gone
}

// TestListenOnATerminalAfterTheEndOfItsInput: it goes on, and Ctrl-C ends it.
func TestListenOnATerminalAfterTheEndOfItsInput(t *testing.T) {
	p := openPTY(t)
	cmd, url := onPTY(t, p, "listen", "127.0.0.1:0")
	one := dial(t, url, nil)
	p.row(">", 2)
	p.types("last\r" + ctrlD + "nobody reads this")
	one.wantMessage(websocket.TextMessage, "last")
	p.sees(`\n> last\nhawser listen: the input has ended; Ctrl-C ends it all$`)
	one.send(websocket.TextMessage, "still there?")
	p.sees(`\n#1 still there\?$`)
	p.leave(cmd)
}

// TestListenLeavesTheTerminalAsItWas, whatever ends it.
func TestListenLeavesTheTerminalAsItWas(t *testing.T) {
	for _, tt := range []struct {
		rule, keys string
		code       int
	}{
		{"Ctrl-C", ctrlC, exitOK},
		{"Ctrl-\\", "\x1c", 2}, // Go's own: it shows the goroutines
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := openPTY(t)
			cmd, url := onPTY(t, p, "listen", "127.0.0.1:0")
			dial(t, url, nil)
			p.types("typed")
			p.row("> typed", 7)
			p.resize(40)
			p.types("\x1a") // nobody could continue it, so it goes on
			p.shows(`\x1b\[\?2004l(?s:.*)\x1b\[\?2004h`)
			p.row("> typed", 7)
			p.types(tt.keys)
			p.ends(cmd, tt.code)
		})
	}
}

// TestListenTellsATerminal who comes and goes, and with -v of each message too.
func TestListenTellsATerminal(t *testing.T) {
	for flag, messages := range map[string]string{
		"--echo": ``, // once more
		"-v":     `#1 < text, 5 bytes\r\n#1 > text, 5 bytes\r\n`,
	} {
		p := openPTY(t)
		cmd, url := onPTY(t, p, "listen", "--no-deflate", "--echo", flag, "127.0.0.1:0")
		c := dial(t, url, nil)
		c.send(websocket.TextMessage, "hello")
		c.wantMessage(websocket.TextMessage, "hello")
		c.CloseWith(4001, "bye")
		p.shows(`#1 connected from 127\.0\.0\.1:\d+, path "/"\r\n` + messages + `#1 .*4001`)
		p.leave(cmd)
	}
}

// TestListenJSONOnATerminal: the same holds for JSON.
func TestListenJSONOnATerminal(t *testing.T) {
	p := openPTY(t)
	cmd, url := onPTY(t, p, "listen", "--json", "127.0.0.1:0")
	dial(t, url, nil).send(websocket.TextMessage, "\u009b31mü\u202e")
	p.shows(`"text":"\\u009b31mü\\u202e"`)
	p.leave(cmd)
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
