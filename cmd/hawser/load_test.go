package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// runLoad runs "hawser load --json ARGS" to its end and returns what it reports.
func runLoad(t *testing.T, args ...string) (code int, r loadReport, stderr string) {
	t.Helper()
	code, stdout, stderr := hawser(t, append([]string{"load", "--json"}, args...)...)
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("exit code %d, %v, printed %q, said %q", code, err, stdout, stderr)
	}
	return code, r, stderr
}

// TestLoadAgreesWithServe: its figures are those of the server, whose numbers say how many messages it has taken, and
// whose metrics what became of them.
func TestLoadAgreesWithServe(t *testing.T) {
	wstest.NoLeaks(t)
	p, addr := startServe(t, "--admin-addr", "127.0.0.1:0")
	code, r, stderr := runLoad(t, "--connections", "20", "--rate", "200", "--duration", "250ms", "--key", "secret",
		"--topic", "news", "--ramp", "2000", "http://"+addr)
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	m := r.Messages
	if m.Sent != 50 || m.Expected != 1000 || m.Received != 1000 || m.Lost+m.Twice+m.Surplus != 0 || m.Size != 128 {
		t.Errorf("messages: %+v; want 50 to 20 connections each", m)
	}
	if c := r.Connections; c.Asked != 20 || c.Opened != 20 || c.Seconds <= 0 || c.PerSecond <= 0 {
		t.Errorf("connections: %+v", c)
	}
	for name, s := range map[string]spread{
		"connect": *r.ConnectMS, "delivery": *r.DelayMS, "last receiver": *r.LastReceiverMS,
	} {
		if s.P50 <= 0 || s.P99 < s.P50 || s.Max < s.P99 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if r.LastReceiverMS.Max != r.DelayMS.Max || r.LastReceiverMS.P50 < r.DelayMS.P50 {
		t.Errorf("last receiver %+v, delivery %+v", *r.LastReceiverMS, *r.DelayMS)
	}
	if len(r.Errors) != 0 || r.Interrupted || r.Echo || r.URL != "ws://"+addr+"/topics/news" || r.Generator.Cores < 1 {
		t.Errorf("%+v", r)
	}
	const closed = `hawser_connections_closed_total{kind="websocket",reason="client"}`
	metrics := p.metrics()
	for deadline := time.Now().Add(patience); metrics[closed] != float64(r.Connections.Opened) && time.Now().Before(deadline); { // it learns of ends by and by
		time.Sleep(time.Millisecond)
		metrics = p.metrics()
	}
	for name, want := range map[string]int64{
		"hawser_messages_published_total":                   m.Sent,
		"hawser_published_bytes_total":                      m.Sent * int64(m.Size),
		"hawser_deliveries_total":                           m.Received,
		`hawser_connections_opened_total{kind="websocket"}`: int64(r.Connections.Opened),
		`hawser_messages_dropped_total{reason="slow"}`:      0,
		closed: int64(r.Connections.Opened),
	} {
		if got, ok := metrics[name]; !ok || got != float64(want) {
			t.Errorf("%s is %v; want %d", name, got, want)
		}
	}
	status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/news", "x", withKey())
	if status != http.StatusOK || !strings.Contains(answer, `-51","subscribers":0}`) {
		t.Errorf("the next message is %d %s; want number 51, to nobody", status, answer)
	}
	p.signal(os.Interrupt)
	p.wait()
}

// TestLoadTakesTheKeyFromTheEnvironment, where others do not see it.
func TestLoadTakesTheKeyFromTheEnvironment(t *testing.T) {
	_, addr := startServe(t)
	cmd := command(t, "load", "--connections", "1", "--rate", "100", "--duration", "20ms", "ws://"+addr+"/topics/a.b")
	cmd.Env = append(cmd.Env, "HAWSER_PUBLISH_KEY=secret")
	p := startCommand(t, cmd)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	prints(t, p, `(?s)^ +p50 +p99 +max\nconnect .*\nmessages +2 of 2 planned in .* a second, 128 bytes each\n`+
		`deliveries +2 of 2, 0 lost, 0 twice\nerrors +none\n`)
}

func TestLoadEcho(t *testing.T) {
	wstest.NoLeaks(t)
	p, addr := startEcho(t)
	code, r, stderr := runLoad(t, "--echo", "--connections", "3", "--rate", "500", "--duration", "100ms", "--size", "1000",
		"ws://"+addr+"/any?path")
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	m := r.Messages
	if m.Sent != 50 || m.Expected != 50 || m.Received != 50 || m.Lost+m.Twice+m.Surplus != 0 || m.Size != 1000 {
		t.Errorf("messages: %+v", m)
	}
	if m.PerSecond > 500 {
		t.Errorf("%v messages a second; want no more than --rate", m.PerSecond)
	}
	if !r.Echo || r.LastReceiverMS != nil || r.DelayMS.P50 <= 0 || r.URL != "ws://"+addr+"/any?path" {
		t.Errorf("%+v", r)
	}
	p.signal(os.Interrupt)
	p.wait()
}

// A faultyServer is a notification server that does with its messages what a test asks for.
type faultyServer struct {
	hub      websocket.Hub
	upgrader websocket.Upgrader
	posts    atomic.Int64
	// publish sends message n, counted from 1, and says to how many; nil: as it should be.
	publish func(s *faultyServer, w http.ResponseWriter, n int64, p []byte) (subscribers int)
	// opened is told of connection n, counted from 1; nil: nobody.
	opened func(c *websocket.Conn, n int64)
	conns  atomic.Int64
	asked  atomic.Int64 // for a connection
}

func (s *faultyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		if n := s.publish(s, w, s.posts.Add(1), body); n >= 0 {
			fmt.Fprintf(w, `{"id":"x-1","subscribers":%d}`, n)
		}
		return
	}
	s.asked.Add(1)
	c, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	go s.hub.Serve(c, "all")
	if s.opened != nil {
		s.opened(c, s.conns.Add(1))
	}
}

// send is the server as it should be.
func (s *faultyServer) send(p []byte) int {
	receipt, _ := s.hub.Publish("all", websocket.TextMessage, p)
	return receipt.Subscribers
}

// startFaulty starts a faultyServer and returns its URL.
func startFaulty(t *testing.T, s *faultyServer) string {
	t.Helper()
	if s.publish == nil {
		s.publish = func(s *faultyServer, _ http.ResponseWriter, _ int64, p []byte) int { return s.send(p) }
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.upgrader.Shutdown(ctx)
	})
	return "ws" + strings.TrimPrefix(web.URL, "http")
}

// TestLoadCountsExactly: what is lost, doubled, changed or not its own.
func TestLoadCountsExactly(t *testing.T) {
	url := startFaulty(t, &faultyServer{publish: func(s *faultyServer, w http.ResponseWriter, n int64, p []byte) int {
		switch n {
		case 3: // lost for all
			return 5
		case 5: // doubled for all
			s.send(p)
		case 7: // changed
			p[0] ^= 1
		case 8: // refused, though it was sent
			s.send(p)
			w.WriteHeader(http.StatusInternalServerError)
			return -1
		case 9: // something else
			s.send([]byte("hello"))
		}
		return s.send(p)
	}})
	code, r, stderr := runLoad(t, "--connections", "5", "--rate", "100", "--duration", "100ms", "--wait", "3s", url)
	if code != exitUnmet {
		t.Errorf("exit code %d; want 4", code)
	}
	m := r.Messages
	if m.Sent != 9 || m.Expected != 45 || m.Lost != 10 || m.Twice != 5 || m.Surplus != 5 || m.Received != 40 {
		t.Errorf("messages: %+v", m)
	}
	want := map[string]int64{"received: a message that is not ours, or was changed": 10, "publish: status 500": 1}
	if fmt.Sprint(r.Errors) != fmt.Sprint(want) {
		t.Errorf("errors: %v; want %v", r.Errors, want)
	}
	if !strings.Contains(stderr, `hawser load: publish: status 500: the first was: "Internal Server Error"`+"\n") {
		t.Errorf("said %q", stderr)
	}
}

// endsFirst makes s end its first connections with ends, when message n is published, and before that is answered.
func endsFirst(s *faultyServer, n int64, ends ...func(*websocket.Conn)) {
	conns := make(chan *websocket.Conn, len(ends))
	s.opened = func(c *websocket.Conn, _ int64) {
		select {
		case conns <- c:
		default:
		}
	}
	s.publish = func(s *faultyServer, _ http.ResponseWriter, message int64, p []byte) int {
		if message == n {
			for _, end := range ends {
				end(<-conns)
			}
		}
		return s.send(p)
	}
}

// TestLoadCountsErrorsByKind: of connections that are refused and that end.
func TestLoadCountsErrorsByKind(t *testing.T) {
	var s faultyServer
	var refused atomic.Int64
	s.upgrader.CheckOrigin = func(*http.Request) bool { return refused.Add(1) > 2 }
	endsFirst(&s, 2, func(c *websocket.Conn) { c.CloseWith(websocket.CloseTryAgainLater, "slow\x1b") },
		func(c *websocket.Conn) { c.CloseNow() })
	url := startFaulty(t, &s)
	code, r, stderr := runLoad(t, "--connections", "8", "--rate", "20", "--duration", "500ms", url)
	if code != exitUnmet || r.Connections.Opened != 6 {
		t.Errorf("exit code %d, connections %+v; want 4, 6 opened", code, r.Connections)
	}
	if r.Errors["connect: status 403"] != 2 || r.Errors["connection: closed with code 1013"] != 1 {
		t.Errorf("errors: %v", r.Errors)
	}
	if strings.Contains(stderr, "\x1b") || !strings.Contains(stderr, "closed with code 1013: the first was: ") {
		t.Errorf("said %q", stderr)
	}
}

// TestLoadGivesUp: when there is nobody left to receive anything.
func TestLoadGivesUp(t *testing.T) {
	var s faultyServer
	restart := func(c *websocket.Conn) { c.CloseWith(websocket.CloseServiceRestart, "") }
	endsFirst(&s, 2, restart, restart)
	code, r, stderr := runLoad(t, "--connections", "2", "--rate", "100", "--duration", "1h", startFaulty(t, &s))
	if code != exitFailed || r.Errors["connection: closed with code 1012"] != 2 || r.Messages.Sent == 0 {
		t.Errorf("exit code %d, %+v", code, r)
	}
	if !strings.Contains(stderr, "hawser load: given up: all connections have ended\n") {
		t.Errorf("said %q", stderr)
	}
}

// TestLoadStampsTheDueTime: what the load generator is late counts as delay.
func TestLoadStampsTheDueTime(t *testing.T) {
	var mu sync.Mutex
	stamps := make(map[uint32]time.Duration)
	url := startFaulty(t, &faultyServer{publish: func(s *faultyServer, _ http.ResponseWriter, _ int64, p []byte) int {
		if n, sent, ok := parseLoad(p, string(p[:loadIDSize])); ok {
			mu.Lock()
			defer mu.Unlock()
			stamps[n] = sent
		}
		return s.send(p)
	}})
	runLoad(t, "--connections", "1", "--rate", "1000", "--duration", "50ms", url)
	mu.Lock()
	defer mu.Unlock()
	for n := range uint32(50) {
		if got := stamps[n] - stamps[0]; (got - time.Duration(n)*time.Millisecond).Abs() > time.Microsecond {
			t.Errorf("message %d was due %v after the first; want %d ms", n, got, n)
		}
	}
}

// TestLoadExplains: what an error says is said once, and does not change the terminal.
func TestLoadExplains(t *testing.T) {
	refused := &websocket.HandshakeError{Check: "connect", Reason: "no connection to h", Err: &net.OpError{
		Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	unknown := &websocket.HandshakeError{Check: "tls", Reason: "the TLS handshake failed",
		Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}
	another := &websocket.HandshakeError{Check: "tls", Reason: "the TLS handshake failed",
		Err: &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: new(x509.Certificate), Host: "h"}}}
	said := &publishError{503, "busy"}
	for name, row := range map[string]struct {
		err, final error
		want       string
	}{
		"a terminal":  {errors.New("valid for \x1b[2J"), nil, `the first was: valid for \\x1b\[2J\n`},
		"the library": {errors.New("websocket: closed"), nil, `the first was: closed\n`},
		"refused":     {refused, nil, `the first was: no connection to h\n`},
		"an unknown authority": {unknown, nil, `the first was: the TLS handshake failed: .*unknown authority ` +
			`\(--cacert FILE says whom to trust, -k takes any certificate\)\n`},
		"another name":     {another, nil, `the first was: the TLS handshake failed: .* \(-k takes any certificate\)\n`},
		"no answer":        {&url.Error{Op: "Post", URL: "u", Err: os.ErrDeadlineExceeded}, nil, ``},
		"an end":           {&url.Error{Op: "Post", URL: "u", Err: io.EOF}, nil, ``},
		"publishing":       {&url.Error{Op: "Post", URL: "u", Err: errors.New("bad")}, nil, `the first was: bad\n`},
		"a status":         {said, nil, `the first was: busy\n`},
		"why it gave up":   {said, &publishError{503, "busy"}, ``},
		"not why it ended": {said, errAllEnded, `the first was: busy\n`},
	} {
		r, w := osPipe(t)
		l, _ := newLoad(loadConfig{}, streams{err: w})
		l.stats.fail("kind", row.err)
		l.explain(row.final)
		w.Close()
		want := "^$"
		if row.want != "" {
			want = "^hawser load: kind: " + row.want + "$"
		}
		if p, err := io.ReadAll(r); err != nil || !regexp.MustCompile(want).Match(p) {
			t.Errorf("%s: said %q, %v; want %q", name, p, err, want)
		}
	}
}

// TestNewPublishError: a server that is no hawser serve may be one that echoes.
func TestNewPublishError(t *testing.T) {
	const hint = "use --echo for a server that sends back what it receives"
	for _, row := range []struct {
		status int
		said   string
		want   string
	}{
		{http.StatusUpgradeRequired, "", `status 426: "Upgrade Required"; ` + hint},
		{http.StatusMethodNotAllowed, "", `status 405: "Method Not Allowed"; ` + hint},
		{http.StatusNotFound, "no such topic", `status 404: "no such topic"`},
		{http.StatusServiceUnavailable, "", `status 503: "Service Unavailable"`},
	} {
		if err := newPublishError(row.status, row.said); err.Error() != "publishing was answered with "+row.want {
			t.Errorf("%v; want %s", err, row.want)
		}
	}
}

// TestLoadSeesOthers: other subscribers of the topic make its numbers wrong, which it says.
func TestLoadSeesOthers(t *testing.T) {
	_, addr := startServe(t)
	dial(t, "ws://"+addr+"/topics/news", nil)
	code, r, _ := runLoad(t, "--connections", "2", "--rate", "50", "--duration", "100ms", "--key", "secret",
		"ws://"+addr+"/topics/news")
	if code != exitOK || r.OtherSubscribers != 1 || r.Messages.Expected != 10 || r.Messages.Received != 10 {
		t.Errorf("exit code %d, %+v", code, r)
	}
}

// TestLoadLeavesOutWhatWouldWait: a server that does not answer publishers is not flooded, and what was left out is
// counted.
func TestLoadLeavesOutWhatWouldWait(t *testing.T) {
	var mu sync.Mutex
	url := startFaulty(t, &faultyServer{publish: func(s *faultyServer, _ http.ResponseWriter, _ int64, p []byte) int {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		return s.send(p)
	}})
	code, r, _ := runLoad(t, "--connections", "1", "--rate", "20000", "--duration", "100ms", url)
	out := r.Errors["send: left out, since the server had not answered for earlier ones"]
	if code != exitUnmet || out == 0 || r.Messages.Sent+out != 2000 || r.Messages.Received != r.Messages.Sent {
		t.Errorf("exit code %d, %+v, errors %v", code, r.Messages, r.Errors)
	}
	// Waiting for a sender is part of the delay: most waited for hundreds of others.
	if r.DelayMS.P50 < 100 {
		t.Errorf("half of the messages took less than %v ms", r.DelayMS.P50)
	}
}

// TestLoadExitCodes: what keeps it from going on.
func TestLoadExitCodes(t *testing.T) {
	_, addr := startServe(t)
	_, echo := startEcho(t)
	nobody := free(t)
	quick := []string{"--connections", "3", "--rate", "100", "--duration", "50ms", "--wait", "50ms"}
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nobody listens": {[]string{"ws://" + nobody}, exitConnect,
			`connect: connection refused: the first was: no connection to "[\d.:]+"$`},
		"no topic":             {[]string{"--topic", "a b", "--key", "secret", "ws://" + addr}, exitConnect, `connect: status 400: the first was: .*topic has to be`},
		"the key is wrong":     {[]string{"--key", "wrong", "ws://" + addr}, exitFailed, `given up: publishing was answered with status 401: "the key is wrong"`},
		"no key":               {[]string{"ws://" + addr}, exitFailed, `given up: .*401: "publishing needs a key`},
		"not a hawser serve":   {[]string{"ws://" + echo}, exitFailed, `given up: publishing was answered with status 405: .*; use --echo for`},
		"no TLS":               {[]string{"--echo", "-k", "wss://" + echo}, exitConnect, `connect: tls failed`},
		"a URL with a # in it": {[]string{"--echo", "ws://" + echo + "/#a"}, exitUsage, `fragment`},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := hawser(t, append(append([]string{"load"}, quick...), row.args...)...)
			if code != row.code || !regexp.MustCompile(`(?m)^hawser load: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, said %q; want %d, %q", code, stderr, row.code, row.says)
			}
		})
	}
}

// TestLoadUsage: what makes no sense is refused before anything is opened.
func TestLoadUsage(t *testing.T) {
	here := "ws://127.0.0.1:1"
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no URL":               {nil, `the URL is missing`},
		"two URLs":             {[]string{here, here}, `unexpected argument`},
		"no scheme":            {[]string{"127.0.0.1:8080"}, `the URL is not of the form`},
		"another scheme":       {[]string{"ftp://127.0.0.1"}, `"ftp".*ws or wss`},
		"another machine":      {[]string{"ws://192.0.2.1:8080"}, `"192\.0\.2\.1:8080" is not this machine.*--remote`},
		"another name":         {[]string{"ws://localhost.example"}, `is not this machine`},
		"all addresses":        {[]string{"ws://0.0.0.0:8080"}, `is not this machine`},
		"no connection":        {[]string{"--connections", "0", here}, `--connections 0: it has to be 1 to`},
		"too many connections": {[]string{"--connections", "2000000", here}, `--connections 2000000: it has to be 1 to`},
		"small":                {[]string{"--size", "34", here}, `--size 34: it has to be 35`},
		"large":                {[]string{"--size", "1048577", here}, `--size 1048577: .*to 1048576`},
		"no rate":              {[]string{"--rate", "0", here}, `--rate 0`},
		"rate without end":     {[]string{"--rate", "inf", here}, `--rate \+Inf`},
		"rate that is none":    {[]string{"--rate", "nan", here}, `--rate NaN`},
		"no duration":          {[]string{"--duration", "0s", here}, `--duration 0s`},
		"negative wait":        {[]string{"--wait", "-1s", here}, `--wait -1s`},
		"too many messages":    {[]string{"--rate", "1e6", "--duration", "1h", here}, `more than 1048576 messages`},
		"a ramp that is none":  {[]string{"--ramp", "fast", here}, `"fast" for flag --ramp: it has to be connections a second`},
		"topics differ":        {[]string{"--topic", "a", here + "/topics/b"}, `the topic "b", and --topic "a"`},
		"topic with echo":      {[]string{"--topic", "a", "--echo", here}, `--topic and --echo`},
		"key with echo":        {[]string{"--key", "a", "--echo", here}, `with --echo nothing is published`},
		"a key in two lines":   {[]string{"--key", "a\nb", here}, `control character`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := hawser(t, append([]string{"load"}, row.args...)...)
			if code != exitUsage || stdout != "" || !regexp.MustCompile(`^hawser load: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, row.says)
			}
		})
	}
}

// TestLoadTarget: where connections and messages go.
func TestLoadTarget(t *testing.T) {
	for _, row := range []struct{ url, topic, dials, posts string }{
		{"ws://localhost:1", "a", "ws://localhost:1/topics/a", "http://localhost:1/topics/a"},
		{"https://[::1]/", "a", "wss://[::1]/topics/a", "https://[::1]/topics/a"},
		{"ws://127.0.0.1:1/topics/a.b?token=x", "", "ws://127.0.0.1:1/topics/a.b?token=x", "http://127.0.0.1:1/topics/a.b"},
		{"http://127.9.9.9/base/topics/a", "a", "ws://127.9.9.9/base/topics/a", "http://127.9.9.9/base/topics/a"},
		{"ws://127.0.0.1:1/base/", "a", "ws://127.0.0.1:1/base/topics/a", "http://127.0.0.1:1/base/topics/a"},
	} {
		var c loadConfig
		if err := c.target(row.url, row.topic, false); err != nil || c.url.String() != row.dials || c.publish != row.posts {
			t.Errorf("%s, %s: %v, %v, %s; want %s, %s", row.url, row.topic, err, c.url, c.publish, row.dials, row.posts)
		}
	}
	var c, other loadConfig
	named := regexp.MustCompile(`/topics/load-[0-9a-f]{8}$`)
	if err := c.target("ws://192.0.2.1", "", true); err != nil || !named.MatchString(c.publish) {
		t.Errorf("with --remote: %v, %s", err, c.publish)
	}
	if other.target("ws://192.0.2.1", "", true); other.publish == c.publish {
		t.Errorf("two runs have the topic of %s", c.publish)
	}
}

// TestLoadInterrupted: Ctrl-C ends every phase, and what was measured until then is reported.
func TestLoadInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	for name, row := range map[string]struct {
		server *faultyServer
		args   []string
		ready  func(s *faultyServer) bool
		prints string
	}{
		"while it connects": {
			&faultyServer{upgrader: websocket.Upgrader{CheckOrigin: untilGone}},
			[]string{"--rate", "1"},
			func(s *faultyServer) bool { return s.asked.Load() == 3 },
			`(?s)^connections +0 of 3\nmessages +0 of 10 planned, 128 bytes each\ndeliveries +0 of 0.*\nerrors +none\nincomplete`,
		},
		"while it waits for the next connection": {
			&faultyServer{},
			[]string{"--ramp", "0.01"},
			func(s *faultyServer) bool { return s.hub.Stats().Subscribers == 1 },
			`(?s)connections +1 of 3.*\nincomplete`,
		},
		"while it sends": {
			&faultyServer{},
			[]string{"--rate", "100", "--duration", "1h"},
			func(s *faultyServer) bool { return s.posts.Load() > 2 },
			`(?s)connections +3 of 3.*\ndeliveries +(\d+) of \d+, 0 lost, 0 twice\nerrors +none\nincomplete`,
		},
		"while it waits": {
			&faultyServer{publish: func(*faultyServer, http.ResponseWriter, int64, []byte) int { return 3 }},
			[]string{"--rate", "100", "--duration", "10ms", "--wait", "1h"},
			func(s *faultyServer) bool { return s.posts.Load() == 1 },
			`(?s)deliveries +0 of 3, 3 lost, 0 twice\nerrors +none\nincomplete`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"load", "--connections", "3"}, row.args...)
			p := start(t, append(args, startFaulty(t, row.server))...)
			for deadline := time.Now().Add(patience); !row.ready(row.server) && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // so that it has begun to wait, in most runs
			p.signal(os.Interrupt)
			if code := p.wait(); code != exitFailed || !regexp.MustCompile(row.prints).MatchString(p.out.String()) {
				t.Errorf("exit code %d, printed %q; want 1, %q", code, p.out, row.prints)
			}
		})
	}
}

// untilGone leaves a request without an answer.
func untilGone(r *http.Request) bool {
	<-r.Context().Done()
	return false
}

// TestLoadSecondSignalEndsAtOnce: a server that does not answer the Close holds up the first signal, not the second.
func TestLoadSecondSignalEndsAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no signal to send
	}
	opened := make(chan struct{})
	over := make(chan struct{})
	url := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.ReadMessage() // now it sends
		close(opened)
		<-over // and nobody reads from it any more
		c.CloseNow()
	})
	t.Cleanup(func() { close(over) })
	p := start(t, "load", "--echo", "--connections", "1", url)
	<-opened
	for range 1000 { // when a signal has been taken nobody can see, but any number of them has to do
		p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Millisecond):
			continue
		}
		break
	}
	if code := p.wait(); code != -1 {
		t.Errorf("exit code %d; want the signal to have ended it", code)
	}
}

// TestLoadTLS: a server whose certificate nobody knows is refused, unless it is in --cacert, or -k takes any.
func TestLoadTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(echoAsked(nil))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	ca := writePEM(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	for _, tt := range []struct {
		flags []string
		code  int
	}{{nil, exitConnect}, {[]string{"-k"}, exitOK}, {[]string{"--cacert", ca}, exitOK}} {
		code, r, stderr := runLoad(t, append(tt.flags, "--echo", "--connections", "2", "--rate", "20", "--duration", "100ms",
			"wss"+strings.TrimPrefix(web.URL, "https"))...)
		if code != tt.code || (r.Messages.Received == 2) != (code == exitOK) ||
			strings.Contains(stderr, "certificate") != (code == exitConnect) {
			t.Errorf("%v: exit code %d, %+v, said %q; want %d", tt.flags, code, r.Messages, stderr, tt.code)
		}
	}
	code, _, stderr := hawser(t, "load", "--cacert", "nowhere.pem", "wss://127.0.0.1:1")
	if code != exitUsage || !strings.Contains(stderr, "--cacert: open nowhere.pem") {
		t.Errorf("exit code %d, said %q; want 2, what is wrong", code, stderr)
	}
}

// TestLoadOutput: nobody who reads it is no failure, a full disk is one.
func TestLoadOutput(t *testing.T) {
	_, addr := startEcho(t)
	run := func(out *os.File) (code int, stderr string) {
		return startInto(t, out, "load", "--echo", "--connections", "1", "--duration", "10ms", "ws://"+addr)()
	}
	r, w := osPipe(t)
	r.Close()
	if code, stderr := run(w); code != exitOK || stderr != "" {
		t.Errorf("exit code %d, said %q; want 0, nothing", code, stderr)
	}
	full := fullDisk(t)
	if full == nil {
		return
	}
	if code, stderr := run(full); code != exitFailed || !strings.Contains(stderr, "hawser load: standard output: ") {
		t.Errorf("exit code %d, said %q; want 1, what is wrong", code, stderr)
	}
}
