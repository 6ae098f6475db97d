package websocket

import (
	"fmt"
	"runtime/debug"
)

// A Handler is told what arrives on a connection. Its methods are called one after the other, never at the same time
// for one connection.
type Handler interface {
	// Message is called for each data message. p is valid during the call only: it is the connection's own buffer.
	// While Message runs nothing else is read, so that a Handler which waits holds up its peer, and nobody else.
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
	err := c.serve(h)
	h.Closed(c, err)
	return err
}

// serve is the loop of Serve. It gives the read token back, also when h panics.
func (c *Conn) serve(h Handler) error {
	defer c.stopReading()
	if err := c.skipMessage(); err != nil {
		return c.fail(err)
	}
	for {
		if c.in.len() == 0 {
			c.in.release()
		}
		ev, err := c.nextData()
		if err == nil {
			err = c.serveMessage(h, ev)
		}
		if err != nil {
			// A read deadline would leave the connection usable, but nobody is there to use it.
			return c.fail(err)
		}
	}
}

// serveMessage hands the message that begins with ev to h.
func (c *Conn) serveMessage(h Handler, ev event) error {
	if ev.last && !ev.deflated {
		c.countIn(len(ev.payload))
		c.callMessage(h, ev.msgType, ev.payload)
		return nil
	}
	whole := getBuffer(messagePool)
	c.pending = ev
	t, p, err := c.appendMessage(whole.b)
	if err == nil {
		c.callMessage(h, t, p)
	}
	whole.b = p
	whole.freeMessage()
	return err
}

// callMessage calls h with a flag set that tells Close that it may be in a callback.
func (c *Conn) callMessage(h Handler, t MessageType, p []byte) {
	c.serving.Store(true)
	defer c.serving.Store(false)
	h.Message(c, t, p)
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
func (c *Conn) serveDetached(h Handler) {
	defer func() { recover() }()
	err := c.startReading()
	switch err {
	case nil:
		err = c.serveUnlessPanic(h)
	case ErrConcurrentRead: // somebody else reads, as after Drain: h is told of the end only
		<-c.done
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
			c.end()
		}
	}()
	return c.serve(h)
}
