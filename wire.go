package websocket

import (
	"net"
	"sync"
	"time"
)

// A wire is how the driver reaches the transport. There are two: sockets that can be asked whether they are ready
// (wire_socket.go), and everything else (here). An engine that is told by the kernel which sockets are ready, or a
// stream of HTTP/2, would be a third; the protocol core above does not see the difference.
type wire interface {
	// fill waits for bytes and reads at least one into b, or returns an error. Only the reader calls it.
	fill(b *readBuffer) error
	// tryWrite sends what the transport takes of p at once and returns how much that was. It never waits. Only the
	// holder of the write lock calls it.
	tryWrite(p []byte) (int, error)
	// serve waits for bytes again and again and gives them to t, until t has enough or the transport has no more. It may
	// return nil before that, and may be called again after that and after a timeout. Only the reader calls it.
	serve(t taker) error
	// canTry reports whether tryWrite does anything. If not, the only way to write is to wait.
	canTry() bool
}

// A taker takes what a wire receives.
type taker interface {
	// space returns where the next bytes go. It may be called again before any have come.
	space() []byte
	// take is told that the first n bytes of space have come. It returns false to end the serving.
	take(n int) bool
	// idle is called before the wire waits for bytes. Space that was given out is not used any more if the wire can do
	// without one while it waits.
	idle()
}

// transport is what a Conn needs of a net.Conn.
type transport interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// newWire picks the wire for nc, and the pool of its read buffers: a wire that holds its buffer while it waits has a
// small one.
func newWire(nc net.Conn) (wire, *sync.Pool) {
	if w := newSocketWire(nc); w != nil {
		return w, mediumPool
	}
	w := &plainWire{t: nc}
	w.try, _ = nc.(tryWriter)
	return w, smallPool
}

// A tryWriter is a transport that can write without waiting. It returns how many bytes it took, 0 and nil if none.
type tryWriter interface {
	TryWrite(p []byte) (int, error)
}

// A plainWire reads with Read and therefore holds a buffer while it waits: TLS, pipes, and systems without a wire of
// their own.
type plainWire struct {
	t   transport
	try tryWriter // nil if t is none
}

func (w *plainWire) fill(b *readBuffer) error {
	n, err := w.t.Read(b.space())
	b.filled(n)
	if n > 0 {
		return nil // the error, if any, comes again
	}
	b.release()
	return err
}

func (w *plainWire) serve(t taker) error {
	for {
		t.idle()
		n, err := w.t.Read(t.space())
		switch {
		case n > 0:
			if !t.take(n) {
				return nil
			}
		case err != nil:
			t.idle()
			return err
		}
	}
}

func (w *plainWire) tryWrite(p []byte) (int, error) {
	if w.try == nil {
		return 0, nil
	}
	return w.try.TryWrite(p)
}

func (w *plainWire) canTry() bool { return w.try != nil }
