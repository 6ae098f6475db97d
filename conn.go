package websocket

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// This file holds the connection itself: who owns what, and how it ends. Reading is in read.go, writing in write.go,
// what waits to be written in writeq.go, keepalive in keepalive.go.

// Defaults of the options that Upgrader, Dialer and Pipe share. In every option 0 means the default and a negative value means off.
const (
	DefaultReadLimit    = 32 << 20         // bytes of a message
	DefaultWriteTimeout = 10 * time.Second // for the peer to take what is written
	DefaultCloseTimeout = 5 * time.Second  // for the whole closing handshake

	// lingerTime and lingerBytes bound how long input is thrown away after we failed a connection, so that the peer gets to
	// read why: closing a socket with unread input resets the connection and destroys what is under way.
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// connConfig is what the opening handshake settles for a Conn. 0 means the default, negative means off.
type connConfig struct {
	readLimit    int64
	writeTimeout time.Duration
	closeTimeout time.Duration
	keepalive    Keepalive
	subprotocol  string
	onEnd        func(*Conn) // called once, when the connection has ended
}

// A Conn is a WebSocket connection, of either side. [Upgrader.Upgrade], [Dialer.Dial] and [Pipe] make one.
//
// Any number of goroutines may write, ping and close at the same time; one may read. All errors that end the connection
// stay: once a method has returned one, it returns it again. When a read has returned such an error the socket is
// closed; calling Close as well does no harm.
//
// Control frames are handled while a read waits: Pings are answered, Pongs counted, a Close is echoed. A connection that
// nobody reads therefore notices nothing: owners who only write call [Conn.Drain].
type Conn struct {
	// Fixed after construction.
	role         role
	subprotocol  string
	writeTimeout time.Duration // 0: none
	closeTimeout time.Duration
	keepalive    Keepalive // Interval 0: off
	nc           net.Conn
	wire         wire
	id           uint64        // its number in this process
	done         chan struct{} // closed when the connection has ended

	// reading is the read token: whoever has set it owns the reader's fields.
	reading atomic.Bool

	// Owned by the reader.
	in          readBuffer
	dec         decoder
	pending     event          // a piece of the next message that was decoded but not delivered
	message     *messageReader // the message that NextReader began; nil if none or at its end
	alive       aliveState
	readContext context.Context // of the ReadContext that is under way
	resumable   bool            // the reader is a StreamConn: a deadline in the middle of a message loses nothing

	// wlock is the write lock, a channel of one slot: taken while it is full. Only so can a context give up waiting for
	// it. Whoever holds it owns the writer's fields.
	wlock chan struct{}

	// Owned by the writer.
	enc        encoder
	werr       error          // why nothing can be sent any more
	out        *buffer        // frames that collect, or that a socket has not taken; nil if there are none
	outSent    int            // how much of out has left
	rest       []byte         // what a socket did not take of a frame that is shared with other connections; goes before out
	stuck      bool           // the socket takes nothing: a goroutine has to wait for it
	stream     *messageWriter // the message that NextWriter began
	timer      *time.Timer    // bounds how long frames collect; nil until that has happened once
	timerArmed bool

	// Facts that one goroutine sets and others look at.
	more       atomic.Bool // by the reader: complete frames wait in the read buffer, so replies may collect
	collecting atomic.Bool // by the writer: frames collect in out
	queued     atomic.Bool // queue holds something for whoever releases the write lock
	serving    atomic.Bool // a Handler's callback is running
	dying      atomic.Bool // cause is set

	queue writeQueue    // what waits for the write lock; has a mutex of its own
	rdl   readDeadline  // has a mutex of its own
	wdl   writeDeadline // has a mutex of its own
	pings pingState     // has a mutex of its own

	readLimit atomic.Int64
	counters  counters

	// Guarded by mu, which is never held while anything waits.
	mu         sync.Mutex
	closing    closeState
	cause      error // why the connection ends; the first one stays
	closeError error // what the first Close returns
	ended      bool
	endHooks   []func()

	// Fixed once dying is set.
	readerLeft chan struct{} // has room for one; told when a reader leaves a connection that is ending
	closeOut   chan struct{} // closed when our Close has left, or could not
}

// lastConnID numbers the connections of this process.
var lastConnID atomic.Uint64

// newConn makes the Conn of a transport on which the opening handshake is over. leftover is what was read behind the
// handshake; it is copied.
func newConn(nc net.Conn, r role, cfg connConfig, leftover []byte) *Conn {
	c := &Conn{
		role:         r,
		subprotocol:  cfg.subprotocol,
		writeTimeout: option(cfg.writeTimeout, DefaultWriteTimeout),
		closeTimeout: option(cfg.closeTimeout, DefaultCloseTimeout),
		keepalive:    cfg.keepalive.resolve(r),
		nc:           nc,
		id:           lastConnID.Add(1),
		done:         make(chan struct{}),
		wlock:        make(chan struct{}, 1),
		dec:          decoder{role: r},
		enc:          encoder{role: r},
	}
	if r == clientRole {
		c.enc.keys = nextMaskKey
	}
	if c.closeTimeout == 0 {
		c.closeTimeout = DefaultCloseTimeout // a Close without a bound is a leak
	}
	c.SetReadLimit(option(cfg.readLimit, DefaultReadLimit))
	c.wire, c.in.pool = newWire(nc)
	c.in.seed(leftover)
	c.rdl.nc, c.wdl.nc = nc, nc
	if cfg.onEnd != nil {
		c.atEnd(func() { cfg.onEnd(c) })
	}
	return c
}

// option resolves an option's value: 0 is the default, negative is off and becomes 0.
func option[T int64 | time.Duration](v, byDefault T) T {
	switch {
	case v == 0:
		return byDefault
	case v < 0:
		return 0
	}
	return v
}

// Subprotocol returns the subprotocol that the handshake agreed on, "" if none. RFC 6455, section 1.9.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr returns our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the peer's address, which is a proxy's if there is one in between.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the transport: a *net.TCPConn, *tls.Conn or whatever DialContext made. Reading from it, writing to it or setting its
// deadlines breaks the connection; it is for socket options.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Done returns a channel that is closed when the connection has ended and its socket is closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close says goodbye with code 1000 and closes the connection. See [Conn.CloseWith].
func (c *Conn) Close() error { return c.CloseWith(CloseNormal, "") }

// CloseWith sends a Close with code and reason, waits for the peer's echo and closes the connection (RFC 6455, section
// 7.1.2). All of it takes at most CloseTimeout, 5 seconds by default; then the connection is cut and the error says so.
// Messages that arrive after CloseWith was called are thrown away. The code must be one that may be sent (1000–1003,
// 1007–1014, 3000–4999), or CloseNoStatus for a Close without one; the reason is UTF-8, cut after 123 bytes. For anything
// else an error comes back and the connection is as it was.
//
// It may be called from any goroutine, and again: if the connection has ended, or another call is about to end it, CloseWith
// returns nil. If another goroutine is reading, that read takes the echo and returns an error that is [net.ErrClosed]. From
// inside a [Handler]'s callback CloseWith returns when the Close is sent, and Serve waits for the echo.
func (c *Conn) CloseWith(code CloseCode, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	cause := &closedError{code, cutReason(reason)}
	if !c.startClose(cause) {
		return nil
	}
	return c.finishClose(c.closeTimeout, cause)
}

// finishClose is the closing handshake after startClose.
func (c *Conn) finishClose(limit time.Duration, cause *closedError) error {
	bound := c.boundEnd(limit, closeTimeoutError(limit))
	c.atEnd(func() { bound.Stop() })
	if err := c.sendClose(cause.code, cause.reason); err != nil {
		c.setCloseError(err)
		c.end()
		return c.closeResult()
	}
	for {
		if c.reading.CompareAndSwap(false, true) {
			c.discardUntilClose()
			c.stopReading()
			return c.closeResult()
		}
		if c.serving.Load() {
			// This may be the reader's own goroutine. It goes on when the callback returns; the bound stays for the case
			// that it does not.
			return nil
		}
		select {
		case <-c.done: // the reader took the echo, or the bound has passed
			return c.closeResult()
		case <-c.readerLeft: // it had a message in hand and may not come back
		}
	}
}

// CloseNow closes the connection at once, without a closing handshake: the peer sees the connection lost. It may be
// called from any goroutine, and again. It returns nil.
func (c *Conn) CloseNow() error {
	c.setCause(&closedError{code: CloseAbnormal})
	c.cut()
	return nil
}

// startClose moves the closing handshake to where our Close is being sent, with cause as what reads and writes return
// from now on. It reports false if the connection is ending already.
func (c *Conn) startClose(cause error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := c.closing.step(sendClose)
	if !step.ok || c.cause != nil {
		return false
	}
	c.closing = step.next
	c.setCauseLocked(cause)
	c.rdl.disable() // the closing handshake has bounds of its own
	return true
}

// boundEnd ends the connection after d, unless it is stopped. why becomes what the first Close returns.
func (c *Conn) boundEnd(d time.Duration, why error) *time.Timer {
	return time.AfterFunc(d, func() {
		c.setCloseError(why)
		c.cut()
	})
}

// setCloseError records what the first Close returns, unless the connection has ended. The first one stays.
func (c *Conn) setCloseError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended && c.closeError == nil {
		c.closeError = err
	}
}

func (c *Conn) closeResult() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeError
}

// setCause records why the connection ends. The first cause stays and is returned.
func (c *Conn) setCause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.setCauseLocked(err)
	}
	return c.cause
}

// setCauseLocked is the rest of setCause. mu is held.
func (c *Conn) setCauseLocked(err error) {
	c.cause = err
	c.readerLeft = make(chan struct{}, 1)
	c.closeOut = make(chan struct{})
	c.dying.Store(true)
}

// failed returns why the connection ends, nil as long as it does not.
func (c *Conn) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// closeState returns where the closing handshake is.
func (c *Conn) closeState() closeState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// end closes the socket. Whoever waits for the connection wakes up. A cause has been set before.
func (c *Conn) end() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	hooks := c.endHooks
	c.endHooks = nil
	c.mu.Unlock()
	c.nc.Close()
	c.pings.failAll()
	close(c.done)
	for _, hook := range hooks {
		hook()
	}
}

// atEnd has f called when the connection has ended, which may be now.
func (c *Conn) atEnd(f func()) {
	c.mu.Lock()
	if !c.ended {
		c.endHooks = append(c.endHooks, f)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	f()
}

// endError returns why the connection has ended, nil if it has not.
func (c *Conn) endError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		return nil
	}
	return c.cause
}

// cut is end that does not wait for the peer even if the transport, as TLS does, says goodbye itself.
func (c *Conn) cut() {
	if layered, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		layered.NetConn().Close()
	}
	c.end()
}

// fail ends the connection because of err and returns the cause, which is another one if that came first.
func (c *Conn) fail(err error) error {
	err = c.setCause(err)
	c.end()
	return err
}

// The peer's Close was read: event.code and event.reason say what it said. What we return to the application depends on
// who came first. RFC 6455, sections 5.5.1 and 7.1.
func (c *Conn) handleClose(ev event) error {
	c.mu.Lock()
	step := c.closing.step(receiveClose)
	c.closing = step.next
	if step.owed && c.cause == nil {
		c.setCauseLocked(&CloseError{Code: ev.code, Reason: ev.reason})
	}
	cause := c.cause
	c.mu.Unlock()
	c.rdl.disable()

	bound := c.boundEnd(c.closeTimeout, closeTimeoutError(c.closeTimeout))
	defer bound.Stop()
	if step.owed {
		c.mu.Lock()
		c.closing = c.closing.step(sendClose).next
		c.mu.Unlock()
		// RFC 6455, section 5.5.1: the echo holds the status code that was received.
		if c.sendClose(ev.code, "") != nil {
			c.end()
			return cause
		}
	} else {
		c.awaitCloseOut()
	}
	c.finishTCP()
	return cause
}

// awaitCloseOut waits until the goroutine that sends our Close has done so.
func (c *Conn) awaitCloseOut() {
	select {
	case <-c.closeOut:
	case <-c.done:
	}
}

// finishTCP closes the socket after the closing handshake. RFC 6455, section 7.1.1: the server closes first; the client
// waits for that, so that TIME_WAIT is the server's.
func (c *Conn) finishTCP() {
	if c.role == clientRole {
		c.discardUntilEOF(lingerBytes)
	} else if c.in.len() > 0 {
		// The peer sent more behind its Close. A socket that is closed with unread input resets the connection.
		c.linger()
	}
	c.end()
}

// failProtocol fails the connection because the peer broke a rule. RFC 6455, section 7.1.7. What is owed leaves first,
// then a Close with the code, then the write side is shut down and input is thrown away for a while, so that no reset
// overtakes the Close.
func (c *Conn) failProtocol(err *ProtocolError) error {
	return c.failWith(err, err.Code, err.Reason)
}

// failWith is failProtocol for any cause. Whoever holds the read token calls it.
func (c *Conn) failWith(cause error, code CloseCode, reason string) error {
	sendsClose := c.startClose(cause)
	if !sendsClose && c.closeState() != closeSent {
		return c.failed()
	}
	bound := c.boundEnd(c.closeTimeout, closeTimeoutError(c.closeTimeout))
	defer bound.Stop()
	if !sendsClose {
		c.awaitCloseOut()
		c.linger()
	} else if c.sendClose(code, reason) == nil {
		c.linger()
	}
	c.end()
	return c.failed()
}

// abandon ends the connection because of cause, which is ours: it leaves a Close with code if the socket takes one at once.
func (c *Conn) abandon(cause error, code CloseCode, reason string) error {
	if c.startClose(cause) && c.tryLock() {
		c.appendClose(code, reason)
		c.sendNow(nil)
		c.unlockWrite()
	}
	c.end()
	return c.failed()
}

// linger shuts down the write side and throws input away until the peer closes too, at most lingerTime and lingerBytes.
func (c *Conn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	bound := time.AfterFunc(lingerTime, c.end)
	c.discardUntilEOF(lingerBytes)
	bound.Stop()
}

// Stats is what a connection has done so far. The counts are of messages and their payloads, after the handshake.
type Stats struct {
	MessagesIn  int64 // whole messages received
	MessagesOut int64 // messages accepted for sending
	BytesIn     int64 // payload bytes of messages received
	BytesOut    int64 // payload bytes of messages accepted for sending
	PingsIn     int64 // Pings received
	PongsLost   int64 // Pings left unanswered because the peer did not read the answers to later ones
	Dropped     int64 // messages that a Hub dropped because the peer was too slow
	Queued      int64 // bytes that wait for the peer to take them

	RTT time.Duration // of the latest Ping that was answered, 0 if none was
}

// A counter may be changed and read by any goroutine.
type counter = atomic.Int64

type counters struct {
	messagesIn, messagesOut counter
	bytesIn, bytesOut       counter
	pingsIn, pongsLost      counter
	dropped, rtt            counter
}

// Stats returns a snapshot. It may be called from any goroutine, also after the connection has ended.
func (c *Conn) Stats() Stats {
	return Stats{
		MessagesIn:  c.counters.messagesIn.Load(),
		MessagesOut: c.counters.messagesOut.Load(),
		BytesIn:     c.counters.bytesIn.Load(),
		BytesOut:    c.counters.bytesOut.Load(),
		PingsIn:     c.counters.pingsIn.Load(),
		PongsLost:   c.counters.pongsLost.Load(),
		Dropped:     c.counters.dropped.Load(),
		Queued:      int64(c.queue.size()),
		RTT:         time.Duration(c.counters.rtt.Load()),
	}
}
