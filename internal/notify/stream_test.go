package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
)

// A tap is the answer of a handler as its client sees it come. It can be stopped, as a client that reads nothing.
type tap struct {
	header http.Header

	mu       sync.Mutex
	buffered strings.Builder
	flushed  strings.Builder
	deadline time.Time
	stopped  bool
}

func newTap() *tap { return &tap{header: http.Header{}} }

func (w *tap) Header() http.Header { return w.header }

func (w *tap) WriteHeader(int) {}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		wait := time.Until(w.deadline)
		w.mu.Unlock()
		time.Sleep(wait)
		w.mu.Lock()
		return 0, os.ErrDeadlineExceeded
	}
	return w.buffered.Write(p)
}

func (w *tap) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushed.WriteString(w.buffered.String())
	w.buffered.Reset()
}

func (w *tap) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

// stop makes the client read nothing any more.
func (w *tap) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// came returns what has come since it was called last.
func (w *tap) came() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.flushed.Reset()
	return w.flushed.String()
}

// testServer returns a server for one test, in a bubble.
func testServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.PublishKeys = []string{"key"}
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events opens a stream. done is closed when the handler has returned.
func events(ctx context.Context, s *Server, path string) (w *tap, done chan struct{}) {
	w, done = newTap(), make(chan struct{})
	r := httptest.NewRequest("GET", path, nil).WithContext(ctx)
	r.Header.Set("Accept", "text/html, text/event-stream")
	go func() {
		defer close(done)
		s.ServeHTTP(w, r)
	}()
	return w, done
}

func publishText(t *testing.T, s *Server, topic, text string) {
	t.Helper()
	if _, err := s.broker.publish([]string{topic}, websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// wantEnded wants a handler to have returned.
func wantEnded(t *testing.T, done chan struct{}) {
	t.Helper()
	synctest.Wait()
	select {
	case <-done:
	default:
		t.Error("the stream goes on")
	}
}

func wantCame(t *testing.T, w *tap, want string) {
	t.Helper()
	if got := w.came(); got != want {
		t.Errorf("%.400q came, want %.400q", got, want)
	}
}

func TestEventsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		ctx, leave := context.WithCancel(t.Context())
		w, done := events(ctx, s, "/ws?topic=a&topic=b.%3E")
		e := s.broker.epoch
		wantCame(t, w, "event: welcome\nid: "+e+"-0\n"+
			`data: {"type":"welcome","id":"`+e+`-0","topics":["a","b.>"]}`+"\n\n")
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
			"X-Content-Type-Options": "nosniff", "Hawser-Last-Id": e + "-0", "Hawser-Recovered": "",
			"Access-Control-Allow-Origin": "",
		} {
			if got := w.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		publishText(t, s, "a", "two\r\nlines\rid: 7")
		wantCame(t, w, "id: "+e+"-1\n"+
			`data: {"type":"message","id":"`+e+`-1","topic":"a","data":"two\r\nlines\rid: 7"}`+"\n\n")
		publishText(t, s, "b", "not below b")
		publishText(t, s, "b.c", "")
		wantCame(t, w, "id: "+e+"-3\n"+`data: {"type":"message","id":"`+e+`-3","topic":"b.c","data":""}`+"\n\n")
		var text strings.Builder
		s.meters.set.Write(&text)
		if !strings.Contains(text.String(), "hawser_publish_to_socket_seconds_count 2\n") {
			t.Error("the latency of two writes is not counted")
		}
		leave()
		wantEnded(t, done)
		if n := s.broker.subscribers("a"); n != 0 || len(s.broker.audiences) != 0 {
			t.Errorf("%d subscribers are left", n)
		}
	})
}

// A stream that is silent shows every 15 seconds that it lives, and only then.
func TestEventsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		w, _ := events(ctx, s, "/topics/a")
		w.came()
		for range 3 {
			time.Sleep(heartbeat - 1)
			wantCame(t, w, "")
			time.Sleep(time.Nanosecond)
			wantCame(t, w, ":\n\n")
		}
		time.Sleep(heartbeat - 1)
		publishText(t, s, "a", "x")
		w.came()
		time.Sleep(heartbeat - 1)
		wantCame(t, w, "")
		time.Sleep(time.Nanosecond)
		wantCame(t, w, ":\n\n")
	})
}

// A client that takes nothing has the time of a write, and then what it misses is not kept for it.
func TestEventsToSomebodySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{Limits: Limits{Queue: 10 * messageCost}})
		w, done := events(t.Context(), s, "/topics/a")
		fast, _ := events(t.Context(), s, "/topics/a")
		w.came()
		fast.came()
		w.stop()
		start := time.Now()
		for i := range 30 {
			publishText(t, s, "a", fmt.Sprint(i))
			if got := fast.came(); !strings.HasSuffix(got, fmt.Sprintf(`"data":"%d"}`+"\n\n", i)) {
				t.Fatalf("to another came %q", got)
			}
		}
		<-done
		if took := time.Since(start); took != writeTime {
			t.Errorf("it ended after %v, want %v", took, writeTime)
		}
		if n := s.broker.subscribers("a"); n != 1 {
			t.Errorf("%d subscribers are left, want 1", n)
		}
		stop(t, s)
	})
}

// When more waits than there is room for the stream ends, and the client can go on with the last id.
func TestEventsOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{Limits: Limits{Queue: 10 * messageCost}})
		w, done := events(t.Context(), s, "/topics/a")
		w.came()
		w.mu.Lock() // within a write, which then succeeds
		for i := range 30 {
			publishText(t, s, "a", fmt.Sprint(i))
		}
		w.mu.Unlock()
		got := w.came()
		wantEnded(t, done)
		last := s.broker.epoch + "-0"
		if i := strings.LastIndex(got, "id: "); i >= 0 {
			last, _, _ = strings.Cut(got[i+len("id: "):], "\n")
		}
		w, _ = events(t.Context(), s, "/topics/a?last-id="+last)
		rest := w.came()
		if !strings.Contains(rest, `"recovered":true`) {
			t.Errorf("behind %s came %q", last, rest)
		}
		if n := strings.Count(got+rest, `"type":"message"`); n != 30 {
			t.Errorf("%d messages came in all, want 30", n)
		}
		stop(t, s)
	})
}

// stop ends a server and what is left of its streams.
func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEventsOfOtherOrigins(t *testing.T) {
	for origin, allowed := range map[string]bool{
		"": true, "http://example.com": true, "https://app.example.org": true, "https://evil.example": false, "null": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := testServer(t, Config{Origins: []string{"https://app.example.org"}})
			w := httptest.NewRecorder()
			ctx, leave := context.WithCancel(t.Context())
			leave()
			r := httptest.NewRequest("GET", "http://example.com/topics/a", nil).WithContext(ctx)
			r.Header.Set("Accept", "text/event-stream")
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			s.ServeHTTP(w, r)
			if !allowed {
				if w.Code != 403 || !strings.Contains(w.Body.String(), `{"error":"`) || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s: status %d, %v, %s", origin, w.Code, w.Header(), w.Body)
				}
				return
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != 200 || got != origin {
				t.Errorf("%s: status %d, allowed origin %q, %s", origin, w.Code, got, w.Body)
			}
		})
	}
}

// Streams are told when to come back, one after the other.
func TestEventsDrain(t *testing.T) {
	const n, over = 1000, 4 * time.Second
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{DrainTime: over})
		var taps []*tap
		var mu sync.Mutex
		var ends []time.Duration
		start := time.Now()
		var open sync.WaitGroup
		for range n {
			w, done := events(t.Context(), s, "/topics/a")
			taps = append(taps, w)
			open.Go(func() {
				<-done
				mu.Lock()
				defer mu.Unlock()
				ends = append(ends, time.Since(start))
			})
		}
		synctest.Wait()
		publishText(t, s, "a", "the last one")
		stop(t, s)
		open.Wait()
		hints := map[string]bool{}
		for _, w := range taps {
			_, rest, _ := strings.Cut(w.came(), `"data":"the last one"}`+"\n\n")
			var ms int
			fmt.Sscanf(rest, "event: drain\nretry: %d\n", &ms)
			want := fmt.Sprintf("event: drain\nretry: %d\ndata: {\"type\":\"drain\",\"retry\":%d}\n\n", ms, ms)
			if rest != want || ms < 1 || ms > int(over.Milliseconds()) {
				t.Fatalf("the end is %q", rest)
			}
			hints[rest] = true
		}
		if len(hints) < n/2 {
			t.Errorf("%d hints of %d differ", len(hints), n)
		}
		for i, end := range ends { // in order
			if want := over * time.Duration(i) / n; end != want {
				t.Fatalf("stream %d ended after %v, want %v", i, end, want)
			}
		}
		late, done := events(t.Context(), s, "/topics/a")
		wantEnded(t, done)
		if got := late.came(); strings.Contains(got, "event: welcome") {
			t.Errorf("a stream was begun: %q", got)
		}
	})
}

// A stream that was let in just before the drain, and begins behind it, is told like the others.
func TestEventsDrainTellsTheLate(t *testing.T) {
	var open streams
	if err := open.drain(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	goodbye, leave := open.enter()
	defer leave()
	select {
	case retry := <-goodbye:
		if retry < time.Millisecond || retry > time.Second+time.Millisecond {
			t.Errorf("it shall come back after %v", retry)
		}
	default:
		t.Error("it was not told")
	}
}

// Nobody's turn is waited for who has gone by himself.
func TestEventsDrainEndsWhenNobodyIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{DrainTime: time.Minute})
		ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
		defer leave()
		for range 4 {
			events(ctx, s, "/topics/a")
		}
		synctest.Wait()
		start := time.Now()
		stop(t, s)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it took %v; all had gone after 20 s", took)
		}
	})
}

func TestEventsDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		w, done := events(t.Context(), s, "/topics/a")
		w.came()
		w.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err == nil {
			t.Error("Shutdown says that all have gone")
		}
		<-done
	})
}

// What may be subscribed to until then ends then.
func TestEventsEndWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{})
		l, st, err := s.broker.listen([]string{"a"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		access := &Access{Sub: []string{"a"}, Expires: time.Now().Add(time.Minute)}
		w, start := newTap(), time.Now()
		s.stream(w, httptest.NewRequest("GET", "/topics/a", nil), &subscription{patterns: []string{"a"}, access: access, backlog: l, start: st})
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it ended after %v", took)
		}
		s.broker.ignore(l)
	})
}

// A slowTap takes a write in 9 seconds, as a client may who wants to stay.
type slowTap struct{ *tap }

func (w slowTap) Write(p []byte) (int, error) {
	time.Sleep(9 * time.Second)
	return w.tap.Write(p)
}

// That the client still gets what it has missed gives it no more time than it has; and it gets the end of the body.
func TestEventsEndWithTheTokenWhileTheyRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, Config{History: HistoryConfig{Bytes: -1}})
		for range 50 {
			publishText(t, s, "a", strings.Repeat("x", writeChunk))
		}
		l, st, err := s.broker.listen([]string{"a"}, nil, &position{s.broker.epoch, 0})
		if err != nil || len(st.missed) != 50 {
			t.Fatal(len(st.missed), err)
		}
		access := &Access{Sub: []string{"a"}, Expires: time.Now().Add(time.Minute)}
		w, start := slowTap{newTap()}, time.Now()
		s.stream(w, httptest.NewRequest("GET", "/topics/a", nil), &subscription{patterns: []string{"a"}, access: access, backlog: l, start: st})
		if took := time.Since(start); took < time.Minute || took > time.Minute+9*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if left := time.Until(w.deadline); left != writeTime {
			t.Errorf("there are %v left for the end of the body", left)
		}
		s.broker.ignore(l)
	})
}
