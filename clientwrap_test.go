package websocket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// An overheard connection keeps what passes through it.
type overheard struct {
	net.Conn
	mu       sync.Mutex
	sent     bytes.Buffer
	received bytes.Buffer
}

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.received.Write(p[:n])
	return n, err
}

func (o *overheard) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.sent.Write(p)
	o.mu.Unlock()
	return o.Conn.Write(p)
}

func (o *overheard) texts() (sent, received string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent.String(), o.received.String()
}

// WrapConn sees the opening handshake and every frame, as plain text with TLS too, and nothing is lost or changed.
func TestWrapConn(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var upgrader Upgrader
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			c.WriteMessage(TextMessage, []byte("from the server"))
			if _, p, err := c.ReadMessage(); string(p) != "from the client" {
				t.Errorf("got %q, %v", p, err)
			}
			c.Close()
		}))
		var dialer Dialer
		if secure {
			server.StartTLS()
			dialer.TLSConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
		} else {
			server.Start()
		}
		defer server.Close()
		tap := new(overheard)
		dialer.WrapConn = func(nc net.Conn) net.Conn {
			if _, isTLS := nc.(*tls.Conn); isTLS != secure {
				t.Errorf("it is given a %T", nc)
			}
			tap.Conn = nc
			return tap
		}
		c, _, err := dialer.Dial(testContext(t), strings.Replace(server.URL, "http", "ws", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.NetConn() != net.Conn(tap) {
			t.Errorf("NetConn is a %T", c.NetConn())
		}
		if _, p, err := c.ReadMessage(); string(p) != "from the server" {
			t.Errorf("got %q, %v", p, err)
		}
		if err := c.WriteMessage(TextMessage, []byte("from the client")); err != nil {
			t.Error(err)
		}
		var ce *CloseError
		if _, _, err := c.ReadMessage(); !errors.As(err, &ce) {
			t.Errorf("the end is %v", err)
		}
		sent, received := tap.texts()
		_, frames, _ := strings.Cut(sent, "\r\n\r\n")
		if h, n := ParseHeader([]byte(frames)); !strings.HasPrefix(sent, "GET / HTTP/1.1\r\n") || n == 0 ||
			h.Opcode != OpText || !h.Masked || h.Length != uint64(len("from the client")) {
			t.Errorf("sent %q", sent)
		}
		if !strings.HasPrefix(received, "HTTP/1.1 101 ") || !strings.HasSuffix(received, "\r\n\r\n"+
			"\x81\x0ffrom the server\x88\x02\x03\xe8") {
			t.Errorf("received %q", received)
		}
	}
}

// A WrapConn that returns nil wraps nothing.
func TestWrapConnOfNothing(t *testing.T) {
	dialer := Dialer{WrapConn: func(net.Conn) net.Conn { return nil }}
	plain, tap := net.Pipe()
	defer plain.Close()
	defer tap.Close()
	if got := dialer.wrap(plain); got != plain {
		t.Errorf("%v", got)
	}
}
