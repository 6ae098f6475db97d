package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"hawser.example/websocket/internal/wstest"
)

// wantNoBuffers wants c to hold none. Nobody reads from c.
func wantNoBuffers(t *testing.T, c *Conn) {
	t.Helper()
	c.waitLock(nil, false)
	defer c.wlock.unlock()
	if c.in.mem != nil || c.out != nil {
		t.Errorf("a read buffer is held: %v; a write buffer is held: %v", c.in.mem != nil, c.out != nil)
	}
}

// Between two calls no buffer is held, whatever the last one was.
func TestNoBufferIsHeldBetweenCalls(t *testing.T) {
	calls := []struct {
		name string
		call func(c *Conn) error
	}{
		{"ReadMessage", func(c *Conn) error { _, _, err := c.ReadMessage(); return err }},
		{"ReadJSON", func(c *Conn) error { return c.ReadJSON(new(any)) }},
		{"NextReader", func(c *Conn) error {
			_, r, err := c.NextReader()
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}},
		{"read deadline", func(c *Conn) error {
			c.ReadMessage()
			c.SetReadDeadline(longAgo)
			_, _, err := c.ReadMessage()
			c.SetReadDeadline(time.Time{})
			if !isTimeout(err) {
				return errors.New("the read deadline did not pass")
			}
			return nil
		}},
		{"WriteMessage", func(c *Conn) error { c.ReadMessage(); return c.WriteMessage(TextMessage, []byte("out")) }},
		{"large WriteMessage", func(c *Conn) error {
			c.ReadMessage()
			return c.WriteMessage(BinaryMessage, make([]byte, 30_000))
		}},
		{"refused WriteMessage", func(c *Conn) error {
			c.ReadMessage()
			if c.WriteMessage(TextMessage, []byte("\xff")) == nil {
				return errors.New("it was sent")
			}
			return nil
		}},
		{"NextWriter", func(c *Conn) error {
			c.ReadMessage()
			w, err := c.NextWriter(TextMessage)
			if err != nil {
				return err
			}
			w.Write(make([]byte, 20_000))
			return w.Close()
		}},
	}
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, call := range calls {
			t.Run(call.name, func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				peer.write(append(peer.frame(OpPing, true, "ping"), peer.frame(OpText, true, `"in"`)...))
				if err := call.call(c); err != nil {
					t.Error(err)
				}
				c.Flush() // the Pong waits up to a millisecond for company
				wantNoBuffers(t, c)
				c.CloseNow()
				peer.nc.Close()
			})
		}
	})
}

// waitSpy is a transport that can only wait, as TLS is to us. It tells how large the buffer is with which a read waits.
type waitSpy struct {
	net.Conn
	reads chan int // has room for those of the test
}

func (s waitSpy) Read(p []byte) (int, error) {
	s.reads <- len(p)
	return s.Conn.Read(p)
}

// Over TLS the reader waits with a small buffer, since tls.Conn wants one to read into, and holds nothing else.
func TestTLSWaitsWithASmallBuffer(t *testing.T) {
	wstest.NoLeaks(t)
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	s, c := tcpPair(t)
	plain := newConn(tls.Server(s, srv.TLS), serverRole, connConfig{}, nil)
	if _, ok := plain.wire.(*plainWire); !ok || plain.in.pool != smallPool {
		t.Fatalf("TLS is read by a %T", plain.wire)
	}
	spy := waitSpy{tls.Server(s, srv.TLS), make(chan int, 100)}
	server := newConn(spy, serverRole, connConfig{}, nil)
	client := newConn(tls.Client(c, &tls.Config{InsecureSkipVerify: true}), clientRole, connConfig{}, nil)
	served := async(func() error {
		return server.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
	})
	client.WriteMessage(TextMessage, []byte("hello"))
	wantMessages(t, client, "hello")
	for range 2 { // the wait for the message and the one behind it
		if n := <-spy.reads; n != smallBuffer {
			t.Errorf("the reader waits with a buffer of %d bytes, want %d", n, smallBuffer)
		}
	}
	server.waitLock(nil, false)
	if server.out != nil {
		t.Error("a write buffer is held")
	}
	server.wlock.unlock()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

// within fails the test if done takes as long as a deadlock does.
func within(t *testing.T, what string, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(faultPatience):
		t.Fatalf("%s: deadlock", what)
		return nil
	}
}

// The first trap of reading inside a callback of the socket: closing the socket waits for the callbacks. A Handler may
// close its connection in every way.
func TestClosingFromAHandlerDoesNotDeadlock(t *testing.T) {
	closes := []struct {
		name  string
		close func(c *Conn)
	}{
		{"Close", func(c *Conn) { c.Close() }},
		{"CloseWith", func(c *Conn) { c.CloseWith(3000, "bye") }},
		{"CloseNow", func(c *Conn) { c.CloseNow() }},
		{"Close, CloseNow", func(c *Conn) { c.Close(); c.CloseNow() }},
	}
	for _, cl := range closes {
		for _, behind := range []string{"", "another message"} {
			t.Run(cl.name+" "+behind, func(t *testing.T) {
				wstest.NoLeaks(t)
				server, client := connPair(t, transports[0], connConfig{closeTimeout: time.Minute})
				client.Drain()
				called := 0
				served := async(func() error {
					return server.Serve(HandlerFuncs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
						called++
						cl.close(c)
					}})
				})
				e := encoder{role: clientRole, keys: nextMaskKey}
				p := e.appendFrame(nil, OpText, true, []byte("go"))
				if behind != "" {
					p = e.appendFrame(p, OpText, true, []byte(behind))
				}
				client.NetConn().Write(p)
				if err := within(t, "Serve", served); err == nil {
					t.Error("Serve returned nil")
				}
				if called != 1 {
					t.Errorf("the Handler was called %d times", called)
				}
				<-server.Done()
				<-client.Done()
			})
		}
	}
}

// The second trap: data and the end of the stream are there together, which is one readiness. conn_idle_linux_test.go
// lets them arrive in one segment while the reader waits.
func TestEndBehindDataIsNoticed(t *testing.T) {
	wstest.NoLeaks(t)
	server, peer := withRaw(t, transports[0], serverRole, connConfig{keepalive: Keepalive{Interval: -1}})
	peer.send(OpText, "last")
	peer.nc.(*net.TCPConn).CloseWrite()
	var got string
	served := async(func() error {
		return server.Serve(HandlerFuncs{OnMessage: func(_ *Conn, _ MessageType, p []byte) { got += string(p) }})
	})
	if err := within(t, "Serve", served); !errors.Is(err, io.ErrUnexpectedEOF) || got != "last" {
		t.Errorf("Serve returned %v after %q", err, got)
	}
}
