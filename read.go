package websocket

import (
	"context"
	"math"
	"slices"
	"time"
)

// This file is the reader: it feeds the decoder from the wire, handles control frames as they come, and puts the pieces
// of data messages together. Everything here belongs to the goroutine that holds the read token.

const (
	// directRead is from how many missing payload bytes on the socket is read straight into the message.
	directRead = 4 << 10
	// growAhead is how far a message's memory may run ahead of the bytes received; more if it has received more. A peer
	// that declares a long frame and sends nothing costs no more than this.
	growAhead = 64 << 10
)

// startReading takes the read token. Its error is why there is nothing to read.
func (c *Conn) startReading() error {
	if !c.reading.CompareAndSwap(false, true) {
		err := c.failed()
		if err == nil {
			return ErrConcurrentRead
		}
		if !c.serving.Load() { // else this may be the goroutine that has to end the connection
			<-c.Done() // somebody else reads the rest of it; that is bounded
		}
		return err
	}
	if !c.dying.Load() {
		return nil
	}
	err := c.failed()
	if c.closeState() == closeSent && !c.isEnded() {
		c.discardUntilClose() // our Close is out and nobody waits for the echo
	}
	c.stopReading()
	return err
}

// stopReading gives the read token back, and the buffer if nothing is left in it.
func (c *Conn) stopReading() {
	if len(c.pending.payload) == 0 {
		c.in.release()
	}
	c.reading.Store(false)
	if c.dying.Load() {
		select {
		case c.ending.readerLeft <- struct{}{}: // whoever closes the connection waits for the peer's Close in our stead
		default:
		}
	}
}

// ReadMessage returns the next data message, whole; it puts fragments together. The slice is the caller's. What is left
// of a message that NextReader began is skipped.
//
// One goroutine may read at a time; another gets [ErrConcurrentRead]. Any other error ends the connection, except a
// read deadline that passes between two messages. Errors are listed in the documentation of the package.
func (c *Conn) ReadMessage() (MessageType, []byte, error) {
	if err := c.startReading(); err != nil {
		return 0, nil, err
	}
	defer c.stopReading()
	return c.readMessage()
}

// AppendMessage is [Conn.ReadMessage] into memory of the caller's: it appends the message to dst and returns the longer
// slice. It allocates only when dst has no room. After an error dst is returned as it was; the bytes behind it may have
// changed.
func (c *Conn) AppendMessage(dst []byte) (MessageType, []byte, error) {
	if err := c.startReading(); err != nil {
		return 0, dst, err
	}
	defer c.stopReading()
	return c.appendMessage(dst)
}

// ReadContext is [Conn.ReadMessage] that gives up when ctx does. Between two messages that leaves the connection
// usable; in the middle of one it ends it, and the error says so. It costs allocations that SetReadDeadline does not.
func (c *Conn) ReadContext(ctx context.Context) (MessageType, []byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, &contextError{"read gave up before it began", err}
	}
	if err := c.startReading(); err != nil {
		return 0, nil, err
	}
	defer c.stopReading()
	c.readContext = ctx
	given := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.rdl.cancel(); close(given) })
	t, p, err := c.readMessage()
	if !stop() {
		<-given
		c.rdl.uncancel()
	}
	c.readContext = nil
	return t, p, err
}

// SetReadDeadline sets until when reads may wait for bytes; the zero time means forever. A deadline that passes between
// two messages leaves the connection usable, in the middle of one it ends it. It may be called from any goroutine and
// moves a read that waits already.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.rdl.setUser(t) }

// SetReadLimit sets how many bytes a message may have, from the next message on. A longer one fails the connection with
// code 1009 and [ErrReadLimit] as soon as its header says so. 0 means [DefaultReadLimit], a negative n no limit. It may
// be called from any goroutine.
func (c *Conn) SetReadLimit(n int64) { c.readLimit.Store(option(n, DefaultReadLimit)) }

// readMessage reads the next message into memory of its own. How large a compressed one becomes shows when it is there,
// so it is inflated into memory on loan first; what has become too large to be given back is the message's own.
func (c *Conn) readMessage() (MessageType, []byte, error) {
	if c.dec.inflater.Decoder != nil {
		if _, err := c.awaitMessage(); err != nil {
			return 0, nil, err
		}
	}
	if !c.pending.deflated {
		t, p, err := c.appendMessage(nil)
		if err == nil && p == nil {
			p = []byte{}
		}
		return t, p, err
	}
	whole := getBuffer(messagePool)
	t, p, err := c.appendMessage(whole.b)
	whole.b = p
	switch {
	case err != nil:
		p = nil
	case cap(p) <= maxKeptMessage:
		p = append(make([]byte, 0, len(p)), p...)
	}
	whole.freeMessage()
	return t, p, err
}

// appendMessage appends the next message to dst, after the rest of the one that NextReader began.
func (c *Conn) appendMessage(dst []byte) (MessageType, []byte, error) {
	before, start := dst, len(dst)
	if err := c.skipMessage(); err != nil {
		return 0, before, err
	}
	for {
		ev, err := c.nextData()
		if err != nil {
			return 0, before, err
		}
		if ev.deflated {
			dst, _, err = c.inflate(dst, &ev, math.MaxInt)
		} else {
			dst = growMessage(dst, len(dst)-start, len(ev.payload), c.dec.body())
			dst = append(dst, ev.payload...)
		}
		if err != nil {
			return 0, before, err
		}
		for !ev.deflated && !ev.last && c.in.len() == 0 && c.dec.body() >= directRead {
			dst = growMessage(dst, len(dst)-start, 0, c.dec.body())
			var n int
			if ev, n, err = c.readBody(dst[len(dst):cap(dst)]); err != nil {
				return 0, before, err
			}
			dst = dst[:len(dst)+n]
		}
		if c.dying.Load() {
			continue // a Close was called meanwhile; nextData finds out how it ends
		}
		if ev.last {
			c.countIn(len(dst) - start)
			return ev.msgType, dst, nil
		}
	}
}

// growMessage makes room in dst for the n bytes at hand and for some of the body bytes that the frame still announces:
// no more than growAhead or as much as there is already.
func growMessage(dst []byte, have, n int, body uint64) []byte {
	ahead := int(min(body, uint64(max(growAhead, have+n))))
	if cap(dst)-len(dst) >= n+min(ahead, directRead) {
		return dst
	}
	if ahead == 0 {
		return slices.Grow(dst, n) // the end of a frame: many small ones shall not copy the message each
	}
	grown := make([]byte, len(dst), len(dst)+n+ahead)
	copy(grown, dst)
	return grown
}

// inflate appends to dst at most room bytes of what the payload of ev stands for, and takes what was used off it. more
// says that there is more to come of it.
func (c *Conn) inflate(dst []byte, ev *event, room int) (out []byte, more bool, err error) {
	out, used, more, err := c.dec.inflate(dst, ev.payload, ev.last, room)
	ev.payload = ev.payload[used:]
	if err != nil {
		return nil, false, c.failProtocol(c.dec.err) // which waits: what has been inflated is not kept meanwhile
	}
	return out, more, nil
}

// discard throws a piece of a message away. A compressed one is inflated all the same: it has to be right, and later
// ones may reach back to it.
func (c *Conn) discard(ev event) error {
	size := len(ev.payload)
	if ev.deflated {
		size = 0
		scratch := getBuffer(mediumPool)
		defer scratch.free()
		for more := true; more; {
			var out []byte
			var err error
			if out, more, err = c.inflate(scratch.b, &ev, cap(scratch.b)); err != nil {
				return err
			}
			size += len(out)
		}
	}
	if ev.last {
		c.countIn(size)
	} else {
		c.counters.bytesIn.Add(int64(size))
	}
	return nil
}

// bodyRoom cuts p down to what one read may put there: no more than is missing of the current frame. It tells the read
// buffer that these bytes pass it by.
func (c *Conn) bodyRoom(p []byte) []byte {
	c.in.bypassed(c.dec.body())
	return p[:min(uint64(len(p)), c.dec.body())]
}

// readBody reads payload of the current frame from the wire straight into p.
func (c *Conn) readBody(p []byte) (event, int, error) {
	p = c.bodyRoom(p)
	n, err := c.receive(p)
	if err != nil {
		return event{}, 0, err
	}
	ev, err := c.dec.fill(p[:n])
	if err != nil {
		return event{}, 0, c.failProtocol(c.dec.err)
	}
	return ev, n, nil
}

// nextData returns the next piece of a data message. It handles all control frames that come before it.
func (c *Conn) nextData() (event, error) {
	if ev := c.pending; ev.kind != eventNone {
		c.pending = event{}
		return ev, nil
	}
	for {
		ev, err := c.decode()
		switch {
		case err != nil:
			return event{}, c.failProtocol(err)
		case ev.kind == eventData:
			return ev, nil
		case ev.kind == eventClose:
			return event{}, c.handleClose(ev)
		}
		if err := c.receiveFrames(); err != nil {
			return event{}, err
		}
	}
}

// decode returns the next piece of a data message, or the peer's Close, that is in the read buffer. It answers Pings
// and notices Pongs that come before it. With eventNone what is in the buffer is used up, but for the beginning of a
// frame.
func (c *Conn) decode() (event, *ProtocolError) {
	for {
		if !c.dec.midMessage() {
			c.dec.limit = uint64(c.readLimit.Load())
		}
		ev, n, err := c.dec.next(c.in.bytes())
		c.in.consume(n)
		if err != nil {
			return event{}, c.dec.err
		}
		switch ev.kind {
		case eventData:
			if c.dying.Load() {
				continue // we are closing: nothing is delivered any more
			}
			c.setMore(c.in.hasFrame())
			return ev, nil
		case eventPing:
			c.counters.pingsIn.Add(1)
			c.setMore(c.in.hasFrame())
			c.queue.awaitRoom(len(ev.payload), c)
			c.sendControl(ev.owed, ev.payload)
		case eventPong:
			c.handlePong(ev.payload)
		default:
			return ev, nil
		}
	}
}

// setMore tells writers whether complete frames wait in the read buffer. While they do replies collect.
func (c *Conn) setMore(more bool) {
	if c.more.Load() != more {
		c.more.Store(more)
	}
}

// receiveFrames waits for bytes of the next frames.
func (c *Conn) receiveFrames() error {
	c.setMore(false)
	_, err := c.receive(nil)
	return err
}

// receive waits for bytes and reads them into p, or into the read buffer if p is nil. Before it waits the replies that
// were collected leave. It takes keepalive's steps. Its error is what the reader returns.
func (c *Conn) receive(p []byte) (n int, err error) {
	if c.collecting.Load() {
		c.flushSoon()
	}
	c.startWait()
	for {
		if p == nil {
			err = c.wire.fill(&c.in)
			n = c.in.len()
		} else {
			n, err = c.nc.Read(p)
		}
		if err == nil || p != nil && n > 0 {
			c.receivedBytes()
			return n, nil
		}
		if !isTimeout(err) {
			return 0, c.lost(err)
		}
		if err := c.readTimeout(); err != nil {
			c.stopWait()
			return 0, err
		}
	}
}

// lost ends the connection because the transport has no more bytes for us and no Close has come.
func (c *Conn) lost(err error) error {
	when := "between two messages"
	if c.dec.midMessage() {
		when = "in the middle of a " + c.dec.msgType.String() + " message"
	} else if c.in.len() > 0 {
		when = "in the middle of a frame"
	}
	lost := &lostError{when, err}
	c.mu.Lock()
	if c.closing == closeSent && c.ending.closeError == nil && !c.ended {
		c.ending.closeError = &lostError{"before the peer answered our Close", err}
	}
	c.mu.Unlock()
	return c.fail(lost)
}

// readTimeout finds out which deadline passed. It returns nil if the read goes on.
func (c *Conn) readTimeout() error {
	between, mid := error(errReadDeadline), error(errMidMessage)
	switch c.rdl.expired() {
	case expiredNone:
		return nil
	case expiredKeepalive:
		if err := c.keepaliveStep(); err != nil {
			return c.fail(err)
		}
		return nil
	case expiredContext:
		err := c.readContext.Err()
		between = &contextError{"read gave up between two messages; the connection stays usable", err}
		mid = &contextError{"read gave up in the middle of a message, which fails the connection", err}
	}
	if c.dec.midMessage() && !c.resumable {
		return c.abandon(mid, ClosePolicyViolation, "message was not finished in time")
	}
	return between
}
