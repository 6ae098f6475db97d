package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
)

// The tests of this file are about what is waited for, and for how long: --expect, --timeout, -i, --reconnect; and
// about much that passes through.

// TestConnectExpects: exit code 0 as soon as a message matches, 4 if none does.
func TestConnectExpects(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		server func(*websocket.Conn)
		args   []string
		stdout string
		code   int
		says   string
	}{
		{"it comes", nil, []string{"--expect", "^o.k$"}, "no\nnok\no k\n", exitOK, ""},
		{"in a binary message", func(c *websocket.Conn) { c.WriteMessage(websocket.BinaryMessage, []byte("\x00o k")) },
			[]string{"--expect", "o.k"}, "no\nnok\n\x00o k\n", exitOK, ""},
		{"the server closes", func(c *websocket.Conn) { c.Close() },
			[]string{"--expect", "never"}, "no\nnok\n", exitUnmet, `--expect "never"`},
		{"the server is lost", func(c *websocket.Conn) { c.CloseNow() },
			[]string{"--expect", "never"}, "no\nnok\n", exitFailed, `lost`},
		{"none comes any more", nil,
			[]string{"--expect", "never", "-w", "3s"}, "no\nnok\no k\n", exitUnmet, `--expect "never"`},
		{"in time", nil,
			[]string{"--expect", "never", "--timeout", "3s"}, "no\nnok\no k\n", exitUnmet, `--expect "never"`},
		{"it comes before -n", nil, []string{"--expect", "o k", "-n", "5"}, "no\nnok\no k\n", exitOK, ""},
		{"-n comes first", nil, []string{"--expect", "o k", "-n", "2"}, "no\nnok\n", exitUnmet, `--expect "o k"`},
		{"--timeout and -n", nil,
			[]string{"--timeout", "3s", "-n", "4"}, "no\nnok\no k\n", exitUnmet, `1 of the messages`},
		{"--timeout alone", nil, []string{"--timeout", "3s"}, "no\nnok\no k\n", exitOK, ``},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, "no", "nok")
				if tt.server != nil {
					tt.server(c)
				} else {
					say(t, c, "o k")
				}
				c.ReadMessage()
			})
			p := start(t, append(append([]string{"connect"}, tt.args...), url)...)
			if strings.Contains(strings.Join(tt.args, " "), "-w") {
				p.stdin.Close()
			}
			if code := p.wait(); code != tt.code || p.out.String() != tt.stdout || !strings.Contains(p.err.String(), tt.says) {
				t.Errorf("exit code %d, printed %q, said %q; want %d, %q, %q", code, p.out, p.err, tt.code, tt.stdout, tt.says)
			}
		})
	}
}

// TestConnectGoodbyeThatIsNotAnswered: what was asked for decides all the same, and --timeout ends that too.
func TestConnectGoodbyeThatIsNotAnswered(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"--expect", "pong", "--timeout", "3s"}, exitOK},
		{[]string{"--expect", "never", "--timeout", "3s"}, exitUnmet},
		{[]string{"-n", "2", "--timeout", "3s"}, exitUnmet},
		{[]string{"--timeout", "3s"}, exitFailed},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			url := scripted(t, func(c *websocket.Conn) { say(t, c, "pong"); <-over })
			p := start(t, append(append([]string{"connect"}, tt.args...), url)...)
			const says = "the server had not finished the closing handshake when the time of --timeout was over\n"
			if code := p.wait(); code != tt.code || p.out.String() != "pong\n" || !strings.Contains(p.err.String(), says) {
				t.Errorf("exit code %d, printed %q, said %q; want %d, %q", code, p.out, p.err, tt.code, says)
			}
			close(over)
		})
	}
}

// TestConnectEndsBetweenConnections: there was one, which is lost. What was asked for and did not come decides.
func TestConnectEndsBetweenConnections(t *testing.T) {
	for _, tt := range []struct {
		how, asks string
		code      int
	}{
		{"--reconnect", "--reconnect", exitFailed},
		{"--timeout=3s", "--reconnect", exitFailed},
		{"--timeout=3s", "-n=2", exitUnmet},
		{"--timeout=3s", "--expect=never", exitUnmet},
		{"-w=3s", "--reconnect", exitFailed},
	} {
		how := tt.how
		t.Run(how+" "+tt.asks, func(t *testing.T) {
			t.Parallel()
			url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
				if number > 1 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				c := mustUpgrade(t, w, r)
				say(t, c, "hello")
				c.ReadMessage()
				c.CloseNow()
			})
			p := start(t, "connect", "--reconnect", how, tt.asks, url)
			io.WriteString(p.stdin, "line\n")
			if how == "-w=3s" {
				p.stdin.Close()
			}
			p.says(`lost.*; next try in`)
			if how == "--reconnect" {
				p.signal(os.Interrupt)
			}
			if code := p.wait(); code != tt.code || p.out.String() != "hello\n" ||
				strings.Contains(p.err.String(), "before there was a connection") ||
				strings.Contains(p.err.String(), "no connection within") {
				t.Errorf("exit code %d, printed %q, said %q; want %d, hello, nothing untrue", code, p.out, p.err, tt.code)
			}
			const says = "3s were over (--timeout) while there was no connection"
			if strings.Contains(p.err.String(), says) != (how == "--timeout=3s") {
				t.Errorf("said %q; want of --timeout: %s", p.err, says)
			}
		})
	}
}

// TestConnectWaitsForWhoReads: only the end of the connection ends that.
func TestConnectWaitsForWhoReads(t *testing.T) {
	d, err := new(connectFlags).dialer()
	if err != nil || d.WriteTimeout >= 0 {
		t.Errorf("WriteTimeout %v, %v", d.WriteTimeout, err)
	}
}

// TestConnectEndsWhileItsOutputIsStuck: one signal, or --timeout, is enough, and the server gets its goodbye.
func TestConnectEndsWhileItsOutputIsStuck(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	for _, flags := range [][]string{{"-v"}, {"--timeout", "3s"}} {
		t.Run(flags[0], func(t *testing.T) {
			t.Parallel()
			url := scripted(t, func(c *websocket.Conn) {
				say(t, c, strings.Repeat("x", 1<<20)) // more than the pipe takes
				wantGoodbye(t, c)
			})
			r, w := osPipe(t)
			cmd := command(t, append(append([]string{"connect"}, flags...), url)...)
			said := newOutput()
			stdin, _ := osPipe(t) // without an end
			cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, w, said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(make([]byte, 1)); err != nil { // it has begun to write
				t.Fatal(err)
			}
			if flags[0] == "-v" {
				cmd.Process.Signal(os.Interrupt)
			}
			if code := waitCommand(t, cmd); code != exitFailed || !strings.Contains(said.String(), "standard output: nobody") {
				t.Errorf("exit code %d, said %q", code, said)
			}
		})
	}
}

// TestConnectReadLimit: --read-limit says how long a message may be.
func TestConnectReadLimit(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) { say(t, c, "12345", "123456"); c.ReadMessage() })
	code, stdout, stderr := pipe(t, "", "--read-limit", "5", "-w", "-1s", url)
	if code != exitFailed || stdout != "12345\n" || !strings.Contains(stderr, "5") {
		t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
	}
	code, _, stderr = pipe(t, "", "--read-limit", "0", url)
	if code != exitUsage || !strings.Contains(stderr, "--read-limit 0") {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
}

// silentServer accepts connections and says nothing.
func silentServer(t *testing.T) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return "ws://" + ln.Addr().String() + "/"
}

// TestConnectTimeoutBoundsConnecting too: exit code 3.
func TestConnectTimeoutBoundsConnecting(t *testing.T) {
	for _, flags := range [][]string{nil, {"--reconnect"}} {
		code, stdout, stderr := pipe(t, "", append(flags, "--timeout", "100ms", silentServer(t))...)
		if code != exitConnect || stdout != "" || !strings.Contains(stderr, "no connection within 100ms (--timeout)") {
			t.Errorf("%v: exit code %d, printed %q, said %q", flags, code, stdout, stderr)
		}
	}
	code, stdout, _ := pipe(t, "", "--json", "--timeout", "100ms", silentServer(t))
	if code != exitConnect || !strings.Contains(stdout, `"event":"error","error":"no connection within 100ms (--timeout)"`) {
		t.Errorf("--json: exit code %d, printed %q", code, stdout)
	}
}

// TestConnectSendsPings: -i says how long each Pong took.
func TestConnectSendsPings(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		c.SetReadDeadline(time.Time{})
		go func() {
			for c.Stats().PingsIn < 3 {
				time.Sleep(time.Millisecond)
			}
			say(t, c, "enough")
		}()
		wantGoodbye(t, c)
	})
	code, stdout, stderr := pipe(t, "", "-i", "10ms", "-n", "1", "-w", "-1s", url)
	pongs := regexp.MustCompile(`(?m)^\* pong after [0-9.]+[mµ]s$`).FindAllString(stderr, -1)
	if code != exitOK || stdout != "enough\n" || len(pongs) < 2 {
		t.Errorf("exit code %d, printed %q, said %q; want 0, enough, two Pongs or more", code, stdout, stderr)
	}
}

// TestConnectKeepalive: three times -i, at least 5 s; with --reconnect 60 s at most.
func TestConnectKeepalive(t *testing.T) {
	for _, tt := range []struct {
		interval  time.Duration
		reconnect bool
		want      time.Duration
	}{
		{0, false, 0},
		{0, true, time.Minute},
		{time.Millisecond, false, 5 * time.Second},
		{10 * time.Second, false, 30 * time.Second},
		{10 * time.Second, true, 30 * time.Second},
		{time.Hour, false, 3 * time.Hour},
		{time.Hour, true, time.Minute},
		{math.MaxInt64, false, math.MaxInt64 - 1},
	} {
		k := (&connectFlags{pingInterval: tt.interval, reconnect: tt.reconnect}).keepalive()
		if k.Interval+k.Timeout != tt.want || k.Interval < 0 {
			t.Errorf("-i %v, --reconnect %v: %v; want %v in all", tt.interval, tt.reconnect, k, tt.want)
		}
	}
}

// TestConnectNoticesADeadPeer with -i: it is lost, or connected to again.
func TestConnectNoticesADeadPeer(t *testing.T) {
	const says = "no Pong for 5s, nor anything else: the connection is taken as lost"
	t.Run("ends", func(t *testing.T) {
		t.Parallel()
		over := make(chan struct{})
		url := scripted(t, func(c *websocket.Conn) { <-over })
		p := start(t, "connect", "-i", "1s", url)
		if code := p.wait(); code != exitFailed || !strings.Contains(p.err.String(), "hawser connect: "+says+"\n") {
			t.Errorf("exit code %d, said %q; want 1, %q", code, p.err, says)
		}
		close(over)
	})
	t.Run("reconnects", func(t *testing.T) {
		t.Parallel()
		over := make(chan struct{})
		url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
			c := mustUpgrade(t, w, r)
			defer c.CloseNow()
			if number == 1 {
				<-over
				return
			}
			c.Close()
		})
		p := start(t, "connect", "--reconnect", "-i", "1s", url)
		if code := p.wait(); code != exitOK || !strings.Contains(p.err.String(), "hawser connect: "+says+"; next try in ") {
			t.Errorf("exit code %d, said %q; want 0, %q", code, p.err, says)
		}
		close(over)
	})
}

// serveMany serves any number of connections, each with what serve does with its number, from 1 on.
func serveMany(t *testing.T, serve func(number int, w http.ResponseWriter, r *http.Request)) (url string) {
	t.Helper()
	var connections atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(int(connections.Add(1)), w, r)
	}))
	t.Cleanup(web.Close)
	return "ws" + strings.TrimPrefix(web.URL, "http") + "/"
}

// mustUpgrade upgrades or fails the test.
func mustUpgrade(t *testing.T, w http.ResponseWriter, r *http.Request) *websocket.Conn {
	c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		t.Error(err)
		panic(http.ErrAbortHandler)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// TestConnectReconnects: after a connection that is lost, or ends with another code than 1000, and after an answer that
// may be better next time. -m is sent again, and lines go on over the next connection.
func TestConnectReconnects(t *testing.T) {
	t.Parallel()
	t.Run("with messages", func(t *testing.T) {
		t.Parallel()
		url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
			if number == 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			c := mustUpgrade(t, w, r)
			defer c.CloseNow()
			if _, p, err := c.ReadMessage(); string(p) != "subscribe" {
				t.Errorf("connection %d: %q, %v; want subscribe", number, p, err)
			}
			say(t, c, fmt.Sprint("connection ", number))
			switch number {
			case 1: // and cut
			case 3:
				c.CloseWith(websocket.CloseServiceRestart, "")
			default:
				c.Close()
			}
		})
		p := start(t, "connect", "--reconnect", "-w", "-1s", "-m", "subscribe", url)
		if code := p.wait(); code != exitOK || p.out.String() != "connection 1\nconnection 3\nconnection 4\n" {
			t.Errorf("exit code %d, printed %q, said %q; want 0, three connections", code, p.out, p.err)
		}
		for _, says := range []string{`lost.*; next try in \d+`, `503.*; next try in`, `1012.*; next try in`,
			`(?m)^\* the peer closed the connection with code 1000 .*, which ends --reconnect$`} {
			if !regexp.MustCompile(says).MatchString(p.err.String()) {
				t.Errorf("said %q; want %q", p.err, says)
			}
		}
	})
	t.Run("with lines", func(t *testing.T) {
		t.Parallel()
		url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
			c := mustUpgrade(t, w, r)
			defer c.CloseNow()
			say(t, c, fmt.Sprint("connection ", number))
			if number == 2 {
				return // cut, and no line was sent over it
			}
			_, p, err := c.ReadMessage()
			if want := fmt.Sprint("line ", number); string(p) != want {
				t.Errorf("connection %d: %q, %v; want %q", number, p, err, want)
			}
			if number == 3 {
				c.Close()
			}
		})
		p := start(t, "connect", "--reconnect", url)
		prints(t, p, "^connection 1\n$")
		io.WriteString(p.stdin, "line 1\n")
		prints(t, p, "^connection 1\nconnection 2\nconnection 3\n$")
		io.WriteString(p.stdin, "line 3\n")
		if code := p.wait(); code != exitOK {
			t.Errorf("exit code %d, said %q; want 0", code, p.err)
		}
		const says = "next try in [^\n]*\n" +
			"hawser connect: what was sent just before may not have arrived, and is not sent again\n"
		if !regexp.MustCompile(says).MatchString(p.err.String()) || strings.Count(p.err.String(), "may not have") != 1 {
			t.Errorf("said %q; want once %q: of the line that was sent", p.err, says)
		}
	})
	t.Run("with lines that do not wait", func(t *testing.T) {
		t.Parallel()
		url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
			c := mustUpgrade(t, w, r)
			defer c.CloseNow()
			if _, p, err := c.ReadMessage(); string(p) != "x" {
				t.Errorf("connection %d: %q, %v; want a line", number, p, err)
			}
			if number == 2 {
				c.Close()
			}
		})
		p := start(t, "connect", "--reconnect", url)
		go func() {
			for {
				if _, err := io.WriteString(p.stdin, strings.Repeat("x\n", 1000)); err != nil {
					return
				}
			}
		}()
		if code := p.wait(); code != exitOK {
			t.Errorf("exit code %d, said %q; want 0", code, p.err)
		}
	})
	t.Run("not after a refusal", func(t *testing.T) {
		t.Parallel()
		url := serveMany(t, func(number int, w http.ResponseWriter, r *http.Request) {
			if number > 1 {
				t.Error("it came again")
			}
			w.WriteHeader(http.StatusForbidden)
		})
		if code, _, stderr := pipe(t, "", "--reconnect", url); code != exitConnect || strings.Contains(stderr, "next try") {
			t.Errorf("exit code %d, said %q; want 3", code, stderr)
		}
	})
	t.Run("until it is told to stop", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			return // there is no signal to send
		}
		t.Parallel()
		p := start(t, "connect", "--reconnect", serveHandler(t, nil))
		p.says(`refused.*; next try in`)
		p.signal(os.Interrupt)
		if code := p.wait(); code != exitConnect {
			t.Errorf("exit code %d; want 3: there is no connection", code)
		}
	})
}

// TestHintedTime: a server that says when to come back is asked then.
func TestHintedTime(t *testing.T) {
	for reason, want := range map[string]time.Duration{
		"the server restarts; retry=1550": 1550 * time.Millisecond,
		"retry=0":                         0,
		"retry=999999":                    lastRetry,
		"retry=1550 or so":                0,
		"retry=-5":                        0,
		"retry=12345678":                  0,
		"":                                0,
	} {
		err := fmt.Errorf("lost: %w", &websocket.CloseError{Code: websocket.CloseServiceRestart, Reason: reason})
		if got := hintedTime(err); got != want {
			t.Errorf("%q: %v, want %v", reason, got, want)
		}
	}
	if got := hintedTime(io.ErrUnexpectedEOF); got != 0 {
		t.Errorf("no Close: %v", got)
	}
}

// TestRefusalText: what the server says is wrong is read, not its JSON.
func TestRefusalText(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"subscribing to \"a\" is not allowed\u001b[2J"}`: `status 403: subscribing to "a" is not allowed\x1b[2J`,
		`{"error":""}`: `status 403; the body begins "{\"error\":\"\"}"`,
		`forbidden`:    `status 403; the body begins "forbidden"`,
	} {
		err := &websocket.HandshakeError{Check: "status", Status: 403, Reason: "status 403", Body: []byte(body)}
		if got := refusalText(err); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestRetryTime: it grows, up to a limit, and half of it is random.
func TestRetryTime(t *testing.T) {
	least := func(int64) int64 { return 0 }
	most := func(n int64) int64 { return n - 1 }
	for tries, want := range []time.Duration{500e6, 1e9, 2e9, 4e9, 8e9, 16e9, 30e9, 30e9} {
		if low, high := retryTime(tries, least), retryTime(tries, most); low != want/2 || high != want-1 {
			t.Errorf("after %d: from %v to %v; want %v to %v", tries, low, high, want/2, want)
		}
	}
	if got := retryTime(1000, most); got != lastRetry-1 {
		t.Errorf("after 1000: %v", got)
	}
}

// passThrough passes input through "hawser connect ARGS URL" to an echo, which closes when all of it has come back, and
// wants the same bytes back.
func passThrough(t *testing.T, size int64, input io.Reader, newline int64, args ...string) {
	t.Helper()
	url := scripted(t, func(c *websocket.Conn) {
		c.SetReadDeadline(time.Time{})
		var got int64
		for got < size {
			mt, p, err := c.ReadMessage()
			if err != nil {
				t.Errorf("after %d bytes: %v", got, err)
				return
			}
			got += int64(len(p)) + newline
			if err := c.WriteMessage(mt, p); err != nil {
				t.Errorf("after %d bytes: %v", got, err)
				return
			}
		}
		c.Close()
	})
	cmd := command(t, append(append([]string{"connect"}, args...), url)...)
	sent, came := sha256.New(), sha256.New()
	var said bytes.Buffer
	hurry := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer hurry.Stop()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.TeeReader(input, sent), livelyWriter{came, hurry}, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != exitOK || said.Len() > 0 {
		t.Errorf("exit code %d, said %q", code, &said)
	}
	if !bytes.Equal(sent.Sum(nil), came.Sum(nil)) {
		t.Error("what came back is not what was sent")
	}
}

// A livelyWriter is a Writer that gives a process new time with everything that comes from it.
type livelyWriter struct {
	io.Writer
	hurry *time.Timer
}

func (p livelyWriter) Write(b []byte) (int, error) {
	p.hurry.Reset(patience)
	return p.Writer.Write(b)
}

// TestConnectPasses100MB, byte by byte the same.
func TestConnectPasses100MB(t *testing.T) {
	const size = 100 << 20
	random := rand.NewChaCha8([32]byte{1})
	t.Run("binary", func(t *testing.T) {
		passThrough(t, size, io.LimitReader(random, size), 0, "-b")
	})
	t.Run("lines", func(t *testing.T) {
		r, w := io.Pipe()
		go func() { // lines of 1 to 4096 bytes, of characters of all lengths
			out := bufio.NewWriter(w)
			text := strings.Repeat("grüße 漢字 👋\t", 256)
			rest := size
			lengths := rand.New(random)
			for rest > 0 {
				n := min(lengths.IntN(4096)+1, rest)
				for n < len(text) && n < rest && text[n]&0xC0 == 0x80 {
					n++
				}
				n = min(n, rest)
				line := strings.ToValidUTF8(text[:n-1], "")
				out.WriteString(line + strings.Repeat(".", n-1-len(line)) + "\n")
				rest -= n
			}
			out.Flush()
			w.Close()
		}()
		passThrough(t, size, r, 1)
	})
}

// TestConnectWithoutStandardError: that nobody reads what it says changes nothing.
func TestConnectWithoutStandardError(t *testing.T) {
	url := serveHandler(t, echoAsked(nil))
	r, w := osPipe(t)
	r.Close()
	cmd := command(t, "connect", "-v", "-m", "hello", "-n", "1", "-w", "-1s", url)
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if code := waitCommand(t, cmd); code != exitOK || stdout.String() != "hello\n" {
		t.Errorf("exit code %d, printed %q", code, &stdout)
	}
}

// TestConnectCanBeStoppedAnywhere, by one signal.
func TestConnectCanBeStoppedAnywhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	t.Run("while it connects", func(t *testing.T) {
		p := start(t, "connect", "-v", silentServer(t))
		p.says(`connected to tcp`)
		p.signal(os.Interrupt)
		if code := p.wait(); code != exitConnect {
			t.Errorf("exit code %d; want 3", code)
		}
	})
	t.Run("after the end of its input", func(t *testing.T) {
		url := scripted(t, func(c *websocket.Conn) { say(t, c, "ready"); wantGoodbye(t, c) })
		p := start(t, "connect", "-w", "-1s", url)
		p.stdin.Close()
		prints(t, p, "ready")
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != exitOK {
			t.Errorf("exit code %d; want 0", code)
		}
	})
	t.Run("while the server takes nothing", func(t *testing.T) {
		over := make(chan struct{})
		url := scripted(t, func(c *websocket.Conn) { say(t, c, "ready"); <-over })
		p := start(t, "connect", "-b", url)
		prints(t, p, "ready")
		go io.Copy(p.stdin, rand.NewChaCha8([32]byte{2})) // until the pipe is closed
		time.Sleep(200 * time.Millisecond)
		p.signal(os.Interrupt)
		if code := p.wait(); code != exitFailed { // the Close cannot leave
			t.Errorf("exit code %d, said %q; want 1", code, p.err)
		}
		close(over)
	})
}
