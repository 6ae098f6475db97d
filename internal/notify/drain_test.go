package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

var retryHint = regexp.MustCompile(`^the server restarts; retry=([0-9]+)$`)

// wantGoodbye checks the error of a read: a Close with 1012 and a hint when to come back. It returns that.
func wantGoodbye(t *testing.T, err error, within time.Duration) (ms int64) {
	t.Helper()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != websocket.CloseServiceRestart {
		t.Errorf("error %v; want a Close with 1012", err)
		return 0
	}
	match := retryHint.FindStringSubmatch(ce.Reason)
	if match == nil {
		t.Errorf("the reason is %q", ce.Reason)
		return 0
	}
	ms, _ = strconv.ParseInt(match[1], 10, 64)
	if ms < 1 || ms > within.Milliseconds()+1 {
		t.Errorf("retry=%d, want up to %v", ms, within)
	}
	return ms
}

// While others publish all connections are told to come back. Each has got what was published up to some number, then
// the goodbye, and nothing behind it. Publishers are told too.
func TestDrainUnderLoad(t *testing.T) {
	const n, over = 60, 300 * time.Millisecond
	s := serve(t, notify.Config{DrainTime: over})
	published := &record{topics: map[int]string{}, texts: map[int]string{}}
	publishing := make(chan error, 1)
	go func() {
		var err error
		for i := 1; err == nil; i++ {
			_, err = published.publish(s, "a", fmt.Sprint(i)) // the text is the number
		}
		publishing <- err
	}()
	var reading sync.WaitGroup
	lasts := make([]int, n)
	for i := range n {
		if i%2 == 0 {
			f, w := s.v1(t, []string{"a"}, "")
			awaitCount(t, "a", s.server.Joined, i+1) // the welcome comes before
			reading.Go(func() { lasts[i] = readToGoodbye(t, f, w.seq(), over) })
			continue
		}
		c := s.subscribe(t, "a")
		reading.Go(func() {
			for {
				_, p, err := c.ReadMessage()
				if err != nil {
					wantGoodbye(t, err, over)
					return
				}
				lasts[i], _ = strconv.Atoi(string(p))
			}
		})
	}
	for before := published.count(); published.count() < before+10; { // so that all get some
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if err := s.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < over/2 {
		t.Errorf("the goodbyes came within %v, want them spread over %v", took, over)
	}
	reading.Wait()
	if err := <-publishing; err == nil || !regexp.MustCompile(`status 503, .*shutting down`).MatchString(err.Error()) {
		t.Errorf("the publisher was told %v", err)
	}
	last := len(published.texts)
	for i, got := range lasts {
		if got != last {
			t.Errorf("connection %d got messages up to %d of %d", i, got, last)
		}
	}
}

// readToGoodbye returns the number of the last message.
func readToGoodbye(t *testing.T, f v1Feed, last int, over time.Duration) int {
	retry := int64(-1)
	for {
		m, err := f.next()
		switch {
		case err != nil:
			if ms := wantGoodbye(t, err, over); ms != retry {
				t.Errorf("the Close says %d, the drain message %d", ms, retry)
			}
			return last
		case m.Type == "drain" && retry < 0:
			retry = m.Retry
		case m.Type != "message" || m.seq() != last+1:
			t.Errorf("%+v behind number %d", m, last)
			return last
		default:
			last++
		}
	}
}

// Who publishes over WebSocket is sent away like all others, at its turn, whatever it still sends meanwhile.
func TestDrainOfPublishers(t *testing.T) {
	const n, over = 20, 200 * time.Millisecond
	s := serve(t, notify.Config{DrainTime: over, Limits: notify.Limits{PublishRate: 1 << 20}})
	var publishers sync.WaitGroup
	for i := range n {
		var d websocket.Dialer
		if i%2 == 0 {
			d.Subprotocols = []string{"hawser.v1"}
		}
		c, _, err := d.Dial(t.Context(), "ws://"+s.addr+"/topics/a",
			http.Header{"Authorization": {"Bearer " + key}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		c.SetReadDeadline(time.Now().Add(patience))
		go func() {
			for c.WriteMessage(websocket.TextMessage, []byte(`{"type":"publish","topic":"b","data":"x"}`)) == nil {
				time.Sleep(time.Millisecond)
			}
		}()
		publishers.Go(func() {
			drains := 0
			for {
				_, p, err := c.ReadMessage()
				if err != nil {
					wantGoodbye(t, err, over)
					break
				}
				if strings.HasPrefix(string(p), `{"type":"drain"`) {
					drains++
				}
			}
			if want := (i + 1) % 2; drains != want {
				t.Errorf("%d drain messages, want %d", drains, want)
			}
		})
	}
	awaitCount(t, "a", s.server.Joined, n)
	if err := s.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	publishers.Wait()
}

func TestDrainTellsWhenToComeBack(t *testing.T) {
	s := serve(t, notify.Config{DrainTime: 3 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.server.Shutdown(ctx)
	for _, got := range []answer{
		s.publish(t, "a", "x"),
		s.raw(t, "GET /topics/a HTTP/1.1\r\nHost: x\r\n"+handshakeHeader+"\r\n"),
		s.do(t, "GET", "/topics/a", nil, "Accept", "text/event-stream"),
		s.do(t, "POST", "/publish?topic=a&topic=b", nil, "Authorization", "Bearer "+key),
	} {
		wantRefusal(t, got, 503, "shutting down")
		if after := got.header.Get("Retry-After"); after != "4" {
			t.Errorf("Retry-After: %q, want 4", after)
		}
	}
}

// Who is still sent what he has missed when the drain begins gets all of it, and then is told like all others.
func TestDrainOfWhoRecovers(t *testing.T) {
	const n, size = 16, 1 << 20 // more than sockets take
	s := serve(t, notify.Config{DrainTime: -1, History: notify.HistoryConfig{Bytes: -1}})
	for range n {
		if got := s.publish(t, "a", strings.Repeat("x", size)); got.status != 200 {
			t.Fatal(got)
		}
	}
	c, err := s.dial(t, "a?last-id=00000000-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	for s.do(t, "GET", "/readyz", nil).status != 503 {
	}
	for i := range n {
		if _, p, err := c.ReadMessage(); err != nil || len(p) != size {
			t.Fatalf("message %d: %d bytes, %v", i, len(p), err)
		}
	}
	_, _, err = c.ReadMessage()
	wantGoodbye(t, err, time.Millisecond)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who is subscribed, and asks for what he has missed of another topic, gets his Close when it is his turn, whatever was
// sent of that.
func TestDrainWhileATopicIsRecovered(t *testing.T) {
	const n, size = 16, 1 << 20 // more than sockets take
	s := serve(t, notify.Config{DrainTime: -1, History: notify.HistoryConfig{Bytes: -1}})
	for range n {
		if got := s.publish(t, "a", strings.Repeat("x", size)); got.status != 200 {
			t.Fatal(got)
		}
	}
	f, _ := s.v1(t, []string{"b"}, "")
	f.say(t, `{"type":"subscribe","topics":["a"],"last":"00000000-0"}`)
	f.want(t, "subscribed")
	f.say(t, `{"type":"ping"}`)
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	for s.do(t, "GET", "/readyz", nil).status != 503 {
	}
	var err error
	for err == nil {
		_, _, err = f.c.ReadMessage()
	}
	wantGoodbye(t, err, time.Millisecond)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A connection without topics is told as well.
func TestDrainOfAConnectionWithoutTopics(t *testing.T) {
	s := serve(t, notify.Config{DrainTime: -1})
	f, _ := s.v1(t, nil, "")
	g, _ := s.v1(t, []string{"a"}, "")
	g.say(t, `{"type":"unsubscribe","topics":["a"]}`)
	g.want(t, "unsubscribed")
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(t.Context()) }()
	for _, f := range []v1Feed{f, g} {
		f.want(t, "drain")
		_, err := f.next()
		wantGoodbye(t, err, time.Millisecond)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
