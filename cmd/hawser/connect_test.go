package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
)

// scripted serves one connection with script and returns its URL. The test ends when the script has; then the
// connection is cut.
func scripted(t *testing.T, script func(c *websocket.Conn)) (url string) {
	t.Helper()
	over := make(chan struct{})
	connected := make(chan struct{})
	upgrader := websocket.Upgrader{ReadLimit: 64 << 20}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		close(connected)
		defer close(over)
		defer c.CloseNow()
		c.SetReadDeadline(time.Now().Add(patience))
		script(c)
	}))
	t.Cleanup(func() {
		web.Close()
		select {
		case <-connected:
			<-over
		default:
			t.Error("nobody connected")
		}
	})
	return "ws" + strings.TrimPrefix(web.URL, "http") + "/"
}

// echoAll sends back what comes, with its type, until the connection ends, and returns why it ended.
func echoAll(c *websocket.Conn) error {
	for {
		mt, p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		c.WriteMessage(mt, p)
	}
}

// say sends text messages.
func say(t *testing.T, c *websocket.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := c.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
			t.Errorf("send %.40q: %v", m, err)
			return
		}
	}
}

// wantGoodbye waits for the client's goodbye, and fails if a message or another end comes first.
func wantGoodbye(t *testing.T, c *websocket.Conn) {
	t.Helper()
	_, p, err := c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != websocket.CloseNormal {
		t.Errorf("message %.40q, error %v; want a Close with code 1000", p, err)
	}
}

// filter runs "hawser connect ARGS" in a pipe with input to read, and checks that it goes well: nothing but want on
// standard output, nothing on standard error, exit code 0.
func filter(t *testing.T, input, want string, args ...string) {
	t.Helper()
	code, stdout, stderr := pipe(t, input, args...)
	if code != exitOK || stdout != want || stderr != "" {
		t.Errorf("exit code %d, printed %.80q (%d bytes), said %q; want 0, %.80q (%d bytes), nothing",
			code, stdout, len(stdout), stderr, want, len(want))
	}
}

// pipe runs "hawser connect ARGS" in a pipe with input to read. Without a -w among them it waits for the server,
// however slow that is.
func pipe(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if !slices.Contains(args, "-w") {
		args = append([]string{"-w", "-1s"}, args...)
	}
	return hawserReads(t, input, append([]string{"connect"}, args...)...)
}

func TestConnectSendsLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10) // 64 KiB, the size of the buffer
	tests := []struct {
		rule, input string
		want        []string
	}{
		{"one", "one\n", []string{"one"}},
		{"several", "one\ntwo\nthree\n", []string{"one", "two", "three"}},
		{"the last without its end", "one\ntwo", []string{"one", "two"}},
		{"empty", "\n\n", []string{"", ""}},
		{"of Windows", "one\r\n\r\ntwo\r\n", []string{"one", "", "two"}},
		{"a carriage return inside", "o\rne\r\r\n", []string{"o\rne\r"}},
		{"spaces around", "  one \t\n", []string{"  one \t"}},
		{"zero bytes, and others a terminal would act on", "a\x00b\x1b[31m\n", []string{"a\x00b\x1b[31m"}},
		{"characters beyond ASCII", "grüße 漢字 🎉\n", []string{"grüße 漢字 🎉"}},
		{"64 KiB with its end", long[1:] + "\n", []string{long[1:]}},
		{"64 KiB", long + "\n", []string{long}},
		{"one byte more", long + "x\nnext\n", []string{long + "x", "next"}},
		{"the CRLF across the buffer's end", long[1:] + "\r\nnext\r\n", []string{long[1:], "next"}},
		{"1 MiB without its end", strings.Repeat(long, 16), []string{strings.Repeat(long, 16)}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			var got []string
			url := scripted(t, func(c *websocket.Conn) {
				for range tt.want {
					mt, p, err := c.ReadMessage()
					if err != nil || mt != websocket.TextMessage {
						t.Errorf("%v message, error %v; want a text message", mt, err)
						return
					}
					got = append(got, string(p))
				}
				say(t, c, "over")
				wantGoodbye(t, c)
			})
			filter(t, tt.input, "over\n", "-n", "1", url)
			if !slices.Equal(got, tt.want) {
				t.Errorf("the server got %.80q; want %.80q", got, tt.want)
			}
		})
	}
}

func TestConnectPrintsPayloadAndNewlineOnly(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "hello", "", "two\nlines", "\x1b[31mred\r\x00", strings.Repeat("x", 1<<20))
		for _, p := range []string{"\x00\xff\n\xfe", ""} {
			c.WriteMessage(websocket.BinaryMessage, []byte(p))
		}
		c.Close()
	})
	filter(t, "", "hello\n\ntwo\nlines\n\x1b[31mred\r\x00\n"+strings.Repeat("x", 1<<20)+"\n\x00\xff\n\xfe\n\n", url)
}

func TestConnectSendsMessagesInsteadOfStandardInput(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
	filter(t, "not this\n", "one\n\n--\ntwo words\n-n\n", // flags may stand behind the URL
		"-m", "one", "-m", "", "-m", "--", "-m", "two words", url, "-m", "-n", "-n", "5")
}

func TestConnectEndsAfterNMessages(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "1", "2", "3", "4", "5")
		wantGoodbye(t, c)
	})
	p := start(t, "connect", "-n", "3", url) // and its input does not end
	if code := p.wait(); code != exitOK || p.out.String() != "1\n2\n3\n" || p.err.String() != "" {
		t.Errorf("exit code %d, printed %q, said %q; want 0, the first three, nothing", code, p.out, p.err)
	}
}

// TestConnectWithoutTheMessagesItWaitsFor: whoever asks for N messages learns that they did not come.
func TestConnectWithoutTheMessagesItWaitsFor(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *websocket.Conn){
		"the server says no more": func(t *testing.T, c *websocket.Conn) { wantGoodbye(t, c) },
		"the server closes":       func(t *testing.T, c *websocket.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, "1")
				end(t, c)
			})
			code, stdout, stderr := pipe(t, "", "-n", "3", "-w", "3s", url)
			if code != exitUnmet || stdout != "1\n" || !strings.Contains(stderr, "2 of the messages that -n asks for did not") {
				t.Errorf("exit code %d, printed %q, said %q; want 4, the one, how many are missing", code, stdout, stderr)
			}
		})
	}
}

// TestConnectReadsOnAfterTheEndOfItsInput: the replies to the last lines are not lost.
func TestConnectReadsOnAfterTheEndOfItsInput(t *testing.T) {
	t.Parallel()
	t.Run("until the server closes", func(t *testing.T) {
		t.Parallel()
		url := scripted(t, func(c *websocket.Conn) {
			c.ReadMessage()
			<-time.After(pipeIdle + pipeIdle/2) // longer than without -w
			say(t, c, "late")
			c.Close()
		})
		filter(t, "question\n", "late\n", "-w", "-1s", url)
	})
	t.Run("until none has come for -w", func(t *testing.T) {
		t.Parallel()
		url := scripted(t, func(c *websocket.Conn) { wantGoodbye(t, c) })
		code, stdout, stderr := pipe(t, "", "-w", "1ms", url)
		if code != exitOK || stdout != "" || !strings.Contains(stderr, "no message came within 1ms") {
			t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
		}
	})
	t.Run("for a second without -w", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		url := scripted(t, func(c *websocket.Conn) { wantGoodbye(t, c) })
		code, stdout, stderr := hawser(t, "connect", url)
		if code != exitOK || stdout != "" || !strings.Contains(stderr, "within 1s") {
			t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
		}
		if took := time.Since(began); took < pipeIdle {
			t.Errorf("it left after %v; want %v", took, pipeIdle)
		}
	})
}

// TestConnectBeginsTheTimeAnew with each message.
func TestConnectBeginsTheTimeAnew(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	synctest.Test(t, func(t *testing.T) {
		std := streams{out: null, err: null}
		c := &client{connectFlags: new(connectFlags), std: std, screen: screen{std: std}, limit: time.Second}
		c.inputOver(nil)
		over := func() bool {
			select {
			case <-c.idleOver:
				return true
			default:
				return false
			}
		}
		for n := range 5 {
			time.Sleep(time.Second - 1)
			if over() {
				t.Fatalf("the time is over after %d messages", n)
			}
			c.arrived(arrival{t: websocket.TextMessage, p: []byte("tick")})
		}
		if time.Sleep(time.Second - 1); over() {
			t.Error("the time is over too early after the last message")
		}
		if time.Sleep(time.Nanosecond); !over() {
			t.Error("the time after the last message does not end")
		}
	})
}

// TestConnectCountsPartsAsLife: -w does not end a message that is still arriving.
func TestConnectCountsPartsAsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, conn := websocket.Pipe(nil)
		c := &client{connectFlags: new(connectFlags), limit: time.Second, started: time.Now()}
		arrivals := make(chan arrival)
		go c.receive(conn, arrivals)
		c.inputOver(nil)
		w, err := server.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		const part = 64 << 10
		for n := range 5 {
			time.Sleep(900 * time.Millisecond)
			if _, err := io.WriteString(w, strings.Repeat("x", part)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			select {
			case <-c.idleOver:
				if _, over := c.idled(); over {
					t.Fatalf("the time is over after %d parts", n)
				}
			default:
			}
		}
		go w.Close()
		if a := <-arrivals; a.err != nil || string(a.p) != strings.Repeat("x", 5*part) {
			t.Errorf("%d bytes came, error %v", len(a.p), a.err)
		}
		server.CloseNow()
		<-arrivals
	})
}

// TestConnectWaitsLongerForWhatItAskedFor: the default of -w.
func TestConnectWaitsLongerForWhatItAskedFor(t *testing.T) {
	in, out := osPipe(t)
	std := streams{in: in, out: out, err: out}
	for _, tt := range []struct {
		flags connectFlags
		want  time.Duration
	}{
		{connectFlags{}, pipeIdle},
		{connectFlags{count: 1}, askIdle},
		{connectFlags{expect: regexp.MustCompile("x")}, askIdle},
		{connectFlags{count: 1, wait: time.Minute}, time.Minute},
		{connectFlags{count: 1, wait: -1}, -1},
		{connectFlags{count: 1, timeout: time.Minute}, 0},
	} {
		c, err := newClient(&tt.flags, std, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.limit != tt.want {
			t.Errorf("-n %d, -w %v, --expect %v, --timeout %v: %v; want %v",
				tt.flags.count, tt.flags.wait, tt.flags.expect, tt.flags.timeout, c.limit, tt.want)
		}
	}
}

// TestConnectDoesNotCountTheTimeItsOutputTakes: messages that came while nobody took the output are not lost.
func TestConnectDoesNotCountTheTimeItsOutputTakes(t *testing.T) {
	t.Parallel()
	const messages, size = 3, 1 << 20
	url := scripted(t, func(c *websocket.Conn) {
		for range messages {
			say(t, c, strings.Repeat("x", size))
		}
		wantGoodbye(t, c)
	})
	r, w := osPipe(t)
	wait := startInto(t, w, "connect", "-w", "2s", url)
	for n := range messages {
		<-time.After(2500 * time.Millisecond)
		if got, err := io.CopyN(io.Discard, r, size+1); err != nil {
			t.Fatalf("%d messages and %d bytes came; want %d messages", n, got, messages)
		}
	}
	if code, stderr := wait(); code != exitOK || stderr != "" {
		t.Errorf("exit code %d, said %q; want 0, nothing", code, stderr)
	}
}

// osPipe returns a pipe that is closed with the test.
func osPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// fullDisk returns a file that takes nothing, or nil if this system has none. Whoever gets it closes it.
func fullDisk(t *testing.T) *os.File {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// startInto starts "hawser ARGS" with out itself, not a pipe to the test, as standard output, and nothing to read; it
// closes out. wait waits for the end.
func startInto(t *testing.T, out *os.File, args ...string) (wait func() (code int, stderr string)) {
	t.Helper()
	cmd := command(t, args...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	return func() (int, string) {
		t.Helper()
		return waitCommand(t, cmd), stderr.String()
	}
}

// waitCommand waits for the end of a process that start did not start, and returns its exit code.
func waitCommand(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	hurry := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer hurry.Stop()
	return exitCode(t, cmd)
}

// exitCode waits for the end of a process, however long that takes, and returns its exit code.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestConnectEndsWhenNobodyReadsItsOutput(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, "nobody sees this")
		wantGoodbye(t, c)
	})
	r, w := osPipe(t)
	r.Close()
	if code, stderr := startInto(t, w, "connect", "-w", "-1s", url)(); code != exitOK || stderr != "" {
		t.Errorf("exit code %d, said %q; want 0, nothing: whoever read has seen enough", code, stderr)
	}
}

// TestConnectWaitsForNobodyWhenNobodyReads: not for a server either that does not answer the Close, while more is sent.
func TestConnectWaitsForNobodyWhenNobodyReads(t *testing.T) {
	for _, rule := range []string{"quiet", "sending"} {
		over := make(chan struct{})
		url := scripted(t, func(c *websocket.Conn) {
			say(t, c, "nobody sees this")
			<-over
		})
		r, w := osPipe(t)
		r.Close()
		cmd := command(t, "connect", url)
		said := newOutput()
		in, lines := osPipe(t)
		if rule == "sending" {
			go func() {
				for { // until the pipe is closed, with the test
					if _, err := io.WriteString(lines, strings.Repeat("y\n", 1000)); err != nil {
						return
					}
				}
			}()
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, w, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if code := waitCommand(t, cmd); code != exitOK || said.String() != "" {
			t.Errorf("%s: exit code %d, said %q; want 0, nothing", rule, code, said)
		}
		close(over)
	}
}

// TestConnectIsBriefWhenNobodyReads: the server has half a second for its Close then, not 5.
func TestConnectIsBriefWhenNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, conn := websocket.Pipe(nil) // and nobody reads from server
		defer server.CloseNow()
		c := &client{connectFlags: new(connectFlags), conn: conn, started: time.Now()}
		if code, over := c.outputFailed(syscall.EPIPE); code != exitOK || !over {
			t.Errorf("exit code %d, over %v", code, over)
		}
		if took := time.Since(c.started); took != noticeTime {
			t.Errorf("it took %v; want %v", took, noticeTime)
		}
	})
}

// TestConnectExitCodes: 0 after a normal close, 1 after any other end. What came before is printed.
func TestConnectExitCodes(t *testing.T) {
	closeWith := func(code websocket.CloseCode, reason string) func(*websocket.Conn) {
		return func(c *websocket.Conn) { c.CloseWith(code, reason) }
	}
	raw := func(frame string) func(*websocket.Conn) {
		return func(c *websocket.Conn) {
			io.WriteString(c.NetConn(), frame)
			io.Copy(io.Discard, c.NetConn())
		}
	}
	tests := []struct {
		rule string
		end  func(*websocket.Conn)
		code int
		says string // a regular expression
	}{
		{"normal", closeWith(websocket.CloseNormal, "bye"), exitOK, `^$`},
		{"without a code", closeWith(websocket.CloseNoStatus, ""), exitOK, `^$`},
		{"going away", closeWith(websocket.CloseGoingAway, "bye"), exitFailed, `1001 .*"bye"\n$`},
		{"internal error", closeWith(websocket.CloseInternalError, ""), exitFailed, `code 1011`},
		{"restart", closeWith(websocket.CloseServiceRestart, ""), exitFailed, `code 1012`},
		{"a code of the application", closeWith(4000, ""), exitFailed, `4000`},
		{"a reason that would act on a terminal", closeWith(4000, "\x1b[31m\u202e\r"), exitFailed, `"\\x1b\[31m\\u202e\\r"`},
		{"lost", func(c *websocket.Conn) { c.CloseNow() }, exitFailed, `lost`},
		{"a frame that breaks the rules", raw("\xf1\x00"), exitFailed, `1002`},
		{"text that is not UTF-8", raw("\x81\x01\xff"), exitFailed, `1007`},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, "hello")
				tt.end(c)
			})
			p := start(t, "connect", url) // and its input does not end
			code := p.wait()
			if code != tt.code || p.out.String() != "hello\n" || !regexp.MustCompile(tt.says).MatchString(p.err.String()) {
				t.Errorf("exit code %d, printed %q, said %q; want %d, hello, %q", code, p.out, p.err, tt.code, tt.says)
			}
		})
	}
}

// TestConnectLetsTheServerEndItWhileItSends: whether the end is noticed by who sends or who receives makes no
// difference.
func TestConnectLetsTheServerEndItWhileItSends(t *testing.T) {
	for range 10 {
		url := scripted(t, func(c *websocket.Conn) {
			if _, _, err := c.ReadMessage(); err != nil {
				t.Error(err)
			}
			c.Close()
		})
		p := start(t, "connect", url)
		go func() {
			for {
				if _, err := io.WriteString(p.stdin, strings.Repeat("x\n", 1000)); err != nil {
					return
				}
			}
		}()
		if code := p.wait(); code != exitOK || p.err.String() != "" {
			t.Fatalf("exit code %d, said %q; want 0, nothing", code, p.err)
		}
	}
}

// TestConnectLineThatCannotBeSent: the others are sent, and the exit code says that one was not.
func TestConnectLineThatCannotBeSent(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { echoAll(c) })
	code, stdout, stderr := pipe(t, "one\n\xff\nthree\n", "-n", "2", url)
	if code != exitFailed || stdout != "one\nthree\n" ||
		stderr != "hawser connect: standard input, line 2 was not sent: a text message has to be UTF-8; -b sends bytes\n" {
		t.Errorf("exit code %d, printed %q, said %q; want 1, the answers to lines 1 and 3, what is wrong with line 2",
			code, stdout, stderr)
	}
}

func TestConnectUsage(t *testing.T) {
	for _, tt := range []struct {
		rule string
		args []string
		says string
	}{
		{"no URL", nil, "the URL is missing"},
		{"no URL, with flags", []string{"-n", "1"}, "the URL is missing"},
		{"two URLs", []string{"ws://127.0.0.1:1/", "ws://127.0.0.1:2/"}, `unexpected argument "ws://127.0.0.1:2/"`},
		{"an unknown flag", []string{"-x", "ws://127.0.0.1:1/"}, "-x"},
		{"a flag without its value", []string{"ws://127.0.0.1:1/", "-m"}, "-m"},
		{"-n that is no number", []string{"-n", "x", "ws://127.0.0.1:1/"}, `"x"`},
		{"-n below zero", []string{"-n", "-1", "ws://127.0.0.1:1/"}, "negative"},
		{"-w that is no duration", []string{"-w", "1", "ws://127.0.0.1:1/"}, `"1"`},
		{"-m that is last, behind --", []string{"ws://127.0.0.1:1/", "-m", "--", "--", "-m"}, `unexpected argument "-m"`},
		{"-m that is no text", []string{"-m", "\xff", "ws://127.0.0.1:1/"}, "UTF-8"},
		{"a URL of another scheme", []string{"ftp://127.0.0.1:1/"}, "ftp"},
		{"a URL without a scheme", []string{"127.0.0.1:1"}, "has no scheme"},
		{"a URL without a host", []string{"ws:///x"}, "host"},
		{"a URL with a fragment", []string{"ws://127.0.0.1:1/#x"}, "fragment"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, stdout, stderr := pipe(t, "", tt.args...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.says) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, tt.says)
			}
		})
	}
}

// TestConnectThatCannot: exit code 3 if there was no connection or the handshake failed.
func TestConnectThatCannot(t *testing.T) {
	for _, tt := range []struct {
		rule string
		says string
		on   func(w http.ResponseWriter, r *http.Request) // nil: nobody listens
	}{
		{"nobody listens", "refused", nil},
		{"not a WebSocket server", "404", http.NotFound},
		{"a body that would act on a terminal", `"\x1b[31mno`, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "\x1b[31mno")
		}},
		{"closed without an answer", "EOF", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, stdout, stderr := pipe(t, "hello\n", serveHandler(t, tt.on))
			if code != exitConnect || stdout != "" || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, "\x1b") {
				t.Errorf("exit code %d, printed %q, said %q; want 3, nothing, %q", code, stdout, stderr, tt.says)
			}
		})
	}
}

// serveHandler returns the URL of a server with handler, or of none if it is nil.
func serveHandler(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	web := httptest.NewServer(handler)
	if handler == nil {
		web.Close()
	} else {
		t.Cleanup(web.Close)
	}
	return "ws" + strings.TrimPrefix(web.URL, "http") + "/"
}

// TestConnectAwaitsTheAnswerToItsGoodbye: the client does not end the TCP connection, and what still comes is no
// concern of anybody.
func TestConnectAwaitsTheAnswerToItsGoodbye(t *testing.T) {
	for _, tt := range []struct {
		rule, answer string
		code         int
	}{
		{"answered", "\x88\x02\x03\xe8", exitOK},
		{"answered after a message", "\x81\x04late\x88\x02\x03\xe8", exitOK},
		{"not answered", "", exitFailed},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, "hello")
				closeFrame := make([]byte, 8) // header, mask key, code
				if _, err := io.ReadFull(c.NetConn(), closeFrame); err != nil || closeFrame[0] != 0x88 {
					t.Errorf("got %x, error %v; want a Close", closeFrame, err)
				}
				c.NetConn().SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				var timeout net.Error
				n, err := c.NetConn().Read(closeFrame)
				if !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("%d bytes more, error %v; want the client to wait", n, err)
				}
				io.WriteString(c.NetConn(), tt.answer)
			})
			code, stdout, stderr := pipe(t, "", "-n", "1", url)
			if code != tt.code || stdout != "hello\n" || (stderr == "") != (code == exitOK) {
				t.Errorf("exit code %d, printed %q, said %q; want %d, hello", code, stdout, stderr, tt.code)
			}
		})
	}
}

func TestConnectSaysGoodbyeWhenItIsToldToStop(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, "ready")
				wantGoodbye(t, c)
			})
			p := start(t, "connect", url)
			prints(t, p, "^ready\n$")
			p.signal(s)
			if code := p.wait(); code != exitOK || p.err.String() != "" {
				t.Errorf("exit code %d, said %q; want 0, nothing", code, p.err)
			}
		})
	}
}

// TestConnectCanBeStoppedWhileItsOutputIsStuck: a second signal ends it at once.
func TestConnectCanBeStoppedWhileItsOutputIsStuck(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, strings.Repeat("x", 1<<20)) // more than the pipe takes
		io.Copy(io.Discard, c.NetConn())      // it gets no answer to its Close
	})
	r, w := osPipe(t)
	cmd := command(t, "connect", url)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil { // it has begun to write
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		for { // when a signal has been taken nobody can see, but any number of them has to do
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				cmd.Process.Signal(os.Interrupt)
			}
		}
	}()
	code := waitCommand(t, cmd)
	close(over)
	if code != -1 || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("%v; want an end by the signal", cmd.ProcessState)
	}
}

func TestEscapeMessage(t *testing.T) {
	for _, tt := range []struct {
		rule, text, want string
	}{
		{"plain", "hello", "hello"},
		{"empty", "", ""},
		{"line breaks and tabs stay", "a\n\tb", "a\n\tb"},
		{"characters beyond ASCII stay", "grüße 漢字 🎉", "grüße 漢字 🎉"},
		{"a backslash stays", `C:\x1b`, `C:\x1b`},
		{"quotes stay", `"'`, `"'`},
		{"colours", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"carriage return, bell, backspace, delete", "\r\a\b\x7f", `\r\a\b\x7f`},
		{"zero", "a\x00b", `a\x00b`},
		{"the controls above ASCII", "\u009b31m\u0085", `\u009b31m\u0085`},
		{"turned around", "\u202egpj.exe", `\u202egpj.exe`},
		{"invisible", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"a family stays", "\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"},
		{"a heart on fire stays", "\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"},
		{"Persian stays", "\u0645\u06cc\u200c\u0631", "\u0645\u06cc\u200c\u0631"},
		{"Hindi stays", "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"},
		{"what joins nothing", "\u200d\u0915\u200d \u200c\n", `\u200d` + "\u0915" + `\u200d \u200c` + "\n"},
		{"what joins ASCII", "a\u200db\u200cé", `a\u200db\u200cé`},
		{"joiners in a row", "é\u200d\u200dé", `é\u200d\u200dé`},
		{"turned around beyond ASCII", "é\u202e\u2066\u200fé", `é\u202e\u2066\u200fé`},
		{"joined to what is no UTF-8", "é\u200d\xff\u200dé", `é\u200d\xff\u200dé`},
		{"invisible, beyond 16 bits", "\U000e0041", `\U000e0041`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := escapeMessage(websocket.TextMessage, []byte(tt.text)); string(got) != tt.want+"\n" {
				t.Errorf("%q; want %q and a newline", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ payload, want string }{
		{"", "binary, 0 bytes: \n"},
		{"\x00\x1b\xff", "binary, 3 bytes: 001bff\n"},
		{strings.Repeat("\xaa", 64), "binary, 64 bytes: " + strings.Repeat("aa", 64) + "\n"},
		{strings.Repeat("\xaa", 65), "binary, 65 bytes: " + strings.Repeat("aa", 64) + "…\n"},
	} {
		if got := escapeMessage(websocket.BinaryMessage, []byte(tt.payload)); string(got) != tt.want {
			t.Errorf("%d binary bytes are %q; want %q", len(tt.payload), got, tt.want)
		}
	}
}

// panicAtThePrompt opens a prompt and panics in another goroutine.
func panicAtThePrompt() {
	c := &client{std: streams{os.Stdin, os.Stdout, os.Stderr}}
	c.screen.std = c.std
	if err := c.screen.open(); err != nil {
		os.Exit(exitFailed)
	}
	c.screen.goroutine(func() { panic("on purpose") })
	select {}
}
