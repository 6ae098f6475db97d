package websocket

import (
	"slices"
	"time"
)

// This file is what a Hub sends: frames that many connections share.

// drops counts messages that a subscriber does not get.
type drops struct {
	lost       int // there was no room for them
	superseded int // a later one has taken their place
}

// sendShared sends the messages of a Hub without waiting. What the socket does not take is queued up to limit bytes;
// beyond that policy decides. It returns how many messages were dropped.
func (c *Conn) sendShared(b sharedBatch, limit int, policy Overflow) drops {
	d := c.trySendShared(b, limit, policy)
	c.counters.dropped.Add(int64(d.lost + d.superseded))
	return d
}

func (c *Conn) trySendShared(b sharedBatch, limit int, policy Overflow) drops {
	if c.dying.Load() {
		// It is not a subscriber any more, unless it ends because it missed messages: then it misses these too.
		return drops{lost: c.queue.missed(b.frames)}
	}
	if c.tryLock() {
		if c.canPassThrough() {
			superseded := c.passThrough(b)
			c.unlockWrite()
			return drops{superseded: superseded}
		}
		c.unlockWrite()
	}
	d, full := c.queue.addShared(b.frames, limit, policy)
	if full {
		cause := &closedError{CloseTryAgainLater, "too slow: messages were dropped"}
		if c.startClose(cause) {
			go c.finishClose(c.overflowTimeout(), cause)
		}
		return d
	}
	c.wakeWriter()
	return d
}

// overflowTimeout is how long a peer that was too slow has for the closing handshake: as long as for taking a message.
func (c *Conn) overflowTimeout() time.Duration {
	if c.writeTimeout > 0 {
		return c.writeTimeout
	}
	return c.closeTimeout
}

// canPassThrough reports whether shared frames may go straight to the socket: nothing waits before them. The write lock
// is held.
func (c *Conn) canPassThrough() bool {
	return c.role == serverRole && c.stream == nil && !c.compressesOwn() && c.werr == nil && !c.enc.closed &&
		!c.queued.Load() && len(c.unsent(nil)) == 0 && c.wire.canTry()
}

// passThrough gives b to the socket. What it does not take of the frame that has begun becomes rest, the frames behind
// that are queued, except those that are superseded: they are dropped. The write lock is held.
func (c *Conn) passThrough(b sharedBatch) (superseded int) {
	n, err := c.wire.tryWrite(b.bytes)
	if err != nil {
		c.writeFailed(err)
		return 0
	}
	for i, f := range b.frames {
		c.noteShared(f)
		c.countOut(len(f.message))
		if n < len(f.frame) {
			c.rest = f.frame[n:]
			c.stuck = true
			superseded = c.queue.requeue(b.frames[i+1:])
			c.queued.Store(true)
			return superseded
		}
		n -= len(f.frame)
	}
	return 0
}

// compressesOwn reports whether messages of a Hub are compressed for this connection alone, with its context. Then they
// come here as they are.
func (c *Conn) compressesOwn() bool { return c.enc.deflater != nil && c.variant.bits == 0 }

// noteShared tells the encoder of a frame that leaves without having passed through it.
func (c *Conn) noteShared(f *preparedFrame) {
	if f.deflated {
		c.enc.sent(f.message, len(f.payload))
	}
}

// fitsShared reports whether there is room for a message of a Hub behind what waits: in the buffer, or as the first of
// what waits.
func (c *Conn) fitsShared(f *preparedFrame) bool {
	return c.fits(c.sizeShared(f)) || len(c.rest) == 0 && len(c.out.b) == 0
}

// sizeShared returns how large the payload becomes at most.
func (c *Conn) sizeShared(f *preparedFrame) int {
	if c.compressesOwn() {
		return len(f.payload) + maxGrowth
	}
	return len(f.payload)
}

// takeShared puts a message of a Hub, for which there is room, behind what waits. A frame that is larger than the
// buffer is not copied: it goes as it is, as the first of what waits.
func (c *Conn) takeShared(f *preparedFrame) {
	own := c.compressesOwn()
	switch {
	case c.fits(c.sizeShared(f)):
		c.out.b = c.appendShared(c.out.b, f, own)
	case c.role == serverRole && !own:
		c.noteShared(f)
		c.rest = f.frame
	default:
		c.rest = c.appendShared(nil, f, own)
	}
	c.countOut(len(f.message))
}

// appendShared appends a message of a Hub as this connection sends it.
func (c *Conn) appendShared(dst []byte, f *preparedFrame, own bool) []byte {
	if own {
		return c.enc.appendData(dst, f.msgType, f.message)
	}
	c.noteShared(f)
	return c.enc.append(dst, f.header(), f.payload)
}

// requeue puts messages in front of those that wait: they were published earlier. They were on their way already, so no
// limit applies. It returns how many are dropped because they are superseded.
func (q *writeQueue) requeue(frames []*preparedFrame) (superseded int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := slices.Concat(frames, q.shared)
	q.shared, q.bytes = nil, 0
	for _, f := range all {
		superseded += q.push(f)
	}
	return superseded
}

// push appends f to what waits and removes what it supersedes, of which it returns the number. mu is held.
func (q *writeQueue) push(f *preparedFrame) (superseded int) {
	if f.state != "" {
		before := len(q.shared)
		q.shared = slices.DeleteFunc(q.shared, func(old *preparedFrame) bool {
			if old.state != f.state {
				return false
			}
			q.bytes -= len(old.frame)
			return true
		})
		superseded = before - len(q.shared)
	}
	q.shared = append(q.shared, f)
	q.bytes += len(f.frame)
	return superseded
}

// cost returns how much of the limit is taken up. That of a small message is what it takes beside its frame; so the
// messages are also few enough to be looked through by push. mu is held.
func (q *writeQueue) cost() int { return q.bytes + len(q.shared)*entryCost }

// addShared queues messages. full says that the queue overflowed and the connection is to be closed; it takes nothing
// more then.
func (q *writeQueue) addShared(frames []*preparedFrame, limit int, policy Overflow) (d drops, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return drops{lost: len(frames)}, false
	}
	for i, f := range frames {
		d.superseded += q.push(f)
		if q.cost() <= limit || len(q.shared) == 1 {
			continue
		}
		switch policy {
		case OverflowDropOldest:
			for q.cost() > limit && len(q.shared) > 1 {
				q.dropFirst()
				d.lost++
			}
		case OverflowLatest:
			for len(q.shared) > 1 {
				q.dropFirst()
				d.lost++
			}
		default:
			d.lost += len(q.shared) + len(frames[i+1:])
			q.shared, q.bytes, q.closed = nil, 0, true
			return d, true
		}
	}
	return d, false
}

// missed returns how many of frames count as dropped by a connection that is ending: all if it was too slow.
func (q *writeQueue) missed(frames []*preparedFrame) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(frames)
	}
	return 0
}

// dropFirst removes the message that has waited longest. mu is held.
func (q *writeQueue) dropFirst() {
	q.bytes -= len(q.shared[0].frame)
	q.shared[0] = nil
	q.shared = q.shared[1:]
}
