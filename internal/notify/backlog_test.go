package notify

import (
	"sync/atomic"
	"testing"

	"hawser.example/websocket"
)

// waiting is what a backlog holds, as numbers.
func waiting(l *backlog) (seqs []uint64) {
	for _, m := range l.waiting {
		seqs = append(seqs, m.seq)
	}
	return seqs
}

func TestBacklogIsBounded(t *testing.T) {
	s := newScribe(HistoryConfig{})
	const size = 1000
	l := newBacklog(nil, nil, 3*(size+messageCost), new(atomic.Int64))
	for range 3 {
		if superseded, lost := l.add(s.write("a", size, false)); superseded != 0 || lost != 0 {
			t.Fatalf("%d superseded, %d lost", superseded, lost)
		}
	}
	if messages, ok := l.take(); len(messages) != 3 || !ok || !l.isEmpty() {
		t.Fatalf("took %d messages, %v", len(messages), ok)
	}
	for i := range 4 {
		want := 0
		if i == 3 {
			want = 4 // all of them
		}
		if _, lost := l.add(s.write("a", size, false)); lost != want {
			t.Errorf("message %d: %d lost, want %d", i, lost, want)
		}
	}
	if _, lost := l.add(s.write("a", 0, false)); lost != 1 {
		t.Errorf("%d lost behind the overflow, want 1", lost)
	}
	if messages, ok := l.take(); len(messages) != 0 || ok || l.isEmpty() {
		t.Errorf("took %d messages behind the overflow, %v", len(messages), ok)
	}
}

func TestBacklogTakesOneMessageOfAnySize(t *testing.T) {
	s := newScribe(HistoryConfig{})
	l := newBacklog(nil, nil, 10, new(atomic.Int64))
	if _, lost := l.add(s.write("a", 1000, false)); lost != 0 {
		t.Errorf("%d lost", lost)
	}
	if messages, ok := l.take(); len(messages) != 1 || !ok {
		t.Errorf("took %d messages, %v", len(messages), ok)
	}
}

func TestBacklogKeepsTheNewestOfStates(t *testing.T) {
	s := newScribe(HistoryConfig{})
	l := newBacklog(nil, nil, 3*messageCost+3, new(atomic.Int64))
	for range 100 {
		l.waiting, l.bytes = nil, 0
		superseded, lost := 0, 0
		for _, m := range []*message{s.write("a", 1, true), s.write("b", 1, true), s.write("a", 1, true), s.write("c", 1, false),
			s.write("b", 1, true), s.write("a", 1, true)} {
			n, k := l.add(m)
			superseded, lost = superseded+n, lost+k
		}
		if superseded != 3 || lost != 0 {
			t.Fatalf("%d superseded, %d lost", superseded, lost)
		}
		got := waiting(l)
		if base := s.seq; len(got) != 3 || got[0] != base-2 || got[1] != base-1 || got[2] != base {
			t.Fatalf("%v wait, want the last three of %d", got, base)
		}
	}
}

// Whoever waits for a backlog is woken once for all that has come, and not for nothing.
func TestBacklogWakes(t *testing.T) {
	s := newScribe(HistoryConfig{})
	l := newBacklog(nil, nil, 1<<20, new(atomic.Int64))
	select {
	case <-l.ready:
		t.Error("woken for nothing")
	default:
	}
	l.add(s.write("a", 1, false))
	l.add(s.write("a", 1, false))
	<-l.ready
	select {
	case <-l.ready:
		t.Error("woken twice")
	default:
	}
}

// What a connection gets already its backlog neither collects nor counts.
func TestBacklogSkips(t *testing.T) {
	s := testServer(t, Config{})
	l, _, err := s.broker.listen([]string{"a.>"}, map[string]uint64{"a.b": 0, "a.c.>": 0}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a.b", "a.x", "a.c.d", "a.c"}
	results, err := s.broker.publish(names, websocket.TextMessage, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 0, 1} {
		if got := results[i].Subscribers; got != want || s.broker.subscribers(names[i]) != want {
			t.Errorf("%s: %d subscribers, want %d", names[i], got, want)
		}
	}
	if messages, ok := l.take(); !ok || len(messages) != 2 || messages[0].topic != "a.x" || messages[1].topic != "a.c" {
		t.Errorf("%d messages were collected", len(messages))
	}
}

// The sum of what waits in all backlogs is right whatever becomes of the messages.
func TestBacklogsCountTogether(t *testing.T) {
	b := newBroker(new(websocket.Hub), Config{Latest: []string{"latest"}}, 3*(10+messageCost), newMeters())
	publish := func(name string, n int) {
		for range n {
			if _, err := b.publish([]string{name}, websocket.TextMessage, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(messages int64) {
		t.Helper()
		if got := b.queued.Load(); got != messages*(10+messageCost) {
			t.Errorf("%d bytes wait, want those of %d messages", got, messages)
		}
	}
	one, _, _ := b.listen([]string{"a", "latest"}, nil, nil)
	two, _, _ := b.listen([]string{"a"}, nil, nil)
	publish("a", 2)
	want(4)
	publish("latest", 5)
	want(5)
	publish("a", 1) // one overflows
	want(3)
	two.take()
	want(0)
	publish("a", 2)
	want(2)
	b.ignore(one)
	b.ignore(two)
	want(0)
}
