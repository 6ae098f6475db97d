package websocket

import (
	"math"
	"runtime"
	"slices"
	"sync"
)

// This file is a part of the Hub's subscribers, and how what is published reaches them.

// A hubShard is some of the subscribers. mu guards the fields.
type hubShard struct {
	mu      sync.Mutex
	written sync.Cond        // signalled when a pass is over; its lock is mu
	members map[*Conn]places // nil for those that have left and may come back
	topics  map[string]*hubTopic
	log     []hubEntry
	logged  int  // bytes in log
	writing bool // the shard has a writer; it has one whenever the log is not empty
}

// places are a subscriber's topics, and where in their lists it stands.
type places map[string]int

// A hubTopic is the subscribers of a topic that belong to one shard, in any order.
type hubTopic struct {
	list   []*Conn
	shared bool // a log may refer to list: what is in it stays as it is. Appending does no harm
}

// A hubEntry is a message and those who were subscribed when it was published.
type hubEntry struct {
	message *PreparedMessage
	to      []*Conn
}

// A hubDuty is what somebody who has published owes to a shard.
type hubDuty uint8

const (
	dutyNone  hubDuty = iota // nobody gets the message, or the shard has a writer that comes to it
	dutyWrite                // the shard has no writer: the publisher is it, or starts one
	dutyWait                 // the writer is far behind: the publisher waits for it
)

// subscribe reports whether c is new here.
func (s *hubShard) subscribe(c *Conn, topics []string) (isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = make(map[*Conn]places)
		s.topics = make(map[string]*hubTopic)
		s.written.L = &s.mu // before there is anybody to write to
	}
	mine, known := s.members[c]
	if mine == nil {
		mine = make(places, len(topics))
		s.members[c] = mine
	}
	for _, name := range topics {
		if _, already := mine[name]; already {
			continue
		}
		topic := s.topics[name]
		if topic == nil {
			topic = &hubTopic{}
			s.topics[name] = topic
		}
		mine[name] = len(topic.list)
		topic.list = append(topic.list, c)
	}
	return !known
}

// unsubscribe removes c from topics, or from all and from the shard if there are none.
func (s *hubShard) unsubscribe(c *Conn, topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.members[c]
	if len(topics) == 0 {
		for name, place := range mine {
			s.leave(name, place)
		}
		switch {
		case c.endError() != nil:
			delete(s.members, c)
		case mine != nil:
			s.members[c] = nil
		}
		return
	}
	for _, name := range topics {
		if place, subscribed := mine[name]; subscribed {
			s.leave(name, place)
			delete(mine, name)
		}
	}
}

// leave removes the subscriber at a place of a topic's list. The last one moves there. mu is held.
func (s *hubShard) leave(name string, place int) {
	topic := s.topics[name]
	last := len(topic.list) - 1
	if last == 0 {
		delete(s.topics, name)
		return
	}
	if topic.shared {
		topic.list = slices.Clone(topic.list)
		topic.shared = false
	}
	moved := topic.list[last]
	topic.list[place] = moved
	topic.list[last] = nil
	topic.list = topic.list[:last]
	s.members[moved][name] = place // of c itself, if it is the last, which is about to be removed
}

// enter appends m to the log and returns how many get it, and what its publisher owes. mu must not be held.
func (s *hubShard) enter(name string, m *PreparedMessage) (receivers int, duty hubDuty) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.topics[name]
	if topic == nil {
		return 0, dutyNone
	}
	topic.shared = true
	s.logged += len(m.plain.frame)
	s.log = append(s.log, hubEntry{m, topic.list})
	switch {
	case !s.writing:
		s.writing = true
		duty = dutyWrite
	case s.logged > maxShardLog:
		duty = dutyWait
	}
	return len(topic.list), duty
}

func (s *hubShard) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if topic := s.topics[name]; topic != nil {
		return len(topic.list)
	}
	return 0
}

// subscribers returns how many connections have a topic. mu is held.
func (s *hubShard) subscribers() (n int) {
	for _, mine := range s.members {
		if len(mine) > 0 {
			n++
		}
	}
	return n
}

// all returns the connections that have not left.
func (s *hubShard) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := make([]*Conn, 0, len(s.members))
	for c, mine := range s.members {
		if mine != nil {
			conns = append(conns, c)
		}
	}
	return conns
}

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

// writeOnce is the writer of a shard for a publisher who writes itself: what others have published meanwhile it leaves to
// a goroutine.
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

// awaitRoom waits for a writer that is far behind. That is what bounds the log.
func (s *hubShard) awaitRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.logged > maxShardLog {
		s.written.Wait()
	}
}

// settle waits until what is in the log is sent.
func (s *hubShard) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing {
		s.written.Wait()
	}
}

// stopWriting leaves the shard without a writer. mu is held.
func (s *hubShard) stopWriting() {
	s.writing = false
	s.written.Broadcast()
}

// pass takes the log and sends it. mu is held, but not while anything is sent.
func (h *Hub) pass(s *hubShard) {
	log := s.log
	s.log, s.logged = nil, 0
	s.written.Broadcast()
	s.mu.Unlock()
	defer s.mu.Lock()
	for together := range slices.Chunk(log, maxTogether) {
		h.send(together)
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
		all := ^uint64(0) >> (64 - len(log))
		for _, c := range log[0].to {
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
		if dropped := c.sendShared(b, limit, h.Overflow); dropped > 0 {
			h.dropped.Add(int64(dropped))
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
