package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
	"hawser.example/websocket/internal/wstest"
)

const (
	key = "Open-Sesame"
	// patience bounds one wait for something that happens at once when all is well.
	patience = 30 * time.Second
)

// A service is a notification server on a port of this machine, with what a test does to it.
type service struct {
	server *notify.Server
	web    *httptest.Server
	addr   string // HOST:PORT
}

// serve starts a server that ends with the test, and sees to it that nothing is left of it.
func serve(t *testing.T, cfg notify.Config) *service {
	t.Helper()
	wstest.NoLeaks(t)
	if !cfg.Dev {
		cfg.PublishKeys = []string{key}
	}
	server, err := notify.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return &service{server, web, web.Listener.Addr().String()}
}

// An answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. header holds names and values in turn.
func (s *service) do(t *testing.T, method, path string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.web.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := s.web.Client().Transport.RoundTrip(r) // unlike Do it follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

// publish sends body to topic as a publisher who has the key.
func (s *service) publish(t *testing.T, topic, body string, header ...string) answer {
	t.Helper()
	header = append(header, "Authorization", "Bearer "+key)
	return s.do(t, "POST", "/topics/"+topic, strings.NewReader(body), header...)
}

// raw sends a request as it stands, for what net/http's client would not send, and returns the answer.
func (s *service) raw(t *testing.T, request string) answer {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return answer{resp.StatusCode, resp.Header, ""} // what follows are frames
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// dial does the handshake of a subscriber.
func (s *service) dial(t *testing.T, topic string, header http.Header) (*websocket.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+s.addr+"/topics/"+topic, header)
	return c, err
}

// subscribe connects to topic and returns when the connection is in the Hub. It ends with the test.
func (s *service) subscribe(t *testing.T, topic string) *websocket.Conn {
	t.Helper()
	before := s.server.Joined(topic)
	c, err := s.dial(t, topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadDeadline(time.Now().Add(patience))
	awaitCount(t, topic, s.server.Joined, before+1)
	return c
}

// await waits until topic has n subscribers. Only the server knows when a subscription is over.
func (s *service) await(t *testing.T, topic string, n int) {
	t.Helper()
	awaitCount(t, topic, s.server.Subscribers, n)
}

// awaitCount waits until count says n of topic.
func awaitCount(t *testing.T, topic string, count func(topic string) int, n int) {
	t.Helper()
	for end := time.Now().Add(patience); count(topic) != n; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d subscribers to %q after %v; want %d", count(topic), topic, patience, n)
		}
	}
}

// wantMessage checks the next message that c gets.
func wantMessage(t *testing.T, c *websocket.Conn, wantType websocket.MessageType, want string) {
	t.Helper()
	got, p, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("error %v; want %v message %.40q", err, wantType, want)
	}
	if got != wantType || string(p) != want {
		t.Errorf("%v message %.40q of %d bytes; want %v message %.40q of %d bytes", got, p, len(p), wantType, want, len(want))
	}
}

// wantClose checks that c gets no message but a Close with code.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.CloseCode) {
	t.Helper()
	_, p, err := c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != code {
		t.Errorf("message %.40q, error %v; want a Close with code %d", p, err, code)
	}
}

// wantRefusal checks an answer that is an error: its status, and the JSON that says why with one of the words.
func wantRefusal(t *testing.T, got answer, status int, why string) {
	t.Helper()
	if got.status != status {
		t.Errorf("status %d, %s; want %d", got.status, got.body, status)
		return
	}
	var body struct{ Error string }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || !strings.Contains(body.Error, why) {
		t.Errorf("the body is %q (%v); want JSON whose error contains %q", got.body, err, why)
	}
	wantJSONHeader(t, got)
}

var receipt = regexp.MustCompile(`^\{"id":"([0-9a-f]{8})-([0-9]+)","subscribers":([0-9]+)\}\n$`)

// wantPublished checks the answer to a publication and returns the parts of its id.
func wantPublished(t *testing.T, got answer, subscribers int) (epoch string, seq int) {
	t.Helper()
	if got.status != http.StatusOK {
		t.Errorf("status %d, %s; want 200", got.status, got.body)
		return
	}
	match := receipt.FindStringSubmatch(got.body)
	if match == nil || match[3] != strconv.Itoa(subscribers) {
		t.Errorf(`the body is %q; want {"id":"epoch-seq","subscribers":%d}`, got.body, subscribers)
		return
	}
	wantJSONHeader(t, got)
	seq, err := strconv.Atoi(match[2])
	if err != nil {
		t.Error(err)
	}
	return match[1], seq
}

// wantJSONHeader checks that no browser takes an answer for a page, and that nobody keeps it.
func wantJSONHeader(t *testing.T, got answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           "application/json",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "no-store",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q; want %q", name, value, want)
		}
	}
}

func TestServerRoutes(t *testing.T) {
	long := strings.Repeat("x", 255)
	tests := []struct {
		rule         string
		method, path string
		status       int
		allow        string
		why          string
	}{
		{rule: "a topic of one character", method: "POST", path: "/topics/a", status: 200},
		{rule: "a topic of all characters there are", method: "POST", path: "/topics/AZaz09._-", status: 200},
		{rule: "a topic of 255 bytes", method: "POST", path: "/topics/" + long, status: 200},
		{rule: "a topic of 256 bytes", method: "POST", path: "/topics/x" + long, status: 400, why: "1 to 255"},
		{rule: "an empty topic", method: "POST", path: "/topics/", status: 400, why: "1 to 255"},
		{rule: "a topic that begins with dots", method: "POST", path: "/topics/..a", status: 200},
		{rule: "dots alone are a topic, not a folder", method: "POST", path: "/topics/..", status: 200},
		{rule: "dots alone, escaped", method: "POST", path: "/topics/%2e", status: 200},
		{rule: "a letter, escaped", method: "POST", path: "/topics/%61", status: 200},
		{rule: "a slash", method: "POST", path: "/topics/a/b", status: 400, why: "1 to 255"},
		{rule: "a slash at the end", method: "POST", path: "/topics/a/", status: 400, why: "1 to 255"},
		{rule: "a slash, escaped", method: "POST", path: "/topics/a%2Fb", status: 400, why: "1 to 255"},
		{rule: "two slashes", method: "POST", path: "/topics/a//b", status: 400, why: "1 to 255"},
		{rule: "out of the folder", method: "POST", path: "/topics/../topics/a", status: 400, why: "1 to 255"},
		{rule: "out of the folder, escaped", method: "POST", path: "/topics/..%2Ftopics%2Fa", status: 400, why: "1 to 255"},
		{rule: "a space", method: "POST", path: "/topics/a%20b", status: 400, why: "1 to 255"},
		{rule: "an asterisk", method: "POST", path: "/topics/a*", status: 400, why: "1 to 255"},
		{rule: "a tilde", method: "POST", path: "/topics/~a", status: 400, why: "1 to 255"},
		{rule: "a letter beyond ASCII", method: "POST", path: "/topics/%C3%A4", status: 400, why: "1 to 255"},
		{rule: "a zero byte", method: "POST", path: "/topics/a%00", status: 400, why: "1 to 255"},
		{rule: "a line break", method: "POST", path: "/topics/a%0A", status: 400, why: "1 to 255"},
		{rule: "a query is not part of the topic", method: "POST", path: "/topics/a?b=c", status: 200},
		{rule: "subscribing to a wrong topic", method: "GET", path: "/topics/a%2Fb", status: 400, why: "1 to 255"},

		{rule: "GET without a handshake", method: "GET", path: "/topics/a", status: 426, why: "WebSocket"},
		{rule: "HEAD", method: "HEAD", path: "/topics/a", status: 405, allow: "GET, POST"},
		{rule: "PUT", method: "PUT", path: "/topics/a", status: 405, allow: "GET, POST", why: "POST to publish"},
		{rule: "DELETE", method: "DELETE", path: "/topics/a", status: 405, allow: "GET, POST", why: "POST to publish"},
		{rule: "PATCH", method: "PATCH", path: "/topics/a", status: 405, allow: "GET, POST", why: "POST to publish"},
		{rule: "OPTIONS", method: "OPTIONS", path: "/topics/a", status: 405, allow: "GET, POST", why: "POST to publish"},
		{rule: "small letters", method: "post", path: "/topics/a", status: 405, allow: "GET, POST", why: "POST to publish"},

		{rule: "no page without --dev", method: "GET", path: "/", status: 404, why: "/topics/NAME"},
		{rule: "no parts of a page without --dev", method: "GET", path: "/page/page.js", status: 404, why: "/topics/NAME"},
		{rule: "topics without a topic", method: "POST", path: "/topics", status: 404, why: "/topics/NAME"},
		{rule: "a path in other letters", method: "POST", path: "/Topics/a", status: 404, why: "/topics/NAME"},
		{rule: "another path", method: "POST", path: "/other/a", status: 404, why: "/topics/NAME"},
		{rule: "a path that leads to topics", method: "POST", path: "/x/../topics/a", status: 404, why: "/topics/NAME"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			s := serve(t, notify.Config{})
			got := s.raw(t, tt.method+" "+tt.path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+
				"\r\nConnection: close\r\n\r\n")
			if allow := got.header.Get("Allow"); allow != tt.allow {
				t.Errorf("Allow: %q; want %q", allow, tt.allow)
			}
			switch {
			case tt.status == 200:
				wantPublished(t, got, 0)
			case tt.method == "HEAD" && got.status == tt.status: // it has no body
			default:
				wantRefusal(t, got, tt.status, tt.why)
			}
		})
	}
}

// TestRefusalsDoNotWaitForTheBody: nothing that is refused costs a connection for as long as the client likes.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	s := serve(t, notify.Config{})
	withKey := "Authorization: Bearer " + key + "\r\n"
	for _, tt := range []struct {
		request, header string
		status          int
	}{
		{"POST /topics/news", "Content-Length: 10\r\n", 401},
		{"POST /topics/news", withKey + "Content-Length: 1048577\r\nExpect: 100-continue\r\n", 413},
		{"POST /topics/a/b", withKey + "Content-Length: 10\r\n", 400},
		{"PUT /topics/news", "Transfer-Encoding: chunked\r\n", 405},
		{"GET /topics/news", "Content-Length: 10\r\n", 400},
		{"GET /topics/other", "Content-Length: 10\r\n" + handshakeHeader, 400},
		{"GET /nothing", "Content-Length: 10\r\n", 404},
	} {
		t.Run(tt.request, func(t *testing.T) {
			got := s.raw(t, tt.request+" HTTP/1.1\r\nHost: x\r\n"+tt.header+"\r\n")
			wantRefusal(t, got, tt.status, "")
		})
	}
}

func TestServerWithoutKeyIsAMistake(t *testing.T) {
	if _, err := notify.NewServer(notify.Config{}); err == nil {
		t.Error("a Server that anyone could publish on was made")
	}
}
