package websocket

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// The tests in this file are about messages that are compressed once and shared, and about a Hub whose subscribers have
// agreed on different things.

// A mixed subscriber is one of many kinds.
type mixedSubscriber struct {
	name    string
	role    role
	options *Compression // nil: it does not compress
}

func mixedSubscribers() (all []mixedSubscriber) {
	for _, r := range []role{serverRole, clientRole} {
		all = append(all,
			mixedSubscriber{"plain", r, nil},
			mixedSubscriber{"15 bits", r, &Compression{Send: upTo(15)}},
			mixedSubscriber{"9 bits", r, &Compression{Send: upTo(9)}},
			mixedSubscriber{"8 bits", r, &Compression{Send: upTo(8)}},
			mixedSubscriber{"no takeover", r, &Compression{Send: no(15)}},
			mixedSubscriber{"no takeover, 9 bits", r, &Compression{Send: no(9)}},
			mixedSubscriber{"balanced", r, &Compression{Send: upTo(15), Level: CompressionBalanced}},
			mixedSubscriber{"Huffman", r, &Compression{Send: upTo(15), Level: CompressionHuffman}},
			mixedSubscriber{"threshold", r, &Compression{Send: upTo(15), Threshold: 2000}},
			mixedSubscriber{"each by itself", r, &Compression{Send: upTo(15), PreparedTakeover: true}},
			mixedSubscriber{"each by itself, 10 bits", r, &Compression{Send: upTo(10), PreparedTakeover: true}},
			mixedSubscriber{"each by itself, but no takeover", r, &Compression{Send: no(15), PreparedTakeover: true}},
		)
	}
	return all
}

// connect makes the subscriber's connection, over p, and its peer.
func (m mixedSubscriber) connect(t *testing.T, p transportPair) (*Conn, *flatePeer) {
	t.Helper()
	if m.options != nil {
		return withFlate(t, p, m.role, m.options)
	}
	c, raw := withRaw(t, p, m.role, connConfig{})
	return c, &flatePeer{rawPeer: raw}
}

// A prepared message is compressed once for each window and level, and never for connections that differ in less.
func TestPreparedVariantsAreShared(t *testing.T) {
	m, err := NewPreparedMessage(TextMessage, []byte(jsonText(5000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	variantOf := func(o *Compression) frameVariant {
		agreed, _ := agreement(o, &Compression{})
		s, c := memconn.Pair(0)
		defer c.Close()
		conn := newConn(s, serverRole, connConfig{deflate: agreed}, nil)
		defer conn.CloseNow()
		return conn.variant
	}
	frames := map[*byte]string{}
	for _, c := range []struct {
		name string
		o    *Compression
		want int // how many frames there are then
	}{
		{"9 bits", &Compression{Send: upTo(9)}, 1},
		{"9 bits, no takeover", &Compression{Send: no(9)}, 1},
		{"9 bits, other threshold", &Compression{Send: upTo(9), Threshold: -1}, 1},
		{"9 bits, other direction", &Compression{Send: upTo(9), Receive: no(15)}, 1},
		{"9 bits, prepared by itself, but no takeover", &Compression{Send: no(9), PreparedTakeover: true}, 1},
		{"15 bits", &Compression{Send: upTo(15)}, 2},
		{"15 bits, balanced", &Compression{Send: upTo(15), Level: CompressionBalanced}, 3},
		{"15 bits again", &Compression{Send: upTo(15), Fragments: true}, 3},
	} {
		f := m.as(variantOf(c.o))
		if !f.deflated || string(f.message) != jsonText(5000, 0) {
			t.Errorf("%s: compressed %v", c.name, f.deflated)
		}
		frames[unsafe.SliceData(f.frame)] = c.name
		if len(frames) != c.want || len(m.deflated) != c.want {
			t.Errorf("%s: there are %d frames, %d variants, want %d", c.name, len(frames), len(m.deflated), c.want)
		}
	}
	if f := m.as(variantOf(&Compression{Send: upTo(15), Threshold: 5001})); f != &m.plain {
		t.Error("below the threshold it is not plain")
	}
	if f := m.as(variantOf(&Compression{Send: upTo(15), PreparedTakeover: true})); f != &m.plain {
		t.Error("for connections that compress it themselves it is not plain")
	}
	random, _ := NewPreparedMessage(BinaryMessage, []byte(noise(5000, 1)))
	f := random.as(variantOf(&Compression{}))
	if f.deflated || unsafe.SliceData(f.frame) != unsafe.SliceData(random.plain.frame) {
		t.Error("what gains nothing is not the plain frame")
	}
	// Many ask for it at the same time.
	var asking sync.WaitGroup
	fresh, _ := NewPreparedMessage(TextMessage, []byte(jsonText(5000, 0)))
	for range 20 {
		asking.Go(func() { fresh.as(variantOf(&Compression{Send: upTo(11)})) })
	}
	asking.Wait()
	if len(fresh.deflated) != 1 {
		t.Errorf("20 who ask at once get %d variants", len(fresh.deflated))
	}
}

// Subscribers that have agreed on the same get the same bytes, and the same as WritePrepared sends; takeover does not
// change them unless PreparedTakeover says so.
func TestHubSendsTheSameFrameToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		mem := transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(1 << 20) }}
		m, _ := NewPreparedMessage(TextMessage, []byte(jsonText(5000, 0)))
		var conns []*Conn
		var peers []*flatePeer
		for _, o := range []*Compression{{}, {}, {Send: no(0)}, {Threshold: 1}} {
			c, peer := withFlate(t, mem, serverRole, o)
			cutLater(t, c)
			h.Subscribe(c, "a")
			conns, peers = append(conns, c), append(peers, peer)
		}
		own, ownPeer := withFlate(t, mem, serverRole, &Compression{Send: upTo(15), PreparedTakeover: true})
		cutLater(t, own)
		h.Subscribe(own, "a")
		for range 3 {
			h.PublishPrepared("a", m)
			conns[0].WritePrepared(m)
		}
		synctest.Wait()
		want := m.as(conns[0].variant).payload
		for i, peer := range peers {
			for range 3 + 3*max(0, 1-i) {
				f, err := peer.read()
				if err != nil || f.payload != string(want) || !f.RSV1 {
					t.Errorf("subscriber %d: another frame, %v", i, err)
				}
			}
		}
		sizes := make([]int, 3)
		for i := range sizes {
			msg, err := ownPeer.next()
			if err != nil || msg.text != jsonText(5000, 0) {
				t.Fatal(err)
			}
			sizes[i] = msg.size
		}
		if sizes[1] > sizes[0]/3 || sizes[2] > sizes[0]/3 {
			t.Errorf("a message three times over a context of its own has %v bytes", sizes)
		}
	})
}

// Every subscriber gets every message as it was published, in order, mixed with messages of its own, whatever it has
// agreed on. Some sockets take little at a time, so that messages are queued, and leave in parts.
func TestHubOfMixedSubscribers(t *testing.T) {
	small := transportPair{"little", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(700) }}
	for _, p := range append(transports, small) {
		t.Run(p.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			const messages = 60
			h := &Hub{QueueLimit: 1 << 30}
			var reading, publishing sync.WaitGroup
			var conns []*Conn
			all := mixedSubscribers()
			for i, s := range all {
				c, peer := s.connect(t, p)
				c.Drain()
				topics := []string{"a", "b"}[:1+i%2]
				if err := h.Subscribe(c, topics...); err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				reading.Go(func() { readMixed(t, s, peer, len(topics), messages) })
			}
			prepared, _ := NewPreparedMessage(TextMessage, []byte("own "+jsonText(3000, 1)))
			publishing.Go(func() {
				for i := range messages {
					publish(t, h, "a", mixedText("a", i))
					if i%2 == 0 {
						publish(t, h, "b", mixedText("b", i))
					}
				}
			})
			for i, c := range conns {
				publishing.Go(func() {
					for j := range messages / 4 {
						var err error
						if j%3 == 0 {
							err = c.WritePrepared(prepared)
						} else {
							err = c.WriteMessage(TextMessage, []byte("own "+variedASCII(j*j*40, i+j)))
						}
						if err != nil {
							t.Errorf("%s: %v", all[i].name, err)
							return
						}
					}
				})
			}
			publishing.Wait()
			reading.Wait()
			for i, c := range conns {
				if dropped := c.Stats().Dropped; dropped != 0 {
					t.Errorf("%s: %d dropped", all[i].name, dropped)
				}
				c.CloseNow()
			}
		})
	}
}

// variedASCII is text, every third of which repeats little.
func variedASCII(n, seed int) string {
	if seed%3 != 2 {
		return jsonText(n, seed)
	}
	b := []byte(noise(n, uint64(seed)))
	for i := range b {
		b[i] &= 0x7f
	}
	return string(b)
}

// mixedText is what is published to a topic, by number: some of it larger than the buffer.
func mixedText(topic string, i int) string {
	return fmt.Sprintf("%s%d %s", topic, i, variedASCII([]int{10, 300, 2500, 20_000}[i%4], i))
}

// readMixed reads all that a subscriber is to get.
func readMixed(t *testing.T, s mixedSubscriber, peer *flatePeer, topics, messages int) {
	want := messages + messages/4
	if topics > 1 {
		want += messages / 2
	}
	next := map[string]int{"a": 0, "b": 0}
	for range want {
		m, err := peer.next()
		if err != nil {
			t.Errorf("%v, %s: %v", s.role, s.name, err)
			return
		}
		topic := m.text[:1]
		switch {
		case strings.HasPrefix(m.text, "own "):
		case m.text != mixedText(topic, next[topic]):
			t.Errorf("%v, %s: got %.20q, want %.20q", s.role, s.name, m.text, mixedText(topic, next[topic]))
			return
		default:
			next[topic] += map[string]int{"a": 1, "b": 2}[topic]
		}
		if s.options == nil && m.deflated {
			t.Errorf("%v, %s: a compressed message", s.role, s.name)
		}
	}
}

// A subscriber that is too slow misses whole messages; those that it gets are whole, and the context is right behind
// the gap.
func TestHubDropsCompressedMessages(t *testing.T) {
	for _, policy := range []Overflow{OverflowDropOldest, OverflowLatest} {
		for _, s := range mixedSubscribers() {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{QueueLimit: 5000, Overflow: policy}
				c, peer := s.connect(t, transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(50) }})
				cutLater(t, c)
				h.Subscribe(c, "a")
				const messages = 60
				for i := range messages {
					publish(t, h, "a", fmt.Sprint(i, " ", jsonText(1000, i%5)))
				}
				synctest.Wait()
				var got []int
				for len(got) == 0 || got[len(got)-1] != messages-1 {
					m, err := peer.next()
					if err != nil {
						t.Fatalf("%v, %s: %v", s.role, s.name, err)
					}
					var n int
					fmt.Sscan(m.text[:4], &n)
					if m.text != fmt.Sprint(n, " ", jsonText(1000, n%5)) {
						t.Fatalf("%v, %s: message %d is another", s.role, s.name, n)
					}
					got = append(got, n)
				}
				if !slices.IsSorted(got) || len(got) > messages/2 || int64(messages-len(got)) != c.Stats().Dropped {
					t.Errorf("%v, %s: got %v, %d dropped", s.role, s.name, got, c.Stats().Dropped)
				}
				text := jsonText(1000, 2)
				sent := async(func() error { return c.WriteMessage(TextMessage, []byte(text)) })
				if m, err := peer.next(); err != nil || m.text != text {
					t.Errorf("%v, %s: a message of its own: %v", s.role, s.name, err)
				}
				<-sent
			})
		}
	}
}

// A message of a Hub that is stuck does not disturb one of the connection's own that is taken back.
func TestHubAndTakenBackMessages(t *testing.T) {
	for _, s := range mixedSubscribers() {
		synctest.Test(t, func(t *testing.T) {
			h := new(Hub)
			c, peer := s.connect(t, transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(50) }})
			cutLater(t, c)
			h.Subscribe(c, "a")
			for i := range 5 {
				published := []string{jsonText(1500, i%2), jsonText(30_000, i)}
				publish(t, h, "a", published[0])
				publish(t, h, "a", published[1])
				c.SetWriteDeadline(time.Now().Add(time.Second))
				if err := c.WriteMessage(TextMessage, []byte(jsonText(1500+20_000*(i%2), 9))); err == nil {
					t.Error("the write was not given up")
				}
				c.SetWriteDeadline(time.Time{})
				for _, want := range published {
					if m, err := peer.next(); err != nil || m.text != want {
						t.Fatalf("%v, %s: got %.20q, %v, want %.20q", s.role, s.name, m.text, err, want)
					}
				}
				text := jsonText(1500, 9)
				sent := async(func() error { return c.WriteMessage(TextMessage, []byte(text)) })
				if m, err := peer.next(); err != nil || m.text != text {
					t.Fatalf("%v, %s: a message of its own: %v", s.role, s.name, err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
