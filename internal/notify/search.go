package notify

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"hawser.example/websocket/internal/topic"
)

// This file is the look back into the history. A topic's messages lie together. For a wildcard everything has to be
// looked through, which anybody may ask for who may subscribe; so that publishers do not wait for it, it is done in
// steps, and between them the lock is free.

// A search looks for what somebody has missed. The lock of the broker guards next, ring and complete, which the history
// keeps right while it changes; the rest is of the goroutine that searches.
type search struct {
	history  *history
	last     uint64          // what is behind it was missed
	prefixes map[string]bool // of the wildcards
	skip     []string        // what is not wanted of them
	found    []*message      // in no order
	room     int             // bytes of payloads that are still to be found for wildcards

	next     *message // the newest that was not looked at; nil: none
	ring     int      // how many rings were not looked at
	complete bool     // nothing of what was missed is known to be lost
}

// searchStep is how many messages or topics are looked at without letting others at the history.
const searchStep = 512

// search begins to look for what disjoint patterns cover, and skip does not, behind the number last. If there is a
// wildcard the history must have no other search until this one has ended.
func (h *history) search(last uint64, patterns, skip []string) *search {
	s := &search{history: h, last: last, prefixes: make(map[string]bool), skip: skip, room: maxMissed, complete: true}
	for _, p := range patterns {
		if prefix, isWild := strings.CutSuffix(p, ">"); isWild {
			s.prefixes[prefix] = true
			continue
		}
		lost := h.forgotten
		if r := h.rings[p]; r != nil {
			s.found = append(s.found, r.since(last)...)
			lost = r.lost
		}
		s.complete = s.complete && lost <= last
	}
	if len(s.prefixes) > 0 {
		h.searching = s
		s.next = messageOf(h.order.Back())
		if h.lost > last {
			s.ring = len(h.known)
		}
	}
	return s
}

// since returns the messages behind last.
func (r *ring) since(last uint64) []*message {
	i, _ := slices.BinarySearchFunc(r.messages, last+1, func(m *message, seq uint64) int { return cmp.Compare(m.seq, seq) })
	return r.messages[i:]
}

// finish returns what was missed, in order. complete says that this is all there was. mu guards the history and is not
// held.
func (s *search) finish(mu sync.Locker) (missed []*message, complete bool) {
	if len(s.prefixes) > 0 {
		s.lookForLosses(mu)
		s.lookForMessages(mu)
	}
	slices.SortFunc(s.found, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	kept := newest(s.found, maxMissed)
	return kept, s.complete && len(kept) == len(s.found)
}

// lookForLosses looks for topics of which something is lost.
func (s *search) lookForLosses(mu sync.Locker) {
	for more := true; more; {
		mu.Lock()
		h := s.history
		for range searchStep {
			if s.ring = min(s.ring, len(h.known)) - 1; s.ring < 0 || !s.complete {
				break
			}
			r := h.known[s.ring]
			s.complete = r.lost <= s.last || !s.wants(r.name)
		}
		s.complete = s.complete && h.forgotten <= s.last
		more = s.complete && s.ring > 0
		mu.Unlock()
	}
}

// lookForMessages looks through the messages, the newest first, until those are reached that were not missed, or there
// are more than can be returned.
func (s *search) lookForMessages(mu sync.Locker) {
	var part []*message
	for more := true; more; {
		part = part[:0]
		mu.Lock()
		for s.next != nil && s.next.seq > s.last && len(part) < searchStep {
			part = append(part, s.next)
			s.next = messageOf(s.next.place.Prev())
		}
		mu.Unlock()
		more = len(part) == searchStep
		for _, m := range part {
			if s.wants(m.topic) {
				s.found = append(s.found, m)
				s.room -= len(m.payload)
				more = more && s.room >= 0
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	s.history.searching = nil
}

// wants reports whether a wildcard covers a topic that is not to be skipped.
func (s *search) wants(name string) bool {
	found := s.prefixes[""]
	for i := 1; i < len(name) && !found; i++ {
		found = name[i] == '.' && s.prefixes[name[:i+1]]
	}
	return found && !topic.Any(s.skip, name)
}

// leaves notes that the history removes m. mu is held.
func (s *search) leaves(m *message, isLost bool) {
	if s.next == nil || m.seq > s.next.seq {
		return // it was looked at, or is not what was missed
	}
	if m == s.next {
		s.next = messageOf(m.place.Prev())
	}
	if isLost && m.seq > s.last && s.wants(m.topic) {
		s.complete = false
	}
}
