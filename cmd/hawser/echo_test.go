package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// startEcho runs "hawser echo" and returns where it listens.
func startEcho(t *testing.T, flags ...string) (p *process, addr string) {
	t.Helper()
	p = start(t, append([]string{"echo", "--addr", "127.0.0.1:0"}, flags...)...)
	return p, p.address()
}

// TestEchoOnEveryPath: messages come back with their type, to pages of any origin; dial has seen a Ping answered.
func TestEchoOnEveryPath(t *testing.T) {
	wstest.NoLeaks(t)
	_, addr := startEcho(t)
	large := strings.Repeat("0123456789abcdef", 1<<16)
	for path, header := range map[string]http.Header{
		"":                nil,
		"/":               {"Origin": {"https://anywhere.example"}},
		"/a/b?c=d":        {"Origin": {"null"}},
		"/debug/pprof/":   {"Origin": {"http://" + addr}},
		"/%2e%2e/topics/": nil,
	} {
		c := dial(t, "ws://"+addr+path, header)
		for _, m := range []message{
			{t: websocket.TextMessage, p: "grüße"},
			{t: websocket.BinaryMessage, p: "\xff\x00"},
			{t: websocket.TextMessage},
			{t: websocket.BinaryMessage, p: large},
		} {
			if err := c.WriteMessage(m.t, []byte(m.p)); err != nil {
				t.Fatal(err)
			}
			c.wantMessage(m.t, m.p)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEchoReadLimit: a message within --read-limit comes back, a longer one is refused with 1009.
func TestEchoReadLimit(t *testing.T) {
	_, addr := startEcho(t, "--read-limit", "5")
	c := dial(t, "ws://"+addr, nil)
	for _, text := range []string{"12345", "123456"} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	c.wantMessage(websocket.TextMessage, "12345")
	c.wantClose(websocket.CloseMessageTooBig)
}

// TestEchoTakesLargeMessages: conformance suites send 16 MiB, benchmarks more than the library's default of 32 MiB.
func TestEchoTakesLargeMessages(t *testing.T) {
	for _, flags := range [][]string{nil, {"--read-limit", "-1"}} {
		_, addr := startEcho(t, flags...)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		d := websocket.Dialer{ReadLimit: -1}
		c, _, err := d.Dial(ctx, "ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		large := make([]byte, websocket.DefaultReadLimit+1)
		sent := make(chan error, 1)
		go func() { sent <- c.WriteContext(ctx, websocket.BinaryMessage, large) }()
		_, p, err := c.ReadContext(ctx)
		if err != nil || len(p) != len(large) {
			t.Errorf("%q: %d bytes came back, %v", flags, len(p), err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// TestEchoRefusesFlags: what makes no sense is refused before anything listens.
func TestEchoRefusesFlags(t *testing.T) {
	for flag, says := range map[string]string{
		"--no-takeover":              "--no-takeover goes with --compress",
		"--no-takeover --compress=0": "--no-takeover goes with --compress",
		"--compress=yes":             `invalid boolean value "yes" for --compress: it has to be true or false`,
		"--compress on":              `unexpected argument "on"`,
		"--no-deflate":               "flag provided but not defined: --no-deflate",
		"--read-limit=0":             "--read-limit 0",
	} {
		args := append([]string{"echo", "--addr", "127.0.0.1:0"}, strings.Fields(flag)...)
		code, stdout, stderr := hawser(t, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "hawser echo: "+says) {
			t.Errorf("%s: exit code %d, printed %q, said %q; want 2, nothing, %q", flag, code, stdout, stderr, says)
		}
	}
}

// TestEchoProfiles: profiles are on the address of --pprof only, and nothing else is there.
func TestEchoProfiles(t *testing.T) {
	wstest.NoLeaks(t)
	p, addr := startEcho(t, "--pprof", "127.0.0.1:0")
	profiles := p.says(`(?m)^hawser echo: profiles on http://(127\.0\.0\.1:\d+)/debug/pprof/$`)[1]
	for _, row := range []struct {
		url    string
		status int
	}{
		{"http://" + profiles + "/debug/pprof/", 200},
		{"http://" + profiles + "/debug/pprof/goroutine?debug=1", 200},
		{"http://" + profiles + "/debug/pprof/cmdline", 200},
		{"http://" + profiles + "/debug/pprof/symbol", 200},
		{"http://" + profiles + "/debug/pprof/trace?seconds=0.01", 200},
		{"http://" + profiles + "/", 404},
		{"http://" + addr + "/debug/pprof/", 426},
	} {
		if status, answer := request(t, http.MethodGet, row.url, "", nil); status != row.status {
			t.Errorf("%s: %d %.80q; want %d", row.url, status, answer, row.status)
		}
	}
	wantRefused(t, "ws://"+profiles+"/", nil, 404)
}

// TestEchoStops: on a signal its clients get Close 1001; then it ends with 0.
func TestEchoStops(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			wstest.NoLeaks(t)
			p, addr := startEcho(t)
			clients := []*peer{dial(t, "ws://"+addr, nil), dial(t, "ws://"+addr+"/other", nil)}
			p.signal(signal)
			for _, c := range clients {
				c.wantClose(websocket.CloseGoingAway)
			}
			if code := p.wait(); code != exitOK {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
