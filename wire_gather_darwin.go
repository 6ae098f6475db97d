package websocket

import "syscall"

// writeSome writes once what has not been written of out. Package syscall has no writev here that may be used.
func (w *socketWire) writeSome(fd int) (int, error) { return syscall.Write(fd, w.out[w.wn:]) }
