package deflate

// window is the history that matches may reach back into: the last bytes that were decoded, at most size of them.
//
// The memory is taken as bytes come, doubled when it is full, and never above size. Until size bytes have come they are
// in order; from then on buf is a ring.
type window struct {
	buf  []byte
	head int // behind the latest byte; the oldest is there in a ring
	size int
}

// minWindow is the least memory that a window takes.
const minWindow = 512

// add appends p to the history.
func (w *window) add(p []byte) {
	p = p[max(0, len(p)-w.size):]
	if n := min(len(p), w.size-len(w.buf)); n > 0 {
		w.grow(n)
		w.buf = append(w.buf, p[:n]...)
		w.head += n
		p = p[n:]
	}
	if len(p) > 0 {
		n := copy(w.buf[w.head:], p)
		w.head += n
		if n < len(p) {
			w.head = copy(w.buf, p[n:])
		}
	}
}

// grow makes room for n more bytes. There are never more than size in all, which is a power of two.
func (w *window) grow(n int) {
	need := len(w.buf) + n
	if need <= cap(w.buf) {
		return
	}
	c := max(cap(w.buf), minWindow/2)
	for c < need {
		c *= 2
	}
	w.buf = append(make([]byte, 0, c), w.buf...)
}

// index returns where the byte is that came back bytes before the end. There are that many.
func (w *window) index(back int) int {
	i := w.head - back
	if i < 0 {
		i += len(w.buf)
	}
	return i
}

// copyTo copies to dst the bytes from back before the end on. There are that many, and len(dst) is no more.
func (w *window) copyTo(dst []byte, back int) {
	n := copy(dst, w.buf[w.index(back):])
	copy(dst[n:], w.buf)
}

// reset forgets the history but keeps the memory.
func (w *window) reset(size int) {
	w.buf, w.head, w.size = w.buf[:0], 0, size
}
