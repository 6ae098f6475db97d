package memconn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// half is one direction of a connection, from its writer to its reader.
//
// All waiting is on changed, which gives up mu: sync.Cond is durably blocking inside a synctest bubble. Every change of
// a field below wakes all waiters.
type half struct {
	limit int // how many bytes may wait in data

	mu            sync.Mutex
	changed       sync.Cond
	data          ring
	writing       bool // a Write is under way, so that no other mixes with it
	writerShut    bool // CloseWrite: end of stream behind data
	writerClosed  bool // Close on the writer's end
	readerClosed  bool // Close on the reader's end
	wasReset      bool // Reset on either end
	readDeadline  deadline
	writeDeadline deadline
}

func (h *half) init(limit int) {
	h.limit = limit
	h.changed.L = &h.mu
	h.readDeadline.wake = h.wake
	h.writeDeadline.wake = h.wake
}

// wake makes all waiters look again.
func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if err := h.readError(); err != nil {
			return 0, err
		}
		if len(p) == 0 {
			return 0, nil
		}
		if h.data.count > 0 {
			h.changed.Broadcast()
			return h.data.read(p), nil
		}
		if h.writerShut || h.writerClosed {
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

// readError says why the reader gets nothing, not even what is buffered.
func (h *half) readError() error {
	switch {
	case h.readerClosed:
		return net.ErrClosed
	case h.wasReset:
		return os.NewSyscallError("read", syscall.ECONNRESET)
	case h.readDeadline.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// write hands over p: all of it, waiting for room, or without waiting as much as there is room for now.
func (h *half) write(p []byte, wait bool) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.writing && h.writeError() == nil {
		if !wait {
			return 0, nil
		}
		h.changed.Wait()
	}
	if err := h.writeError(); err != nil {
		return 0, err
	}
	h.writing = true
	defer h.endWrite()
	for {
		if err := h.writeError(); err != nil {
			return n, err
		}
		n += h.take(p[n:])
		if n == len(p) || !wait {
			return n, nil
		}
		h.changed.Wait()
	}
}

// take moves as much of p as fits into data.
func (h *half) take(p []byte) int {
	n := min(len(p), h.limit-h.data.count)
	if n > 0 {
		h.data.write(p[:n])
		h.changed.Broadcast()
	}
	return n
}

// endWrite lets the next Write begin.
func (h *half) endWrite() {
	h.writing = false
	h.changed.Broadcast()
}

// writeError says why nothing can be written.
func (h *half) writeError() error {
	switch {
	case h.writerClosed:
		return net.ErrClosed
	case h.wasReset:
		return os.NewSyscallError("write", syscall.ECONNRESET)
	case h.writerShut, h.readerClosed:
		return os.NewSyscallError("write", syscall.EPIPE)
	case h.writeDeadline.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (h *half) shutWriter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writerClosed {
		return net.ErrClosed
	}
	h.writerShut = true
	h.changed.Broadcast()
	return nil
}

func (h *half) closeWriter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writerClosed = true
	h.writeDeadline.set(time.Time{})
	h.changed.Broadcast()
}

func (h *half) closeReader() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readerClosed {
		return net.ErrClosed
	}
	h.readerClosed = true
	h.readDeadline.set(time.Time{})
	h.data.drop()
	h.changed.Broadcast()
	return nil
}

func (h *half) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wasReset = true
	h.data.drop()
	h.changed.Broadcast()
}

func (h *half) setReadDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readerClosed {
		return net.ErrClosed
	}
	h.readDeadline.set(t)
	h.changed.Broadcast()
	return nil
}

func (h *half) setWriteDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writerClosed {
		return net.ErrClosed
	}
	h.writeDeadline.set(t)
	h.changed.Broadcast()
	return nil
}
