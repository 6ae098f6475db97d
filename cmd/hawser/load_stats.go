package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// loadStats is what a run counts while it runs. Any number of goroutines may count.
type loadStats struct {
	connect  histogram // how long connections took to open
	delivery histogram // how long messages took, to each connection

	open     atomic.Int64 // connections there are
	sent     atomic.Int64 // messages that the server has taken
	expected atomic.Int64 // how often they should come
	received atomic.Int64 // how often they have come
	twice    atomic.Int64 // how often one has come again
	others   atomic.Int64 // how many subscribers there were that are not ours, at most

	connectTime atomic.Int64  // until the last connection was open
	sendTime    time.Duration // of the phase; owned by run
	closing     atomic.Bool   // ends are our doing

	mu     sync.Mutex
	errors map[string]int64 // guarded by mu; how many of each kind
	first  map[string]error // guarded by mu; the first of each kind, if there is more to say
}

// maxKinds is how many kinds of errors are told apart.
const maxKinds = 50

// fail counts an error of a kind. err may be nil.
func (s *loadStats) fail(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.errors == nil {
		s.errors, s.first = make(map[string]int64), make(map[string]error)
	}
	if s.errors[kind] == 0 && len(s.errors) >= maxKinds {
		kind, err = "others", nil
	}
	s.errors[kind]++
	if s.errors[kind] == 1 && err != nil {
		s.first[kind] = err
	}
}

// A loadWatch looks at the load generator itself.
type loadWatch struct{ connecting, sending phaseUse }

// A phaseUse is what a phase took of the load generator.
type phaseUse struct {
	late      histogram     // how much later than asked for a timer came
	cpu, wall time.Duration // processor time, and time
	known     bool          // this system tells the processor time
}

// share returns which part of its cores the process has used.
func (u *phaseUse) share() float64 {
	if u.wall <= 0 {
		return 0
	}
	return u.cpu.Seconds() / u.wall.Seconds() / float64(runtime.GOMAXPROCS(0))
}

const (
	// watchGap is the timer that is watched.
	watchGap = 5 * time.Millisecond
	// A load generator that uses more of its cores, or whose timers are later, is taken for the limit.
	busyShare = 0.8
	lateLimit = 5 * time.Millisecond
)

// during runs do, a phase, and notes what it took.
func (u *phaseUse) during(do func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		u.watchTimer(stop)
	}()
	start := time.Now()
	before, _ := processorTime()
	do()
	after, known := processorTime()
	u.cpu, u.wall, u.known = after-before, time.Since(start), known
	close(stop)
	<-done
}

// watchTimer notes how late a timer is, again and again until stop.
func (u *phaseUse) watchTimer(stop <-chan struct{}) {
	for {
		due := time.Now().Add(watchGap)
		select {
		case <-time.After(watchGap):
			u.late.add(time.Since(due))
		case <-stop:
			return
		}
	}
}
