package websocket

import (
	"sync/atomic"
	"time"
)

// Stats is what a connection has done so far. The counts are of messages and their payloads, after the handshake.
type Stats struct {
	MessagesIn  int64 // whole messages received
	MessagesOut int64 // messages accepted for sending
	BytesIn     int64 // payload bytes of messages received
	BytesOut    int64 // payload bytes of messages accepted for sending
	PingsIn     int64 // Pings received

	CompressedIn       int64 // messages received that were compressed
	CompressedOut      int64 // messages accepted for sending that were compressed
	CompressedBytesIn  int64 // payload bytes of CompressedIn as they came
	CompressedBytesOut int64 // payload bytes of CompressedOut as they leave

	PongsLost int64 // Pings left unanswered because the peer did not read the answers to later ones
	Dropped   int64 // messages that a Hub dropped because the peer was too slow
	Queued    int64 // bytes that wait behind the write that is under way
	Unsent    int64 // bytes of the write that is under way which the peer has not taken yet

	RTT time.Duration // of the latest Ping that was answered, 0 if none was
}

// A counter may be changed and read by any goroutine.
type counter = atomic.Int64

type counters struct {
	messagesIn, messagesOut counter
	bytesIn, bytesOut       counter
	pingsIn, pongsLost      counter
	dropped, rtt            counter

	unsent counter // bytes that a write waits with

	compressed *compressedCounters // nil: no compression was agreed on; fixed
}

type compressedCounters struct {
	in, out           counter
	bytesIn, bytesOut counter
}

// Stats returns a snapshot. It may be called from any goroutine, also after the connection has ended.
func (c *Conn) Stats() Stats {
	s := Stats{
		MessagesIn:  c.counters.messagesIn.Load(),
		MessagesOut: c.counters.messagesOut.Load(),
		BytesIn:     c.counters.bytesIn.Load(),
		BytesOut:    c.counters.bytesOut.Load(),
		PingsIn:     c.counters.pingsIn.Load(),
		PongsLost:   c.counters.pongsLost.Load(),
		Dropped:     c.counters.dropped.Load(),
		Queued:      int64(c.queue.size()),
		Unsent:      c.counters.unsent.Load(),
		RTT:         time.Duration(c.counters.rtt.Load()),
	}
	if n := c.counters.compressed; n != nil {
		s.CompressedIn, s.CompressedBytesIn = n.in.Load(), n.bytesIn.Load()
		s.CompressedOut, s.CompressedBytesOut = n.out.Load(), n.bytesOut.Load()
	}
	return s
}

// countIn counts the message of size bytes that the reader has just completed.
func (c *Conn) countIn(size int) {
	c.counters.messagesIn.Add(1)
	c.counters.bytesIn.Add(int64(size))
	if c.dec.inflater.deflated {
		c.counters.compressed.in.Add(1)
		c.counters.compressed.bytesIn.Add(int64(c.dec.size))
	}
}

// countOut counts a message of size bytes. The write lock is held.
func (c *Conn) countOut(size int) {
	c.counters.messagesOut.Add(1)
	c.counters.bytesOut.Add(int64(size))
	if d := c.enc.deflater; d != nil && d.made > 0 {
		c.counters.compressed.out.Add(1)
		c.counters.compressed.bytesOut.Add(int64(d.made))
		d.made = 0
	}
}
