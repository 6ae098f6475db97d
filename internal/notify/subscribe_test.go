package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

func TestSubscribersGetTheirTopicOnlyAndInOrder(t *testing.T) {
	const topics, each, messages = 5, 4, 50
	s := serve(t, notify.Config{})
	name := func(topic int) string { return fmt.Sprintf("topic.%d", topic) }
	conns := make([][]*websocket.Conn, topics)
	for topic := range conns {
		for range each {
			conns[topic] = append(conns[topic], s.subscribe(t, name(topic)))
		}
	}
	for m := range messages {
		for topic := range conns {
			wantPublished(t, s.publish(t, name(topic), fmt.Sprintf("message %d of topic %d", m, topic)), each)
		}
	}
	for topic := range conns {
		for _, c := range conns[topic] {
			for m := range messages {
				wantMessage(t, c, websocket.TextMessage, fmt.Sprintf("message %d of topic %d", m, topic))
			}
		}
	}
}

func TestSubscriberThatLeavesIsNotCounted(t *testing.T) {
	s := serve(t, notify.Config{})
	stays, leaves := s.subscribe(t, "news"), s.subscribe(t, "news")
	if err := leaves.Close(); err != nil {
		t.Fatal(err)
	}
	s.await(t, "news", 1)
	wantPublished(t, s.publish(t, "news", "x"), 1)
	wantMessage(t, stays, websocket.TextMessage, "x")
}

func TestSubscriberOrigins(t *testing.T) {
	listed := []string{"https://app.example.com", "https://*.example.org"}
	tests := []struct {
		rule    string
		origins []string
		origin  string // "" is none, SELF the server's own
		allowed bool
	}{
		{"none: not a browser", nil, "", true},
		{"the server's own", nil, "SELF", true},
		{"another", nil, "https://app.example.com", false},
		{"another port of this machine", nil, "http://127.0.0.1:1", false},
		{"null", nil, "null", false},
		{"listed", listed, "https://app.example.com", true},
		{"listed with a pattern", listed, "https://a.example.org", true},
		{"the server's own, with a list", listed, "SELF", true},
		{"none, with a list", listed, "", true},
		{"not listed", listed, "https://evil.example", false},
		{"listed with another scheme", listed, "http://app.example.com", false},
		{"one that begins like a listed one", listed, "https://app.example.com.evil.example", false},
		{"null, with a list", listed, "null", false},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			s := serve(t, notify.Config{Origins: tt.origins})
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", strings.ReplaceAll(tt.origin, "SELF", s.web.URL))
			}
			c, err := s.dial(t, "news", header)
			if tt.allowed {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			var he *websocket.HandshakeError
			if !errors.As(err, &he) || he.Status != 403 || !strings.Contains(string(he.Body), `{"error":"`) {
				t.Errorf("error %v; want status 403 and the reason in JSON", err)
			}
		})
	}
}

// wantRefused checks that c gets a Close that says why it may not publish.
func wantRefused(t *testing.T, c *websocket.Conn, why string) {
	t.Helper()
	_, p, err := c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != websocket.ClosePolicyViolation || !strings.Contains(ce.Reason, why) {
		t.Errorf("message %.40q, error %v; want a Close with code 1008 and %q", p, err, why)
	}
}

// What a plain client may not publish is not thrown away in silence.
func TestSubscribersMayNotPublish(t *testing.T) {
	s := serve(t, notify.Config{})
	other := s.subscribe(t, "news")
	for i, size := range []int{1, 64 << 10} {
		c := s.subscribe(t, "news")
		wantPublished(t, s.publish(t, "news", fmt.Sprint(i)), 2)
		wantMessage(t, c, websocket.TextMessage, fmt.Sprint(i))
		wantMessage(t, other, websocket.TextMessage, fmt.Sprint(i))
		c.WriteMessage(websocket.BinaryMessage, make([]byte, size))
		wantRefused(t, c, "publishing needs permission")
		s.await(t, "news", 1)
	}
	large := s.subscribe(t, "news")
	large.WriteMessage(websocket.BinaryMessage, make([]byte, 64<<10+1))
	wantClose(t, large, websocket.CloseMessageTooBig)
	s.await(t, "news", 1)
	wantPublished(t, s.publish(t, "news", "the end"), 1)
	wantMessage(t, other, websocket.TextMessage, "the end") // and nothing of what the others sent
}

func TestShutdownTellsSubscribersToComeBack(t *testing.T) {
	s := serve(t, notify.Config{DrainTime: 300 * time.Millisecond})
	conns := []*websocket.Conn{s.subscribe(t, "a"), s.subscribe(t, "a"), s.subscribe(t, "b")}
	wantPublished(t, s.publish(t, "a", "the last one"), 2)
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	wantMessage(t, conns[0], websocket.TextMessage, "the last one")
	wantMessage(t, conns[1], websocket.TextMessage, "the last one")
	for _, c := range conns {
		wantClose(t, c, websocket.CloseServiceRestart)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	wantShut(t, s)
}

func TestShutdownRefusesWhatComesDuringTheDrain(t *testing.T) {
	s := serve(t, notify.Config{DrainTime: 300 * time.Millisecond})
	awake, asleep := s.subscribe(t, "news"), s.subscribe(t, "news")
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	wantClose(t, awake, websocket.CloseServiceRestart)
	wantShut(t, s) // the other has not answered its Close yet
	select {
	case err := <-done:
		t.Errorf("Shutdown returned %v before all subscribers had gone", err)
	default:
	}
	wantClose(t, asleep, websocket.CloseServiceRestart)
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownCutsWhoDoesNotLeaveInTime(t *testing.T) {
	s := serve(t, notify.Config{})
	s.subscribe(t, "news") // and does not read
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v; want %v", err, context.Canceled)
	}
	s.await(t, "news", 0)
}

// wantShut checks that a server takes neither subscribers nor messages any more.
func wantShut(t *testing.T, s *service) {
	t.Helper()
	c, err := s.dial(t, "news", nil)
	if err == nil {
		c.CloseNow()
	}
	var he *websocket.HandshakeError
	if !errors.As(err, &he) || he.Status != 503 || !strings.Contains(string(he.Body), "shutting down") {
		t.Errorf("a new subscriber: %v; want status 503", err)
	}
	wantRefusal(t, s.publish(t, "news", "x"), 503, "shutting down")
}
