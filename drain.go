package websocket

import "time"

// Drain reads in a goroutine of its own and throws all messages away, until the connection ends. It is for owners who
// only write: Pings get their answers, keepalive works, and the peer's Close is noticed ([Conn.Done]). Nobody else can
// read any more; if somebody is reading already Drain does nothing.
func (c *Conn) Drain() {
	if c.dying.Load() || c.startReading() != nil { // what is left of a connection that is ending is read already
		return
	}
	go func() {
		c.message = nil
		c.drain()
		c.stopReading()
	}()
}

// drain throws messages away until the connection ends and returns why it did.
func (c *Conn) drain() error {
	for {
		ev, err := c.nextData()
		if err == nil {
			err = c.discard(ev)
		}
		switch {
		case err == nil:
		case c.failed() != nil:
			return err
		default:
			c.rdl.setUser(time.Time{}) // a deadline of the owner's, which no longer means anything
		}
	}
}
