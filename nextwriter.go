package websocket

import "io"

// This file is NextWriter: one message in fragments. RFC 6455, section 5.4.

// NextWriter begins a message of type t that is sent in fragments as it is written, of at most 16 KiB each; one that
// stays smaller is sent as one frame. The message is complete when the writer is closed; until then other messages
// wait, Pings and Pongs do not. The writer is for one goroutine. Text has to be UTF-8; if it turns out not to be when a
// part has been sent already, the connection fails. A message of more than one fragment is compressed only if
// [Compression.Fragments] says so.
func (c *Conn) NextWriter(t MessageType) (io.WriteCloser, error) {
	if err := c.lockMessage(nil); err != nil {
		return nil, err
	}
	defer c.unlockWrite()
	if err := c.enc.beginMessage(t); err != nil {
		return nil, err
	}
	c.stream = &messageWriter{c: c, closed: make(chan struct{})}
	return c.stream, nil
}

// A messageWriter sends one message. RFC 6455, section 5.4.
type messageWriter struct {
	c      *Conn
	buf    *buffer // what was written and not sent yet; nil if that is nothing
	size   int
	err    error         // what Write and Close return from now on
	closed chan struct{} // closed when the message is over
}

// Write adds p to the message.
func (w *messageWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = getBuffer(mediumPool)
		}
		n := min(collectLimit-len(w.buf.b), len(p))
		w.buf.b = append(w.buf.b, p[:n]...)
		p = p[n:]
		written += n
		if len(w.buf.b) == collectLimit && len(p) > 0 {
			w.sendFragment(false)
		}
	}
	return written, w.err
}

// Close sends the last fragment.
func (w *messageWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	w.sendFragment(true)
	if w.err == nil {
		w.err = errWriterClosed
		return nil
	}
	return w.err
}

// sendFragment sends what was written. After an error, or the last fragment, the message is over.
func (w *messageWriter) sendFragment(fin bool) {
	c := w.c
	if w.err = c.lockWrite(nil, false); w.err != nil {
		w.over()
		return
	}
	if w.err = w.putFragment(fin); w.err != nil || fin {
		c.stream = nil
		w.over()
		c.queued.Store(true) // messages that a Hub queued meanwhile
	}
	// A part of the message has left, and nothing may follow it but its rest or a Close. So the connection ends before
	// the others who wait get the lock.
	unfinished := w.err == ErrInvalidUTF8 && w.size > 0 && c.startClose(w.err)
	if unfinished {
		c.leaveClose(CloseInternalError, "message could not be finished")
	}
	c.unlockWrite()
	if unfinished {
		c.end()
	}
}

// putFragment appends the fragment and sends it. The write lock is held.
func (w *messageWriter) putFragment(fin bool) error {
	c := w.c
	var p []byte
	if w.buf != nil {
		p = w.buf.b
	}
	begin := notBegun
	if w.size > 0 {
		begin = hasBegun
	}
	if err := c.reserve(nil, len(p)+maxGrowth, begin); err != nil {
		c.enc.giveUpMessage()
		return err
	}
	if begin == notBegun {
		begin = len(c.out.b)
	}
	out, err := c.enc.appendFragment(c.out.b, p, fin)
	if err != nil {
		c.enc.giveUpMessage()
		if len(c.unsent(nil)) == 0 {
			c.allSent()
		}
		return err
	}
	c.out.b = out
	w.size += len(p)
	if w.buf != nil {
		w.buf.b = w.buf.b[:0]
	}
	err = c.send(nil, begin, nil)
	switch {
	case err == nil && fin:
		c.countOut(w.size)
	case err != nil && begin != hasBegun:
		c.enc.inside = false // the fragment was taken back, if the connection is still there to tell
		c.enc.takenBack()
	}
	return err
}

// over gives back what the writer holds and lets other messages go on.
func (w *messageWriter) over() {
	if w.buf != nil {
		w.buf.free()
		w.buf = nil
	}
	close(w.closed)
}
