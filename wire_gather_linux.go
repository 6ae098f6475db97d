package websocket

import (
	"syscall"
	"unsafe"
)

// tryGather is tryWrite for p and q behind it, with one system call (writev): q leaves from where it lies.
func (w *socketWire) tryGather(p, q []byte) (int, error) {
	w.tail = q
	n, err := w.tryWrite(p)
	w.tail = nil
	return n, err
}

// writeSome writes once what has not been written of out and tail.
func (w *socketWire) writeSome(fd int) (int, error) {
	switch {
	case len(w.tail) == 0:
		return syscall.Write(fd, w.out[w.wn:])
	case w.wn >= len(w.out):
		return syscall.Write(fd, w.tail[w.wn-len(w.out):])
	}
	p, q := w.out[w.wn:], w.tail
	iov := [2]syscall.Iovec{{Base: &p[0]}, {Base: &q[0]}}
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
