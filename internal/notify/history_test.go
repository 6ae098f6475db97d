package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/topic"
)

// A scribe fills a history, at a time of its own.
type scribe struct {
	history
	seq uint64
	now time.Time
}

func newScribe(cfg HistoryConfig) *scribe {
	return &scribe{history: newHistory(cfg), now: time.Unix(1_000_000, 0)}
}

// write adds a message of size bytes.
func (s *scribe) write(topic string, size int, latest bool) *message {
	s.seq++
	m := &message{
		position: position{"e", s.seq}, topic: topic, msgType: websocket.TextMessage, payload: make([]byte, size),
		at: s.now, latest: latest,
	}
	s.add(m)
	return m
}

// since is what a broker does for somebody who was cut off.
func (s *scribe) since(last uint64, patterns, skip []string, now time.Time) (missed []*message, complete bool) {
	s.expire(now)
	return s.search(last, patterns, skip).finish(new(sync.Mutex))
}

// wantSince checks what there is behind last.
func (s *scribe) wantSince(t *testing.T, last uint64, pattern string, complete bool, seqs ...uint64) {
	t.Helper()
	missed, gotComplete := s.since(last, []string{pattern}, nil, s.now)
	var got []uint64
	for _, m := range missed {
		got = append(got, m.seq)
	}
	if !slices.Equal(got, seqs) || gotComplete != complete {
		t.Errorf("behind %d of %s there are %v, complete: %v; want %v, %v", last, pattern, got, gotComplete, seqs, complete)
	}
}

func TestHistoryIsBoundedInMessages(t *testing.T) {
	s := newScribe(HistoryConfig{Messages: 3})
	s.wantSince(t, 0, "a", true)
	for range 5 {
		s.write("a", 1, false)
	}
	s.write("b", 1, false)
	s.wantSince(t, 0, "a", false, 3, 4, 5)
	s.wantSince(t, 1, "a", false, 3, 4, 5)
	s.wantSince(t, 2, "a", true, 3, 4, 5)
	s.wantSince(t, 4, "a", true, 5)
	s.wantSince(t, 6, "a", true)
	s.wantSince(t, 0, "b", true, 6)
	s.wantSince(t, 0, "c", true)
	s.wantSince(t, 0, ">", false, 3, 4, 5, 6)
	s.wantSince(t, 2, ">", true, 3, 4, 5, 6)
}

func TestHistoryIsBoundedInAge(t *testing.T) {
	s := newScribe(HistoryConfig{Age: time.Minute})
	s.write("a", 1, false)
	s.now = s.now.Add(time.Minute)
	s.write("b", 1, false)
	s.wantSince(t, 0, ">", true, 1, 2)
	s.now = s.now.Add(1)
	s.wantSince(t, 0, ">", false, 2)
	s.wantSince(t, 0, "a", false)
	s.wantSince(t, 1, "a", true)
	s.wantSince(t, 0, "b", true, 2)
	s.now = s.now.Add(time.Hour)
	s.wantSince(t, 1, ">", false)
	s.wantSince(t, 2, ">", true)
}

func TestHistoryIsBoundedInBytesOfATopic(t *testing.T) {
	s := newScribe(HistoryConfig{Bytes: 100})
	s.write("a", 60, false)
	s.write("a", 40, false)
	s.wantSince(t, 0, "a", true, 1, 2)
	s.write("a", 0, false)
	s.wantSince(t, 0, "a", true, 1, 2, 3)
	s.write("b", 100, false)
	s.write("a", 1, false)
	s.wantSince(t, 0, "a", false, 2, 3, 5)
	s.write("a", 101, false) // has no room at all
	s.wantSince(t, 5, "a", false)
	s.wantSince(t, 6, "a", true)
	s.wantSince(t, 0, "b", true, 4)
}

// A bound over all evicts what is oldest, of whichever topic.
func TestHistoryIsBoundedInAll(t *testing.T) {
	const size = 1000
	s := newScribe(HistoryConfig{TotalBytes: 2*ringCost + 3*(size+messageCost)})
	for _, name := range []string{"a", "b", "b"} {
		s.write(name, size, false)
	}
	s.wantSince(t, 0, ">", true, 1, 2, 3)
	s.write("b", size, false)
	s.wantSince(t, 0, "a", false)
	s.wantSince(t, 0, "b", true, 2, 3, 4)
	s.write("b", size, false) // the topic a is forgotten for it, which has no messages, but that is not enough
	s.wantSince(t, 0, "b", false, 3, 4, 5)
	s.wantSince(t, 2, "b", true, 3, 4, 5)
	if len(s.rings) != 1 || s.forgotten != 1 {
		t.Errorf("%d topics are known, forgotten up to %d", len(s.rings), s.forgotten)
	}
}

func TestHistoryOff(t *testing.T) {
	s := newScribe(HistoryConfig{Messages: -1})
	s.write("a", 1, false)
	s.wantSince(t, 0, "a", false)
	s.wantSince(t, 1, "a", true)
	s.wantSince(t, 0, "b", true)
}

func TestHistoryWithoutBounds(t *testing.T) {
	s := newScribe(HistoryConfig{Messages: 1 << 30, Age: -1, Bytes: -1, TotalBytes: -1})
	for range 1000 {
		s.write("a", 2000, false)
		s.now = s.now.Add(time.Hour)
	}
	if missed, complete := s.since(0, []string{"a"}, nil, s.now); len(missed) != 1000 || !complete {
		t.Errorf("%d messages, complete: %v", len(missed), complete)
	}
}

// Of forgotten topics it is only known up to where something may have been lost.
func TestHistoryForgetsTopics(t *testing.T) {
	s := newScribe(HistoryConfig{Age: time.Minute, TotalBytes: 4 * (ringCost + messageCost)})
	for i := range 4 {
		s.write(fmt.Sprint("t", i), 0, false)
	}
	s.now = s.now.Add(time.Hour)
	s.wantSince(t, 0, "t0", false)
	s.wantSince(t, 1, "t0", true)
	s.wantSince(t, 0, "never", true) // nothing is forgotten yet
	for range 3 {
		s.write("other", 0, false) // 5, 6, 7
	}
	if len(s.rings) >= 5 || s.forgotten == 0 {
		t.Fatalf("%d topics are known, forgotten up to %d", len(s.rings), s.forgotten)
	}
	s.wantSince(t, 0, "t0", false)
	s.wantSince(t, 0, "never", false) // it may have been one of them
	s.wantSince(t, s.forgotten, "never", true)
	s.wantSince(t, 0, "other", true, 5, 6, 7)
	s.wantSince(t, 0, "oth.>", false)
	s.write("t0", 0, false)
	s.wantSince(t, 0, "t0", false, 8) // it has come back, and is not taken for a new one
}

// Of a state the newest message is everything.
func TestHistoryOfLatest(t *testing.T) {
	s := newScribe(HistoryConfig{Age: time.Minute})
	for range 3 {
		s.write("price", 1, true)
	}
	s.wantSince(t, 0, "price", true, 3)
	s.wantSince(t, 2, ">", true, 3)
	s.wantSince(t, 3, "price", true)
	s.now = s.now.Add(time.Hour)
	s.wantSince(t, 2, "price", false)
}

func TestHistoryReturnsTheNewestIfThereIsTooMuch(t *testing.T) {
	s := newScribe(HistoryConfig{Bytes: -1, TotalBytes: -1})
	for range 5 {
		s.write("a", maxMissed/4, false)
	}
	s.wantSince(t, 0, "a", false, 2, 3, 4, 5)
	s.wantSince(t, 1, "a", true, 2, 3, 4, 5)
}

func TestHistorySkips(t *testing.T) {
	s := newScribe(HistoryConfig{Messages: 1})
	s.write("a.b", 1, false)
	s.write("a.b", 1, false)
	s.write("a.c", 1, false)
	missed, complete := s.since(0, []string{"a.>"}, []string{"a.b"}, s.now)
	if len(missed) != 1 || missed[0].topic != "a.c" || !complete { // what a.b has lost is nothing to them
		t.Errorf("missed %v, complete: %v", missed, complete)
	}
}

// Against everything that was ever written: what a history returns is in order, a tail of what was there, and never
// called complete when something is missing.
func TestHistoryNeverSaysCompleteWhenItIsNot(t *testing.T) {
	names := []string{"a", "a.b", "a.b.c", "d", "d.e", "f"}
	patterns := []string{"a", "a.>", "a.b.>", "d.>", "f", ">", "g", "g.>"}
	said := map[bool]int{}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := newScribe(HistoryConfig{
			Messages: 1 + random.IntN(20), Age: time.Minute, Bytes: int64(50 + random.IntN(500)),
			TotalBytes: int64(random.IntN(20) * ringCost),
		})
		var all []*message
		for range 300 {
			s.now = s.now.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
			all = append(all, s.write(names[random.IntN(len(names))], random.IntN(40), false))
			if h := &s.history; h.bytes > max(h.cfg.TotalBytes, 0) {
				t.Fatalf("seed %d: %d bytes are kept, more than %d", seed, h.bytes, h.cfg.TotalBytes)
			}
			pattern := patterns[random.IntN(len(patterns))]
			last := uint64(random.IntN(len(all) + 1))
			var want []*message
			for _, m := range all[last:] {
				if topic.Covers(pattern, m.topic) {
					want = append(want, m)
				}
			}
			got, complete := s.since(last, []string{pattern}, nil, s.now)
			said[complete]++
			if complete && len(got) != len(want) {
				t.Fatalf("seed %d: %d of %d messages of %s behind %d, and it says that is all",
					seed, len(got), len(want), pattern, last)
			}
			for _, m := range got {
				i := slices.Index(want, m)
				if i < 0 {
					t.Fatalf("seed %d: message %d of %s behind %d of %s, out of order or not asked for",
						seed, m.seq, m.topic, last, pattern)
				}
				want = want[i+1:]
				if s.now.Sub(m.at) > time.Minute {
					t.Fatalf("seed %d: message %d is too old", seed, m.seq)
				}
			}
		}
		wantConsistent(t, &s.history)
	}
	if said[true] < 1000 || said[false] < 1000 {
		t.Errorf("complete %d times, incomplete %d times: the test does not try both", said[true], said[false])
	}
}

// wantConsistent checks that what a history counts is what there is.
func wantConsistent(t *testing.T, h *history) {
	t.Helper()
	messages, idle, bytes := 0, 0, int64(0)
	for name, r := range h.rings {
		bytes += ringCost
		payloads := int64(0)
		for _, m := range r.messages {
			payloads += int64(len(m.payload))
			bytes += m.cost()
		}
		messages += len(r.messages)
		if len(r.messages) == 0 {
			idle++
		}
		if r.bytes != payloads || r.name != name || (r.idle == nil) != (len(r.messages) > 0) {
			t.Errorf("the ring %q counts %d bytes of %d", name, r.bytes, payloads)
		}
	}
	if h.order.Len() != messages || h.idle.Len() != idle || h.bytes != bytes {
		t.Errorf("the history counts %d messages, %d idle rings, %d bytes; there are %d, %d, %d",
			h.order.Len(), h.idle.Len(), h.bytes, messages, idle, bytes)
	}
}

// What is remembered of topics without messages is bounded, whatever the other bounds are, and what is forgotten of
// them counts as lost.
func TestHistoryOfManyTopicsWithoutMessages(t *testing.T) {
	for name, cfg := range map[string]HistoryConfig{
		"nothing is kept": {Messages: -1, TotalBytes: -1},
		"all is too old":  {Age: time.Second, TotalBytes: -1},
	} {
		h := newHistory(cfg)
		const topics = maxIdle + 1000
		at := time.Unix(1000, 0)
		for i := 1; i <= topics; i++ {
			h.add(&message{position: position{"", uint64(i)}, topic: fmt.Sprint("t", i), at: at})
		}
		h.add(&message{position: position{"", topics + 1}, topic: "last", at: at.Add(time.Minute)})
		if n := len(h.rings); n > maxIdle+1 {
			t.Errorf("%s: %d topics are remembered", name, n)
		}
		var mu sync.Mutex
		if _, complete := h.search(10, []string{"t11"}, nil).finish(&mu); complete {
			t.Errorf("%s: nothing is said to be lost of a topic that was forgotten", name)
		}
		if _, complete := h.search(topics+1, []string{"t11"}, nil).finish(&mu); !complete {
			t.Errorf("%s: something is said to be lost behind the last", name)
		}
	}
}
