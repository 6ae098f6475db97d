//go:build linux || darwin

package websocket

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// A socketWire reads a TCP or Unix socket without holding a buffer while it waits: inside one RawConn.Read callback it
// takes a buffer, tries to read, and gives the buffer back before it lets the goroutine park.
//
// There are two ways. fill reads once, and its callback returns with the bytes; the next fill begins with a read that
// usually finds nothing, since entering RawConn.Read forgets that the socket became ready meanwhile. serve stays inside
// the callback for as long as the connection lasts, and hands out the bytes there: it parks without a vain read.
//
// Two traps lie here.
//
// First, closing a net.Conn waits until its callbacks have returned, so a Close from inside the callback waits for
// itself. fill has nothing but system calls in there. In serve there may be the application's code; see Conn.closeSocket.
//
// Second, readiness is edge-triggered: data and a FIN that arrive together raise one edge, so a loop that parks after a
// short read never hears of the FIN. Therefore it parks only after a read that found nothing (EAGAIN), or when two
// things are known: the kernel said with the bytes that nothing is left behind them, not even a FIN (wire_inq_linux.go),
// and the socket has taken a write since, so that no reset had come either, of which that hint says nothing. An echo
// parks that way, with one system call to read and one to write.
type socketWire struct {
	raw syscall.RawConn

	// Arguments and results of the two callbacks, which are made once so that a call allocates nothing. The first group
	// belongs to the reader, the second to the holder of the write lock.
	readable func(fd uintptr) bool // nil until it is needed
	taker    taker
	rerr     error
	eof      bool
	inq      inqReader
	reads    atomic.Uint32 // how many have begun

	writable func(fd uintptr) bool // nil until it is needed
	out      []byte
	tail     []byte // goes behind out, see tryGather
	wn       int
	werr     error
	wroteIn  atomic.Uint32 // reads, when the latest write that the socket took began
}

// newSocketWire returns nil if nc is not a plain socket.
func newSocketWire(nc net.Conn) wire {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return &socketWire{raw: raw}
}

func (w *socketWire) fill(b *readBuffer) error { return w.read((*filler)(b)) }

func (w *socketWire) serve(t taker) error {
	w.inq.enable(w.raw)
	return w.read(t)
}

// read gives t what comes until it has enough.
func (w *socketWire) read(t taker) error {
	if w.readable == nil {
		w.readable = w.readOn
	}
	w.taker, w.rerr, w.eof = t, nil, false
	err := w.raw.Read(w.readable)
	w.taker = nil
	switch {
	case err != nil:
		t.idle()
		return err // closed, or a deadline passed
	case w.rerr != nil:
		return os.NewSyscallError("read", w.rerr)
	case w.eof:
		return io.EOF
	}
	return nil
}

// A filler is a readBuffer that takes what one read brings.
type filler readBuffer

func (f *filler) space() []byte { return (*readBuffer)(f).space() }

func (f *filler) take(n int) bool {
	(*readBuffer)(f).filled(n)
	return false
}

func (f *filler) idle() { (*readBuffer)(f).release() }

// maxReadsInside is after how many reads without a wait serve leaves the callback, for a moment: a peer that never
// stops sending must not keep it there, since closing the socket waits for it and deadlines pass outside it.
const maxReadsInside = 16

// readOn runs inside RawConn.Read. It returns false to park until the socket is readable, true to leave.
func (w *socketWire) readOn(fd uintptr) bool {
	for reads := 0; reads < maxReadsInside; {
		thisRead := w.reads.Add(1)
		n, drained, err := w.inq.read(int(fd), w.taker.space())
		switch err {
		case nil:
			w.eof = n == 0
			if w.eof || !w.taker.take(n) {
				w.taker.idle()
				return true
			}
			if drained && w.wroteIn.Load() == thisRead {
				w.taker.idle()
				return false
			}
			reads++
		case syscall.EINTR:
		case syscall.EAGAIN:
			w.taker.idle()
			return false
		default:
			w.rerr = err
			w.taker.idle()
			return true
		}
	}
	return true
}

func (w *socketWire) tryWrite(p []byte) (int, error) {
	if w.writable == nil {
		w.writable = w.writeOnce
	}
	w.out, w.wn, w.werr = p, 0, nil
	err := w.raw.Write(w.writable)
	w.out = nil
	if err == nil && w.werr != nil {
		err = os.NewSyscallError("write", w.werr)
	}
	return w.wn, err
}

// writeOnce runs inside RawConn.Write. It always returns true: it never waits.
func (w *socketWire) writeOnce(fd uintptr) bool {
	for w.wn < len(w.out)+len(w.tail) {
		thisRead := w.reads.Load()
		n, err := w.writeSome(int(fd))
		switch err {
		case nil:
			w.wn += n
			w.wroteIn.Store(thisRead)
			if n == 0 {
				return true
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			w.werr = err
			return true
		}
	}
	return true
}

func (w *socketWire) canTry() bool { return true }
