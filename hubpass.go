package websocket

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// This file is a shard's writer: how what is in its log reaches the subscribers.

// writeLog is the writer of a shard, as a goroutine of its own: it sends what is in the log until that is empty. First
// it lets those go on who are ready to run: what they publish leaves in the same write.
func (h *Hub) writeLog(s *hubShard) {
	runtime.Gosched()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 {
		h.pass(s)
	}
	s.stopWriting()
}

// writeOnce is the writer of a shard for a publisher who writes itself: what others have published meanwhile it leaves
// to a goroutine.
func (h *Hub) writeOnce(s *hubShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.pass(s)
	if len(s.log) > 0 {
		go h.writeLog(s)
		return
	}
	s.stopWriting()
}

// pass takes the log and sends it. mu is held, but not while anything is sent.
func (h *Hub) pass(s *hubShard) {
	log := s.log
	s.log = nil
	for together := range slices.Chunk(log, maxTogether) {
		s.mu.Unlock()
		h.send(together)
		if h.Sent != nil {
			h.Sent(time.Since(together[0].at))
		}
		s.mu.Lock()
		for _, e := range together {
			s.logged -= e.size()
		}
		s.sent += uint64(len(together))
		s.written.Broadcast()
	}
}

// A hubShare is what a subscriber gets of the messages that are sent together: which of them, as bits, and how they are
// encoded.
type hubShare struct {
	messages uint64
	variant  frameVariant
}

// send sends messages, all that a subscriber gets in one write.
func (h *Hub) send(log []hubEntry) {
	for share, conns := range shares(log) {
		var messages []*PreparedMessage
		for i, e := range log {
			if share.messages&(1<<i) != 0 {
				messages = append(messages, e.message)
			}
		}
		batches := joinMessages(messages, share.variant)
		for _, c := range conns {
			h.sendTo(c, batches)
		}
	}
}

// shares groups the subscribers by what they get.
func shares(log []hubEntry) map[hubShare][]*Conn {
	groups := make(map[hubShare][]*Conn, 1)
	if sameReceivers(log) {
		all, to := ^uint64(0)>>(64-len(log)), log[0].to
		if v := to[0].variant; !slices.ContainsFunc(to, func(c *Conn) bool { return c.variant != v }) {
			groups[hubShare{all, v}] = to // the usual case: nobody has to be sorted out
			return groups
		}
		for _, c := range to {
			share := hubShare{all, c.variant}
			groups[share] = append(groups[share], c)
		}
		return groups
	}
	due := make(map[*Conn]uint64)
	for i, e := range log {
		for _, c := range e.to {
			due[c] |= 1 << i
		}
	}
	for c, messages := range due {
		share := hubShare{messages, c.variant}
		groups[share] = append(groups[share], c)
	}
	return groups
}

// sameReceivers reports whether all messages go to the same list. Its beginning and its length say which list it is,
// since what a log refers to is not changed.
func sameReceivers(log []hubEntry) bool {
	first := log[0].to
	return !slices.ContainsFunc(log, func(e hubEntry) bool { return &e.to[0] != &first[0] || len(e.to) != len(first) })
}

func (h *Hub) sendTo(c *Conn, batches []sharedBatch) {
	limit := h.QueueLimit
	switch {
	case limit == 0:
		limit = DefaultQueueLimit
	case limit < 0:
		limit = math.MaxInt
	}
	for _, b := range batches {
		if d := c.sendShared(b, limit, h.Overflow); d != (drops{}) {
			h.lost.Add(int64(d.lost))
			h.superseded.Add(int64(d.superseded))
		}
	}
}

// A sharedBatch is messages that leave together: bytes is their frames, one behind the other.
type sharedBatch struct {
	bytes  []byte
	frames []*preparedFrame
}

// joinMessages divides messages, encoded as v says, into batches of at most joinLimit bytes. A message alone is not
// copied.
func joinMessages(messages []*PreparedMessage, v frameVariant) []sharedBatch {
	frames := make([]*preparedFrame, len(messages))
	for i, m := range messages {
		frames[i] = m.as(v)
	}
	var batches []sharedBatch
	for len(frames) > 0 {
		n, size := 1, len(frames[0].frame)
		for n < len(frames) && size+len(frames[n].frame) <= joinLimit {
			size += len(frames[n].frame)
			n++
		}
		b := sharedBatch{frames[0].frame, frames[:n]}
		if n > 1 {
			b.bytes = make([]byte, 0, size)
			for _, f := range frames[:n] {
				b.bytes = append(b.bytes, f.frame...)
			}
		}
		batches = append(batches, b)
		frames = frames[n:]
	}
	return batches
}
