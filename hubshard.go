package websocket

import (
	"context"
	"slices"
	"sync"
	"time"
)

// This file is a part of the Hub's subscribers, and the log of what is published to them.

// A hubShard is some of the subscribers. mu guards the fields.
type hubShard struct {
	mu      sync.Mutex
	written sync.Cond        // signalled when messages were sent, and when the writer stops; its lock is mu
	members map[*Conn]places // nil for those that have left and may come back
	topics  map[string]*hubTopic
	log     []hubEntry
	logged  int    // size of what is in log, and of what its writer has not sent yet
	entered uint64 // messages that the log has had
	sent    uint64 // of these
	writing bool   // the shard has a writer; it has one whenever the log is not empty
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
	at      time.Time // of publication; zero unless Hub.Sent is set
}

// entryCost is what a message takes beside its frame, in the log and where it waits for a subscriber: its place there,
// the message itself and its variants.
const entryCost = 512

// size returns how much of the log's bound the entry takes up.
func (e hubEntry) size() int { return len(e.message.plain.frame) + entryCost }

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
func (s *hubShard) enter(name string, m *PreparedMessage, now time.Time) (receivers int, duty hubDuty) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.topics[name]
	if topic == nil {
		return 0, dutyNone
	}
	topic.shared = true
	entry := hubEntry{m, topic.list, now}
	s.logged += entry.size()
	s.log = append(s.log, entry)
	s.entered++
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

// awaitRoom waits for a writer that is far behind. That is what bounds the log.
func (s *hubShard) awaitRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.logged > maxShardLog {
		s.written.Wait()
	}
}

// settle waits until what was published before is sent, or ctx ends.
func (s *hubShard) settle(ctx context.Context) {
	s.mu.Lock()
	due := s.entered
	idle := s.sent == due
	s.mu.Unlock()
	if idle {
		return
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.written.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sent < due && ctx.Err() == nil {
		s.written.Wait()
	}
}

// stopWriting leaves the shard without a writer. mu is held.
func (s *hubShard) stopWriting() {
	s.writing = false
	s.written.Broadcast()
}
