package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Every Ping is answered, in order and with its payload, as long as the peer takes the answers. RFC 6455, section
// 5.5.3.
func TestPingsAreAnsweredInOrder(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		const pings = 3000
		c.Drain()
		sent := async(func() error {
			for i := range pings {
				peer.send(OpPing, fmt.Sprint(i, strings.Repeat("p", i%120)))
			}
			return nil
		})
		for i := range pings {
			peer.want(OpPong, fmt.Sprint(i, strings.Repeat("p", i%120)))
		}
		<-sent
		if s := c.Stats(); s.PingsIn != pings || s.PongsLost != 0 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Answers that the peer does not take wait up to 16 KiB; beyond that only the latest one is owed. Those that arrive are
// in order, the latest is among them, and the rest was counted. RFC 6455, section 5.5.3: an endpoint may answer only
// the most recent Ping.
func TestUnreadPongsCollapseToTheLatest(t *testing.T) {
	rawBubble(t, 512, connConfig{writeTimeout: -1}, func(t *testing.T, c *Conn, peer *rawPeer) {
		const pings = 5000
		c.Drain()
		most := int64(0)
		for i := range pings {
			peer.send(OpPing, fmt.Sprintf("%0100d", i))
			synctest.Wait()
			most = max(most, c.Stats().Queued)
		}
		if most > repliesLimit+2 {
			t.Errorf("%d bytes have waited", most)
		}
		last, got := -1, 0
		for last != pings-1 {
			f, err := peer.read()
			var i int
			if _, bad := fmt.Sscanf(f.payload, "%d", &i); err != nil || bad != nil || f.Opcode != OpPong || i <= last {
				t.Fatalf("after the answer to Ping %d: %v, %v", last, f, err)
			}
			last = i
			got++
		}
		s := c.Stats()
		if s.PingsIn != pings || s.PongsLost != int64(pings-got) || s.PongsLost == 0 {
			t.Errorf("%d answers arrived, %+v", got, s)
		}
		peer.send(OpPing, "after the jam")
		peer.want(OpPong, "after the jam")
	})
}

// Pings of ours that wait behind the peer's give way to later ones as well; a Pong to the latest answers them all.
func TestPingsCollapseToo(t *testing.T) {
	rawBubble(t, 16, connConfig{writeTimeout: -1}, func(t *testing.T, c *Conn, peer *rawPeer) {
		const pings = 3000
		c.nc.Write(make([]byte, 16)) // the peer reads nothing
		c.Drain()
		answers := make(chan error, pings)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range pings {
			go func() { _, err := c.Ping(ctx); answers <- err }()
			synctest.Wait()
		}
		if q := c.Stats().Queued; q > repliesLimit+10 {
			t.Errorf("%d bytes wait", q)
		}
		io.ReadFull(peer.nc, make([]byte, 16))
		go func() {
			for {
				f, err := peer.read()
				if err != nil {
					return
				}
				peer.send(OpPong, f.payload)
			}
		}()
		forgotten := 0
		for range pings {
			if err := <-answers; err != nil {
				forgotten++
				var timeout interface{ Timeout() bool }
				if !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Ping returned %v", err)
				}
			}
		}
		if forgotten != pings-maxPingWaiters {
			t.Errorf("%d Pings were forgotten, want %d", forgotten, pings-maxPingWaiters)
		}
	})
}

// A Ping ends in one of these ways.
func TestPingEnds(t *testing.T) {
	ping := func(ctx context.Context, c *Conn) <-chan error {
		return async(func() error { _, err := c.Ping(ctx); return err })
	}
	t.Run("its Pong", func(t *testing.T) {
		rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			c.Drain()
			go func() {
				f, _ := peer.read()
				time.Sleep(3 * time.Second)
				peer.send(OpPong, "not it")
				peer.send(OpPong, f.payload)
			}()
			if rtt, err := c.Ping(t.Context()); rtt != 3*time.Second || err != nil || c.Stats().RTT != rtt {
				t.Errorf("Ping = %v, %v", rtt, err)
			}
		})
	})
	t.Run("the Pong to a later one", func(t *testing.T) {
		rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			c.Drain()
			first := ping(t.Context(), c)
			peer.read()
			second := ping(t.Context(), c)
			f, _ := peer.read()
			peer.send(OpPong, f.payload)
			if err := errors.Join(<-first, <-second); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("its context", func(t *testing.T) {
		rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			c.Drain()
			ctx, cancel := context.WithCancel(t.Context())
			gone := ping(ctx, c)
			wantBlocked(t, "Ping", gone)
			cancel()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if err := <-ping(ctx, c); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			c.pings().mu.Lock()
			if n := len(c.pings().waiting); n != 0 {
				t.Errorf("%d Pings are remembered that nobody waits for", n)
			}
			c.pings().mu.Unlock()
			f, _ := peer.read()
			peer.send(OpPong, f.payload) // nobody waits for it
			peer.send(OpText, "x")
			peer.send(OpPing, "usable, and no second Ping was sent")
			peer.want(OpPong, "usable, and no second Ping was sent")
		})
	})
	t.Run("the end of the connection", func(t *testing.T) {
		rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			c.Drain()
			lost := ping(t.Context(), c)
			wantBlocked(t, "Ping", lost)
			peer.nc.Close()
			if err := <-lost; err == nil || err != c.failed() {
				t.Error(err)
			}
		})
	})
}
