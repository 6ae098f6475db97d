//go:build linux && !386 && !s390x

package websocket

import (
	"syscall"
	"unsafe"
)

// An inqReader reads from a TCP socket and learns from the kernel whether anything is left: with TCP_INQ a recvmsg
// tells how many bytes are, where a FIN counts as one. A reset does not count.
type inqReader struct {
	enabled bool
	msg     syscall.Msghdr
	iov     syscall.Iovec
	control [inqControl]byte
}

const (
	// optInq is TCP_INQ, which package syscall does not have; TCP_CM_INQ is the same. It came with Linux 4.18.
	optInq     = 36
	inqControl = syscall.SizeofCmsghdr + 8 // the message's int32, aligned
)

// enable asks for the hint. Where the kernel or the socket has none, reads go without it.
func (r *inqReader) enable(raw syscall.RawConn) {
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
	r.iov.Base = &p[0]
	r.iov.SetLen(len(p))
	r.msg = syscall.Msghdr{Iov: &r.iov, Iovlen: 1, Control: &r.control[0]}
	r.msg.SetControllen(len(r.control))
	got, _, errno := syscall.Syscall(syscall.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msg)), 0)
	r.iov.Base = nil
	if errno != 0 {
		return 0, false, errno
	}
	return int(got), int(got) < len(p) && r.left() == 0, nil
}

// left returns the hint of the last read: the bytes that are left, -1 if it did not come.
func (r *inqReader) left() int32 {
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&r.control[0]))
	if int(r.msg.Controllen) < syscall.SizeofCmsghdr+4 || h.Level != syscall.IPPROTO_TCP || h.Type != optInq {
		return -1
	}
	return *(*int32)(unsafe.Pointer(&r.control[syscall.SizeofCmsghdr]))
}
