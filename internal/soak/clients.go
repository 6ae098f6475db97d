package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/feed"
)

// A soak is a run against one server.
type soak struct {
	server  *server
	press   *press
	clients int
	dialing chan struct{} // has room for those who connect at the same time

	stopping atomic.Bool  // publishing is over
	end      atomic.Int64 // the last number of everyone's topic; 0 until it is known

	// What clients have counted.
	opened     [3]atomic.Int64 // connections, by kind
	received   atomic.Int64
	recoveries atomic.Int64
	refused    atomic.Int64
	faults     [faultKinds]atomic.Int64
}

// The kinds of connections, as the server names them.
const (
	kindPlain = iota
	kindV1
	kindEvents
)

var kindNames = [...]string{"websocket", "hawser.v1", "sse"}

func newSoak(s *server, clients int) *soak {
	return &soak{server: s, press: newPress(s.addr), clients: clients, dialing: make(chan struct{}, 64)}
}

// phase has all clients come, lets them live for a while, and waits until each has what it is due and has gone. The
// error is the first of what may be many.
func (s *soak) phase(ctx context.Context, length time.Duration) error {
	s.stopping.Store(false)
	s.end.Store(0)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var clients, others sync.WaitGroup
	for i := range s.clients {
		clients.Go(func() {
			if err := s.client(ctx, i); err != nil {
				fail(fmt.Errorf("client %d: %w", i, err))
			}
		})
	}
	publishing, stop := context.WithTimeout(ctx, length)
	defer stop()
	others.Go(func() { s.bother(publishing) })
	if err := s.press.run(publishing); err != nil {
		fail(err)
	}
	others.Wait()
	// The last message of all is behind all others: whoever has it has them.
	s.end.Store(int64(s.press.number(everyone) + 1))
	s.stopping.Store(true)
	if err := s.press.publish(everyone); err != nil {
		fail(err)
	}
	done := make(chan struct{})
	go func() {
		clients.Wait()
		close(done)
	}()
	select {
	case <-done:
		return context.Cause(ctx)
	case <-ctx.Done():
	case <-time.After(patience):
		s.explain()
		fail(errors.New("some clients have not had the last message"))
	}
	return context.Cause(ctx)
}

// explain writes down where we and the server stand, when it does not go on.
func (s *soak) explain() {
	pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	theirs, err := s.server.get("/debug/pprof/goroutine?debug=1")
	fmt.Fprintf(os.Stderr, "the server: %s\n%v\n", theirs, err)
}

// client is one of the clients, for the whole phase.
func (s *soak) client(ctx context.Context, i int) error {
	group := i % groups
	topics := append(groupTopics(group), everyone)
	switch i / groups % 10 {
	case 0, 1:
		return s.follow(ctx, topics, feed.Source{Topics: []string{everyone, "group." + strconv.Itoa(group) + ".>"}})
	case 2, 3:
		return s.follow(ctx, topics, feed.Source{Topics: topics, Events: true})
	case 4:
		return s.listen(ctx)
	case 5:
		return s.visit(ctx, topics)
	}
	return s.follow(ctx, topics, feed.Source{Topics: topics})
}

// turn waits until there are not too many others who connect, and says for how long connecting may take.
func (s *soak) turn(ctx context.Context) (_ context.Context, end func()) {
	s.dialing <- struct{}{}
	ctx, cancel := context.WithTimeout(ctx, patience)
	return ctx, func() { cancel(); <-s.dialing }
}

// open connects.
func (s *soak) open(ctx context.Context, source feed.Source, last string) (feed.Stream, error) {
	ctx, end := s.turn(ctx)
	defer end()
	source.Server = s.server.addr
	stream, err := source.Open(ctx, last)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	kind := kindV1
	if source.Events {
		kind = kindEvents
	}
	s.opened[kind].Add(1)
	return stream, nil
}

// follow follows topics over many connections, until it has the last message.
func (s *soak) follow(ctx context.Context, topics []string, source feed.Source) error {
	var f feed.Follower
	defer func() {
		s.received.Add(int64(f.Received))
		s.recoveries.Add(int64(f.Recoveries))
	}()
	for {
		stream, err := s.open(ctx, source, f.Last)
		if err != nil {
			return err
		}
		welcome, err := stream.Next()
		if err == nil {
			err = f.Take(welcome)
		}
		if err != nil {
			stream.Cut()
			return fmt.Errorf("welcome: %w", err)
		}
		stop := context.AfterFunc(ctx, stream.Cut)
		done, err := s.read(stream, &f, source.Events)
		stop()
		switch {
		case ctx.Err() != nil:
			return nil // somebody else has failed
		case err != nil:
			return err
		case done || s.has(&f): // it may have come behind a fault
			return s.complete(&f, topics)
		}
		time.Sleep(rand.N(time.Second))
	}
}

// has reports whether a follower has the last message.
func (s *soak) has(f *feed.Follower) bool {
	end := int(s.end.Load())
	return end > 0 && f.Next(everyone) > end
}

// complete returns what is missing of a follower's topics.
func (s *soak) complete(f *feed.Follower, topics []string) error {
	for _, topic := range topics {
		if got, want := f.Next(topic)-1, s.press.number(topic); got != want {
			return fmt.Errorf("the last number on %s is %d; want %d", topic, got, want)
		}
	}
	if f.Incomplete > 0 {
		return fmt.Errorf("not everything was recovered, %d times", f.Incomplete)
	}
	return nil
}

// read takes what comes until the last message, after which it ends the connection, or until a fault.
func (s *soak) read(stream feed.Stream, f *feed.Follower, events bool) (done bool, err error) {
	due := nextFault()
	for {
		m, err := stream.Next()
		if err != nil {
			stream.Cut()
			return false, lost(err, events)
		}
		if err := f.Take(m); err != nil {
			stream.Cut()
			return false, err
		}
		if s.has(f) {
			return true, stream.Close()
		}
		if time.Now().After(due) && !s.stopping.Load() {
			if ended, err := s.fault(stream, f, events); ended {
				return false, err
			}
			due = nextFault()
		}
	}
}

// nextFault is when a follower does something to its connection.
func nextFault() time.Time {
	return time.Now().Add(time.Duration(rand.ExpFloat64() * float64(8*time.Second)))
}

// lost returns nil if the server may end a connection in this way without a fault of the client: since it was too slow.
func lost(err error, events bool) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code == websocket.CloseTryAgainLater || events {
		return nil
	}
	return fmt.Errorf("the connection ended: %w", err)
}

// listen receives plain messages on everyone's topic. It cannot recover: each connection begins anywhere.
func (s *soak) listen(ctx context.Context) error {
	for {
		c, err := s.openPlain(ctx)
		if err != nil {
			return err
		}
		if s.stopping.Load() { // the last message may have been before this connection
			return c.Close()
		}
		stop := context.AfterFunc(ctx, func() { c.CloseNow() })
		left, next := 1+rand.N(50), 0
		for end := 0; left > 0; left-- {
			_, p, err := c.ReadMessage()
			if err != nil {
				stop()
				if ctx.Err() != nil {
					return nil // somebody else has failed
				}
				return fmt.Errorf("plain: %w", err)
			}
			n, err := strconv.Atoi(string(p))
			if err != nil || next != 0 && n != next {
				c.CloseNow()
				return fmt.Errorf("plain: %.80q came; want %d", p, next)
			}
			next = n + 1
			s.received.Add(1)
			if end = int(s.end.Load()); n == end {
				stop()
				return c.Close()
			}
			if s.stopping.Load() {
				left++ // it stays to the end
			}
		}
		stop()
		if err := c.Close(); err != nil {
			return fmt.Errorf("plain: close: %w", err)
		}
	}
}

// openPlain connects to everyone's topic.
func (s *soak) openPlain(ctx context.Context) (*websocket.Conn, error) {
	ctx, end := s.turn(ctx)
	defer end()
	c, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+s.server.addr+"/topics/"+everyone, nil)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s.opened[kindPlain].Add(1)
	return c, nil
}

// visit comes and goes, each time with other topics, and does not care for what comes.
func (s *soak) visit(ctx context.Context, topics []string) error {
	for !s.stopping.Load() && ctx.Err() == nil {
		some := slices.Clone(topics[:1+rand.N(len(topics))])
		stream, err := s.open(ctx, feed.Source{Topics: some, Events: rand.N(3) == 0}, "")
		if err != nil {
			return err
		}
		time.Sleep(rand.N(2 * time.Second))
		if rand.N(2) == 0 {
			stream.Cut()
		} else if err := stream.Close(); err != nil {
			return fmt.Errorf("visitor: close: %w", err)
		}
	}
	return nil
}
