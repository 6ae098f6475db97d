package notify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
)

// begin serves one end of a pipe, as a plain client's connection, and returns the other.
func begin(t *testing.T, s *Server, access *Access, last *position, patterns ...string) *websocket.Conn {
	t.Helper()
	server, client := websocket.Pipe(nil)
	t.Cleanup(func() { client.CloseNow() })
	l, st, err := s.broker.listen(patterns, nil, last)
	if err != nil {
		t.Fatal(err)
	}
	n := &session{server: s, conn: server, access: access}
	go n.serve(&subscription{patterns: patterns, access: access, backlog: l, start: st})
	synctest.Wait()
	return client
}

// wantClosed wants the next read of c to find a Close.
func wantClosed(t *testing.T, c *websocket.Conn, code websocket.CloseCode, reason string) {
	t.Helper()
	_, p, err := c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != code || ce.Reason != reason {
		t.Errorf("message %.40q, error %v; want a Close with %v, %q", p, err, code, reason)
	}
}

// Of a topic that is called latest a client that was slow gets the newest message, however many there were, and its
// connection lives.
func TestLatestToSomebodySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{Latest: []string{"price.>"}})
		c := begin(t, s, &Access{}, nil, ">")
		padding := strings.Repeat(".", 10<<10)
		const count = 1000 // ten times what may wait
		for i := 1; i <= count; i++ {
			publishText(t, s, "price.x", fmt.Sprint(i, padding))
		}
		publishText(t, s, "other", "not a price")
		synctest.Wait()
		got, last := 0, 0
		for {
			_, p, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if string(p) == "not a price" {
				break
			}
			var i int
			if fmt.Sscan(string(p), &i); i <= last {
				t.Fatalf("message %d came behind %d", i, last)
			}
			got, last = got+1, i
		}
		if last != count || got > count/5 {
			t.Errorf("%d messages came, the last is %d", got, last)
		}
		if dropped := s.hub.Stats().Dropped; dropped != int64(count-got) {
			t.Errorf("%d are counted as dropped, and %d did not come", dropped, count-got)
		}
		late := begin(t, s, &Access{}, &position{s.broker.epoch, 0}, "price.>")
		if _, p, err := late.ReadMessage(); err != nil || string(p) != fmt.Sprint(count, padding) {
			t.Errorf("to somebody who was away came %.20q, %v", p, err)
		}
	})
}

// A client that takes what it has missed more slowly than new messages come is told to begin again.
func TestJoiningTooSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{Limits: Limits{Queue: 10 * messageCost}})
		missed := strings.Repeat("x", 1<<20)
		publishText(t, s, "a", missed)
		c := begin(t, s, &Access{}, &position{s.broker.epoch, 0}, "a")
		for range 10 { // it still writes what was missed
			publishText(t, s, "a", "y")
		}
		if _, p, err := c.ReadMessage(); err != nil || string(p) != missed {
			t.Errorf("%d bytes came, %v", len(p), err)
		}
		wantClosed(t, c, websocket.CloseTryAgainLater, tooSlow)
		synctest.Wait()
		if len(s.broker.audiences) > 0 {
			t.Error("something is left of it")
		}
	})
}

// And one that is fast enough gets all, in order.
func TestJoiningWhileMessagesCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		missed := strings.Repeat("x", 1<<20)
		publishText(t, s, "a", missed)
		c := begin(t, s, &Access{}, &position{s.broker.epoch, 0}, "a")
		for i := range 10 {
			publishText(t, s, "a", fmt.Sprint(i))
		}
		want := []string{missed, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
		for i := 10; i < 20; i++ {
			want = append(want, fmt.Sprint(i))
		}
		for i, text := range want {
			if _, p, err := c.ReadMessage(); err != nil || string(p) != text {
				t.Fatalf("%.20q came, %v; want %.20q", p, err, text)
			}
			if i >= 1 && i <= 10 {
				publishText(t, s, "a", fmt.Sprint(9+i))
			}
		}
	})
}

func TestConnectionsEndWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		start := time.Now()
		c := begin(t, s, &Access{Expires: start.Add(90 * time.Second), Kind: byToken}, nil, "a")
		c.SetReadDeadline(time.Time{})
		wantClosed(t, c, websocket.ClosePolicyViolation, tokenExpired)
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("it ended after %v", took)
		}
		synctest.Wait()
		if n := s.broker.subscribers("a"); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
	})
}

// A permission that has expired already ends the connection too; where it came from no token it is not called one.
func TestConnectionsEndWithAnOldPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		c := begin(t, s, &Access{Expires: time.Now().Add(-time.Second)}, nil, "a")
		wantClosed(t, c, websocket.ClosePolicyViolation, "the permission has expired; connect again")
	})
}
