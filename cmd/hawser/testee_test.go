package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// A fuzzer is a fuzzing server with a script: it answers the three paths that a testee visits, and each case is a
// function that gets its connection and says what the testee did wrong.
type fuzzer struct {
	t        *testing.T
	url      string
	upgrader websocket.Upgrader
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	count   func(c *websocket.Conn) error
	cases   []func(c *websocket.Conn) error
	reports func(c *websocket.Conn) error
	visits  []string // the paths and queries of all requests, in their order
}

// newFuzzer starts a fuzzing server that does as it should.
func newFuzzer(t *testing.T, cases ...func(c *websocket.Conn) error) *fuzzer {
	f := &fuzzer{t: t, cases: cases, reports: (*websocket.Conn).Close}
	f.count = tell(fmt.Sprint(len(cases)))
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return f
}

func (f *fuzzer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.running.Add(1)
	defer f.running.Done()
	script := f.script(r)
	if script == nil {
		http.NotFound(w, r)
		return
	}
	c, err := f.upgrader.Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer c.CloseNow()
	c.SetReadDeadline(time.Now().Add(patience))
	if err := script(c); err != nil {
		f.t.Errorf("%s: %v", r.URL, err)
	}
}

// script returns what happens to a request, nil if it is refused.
func (f *fuzzer) script(r *http.Request) func(*websocket.Conn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.visits = append(f.visits, r.URL.RequestURI())
	var n int
	switch r.URL.Path {
	case "/getCaseCount":
		return f.count
	case "/updateReports":
		return f.reports
	case "/runCase":
		fmt.Sscan(r.FormValue("case"), &n)
	}
	if n < 1 || n > len(f.cases) {
		return nil
	}
	return f.cases[n-1]
}

// change changes the script.
func (f *fuzzer) change(by func(f *fuzzer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	by(f)
}

// seen returns the paths of all requests, when all of them have been answered.
func (f *fuzzer) seen() []string {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.visits
}

// tell is a script that sends text and closes.
func tell(text string) func(*websocket.Conn) error {
	return func(c *websocket.Conn) error {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return err
		}
		return c.Close()
	}
}

// wantEcho sends a message and fails if it does not come back.
func wantEcho(c *websocket.Conn, t websocket.MessageType, p []byte) error {
	if err := c.WriteMessage(t, p); err != nil {
		return err
	}
	got, q, err := c.ReadMessage()
	if err == nil && (got != t || !bytes.Equal(p, q)) {
		err = fmt.Errorf("type %v, %.40q came back, want type %v, %.40q", got, q, t, p)
	}
	return err
}

// wantFailed sends bytes that break a rule and fails if the testee does not close with that code.
func wantFailed(sent string, code websocket.CloseCode) func(*websocket.Conn) error {
	return func(c *websocket.Conn) error {
		if _, err := io.WriteString(c.NetConn(), sent); err != nil {
			return err
		}
		_, _, err := c.ReadMessage()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code {
			return fmt.Errorf("the testee ended with %v, want Close %v", err, code)
		}
		return nil
	}
}

// hang is a script that waits until the testee has gone.
func hang(c *websocket.Conn) error {
	c.ReadMessage()
	return nil
}

// endings are cases that end in each way there is. After each the testee has to go on with the next.
var endings = []func(c *websocket.Conn) error{
	func(c *websocket.Conn) error { // everything comes back, the server closes
		return errors.Join(
			wantEcho(c, websocket.TextMessage, []byte("grüße")),
			wantEcho(c, websocket.BinaryMessage, []byte("\xff\x00")),
			wantEcho(c, websocket.TextMessage, nil),
			wantEcho(c, websocket.BinaryMessage, make([]byte, 1<<20)),
			c.CloseWith(3000, "done"))
	},
	func(c *websocket.Conn) error { // fragments with a Ping between them
		io.WriteString(c.NetConn(), "\x01\x02he\x89\x00\x80\x03llo")
		if t, p, err := c.ReadMessage(); err != nil || t != websocket.TextMessage || string(p) != "hello" {
			return fmt.Errorf("type %v, %q, %v came back", t, p, err)
		}
		return c.Close()
	},
	func(c *websocket.Conn) error { return c.CloseNow() }, // the connection is cut
	func(c *websocket.Conn) error { // in the middle of a frame
		io.WriteString(c.NetConn(), "\x81\x05he")
		return c.CloseNow()
	},
	func(c *websocket.Conn) error { // it is reset
		c.NetConn().(*net.TCPConn).SetLinger(0)
		return c.NetConn().Close()
	},
	wantFailed("\x83\x00", websocket.CloseProtocolError),      // a reserved opcode
	wantFailed("\x81\x01\xff", websocket.CloseInvalidPayload), // text that is not UTF-8
	wantFailed("\x88\x02\x03\xe8", websocket.CloseNormal),     // no failure: a Close is echoed
}

// TestTesteeRunsAllCases: the count, each case as an echo client until it ends, the reports; the name of the agent is
// escaped.
func TestTesteeRunsAllCases(t *testing.T) {
	wstest.NoLeaks(t)
	f := newFuzzer(t, endings...)
	code, stdout, stderr := hawser(t, "testee", "--url", f.url+"/", "--agent", "a & b=ü")
	const agent = "agent=a+%26+b%3D%C3%BC"
	want := []string{"/getCaseCount?" + agent}
	for n := range endings {
		want = append(want, fmt.Sprintf("/runCase?case=%d&%s", n+1, agent))
	}
	want = append(want, "/updateReports?"+agent)
	if got := f.seen(); !slices.Equal(got, want) {
		t.Errorf("visited %q; want %q", got, want)
	}
	says := fmt.Sprintf("hawser testee: %d of %[1]d cases done\n", len(endings))
	if code != exitOK || stdout != "" || stderr != says {
		t.Errorf("exit code %d, printed %q, said %q; want 0, nothing, %q", code, stdout, stderr, says)
	}
}

// TestTesteeTakesLargeMessages: more than the library's default of 32 MiB.
func TestTesteeTakesLargeMessages(t *testing.T) {
	f := newFuzzer(t, func(c *websocket.Conn) error {
		c.SetReadLimit(-1)
		return errors.Join(wantEcho(c, websocket.BinaryMessage, make([]byte, websocket.DefaultReadLimit+1)), c.Close())
	})
	if code, _, stderr := hawser(t, "testee", "--url", f.url); code != exitOK {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	f.running.Wait()
}

// TestTesteeRunsCasesSideBySide: all are run once, and the server has several at once.
func TestTesteeRunsCasesSideBySide(t *testing.T) {
	const parallel = 4
	together := make(chan struct{})
	var waiting atomic.Int32
	run := func(c *websocket.Conn) error {
		if waiting.Add(1) == parallel {
			close(together)
		}
		select {
		case <-together:
		case <-time.After(patience):
			return errors.New("no other cases are run meanwhile")
		}
		return c.Close()
	}
	f := newFuzzer(t, slices.Repeat([]func(*websocket.Conn) error{run}, 8)...)
	if code, _, stderr := hawser(t, "testee", "-p", "4", "--url", f.url); code != exitOK {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	f.running.Wait()
	if n := waiting.Load(); n != 8 {
		t.Errorf("%d cases were run, want 8", n)
	}
}

// TestTesteeReportsProgress: after every 50 cases, and at the end.
func TestTesteeReportsProgress(t *testing.T) {
	cases := make([]func(*websocket.Conn) error, 101)
	for i := range cases {
		cases[i] = (*websocket.Conn).CloseNow
	}
	_, _, stderr := hawser(t, "testee", "--url", newFuzzer(t, cases...).url)
	var got []string
	for _, m := range regexp.MustCompile(`(\d+) of 101 cases`).FindAllStringSubmatch(stderr, -1) {
		got = append(got, m[1])
	}
	if want := []string{"50", "100", "101"}; !slices.Equal(got, want) {
		t.Errorf("said %q; want %q", stderr, want)
	}
}

// TestTesteeUsage: a command line that makes no sense is refused with exit code 2, a URL that is none included.
func TestTesteeUsage(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no URL":         {nil, `--url is missing`},
		"an empty agent": {[]string{"--url", "ws://127.0.0.1:1", "--agent", ""}, `--agent`},
		"no scheme":      {[]string{"--url", "127.0.0.1:9001"}, `--url: `},
		"another scheme": {[]string{"--url", "ftp://127.0.0.1:9001"}, `--url: .*ftp`},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := hawser(t, append([]string{"testee"}, row.args...)...)
			if code != exitUsage || !regexp.MustCompile(`^hawser testee: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, said %q; want 2, %q", code, stderr, row.says)
			}
		})
	}
}

// TestTesteeExitCodes: 3 if there is no connection or a handshake fails, 1 if the server does not go on as it should;
// what is said names the step.
func TestTesteeExitCodes(t *testing.T) {
	nowhere := "ws+unix:" + filepath.Join(t.TempDir(), "nobody") + ":"
	closing, cut := (*websocket.Conn).Close, (*websocket.Conn).CloseNow
	// An answer is enough: the testee need not wait for the server's Close.
	tellAndHang := func(c *websocket.Conn) error {
		return errors.Join(c.WriteMessage(websocket.TextMessage, []byte("3")), hang(c))
	}
	for name, row := range map[string]struct {
		change func(f *fuzzer)
		code   int
		says   string
	}{
		"nobody listens":     {func(f *fuzzer) { f.url = nowhere }, exitConnect, "the number of cases: .*nobody"},
		"no such path":       {func(f *fuzzer) { f.count = nil }, exitConnect, "the number of cases: .*404"},
		"a case is refused":  {func(f *fuzzer) { f.cases[1] = nil }, exitConnect, "case 2 of 3: .*404"},
		"no reports":         {func(f *fuzzer) { f.reports = nil }, exitConnect, "3 of 3 .*\n.*the reports: .*404"},
		"no count":           {func(f *fuzzer) { f.count = closing }, exitFailed, "the number of cases: no answer: .*1000"},
		"lost before a word": {func(f *fuzzer) { f.count = cut }, exitFailed, "the number of cases: no answer: "},
		"an empty count":     {func(f *fuzzer) { f.count = tell("") }, exitFailed, `the number of cases: .*""`},
		"no number":          {func(f *fuzzer) { f.count = tell("many") }, exitFailed, `the number of cases: .*"many"`},
		"a negative number":  {func(f *fuzzer) { f.count = tell("-1") }, exitFailed, `the number of cases: .*"-1"`},
		"a count and spaces": {func(f *fuzzer) { f.count = tell(" 3\n") }, exitOK, "3 of 3 cases done\n$"},
		"an open end":        {func(f *fuzzer) { f.count = tellAndHang }, exitOK, "3 of 3 cases done\n$"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuzzer(t, closing, closing, closing)
			f.change(row.change)
			code, _, stderr := hawser(t, "testee", "--url", f.url)
			if code != row.code || !regexp.MustCompile(`^hawser testee: `+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, said %q; want %d, %q", code, stderr, row.code, row.says)
			}
		})
	}
}

// TestTesteeSeesSpoiledHandshakes: a case may be about an answer that no client may take; the next one follows.
func TestTesteeSeesSpoiledHandshakes(t *testing.T) {
	f := newFuzzer(t, (*websocket.Conn).Close, (*websocket.Conn).Close, (*websocket.Conn).Close)
	answers := map[string]string{
		"1": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"2": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, spoiled := answers[r.FormValue("case")]
		if !spoiled {
			f.ServeHTTP(w, r)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, answer)
	}))
	defer server.Close()
	code, _, stderr := hawser(t, "testee", "--url", "ws"+strings.TrimPrefix(server.URL, "http"))
	want := []string{"/getCaseCount?agent=hawser", "/runCase?case=3&agent=hawser", "/updateReports?agent=hawser"}
	if got := f.seen(); code != exitOK || !slices.Equal(got, want) {
		t.Errorf("exit code %d, said %q, visited %q; want 0, %q", code, stderr, got, want)
	}
}

// TestTesteeWithoutCases: there is nothing to do but the reports.
func TestTesteeWithoutCases(t *testing.T) {
	f := newFuzzer(t)
	code, _, stderr := hawser(t, "testee", "--url", f.url)
	want := []string{"/getCaseCount?agent=hawser", "/updateReports?agent=hawser"}
	if got := f.seen(); code != exitOK || stderr != "" || !slices.Equal(got, want) {
		t.Errorf("exit code %d, said %q, visited %q; want 0, nothing, %q", code, stderr, got, want)
	}
}

// TestTesteeGivesUp: a server that hangs does not hang the testee, wherever that is.
func TestTesteeGivesUp(t *testing.T) {
	const soon = 50 * time.Millisecond
	goOn := func(c *websocket.Conn) error {
		for wantEcho(c, websocket.TextMessage, []byte("more")) == nil {
		}
		return nil
	}
	for name, row := range map[string]struct {
		change func(f *fuzzer, te *testee)
		says   string
	}{
		"at the count":     {func(f *fuzzer, te *testee) { f.count, te.askTime = hang, soon }, "the number of cases: "},
		"in a silent case": {func(f *fuzzer, te *testee) { f.cases[0], te.caseTime = hang, soon }, "case 1 of 1: "},
		"in a case on end": {func(f *fuzzer, te *testee) { f.cases[0], te.caseTime = goOn, soon }, "case 1 of 1: "},
		"at the reports":   {func(f *fuzzer, te *testee) { f.reports, te.askTime = hang, 20*soon }, "the reports: "},
	} {
		t.Run(name, func(t *testing.T) {
			wstest.NoLeaks(t)
			f := newFuzzer(t, (*websocket.Conn).Close)
			te := testee{base: f.url, agent: "x", progress: io.Discard, parallel: 1, askTime: patience, caseTime: patience}
			f.change(func(f *fuzzer) { row.change(f, &te) })
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := te.run(ctx)
			want := row.says + "the server did not end the connection within "
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v; want %q", err, want)
			}
			f.running.Wait()
		})
	}
}

// TestTesteeStops: a signal ends the testee in the middle of a case, with exit code 1.
func TestTesteeStops(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			wstest.NoLeaks(t)
			inCase := make(chan struct{})
			f := newFuzzer(t, func(c *websocket.Conn) error { close(inCase); return hang(c) })
			p := start(t, "testee", "--url", f.url)
			select {
			case <-inCase:
			case <-p.exited:
			}
			p.signal(signal)
			if code := p.wait(); code != exitFailed {
				t.Errorf("exit code %d; want 1", code)
			}
			p.says(`^hawser testee: case 1 of 1: .*` + signal.String())
			f.running.Wait()
		})
	}
}
