package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// This file makes a stream of bytes of a connection's messages, for protocols that want a net.Conn.

// StreamConn returns c as a [net.Conn]: a stream of bytes, as which SSH, a database protocol or [crypto/tls] can run
// over a WebSocket. t is the type of the messages that carry it, usually BinaryMessage.
//
// Each Write sends its bytes as one message, in fragments if they are many; an empty Write sends nothing. With
// TextMessage the bytes of each Write have to be UTF-8 ([ErrInvalidUTF8]). Read returns the payload of one message
// after the other: it takes as little of a message as its buffer holds, waits for the next one at the end, and never
// returns 0 bytes without an error. A message of the other type fails the connection with code 1003 (RFC 6455, section
// 7.4.1), and Read returns a [*ProtocolError]. The read limit of c holds for each message, not for the stream.
//
// Read returns [io.EOF] when the peer has closed with code 1000 or 1001, or without a code. All other errors are those
// of c: [*CloseError] for any other code, [io.ErrUnexpectedEOF] if the connection was lost without a Close,
// [net.ErrClosed] after our own. Close is [Conn.Close]: the closing handshake ends both directions, and a peer that
// does not answer holds it up for CloseTimeout at most.
//
// Any number of goroutines may call any method. Deadlines are those of a net.Conn: one that has passed ends calls that
// wait and fails later ones, with an error that is [os.ErrDeadlineExceeded], until it is moved. Nothing is lost by
// that, even in the middle of a message, and the connection stays usable. A Write that a deadline ends returns how many
// of its bytes will arrive; they make up its message. The exception is a transport that cannot write without waiting,
// which is TLS everywhere and any on Windows: a write deadline that passes while such a transport waits ends the
// connection.
//
// StreamConn takes over reading: nobody else may read from c. Writing to c beside the stream puts whole messages
// between those of Writes. As with any Conn, Pings are answered, and a Close is noticed, while a Read waits.
func StreamConn(c *Conn, t MessageType) net.Conn {
	return &streamConn{
		c:             c,
		msgType:       t,
		rlock:         make(chan struct{}, 1),
		writeDeadline: streamDeadline{passed: make(streamContext)},
	}
}

// A streamConn is a Conn as a stream of bytes.
type streamConn struct {
	c       *Conn
	msgType MessageType

	// rlock is the lock of Read, a channel of one slot: taken while it is full. Whoever holds it owns msg.
	rlock chan struct{}
	msg   messageReader // the message being read; c.message points to it until its end

	writeDeadline streamDeadline // has a mutex of its own
}

// Read reads bytes of the stream into p, at least one unless p is empty.
func (s *streamConn) Read(p []byte) (int, error) {
	s.rlock <- struct{}{}
	defer func() { <-s.rlock }()
	for {
		switch {
		case s.c.rdl.userPassed():
			return 0, s.readError(errReadDeadline)
		case len(p) == 0:
			return 0, nil
		case s.msg.c == nil:
			if err := s.nextMessage(); err != nil {
				return 0, s.readError(err)
			}
		}
		n, err := s.msg.Read(p)
		switch {
		case err == nil:
			return n, nil
		case err != io.EOF:
			return 0, s.readError(err)
		}
		s.msg = messageReader{}
	}
}

// nextMessage waits for the next message and makes it s.msg.
func (s *streamConn) nextMessage() error {
	c := s.c
	if err := c.startReading(); err != nil {
		return err
	}
	defer c.stopReading()
	c.resumable = true
	if err := c.skipMessage(); err != nil {
		return err
	}
	ev, err := c.nextData()
	if err != nil {
		return err
	}
	if ev.msgType != s.msgType {
		// RFC 6455, section 7.4.1: 1003 is for "a type of data it cannot accept".
		return c.failProtocol(&ProtocolError{
			Code:   CloseUnsupportedData,
			Reason: "a " + ev.msgType.String() + " message on a stream of " + s.msgType.String() + " messages",
		})
	}
	c.pending = ev
	s.msg = messageReader{c: c}
	c.message = &s.msg
	return nil
}

// readError makes an error of the Conn one of the stream. What ended the connection goes before a deadline.
func (s *streamConn) readError(err error) error {
	if isTimeout(err) {
		if cause := s.c.failed(); cause != nil {
			err = cause
		}
	}
	var closed *CloseError
	if errors.As(err, &closed) {
		switch closed.Code {
		case CloseNormal, CloseGoingAway, CloseNoStatus: // RFC 6455, sections 7.4.1 and 7.1.5
			return io.EOF
		}
	}
	return err
}

// streamChunk is how many bytes go into one frame: what fits into the buffer, with room for an empty frame behind.
const streamChunk = collectLimit - maxHeaderSize

// Write sends p as one message.
func (s *streamConn) Write(p []byte) (int, error) {
	c := s.c
	ctx := s.writeDeadline.context()
	if err := c.failed(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := c.lockMessage(ctx); err != nil {
		return 0, streamWriteError(err)
	}
	defer c.unlockWrite()
	if err := c.enc.checkMessage(s.msgType, p); err != nil || len(p) == 0 {
		return 0, err
	}
	if len(p) > streamChunk {
		return s.putFragments(ctx, p)
	}
	switch err := c.putSmall(ctx, s.msgType, p); err {
	case nil:
	case errWriteKept:
		c.countOut(len(p))
	default:
		return 0, streamWriteError(err)
	}
	return len(p), nil
}

// putFragments sends p as one message in fragments (RFC 6455, section 5.4). It returns how many bytes the message has.
// The write lock is held.
func (s *streamConn) putFragments(ctx context.Context, p []byte) (n int, err error) {
	c, op := s.c, Opcode(s.msgType)
	for n < len(p) && err == nil {
		chunk := s.chunk(p[n:])
		if err = c.reserve(ctx, frameSize(len(chunk))+frameSize(0), notBegun); err != nil {
			break
		}
		begin := len(c.out.b)
		c.out.b = c.enc.appendFrame(c.out.b, op, n+len(chunk) == len(p), chunk)
		if err = c.send(ctx, begin, nil); err == nil || err == errWriteKept {
			op = OpContinuation
			n += len(chunk)
		}
	}
	if n == len(p) {
		c.countOut(n)
		return n, nil
	}
	if n > 0 && c.werr == nil && c.failed() == nil {
		// The deadline passed. The message ends with what has been sent, or will be.
		c.fits(0)
		c.out.b = c.enc.appendFrame(c.out.b, OpContinuation, true, nil)
		c.stuck = true
		c.countOut(n)
	}
	return n, streamWriteError(err)
}

// chunk returns as much of p as goes into one frame. Text is not cut inside a character: the message may have to end
// there.
func (s *streamConn) chunk(p []byte) []byte {
	if len(p) <= streamChunk {
		return p
	}
	cut := streamChunk
	for s.msgType == TextMessage && !utf8.RuneStart(p[cut]) {
		cut--
	}
	return p[:cut]
}

// streamWriteError makes an error of the Conn one of the stream.
func streamWriteError(err error) error {
	if err == errWriteKept {
		return errStreamDeadline
	}
	return err
}

// Close closes the connection with the closing handshake.
func (s *streamConn) Close() error {
	defer s.writeDeadline.set(time.Time{}) // no timer outlives the connection
	return s.c.Close()
}

// LocalAddr returns our address.
func (s *streamConn) LocalAddr() net.Addr { return s.c.LocalAddr() }

// RemoteAddr returns the peer's address.
func (s *streamConn) RemoteAddr() net.Addr { return s.c.RemoteAddr() }

// SetDeadline sets both deadlines.
func (s *streamConn) SetDeadline(t time.Time) error {
	s.SetWriteDeadline(t)
	return s.SetReadDeadline(t)
}

// SetReadDeadline sets until when Read may wait; the zero time means forever.
func (s *streamConn) SetReadDeadline(t time.Time) error { return s.c.SetReadDeadline(t) }

// SetWriteDeadline sets until when Write may wait; the zero time means as long as WriteTimeout allows.
func (s *streamConn) SetWriteDeadline(t time.Time) error {
	s.writeDeadline.set(t)
	return nil
}

// errStreamDeadline is what Write returns after its deadline. Contexts and deadlines call it by different names.
var errStreamDeadline = &streamTimeoutError{timeoutError{"write deadline passed (SetWriteDeadline)"}}

type streamTimeoutError struct{ timeoutError }

// Is matches os.ErrDeadlineExceeded and context.DeadlineExceeded.
func (e *streamTimeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

// errWriteKept says that a part of what a stream writes has left and the rest leaves later.
var errWriteKept = errors.New("websocket: the rest leaves later")

// A streamDeadline is a write deadline that each Write sees as a context. So it ends the wait for other writes too, and
// leaves alone what the connection has to send of its own.
type streamDeadline struct {
	mu     sync.Mutex
	at     time.Time   // zero: none
	timer  *time.Timer // calls pass; nil until it is needed
	passed streamContext
}

// set moves the deadline; the zero time removes it.
func (d *streamDeadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.passed.Err() != nil {
		d.passed = make(streamContext)
	}
	if t.IsZero() {
		d.at = t
		return
	}
	now := time.Now()
	left := t.Sub(now)
	d.at = now.Add(left) // with a monotonic reading, as the timer has
	switch {
	case left <= 0:
		close(d.passed)
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.pass)
	default:
		d.timer.Reset(left)
	}
}

// pass is called by the timer. It may come late, when the deadline has been moved.
func (d *streamDeadline) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed.Err() == nil && !d.at.IsZero() && !time.Now().Before(d.at) {
		close(d.passed)
	}
}

// context returns the deadline as the Write that begins now sees it: moving it later is seen too, as long as it has not
// passed.
func (d *streamDeadline) context() streamContext {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// A streamContext is closed when the deadline has passed. It is a context without an allocation.
type streamContext chan struct{}

// Done returns the channel.
func (c streamContext) Done() <-chan struct{} { return c }

// Err returns errStreamDeadline once the deadline has passed.
func (c streamContext) Err() error {
	select {
	case <-c:
		return errStreamDeadline
	default:
		return nil
	}
}

// Deadline knows none: it may still be moved.
func (c streamContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value holds none.
func (c streamContext) Value(any) any { return nil }
