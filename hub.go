package websocket

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// This file is the thin broadcast server: connections subscribe to topics, and what is published to a topic is sent to
// all of its subscribers.
//
// A message is encoded once. Publishing appends it to the logs of the shards, into which the subscribers are divided. A
// shard that has something in its log has one writer, a goroutine that the publisher starts and that ends when the log
// is empty. It sends each subscriber everything that has come into the log since its last pass, in one write that does
// not wait. So a delivery needs no goroutine and no switch to one, publishers wait for no subscriber, and what is
// published in a burst leaves in one write for each subscriber. Only what a socket does not take is queued, in the
// connection (writeq.go), up to a limit. For a single subscriber the publisher is the writer itself.
//
// Lock order: Hub.mu, then hubShard.mu, then the locks of a connection. None is held while a socket is written to.

// Overflow says what happens to a subscriber that takes messages more slowly than they are published, when more than
// Hub.QueueLimit bytes wait for it. Every message dropped is counted, in [Conn.Stats] and [Hub.Stats].
type Overflow uint8

const (
	// OverflowClose drops what waits and closes the connection with code 1013, once what is being written, at most a
	// message or 16 KiB of them, is through. If the peer takes nothing at all the connection is cut after its
	// WriteTimeout. The peer can connect again and knows that it missed something.
	OverflowClose Overflow = iota
	// OverflowDropOldest drops the oldest messages that wait.
	OverflowDropOldest
	// OverflowLatest drops all messages that wait but the newest.
	OverflowLatest
)

const (
	// DefaultQueueLimit is how many bytes may wait for a subscriber.
	DefaultQueueLimit = 1 << 20
	// DefaultDrainTime is over which time Hub.Shutdown spreads its goodbyes.
	DefaultDrainTime = 5 * time.Second

	hubShards    = 8
	maxShardLog  = 4 << 20  // bytes of a shard's log at which publishers wait for its writer
	maxTogether  = 64       // messages that a pass sends together
	fewReceivers = 1        // to whom a publisher writes itself, sooner than a goroutine starts
	joinLimit    = 64 << 10 // bytes of messages that are joined for one write
	drainMessage = "the server restarts"
)

// ErrHubClosed is returned by a Hub that was shut down.
var ErrHubClosed = errors.New("websocket: the Hub was shut down")

// A Hub sends what is published to a topic to all connections that subscribe to it. The zero value is ready. Its fields
// must not be changed after first use; its methods may be called by any number of goroutines.
type Hub struct {
	// QueueLimit is how many bytes may wait for a subscriber, where each message counts 512 more than it has; 0:
	// DefaultQueueLimit; negative: any number. A single message may be larger.
	QueueLimit int

	Overflow  Overflow      // what happens then
	DrainTime time.Duration // over which Shutdown spreads its goodbyes; 0: DefaultDrainTime; negative: none

	// Goodbye, if set, returns the reason in the Close that Shutdown sends to c, such as when to come back. It runs on a
	// goroutine of its own for each connection, and may write to c what shall come before the Close. What is not UTF-8
	// in a reason becomes U+FFFD, and after 123 bytes it is cut.
	Goodbye func(c *Conn) (reason string)
	// Sent, if set, is called whenever messages were given to the sockets of a part of the subscribers, with the time
	// since the first of these messages was published. It runs on the goroutine that sends, which may be that of
	// Publish, and must neither call the Hub nor close a subscriber, which waits for that goroutine.
	Sent func(since time.Duration)

	mu     sync.Mutex
	closed bool
	seq    uint64
	shards [hubShards]hubShard

	lost, superseded counter // of messages dropped
}

// A Receipt says what became of a message that was published.
type Receipt struct {
	Seq         uint64 // its number: 1, 2, 3, … in the order in which every subscriber gets the messages of the Hub
	Subscribers int    // how many it is sent to
}

// HubStats is a snapshot of a Hub.
type HubStats struct {
	Subscribers int    // connections that have a topic
	Topics      int    // that have a subscriber
	Published   uint64 // messages
	Dropped     int64  // messages, counted for each subscriber that misses one
	Superseded  int64  // of these, messages of NewLatestMessage in whose place the subscriber gets a later one
	Queued      int64  // bytes that wait for subscribers, because their sockets did not take them
}

// Subscribe subscribes c to topics; those that it is subscribed to already stay. When the connection ends it is
// unsubscribed. Somebody has to read from it, else it cannot notice its end: see [Hub.Serve] and [Conn.Drain]. The
// error is ErrHubClosed or why the connection has ended.
func (h *Hub) Subscribe(c *Conn, topics ...string) error {
	if h.isClosed() {
		return ErrHubClosed
	}
	s := h.shard(c)
	if s.subscribe(c, topics) {
		c.atEnd(func() { s.unsubscribe(c, nil) })
		c.beforeClose(s.settle)
	}
	if h.isClosed() { // meanwhile, so that Shutdown may not have seen c
		s.unsubscribe(c, nil)
		return ErrHubClosed
	}
	return c.endError()
}

// Unsubscribe ends c's subscription to topics. If none is named it ends all of them and c leaves the Hub, so that
// Shutdown does not close it. Messages published before may still arrive.
func (h *Hub) Unsubscribe(c *Conn, topics ...string) { h.shard(c).unsubscribe(c, topics) }

// Serve subscribes c to topics and reads from it until it has ended, throwing away what it sends. It returns why it
// ended.
func (h *Hub) Serve(c *Conn, topics ...string) error {
	if err := c.startReading(); err != nil {
		return err
	}
	defer c.stopReading()
	if err := h.Subscribe(c, topics...); err != nil {
		return err
	}
	return c.drain()
}

// Publish sends p, a message of type t, to all subscribers of topic. It does not wait for any of them: a goroutine of
// the Hub writes to them, what a socket does not take at once is queued, and what does not fit into the queue is
// dropped as Overflow says. Only a Hub that is 4 MiB of messages behind holds publishers up.
//
// All subscribers get the messages of a Hub in the same order, that of their Receipts. A Close by [Conn.Close] or
// [Conn.CloseWith] comes behind what was published before; what is written to a subscriber by other means may come
// between messages of the Hub, or before them. p is copied. The error is [ErrInvalidUTF8], [ErrMessageType] or
// [ErrHubClosed].
func (h *Hub) Publish(topic string, t MessageType, p []byte) (Receipt, error) {
	m, err := NewPreparedMessage(t, p)
	if err != nil {
		return Receipt{}, err
	}
	return h.PublishPrepared(topic, m)
}

// PublishPrepared is Publish for a message that is prepared already. One made by [NewLatestMessage] drops
// what it supersedes from the queues of subscribers.
func (h *Hub) PublishPrepared(topic string, m *PreparedMessage) (Receipt, error) {
	receipt, duties, err := h.publish(topic, m, fewReceivers)
	for i, d := range duties { // last, so that nobody waits for us meanwhile
		if d == dutyWait {
			h.shards[i].awaitRoom()
		}
	}
	return receipt, err
}

// Enqueue is PublishPrepared for callers that hold a lock meanwhile. It waits for nothing and leaves all writing to
// goroutines of the Hub. Once the lock is released AwaitRoom has to be called.
func (h *Hub) Enqueue(topic string, m *PreparedMessage) (Receipt, error) {
	receipt, _, err := h.publish(topic, m, 0)
	return receipt, err
}

// AwaitRoom waits until the Hub is less than 4 MiB of messages behind. That bounds its memory.
func (h *Hub) AwaitRoom() {
	for i := range h.shards {
		h.shards[i].awaitRoom()
	}
}

// publish publishes m. To as many subscribers as few it writes itself. The duties that are left are those to wait.
func (h *Hub) publish(topic string, m *PreparedMessage, few int) (Receipt, [hubShards]hubDuty, error) {
	receipt, duties, err := h.enter(topic, m)
	if err != nil {
		return receipt, duties, err
	}
	for i, d := range duties {
		switch {
		case d != dutyWrite:
		case receipt.Subscribers <= few:
			h.writeOnce(&h.shards[i])
		default:
			go h.writeLog(&h.shards[i])
		}
	}
	return receipt, duties, nil
}

// enter appends m to the logs, and returns what the publisher owes to each shard. All shards get m under one lock, so
// that the order is the same everywhere.
func (h *Hub) enter(topic string, m *PreparedMessage) (r Receipt, duties [hubShards]hubDuty, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return r, duties, ErrHubClosed
	}
	h.seq++
	r.Seq = h.seq
	var now time.Time
	if h.Sent != nil {
		now = time.Now()
	}
	for i := range h.shards {
		n, d := h.shards[i].enter(topic, m, now)
		r.Subscribers += n
		duties[i] = d
	}
	return r, duties, nil
}

// Count returns how many connections subscribe to topic.
func (h *Hub) Count(topic string) (n int) {
	for i := range h.shards {
		n += h.shards[i].count(topic)
	}
	return n
}

// Stats returns a snapshot.
func (h *Hub) Stats() HubStats {
	stats := HubStats{Superseded: h.superseded.Load()}
	stats.Dropped = stats.Superseded + h.lost.Load()
	topics := make(map[string]struct{})
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		stats.Subscribers += s.subscribers()
		for c := range s.members {
			stats.Queued += int64(c.queue.size()) + c.counters.unsent.Load()
		}
		for name := range s.topics {
			topics[name] = struct{}{}
		}
		s.mu.Unlock()
	}
	stats.Topics = len(topics)
	h.mu.Lock()
	defer h.mu.Unlock()
	stats.Published = h.seq
	return stats
}

// Shutdown refuses further messages and subscribers, then says goodbye to all subscribers with code 1012, after what is
// queued for them, and waits for their closing handshakes. The goodbyes are spread evenly over DrainTime, so that not
// all come back at once: the first at once, and of n the one with k before it after k/n of the time. It returns as soon
// as nobody is left. When ctx ends first it cuts what is left and returns ctx's error. A Handler's callback must not
// call it: one of those closing handshakes may be waiting for the callback to return.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	var conns []*Conn
	for i := range h.shards {
		h.shards[i].settle(ctx)
		conns = append(conns, h.shards[i].all()...)
	}
	over := option(h.DrainTime, DefaultDrainTime)
	start := time.Now()
	for i, c := range conns {
		turn := start.Add(time.Duration(float64(over) * float64(i) / float64(len(conns))))
		if isTurn(ctx, c, turn) {
			go h.goodbye(c)
		}
	}
	return waitEnd(ctx, conns)
}

// isTurn waits until it is c's turn to be sent away. It reports false as soon as c has ended, or ctx has.
func isTurn(ctx context.Context, c *Conn, turn time.Time) bool {
	wait := time.NewTimer(time.Until(turn))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-c.Done():
		return false
	case <-wait.C:
		return ctx.Err() == nil
	}
}

// goodbye closes c on behalf of Shutdown.
func (h *Hub) goodbye(c *Conn) {
	reason := drainMessage
	if h.Goodbye != nil {
		reason = h.Goodbye(c)
	}
	c.CloseWith(CloseServiceRestart, strings.ToValidUTF8(reason, "\uFFFD"))
}

// waitEnd waits until conns have ended. When ctx ends first it cuts those that are left.
func waitEnd(ctx context.Context, conns []*Conn) (err error) {
	for _, c := range conns {
		select {
		case <-c.Done():
		case <-ctx.Done():
			err = ctx.Err()
			c.CloseNow()
		}
	}
	return err
}

func (h *Hub) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// shard returns the shard that c belongs to.
func (h *Hub) shard(c *Conn) *hubShard { return &h.shards[c.id%hubShards] }
