package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
	"hawser.example/websocket/internal/wstest"
)

// A message is what came over a connection, or the error that ended it.
type message struct {
	t   websocket.MessageType
	p   string
	err error
}

// A peer is the client's end of a connection to a server that is tested. All that comes is in messages.
type peer struct {
	*websocket.Conn
	t        *testing.T
	messages chan message
}

// dial connects. When it returns the server has begun to read from the connection: a Ping was answered.
func dial(t *testing.T, url string, header http.Header) *peer {
	t.Helper()
	return dialWith(t, new(websocket.Dialer), url, header)
}

// dialWith is dial with options.
func dialWith(t *testing.T, dialer *websocket.Dialer, url string, header http.Header) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := dialer.Dial(ctx, url, header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	p := &peer{c, t, make(chan message, 16)}
	go func() {
		for {
			mt, b, err := c.ReadMessage()
			p.messages <- message{mt, string(b), err}
			if err != nil {
				return
			}
		}
	}()
	if _, err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// receive returns the next message.
func (p *peer) receive() message {
	p.t.Helper()
	select {
	case m := <-p.messages:
		return m
	case <-time.After(patience):
		p.t.Fatalf("no message within %v", patience)
		panic("not reached")
	}
}

// wantMessage fails the test if the next message is another.
func (p *peer) wantMessage(mt websocket.MessageType, text string) {
	p.t.Helper()
	if m := p.receive(); m.err != nil || m.t != mt || m.p != text {
		p.t.Fatalf("got type %v, %.80q, %v; want type %v, %.80q", m.t, m.p, m.err, mt, text)
	}
}

// wantClose fails the test if anything comes but the server's Close with that code.
func (p *peer) wantClose(code websocket.CloseCode) {
	p.t.Helper()
	m := p.receive()
	var closed *websocket.CloseError
	if !errors.As(m.err, &closed) || closed.Code != code {
		p.t.Fatalf("got %.80q, %v; want Close %v", m.p, m.err, code)
	}
}

// request sends an HTTP request and returns the answer's status and body.
func request(t *testing.T, method, url, body string, header http.Header) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// withKey is the header of a publisher who has the key "secret".
func withKey() http.Header { return http.Header{"Authorization": {"Bearer secret"}} }

// startServe runs "hawser serve" with the key "secret" and returns where it listens.
func startServe(t *testing.T, flags ...string) (p *process, addr string) {
	t.Helper()
	p = start(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--publish-key", "secret"}, flags...)...)
	return p, p.address()
}

// TestServeBoundsHeaders: they may have 16 KiB, as SERVER.md says.
func TestServeBoundsHeaders(t *testing.T) {
	_, addr := startServe(t)
	for size, want := range map[int]int{16<<10 - 200: 200, 16<<10 + 200: 431} {
		r, err := http.NewRequest("POST", "http://"+addr+"/topics/a", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer secret"}, "User-Agent": {"x"}}
		const rest = 130 // bytes of the request's first line and its other fields, about
		r.Header.Set("X", strings.Repeat("x", size-rest))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", size, response.StatusCode, want)
		}
	}
}

// occupied returns an address on which somebody else listens.
func occupied(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// TestServeRefusesToStart: what would be unsafe, or is a mistake, is refused before anything listens, and the refusal
// names the flag.
func TestServeRefusesToStart(t *testing.T) {
	for name, row := range map[string]struct {
		flags string
		says  string
	}{
		"without a key":                {"", `--publish-key is missing.*--dev`},
		"with an empty key":            {"--publish-key=", `--publish-key is missing`},
		"dev with a key":               {"--dev --publish-key k", `--dev and --publish-key exclude each other`},
		"dev with an origin":           {"--dev --origin https://a.example", `--dev and --origin exclude each other`},
		"dev on all addresses":         {"--dev --addr :0", `--dev .*--addr ":0" is not a loopback address`},
		"dev with metrics for all":     {"--dev --admin-addr :0", `--dev .*--admin-addr ":0" is not a loopback address`},
		"dev on 0.0.0.0":               {"--dev --addr 0.0.0.0:0", `--addr "0\.0\.0\.0:0" is not a loopback`},
		"dev on all IPv6 addresses":    {"--dev --addr [::]:0", `--addr "\[::\]:0" is not a loopback`},
		"dev on a name":                {"--dev --addr host.example:0", `--addr "host.example:0" is not a loopback`},
		"dev on a name like localhost": {"--dev --addr localhost.example:0", `is not a loopback`},
		"dev without a port":           {"--dev --addr 127.0.0.1", `--addr: "127.0.0.1" is not of the form HOST:PORT`},
		"a bad origin":                 {"--publish-key k --origin https://a/path", `--origin: .*https://a/path`},
		"the second origin is bad":     {"--publish-key k --origin *.example --origin ://", `--origin: .*://`},
		"an empty origin":              {"--publish-key k --origin=", `--origin: `},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := hawser(t, append([]string{"serve"}, strings.Fields(row.flags)...)...)
			if code != exitUsage || stdout != "" || !regexp.MustCompile(`^hawser serve: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, row.says)
			}
		})
	}
}

// TestServeRefusesAKeyThatCannotBeSent: a header field has no white space at its ends, so nobody could publish.
func TestServeRefusesAKeyThatCannotBeSent(t *testing.T) {
	for _, key := range []string{"secret\r", "secret\n", " secret", "secret ", "tab\tbed", "del\x7f"} {
		code, _, stderr := hawser(t, "serve", "--publish-key", key, "--addr", "127.0.0.1:0")
		if code != exitUsage || !strings.Contains(stderr, "the publish key has a space at an end") {
			t.Errorf("key %q: exit code %d, said %q", key, code, stderr)
		}
	}
	for _, key := range []string{"secret", "two words", "c2VjcmV0Cg==", "schlüssel"} {
		if err := notify.CheckKey(key); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// TestServeOutlivesItsLog: whoever reads what the server says may go.
func TestServeOutlivesItsLog(t *testing.T) {
	t.Parallel()
	cmd := command(t, "serve", "--addr", "127.0.0.1:0", "--publish-key", "secret")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(log).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	_, at, _ := strings.Cut(strings.TrimSpace(first), "http://")
	for range 3 { // each is a line of the log
		resp, err := http.Get("http://" + strings.TrimSuffix(at, "/topics/") + "/nope")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestStopDoesNotWaitForABodyThatDoesNotCome: no client may keep a server from stopping in time, and well.
func TestStopDoesNotWaitForABodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	p, addr := startServe(t, "--drain", "1s")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "POST /topics/news HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer secret\r\n"+
		"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", addr)
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusContinue {
		t.Fatal(res, err)
	}
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK || !strings.Contains(p.err.String(), "cut off what had not ended") {
		t.Errorf("exit code %d, said %q", code, p.err)
	}
	if took := time.Since(began); took > time.Second+stopGrace+patience/2 {
		t.Errorf("stopping took %v", took)
	}
}

// TestRequestsHaveToArriveInTime, body and all; a connection that was upgraded has all the time it wants.
func TestRequestsHaveToArriveInTime(t *testing.T) {
	t.Parallel()
	upgrader := websocket.Upgrader{}
	server := newHTTPServer(upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return echoHandler }))
	if server.ReadTimeout != requestTime || server.ReadHeaderTimeout <= 0 || server.IdleTimeout <= 0 {
		t.Errorf("limits %v, %v, %v", server.ReadTimeout, server.ReadHeaderTimeout, server.IdleTimeout)
	}
	server.ReadTimeout = time.Second // in which a busy machine still brings the handshake
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(ln)
	defer server.Close()
	c := dial(t, "ws://"+ln.Addr().String()+"/", nil)
	<-time.After(server.ReadTimeout * 3 / 2)
	c.WriteMessage(websocket.TextMessage, []byte("still here"))
	c.wantMessage(websocket.TextMessage, "still here")
}

// TestServeDevOnLoopback: each way to write a loopback address will do.
func TestServeDevOnLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:0": true, "127.8.8.8:80": true, "[::1]:0": true, "localhost:0": true, "LocalHost:0": true,
		":0": false, "10.0.0.1:80": false, "[::]:0": false, "": false,
	} {
		if got := notify.IsLoopback(addr); got != want {
			t.Errorf("IsLoopback(%q) = %v", addr, got)
		}
	}
}

// TestAddressInUse: exit code 1, and the message names the address.
func TestAddressInUse(t *testing.T) {
	addr := occupied(t)
	for _, args := range [][]string{
		{"serve", "--dev", "--addr", addr},
		{"serve", "--publish-key", "k", "--addr", addr},
		{"echo", "--addr", addr},
		{"echo", "--addr", "127.0.0.1:0", "--pprof", addr},
	} {
		code, stdout, stderr := hawser(t, args...)
		if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "hawser "+args[0]+": ") ||
			!strings.Contains(stderr, addr) || !strings.Contains(stderr, "choose another address") || strings.Contains(stderr, "listening") {
			t.Errorf("hawser %q: exit code %d, printed %q, said %q", args, code, stdout, stderr)
		}
	}
}

// TestServePublishes: what is posted to a topic arrives at its subscribers, and at nobody else.
func TestServePublishes(t *testing.T) {
	wstest.NoLeaks(t)
	_, addr := startServe(t)
	news := dial(t, "ws://"+addr+"/topics/news", nil)
	also := dial(t, "ws://"+addr+"/topics/news", nil)
	other := dial(t, "ws://"+addr+"/topics/other", nil)
	post := func(topic, contentType, body string, subscribers int) {
		t.Helper()
		header := withKey()
		header.Set("Content-Type", contentType)
		status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/"+topic, body, header)
		want := fmt.Sprintf(`^\{"id":"[0-9a-f]+-[0-9]+","subscribers":%d\}\n$`, subscribers)
		if status != http.StatusOK || !regexp.MustCompile(want).MatchString(answer) {
			t.Errorf("posting to %s: %d %s; want 200 %s", topic, status, answer, want)
		}
	}
	post("news", "text/plain", "grüße", 2)
	post("news", "application/octet-stream", "\xff\x00", 2)
	post("nobody", "text/plain", "lost", 0)
	post("other", "application/x-www-form-urlencoded", "from curl -d", 1)
	for _, p := range []*peer{news, also} {
		p.wantMessage(websocket.TextMessage, "grüße")
		p.wantMessage(websocket.BinaryMessage, "\xff\x00")
	}
	other.wantMessage(websocket.TextMessage, "from curl -d")
}

// TestServeRefusesToPublish: the answer says what was wrong, and nothing reaches the subscribers.
func TestServeRefusesToPublish(t *testing.T) {
	wstest.NoLeaks(t)
	_, addr := startServe(t)
	subscriber := dial(t, "ws://"+addr+"/topics/news", nil)
	largest := strings.Repeat("x", 1<<20)
	for name, row := range map[string]struct {
		topic, body, key string
		status           int
		why              string
	}{
		"no key":         {"news", "x", "", 401, "Authorization: Bearer KEY"},
		"a wrong key":    {"news", "x", "Bearer secre", 401, "key is wrong"},
		"a longer key":   {"news", "x", "Bearer secrets", 401, "key is wrong"},
		"another scheme": {"news", "x", "Basic secret", 401, "Bearer KEY"},
		"not UTF-8":      {"news", "\xff", "Bearer secret", 400, "not UTF-8"},
		"a bad topic":    {"n%20s", "x", "Bearer secret", 400, "topic"},
		"a long topic":   {strings.Repeat("t", 256), "x", "Bearer secret", 400, "topic"},
		"a large body":   {"news", largest + "x", "Bearer secret", 413, "1048576"},
	} {
		header := http.Header{}
		if row.key != "" {
			header.Set("Authorization", row.key)
		}
		status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/"+row.topic, row.body, header)
		var got struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Errorf("%s: answer %q: %v", name, answer, err)
		}
		if status != row.status || !strings.Contains(got.Error, row.why) {
			t.Errorf("%s: %d %s; want %d, %q", name, status, answer, row.status, row.why)
		}
	}
	if status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/news", largest, withKey()); status != 200 {
		t.Errorf("a body of 1 MiB: %d %s", status, answer)
	}
	subscriber.wantMessage(websocket.TextMessage, largest)
}

// TestServeKeyFromTheEnvironment: HAWSER_PUBLISH_KEY stands in for --publish-key, which is stronger.
func TestServeKeyFromTheEnvironment(t *testing.T) {
	for name, flags := range map[string][]string{"from-environment": nil, "from-flag": {"--publish-key", "from-flag"}} {
		cmd := command(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, flags...)...)
		cmd.Env = append(cmd.Env, "HAWSER_PUBLISH_KEY=from-environment")
		addr := startCommand(t, cmd).address()
		for _, key := range []string{"from-environment", "from-flag"} {
			header := http.Header{"Authorization": {"Bearer " + key}}
			status, _ := request(t, http.MethodPost, "http://"+addr+"/topics/t", "x", header)
			if want := map[bool]int{true: 200, false: 401}[key == name]; status != want {
				t.Errorf("key %s, where it is %s: %d, want %d", key, name, status, want)
			}
		}
	}
}

// TestServeDev: a page at /, publishing without a key, and nothing for a page from elsewhere, even if the environment
// has a key for the server that is meant to be safe.
func TestServeDev(t *testing.T) {
	wstest.NoLeaks(t)
	cmd := command(t, "serve", "--dev", "--addr", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "HAWSER_PUBLISH_KEY=unused")
	p := startCommand(t, cmd)
	addr := p.says(`^hawser serve: open http://(127\.0\.0\.1:\d+)/ `)[1]
	status, page := request(t, http.MethodGet, "http://"+addr+"/", "", nil)
	if status != 200 || !strings.Contains(page, "<html") {
		t.Errorf("page: %d %.80q", status, page)
	}
	subscriber := dial(t, "ws://"+addr+"/topics/news", http.Header{"Origin": {"http://localhost:1"}})
	if status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/news", "hello", nil); status != 200 {
		t.Errorf("publishing: %d %s", status, answer)
	}
	subscriber.wantMessage(websocket.TextMessage, "hello")
	foreign := http.Header{"Origin": {"https://evil.example"}}
	if status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/news", "x", foreign); status != 403 {
		t.Errorf("publishing from a foreign page: %d %s", status, answer)
	}
	wantRefused(t, "ws://"+addr+"/topics/news", foreign, 403)
	wantRefused(t, "ws://"+addr+"/topics/news", http.Header{"Host": {"rebound.example"}}, 403)
}

// TestServeHasNoPageWithoutDev: a server for others shows nothing to try.
func TestServeHasNoPageWithoutDev(t *testing.T) {
	_, addr := startServe(t)
	if status, answer := request(t, http.MethodGet, "http://"+addr+"/", "", nil); status != 404 {
		t.Errorf("%d %.80q; want 404", status, answer)
	}
}

// wantRefused fails the test if the handshake is not refused with that status.
func wantRefused(t *testing.T, url string, header http.Header, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := new(websocket.Dialer).Dial(ctx, url, header)
	if err == nil {
		c.CloseNow()
	}
	var refusal *websocket.HandshakeError
	if !errors.As(err, &refusal) || refusal.Status != status {
		t.Errorf("handshake with %v: %v; want status %d", header, err, status)
	}
}

// TestServeOrigins: pages of the server's own host may subscribe, others only if a --origin lists them.
func TestServeOrigins(t *testing.T) {
	wstest.NoLeaks(t)
	_, strict := startServe(t)
	_, listing := startServe(t, "--origin", "https://app.example.com", "--origin", "https://*.example.org")
	for _, row := range []struct {
		addr, origin string
		allowed      bool
	}{
		{strict, "http://" + strict, true},
		{strict, "https://app.example.com", false},
		{listing, "http://" + listing, true},
		{listing, "https://app.example.com", true},
		{listing, "https://a.b.example.org", true},
		{listing, "http://app.example.com", false},
		{listing, "https://example.org", false},
		{listing, "null", false},
	} {
		header := http.Header{"Origin": {row.origin}}
		if row.allowed {
			dial(t, "ws://"+row.addr+"/topics/news", header)
		} else {
			wantRefused(t, "ws://"+row.addr+"/topics/news", header, 403)
		}
	}
}

// TestServeLimitsSubscribers: a subscriber that sends more than 64 KiB in a message is told so.
func TestServeLimitsSubscribers(t *testing.T) {
	_, addr := startServe(t)
	subscriber := dial(t, "ws://"+addr+"/topics/news", nil)
	if err := subscriber.WriteMessage(websocket.BinaryMessage, bytes.Repeat([]byte("x"), 64<<10+1)); err != nil {
		t.Fatal(err)
	}
	subscriber.wantClose(websocket.CloseMessageTooBig)
}

// TestServeDrains: on SIGTERM and on Ctrl-C subscribers get what was published, then Close 1012; then it ends with 0.
func TestServeDrains(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			wstest.NoLeaks(t)
			p, addr := startServe(t, "--drain", "300ms")
			subscribers := []*peer{
				dial(t, "ws://"+addr+"/topics/a", nil),
				dial(t, "ws://"+addr+"/topics/a", nil),
				dial(t, "ws://"+addr+"/topics/b", nil),
			}
			request(t, http.MethodPost, "http://"+addr+"/topics/a", "last", withKey())
			p.signal(signal)
			for _, s := range subscribers[:2] {
				s.wantMessage(websocket.TextMessage, "last")
			}
			for _, s := range subscribers {
				s.wantClose(websocket.CloseServiceRestart)
			}
			if code := p.wait(); code != exitOK {
				t.Errorf("exit code %d", code)
			}
			p.says(`(?m)^hawser serve: stopping$`)
		})
	}
}

// awaitNobody waits until nobody listens on addr any more.
func awaitNobody(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatalf("somebody still listens on %s", addr)
		}
	}
}

// TestServeAnswersPublishersBeforeItEnds: a request that has begun is taken in and answered, not cut.
func TestServeAnswersPublishersBeforeItEnds(t *testing.T) {
	p, addr := startServe(t)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	answers := bufio.NewReader(c)
	answer := func() int {
		t.Helper()
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	fmt.Fprintf(c, "POST /topics/news HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer secret\r\n"+
		"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", addr)
	if status := answer(); status != http.StatusContinue {
		t.Fatalf("status %d", status)
	}
	p.signal(syscall.SIGTERM)
	awaitNobody(t, addr)
	io.WriteString(c, "hello")
	if status := answer(); status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Errorf("status %d; want 200, or 503 if the topics were closed already", status)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestSecondSignalEndsAtOnce: a subscriber that does not answer the Close holds up the first signal, not the second.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	wstest.NoLeaks(t)
	p, addr := startServe(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	silent, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/news", nil) // nobody reads from it
	if err != nil {
		t.Fatal(err)
	}
	defer silent.CloseNow()
	p.signal(syscall.SIGTERM)
	p.says(`(?m)^hawser serve: stopping$`)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != -1 {
		t.Errorf("exit code %d; want the signal to have ended it", code)
	}
}
