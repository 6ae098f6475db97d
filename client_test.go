package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// serveScript runs script for every connection to a new listener, with the
// request it read from it, and closes the connection afterwards. It returns the
// listener's address. When t is over the listener is closed and every script has
// returned.
func serveScript(t *testing.T, ln net.Listener, script func(nc net.Conn, r *http.Request)) string {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(nc))
			if err == nil {
				script(nc, r)
			}
			nc.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-over
	})
	return ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// accepting returns a 101 that answers r, with lines changed as by fields.
func accepting(r *http.Request, lines ...string) string {
	h := fields("Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key")), lines...)
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	h.Write(&b)
	b.WriteString("\r\n")
	return b.String()
}

// textFrame returns an unmasked text frame.
func textFrame(s string) string {
	return string(AppendHeader(nil, Header{Fin: true, Opcode: OpText, Length: uint64(len(s))})) + s
}

const closeFrame = "\x88\x02\x03\xe8" // 1000

// awaitClose reads the client's Close, behind which the server closes TCP.
func awaitClose(nc net.Conn) { io.CopyN(io.Discard, nc, 2+4+2) }

// wantText reads a message from c.
func wantText(t *testing.T, c *Conn, want string) {
	t.Helper()
	typ, p, err := c.ReadMessage()
	if err != nil || typ != TextMessage || string(p) != want {
		t.Fatalf("ReadMessage = %v, %.100q, %v; want the text %.100q", typ, p, err, want)
	}
}

// testContext ends long after every test, so that a hang fails with a stack.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wantHandshakeError asserts what every failed Dial has in common.
func wantHandshakeError(t *testing.T, c *Conn, err error, check string) *HandshakeError {
	t.Helper()
	var he *HandshakeError
	if c != nil || !errors.As(err, &he) {
		t.Fatalf("Dial = %v, %v; want a *HandshakeError", c, err)
	}
	if he.Check != check {
		t.Fatalf("the failed check is %q, want %q: %v", he.Check, check, err)
	}
	if errors.Is(err, net.ErrClosed) {
		t.Errorf("the error is net.ErrClosed, but it was not the caller who closed: %v", err)
	}
	return he
}

// echoHandler is a server of this package.
func echoHandler(u *Upgrader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, http.Header{"X-Path": {r.RequestURI}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		echo(c)
	})
}

func TestDial(t *testing.T) {
	plain := httptest.NewServer(echoHandler(&Upgrader{Subprotocols: []string{"b", "a"}}))
	defer plain.Close()
	secure := httptest.NewTLSServer(echoHandler(&Upgrader{Subprotocols: []string{"b", "a"}}))
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())

	for _, scheme := range []string{"ws", "http", "wss", "https"} {
		t.Run(scheme, func(t *testing.T) {
			wstest.NoLeaks(t)
			addr := plain.Listener.Addr()
			if scheme == "wss" || scheme == "https" {
				addr = secure.Listener.Addr()
			}
			d := &Dialer{TLSConfig: &tls.Config{RootCAs: roots}, Subprotocols: []string{"x", "a", "b"}}
			ctx, cancel := context.WithCancel(context.Background())
			c, res, err := d.Dial(ctx, fmt.Sprintf("%s://%s/chat?x=%%20y", scheme, addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if res.StatusCode != 101 || res.Header.Get("X-Path") != "/chat?x=%20y" || res.Request.URL.Path != "/chat" {
				t.Errorf("the response is %d %q to %v", res.StatusCode, res.Header, res.Request.URL)
			}
			if c.Subprotocol() != "a" {
				t.Errorf("Subprotocol = %q, want a", c.Subprotocol())
			}
			cancel() // the connection does not depend on it any more
			if err := c.WriteMessage(TextMessage, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			wantText(t, c, "hello")
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	}
	if c, err := Dial(context.Background(), "ws"+strings.TrimPrefix(plain.URL, "http")); err != nil {
		t.Errorf("Dial of the package: %v", err)
	} else {
		c.Close()
	}
}

func TestDialUnix(t *testing.T) {
	wstest.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "a:b c.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveScript(t, ln, func(nc net.Conn, r *http.Request) {
		io.WriteString(nc, accepting(r)+textFrame(r.Host+" "+r.RequestURI)+closeFrame)
		awaitClose(nc)
	})
	escaped := strings.ReplaceAll(strings.ReplaceAll(path, ":", "%3A"), " ", "%20")
	for url, want := range map[string]string{
		"ws+unix:" + escaped:                                      "localhost /",
		"ws+unix://" + escaped + ":/chat%2F1?x":                   "localhost /chat%2F1?x",
		"ws+unix://app.example.com:8080" + escaped + ":/chat?x=:": "app.example.com:8080 /chat?x=:",
		"ws+unix:" + escaped + "?x":                               "localhost /?x",
	} {
		c, err := Dial(testContext(t), url)
		if err != nil {
			t.Errorf("Dial(%q): %v", url, err)
			continue
		}
		wantText(t, c, want)
		c.Close()
	}
}

func TestParseTarget(t *testing.T) {
	tests := []struct{ url, addr, host, serverName, resource string }{
		{"ws://example.com", "example.com:80", "example.com", "example.com", "/"},
		{"ws://example.com/", "example.com:80", "example.com", "example.com", "/"},
		{"WS://Example.com/", "Example.com:80", "Example.com", "Example.com", "/"},
		{"ws://example.com:80/", "example.com:80", "example.com", "example.com", "/"},
		{"ws://example.com:443/", "example.com:443", "example.com:443", "example.com", "/"},
		{"ws://example.com:/", "example.com:80", "example.com", "example.com", "/"},
		{"wss://example.com/", "example.com:443", "example.com", "example.com", "/"},
		{"wss://example.com:443/", "example.com:443", "example.com", "example.com", "/"},
		{"wss://example.com:8443/", "example.com:8443", "example.com:8443", "example.com", "/"},
		{"https://example.com/", "example.com:443", "example.com", "example.com", "/"},
		{"ws://127.0.0.1:8080/", "127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", "/"},
		{"ws://[::1]:8080/", "[::1]:8080", "[::1]:8080", "::1", "/"},
		{"ws://[::1]/", "[::1]:80", "[::1]", "::1", "/"},
		{"wss://[fe80::1%25eth0]/", "[fe80::1%eth0]:443", "[fe80::1]", "fe80::1", "/"},
		{"ws://a_b.example/", "a_b.example:80", "a_b.example", "a_b.example", "/"},
		{"ws://u:p@example.com/", "example.com:80", "example.com", "example.com", "/"},
		{"ws://h?x", "h:80", "h", "h", "/?x"},
		{"ws://h/?", "h:80", "h", "h", "/?"},
		{"ws://h//a/../b", "h:80", "h", "h", "//a/../b"},
		{"ws://h/a%2Fb%20c?d=e%20f&g=+", "h:80", "h", "h", "/a%2Fb%20c?d=e%20f&g=+"},
		{"ws://h/a b\u00fc?c d\u00fc", "h:80", "h", "h", "/a%20b%C3%BC?c%20d%C3%BC"},
		{"ws://h/%23?%23", "h:80", "h", "h", "/%23?%23"},
		{"ws+unix:/a.sock", "/a.sock", "localhost", "localhost", "/"},
		{"ws+unix:///a.sock:/b:c", "/a.sock", "localhost", "localhost", "/b:c"},
		{"wss+unix://example.com/a%3Ab.sock:/c?d", "/a:b.sock", "example.com", "example.com", "/c?d"},
	}
	for _, tt := range tests {
		target, err := parseTarget(tt.url)
		if err != nil {
			t.Errorf("RFC 6455, section 3: %v", err)
			continue
		}
		if target.addr != tt.addr || target.host != tt.host || target.serverName != tt.serverName || target.resource != tt.resource {
			t.Errorf("RFC 6455, section 3: %s: addr %q, Host %q, server name %q, resource %q; want %q, %q, %q, %q", tt.url,
				target.addr, target.host, target.serverName, target.resource, tt.addr, tt.host, tt.serverName, tt.resource)
		}
		if want := strings.HasPrefix(tt.url, "wss") || strings.HasPrefix(tt.url, "https"); target.secure != want {
			t.Errorf("RFC 6455, section 3: %s: secure = %v", tt.url, target.secure)
		}
		if want := strings.Contains(tt.url, "+unix"); (target.network == "unix") != want {
			t.Errorf("%s: network = %q", tt.url, target.network)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	tests := []struct{ url, names string }{
		{"", "scheme"},
		{"example.com/chat", "scheme"},
		{"//example.com/chat", "scheme"},
		{"localhost:8080", "scheme"},
		{"ftp://example.com/", "scheme"},
		{"ws:example.com", "host"},
		{"ws:/chat", "host"},
		{"ws://", "host"},
		{"ws://:80/", "host"},
		{"ws://h/#a", "fragment"},
		{"ws://h/#", "fragment"},
		{"ws://h:x/", "port"},
		{"ws://h:0/", "port"},
		{"ws://h:65536/", "port"},
		{"ws://b\u00fccher.example/", "xn--"},
		{"ws://a,b/", "host"},
		{"ws://a%25b/", "host"},
		{"ws://[::1", "of the form"},
		{"ws://h/\r\nX: y", "control"},
		{"ws://h/?\x00", "control"},
		{"ws+unix:a.sock", "absolute"},
		{"ws+unix:", "absolute"},
		{"ws+unix:/a.sock:b", "slash"},
		{"ws+unix://a,b/a.sock", "host"},
	}
	for _, tt := range tests {
		c, res, err := new(Dialer).Dial(context.Background(), tt.url, nil)
		var he *HandshakeError
		if c != nil || res != nil || err == nil || errors.As(err, &he) {
			t.Errorf("RFC 6455, section 3: Dial(%q) = %v, %v, %v; want a plain error", tt.url, c, res, err)
		} else if !strings.Contains(err.Error(), tt.names) || !strings.HasPrefix(err.Error(), "websocket: ") {
			t.Errorf("RFC 6455, section 3: Dial(%q): the error does not name %q: %v", tt.url, tt.names, err)
		}
	}
	for _, url := range []string{"ftp://u:secret@h/", "ws://u:secret@h:x/", "ws://u:secret@h/#f"} {
		if _, err := parseTarget(url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("parseTarget(%q): the error is nil or tells the password: %v", url, err)
		}
	}
}

// The request as it stands on the wire. RFC 6455, section 4.1.
func TestUpgradeRequest(t *testing.T) {
	const own = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: 13\r\n"
	tests := []struct {
		rule         string
		url          string
		header       http.Header
		subprotocols []string
		want         string
	}{
		{"nothing added, no Origin, no User-Agent", "ws://h/chat", nil, nil,
			"GET /chat HTTP/1.1\r\nHost: h\r\n" + own + "\r\n"},
		{"4.1 item 10: subprotocols in order", "ws://h:8080/", nil, []string{"b", "a"},
			"GET / HTTP/1.1\r\nHost: h:8080\r\n" + own + "Sec-WebSocket-Protocol: b, a\r\n\r\n"},
		{"4.1 item 12: own fields, any spelling", "ws://h/", http.Header{"origin": {"https://h"}, "X-A": {"1", "\t2 "}}, nil,
			"GET / HTTP/1.1\r\nHost: h\r\n" + own + "Origin: https://h\r\nX-A: 1\r\nX-A: 2\r\n\r\n"},
		{"own Host", "ws://127.0.0.1/", http.Header{"Host": {"app.example.com:8080"}}, nil,
			"GET / HTTP/1.1\r\nHost: app.example.com:8080\r\n" + own + "\r\n"},
		{"user of the URL", "ws://Aladdin:open%20sesame@h/", nil, nil,
			"GET / HTTP/1.1\r\nHost: h\r\n" + own + "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"},
		{"user without password", "ws://u@h/", nil, nil,
			"GET / HTTP/1.1\r\nHost: h\r\n" + own + "Authorization: Basic dTo=\r\n\r\n"},
		{"own Authorization", "ws://u:p@h/", http.Header{"authorization": {"Bearer x"}}, nil,
			"GET / HTTP/1.1\r\nHost: h\r\n" + own + "Authorization: Bearer x\r\n\r\n"},
	}
	for _, tt := range tests {
		target, err := parseTarget(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		before := tt.header.Clone()
		req, err := newUpgradeRequest(target, tt.header, tt.subprotocols, nil, strings.NewReader("the sample nonce"))
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		if string(req.head) != tt.want || req.key != sampleKey {
			t.Errorf("%s: the request is\n%q, want\n%q", tt.rule, req.head, tt.want)
		}
		if fmt.Sprint(before) != fmt.Sprint(tt.header) {
			t.Errorf("%s: the caller's header was changed from %q to %q", tt.rule, before, tt.header)
		}
		// It has to pass the server's rules.
		r := parseRequest(t, string(req.head))
		if _, err := checkRequest(r.Method, r.ProtoMajor, r.ProtoMinor, r.Header, hasBody(r)); err != nil {
			t.Errorf("%s: refused: %v", tt.rule, err)
		}
	}
}

func TestUpgradeRequestRefuses(t *testing.T) {
	tests := []struct {
		names        string
		header       http.Header
		subprotocols []string
	}{
		{"Upgrade", http.Header{"Upgrade": {"websocket"}}, nil},
		{"connection", http.Header{"connection": {"close"}}, nil},
		{"Sec-Websocket-Key", http.Header{"Sec-Websocket-Key": {sampleKey}}, nil},
		{"SEC-WEBSOCKET-VERSION", http.Header{"SEC-WEBSOCKET-VERSION": {"8"}}, nil},
		{"Sec-WebSocket-Extensions", http.Header{"Sec-WebSocket-Extensions": {"x"}}, nil},
		{"Sec-WebSocket-New", http.Header{"Sec-WebSocket-New": {"x"}}, nil},
		{"Dialer.Subprotocols", http.Header{"Sec-Websocket-Protocol": {"chat"}}, nil},
		{"Content-Length", http.Header{"Content-Length": {"0"}}, nil},
		{"Transfer-Encoding", http.Header{"Transfer-Encoding": {"chunked"}}, nil},
		{"Trailer", http.Header{"Trailer": {"X"}}, nil},
		{`"X\r\nY"`, http.Header{"X\r\nY": {"x"}}, nil},
		{`"X:"`, http.Header{"X:": {"x"}}, nil},
		{`""`, http.Header{"": {"x"}}, nil},
		{`"x\r\nUpgrade: y"`, http.Header{"X-A": {"ok", "x\r\nUpgrade: y"}}, nil},
		{`"x\n"`, http.Header{"X-A": {"x\n"}}, nil},
		{`"x\x00"`, http.Header{"X-A": {"x\x00"}}, nil},
		{`"x\x7f"`, http.Header{"X-A": {"x\x7f"}}, nil},
		{"Host", http.Header{"Host": {"a", "b"}}, nil},
		{"Host", http.Header{"Host": {"a/b"}}, nil},
		{"Host", http.Header{"Host": {""}}, nil},
		{"Host", http.Header{"Host": {"a\r\nX: y"}}, nil},
		{`"a b"`, nil, []string{"a b"}},
		{`""`, nil, []string{"a", ""}},
		{`"a,b"`, nil, []string{"a,b"}},
		{`"a\r\n"`, nil, []string{"a\r\n"}},
		{`"a"`, nil, []string{"a", "b", "a"}},
	}
	for _, tt := range tests {
		d := &Dialer{Subprotocols: tt.subprotocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("header %q, subprotocols %q: a connection was made", tt.header, tt.subprotocols)
			return nil, errors.New("no")
		}}
		c, res, err := d.Dial(context.Background(), "ws://h/", tt.header)
		if c != nil || res != nil || err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("header %q, subprotocols %q: Dial = %v, %v, %v; want an error that names %s", tt.header, tt.subprotocols, c, res, err, tt.names)
		}
	}
}

// What a server may answer, and what Dial makes of it.
func TestDialAnswers(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	tests := []struct {
		name   string
		answer func(r *http.Request) string
		check  string // "" is accepted
		status int
		names  string // what the error has to name
		body   string
	}{
		{name: "101", answer: func(r *http.Request) string { return accepting(r) }},
		{name: "101 with another spelling", answer: func(r *http.Request) string {
			return "HTTP/1.1 101 ok\r\nuPGRADE: WebSocket\r\nconnection:keep-alive,\tupgrade\r\nsec-websocket-accept: " + acceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
		}},
		{name: "101 without reason", answer: func(r *http.Request) string {
			return strings.Replace(accepting(r), "101 Switching Protocols", "101", 1)
		}},
		{name: "101 of HTTP/1.0", answer: func(r *http.Request) string { return strings.Replace(accepting(r), "HTTP/1.1", "HTTP/1.0", 1) },
			check: "http-version", status: 101, names: "HTTP/1.0"},
		{name: "100 and 103 before the 101", answer: func(r *http.Request) string {
			return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + accepting(r)
		}},
		{name: "101 that promises a body", answer: func(r *http.Request) string { return accepting(r, "Content-Length: 10") }},
		{name: "101 that promises chunks", answer: func(r *http.Request) string { return accepting(r, "Transfer-Encoding: chunked") }},
		{name: "101 for another key", answer: func(r *http.Request) string { return accepting(r, "Sec-WebSocket-Accept: "+sampleAccept) },
			check: "accept", status: 101, names: sampleAccept},
		{name: "101 with an extension", answer: func(r *http.Request) string {
			return accepting(r, "Sec-WebSocket-Extensions: permessage-deflate")
		}, check: "extensions", status: 101, names: "permessage-deflate"},
		{name: "101 with a subprotocol", answer: func(r *http.Request) string { return accepting(r, "Sec-WebSocket-Protocol: chat") },
			check: "subprotocol", status: 101, names: "chat"},
		{name: "200", answer: func(*http.Request) string { return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
			check: "status", status: 200, names: `"hello"`, body: "hello"},
		{name: "200 until the end", answer: func(*http.Request) string { return "HTTP/1.0 200 OK\r\n\r\nhello" },
			check: "status", status: 200, body: "hello"},
		{name: "401", answer: func(*http.Request) string {
			return "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
		}, check: "status", status: 401, names: "401 Unauthorized"},
		{name: "403 in chunks", answer: func(*http.Request) string {
			return "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
		}, check: "status", status: 403, body: "hello"},
		{name: "204", answer: func(*http.Request) string { return "HTTP/1.1 204 No Content\r\n\r\n" }, check: "status", status: 204},
		{name: "302", answer: func(*http.Request) string {
			return "HTTP/1.1 302 Found\r\nLocation: wss://other.example/\r\nContent-Length: 0\r\n\r\n"
		}, check: "status", status: 302, names: "wss://other.example/"},
		{name: "426", answer: func(*http.Request) string {
			return "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n"
		}, check: "status", status: 426, names: "version"},
		{name: "500 with a long body", answer: func(*http.Request) string {
			return fmt.Sprintf("HTTP/1.1 500 x\r\nContent-Length: %d\r\n\r\n%s", len(long), long)
		}, check: "status", status: 500, body: long[:4096]},
		{name: "500 with a body cut short", answer: func(*http.Request) string {
			return "HTTP/1.1 500 x\r\nContent-Length: 10\r\n\r\nhello"
		}, check: "status", status: 500, body: "hello"},
		{name: "nothing", answer: func(*http.Request) string { return "" },
			check: "response", names: "without an answer"},
		{name: "half a header", answer: func(*http.Request) string { return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso" },
			check: "response", names: "in the middle"},
		{name: "no HTTP", answer: func(*http.Request) string { return "220 mail.example.com ESMTP\r\n\r\n" },
			check: "response", names: "not HTTP"},
		{name: "binary", answer: func(*http.Request) string { return "\x15\x03\x01\x00\x02\x02\x16\r\n\r\n" }, check: "response", names: `\x15`},
		{name: "a long line that is no field", answer: func(*http.Request) string {
			return "HTTP/1.1 101 x\r\n\x1b[31m" + strings.Repeat("x", 60_000) + "\r\n\r\n"
		},
			check: "response", names: "not HTTP"},
		{name: "no line at all", answer: func(*http.Request) string { return strings.Repeat("x", 1<<20) },
			check: "response", names: "MaxHeaderBytes"},
		{name: "a long header", answer: func(*http.Request) string {
			return "HTTP/1.1 101 x\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 1000)
		}, check: "response", names: "65536 bytes"},
		{name: "interim responses without end", answer: func(*http.Request) string { return strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000) },
			check: "response", names: "interim"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {
				io.WriteString(nc, tt.answer(r))
				// The client has to go on by itself unless it is the end that it
				// must wait for.
				if half, ok := nc.(*net.TCPConn); ok && (tt.check == "response" || tt.status == 500 || tt.status == 200) {
					half.CloseWrite()
				}
				io.Copy(io.Discard, nc)
			})
			c, res, err := new(Dialer).Dial(testContext(t), "ws://"+addr+"/", nil)
			if tt.check == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.CloseNow()
				return
			}
			he := wantHandshakeError(t, c, err, tt.check)
			checkPresentable(t, tt.name, he)
			if he.Status != tt.status || !strings.Contains(err.Error(), tt.names) || string(he.Body) != tt.body || he.Timeout() {
				t.Errorf("status %d, body %.50q, timeout %v, text %q; want %d, %.50q, false, and %q in the text",
					he.Status, he.Body, he.Timeout(), err, tt.status, tt.body, tt.names)
			}
			if (res == nil) != (tt.status == 0) {
				t.Errorf("the response is %v", res)
			}
			if res != nil {
				body, err := io.ReadAll(res.Body)
				if res.StatusCode != tt.status || string(body) != tt.body || err != nil || res.Body.Close() != nil {
					t.Errorf("the response is %d with body %.50q, %v", res.StatusCode, body, err)
				}
			}
		})
	}
}

// Bytes right behind the 101 are frames. RFC 6455, section 4.1: the connection
// is open as soon as the answer has been read.
func TestDialLeftover(t *testing.T) {
	big := strings.Repeat("0123456789", 20_000)
	deliver := func(t *testing.T, d *Dialer, write func(nc net.Conn, s string)) {
		t.Helper()
		wstest.NoLeaks(t)
		addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {
			write(nc, accepting(r)+textFrame("first")+textFrame(big)+closeFrame)
			awaitClose(nc)
		})
		c, _, err := d.Dial(testContext(t), "ws://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		wantText(t, c, "first")
		wantText(t, c, big)
		var ce *CloseError
		if _, _, err := c.ReadMessage(); !errors.As(err, &ce) || ce.Code != CloseNormal {
			t.Errorf("ReadMessage = %v, want the peer's Close", err)
		}
	}
	atOnce := func(nc net.Conn, s string) { io.WriteString(nc, s) }
	t.Run("at once", func(t *testing.T) { deliver(t, new(Dialer), atOnce) })
	t.Run("byte by byte", func(t *testing.T) {
		deliver(t, new(Dialer), func(nc net.Conn, s string) {
			for i := range 300 {
				io.WriteString(nc, s[i:i+1])
			}
			io.WriteString(nc, s[300:])
		})
	})
	// The frames do not count as header, and none is lost where the limit cuts.
	length := len(accepting(&http.Request{Header: http.Header{"Sec-Websocket-Key": {sampleKey}}}))
	for _, limit := range []int{-1, length, length + 1, length + 2, length + 7} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) { deliver(t, &Dialer{MaxHeaderBytes: limit}, atOnce) })
	}
	t.Run("limit too small", func(t *testing.T) {
		addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) { io.WriteString(nc, accepting(r)) })
		c, _, err := (&Dialer{MaxHeaderBytes: length - 1}).Dial(testContext(t), "ws://"+addr+"/", nil)
		he := wantHandshakeError(t, c, err, "response")
		if !strings.Contains(he.Reason, "MaxHeaderBytes") {
			t.Errorf("the error does not name the limit: %v", err)
		}
	})
}

// MaxHeaderBytes is about the header alone, and can be off.
func TestDialMaxHeaderBytes(t *testing.T) {
	wstest.NoLeaks(t)
	long := strings.Repeat("x", 100_000)
	addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {
		if r.URL.Path == "/refuse" {
			fmt.Fprintf(nc, "HTTP/1.1 500 x\r\nContent-Length: %d\r\n\r\n%s", len(long), long)
		} else {
			io.WriteString(nc, accepting(r, "X-Long: "+long))
		}
		io.Copy(io.Discard, nc)
	})
	c, _, err := (&Dialer{MaxHeaderBytes: 50}).Dial(testContext(t), "ws://"+addr+"/refuse", nil)
	if he := wantHandshakeError(t, c, err, "status"); len(he.Body) != 4096 {
		t.Errorf("%d bytes of the body were kept, want 4096", len(he.Body))
	}
	c, _, err = new(Dialer).Dial(testContext(t), "ws://"+addr+"/", nil)
	wantHandshakeError(t, c, err, "response")
	c, res, err := (&Dialer{MaxHeaderBytes: -1}).Dial(testContext(t), "ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if res.Header.Get("X-Long") != long {
		t.Errorf("X-Long has %d bytes", len(res.Header.Get("X-Long")))
	}
}

// A lateContext is done a second after its deadline.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// The dialer takes the deadline from the context and may notice that it passed
// before the context does. The error is the context's all the same.
func TestDialerNoticesDeadlineFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		herr := failStage(lateContext{ctx, time.Now()}, "connect", "", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded})
		if !errors.Is(herr, context.DeadlineExceeded) || !herr.Timeout() {
			t.Errorf("failStage = %v, want one that is context.DeadlineExceeded", herr)
		}
	})
}

// A stage is a place where a handshake can get stuck. dial goes there, and calls
// stuck when it is.
type stage struct {
	name, check string
	url, proxy  string
	dial        func(t *testing.T, stuck func()) func(ctx context.Context, network, addr string) (net.Conn, error)
}

// peer makes a dial function whose connections are handled by serve, which
// returns when it wants the client to be stuck.
func peer(size int, serve func(nc *memconn.Conn)) func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
	return func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			client, server := memconn.Pair(size)
			go func() {
				serve(server)
				stuck()
				io.Copy(io.Discard, server) // until the client is gone
				server.Close()
			}()
			return client, nil
		}
	}
}

// readHead reads up to the empty line.
func readHead(nc net.Conn) *http.Request {
	r, _ := http.ReadRequest(bufio.NewReader(nc))
	return r
}

var stages = []stage{
	{"connecting", "connect", "ws://h/", "", func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			go stuck()
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
		}
	}},
	{"tls, silent", "tls", "wss://h/", "", peer(0, func(*memconn.Conn) {})},
	{"tls, half a record", "tls", "wss://h/", "", peer(0, func(nc *memconn.Conn) { io.WriteString(nc, "\x16\x03\x03\x40\x00abc") })},
	{"response, silent", "response", "ws://h/", "", peer(0, func(nc *memconn.Conn) { readHead(nc) })},
	{"response, half a line", "response", "ws://h/", "", peer(0, func(nc *memconn.Conn) { readHead(nc); io.WriteString(nc, "HTTP/1.1 101") })},
	{"response, no empty line", "response", "ws://h/", "", peer(0, func(nc *memconn.Conn) {
		io.WriteString(nc, strings.TrimSuffix(accepting(readHead(nc)), "\r\n"))
	})},
	{"response, interim", "response", "ws://h/", "", peer(0, func(nc *memconn.Conn) { readHead(nc); io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n") })},
	{"body", "status", "ws://h/", "", peer(0, func(nc *memconn.Conn) {
		readHead(nc)
		io.WriteString(nc, "HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\nhalf")
	})},
	{"proxy, connecting", "proxy", "ws://h/", "http://p", func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			go stuck()
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}},
	{"proxy, tls", "proxy", "ws://h/", "https://p", peer(0, func(*memconn.Conn) {})},
	{"CONNECT, silent", "proxy", "ws://h/", "http://p", peer(0, func(nc *memconn.Conn) { readHead(nc) })},
	{"CONNECT, half a line", "proxy", "ws://h/", "http://p", peer(0, func(nc *memconn.Conn) { readHead(nc); io.WriteString(nc, "HTTP/1.1 2") })},
	{"CONNECT, body", "proxy", "ws://h/", "http://p", peer(0, func(nc *memconn.Conn) {
		readHead(nc)
		io.WriteString(nc, "HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\nhalf")
	})},
	{"SOCKS5, greeting", "proxy", "ws://h/", "socks5://p", peer(0, func(nc *memconn.Conn) { readN(nc, 3) })},
	{"SOCKS5, half a greeting", "proxy", "ws://h/", "socks5://p", peer(0, func(nc *memconn.Conn) { readN(nc, 3); nc.Write([]byte{5}) })},
	{"SOCKS5, user", "proxy", "ws://h/", "socks5://u:p@p", peer(0, func(nc *memconn.Conn) { readN(nc, 4); nc.Write([]byte{5, 2}); readN(nc, 5) })},
	{"SOCKS5, request", "proxy", "ws://h/", "socks5://p", peer(0, func(nc *memconn.Conn) { readN(nc, 3); nc.Write([]byte{5, 0}); readN(nc, 8) })},
	{"SOCKS5, half a reply", "proxy", "ws://h/", "socks5://p", peer(0, func(nc *memconn.Conn) {
		readN(nc, 3)
		nc.Write([]byte{5, 0})
		readN(nc, 8)
		nc.Write([]byte{5, 0, 0, 3, 9, 'x'})
	})},
	{"tls through a proxy", "tls", "wss://h/", "http://p", peer(0, func(nc *memconn.Conn) { readHead(nc); io.WriteString(nc, "HTTP/1.1 200 x\r\n\r\n") })},
	{"response through a proxy", "response", "ws://h/", "http://p", peer(0, func(nc *memconn.Conn) {
		readHead(nc)
		io.WriteString(nc, "HTTP/1.1 200 x\r\n\r\n")
		readHead(nc)
	})},
	{"response after a redirect", "response", "ws://h/", "", afterRedirect(peer(0, func(nc *memconn.Conn) { readHead(nc) }))},
	{"connecting after a redirect", "connect", "ws://h/", "", afterRedirect(func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			go stuck()
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})},
	{"body of a redirect", "redirect", "ws://h/", "", peer(0, func(nc *memconn.Conn) {
		readHead(nc)
		io.WriteString(nc, "HTTP/1.1 302 x\r\nLocation: /2\r\nContent-Length: 100\r\n\r\nhalf")
	})},
}

// readN reads n bytes.
func readN(nc net.Conn, n int) { io.ReadFull(nc, make([]byte, n)) }

// afterRedirect answers the first connection with a redirect; then comes next.
func afterRedirect(next func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error)) func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
	return func(t *testing.T, stuck func()) func(context.Context, string, string) (net.Conn, error) {
		dial, second := next(t, stuck), false
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			if second {
				return dial(ctx, network, addr)
			}
			second = true
			return scripted(func(nc *memconn.Conn) {
				readHead(nc)
				io.WriteString(nc, "HTTP/1.1 302 x\r\nLocation: /2\r\nContent-Length: 0\r\n\r\n")
			})(ctx, network, addr)
		}
	}
}

// dialer returns a Dialer that gets stuck in the stage.
func (st *stage) dialer(t *testing.T, stuck func()) *Dialer {
	d := &Dialer{DialContext: st.dial(t, stuck), MaxRedirects: 1}
	if st.proxy != "" {
		d.Proxy = fixedProxy(t, st.proxy)
	}
	return d
}

func TestDialCancelled(t *testing.T) {
	for _, st := range stages {
		t.Run(st.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				d := st.dialer(t, func() {
					synctest.Wait() // until the client waits
					cancel()
				})
				begin := time.Now()
				c, _, err := d.Dial(ctx, st.url, nil)
				he := wantHandshakeError(t, c, err, st.check)
				if !errors.Is(err, context.Canceled) || he.Timeout() {
					t.Errorf("Dial = %v, want one that is context.Canceled and no timeout", err)
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("Dial took %v after the context was cancelled", took)
				}
			})
		})
	}
}

// A request that the peer does not take: the write is stuck.
func TestDialCancelledWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		d := &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := memconn.Pair(100)
			go func() {
				synctest.Wait()
				cancel()
				server.Close()
			}()
			return client, nil
		}}
		c, _, err := d.Dial(ctx, "ws://h/", nil)
		wantHandshakeError(t, c, err, "request")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Dial = %v, want one that is context.Canceled", err)
		}
	})
}

// HandshakeTimeout and the deadline of the context end every stage, on time.
// What a refusal says is known before its body, which may never end: it gets a second, and that it took longer is no
// matter.
func TestRefusalsDoNotWaitForTheirBody(t *testing.T) {
	seen := 0
	for _, st := range stages {
		if !strings.Contains(st.name, "body") {
			continue
		}
		seen++
		t.Run(st.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := st.dialer(t, func() {})
				d.HandshakeTimeout = -1
				begin := time.Now()
				c, _, err := d.Dial(context.Background(), st.url, nil)
				he := wantHandshakeError(t, c, err, st.check)
				want := maxErrorBodyTime
				if st.check == "redirect" {
					want *= 2 // it is followed, once
				}
				if took := time.Since(begin); took != want || he.Timeout() {
					t.Errorf("Dial took %v and returned %v; want %v, and no timeout", took, err, want)
				}
			})
		})
	}
	if seen != 3 {
		t.Errorf("%d stages with a body, want 3", seen)
	}
}

// No text of the peer reaches an error unescaped or at any length, wherever it comes from.
func TestErrorsOfOthersAreCleaned(t *testing.T) {
	e := &HandshakeError{Check: "tls", Reason: "no", Err: errors.New("websocket: valid for x\n\x1b[31m" + strings.Repeat("ü", 9999))}
	if text := e.Error(); strings.ContainsAny(text, "\n\x1b") || len(text) > 6*maxCleaned || !strings.Contains(text, `valid for x\n\x1b[31m`) {
		t.Errorf("%.300q", text)
	}
	if got := clean(`plain "text"`); got != `plain "text"` {
		t.Errorf("clean changes it to %s", got)
	}
}

// Passwords with a character that belongs escaped are not repeated by the error that says so, nor those of URLs without
// slashes.
func TestURLErrorsHoldNoPassword(t *testing.T) {
	for _, url := range []string{
		"ws://user:hun/ter2@host/", "ws://user:hun#ter2@host/", "ws://user:hun?ter2@host/", "ws://user:%zzter2@host/",
		"wss:user:hunter2@host/", "user:hunter2@host/", "ws://user:hunter2@ho st/", "ws://user:hunter2@[::1/", "ws://user:hunter2@host:x/",
	} {
		_, err := parseTarget(url)
		if err == nil || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"localhost:9002", "127.0.0.1:9002", "host.example", "host/path"} {
		if _, err := parseTarget(url); err == nil || !strings.Contains(err.Error(), "write ws:// or wss:// before") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A name that is too long for SOCKS5 would be read as another host, and what is behind it as its port.
func TestLongHostNamesAreRefused(t *testing.T) {
	name := strings.Repeat("a", 251) + ".com"
	if _, err := parseTarget("ws://" + name + "/"); err != nil {
		t.Errorf("255 bytes: %v", err)
	}
	if _, err := parseTarget("ws://a" + name + "/"); err == nil {
		t.Error("256 bytes are accepted")
	}
}

// A certificate is a credential: it does not follow a redirect to another host.
func TestCertificatesStayWithTheirHost(t *testing.T) {
	asked := 0
	d := &Dialer{TLSConfig: &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked++
		return new(tls.Certificate), nil
	}}}
	for _, foreign := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		server.StartTLS()
		d.TLSConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		at, err := parseTarget(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		d.handshake(t.Context(), &trip{t: at, foreign: foreign})
		server.Close()
		if asked != 1 {
			t.Errorf("foreign %v: asked for the certificate %d times, want once, by the first", foreign, asked)
		}
	}
}

func TestDialTimeout(t *testing.T) {
	for _, st := range stages {
		if strings.Contains(st.name, "body") {
			continue // TestRefusalsDoNotWaitForTheirBody
		}
		for _, tt := range []struct {
			name       string
			option     time.Duration
			deadline   time.Duration // of the context; 0 is none
			want       time.Duration
			is         error
			namesLimit bool
		}{
			{"default", 0, 0, 30 * time.Second, os.ErrDeadlineExceeded, true},
			{"option", 7 * time.Second, 0, 7 * time.Second, os.ErrDeadlineExceeded, true},
			{"option before context", 7 * time.Second, time.Minute, 7 * time.Second, os.ErrDeadlineExceeded, true},
			{"context before option", 0, 3 * time.Second, 3 * time.Second, context.DeadlineExceeded, false},
			{"context alone", -1, time.Hour, time.Hour, context.DeadlineExceeded, false},
		} {
			t.Run(st.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := context.Background()
					if tt.deadline > 0 {
						var cancel func()
						ctx, cancel = context.WithTimeout(ctx, tt.deadline)
						defer cancel()
					}
					d := st.dialer(t, func() {})
					d.HandshakeTimeout = tt.option
					begin := time.Now()
					c, _, err := d.Dial(ctx, st.url, nil)
					if took := time.Since(begin); took != tt.want {
						t.Errorf("Dial took %v, want %v", took, tt.want)
					}
					wantHandshakeError(t, c, err, st.check)
					var ne net.Error
					if !errors.Is(err, tt.is) || !errors.As(err, &ne) || !ne.Timeout() {
						t.Errorf("Dial = %v, want one that is %v and a timeout", err, tt.is)
					}
					if st.check == "response" && !strings.Contains(err.Error(), "in time") {
						t.Errorf("the text %q does not say that it was a matter of time", err)
					}
					if strings.Contains(err.Error(), "HandshakeTimeout") != tt.namesLimit {
						t.Errorf("the text %q names HandshakeTimeout: want %v", err, tt.namesLimit)
					}
				})
			})
		}
	}
}

// A peer that sends its header a byte a second cannot stretch the limit.
func TestDialTricklingPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		d := &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := memconn.Pair(0)
			go func() {
				defer close(over)
				readHead(server)
				for {
					if _, err := io.WriteString(server, "x"); err != nil {
						server.Close()
						return
					}
					time.Sleep(time.Second)
				}
			}()
			return client, nil
		}}
		begin := time.Now()
		c, _, err := d.Dial(context.Background(), "ws://h/", nil)
		wantHandshakeError(t, c, err, "response")
		if took := time.Since(begin); took != DefaultHandshakeTimeout {
			t.Errorf("Dial took %v, want %v", took, DefaultHandshakeTimeout)
		}
		<-over // the peer's write failed: the socket is closed
	})
}

// A header without end stops at the limit, whatever the speed.
func TestDialEndlessHeader(t *testing.T) {
	wstest.NoLeaks(t)
	read := make(chan int, 1)
	addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n")
		line := bytes.Repeat([]byte("X-A: a\r\n"), 1000)
		sent := 0
		for {
			n, err := nc.Write(line)
			if sent += n; err != nil {
				read <- sent
				return
			}
		}
	})
	c, _, err := new(Dialer).Dial(testContext(t), "ws://"+addr+"/", nil)
	he := wantHandshakeError(t, c, err, "response")
	if !strings.Contains(he.Reason, "65536") {
		t.Errorf("the error does not name the limit: %v", err)
	}
	<-read // the peer's write failed: the socket is closed
}

func TestDialNoConnection(t *testing.T) {
	wstest.NoLeaks(t)
	ln := listen(t)
	addr := ln.Addr().String()
	ln.Close()
	c, res, err := new(Dialer).Dial(testContext(t), "ws://"+addr+"/", nil)
	he := wantHandshakeError(t, c, err, "connect")
	var oe *net.OpError
	if res != nil || !errors.As(err, &oe) || oe.Op != "dial" || !strings.Contains(he.Reason, addr) || he.Timeout() {
		t.Errorf("Dial = %v, %v", res, err)
	}
}

func TestDialContextReturnsNothing(t *testing.T) {
	d := &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }}
	c, _, err := d.Dial(testContext(t), "ws://h/", nil)
	wantHandshakeError(t, c, err, "connect")
	if !strings.Contains(err.Error(), "DialContext") {
		t.Errorf("the error does not name DialContext: %v", err)
	}
}

func TestDialContextIsToldWhereTo(t *testing.T) {
	for url, want := range map[string]string{
		"ws://example.com/":             "tcp example.com:80",
		"wss://[::1]:8443/":             "tcp [::1]:8443",
		"ws+unix://h/run/app.sock:/x/y": "unix /run/app.sock",
	} {
		var got string
		d := &Dialer{DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			got = network + " " + addr
			return nil, errors.New("enough")
		}}
		d.Dial(testContext(t), url, nil)
		if got != want {
			t.Errorf("Dial(%q) dials %q, want %q", url, got, want)
		}
	}
}

func TestDialCancelledBefore(t *testing.T) {
	wstest.NoLeaks(t)
	ln := listen(t)
	defer ln.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, _, err := new(Dialer).Dial(ctx, "ws://"+ln.Addr().String()+"/", nil)
	wantHandshakeError(t, c, err, "connect")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want one that is context.Canceled", err)
	}
}

// startTLS starts a server over TLS that also offers HTTP/2.
func startTLS(t *testing.T) (addr string, roots *x509.CertPool, protos chan []string) {
	t.Helper()
	protos = make(chan []string, 10)
	srv := httptest.NewUnstartedServer(echoHandler(new(Upgrader)))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		protos <- append([]string{hello.ServerName}, hello.SupportedProtos...)
		return nil, nil
	}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv.Listener.Addr().String(), roots, protos
}

func TestDialTLS(t *testing.T) {
	addr, roots, protos := startTLS(t)
	to := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	tests := []struct {
		name, url  string
		config     *tls.Config
		serverName string
	}{
		{"name of the URL", "wss://example.com/", &tls.Config{RootCAs: roots}, "example.com"},
		{"name of the URL, another port", "wss://example.com:8443/", &tls.Config{RootCAs: roots}, "example.com"},
		{"name of the configuration", "wss://h/", &tls.Config{RootCAs: roots, ServerName: "www.example.com"}, "www.example.com"},
		{"http/1.1 among others", "wss://example.com/", &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}, "example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			before := tt.config.Clone()
			c, res, err := (&Dialer{TLSConfig: tt.config, DialContext: to}).Dial(testContext(t), tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if got, want := <-protos, []string{tt.serverName, "http/1.1"}; !slices.Equal(got, want) {
				t.Errorf("the server saw the name and protocols %q, want %q", got, want)
			}
			if tt.config.ServerName != before.ServerName || !slices.Equal(tt.config.NextProtos, before.NextProtos) {
				t.Error("the caller's configuration was changed")
			}
			if _, ok := c.NetConn().(*tls.Conn); !ok || res.StatusCode != 101 {
				t.Errorf("the transport is a %T", c.NetConn())
			}
			c.WriteMessage(TextMessage, []byte("hello"))
			wantText(t, c, "hello")
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	}
}

func TestDialTLSFails(t *testing.T) {
	addr, _, _ := startTLS(t)
	plain := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {})
	_, plainPort, _ := net.SplitHostPort(plain)
	http400 := listen(t)
	go func() {
		for {
			nc, err := http400.Accept()
			if err != nil {
				return
			}
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
			nc.Close()
		}
	}()
	defer http400.Close()

	t.Run("unknown authority", func(t *testing.T) {
		wstest.NoLeaks(t)
		c, _, err := new(Dialer).Dial(testContext(t), "wss://"+addr+"/", nil)
		wantHandshakeError(t, c, err, "tls")
		var ue x509.UnknownAuthorityError
		if !errors.As(err, &ue) {
			t.Errorf("Dial = %v, want an x509.UnknownAuthorityError", err)
		}
	})
	t.Run("no TLS there", func(t *testing.T) {
		wstest.NoLeaks(t)
		c, _, err := new(Dialer).Dial(testContext(t), "wss://"+http400.Addr().String()+"/", nil)
		he := wantHandshakeError(t, c, err, "tls")
		if !strings.Contains(he.Reason, "ws") || !strings.Contains(he.Reason, "does not speak TLS") {
			t.Errorf("the error does not say so: %v", err)
		}
	})
	t.Run("connection closed", func(t *testing.T) {
		wstest.NoLeaks(t)
		c, _, err := new(Dialer).Dial(testContext(t), "wss://127.0.0.1:"+plainPort+"/", nil)
		wantHandshakeError(t, c, err, "tls")
	})
	t.Run("TLS where none was asked for", func(t *testing.T) {
		wstest.NoLeaks(t)
		c, _, err := new(Dialer).Dial(testContext(t), "ws://"+addr+"/", nil)
		he := wantHandshakeError(t, c, err, "status")
		if he.Status != 400 || !strings.Contains(err.Error(), "HTTPS") {
			t.Errorf("Dial = %v, want the server's words", err)
		}
	})
	t.Run("HTTP/2 only", func(t *testing.T) {
		d := &Dialer{TLSConfig: &tls.Config{NextProtos: []string{"h2"}}, DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Error("a connection was made")
			return nil, errors.New("no")
		}}
		c, res, err := d.Dial(testContext(t), "wss://h/", nil)
		if c != nil || res != nil || err == nil || !strings.Contains(err.Error(), "NextProtos") || !strings.Contains(err.Error(), "http/1.1") {
			t.Errorf("Dial = %v, %v, %v; want an error that names NextProtos and http/1.1", c, res, err)
		}
	})
}

// A refusal over TLS must not wait for a peer that does not read.
func TestDialTLSRefusedByStuckPeer(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	config := &tls.Config{Certificates: cert.TLS.Certificates}
	synctest.Test(t, func(t *testing.T) {
		d := &Dialer{
			TLSConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", Time: func() time.Time { return cert.Certificate().NotBefore.Add(time.Hour) }},
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := memconn.Pair(0)
				go func() {
					nc := tls.Server(server, config)
					io.WriteString(nc, strings.Replace(accepting(readHead(nc)), "websocket", "h2c", 1))
					time.Sleep(time.Hour)
					server.Close()
				}()
				return client, nil
			},
		}
		begin := time.Now()
		c, res, err := d.Dial(context.Background(), "wss://h/", nil)
		wantHandshakeError(t, c, err, "upgrade")
		if took := time.Since(begin); res == nil || took > 5*time.Second {
			t.Errorf("Dial took %v, response %v", took, res)
		}
		time.Sleep(2 * time.Hour) // the peer ends too
	})
}

func TestHandshakeErrorTimeout(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{{nil, false}, {io.EOF, false}, {os.ErrDeadlineExceeded, true}, {context.DeadlineExceeded, true}, {context.Canceled, false}} {
		var ne net.Error = &HandshakeError{Err: tt.err}
		//lint:ignore SA1019 net.Error still has it, so there has to be an answer
		temporary := ne.Temporary()
		if ne.Timeout() != tt.want || temporary {
			t.Errorf("a HandshakeError around %v: Timeout = %v, Temporary = %v", tt.err, ne.Timeout(), temporary)
		}
	}
}

// readHook is a connection that calls hook with what a Read has read.
type readHook struct {
	net.Conn
	hook func(p []byte)
}

func (c readHook) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.hook(p[:n])
	return n, err
}

// The context ends just when the whole answer has been read.
func TestDialCancelledAtTheEnd(t *testing.T) {
	wstest.NoLeaks(t)
	ctx, cancel := context.WithCancel(testContext(t))
	d := &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := memconn.Pair(0)
		go func() {
			io.WriteString(server, accepting(readHead(server)))
			io.Copy(io.Discard, server)
			server.Close()
		}()
		return readHook{client, func(p []byte) {
			if bytes.HasSuffix(p, []byte("\r\n\r\n")) {
				cancel()
			}
		}}, nil
	}}
	c, _, err := d.Dial(ctx, "ws://h/", nil)
	wantHandshakeError(t, c, err, "response")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want one that is context.Canceled", err)
	}
}

// The server resets the connection instead of answering.
func TestDialReset(t *testing.T) {
	wstest.NoLeaks(t)
	d := &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := memconn.Pair(0)
		go func() {
			readHead(server)
			server.Reset()
		}()
		return client, nil
	}}
	c, _, err := d.Dial(testContext(t), "ws://h/", nil)
	wantHandshakeError(t, c, err, "response")
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Dial = %v, want one that is ECONNRESET", err)
	}
}

func TestUpgradeRequestWithoutRandom(t *testing.T) {
	target, err := parseTarget("ws://h/")
	if err != nil {
		t.Fatal(err)
	}
	if req, err := newUpgradeRequest(target, nil, nil, nil, strings.NewReader("short")); req != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("newUpgradeRequest = %v, %v; want the error of the random source", req, err)
	}
}

// A context that has ended already is all that the error speaks of.
func TestDialWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, "ws://127.0.0.1:1/")
	var failed *HandshakeError
	if !errors.As(err, &failed) || failed.Check != "connect" || !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
