package websocket

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket/internal/deflate"
)

// This file holds the connection itself: who owns what. Reading is in read.go and nextreader.go, writing in write.go
// and nextwriter.go, what waits to be written in writeq.go, keepalive in keepalive.go, how it ends in ending.go.

// Defaults of the options that Upgrader, Dialer and Pipe share. In every option 0 means the default and a negative
// value means off.
const (
	DefaultReadLimit    = 32 << 20         // bytes of a message
	DefaultWriteTimeout = 10 * time.Second // for the peer to take what is written
	DefaultCloseTimeout = 5 * time.Second  // for the whole closing handshake

	// lingerTime and lingerBytes bound how long input is thrown away after we failed a connection, so that the peer
	// gets to read why: closing a socket with unread input resets the connection and destroys what is under way.
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
	deflate      deflateParams
	register     *Upgrader // has the connection in its register until it has ended; nil for none
}

// settings are what is fixed with the opening handshake and the same for all connections that agreed on the same: those
// of an Upgrader share one copy.
type settings struct {
	role         role
	subprotocol  string
	writeTimeout time.Duration // 0: none
	closeTimeout time.Duration
	keepalive    Keepalive    // Interval 0: off
	extension    string       // what was agreed on, "" for nothing
	variant      frameVariant // of the frames that it shares with other connections
	register     *Upgrader
}

// settings resolves the options.
func (cfg *connConfig) settings(r role) settings {
	s := settings{
		role:         r,
		subprotocol:  cfg.subprotocol,
		writeTimeout: option(cfg.writeTimeout, DefaultWriteTimeout),
		closeTimeout: option(cfg.closeTimeout, DefaultCloseTimeout),
		keepalive:    cfg.keepalive.resolve(r),
		register:     cfg.register,
	}
	if s.closeTimeout == 0 {
		s.closeTimeout = DefaultCloseTimeout // a Close without a bound is a leak
	}
	if p := cfg.deflate; p.on {
		s.extension = p.answer
		if !p.sendsContext() || !p.preparedTakeover {
			s.variant = frameVariant{uint8(p.send.bits), p.level, p.threshold}
		}
	}
	return s
}

// A Conn is a WebSocket connection, of either side. [Upgrader.Upgrade], [Dialer.Dial] and [Pipe] make one.
//
// Any number of goroutines may write, ping and close at the same time; one may read. All errors that end the connection
// stay: once a method has returned one, it returns it again. When a read has returned such an error the socket is
// closed; calling Close as well does no harm.
//
// Control frames are handled while a read waits: Pings are answered, Pongs counted, a Close is echoed. A connection
// that nobody reads therefore notices nothing: owners who only write call [Conn.Drain].
type Conn struct {
	// Fixed after construction.
	*settings
	nc   net.Conn
	wire wire
	id   uint64 // its number in this process

	// reading is the read token: whoever has set it owns the reader's fields.
	reading atomic.Bool

	// Owned by the reader.
	resumable   bool // it is a StreamConn: a deadline in the middle of a message loses nothing
	in          readBuffer
	dec         decoder
	pending     event          // a piece of the next message that was decoded but not delivered
	message     *messageReader // the message that NextReader began; nil if none or at its end
	alive       aliveState
	readContext context.Context // of the ReadContext that is under way

	// wlock is the write lock. Whoever holds it owns the writer's fields.
	wlock writeLock

	// Owned by the writer.
	enc        encoder
	werr       error          // why nothing can be sent any more
	out        *buffer        // frames that collect, or that a socket has not taken; nil if there are none
	outSent    int            // how much of out has left
	rest       []byte         // what a socket did not take of a frame that is shared with other connections; goes before out
	stream     *messageWriter // the message that NextWriter began
	timer      *time.Timer    // bounds how long frames collect; nil until that has happened once
	timerArmed bool
	stuck      bool // the socket takes nothing: a goroutine has to wait for it

	// Facts that one goroutine sets and others look at.
	more       atomic.Bool // by the reader: complete frames wait in the read buffer, so replies may collect
	collecting atomic.Bool // by the writer: frames collect in out
	queued     atomic.Bool // queue holds something for whoever releases the write lock
	serving    atomic.Bool // a Handler's callback is running
	dying      atomic.Bool // ending is set

	queue  writeQueue                    // what waits for the write lock; has a mutex of its own
	rdl    readDeadline                  // has a mutex of its own
	wdlMem atomic.Pointer[writeDeadline] // has a mutex of its own; see wdl

	readLimit atomic.Int64
	counters  counters

	// Guarded by mu, which is never held while anything waits.
	mu        sync.Mutex
	closing   closeState
	ended     bool
	over      bool                  // nobody has to be told of the end any more
	done      chan struct{}         // closed when over is set; nil until somebody asks for it
	endHook   func()                // what to do when the connection has ended; nil for nothing
	closeHook func(context.Context) // what to wait for before our Close; nil for nothing
	pinged    *pingState            // has a mutex of its own; nil until a Ping is sent

	// ending is nil as long as the connection does not end, and fixed once dying is set.
	ending *ending
}

// An ending is how a connection ends. The mutex of the Conn guards closeError.
type ending struct {
	cause      error         // the first one; fixed
	closeError error         // what the first Close returns
	readerLeft chan struct{} // has room for one; told when a reader leaves the connection
	closeOut   chan struct{} // closed when our Close has left, or could not
}

// lastConnID numbers the connections of this process.
var lastConnID atomic.Uint64

// newConn makes the Conn of a transport on which the opening handshake is over. leftover is what was read behind the
// handshake; it is copied.
func newConn(nc net.Conn, r role, cfg connConfig, leftover []byte) *Conn {
	c := &Conn{
		nc:  nc,
		id:  lastConnID.Add(1),
		dec: decoder{role: r},
		enc: encoder{role: r},
	}
	if s := cfg.settings(r); cfg.register != nil {
		c.settings = cfg.register.share(s)
	} else {
		own := s // so that only here it takes memory
		c.settings = &own
	}
	if r == clientRole {
		c.enc.keys = nextMaskKey
	}
	if cfg.deflate.on {
		c.useDeflate(cfg.deflate)
	}
	c.SetReadLimit(cfg.readLimit)
	c.wire, c.in.pool = newWire(nc)
	c.in.seed(leftover)
	c.rdl.nc = nc
	return c
}

// useDeflate sets up both halves for what was agreed on. RFC 7692.
func (c *Conn) useDeflate(p deflateParams) {
	c.dec.inflater.Decoder = deflate.NewDecoder(p.receive.bits, p.receive.takeover)
	c.enc.deflater = &deflater{
		Encoder:   deflate.NewEncoder(p.send.bits, p.send.takeover, p.level.internal()),
		threshold: p.threshold,
		fragments: p.fragments,
	}
	c.counters.compressed = new(compressedCounters)
}

// sendsContext reports whether the context of what we send is taken over.
func (p *deflateParams) sendsContext() bool { return p.send.takeover && p.level != CompressionHuffman }

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

// Extension returns the extension that the handshake agreed on: permessage-deflate with the parameters of the server's
// answer, in the order of RFC 7692, or "" if none. RFC 6455, section 9.1.
func (c *Conn) Extension() string { return c.extension }

// LocalAddr returns our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the peer's address, which is a proxy's if there is one in between.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the transport: a *net.TCPConn, *tls.Conn or whatever DialContext made. Reading from it, writing to it
// or setting its deadlines breaks the connection; it is for socket options. To end it use CloseNow: a Handler that closes
// the transport itself may wait for itself.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Done returns a channel that is closed when the connection has ended. Its socket is closed then, unless a Handler's
// callback is still running: then it is shut down, and closed when the callback returns.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.over {
			close(c.done)
		}
	}
	return c.done
}
