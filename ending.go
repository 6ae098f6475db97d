package websocket

import (
	"cmp"
	"context"
	"net"
	"time"
)

// This file is how a connection ends: by our Close, by the peer's, by a broken rule, by a lost transport. The states of
// the closing handshake are a table in close.go. RFC 6455, section 7.

// Close says goodbye with code 1000 and closes the connection. See [Conn.CloseWith].
func (c *Conn) Close() error { return c.CloseWith(CloseNormal, "") }

// CloseWith sends a Close with code and reason, waits for the peer's echo and closes the connection (RFC 6455, section
// 7.1.2). All of it takes at most CloseTimeout, 5 seconds by default; then the connection is cut and the error says so.
// Messages that arrive after CloseWith was called are thrown away. The code must be one that may be sent (1000–1003,
// 1007–1014, 3000–4999), or CloseNoStatus for a Close without one; the reason is UTF-8, cut after 123 bytes. For
// anything else an error comes back and the connection is as it was.
//
// It may be called from any goroutine, and again: if the connection has ended, or another call is about to end it,
// CloseWith returns nil. If another goroutine is reading, that read takes the echo and returns an error that is
// [net.ErrClosed]. From inside a [Handler]'s callback, and from any goroutine while one runs, CloseWith returns when the
// Close is sent, and Serve waits for the echo.
func (c *Conn) CloseWith(code CloseCode, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	c.awaitPublished()
	cause := &closedError{code, cutReason(reason)}
	if !c.startClose(cause) {
		return nil
	}
	return c.finishClose(c.closeTimeout, cause)
}

// beforeClose has wait called when CloseWith begins: what was published for the connection leaves before its Close. The
// context bounds that.
func (c *Conn) beforeClose(wait func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.closeHook; before != nil {
		c.closeHook = func(ctx context.Context) { before(ctx); wait(ctx) }
		return
	}
	c.closeHook = wait
}

// awaitPublished waits for what was published for the connection.
func (c *Conn) awaitPublished() {
	c.mu.Lock()
	wait := c.closeHook
	c.mu.Unlock()
	if wait == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.closeTimeout)
	defer cancel()
	wait(ctx)
}

// finishClose is the closing handshake after startClose.
func (c *Conn) finishClose(limit time.Duration, cause *closedError) error {
	bound := c.boundEnd(limit)
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
			// This may be the reader's own goroutine. It goes on when the callback returns; the bound stays for the
			// case that it does not.
			return nil
		}
		select {
		case <-c.Done(): // the reader took the echo, or the bound has passed
			return c.closeResult()
		case <-c.ending.readerLeft: // it had a message in hand and may not come back
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
	if !step.ok || c.ending != nil {
		return false
	}
	c.closing = step.next
	c.setCauseLocked(cause)
	c.rdl.disable() // the closing handshake has bounds of its own
	return true
}

// boundEnd ends the connection after d, unless it is stopped. What the first Close returns says so.
func (c *Conn) boundEnd(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() {
		if c.closeState() != closeDone { // else both have said goodbye, and only TCP is left to end
			c.setCloseError(closeTimeoutError(d))
		}
		c.cut()
	})
}

// setCloseError records what the first Close returns, unless the connection has ended. The first one stays. The
// connection is ending.
func (c *Conn) setCloseError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended && c.ending.closeError == nil {
		c.ending.closeError = err
	}
}

func (c *Conn) closeResult() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending.closeError
}

// The peer's Close was read: event.code and event.reason say what it said. What we return to the application depends on
// who came first. RFC 6455, sections 5.5.1 and 7.1.
func (c *Conn) handleClose(ev event) error {
	c.mu.Lock()
	step := c.closing.step(receiveClose)
	c.closing = step.next
	if step.owed && c.ending == nil {
		c.setCauseLocked(&CloseError{Code: ev.code, Reason: ev.reason})
	}
	cause := c.ending.cause
	c.mu.Unlock()
	c.rdl.disable()

	bound := c.boundEnd(c.closeTimeout)
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
	case <-c.ending.closeOut:
	case <-c.Done():
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
	bound := c.boundEnd(c.closeTimeout)
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

// abandon ends the connection because of cause, which is ours: it leaves a Close with code if the socket takes one at
// once.
func (c *Conn) abandon(cause error, code CloseCode, reason string) error {
	if c.startClose(cause) && c.tryLock() {
		c.leaveClose(code, reason)
		c.unlockWrite()
	}
	c.end()
	return c.failed()
}

// leaveClose sends our Close if the socket takes it at once. The write lock is held.
func (c *Conn) leaveClose(code CloseCode, reason string) {
	c.appendClose(code, reason)
	c.sendNow(nil)
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

// setCause records why the connection ends. The first cause stays and is returned.
func (c *Conn) setCause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.setCauseLocked(err)
	}
	return c.ending.cause
}

// setCauseLocked is the rest of setCause. mu is held.
func (c *Conn) setCauseLocked(err error) {
	c.ending = &ending{cause: err, readerLeft: make(chan struct{}, 1), closeOut: make(chan struct{})}
	c.dying.Store(true)
}

// failed returns why the connection ends, nil as long as it does not.
func (c *Conn) failed() error {
	if !c.dying.Load() {
		return nil
	}
	return c.ending.cause // fixed once dying is set
}

// closeState returns where the closing handshake is.
func (c *Conn) closeState() closeState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// fail ends the connection because of err and returns the cause, which is another one if that came first.
func (c *Conn) fail(err error) error {
	err = c.setCause(err)
	c.end()
	return err
}

// cut is end that does not wait for the peer even if the transport, as TLS does, says goodbye itself.
func (c *Conn) cut() {
	if layered, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		layered.NetConn().Close()
	}
	c.end()
}

// end closes the socket. Whoever waits for the connection wakes up. A cause has been set before.
func (c *Conn) end() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	hook, pinged := c.endHook, c.pinged
	c.endHook = nil
	c.mu.Unlock()
	c.closeSocket()
	if pinged != nil {
		pinged.failAll()
	}
	if c.register != nil {
		c.register.deregister(c)
	}
	if hook != nil {
		hook()
	}
	c.tellEnd() // last, so that whoever waited for it finds the connection nowhere registered any more
}

// tellEnd wakes whoever waits for the end of the connection.
func (c *Conn) tellEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.done != nil {
		close(c.done)
	}
}

// closeSocket closes the socket. While a Handler's callback runs that may be inside a callback of the socket, which Close
// would wait for; then the socket is shut down, and closed as soon as the callback returns.
func (c *Conn) closeSocket() {
	if !c.serving.Load() {
		c.nc.Close()
		return
	}
	if tcp, ok := c.nc.(interface {
		CloseRead() error
		CloseWrite() error
	}); ok {
		tcp.CloseRead()
		tcp.CloseWrite()
	}
	go c.nc.Close()
}

// atEnd has f called when the connection has ended, which may be now. What was asked for first is done first.
func (c *Conn) atEnd(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch before := c.endHook; {
	case c.ended:
		c.mu.Unlock()
		defer c.mu.Lock()
		f()
	case before == nil:
		c.endHook = f
	default:
		c.endHook = func() { before(); f() }
	}
}

// endError returns why the connection has ended, nil if it has not.
func (c *Conn) endError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		return nil
	}
	return c.ending.cause
}

func (c *Conn) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// discardUntilClose reads, after our Close, until the peer's Close or the end of the connection.
func (c *Conn) discardUntilClose() {
	c.pending = event{}
	for !c.isEnded() {
		if _, err := c.nextData(); err != nil && c.closeState() != closeSent {
			return
		}
	}
}

// discardUntilEOF throws input away, undecoded, until the peer closes or limit bytes have come.
func (c *Conn) discardUntilEOF(limit int) {
	for n := 0; n < limit; {
		n += c.in.len()
		c.in.consume(c.in.len())
		if err := c.wire.fill(&c.in); err != nil && !isTimeout(err) {
			return
		}
	}
}

// sendClose sends what is owed and then our Close. It waits, but not beyond the end of the connection, which its caller
// has bounded. RFC 6455, section 5.5.1.
func (c *Conn) sendClose(code CloseCode, reason string) error {
	defer close(c.ending.closeOut) // nobody else gets here: startClose and the close table see to that
	if err := c.waitLock(nil, false); err != nil {
		return err
	}
	defer c.unlockWrite()
	c.wdl().setOurs(true)
	defer c.wdl().setOurs(false)
	for again := true; again && c.werr == nil; {
		again, _ = c.takeQueued()
		if err := c.send(nil, hasBegun, nil); err != nil {
			return cmp.Or(c.werr, err)
		}
	}
	if c.werr != nil {
		return c.werr
	}
	if err := c.appendClose(code, reason); err != nil {
		return err
	}
	err := c.send(nil, hasBegun, nil)
	return cmp.Or(c.werr, err)
}

// appendClose puts our Close behind what waits. The write lock is held.
func (c *Conn) appendClose(code CloseCode, reason string) error {
	if !c.fits(maxControlPayload) {
		own := &buffer{b: make([]byte, 0, len(c.out.b)+frameSize(maxControlPayload)), pool: mediumPool}
		own.b = append(own.b, c.out.b...)
		c.out = own
	}
	out, err := c.enc.appendClose(c.out.b, code, reason)
	c.out.b = out
	return err
}
