package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"hawser.example/websocket"
)

// This file is what comes from the server: messages, and the Pongs of -i.

// receive hands on what arrives, until the connection ends.
func (c *client) receive(conn *websocket.Conn, arrivals chan<- arrival) {
	var before int64
	for {
		t, p, err := c.readMessage(conn)
		after := conn.Stats().CompressedBytesIn
		arrivals <- arrival{t, p, after - before, err}
		if err != nil {
			return
		}
		before = after
	}
}

// readMessage returns the next message. It notes when parts of it come, since a long one may take longer than -w says.
func (c *client) readMessage(conn *websocket.Conn) (websocket.MessageType, []byte, error) {
	t, r, err := conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	p := make([]byte, 0, 512)
	for {
		n, err := r.Read(p[len(p):cap(p)])
		p = p[:len(p)+n]
		switch {
		case err == io.EOF:
			return t, p, nil
		case err != nil:
			return 0, nil, err
		}
		c.partAt.Store(int64(time.Since(c.started)))
		if len(p) == cap(p) {
			p = slices.Grow(p, len(p))
		}
	}
}

// arrived takes a message.
func (c *client) arrived(a arrival) (code int, over bool) {
	c.heard, c.tries = true, 0
	matches := c.expect != nil && c.expect.Match(a.p) // before it is shown, which may change it
	if err := c.showMessage(a); err != nil {
		return c.outputFailed(err)
	}
	if c.idle != nil {
		c.idle.Reset(c.limit) // now: the time it took somebody to read our output does not count
	}
	c.matched = c.matched || matches
	if c.count > 0 {
		c.count--
	}
	if matches || c.count == 0 && c.connectFlags.count > 0 {
		return c.goodbye()
	}
	return 0, false
}

// pingAgain sends a Ping every now and then and says how long its Pong took, until the connection ends.
func (c *client) pingAgain(conn *websocket.Conn) {
	patience := max(c.pingInterval, 10*time.Second)
	tick := time.NewTicker(c.pingInterval)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(c.stop, patience)
		rtt, err := conn.Ping(ctx)
		cancel()
		switch {
		case err == nil:
			c.note("pong after %v", roundRTT(rtt))
			c.emit(event{Event: "rtt", RTT: float64(rtt.Microseconds()) / 1000})
		case errors.Is(err, context.DeadlineExceeded):
			c.note("no pong within %v", patience)
		default:
			return
		}
		select {
		case <-tick.C:
		case <-conn.Done():
			return
		}
	}
}
