package websocket

import (
	"slices"
	"time"
)

// This file is what a Hub sends: frames that many connections share.

// sendShared sends the messages of a Hub without waiting. What the socket does not take is queued up to limit bytes;
// beyond that policy decides. It returns how many messages were dropped.
func (c *Conn) sendShared(b sharedBatch, limit int, policy Overflow) (dropped int) {
	if c.dying.Load() {
		// It is not a subscriber any more, unless it ends because it missed messages: then it misses these too.
		dropped = c.queue.missed(b.messages)
		c.counters.dropped.Add(int64(dropped))
		return dropped
	}
	if c.tryLock() {
		if c.canPassThrough() {
			c.passThrough(b)
			c.unlockWrite()
			return 0
		}
		c.unlockWrite()
	}
	dropped, full := c.queue.addShared(b.messages, limit, policy)
	c.counters.dropped.Add(int64(dropped))
	if full {
		cause := &closedError{CloseTryAgainLater, "too slow: messages were dropped"}
		if c.startClose(cause) {
			go c.finishClose(c.overflowTimeout(), cause)
		}
		return dropped
	}
	c.wakeWriter()
	return dropped
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
	return c.role == serverRole && c.stream == nil && c.werr == nil && !c.enc.closed &&
		!c.queued.Load() && len(c.unsent(nil)) == 0 && c.wire.canTry()
}

// passThrough gives b to the socket. What it does not take of the frame that has begun becomes rest, the frames behind
// that are queued. The write lock is held.
func (c *Conn) passThrough(b sharedBatch) {
	n, err := c.wire.tryWrite(b.bytes)
	if err != nil {
		c.writeFailed(err)
		return
	}
	for i, m := range b.messages {
		if n < len(m.frame) {
			c.rest = m.frame[n:]
			c.stuck = true
			c.countOut(len(m.payload))
			c.queue.requeue(b.messages[i+1:])
			c.queued.Store(true)
			return
		}
		n -= len(m.frame)
		c.countOut(len(m.payload))
	}
}

// takeShared puts a message of a Hub behind what waits, and reports whether there was room. A frame that is larger than
// the buffer is not copied: it goes as it is, as the first of what waits.
func (c *Conn) takeShared(m *PreparedMessage) bool {
	switch {
	case c.fits(len(m.payload)):
		c.out.b = c.enc.appendFrame(c.out.b, Opcode(m.msgType), true, m.payload)
	case len(c.rest) > 0 || len(c.out.b) > 0:
		return false
	case c.role == serverRole:
		c.rest = m.frame
	default:
		c.rest = c.enc.appendFrame(nil, Opcode(m.msgType), true, m.payload)
	}
	c.countOut(len(m.payload))
	return true
}

// requeue puts messages in front of those that wait: they were published earlier. They were on their way already, so no
// limit applies.
func (q *writeQueue) requeue(messages []*PreparedMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		q.bytes += len(m.frame)
	}
	q.shared = append(slices.Clone(messages), q.shared...)
}

// addShared queues messages. full says that the queue overflowed and the connection is to be closed; it takes nothing
// more then.
func (q *writeQueue) addShared(messages []*PreparedMessage, limit int, policy Overflow) (dropped int, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(messages), false
	}
	for i, m := range messages {
		q.shared = append(q.shared, m)
		q.bytes += len(m.frame)
		if q.bytes <= limit || len(q.shared) == 1 {
			continue
		}
		switch policy {
		case OverflowDropOldest:
			for q.bytes > limit && len(q.shared) > 1 {
				q.dropFirst()
				dropped++
			}
		case OverflowLatest:
			for len(q.shared) > 1 {
				q.dropFirst()
				dropped++
			}
		default:
			dropped += len(q.shared) + len(messages[i+1:])
			q.shared, q.bytes, q.closed = nil, 0, true
			return dropped, true
		}
	}
	return dropped, false
}

// missed returns how many of messages count as dropped by a connection that is ending: all if it was too slow.
func (q *writeQueue) missed(messages []*PreparedMessage) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(messages)
	}
	return 0
}

// dropFirst removes the message that has waited longest. mu is held.
func (q *writeQueue) dropFirst() {
	q.bytes -= len(q.shared[0].frame)
	q.shared[0] = nil
	q.shared = q.shared[1:]
}
