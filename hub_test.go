package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// subscribers are n of them, with what they have in front of them.
func subscribers(t *testing.T, h *Hub, n int, topic string) (conns []*Conn, peers []*rawPeer) {
	t.Helper()
	for range n {
		c, peer := subscriber(t, h, 4096, connConfig{}, topic)
		conns, peers = append(conns, c), append(peers, peer)
	}
	return conns, peers
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
	got := h.Stats()
	got.Queued = want.Queued // which is a matter of the moment
	if got != want {
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
	for end := time.Now().Add(faultPatience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

// The story of some subscriptions: what each publication reaches, and what is counted. It is the same whether the two
// connections share a shard or not.
func TestHubSubscriptions(t *testing.T) {
	for _, between := range []uint64{0, hubShards - 1} {
		synctest.Test(t, func(t *testing.T) { tellSubscriptions(t, between) })
	}
}

// tellSubscriptions is the story, with so many other connections made between the two.
func tellSubscriptions(t *testing.T, between uint64) {
	h := new(Hub)
	wantStats(t, h, HubStats{})
	if got := publish(t, h, "a", "to no one"); got != (Receipt{Seq: 1}) {
		t.Errorf("publishing to no one: %+v", got)
	}
	c1, p1 := subscriber(t, h, 4096, connConfig{}, "a", "b", "a")
	lastConnID.Add(between)
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
	const place = frame + entryCost // what one takes up of the limit
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
		{"close: the queue is just full", 9 * place, OverflowClose, 10, between(0, 9), false},
		{"close: one byte too many", 10*place - 1, OverflowClose, 11, []int{0}, true},
		{"close: and more comes", 9 * place, OverflowClose, 20, []int{0}, true},
		{"close: one message may be larger than the queue", 10, OverflowClose, 2, between(0, 1), false},
		{"close: two may not", 10, OverflowClose, 3, []int{0}, true},
		{"close: no limit", -1, OverflowClose, 500, between(0, 499), false},
		{"oldest: the queue is just full", 9 * place, OverflowDropOldest, 10, between(0, 9), false},
		{"oldest: one too many", 9 * place, OverflowDropOldest, 11, append([]int{0}, between(2, 10)...), false},
		{"oldest: many", 9 * place, OverflowDropOldest, 100, append([]int{0}, between(91, 99)...), false},
		{"oldest: each larger than the queue", 10, OverflowDropOldest, 5, []int{0, 4}, false},
		{"oldest: no limit", -1, OverflowDropOldest, 500, between(0, 499), false},
		{"latest: the queue is just full", 9 * place, OverflowLatest, 10, between(0, 9), false},
		{"latest: one too many", 9 * place, OverflowLatest, 11, []int{0, 10}, false},
		{"latest: and then some", 9 * place, OverflowLatest, 14, append([]int{0}, between(10, 13)...), false},
		{"latest: and again too many", 9 * place, OverflowLatest, 20, []int{0, 19}, false},
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
				delivered := int64(len(tt.delivered))
				if got := c.Stats(); got.MessagesOut != delivered || got.BytesOut != 100*delivered {
					t.Errorf("the Conn has counted %d messages, %d bytes", got.MessagesOut, got.BytesOut)
				}
				if tt.closed {
					peer.wantClose(CloseTryAgainLater)
					peer.send(OpClose, closePayload(CloseTryAgainLater, ""))
					peer.wantEOF()
					<-c.Done()
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

// A subscriber that was too slow is cut when it does not take what is owed to it.
func TestHubCutsASubscriberThatOverflowed(t *testing.T) {
	tests := []struct {
		name    string
		cfg     connConfig
		size    int           // of each message
		pace    time.Duration // the peer takes 64 KiB after each; 0: it takes nothing
		overran time.Duration // when the queue overflows
		want    time.Duration
	}{
		// The write that waits for the peer has its limit from its beginning.
		{"the peer takes nothing", connConfig{}, 100, 0, 0, 10 * time.Second},
		{"the peer has taken nothing for some time", connConfig{}, 100, 0, 4 * time.Second, 10 * time.Second},
		{"another limit", connConfig{writeTimeout: time.Second}, 100, 0, 0, time.Second},
		{"no limit: that of closing", connConfig{writeTimeout: -1, closeTimeout: time.Minute}, 100, 0, 0, time.Minute},
		// A peer that takes enough to be spared by that has as long again for the frame and the closing handshake.
		{"the peer is slow", connConfig{}, 4 << 20, 7 * time.Second, 6 * time.Second, 16 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{QueueLimit: 1}
				c, peer := subscriber(t, h, 16, tt.cfg, "a")
				start := time.Now()
				publish(t, h, "a", strings.Repeat("x", tt.size))
				synctest.Wait()
				var taking sync.WaitGroup
				defer taking.Wait()
				taking.Go(func() {
					for err := error(nil); tt.pace > 0 && err == nil; {
						time.Sleep(tt.pace)
						_, err = io.CopyN(io.Discard, peer.nc, writeChunk)
					}
				})
				time.Sleep(tt.overran)
				publish(t, h, "a", overflowText(1))
				publish(t, h, "a", overflowText(2))
				if c.failed() == nil {
					t.Error("the queue has not overflowed")
				}
				<-c.Done()
				if got := time.Since(start); got != tt.want {
					t.Errorf("it was cut after %v, want %v", got, tt.want)
				}
				wantStats(t, h, HubStats{Published: 3, Dropped: 2})
			})
		})
	}
}

// A message that NextWriter is sending is not interrupted: what is published waits until it is over.
func TestHubMessagesWaitForNextWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, peer := subscriber(t, h, 4096, connConfig{}, "a")
		w, err := c.NextWriter(TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		publish(t, h, "a", "1")
		publish(t, h, "a", "2")
		if got := c.Stats().Queued; got != 6 {
			t.Errorf("%d bytes wait, want two frames of 3", got)
		}
		io.WriteString(w, "first")
		w.Close()
		peer.want(OpText, "first")
		peer.want(OpText, "1")
		peer.want(OpText, "2")
	})
}

// Replies that collect, as more of the peer's frames are at hand, were written before what is published: they leave
// before it, and with it.
func TestHubMessagesLeaveBehindCollectedReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, peer := subscriber(t, h, 4096, connConfig{}, "a")
		c.more.Store(true) // as if the read buffer held another frame
		c.WriteMessage(TextMessage, []byte("reply"))
		start := time.Now()
		publish(t, h, "a", "published")
		peer.want(OpText, "reply")
		peer.want(OpText, "published")
		if d := time.Since(start); d != 0 {
			t.Errorf("they came after %v", d)
		}
	})
}

// Publishing does not wait for a subscriber that takes nothing, and others get their messages at once.
func TestHubSlowSubscriberDelaysNobody(t *testing.T) {
	for _, policy := range []Overflow{OverflowClose, OverflowDropOldest, OverflowLatest} {
		synctest.Test(t, func(t *testing.T) {
			h := &Hub{QueueLimit: 1000, Overflow: policy}
			start := time.Now()
			var fast []*rawPeer
			for range 2 * hubShards { // some of them share their shard with the slow one
				subscriber(t, h, 16, connConfig{}, "a")
				_, peer := subscriber(t, h, 4096, connConfig{}, "a")
				fast = append(fast, peer)
			}
			for i := range 100 {
				publish(t, h, "a", overflowText(i))
				for _, peer := range fast {
					peer.want(OpText, overflowText(i))
				}
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("policy %d: it took %v", policy, d)
			}
		})
	}
}

// hubServer serves h's topic "a" on a real socket, whose connections take little at once. With buffers smaller than a
// segment of the loopback the kernel itself would make the tests slow.
func hubServer(t *testing.T, h *Hub, u *Upgrader, secure bool) (conns chan *Conn, dial func() *Conn) {
	t.Helper()
	conns = make(chan *Conn, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		socketOf(c).SetWriteBuffer(32 << 10)
		h.Subscribe(c, "a")
		conns <- c
		h.Serve(c)
	}))
	scheme := "ws://"
	d := new(Dialer)
	if secure {
		scheme = "wss://"
		srv.StartTLS()
		d.TLSConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return conns, func() *Conn {
		t.Helper()
		c, _, err := d.Dial(testContext(t), scheme+srv.Listener.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		socketOf(c).SetReadBuffer(64 << 10)
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
}

// socketOf returns the TCP socket of c.
func socketOf(c *Conn) *net.TCPConn {
	if layered, ok := c.NetConn().(*tls.Conn); ok {
		return layered.NetConn().(*net.TCPConn)
	}
	return c.NetConn().(*net.TCPConn)
}

// eachSocket runs f over TCP and over TLS.
func eachSocket(t *testing.T, f func(t *testing.T, secure bool)) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "tcp", true: "tls"}[secure], func(t *testing.T) {
			wstest.NoLeaks(t)
			f(t, secure)
		})
	}
}

// hubText is message i of the tests with real sockets. Each is large, so that a socket is soon full.
func hubText(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", 8<<10)) }

// publishUntilDropped publishes until messages were dropped, and one more, and wants fast to get each of them at once.
func publishUntilDropped(t *testing.T, h *Hub, fast *Conn) (published int) {
	t.Helper()
	for more := true; more; published++ {
		more = h.Stats().Dropped == 0
		publish(t, h, "a", hubText(published))
		wantText(t, fast, hubText(published))
	}
	return published
}

// readNumbers reads messages of hubText until the one with the number last, or until c ends.
func readNumbers(t *testing.T, c *Conn, last int) (numbers []int, err error) {
	t.Helper()
	for {
		_, p, err := c.ReadMessage()
		if err != nil {
			return numbers, err
		}
		number, _, _ := strings.Cut(string(p), " ")
		n, err := strconv.Atoi(number)
		if err != nil || string(p) != hubText(n) {
			t.Fatalf("a message that was not published: %.40q", p)
		}
		if numbers = append(numbers, n); n == last {
			return numbers, nil
		}
	}
}

// A peer that does not read until its socket, and then its queue, are full, next to one that reads. What it reads then
// is whole messages in order, up to the gap that its policy makes; all messages are received or counted.
func TestHubSlowSocket(t *testing.T) {
	for _, policy := range []Overflow{OverflowClose, OverflowDropOldest, OverflowLatest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			eachSocket(t, func(t *testing.T, secure bool) {
				h := &Hub{QueueLimit: 64 << 10, Overflow: policy}
				conns, dial := hubServer(t, h, new(Upgrader), secure)
				slow := dial()
				server := <-conns
				fast := dial()
				<-conns
				published := publishUntilDropped(t, h, fast)
				numbers, err := readNumbers(t, slow, published-1)
				if policy == OverflowClose {
					if !isCloseCode(err, CloseTryAgainLater) {
						t.Errorf("it was ended with %v, want a Close with 1013", err)
					}
					<-server.Done()
					if n := h.Count("a"); n != 1 {
						t.Errorf("%d are subscribed, want the fast one", n)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if got, want := int64(len(numbers)), int64(published)-h.Stats().Dropped; got != want {
					t.Errorf("%d of %d messages arrived and %d were dropped", got, published, h.Stats().Dropped)
				}
				gaps := 0
				for i, n := range numbers[1:] {
					if n <= numbers[i] {
						t.Fatalf("message %d came behind %d", n, numbers[i])
					}
					if n != numbers[i]+1 {
						gaps++
					}
				}
				if numbers[0] != 0 || gaps > 1 || policy == OverflowClose && gaps > 0 {
					t.Errorf("the messages that arrived have %d gaps: %d", gaps, numbers)
				}
			})
		})
	}
}

// A peer that never reads again is cut, and others do not notice.
func TestHubDeadSocketIsCut(t *testing.T) {
	eachSocket(t, func(t *testing.T, secure bool) {
		h := &Hub{QueueLimit: 64 << 10}
		conns, dial := hubServer(t, h, &Upgrader{WriteTimeout: time.Second}, secure)
		dial()
		dead := <-conns
		fast := dial()
		<-conns
		published := publishUntilDropped(t, h, fast)
		<-dead.Done()
		wantErrClosed(t, "a read", readError(dead))
		if got := publish(t, h, "a", hubText(published)); got.Subscribers != 1 {
			t.Errorf("%d are subscribed, want the fast one", got.Subscribers)
		}
		wantText(t, fast, hubText(published))
	})
}

// goodbyes reads, for each client, when its Close with code 1012 came.
func goodbyes(t *testing.T, clients []*Conn) func() []time.Duration {
	start := time.Now()
	times := make([]time.Duration, len(clients))
	var reading sync.WaitGroup
	for i, c := range clients {
		reading.Go(func() {
			if err := readError(c); !isCloseCode(err, CloseServiceRestart) {
				t.Errorf("a client was told %v, want a Close with 1012", err)
			}
			times[i] = time.Since(start)
		})
	}
	return func() []time.Duration {
		reading.Wait()
		slices.Sort(times)
		return times
	}
}

func TestHubShutdownSpreadsItsGoodbyes(t *testing.T) {
	tests := []struct {
		name  string
		drain time.Duration
		n     int
		gap   time.Duration
	}{
		{"few", 0, 4, 1250 * time.Millisecond},
		{"many", 0, 1000, 5 * time.Millisecond},
		{"another DrainTime", time.Second, 500, 2 * time.Millisecond},
		{"none", -1, 50, 0},
		{"one", 0, 1, 0},
		{"nobody", 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{DrainTime: tt.drain}
				var clients []*Conn
				for range tt.n {
					server, client := Pipe(nil)
					h.Subscribe(server, "a", "b")
					clients = append(clients, client)
				}
				told := goodbyes(t, clients)
				start := time.Now()
				if err := h.Shutdown(testContext(t)); err != nil {
					t.Error(err)
				}
				if d, last := time.Since(start), tt.gap*time.Duration(max(tt.n-1, 0)); d != last {
					t.Errorf("it took %v, want %v", d, last)
				}
				for i, d := range told() {
					if want := tt.gap * time.Duration(i); d != want {
						t.Fatalf("goodbye %d came after %v, want %v", i, d, want)
					}
				}
				wantStats(t, h, HubStats{})
			})
		})
	}
}

// Nobody's turn is waited for who has gone by himself.
func TestHubShutdownEndsWhenNobodyIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Hub{DrainTime: time.Minute}
		var clients []*Conn
		for range 4 {
			server, client := Pipe(nil)
			server.Drain()
			client.Drain()
			h.Subscribe(server, "a")
			clients = append(clients, client)
		}
		time.AfterFunc(20*time.Second, func() {
			for _, c := range clients {
				c.Close()
			}
		})
		start := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it took %v; all had gone after 20 s", took)
		}
	})
}

// What was published before Shutdown still arrives, also at a subscriber that is slow.
func TestHubShutdownSaysGoodbyeBehindWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		_, peer := subscriber(t, h, 16, connConfig{}, "a")
		for i := range 50 {
			publish(t, h, "a", overflowText(i))
		}
		down := async(func() error { return h.Shutdown(testContext(t)) })
		time.Sleep(time.Second)
		wantBlocked(t, "Shutdown", down)
		for i := range 50 {
			peer.want(OpText, overflowText(i))
		}
		f, err := peer.read()
		if err != nil || f.payload != closePayload(CloseServiceRestart, drainMessage) {
			t.Errorf("then came %v, %v, want a Close with 1012", f, err)
		}
		wantBlocked(t, "Shutdown, which waits for the peer's Close,", down)
		peer.send(OpClose, closePayload(CloseServiceRestart, ""))
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

// A context that ends cuts those that have not answered and those that were not told yet.
func TestHubShutdownGivesUp(t *testing.T) {
	const n = 100
	for name, tt := range map[string]struct {
		wait time.Duration
		told int
	}{
		"at once":                         {0, 0},
		"while it says goodbye":           {95 * time.Millisecond, 10},
		"while it waits for their Closes": {3 * time.Second, n},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{DrainTime: n * 10 * time.Millisecond}
				conns, peers := subscribers(t, h, n, "a")
				ctx, cancel := context.WithTimeout(t.Context(), tt.wait)
				defer cancel()
				start := time.Now()
				if err := h.Shutdown(ctx); err != context.DeadlineExceeded || time.Since(start) != tt.wait {
					t.Errorf("Shutdown = %v after %v", err, time.Since(start))
				}
				told := 0
				for i, c := range conns {
					<-c.Done()
					if f, err := peers[i].read(); err == nil && f.Opcode == OpClose {
						told++
					} else if err != io.EOF {
						t.Errorf("a peer read %v, %v", f, err)
					}
				}
				if told != tt.told {
					t.Errorf("%d were told, want %d", told, tt.told)
				}
				wantStats(t, h, HubStats{})
			})
		})
	}
}

// A Hub that was shut down takes nothing and nobody any more.
func TestHubAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		server, client := Pipe(nil)
		cutLater(t, server, client)
		old, oldClient := Pipe(nil)
		oldClient.Drain()
		h.Subscribe(old, "a")
		first := async(func() error { return h.Shutdown(t.Context()) })
		synctest.Wait() // the first goodbye is still to come
		for range 2 {
			if _, err := h.Publish("a", TextMessage, nil); err != ErrHubClosed {
				t.Errorf("Publish: %v", err)
			}
			if err := h.Subscribe(server, "a"); err != ErrHubClosed {
				t.Errorf("Subscribe: %v", err)
			}
			h.Unsubscribe(server)
			if err := h.Shutdown(t.Context()); err != nil {
				t.Errorf("another Shutdown: %v", err)
			}
		}
		if err := <-first; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		wantStats(t, h, HubStats{})
		if err := server.failed(); err != nil {
			t.Errorf("a connection that was refused has ended: %v", err)
		}
	})
}

// When Done tells that a connection has ended, nobody counts it any more.
func TestHubForgetsBeforeDone(t *testing.T) {
	h := new(Hub)
	c, _ := subscriber(t, h, 4096, connConfig{}, "a")
	c.atEnd(func() { // behind the Hub's own
		select {
		case <-c.Done():
			t.Error("Done came first")
		default:
		}
		wantStats(t, h, HubStats{})
	})
	c.CloseNow()
	<-c.Done()
}

// A Subscribe that has passed the Hub's door when Shutdown closes it is turned back inside.
func TestHubSubscribeOvertakenByShutdown(t *testing.T) {
	h := new(Hub)
	server, client := Pipe(nil)
	cutLater(t, server, client)
	s := h.shard(server)
	s.mu.Lock()
	subscribed := async(func() error { return h.Subscribe(server, "a") })
	waitFor(t, func() bool {
		buf := make([]byte, 1<<20)
		return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("(*hubShard).subscribe("))
	})
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	s.mu.Unlock()
	if err := <-subscribed; err != ErrHubClosed {
		t.Errorf("Subscribe returned %v", err)
	}
	wantStats(t, h, HubStats{})
}

// Subscribing while the Hub is shut down: nobody is left in between, neither told nor refused.
func TestHubSubscribeDuringShutdown(t *testing.T) {
	wstest.NoLeaks(t)
	for range 50 {
		h := &Hub{DrainTime: -1}
		var members sync.WaitGroup
		for range 20 {
			server, client := Pipe(nil)
			client.Drain()
			members.Go(func() {
				if err := h.Serve(server, "a"); err == ErrHubClosed {
					server.CloseNow()
				}
			})
		}
		if err := h.Shutdown(testContext(t)); err != nil {
			t.Fatal(err)
		}
		members.Wait()
		wantStats(t, h, HubStats{})
	}
}

// Subscribers cost no goroutine, and publishing to those that keep up none that stays: as many as there are shards at
// most, however much is published.
func TestHubNeedsNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		before := runtime.NumGoroutine()
		var peers []*rawPeer
		for range 100 {
			_, peer := subscriber(t, h, 4096, connConfig{}, "a")
			peers = append(peers, peer)
		}
		for i := range 10 {
			publish(t, h, "a", overflowText(i))
			if got := runtime.NumGoroutine(); got > before+hubShards {
				t.Errorf("there are %d goroutines, there were %d", got, before)
			}
		}
		synctest.Wait()
		if got := runtime.NumGoroutine(); got > before { // others may have ended
			t.Errorf("there are %d goroutines, there were %d", got, before)
		}
		for _, peer := range peers {
			for i := range 10 {
				peer.want(OpText, overflowText(i))
			}
		}
	})
}

// A publisher that finds a writer far behind waits for it: that bounds what a shard's log holds.
func TestHubPublishersWaitForAWriterFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Hub{QueueLimit: -1}
		c, peer := subscriber(t, h, 4096, connConfig{}, "a")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		const size, publishers = 1 << 20, 6
		text := strings.Repeat("x", size)
		var done []<-chan error
		for range publishers {
			done = append(done, async(func() error {
				_, err := h.Publish("a", TextMessage, []byte(text))
				return err
			}))
			synctest.Wait()
		}
		for i, d := range done {
			if (i+1)*size >= maxShardLog {
				wantBlocked(t, fmt.Sprintf("Publish %d", i), d)
			} else if err := <-d; err != nil {
				t.Error(err)
			}
		}
		go h.writeLog(s)
		for range publishers {
			peer.want(OpText, text)
		}
		synctest.Wait()
		for _, d := range done[maxShardLog/size:] {
			if err := <-d; err != nil {
				t.Error(err)
			}
		}
		if len(s.log) > 0 || s.logged != 0 || s.writing {
			t.Errorf("the log holds %d messages, %d bytes, writing: %v", len(s.log), s.logged, s.writing)
		}
	})
}

// What was published while another was writing goes to each subscriber in one write. One who takes only a part of it
// gets the rest in order, before what is published later; what is queued of it counts, and can overflow.
func TestHubBatches(t *testing.T) {
	const frame, batch = 102, 5
	tests := []struct {
		name      string
		room      int // what the peer takes at once
		stuck     bool
		limit     int
		delivered int // of the batch, and whether the connection then goes on
		closed    bool
		queued    int64 // behind it
	}{
		{"all at once", 4096, false, 0, batch, false, 0},
		{"cut in the first frame", 16, false, 0, batch, false, 4 * frame},
		{"cut between two frames", 2 * frame, false, 0, batch, false, 2 * frame},
		{"cut in the last frame", 5*frame - 1, false, 0, batch, false, 0},
		{"behind a message that waits", 16, true, 0, batch, false, 5 * frame},
		{"overflows in its middle", 16, true, 2 * (frame + entryCost), 0, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{QueueLimit: tt.limit}
				c, peer := subscriber(t, h, tt.room, connConfig{}, "a")
				if tt.stuck {
					publish(t, h, "a", "a message that waits for the peer")
					synctest.Wait()
				}
				s := h.shard(c)
				s.writing = true // by somebody who is held up
				for i := range batch {
					publish(t, h, "a", overflowText(i))
				}
				h.writeLog(s)
				if got := c.Stats().Queued; got != tt.queued {
					t.Errorf("%d bytes are queued, want %d", got, tt.queued)
				}
				if dropped := int64(batch - tt.delivered); h.Stats().Dropped != dropped {
					t.Errorf("%d messages were dropped, want %d", h.Stats().Dropped, dropped)
				}
				sent := int64(tt.delivered)
				if tt.stuck {
					sent++
					peer.want(OpText, "a message that waits for the peer")
				}
				if tt.closed {
					peer.wantClose(CloseTryAgainLater)
					return
				}
				publish(t, h, "a", "later")
				for i := range batch {
					peer.want(OpText, overflowText(i))
				}
				peer.want(OpText, "later")
				if got := c.Stats().MessagesOut; got != sent+1 {
					t.Errorf("the Conn has counted %d messages, want %d", got, sent+1)
				}
			})
		})
	}
}

// Messages are joined for one write up to a limit; none is split, and one that is alone is not copied.
func TestJoinMessages(t *testing.T) {
	tests := []struct {
		name  string
		sizes []int // of frames
		want  [][]int
	}{
		{"none", nil, nil},
		{"one", []int{100}, [][]int{{100}}},
		{"some", []int{100, 200, 300}, [][]int{{100, 200, 300}}},
		{"just to the limit", []int{joinLimit - 10, 10, 10}, [][]int{{joinLimit - 10, 10}, {10}}},
		{"one byte beyond it", []int{joinLimit - 10, 11, 10}, [][]int{{joinLimit - 10}, {11, 10}}},
		{"larger than it", []int{10, 2 * joinLimit, 10, 10}, [][]int{{10}, {2 * joinLimit}, {10, 10}}},
	}
	for _, tt := range tests {
		var messages []*PreparedMessage
		for i, size := range tt.sizes {
			messages = append(messages, &PreparedMessage{plain: preparedFrame{frame: bytes.Repeat([]byte{byte(i)}, size)}})
		}
		var got [][]int
		for _, b := range joinMessages(messages, frameVariant{}) {
			var sizes []int
			var frames []byte
			for _, f := range b.frames {
				sizes, frames = append(sizes, len(f.frame)), append(frames, f.frame...)
			}
			if !bytes.Equal(b.bytes, frames) || len(sizes) == 1 && &b.bytes[0] != &b.frames[0].frame[0] {
				t.Errorf("%s: the bytes of %d are not these frames, or a copy of one", tt.name, sizes)
			}
			got = append(got, sizes)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: joined as %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A writeCounter is a transport that counts what it is asked to write, and takes everything.
type writeCounter struct {
	net.Conn
	writes, bytes atomic.Int64
	onWrite       func() // nil for nothing
}

func (w *writeCounter) TryWrite(p []byte) (int, error) {
	w.writes.Add(1)
	w.bytes.Add(int64(len(p)))
	if w.onWrite != nil {
		w.onWrite()
	}
	return len(p), nil
}

// countedSubscriber makes a subscriber whose transport counts writes.
func countedSubscriber(t *testing.T, h *Hub, topics ...string) (*Conn, *writeCounter) {
	t.Helper()
	mem, _ := memconn.Pair(0)
	w := &writeCounter{Conn: mem}
	c := newConn(w, serverRole, connConfig{}, nil)
	cutLater(t, c)
	if err := h.Subscribe(c, topics...); err != nil {
		t.Fatal(err)
	}
	return c, w
}

// What a Handler publishes in one callback leaves in one write for each subscriber, also if it goes to several topics,
// and also to the one whose callback it is.
func TestHubCollectsWhatIsPublishedInOneCallback(t *testing.T) {
	const messages, subscribers = 20, 50
	for _, topics := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}} {
		h := new(Hub)
		var counters []*writeCounter
		for range subscribers {
			_, w := countedSubscriber(t, h, topics...)
			counters = append(counters, w)
		}
		server, client := Pipe(nil)
		cutLater(t, server, client)
		h.Subscribe(server, topics...)
		// Here goroutines run one at a time, so that none writes before the callback is over.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		go server.Serve(HandlerFuncs{OnMessage: func(*Conn, MessageType, []byte) {
			for i := range messages {
				publish(t, h, topics[i%len(topics)], overflowText(i))
			}
		}})
		client.WriteMessage(TextMessage, []byte("go on"))
		for i := range messages {
			wantText(t, client, overflowText(i))
		}
		for i := range h.shards {
			h.shards[i].settle(t.Context())
		}
		for i, w := range counters {
			if w.writes.Load() != 1 || w.bytes.Load() != messages*102 {
				t.Errorf("%d topics, subscriber %d: %d bytes in %d writes, want %d in one", len(topics), i,
					w.bytes.Load(), w.writes.Load(), messages*102)
			}
		}
	}
}

// A publisher who writes itself does not write for others without end.
func TestHubPublisherHandsOverWhatOthersPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		_, w := countedSubscriber(t, h, "a")
		held := make(chan struct{})
		w.onWrite = func() { // the log never gets empty
			if w.writes.Load() > 1 {
				<-held
			}
			if w.writes.Load() < 10 {
				publish(t, h, "a", "one more")
			}
		}
		publish(t, h, "a", "first") // returns, or the test does not
		synctest.Wait()
		if got := w.writes.Load(); got != 2 {
			t.Errorf("%d writes, want that of the publisher and one that is held up", got)
		}
		close(held)
		synctest.Wait()
		wantStats(t, h, HubStats{Subscribers: 1, Topics: 1, Published: 10})
		if got := w.writes.Load(); got != 10 {
			t.Errorf("%d writes, want 10", got)
		}
	})
}

// The log of a shard is bounded while many publish more than its writer sends, and nobody stays behind.
func TestHubLogIsBounded(t *testing.T) {
	const publishers, each, size = 6, 30, maxShardLog / 8
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		var shards []*hubShard
		for range hubShards {
			c, w := countedSubscriber(t, h, "a")
			w.onWrite = func() { time.Sleep(time.Millisecond) }
			shards = append(shards, h.shard(c))
		}
		p := make([]byte, size)
		most := 0
		var publishing sync.WaitGroup
		for range publishers {
			publishing.Go(func() {
				for range each {
					h.Publish("a", BinaryMessage, p)
				}
			})
		}
		done := async(func() error { publishing.Wait(); return nil })
		for more := true; more; time.Sleep(100 * time.Microsecond) {
			for _, s := range shards {
				s.mu.Lock()
				most = max(most, s.logged)
				s.mu.Unlock()
			}
			select {
			case <-done:
				more = false
			default:
			}
		}
		if bound := maxShardLog + publishers*frameSize(size); most > bound || most < maxShardLog {
			t.Errorf("up to %d bytes were in a log, want %d to %d", most, maxShardLog, bound)
		}
		for _, s := range shards {
			s.settle(t.Context())
			if s.writing || len(s.log) > 0 || s.logged != 0 {
				t.Errorf("a log has %d messages, %d bytes, writing: %v", len(s.log), s.logged, s.writing)
			}
		}
	})
}

// A thousand subscriptions and as many ends of them while others publish: those that stay get everything once, and who
// comes and goes is counted right.
func TestHubSubscriptionsWhilePublishing(t *testing.T) {
	const members, changes, messages = 200, 1000, 300
	h := new(Hub)
	var stay []*writeCounter
	var come []*Conn
	for range members {
		_, w := countedSubscriber(t, h, "a", "b")
		stay = append(stay, w)
		c, _ := countedSubscriber(t, h)
		come = append(come, c)
	}
	var working sync.WaitGroup
	for who := range 4 {
		working.Go(func() {
			for i := who; i < changes; i += 4 {
				c := come[i%len(come)]
				h.Subscribe(c, "b", "a")
				h.Unsubscribe(c, "a")
				h.Unsubscribe(c)
			}
		})
	}
	var reached atomic.Int64
	for who := range 2 {
		working.Go(func() {
			for i := range messages {
				receipt := publish(t, h, []string{"a", "b"}[who], overflowText(i))
				if receipt.Subscribers < members || receipt.Subscribers > 2*members {
					t.Errorf("%+v of %d to %d", receipt, members, 2*members)
				}
				reached.Add(int64(receipt.Subscribers))
			}
		})
	}
	working.Wait()
	for i := range h.shards {
		h.shards[i].settle(t.Context())
	}
	if err := h.Shutdown(canceled(t)); err != context.Canceled {
		t.Fatal(err)
	}
	var sent int64
	for i, w := range stay {
		if got := w.bytes.Load(); got != 2*messages*102 {
			t.Errorf("subscriber %d got %d bytes, want %d", i, got, 2*messages*102)
		}
		sent += w.bytes.Load()
	}
	for _, c := range come {
		sent += c.Stats().MessagesOut * 102
	}
	if want := reached.Load() * 102; sent != want {
		t.Errorf("%d bytes were sent, the Receipts say %d", sent, want)
	}
	wantStats(t, h, HubStats{Published: 2 * messages})
}

// canceled returns a context that has ended.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// What waits for a subscriber that takes nothing does not grow with what is published.
func TestHubMemoryIsBounded(t *testing.T) {
	const limit, size = 256 << 10, 64 << 10
	for _, policy := range []Overflow{OverflowClose, OverflowDropOldest, OverflowLatest} {
		synctest.Test(t, func(t *testing.T) {
			h := &Hub{QueueLimit: limit, Overflow: policy}
			for range 10 {
				subscriber(t, h, 16, connConfig{writeTimeout: -1}, "a")
			}
			p := make([]byte, size)
			before := liveHeap()
			for range 1000 { // 62 MiB
				h.Publish("a", BinaryMessage, p)
			}
			synctest.Wait()
			// The subscribers have their messages in common.
			if grown := liveHeap() - before; grown > 4*limit {
				t.Errorf("policy %d: %d KiB more are in use, %d KiB may wait for each", policy, grown>>10, limit>>10)
			}
		})
	}
}

// What was published for a connection leaves before the Close that is sent right after, as from inside a callback.
func TestClosePublishesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		conns, peers := subscribers(t, h, 20, "a")
		publish(t, h, "a", "closed by the operator")
		for _, c := range conns {
			go c.CloseWith(CloseGoingAway, "")
		}
		for _, peer := range peers {
			peer.want(OpText, "closed by the operator")
			peer.wantClose(CloseGoingAway)
		}
	})
}

// A writer that does not get on holds a Close up no longer than CloseTimeout, and Shutdown no longer than its context.
func TestWriterThatDoesNotGetOnIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, peer := subscriber(t, h, 4096, connConfig{closeTimeout: 3 * time.Second}, "a")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		publish(t, h, "a", "lost")
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.settle(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("settle took %v", took)
		}
		go c.Close()
		peer.wantClose(CloseNormal)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("the Close came after %v", took-time.Second)
		}
	})
}

// Small messages count for what they take in memory.
func TestHubLogOfSmallMessagesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, _ := subscriber(t, h, 4096, connConfig{}, "a")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		published := 0
		const most = maxShardLog / entryCost
		done := async(func() error {
			for ; published < 2*most; published++ {
				if _, err := h.Publish("a", BinaryMessage, []byte{1}); err != nil {
					return err
				}
			}
			return nil
		})
		wantBlocked(t, "Publish", done)
		if published > most {
			t.Errorf("%d messages of a byte wait, more than %d", published, most)
		}
		c.CloseNow()
		go h.writeLog(s)
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				return
			default:
				time.Sleep(time.Second)
			}
		}
	})
}

// For a subscriber too: however small the messages are, few enough of them wait.
func TestHubQueueOfSmallMessagesIsBounded(t *testing.T) {
	const limit = 64 << 10
	for _, policy := range []Overflow{OverflowClose, OverflowDropOldest} {
		synctest.Test(t, func(t *testing.T) {
			h := &Hub{QueueLimit: limit, Overflow: policy}
			c, _ := subscriber(t, h, 16, connConfig{}, "a")
			most := 0
			for range 3 * limit / entryCost {
				publish(t, h, "a", "x")
				synctest.Wait()
				most = max(most, int(c.Stats().Queued)/3)
			}
			if most != limit/(3+entryCost) {
				t.Errorf("policy %d: up to %d messages of a byte wait, want %d", policy, most, limit/(3+entryCost))
			}
			if h.Stats().Dropped == 0 {
				t.Errorf("policy %d: nothing was dropped", policy)
			}
		})
	}
}
