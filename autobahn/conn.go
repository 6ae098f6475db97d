package autobahn

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A conn is the kit's end of an open connection. One goroutine, that of run, owns everything in it: a reader hands it
// what arrives, a writer takes what leaves, and timers fire between the two. So nothing that the kit does ever waits
// for the peer, and a peer that reads nothing before it has written everything is no deadlock.
type conn struct {
	nc       net.Conn
	isServer bool
	opt      *Options
	begun    time.Time
	c        *Case
	r        *Result

	rx       receiver
	sequence *sequence      // of rounds with compression, where other cases send the same
	deflater *deflater      // of those where none do
	params   *deflateParams // what was negotiated; nil without permessage-deflate
	in       chan []byte
	out      *writer
	pending  []byte // frames that leave in the next write

	state      state
	timers     []*timer // in no order
	deadline   *timer   // for what the peer owes to the closing handshake
	replied    bool     // the peer began the closing handshake, and has its answer
	broken     string   // the rule that the peer broke
	eventBytes int      // of the payloads of Received
	rounds     *rounds
	played     int       // steps that left with the opening handshake
	over       bool      // run has ended by itself, and not because its context did
	open       openFrame // what Data steps go on with
	log        logger
}

// state is that of the connection, as RFC 6455 §7.1 names them.
type state uint8

const (
	stateOpen state = iota
	stateClosing
	stateClosed
)

// run plays the case. early is what the peer sent right behind the opening handshake. It returns when the connection
// has ended; what is left to do with the socket goes on under wg.
func (c *conn) run(ctx context.Context, early []byte, wg *sync.WaitGroup) {
	c.in = make(chan []byte)
	ended := make(chan struct{})
	c.out = newWriter(c.nc)
	wg.Go(c.out.run)
	wg.Go(func() { c.read(ended) })
	c.begin()
	c.take(early)
	c.over = true
	for c.state != stateClosed {
		c.flush()
		t, due := c.next()
		select {
		case b, ok := <-c.in:
			if !ok {
				c.lost()
				break
			}
			c.take(b)
			chunks.Put((*[chunkSize]byte)(b[:chunkSize]))
		case <-due:
			c.stop(t)
			t.f()
		case <-ctx.Done():
			c.over = false
			c.drop()
		}
	}
	close(ended)
}

// cutOff tells whether ctx has ended before the case did. Then there is no result: the peer is not to blame.
func (c *conn) cutOff(ctx context.Context) bool { return ctx.Err() != nil && !c.over }

// chunkSize is what one read takes.
const chunkSize = 64 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// read hands run what arrives, until the peer ends the stream. When run has ended it goes on reading for a while: a
// socket that is closed with unread bytes in it resets the connection, and what the kit has sent last is lost.
func (c *conn) read(ended <-chan struct{}) {
	defer c.nc.Close()
	defer close(c.in)
	for {
		b := chunks.Get().(*[chunkSize]byte)
		n, err := c.nc.Read(b[:])
		if n > 0 {
			select {
			case c.in <- b[:n:chunkSize]:
			case <-ended:
			}
		}
		if err != nil {
			return
		}
	}
}

// take processes bytes of the peer.
func (c *conn) take(b []byte) {
	if len(b) == 0 {
		return
	}
	c.r.RxOctets[len(b)]++
	c.log.octets("RO", b)
	c.rx.feed(b)
}

// write has b leave in one write.
func (c *conn) write(b []byte) {
	if len(b) == 0 {
		return
	}
	c.r.TxOctets[len(b)]++
	c.log.octets("TO", b)
	if !c.out.put(b) {
		c.unread()
	}
}

// flush has what is pending leave in one write.
func (c *conn) flush() {
	b := c.pending
	c.pending = nil
	c.write(b)
}

// A timer is a call that is due at some time.
type timer struct {
	at time.Time
	f  func()
}

// after has run call f in d.
func (c *conn) after(d time.Duration, f func()) *timer {
	t := &timer{time.Now().Add(d), f}
	c.timers = append(c.timers, t)
	return t
}

// limit scales a time limit.
func (o *Options) limit(d time.Duration) time.Duration {
	if o.TimeoutScale > 0 {
		return time.Duration(float64(d) * o.TimeoutScale)
	}
	return d
}

// stop forgets a timer.
func (c *conn) stop(t *timer) {
	c.timers = slices.DeleteFunc(c.timers, func(x *timer) bool { return x == t })
}

// next returns the timer that is due first, and its time.
func (c *conn) next() (*timer, <-chan time.Time) {
	if len(c.timers) == 0 {
		return nil, nil
	}
	t := slices.MinFunc(c.timers, func(a, b *timer) int { return a.at.Compare(b.at) })
	return t, time.After(time.Until(t.at))
}

// A writer writes what is put into it, each piece by itself, in a goroutine of its own.
type writer struct {
	nc   net.Conn
	wake chan struct{} // holds one

	mu     sync.Mutex
	queue  [][]byte // guarded by mu
	queued int      // what has not left costs so many bytes; guarded by mu
	over   bool     // nothing more will be put; guarded by mu
}

// maxQueued bounds what waits for a peer that does not read. No case sends more than 16 MiB before something has come
// back; but a peer may ping for ever, and never read a Pong.
const maxQueued = 32 * mib

// pieceCost is what a piece costs beside its bytes.
const pieceCost = 64

func newWriter(nc net.Conn) *writer { return &writer{nc: nc, wake: make(chan struct{}, 1)} }

// put queues b, which is the writer's from then on. It returns false when that is too much.
func (w *writer) put(b []byte) bool {
	w.mu.Lock()
	cost := len(b) + pieceCost
	room := w.queued+cost <= maxQueued
	if room {
		w.queue = append(w.queue, b)
		w.queued += cost
	}
	w.mu.Unlock()
	w.signal()
	return room
}

// end closes the sending half of the connection when everything is written.
func (w *writer) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) run() {
	var err error
	for range w.wake {
		w.mu.Lock()
		queue, over := w.queue, w.over
		w.queue = nil
		w.mu.Unlock()
		for _, b := range queue {
			if err == nil {
				_, err = w.nc.Write(b) // the reader will see the end, too
			}
			w.mu.Lock()
			w.queued -= len(b) + pieceCost
			w.mu.Unlock()
		}
		if over {
			closeWrite(w.nc)
			return
		}
	}
}

// closeWrite ends the sending half, as far as the transport has halves.
func closeWrite(nc net.Conn) {
	if h, ok := nc.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	nc.Close()
}

// A logger keeps what happens on the wire.
type logger struct {
	on      bool
	bound   int // entries; 0 is no bound
	begun   time.Time
	entries []WireEntry
}

// logBound is where a log ends that nobody asked for in full.
const logBound = 1000

func (l *logger) add(e WireEntry) {
	if !l.on || l.bound > 0 && len(l.entries) > l.bound {
		return
	}
	e.At = float64(time.Since(l.begun).Microseconds()) / 1000
	if len(l.entries) == l.bound && l.bound > 0 {
		e = WireEntry{Kind: "WLM", At: e.At, Text: "the log ends here, after " + strconv.Itoa(l.bound) + " entries"}
	}
	l.entries = append(l.entries, e)
}

// octets and frame make entries only where they are kept: some cases have a million frames.
func (l *logger) octets(kind string, b []byte) {
	if l.on {
		l.add(WireEntry{Kind: kind, Size: len(b), Data: shownHex(b)})
	}
}

func (l *logger) frame(kind string, h header, payload []byte) {
	if l.on {
		l.add(frameEntry(kind, h, payload))
	}
}

func shownHex(b []byte) string { return hex.EncodeToString(b[:min(len(b), shownBytes)]) }
