package websocket

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// This file is the thin broadcast server: connections subscribe to topics, and what is published to a topic is sent to all of
// its subscribers.
//
// A message is encoded once. Publishing appends it to the logs of the shards, into which the subscribers are divided;
// whoever finds a shard idle becomes its writer, and sends each subscriber everything that has come into the log since the last pass,
// in one write that does not wait. So a publisher needs no other goroutine, and under load one write carries
// many messages. Only what a socket does not take is queued, in the connection (writeq.go), up to a limit.
//
// Lock order: Hub.mu, then hubShard.mu, then the locks of a connection. None is held while a socket is written to.

// Overflow says what happens to a subscriber that takes messages more slowly than they are published, when more than
// Hub.QueueLimit bytes wait for it. Every message dropped is counted, in [Conn.Stats] and [Hub.Stats].
type Overflow uint8

const (
	// OverflowClose drops what waits and closes the connection with code 1013, once the frame that has begun is through. If the peer
	// takes nothing at all the connection is cut after its WriteTimeout. The peer can connect again and knows that it missed something.
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
	maxShardLog  = 4 << 20               // bytes of a shard's log at which publishers wait for its writer
	maxPasses    = 64                    // after which a publisher leaves a shard's writing to a goroutine
	maxGap       = 10 * time.Millisecond // between two goodbyes
	joinLimit    = 64 << 10              // bytes of messages that are joined for one write
	drainMessage = "the server restarts"
)

// ErrHubClosed is returned by a Hub that was shut down.
var ErrHubClosed = errors.New("websocket: the Hub was shut down")

// A Hub sends what is published to a topic to all connections that subscribe to it. The zero value is ready. Its fields must not be
// changed after first use; its methods may be called by any number of goroutines.
type Hub struct {
	QueueLimit int           // bytes that may wait for a subscriber; 0: DefaultQueueLimit. A single message may be larger
	Overflow   Overflow      // what happens then
	DrainTime  time.Duration // over which Shutdown spreads its goodbyes; 0: DefaultDrainTime; negative: none

	mu     sync.Mutex
	closed bool
	seq    uint64
	shards [hubShards]hubShard

	dropped counter
}

// A Receipt says what became of a message that was published.
type Receipt struct {
	Seq         uint64 // its number: 1, 2, 3, … in the order in which every subscriber gets the messages of the Hub
	Subscribers int    // how many it is sent to
}

// HubStats is a snapshot of a Hub.
type HubStats struct {
	Subscribers int    // connections
	Topics      int    // that have a subscriber
	Published   uint64 // messages
	Dropped     int64  // messages, counted for each subscriber that misses one
}

// A hubShard is some of the subscribers. mu guards the fields.
type hubShard struct {
	mu      sync.Mutex
	written sync.Cond // signalled when a pass is over; its lock is mu
	members map[*Conn]map[string]struct{}
	topics  map[string]*hubTopic
	log     []hubEntry
	logged  int  // bytes in log
	writing bool // someone is the shard's writer
}

// A hubTopic is the subscribers of a topic that belong to one shard.
type hubTopic struct {
	conns map[*Conn]struct{}
	list  []*Conn // conns as a slice that is never changed; nil when it has to be made again
}

// A hubEntry is a message and those who were subscribed when it was published.
type hubEntry struct {
	message *PreparedMessage
	to      []*Conn
}

// Subscribe subscribes c to topics; those that it is subscribed to already stay. When the connection ends it is
// unsubscribed. Somebody has to read from it, else it cannot notice its end: see [Hub.Serve] and [Conn.Drain]. The error is ErrHubClosed or
// why the connection has ended.
func (h *Hub) Subscribe(c *Conn, topics ...string) error {
	if h.isClosed() {
		return ErrHubClosed
	}
	s := h.shard(c)
	if s.subscribe(c, topics) {
		c.atEnd(func() { s.unsubscribe(c, nil) })
	}
	if h.isClosed() { // meanwhile, so that Shutdown may not have seen c
		s.unsubscribe(c, nil)
		return ErrHubClosed
	}
	return c.endError()
}

// Unsubscribe ends c's subscription to topics, or to all if none is named. Messages published before may still arrive.
func (h *Hub) Unsubscribe(c *Conn, topics ...string) { h.shard(c).unsubscribe(c, topics) }

// Serve subscribes c to topics and reads from it until it has ended, throwing away what it sends. It returns why it ended.
func (h *Hub) Serve(c *Conn, topics ...string) error {
	if err := h.Subscribe(c, topics...); err != nil {
		return err
	}
	if err := c.startReading(); err != nil {
		return err
	}
	defer c.stopReading()
	return c.drain()
}

// Publish sends p, a message of type t, to all subscribers of topic. It does not wait for any of them: what a socket does not take now is
// queued, and what does not fit into the queue is dropped as Overflow says. All subscribers get the messages of a Hub in the
// same order, that of their Receipts. p is copied. The error is [ErrInvalidUTF8], [ErrMessageType] or [ErrHubClosed].
func (h *Hub) Publish(topic string, t MessageType, p []byte) (Receipt, error) {
	m, err := NewPreparedMessage(t, p)
	if err != nil {
		return Receipt{}, err
	}
	return h.PublishPrepared(topic, m)
}

// PublishPrepared is Publish for a message that is prepared already.
func (h *Hub) PublishPrepared(topic string, m *PreparedMessage) (Receipt, error) {
	receipt, err := h.enter(topic, m)
	if err != nil {
		return receipt, err
	}
	if receipt.Subscribers > 0 {
		for i := range h.shards {
			h.write(&h.shards[i])
		}
	}
	return receipt, nil
}

// enter appends m to the logs. All shards get it under one lock, so that the order is the same everywhere.
func (h *Hub) enter(topic string, m *PreparedMessage) (r Receipt, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return r, ErrHubClosed
	}
	h.seq++
	r.Seq = h.seq
	for i := range h.shards {
		r.Subscribers += h.shards[i].enter(topic, m)
	}
	return r, nil
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
	stats := HubStats{Dropped: h.dropped.Load()}
	topics := make(map[string]struct{})
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		stats.Subscribers += len(s.members)
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
// queued for them, and waits for their closing handshakes. The goodbyes are spread over DrainTime, so that not all come
// back at once; few subscribers take less, one every 10 ms. When ctx ends first it cuts what is left and returns ctx's
// error.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	var conns []*Conn
	for i := range h.shards {
		h.write(&h.shards[i])
		conns = append(conns, h.shards[i].all()...)
	}
	if len(conns) == 0 {
		return nil
	}
	gap := min(option(h.DrainTime, DefaultDrainTime)/time.Duration(len(conns)), maxGap)
	spread := time.NewTicker(max(gap, 1))
	defer spread.Stop()
	for _, c := range conns {
		if gap > 0 {
			select {
			case <-spread.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() == nil {
			go c.CloseWith(CloseServiceRestart, drainMessage)
		}
	}
	return waitEnd(ctx, conns)
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

// subscribe reports whether c is new here.
func (s *hubShard) subscribe(c *Conn, topics []string) (isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = make(map[*Conn]map[string]struct{})
		s.topics = make(map[string]*hubTopic)
	}
	mine, known := s.members[c]
	if !known {
		mine = make(map[string]struct{}, len(topics))
		s.members[c] = mine
	}
	for _, name := range topics {
		mine[name] = struct{}{}
		topic := s.topics[name]
		if topic == nil {
			topic = &hubTopic{conns: make(map[*Conn]struct{})}
			s.topics[name] = topic
		}
		topic.conns[c] = struct{}{}
		topic.list = nil
	}
	return !known
}

// unsubscribe removes c from topics, or from all and from the shard if there are none.
func (s *hubShard) unsubscribe(c *Conn, topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.members[c]
	if len(topics) == 0 {
		for name := range mine {
			s.leave(c, name)
		}
		clear(mine)
		if c.endError() != nil {
			delete(s.members, c)
		}
		return
	}
	for _, name := range topics {
		s.leave(c, name)
		delete(mine, name)
	}
}

// leave removes c from a topic. mu is held.
func (s *hubShard) leave(c *Conn, name string) {
	topic := s.topics[name]
	if topic == nil {
		return
	}
	delete(topic.conns, c)
	topic.list = nil
	if len(topic.conns) == 0 {
		delete(s.topics, name)
	}
}

// enter appends m to the log and returns how many get it.
func (s *hubShard) enter(name string, m *PreparedMessage) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.topics[name]
	if topic == nil {
		return 0
	}
	if topic.list == nil {
		topic.list = make([]*Conn, 0, len(topic.conns))
		for c := range topic.conns {
			topic.list = append(topic.list, c)
		}
	}
	s.log = append(s.log, hubEntry{m, topic.list})
	s.logged += len(m.frame)
	return len(topic.list)
}

func (s *hubShard) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if topic := s.topics[name]; topic != nil {
		return len(topic.conns)
	}
	return 0
}

func (s *hubShard) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := make([]*Conn, 0, len(s.members))
	for c := range s.members {
		conns = append(conns, c)
	}
	return conns
}

// write makes the caller the shard's writer if it has none, until the log is empty. If it has one that is far behind,
// the caller waits for it: that is what bounds the log.
func (h *Hub) write(s *hubShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		s.written.L = &s.mu
		for s.logged > maxShardLog && s.writing {
			s.written.Wait()
		}
		return
	}
	s.writing = true
	for pass := 0; len(s.log) > 0; pass++ {
		if pass == maxPasses {
			go h.continueWriting(s)
			return
		}
		h.pass(s)
	}
	s.writing = false
}

// continueWriting is the rest of a publisher's writing that has taken long enough.
func (h *Hub) continueWriting(s *hubShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 {
		h.pass(s)
	}
	s.writing = false
}

// pass takes the log and sends it. mu is held, but not while anything is sent.
func (h *Hub) pass(s *hubShard) {
	log := s.log
	s.log, s.logged = nil, 0
	s.mu.Unlock()
	h.send(log)
	s.mu.Lock()
	s.written.Broadcast()
}

// send sends the messages of a log, all of a subscriber's in one write.
func (h *Hub) send(log []hubEntry) {
	first := log[0].to
	same := !slices.ContainsFunc(log, func(e hubEntry) bool { return &e.to[0] != &first[0] })
	if same {
		messages := make([]*PreparedMessage, len(log))
		for i, e := range log {
			messages[i] = e.message
		}
		batches := joinMessages(messages)
		for _, c := range first {
			h.sendTo(c, batches)
		}
		return
	}
	byConn := make(map[*Conn][]*PreparedMessage)
	for _, e := range log {
		for _, c := range e.to {
			byConn[c] = append(byConn[c], e.message)
		}
	}
	for c, messages := range byConn {
		h.sendTo(c, joinMessages(messages))
	}
}

func (h *Hub) sendTo(c *Conn, batches []sharedBatch) {
	limit := h.QueueLimit
	if limit == 0 {
		limit = DefaultQueueLimit
	}
	for _, b := range batches {
		if dropped := c.sendShared(b, limit, h.Overflow); dropped > 0 {
			h.dropped.Add(int64(dropped))
		}
	}
}

// A sharedBatch is messages that leave together: bytes is their frames, one behind the other.
type sharedBatch struct {
	bytes    []byte
	messages []*PreparedMessage
}

// joinMessages divides messages into batches of at most joinLimit bytes. A message alone is not copied.
func joinMessages(messages []*PreparedMessage) []sharedBatch {
	var batches []sharedBatch
	for len(messages) > 0 {
		n, size := 1, len(messages[0].frame)
		for n < len(messages) && size+len(messages[n].frame) <= joinLimit {
			size += len(messages[n].frame)
			n++
		}
		b := sharedBatch{messages[0].frame, messages[:n]}
		if n > 1 {
			b.bytes = make([]byte, 0, size)
			for _, m := range messages[:n] {
				b.bytes = append(b.bytes, m.frame...)
			}
		}
		batches = append(batches, b)
		messages = messages[n:]
	}
	return batches
}
