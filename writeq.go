package websocket

import (
	"sync"
	"time"
)

// This file holds what waits to be sent while someone else holds the write lock, or while the socket takes nothing:
// answers to Pings and the messages of a Hub. Whoever puts something in does not wait. Whoever releases the write lock
// takes it out; if the socket takes nothing, a goroutine is started that waits for it, and there is never more than
// one.
//
// Lock order: the write lock, then Conn.mu or writeQueue.mu. No mutex is held while anything waits.

// repliesLimit is how many bytes of Pongs wait before only the latest is kept. RFC 6455, section 5.5.3: an endpoint may
// answer only the most recent Ping.
const repliesLimit = 16 << 10

// repliesPatience is how long the reader waits, once so many Pongs wait, for a socket that may only be slow: over TLS the
// reader can be faster than the goroutine that writes. A socket that takes nothing for so long is waited for once.
const repliesPatience = 100 * time.Millisecond

// A writeQueue holds control frames and messages. It has memory only while something waits.
type writeQueue struct {
	mu       sync.Mutex
	flush    bool   // what has collected shall leave
	controls []byte // for each frame: opcode, length of payload, payload
	shared   []*preparedFrame
	bytes    int           // of the frames in shared
	room     chan struct{} // closed when controls have been taken; nil unless the reader waits for that
	stalled  bool          // the reader has waited in vain, and controls have not been taken since
	closed   bool          // it overflowed: no message is taken any more
}

// size returns how many bytes wait.
func (q *writeQueue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes + len(q.controls)
}

// awaitRoom waits, if there is no room for a Pong of n bytes, until there is or c has ended.
func (q *writeQueue) awaitRoom(n int, c *Conn) {
	q.mu.Lock()
	if q.stalled || len(q.controls)+n <= repliesLimit {
		q.mu.Unlock()
		return
	}
	room := make(chan struct{})
	q.room = room
	q.mu.Unlock()
	patience := time.NewTimer(repliesPatience)
	defer patience.Stop()
	select {
	case <-room:
	case <-c.Done():
	case <-patience.C:
		q.mu.Lock()
		q.stalled = q.room != nil
		q.room = nil
		q.mu.Unlock()
	}
}

// taken notes that controls have been taken. mu is held.
func (q *writeQueue) taken() {
	q.stalled = false
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// addControl queues a control frame and returns how many Pongs had to go for it. Pings that the peer does not take go
// too: its answer to the latest one answers them all.
func (q *writeQueue) addControl(op Opcode, p []byte) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.controls)+len(p) > repliesLimit {
		if n := q.drop(op); op == OpPong {
			lost = n
		}
	}
	q.controls = append(q.controls, byte(op), byte(len(p)))
	q.controls = append(q.controls, p...)
	return lost
}

// drop removes all frames with opcode op and returns how many there were. mu is held.
func (q *writeQueue) drop(op Opcode) (n int) {
	kept := q.controls[:0]
	for rest := q.controls; len(rest) > 0; {
		size := 2 + int(rest[1])
		if Opcode(rest[0]) == op {
			n++
		} else {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	q.controls = kept
	return n
}

// sendControl sends a Ping or Pong without waiting: now if it can, else as soon as it can. Pongs collect with other
// replies. Any goroutine may call it.
func (c *Conn) sendControl(op Opcode, p []byte) {
	if lost := c.queue.addControl(op, p); lost > 0 {
		c.counters.pongsLost.Add(int64(lost))
	}
	if op != OpPong {
		c.flushSoon()
		return
	}
	c.wakeWriter()
}

// flushSoon sends what has collected, without waiting. Any goroutine may call it.
func (c *Conn) flushSoon() {
	c.queue.mu.Lock()
	c.queue.flush = true
	c.queue.mu.Unlock()
	c.wakeWriter()
}

// wakeWriter sees to it that the queue is looked at: by us if the write lock is free, else by whoever releases it.
func (c *Conn) wakeWriter() {
	c.queued.Store(true)
	if c.tryLock() {
		c.unlockWrite()
	}
}

// unlockWrite releases the write lock, after it has sent what others have queued. If the socket does not take it, the
// lock passes on to a goroutine that waits for the socket.
func (c *Conn) unlockWrite() {
	for {
		if c.queued.Load() && !c.stuck {
			c.sendQueued()
		}
		if c.stuck {
			c.stuck = false
			go func() {
				c.wdl().setOurs(true)
				c.sendWaiting(nil, hasBegun, nil)
				c.wdl().setOurs(false)
				c.unlockWrite()
			}()
			return
		}
		c.wlock.unlock()
		// Somebody may have queued something after we looked and before the lock was free.
		if !c.queued.Load() || !c.tryLock() {
			return
		}
	}
}

// sendQueued sends what is queued, without waiting. The write lock is held.
func (c *Conn) sendQueued() {
	c.queued.Store(false)
	for {
		again, flush := c.takeQueued()
		if len(c.unsent(nil)) == 0 {
			c.allSent()
			return
		}
		if !again && !flush && c.more.Load() {
			c.collect()
			return
		}
		if _, err := c.sendNow(nil); err != nil {
			return
		}
		if len(c.unsent(nil)) > 0 {
			c.stuck = true
			if again {
				c.queued.Store(true)
			}
			return
		}
		if !again {
			return
		}
	}
}

// takeQueued moves what is queued into the buffer, as far as there is room. again says that something is left, flush
// that replies must not collect any longer. The write lock is held.
func (c *Conn) takeQueued() (again, flush bool) {
	q := &c.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.enc.closed || c.werr != nil {
		q.controls, q.shared, q.bytes = nil, nil, 0
	}
	flush, q.flush = q.flush, false
	if flush {
		c.timerArmed = false
	}
	for len(q.controls) > 0 {
		payload := q.controls[2 : 2+int(q.controls[1])]
		if !c.fits(len(payload)) {
			return true, true
		}
		c.out.b, _ = c.enc.appendControl(c.out.b, Opcode(q.controls[0]), payload) // fits, and no Close is out: see above
		q.controls = q.controls[2+len(payload):]
	}
	q.controls = nil
	q.taken()
	for len(q.shared) > 0 && c.stream == nil {
		flush = true
		f := q.shared[0]
		if !c.fitsShared(f) {
			return true, true
		}
		q.dropFirst()
		q.mu.Unlock() // it may have to be compressed, for which a Hub must not wait
		c.takeShared(f)
		q.mu.Lock()
	}
	if len(q.shared) == 0 {
		q.shared = nil
	}
	return false, flush
}

// takeEarlier puts what was queued into the buffer before a message that is about to be written, as far as there is room:
// the answer to a Ping goes before that to a message behind the Ping. The write lock is held; whoever releases it sees to
// the rest.
func (c *Conn) takeEarlier() {
	if !c.queued.Load() || c.stuck {
		return
	}
	if _, flush := c.takeQueued(); flush {
		c.queue.mu.Lock()
		c.queue.flush = true
		c.queue.mu.Unlock()
	}
}

// fits reports whether a frame with a payload of n bytes has room in the buffer, which it borrows if there is none.
func (c *Conn) fits(n int) bool {
	if c.out == nil {
		c.out = getBuffer(mediumPool)
	}
	return cap(c.out.b)-len(c.out.b) >= frameSize(n)
}
