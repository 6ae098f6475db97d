package main

import (
	"fmt"
	"time"
)

// liveGap is the time between two changes of the line that tells how far a run is.
const liveGap = 200 * time.Millisecond

// showLive tells on a terminal how far the run is, until end is called.
func (l *loadRun) showLive() (end func()) {
	if !isTerminal(l.std.err) {
		return func() {}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(liveGap)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprint(l.std.err, "\r\x1b[K", cutTo(l.progress(), columnsOf(l.std.err)-1))
			case <-stop:
				fmt.Fprint(l.std.err, "\r\x1b[K")
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-done
	}
}

// progress says how far the run is.
func (l *loadRun) progress() string {
	s := &l.stats
	text := fmt.Sprintf("%d of %d connections", s.open.Load(), l.connections)
	if sent := s.sent.Load(); sent > 0 {
		text += fmt.Sprintf(", %d of %d messages, %d of %d deliveries",
			sent, len(l.messages), s.received.Load(), s.expected.Load())
		if delay := spreadOf(&s.delivery); delay != nil {
			text += ", p99 " + short(delay.P99)
		}
	}
	if n := s.failures(); n > 0 {
		text += fmt.Sprintf(", %d errors", n)
	}
	return text
}

// cutTo returns what of a text is in so many columns, since a line that wraps would not be erased. All of it, if the
// terminal does not say how wide it is.
func cutTo(text string, columns int) string {
	runes := []rune(text)
	if columns < 0 || len(runes) <= columns {
		return text
	}
	return string(runes[:columns])
}

// failures returns how many errors there were.
func (s *loadStats) failures() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.errors {
		n += k
	}
	return n
}
