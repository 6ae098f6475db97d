package websocket

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// publishState publishes text as the newest state of name.
func publishState(t *testing.T, h *Hub, topic, name, text string) {
	t.Helper()
	m, err := NewLatestMessage(name, TextMessage, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.PublishPrepared(topic, m); err != nil {
		t.Fatal(err)
	}
}

// To a subscriber who takes everything a state is a message like others.
func TestHubSendsEveryStateToTheFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		_, peer := subscriber(t, h, 4096, connConfig{}, "a")
		for i := range 5 {
			publishState(t, h, "a", "price", fmt.Sprint(i))
			peer.want(OpText, fmt.Sprint(i))
		}
		wantStats(t, h, HubStats{Subscribers: 1, Topics: 1, Published: 5})
	})
}

// Of what waits for a slow subscriber the newest of each state is left, behind what was published before it, and
// messages that are none stay. What is superseded is counted and makes room.
func TestHubKeepsTheNewestStateForTheSlow(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			h := &Hub{QueueLimit: -1}
			c, peer := subscriber(t, h, 16, connConfig{}, "a", "b")
			first := strings.Repeat("x", 100) // begins at once and does not fit
			publish(t, h, "a", first)
			var waiting []string // what has to be delivered
			published := 1 + random.IntN(30)
			for i := range published {
				topic := []string{"a", "b"}[random.IntN(2)]
				name := []string{"", "price", "weather"}[random.IntN(3)]
				text := fmt.Sprintf("%s %d", name, i)
				if name == "" {
					publish(t, h, topic, text)
				} else {
					publishState(t, h, topic, name, text)
					waiting = without(waiting, name+" ")
				}
				waiting = append(waiting, text)
				if random.IntN(3) > 0 { // else several leave together
					synctest.Wait()
				}
			}
			synctest.Wait()
			queued := 0
			for _, text := range waiting {
				queued += len(text) + 2 // and the header
			}
			if got := c.Stats().Queued; got != int64(queued) {
				t.Errorf("%d bytes are queued, want %d", got, queued)
			}
			peer.want(OpText, first)
			for _, text := range waiting {
				peer.want(OpText, text)
			}
			dropped := int64(published - len(waiting))
			if got := [2]int64{h.Stats().Dropped, c.Stats().Dropped}; got != [2]int64{dropped, dropped} {
				t.Errorf("dropped, as Hub and Conn have counted: %d, want %d", got, dropped)
			}
		})
	}
}

// without returns texts without the one that begins with prefix.
func without(texts []string, prefix string) []string {
	for i, text := range texts {
		if strings.HasPrefix(text, prefix) {
			return append(texts[:i:i], texts[i+1:]...)
		}
	}
	return texts
}

// What leaves in one write and is cut off waits like all else.
func TestHubSupersedesInWhatASocketDidNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, peer := subscriber(t, h, 4, connConfig{}, "a")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		for i := range 5 {
			publishState(t, h, "a", "price", fmt.Sprintf("price %d", i))
		}
		h.writeLog(s)
		peer.want(OpText, "price 0") // it had begun
		peer.want(OpText, "price 4")
		if dropped := h.Stats().Dropped; dropped != 3 {
			t.Errorf("%d messages were dropped, want 3", dropped)
		}
	})
}

func TestNewLatestMessageRefuses(t *testing.T) {
	if _, err := NewLatestMessage("a", TextMessage, []byte("\xff")); err != ErrInvalidUTF8 {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	if _, err := NewLatestMessage("a", 0, nil); err != ErrMessageType {
		t.Errorf("a type that there is not: %v", err)
	}
}

// Enqueue sends what Publish sends, but never on the goroutine that calls it, which may hold a lock that the Hub's owner
// needs while it sends.
func TestHubEnqueueLeavesTheWriting(t *testing.T) {
	held := make(chan struct{}, 1)
	h := &Hub{Sent: func(time.Duration) {
		held <- struct{}{}
		<-held
	}}
	_, peer := subscriber(t, h, 4096, connConfig{}, "a")
	m, err := NewPreparedMessage(TextMessage, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	held <- struct{}{}
	receipt, err := h.Enqueue("a", m) // a deadlock if it sends
	if err != nil || receipt != (Receipt{1, 1}) {
		t.Errorf("Enqueue = %v, %v", receipt, err)
	}
	<-held
	peer.want(OpText, "hello")
}

// Nor does it wait for a Hub that is behind: that is left to AwaitRoom.
func TestHubEnqueueDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		c, _ := subscriber(t, h, 4096, connConfig{}, "a")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		m, err := NewPreparedMessage(BinaryMessage, make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		h.AwaitRoom() // there is some
		for range 5 {
			if _, err := h.Enqueue("a", m); err != nil { // a deadlock if it waits
				t.Fatal(err)
			}
		}
		waited := async(func() error { h.AwaitRoom(); return nil })
		wantBlocked(t, "AwaitRoom", waited)
		c.CloseNow()
		h.writeLog(s)
		<-waited
	})
}

// Shutdown asks for the reason of each Close. Whoever is asked may write before it.
func TestHubGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Hub)
		h.Goodbye = func(c *Conn) string {
			c.WriteMessage(TextMessage, []byte("be prepared"))
			return fmt.Sprint("goodbye, \xff", c.id)
		}
		conns, peers := subscribers(t, h, 3, "a")
		publish(t, h, "a", "the last one")
		down := async(func() error { return h.Shutdown(testContext(t)) })
		for i, peer := range peers {
			peer.want(OpText, "the last one")
			peer.want(OpText, "be prepared")
			f, err := peer.read()
			if want := closePayload(CloseServiceRestart, fmt.Sprint("goodbye, \uFFFD", conns[i].id)); err != nil || f.payload != want {
				t.Errorf("then came %v, %v, want a Close with %q", f, err, want)
			}
			peer.send(OpClose, closePayload(CloseServiceRestart, ""))
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

// Sent is told how long the first message of a pass has waited.
func TestHubSentTellsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		h := &Hub{Sent: func(since time.Duration) { waits = append(waits, since) }}
		c, peer := subscriber(t, h, 4096, connConfig{}, "a")
		publish(t, h, "nobody", "x")
		publish(t, h, "a", "at once")
		peer.want(OpText, "at once")
		s := h.shard(c)
		s.writing = true // by somebody who is held up
		publish(t, h, "a", "waits")
		time.Sleep(2 * time.Second)
		publish(t, h, "a", "waits less")
		time.Sleep(time.Second)
		h.writeLog(s)
		peer.want(OpText, "waits")
		peer.want(OpText, "waits less")
		if len(waits) != 2 || waits[0] != 0 || waits[1] != 3*time.Second {
			t.Errorf("the delays are %v, want 0s and 3s", waits)
		}
	})
}
