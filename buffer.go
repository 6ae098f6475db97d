package websocket

import "sync"

// Buffers are borrowed while bytes are in flight and given back before a connection goes idle. A pool holds plain
// memory only, no timers and no channels, so that it may be shared by tests that each live in a time of their own.

const (
	// smallBuffer is for reading through transports that hold their buffer while they wait.
	smallBuffer = 4 << 10
	// mediumBuffer is for reading from sockets, and for collecting what is to be written.
	mediumBuffer = collectLimit + maxGrowth
	// largeBuffer is for reading from sockets while that pays, for masking large messages on their way out, and for
	// those that arrive in pieces. It takes a frame of 64 KiB.
	largeBuffer = 64<<10 + maxGrowth
	// maxKeptMessage is the largest memory of a message that the pool keeps after it has grown.
	maxKeptMessage = 2 << 20
)

// A buffer is memory on loan from its pool: b is what it holds.
type buffer struct {
	b    []byte
	pool *sync.Pool
}

var (
	smallPool  = newBufferPool(smallBuffer)
	mediumPool = newBufferPool(mediumBuffer)
	largePool  = newBufferPool(largeBuffer)
	// messagePool is for messages as a whole: those that arrive in pieces for a Handler, and what is inflated or
	// compressed in one go. Its memory may grow, see freeMessage.
	messagePool = newBufferPool(largeBuffer)
)

func newBufferPool(size int) *sync.Pool {
	p := new(sync.Pool)
	p.New = func() any { return &buffer{b: make([]byte, 0, size), pool: p} }
	return p
}

func getBuffer(p *sync.Pool) *buffer { return p.Get().(*buffer) }

// free gives b back. b must not be used afterwards.
func (b *buffer) free() {
	b.b = b.b[:0]
	b.pool.Put(b)
}

// freeMessage is free for memory that may have grown. It is kept, unless it is very large: the next large message is
// likely to be as large.
func (b *buffer) freeMessage() {
	if cap(b.b) <= maxKeptMessage {
		b.free()
	}
}

// A readBuffer holds the bytes that were received and not decoded yet. It has memory only while there are such bytes,
// or while a read is under way.
type readBuffer struct {
	mem  *buffer
	r, w int // the bytes are mem.b[r:w]; mem.b has its full capacity as its length
	pool *sync.Pool
}

// adapt chooses the memory of the next reads after one that has come to here: large if it filled what there was, medium
// if it had not needed more. A buffer that is held while a read waits stays small.
func (b *readBuffer) adapt() {
	switch {
	case b.pool == smallPool:
	case b.w == len(b.mem.b):
		b.pool = largePool
	case b.w <= mediumBuffer:
		b.pool = mediumPool
	}
}

// bypassed notes that the n bytes that come next do not go through the buffer. If they are many it does not have to be
// large: what it takes of the next such message is copied.
func (b *readBuffer) bypassed(n uint64) {
	if b.pool == largePool && n > largeBuffer {
		b.pool = mediumPool
	}
}

// bytes returns what is there to decode.
func (b *readBuffer) bytes() []byte {
	if b.mem == nil {
		return nil
	}
	return b.mem.b[b.r:b.w]
}

func (b *readBuffer) len() int { return b.w - b.r }

// consume drops the first n bytes. The memory stays until release, since events point into it.
func (b *readBuffer) consume(n int) { b.r += n }

// space returns where the next read may put its bytes. It borrows memory if there is none, and moves what is left of an
// incomplete frame to the front.
func (b *readBuffer) space() []byte {
	switch {
	case b.mem == nil:
		b.mem = getBuffer(b.pool)
		b.mem.b = b.mem.b[:cap(b.mem.b)]
	case b.r > 0:
		b.w = copy(b.mem.b, b.mem.b[b.r:b.w])
		b.r = 0
	}
	return b.mem.b[b.w:]
}

// filled tells how many bytes a read put into space.
func (b *readBuffer) filled(n int) {
	b.w += n
	b.adapt()
}

// release gives the memory back if nothing is left to decode.
func (b *readBuffer) release() {
	if b.mem != nil && b.r == b.w {
		b.mem.free()
		b.mem, b.r, b.w = nil, 0, 0
	}
}

// seed puts p, the bytes that came right behind the handshake, in front of everything. It is called once, before the
// first read. p may be larger than the pool's buffers.
func (b *readBuffer) seed(p []byte) {
	if len(p) == 0 {
		return
	}
	if len(p) <= cap(b.space()) {
		b.filled(copy(b.space(), p))
		return
	}
	b.mem.free()
	own := make([]byte, len(p))
	b.w = copy(own, p)
	b.mem = &buffer{b: own, pool: new(sync.Pool)}
}

// hasFrame reports whether a complete frame is there.
func (b *readBuffer) hasFrame() bool {
	p := b.bytes()
	h, n := ParseHeader(p)
	return n > 0 && uint64(len(p)-n) >= h.Length
}
