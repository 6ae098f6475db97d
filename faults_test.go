package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket/internal/wstest"
)

// This file is what peers do wrong, over real sockets: they leave, stall, flood and lie. The other end is a Conn at
// work, as a server behind net/http and as a client, with callbacks and with a loop of ReadMessage.

const (
	faultPatience = time.Minute // for what has to happen; a test that waits as long has failed
	narrowSocket  = 64 << 10    // bytes that a socket of faultConfig.narrow is asked to hold
	faultRequest  = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	faultAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: %s\r\n\r\n"
)

// A faultConfig says what is special about our end.
type faultConfig struct {
	readLimit    int64
	writeTimeout time.Duration
	quiet        bool // it does not echo
	narrow       bool // the sockets of both ends hold little

	chunk  int                     // the peer sends its handshake in writes of so many bytes; 0: in one
	behind func(p *rawPeer) []byte // what it sends in the same way right behind that; nil: nothing
}

// A faultSession is one connection: our end, which echoes, and the peer, which is about to misbehave. It is the Handler
// of our end.
type faultSession struct {
	t      *testing.T
	cfg    faultConfig
	conn   *Conn
	peer   *rawPeer
	opened chan *Conn
	ended  chan error

	// Owned by the goroutine of our end until ended has told.
	messages []string
	writeErr error // the first
}

func (s *faultSession) Message(c *Conn, t MessageType, p []byte) {
	s.messages = append(s.messages, string(p))
	if s.cfg.quiet {
		return
	}
	if err := c.WriteMessage(t, p); s.writeErr == nil {
		s.writeErr = err
	}
}

func (s *faultSession) Closed(_ *Conn, err error) { s.ended <- err }

// loop is Serve for an application that calls ReadMessage.
func (s *faultSession) loop(c *Conn) {
	for {
		t, p, err := c.ReadMessage()
		if err != nil {
			s.Closed(c, err)
			return
		}
		s.Message(c, t, p)
	}
}

// end waits for our end to be told why the connection has ended.
func (s *faultSession) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(faultPatience):
		s.t.Fatal("our end was never told that the connection has ended")
		return nil
	}
}

// wantDelivered wants our end to have got these messages and no other. It is called after end.
func (s *faultSession) wantDelivered(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.messages, want) {
		s.t.Errorf("delivered were %.100q, want %.100q", s.messages, want)
	}
}

// wantLost wants our end to learn that the connection was lost.
func (s *faultSession) wantLost() {
	s.t.Helper()
	err := s.end()
	var closed *CloseError
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &closed) {
		s.t.Errorf("our end was told %v, want one that is io.ErrUnexpectedEOF", err)
	}
}

// wantFailed wants the peer to read a Close with code, and the end of the stream behind it, and our end to learn why.
func (s *faultSession) wantFailed(code CloseCode) {
	s.t.Helper()
	s.peer.wantClose(code)
	s.peer.wantEOF()
	s.peer.nc.Close()
	err := s.end()
	var violation *ProtocolError
	if !errors.As(err, &violation) || violation.Code != code {
		s.t.Errorf("our end was told %v, want a *ProtocolError with code %v", err, code)
	}
}

// A faultWay is a role of our end and how it reads.
type faultWay struct {
	name      string
	role      role
	callbacks bool
}

var faultWays = []faultWay{
	{"server with Handler", serverRole, true},
	{"server with ReadMessage", serverRole, false},
	{"client with Serve", clientRole, true},
	{"client with ReadMessage", clientRole, false},
}

// eachFaultWay runs f once for each way, on a connection of its own.
func eachFaultWay(t *testing.T, cfg faultConfig, f func(t *testing.T, s *faultSession)) {
	for _, w := range faultWays {
		t.Run(w.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			f(t, w.start(t, cfg))
		})
	}
}

// start opens a connection.
func (w faultWay) start(t *testing.T, cfg faultConfig) *faultSession {
	t.Helper()
	s := &faultSession{t: t, cfg: cfg, opened: make(chan *Conn, 1), ended: make(chan error, 1)}
	if w.role == serverRole {
		s.startServer(w.callbacks)
	} else {
		s.startClient(w.callbacks)
	}
	t.Cleanup(func() {
		s.conn.CloseNow()
		s.peer.nc.Close()
	})
	s.peer.nc.SetDeadline(time.Now().Add(faultPatience))
	if cfg.narrow {
		narrow(s.conn.NetConn())
		narrow(s.peer.nc)
	}
	return s
}

// startServer makes our end a server and the peer its client.
func (s *faultSession) startServer(callbacks bool) {
	u := &Upgrader{ReadLimit: s.cfg.readLimit, WriteTimeout: s.cfg.writeTimeout}
	h := u.Handler(func(c *Conn, _ *http.Request) Handler {
		s.opened <- c
		return s
	})
	if !callbacks {
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := u.Upgrade(w, r, nil); err == nil {
				s.opened <- c
				s.loop(c)
			}
		})
	}
	nc := dialFault(s.t, serveFault(s.t, &http.Server{Handler: h}))
	s.peer = &rawPeer{t: s.t, nc: nc, role: clientRole}
	s.shake([]byte(faultRequest))
	// The key that the answer accepts is that of RFC 6455, section 1.3.
	head := readFaultHead(s.t, nc)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
		s.t.Fatalf("the answer is %q", head)
	}
	s.conn = <-s.opened
}

// startClient makes our end a client and the peer its server.
func (s *faultSession) startClient(callbacks bool) {
	ln := listen(s.t)
	dialed := async(func() error {
		d := &Dialer{ReadLimit: s.cfg.readLimit, WriteTimeout: s.cfg.writeTimeout}
		c, _, err := d.Dial(testContext(s.t), "ws://"+ln.Addr().String()+"/chat", nil)
		if err == nil {
			s.opened <- c
		}
		return err
	})
	nc := acceptFault(s.t, ln)
	_, rest, _ := strings.Cut(readFaultHead(s.t, nc), "Sec-WebSocket-Key: ")
	key, _, _ := strings.Cut(rest, "\r\n")
	s.peer = &rawPeer{t: s.t, nc: nc, role: serverRole}
	s.shake(fmt.Appendf(nil, faultAnswer, acceptKey(key)))
	if err := <-dialed; err != nil {
		s.t.Fatal(err)
	}
	s.conn = <-s.opened
	if callbacks {
		go s.conn.Serve(s)
	} else {
		go s.loop(s.conn)
	}
}

// shake sends the peer's part of the handshake.
func (s *faultSession) shake(head []byte) {
	if s.cfg.behind != nil {
		head = append(head, s.cfg.behind(s.peer)...)
	}
	s.peer.writeInPieces(head, s.cfg.chunk)
}

// serveFault runs srv until the test ends, and returns its address.
func serveFault(t *testing.T, srv *http.Server) (addr string) {
	t.Helper()
	ln := listen(t)
	served := async(func() error { return srv.Serve(ln) })
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return ln.Addr().String()
}

func dialFault(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(faultPatience))
	return nc
}

// acceptFault takes the one connection that is made to ln.
func acceptFault(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	defer ln.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(faultPatience))
	return nc
}

// readFaultHead reads the header of a request or an answer, and nothing behind it.
func readFaultHead(t *testing.T, nc net.Conn) string {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b...) {
		if _, err := nc.Read(b); err != nil {
			t.Fatalf("the header ends after %q: %v", head, err)
		}
	}
	return string(head)
}

// narrow makes the socket hold little of what is written, so that a peer that does not read is soon felt. What it holds
// for reading is left alone: a window that shrinks makes the kernel drop segments, and wait long before it tries again.
func narrow(nc net.Conn) { nc.(*net.TCPConn).SetWriteBuffer(narrowSocket) }

// writeInPieces writes b in writes of size bytes, 0 for one. Each is a segment of its own: Go sets TCP_NODELAY.
func (p *rawPeer) writeInPieces(b []byte, size int) {
	if size == 0 {
		size = len(b)
	}
	for len(b) > 0 {
		n := min(size, len(b))
		p.write(b[:n])
		b = b[n:]
	}
}

// writeUntilCut writes what next returns, until the connection is cut or next returns nothing, and returns how many
// bytes were taken.
func (p *rawPeer) writeUntilCut(next func() []byte) (taken int) {
	for b := next(); len(b) > 0; b = next() {
		n, err := p.nc.Write(b)
		if taken += n; err != nil {
			break
		}
	}
	return taken
}

// header returns the header of a frame as the peer's role sends it, whose length may be a lie. The mask key of a client
// is 0, which leaves the payload as it is.
func (p *rawPeer) header(op Opcode, length uint64) []byte {
	return AppendHeader(nil, Header{Fin: true, Opcode: op, Length: length, Masked: p.role == clientRole})
}

func zeros(n int) []byte { return make([]byte, n) }

// allocated returns how many bytes f made the process allocate, whether they were freed since or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// wantAllocated wants f to make the process, the peer included, allocate at most limit bytes.
func wantAllocated(t *testing.T, limit int, f func()) {
	t.Helper()
	if n := allocated(f); n > uint64(limit) {
		t.Errorf("%d bytes were allocated, want at most %d", n, limit)
	}
}

// leaving is the ways to leave without a Close.
var leaving = []struct {
	name  string
	leave func(nc *net.TCPConn)
	reads bool // the peer is still there to read
}{
	{"resets the connection", func(nc *net.TCPConn) { nc.SetLinger(0); nc.Close() }, false},
	{"closes the connection", func(nc *net.TCPConn) { nc.Close() }, false},
	{"closes its half of the connection", func(nc *net.TCPConn) { nc.CloseWrite() }, true},
}

// RFC 6455, section 7.1.5: without a Close the connection was not closed, it was lost. What was incomplete is not
// delivered.
func TestPeerLeavesWithoutAClose(t *testing.T) {
	for _, at := range []struct {
		name string
		sent func(p *rawPeer) []byte // what the peer sends last
	}{
		{"between messages", func(*rawPeer) []byte { return nil }},
		{"after the first byte of a header", func(p *rawPeer) []byte { return p.frame(OpText, true, "part")[:1] }},
		{"before the payload", func(p *rawPeer) []byte { return p.header(OpText, 4) }},
		{"in a payload", func(p *rawPeer) []byte { return append(p.header(OpText, 1000), "part"...) }},
		{"in a large payload", func(p *rawPeer) []byte { return append(p.header(OpBinary, 1<<20), zeros(300<<10)...) }},
		{"between fragments", func(p *rawPeer) []byte { return p.frame(OpText, false, "part") }},
		{"between large fragments", func(p *rawPeer) []byte { return p.frame(OpBinary, false, string(zeros(100<<10))) }},
		{"in a Ping", func(p *rawPeer) []byte { return append(p.header(OpPing, 100), "part"...) }},
		{"in a Close", func(p *rawPeer) []byte { return append(p.header(OpClose, 100), "\x03"...) }},
	} {
		for _, way := range leaving {
			t.Run(way.name+" "+at.name, func(t *testing.T) {
				eachFaultWay(t, faultConfig{}, func(t *testing.T, s *faultSession) {
					s.peer.send(OpText, "whole")
					s.peer.want(OpText, "whole")
					s.peer.write(at.sent(s.peer))
					way.leave(s.peer.nc.(*net.TCPConn))
					if way.reads {
						s.peer.wantEOF()
					}
					s.wantLost()
					s.wantDelivered("whole")
				})
			})
		}
	}
}

// The echo is larger than what the sockets hold, so our end is in the middle of a write.
func TestPeerResetsWhileItIsWrittenTo(t *testing.T) {
	eachFaultWay(t, faultConfig{narrow: true}, func(t *testing.T, s *faultSession) {
		long := strings.Repeat("x", 4<<20)
		s.peer.send(OpBinary, long)
		if _, err := io.ReadFull(s.peer.nc, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		s.peer.nc.(*net.TCPConn).SetLinger(0)
		s.peer.nc.Close()
		s.wantLost()
		s.wantDelivered(long)
		if !errors.Is(s.writeErr, io.ErrUnexpectedEOF) {
			t.Errorf("the write returned %v", s.writeErr)
		}
	})
}

// A peer that has nothing more to say may still listen: replies that collect leave before the end is judged.
func TestPeerHalfClosesRightBehindItsMessages(t *testing.T) {
	eachFaultWay(t, faultConfig{}, func(t *testing.T, s *faultSession) {
		const messages = 100
		var all []byte
		for i := range messages {
			all = append(all, s.peer.frame(OpText, true, fmt.Sprint("message ", i))...)
			all = append(all, s.peer.frame(OpPing, true, fmt.Sprint("ping ", i))...)
		}
		all = append(all, s.peer.frame(OpPong, true, "nothing is owed for this one")...)
		s.peer.write(all)
		s.peer.nc.(*net.TCPConn).CloseWrite()
		for i := range messages {
			s.peer.want(OpText, fmt.Sprint("message ", i))
			s.peer.want(OpPong, fmt.Sprint("ping ", i))
		}
		s.peer.wantEOF()
		s.wantLost()
	})
}

// A session is what it is, however it is cut into segments, and even if the first one holds all of it.
func TestPeerTrickles(t *testing.T) {
	long := strings.Repeat("é", 200)
	session := func(p *rawPeer) []byte {
		return slices.Concat(
			p.frame(OpText, true, "é€𝄞"),
			p.frame(OpPing, true, "before"),
			p.frame(OpText, false, "fr\xc3"),
			p.frame(OpPing, true, "amid"),
			p.frame(OpContinuation, false, ""),
			p.frame(OpContinuation, true, "\xa9"),
			p.frame(OpBinary, true, ""),
			p.frame(OpText, true, long),
			p.frame(OpPong, true, "unasked"),
			p.frame(OpClose, true, closePayload(4000, "bye")),
		)
	}
	for _, size := range []int{1, 2, 7, 0} {
		t.Run(fmt.Sprintf("%d bytes at a time", size), func(t *testing.T) {
			eachFaultWay(t, faultConfig{chunk: size, behind: session}, func(t *testing.T, s *faultSession) {
				s.peer.want(OpText, "é€𝄞")
				s.peer.want(OpPong, "before")
				s.peer.want(OpPong, "amid")
				s.peer.want(OpText, "fré")
				s.peer.want(OpBinary, "")
				s.peer.want(OpText, long)
				s.peer.want(OpClose, closePayload(4000, ""))
				if s.peer.role == clientRole {
					s.peer.wantEOF()
				}
				s.peer.nc.Close()
				if err := s.end(); !isCloseCode(err, 4000) {
					t.Errorf("our end was told %v", err)
				}
				s.wantDelivered("é€𝄞", "fré", "", long)
			})
		})
	}
}

// wantStalled wants our end to learn that the peer took nothing for too long.
func (s *faultSession) wantStalled() {
	s.t.Helper()
	err := s.end()
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "WriteTimeout") {
		s.t.Errorf("our end was told %v, want a timeout that names WriteTimeout", err)
	}
}

// Echoes that find no room stop the reading, so that TCP stops the peer; and a peer that stays so is cut.
func TestPeerNeverReadsItsEchoes(t *testing.T) {
	const offered, most = 64 << 20, 4 << 20
	for _, size := range []int{100, 10 << 10, 200 << 10} {
		t.Run(fmt.Sprintf("of %d bytes", size), func(t *testing.T) {
			cfg := faultConfig{narrow: true, writeTimeout: 200 * time.Millisecond}
			eachFaultWay(t, cfg, func(t *testing.T, s *faultSession) {
				frame := s.peer.frame(OpBinary, true, strings.Repeat("x", size))
				sent := 0
				next := func() []byte {
					if sent += len(frame); sent > offered {
						return nil
					}
					return frame
				}
				wantAllocated(t, 4*most, func() {
					if n := s.peer.writeUntilCut(next); n > most {
						t.Errorf("our end took %d bytes, want at most %d", n, most)
					}
					s.wantStalled()
				})
				if !errors.Is(s.writeErr, os.ErrDeadlineExceeded) {
					t.Errorf("the write returned %v, want a timeout", s.writeErr)
				}
			})
		})
	}
}

// A peer that reads late, but in time, misses nothing.
func TestPeerReadsItsEchoesLate(t *testing.T) {
	eachFaultWay(t, faultConfig{narrow: true}, func(t *testing.T, s *faultSession) {
		number, sent := 0, 0
		text := func(i int) string { return fmt.Sprintf("%01000d", i) }
		frame := s.peer.frame(OpText, true, text(0))
		for {
			s.peer.nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := s.peer.nc.Write(frame)
			if sent = n; err != nil {
				break // our end has stopped reading
			}
			number++
			frame = s.peer.frame(OpText, true, text(number))
		}
		s.peer.nc.SetWriteDeadline(time.Now().Add(faultPatience))
		rest := async(func() error {
			_, err := s.peer.nc.Write(append(frame[sent:], s.peer.frame(OpClose, true, "")...))
			return err
		})
		for i := range number + 1 {
			s.peer.want(OpText, text(i))
		}
		s.peer.want(OpClose, "")
		if err := <-rest; err != nil {
			t.Error(err)
		}
		s.peer.nc.Close()
		if err := s.end(); !isCloseCode(err, CloseNoStatus) {
			t.Errorf("our end was told %v", err)
		}
	})
}

// net/http bounds the server's side: Upgrade is not called before the request is there.
func TestClientNeverFinishesItsHandshake(t *testing.T) {
	for _, sent := range []string{"", "G", faultRequest[:40], faultRequest[:len(faultRequest)-2]} {
		t.Run(fmt.Sprintf("after %d bytes", len(sent)), func(t *testing.T) {
			wstest.NoLeaks(t)
			srv := &http.Server{ReadHeaderTimeout: 50 * time.Millisecond}
			srv.Handler = new(Upgrader).Handler(func(*Conn, *http.Request) Handler {
				t.Error("a handshake was accepted")
				return nil
			})
			nc := dialFault(t, serveFault(t, srv))
			io.WriteString(nc, sent)
			// net/http may say what it thinks of a part of a request, or not. What comes after it has given up is
			// answered with a reset, which is an end too.
			if b, err := io.ReadAll(nc); strings.Contains(string(b), " 101 ") || isTimeout(err) {
				t.Errorf("the peer read %q, %v, want the end", b, err)
			}
		})
	}
}

func TestServerNeverFinishesItsHandshake(t *testing.T) {
	answer := fmt.Sprintf(faultAnswer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
	for _, sent := range []string{"", "H", answer[:40], answer[:len(answer)-2]} {
		t.Run(fmt.Sprintf("after %d bytes", len(sent)), func(t *testing.T) {
			wstest.NoLeaks(t)
			for limit := 50 * time.Millisecond; !answeredInPart(t, sent, limit); limit *= 2 { // too little for a slow machine
				if limit > faultPatience {
					t.Fatal("the peer never got the request")
				}
			}
		})
	}
}

// answeredInPart dials, with a limit, a server that sends a part of an answer and then nothing. It returns whether the
// request arrived before the limit passed.
func answeredInPart(t *testing.T, part string, limit time.Duration) bool {
	t.Helper()
	ln := listen(t)
	dialed := async(func() error {
		defer ln.Close() // it may be over before it has connected
		_, _, err := (&Dialer{HandshakeTimeout: limit}).Dial(testContext(t), "ws://"+ln.Addr().String()+"/", nil)
		return err
	})
	var request []byte
	nc, err := ln.Accept()
	if err == nil {
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(faultPatience))
		io.WriteString(nc, part)
		if request, err = io.ReadAll(nc); isTimeout(err) {
			t.Fatalf("the peer read %q, %v, want the request and the end", request, err)
		}
	}
	var refused *HandshakeError
	if err := <-dialed; !errors.As(err, &refused) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Dial = %v, want a *HandshakeError that is os.ErrDeadlineExceeded", err)
	}
	return err == nil && strings.HasSuffix(string(request), "\r\n\r\n")
}

// frameFlood returns a function that returns the next batch of count frames, in memory that it uses again; none behind
// the last one. add appends the frame with a number.
func frameFlood(count, batch int, add func(b []byte, number int) []byte) func() []byte {
	var b []byte
	number := 0
	return func() []byte {
		b = b[:0]
		for end := min(number+batch, count); number < end; number++ {
			b = add(b, number)
		}
		return b
	}
}

// pingFlood returns count Pings that carry their numbers.
func (p *rawPeer) pingFlood(count, batch int) func() []byte {
	e := p.floodEncoder()
	payload := make([]byte, 8)
	return frameFlood(count, batch, func(b []byte, number int) []byte {
		binary.BigEndian.PutUint64(payload, uint64(number))
		b, _ = e.appendControl(b, OpPing, payload)
		return b
	})
}

// fragmentFlood returns a message of count fragments that each have this payload.
func (p *rawPeer) fragmentFlood(count int, payload string) func() []byte {
	e := p.floodEncoder()
	body := []byte(payload)
	return frameFlood(count, floodBatch, func(b []byte, number int) []byte {
		op := OpContinuation
		if number == 0 {
			op = OpBinary
		}
		return e.appendFrame(b, op, number == count-1, body)
	})
}

// floodEncoder returns an encoder for the peer's frames whose mask keys cost nothing.
func (p *rawPeer) floodEncoder() *encoder {
	return &encoder{role: p.role, keys: func() [4]byte { return [4]byte{1, 2, 3, 4} }}
}

const floodBatch = 2000 // frames of a write

// readPong returns the number of the next Pong.
func (p *rawPeer) readPong() int {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.Opcode != OpPong || len(f.payload) != 8 {
		p.t.Fatalf("the raw peer read %v, %v, want a Pong", f, err)
	}
	return int(binary.BigEndian.Uint64([]byte(f.payload)))
}

// wantPong wants the next frame to be the Pong with this number.
func (p *rawPeer) wantPong(number int) {
	p.t.Helper()
	if got := p.readPong(); got != number {
		p.t.Fatalf("Pong %d in place of %d", got, number)
	}
}

const manyPings = 1_000_000

// RFC 6455, section 5.5.3: an endpoint may answer only the latest of several Pings.
func TestPeerFloodsWithPingsAndReadsNoPongs(t *testing.T) {
	eachFaultWay(t, faultConfig{narrow: true, writeTimeout: -1}, func(t *testing.T, s *faultSession) {
		next := s.peer.pingFlood(manyPings, floodBatch)
		wantAllocated(t, manyPings*frameSize(8)/2, func() {
			s.peer.writeUntilCut(next)
			waitFor(t, func() bool { return s.conn.Stats().PingsIn == manyPings })
		})
		if q := s.conn.Stats().Queued; q > repliesLimit {
			t.Errorf("%d bytes are queued, want at most %d", q, repliesLimit)
		}
		last, answered := -1, 0
		for last < manyPings-1 {
			number := s.peer.readPong()
			if number <= last {
				t.Fatalf("Pong %d after Pong %d", number, last)
			}
			last = number
			answered++
		}
		if lost := s.conn.Stats().PongsLost; answered > manyPings/10 || int64(answered)+lost != manyPings {
			t.Errorf("%d Pings, %d answered, %d not", manyPings, answered, lost)
		}
		s.peer.send(OpText, "well")
		s.peer.want(OpText, "well")
	})
}

// A peer that reads gets every Pong, in order.
func TestPeerFloodsWithPingsAndReadsThePongs(t *testing.T) {
	const pings, batch = 200_000, pongsThatWait / 2
	eachFaultWay(t, faultConfig{narrow: true}, func(t *testing.T, s *faultSession) {
		next := s.peer.pingFlood(pings, batch)
		s.peer.write(next())
		for i := range pings {
			if i%batch == 0 {
				s.peer.write(next())
			}
			s.peer.wantPong(i)
		}
		if st := s.conn.Stats(); st.PongsLost != 0 || st.PingsIn != pings {
			t.Errorf("%d Pings were received, %d not answered", st.PingsIn, st.PongsLost)
		}
	})
}

// pongsThatWait is how many Pongs with 8 bytes of payload wait before they collapse: each takes 2 bytes more.
const pongsThatWait = (16 << 10) / (8 + 2)

// The Pongs wait because a message is being sent that the peer does not take. DESIGN.md: 16 KiB of replies may wait.
func TestPeerPingsWhileItDoesNotRead(t *testing.T) {
	for _, tt := range []struct {
		pings int
		first int // the earliest that is answered
	}{
		{1, 0},
		{pongsThatWait, 0},
		{pongsThatWait + 1, pongsThatWait},
		{2*pongsThatWait + 1, 2 * pongsThatWait},
		{2*pongsThatWait + 2, 2 * pongsThatWait},
	} {
		t.Run(fmt.Sprint(tt.pings), func(t *testing.T) {
			eachFaultWay(t, faultConfig{narrow: true}, func(t *testing.T, s *faultSession) {
				long := strings.Repeat("x", 4<<20)
				written := async(func() error { return s.conn.WriteMessage(BinaryMessage, []byte(long)) })
				s.peer.buf = make([]byte, 1000)
				if _, err := io.ReadFull(s.peer.nc, s.peer.buf); err != nil {
					t.Fatal(err)
				}
				s.peer.writeUntilCut(s.peer.pingFlood(tt.pings, floodBatch))
				// Our end has some patience with the socket before the Pongs collapse; a peer that read now would get all.
				waitFor(t, func() bool {
					st := s.conn.Stats()
					return st.PingsIn == int64(tt.pings) && st.PongsLost == int64(tt.first)
				})
				s.peer.want(OpBinary, long)
				for i := tt.first; i < tt.pings; i++ {
					s.peer.wantPong(i)
				}
				if err := <-written; err != nil {
					t.Error(err)
				}
				if lost := s.conn.Stats().PongsLost; lost != int64(tt.first) {
					t.Errorf("%d Pings count as not answered, want %d", lost, tt.first)
				}
			})
		})
	}
}

func TestPeerFloodsWithPingsAndIsCut(t *testing.T) {
	eachFaultWay(t, faultConfig{narrow: true, writeTimeout: 200 * time.Millisecond}, func(t *testing.T, s *faultSession) {
		next := s.peer.pingFlood(100_000, floodBatch)
		s.peer.writeUntilCut(next)
		s.wantStalled()
	})
}

func TestPeerSendsFragmentsOfOneByte(t *testing.T) {
	for _, tt := range []struct {
		count int
		code  CloseCode // 0: the message is delivered
	}{
		{100_000, 0},
		{maxFragments, 0},
		{maxFragments + 1, ClosePolicyViolation},
	} {
		t.Run(fmt.Sprint(tt.count), func(t *testing.T) {
			eachFaultWay(t, faultConfig{quiet: true}, func(t *testing.T, s *faultSession) {
				s.peer.writeUntilCut(s.peer.fragmentFlood(tt.count, "x"))
				if tt.code != 0 {
					s.wantFailed(tt.code)
					s.wantDelivered()
					return
				}
				s.peer.send(OpClose, "")
				s.peer.want(OpClose, "")
				s.peer.nc.Close()
				if err := s.end(); !isCloseCode(err, CloseNoStatus) {
					t.Errorf("our end was told %v", err)
				}
				s.wantDelivered(strings.Repeat("x", tt.count))
			})
		})
	}
}

// The bytes that such a peer sends are no payload, so no limit of bytes stops it.
func TestPeerSendsEmptyFragmentsWithoutEnd(t *testing.T) {
	eachFaultWay(t, faultConfig{}, func(t *testing.T, s *faultSession) {
		flood := s.peer.fragmentFlood(1<<30, "")
		stop := make(chan struct{})
		wantAllocated(t, 2<<20, func() {
			flooded := async(func() error {
				s.peer.writeUntilCut(func() []byte {
					select {
					case <-stop:
						return nil
					default:
						return flood()
					}
				})
				return nil
			})
			s.peer.wantClose(ClosePolicyViolation)
			close(stop)
			<-flooded
		})
		s.peer.nc.Close()
		var violation *ProtocolError
		if err := s.end(); !errors.As(err, &violation) || violation.Code != ClosePolicyViolation {
			t.Errorf("our end was told %v", err)
		}
		s.wantDelivered()
	})
}

// The length is judged when its last byte is there: neither mask key nor payload have to come.
func TestPeerDeclaresALengthThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length uint64
		first  string // a fragment that comes before
		code   CloseCode
	}{
		{"one more than the read limit", DefaultReadLimit + 1, "", CloseMessageTooBig},
		{"one more than what the first fragment leaves", DefaultReadLimit - 4, "first", CloseMessageTooBig},
		{"2^62", 1 << 62, "", CloseMessageTooBig},
		{"2^62 behind a fragment", 1 << 62, "first", CloseMessageTooBig},
		{"2^63-1", 1<<63 - 1, "", CloseMessageTooBig},
		{"2^63-1 behind a fragment", 1<<63 - 1, "first", CloseMessageTooBig},
		{"2^63", 1 << 63, "", CloseProtocolError}, // RFC 6455, section 5.2: "the most significant bit MUST be 0"
		{"2^64-1", 1<<64 - 1, "", CloseProtocolError},
		{"2^64-1 behind a fragment", 1<<64 - 1, "first", CloseProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachFaultWay(t, faultConfig{}, func(t *testing.T, s *faultSession) {
				op := OpBinary
				if tt.first != "" {
					s.peer.write(s.peer.frame(OpBinary, false, tt.first))
					op = OpContinuation
				}
				wantAllocated(t, 1<<20, func() {
					s.peer.write(s.peer.header(op, tt.length)[:10])
					s.wantFailed(tt.code)
				})
				s.wantDelivered()
			})
		})
	}
}

// declared are lengths that the read limit allows, if there is one, and how much of them comes.
var declared = []struct {
	name      string
	length    uint64
	readLimit int64
	sent      int
}{
	{"30 MiB, sends nothing", 30 << 20, 0, 0},
	{"30 MiB, sends 10 bytes", 30 << 20, 0, 10},
	{"30 MiB, sends 100 KiB", 30 << 20, 0, 100 << 10},
	{"30 MiB, sends 5 MiB", 30 << 20, 0, 5 << 20},
	{"2^62 where nothing limits it, sends 10 bytes", 1 << 62, -1, 10},
	{"2^62 where nothing limits it, sends 1 MiB", 1 << 62, -1, 1 << 20},
	// Where a slice that grows as append has it would run ahead furthest.
	{"20 MiB, sends 186 KiB", 20 << 20, 0, 186 << 10},
	{"20 MiB, sends 205 KiB", 20 << 20, 0, 205 << 10},
	{"20 MiB, sends 500 KiB", 20 << 20, 0, 500 << 10},
}

// DESIGN.md: a buffer never runs ahead of the bytes received by more than 64 KiB or their own amount again.
func TestPeerDeclaresMoreThanItSends(t *testing.T) {
	for _, tt := range declared {
		t.Run(tt.name, func(t *testing.T) {
			eachFaultWay(t, faultConfig{readLimit: tt.readLimit}, func(t *testing.T, s *faultSession) {
				p := append(s.peer.header(OpBinary, tt.length), zeros(tt.sent)...)
				// Memory that doubles as it grows is allocated twice over, and each time it is twice what was received.
				wantAllocated(t, 2<<20+4*tt.sent, func() {
					s.peer.write(p)
					s.peer.nc.(*net.TCPConn).CloseWrite()
					s.wantLost()
				})
				s.wantDelivered()
			})
		})
	}
}

// The same, seen in the memory itself: AppendMessage gives it back with its error.
func TestMemoryOfAMessageFollowsItsBytes(t *testing.T) {
	const rounding = 16 << 10 // by the runtime, to whole pages
	for _, tt := range declared {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []role{serverRole, clientRole} {
				wstest.NoLeaks(t)
				c, peer := withRaw(t, transportPair{"tcp", tcpPair}, r, connConfig{readLimit: tt.readLimit})
				read := make(chan []byte, 1)
				go func() {
					_, p, err := c.AppendMessage(nil)
					if !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("AppendMessage = %v", err)
					}
					read <- p
				}()
				peer.write(append(peer.header(OpBinary, tt.length), zeros(tt.sent)...))
				peer.nc.Close()
				if p := <-read; len(p) > 0 || cap(p) > tt.sent+max(64<<10, tt.sent)+rounding {
					t.Errorf("%v: %d bytes of memory for %d bytes received", r, cap(p), tt.sent)
				}
			}
		})
	}
}

// Closing a socket that has unread input resets the connection, and the reset would make the peer's writes fail and
// destroy the Close that is under way. The peer writes everything before it reads.
func TestPeerPipelinesBehindAnIllegalFrame(t *testing.T) {
	const behind = 256 << 10
	for _, tt := range []struct {
		name string
		// illegal returns the frame; other is a peer of the wrong role.
		illegal func(p, other *rawPeer) []byte
		code    CloseCode
	}{
		{"masked wrongly", func(_, other *rawPeer) []byte { return other.frame(OpText, true, "x") }, CloseProtocolError},
		{"with RSV1", func(p, _ *rawPeer) []byte {
			b := p.frame(OpText, true, "x")
			b[0] |= 0x40
			return b
		}, CloseProtocolError},
		{"with opcode 3", func(p, _ *rawPeer) []byte { return p.frame(3, true, "x") }, CloseProtocolError},
		{"of a Ping that is too long", func(p, _ *rawPeer) []byte { return p.header(OpPing, 126) }, CloseProtocolError},
		{"of a Close with code 1005", func(p, _ *rawPeer) []byte {
			return p.frame(OpClose, true, "\x03\xed")
		}, CloseProtocolError},
		{"of text that is not UTF-8", func(p, _ *rawPeer) []byte {
			return p.frame(OpText, true, "\xff")
		}, CloseInvalidPayload},
		{"that is too large", func(p, _ *rawPeer) []byte { return p.header(OpBinary, 1<<40) }, CloseMessageTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachFaultWay(t, faultConfig{}, func(t *testing.T, s *faultSession) {
				other := &rawPeer{role: clientRole}
				if s.peer.role == clientRole {
					other.role = serverRole
				}
				s.peer.send(OpText, "owed")
				s.peer.send(OpPing, "owed too")
				s.peer.write(append(tt.illegal(s.peer, other), zeros(behind/2)...))
				s.peer.writeInPieces(zeros(behind/2), 1000)
				s.peer.want(OpText, "owed")
				s.peer.want(OpPong, "owed too")
				s.wantFailed(tt.code)
				s.wantDelivered("owed")
			})
		})
	}
}

// Over TLS the reader can be faster than the goroutine that writes; no Pong may be lost for that.
func TestPeerFloodsWithPingsOverTLS(t *testing.T) {
	wstest.NoLeaks(t)
	var u Upgrader
	conns := make(chan *Conn, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r, nil); err == nil {
			c.Drain()
			conns <- c
		}
	}))
	defer server.Close()
	d := Dialer{TLSConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}
	c, _, err := d.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	s := <-conns
	defer s.CloseNow()

	const n, size = 5000, 100
	e := encoder{role: clientRole, keys: nextMaskKey}
	var flood []byte
	for i := range n {
		flood, _ = e.appendControl(flood, OpPing, fmt.Appendf(nil, "%0*d", size, i))
	}
	go c.nc.Write(flood)
	c.nc.SetReadDeadline(time.Now().Add(faultPatience))
	pongs := bufio.NewReader(c.nc)
	frame := make([]byte, 2+size)
	for i := range n {
		if _, err := io.ReadFull(pongs, frame); err != nil {
			t.Fatalf("after %d Pongs: %v", i, err)
		}
		if want := fmt.Sprintf("\x8a%c%0*d", size, size, i); string(frame) != want {
			t.Fatalf("Pong %d is %q", i, frame)
		}
	}
	if lost := s.Stats().PongsLost; lost != 0 {
		t.Errorf("%d Pongs lost", lost)
	}
}

// A peer that never stops sending small frames must not keep a connection that is served from ending: the bytes are
// there faster than they are decoded, so the reader never has to wait.
func TestPeerFloodsWhatIsClosed(t *testing.T) {
	for name, end := range map[string]func(c *Conn) error{
		"CloseNow": (*Conn).CloseNow,
		"Close":    func(c *Conn) error { c.Close(); return nil }, // the peer does not answer: CloseTimeout ends it
		"read deadline": func(c *Conn) error {
			return c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		},
	} {
		for _, op := range []Opcode{OpText, OpPing, OpPong} {
			t.Run(name+" "+op.String(), func(t *testing.T) {
				wstest.NoLeaks(t)
				server, peer := withRaw(t, transports[0], serverRole, connConfig{closeTimeout: 50 * time.Millisecond})
				served := async(func() error { return server.Serve(HandlerFuncs{}) })
				flood := bytes.Repeat(peer.frame(op, true, ""), 4096)
				flooding := async(func() error {
					for {
						if _, err := peer.nc.Write(flood); err != nil {
							return err
						}
					}
				})
				go io.Copy(io.Discard, peer.nc)
				for server.Stats().MessagesIn+server.Stats().PingsIn < 10_000 && op != OpPong {
					time.Sleep(time.Millisecond)
				}
				ended := async(func() error { return end(server) })
				within(t, name, ended)
				within(t, "Serve", served)
				within(t, "Done", async(func() error { <-server.Done(); return nil }))
				peer.nc.Close()
				<-flooding
			})
		}
	}
}
