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

// The JSON of a payload is made before the broker is locked, if somebody gets it; a message that is handed over with it
// does not make it again.
func TestBrokerMakesJSONForThoseWhoGetIt(t *testing.T) {
	s := testServer(t, Config{})
	c, peer := websocket.Pipe(nil)
	defer c.CloseNow()
	defer peer.CloseNow()
	v1 := &subscriber{conn: c, form: jsonForm}
	for _, row := range []struct {
		patterns, topics []string
		want             bool
	}{
		{nil, []string{"a.b"}, false},
		{[]string{"a.>"}, []string{"c", "a.b"}, true},
		{[]string{"a.>"}, []string{"a", "c"}, false},
		{[]string{"c"}, []string{"a.b"}, false},
	} {
		if _, err := s.broker.resubscribe(v1, row.patterns); err != nil {
			t.Fatal(err)
		}
		if got := s.broker.someGetJSON(row.topics); got != row.want {
			t.Errorf("%q of %q: %v", row.topics, row.patterns, got)
		}
	}
	m := &message{position: position{"5f0c9a1e", 1}, topic: "c", msgType: websocket.TextMessage, payload: []byte("x")}
	s.broker.mu.Lock()
	s.broker.send(m, []byte(`"data":"made before"`))
	s.broker.mu.Unlock()
	peer.SetReadDeadline(time.Now().Add(time.Minute))
	_, p, err := peer.ReadMessage()
	if want := `{"type":"message","id":"5f0c9a1e-1","topic":"c","data":"made before"}`; err != nil || string(p) != want {
		t.Errorf("%s came, %v; want %s", p, err, want)
	}
}
