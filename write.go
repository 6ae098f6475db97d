package websocket

import (
	"context"
	"time"
)

// This file is the writer: messages become frames in the buffer c.out, which leaves in one system call if the socket
// takes it. Everything here belongs to whoever holds the write lock.
//
// The usual write does not wait: the socket takes everything at once, and no deadline is set. Only what it does not
// take is written with a deadline.

const (
	// collectLimit is how many bytes of replies may collect before they leave.
	collectLimit = 16 << 10
	// collectTime is how long replies may collect.
	collectTime = time.Millisecond
	// gatherFrom is from how many bytes on a payload that could be copied behind its header is not: for less the copy is
	// cheaper than a system call with two pieces.
	gatherFrom = 4 << 10
	// writeChunk is how much the peer has to take within WriteTimeout.
	writeChunk = 64 << 10
)

// WriteMessage sends p as one message of type t. It may be called from any number of goroutines; messages are never
// interleaved. p is neither changed nor kept. Text has to be UTF-8 ([ErrInvalidUTF8], nothing is sent).
//
// When it returns nil the message was handed to the transport, or is about to be: while complete frames of the peer
// wait in the read buffer, replies collect and leave together, after a millisecond at the latest ([Conn.Flush] hastens
// them). It waits for a peer that is slow, at most WriteTimeout for each 64 KiB; then the connection is ended. A
// NextWriter that is open holds it up.
func (c *Conn) WriteMessage(t MessageType, p []byte) error {
	return c.writeMessage(nil, t, p)
}

// WriteContext is [Conn.WriteMessage] that gives up when ctx does. Before the message's first byte is sent that leaves
// the connection usable; afterwards it ends it, and the error says so. A write that waits on a transport which cannot be
// tried without waiting (TLS, and every socket on Windows) ends the connection in any case.
func (c *Conn) WriteContext(ctx context.Context, t MessageType, p []byte) error {
	if err := ctx.Err(); err != nil {
		return &contextError{"write gave up before it began; nothing was sent", err}
	}
	return c.writeMessage(ctx, t, p)
}

// WriteUncompressed is [Conn.WriteMessage] for a message that shall not be compressed, whatever was agreed on: one that
// is compressed already, or that has a secret beside text that somebody else chooses, which the length of the compressed
// message would tell something about.
func (c *Conn) WriteUncompressed(t MessageType, p []byte) error {
	if err := c.lockMessage(nil); err != nil {
		return err
	}
	defer c.unlockWrite()
	if err := c.enc.checkMessage(t, p); err != nil {
		return err
	}
	return c.putPayload(nil, Header{Fin: true, Opcode: Opcode(t)}, p, len(p))
}

// WritePrepared sends m, encoded once for all connections. Otherwise it is [Conn.WriteMessage].
func (c *Conn) WritePrepared(m *PreparedMessage) error {
	if err := c.lockMessage(nil); err != nil {
		return err
	}
	defer c.unlockWrite()
	if err := c.enc.checkMessage(m.Type(), nil); err != nil { // its text was judged when it was prepared
		return err
	}
	if c.variant.bits == 0 {
		return c.putMessage(nil, m.Type(), m.plain.message)
	}
	f := m.as(c.variant)
	c.noteShared(f)
	return c.putPayload(nil, f.header(), f.payload, len(f.message))
}

// SetWriteDeadline sets until when writes may wait for the peer; the zero time means as long as WriteTimeout allows. A
// deadline that passes before a message's first byte is sent leaves the connection usable, afterwards it ends it. It
// may be called from any goroutine and moves a write that waits already. On TLS see [Conn.WriteContext].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.wdl().setUser(t) }

// Flush sends the replies that are collecting.
func (c *Conn) Flush() error {
	if err := c.lockWrite(nil, true); err != nil {
		return err
	}
	defer c.unlockWrite()
	return c.send(nil, notBegun, nil)
}

// writeMessage sends a message. ctx may be nil.
func (c *Conn) writeMessage(ctx context.Context, t MessageType, p []byte) error {
	if err := c.lockMessage(ctx); err != nil {
		return err
	}
	defer c.unlockWrite()
	if err := c.enc.checkMessage(t, p); err != nil {
		return err
	}
	return c.putMessage(ctx, t, p)
}

// putMessage sends a message that has been judged. The write lock is held.
func (c *Conn) putMessage(ctx context.Context, t MessageType, p []byte) error {
	if len(p) > collectLimit || !c.enc.deflates(len(p)) && c.leavesFrom(len(p)) {
		return c.putLarge(ctx, t, p)
	}
	return c.putSmall(ctx, t, p)
}

// leavesFrom reports whether a payload of n bytes had better leave straight from where it lies, behind the header in the
// buffer, than be copied: it is not changed on its way, it is not small, and there is nothing to collect it with.
func (c *Conn) leavesFrom(n int) bool {
	return n >= gatherFrom && c.role == serverRole && !c.more.Load() && c.gatherer() != nil
}

// A gatherer is a wire that writes two pieces at once; see tryWrite. It takes nothing of q before all of p.
type gatherer interface {
	tryGather(p, q []byte) (int, error)
}

// gatherer returns the wire if it is one, else nil.
func (c *Conn) gatherer() gatherer {
	g, _ := c.wire.(gatherer)
	return g
}

// putSmall sends a message that fits into the buffer, or lets it collect there.
func (c *Conn) putSmall(ctx context.Context, t MessageType, p []byte) error {
	if err := c.reserve(ctx, len(p)+maxGrowth, notBegun); err != nil {
		return err
	}
	begin := len(c.out.b)
	c.out.b = c.enc.appendData(c.out.b, t, p)
	return c.sendOrCollect(ctx, begin, len(p))
}

// putLarge sends a message that may not fit into the buffer.
func (c *Conn) putLarge(ctx context.Context, t MessageType, p []byte) error {
	h := Header{Fin: true, Opcode: Opcode(t)}
	size := len(p)
	if c.enc.deflates(size) {
		scratch := getBuffer(messagePool)
		defer scratch.freeMessage()
		// RFC 7692, section 6.1: RSV1 says that the message is compressed.
		if scratch.b, h.RSV1 = c.enc.deflate(scratch.b, p, false); h.RSV1 {
			p = scratch.b
		}
	}
	return c.putPayload(ctx, h, p, size)
}

// putPayload sends a frame that is a message of size bytes. p is its payload, compressed if h says so.
func (c *Conn) putPayload(ctx context.Context, h Header, p []byte, size int) error {
	if len(p) > collectLimit || c.leavesFrom(len(p)) {
		return c.putPieces(ctx, h, p, size)
	}
	if err := c.reserve(ctx, frameSize(len(p)), notBegun); err != nil {
		c.enc.takenBack()
		return err
	}
	begin := len(c.out.b)
	c.out.b = c.enc.append(c.out.b, h, p)
	return c.sendOrCollect(ctx, begin, size)
}

// sendOrCollect sends the buffer, in which the message of size bytes from begin on is the last, or leaves it to collect
// with what follows.
func (c *Conn) sendOrCollect(ctx context.Context, begin, size int) error {
	if c.more.Load() && len(c.out.b) < collectLimit {
		c.collect()
		c.countOut(size)
		return nil
	}
	return c.sendMessage(ctx, begin, size, nil)
}

// putPieces sends a message that does not fit into the buffer, or need not be copied there. A server's leaves straight
// from p: a wire that gathers sends the header with it, else the buffer takes the beginning of p, so that the header
// does not travel alone. A client's is masked in the buffer piece by piece.
func (c *Conn) putPieces(ctx context.Context, h Header, p []byte, size int) error {
	if err := c.reserve(ctx, maxHeaderSize, notBegun); err != nil {
		c.enc.takenBack()
		return err
	}
	h.Length = uint64(len(p))
	if c.role == clientRole {
		h.Masked, h.MaskKey = true, c.enc.keys()
	}
	begin := len(c.out.b)
	c.out.b = AppendHeader(c.out.b, h)
	if !h.Masked {
		n := 0
		if c.gatherer() == nil {
			n = min(cap(c.out.b)-len(c.out.b), len(p))
			c.out.b = append(c.out.b, p[:n]...)
		}
		return c.sendMessage(ctx, begin, size, p[n:])
	}
	for pos := 0; ; {
		n := min(cap(c.out.b)-len(c.out.b), len(p))
		c.out.b, pos = appendMasked(c.out.b, p[:n], h.MaskKey, pos)
		p = p[n:]
		if len(p) == 0 {
			return c.sendMessage(ctx, begin, size, nil)
		}
		if err := c.send(ctx, begin, nil); err != nil {
			c.enc.takenBack() // as in sendMessage
			return err
		}
		begin = hasBegun
		c.out = getBuffer(largePool)
	}
}

// sendMessage sends a message of size bytes whose last part is in the buffer and in tail.
func (c *Conn) sendMessage(ctx context.Context, begin, size int, tail []byte) error {
	err := c.send(ctx, begin, tail)
	switch err {
	case nil:
		c.countOut(size)
	case errWriteKept: // it counts for whoever asked for that
	default:
		c.enc.takenBack() // if the connection is still there to tell
	}
	return err
}

// reserve makes room for n bytes in the buffer, n being at most what an empty one holds. What is in the way is sent;
// begin says for send whether the caller's message has begun.
func (c *Conn) reserve(ctx context.Context, n, begin int) error {
	if c.out != nil && cap(c.out.b)-len(c.out.b) < n || c.rest != nil {
		if err := c.send(ctx, begin, nil); err != nil {
			return err
		}
	}
	if c.out == nil {
		c.out = getBuffer(mediumPool)
	}
	return nil
}

// collect leaves the buffer as it is until the reader has worked off its input, or until collectTime has passed.
func (c *Conn) collect() {
	c.collecting.Store(true)
	switch {
	case c.timerArmed:
	case c.timer == nil:
		c.timer = time.AfterFunc(collectTime, c.flushSoon)
	default:
		c.timer.Reset(collectTime)
	}
	c.timerArmed = true
}

// unsent returns the next bytes that have to leave: what a socket did not take earlier, the buffer, then tail, which
// stays the caller's.
func (c *Conn) unsent(tail []byte) []byte {
	switch {
	case len(c.rest) > 0:
		return c.rest
	case c.out != nil && c.outSent < len(c.out.b):
		return c.out.b[c.outSent:]
	}
	return tail
}

// unsentSize returns how many bytes have to leave.
func (c *Conn) unsentSize(tail []byte) int {
	n := len(c.rest) + len(tail)
	if c.out != nil {
		n += len(c.out.b) - c.outSent
	}
	return n
}

// took notes that n of the bytes that have to leave have left, and returns what remains of tail.
func (c *Conn) took(tail []byte, n int) []byte {
	of := min(n, len(c.rest))
	c.rest = c.rest[of:]
	n -= of
	if c.out != nil {
		of = min(n, len(c.out.b)-c.outSent)
		c.outSent += of
		n -= of
	}
	return tail[n:]
}

// allSent gives the buffer back: everything has left.
func (c *Conn) allSent() {
	if c.out != nil {
		c.out.free()
	}
	c.out, c.outSent, c.rest = nil, 0, nil
	if c.counters.unsent.Load() != 0 {
		c.counters.unsent.Store(0)
	}
	if c.collecting.Load() {
		c.collecting.Store(false)
	}
}

const (
	hasBegun = -1 // the beginning of the message has left, so that it cannot be taken back
	notBegun = -2 // the buffer holds nothing of the message yet, only what was there before
)

// send sends everything, tail last, and waits until the peer has taken it or a time limit or ctx, which may be nil,
// ends that.
//
// begin is where in the buffer the caller's message begins, notBegun or hasBegun. If nothing of it has left when the
// caller's deadline or context passes, it is taken back and the connection stays usable.
func (c *Conn) send(ctx context.Context, begin int, tail []byte) error {
	tail, err := c.sendNow(tail)
	if err != nil || len(c.unsent(tail)) == 0 {
		return err
	}
	return c.sendWaiting(ctx, begin, tail)
}

// sendNow sends what the transport takes without waiting and returns what remains of tail.
func (c *Conn) sendNow(tail []byte) ([]byte, error) {
	if !c.wire.canTry() {
		return tail, nil
	}
	for {
		p := c.unsent(tail)
		if len(p) == 0 {
			c.allSent()
			return nil, nil
		}
		n, all, err := c.tryUnsent(p, tail)
		tail = c.took(tail, n)
		if err != nil {
			return nil, c.writeFailed(err)
		}
		if n < all {
			return tail, nil
		}
	}
}

// tryUnsent offers p, the first of what is unsent, to the transport, and tail with it if tail comes next and the wire can
// do that. It returns how much the transport took, and how much it was offered.
func (c *Conn) tryUnsent(p, tail []byte) (n, all int, err error) {
	if len(tail) > 0 && len(c.rest) == 0 && c.out != nil && c.outSent < len(c.out.b) {
		if g := c.gatherer(); g != nil {
			n, err = g.tryGather(p, tail)
			return n, len(p) + len(tail), err
		}
	}
	n, err = c.wire.tryWrite(p)
	return n, len(p), err
}

// sendWaiting sends everything with time limits.
func (c *Conn) sendWaiting(ctx context.Context, begin int, tail []byte) error {
	if ctx != nil && ctx.Done() != nil {
		given := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { c.wdl().cancel(); close(given) })
		defer func() {
			if !stop() {
				<-given
				c.wdl().finish()
			}
		}()
	}
	defer c.wdl().finish()
	for {
		p := c.unsent(tail)
		if len(p) == 0 {
			c.allSent()
			return nil
		}
		c.counters.unsent.Store(int64(c.unsentSize(tail)))
		p = p[:min(len(p), writeChunk)]
		c.wdl().begin(c.writeTimeout)
		n, err := c.nc.Write(p)
		tail = c.took(tail, n)
		switch {
		case err == nil:
		case isTimeout(err):
			if err := c.writeTimedOut(ctx, begin); err != nil {
				return err
			}
		default:
			return c.writeFailed(err)
		}
	}
}

// writeTimedOut decides what a time limit that passed means for the caller and for the connection. It returns nil if
// the limit was moved meanwhile and the write goes on.
func (c *Conn) writeTimedOut(ctx context.Context, begin int) error {
	var before, after error
	switch c.wdl().expired() {
	case expiredContext:
		before = &contextError{"write gave up before the message's first byte; the connection stays usable", ctx.Err()}
		after = &contextError{"write gave up in the middle of a message, which fails the connection", ctx.Err()}
	case expiredUser:
		before, after = errWriteDeadline, errWriteBegun
	case expiredStall:
		return c.fail(writeTimeoutError(c.writeTimeout))
	default:
		if c.wire.canTry() {
			return nil
		}
		after = errWriteBegun // too late: see below
	}
	begun := begin == hasBegun || begin >= 0 && len(c.rest) == 0 && c.outSent > begin
	_, keep := ctx.(streamContext)
	switch {
	case !c.wire.canTry():
		// A transport that can only wait, such as TLS, is broken by a timeout even if it reports that it took nothing.
		return c.fail(after)
	case begun && keep:
		c.stuck = true // a stream has no message that would be incomplete: the rest leaves later
		return errWriteKept
	case begun:
		return c.fail(after)
	}
	if begin >= 0 {
		c.out.b = c.out.b[:begin]
	}
	if len(c.unsent(nil)) == 0 {
		c.allSent()
	} else {
		c.stuck = true // what was there before still has to leave
	}
	return before
}

// writeFailed notes that the transport takes nothing any more. The reader is left alone: the peer's Close may still be
// in what it has sent.
func (c *Conn) writeFailed(err error) error {
	if c.werr == nil {
		c.werr = &lostError{"while we were sending", err}
	}
	c.allSent()
	if cause := c.failed(); cause != nil {
		return cause
	}
	return c.werr
}
