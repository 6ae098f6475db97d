//go:build darwin || (linux && (386 || s390x))

package websocket

import "syscall"

// An inqReader has no hint here of what is left in the socket.
type inqReader struct{}

func (*inqReader) enable(syscall.RawConn) {}

func (*inqReader) read(fd int, p []byte) (n int, drained bool, err error) {
	n, err = syscall.Read(fd, p)
	return n, false, err
}
