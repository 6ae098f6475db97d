//go:build linux && !386 && !s390x

package websocket

import (
	"syscall"
	"unsafe"
)

// An inqReader reads from a TCP socket and learns from the kernel whether anything is left: with TCP_INQ a recvmsg
// tells how many bytes are, where a FIN counts as one. A reset does not count.
type inqReader struct {
	asked   bool
	enabled bool
}

// optInq is TCP_INQ, which package syscall does not have; TCP_CM_INQ is the same. It came with Linux 4.18.
const optInq = 36

// enable asks for the hint, once. Where the kernel or the socket has none, reads go without it.
func (r *inqReader) enable(raw syscall.RawConn) {
	if r.asked {
		return
	}
	r.asked = true
	raw.Control(func(fd uintptr) {
		r.enabled = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, optInq, 1) == nil
	})
}

// read reads once. drained says that nothing is left in the socket, also no FIN.
func (r *inqReader) read(fd int, p []byte) (n int, drained bool, err error) {
	if !r.enabled {
		n, err = syscall.Read(fd, p)
		return n, false, err
	}
	var hint inqHint
	iov := syscall.Iovec{Base: &p[0]}
	iov.SetLen(len(p))
	msg := syscall.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&hint))}
	msg.SetControllen(int(unsafe.Sizeof(hint)))
	got, _, errno := syscall.Syscall(syscall.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
	if errno != 0 {
		return 0, false, errno
	}
	return int(got), hint.nothingLeft(int(msg.Controllen)), nil
}

// An inqHint is the control message that comes with the bytes. msg and hint stay on the stack, where the kernel writes
// them: a conversion in a call of Syscall keeps them alive, and they do not move while it runs.
type inqHint struct {
	header syscall.Cmsghdr
	left   int32 // bytes that are left
	_      int32 // to the alignment of control messages
}

// nothingLeft reports whether the hint, of which n bytes came, says so.
func (h *inqHint) nothingLeft(n int) bool {
	return n >= syscall.SizeofCmsghdr+4 && h.header.Level == syscall.IPPROTO_TCP && h.header.Type == optInq && h.left == 0
}
