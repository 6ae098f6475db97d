package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
)

// Whoever publishes waits for a Hub that is far behind, but the broker does not: others come and go meanwhile.
func TestBrokerIsFreeWhileThePublisherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		held := make(chan struct{})
		s.hub.Sent = func(time.Duration) { <-held } // the writer
		c, peer := websocket.Pipe(nil)
		defer c.CloseNow()
		defer peer.CloseNow()
		peer.Drain()
		if _, err := s.broker.resubscribe(&subscriber{conn: c}, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		published := make(chan struct{})
		go func() {
			for range 10 {
				s.broker.publish([]string{"a"}, websocket.BinaryMessage, make([]byte, 1<<20))
			}
			close(published)
		}()
		synctest.Wait()
		select {
		case <-published:
			t.Error("nobody waited for the Hub")
		default:
		}
		if !s.broker.mu.TryLock() {
			t.Error("the broker waits for the Hub")
		} else {
			s.broker.mu.Unlock()
		}
		close(held)
		<-published
	})
}
