//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// TestListenExecLines: what is sent are lines of its input, what it prints are messages.
func TestListenExecLines(t *testing.T) {
	wstest.NoLeaks(t)
	p, url := startListen(t, "--exec", `while read -r line; do echo "got $line"; done; echo bye; printf 'no end'`)
	one, other := dial(t, url, nil), dial(t, url, nil)
	for _, c := range []*peer{one, other} { // a process for each
		for _, text := range []string{"hello", "grüße", ""} {
			c.send(websocket.TextMessage, text)
			c.wantMessage(websocket.TextMessage, "got "+text)
		}
	}
	one.send(websocket.BinaryMessage, "two\nlines")
	one.wantMessage(websocket.TextMessage, "got two")
	one.wantMessage(websocket.TextMessage, "got lines")
	one.Close()
	p.signal(os.Interrupt)
	other.wantClose(websocket.CloseGoingAway)
	wantEnd(t, p, exitOK, "")
}

// TestListenExecEnds: what it prints comes before the Close, whose code says how it ended.
func TestListenExecEnds(t *testing.T) {
	for command, want := range map[string]websocket.CloseError{
		"echo a; echo b":                     {Code: 1000},
		"echo a; echo b; exit 3":             {Code: 4003, Reason: "the command ended with exit code 3"},
		"echo a; echo b; exit 255":           {Code: 4255, Reason: "the command ended with exit code 255"},
		"echo a; echo b; kill -KILL $$":      {Code: 1011, Reason: "the command ended: signal: killed"},
		"echo a; echo b; exec no-such-thing": {Code: 4127, Reason: "the command ended with exit code 127"},
		"echo a; echo b; sleep 1000 & exit 4": { // what it leaves behind is ended
			Code: 4004, Reason: "the command ended with exit code 4"},
	} {
		t.Run(command, func(t *testing.T) {
			_, url := startListen(t, "--exec", command)
			c := dialRaw(t, url)
			for _, text := range []string{"a", "b"} {
				if _, p, err := c.ReadMessage(); err != nil || string(p) != text {
					t.Fatalf("got %q, %v; want %q", p, err, text)
				}
			}
			_, _, err := c.ReadMessage()
			closed, ok := err.(*websocket.CloseError)
			if !ok || *closed != want {
				t.Errorf("it ended with %v; want %v", err, &want)
			}
		})
	}
}

// dialRaw connects without waiting for the server, which may close at once.
func dialRaw(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := new(websocket.Dialer).Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// TestListenExecEnvironment: it knows who is there, and what was asked for.
func TestListenExecEnvironment(t *testing.T) {
	p, url := startListen(t, "-s", "chat", "--origin", "*", "--exec",
		`printf '%s|%s|%s|%s|%s|%s|%s|%s\n' "$REMOTE_ADDR" "$REMOTE_PORT" "$PATH_INFO" "$QUERY_STRING" "$HTTP_HOST" `+
			`"$HTTP_ORIGIN" "$HTTP_USER_AGENT" "$SEC_WEBSOCKET_PROTOCOL"; read -r x`)
	d := websocket.Dialer{Subprotocols: []string{"chat"}}
	c := dialWith(t, &d, url+"a%20b?c=$(d)", http.Header{"Origin": {"https://e.example"}, "User-Agent": {"`f`"}})
	host, port, _ := strings.Cut(c.LocalAddr().String(), ":")
	c.wantMessage(websocket.TextMessage,
		fmt.Sprintf("%s|%s|/a b|c=$(d)|%s|https://e.example|`f`|chat", host, port, p.address()))
	wantRefused(t, url+"a%00b", nil, http.StatusBadRequest)
}

// TestListenExecMax: a client for whom there is no process is refused, until another has gone.
func TestListenExecMax(t *testing.T) {
	_, url := startListen(t, "--max", "2", "--exec", "cat")
	one := dial(t, url, nil)
	dial(t, url, nil)
	wantRefused(t, url, nil, http.StatusServiceUnavailable)
	one.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, _, err := new(websocket.Dialer).Dial(ctx, url, nil)
		cancel()
		if err == nil {
			c.CloseNow()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestListenExecBinary: with -b bytes go through as they are, in whatever pieces.
func TestListenExecBinary(t *testing.T) {
	_, url := startListen(t, "-b", "--exec", "cat")
	c := dial(t, url, nil)
	sent := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{1}).Read(sent)
	go func() {
		for p := sent; len(p) > 0; {
			n := min(len(p), 100_000)
			c.WriteMessage(websocket.BinaryMessage, p[:n])
			p = p[n:]
		}
	}()
	var got strings.Builder
	for got.Len() < len(sent) {
		m := c.receive()
		if m.err != nil || m.t != websocket.BinaryMessage {
			t.Fatalf("after %d bytes: type %v, %v", got.Len(), m.t, m.err)
		}
		got.WriteString(m.p)
	}
	if got.String() != string(sent) {
		t.Error("the bytes that came back are others")
	}
}

// TestListenExecEndsWithItsConnection: also what ignores the end of its input and SIGTERM, and what that has started.
func TestListenExecEndsWithItsConnection(t *testing.T) {
	for name, leave := range map[string]func(c *websocket.Conn){
		"closed": func(c *websocket.Conn) { c.Close() },
		"lost":   func(c *websocket.Conn) { c.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := tempFile(t, "pids")
			_, url := startListen(t, "--exec", stubborn(pids))
			c := dial(t, url, nil)
			c.wantMessage(websocket.TextMessage, "started")
			leave(c.Conn)
			wantGone(t, pids)
		})
	}
}

// stubborn is a command that only SIGKILL ends, with another one; it writes down who they are.
func stubborn(pids string) string {
	return fmt.Sprintf(`trap '' TERM; sleep 1000 & echo $! $$ >'%s'; echo started; wait; wait`, pids)
}

// TestListenExecGetsTheEndOfItsInput: and the time to make something of it.
func TestListenExecGetsTheEndOfItsInput(t *testing.T) {
	result := tempFile(t, "result")
	p, url := startListen(t, "--exec", fmt.Sprintf(`n=$(wc -l); echo $n >'%s'; echo written >&2`, result))
	c := dial(t, url, nil)
	for range 1000 {
		c.send(websocket.TextMessage, "line")
	}
	c.Close()
	p.says("written") // its standard error is ours
	if got, err := os.ReadFile(result); err != nil || string(got) != "1000\n" {
		t.Errorf("it counted %q, %v", got, err)
	}
}

// TestListenExecStops: a signal ends the processes, and with them what they have started.
func TestListenExecStops(t *testing.T) {
	pids := tempFile(t, "pids")
	p, url := startListen(t, "--exec", stubborn(pids))
	c := dial(t, url, nil)
	c.wantMessage(websocket.TextMessage, "started")
	p.signal(os.Interrupt)
	c.wantClose(websocket.CloseGoingAway)
	wantEnd(t, p, exitOK, "")
	wantGone(t, pids)
}

// TestListenExecStopsWithInputUnread: nor does a process that reads nothing hold up the goodbye.
func TestListenExecStopsWithInputUnread(t *testing.T) {
	p, url := startListen(t, "-v", "--exec", "echo ready; exec sleep 1000")
	c := dial(t, url, nil)
	c.wantMessage(websocket.TextMessage, "ready")
	c.send(websocket.TextMessage, strings.Repeat("x", 1<<20)) // more than a pipe takes
	p.says(`< text, 1048576 bytes`)
	p.signal(os.Interrupt)
	c.wantClose(websocket.CloseGoingAway)
	wantEnd(t, p, exitOK, "")
}

// TestListenExecPipeSignal: the command has SIGPIPE as it comes, though we do not.
func TestListenExecPipeSignal(t *testing.T) {
	p, url := startListen(t, "--exec", `(yes; echo "code $?" >&2) | head -n 1`)
	c := dialRaw(t, url)
	if _, line, err := c.ReadMessage(); err != nil || string(line) != "y" {
		t.Errorf("got %q, %v", line, err)
	}
	if code := p.says(`code (\d+)`)[1]; code != "141" {
		t.Errorf("yes ended with exit code %s; want 141, by SIGPIPE", code)
	}
}

// TestListenExecTextThatIsNone: a line that is not UTF-8 is no message.
func TestListenExecTextThatIsNone(t *testing.T) {
	p, url := startListen(t, "--exec", `echo good; printf '\377\n'; read -r x`)
	c := dial(t, url, nil)
	c.wantMessage(websocket.TextMessage, "good")
	want := websocket.CloseError{Code: websocket.CloseInternalError, Reason: errCommandText.Error()}
	if closed, ok := c.receive().err.(*websocket.CloseError); !ok || *closed != want {
		t.Errorf("it ended with %v; want %v", closed, &want)
	}
	p.says(`(?m)^hawser listen: the command printed a line that is not UTF-8; -b sends bytes$`)
}

// TestListenExecReasonsFit into a Close.
func TestListenExecReasonsFit(t *testing.T) {
	for _, err := range []error{errCommandText, errCommandLine} {
		if n := len(err.Error()); n > maxReason {
			t.Errorf("%v: %d bytes", err, n)
		}
	}
}

// TestListenExecOutputHeldOpen: somebody outside of the process group keeps the output open, and does not matter.
func TestListenExecOutputHeldOpen(t *testing.T) {
	pid := tempFile(t, "pid")
	_, url := startListen(t, "--exec", fmt.Sprintf(`setsid sh -c 'echo $$ >"%s"; echo started >&2; exec sleep 1000' & `+
		`while ! test -s '%[1]s'; do sleep 0.01; done; echo last; exit 5`, pid))
	c := dialRaw(t, url)
	t.Cleanup(func() {
		if p, err := os.ReadFile(pid); err == nil {
			if n, err := strconv.Atoi(strings.TrimSpace(string(p))); err == nil {
				syscall.Kill(n, syscall.SIGKILL)
			}
		}
	})
	if _, p, err := c.ReadMessage(); err != nil || string(p) != "last" {
		t.Fatalf("got %q, %v", p, err)
	}
	if _, _, err := c.ReadMessage(); !regexp.MustCompile(`4005`).MatchString(fmt.Sprint(err)) {
		t.Errorf("it ended with %v; want 4005", err)
	}
}

// TestListenExecOutputWrittenOn: somebody outside of the process group goes on writing, and does not matter either.
func TestListenExecOutputWrittenOn(t *testing.T) {
	_, url := startListen(t, "--exec", `setsid yes & sleep 0.1; exit 5`) // yes ends when nobody reads
	c := dialRaw(t, url)
	for {
		_, p, err := c.ReadMessage()
		if err != nil {
			if !strings.Contains(err.Error(), "4005") {
				t.Errorf("it ended with %v; want 4005", err)
			}
			return
		}
		if string(p) != "y" {
			t.Fatalf("got %q", p)
		}
	}
}

// TestListenExecInputUnread: a command that takes no input for a while is given up, so that the end of its connection
// is not missed.
func TestListenExecInputUnread(t *testing.T) {
	r, w := osPipe(t)
	_ = r // nobody reads
	server, client := websocket.Pipe(nil)
	l := &listener{unread: 20 * time.Millisecond, life: t.Context()}
	k := &execution{l: l, v: &visitor{l: l, c: server}, in: w}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(websocket.HandlerFuncs{
			OnMessage: func(_ *websocket.Conn, _ websocket.MessageType, p []byte) { k.feed(p) },
		})
	}()
	go client.WriteMessage(websocket.TextMessage, make([]byte, 1<<20))
	_, _, err := client.ReadMessage()
	closed, ok := err.(*websocket.CloseError)
	if !ok || closed.Code != websocket.CloseInternalError || !strings.Contains(closed.Reason, "unread for 20ms") {
		t.Errorf("it ended with %v", err)
	}
	<-served
}

// TestListenExecLeavesNothingBehind: also what ends us at once ends the commands, which are in groups of their own.
func TestListenExecLeavesNothingBehind(t *testing.T) {
	for name, tt := range map[string]struct {
		signals []os.Signal
		code    int
	}{
		"SIGHUP":       {[]os.Signal{syscall.SIGHUP}, exitOK},
		"Ctrl-\\":      {[]os.Signal{syscall.SIGQUIT}, 2}, // Go's own: it shows the goroutines
		"Ctrl-C twice": {[]os.Signal{os.Interrupt, os.Interrupt}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := tempFile(t, "pids")
			p, url := startListen(t, "--exec", stubborn(pids))
			c := dial(t, url, nil)
			c.wantMessage(websocket.TextMessage, "started")
			for i, s := range tt.signals {
				if i > 0 {
					p.says(`(?m)^hawser listen: stopping$`)
				}
				p.signal(s)
			}
			if code := p.wait(); code != tt.code {
				t.Errorf("exit code %d; want %d", code, tt.code)
			}
			wantGone(t, pids)
		})
	}
}
