package deflate

// This file is for those who do not send everything that an Encoder makes, or send what it has not made.

// Sent tells the Encoder that a message was sent compressed that it has not compressed itself: one that was compressed
// without a history, for many connections. The peer's window has it now, so ours must have it too.
func (e *Encoder) Sent(message []byte) {
	h := &e.history
	if h.ring == nil {
		return // without takeover, or nothing to reach back to yet
	}
	window := len(h.ring)
	p := message[max(0, len(message)-window):]
	at := (int(h.next) + len(message) - len(p)) % window
	n := copy(h.ring[at:], p)
	copy(h.ring, p[n:])
	h.passed(len(message))
}

// passed notes that n more bytes were sent. The last of them are in the ring.
func (h *history) passed(n int) {
	h.next = (h.next + uint(n)) % (1 << 16)
	h.size = min(h.size+n, len(h.ring))
}

// Forget tells the Encoder that the last message it made was not sent, so that the peer's window is not what it was
// taken for. The next message reaches back to nothing before it.
func (e *Encoder) Forget() { e.history = history{} }
