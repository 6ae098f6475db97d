package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	websocket "hawser.example/websocket"
)

// What is published with and without those who do not read: three times what the buffers of a socket take.
const (
	slowMessages = 1000
	slowEvery    = 2 * time.Millisecond
	slowSize     = 16 << 10
	slowClients  = 50 // that come in each round
	slowRounds   = 2
	slowFlood    = 256 // messages that follow, of floodSize: more in all than the memory may grow by
	floodSize    = 512 << 10
	fastClients  = 10
)

// TestServeSlowSubscribers: subscribers who do not read are cut off. The others do not notice, and the server's memory
// stays within what its queues are allowed.
//
// Both delays are measured in turn, several times in one run, since other programs disturb them. What those who do not
// read cause is there each time, so the best of the times with them counts, and the worst of those without. With them
// there are six times as many sockets to write to, which may take six times as long; more is a stall.
func TestServeSlowSubscribers(t *testing.T) {
	hawser, addr := startPublic(t, "127.0.0.1:0")
	ctx := within(t)
	fast := newStopwatch(t, ctx, addr, fastClients)
	fast.publish(t, addr, 200) // to warm up

	var alone, together time.Duration
	before := 0
	var slow []*websocket.Conn
	for round := range slowRounds {
		alone = max(alone, fast.measure(t, addr, slowMessages/4))
		if round == 0 {
			before = hawser.memory()
		}
		for range slowClients {
			c, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/load", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			slow = append(slow, c)
		}
		if p99 := fast.measure(t, addr, slowMessages); round == 0 || p99 < together {
			together = p99
		}
	}
	fast.cut()
	for range slowFlood {
		status, text := publish(t, addr, "load", "application/octet-stream", make([]byte, floodSize))
		if status != 200 {
			t.Fatalf("publish: %d %s", status, text)
		}
	}
	grown := hawser.memory() - before

	t.Logf("p99 %v alone, %v beside %d who do not read; memory grew by %d KiB", alone, together, slowClients, grown>>10)
	if limit := alone * (fastClients + slowClients) / fastClients; together > limit {
		t.Errorf("p99 is %v beside slow subscribers, and %v without; want at most %v", together, alone, limit)
	}
	// They have their messages in common: a queue and a history of them, and what Go keeps until it collects.
	if limit := slowFlood * floodSize / 2; grown > limit {
		t.Errorf("memory grew by %d; at most %d is due", grown, limit)
	}
	// Those who begin to read now find that they were too slow.
	var readers sync.WaitGroup
	for i, c := range slow {
		readers.Go(func() {
			received, err := 0, error(nil)
			for ; err == nil; received++ {
				_, _, err = c.ReadContext(ctx)
			}
			code, _ := closeCode(err)
			if code != websocket.CloseTryAgainLater && code != 0 || ctx.Err() != nil || received > slowRounds*2*slowMessages+slowFlood {
				t.Errorf("slow client %d: %v, after %d messages; want 1013, or a connection that is cut", i, err, received-1)
			}
		})
	}
	readers.Wait()
}

// A stopwatch is some subscribers that note when each message came.
type stopwatch struct {
	conns  []*websocket.Conn
	sent   []time.Time
	mu     sync.Mutex
	delays []time.Duration
	came   *sync.Cond
	count  int
}

func newStopwatch(t *testing.T, ctx context.Context, addr string, clients int) *stopwatch {
	t.Helper()
	s := new(stopwatch)
	s.came = sync.NewCond(&s.mu)
	t.Cleanup(s.cut)
	for range clients {
		c, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/load", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.conns = append(s.conns, c)
		go func() {
			for {
				_, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				s.take(p, time.Now())
			}
		}()
	}
	return s
}

// cut ends the connections.
func (s *stopwatch) cut() {
	for _, c := range s.conns {
		c.CloseNow()
	}
}

func (s *stopwatch) take(p []byte, now time.Time) {
	number, _, _ := strings.Cut(string(p), " ")
	n, err := strconv.Atoi(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && n < len(s.sent) {
		s.delays = append(s.delays, now.Sub(s.sent[n]))
	}
	s.count++
	s.came.Signal()
}

// measure publishes n messages, and returns how long 99 of 100 of them took at most.
func (s *stopwatch) measure(t *testing.T, addr string, n int) time.Duration {
	t.Helper()
	s.reset()
	s.publish(t, addr, n)
	return s.percentile(99)
}

func (s *stopwatch) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent, s.delays, s.count = nil, nil, 0
}

// publish sends n messages, one every slowEvery, and waits until all have come everywhere.
func (s *stopwatch) publish(t *testing.T, addr string, n int) {
	t.Helper()
	tick := time.NewTicker(slowEvery)
	defer tick.Stop()
	filler := strings.Repeat("x", slowSize)
	for i := range n {
		<-tick.C
		s.mu.Lock()
		s.sent = append(s.sent, time.Now())
		s.mu.Unlock()
		if status, answer := publish(t, addr, "load", "text/plain", fmt.Appendf(nil, "%d %s", i, filler)); status != 200 {
			t.Fatalf("publish: %d %s", status, answer)
		}
	}
	giveUp := time.AfterFunc(patience, func() {
		t.Errorf("not all messages came within %v", patience)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count = n * fastClients
		s.came.Signal()
	})
	defer giveUp.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count < n*fastClients {
		s.came.Wait()
	}
}

func (s *stopwatch) percentile(p int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.delays)
	return s.delays[len(s.delays)*p/100]
}
