package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket/internal/memconn"
)

// traits lists what a caller can test an error for, by the names that the table below uses.
func traits(err error) (is []string) {
	var closed *CloseError
	var violated *ProtocolError
	var timeout net.Error
	for _, trait := range []struct {
		name string
		has  bool
	}{
		{"net.ErrClosed", errors.Is(err, net.ErrClosed)},
		{"EOF", errors.Is(err, io.EOF)},
		{"ErrUnexpectedEOF", errors.Is(err, io.ErrUnexpectedEOF)},
		{"ECONNRESET", errors.Is(err, syscall.ECONNRESET)},
		{"os.ErrDeadlineExceeded", errors.Is(err, os.ErrDeadlineExceeded)},
		{"Timeout", errors.As(err, &timeout) && timeout.Timeout()},
		{"context.Canceled", errors.Is(err, context.Canceled)},
		{"context.DeadlineExceeded", errors.Is(err, context.DeadlineExceeded)},
		{"ErrReadLimit", errors.Is(err, ErrReadLimit)},
		{"ErrInvalidUTF8", errors.Is(err, ErrInvalidUTF8)},
		{"ErrConcurrentRead", errors.Is(err, ErrConcurrentRead)},
		{"CloseError", errors.As(err, &closed)},
		{"ProtocolError", errors.As(err, &violated)},
	} {
		if trait.has {
			is = append(is, trait.name)
		}
	}
	return is
}

// connEnds is every way in which a connection ends, and what its error can be tested for: that, and nothing else.
var connEnds = []struct {
	name   string
	is     string // traits
	text   string // in the error
	config connConfig
	// end returns the error that the connection ended with.
	end func(c *Conn, peer *rawPeer) error
}{
	{name: "Close", is: "net.ErrClosed", text: "we closed", end: func(c *Conn, peer *rawPeer) error {
		closed := async(c.Close)
		peer.finish(CloseNormal)
		if err := <-closed; err != nil {
			return err
		}
		return c.WriteMessage(TextMessage, nil)
	}},
	{name: "CloseWith", is: "net.ErrClosed", text: `3000: "bye"`, end: func(c *Conn, peer *rawPeer) error {
		ended := async(readOne(c))
		closed := async(func() error { return c.CloseWith(3000, "bye") })
		peer.finish(3000)
		<-closed
		return <-ended
	}},
	{name: "CloseNow", is: "net.ErrClosed", text: "at once", end: func(c *Conn, _ *rawPeer) error {
		ended := async(readOne(c))
		c.CloseNow()
		return <-ended
	}},
	{name: "the peer's Close", is: "CloseError", text: `the peer closed`, end: func(c *Conn, peer *rawPeer) error {
		peer.send(OpClose, closePayload(CloseNormal, "bye"))
		peer.nc.(*memconn.Conn).CloseWrite()
		return readOne(c)()
	}},
	{name: "the peer's Close without a code", is: "CloseError", end: func(c *Conn, peer *rawPeer) error {
		peer.send(OpClose, "")
		peer.nc.(*memconn.Conn).CloseWrite()
		return readOne(c)()
	}},
	{name: "lost", is: "ErrUnexpectedEOF", text: "between two messages", end: func(c *Conn, peer *rawPeer) error {
		peer.nc.Close()
		return readOne(c)()
	}},
	{name: "lost in a message", is: "ErrUnexpectedEOF", text: "in the middle of a text message",
		end: func(c *Conn, peer *rawPeer) error {
			peer.write(peer.frame(OpText, false, "part"))
			peer.nc.Close()
			return readOne(c)()
		}},
	{name: "lost in a frame", is: "ErrUnexpectedEOF", text: "in the middle of a frame",
		end: func(c *Conn, peer *rawPeer) error {
			peer.write(peer.frame(OpPing, true, "ping")[:3])
			peer.nc.Close()
			return readOne(c)()
		}},
	{name: "reset", is: "ErrUnexpectedEOF ECONNRESET", text: "reset by peer", end: func(c *Conn, peer *rawPeer) error {
		peer.nc.(*memconn.Conn).Reset()
		return readOne(c)()
	}},
	{name: "violation", is: "ProtocolError", text: "1002", end: func(c *Conn, peer *rawPeer) error {
		peer.write([]byte{0x83, 0x80})
		return readOne(c)()
	}},
	{name: "not UTF-8", is: "ProtocolError", text: "1007", end: func(c *Conn, peer *rawPeer) error {
		peer.send(OpText, "\xff")
		return readOne(c)()
	}},
	{name: "read limit", is: "ErrReadLimit ProtocolError", text: "limit of 3 bytes", config: connConfig{readLimit: 3},
		end: func(c *Conn, peer *rawPeer) error {
			peer.send(OpText, "1234")
			return readOne(c)()
		}},
	{name: "read deadline in a message", is: "os.ErrDeadlineExceeded Timeout", text: "SetReadDeadline",
		end: func(c *Conn, peer *rawPeer) error {
			peer.write(peer.frame(OpText, false, "part"))
			c.SetReadDeadline(time.Now().Add(time.Second))
			return readOne(c)()
		}},
	{name: "read context cancelled in a message", is: "context.Canceled", text: "in the middle of a message",
		end: func(c *Conn, peer *rawPeer) error {
			peer.write(peer.frame(OpText, false, "part"))
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			_, _, err := c.ReadContext(ctx)
			return err
		}},
	{name: "read context passed in a message", is: "Timeout context.DeadlineExceeded", text: "in the middle of",
		end: func(c *Conn, peer *rawPeer) error {
			peer.write(peer.frame(OpText, false, "part"))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _, err := c.ReadContext(ctx)
			return err
		}},
	{name: "keepalive", is: "os.ErrDeadlineExceeded Timeout", text: "Keepalive",
		config: connConfig{keepalive: Keepalive{Interval: time.Second}},
		end:    func(c *Conn, _ *rawPeer) error { return readOne(c)() }},
	{name: "WriteTimeout", is: "os.ErrDeadlineExceeded Timeout", text: "WriteTimeout",
		end: func(c *Conn, _ *rawPeer) error { return c.WriteMessage(BinaryMessage, make([]byte, 100_000)) }},
	{name: "write deadline in a message", is: "os.ErrDeadlineExceeded Timeout", text: "SetWriteDeadline",
		end: func(c *Conn, _ *rawPeer) error {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			return c.WriteMessage(BinaryMessage, make([]byte, 100_000))
		}},
	{name: "write context cancelled in a message", is: "context.Canceled", text: "in the middle of a message",
		end: func(c *Conn, _ *rawPeer) error {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			return c.WriteContext(ctx, BinaryMessage, make([]byte, 100_000))
		}},
}

// A connCall is a method with harmless arguments.
type connCall struct {
	name string
	call func(c *Conn) error
}

// writeCalls is every way to write.
var writeCalls = []connCall{
	{"WriteMessage", func(c *Conn) error { return c.WriteMessage(TextMessage, []byte("x")) }},
	{"large WriteMessage", func(c *Conn) error { return c.WriteMessage(BinaryMessage, make([]byte, 100_000)) }},
	{"WriteContext", func(c *Conn) error { return c.WriteContext(context.Background(), TextMessage, nil) }},
	{"WriteJSON", func(c *Conn) error { return c.WriteJSON(1) }},
	{"WritePrepared", func(c *Conn) error {
		m, err := NewPreparedMessage(TextMessage, nil)
		if err != nil {
			return err
		}
		return c.WritePrepared(m)
	}},
	{"NextWriter", func(c *Conn) error { _, err := c.NextWriter(TextMessage); return err }},
	{"Flush", (*Conn).Flush},
}

// otherCalls is what else returns why a connection has ended.
var otherCalls = []connCall{
	{"Ping", func(c *Conn) error { _, err := c.Ping(context.Background()); return err }},
	{"Handler.Closed", func(c *Conn) (err error) {
		c.Serve(HandlerFuncs{OnClosed: func(_ *Conn, e error) { err = e }})
		return err
	}},
	{"Hub.Subscribe", func(c *Conn) error { return new(Hub).Subscribe(c, "topic") }},
	{"Hub.Serve", func(c *Conn) error { return new(Hub).Serve(c, "topic") }},
}

// Every error says what happened, in words and to errors.Is and errors.As, and every method returns it from then on.
func TestErrorsStay(t *testing.T) {
	for _, tt := range connEnds {
		t.Run(tt.name, func(t *testing.T) {
			rawBubble(t, 1024, tt.config, func(t *testing.T, c *Conn, peer *rawPeer) {
				cause := tt.end(c, peer)
				if got := traits(cause); !slices.Equal(got, strings.Fields(tt.is)) {
					t.Errorf("%v is %q, want %q", cause, got, tt.is)
				}
				if !strings.Contains(cause.Error(), tt.text) || !strings.HasPrefix(cause.Error(), "websocket: ") {
					t.Errorf("the error says %q, want it to say %q", cause, tt.text)
				}
				<-c.Done()
				for range 2 {
					for _, call := range slices.Concat(readCalls, writeCalls, otherCalls) {
						if err := call.call(c); err != cause {
							t.Errorf("%s returned %v, want %v again", call.name, err, cause)
						}
					}
				}
				wantNoPanic(t, c)
			})
		})
	}
}

// wantNoPanic calls on a connection that has ended what does not return its error.
func wantNoPanic(t *testing.T, c *Conn) {
	t.Helper()
	for _, closing := range []func() error{c.Close, c.CloseNow, func() error { return c.CloseWith(3000, "again") }} {
		if err := closing(); err != nil {
			t.Errorf("another Close returned %v", err)
		}
	}
	c.Drain()
	c.SetReadLimit(1)
	c.SetReadDeadline(time.Now().Add(time.Hour))
	c.SetWriteDeadline(time.Now().Add(time.Hour))
	c.SetReadDeadline(time.Time{})
	c.Stats()
	new(Hub).Unsubscribe(c, "topic")
	if c.LocalAddr() == nil || c.RemoteAddr() == nil || c.NetConn() == nil || c.Subprotocol() != "" {
		t.Error("the facts of the handshake are gone")
	}
	s := StreamConn(c, TextMessage)
	if n, err := s.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("Read of a stream: %d, %v", n, err)
	}
	if n, err := s.Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("Write to a stream: %d, %v", n, err)
	}
	s.Close()
}

// A socket that takes nothing any more says nothing of what has arrived: writes fail, reads go on to the peer's Close.
func TestFailedWritesLeaveTheReaderAlone(t *testing.T) {
	rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		peer.send(OpText, "before")
		peer.send(OpClose, closePayload(4000, ""))
		peer.nc.Close()
		err := c.WriteMessage(TextMessage, []byte("x"))
		if got := traits(err); !slices.Equal(got, []string{"ErrUnexpectedEOF"}) || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the write returned %v, which is %q", err, got)
		}
		for _, call := range writeCalls {
			if err2 := call.call(c); err2 != err {
				t.Errorf("%s returned %v, want %v again", call.name, err2, err)
			}
		}
		wantMessages(t, c, "before")
		var closed *CloseError
		if err := readOne(c)(); !errors.As(err, &closed) || closed.Code != 4000 {
			t.Errorf("the read returned %v", err)
		}
	})
}

// What a caller gets wrong comes back as an error, and the connection is as it was.
func TestMistakesLeaveTheConnectionUsable(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name string
		call func(c *Conn) error
		is   error
	}{
		{"no message type", func(c *Conn) error { return c.WriteMessage(0, nil) }, ErrMessageType},
		{"the type of a Ping", func(c *Conn) error { return c.WriteMessage(MessageType(OpPing), nil) }, ErrMessageType},
		{"not UTF-8", func(c *Conn) error { return c.WriteMessage(TextMessage, []byte("\xff")) }, ErrInvalidUTF8},
		{"long and not UTF-8", func(c *Conn) error {
			return c.WriteMessage(TextMessage, append(make([]byte, 100_000), 0xff))
		}, ErrInvalidUTF8},
		{"prepared: type", func(*Conn) error { _, err := NewPreparedMessage(9, nil); return err }, ErrMessageType},
		{"prepared: text", func(*Conn) error {
			_, err := NewPreparedMessage(TextMessage, []byte("\xc3"))
			return err
		}, ErrInvalidUTF8},
		{"read, context gone", func(c *Conn) error { _, _, err := c.ReadContext(gone); return err }, context.Canceled},
		{"write, context gone", func(c *Conn) error {
			return c.WriteContext(gone, TextMessage, nil)
		}, context.Canceled},
		{"Ping, context gone", func(c *Conn) error { _, err := c.Ping(gone); return err }, context.Canceled},
		{"read deadline passed", func(c *Conn) error {
			c.SetReadDeadline(longAgo)
			defer c.SetReadDeadline(time.Time{})
			return readOne(c)()
		}, os.ErrDeadlineExceeded},
		{"write deadline passed", func(c *Conn) error {
			c.SetWriteDeadline(longAgo)
			defer c.SetWriteDeadline(time.Time{})
			return c.WriteMessage(TextMessage, nil)
		}, os.ErrDeadlineExceeded},
		{"Close with a bad code", func(c *Conn) error { return c.CloseWith(CloseAbnormal, "") }, errCloseCode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				for range 2 {
					if err := tt.call(c); !errors.Is(err, tt.is) || errors.Is(err, net.ErrClosed) {
						t.Errorf("got %v, want %v", err, tt.is)
					}
				}
				peer.send(OpText, "in")
				wantMessages(t, c, "in")
				if err := c.WriteMessage(TextMessage, []byte("out")); err != nil {
					t.Error(err)
				}
				peer.want(OpText, "out")
			})
		})
	}
}

// A Handler that reads would read the message that it was called for once more.
func TestReadsInAHandlerAreRefused(t *testing.T) {
	for _, call := range readCalls {
		t.Run(call.name, func(t *testing.T) {
			rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				peer.burst("a", "b")
				served := async(func() error {
					return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) {
						if err := call.call(c); err != ErrConcurrentRead {
							t.Errorf("got %v", err)
						}
						c.WriteMessage(mt, p)
					}})
				})
				peer.want(OpText, "a")
				peer.want(OpText, "b")
				peer.nc.Close()
				<-served
			})
		})
	}
}
