package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// A recorder of what a trace is told.
type traceLog struct {
	mu     sync.Mutex
	events []string
	fields http.Header
}

func (l *traceLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fmt.Sprintf(format, args...))
}

// context returns one that traces into l.
func (l *traceLog) context(t *testing.T) context.Context {
	l.fields = http.Header{}
	return httptrace.WithClientTrace(testContext(t), &httptrace.ClientTrace{
		GetConn:              func(hostPort string) { l.add("GetConn %s", hostPort) },
		DNSStart:             func(i httptrace.DNSStartInfo) { l.add("DNSStart %s", i.Host) },
		ConnectStart:         func(_, addr string) { l.add("ConnectStart %s", addr) },
		ConnectDone:          func(_, addr string, err error) { l.add("ConnectDone %s %v", addr, err) },
		TLSHandshakeStart:    func() { l.add("TLSHandshakeStart") },
		TLSHandshakeDone:     func(s tls.ConnectionState, err error) { l.add("TLSHandshakeDone %s %v", s.ServerName, err) },
		GotConn:              func(i httptrace.GotConnInfo) { l.add("GotConn %T %v", i.Conn, i.Reused) },
		WroteHeaderField:     func(name string, values []string) { l.fields[name] = append(l.fields[name], values...) },
		WroteHeaders:         func() { l.add("WroteHeaders") },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { l.add("WroteRequest %v", i.Err) },
		GotFirstResponseByte: func() { l.add("GotFirstResponseByte") },
		Got100Continue:       func() { l.add("Got100Continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			l.add("Got1xxResponse %d %s", code, h.Get("X-A"))
			return nil
		},
	})
}

const traceOfRequest = "WroteHeaders\nWroteRequest <nil>\nGotFirstResponseByte"

func TestTrace(t *testing.T) {
	servers, clients := testTLS(t)
	plain := httptest.NewServer(echoHandler(new(Upgrader)))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(echoHandler(new(Upgrader)))
	secure.TLS = servers.Clone()
	secure.StartTLS()
	defer secure.Close()
	toPlain, toSecure := &testProxy{server: plain.Listener.Addr().String()}, &testProxy{server: secure.Listener.Addr().String()}
	startProxy(t, toPlain, nil, toPlain.serveSocks)
	startProxy(t, toSecure, servers, toSecure.serveConnect)

	for _, tt := range []struct{ url, proxy, want string }{
		{"ws://" + toPlain.server + "/", "", "GetConn ADDR\nConnectStart ADDR\nConnectDone ADDR <nil>\nGotConn *net.TCPConn false\n" + traceOfRequest},
		{"wss://" + toSecure.server + "/", "", "GetConn ADDR\nConnectStart ADDR\nConnectDone ADDR <nil>\n" +
			"TLSHandshakeStart\nTLSHandshakeDone  <nil>\nGotConn *tls.Conn false\n" + traceOfRequest},
		{"ws://h:81/", "socks5://" + toPlain.addr, "GetConn h:81\nConnectStart PROXY\nConnectDone PROXY <nil>\nGotConn *net.TCPConn false\n" + traceOfRequest},
		{"wss://example.com/", "https://" + toSecure.addr, "GetConn example.com:443\nConnectStart PROXY\nConnectDone PROXY <nil>\n" +
			"TLSHandshakeStart\nTLSHandshakeDone  <nil>\nTLSHandshakeStart\nTLSHandshakeDone example.com <nil>\nGotConn *tls.Conn false\n" + traceOfRequest},
	} {
		t.Run(tt.url+" "+tt.proxy, func(t *testing.T) {
			wstest.NoLeaks(t)
			d := &Dialer{TLSConfig: clients, ProxyTLSConfig: clients}
			if tt.proxy != "" {
				d.Proxy = fixedProxy(t, tt.proxy)
			}
			var l traceLog
			c, res, err := d.Dial(l.context(t), tt.url, http.Header{"X-A": {"1", "2"}})
			if err != nil {
				t.Fatal(err)
			}
			c.CloseNow()
			_, proxy, _ := strings.Cut(tt.proxy, "://")
			want := strings.NewReplacer("ADDR", res.Request.URL.Host, "PROXY", proxy).Replace(tt.want)
			if got := strings.Join(l.events, "\n"); got != want {
				t.Errorf("the trace is\n%s\nwant\n%s", got, want)
			}
			fields := map[string][]string(l.fields) // spelled as they are sent
			if !slices.Equal(fields["X-A"], []string{"1", "2"}) || !slices.Equal(fields["Host"], []string{res.Request.Host}) ||
				len(fields["Sec-WebSocket-Key"]) != 1 || len(fields) != 6 {
				t.Errorf("the fields are %q", l.fields)
			}
		})
	}
	var l traceLog
	_, port, _ := net.SplitHostPort(toPlain.server)
	c, _, err := new(Dialer).Dial(l.context(t), "ws://localhost:"+port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if !slices.Contains(l.events, "DNSStart localhost") {
		t.Errorf("the lookup is not in the trace %q", l.events)
	}
}

func TestTraceOfFailures(t *testing.T) {
	wstest.NoLeaks(t)
	var l traceLog
	d := &Dialer{DialContext: scripted(func(nc *memconn.Conn) { io.WriteString(nc, "no TLS") })}
	d.Dial(l.context(t), "wss://h/", nil)
	if n := len(l.events); n != 3 || !strings.HasPrefix(l.events[2], "TLSHandshakeDone h tls: first record") {
		t.Errorf("TLS that fails: the trace is %q", l.events)
	}
	l = traceLog{}
	sentinel := errors.New("not taken")
	d = &Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := memconn.Pair(0)
		server.Close()
		return failingWriter{client, sentinel}, nil
	}}
	c, _, err := d.Dial(l.context(t), "ws://h/", nil)
	if wantHandshakeError(t, c, err, "request"); l.events[len(l.events)-1] != "WroteRequest not taken" || slices.Contains(l.events, "WroteHeaders") {
		t.Errorf("a request that is not taken: the trace is %q", l.events)
	}
}

// A failingWriter takes nothing.
type failingWriter struct {
	net.Conn
	err error
}

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestTraceOfInterimResponses(t *testing.T) {
	wstest.NoLeaks(t)
	d := &Dialer{DialContext: scripted(func(nc *memconn.Conn) {
		r := readHead(nc)
		io.WriteString(nc, "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\nX-A: b\r\n\r\n"+accepting(r))
	})}
	var l traceLog
	c, _, err := d.Dial(l.context(t), "ws://h/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if want := []string{"GotFirstResponseByte", "Got100Continue", "Got1xxResponse 100 ", "Got1xxResponse 103 b"}; !slices.Equal(l.events[len(l.events)-4:], want) {
		t.Errorf("the trace is %q, want %q last", l.events, want)
	}
	sentinel := errors.New("enough")
	ctx := httptrace.WithClientTrace(testContext(t), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return sentinel }})
	c, _, err = d.Dial(ctx, "ws://h/", nil)
	if he := wantHandshakeError(t, c, err, "response"); !errors.Is(err, sentinel) || !strings.Contains(he.Reason, "trace") {
		t.Errorf("Dial = %v, want the error of the hook", err)
	}
}

// A certificate of the client's reaches the server, and only http/1.1 is agreed on.
func TestClientCertificate(t *testing.T) {
	servers, clients := testTLS(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 || !slices.Equal(r.TLS.PeerCertificates[0].Raw, servers.Certificates[0].Certificate[0]) {
			t.Errorf("the server sees %d certificates", len(r.TLS.PeerCertificates))
		}
		if r.TLS.NegotiatedProtocol != "http/1.1" {
			t.Errorf("the protocol is %q", r.TLS.NegotiatedProtocol)
		}
		echoHandler(new(Upgrader)).ServeHTTP(w, r)
	}))
	srv.TLS = servers.Clone()
	srv.TLS.NextProtos = []string{"h2", "http/1.1"}
	srv.TLS.ClientAuth = tls.RequireAnyClientCert
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	to := "wss://" + srv.Listener.Addr().String() + "/"

	t.Run("with", func(t *testing.T) {
		wstest.NoLeaks(t)
		config := clients.Clone()
		config.Certificates = servers.Certificates
		c, _, err := (&Dialer{TLSConfig: config}).Dial(testContext(t), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	for version, check := range map[uint16]string{tls.VersionTLS12: "tls", tls.VersionTLS13: "response"} {
		t.Run("without, "+tls.VersionName(version), func(t *testing.T) {
			wstest.NoLeaks(t)
			config := clients.Clone()
			config.MaxVersion = version
			c, _, err := (&Dialer{TLSConfig: config}).Dial(testContext(t), to, nil)
			var alert *net.OpError
			// In TLS 1.3 the client is through before the server has seen that there is no certificate; by then the
			// request may have been refused or not.
			var he *HandshakeError
			if c != nil || !errors.As(err, &he) || he.Check != check && he.Check != "request" {
				t.Fatalf("Dial = %v, %v; want the check %s", c, err, check)
			}
			if (!errors.As(err, &alert) || alert.Op != "remote error") && he.Check != "request" {
				t.Errorf("Dial = %v, want the server's alert", err)
			}
		})
	}
}
