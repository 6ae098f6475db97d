package deflate

// window is the history that matches may reach back into: the last bytes that were decoded, at most size of them.
//
// The memory is taken as bytes come, doubled when it is full, and never above size. Until size bytes have come buf is
// in order; from then on it is a ring, and head is both where the oldest byte stands and where the next one goes.
type window struct {
	buf  []byte
	head int
	size int
}

// minWindow is the least memory that a window takes.
const minWindow = 512

// add appends p to the history.
func (w *window) add(p []byte) {
	if len(p) >= w.size {
		w.buf = append(w.buf[:0], w.room(p[len(p)-w.size:])...)
		w.head = 0
		return
	}
	if n := min(len(p), w.size-len(w.buf)); n > 0 {
		w.grow(n)
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
	}
	n := copy(w.buf[w.head:], p)
	w.head += n
	if n < len(p) || w.head == w.size {
		w.head = copy(w.buf, p[n:])
	}
}

// room makes sure that buf can hold p without append growing it, and returns p.
func (w *window) room(p []byte) []byte {
	if cap(w.buf) < len(p) {
		w.buf = make([]byte, 0, len(p))
	}
	return p
}

// grow makes room for n more bytes. There are never more than size in all.
func (w *window) grow(n int) {
	need := len(w.buf) + n
	if need <= cap(w.buf) {
		return
	}
	c := max(cap(w.buf), minWindow/2)
	for c < need {
		c *= 2
	}
	w.buf = append(make([]byte, 0, min(c, w.size)), w.buf...)
}

// copyTo copies to dst the bytes that begin back before the end of the history, which has that many and len(dst) of
// them behind that point.
func (w *window) copyTo(dst []byte, back int) {
	i := w.head - back
	if len(w.buf) < w.size {
		i = len(w.buf) - back
	} else if i < 0 {
		i += w.size
	}
	n := copy(dst, w.buf[i:])
	copy(dst[n:], w.buf)
}

// reset forgets the history but keeps the memory.
func (w *window) reset(size int) {
	w.buf, w.head, w.size = w.buf[:0], 0, size
}
