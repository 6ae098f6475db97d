package websocket

import (
	"math"
	"slices"
	"sync"
)

// This file is a part of the Hub's subscribers, and how what is published reaches them.

// A hubShard is some of the subscribers. mu guards the fields.
type hubShard struct {
	mu      sync.Mutex
	written sync.Cond                     // signalled when a pass is over; its lock is mu
	members map[*Conn]map[string]struct{} // their topics; nil for those that have left and may come back
	topics  map[string]*hubTopic
	log     []hubEntry
	logged  int  // bytes in log
	writing bool // someone is the shard's writer
}

// A hubTopic is the subscribers of a topic that belong to one shard.
type hubTopic struct {
	conns map[*Conn]struct{}
	list  []*Conn // conns as a slice that is never changed; nil when it has to be made again
}

// A hubEntry is a message and those who were subscribed when it was published.
type hubEntry struct {
	message *PreparedMessage
	to      []*Conn
}

// subscribe reports whether c is new here.
func (s *hubShard) subscribe(c *Conn, topics []string) (isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = make(map[*Conn]map[string]struct{})
		s.topics = make(map[string]*hubTopic)
		s.written.L = &s.mu // before there is anybody to write to
	}
	mine, known := s.members[c]
	if mine == nil {
		mine = make(map[string]struct{}, len(topics))
		s.members[c] = mine
	}
	for _, name := range topics {
		mine[name] = struct{}{}
		topic := s.topics[name]
		if topic == nil {
			topic = &hubTopic{conns: make(map[*Conn]struct{})}
			s.topics[name] = topic
		}
		topic.conns[c] = struct{}{}
		topic.list = nil
	}
	return !known
}

// unsubscribe removes c from topics, or from all and from the shard if there are none.
func (s *hubShard) unsubscribe(c *Conn, topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.members[c]
	if len(topics) == 0 {
		for name := range mine {
			s.leave(c, name)
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
		s.leave(c, name)
		delete(mine, name)
	}
}

// leave removes c from a topic. mu is held.
func (s *hubShard) leave(c *Conn, name string) {
	topic := s.topics[name]
	if topic == nil {
		return
	}
	delete(topic.conns, c)
	topic.list = nil
	if len(topic.conns) == 0 {
		delete(s.topics, name)
	}
}

// enter appends m to the log and returns how many get it.
func (s *hubShard) enter(name string, m *PreparedMessage) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.topics[name]
	if topic == nil {
		return 0
	}
	if topic.list == nil {
		topic.list = make([]*Conn, 0, len(topic.conns))
		for c := range topic.conns {
			topic.list = append(topic.list, c)
		}
	}
	s.log = append(s.log, hubEntry{m, topic.list})
	s.logged += len(m.plain.frame)
	return len(topic.list)
}

func (s *hubShard) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if topic := s.topics[name]; topic != nil {
		return len(topic.conns)
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

// write makes the caller the shard's writer if it has none, until the log is empty. If it has one that is far behind,
// the caller waits for it: that is what bounds the log.
func (h *Hub) write(s *hubShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		for s.logged > maxShardLog && s.writing {
			s.awaitPass()
		}
		return
	}
	s.writing = true
	for pass := 0; len(s.log) > 0; pass++ {
		if pass == maxPasses {
			go h.continueWriting(s)
			return
		}
		h.pass(s)
	}
	s.stopWriting()
}

// settle writes what is in the log and waits for a writer that is at work.
func (h *Hub) settle(s *hubShard) {
	h.write(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing {
		s.awaitPass()
	}
}

// continueWriting is the rest of a publisher's writing that has taken long enough.
func (h *Hub) continueWriting(s *hubShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 {
		h.pass(s)
	}
	s.stopWriting()
}

// stopWriting leaves the shard idle. mu is held.
func (s *hubShard) stopWriting() {
	s.writing = false
	s.written.Broadcast()
}

// awaitPass waits for the end of the writer's pass. mu is held.
func (s *hubShard) awaitPass() {
	s.written.Wait()
}

// pass takes the log and sends it. mu is held, but not while anything is sent.
func (h *Hub) pass(s *hubShard) {
	log := s.log
	s.log, s.logged = nil, 0
	s.mu.Unlock()
	h.send(log)
	s.mu.Lock()
	s.written.Broadcast()
}

// send sends the messages of a log, all of a subscriber's in one write.
func (h *Hub) send(log []hubEntry) {
	first := log[0].to
	same := !slices.ContainsFunc(log, func(e hubEntry) bool { return &e.to[0] != &first[0] })
	if same {
		pass := hubPass{messages: make([]*PreparedMessage, len(log))}
		for i, e := range log {
			pass.messages[i] = e.message
		}
		for _, c := range first {
			h.sendTo(c, pass.as(c.variant))
		}
		return
	}
	byConn := make(map[*Conn][]*PreparedMessage)
	for _, e := range log {
		for _, c := range e.to {
			byConn[c] = append(byConn[c], e.message)
		}
	}
	for c, messages := range byConn {
		h.sendTo(c, joinMessages(messages, c.variant))
	}
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

// A hubPass is messages that many subscribers get, as the variants that those need.
type hubPass struct {
	messages []*PreparedMessage
	variants []frameVariant
	batches  [][]sharedBatch // of each variant
}

// as returns the messages as v asks for them.
func (p *hubPass) as(v frameVariant) []sharedBatch {
	i := slices.Index(p.variants, v)
	if i < 0 {
		i = len(p.variants)
		p.variants = append(p.variants, v)
		p.batches = append(p.batches, joinMessages(p.messages, v))
	}
	return p.batches[i]
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
