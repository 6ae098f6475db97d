package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// This file holds liveness: keepalive, which the waiting reader does itself with its read deadline, without a goroutine
// or timer of its own, and Ping. RFC 6455, sections 5.5.2 and 5.5.3.

// Keepalive says how a connection notices that the peer is gone. Servers have it on by default, clients off.
//
// It works while a read waits (or after [Conn.Drain], or in [Conn.Serve]): after Interval without a received byte the
// peer is pinged, after Timeout more without one the read fails with a timeout. Any byte counts, and input that has not
// been read yet counts too.
type Keepalive struct {
	Interval time.Duration // 0: 30 s for servers, off for clients; negative: off
	Timeout  time.Duration // 0: 30 s; negative: as 0
}

const (
	defaultKeepaliveInterval = 30 * time.Second
	defaultKeepaliveTimeout  = 30 * time.Second
)

// resolve replaces defaults by values. Interval 0 is off then.
func (k Keepalive) resolve(r role) Keepalive {
	if k.Interval == 0 && r == serverRole {
		k.Interval = defaultKeepaliveInterval
	}
	k.Interval = max(k.Interval, 0)
	if k.Timeout <= 0 {
		k.Timeout = defaultKeepaliveTimeout
	}
	return k
}

// aliveState is keepalive's memory. The reader owns it.
type aliveState struct {
	received instant // when bytes last arrived
	armed    bool    // the read deadline has a step of ours in it
	pinged   bool    // a Ping went out and nothing has arrived since

	// Once pinged is set:
	lastLook bool    // the wait until death has begun after all but lastLookTime of it had passed
	death    instant // when the peer is dead
	left     instant // when the reader stopped waiting
}

// lastLookTime is how long before death the wait is begun anew. A read whose deadline has passed does not look for
// input before it fails, as when the process was asleep meanwhile; one that begins does.
const lastLookTime = time.Millisecond

// startWait is called before a read waits.
func (c *Conn) startWait() {
	if c.keepalive.Interval == 0 || c.alive.armed && !c.alive.pinged {
		return
	}
	now := thisInstant()
	if c.alive.pinged {
		// Death is judged only while the reader waits: the time that it was away does not count.
		c.alive.death = c.alive.death.add(time.Duration(now - c.alive.left))
		c.awaitDeath()
		return
	}
	c.alive.armed = true
	c.alive.received = now
	c.rdl.setAlive(now.add(c.keepalive.Interval))
}

// stopWait is called when a wait ends without bytes and without an end of the connection.
func (c *Conn) stopWait() {
	if c.alive.pinged {
		c.alive.left = thisInstant()
	}
}

// awaitDeath sets keepalive's next step to shortly before death.
func (c *Conn) awaitDeath() {
	c.alive.lastLook = false
	c.rdl.setAlive(c.alive.death.add(-lastLookTime))
}

// receivedBytes is called when bytes have arrived.
func (c *Conn) receivedBytes() {
	if c.keepalive.Interval == 0 {
		return
	}
	c.alive.received = thisInstant()
	if c.alive.pinged {
		c.alive.pinged = false
		c.rdl.setAlive(c.alive.received.add(c.keepalive.Interval))
	}
}

// keepaliveStep is called when keepalive's deadline passed while a read waited. An error ends the connection.
func (c *Conn) keepaliveStep() error {
	now := thisInstant()
	switch {
	case c.alive.pinged && c.alive.lastLook:
		return keepaliveError(c.keepalive)
	case c.alive.pinged:
		c.alive.lastLook = true
		c.alive.death = max(c.alive.death, now.add(lastLookTime))
		c.rdl.setAlive(c.alive.death)
		return nil
	}
	if due := c.alive.received.add(c.keepalive.Interval); now < due {
		c.rdl.setAlive(due)
		return nil
	}
	c.alive.pinged = true
	c.alive.death = now.add(c.keepalive.Timeout)
	c.awaitDeath()
	payload := c.pings().add(time.Now(), nil)
	c.sendControl(OpPing, payload[:])
	return nil
}

// pingState is the Pings that wait for their Pong. Conn.pings makes it with the first Ping.
type pingState struct {
	mu      sync.Mutex
	last    uint64
	waiting []pingWaiter // in the order they were sent
	closed  bool
}

type pingWaiter struct {
	number uint64
	sent   time.Time
	done   chan time.Duration // has room for one; closed without a value when the connection ends; nil for keepalive's
}

// pings returns the connection's Pings.
func (c *Conn) pings() *pingState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinged == nil {
		c.pinged = &pingState{closed: c.ended}
	}
	return c.pinged
}

// pingsSent returns the connection's Pings, nil if there has been none.
func (c *Conn) pingsSent() *pingState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinged
}

// pingPayload is what our Pings carry: their number.
type pingPayload [8]byte

// maxPingWaiters bounds the Pings that a peer may leave unanswered; the oldest is forgotten first.
const maxPingWaiters = 1024

// add registers a Ping that is about to be sent.
func (s *pingState) add(now time.Time, done chan time.Duration) (p pingPayload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	binary.BigEndian.PutUint64(p[:], s.last)
	if s.closed {
		if done != nil {
			close(done)
		}
		return p
	}
	if done == nil {
		// Keepalive's own: only the latest is of interest.
		s.forget(func(w pingWaiter) bool { return w.done == nil })
	}
	if len(s.waiting) == maxPingWaiters {
		if old := s.waiting[0].done; old != nil {
			close(old)
		}
		s.waiting = append(s.waiting[:0], s.waiting[1:]...)
	}
	s.waiting = append(s.waiting, pingWaiter{s.last, now, done})
	return p
}

// forget removes those waiters for which drop is true. mu is held.
func (s *pingState) forget(drop func(pingWaiter) bool) {
	kept := s.waiting[:0]
	for _, w := range s.waiting {
		if !drop(w) {
			kept = append(kept, w)
		}
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
	if len(kept) == 0 {
		s.waiting = nil
	}
}

// remove forgets the Ping whose channel is done.
func (s *pingState) remove(done chan time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(func(w pingWaiter) bool { return w.done == done })
}

// answer takes a Pong's payload and stores the round trip of the Ping that it answers in latest. RFC 6455, section
// 5.5.3: a peer may answer only the latest of several Pings, so a Pong answers the earlier ones too.
func (s *pingState) answer(p []byte, latest *counter) {
	if len(p) != len(pingPayload{}) {
		return // not one of ours: an unsolicited Pong
	}
	number := binary.BigEndian.Uint64(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, w := range s.waiting {
		if w.number == number {
			latest.Store(int64(now.Sub(w.sent))) // before anyone who waits can look at it
		}
	}
	s.forget(func(w pingWaiter) bool {
		if w.number > number || number > s.last {
			return false
		}
		if w.done != nil {
			w.done <- now.Sub(w.sent)
		}
		return true
	})
}

// failAll wakes everyone who waits: the connection has ended.
func (s *pingState) failAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, w := range s.waiting {
		if w.done != nil {
			close(w.done)
		}
	}
	s.waiting = nil
}

// Ping sends a Ping, waits for the Pong and returns the time between the two. Somebody has to read meanwhile: the Pong
// is noticed by the goroutine that reads. When ctx gives up before the Pong is here Ping returns its error; the
// connection stays as it is. Any number of goroutines may call it.
func (c *Conn) Ping(ctx context.Context) (rtt time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, &contextError{"Ping gave up before it was sent", err}
	}
	if err := c.failed(); err != nil {
		return 0, err
	}
	done := make(chan time.Duration, 1)
	payload := c.pings().add(time.Now(), done)
	c.sendControl(OpPing, payload[:])
	select {
	case rtt, ok := <-done:
		if ok {
			return rtt, nil
		}
		if err := c.failed(); err != nil {
			return 0, err
		}
		return 0, &timeoutError{"Ping was forgotten because more than 1024 later ones wait for a Pong"}
	case <-ctx.Done():
		c.pings().remove(done)
		return 0, &contextError{"Ping gave up waiting for the Pong (is a goroutine reading?)", ctx.Err()}
	}
}

// WriteControl sends a Ping or a Pong, which op says, with p as its payload: at most 125 bytes. It does not wait; what
// the peer does not take at once leaves as soon as it can, before the next message. RFC 6455, section 5.5.3, allows a
// Pong that answers no Ping. The answer to a Ping sent this way is told to nobody; [Conn.Ping] waits for one and
// measures it. A Close is sent with [Conn.CloseWith]. Any number of goroutines may call it.
func (c *Conn) WriteControl(op Opcode, p []byte) error {
	switch {
	case op != OpPing && op != OpPong:
		return fmt.Errorf("websocket: WriteControl sends OpPing and OpPong, not %v", op)
	case len(p) > maxControlPayload: // RFC 6455, section 5.5
		return fmt.Errorf("websocket: a control frame has at most %d bytes of payload, not %d", maxControlPayload, len(p))
	}
	if err := c.failed(); err != nil {
		return err
	}
	c.sendControl(op, p)
	if op == OpPong {
		c.flushSoon() // it is no reply that would collect with others
	}
	return nil
}

// handlePong notices the answer to a Ping of ours.
func (c *Conn) handlePong(p []byte) {
	if sent := c.pingsSent(); sent != nil {
		sent.answer(p, &c.counters.rtt)
	}
}
