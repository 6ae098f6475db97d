package notify

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what clients may use. Where nothing else is said 0 means no limit.
type Limits struct {
	Connections      int   // of subscribers, WebSocket and server-sent events
	ConnectionsPerIP int   // of them from one address (of IPv6: one /64)
	Handshakes       int   // new connections per second
	Topics           int   // patterns that a connection may have, and topics of one publication; 0: DefaultTopics
	Message          int   // bytes of a message; 0: DefaultMessage
	PublishRate      int   // messages per second of one publisher
	Queue            int64 // bytes that may wait for one subscriber; 0: DefaultQueue. Fixed while the server runs
}

// What limits are if nothing else is said.
const (
	DefaultTopics  = 64
	DefaultMessage = 1 << 20
	DefaultQueue   = 1 << 20
)

// withDefaults returns l with the defaults filled in.
func (l Limits) withDefaults() Limits {
	if l.Topics == 0 {
		l.Topics = DefaultTopics
	}
	if l.Message == 0 {
		l.Message = DefaultMessage
	}
	if l.Queue == 0 {
		l.Queue = DefaultQueue
	}
	return l
}

// negative reports whether there is a limit that makes no sense.
func (l Limits) negative() bool {
	return min(l.Connections, l.ConnectionsPerIP, l.Handshakes, l.Topics, l.Message, l.PublishRate) < 0 || l.Queue < 0
}

// A bucket allows things at a rate: it holds as many as may happen at once, a second's worth of them.
type bucket struct {
	full   float64
	filled time.Time
}

// take reports whether n more are allowed at time now, and if not when they will be. They count at most for a second.
func (b *bucket) take(now time.Time, rate, n int) (wait time.Duration, ok bool) {
	most := float64(rate)
	due := min(float64(n), most)
	if since := now.Sub(b.filled); b.filled.IsZero() || since >= time.Second {
		b.full = most
	} else if since > 0 {
		b.full = min(most, b.full+since.Seconds()*most)
	}
	b.filled = now
	if b.full >= due {
		b.full -= due
		return 0, true
	}
	return time.Duration((due - b.full) / most * float64(time.Second)), false
}

// A publisher is who has a rate of his own.
type publisher struct {
	kind kind
	name string
}

// A throttle has a bucket for each of many publishers. Its zero value is ready.
type throttle struct {
	mu      sync.Mutex
	buckets map[publisher]*bucket
	swept   time.Time
}

// manyBuckets is how many there have to be before it is worth the while to look for those that are not needed.
const manyBuckets = 1024

// take is bucket.take for one publisher.
func (t *throttle) take(who publisher, now time.Time, rate, n int) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets == nil {
		t.buckets = make(map[publisher]*bucket)
	}
	if len(t.buckets) >= manyBuckets && now.Sub(t.swept) >= time.Second {
		t.sweep(now)
	}
	b := t.buckets[who]
	if b == nil {
		b = &bucket{}
		t.buckets[who] = b
	}
	return b.take(now, rate, n)
}

// sweep removes the buckets that are full again: a second after their last use. mu is held.
func (t *throttle) sweep(now time.Time) {
	t.swept = now
	for who, b := range t.buckets {
		if now.Sub(b.filled) >= time.Second {
			delete(t.buckets, who)
		}
	}
}

// A census counts connections, in all and by client. Its zero value is ready.
type census struct {
	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
	none chan struct{} // closed as soon as there are none; nil: nobody waits for that
}

// enter counts a connection of client, or refuses it.
func (c *census) enter(client netip.Prefix, l Limits) *Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Connections > 0 && c.all >= l.Connections {
		return retryLater(http.StatusServiceUnavailable, "max_connections", 5*time.Second,
			"the server has as many connections as it may have; try again later")
	}
	if l.ConnectionsPerIP > 0 && c.from[client] >= l.ConnectionsPerIP {
		return retryLater(http.StatusTooManyRequests, "max_connections_per_ip", 5*time.Second,
			"there are %d connections from %s already, as many as one client may have", c.from[client], oneClientText(client))
	}
	if c.from == nil {
		c.from = make(map[netip.Prefix]int)
	}
	c.all++
	c.from[client]++
	return nil
}

// leave takes back what enter has counted.
func (c *census) leave(client netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.from[client]--; c.from[client] == 0 {
		delete(c.from, client)
	}
	if c.all == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// awaitNone waits until there are no connections, or ctx ends. One goroutine may wait.
func (c *census) awaitNone(ctx context.Context) {
	c.mu.Lock()
	if c.all == 0 {
		c.mu.Unlock()
		return
	}
	none := make(chan struct{})
	c.none = none
	c.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// oneClientText names what counts as one client.
func oneClientText(client netip.Prefix) string {
	switch {
	case !client.IsValid():
		return "this address"
	case client.IsSingleIP():
		return client.Addr().String()
	}
	return client.String()
}
