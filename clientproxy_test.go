package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// A testProxy is a proxy that connects to one server, whatever it is asked for.
type testProxy struct {
	addr   string
	server string // where it connects to
	// user and password that it asks for; none if user is "".
	user, password string

	mu    sync.Mutex
	asked []string // the host:port of each request
}

// startProxy starts a proxy that serves each connection with serve.
func startProxy(t *testing.T, p *testProxy, config *tls.Config, serve func(nc net.Conn)) {
	t.Helper()
	ln := listen(t)
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	p.addr = ln.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		running.Wait()
	})
}

// take notes what was asked for.
func (p *testProxy) take(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, addr)
}

// splice connects nc, of which in reads, with the server.
func (p *testProxy) splice(nc net.Conn, in io.Reader) {
	out, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(out, in)
		out.(*net.TCPConn).CloseWrite()
	})
	io.Copy(nc, out)
	nc.Close()
	both.Wait()
	out.Close()
}

// serveConnect is an HTTP proxy.
func (p *testProxy) serveConnect(nc net.Conn) {
	in := bufio.NewReader(nc)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	want := ""
	if p.user != "" {
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
	}
	switch {
	case r.Method != http.MethodConnect || r.Host != r.RequestURI || r.ProtoMinor != 1 || r.Header.Get("Authorization") != "":
		io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
	case r.Header.Get("Proxy-Authorization") != want:
		io.WriteString(nc, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nlogin")
	default:
		p.take(r.RequestURI)
		io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n") // the length means nothing
		p.splice(nc, in)
	}
}

// serveSocks is a SOCKS5 proxy.
func (p *testProxy) serveSocks(nc net.Conn) {
	in := bufio.NewReader(nc)
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(in, b)
		return b
	}
	head := read(2)
	methods := read(int(head[1]))
	if p.user == "" {
		nc.Write([]byte{5, 0})
	} else {
		if !bytes.Contains(methods, []byte{2}) {
			nc.Write([]byte{5, 0xFF})
			return
		}
		nc.Write([]byte{5, 2})
		user := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		if string(user) != p.user || string(password) != p.password {
			nc.Write([]byte{1, 1})
			return
		}
		nc.Write([]byte{1, 0})
	}
	var host string
	switch request := read(4); request[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 4:
		host = net.IP(read(16)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	}
	port := read(2)
	p.take(net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1]))))
	nc.Write([]byte{5, 0, 0, 3, 5, 'b', 'o', 'u', 'n', 'd', 0, 80})
	p.splice(nc, in)
}

// testTLS returns a configuration for servers named example.com, 127.0.0.1 and ::1, and one for their clients.
func testTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots}
}

// fixedProxy is a [Dialer.Proxy].
func fixedProxy(t *testing.T, raw string) func(*http.Request) (*url.URL, error) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return http.ProxyURL(u)
}

func TestDialThroughProxies(t *testing.T) {
	servers, clients := testTLS(t)
	for _, scheme := range []string{"http", "https", "socks5", "socks5h"} {
		for _, user := range []string{"", "us:er"} {
			for to, asked := range map[string]string{
				"ws://server.example/":            "server.example:80",
				"ws://127.0.0.1:8080/":            "127.0.0.1:8080",
				"wss://example.com/":              "example.com:443",
				"wss://[::1]:8443/":               "[::1]:8443",
				"ws://[fe80::1%25eth0]:8080/":     "[fe80::1]:8080",
				"ws://user:secret@server.example": "server.example:80",
			} {
				t.Run(scheme+" "+user+" "+to, func(t *testing.T) {
					wstest.NoLeaks(t)
					srv := httptest.NewUnstartedServer(echoHandler(new(Upgrader)))
					if srv.TLS = servers.Clone(); strings.HasPrefix(to, "wss") {
						srv.StartTLS()
					} else {
						srv.Start()
					}
					defer srv.Close()
					p := &testProxy{server: srv.Listener.Addr().String(), user: user, password: "p@ss:word"}
					var config *tls.Config
					if scheme == "https" {
						config = servers
					}
					serve := p.serveConnect
					if strings.HasPrefix(scheme, "socks") {
						serve = p.serveSocks
					}
					startProxy(t, p, config, serve)

					at := &url.URL{Scheme: scheme, Host: p.addr, Path: "/"}
					if user != "" {
						at.User = url.UserPassword(user, p.password)
					}
					d := &Dialer{Proxy: http.ProxyURL(at), TLSConfig: clients, ProxyTLSConfig: clients}
					c, _, err := d.Dial(testContext(t), to, nil)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					c.WriteMessage(TextMessage, []byte("hello"))
					wantText(t, c, "hello")
					if err := c.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
					p.mu.Lock()
					defer p.mu.Unlock()
					if !slices.Equal(p.asked, []string{asked}) {
						t.Errorf("the proxy was asked for %q, want %q", p.asked, asked)
					}
				})
			}
		}
	}
}

// Whoever has no user for a proxy that wants one, or the wrong one, hears it from the proxy.
func TestProxiesCheckTheUser(t *testing.T) {
	wstest.NoLeaks(t)
	for _, scheme := range []string{"http", "socks5"} {
		p := &testProxy{user: "user", password: "right"}
		serve := p.serveConnect
		if scheme == "socks5" {
			serve = p.serveSocks
		}
		startProxy(t, p, nil, serve)
		for user, names := range map[string]string{"": "belong in its URL", "user:wrong@": "did not accept", "root:right@": "did not accept"} {
			c, res, err := (&Dialer{Proxy: fixedProxy(t, scheme+"://"+user+p.addr)}).Dial(testContext(t), "ws://h/", nil)
			he := wantHandshakeError(t, c, err, "proxy")
			if res != nil || !strings.Contains(he.Reason, names) || !strings.Contains(he.Reason, scheme+"://"+p.addr+" ") {
				t.Errorf("%s: Dial = %v, %v; want one that names %q and the proxy", scheme, res, err, names)
			}
			if scheme == "http" && (he.Status != 407 || string(he.Body) != "login") {
				t.Errorf("status %d, body %q; want 407, login", he.Status, he.Body)
			}
		}
	}
}

// scripted returns a dial function to a peer that reads nothing but what script reads.
func scripted(script func(nc *memconn.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := memconn.Pair(0)
		go func() {
			defer server.Close()
			script(server)
			server.CloseWrite()
			io.Copy(io.Discard, server)
		}()
		return client, nil
	}
}

// What an HTTP proxy may answer, and what Dial makes of it.
func TestProxyAnswers(t *testing.T) {
	tests := []struct {
		name, answer string
		status       int
		names, body  string
	}{
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", 403, "403 Forbidden to CONNECT h:80", "nope"},
		{"502 until the end", "HTTP/1.0 502 x\r\n\r\nno route", 502, `the body begins "no route"`, "no route"},
		{"long body", "HTTP/1.1 500 x\r\n\r\n" + strings.Repeat("x", 10_000), 500, "500", strings.Repeat("x", 4096)},
		{"101", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 101, "101", ""},
		{"302", "HTTP/1.1 302 x\r\nLocation: ws://h2/\r\nContent-Length: 0\r\n\r\n", 302, "302 Found", ""},
		{"407", "HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n", 407, "did not accept the user", ""},
		{"401, as tinyproxy has it", "HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", 401, "did not accept the user", ""},
		{"nothing", "", 0, "the proxy http://p:3128 closed the connection without an answer", ""},
		{"half a header", "HTTP/1.1 200 OK\r\nX: y", 0, "in the middle", ""},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", 0, "the answer of the proxy http://p:3128 is not HTTP", ""},
		{"long header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70_000), 0, "http://p:3128 is longer than 65536 bytes", ""},
		{"interim without end", strings.Repeat("HTTP/1.1 100 x\r\n\r\n", 20), 0, "interim", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			d := &Dialer{
				Proxy:        fixedProxy(t, "http://Aladdin:sesame@p:3128"),
				MaxRedirects: 3,
				DialContext:  scripted(func(nc *memconn.Conn) { readHead(nc); io.WriteString(nc, tt.answer) }),
			}
			c, res, err := d.Dial(testContext(t), "ws://h/", nil)
			he := wantHandshakeError(t, c, err, "proxy")
			checkPresentable(t, tt.name, he)
			if res != nil || he.Status != tt.status || string(he.Body) != tt.body || !strings.Contains(err.Error(), tt.names) {
				t.Errorf("Dial = %v, status %d, body %.50q, %v; want nil, %d, %.50q, and %q in the text",
					res, he.Status, he.Body, err, tt.status, tt.body, tt.names)
			}
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "Aladdin") {
				t.Errorf("the text tells the user: %v", err)
			}
		})
	}
}

// What stands right behind a proxy's answer is the server's.
func TestNothingBehindTheProxysAnswerIsLost(t *testing.T) {
	for proxy, script := range map[string]func(nc *memconn.Conn) string{
		"http://p": func(nc *memconn.Conn) string { readHead(nc); return "HTTP/1.1 200 OK\r\nX: y\r\n\r\n" },
		"http://p/interim": func(nc *memconn.Conn) string {
			readHead(nc)
			return "HTTP/1.1 103 x\r\n\r\nHTTP/1.0 299 OK\r\n\r\n"
		},
		"socks5://p": func(nc *memconn.Conn) string {
			io.ReadFull(nc, make([]byte, 3))
			nc.Write([]byte{5, 0})
			io.ReadFull(nc, make([]byte, 4+1+1+2))
			return "\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50"
		},
	} {
		t.Run(proxy, func(t *testing.T) {
			wstest.NoLeaks(t)
			d := &Dialer{Proxy: fixedProxy(t, proxy), DialContext: scripted(func(nc *memconn.Conn) {
				io.WriteString(nc, script(nc)+"HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbusy")
			})}
			c, res, err := d.Dial(testContext(t), "ws://h/", nil)
			if he := wantHandshakeError(t, c, err, "status"); res == nil || string(he.Body) != "busy" {
				t.Errorf("Dial = %v, %v; want the server's 503 with its body", res, err)
			}
		})
	}
}

func TestProxyCannotBeUsed(t *testing.T) {
	_, clients := testTLS(t)
	clients.NextProtos = []string{"h2"}
	for _, tt := range []struct {
		proxy, names string
	}{
		{"ftp://u:secret@p", "http, https, socks5"},
		{"socks4://p", "socks4"},
		{"p:8080", "scheme"},
		{"http:///", "no host"},
		{"http://u:secret@:80", "no host"},
		{"http://u:secret@p:0", "port"},
		{"http://a,b", "host"},
		{"https://u:secret@p", "ProxyTLSConfig.NextProtos"},
		{"socks5://:secret@p", "user"},
		{"socks5://" + strings.Repeat("u", 256) + ":secret@p", "255"},
		{"socks5://u:secret" + strings.Repeat("p", 256) + "@p", "255"},
	} {
		d := &Dialer{Proxy: fixedProxy(t, tt.proxy), ProxyTLSConfig: clients, DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s: a connection was made", tt.proxy)
			return nil, errors.New("no")
		}}
		c, _, err := d.Dial(testContext(t), "ws://h/", nil)
		wantHandshakeError(t, c, err, "proxy")
		if !strings.Contains(err.Error(), tt.names) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40s: the error does not name %q, or tells the password: %v", tt.proxy, tt.names, err)
		}
	}
	sentinel := errors.New("no proxy today")
	c, _, err := (&Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, sentinel }}).Dial(testContext(t), "ws://h/", nil)
	if wantHandshakeError(t, c, err, "proxy"); !errors.Is(err, sentinel) {
		t.Errorf("Dial = %v, want the error of Proxy", err)
	}
}

func TestNoConnectionToTheProxy(t *testing.T) {
	wstest.NoLeaks(t)
	ln := listen(t)
	addr := ln.Addr().String()
	ln.Close()
	c, _, err := (&Dialer{Proxy: fixedProxy(t, "http://u:secret@"+addr)}).Dial(testContext(t), "ws://h/", nil)
	he := wantHandshakeError(t, c, err, "proxy")
	var oe *net.OpError
	if !errors.As(err, &oe) || !strings.Contains(he.Reason, "http://"+addr) || strings.Contains(err.Error(), "secret") {
		t.Errorf("Dial = %v", err)
	}
}

// TLS to the proxy fails in its own words.
func TestProxyTLSFails(t *testing.T) {
	servers, _ := testTLS(t)
	for _, tt := range []struct {
		name, names string
		script      func(nc *memconn.Conn)
	}{
		{"no TLS there", "scheme http", func(nc *memconn.Conn) { io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{"closed", "did not complete", func(nc *memconn.Conn) {}},
		{"unknown authority", "did not complete", func(nc *memconn.Conn) { tls.Server(nc, servers).Handshake() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			c, _, err := (&Dialer{Proxy: fixedProxy(t, "https://p"), DialContext: scripted(tt.script)}).Dial(testContext(t), "wss://h/", nil)
			he := wantHandshakeError(t, c, err, "proxy")
			if !strings.Contains(he.Reason, "https://p:443 ") || !strings.Contains(he.Reason, tt.names) {
				t.Errorf("Dial = %v, want one that names the proxy and %q", err, tt.names)
			}
		})
	}
}

// Proxy sees what functions of net/http understand, and what it is asked for decides alone.
func TestProxyIsAskedForEachConnection(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(testContext(t), key{}, "value")
	for to, want := range map[string]string{
		"ws://user:secret@h/a?b": "http://h/a?b dials tcp h:80",
		"wss://h:8443/%2F":       "https://h:8443/%2F dials tcp h:8443",
		"http://h/?":             "http://h/? dials tcp h:80",
		"https://[::1]/":         "https://[::1]/ dials tcp [::1]:443",
		"ws+unix://h/a.sock:/b":  " dials unix /a.sock",
	} {
		got := ""
		d := &Dialer{
			Proxy: func(r *http.Request) (*url.URL, error) {
				if r.Context().Value(key{}) != "value" || r.Header.Get("X-A") != "b" || r.Method != http.MethodGet {
					t.Errorf("%s: the request is %v with header %q", to, r.Method, r.Header)
				}
				got += r.URL.String()
				return nil, nil
			},
			DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
				got += " dials " + network + " " + addr
				return nil, errors.New("enough")
			},
		}
		d.Dial(ctx, to, http.Header{"x-a": {"b"}})
		if got != want {
			t.Errorf("Dial(%q): %q, want %q", to, got, want)
		}
	}
}

// Nothing that is meant for the server goes to the proxy: no certificate, no header, no server name.
func TestProxyGetsNothingOfTheServers(t *testing.T) {
	wstest.NoLeaks(t)
	servers, clients := testTLS(t)
	var sawName string
	var sawCerts int
	config := servers.Clone()
	config.ClientAuth = tls.RequestClientCert
	config.VerifyConnection = func(s tls.ConnectionState) error {
		sawName, sawCerts = s.ServerName, len(s.PeerCertificates)
		return nil
	}
	srv := httptest.NewServer(echoHandler(new(Upgrader)))
	defer srv.Close()
	p := &testProxy{server: srv.Listener.Addr().String()}
	head := make(chan string, 1)
	startProxy(t, p, config, func(nc net.Conn) {
		var all bytes.Buffer
		p.serveConnect(teeConn{nc, &all})
		head <- all.String()
	})

	mine := clients.Clone()
	mine.Certificates, mine.ServerName = servers.Certificates, "server.example"
	d := &Dialer{
		Proxy:          fixedProxy(t, "https://example.com"),
		TLSConfig:      mine,
		ProxyTLSConfig: clients,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr != "example.com:443" {
				t.Errorf("the address is %q, want the proxy's", addr)
			}
			return new(net.Dialer).DialContext(ctx, network, p.addr)
		},
	}
	c, _, err := d.Dial(testContext(t), "ws://u:secret@h/", http.Header{"Cookie": {"secret"}, "X-Token": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	connect, _, _ := strings.Cut(<-head, "\r\n\r\n")
	if want := "CONNECT h:80 HTTP/1.1\r\nHost: h:80"; connect != want {
		t.Errorf("the proxy got %q, want %q", connect, want)
	}
	if sawName != "example.com" || sawCerts != 0 {
		t.Errorf("the proxy saw the name %q and %d certificates; want example.com and none", sawName, sawCerts)
	}
}

// A teeConn keeps what is read.
type teeConn struct {
	net.Conn
	to *bytes.Buffer
}

func (c teeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.to.Write(p[:n])
	return n, err
}

// The function Dial goes through the environment's proxy, a zero Dialer does not.
func TestWhoReadsTheEnvironment(t *testing.T) {
	wstest.NoLeaks(t)
	clearProxyEnv(t)
	srv := httptest.NewServer(echoHandler(new(Upgrader)))
	defer srv.Close()
	p := &testProxy{server: srv.Listener.Addr().String()}
	startProxy(t, p, nil, p.serveConnect)
	t.Setenv("HTTP_PROXY", p.addr)
	c, err := Dial(testContext(t), "ws://no-such-host.invalid/")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	zero := &Dialer{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) { return nil, errors.New(addr) }}
	if _, _, err := zero.Dial(testContext(t), "ws://h/", nil); err == nil || !strings.HasSuffix(err.Error(), ": h:80") {
		t.Errorf("a zero Dialer dials elsewhere: %v", err)
	}
}

// A write to the proxy that it does not take ends with the context.
func TestDialCancelledWhileWritingToProxy(t *testing.T) {
	for _, proxy := range []string{"http://u:p@p", "socks5://p", "https://p"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			d := &Dialer{Proxy: fixedProxy(t, proxy), DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := memconn.Pair(2)
				go func() {
					synctest.Wait()
					cancel()
					server.Close()
				}()
				return client, nil
			}}
			c, _, err := d.Dial(ctx, "ws://h/", nil)
			wantHandshakeError(t, c, err, "proxy")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: Dial = %v, want one that is context.Canceled", proxy, err)
			}
		})
	}
}

// A lookup of a name that takes no end ends with the context.
func TestDialCancelledDuringLookup(t *testing.T) {
	for _, proxy := range []string{"", "http://proxy.example"} {
		wstest.NoLeaks(t)
		ctx, cancel := context.WithCancel(testContext(t))
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, os.ErrDeadlineExceeded
		}}
		d := &Dialer{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}
		check := "connect"
		if proxy != "" {
			d.Proxy, check = fixedProxy(t, proxy), "proxy"
		}
		c, _, err := d.Dial(ctx, "ws://server.example/", nil)
		wantHandshakeError(t, c, err, check)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Dial = %v, want one that is context.Canceled", err)
		}
	}
}
