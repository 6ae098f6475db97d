//go:build linux

package main

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
)

// The tests of this file are about the prompt: keys, commands, what is shown while a line is being typed, and that the
// terminal is left as it was, whatever happens.

// TestConnectEditsLines: what keys make of a line is what is sent.
func TestConnectEditsLines(t *testing.T) {
	got := make(chan string)
	url := scripted(t, func(c *websocket.Conn) {
		for {
			_, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			got <- string(p)
		}
	})
	p, cmd := atPrompt(t, url)
	for _, tt := range []struct{ rule, keys, want string }{
		{"in the middle", "ho\x1b[Dell\r", "hello"},
		{"the line before", "\x1b[A\r", "hello"},
		{"changed", "\x1b[A\x7fiums\r", "helliums"},
		{"two before", "\x1b[A\x1b[A\r", "hello"},
		{"wide characters", "漢字\x02\x7fx\r", "x字"},
		{"an accent of its own", "ae\u0301\x7fi\r", "ai"},
		{"Home and Ctrl-K", "abc\x01\x0bxyz\r", "xyz"},
		{"End", "bc\x1b[Ha\x1b[Fd\r", "abcd"},
		{"Ctrl-W", "one two\x17three\r", "one three"},
		{"Ctrl-U", "one\x15two\r", "two"},
		{"words", "one three\x1bbtwo \r", "one two three"},
		{"Delete and Ctrl-D", "xyab\x01\x1b[3~\x04\r", "ab"},
		{"pasted", "\x1b[200~{\r\n\t\"a\": 1\r\n}\x1b[201~\r", "{\n\t\"a\": 1\n}"},
		{"pasted keys", "\x1b[200~a\x1b[Db\x1b[201~\r", "a\x1b[Db"},
		{"an empty line", "\r", ""},
		{"a slash", "//ping\r", "/ping"},
		{"keys that do nothing", "\x1b[5~\x1b[15~\x07a\x1bx\r", "a"},
		{"the screen cleared", "ab\x0cc\r", "abc"},
		{"longer than the terminal", strings.Repeat("0123456789", 30) + "\r", strings.Repeat("0123456789", 30)},
	} {
		p.types(tt.keys)
		select {
		case message := <-got:
			if message != tt.want {
				t.Errorf("%s: %q; want %q", tt.rule, message, tt.want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: nothing came", tt.rule)
		}
	}
	p.leave(cmd)
}

// TestConnectKeepsTheLineWhileMessagesCome: what arrives is above the line that is being typed, and the cursor stays
// where it was in it.
func TestConnectKeepsTheLineWhileMessagesCome(t *testing.T) {
	come := make(chan []string)
	url := scripted(t, func(c *websocket.Conn) {
		for messages := range come {
			say(t, c, messages...)
		}
		wantGoodbye(t, c)
	})
	p := openPTY(t)
	p.resize(80)
	cmd := p.run(asItIs, url)
	p.row(">", 2)
	p.types("漢字 abc\x02\x02")
	p.row("> 漢字 abc", 8)
	come <- []string{"one", "two\nlines", strings.Repeat("w", 100), "\x1b[5A\r\x1b[2J"}
	p.sees(`^connected[^\n]*\none\ntwo\nlines\nw{80}\nw{20}\n\\x1b\[5A\\r\\x1b\[2J\n> 漢字 abc$`)
	p.row("> 漢字 abc", 8)
	p.types("x")
	p.row("> 漢字 axbc", 9)
	come <- []string{strings.Repeat("=", 80)} // exactly one row
	p.sees(`\n={80}\n> 漢字 axbc$`)
	p.row("> 漢字 axbc", 9)
	close(come)
	p.leave(cmd)
}

// TestConnectOnATerminalThatIsResized: the row fits, with the cursor in it.
func TestConnectOnATerminalThatIsResized(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
	p := openPTY(t)
	p.resize(30)
	cmd := p.run(asItIs, url)
	p.row(">", 2)
	line := strings.Repeat("0123456789", 4)
	p.types(line)
	p.row("> <"+line[14:], 29)
	p.resize(20)
	p.row("> <"+line[24:], 19)
	p.resize(60)
	p.row("> "+line, 42)
	p.types("\x01")
	p.row("> "+line, 2)
	p.resize(20)
	p.row("> "+line[:16]+">", 2)
	p.types("\r")
	p.sees(`\n>$`)
	p.leave(cmd)
}

// readFrame reads a frame of a client from the wire.
func readFrame(t *testing.T, r io.Reader) (h websocket.Header, payload []byte) {
	t.Helper()
	var begun []byte
	n := 0
	for n == 0 {
		one := make([]byte, 1)
		if _, err := io.ReadFull(r, one); err != nil {
			t.Errorf("no frame: %v", err)
			return h, nil
		}
		begun = append(begun, one...)
		h, n = websocket.ParseHeader(begun)
	}
	payload = make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		t.Errorf("no payload: %v", err)
	}
	unmask(payload, h.MaskKey)
	return h, payload
}

// TestConnectCommands: each sends the frame that it names.
func TestConnectCommands(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		nc := c.NetConn()
		for _, want := range []struct {
			op      websocket.Opcode
			payload string
		}{
			{websocket.OpPing, ""}, {websocket.OpPing, "are you there?"}, {websocket.OpPong, "I am"},
			{websocket.OpPong, ""}, {websocket.OpBinary, "\x00\xff\x1b"}, {websocket.OpText, "/ping"},
			{websocket.OpClose, "\x0f\xa1see you"},
		} {
			h, payload := readFrame(t, nc)
			if h.Opcode != want.op || string(payload) != want.payload {
				t.Errorf("got %v %q; want %v %q", h.Opcode, payload, want.op, want.payload)
			}
			switch h.Opcode {
			case websocket.OpPing:
				nc.Write(serverFrame(websocket.OpPong, payload))
			case websocket.OpClose:
				nc.Write(serverFrame(websocket.OpClose, payload[:2]))
			}
		}
	})
	p, cmd := atPrompt(t, url)
	for _, step := range []struct{ line, sees string }{
		{"/help", `/close \[CODE \[REASON\]\] `},
		{"/nope", `no command /nope; /help`},
		{"/close 999", `"999" is no code`},
		{"/close 1005", `"1005" is no code`},
		{"/close 4000 " + strings.Repeat("r", 124), `124 bytes of reason`},
		{"/ping " + strings.Repeat("p", 126), `126 bytes of text`},
		{"/bin 0", `two hex digits`},
		{"/ping", `pong "" after [0-9.]+[µm]?s\n`},
		{"/ping are you there?", `pong "are you there\?" after `},
		{"/pong I am", `> /pong I am\n`},
		{"/pong", `> /pong\n>$`},
		{"/bin 00ff 1b", `> /bin 00ff 1b\n>$`},
		{"//ping", `> //ping\n>$`},
		{"/close 4001 see you", `\n\* we closed the connection with code 4001: "see you"`},
	} {
		p.types(step.line + "\r")
		p.sees(step.sees)
	}
	p.ends(cmd, exitOK)
}

// TestConnectTakesAllThatIsTypedAtOnce: a paste that is not marked as one has more lines than may wait.
func TestConnectTakesAllThatIsTypedAtOnce(t *testing.T) {
	const lines = 1000
	all := make(chan struct{})
	url := scripted(t, func(c *websocket.Conn) {
		for n := range lines {
			if _, p, err := c.ReadMessage(); string(p) != "x" {
				t.Errorf("line %d: %q, %v", n, p, err)
				return
			}
		}
		close(all)
		wantGoodbye(t, c)
	})
	p, cmd := atPrompt(t, url)
	p.types(strings.Repeat("x\r", lines))
	select {
	case <-all:
	case <-time.After(patience):
		t.Fatal("not all lines came")
	}
	p.leave(cmd)
}

// TestConnectCloseThatIsNotAnswered: exit code 1.
func TestConnectCloseThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	url := scripted(t, func(c *websocket.Conn) { <-over })
	p, cmd := atPrompt(t, url)
	p.types("/close\r")
	p.ends(cmd, exitFailed)
	p.sees(`did not finish the closing handshake`)
	close(over)
}

// TestConnectLeavesTheTerminalAsItWas, whatever ends it.
func TestConnectLeavesTheTerminalAsItWas(t *testing.T) {
	const bySignal = -1
	send := func(s syscall.Signal) func(*pty, *exec.Cmd) {
		return func(_ *pty, cmd *exec.Cmd) { cmd.Process.Signal(s) }
	}
	press := func(keys string) func(*pty, *exec.Cmd) { return func(p *pty, _ *exec.Cmd) { p.types(keys) } }
	nothing := func(*pty, *exec.Cmd) {}
	stays := func(c *websocket.Conn) { c.ReadMessage() }
	for _, tt := range []struct {
		rule   string
		server func(c *websocket.Conn) // after it has said "ready"
		does   func(*pty, *exec.Cmd)
		code   int
	}{
		{"Ctrl-C", stays, press(ctrlC), exitOK},
		{"SIGTERM", stays, send(syscall.SIGTERM), exitOK},
		{"SIGHUP", stays, send(syscall.SIGHUP), exitOK},
		{"Ctrl-\\", func(c *websocket.Conn) { c.ReadMessage() }, press("\x1c"), 2}, // Go's own: it shows the goroutines
		{"the server closes", func(c *websocket.Conn) { c.Close() }, nothing, exitOK},
		{"the server is lost", func(c *websocket.Conn) { c.CloseNow() }, nothing, exitFailed},
		{"a broken frame", func(c *websocket.Conn) {
			c.NetConn().Write([]byte("\xf1\x00"))
			c.ReadMessage()
		}, nothing, exitFailed},
		{"Ctrl-C twice, to a server that does not answer", func(c *websocket.Conn) {
			io.Copy(io.Discard, c.NetConn()) // until the process has gone; whether its Close leaves before is open
		}, func(p *pty, cmd *exec.Cmd) {
			p.types(ctrlC)
			p.until("the prompt to go", func() bool { return p.glass.Row() != "> typed" })
			p.types(ctrlC)
		}, bySignal},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			typed := make(chan struct{})
			url := scripted(t, func(c *websocket.Conn) { <-typed; tt.server(c) })
			p, cmd := atPrompt(t, url)
			p.types("typed")
			p.row("> typed", 7)
			close(typed)
			tt.does(p, cmd)
			p.ends(cmd, tt.code)
		})
	}
}

// TestConnectLeavesTheTerminalAsItWasInAPanic of a goroutine.
func TestConnectLeavesTheTerminalAsItWasInAPanic(t *testing.T) {
	p := openPTY(t)
	cmd := command(t, "connect")
	cmd.Env = append(cmd.Env, bePanicking+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	p.start(cmd)
	if code := waitCommand(t, cmd); code != 2 {
		t.Errorf("exit code %d; want 2, as of a panic", code)
	}
	p.shows(`panic: on purpose`)
	p.shows(`\x1b\[\?2004h(?s:.*)\x1b\[\?2004l`) // there was a prompt
	p.wantSettings()
}

// TestConnectCanBeSuspended: Ctrl-Z leaves the terminal to the shell, and fg brings the line back.
func TestConnectCanBeSuspended(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
	p := openPTY(t)
	hawser := command(t, "connect", url)
	// The shell waits for a line before it goes on with fg.
	cmd := exec.CommandContext(t.Context(), "bash", "-c",
		`set -m; "$0" connect "$1"; echo suspended; read line; fg >/dev/null; echo "code $?"`, hawser.Path, url)
	cmd.Env = hawser.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	p.start(cmd)
	p.row(">", 2)
	p.types("hel")
	p.row("> hel", 5)
	p.types("\x1a")
	p.sees("suspended")
	if p.glass.MarksPaste() || p.settings().Lflag&syscall.ICANON == 0 || p.settings().Lflag&syscall.ECHO == 0 {
		t.Errorf("the shell gets the terminal with the settings %+v", p.settings())
	}
	p.types("go on\n")
	p.row("> hel", 5)
	p.types("lo\r")
	p.sees(`> hello\nhello\n>$`)
	p.types(ctrlC)
	p.sees(`code 0$`)
	if code := waitCommand(t, cmd); code != 0 {
		t.Errorf("the shell's exit code is %d", code)
	}
	p.wantSettings()
}

// TestConnectCtrlZWithoutAShell: where nobody could continue it, it goes on.
func TestConnectCtrlZWithoutAShell(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
	p, cmd := atPrompt(t, url)
	p.types("hel")
	p.row("> hel", 5)
	p.types("\x1a")
	p.shows(`\x1b\[\?2004l(?s:.*)\x1b\[\?2004h`)
	p.types("lo\r")
	p.sees(`> hello\nhello\n>$`)
	p.leave(cmd)
}

// TestConnectCtrlCBeforeThereIsAConnection: exit code 3.
func TestConnectCtrlCBeforeThereIsAConnection(t *testing.T) {
	url := silentServer(t)
	for _, url := range []string{url, "wss" + strings.TrimPrefix(url, "ws")} {
		p := openPTY(t)
		cmd := p.run(asItIs, "-v", url)
		p.sees(`\* connected to tcp`)
		p.types(ctrlC)
		p.ends(cmd, exitConnect)
	}
}

// TestConnectKeepsTheLineWhileItReconnects, and sends it over the next connection.
func TestConnectKeepsTheLineWhileItReconnects(t *testing.T) {
	typed := make(chan struct{})
	url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
		c := mustUpgrade(t, w, r)
		defer c.CloseNow()
		if number == 1 {
			<-typed // and cut
			return
		}
		echoAll(c)
	})
	p, cmd := atPrompt(t, "--reconnect", url)
	p.types("hel")
	p.row("> hel", 5)
	close(typed)
	p.sees(`lost[^>]*; next try in [^\n]*\n> hel$`)
	p.types("lo\r")
	p.sees(`\n> hello\n(?s:.*)connected to [^\n]*\nhello\n>$`)
	p.leave(cmd)
}
