package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hawser.example/websocket/internal/topic"
)

// turns is a lock that others have in between.
type turns struct {
	taken   int
	between func()
}

func (l *turns) Lock() { l.taken++ }

func (l *turns) Unlock() {
	if l.between != nil {
		l.between()
	}
}

// Whoever publishes waits for a step of a search for wildcards, however much there is to be looked through.
func TestSearchGivesWay(t *testing.T) {
	const steps = 20
	s := newScribe(HistoryConfig{TotalBytes: -1, Messages: 1})
	for i := range steps * searchStep {
		s.write(fmt.Sprint("a.", i), 0, false)
	}
	s.write("b", 0, false)
	s.write("b", 0, false) // so that something is lost, and all topics are asked
	var lock turns
	missed, complete := s.search(0, []string{"a.>"}, nil).finish(&lock)
	if len(missed) != steps*searchStep || !complete {
		t.Errorf("%d messages, complete: %v", len(missed), complete)
	}
	if lock.taken < 2*steps {
		t.Errorf("the lock was taken %d times for %d steps", lock.taken, 2*steps)
	}
}

// What there is no room for is not looked at.
func TestSearchEndsWhereThereIsEnough(t *testing.T) {
	s := newScribe(HistoryConfig{Age: -1, Bytes: -1, TotalBytes: -1, Messages: 1 << 20})
	for range 20 * searchStep {
		s.write("a.b", 0, false)
	}
	for range 5 {
		s.write("a.b", maxMissed/4, false)
	}
	var lock turns
	if missed, complete := s.search(0, []string{">"}, nil).finish(&lock); len(missed) != 4 || complete {
		t.Errorf("%d messages, complete: %v", len(missed), complete)
	}
	if lock.taken > 5 {
		t.Errorf("the lock was taken %d times", lock.taken)
	}
}

// While a search goes on the history changes under it: topics and messages come and go. It never calls complete what is
// not, and returns nothing twice and nothing that came later.
func TestSearchOfAHistoryThatChanges(t *testing.T) {
	said := map[bool]int{}
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := newScribe(HistoryConfig{
			Messages: 1 + random.IntN(3), Age: time.Hour, TotalBytes: int64(4+random.IntN(8)) * searchStep * ringCost,
		})
		superseded := map[string]uint64{} // of each topic what is older than this number
		write := func() *message {
			s.now = s.now.Add(time.Second / 4)
			m := s.write(fmt.Sprintf("%c.%d", 'a'+random.IntN(3), random.IntN(4*searchStep)), 0, random.IntN(4) == 0)
			if m.latest {
				superseded[m.topic] = m.seq
			}
			return m
		}
		var all []*message
		for range 8 * searchStep {
			all = append(all, write())
		}
		last := s.seq - uint64(random.IntN(4*searchStep))
		pattern := []string{"a.>", "b.>", ">"}[random.IntN(3)]
		due := map[*message]bool{} // what was there when the search began
		for _, m := range all[last:] {
			if topic.Covers(pattern, m.topic) && isKept(&s.history, m) {
				due[m] = true
			}
		}
		much := random.IntN(2) == 0
		lock := turns{between: func() {
			for range random.IntN(10) {
				write()
			}
			if much {
				for range searchStep {
					write()
				}
			}
		}}
		got, complete := s.search(last, []string{pattern}, nil).finish(&lock)
		said[complete]++
		for i, m := range got {
			if !due[m] || i > 0 && got[i-1].seq >= m.seq {
				t.Fatalf("seed %d: message %d came wrongly", seed, m.seq)
			}
			delete(due, m)
		}
		for m := range due {
			if complete && m.seq >= superseded[m.topic] {
				t.Fatalf("seed %d: message %d of %s did not come, and it says that is all", seed, m.seq, m.topic)
			}
		}
		if s.searching != nil {
			t.Fatal("the search goes on")
		}
		wantConsistent(t, &s.history)
	}
	if said[true] == 0 || said[false] == 0 {
		t.Errorf("complete %d times, incomplete %d times: the test does not try both", said[true], said[false])
	}
}

func isKept(h *history, m *message) bool {
	r := h.rings[m.topic]
	return r != nil && slices.Contains(r.messages, m)
}
