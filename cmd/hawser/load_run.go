package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hawser.example/websocket"
)

const (
	// maxHandshakes is how many connections are opened at the same time.
	maxHandshakes = 128
	// senders is how many messages are on their way to the server at the same time.
	senders = 64
	// answerTime bounds one answer of the server: to a Ping, to a message that is published.
	answerTime = 10 * time.Second
	// interruptWait is how long a run that was interrupted waits for what is under way.
	interruptWait = 2 * time.Second
	// spareFiles is how many descriptors are needed beside those of the connections.
	spareFiles = senders + 32
)

// A loadRun is one run of "hawser load". It has four phases, one after the other: connect, send, await what is missing,
// close.
type loadRun struct {
	loadConfig
	std    streams
	id     string    // in each message
	begun  time.Time // where the times in messages count from
	dialer websocket.Dialer
	client *http.Client
	stats  loadStats
	watch  loadWatch

	messages []loadMessage // by their numbers
	serving  sync.WaitGroup
	abort    context.CancelCauseFunc // ends the run early, and says why

	mu    sync.Mutex
	conns []*loadConn // guarded by mu until all are open
}

// A loadMessage is what became of a message.
type loadMessage struct {
	answered atomic.Bool  // it is not under way to the server any more
	expected atomic.Int32 // to how many connections the server sent it
	received atomic.Int32 // on how many it has come
	slowest  atomic.Int64 // how long that took at most, in ns
}

// loadID returns a name that no other run has.
func loadID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func newLoad(c loadConfig, std streams) (*loadRun, error) {
	tlsConfig, err := c.trust.config()
	return &loadRun{
		loadConfig: c,
		std:        std,
		id:         loadID(),
		begun:      time.Now(),
		dialer:     websocket.Dialer{TLSConfig: tlsConfig, ReadLimit: 2 * maxLoadSize},
		client: newPoster(&http.Transport{
			TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: senders, MaxConnsPerHost: senders}, answerTime),
		messages: make([]loadMessage, c.messages()),
	}, err
}

// run does it all, prints the result, and returns the exit code.
func (l *loadRun) run() int {
	stop, undo := stopSignals(func() {})
	defer undo()
	signal.Ignore(syscall.SIGPIPE)
	if err := raiseFiles(l.connections + spareFiles); err != nil {
		fmt.Fprintf(l.std.err, "hawser load: %d connections: %v\n", l.connections, err)
		return exitFailed
	}
	life, abort := context.WithCancelCause(stop)
	defer abort(nil)
	l.abort = abort

	endLive := l.showLive()
	l.watch.connecting.during(func() { l.connect(life) })
	if len(l.conns) > 0 {
		l.watch.sending.during(func() { l.send(life) })
		l.await(life)
	}
	l.close()
	endLive()
	if cause := context.Cause(life); !endedBy(stop, cause) {
		return l.finish(cause, false)
	}
	return l.finish(nil, true)
}

// connect opens the connections, as fast as the ramp says.
func (l *loadRun) connect(ctx context.Context) {
	begun := time.Now()
	slots := make(chan struct{}, maxHandshakes)
	var dialing sync.WaitGroup
	for i := range l.connections {
		if !waitUntil(ctx, begun.Add(l.ramp.due(i, l.connections))) || !take(ctx, slots) {
			break
		}
		dialing.Go(func() {
			defer func() { <-slots }()
			l.dial(ctx, begun)
		})
	}
	dialing.Wait()
}

// take takes a slot, unless ctx ends.
func take(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitUntil waits until t, unless ctx ends.
func waitUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dial opens a connection and begins to read from it.
func (l *loadRun) dial(ctx context.Context, begun time.Time) {
	start := time.Now()
	c, _, err := l.dialer.Dial(ctx, l.url.String(), nil)
	if err != nil {
		var refused *websocket.HandshakeError
		switch {
		case ctx.Err() != nil: // it is our doing
		case errors.As(err, &refused):
			l.stats.fail(dialKind(refused), refused)
		default: // before there was anything to connect to: the next would fail as well
			l.abort(err)
		}
		return
	}
	took, at := time.Since(start), time.Since(begun)
	conn := &loadConn{l: l, c: c}
	l.stats.open.Add(1)
	l.serving.Go(func() { c.Serve(conn) })
	if !l.echo && !l.subscribed(ctx, c) {
		return
	}
	l.stats.connect.add(took)
	raise(&l.stats.connectTime, int64(at))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conn)
}

// subscribed waits until the server reads from the connection, since by then it has subscribed it. What is published
// before may pass it by.
func (l *loadRun) subscribed(ctx context.Context, c *websocket.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			l.stats.fail("no answer to a Ping", err)
		}
		c.CloseNow() // if that is not why, it has ended
		return false
	}
	return true
}

// await waits until all messages have come, and not for ever. If the run was interrupted before, what is under way gets
// a moment.
func (l *loadRun) await(ctx context.Context) {
	wait, interrupt := l.wait, ctx.Done()
	if ctx.Err() != nil {
		wait, interrupt = min(wait, interruptWait), nil
	}
	end := time.NewTimer(wait)
	defer end.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for l.stats.received.Load() < l.stats.expected.Load() && l.stats.open.Load() > 0 {
		select {
		case <-look.C:
		case <-end.C:
			return
		case <-interrupt:
			return
		}
	}
}

// close says goodbye on all connections, and waits until they have ended.
func (l *loadRun) close() {
	l.stats.closing.Store(true)
	for _, c := range l.conns {
		go c.c.Close()
	}
	l.serving.Wait()
	l.client.CloseIdleConnections()
}
