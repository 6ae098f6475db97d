package websocket

import (
	"fmt"
	"math"
	"runtime/debug"
)

// A Handler is told what arrives on a connection. Its methods are called one after the other, never at the same time
// for one connection.
type Handler interface {
	// Message is called for each data message. p is valid during the call only: it is the connection's own buffer.
	// While Message runs nothing else is read, so that a Handler which waits holds up its peer, and nobody else. It must
	// not close the transport (NetConn) itself, nor wait for somebody who does: that would wait for Message to return.
	Message(c *Conn, t MessageType, p []byte)
	// Closed is called once, when the connection has ended; err says why, as ReadMessage would have.
	Closed(c *Conn, err error)
}

// HandlerFuncs makes a Handler of functions. Those that are nil are not called.
type HandlerFuncs struct {
	OnMessage func(c *Conn, t MessageType, p []byte)
	OnClosed  func(c *Conn, err error)
}

// Message calls OnMessage.
func (h HandlerFuncs) Message(c *Conn, t MessageType, p []byte) {
	if h.OnMessage != nil {
		h.OnMessage(c, t, p)
	}
}

// Closed calls OnClosed.
func (h HandlerFuncs) Closed(c *Conn, err error) {
	if h.OnClosed != nil {
		h.OnClosed(c, err)
	}
}

// Serve reads until the connection has ended, hands every message to h without copying it where that is possible, and
// returns why it ended. Nobody else may read meanwhile. Serve is the way to read that costs least: no allocation for a
// message that arrives in one piece, and no buffer while none arrives.
//
// In a callback all methods of the connection may be called but those that read. Close and CloseWith return there when
// the Close is sent.
func (c *Conn) Serve(h Handler) error {
	if err := c.startReading(); err != nil {
		if err != ErrConcurrentRead {
			h.Closed(c, err)
		}
		return err
	}
	c.startWait()
	err := c.serve(h)
	h.Closed(c, err)
	return err
}

// serve is the loop of Serve. It gives the read token back, also when h panics.
//
// The goroutine of a connection that waits for its first message needs a stack of 2 KiB, the smallest there is, as long
// as nothing deep is called on the way to where it parks. So whoever starts it calls startWait.
func (c *Conn) serve(h Handler) error {
	defer c.stopReading()
	if c.message != nil {
		if err := c.skipMessage(); err != nil {
			return c.fail(err)
		}
	}
	s := &server{c: c, h: h}
	defer s.endMessage()
	for s.deliver() {
		if err := c.wire.serve(s); err != nil {
			if err = c.serveFailed(err); err != nil {
				return c.fail(err)
			}
		}
		if s.end != nil {
			break
		}
	}
	return c.fail(s.end())
}

// serveFailed decides what an error of the wire means. It returns nil if the serving goes on.
func (c *Conn) serveFailed(err error) error {
	if !isTimeout(err) {
		return c.lost(err)
	}
	// A read deadline would leave the connection usable, but nobody is there to use it.
	return c.readTimeout()
}

// A server hands messages to a Handler as a wire brings their bytes. It keeps a message that does not come in one piece
// until it is complete.
type server struct {
	c     *Conn
	h     Handler
	whole *buffer      // what has come of the message; nil between messages, and for those in one piece
	end   func() error // what has to be done outside the wire's callback; it returns why the connection ends
}

// space returns where the next bytes go: straight into the message if much of its frame is still to come.
func (s *server) space() []byte {
	if !s.direct() {
		return s.c.in.space()
	}
	s.whole.b = growMessage(s.whole.b, len(s.whole.b), 0, s.c.dec.body())
	return s.c.bodyRoom(s.whole.b[len(s.whole.b):cap(s.whole.b)])
}

// direct reports whether the next bytes go straight into the message.
func (s *server) direct() bool {
	return s.whole != nil && s.c.in.len() == 0 && s.c.dec.body() >= directRead && !s.c.dec.inflater.deflated
}

// take is told that n bytes of space have come.
func (s *server) take(n int) bool {
	c := s.c
	c.receivedBytes()
	if !s.direct() {
		c.in.filled(n)
		return s.deliver()
	}
	p := s.whole.b[len(s.whole.b):][:n]
	ev, err := c.dec.fill(p)
	if err != nil {
		return s.fail(c.dec.err)
	}
	s.whole.b = s.whole.b[:len(s.whole.b)+n]
	if ev.last {
		s.message(ev.msgType)
	}
	return true
}

// idle is called before the wire waits.
func (s *server) idle() { s.c.in.release() }

// flush sends the replies that have collected: the read buffer is drained.
func (s *server) flush() {
	s.c.setMore(false)
	if s.c.collecting.Load() {
		s.c.flushSoon()
	}
}

// deliver hands on what is in the read buffer. It returns false if the connection ends.
func (s *server) deliver() bool {
	for s.c.in.len() > 0 {
		ev, err := s.c.decode()
		switch {
		case err != nil:
			return s.fail(err)
		case ev.kind == eventNone:
			s.flush()
			return true
		case ev.kind == eventClose:
			s.end = func() error { return s.c.handleClose(ev) }
			return false
		case ev.first && ev.last && !ev.deflated:
			s.c.countIn(len(ev.payload))
			s.c.callMessage(s.h, ev.msgType, ev.payload)
		default:
			if !s.piece(ev) {
				return false
			}
		}
	}
	s.flush()
	return true
}

// piece adds a piece to the message, and hands the message on if it is the last.
func (s *server) piece(ev event) bool {
	if s.whole == nil {
		s.whole = getBuffer(messagePool)
	}
	b := s.whole.b
	if ev.deflated {
		var err error
		if b, _, _, err = s.c.dec.inflate(b, ev.payload, ev.last, math.MaxInt); err != nil {
			return s.fail(s.c.dec.err)
		}
	} else {
		b = growMessage(b, len(b), len(ev.payload), s.c.dec.body())
		b = append(b, ev.payload...)
	}
	s.whole.b = b
	if ev.last {
		s.message(ev.msgType)
	}
	return true
}

// message hands on the message that is complete.
func (s *server) message(t MessageType) {
	defer s.endMessage()
	s.c.countIn(len(s.whole.b))
	s.c.callMessage(s.h, t, s.whole.b)
}

// endMessage gives the message's memory back.
func (s *server) endMessage() {
	if s.whole != nil {
		s.whole.freeMessage()
		s.whole = nil
	}
}

// fail notes that the peer has broken a rule. What has come of a message is not kept while the connection ends.
func (s *server) fail(err *ProtocolError) bool {
	s.endMessage()
	s.end = func() error { return s.c.failProtocol(err) }
	return false
}

// callMessage calls h with a flag set that tells others that the application's code is running. What is closing
// meanwhile either sees the flag, or is seen here.
func (c *Conn) callMessage(h Handler, t MessageType, p []byte) {
	c.serving.Store(true)
	defer c.serving.Store(false)
	if !c.dying.Load() {
		h.Message(c, t, p)
	}
}

// A PanicError is a panic in a Handler that [Upgrader.Handler] runs. It ends the connection with code 1011 and is given
// to [Handler.Closed]; other connections go on.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // where, as [debug.Stack] prints it
}

// Error says what was given to panic.
func (e *PanicError) Error() string { return fmt.Sprintf("websocket: panic in a Handler: %v", e.Value) }

// serveDetached is Serve on a goroutine that nobody waits for. Closed is called once even if Message panics. What
// Closed panics with is lost: the connection has ended, and nobody is left to be told.
//
// err is what startReading has returned.
func (c *Conn) serveDetached(h Handler, err error) {
	defer func() { recover() }()
	switch err {
	case nil:
		err = c.serveUnlessPanic(h)
	case ErrConcurrentRead: // somebody else reads, as after Drain: h is told of the end only
		<-c.Done()
		err = c.failed()
	}
	h.Closed(c, err)
}

// serveUnlessPanic is serve that makes an error of a panic in h.
func (c *Conn) serveUnlessPanic(h Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()} // also if the connection was ending already: nobody else would hear of it
			if c.reading.CompareAndSwap(false, true) {
				c.failWith(err, CloseInternalError, "internal error")
				c.stopReading()
			}
			c.fail(err)
		}
	}()
	return c.serve(h)
}
