package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
)

// A transportPair makes the two ends of a transport.
type transportPair struct {
	name string
	make func(t *testing.T) (server, client net.Conn)
}

var transports = []transportPair{
	{"tcp", tcpPair},
	{"memory", func(t *testing.T) (net.Conn, net.Conn) { return memconn.Pair(64 << 10) }},
}

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server, client
}

// connPair makes two connected Conns over a transport.
func connPair(t *testing.T, p transportPair, cfg connConfig) (server, client *Conn) {
	s, c := p.make(t)
	return newConn(s, serverRole, cfg, nil), newConn(c, clientRole, cfg, nil)
}

// eachTransport runs a test once for each transport.
func eachTransport(t *testing.T, f func(t *testing.T, p transportPair)) {
	for _, p := range transports {
		t.Run(p.name, func(t *testing.T) { f(t, p) })
	}
}

func echo(c *Conn) error {
	for {
		t, p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if err := c.WriteMessage(t, p); err != nil {
			return err
		}
	}
}

func TestEcho(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := connPair(t, p, connConfig{})
		ended := make(chan error, 1)
		go func() { ended <- echo(server) }()
		for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 1 << 20} {
			want := bytes.Repeat([]byte("x"), size)
			sent := make(chan error, 1)
			go func() { sent <- client.WriteMessage(TextMessage, want) }()
			mt, got, err := client.ReadMessage()
			if err != nil || mt != TextMessage || !bytes.Equal(got, want) || got == nil {
				t.Fatalf("size %d: got %v, %d bytes, %v", size, mt, len(got), err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		if err := client.CloseWith(CloseGoingAway, "bye"); err != nil {
			t.Error(err)
		}
		var ce *CloseError
		if err := <-ended; !errors.As(err, &ce) || ce.Code != CloseGoingAway || ce.Reason != "bye" {
			t.Errorf("server: %v", err)
		}
		if _, _, err := client.ReadMessage(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("client after Close: %v", err)
		}
		if err := client.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestCloseWhileReading(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := connPair(t, p, connConfig{})
		ended := make(chan error, 2)
		go func() { _, _, err := server.ReadMessage(); ended <- err }()
		go func() { _, _, err := client.ReadMessage(); ended <- err }()
		time.Sleep(10 * time.Millisecond)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		<-ended
	})
}

func TestPing(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := connPair(t, p, connConfig{})
		server.Drain()
		client.Drain()
		rtt, err := client.Ping(context.Background())
		if err != nil || rtt <= 0 || client.Stats().RTT != rtt {
			t.Fatalf("Ping: %v, %v", rtt, err)
		}
		client.CloseNow()
		<-server.Done()
	})
}

func TestReadDeadlineBetweenMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := memconn.Pair(4096)
		server := newConn(s, serverRole, connConfig{}, nil)
		client := newConn(c, clientRole, connConfig{}, nil)
		server.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := server.ReadMessage()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v", err)
		}
		server.SetReadDeadline(time.Time{})
		client.WriteMessage(TextMessage, []byte("still here"))
		if _, p, err := server.ReadMessage(); err != nil || string(p) != "still here" {
			t.Fatalf("after the deadline: %q, %v", p, err)
		}
		client.CloseNow()
		if _, _, err := server.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("lost: %v", err)
		}
	})
}

func TestKeepaliveDeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := memconn.Pair(4096)
		server := newConn(s, serverRole, connConfig{}, nil)
		start := time.Now()
		_, _, err := server.ReadMessage()
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 60*time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		c.Close()
	})
}
