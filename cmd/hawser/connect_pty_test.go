//go:build linux

package main

import (
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
)

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
)

func TestConnectPromptsOnATerminal(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		if err := echoAll(c); !strings.Contains(err.Error(), "1000") {
			t.Errorf("it left with %v; want code 1000", err)
		}
	})
	p := openPTY(t)
	cmd := p.run(asItIs, url)
	p.sees(`^connected to ` + regexp.QuoteMeta(url) + `; /help[^\n]*Ctrl-C[^\n]*\n>$`)
	p.types("hello\r")
	p.sees(`\n> hello\nhello\n>$`)
	p.types("grüße\r")
	p.sees(`\n> hello\nhello\n> grüße\ngrüße\n>$`)
	p.row(">", 2)
	if !p.glass.MarksPaste() {
		t.Error("pasted text is not marked")
	}
	p.leave(cmd)
	p.sees(`\ngrüße$`) // the prompt is gone
}

// TestConnectEscapesOnATerminal: nothing that comes from the server moves the cursor or changes the terminal.
func TestConnectEscapesOnATerminal(t *testing.T) {
	goOn := make(chan struct{})
	url := scripted(t, func(c *websocket.Conn) {
		<-goOn
		say(t, c, "\x1b[31mred\x1b]0;title\a", "one\rtwo\b", "\u009b2J\u202e", "two\n\tlines")
		c.WriteMessage(websocket.BinaryMessage, []byte("\x1b[2J"))
		c.CloseWith(4000, "\x1b[31m")
	})
	p, cmd := atPrompt(t, url)
	p.types("typed")
	p.row("> typed", 7)
	close(goOn)
	p.ends(cmd, exitFailed)
	p.sees(`\n\\x1b\[31mred\\x1b\]0;title\\a\none\\rtwo\\b\n\\u009b2J\\u202e\ntwo\n        lines\n` +
		`binary, 4 bytes: 1b5b324a\n` +
		`hawser connect: [^>]*4000[^>]*"\\x1b\[31m"$`)
}

func TestConnectOnATerminalStaysAfterTheEndOfItsInput(t *testing.T) {
	t.Parallel()
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "ready")
		c.ReadMessage()                     // "bye", and behind it Ctrl-D
		<-time.After(pipeIdle + pipeIdle/2) // longer than in a pipe
		say(t, c, "still here")
		wantGoodbye(t, c)
	})
	p := openPTY(t)
	cmd := p.run(asItIs, url)
	p.sees("ready\n>$")
	p.types("bye\r" + ctrlD + "nobody reads this")
	p.sees("> bye\nthe input has ended; [^\n]*\nstill here$")
	p.leave(cmd)
}

// TestConnectOnATerminalSaysWhatItWaitsFor: when the server owes its Close, after Ctrl-C.
func TestConnectOnATerminalSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	url := scripted(t, func(c *websocket.Conn) { io.Copy(io.Discard, c.NetConn()) })
	p, cmd := atPrompt(t, url)
	p.types(ctrlC)
	p.sees(`\n\* closing: the server has not answered yet; Ctrl-C again ends at once\n`)
	p.ends(cmd, exitFailed)
}

func TestConnectOnATerminalKeepsTheTimeItIsGiven(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "ready")
		wantGoodbye(t, c)
	})
	p := openPTY(t)
	cmd := p.run(asItIs, "-w", "10ms", url)
	p.sees("ready\n>$")
	p.types(ctrlD)
	p.ends(cmd, exitOK)
}

// TestConnectWithATerminalOnOneSide: a pipe gets payload and newline only, whatever the other side is.
func TestConnectWithATerminalOnOneSide(t *testing.T) {
	const coloured = "\x1b[31mred"
	script := func(c *websocket.Conn) {
		say(t, c, coloured)
		if _, p, err := c.ReadMessage(); string(p) != "hello" {
			t.Errorf("message %q, error %v; want hello", p, err)
		}
		c.Close()
	}
	t.Run("a normal end is no error", func(t *testing.T) {
		url := scripted(t, script)
		p, cmd := atPrompt(t, url)
		p.types("hello\r")
		p.ends(cmd, exitOK)
		p.sees(`\n\* the peer closed the connection with code 1000 `)
	})
	t.Run("output in a pipe", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		out := newOutput()
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Stdout = out }, url)
		p.shows("connected to")
		p.types("hello\n")
		p.ends(cmd, exitOK)
		if out.String() != coloured+"\n" {
			t.Errorf("printed %q; want the payload and a newline", out)
		}
	})
	t.Run("a terminal that knows no escape sequences", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "TERM=dumb") }, url)
		p.shows("connected to")
		p.types("hello\n")
		p.ends(cmd, exitOK)
		p.shows(`^[^\x1b]*$`)
	})
	t.Run("input from a pipe", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("hello\n") }, "-w", "-1s", url)
		p.ends(cmd, exitOK)
		p.shows(`^\\x1b\[31mred\r\n$`) // no prompt: nobody would type
	})
	t.Run("messages from the command line, and an end", func(t *testing.T) {
		url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
		p := openPTY(t)
		cmd := p.run(asItIs, "-m", "hello", "-n", "1", url)
		p.ends(cmd, exitOK)
		p.shows(`^connected to [^\n>]*\nhello\r\n$`) // no prompt: what is typed would not be sent
	})
	t.Run("messages from the command line, and then a prompt", func(t *testing.T) {
		url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
		p := openPTY(t)
		cmd := p.run(asItIs, "-m", "subscribe", url)
		p.sees(`\nsubscribe\n>$`)
		p.types("hello\r")
		p.sees(`\n> hello\nhello\n>$`)
		p.leave(cmd)
	})
	t.Run("standard error in a file", func(t *testing.T) {
		url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
		p := openPTY(t)
		said := newOutput()
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Stderr = said }, "-v", url)
		p.row(">", 2)
		p.types("hello\r")
		p.sees(`^> hello\nhello\n>$`)
		p.leave(cmd)
		if got := said.String(); !strings.Contains(got, "> text, 5 bytes\n") || strings.Contains(got, "\x1b") {
			t.Errorf("said %q", got)
		}
	})
}

func TestConnectOutputThatCannotBeWritten(t *testing.T) {
	for _, flag := range []string{"-v", "--json"} { // whose events are written by others than the loop
		url := scripted(t, func(c *websocket.Conn) {
			say(t, c, "there is no room for this")
			wantGoodbye(t, c)
		})
		code, stderr := startInto(t, fullDisk(t), "connect", flag, "-w", "-1s", url)()
		if code != exitFailed || !strings.Contains(stderr, "standard output") {
			t.Errorf("%s: exit code %d, said %q; want 1, what is wrong", flag, code, stderr)
		}
	}
}
