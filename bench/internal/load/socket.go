// Package load is a load generator for Linux that has to be cheaper than any server: one thread, one epoll set, frames
// made beforehand, system calls that do not tell Go's scheduler, no allocation per message.
package load

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is one end of a TCP connection, by its descriptor. Once it is non-blocking a read that finds nothing returns
// errAgain, and what a write cannot place is kept in unsent.
type socket struct {
	fd     int
	unsent []byte
	tls    *tls.Conn // nil for plain TCP
}

// errAgain is Temporary, so that crypto/tls does not take it for the end of the connection.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

// call makes a system call without telling the scheduler, which is right for one that does not wait, or not for long.
func call(number uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, errAgain
		}
		return 0, errno
	}
}

// read returns plain bytes, io.EOF at the end.
func (s *socket) read(p []byte) (int, error) {
	if s.tls != nil {
		return s.tls.Read(p)
	}
	return s.readWire(p)
}

func (s *socket) readWire(p []byte) (int, error) {
	n, err := call(unix.SYS_READ, s.fd, p)
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

// send takes all of p, which must not change until it is sent.
func (s *socket) send(p []byte) error {
	if s.tls != nil {
		_, err := s.tls.Write(p)
		return err
	}
	n, err := call(unix.SYS_WRITE, s.fd, p)
	if err != nil && err != errAgain {
		return err
	}
	if n < len(p) {
		s.unsent = p[n:]
	}
	return nil
}

// flush sends what is unsent, as far as that is possible.
func (s *socket) flush() error {
	n, err := call(unix.SYS_WRITE, s.fd, s.unsent)
	if err != nil && err != errAgain {
		return err
	}
	if s.unsent = s.unsent[n:]; len(s.unsent) == 0 {
		s.unsent = nil
	}
	return nil
}

// A tlsWire is the net.Conn beneath crypto/tls.
type tlsWire struct{ s *socket }

func (w tlsWire) Read(p []byte) (int, error) { return w.s.readWire(p) }

// Write takes all of p; what the socket does not take is copied.
func (w tlsWire) Write(p []byte) (int, error) {
	s := w.s
	if s.unsent != nil {
		s.unsent = append(s.unsent, p...)
		return len(p), nil
	}
	n, err := call(unix.SYS_WRITE, s.fd, p)
	if err != nil && err != errAgain {
		return 0, err
	}
	if n < len(p) {
		s.unsent = append([]byte(nil), p[n:]...)
	}
	return len(p), nil
}

func (w tlsWire) Close() error                     { return nil }
func (w tlsWire) LocalAddr() net.Addr              { return nil }
func (w tlsWire) RemoteAddr() net.Addr             { return nil }
func (w tlsWire) SetDeadline(time.Time) error      { return nil }
func (w tlsWire) SetReadDeadline(time.Time) error  { return nil }
func (w tlsWire) SetWriteDeadline(time.Time) error { return nil }

// cut closes the connection without leaving anything behind.
func (s *socket) cut() {
	unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(s.fd)
}
