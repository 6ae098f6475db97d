package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// subscriber makes a subscriber in memory whose direction to the peer holds size bytes.
func subscriber(t *testing.T, h *Hub, size int, cfg connConfig, topics ...string) (*Conn, *rawPeer) {
	t.Helper()
	mem := transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(size) }}
	c, peer := withRaw(t, mem, serverRole, cfg)
	cutLater(t, c)
	if err := h.Subscribe(c, topics...); err != nil {
		t.Fatal(err)
	}
	return c, peer
}

// cutLater cuts connections when t is over, so that nothing is left behind in its bubble.
func cutLater(t *testing.T, conns ...*Conn) {
	t.Cleanup(func() {
		for _, c := range conns {
			c.CloseNow()
		}
	})
}

func publish(t *testing.T, h *Hub, topic, text string) Receipt {
	t.Helper()
	receipt, err := h.Publish(topic, TextMessage, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// wantStats wants h to have these counts.
func wantStats(t *testing.T, h *Hub, want HubStats) {
	t.Helper()
	if got := h.Stats(); got != want {
		t.Errorf("the Hub's counts are %+v, want %+v", got, want)
	}
}

// A hubLog is what one subscriber received, as texts, and whose topics it has.
type hubLog struct {
	topics   []string
	received []string
}

// readAll reads messages until c ends.
func (l *hubLog) readAll(c *Conn) {
	for {
		_, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		text, _, _ := strings.Cut(string(p), " ")
		l.received = append(l.received, text)
	}
}

// Every subscriber of a topic gets every message, in the order of the Receipts, whoever publishes meanwhile. Some
// messages are larger than what is joined for one write, and than what a transport takes at once.
func TestHubSendsEveryMessageInPublishOrder(t *testing.T) {
	const publishers, each = 4, 90
	topics := []string{"a", "b", "c"}
	eachTransport(t, func(t *testing.T, p transportPair) {
		wstest.NoLeaks(t)
		h := &Hub{QueueLimit: 1 << 30, DrainTime: -1}
		var logs []*hubLog
		var reading sync.WaitGroup
		for i := range 3 * hubShards {
			server, client := connPair(t, p, connConfig{})
			log := &hubLog{topics: topics[:1+i%len(topics)]}
			logs = append(logs, log)
			reading.Go(func() { log.readAll(client) })
			reading.Go(func() { h.Serve(server, log.topics...) })
		}
		waitFor(t, func() bool { return h.Stats().Subscribers == len(logs) })

		var mu sync.Mutex
		published := map[string]map[uint64]string{"a": {}, "b": {}, "c": {}}
		var publishing sync.WaitGroup
		for who := range publishers {
			publishing.Go(func() {
				for i := range each {
					topic := topics[(who+i)%len(topics)]
					text := fmt.Sprintf("%s%d.%d", topic, who, i)
					padding := ""
					if i%30 == who {
						padding = " " + strings.Repeat("x", joinLimit+1)
					}
					receipt := publish(t, h, topic, text+padding)
					mu.Lock()
					published[topic][receipt.Seq] = text
					mu.Unlock()
				}
			})
		}
		publishing.Wait()
		if err := h.Shutdown(testContext(t)); err != nil {
			t.Fatal(err)
		}
		reading.Wait()
		for i, log := range logs {
			var want []string
			for seq := range uint64(publishers*each + 1) {
				for _, topic := range log.topics {
					if text, ok := published[topic][seq]; ok {
						want = append(want, text)
					}
				}
			}
			if !slices.Equal(log.received, want) {
				t.Errorf("subscriber %d of %q got %d messages\n%q\nwant %d\n%q", i, log.topics,
					len(log.received), log.received, len(want), want)
			}
		}
	})
}

// waitFor polls until ok, for what a real socket or another goroutine does in its own time.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 30 s")
		}
	}
}

// The story of some subscriptions: what each publication reaches, and what is counted.
func TestHubSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		wantStats(t, h, HubStats{})
		if got := publish(t, h, "a", "to no one"); got != (Receipt{Seq: 1}) {
			t.Errorf("publishing to no one: %+v", got)
		}
		c1, p1 := subscriber(t, h, 4096, connConfig{}, "a", "b", "a")
		c2, p2 := subscriber(t, h, 4096, connConfig{}, "b")
		h.Subscribe(c2, "b") // it is subscribed already
		wantStats(t, h, HubStats{Subscribers: 2, Topics: 2, Published: 1})

		steps := []struct {
			what    func()
			topic   string
			reaches []*rawPeer
		}{
			{nil, "a", []*rawPeer{p1}},
			{nil, "b", []*rawPeer{p1, p2}},
			{nil, "c", nil},
			{nil, "", nil},
			{func() { h.Subscribe(c2, "a", "c") }, "a", []*rawPeer{p1, p2}},
			{func() { h.Unsubscribe(c1, "b", "never subscribed") }, "b", []*rawPeer{p2}},
			{nil, "a", []*rawPeer{p1, p2}},
			{func() { h.Unsubscribe(c2) }, "a", []*rawPeer{p1}},
			{nil, "b", nil},
			{nil, "c", nil},
			{func() { h.Subscribe(c2, "b") }, "b", []*rawPeer{p2}},
			{func() { h.Unsubscribe(c1, "a") }, "a", nil},
		}
		for i, step := range steps {
			if step.what != nil {
				step.what()
			}
			text := fmt.Sprintf("step %d", i)
			want := Receipt{Seq: uint64(i + 2), Subscribers: len(step.reaches)}
			if n := h.Count(step.topic); n != want.Subscribers {
				t.Errorf("%s: topic %q has %d subscribers, want %d", text, step.topic, n, want.Subscribers)
			}
			if got := publish(t, h, step.topic, text); got != want {
				t.Errorf("%s: %+v, want %+v", text, got, want)
			}
			for _, peer := range step.reaches {
				peer.want(OpText, text)
			}
		}
		wantStats(t, h, HubStats{Subscribers: 1, Topics: 1, Published: uint64(len(steps) + 1)})
		c1.CloseNow()
		c2.CloseNow()
		for _, peer := range []*rawPeer{p1, p2} {
			peer.wantEOF() // nobody got more than was due
		}
	})
}

// A connection without a topic is no subscriber. If it has left the Hub, Shutdown does not touch it; one that only has
// no topic at the moment, but is served, is closed.
func TestHubShutdownLeavesFormerSubscribersAlone(t *testing.T) {
	tests := []struct {
		name   string
		leave  func(h *Hub, c *Conn)
		closed bool
	}{
		{"leaves", func(h *Hub, c *Conn) { h.Unsubscribe(c) }, false},
		{"leaves twice", func(h *Hub, c *Conn) { h.Unsubscribe(c); h.Unsubscribe(c) }, false},
		{"ends its topics", func(h *Hub, c *Conn) { h.Unsubscribe(c, "b", "a") }, true},
		{"comes back without a topic", func(h *Hub, c *Conn) { h.Unsubscribe(c); h.Subscribe(c) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(Hub)
				server, client := Pipe(nil)
				cutLater(t, server, client)
				client.Drain()
				h.Subscribe(server, "a", "b")
				tt.leave(h, server)
				wantStats(t, h, HubStats{})
				if err := h.Shutdown(testContext(t)); err != nil || (server.failed() != nil) != tt.closed {
					t.Errorf("Shutdown = %v, the connection: %v", err, server.failed())
				}
			})
		})
	}
}

// A connection that ends is unsubscribed, whoever ends it, and Serve says why it ended.
func TestHubForgetsConnectionsThatEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func(server, client *Conn)
		is   func(error) bool
	}{
		{"the peer closes", func(_, client *Conn) { client.CloseWith(4000, "") }, func(err error) bool {
			var ce *CloseError
			return errors.As(err, &ce) && ce.Code == 4000
		}},
		{"the peer is lost", func(_, client *Conn) { client.CloseNow() }, func(err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{"the peer breaks a rule", func(_, client *Conn) { client.NetConn().Write([]byte{0xff, 0x80}) },
			func(err error) bool {
				var pe *ProtocolError
				return errors.As(err, &pe)
			}},
		{"we close", func(server, _ *Conn) { server.Close() }, func(err error) bool {
			return errors.Is(err, net.ErrClosed)
		}},
		{"we cut", func(server, _ *Conn) { server.CloseNow() }, func(err error) bool {
			return errors.Is(err, net.ErrClosed)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(Hub)
				server, client := Pipe(nil)
				cutLater(t, server, client)
				client.Drain()
				served := async(func() error { return h.Serve(server, "a", "b") })
				synctest.Wait()
				client.WriteMessage(TextMessage, []byte("thrown away"))
				wantBlocked(t, "Serve", served)
				wantStats(t, h, HubStats{Subscribers: 1, Topics: 2})
				tt.end(server, client)
				if err := <-served; !tt.is(err) {
					t.Errorf("Serve returned %v", err)
				}
				<-server.Done()
				synctest.Wait()
				wantStats(t, h, HubStats{})
				if err := h.Subscribe(server, "a"); !tt.is(err) {
					t.Errorf("Subscribe of a connection that has ended returned %v", err)
				}
				if got := publish(t, h, "a", "too late"); got.Subscribers != 0 {
					t.Errorf("publishing to one that has ended: %+v", got)
				}
			})
		})
	}
}

// Serve reads. Where somebody else does it refuses, and leaves no subscription behind.
func TestHubServeRefusesASecondReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		server, client := Pipe(nil)
		cutLater(t, server, client)
		server.Drain()
		if err := h.Serve(server, "a"); err != ErrConcurrentRead {
			t.Errorf("Serve returned %v", err)
		}
		wantStats(t, h, HubStats{})
	})
}

// Serve of a Hub that was shut down leaves the connection as it was.
func TestHubServeAfterShutdownLeavesTheReaderFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		h.Shutdown(t.Context())
		server, client := Pipe(nil)
		cutLater(t, server, client)
		if err := h.Serve(server, "a"); err != ErrHubClosed {
			t.Errorf("Serve returned %v", err)
		}
		client.WriteMessage(TextMessage, []byte("still here"))
		wantMessages(t, server, "still here")
	})
}

// Subscribing, unsubscribing and losing connections while others publish: nobody gets a message twice, out of order or
// damaged, and in the end all are counted out.
func TestHubSubscribersComeAndGoWhilePublishing(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		wstest.NoLeaks(t)
		h := new(Hub)
		stop := make(chan struct{})
		var publishing, members sync.WaitGroup
		for range 2 {
			publishing.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						publish(t, h, []string{"a", "b"}[i%2], "x")
						runtime.Gosched()
					}
				}
			})
		}
		for i := range 24 {
			server, client := connPair(t, p, connConfig{})
			members.Go(func() { h.Serve(server, "a") })
			members.Go(func() {
				for range 5 {
					h.Unsubscribe(server, "a")
					h.Subscribe(server, "a", "b")
					wantMessages(t, client, "x", "x")
					h.Unsubscribe(server)
					h.Subscribe(server, "b")
				}
				if i%2 == 0 {
					client.CloseNow()
					return
				}
				client.Close()
			})
		}
		members.Wait()
		close(stop)
		publishing.Wait()
		stats := h.Stats()
		wantStats(t, h, HubStats{Published: stats.Published})
	})
}

// What no connection could send is refused, takes no number and reaches nobody.
func TestHubRefusesWhatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		_, peer := subscriber(t, h, 4096, connConfig{}, "a")
		for _, tt := range []struct {
			t    MessageType
			p    string
			want error
		}{
			{TextMessage, "\xff", ErrInvalidUTF8},
			{TextMessage, "cut \xe2\x82", ErrInvalidUTF8},
			{MessageType(OpPing), "x", ErrMessageType},
			{0, "x", ErrMessageType},
		} {
			if got, err := h.Publish("a", tt.t, []byte(tt.p)); err != tt.want || got != (Receipt{}) {
				t.Errorf("Publish(%v, %q) = %+v, %v, want %v", tt.t, tt.p, got, err, tt.want)
			}
		}
		if got, err := h.Publish("a", BinaryMessage, []byte("\xff")); err != nil || got != (Receipt{1, 1}) {
			t.Errorf("Publish of binary = %+v, %v", got, err)
		}
		peer.want(OpBinary, "\xff")
	})
}

// A message is encoded when it is published: what its owner does with the memory afterwards is of no consequence, also
// to a subscriber who takes it later. Subscribers of both roles get it.
func TestHubMessagesArePreparedOnce(t *testing.T) {
	for _, r := range []role{serverRole, clientRole} {
		for _, size := range []int{0, 5, 125, 126, 70_000} {
			synctest.Test(t, func(t *testing.T) {
				h := new(Hub)
				s, c := memconn.Pair(16)
				conn, peer := newConn(s, serverRole, connConfig{}, nil), &rawPeer{t: t, nc: c, role: clientRole}
				if r == clientRole {
					conn, peer = newConn(s, clientRole, connConfig{}, nil), &rawPeer{t: t, nc: c, role: serverRole}
				}
				cutLater(t, conn)
				h.Subscribe(conn, "a")
				p := bytes.Repeat([]byte("p"), size)
				want := string(p)
				m, err := NewPreparedMessage(BinaryMessage, p)
				if err != nil {
					t.Fatal(err)
				}
				h.Publish("a", TextMessage, p)
				h.PublishPrepared("a", m)
				h.PublishPrepared("a", m)
				clear(p)
				peer.want(OpText, want)
				peer.want(OpBinary, want)
				peer.want(OpBinary, want)
			})
		}
	}
}

// overflowTexts are messages of 100 bytes, frames of 102, by number.
func overflowText(i int) string { return fmt.Sprintf("%0100d", i) }

// A peer that takes nothing: what it gets when it begins to read, for each policy. The transport takes 16 bytes, so
// message 0 has begun and the others wait.
func TestHubOverflowPolicies(t *testing.T) {
	const frame = 102
	between := func(from, to int) (is []int) {
		for i := from; i <= to; i++ {
			is = append(is, i)
		}
		return is
	}
	tests := []struct {
		name      string
		limit     int
		policy    Overflow
		published int
		delivered []int
		closed    bool
	}{
		{"close: the queue is just full", 9 * frame, OverflowClose, 10, between(0, 9), false},
		{"close: one byte too many", 10*frame - 1, OverflowClose, 11, []int{0}, true},
		{"close: and more comes", 9 * frame, OverflowClose, 20, []int{0}, true},
		{"close: one message may be larger than the queue", 10, OverflowClose, 2, between(0, 1), false},
		{"close: two may not", 10, OverflowClose, 3, []int{0}, true},
		{"close: no limit", -1, OverflowClose, 500, between(0, 499), false},
		{"oldest: the queue is just full", 9 * frame, OverflowDropOldest, 10, between(0, 9), false},
		{"oldest: one too many", 9 * frame, OverflowDropOldest, 11, append([]int{0}, between(2, 10)...), false},
		{"oldest: many", 9 * frame, OverflowDropOldest, 100, append([]int{0}, between(91, 99)...), false},
		{"oldest: each larger than the queue", 10, OverflowDropOldest, 5, []int{0, 4}, false},
		{"oldest: no limit", -1, OverflowDropOldest, 500, between(0, 499), false},
		{"latest: the queue is just full", 9 * frame, OverflowLatest, 10, between(0, 9), false},
		{"latest: one too many", 9 * frame, OverflowLatest, 11, []int{0, 10}, false},
		{"latest: and then some", 9 * frame, OverflowLatest, 14, append([]int{0}, between(10, 13)...), false},
		{"latest: and again too many", 9 * frame, OverflowLatest, 20, []int{0, 19}, false},
		{"latest: each larger than the queue", 10, OverflowLatest, 5, []int{0, 4}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{QueueLimit: tt.limit, Overflow: tt.policy}
				c, peer := subscriber(t, h, 16, connConfig{}, "a")
				sentTo := 0
				for i := range tt.published {
					sentTo += publish(t, h, "a", overflowText(i)).Subscribers
					synctest.Wait()
				}
				if queued := c.Stats().Queued; tt.limit > frame && queued > int64(tt.limit) {
					t.Errorf("%d bytes are queued, the limit is %d", queued, tt.limit)
				}
				for _, i := range tt.delivered {
					peer.want(OpText, overflowText(i))
				}
				dropped := int64(sentTo - len(tt.delivered))
				if got := [2]int64{h.Stats().Dropped, c.Stats().Dropped}; got != [2]int64{dropped, dropped} {
					t.Errorf("dropped, as Hub and Conn have counted: %d, want %d of %d", got, dropped, sentTo)
				}
				if tt.closed {
					peer.wantClose(CloseTryAgainLater)
					peer.send(OpClose, closePayload(CloseTryAgainLater, ""))
					peer.wantEOF()
					wantErrClosed(t, "the owner's read", readError(c))
					wantStats(t, h, HubStats{Published: uint64(tt.published), Dropped: dropped})
					return
				}
				publish(t, h, "a", "the connection goes on")
				peer.want(OpText, "the connection goes on")
			})
		})
	}
}

// readError reads once and returns the error.
func readError(c *Conn) error {
	_, _, err := c.ReadMessage()
	return err
}
