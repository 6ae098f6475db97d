package websocket

import "io"

// This file is NextReader: one message as a stream.

// NextReader waits for the next data message and returns its type and a reader of its payload, which may have any size
// within the read limit and need not fit into memory. The reader is valid until the next call of NextReader,
// ReadMessage or one of its kin, which skips what was not read. It returns io.EOF at the end of the message, never for
// the end of the connection. The rules of [Conn.ReadMessage] hold for both.
func (c *Conn) NextReader() (MessageType, io.Reader, error) {
	if err := c.startReading(); err != nil {
		return 0, nil, err
	}
	defer c.stopReading()
	t, err := c.awaitMessage()
	if err != nil {
		return 0, nil, err
	}
	c.message = &messageReader{c: c}
	return t, c.message, nil
}

// awaitMessage waits for the beginning of the next message, which stays pending.
func (c *Conn) awaitMessage() (MessageType, error) {
	if err := c.skipMessage(); err != nil {
		return 0, err
	}
	ev, err := c.nextData()
	if err != nil {
		return 0, err
	}
	c.pending = ev
	return ev.msgType, nil
}

// A messageReader reads one message. It is c.message as long as it is valid and not at its end.
type messageReader struct {
	c    *Conn
	size int
	eof  bool
}

// Read reads payload.
func (r *messageReader) Read(p []byte) (int, error) {
	switch {
	case r.eof:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	c := r.c
	if err := c.startReading(); err != nil {
		return 0, err
	}
	defer c.stopReading()
	if c.message != r {
		return 0, errStaleReader
	}
	for {
		n, last, err := c.readPiece(p)
		if err != nil {
			return 0, err
		}
		r.size += n
		if last {
			r.eof = true
			c.message = nil
			c.countIn(r.size)
		}
		switch {
		case n > 0:
			return n, nil
		case last:
			return 0, io.EOF
		}
	}
}

// readPiece reads the next bytes of the current message into p. last says that they are its last ones.
func (c *Conn) readPiece(p []byte) (n int, last bool, err error) {
	if c.pending.kind == eventNone && c.in.len() == 0 && c.dec.body() >= directRead && len(p) >= directRead &&
		!c.dec.inflater.deflated {
		ev, n, err := c.readBody(p)
		if err == nil && c.dying.Load() {
			return 0, false, nil // a Close was called meanwhile; nextData finds out how it ends
		}
		return n, ev.last, err
	}
	ev, err := c.nextData()
	if err != nil {
		return 0, false, err
	}
	more := false
	if ev.deflated {
		var out []byte
		if out, more, err = c.inflate(p[:0:len(p)], &ev, len(p)); err != nil {
			return 0, false, err
		}
		n = len(out)
	} else {
		n = copy(p, ev.payload)
		ev.payload = ev.payload[n:]
		more = len(ev.payload) > 0
	}
	if more {
		c.pending = ev
		return n, false, nil
	}
	return n, ev.last, nil
}

// skipMessage throws away what is left of the message that NextReader began.
func (c *Conn) skipMessage() error {
	for c.message != nil {
		ev, err := c.nextData()
		if err != nil {
			return err
		}
		if err := c.discard(ev); err != nil {
			return err
		}
		if ev.last {
			c.counters.bytesIn.Add(int64(c.message.size))
			c.message = nil
		}
	}
	return nil
}
