package notify

import (
	"slices"
	"sync"
	"sync/atomic"

	"hawser.example/websocket/internal/topic"
)

// A backlog collects messages for somebody who is not in the Hub: a client of server-sent events, or a WebSocket
// connection that still gets what it has missed. The broker puts in, the client's goroutine takes out.
type backlog struct {
	patterns []string      // what it collects, as a minimal cover
	skip     []string      // and what of that it does not
	limit    int64         // bytes that may wait
	ready    chan struct{} // has room for one; told when there is something to take
	all      *atomic.Int64 // what waits in all backlogs of the broker, in bytes

	mu       sync.Mutex
	waiting  []*message
	bytes    int64 // what they take
	overflow bool  // more than limit bytes waited, and were dropped; nothing is taken any more
}

func newBacklog(patterns, skip []string, limit int64, all *atomic.Int64) *backlog {
	return &backlog{patterns: patterns, skip: skip, limit: limit, ready: make(chan struct{}, 1), all: all}
}

// grow adds n bytes to what waits, or takes them away. mu is held.
func (l *backlog) grow(n int64) {
	l.bytes += n
	l.all.Add(n)
}

// collects reports whether the backlog is for messages of a topic that one of its patterns covers.
func (l *backlog) collects(name string) bool { return !topic.Any(l.skip, name) }

// add collects m. It returns how many messages are dropped: those that m supersedes, and all that wait if there is no
// room for m.
func (l *backlog) add(m *message) (superseded, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.overflow {
		return 0, 1
	}
	if m.latest {
		superseded = l.supersede(m.topic)
	}
	l.waiting = append(l.waiting, m)
	l.grow(m.cost())
	if l.bytes > l.limit && len(l.waiting) > 1 { // a single message may be larger
		lost = len(l.waiting)
		l.drop()
		l.overflow = true
	}
	select {
	case l.ready <- struct{}{}:
	default:
	}
	return superseded, lost
}

// supersede drops what waits of a topic, of which only the newest message is wanted. mu is held.
func (l *backlog) supersede(name string) (dropped int) {
	before := len(l.waiting)
	l.waiting = slices.DeleteFunc(l.waiting, func(m *message) bool {
		if m.topic != name {
			return false
		}
		l.grow(-m.cost())
		return true
	})
	return before - len(l.waiting)
}

// take returns what has collected, false if messages were dropped because there was no room.
func (l *backlog) take() (messages []*message, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages = l.waiting
	l.drop()
	return messages, !l.overflow
}

// drop forgets what waits. mu is held.
func (l *backlog) drop() {
	l.waiting = nil
	l.grow(-l.bytes)
}

// end forgets what waits of a backlog into which nothing comes any more.
func (l *backlog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

// isEmpty reports whether nothing waits, and nothing was dropped.
func (l *backlog) isEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) == 0 && !l.overflow
}
