//go:build linux

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"hawser.example/websocket"
)

// A pty is a terminal whose user is a test.
type pty struct {
	t      *testing.T
	user   *os.File // what is written here is typed, what is read is shown
	end    *os.File // what a program has for a terminal
	screen *output  // all that was shown
	hungUp chan struct{}
}

// openPTY opens a terminal that is closed with the test.
func openPTY(t *testing.T) *pty {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var unlock, number int32
	ioctl(t, user, syscall.TIOCSPTLCK, &unlock)
	ioctl(t, user, syscall.TIOCGPTN, &number)
	end, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		user.Close()
		t.Fatal(err)
	}
	p := &pty{t: t, user: user, end: end, screen: newOutput(), hungUp: make(chan struct{})}
	go p.watch()
	t.Cleanup(func() {
		end.Close()
		<-p.hungUp // when the program has closed it too
		user.Close()
		if t.Failed() {
			t.Logf("the terminal showed %q", p.screen)
		}
	})
	return p
}

// ioctl calls ioctl(2) with a number to read or write.
func ioctl(t *testing.T, f *os.File, request uintptr, value *int32) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(value)))
	})
	if err != nil || errno != 0 {
		t.Fatalf("ioctl %#x: %v, %v", request, err, errno)
	}
}

// watch notes what is shown, until no program has the terminal any more, which is an error of the read.
func (p *pty) watch() {
	defer close(p.hungUp)
	buf := make([]byte, 4096)
	for {
		n, err := p.user.Read(buf)
		p.screen.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// run starts "hawser connect ARGS" with the terminal in place of the standard files that redirect does not name.
func (p *pty) run(redirect func(*exec.Cmd), args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := command(p.t, append([]string{"connect"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	redirect(cmd)
	// It becomes the program in the foreground, to which the terminal sends the signals of its keys.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.ExtraFiles = []*os.File{p.end}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd
}

func asItIs(*exec.Cmd) {}

// types presses keys.
func (p *pty) types(keys string) {
	p.t.Helper()
	if _, err := p.user.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// shows waits until what is shown matches pattern.
func (p *pty) shows(pattern string) {
	p.t.Helper()
	timeout := make(chan struct{})
	defer time.AfterFunc(patience, func() { close(timeout) }).Stop()
	if _, err := p.screen.await(p.t.Context(), regexp.MustCompile(pattern), timeout); err != nil {
		p.t.Fatal(err)
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	// cleared is what takes the prompt away for a message.
	cleared = `\r\x1b\[K`
)

func TestConnectPromptsOnATerminal(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		if err := echoAll(c); !strings.Contains(err.Error(), "1000") {
			t.Errorf("it left with %v; want code 1000", err)
		}
	})
	p := openPTY(t)
	cmd := p.run(asItIs, url)
	p.shows(`connected to ` + regexp.QuoteMeta(url) + `[^\n]*Ctrl-C\r\n> $`)
	p.types("hello\n")
	p.shows(cleared + `hello\r\n> `)
	p.types("grüße\n")
	p.shows(cleared + `grüße\r\n> `)
	p.types(ctrlC)
	if code := waitCommand(t, cmd); code != exitOK {
		t.Errorf("exit code %d; want 0", code)
	}
}

// TestConnectEscapesOnATerminal: nothing that comes from the server moves the cursor or changes the terminal.
func TestConnectEscapesOnATerminal(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "\x1b[31mred\x1b]0;title\a", "one\rtwo\b", "\u009b2J\u202e", "two\n\tlines")
		c.WriteMessage(websocket.BinaryMessage, []byte("\x1b[2J"))
		c.CloseWith(4000, "\x1b[31m")
	})
	p := openPTY(t)
	cmd := p.run(asItIs, url)
	if code := waitCommand(t, cmd); code != exitFailed {
		t.Errorf("exit code %d; want 1", code)
	}
	p.shows(`\\x1b\[31mred\\x1b\]0;title\\a\r\n`)
	p.shows(`one\\rtwo\\b\r\n`)
	p.shows(`\\u009b2J\\u202e\r\n`)
	p.shows(`two\r\n\tlines\r\n`)
	p.shows(`binary, 4 bytes: 1b5b324a\r\n`)
	p.shows(`4000[^\n]*"\\x1b\[31m"\r\n`)
	rest := strings.ReplaceAll(p.screen.String(), "\r\x1b[K", "")
	if i := strings.IndexAny(strings.ReplaceAll(rest, "\r\n", ""), "\x1b\r\a\b\u009b\u202e"); i >= 0 {
		t.Errorf("a control character reached the terminal: %q", rest)
	}
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
	p.shows("ready")
	p.types("bye\n" + ctrlD)
	p.shows("still here")
	p.types(ctrlC)
	if code := waitCommand(t, cmd); code != exitOK {
		t.Errorf("exit code %d; want 0", code)
	}
}

func TestConnectOnATerminalKeepsTheTimeItIsGiven(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "ready")
		wantGoodbye(t, c)
	})
	p := openPTY(t)
	cmd := p.run(asItIs, "-w", "10ms", url)
	p.shows("ready")
	p.types(ctrlD)
	if code := waitCommand(t, cmd); code != exitOK {
		t.Errorf("exit code %d; want 0", code)
	}
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
	t.Run("output in a pipe", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		out := newOutput()
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Stdout = out }, url)
		p.shows("connected to")
		p.types("hello\n")
		code := waitCommand(t, cmd)
		if code != exitOK || out.String() != coloured+"\n" {
			t.Errorf("exit code %d, printed %q; want 0, the payload and a newline", code, out)
		}
	})
	t.Run("input from a pipe", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		cmd := p.run(func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("hello\n") }, url)
		if code := waitCommand(t, cmd); code != exitOK {
			t.Errorf("exit code %d; want 0", code)
		}
		p.shows(`^\\x1b\[31mred\r\n$`) // no prompt: nobody would type
	})
	t.Run("messages from the command line", func(t *testing.T) {
		url := scripted(t, script)
		p := openPTY(t)
		cmd := p.run(asItIs, "-m", "hello", url)
		if code := waitCommand(t, cmd); code != exitOK {
			t.Errorf("exit code %d; want 0", code)
		}
		p.shows(`^connected to [^\n]*\n\\x1b\[31mred\r\n`) // no prompt: what is typed is not sent
	})
}

func TestConnectOutputThatCannotBeWritten(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "there is no room for this")
		wantGoodbye(t, c)
	})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	code, stderr := startInto(t, full, "-w", "-1s", url)()
	if code != exitFailed || !strings.Contains(stderr, "standard output") {
		t.Errorf("exit code %d, said %q; want 1, what is wrong", code, stderr)
	}
}
