package websocket

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"hawser.example/websocket/internal/wstest"
)

// A parkSpy stands between a socketWire and its socket. It tells each time the reader is about to park, and whether it
// holds a buffer then.
type parkSpy struct {
	syscall.RawConn
	c      *Conn
	parked chan bool // has room for those of the test
}

func spyOnParking(c *Conn) *parkSpy {
	w := c.wire.(*socketWire)
	s := &parkSpy{RawConn: w.raw, c: c, parked: make(chan bool, 1000)}
	w.raw = s
	return s
}

func (s *parkSpy) Read(f func(fd uintptr) bool) error {
	return s.RawConn.Read(func(fd uintptr) bool {
		done := f(fd)
		if !done {
			s.parked <- s.c.in.mem != nil
		}
		return done
	})
}

// A TCP connection that waits for its next message holds no read or write buffer, in whatever way it is read.
func TestNoBufferIsHeldWhileAReadWaits(t *testing.T) {
	reads := map[string]func(c *Conn){
		"ReadMessage": func(c *Conn) { echo(c) },
		"Serve": func(c *Conn) {
			c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
		},
		"NextReader": func(c *Conn) {
			for {
				mt, r, err := c.NextReader()
				if err != nil {
					return
				}
				w, _ := c.NextWriter(mt)
				io.Copy(w, r)
				w.Close()
			}
		},
		"ReadJSON": func(c *Conn) {
			var v any
			for c.ReadJSON(&v) == nil {
				c.WriteJSON(v)
			}
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			wstest.NoLeaks(t)
			server, peer := withRaw(t, transports[0], serverRole, connConfig{})
			spy := spyOnParking(server)
			ended := async(func() error { read(server); return nil })
			for range 3 {
				if <-spy.parked {
					t.Error("a read buffer is held by a reader that waits")
				}
				peer.write(append(peer.frame(OpPing, true, "1"), peer.frame(OpText, true, `"echo"`)...))
				peer.want(OpPong, "1")
				if f, err := peer.read(); err != nil || f.Opcode != OpText {
					t.Fatal(f, err)
				}
			}
			peer.send(OpClose, "")
			peer.wantClose(CloseNoStatus)
			<-ended
			wantNoBuffers(t, server)
		})
	}
}

// A reader that has parked, with nothing to do for anybody, holds nothing to write either.
func TestNoWriteBufferIsHeldWhileAReadWaits(t *testing.T) {
	wstest.NoLeaks(t)
	server, peer := withRaw(t, transports[0], serverRole, connConfig{})
	spy := spyOnParking(server)
	ended := async(func() error { return echo(server) })
	<-spy.parked
	peer.send(OpText, "in")
	peer.want(OpText, "in")
	<-spy.parked
	server.waitLock(nil, false)
	if server.out != nil {
		t.Error("a write buffer is held")
	}
	server.wlock.unlock()
	peer.nc.Close()
	<-ended
}

// Data and the end of the stream arrive in one segment while the reader waits: it is woken once, and has to notice both
// without another byte.
func TestEndInTheSegmentOfDataIsNoticed(t *testing.T) {
	for name, read := range map[string]func(c *Conn) (string, error){
		"Serve": func(c *Conn) (got string, err error) {
			err = c.Serve(HandlerFuncs{OnMessage: func(_ *Conn, _ MessageType, p []byte) { got += string(p) }})
			return got, err
		},
		"ReadMessage": func(c *Conn) (string, error) {
			_, p, _ := c.ReadMessage()
			_, _, err := c.ReadMessage()
			return string(p), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wstest.NoLeaks(t)
			server, peer := withRaw(t, transports[0], serverRole, connConfig{keepalive: Keepalive{Interval: -1}})
			spy := spyOnParking(server)
			var got string
			ended := async(func() (err error) { got, err = read(server); return err })
			<-spy.parked
			cork(t, peer.nc.(*net.TCPConn))
			peer.send(OpText, "last")
			peer.nc.(*net.TCPConn).CloseWrite()
			if err := within(t, name, ended); !errors.Is(err, io.ErrUnexpectedEOF) || got != "last" {
				t.Errorf("%s returned %v after %q", name, err, got)
			}
		})
	}
}

// cork makes nc keep what it is given until a segment is full or the stream ends.
func cork(t *testing.T, nc *net.TCPConn) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a connection that is served holds while it waits, on the heap and without what net has for its socket: as little
// after messages as before.
func TestIdleConnectionIsSmall(t *testing.T) {
	const (
		conns = 200
		most  = 1250 // Conn 768, its wire 128, the server 48, three callbacks 48; the timer of its deadline, rounding
	)
	wstest.NoLeaks(t)
	var sockets, peers []net.Conn
	for range conns {
		s, p := tcpPair(t)
		sockets, peers = append(sockets, s), append(peers, p)
	}
	u := &Upgrader{}
	send := (&encoder{role: clientRole, keys: nextMaskKey}).appendFrame(nil, OpText, true, []byte("hello"))
	answer := make([]byte, len("..hello"))
	messages := func(nc net.Conn) {
		for range 3 {
			nc.Write(send)
			if _, err := io.ReadFull(nc, answer); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := func(nc net.Conn) *Conn {
		c := newConn(nc, serverRole, connConfig{register: u}, nil)
		c.startReading()
		c.startWait()
		go c.serveDetached(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }}, nil)
		return c
	}
	var empty int64
	held := func() (each int64) { return (heapAtMost(empty+conns*most) - empty) / conns }
	served := make([]*Conn, 0, conns)
	one, onePeer := tcpPair(t) // what is made once, and the pools
	first := start(one)
	messages(onePeer)
	warmGoroutines(conns)
	empty = liveHeap()
	for _, nc := range sockets {
		served = append(served, start(nc))
	}
	before := held()
	for _, nc := range peers {
		messages(nc)
	}
	after := held()
	t.Logf("%d bytes of heap before messages, %d after them", before, after)
	if before > most || after > most {
		t.Errorf("more than %d bytes", most)
	}
	for _, c := range append(served, first) {
		c.CloseNow()
		<-c.Done()
	}
}

// warmGoroutines lets n goroutines come and go, so that the runtime has what the next n need.
func warmGoroutines(n int) {
	var all sync.WaitGroup
	leave := make(chan struct{})
	for range n {
		all.Go(func() { <-leave })
	}
	close(leave)
	all.Wait()
}
