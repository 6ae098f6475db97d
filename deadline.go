package websocket

import (
	"math"
	"sync"
	"time"
)

// An instant is a time on the monotonic clock, in a third of the memory of a time.Time. Zero is none.
type instant int64

// processStart is instant 1.
var processStart = time.Now()

// thisInstant is time.Now for instants.
func thisInstant() instant { return instant(time.Since(processStart)) + 1 }

func (i instant) add(d time.Duration) instant {
	if d > 0 && i > math.MaxInt64-instant(d) {
		return math.MaxInt64
	}
	return i + instant(d)
}

// time is counted from now, so that a clock that was set meanwhile does no harm beside a deadline by that clock.
func (i instant) time() time.Time { return time.Now().Add(time.Duration(i - thisInstant())) }

// passed reports whether a deadline has passed; the zero time is none.
func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// A readDeadline is the earliest of what may end a read: the owner's deadline, keepalive's next step, a context. The
// transport knows only one deadline. mu guards the fields, which any goroutine may change while the reader waits.
type readDeadline struct {
	mu        sync.Mutex
	nc        transport
	user      time.Time // SetReadDeadline; zero: none
	alive     instant   // keepalive; 0: none
	cancelled bool      // the context of the read that is under way gave up
	off       bool      // the connection is closing, which has bounds of its own
}

// expiry says which of the deadlines passed.
type expiry uint8

const (
	expiredNone expiry = iota // one that was moved since, or the connection is closing
	expiredUser
	expiredContext
	expiredKeepalive
	expiredStall // WriteTimeout
)

// apply tells the transport. mu is held.
func (d *readDeadline) apply() error {
	t := d.user
	switch {
	case d.off:
		t = time.Time{}
	case d.cancelled:
		t = longAgo
	case d.alive != 0 && (t.IsZero() || d.alive.time().Before(t)):
		t = d.alive.time()
	}
	return d.nc.SetReadDeadline(t)
}

func (d *readDeadline) setUser(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = t
	return d.apply()
}

func (d *readDeadline) setAlive(t instant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alive = t
	d.apply()
}

// userPassed reports whether the owner's deadline has passed.
func (d *readDeadline) userPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return passed(d.user)
}

// disable takes all deadlines away, for good.
func (d *readDeadline) disable() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	d.apply()
}

// cancel ends the read that is under way.
func (d *readDeadline) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancelled = true
	d.apply()
}

// uncancel is called when the read with the context is over.
func (d *readDeadline) uncancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancelled {
		d.cancelled = false
		d.apply()
	}
}

// expired says what the timeout of the transport means.
func (d *readDeadline) expired() expiry {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.off:
		d.apply()
		return expiredNone
	case d.cancelled:
		return expiredContext
	case passed(d.user):
		return expiredUser
	case d.alive != 0 && d.alive <= thisInstant():
		return expiredKeepalive
	}
	d.apply()
	return expiredNone
}

// A writeDeadline is the same for writing. The transport has a deadline only while a write waits for the peer, so that
// the usual write, which does not wait, need not set one. Conn.wdl makes it.
type writeDeadline struct {
	mu        sync.Mutex
	nc        transport
	user      time.Time // SetWriteDeadline; zero: none
	stall     time.Time // when the write that waits has taken too long; zero: none, or no write waits
	waiting   bool
	ours      bool // what waits is Pongs, our Close and the like: the owner's deadline is not for them
	cancelled bool // the context of the write that waits gave up

	moved chan struct{} // closed when user changes; nil unless somebody waits for the write lock until user
}

// wdl returns the connection's writeDeadline, which has no memory until a write waits, the owner sets a deadline, or a
// Close is sent.
func (c *Conn) wdl() *writeDeadline {
	if d := c.wdlMem.Load(); d != nil {
		return d
	}
	c.wdlMem.CompareAndSwap(nil, &writeDeadline{nc: c.nc})
	return c.wdlMem.Load()
}

// writeDeadlinePassed reports whether the owner's deadline for writing has passed.
func (c *Conn) writeDeadlinePassed() bool {
	d := c.wdlMem.Load()
	return d != nil && d.userPassed()
}

// apply tells the transport. mu is held.
func (d *writeDeadline) apply() error {
	t := d.user
	if d.ours {
		t = time.Time{}
	}
	switch {
	case !d.waiting:
		t = time.Time{}
	case d.cancelled:
		t = longAgo
	case !d.stall.IsZero() && (t.IsZero() || d.stall.Before(t)):
		t = d.stall
	}
	return d.nc.SetWriteDeadline(t)
}

// setOurs says whether what is sent from now on is the connection's own. The write lock is held.
func (d *writeDeadline) setOurs(ours bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ours = ours
}

func (d *writeDeadline) setUser(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = t
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
	if !d.waiting {
		return nil
	}
	return d.apply()
}

// A writeWait is what somebody who waits for the write lock has to know of the owner's deadline.
type writeWait struct {
	passed <-chan time.Time // tells that it has passed; nil if there is none
	moved  <-chan struct{}  // tells that it was moved
	timer  *time.Timer
}

// startWait is called before a wait for the write lock.
func (d *writeDeadline) startWait() (w writeWait) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.moved == nil {
		d.moved = make(chan struct{})
	}
	w.moved = d.moved
	if !d.user.IsZero() {
		w.timer = time.NewTimer(time.Until(d.user))
		w.passed = w.timer.C
	}
	return w
}

// stop is called when the wait is over.
func (w writeWait) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// userPassed reports whether the owner's deadline has passed.
func (d *writeDeadline) userPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return passed(d.user)
}

// begin is called before each write that waits; limit is how long it may take, 0 for any time.
func (d *writeDeadline) begin(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = true
	d.stall = time.Time{}
	if limit > 0 {
		d.stall = time.Now().Add(limit)
	}
	d.apply()
}

// finish is called when no write waits any more.
func (d *writeDeadline) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting, d.cancelled = false, false
	d.apply()
}

// cancel ends the write that waits.
func (d *writeDeadline) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancelled = true
	if d.waiting {
		d.apply()
	}
}

// expired says what the timeout of the transport means.
func (d *writeDeadline) expired() expiry {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.cancelled:
		return expiredContext
	case !d.ours && passed(d.user):
		return expiredUser
	case passed(d.stall):
		return expiredStall
	}
	d.apply()
	return expiredNone
}
