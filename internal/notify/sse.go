package notify

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"hawser.example/websocket"
)

// This file is server-sent events (HTML Living Standard, section 9.2), for clients that cannot use WebSocket. The data
// of an event is a message of hawser.v1, which is one line.

const (
	eventStream = "text/event-stream"
	// heartbeat is after how long without an event a comment shows that the connection lives. Proxies end connections
	// that are silent for 30 or 60 seconds.
	heartbeat = 15 * time.Second
	// writeChunk is how many bytes are written together, for which the client has writeTime.
	writeChunk = 64 << 10
	writeTime  = websocket.DefaultWriteTimeout
)

var errExpired = errors.New(permissionExpired)

// A stream is a response of server-sent events. The goroutine of its handler owns it.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	sent    func(since time.Duration) // told when messages were sent, of the time since the first was published
	buf     []byte
}

// stream sends events until the client has gone, was too slow, may not any more, or the server shuts down.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, sub *subscription) {
	goodbye, leave := s.streams.enter()
	defer leave()
	ctx, expire := context.WithCancelCause(r.Context())
	defer expire(nil)
	defer atExpiry(sub.access, func() { expire(errExpired) })()
	h := w.Header()
	for name, values := range sub.start.header() {
		h[name] = values
	}
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx passes events on as they come
	e := &stream{w: w, control: http.NewResponseController(w), sent: s.meters.latency}
	welcome := sub.start.reply("welcome", request{topics: sub.patterns})
	e.addEvent("welcome", welcome.ID, 0, marshal(welcome))
	s.meters.opened(kindSSE)
	d := e.run(ctx, goodbye, sub.backlog, sub.start.missed)
	if d.how == leftExpired {
		d.why = sub.access.expiry()
	}
	s.left(kindSSE, sub.access, sub.client, d)
}

// run sends what was missed and what l collects. It returns how it has ended.
func (e *stream) run(ctx context.Context, goodbye <-chan time.Duration, l *backlog, missed []*message) departure {
	if err := e.send(ctx, missed); err != nil {
		return e.end(ctx, err)
	}
	silence := time.NewTimer(heartbeat)
	defer silence.Stop()
	for {
		var err error
		select {
		case <-l.ready:
			messages, ok := l.take()
			if !ok {
				e.control.SetWriteDeadline(time.Now().Add(writeTime)) // as in end
				return departure{leftSlow, tooSlow}
			}
			if err = e.send(ctx, messages); err == nil && len(messages) > 0 {
				e.sent(time.Since(messages[0].at))
			}
		case <-silence.C:
			e.buf = append(e.buf, ":\n\n"...)
			err = e.flush()
		case retry := <-goodbye:
			ms := retry.Milliseconds()
			messages, _ := l.take()
			e.send(ctx, messages)
			e.addEvent("drain", "", ms, marshal(reply{Type: "drain", Retry: &ms}))
			e.flush()
			return departure{how: leftServer}
		case <-ctx.Done():
			return e.end(ctx, ctx.Err())
		}
		if err != nil {
			return e.end(ctx, err)
		}
		silence.Reset(heartbeat)
	}
}

// end says how a stream ends at which the server has not said goodbye. A write that fails ends its context, too, so the
// error is looked at first.
func (e *stream) end(ctx context.Context, err error) departure {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return departure{leftSlow, tookNothing}
	case ctx.Err() == nil:
		return departure{how: leftLost}
	case context.Cause(ctx) != errExpired:
		return departure{how: leftItself}
	}
	e.control.SetWriteDeadline(time.Now().Add(writeTime)) // net/http writes the end of the body
	return departure{how: leftExpired}
}

// send sends messages. Between two writes it looks whether the client is still there, and may go on.
func (e *stream) send(ctx context.Context, messages []*message) error {
	for _, m := range messages {
		e.buf = append(e.buf, "id: "...)
		e.buf = append(e.buf, m.position.String()...)
		e.buf = append(e.buf, "\ndata: "...)
		e.buf = m.appendJSON(e.buf, nil)
		e.buf = append(e.buf, "\n\n"...)
		if len(e.buf) < writeChunk {
			continue
		}
		if err := e.flush(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return e.flush()
}

// addEvent adds an event of another type than message. id and retry are left out if they are not set.
func (e *stream) addEvent(name, id string, retry int64, data []byte) {
	e.buf = append(e.buf, "event: "+name+"\n"...)
	if id != "" {
		e.buf = append(e.buf, "id: "+id+"\n"...)
	}
	if retry != 0 {
		e.buf = append(strconv.AppendInt(append(e.buf, "retry: "...), retry, 10), '\n')
	}
	e.buf = append(append(append(e.buf, "data: "...), data...), "\n\n"...)
}

// flush sends what has been added. A buffer is not kept for a client that is silent.
func (e *stream) flush() error {
	e.control.SetWriteDeadline(time.Now().Add(writeTime)) // where that is not supported the server's own limits apply
	_, err := e.w.Write(e.buf)
	e.buf = nil
	if err != nil {
		return err
	}
	return e.control.Flush()
}

// streams are the streams that are open. Its zero value is ready.
type streams struct {
	mu    sync.Mutex
	over  time.Duration // of the drain; 0 before it
	known map[*ticket]struct{}
}

// A ticket is what a stream and the drain know of each other.
type ticket struct {
	goodbye chan time.Duration // has room for one: the time after which the client shall come back
	ended   chan struct{}
}

// enter adds a stream. Its goodbye comes on the channel.
func (t *streams) enter() (goodbye <-chan time.Duration, leave func()) {
	k := &ticket{make(chan time.Duration, 1), make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over > 0 {
		k.goodbye <- retryTime(t.over)
		return k.goodbye, func() {}
	}
	if t.known == nil {
		t.known = make(map[*ticket]struct{})
	}
	t.known[k] = struct{}{}
	return k.goodbye, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.known, k)
		close(k.ended)
	}
}

// drain says goodbye to all streams, spread over a time as the Hub does it, and waits until they have ended or ctx has.
func (t *streams) drain(ctx context.Context, over time.Duration) error {
	t.mu.Lock()
	t.over = max(over, 1)
	known := slices.Collect(maps.Keys(t.known))
	t.mu.Unlock()
	start := time.Now()
	for i, k := range known {
		turn := start.Add(time.Duration(float64(over) * float64(i) / float64(len(known))))
		k.awaitTurn(ctx, turn)
		k.goodbye <- retryTime(over)
	}
	for _, k := range known {
		select {
		case <-k.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// awaitTurn waits until it is the stream's turn to be sent away, or it has ended, or ctx has.
func (k *ticket) awaitTurn(ctx context.Context, turn time.Time) {
	wait := time.NewTimer(time.Until(turn))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-k.ended:
	case <-ctx.Done():
	}
}

// retryTime returns when a client shall come back, so that not all do at once.
func retryTime(over time.Duration) time.Duration {
	return time.Millisecond + rand.N(max(over, time.Millisecond))
}
