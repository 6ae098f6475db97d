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
	onEnd        func(*Conn) // called once, when the connection has ended
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
	role         role
	subprotocol  string
	writeTimeout time.Duration // 0: none
	closeTimeout time.Duration
	keepalive    Keepalive    // Interval 0: off
	extension    string       // what was agreed on, "" for nothing
	variant      frameVariant // of the frames that it shares with other connections
	nc           net.Conn
	wire         wire
	id           uint64        // its number in this process
	done         chan struct{} // closed when the connection has ended

	// reading is the read token: whoever has set it owns the reader's fields.
	reading atomic.Bool

	// Owned by the reader.
	in          readBuffer
	dec         decoder
	pending     event          // a piece of the next message that was decoded but not delivered
	message     *messageReader // the message that NextReader began; nil if none or at its end
	alive       aliveState
	readContext context.Context // of the ReadContext that is under way
	resumable   bool            // the reader is a StreamConn: a deadline in the middle of a message loses nothing

	// wlock is the write lock, a channel of one slot: taken while it is full. Only so can a context give up waiting for
	// it. Whoever holds it owns the writer's fields.
	wlock chan struct{}

	// Owned by the writer.
	enc        encoder
	werr       error          // why nothing can be sent any more
	out        *buffer        // frames that collect, or that a socket has not taken; nil if there are none
	outSent    int            // how much of out has left
	rest       []byte         // what a socket did not take of a frame that is shared with other connections; goes before out
	stuck      bool           // the socket takes nothing: a goroutine has to wait for it
	stream     *messageWriter // the message that NextWriter began
	timer      *time.Timer    // bounds how long frames collect; nil until that has happened once
	timerArmed bool

	// Facts that one goroutine sets and others look at.
	more       atomic.Bool // by the reader: complete frames wait in the read buffer, so replies may collect
	collecting atomic.Bool // by the writer: frames collect in out
	queued     atomic.Bool // queue holds something for whoever releases the write lock
	serving    atomic.Bool // a Handler's callback is running
	dying      atomic.Bool // cause is set

	queue writeQueue    // what waits for the write lock; has a mutex of its own
	rdl   readDeadline  // has a mutex of its own
	wdl   writeDeadline // has a mutex of its own
	pings pingState     // has a mutex of its own

	readLimit atomic.Int64
	counters  counters

	// Guarded by mu, which is never held while anything waits.
	mu         sync.Mutex
	closing    closeState
	cause      error // why the connection ends; the first one stays
	closeError error // what the first Close returns
	ended      bool
	endHooks   []func()

	// Fixed once dying is set.
	readerLeft chan struct{} // has room for one; told when a reader leaves a connection that is ending
	closeOut   chan struct{} // closed when our Close has left, or could not
}

// lastConnID numbers the connections of this process.
var lastConnID atomic.Uint64

// newConn makes the Conn of a transport on which the opening handshake is over. leftover is what was read behind the
// handshake; it is copied.
func newConn(nc net.Conn, r role, cfg connConfig, leftover []byte) *Conn {
	c := &Conn{
		role:         r,
		subprotocol:  cfg.subprotocol,
		writeTimeout: option(cfg.writeTimeout, DefaultWriteTimeout),
		closeTimeout: option(cfg.closeTimeout, DefaultCloseTimeout),
		keepalive:    cfg.keepalive.resolve(r),
		nc:           nc,
		id:           lastConnID.Add(1),
		done:         make(chan struct{}),
		wlock:        make(chan struct{}, 1),
		dec:          decoder{role: r},
		enc:          encoder{role: r},
	}
	if r == clientRole {
		c.enc.keys = nextMaskKey
	}
	if cfg.deflate.on {
		c.useDeflate(cfg.deflate)
	}
	if c.closeTimeout == 0 {
		c.closeTimeout = DefaultCloseTimeout // a Close without a bound is a leak
	}
	c.SetReadLimit(cfg.readLimit)
	c.wire, c.in.pool = newWire(nc)
	c.in.seed(leftover)
	c.rdl.nc, c.wdl.nc = nc, nc
	if cfg.onEnd != nil {
		c.atEnd(func() { cfg.onEnd(c) })
	}
	return c
}

// useDeflate sets up both halves for what was agreed on. RFC 7692.
func (c *Conn) useDeflate(p deflateParams) {
	c.extension = p.answer
	c.dec.inflater.Decoder = deflate.NewDecoder(p.receive.bits, p.receive.takeover)
	takeover := p.send.takeover && p.level != CompressionHuffman
	c.enc.deflater = deflater{
		Encoder:   deflate.NewEncoder(p.send.bits, takeover, p.level.internal()),
		takeover:  takeover,
		threshold: p.threshold,
		fragments: p.fragments,
	}
	if !takeover || !p.preparedTakeover {
		c.variant = frameVariant{uint8(p.send.bits), p.level, p.threshold}
	}
}

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
func (c *Conn) Done() <-chan struct{} { return c.done }
