package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// requestText is a handshake as bytes. Lines are changed as by fields.
func requestText(lines ...string) string {
	h := fields(goodRequest, lines...)
	var b strings.Builder
	b.WriteString("GET /chat HTTP/1.1\r\nHost: example.com\r\n")
	h.Write(&b)
	b.WriteString("\r\n")
	return b.String()
}

// startServer serves h on a real socket, over HTTP/1.1.
func startServer(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// A rawHandshake is what a server said to bytes that were sent to it, and what can be said further.
type rawHandshake struct {
	*rawPeer
	status  int
	header  http.Header
	headers string // as bytes
	body    string // of an answer other than 101
}

// handshake sends request to addr and reads the answer.
func handshake(t *testing.T, addr, request string) rawHandshake {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // so that a hang fails
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(nc, &raw))
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("the answer to %q: %v", request, err)
	}
	headers, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	a := rawHandshake{&rawPeer{t: t, nc: nc, role: clientRole}, res.StatusCode, res.Header, headers, ""}
	if res.StatusCode == http.StatusSwitchingProtocols {
		a.buf, _ = br.Peek(br.Buffered())
		return a
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.body = string(body)
	return a
}

// upgrading is a handler that upgrades with header, echoes until the end and hands over the error of a refusal.
func upgrading(u *Upgrader, header http.Header) (http.Handler, <-chan error) {
	errs := make(chan error, 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, header)
		if err != nil {
			errs <- err
			return
		}
		defer c.CloseNow()
		echo(c)
	}), errs
}

// wantRefusal wants the next of errs to be a refusal by this check with this status.
func wantRefusal(t *testing.T, errs <-chan error, check string, status int) *HandshakeError {
	t.Helper()
	var he *HandshakeError
	if err := <-errs; !errors.As(err, &he) || he.Check != check || he.Status != status {
		t.Fatalf("Upgrade returned %v, want a *HandshakeError of check %q with status %d", err, check, status)
	}
	return he
}

// The answer that accepts, byte for byte. RFC 6455, section 4.2.2, item 5.
func TestUpgradeAnswer(t *testing.T) {
	wstest.NoLeaks(t)
	tests := []struct {
		name    string
		u       *Upgrader
		header  http.Header
		request []string
		want    string // behind the Accept
	}{
		{"nothing more", &Upgrader{}, nil, nil, ""},
		{"the client's choice among ours", &Upgrader{Subprotocols: []string{"v1", "v2"}}, nil,
			[]string{"Sec-WebSocket-Protocol: x, v2, v1"}, "\r\nSec-WebSocket-Protocol: v2"},
		{"no subprotocol in common", &Upgrader{Subprotocols: []string{"v1"}}, nil,
			[]string{"Sec-WebSocket-Protocol: v2"}, ""},
		{"no extension is granted", &Upgrader{}, nil, []string{"Sec-WebSocket-Extensions: permessage-deflate"}, ""},
		{"a header of the application", &Upgrader{}, http.Header{"Set-Cookie": {"a=b", "c=d"}}, nil,
			"\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d"},
		{"both", &Upgrader{Subprotocols: []string{"v1"}}, http.Header{"X-Empty": {""}},
			[]string{"Sec-WebSocket-Protocol: v1"}, "\r\nSec-WebSocket-Protocol: v1\r\nX-Empty: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := upgrading(tt.u, tt.header)
			peer := handshake(t, startServer(t, h), requestText(tt.request...))
			want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
				"Sec-WebSocket-Accept: " + sampleAccept + tt.want
			if peer.headers != want {
				t.Errorf("the answer is\n%q, want\n%q", peer.headers, want)
			}
			peer.send(OpText, "hello")
			peer.want(OpText, "hello")
			peer.send(OpClose, closePayload(CloseNormal, ""))
			peer.wantClose(CloseNormal)
			peer.wantEOF()
		})
	}
}

// The connection knows the subprotocol that the answer names.
func TestUpgradeSubprotocol(t *testing.T) {
	wstest.NoLeaks(t)
	u := &Upgrader{Subprotocols: []string{"v1", "v2"}}
	agreed := make(chan string, 1)
	addr := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r, nil); err == nil {
			agreed <- c.Subprotocol()
			c.CloseNow()
		}
	}))
	handshake(t, addr, requestText("Sec-WebSocket-Protocol: v2"))
	if got := <-agreed; got != "v2" {
		t.Errorf("Subprotocol = %q", got)
	}
}

// What the application adds to the answer must not speak for the handshake, nor end the header.
func TestUpgradeRefusesHeadersOfTheApplication(t *testing.T) {
	wstest.NoLeaks(t)
	tests := []struct {
		name, value string
		says        string
	}{
		{"Sec-Websocket-Protocol", "v1", "Upgrader.Subprotocols"},
		{"sec-websocket-protocol", "v1", "Upgrader.Subprotocols"},
		{"Sec-WebSocket-Extensions", "permessage-deflate", "Extensions"},
		{"Sec-Websocket-Accept", sampleAccept, "Accept"},
		{"Sec-Websocket-Version", "13", "Version"},
		{"Sec-Websocket-Key", sampleKey, "Key"},
		{"Upgrade", "h2c", "Upgrade"},
		{"Connection", "close", "Connection"},
		{"Content-Length", "0", "Content-Length"},
		{"Transfer-Encoding", "chunked", "Transfer-Encoding"},
		{"Trailer", "X", "Trailer"},
		{"X", "a\r\nSet-Cookie: b=c", "line break"},
		{"X", "a\nb", "line break"},
		{"X", "a\rb", "line break"},
		{"X", "a\x00b", "line break"},
		{"X: y\r\nZ", "a", "invalid name"},
		{"", "a", "invalid name"},
		{"X ", "a", "invalid name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, errs := upgrading(&Upgrader{}, http.Header{"X-Good": {"good"}, tt.name: {"good", tt.value}})
			peer := handshake(t, startServer(t, h), requestText())
			he := wantRefusal(t, errs, "header", http.StatusInternalServerError)
			checkPresentable(t, "the header "+tt.name, he)
			if !strings.Contains(he.Reason, tt.says) {
				t.Errorf("the reason %q does not name %q", he.Reason, tt.says)
			}
			if peer.status != http.StatusInternalServerError || peer.body != he.Reason+"\n" {
				t.Errorf("the answer is %d %q", peer.status, peer.body)
			}
		})
	}
}

// A refusal is answered in plain text, and the connection of net/http goes on.
func TestUpgradeRefusals(t *testing.T) {
	wstest.NoLeaks(t)
	refuseAll := func(*http.Request) bool { return false }
	tests := []struct {
		name    string
		u       *Upgrader
		request string
		check   string
		status  int
		header  map[string]string
	}{
		{"a page", &Upgrader{}, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "upgrade", 426,
			map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13"}},
		{"a POST", &Upgrader{}, strings.Replace(requestText(), "GET", "POST", 1), "method", 405,
			map[string]string{"Allow": "GET"}},
		{"an old version", &Upgrader{}, requestText("Sec-WebSocket-Version: 8"), "version", 426,
			map[string]string{"Sec-Websocket-Version": "13"}},
		{"a body", &Upgrader{}, requestText("Content-Length: 1") + "x", "body", 400, nil},
		{"another origin", &Upgrader{}, requestText("Origin: https://evil.example"), "origin", 403, nil},
		{"CheckOrigin", &Upgrader{CheckOrigin: refuseAll}, requestText("Origin: http://example.com"),
			"origin", 403, nil},
		{"CheckOrigin without an origin", &Upgrader{CheckOrigin: refuseAll}, requestText(), "origin", 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, errs := upgrading(tt.u, nil)
			peer := handshake(t, startServer(t, h), tt.request)
			he := wantRefusal(t, errs, tt.check, tt.status)
			if peer.status != tt.status || peer.body != he.Reason+"\n" ||
				!strings.HasPrefix(peer.header.Get("Content-Type"), "text/plain") {
				t.Errorf("the answer is %d %q %q", peer.status, peer.header, peer.body)
			}
			for name, want := range tt.header {
				if got := peer.header.Values(name); !slices.Equal(got, []string{want}) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// CheckOrigin is asked instead of Origins, about the very request.
// Two Origin fields that differ are refused even if CheckOrigin looks at one of them only.
func TestUpgradeCheckOriginIsNotAskedAboutContradictions(t *testing.T) {
	wstest.NoLeaks(t)
	h, _ := upgrading(&Upgrader{CheckOrigin: func(*http.Request) bool { return true }}, nil)
	for second, status := range map[string]int{"https://b.example": 400, "https://A.example": 101} {
		request := strings.Replace(requestText("Origin: https://a.example"), "Host:", "Origin: "+second+"\r\nHost:", 1)
		peer := handshake(t, startServer(t, h), request)
		if peer.status != status {
			t.Errorf("second origin %q: status %d, want %d", second, peer.status, status)
		}
	}
}

func TestUpgradeCheckOrigin(t *testing.T) {
	wstest.NoLeaks(t)
	var asked string
	h, _ := upgrading(&Upgrader{
		Origins:     []string{"https://never.example"},
		CheckOrigin: func(r *http.Request) bool { asked = r.Header.Get("Origin") + r.URL.Path; return true },
	}, nil)
	peer := handshake(t, startServer(t, h), requestText("Origin: https://elsewhere.example"))
	if peer.status != 101 || asked != "https://elsewhere.example/chat" {
		t.Errorf("status %d, CheckOrigin was asked about %q", peer.status, asked)
	}
}

// Error answers in the Upgrader's place, with what the error tells it. Upgrade returns the same error.
func TestUpgradeErrorHook(t *testing.T) {
	wstest.NoLeaks(t)
	told := make(chan error, 1)
	h, errs := upgrading(&Upgrader{Error: func(w http.ResponseWriter, r *http.Request, err *HandshakeError) {
		told <- err
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Path", r.URL.Path)
		w.WriteHeader(err.Status)
		io.WriteString(w, `{"check":"`+err.Check+`"}`)
	}}, nil)
	addr := startServer(t, h)
	peer := handshake(t, addr, requestText("Sec-WebSocket-Key: short"))
	he := wantRefusal(t, errs, "key", http.StatusBadRequest)
	if got := <-told; got != error(he) {
		t.Errorf("the hook was given %v, Upgrade returned %v", got, he)
	}
	if peer.status != 400 || peer.header.Get("X-Path") != "/chat" || peer.body != `{"check":"key"}` {
		t.Errorf("the answer is %d %q %q", peer.status, peer.header, peer.body)
	}
	if peer := handshake(t, addr, requestText()); peer.status != 101 || len(told) > 0 {
		t.Errorf("a good handshake: %d, the hook was called %d times", peer.status, len(told))
	}
}

// HTTP/2 has no Upgrade (RFC 9113, section 8.6): the refusal says so.
func TestUpgradeOverHTTP2(t *testing.T) {
	wstest.NoLeaks(t)
	h, errs := upgrading(&Upgrader{}, nil)
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	he := wantRefusal(t, errs, "http-version", http.StatusHTTPVersionNotSupported)
	if res.ProtoMajor != 2 || res.StatusCode != 505 || string(body) != he.Reason+"\n" ||
		!strings.Contains(he.Reason, "HTTP/2") || !strings.Contains(he.Reason, "HTTP/1.1") {
		t.Errorf("over %s the answer is %s %q", res.Proto, res.Status, body)
	}
}

// hidingWriter is middleware that passes on nothing but what it has to.
type hidingWriter struct{ w http.ResponseWriter }

func (h hidingWriter) Header() http.Header         { return h.w.Header() }
func (h hidingWriter) Write(p []byte) (int, error) { return h.w.Write(p) }
func (h hidingWriter) WriteHeader(status int)      { h.w.WriteHeader(status) }

// unwrappingWriter is middleware as it should be.
type unwrappingWriter struct{ hidingWriter }

func (u unwrappingWriter) Unwrap() http.ResponseWriter { return u.w }

// hijackingWriter is middleware that has a Hijack of its own, which may not find any below.
type hijackingWriter struct{ hidingWriter }

func (h hijackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.w).Hijack()
}

// bufferedWriter is middleware whose connection reads through the buffer that comes with it.
type bufferedWriter struct{ hijackingWriter }

func (b bufferedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := b.hijackingWriter.Hijack()
	return bufferedConn{nc, rw}, rw, err
}

type bufferedConn struct {
	net.Conn
	rw *bufio.ReadWriter
}

func (b bufferedConn) Read(p []byte) (int, error) { return b.rw.Read(p) }

// assertingWriter is middleware whose Hijack panics if what it wraps has none, as that of gin does.
type assertingWriter struct {
	unwrappingWriter
	written *bool // it believes that status 200 has been sent
}

func (a assertingWriter) WriteHeader(status int) {
	if !*a.written {
		a.w.WriteHeader(status)
	}
}

func (a assertingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*a.written = true
	return a.w.(http.Hijacker).Hijack()
}

// inquiringWriter is middleware whose Hijack has an error of its own if what it wraps has none, as that of chi does.
type inquiringWriter struct{ unwrappingWriter }

func (i inquiringWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h, ok := i.w.(http.Hijacker); ok {
		return h.Hijack()
	}
	return nil, nil, errors.New("there is no Hijack")
}

// Middleware is passed by Unwrap or Hijack. If it hides the connection the error names its type.
func TestUpgradeThroughMiddleware(t *testing.T) {
	wstest.NoLeaks(t)
	hide := func(w http.ResponseWriter) http.ResponseWriter { return hidingWriter{w} }
	unwrap := func(w http.ResponseWriter) http.ResponseWriter { return unwrappingWriter{hidingWriter{w}} }
	hijack := func(w http.ResponseWriter) http.ResponseWriter { return hijackingWriter{hidingWriter{w}} }
	buffer := func(w http.ResponseWriter) http.ResponseWriter {
		return bufferedWriter{hijackingWriter{hidingWriter{w}}}
	}
	assert := func(w http.ResponseWriter) http.ResponseWriter {
		return assertingWriter{unwrappingWriter{hidingWriter{w}}, new(bool)}
	}
	inquire := func(w http.ResponseWriter) http.ResponseWriter {
		return inquiringWriter{unwrappingWriter{hidingWriter{w}}}
	}
	const hiding, failing = "websocket.hidingWriter hides the connection", "the Hijack of websocket."
	type layers []func(http.ResponseWriter) http.ResponseWriter
	tests := []struct {
		name   string
		layers layers // the innermost first
		status int
		reason string // names the type that is to blame
	}{
		{"none", nil, 101, ""},
		{"Unwrap", layers{unwrap}, 101, ""},
		{"Unwrap, many", layers{unwrap, unwrap, unwrap}, 101, ""},
		{"Hijack", layers{hijack}, 101, ""},
		{"Hijack with a buffer", layers{buffer}, 101, ""},
		{"Hijack under Unwrap", layers{unwrap, hijack, unwrap}, 101, ""},
		{"hidden", layers{hide}, 500, hiding},
		{"hidden under Unwrap", layers{hide, unwrap, unwrap}, 500, hiding},
		{"hidden over Unwrap", layers{unwrap, hide}, 500, hiding},
		{"hidden under Hijack", layers{hide, hijack}, 500, failing + "hijackingWriter"},
		{"a Hijack that asserts", layers{assert, assert}, 101, ""},
		{"hidden under a Hijack that asserts", layers{hide, unwrap, assert, unwrap}, 500, hiding},
		{"Unwrap under a Hijack that asserts", layers{unwrap, assert, unwrap}, 200, failing + "assertingWriter"},
		{"a Hijack that inquires", layers{inquire, inquire}, 101, ""},
		{"hidden under a Hijack that inquires", layers{hide, unwrap, inquire, unwrap}, 500, hiding},
		{"Unwrap under a Hijack that inquires", layers{unwrap, inquire, unwrap}, 500, failing + "inquiringWriter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, errs := upgrading(&Upgrader{}, nil)
			addr := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for _, wrap := range tt.layers {
					w = wrap(w)
				}
				h.ServeHTTP(w, r)
			}))
			peer := handshake(t, addr, requestText())
			if tt.status == 101 {
				if peer.status != 101 {
					t.Fatalf("the answer is %d %q", peer.status, peer.body)
				}
				peer.send(OpText, "hello")
				peer.want(OpText, "hello")
				return
			}
			he := wantRefusal(t, errs, "hijack", http.StatusInternalServerError)
			if peer.status != tt.status || !strings.Contains(peer.body, tt.reason) {
				t.Errorf("the answer is %d %q (%v)", peer.status, peer.body, he)
			}
		})
	}
}

// http.TimeoutHandler is middleware of the standard library that hides the connection.
func TestUpgradeUnderTimeoutHandler(t *testing.T) {
	wstest.NoLeaks(t)
	h, errs := upgrading(&Upgrader{}, nil)
	peer := handshake(t, startServer(t, http.TimeoutHandler(h, time.Minute, "")), requestText())
	wantRefusal(t, errs, "hijack", http.StatusInternalServerError)
	if peer.status != 500 || !strings.Contains(peer.body, "*http.timeoutWriter") {
		t.Errorf("the answer is %d %q", peer.status, peer.body)
	}
}

// Frames that came in one packet with the handshake are delivered, however many net/http has read of them.
func TestUpgradeDeliversWhatCameBehindTheHandshake(t *testing.T) {
	wstest.NoLeaks(t)
	h, _ := upgrading(&Upgrader{}, nil)
	addr := startServer(t, h)
	client := &rawPeer{t: t, role: clientRole}
	for _, sizes := range [][]int{{0}, {5}, {1, 2, 3}, {3000}, {5000, 1}, {200_000}} {
		request := requestText()
		for i, size := range sizes {
			request += string(client.frame(OpText, true, strings.Repeat(string(rune('a'+i)), size)))
		}
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		sent := async(func() error { _, err := io.WriteString(nc, request); return err })
		br := bufio.NewReader(nc)
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
			t.Fatalf("%v, %v", res, err)
		}
		peer := &rawPeer{t: t, nc: nc, role: clientRole}
		peer.buf, _ = br.Peek(br.Buffered())
		for i, size := range sizes {
			peer.want(OpText, strings.Repeat(string(rune('a'+i)), size))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		nc.Close()
	}
}

// A peer that does not take the answer holds nothing up for longer than HandshakeTimeout.
func TestUpgradeAnswerHasADeadline(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		0:               10 * time.Second,
		3 * time.Second: 3 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := memconn.Pair(16)
			w := hijackable{httptest.NewRecorder(), s}
			hooked := false
			hook := func(http.ResponseWriter, *http.Request, *HandshakeError) { hooked = true }
			u := &Upgrader{HandshakeTimeout: limit, Error: hook}
			start := time.Now()
			conn, err := u.Upgrade(w, handshakeRequest(), nil)
			if d := time.Since(start); d != want {
				t.Errorf("it took %v, want %v", d, want)
			}
			he := wantHandshakeError(t, conn, err, "answer")
			if !he.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || he.Status != 0 {
				t.Errorf("Upgrade returned %v with status %d, want a timeout", err, he.Status)
			}
			if hooked || w.Body.Len() > 0 {
				t.Error("a connection that is lost was answered")
			}
			if got, err := io.ReadAll(c); err != nil || len(got) != 16 {
				t.Errorf("the peer then reads %q, %v, want 16 bytes and the end", got, err)
			}
			if err := u.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// The deadline is for the answer only, and there is none if it is off.
func TestUpgradeDeadlineEndsWithTheAnswer(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, -1} {
		synctest.Test(t, func(t *testing.T) {
			s, c := memconn.Pair(16)
			done := async(func() error {
				conn, err := (&Upgrader{HandshakeTimeout: limit, WriteTimeout: time.Hour}).Upgrade(
					hijackable{httptest.NewRecorder(), s}, handshakeRequest(), nil)
				if err != nil {
					return err
				}
				defer conn.CloseNow()
				return conn.WriteMessage(BinaryMessage, make([]byte, 100))
			})
			if limit < 0 {
				time.Sleep(time.Hour)
				wantBlocked(t, "an Upgrade without a limit", done)
			}
			io.CopyN(io.Discard, c, int64(len("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
				"Connection: Upgrade\r\nSec-WebSocket-Accept: "+sampleAccept+"\r\n\r\n")))
			time.Sleep(time.Minute)
			wantBlocked(t, "the write behind it", done)
			io.CopyN(io.Discard, c, 102)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// The deadline of the answer does not end what is written later.
func TestUpgradeDeadlineIsTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := memoryUpgrade(t, &Upgrader{HandshakeTimeout: time.Second})
		time.Sleep(2 * time.Second)
		if err := c.WriteMessage(TextMessage, []byte("later")); err != nil {
			t.Fatal(err)
		}
		peer.want(OpText, "later")
	})
}

// An unhijackable is a ResponseWriter whose connection cannot be taken.
type unhijackable struct {
	*httptest.ResponseRecorder
	err error
}

func (u unhijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, u.err }

// A connection that cannot be taken for another reason: the refusal is answered and holds that reason.
func TestUpgradeHijackFails(t *testing.T) {
	w := unhijackable{httptest.NewRecorder(), net.ErrClosed}
	_, err := new(Upgrader).Upgrade(w, handshakeRequest(), nil)
	var he *HandshakeError
	if !errors.As(err, &he) || he.Check != "hijack" || !errors.Is(err, net.ErrClosed) || w.Code != 500 {
		t.Errorf("Upgrade returned %v, the answer is %d", err, w.Code)
	}
}

// A panic of a Hijack that tells of no type in the way is net/http's to report.
func TestUpgradeHijackPanics(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the panic is %v", p)
		}
	}()
	new(Upgrader).Upgrade(panickingWriter{httptest.NewRecorder()}, handshakeRequest(), nil)
	t.Error("Upgrade returned")
}

type panickingWriter struct{ *httptest.ResponseRecorder }

func (panickingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { panic(http.ErrAbortHandler) }

// handlerGoroutines returns how many goroutines of net/http serve a connection.
func handlerGoroutines() int {
	buf := make([]byte, 1<<20)
	return bytes.Count(buf[:runtime.Stack(buf, true)], []byte("net/http.(*conn).serve("))
}

// Handler serves on goroutines of its own: those of net/http, with their buffers, are released.
func TestHandlerDetachesFromTheServer(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	addr := startServer(t, u.Handler(func(c *Conn, r *http.Request) Handler {
		path := r.URL.Path
		return HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) {
			c.WriteMessage(mt, append([]byte(path+" "), p...))
		}}
	}))
	before := handlerGoroutines()
	var peers []rawHandshake
	for range 20 {
		peers = append(peers, handshake(t, addr, requestText()))
	}
	waitFor(t, func() bool { return handlerGoroutines() <= before })
	for _, peer := range peers {
		peer.send(OpText, "hello")
		peer.want(OpText, "/chat hello")
	}
	if err := u.Shutdown(cancelled()); err != context.Canceled {
		t.Errorf("Shutdown = %v", err)
	}
}

// cancelled returns a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A Handler that is nil is told nothing; the connection is served all the same.
func TestHandlerNil(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	peer := handshake(t, startServer(t, u.Handler(func(*Conn, *http.Request) Handler { return nil })), requestText())
	peer.send(OpText, "thrown away")
	peer.send(OpPing, "are you there")
	peer.want(OpPong, "are you there")
	peer.send(OpClose, closePayload(4000, ""))
	peer.wantClose(4000)
	peer.wantEOF()
}

// A request that Handler refuses opens nothing.
func TestHandlerRefuses(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	addr := startServer(t, u.Handler(func(*Conn, *http.Request) Handler {
		t.Error("open was called")
		return nil
	}))
	if peer := handshake(t, addr, requestText("Sec-WebSocket-Key:")); peer.status != 400 {
		t.Errorf("the answer is %d", peer.status)
	}
}

// A panic in a Handler ends its own connection with 1011, and Closed is told of it; other connections go on.
func TestHandlerPanics(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	closed := make(chan error, 10)
	addr := startServer(t, u.Handler(func(c *Conn, r *http.Request) Handler {
		return HandlerFuncs{
			OnMessage: func(c *Conn, mt MessageType, p []byte) {
				switch string(p) {
				case "panic":
					panic("on request")
				case "close and panic":
					c.Close()
					panic("on request")
				}
				c.WriteMessage(mt, p)
			},
			OnClosed: func(c *Conn, err error) {
				closed <- err
				if r.URL.RawQuery == "closed" {
					panic("in Closed")
				}
			},
		}
	}))
	other := handshake(t, addr, requestText())
	for _, tt := range []struct {
		name, request, message string
		code                   CloseCode
	}{
		{"in a message", requestText(), "panic", CloseInternalError},
		{"behind our own Close", requestText(), "close and panic", CloseNormal},
		{"and in Closed", strings.Replace(requestText(), "/chat", "/?closed", 1), "panic", CloseInternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			peer := handshake(t, addr, tt.request)
			peer.send(OpText, tt.message)
			peer.wantClose(tt.code)
			peer.send(OpClose, closePayload(tt.code, ""))
			peer.wantEOF()
			peer.nc.Close()
			var pe *PanicError
			if err := <-closed; !errors.As(err, &pe) || pe.Value != "on request" ||
				!bytes.Contains(pe.Stack, []byte("server_test.go")) || !strings.Contains(err.Error(), "on request") {
				t.Errorf("Closed was told %v", err)
			}
			other.send(OpText, "others go on")
			other.want(OpText, "others go on")
			if len(closed) > 0 {
				t.Errorf("Closed was called again: %v", <-closed)
			}
		})
	}
	other.nc.Close()
	if err := <-closed; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Closed of the other was told %v", err)
	}
}

// A panic in open is net/http's to report. The connection is not left behind.
func TestHandlerPanicsWhileItOpens(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	peer := handshake(t, startServer(t, u.Handler(func(*Conn, *http.Request) Handler { panic("open") })), requestText())
	peer.wantEOF()
	waitFor(t, func() bool { return registered(&u) == 0 })
}

// registered returns how many connections u knows.
func registered(u *Upgrader) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

// Shutdown says 1001 to all, waits for their Closes, and from then on nobody is let in.
func TestUpgraderShutdown(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	h, errs := upgrading(&u, nil)
	addr := startServer(t, h)
	var peers []rawHandshake
	for range 3 {
		peers = append(peers, handshake(t, addr, requestText()))
	}
	gone := handshake(t, addr, requestText())
	gone.send(OpClose, "")
	gone.wantClose(CloseNoStatus)
	gone.wantEOF()
	waitFor(t, func() bool { return registered(&u) == len(peers) })

	down := async(func() error { return u.Shutdown(testContext(t)) })
	for i, peer := range peers {
		peer.wantClose(CloseGoingAway)
		select {
		case err := <-down:
			t.Fatalf("Shutdown returned %v before client %d had answered", err, i)
		default:
		}
		refused := handshake(t, addr, requestText())
		he := wantRefusal(t, errs, "shutdown", http.StatusServiceUnavailable)
		if refused.status != 503 || refused.body != he.Reason+"\n" {
			t.Errorf("a handshake during Shutdown was answered %d %q", refused.status, refused.body)
		}
		peer.send(OpClose, closePayload(CloseGoingAway, ""))
		peer.wantEOF()
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if n := registered(&u); n > 0 {
		t.Errorf("%d connections are still registered", n)
	}
	if err := u.Shutdown(t.Context()); err != nil {
		t.Errorf("another Shutdown, with nobody left: %v", err)
	}
	if refused := handshake(t, addr, requestText()); refused.status != 503 {
		t.Errorf("a handshake after Shutdown was answered %d", refused.status)
	}
}

// memoryUpgrade upgrades a request that came over a connection in memory, and reads the answer.
func memoryUpgrade(t *testing.T, u *Upgrader) (*Conn, *rawPeer) {
	t.Helper()
	s, c := memconn.Pair(4096)
	conn, err := u.Upgrade(hijackable{httptest.NewRecorder(), s}, handshakeRequest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow(); c.Close() })
	br := bufio.NewReaderSize(c, 16)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	peer := &rawPeer{t: t, nc: c, role: clientRole}
	peer.buf, _ = br.Peek(br.Buffered())
	return conn, peer
}

// A handler that comes to read when its connection is being closed already waits for the end, as one that was reading
// does: when it gives up the connection then, the closing handshake is over.
func TestUpgraderShutdownWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u Upgrader
		c, peer := memoryUpgrade(t, &u)
		down := async(func() error { return u.Shutdown(t.Context()) })
		wantBlocked(t, "Shutdown", down)
		handled := async(func() error {
			defer c.CloseNow()
			return readError(c)
		})
		wantBlocked(t, "the handler's read", handled)
		peer.finish(CloseGoingAway)
		wantErrClosed(t, "the handler's read", <-handled)
		if err := <-down; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
	})
}

// Drain waits for nothing, also when the connection is being closed.
func TestDrainWhileTheConnectionIsClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := memoryUpgrade(t, new(Upgrader))
		wantBlocked(t, "Close", async(c.Close))
		start := time.Now()
		c.Drain()
		if d := time.Since(start); d != 0 {
			t.Errorf("Drain took %v", d)
		}
	})
}

// A context that ends cuts those that have not answered, whether they were told or not.
func TestUpgraderShutdownGivesUp(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Second, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var u Upgrader
			polite, politePeer := memoryUpgrade(t, &u)
			silent, silentPeer := memoryUpgrade(t, &u)
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			start := time.Now()
			down := async(func() error { return u.Shutdown(ctx) })
			if wait > 0 {
				politePeer.wantClose(CloseGoingAway)
				politePeer.send(OpClose, closePayload(CloseGoingAway, ""))
				politePeer.wantEOF()
				silentPeer.wantClose(CloseGoingAway)
			}
			if err := <-down; err != context.Cause(ctx) || time.Since(start) != wait {
				t.Errorf("Shutdown = %v after %v, want %v", err, time.Since(start), wait)
			}
			for _, c := range []*Conn{polite, silent} {
				<-c.Done()
				wantErrClosed(t, "a read", readError(c))
			}
		})
	}
}

// Without a context that ends, CloseTimeout bounds Shutdown.
func TestUpgraderShutdownIsBoundedByCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := Upgrader{CloseTimeout: 3 * time.Second}
		memoryUpgrade(t, &u)
		start := time.Now()
		if err := u.Shutdown(context.Background()); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
	})
}

// http.Server.Shutdown does not know upgraded connections, but calls what RegisterOnShutdown was given.
func TestUpgraderShutdownWithTheServer(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	h, _ := upgrading(&u, nil)
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	down := make(chan error, 1)
	srv.RegisterOnShutdown(func() { down <- u.Shutdown(testContext(t)) })
	ln := listen(t)
	served := async(func() error { return srv.Serve(ln) })
	peer := handshake(t, ln.Addr().String(), requestText())
	if err := srv.Shutdown(testContext(t)); err != nil {
		t.Error(err)
	}
	peer.finish(CloseGoingAway)
	if err := <-down; err != nil {
		t.Errorf("the Upgrader's Shutdown = %v", err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}

// The Upgrader's options reach the connection.
func TestUpgraderOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive := Keepalive{Interval: time.Second, Timeout: time.Minute}
		c, peer := memoryUpgrade(t, &Upgrader{ReadLimit: 5, Keepalive: alive})
		done := async(func() error { return echo(c) })
		time.Sleep(time.Second)
		synctest.Wait()
		if f, err := peer.read(); err != nil || f.Opcode != OpPing {
			t.Errorf("after the interval of keepalive the peer read %v, %v", f, err)
		}
		peer.send(OpText, "12345")
		peer.want(OpText, "12345")
		peer.send(OpText, "123456")
		peer.wantClose(CloseMessageTooBig)
		peer.nc.Close()
		if err := <-done; !errors.Is(err, ErrReadLimit) {
			t.Errorf("the read returned %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := memoryUpgrade(t, &Upgrader{WriteTimeout: time.Second, Keepalive: Keepalive{Interval: -1}})
		start := time.Now()
		err := c.WriteMessage(BinaryMessage, make([]byte, 10_000))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a write to a peer that takes nothing: %v after %v", err, time.Since(start))
		}
	})
}

// Upgrade works over TLS, and from a real client with the pattern of an origin.
func TestUpgradeOverTLS(t *testing.T) {
	wstest.NoLeaks(t)
	h, _ := upgrading(&Upgrader{Origins: []string{"https://app.example.com"}}, nil)
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	nc, err := tls.Dial("tcp", srv.Listener.Addr().String(), srv.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, requestText("Origin: https://app.example.com"))
	br := bufio.NewReader(nc)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	peer := &rawPeer{t: t, nc: nc, role: clientRole}
	peer.send(OpText, "hello")
	peer.want(OpText, "hello")
	peer.send(OpClose, closePayload(CloseNormal, ""))
	peer.wantClose(CloseNormal)
	peer.wantEOF()
}
