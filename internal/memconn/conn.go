// Package memconn connects two ends in memory, with the behaviour of a TCP connection where it matters to a protocol:
// both directions are buffered, a full buffer blocks the writer, one direction can be closed while the other goes on,
// deadlines wake blocked calls, and a connection can be reset.
//
// Unlike [net.Pipe], a Write returns as soon as its bytes are in the peer's buffer. Inside a [testing/synctest] bubble
// a blocked Read or Write is durably blocked, so fake time advances over it.
//
// An idle connection costs a few hundred bytes: buffers appear with the first byte and go when the last one has been
// read.
package memconn

import (
	"net"
	"time"
)

// DefaultSize is the number of bytes that each direction buffers, if [Pair] is not told otherwise.
const DefaultSize = 64 << 10

// Conn is one end of a connection in memory. It is a [net.Conn], and any number of goroutines may use it at the same
// time.
//
// Errors are those of a TCP connection, wrapped in a [*net.OpError]: [net.ErrClosed] after the own Close,
// [os.ErrDeadlineExceeded] after a deadline, [syscall.EPIPE] for a Write that the peer will never read,
// [syscall.ECONNRESET] after the peer's Reset. At the end of the stream Read returns [io.EOF] itself.
type Conn struct {
	in, out *half
}

var _ net.Conn = (*Conn)(nil)

// Pair returns two connected ends. Each direction buffers up to size bytes; 0 or less means [DefaultSize].
func Pair(size int) (a, b *Conn) {
	if size <= 0 {
		size = DefaultSize
	}
	var pair struct {
		ends   [2]Conn
		halves [2]half
	}
	for i := range pair.halves {
		pair.halves[i].init(size)
	}
	a, b = &pair.ends[0], &pair.ends[1]
	a.in, a.out = &pair.halves[0], &pair.halves[1]
	b.in, b.out = a.out, a.in
	return a, b
}

// Read takes bytes that have arrived, and blocks while there are none.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, opError("read", err)
}

// Write hands p to the peer's buffer, and blocks while that is full. Writes of several goroutines do not mix. After an
// error n bytes have been taken.
func (c *Conn) Write(p []byte) (n int, err error) {
	n, err = c.out.write(p, true)
	return n, opError("write", err)
}

// TryWrite is a Write that never blocks: it hands over what fits, which may be nothing, and returns how much that was.
// A full buffer is no error.
func (c *Conn) TryWrite(p []byte) (n int, err error) {
	n, err = c.out.write(p, false)
	return n, opError("write", err)
}

// CloseWrite ends the outgoing direction: the peer reads what is still buffered and then [io.EOF]. Reading goes on.
func (c *Conn) CloseWrite() error { return opError("close", c.out.shutWriter()) }

// Close ends both directions. The peer reads what is still buffered and then [io.EOF]; what it sends from now on, or
// has sent and was not read, is lost. Blocked calls return. A second Close returns [net.ErrClosed].
func (c *Conn) Close() error {
	c.out.closeWriter()
	return opError("close", c.in.closeReader())
}

// Reset closes this end as a TCP reset does: buffered bytes are lost in both directions, and the peer's calls fail with
// [syscall.ECONNRESET] at once.
func (c *Conn) Reset() {
	c.out.reset() // first, or the peer might see an orderly end
	c.in.reset()
	c.out.closeWriter()
	c.in.closeReader()
}

// SetDeadline sets both the read and the write deadline.
func (c *Conn) SetDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return c.SetReadDeadline(t)
}

// SetReadDeadline makes present and future Reads fail once t has passed, with an error for which Timeout reports true.
// The zero time means no deadline, and makes the connection usable again after one has passed.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return opError("set", c.in.setReadDeadline(t))
}

// SetWriteDeadline is SetReadDeadline for Write and TryWrite.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return opError("set", c.out.setWriteDeadline(t))
}

// LocalAddr returns an address whose network is "pipe".
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr returns an address whose network is "pipe".
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }
